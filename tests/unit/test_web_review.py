"""What stands side by side where a teacher decides: which answers differ, and on which letters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.web.bodies import Item
from worker.web.pages.review import Column, columns_of

LETTERS = "ABCDE"
KEYS = st.sets(st.sampled_from(LETTERS), min_size=1).map(lambda found: "".join(sorted(found)))


def columns(question: dict[str, Any], *looks: Any) -> list[Column]:
    common: Any = {"type": "qcm", "specialty": "s", "course": "c", "level": "l", "semester": "s1", "text": "t"}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    item = Item(
        id="i", job_id="j", sheet="qcm", row_number=2, type="qcm", status="contested", reason=None, findings=[],
        question=common | question, looks=list(looks), proposed=None, question_id=None, stored=None, is_open=True,
        decision=None, version="v", updated_at=now,
    )  # fmt: skip
    return columns_of(item)


@given(official=KEYS, first=KEYS, second=KEYS)
def test_a_letter_is_marked_where_an_analysis_differs_about_it_and_nowhere_else(
    official: str, first: str, second: str
) -> None:
    options = {letter: f"Proposition {letter}" for letter in LETTERS}
    said = {letter: f"Parce que {letter}" for letter in LETTERS}
    looks = [{"key": key, "option_explanations": said} for key in (first, second)]
    reference, *analyses = columns({"options": options, "official_key": official}, *looks)
    assert (reference.answer, reference.other, reference.differs) == (official, frozenset(), False)
    for column, key in zip(analyses, (first, second), strict=True):
        assert column.other == {c for c in LETTERS if (c in key) != (c in official)}
        assert column.differs == (key != official) == bool(column.other)
        # What is said of a letter stands in front wherever one of the two differs about it
        front = {letter for letter, _, is_front in column.options if is_front}
        assert front == analyses[0].other | analyses[1].other
        assert {letter for letter, _, _ in column.options} == set(LETTERS)


def test_without_an_official_key_there_is_nothing_to_differ_from() -> None:
    options = {"A": "oui", "B": "non"}
    found = columns({"options": options}, {"key": "A"}, {"key": "B"})
    assert [(column.answer, column.differs, column.other) for column in found] == [
        (None, False, frozenset()), ("A", False, frozenset()), ("B", False, frozenset()),
    ]  # fmt: skip


@pytest.mark.parametrize(("verdict", "differs"), [("upholds", False), ("contests", True)])
def test_of_a_short_answer_the_analysis_itself_says_whether_it_differs(verdict: str, differs: bool) -> None:
    _, look = columns({"official_answer": "Basedow"}, {"answer": "Maladie de Basedow", "verdict": verdict})
    assert (look.answer, look.differs) == ("Maladie de Basedow", differs)


def test_an_analysis_that_upholds_without_words_shows_the_official_answer() -> None:
    _, look = columns({"official_answer": "Basedow"}, {"verdict": "upholds"})
    assert (look.answer, look.differs) == ("Basedow", False)
