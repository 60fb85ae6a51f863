"""What is measured on known keys, by hand-made answers whose figures can be counted on the fingers."""

from __future__ import annotations

from typing import Any

import pytest

from worker.evaluation.figures import Answered, Asked, GivenKey, Spent
from worker.evaluation.score import score
from worker.evaluation.spoil import Spoiling, spoil_answers, spoil_keys
from worker.questions.answers import Outcome
from worker.questions.short_answers import is_other_answer

LETTERS = list("ABCDE")
NOTHING = Spent(calls=0, asked=0, cost_usd=None)


def test_the_shares_are_exact_and_fall_on_the_same_questions_for_the_same_seed() -> None:
    questions = [("AC", LETTERS), ("B", LETTERS)] * 50
    given = spoil_keys(questions, Spoiling(wrong=0.05, left_out=0.1, seed=3))
    assert sum(key.is_spoiled for key in given) == 5
    assert sum(key.given is None for key in given) == 10
    assert given == spoil_keys(questions, Spoiling(wrong=0.05, left_out=0.1, seed=3))
    assert given != spoil_keys(questions, Spoiling(wrong=0.05, left_out=0.1, seed=4))


@pytest.mark.parametrize("truth", ["A", "E", "AC", "ABCDE"])
def test_a_spoiled_key_is_another_key_of_the_same_options(truth: str) -> None:
    given = spoil_keys([(truth, LETTERS)] * 40, Spoiling(wrong=1, left_out=0, seed=0))
    for key in given:
        assert key.given is not None
        assert key.is_spoiled
        assert key.given == "".join(sorted(set(key.given)))
        assert set(key.given) <= set(LETTERS)


def test_an_empty_file_has_no_shares() -> None:
    scores = score([], NOTHING)
    assert (scores.exact_match, scores.recall, scores.precision, scores.completed_right) == (None, None, None, None)
    assert scores.damaged == 0


def test_recall_counts_spoiled_keys_and_precision_counts_contests() -> None:
    answered = [
        Answered(GivenKey("AB", "ABC"), "contested", first="AB", kept="ABC", confidence=0.9),
        Answered(GivenKey("C", "D"), "confirmed", first="D", kept="D", confidence=0.9),  # a spoiled key got through
        Answered(GivenKey("A", "A"), "contested", first="B", kept="A", confidence=0.9),  # a false alarm
        Answered(GivenKey("A", "A"), "contested", first="B", kept="A", confidence=0.9),
        Answered(GivenKey("E", "E"), "confirmed", first="E", kept="E", confidence=0.9),
    ]
    scores = score(answered, NOTHING)
    assert (scores.spoiled, scores.contests, scores.spoiled_contested) == (2, 3, 1)
    assert scores.recall == 1 / 2
    assert scores.precision == 1 / 3
    assert scores.damaged == 0


def test_a_right_key_that_was_stored_otherwise_is_damaged_and_a_spoiled_one_is_not() -> None:
    right = GivenKey("A", "A")
    answered = [
        Answered(right, "corrected", first="B", kept="B"),
        Answered(right, "rejected", kept=None),
        Answered(GivenKey("A", "B"), "corrected", first="A", kept="A"),
        Answered(GivenKey("A", None), "completed", first="B", kept="B"),
    ]
    assert score(answered, NOTHING).damaged == 1


def test_blind_looks_are_measured_against_the_known_key_not_the_uploaded_one() -> None:
    answered = [
        Answered(GivenKey("AB", "C"), "contested", first="AB"),
        Answered(GivenKey("AB", "AB"), "confirmed", first="A", second="AB"),
        Answered(GivenKey("AB", "AB"), "failed"),  # no look: it is not counted as a wrong one
    ]
    scores = score(answered, NOTHING)
    assert scores.looked == 2
    assert scores.exact_match == 1 / 2
    assert scores.hamming == (1 + 1 / 2) / 2


def test_completed_keys_are_held_against_the_truth() -> None:
    silent = GivenKey("BD", None)
    answered = [
        Answered(silent, "completed", first="BD", kept="BD"),
        Answered(silent, "completed", first="B", kept="B"),
        Answered(silent, "failed", first="B"),
    ]
    scores = score(answered, NOTHING)
    assert (scores.left_out, scores.completed, scores.completed_right) == (3, 2, 1 / 2)


def test_cost_is_per_question_and_unknown_without_a_price() -> None:
    answered = [Answered(GivenKey("A", "A"), "confirmed", first="A", kept="A")] * 4
    scores = score(answered, Spent(calls=2, asked=6, cost_usd=0.04))
    assert (scores.calls_per_question, scores.asked_per_question) == (0.5, 1.5)
    assert scores.cost_usd_per_question == pytest.approx(0.01)
    assert score(answered, NOTHING).cost_usd_per_question is None


def test_calibration_sets_what_the_model_said_beside_what_was_right() -> None:
    key = GivenKey("A", "A")
    answered = [
        Answered(key, "confirmed", first="A", confidence=0.97),
        Answered(key, "contested", first="B", confidence=1.0),
        Answered(key, "contested", first="B", confidence=0.55),
    ]
    low, high = score(answered, NOTHING).calibration
    assert (low.low, low.high, low.count, low.accuracy) == (0.5, 0.6, 1, 0)
    assert (high.low, high.count, high.accuracy) == (0.95, 2, 1 / 2)
    assert high.confidence == pytest.approx(0.985)


