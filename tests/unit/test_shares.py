"""A share, its interval, and breakdowns that stay short."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.questions.proportions import BIN_EDGES, Z_95, bin_of, join_smallest, share, wilson


@given(st.integers(1, 5000).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))))
def test_the_interval_holds_what_the_score_test_does_not_refuse(counts: tuple[int, int]) -> None:
    # Wilson's interval is what the score test leaves: its ends are z standard errors away, as they see it themselves.
    part, whole = counts
    found = wilson(part, whole)
    assert found is not None
    low, high = found
    assert 0 <= low <= part / whole <= high <= 1
    for end in (low, high):
        assert abs(part / whole - end) == pytest.approx(Z_95 * math.sqrt(end * (1 - end) / whole), abs=1e-7)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 2, 0.0945, 0.9055)],
)
def test_known_intervals(part: int, whole: int, low: float, high: float) -> None:
    assert wilson(part, whole) == pytest.approx((low, high), abs=1e-4)


def test_nothing_has_no_share() -> None:
    assert share(0, 0) is None
    assert wilson(0, 0) is None


@given(st.floats(0, 1))
def test_every_confidence_has_its_bin(confidence: float) -> None:
    low, high = bin_of(confidence)
    assert low in BIN_EDGES
    assert low <= confidence < high or confidence == high == 1


def test_of_many_lines_the_smallest_are_one() -> None:
    assert join_smallest([5, 4, 3], sum, most=3) == [5, 4, 3]
    assert join_smallest([5, 4, 3, 2], sum, most=3) == [5, 4, 5]
