"""A cell's number as a French Excel shows it in the cell's format; what is not known for sure is nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.upload.reading.formats import BUILT_IN, format_number, general, is_date

DAY = 45689.0  # 1 February 2025, a Saturday

SHOWN = [
    (0.05, "0%", "5 %"), (0.125, "0.0%", "12,5 %"), (0.05, "0 %", "5 %"), (1.5, "0%", "150 %"), (0.999, "0%", "100 %"),
    (3.5, '0.0" mmol/L"', "3,5 mmol/L"), (4.0, '0.0" mmol/L"', "4,0 mmol/L"), (120.0, '0" mmHg"', "120 mmHg"),
    (37.5, r'0.0\ "°C"', "37,5 °C"), (5.0, 'General" mg"', "5 mg"), (12.0, '"<"0', "<12"), (2.0, '"x "0', "x 2"),
    (3.14159, "0.00_ ;-0.00 ", "3,14"), (2.5, "0", "3"), (0.5, "0.0##", "0,5"), (0.5, "#.##", ",5"),
    (7.0, "0000", "0007"),
    (612345678.0, '0#" "##" "##" "##" "##', "06 12 34 56 78"), (1234567.891, "#,##0.00", "1 234 567,89"),
    (1234.5, r'#,##0.00\ "€"', "1 234,50 €"), (1234.5, r"#,##0.00\ [$€-40C]", "1 234,50 €"), (12.0, "[$$-409]0", "$12"),
    (1500000.0, '0.0,,"M"', "1,5M"), (-5.0, "0;[Red]-0", "-5"), (-5.0, "0;(0)", "(5)"), (-3.5, "0.0", "-3,5"),
    (0.0, '0;-0;"nul"', "nul"), (3.0, '[<5]"petit";"grand"', "petit"), (8.0, '[<5]"petit";"grand"', "grand"),
    (1.5, "# ?/?", "1 1/2"), (0.25, "# ?/?", "1/4"), (1 / 3, "# ??/??", "1/3"), (1.75, "# ?/4", "1 3/4"),
    (0.0, "# ?/?", "0"),
    (12345.0, "0.00E+00", "1,23E+04"), (0.000123, "0.00E+00", "1,23E-04"), (12345.0, "##0.0E+0", "12,3E+3"),
    (9.99, "0.0E+0", "1,0E+1"),
    (DAY, "dd/mm/yyyy", "01/02/2025"), (DAY, "dd-mmm", "01-févr"), (DAY, "[$-40C]d mmmm yyyy;@", "1 février 2025"),
    (DAY, "[$-409]d-mmm-yy;@", "1-Feb-25"), (DAY, "dddd d mmm", "samedi 1 févr"), (DAY, "yyyy-mm-dd", "2025-02-01"),
    (DAY + 0.5, "dd/mm/yyyy hh:mm", "01/02/2025 12:00"), (0.5, "h:mm AM/PM", "12:00 PM"),
    (0.75, "hh:mm:ss", "18:00:00"),
    (1.25, "[h]:mm:ss", "30:00:00"), (45689.99999, "hh:mm", "23:59"), (0.5 + 0.25 / 86400, "mm:ss.00", "00:00,25"),
    (59.0, "dd/mm/yyyy", "28/02/1900"), (61.0, "dd/mm/yyyy", "01/03/1900"),
]  # fmt: skip
UNKNOWN = [
    (DAY, "[$-401]d mmm"),  # Arabic names
    (DAY, "[$-2060409]d mmm"),  # another calendar
    (60.0, "dd/mm/yyyy"),  # a day that never was
    (-1.0, "dd/mm/yyyy"),
    (1e300, "0"),
    (1.0, "0/0/0"),
    (1.0, "0;0;0;0;0"),
    (1.0, "0" * 300),
]


@pytest.mark.parametrize(("value", "code", "text"), SHOWN)
def test_a_number_is_shown_as_its_format_says(value: float, code: str, text: str) -> None:
    assert format_number(value, code) == text


@pytest.mark.parametrize(("value", "code"), UNKNOWN)
def test_what_is_not_known_for_sure_is_nothing(value: float, code: str) -> None:
    assert format_number(value, code) is None


def test_days_counted_from_1904_are_four_years_later() -> None:
    assert format_number(0.0, "dd/mm/yyyy", from_1904=True) == "01/01/1904"
    assert format_number(DAY - 1462, "dd/mm/yyyy", from_1904=True) == "01/02/2025"


@pytest.mark.parametrize(
    ("code", "expected"),
    [("dd-mmm", True), ("mmm-yy", True), ("dd/mm/yyyy hh:mm", True), ("m", True),
     ("hh:mm", False), ("[h]:mm:ss", False), ("mm:ss", False), ("0.00", False), ('0" d"', False), ("General", False)],
)  # fmt: skip
def test_a_format_that_shows_a_day_or_a_month_is_a_dates(code: str, expected: bool) -> None:
    assert is_date(code) is expected


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.sampled_from(sorted(BUILT_IN.values())))
def test_every_built_in_format_shows_any_number_or_nothing(value: float, code: str) -> None:
    shown = format_number(value, code)
    assert shown is None or shown.strip() == shown


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.sampled_from('0#?.,%/E+-;@[]$"\\_*dmyhs :<>=1A€'), max_size=40),
)
@example(0.0, "E-0")
@example(1.5, "0." + "0" * 30 + "E+0")
def test_any_format_ends_in_a_text_or_nothing(value: float, code: str) -> None:
    shown = format_number(value, code)
    assert shown is None or isinstance(shown, str)


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_no_digit_of_a_number_is_lost(number: object) -> None:
    shown = format_number(float(str(number)), "#,##0.00")
    assert shown is not None
    assert float(re.sub(" ", "", shown).replace(",", ".")) == pytest.approx(float(str(number)))


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.5, "3,5"), (4.0, "4"), (0.1 + 0.2, "0,3"), (1e-7, "1E-07"), (-0.25, "-0,25"), (1e20, "1E+20")],
)
def test_a_number_without_a_format_has_a_decimal_comma_and_no_noise(value: float, text: str) -> None:
    assert general(value) == text
