"""A database that still holds the seed's strict checks refuses a row whole; it is never made to fit."""

from __future__ import annotations

import pytest

from worker.questions.question import Question
from worker.questions.rules import QuestionRules

FIVE = dict.fromkeys("ABCDE", "x")
SINGLE_LETTER = QuestionRules(single_letter_keys=True)
FIVE_OPTIONS = QuestionRules(five_options=True)


def question(kind: str = "qcm", options: dict[str, str] | None = None) -> Question:
    return Question(
        type=kind,  # type: ignore[arg-type]
        specialty="s",
        course="c",
        level="DCEM2",
        semester="S1",
        text="?",
        options=FIVE if options is None else options,
    )


@pytest.mark.parametrize("key", [None, "A", "ABE"])
@pytest.mark.parametrize("options", [FIVE, {"A": "x", "C": "y"}])
def test_a_widened_database_takes_every_real_question(key: str | None, options: dict[str, str]) -> None:
    assert QuestionRules().refusal(question(options=options), key) is None


def test_a_strict_database_refuses_a_key_of_several_letters_and_says_what_to_do() -> None:
    assert SINGLE_LETTER.refusal(question(), "ABE") == (
        "La base n'accepte qu'une seule lettre par clé ; la clé ABE en a 3. "
        "Demander à l'exploitant d'appliquer « medq schema upgrade », puis relancer la tâche."
    )


@pytest.mark.parametrize("key", [None, "A"])
def test_a_strict_database_takes_a_single_letter_or_none_yet(key: str | None) -> None:
    assert SINGLE_LETTER.refusal(question(), key) is None


@pytest.mark.parametrize("options", [{"A": "x", "B": "y", "C": "z"}, dict.fromkeys("ABCE", "x")])
def test_a_strict_database_refuses_a_missing_option(options: dict[str, str]) -> None:
    refusal = FIVE_OPTIONS.refusal(question(options=options), "A")

    assert refusal is not None
    assert f"exige cinq propositions ; la question en a {len(options)}." in refusal


def test_the_two_checks_are_told_apart() -> None:
    assert SINGLE_LETTER.refusal(question(options={"A": "x", "B": "y"}), "A") is None
    assert FIVE_OPTIONS.refusal(question(), "ABE") is None


@pytest.mark.parametrize("kind", ["qroc", "cas_qroc"])
def test_short_answers_have_no_letters_to_refuse(kind: str) -> None:
    strict = QuestionRules(single_letter_keys=True, five_options=True)

    assert strict.refusal(question(kind, {}), None) is None
