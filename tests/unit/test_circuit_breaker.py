"""The circuit breaker of a process: open while its calls fail and those of others succeed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import CutOff
from worker.llm.circuit_breaker import ANSWERED_S, LONGEST_PAUSE_S, BreakerState, ProcessBreaker, Recovery


@dataclass
class World:
    """A clock that is moved by hand, and whether the endpoint is reached and others are answered."""

    now: float = 100.0
    is_reached: bool = False
    is_answered: bool = True
    woken: int = 0
    asked: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.breaker = ProcessBreaker(clock=lambda: self.now, jitter=lambda _low, high: high)

        def wake() -> None:
            self.woken += 1

        def is_answered(within_s: float) -> bool:
            self.asked.append(within_s)
            return self.is_answered

        self.recovery = Recovery(self.breaker, lambda: self.is_reached, is_answered, wake)

    def pass_pause(self) -> float:
        left_s = self.breaker.pause_left_s()
        self.now += left_s
        return left_s


def in_another_thread(work: Callable[[], object]) -> object:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_a_closed_circuit_lets_every_thread_work() -> None:
    breaker = World().breaker
    breaker.check()
    assert breaker.try_acquire()
    assert breaker.places(7) == 7


def test_an_open_one_lets_no_thread_claim_or_call() -> None:
    breaker = World().breaker
    breaker.failed()
    breaker.trip()
    assert not breaker.try_acquire()
    assert breaker.places(7) == 0
    with pytest.raises(CutOff):
        breaker.check()


def test_who_sleeps_while_it_opens_gives_up_at_once() -> None:
    world = World()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        world.breaker.trip()

    with pytest.raises(CutOff):
        world.breaker.guard_sleep(sleep)(20.0)
    assert sum(slept) <= 0.5


def test_after_the_pause_one_thread_alone_may_try() -> None:
    # Given a circuit whose pause is over
    breaker = World().breaker
    breaker.trip()
    breaker.try_again()
    assert breaker.places(7) == 1
    # When one thread takes the trial, then no other one does
    assert breaker.try_acquire()
    breaker.check()
    assert breaker.places(7) == 0
    assert in_another_thread(breaker.try_acquire) is False
    # And when it had nothing to do, another one may
    breaker.release()
    assert in_another_thread(breaker.try_acquire) is True


def test_one_reply_closes_it() -> None:
    breaker = World().breaker
    breaker.trip()
    breaker.answered()
    assert breaker.state is BreakerState.CLOSED
    breaker.check()
    assert not breaker.tripped.is_set()


def test_pauses_grow_while_the_endpoint_is_not_reached_and_others_are_answered() -> None:
    # Given a process that cannot reach what others can
    world = World()
    world.breaker.failed()
    world.breaker.trip()
    pauses = []
    for _ in range(9):
        pauses.append(world.pass_pause())
        world.recovery.run_once()
    # Then nothing is tried, and it looks less and less often
    assert pauses == [1, 2, 4, 8, 16, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert world.woken == 0
    # When the endpoint says something again, then one task is tried
    world.is_reached = True
    world.pass_pause()
    world.recovery.run_once()
    assert (world.breaker.state, world.woken) == (BreakerState.HALF_OPEN, 1)


def test_when_nobody_is_answered_any_more_a_task_is_tried_so_that_the_row_says_so() -> None:
    world = World(is_answered=False)
    world.breaker.failed()
    world.breaker.trip()
    world.pass_pause()
    assert world.breaker.is_cut_off
    world.recovery.run_once()
    assert world.breaker.state is BreakerState.HALF_OPEN
    # And nobody calls it cut off, for others are no better off
    assert not world.breaker.is_cut_off


def test_calls_that_have_failed_for_a_moment_say_nothing_of_an_outage() -> None:
    world = World()
    world.breaker.failed()
    world.now += 2.9
    assert not world.breaker.is_sure()
    world.now += 0.2
    assert world.breaker.is_sure()
    world.breaker.answered()
    assert not world.breaker.is_sure()


def test_a_call_under_way_that_is_answered_after_all_ends_the_pause() -> None:
    world = World()
    world.breaker.failed()
    world.breaker.trip()
    world.breaker.answered()
    world.recovery.run_once()
    assert world.breaker.state is BreakerState.CLOSED


def test_a_fault_beside_replies_of_this_very_process_is_nobodys_outage() -> None:
    world = World()
    world.breaker.failed()
    world.now += 2
    in_another_thread(world.breaker.answered)
    world.now += 2
    world.breaker.failed()
    assert world.breaker.give_up_call()
    # But what was answered before the fault says nothing
    world.now += 10
    world.breaker.failed()
    world.now += 2
    world.breaker.failed()
    assert not world.breaker.give_up_call()


def test_only_what_came_after_ones_own_last_reply_is_somebody_elses() -> None:
    # Given a reply that is written down a moment after another call has failed
    world = World()
    world.breaker.answered()
    world.breaker.failed()
    world.now += 0.5
    world.breaker.stored()
    world.now += 3.0
    # Then it is not taken for another process's
    assert world.breaker.look_back_s() == 3.0


@given(st.lists(st.sampled_from(["failed", "answered", "stored", "trip", "try_again"])), st.floats(0, 1000))
def test_it_never_looks_back_beyond_its_own_last_reply_nor_long(steps: list[str], pause_s: float) -> None:
    world = World()
    last = 0.0
    for step in steps:
        world.now += pause_s / (len(steps) + 1)
        getattr(world.breaker, step)()
        if step in ("answered", "stored"):
            last = world.now
    assert 0.0 <= world.breaker.look_back_s() <= min(ANSWERED_S, world.now - last)
