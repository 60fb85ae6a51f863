"""Fault points: off they do nothing, on they act at the pass and for the subject that were asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from worker import failpoints
from worker.failpoints import Point, parse_faults


def run_with(spec: str, code: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, for the actions that end one."""
    program = f"from worker import failpoints\nfrom worker.failpoints import Point\n{code}\nprint('alive')"
    return subprocess.run(
        [sys.executable, "-c", program], env={"MEDQ_FAULTS": spec}, capture_output=True, text=True, check=False
    )


def test_no_fault_is_set_unless_the_environment_says_so() -> None:
    assert not failpoints.is_armed()
    assert failpoints.reached is failpoints._nothing


def test_a_fault_acts_at_its_pass_and_for_its_subject_only() -> None:
    (fault,) = parse_faults("after_claim/analyse-2:kill@2")
    passes = [
        (Point.AFTER_CLAIM, "analyse-2"),
        (Point.AFTER_CLAIM, "analyse-1"),
        (Point.IN_FINISH, "analyse-2"),
        (Point.AFTER_CLAIM, "analyse-2"),
        (Point.AFTER_CLAIM, "analyse-2"),
    ]
    assert [fault.count_pass(*one) for one in passes] == [False, False, False, True, False]


def test_a_star_means_every_point_and_every_pass() -> None:
    (fault,) = parse_faults("*:sleep=0@*")
    assert all(fault.count_pass(point, "") for point in (*Point, *Point))


@pytest.mark.parametrize(
    ("spec", "code"), [("after_claim:kill@2", -9), ("after_claim:segfault@2", -11), ("after_claim:exit=7@2", 7)]
)
def test_what_ends_a_process_ends_it_at_the_second_pass(spec: str, code: int) -> None:
    once = run_with(spec, "failpoints.reached(Point.AFTER_CLAIM)")
    twice = run_with(spec, "failpoints.reached(Point.AFTER_CLAIM)\nfailpoints.reached(Point.AFTER_CLAIM)")
    assert (once.returncode, once.stdout) == (0, "alive\n")
    assert (twice.returncode, twice.stdout) == (code, "")


@pytest.mark.parametrize("spec", ["nowhere:kill", "after_claim:explode", "after_claim", "after_claim:kill@x"])
def test_a_fault_that_does_not_exist_is_an_error_not_a_green_run(spec: str) -> None:
    with pytest.raises(ValueError, match="is not a fault"):
        parse_faults(spec)
