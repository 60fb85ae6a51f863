"""Marks by which a workbook of ours knows its rows again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.questions.row_marks import ReviewMark, RowMark, is_mark

TEXTS = st.dictionaries(
    st.sampled_from(["explication", *(f"explication {c}" for c in "abcde")]), st.text(max_size=60), max_size=6
)


@given(st.from_regex(r"[a-z0-9]{1,25}", fullmatch=True), st.sampled_from(["confirmed", "completed"]), st.text(), TEXTS)
def test_a_mark_is_read_as_it_was_written(item_id: str, outcome: str, value: str, texts: dict[str, str]) -> None:
    mark = RowMark.of(item_id, outcome, value, texts)

    assert RowMark.parse(mark.write()) == mark
    assert is_mark(f" {mark.write()}\n")
    assert mark.has_value(value)
    assert all(mark.wrote(header, text) for header, text in texts.items())


def test_what_a_spreadsheet_changes_in_a_cell_is_no_change_and_another_key_is_one() -> None:
    mark = RowMark.of("c1", "completed", "L'« abcès »", {"explication": "Car\n il l'est."})

    assert mark.has_value(" L’“abcès” ")
    assert mark.wrote("explication", "Car\r\nil l’est.")
    assert not mark.has_value("L'abcès froid")
    assert not mark.wrote("explication a", "Car il l'est.")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "oui",
            "medq2",
            "medq2:c1",
            "medq2:c1:completed",
            "medq2:c1:completed:zzzzzzzz:",
            "medq2:c1:0123456789abcdef",
        ),
        *(
            "medq2:c1:completed:01234567:y=01234567",
            "medq2:c1:completed:01234567:x=01234567,",
            "medq1:c1:completed:01234567:",
            None,
        ),
    ],
)
def test_nothing_else_is_a_mark(text: str | None) -> None:
    assert RowMark.parse(text) is None
    assert ReviewMark.parse(text) is None


def test_the_mark_of_a_row_to_settle_holds_what_the_person_saw() -> None:
    mark = ReviewMark("c1", "0123456789abcdef")

    assert ReviewMark.parse(mark.write()) == mark
    assert RowMark.parse(mark.write()) is None


def test_a_mark_of_before_is_a_mark_and_says_nothing() -> None:
    earlier = "medq1:c1:completed:01234567:x=1f0c2a9b,a=01234567"

    assert is_mark(earlier)
    assert RowMark.parse(earlier) is None
