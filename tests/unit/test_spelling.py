"""What is taken for a misspelled word, and what for a word that no course has."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.courses.search.spelling import LONG, SHORTEST, SHORTEST_KNOWN, Spelling, neighbourhood, spell

LETTERS = st.sampled_from(string.ascii_lowercase)


def words(shortest: int, longest: int = 14) -> st.SearchStrategy[str]:
    return st.text(string.ascii_lowercase, min_size=shortest, max_size=longest)


@st.composite
def mistaken(draw: st.DrawFn, word: str, first: int, last: int) -> str:
    """The word with a letter left out, put in, exchanged, or two that changed places, from `first` to `last`."""
    at = draw(st.integers(first, last))
    other = draw(LETTERS)
    swapped = word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]
    return draw(
        st.sampled_from(
            [word[:at] + word[at + 1 :], word[:at] + other + word[at:], word[:at] + other + word[at + 1 :], swapped]
        )
    )


@given(st.data(), words(SHORTEST + 1))
def test_whatever_one_mistake_makes_of_a_word_it_is_looked_for_where_it_stands(data: st.DataObject, word: str) -> None:
    asked = data.draw(mistaken(word, 1, len(word) - 1))

    place = neighbourhood(asked)

    assert place is not None
    assert len(word) in place.lengths
    assert word.startswith(place.beginning) or (word[0] == asked[0] and word.endswith(place.end))


@given(st.data(), words(SHORTEST + 1))
def test_a_letter_left_out_doubled_or_in_its_neighbours_place_is_always_forgiven(
    data: st.DataObject, word: str
) -> None:
    at = data.draw(st.integers(1, len(word) - 2))
    asked = data.draw(
        st.sampled_from(
            [
                word[:at] + word[at + 1 :],
                word[:at] + word[at] + word[at:],
                word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            ]
        )
    )

    assert asked in spell([asked], {asked: {word: 3}}).meant


@given(st.data(), words(LONG + 1), st.booleans())
def test_two_mistakes_that_leave_one_end_whole_are_forgiven(data: st.DataObject, word: str, at_the_end: bool) -> None:
    kept = (len(word) + 2) // 3 + 1  # of what is asked, which may be two letters longer
    ends = (kept, len(word) - 1) if at_the_end else (1, len(word) - kept - 3)
    if ends[0] > ends[1]:
        return
    once = data.draw(mistaken(word, *ends))
    asked = data.draw(mistaken(once, ends[0], min(ends[1], len(once) - 1)))
    if len(asked) < LONG:
        return

    place = neighbourhood(asked)

    assert place is not None
    assert len(word) in place.lengths
    assert word.startswith(place.beginning) or (word[0] == asked[0] and word.endswith(place.end))


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("bronchiollit", "bronchiolit"),
        ("bornchiolit", "bronchiolit"),
        ("coquelush", "coqueluch"),
        ("spondilarthritt", "spondylarthrit"),
        ("ankilosant", "ankylosant"),
        ("diabett", "diabet"),
        ("apphas", "aphas"),  # apphasie
        ("dibaet", "diabet"),
        ("dabett", "diabett"),
    ],
)
def test_misspelled_words_of_medicine_are_those_of_the_courses(asked: str, meant: str) -> None:
    others = {"bronchit": 7, "coquelet": 1, "spondylolisthesis": 2, "ankylostom": 1}

    assert spell([asked], {asked: {**others, meant: 1}}).meant == {asked: meant}


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("parm", ""),  # parmis
        ("cour", ""),  # au cour de
        ("lesquel", ""),
        ("comportnet", "comportent"),
        ("adpoter", "adopt"),
        ("adpter", "adapt"),  # or "adopt"
        ("thearpeut", "trait"),
        ("craindr", "compliqu"),
        ("pronostiqu", "compliqu"),
    ],
)
def test_words_that_are_asked_of_any_subject_are_known_in_every_form(asked: str, meant: str) -> None:
    assert spell([asked], {}).meant == {asked: meant}


@pytest.mark.parametrize(
    ("asked", "other"),
    [
        ("diabet", "diamet"),
        ("fractur", "fraction"),
        ("surdit", "subdit"),
        ("fistul", "ristul"),
        ("hypertens", "hypertext"),
        ("amygdal", "amygdalotom"),
    ],
)
def test_another_letter_makes_another_word(asked: str, other: str) -> None:
    assert spell([asked], {asked: {other: 90}}) == Spelling()


def test_of_two_words_the_nearer_is_meant_and_of_equally_near_ones_the_commoner() -> None:
    assert spell(["fistulle"], {"fistulle": {"fistule": 1, "fistuleu": 90}}).meant == {"fistulle": "fistule"}
    assert spell(["fistul"], {"fistul": {"fistal": 1, "fistol": 5}}).meant == {"fistul": "fistol"}


@pytest.mark.parametrize(
    ("asked", "neighbour", "is_unsure"),
    [
        ("crohn", "cron", True),  # as likely another word as the same
        ("lupus", "lapin", False),
        ("gal", "gale", True),  # too short to tell
        ("amylos", "analys", False),
        ("t4", "", False),
        ("x1b2c3", "", False),
    ],
)
def test_a_short_word_is_replaced_by_none(asked: str, neighbour: str, is_unsure: bool) -> None:
    told = spell([asked], {asked: {neighbour: 3}} if neighbour else {})

    assert told.meant == {}
    assert (asked in told.unsure) == is_unsure
    assert (neighbourhood(asked) is None) == (len(asked) < SHORTEST_KNOWN or not asked.isalpha())
