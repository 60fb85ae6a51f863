"""What words are worth, and what the index is asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.courses.document import CourseQuery
from worker.courses.search import compose_query
from worker.courses.search.bm25 import K1 as TEXTBOOK_K1
from worker.courses.search.bm25 import B as TEXTBOOK_B
from worker.courses.search.spelling import Spelling
from worker.courses.weigh import (
    ASKING,
    FREQUENT_TERMS,
    GAINS,
    IDEAL_TERMS,
    LONGEST_LIST,
    PART_WEIGHT,
    POSTINGS_PER_QUERY,
    Judged,
    WeighedQuery,
    join_compounds,
    weigh_query,
)
from worker.questions.question import Question

CORPUS = 10_000


def weighed(passages: Mapping[str, int], spelling: Spelling | None = None, **changes: Any) -> WeighedQuery:
    """A question of these words, all its own and of weight 1."""
    fields = {"subject": frozenset(passages), **changes}
    query = CourseQuery("q", dict.fromkeys(passages, 1.0), "", None, None, **fields)
    return weigh_query(query, {k: v for k, v in passages.items() if v}, spelling or Spelling(), corpus=CORPUS)


def judged(found: WeighedQuery, *stems: str, times: int = 2, length: int = 100) -> Judged:
    """A passage that holds each of these so often; passages have a hundred stems."""
    return found.judge(dict.fromkeys(stems, times), length=length, average=100.0)


def test_a_compound_is_asked_for_as_courses_write_it() -> None:
    query = CourseQuery(
        "q",
        {"vertig": 1.0, "altern": 1.0, "bariqu": 1.0},
        "",
        None,
        None,
        subject=frozenset({"vertig", "altern", "bariqu"}),
        compounds={"alternobar": ("altern", "bariqu")},
    )

    # No passage holds the second part alone
    joined = join_compounds(query, {"vertig": 3, "alternobar": 2, "altern": 9})
    assert joined.terms == {"vertig": 1.0, "alternobar": 1.0, "altern": PART_WEIGHT}
    assert joined.subject == {"vertig", "alternobar"}
    assert join_compounds(query, {"vertig": 3, "altern": 9}) == query


def test_a_question_with_options_whose_own_words_are_all_held_has_known_words() -> None:
    held = {"vertig": 3, "plongeur": 8}

    assert weighed(held, has_options=True).has_known_words
    assert not weighed(held).has_known_words
    assert not weighed({**held, "inconnu": 0}, has_options=True).has_known_words


def test_a_passage_is_worth_what_bm25_says() -> None:
    found = weighed({"diarrh": 20, "fistul": 5})

    rarity = {
        stem: math.log(1 + (CORPUS - held + 0.5) / (held + 0.5)) for stem, held in (("diarrh", 20), ("fistul", 5))
    }
    damping = TEXTBOOK_K1 * (1 - TEXTBOOK_B + TEXTBOOK_B * 150 / 100)
    expected = sum(rarity[stem] * n * (TEXTBOOK_K1 + 1) / (n + damping) for stem, n in (("diarrh", 3), ("fistul", 1)))
    told = found.judge({"diarrh": 3, "fistul": 1, "other": 9}, length=150, average=100.0)
    assert told.score == pytest.approx(expected)


def test_a_word_counts_wholly_where_it_stands_twice_and_no_more_where_it_stands_often() -> None:
    found = weighed({"diarrh": 20, "fistul": 20})

    assert judged(found, "diarrh").coverage == pytest.approx(0.5)
    assert judged(found, "diarrh", times=9).coverage == pytest.approx(0.5)
    assert 0.3 < judged(found, "diarrh", times=1).coverage < 0.4
    assert judged(found, "diarrh", "fistul").coverage == pytest.approx(1.0)
    assert judged(found).coverage == judged(weighed({})).coverage == 0.0


def test_levels_of_occurrences_add_up_to_bm25s_saturation() -> None:
    told = 0.0
    for level, gain in GAINS:
        told += gain
        assert told == pytest.approx(level * (TEXTBOOK_K1 + 1) / (level + TEXTBOOK_K1))


def test_a_word_that_no_passage_holds_is_the_subject() -> None:
    found = weighed({"diarrh": 20, "amylos": 0})

    assert found.subject == pytest.approx(math.log(1 + (CORPUS + 0.5) / 0.5))
    assert not judged(found, "diarrh").names_subject
    # A word that may be misspelled is no sure subject; alone it leaves none that a passage could name
    unsure = Spelling(unsure=frozenset({"crohn"}))
    assert judged(weighed({"diarrh": 20, "crohn": 0}, unsure), "diarrh").names_subject
    assert not judged(weighed({"crohn": 0, "diarrh": 20}, unsure, subject=frozenset({"crohn"})), "diarrh").names_subject
    # And of a question without a word of its own any passage may speak
    assert judged(weighed({"trait": 20}, subject=frozenset())).names_subject


def test_a_misspelled_word_is_the_one_that_is_meant() -> None:
    spelling = Spelling({"diahrr": "diarrh", "parm": "", "comportent": "comport"})
    query = CourseQuery(
        "q",
        {"diahrr": 1.0, "diarrh": 0.4, "parm": 1.0, "comportent": 1.0},
        "",
        None,
        None,
        subject=frozenset({"diahrr", "comportent"}),
    )

    found = weigh_query(query, {"diarrh": 20}, spelling, corpus=CORPUS)

    (asked, diarrhoea) = found.terms
    assert (diarrhoea.stem, diarrhoea.passages, diarrhoea.is_subject) == ("diarrh", 20, True)
    assert diarrhoea.worth == pytest.approx(math.log(1 + (CORPUS - 20 + 0.5) / 20.5))
    # What is asked of any subject is none, in whatever form
    assert (asked.stem, asked.is_subject) == ("comport", False)
    assert asked.about == pytest.approx(ASKING * asked.worth)


def test_an_abbreviation_is_known_when_one_of_its_words_is() -> None:
    written_out = frozenset({"insulinodepend", "diabet"})

    known, unknown = {"insulinodepend": 0, "diabet": 20}, {"insulinodepend": 0, "diabet": 0, "typ": 20}
    assert judged(weighed(known, spelled_out=written_out), "diabet").names_subject
    assert not judged(weighed(unknown, spelled_out=written_out), "typ").names_subject


@given(st.dictionaries(st.text("abcdef", min_size=3, max_size=5), st.integers(0, 30_000), max_size=40))
def test_the_index_is_asked_for_few_passages_and_for_rare_words_first(passages: dict[str, int]) -> None:
    found = weighed(passages)

    alone = [one.query for one in found.lookups if one.level == 1 and "&" not in one.query]
    read = [passages[query.partition("_")[2]] for query in alone]
    held = sorted(count for count in passages.values() if count)
    assert read == held[: len(read)]
    assert sum(read[:1]) <= LONGEST_LIST
    assert len(read) <= 1 or sum(read) <= POSTINGS_PER_QUERY
    assert len([one for one in found.lookups if "&" in one.query]) <= FREQUENT_TERMS
    # The best imaginable passage: never more than all words, spread over as many as it holds at most
    assert found.about <= sum(term.about for term in found.terms) + 1e-9
    assert found.breadth <= min(len(passages), IDEAL_TERMS) + 1e-9


def test_what_is_asked_of_any_subject_is_so_as_one_word_too() -> None:
    text = "Quelles sont les contre-indications des benzodiazépines ?"
    question = Question(type="qroc", specialty="", course="", level="", semester="", text=text)
    query = compose_query("q", question)
    (joined,) = query.compounds

    whole = join_compounds(query, {joined: 6, "benzodiazepin": 8})

    assert joined in whole.asking
    assert whole.subject == {"benzodiazepin"}
