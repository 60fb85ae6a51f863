"""Which official keys and answers say the same, in one file or from one to the next."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from worker.questions.history import Standing, key_conflict, official_form


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Insuline", "insuline"),
        ("5 %", "5\u00a0%"),
        ("5 %", "5%"),
        ("Syndrome d'Evans", "syndrome d’Evans"),
        ("« Angor »", '"angor"'),
        ("« Vitamine B12 »", '"vitamine B12"'),
        ("5'", "5 min"),
        ("5’", "5'"),
        ('30"', "30 s"),
        ("30''", "30”"),
        ("L'index 2", "L’index 2"),
        ("BD", "BD"),
        (None, ""),
    ],
)
def test_what_a_hand_or_a_spreadsheet_changes_is_no_other_answer(one: str | None, other: str) -> None:
    assert official_form(one) == official_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12 5", "125"),
        ("2,5", "25"),
        ("Hépatite B", "Hépatite C"),
        ("BD", "B"),
        ("5 %", "5"),
        ("5'", '5"'),
        ("5'", "5"),
        ("5'30", "530"),
        ("B", None),
    ],
)
def test_another_answer_is_told_from_it(one: str, other: str | None) -> None:
    assert official_form(one) != official_form(other)


@given(st.text("abAB12,.%<>+-/°'’\" ", max_size=12), st.integers(0, 11))
def test_no_letter_figure_or_sign_of_an_answer_is_without_meaning(answer: str, place: int) -> None:
    assume(place < len(answer) and answer[place] not in "'’\" ")

    assert official_form(answer[:place] + answer[place + 1 :]) != official_form(answer)


def test_a_file_that_says_the_same_contests_nothing() -> None:
    stored = Standing("q", official="Insuline", given="Insuline", file_name="a.xlsx", job_id="j")

    assert key_conflict(stored, "insuline") is None
    assert "Glucagon" in (key_conflict(stored, "Glucagon") or "")