def test_a_spoiled_short_answer_is_another_questions_and_surely_another() -> None:
    answers = ["Torsion testiculaire", "Torsion du cordon spermatique", "Asthme", "Sténose du pylore", "Otite aiguë"]
    given = spoil_answers(answers * 4, Spoiling(wrong=0.5, left_out=0.25, seed=1))
    assert sum(key.is_spoiled for key in given) == 10
    assert sum(key.given is None for key in given) == 5
    assert all(key.given in answers and is_other_answer(key.truth, key.given) for key in given if key.is_spoiled)
    # Where every other answer leaves a doubt, none is spoiled.
    assert not any(key.is_spoiled for key in spoil_answers(answers[:2], Spoiling(wrong=1, left_out=0, seed=0)))


QROC = Asked("qroc", "Pédiatrie", "qroc", 2, "Quel diagnostic ?")


def short(truth: str, given: str | None, outcome: Any, **more: Any) -> Answered:
    return Answered(GivenKey(truth, given), outcome, asked=QROC, **more)


def test_a_verdict_is_judged_by_the_truth_and_a_completed_answer_by_its_words() -> None:
    answered = [
        short("Asthme", "Asthme", "confirmed", first="Asthme", verdict="upholds", kept="Asthme"),
        short("Asthme", "Otite", "contested", first="Asthme", verdict="contests", kept="Otite"),
        short("Asthme", "Otite", "confirmed", first="Otite", verdict="upholds", kept="Otite"),
        short("Asthme", "Asthme", "contested", first="Otite", verdict="contests", kept="Asthme"),
        short("Asthme", None, "completed", first="Un asthme", kept="Un asthme"),
        short("Asthme", None, "completed", first="Otite", kept="Otite"),
        short("Torsion testiculaire", None, "completed", first="x", kept="Torsion du cordon spermatique"),
        short("Asthme", None, "failed"),
    ]
    scores = score(answered, NOTHING)
    found = scores.short_answers
    assert found is not None
    assert (found.questions, found.judged, found.judged_right, found.verdict_right) == (8, 4, 2, 0.5)
    assert (found.spoiled, found.spoiled_contested, found.contests, found.damaged) == (2, 1, 2, 0)
    assert (found.completed, found.completed_right, found.completed_wrong, found.completed_to_judge) == (3, 1, 1, 1)
    assert found.completed_right_share == pytest.approx(1 / 3)
    assert [one.why for one in scores.missed] == [
        *("spoiled_confirmed", "completed_wrong", "to_judge", "right_contested", "no_look")
    ]
    # What is measured of keys does not count them.
    assert (scores.questions, scores.looked, scores.exact_match, scores.contests) == (0, 0, None, 0)


def test_a_short_answer_that_was_stored_otherwise_is_damaged_and_one_without_its_markup_is_not() -> None:
    answered = [
        short("Asthme", "Asthme", "corrected", first="Otite", kept="Otite"),
        short(
            "<b>Asthme</b> aigu", "<b>Asthme</b> aigu", "confirmed", first="x", verdict="upholds", kept="Asthme aigu"
        ),
    ]
    found = score(answered, NOTHING).short_answers
    assert found is not None
    assert found.damaged == 1


def test_the_list_of_what_was_missed_names_the_row_and_says_what_each_look_gave() -> None:
    asked = Asked("qcm", "Pédiatrie", "Feuille", 7, "Que faire devant " + "une douleur " * 40)
    answered = [
        Answered(GivenKey("A", "A"), "confirmed", first="A", kept="A", confidence=0.9, asked=asked),
        Answered(
            GivenKey("A", "A"),
            "confirmed",
            first="B",
            second="A",
            kept="A",
            confidence=0.9,
            second_confidence=0.8,
            asked=asked,
        ),
        Answered(GivenKey("A", "B"), "confirmed", first="B", kept="B", confidence=0.7, asked=asked),
        Answered(GivenKey("A", None), "failed", first="A", second="B", asked=asked),
        Answered(GivenKey("A", "A"), "corrected", first="B", kept="B", asked=asked),
    ]
    missed = score(answered, NOTHING).missed
    assert [one.why for one in missed] == ["damaged", "spoiled_confirmed", "not_completed", "look_wrong"]
    assert (missed[1].sheet, missed[1].row, missed[1].known, missed[1].given) == ("Feuille", 7, "A", "B")
    assert [(look.value, look.confidence) for look in missed[3].looks] == [("B", 0.9), ("A", 0.8)]
    assert len(missed[0].text) == 200


def test_specialties_are_one_whatever_their_spelling_and_add_up_to_the_whole() -> None:
    rows: tuple[tuple[str, str, Outcome, str | None], ...] = (
        ("Pédiatrie", "A", "confirmed", "A"),
        ("pediatrie ", "B", "contested", "A"),
        ("Cardiologie", "A", "contested", "C"),
        ("Cardiologie", "B", "confirmed", "B"),
        ("Cardiologie", "A", "failed", None),
    )
    answered = [
        Answered(GivenKey("A", given), outcome, first=first, kept=given, asked=Asked("qcm", name))
        for name, given, outcome, first in rows
    ]
    cardiology, paediatrics = score(answered, NOTHING).specialties
    assert (cardiology.name, cardiology.questions, cardiology.looked, cardiology.right) == ("Cardiologie", 3, 2, 0)
    assert (cardiology.spoiled, cardiology.spoiled_contested, cardiology.contests) == (1, 0, 1)
    assert (paediatrics.name, paediatrics.questions, paediatrics.right, paediatrics.spoiled_contested) == (
        *("Pédiatrie", 2, 2, 1),
    )


def test_every_share_has_its_interval() -> None:
    answered = [Answered(GivenKey("A", "A"), "confirmed", first="A", kept="A", confidence=0.9)] * 10
    scores = score(answered, NOTHING)
    assert scores.intervals["exact_match"] == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert scores.intervals["recall"] is None
    assert scores.calibration[0].interval == scores.intervals["exact_match"]
    document = scores.to_json()
    assert document["specialties"][0]["accuracy_interval"] == scores.intervals["exact_match"]
