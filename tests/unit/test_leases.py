"""The leases of one process: who may still begin a call, who must stop, and what the heartbeat may mark."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from worker.errors import LeaseLost, Stopping
from worker.queue.leases import Lease, Leases


@dataclass
class FakeEvent(threading.Event):
    """A stop signal on which waiting takes none but its own time; `during` is called once, at the second wait."""

    waited_s: list[float] = field(default_factory=list)
    during: threading.Event | None = None
    late_s: float = 0.0  # by which a wait lasts longer than asked

    def __post_init__(self) -> None:
        super().__init__()

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_s.append(timeout or 0.0)
        if self.during and len(self.waited_s) == 2:
            self.during.set()
        return self.is_set()

    def clock(self) -> float:
        return sum(self.waited_s) + self.late_s * len(self.waited_s)


def test_a_held_lease_lets_calls_begin() -> None:
    leases = Leases(threading.Event())

    with leases.hold("t1", 3) as lease:
        lease.check()
        assert leases.held() == {"t1": 3}

    assert leases.held() == {}


def test_a_lease_is_let_go_when_the_task_crashes() -> None:
    leases = Leases(threading.Event())

    with pytest.raises(ZeroDivisionError), leases.hold("t1", 1):
        raise ZeroDivisionError

    assert leases.held() == {}, "else the heartbeat would keep a dead task alive for ever"


def test_no_call_begins_once_the_process_is_told_to_stop() -> None:
    stopping = threading.Event()
    leases = Leases(stopping)

    with leases.hold("t1", 1) as first, leases.hold("t2", 1) as second:
        stopping.set()
        for lease in (first, second):
            with pytest.raises(Stopping, match=lease.task_id):
                lease.check()


def test_what_was_not_renewed_is_lost_and_the_rest_goes_on() -> None:
    leases = Leases(threading.Event())

    with leases.hold("kept", 1) as kept, leases.hold("gone", 2) as gone:
        # When the database renews only one of the two
        lost = leases.mark_lost({"kept"}, leases.held())

        # Then only the other must stop
        assert lost == ["gone"]
        kept.check()
        with pytest.raises(LeaseLost, match="gone"):
            gone.check()


def test_a_lost_lease_is_said_before_a_stop() -> None:
    # A task that is another's by now must not be given back as if it were ours.
    stopping = threading.Event()
    leases = Leases(stopping)

    with leases.hold("t1", 1) as lease:
        leases.mark_lost(set(), leases.held())
        stopping.set()
        with pytest.raises(LeaseLost):
            lease.check()


def test_a_task_claimed_anew_during_the_heartbeat_is_left_alone() -> None:
    # Given a heartbeat that asked for attempt 1
    leases = Leases(threading.Event())
    with leases.hold("t1", 1):
        asked = leases.held()

    # When the task was claimed again before the answer arrived
    with leases.hold("t1", 2) as anew:
        assert leases.mark_lost(set(), asked) == []

        # Then the new attempt goes on
        anew.check()


def test_a_task_that_ended_during_the_heartbeat_is_not_marked() -> None:
    leases = Leases(threading.Event())
    with leases.hold("t1", 1):
        asked = leases.held()

    assert leases.mark_lost(set(), asked) == []


def test_an_old_attempt_that_ends_late_does_not_drop_the_new_one() -> None:
    leases = Leases(threading.Event())
    old = leases.hold("t1", 1)
    old.__enter__()
    with leases.hold("t1", 2):
        old.__exit__(None, None, None)

        assert leases.held() == {"t1": 2}, "the heartbeat must go on renewing the new attempt"


def test_what_is_held_is_a_copy() -> None:
    leases = Leases(threading.Event())

    with leases.hold("t1", 1):
        leases.held().clear()
        assert leases.held() == {"t1": 1}


def test_a_wait_lasts_as_long_as_asked() -> None:
    stopping = FakeEvent()

    Lease("t1", 1, stopping, clock=stopping.clock).sleep(1.2)

    assert sum(stopping.waited_s) == pytest.approx(1.2)


def test_on_a_machine_that_is_busy_a_wait_lasts_no_longer() -> None:
    # Given waits that come back late
    stopping = FakeEvent(late_s=0.4)

    Lease("t1", 1, stopping, clock=stopping.clock).sleep(5)

    assert stopping.clock() < 5 + 2 * stopping.late_s


def test_a_wait_of_nothing_still_notices_a_stop() -> None:
    stopping = threading.Event()
    stopping.set()

    with pytest.raises(Stopping):
        Lease("t1", 1, stopping).sleep(0)


def test_a_wait_ends_with_a_stop() -> None:
    stopping = FakeEvent()
    stopping.during = stopping

    with pytest.raises(Stopping):
        Lease("t1", 1, stopping, clock=stopping.clock).sleep(3600)

    assert len(stopping.waited_s) == 2


def test_a_wait_notices_a_lost_lease_within_half_a_second() -> None:
    lost = threading.Event()
    stopping = FakeEvent(during=lost)

    with pytest.raises(LeaseLost):
        Lease("t1", 1, stopping, lost).sleep(3600)

    assert max(stopping.waited_s) <= 0.5
    assert len(stopping.waited_s) == 2
