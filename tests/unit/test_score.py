"""What is measured on known keys, by hand-made answers whose figures can be counted on the fingers."""

from __future__ import annotations

import pytest

from worker.steps.score import Answered, GivenKey, Spent, score, spoil_keys

LETTERS = list("ABCDE")
NOTHING = Spent(calls=0, asked=0, cost_usd=None)


def test_the_shares_are_exact_and_fall_on_the_same_questions_for_the_same_seed() -> None:
    questions = [("AC", LETTERS), ("B", LETTERS)] * 50
    given = spoil_keys(questions, wrong=0.05, left_out=0.1, seed=3)
    assert sum(key.is_spoiled for key in given) == 5
    assert sum(key.given is None for key in given) == 10
    assert given == spoil_keys(questions, wrong=0.05, left_out=0.1, seed=3)
    assert given != spoil_keys(questions, wrong=0.05, left_out=0.1, seed=4)


@pytest.mark.parametrize("truth", ["A", "E", "AC", "ABCDE"])
def test_a_spoiled_key_is_another_key_of_the_same_options(truth: str) -> None:
    given = spoil_keys([(truth, LETTERS)] * 40, wrong=1, left_out=0, seed=0)
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
