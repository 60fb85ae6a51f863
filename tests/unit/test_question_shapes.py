"""When two texts, two names, two questions are the same; and that a stored question comes back as it was."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.questions.answers import OUTCOMES, Conclusion
from worker.questions.item import question_id
from worker.questions.question import QUESTION_TYPES, Question, fold_name, fold_text

QUESTION = Question(
    type="cas_qcm",
    specialty="Pédiatrie 2",
    course="Asthme",
    level="DCEM2",
    semester="S1",
    text="Quels signes ?",
    options={"A": "pH < 7,35", "C": "pH > 7,35"},
    official_key="A",
    case_number="1",
    case_text="Un nourrisson de 8 mois…",
)


# -- texts and names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Quels  signes ?", "quels\nsignes ?"),
        ("Fièvre\u00a0: 39", "fièvre : 39"),  # no-break space
        (unicodedata.normalize("NFD", "dyspnée"), "dyspnée"),
        ("5 \u00b5g", "5 \u03bcg"),  # micro sign, Greek letter
    ],
)
def test_case_blanks_and_encodings_do_not_make_another_content(one: str, other: str) -> None:
    assert fold_text(one) == fold_text(other)


@pytest.mark.parametrize(
    ("one", "other"), [("< 5", "> 5"), ("pâle", "pale"), ("2,5", "25"), ("IgA", "IgM"), ("+", "-")]
)
def test_signs_and_accents_do(one: str, other: str) -> None:
    assert fold_text(one) != fold_text(other)


@pytest.mark.parametrize("spelling", ["Pédiatrie 2", "pediatrie 2*", "pediatrie 2 ", "PÉDIATRIE-2", "  Pediatrie   2."])
def test_spellings_of_one_specialty_share_a_key(spelling: str) -> None:
    assert fold_name(spelling) == "pediatrie 2"


def test_different_specialties_do_not() -> None:
    assert fold_name("Pédiatrie 1") != fold_name("Pédiatrie 2")
    assert fold_name("*") == ""


# -- one question or two -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "  QUELS signes ?"},
        {"specialty": "pediatrie 2*", "course": "ASTHME "},
        {"official_key": None},
        {"official_key": "C"},
        {"level": "DCEM3", "semester": "S2"},
        {"explanation": "Parce que.", "option_explanations": {"A": "x"}, "reminder": "r", "difficulty": 3},
        {"case_number": "7"},
        {"options": {"C": "pH > 7,35", "A": "PH <  7,35"}},
    ],
)
def test_what_surrounds_the_content_does_not_make_another_question(changes: dict[str, Any]) -> None:
    assert replace(QUESTION, **changes).content_hash() == QUESTION.content_hash()


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "qcm"},
        {"case_text": "Un nourrisson de 9 mois…"},
        {"text": "Quels symptômes ?"},
        {"options": {"A": "pH > 7,35", "C": "pH < 7,35"}},
        {"options": {"A": "pH < 7,35", "B": "pH > 7,35"}},
        {"course": "Bronchiolite"},
        {"specialty": "Pneumologie"},
        {"image": "thorax1.png"},
    ],
)
def test_what_the_student_reads_does(changes: dict[str, Any]) -> None:
    assert replace(QUESTION, **changes).content_hash() != QUESTION.content_hash()


def test_text_cannot_move_between_stem_and_case_unnoticed() -> None:
    assert (
        replace(QUESTION, case_text="a b", text="c").content_hash()
        != replace(QUESTION, case_text="a", text="b c").content_hash()
    )


def test_the_id_of_a_question_never_changes() -> None:
    # Stored ids come from these digits: a change here would store every question a second time.
    assert QUESTION.content_hash() == EXPECTED_HASH
    assert question_id(EXPECTED_HASH) == "q" + EXPECTED_HASH[:24]


EXPECTED_HASH = "8f545e11cd46677203b93fdb63a29f2b299a5aa53022ed01942cd75cecbe5979"


# -- officials ---------------------------------------------------------------------------------------------------------


def test_the_official_answer_is_the_one_of_its_type() -> None:
    both = replace(QUESTION, official_key="A", official_answer="asthme")

    officials = {kind: replace(both, type=kind).official for kind in QUESTION_TYPES}

    assert officials == {"qcm": "A", "cas_qcm": "A", "qroc": "asthme", "cas_qroc": "asthme"}


# -- jsonb -------------------------------------------------------------------------------------------------------------

texts = st.text(max_size=20)
letters = st.dictionaries(st.sampled_from("ABCDE"), texts)
questions = st.builds(
    Question,
    type=st.sampled_from(QUESTION_TYPES),
    specialty=texts,
    course=texts,
    level=texts,
    semester=texts,
    text=texts,
    options=letters,
    official_key=st.none() | texts,
    official_answer=st.none() | texts,
    case_number=st.none() | texts,
    case_text=st.none() | texts,
    explanation=st.none() | texts,
    option_explanations=letters,
    reminder=st.none() | texts,
    difficulty=st.none() | st.integers(1, 5),
    image=st.none() | texts,
)


@given(questions)
@settings(max_examples=60)
def test_a_question_comes_back_from_jsonb_as_it_was(question: Question) -> None:
    stored = json.loads(json.dumps(question.to_json()))

    back = Question.from_json(stored)

    assert back == question
    assert back.content_hash() == question.content_hash()


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_conclusion_is_plain_json(outcome: Any) -> None:
    conclusion = Conclusion(outcome, key="ABE", option_explanations={"A": "x"}, confidence=0.9, validated=True)

    stored = json.loads(json.dumps(conclusion.to_json()))

    assert (stored["outcome"], stored["key"], stored["option_explanations"]) == (outcome, "ABE", {"A": "x"})
