"""The watch: sweeps and signs of life come by the clock however much is notified; wake-ups nobody hears are no loss."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from worker.llm.circuit_breaker import ProcessBreaker
from worker.runtime.executor import Executor
from worker.runtime.listener import AWAY_S, COALESCE_S, UNHEARD_S, Listener, Waker

SWEEP_S = 5.0


@dataclass
class Clock:
    """Time that passes only where it is told to."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Stopped(threading.Event):
    """Set when the clock has come so far; waiting is what lets time pass."""

    def __init__(self, clock: Clock, after_s: float) -> None:
        super().__init__()
        self.clock, self.until_s = clock, clock.now_s + after_s

    def is_set(self) -> bool:
        return self.clock.now_s >= self.until_s

    def wait(self, timeout: float | None = None) -> bool:
        self.clock.now_s += timeout or 0
        return self.is_set()


@dataclass
class Line:
    """A connection on which something is notified every `every_s`, as long as it lasts; None: never."""

    clock: Clock
    every_s: float | None
    heard_until_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.heard_until_s = self.clock.now_s

    def execute(self, query: str, *_parameters: Any) -> None:
        assert query.startswith(("LISTEN", "SELECT set_config"))

    def notifies(self, *, timeout: float | None, stop_after: int | None) -> Iterator[object]:
        assert timeout is not None
        due_s = float("inf") if self.every_s is None else self.heard_until_s + self.every_s
        if due_s > self.clock.now_s + timeout:
            self.clock.now_s += timeout
            return
        self.clock.now_s = max(self.clock.now_s, due_s)
        while self.every_s is not None and self.heard_until_s + self.every_s <= self.clock.now_s:
            self.heard_until_s += self.every_s
            yield object()

    @contextmanager
    def open(self, _url: str, **_options: Any) -> Iterator[Line]:
        yield self


@dataclass
class Database:
    """Tells how many tasks are ready; a look takes a while, in which the clock goes on."""

    clock: Clock
    ready: int = 0
    looks: list[float] = field(default_factory=list)

    def transact(self, work: Callable[..., Any], **_options: Any) -> int:
        self.looks.append(self.clock.now_s)
        self.clock.now_s += 0.001
        return self.ready


@dataclass
class Reapers:
    """When the sweep came."""

    clock: Clock
    at: list[float] = field(default_factory=list)

    def run_once(self) -> None:
        self.at.append(self.clock.now_s)


@dataclass
class ListenerLog:
    """What a watch did in the time that it ran."""

    sweeps: list[float]
    watchdog: list[float]
    looks: list[float]


def watch_for(seconds: float, *, every_s: float | None) -> ListenerLog:
    clock = Clock()
    database, sweeps, watchdog = Database(clock), Reapers(clock), list[float]()
    listener = Listener(
        database=database,  # type: ignore[arg-type]
        reaper=sweeps,  # type: ignore[arg-type]
        database_url="",
        sweep_s=SWEEP_S,
        idle_threads=lambda: 4,
        waker=Waker(lambda _times: None, work=lambda _times: None, begun=lambda: 0, clock=clock),
        alive=lambda: watchdog.append(clock.now_s),
        listen=Line(clock, every_s).open,  # type: ignore[arg-type]
        clock=clock,
    )
    listener.run(Stopped(clock, seconds))
    return ListenerLog(sweeps.at, watchdog, database.looks)


def longest_gap(times: list[float]) -> float:
    return max(after - before for before, after in itertools.pairwise(times))


@pytest.mark.parametrize("every_s", [None, 10.0, 1.0, 0.5, 0.3, 0.02, 0.001])
def test_sweeps_and_signs_of_life_come_by_the_clock_whatever_is_notified(every_s: float | None) -> None:
    seen = watch_for(120, every_s=every_s)

    assert longest_gap(seen.sweeps) < SWEEP_S * 1.3
    assert longest_gap(seen.watchdog) < 2


@pytest.mark.parametrize("every_s", [0.02, 0.001])
def test_many_notifications_are_answered_together(every_s: float) -> None:
    seen = watch_for(10, every_s=every_s)

    assert len(seen.looks) <= 10 / COALESCE_S + 10
    # And none waits for longer than that to be looked at
    assert longest_gap(seen.looks) < 2 * COALESCE_S


def test_a_single_notification_is_answered_at_once() -> None:
    seen = watch_for(30, every_s=2.5)

    notified = [1000 + 2.5 * n for n in range(1, 11)]
    assert all(any(0 <= look - at < 0.01 for look in seen.looks) for at in notified)


def test_what_is_notified_during_a_look_is_looked_at_afterwards() -> None:
    # Given two notifications, the second while the first is being answered
    clock = Clock()
    database = Database(clock)
    times = iter([[object()], [], [object()]])

    class Twice(Line):
        def notifies(self, *, timeout: float | None, stop_after: int | None) -> Iterator[object]:
            clock.now_s += 0.01
            yield from next(times, [])
            clock.now_s += timeout or 0

    listener = Listener(
        database=database,  # type: ignore[arg-type]
        reaper=Reapers(clock),  # type: ignore[arg-type]
        database_url="",
        sweep_s=SWEEP_S,
        idle_threads=lambda: 4,
        waker=Waker(lambda _times: None, work=lambda _times: None, begun=lambda: 0, clock=clock),
        listen=Twice(clock, None).open,  # type: ignore[arg-type]
        clock=clock,
    )
    listener.run(Stopped(clock, 4))

    # Then there are two looks besides that of the sweep
    assert len(database.looks) == 3


@dataclass
class Threads:
    """Counts what wake-ups brought and what threads of this process did by themselves."""

    clock: Clock = field(default_factory=Clock)
    fails: Exception | None = None
    is_heard: bool = True
    sent: int = 0
    worked: int = 0

    def send_wake_ups(self, times: int) -> None:
        if self.fails is not None:
            raise self.fails
        self.sent += times

    def work(self, times: int) -> None:
        self.worked += times

    def waker(self) -> Waker:
        return Waker(self.send_wake_ups, self.work, lambda: self.sent if self.is_heard else 0, clock=self.clock)


def test_a_wake_up_that_is_heard_is_all_there_is() -> None:
    threads = Threads()
    waker = threads.waker()
    for _ in range(100):
        waker.call(2)
        threads.clock.now_s += 1
    assert (threads.sent, threads.worked) == (200, 0)


def test_where_redis_takes_no_wake_up_the_threads_here_look_and_leave_redis_alone_for_a_while() -> None:
    threads = Threads(fails=ConnectionError("away"))
    waker = threads.waker()
    waker.call(3)
    assert threads.worked == 3
    # When it is back
    threads.fails = None
    waker.call(1)
    assert (threads.sent, threads.worked) == (0, 4)
    threads.clock.now_s += AWAY_S
    # Then wake-ups are sent again
    waker.call(1)
    assert (threads.sent, threads.worked) == (1, 4)


def test_where_wake_ups_are_sent_and_nobody_begins_the_threads_here_look() -> None:
    # Redis takes what is sent and gives nothing back: a key of another type, a right that is missing
    threads = Threads(is_heard=False)
    waker = threads.waker()
    for _ in range(int(UNHEARD_S) + 1):
        waker.call(1)
        threads.clock.now_s += 1
    assert threads.worked > 0


def test_wake_ups_that_somebody_else_heard_are_not_missed() -> None:
    threads = Threads(is_heard=False)
    waker = threads.waker()
    for _ in range(100):
        waker.call(1)
        waker.call(0)  # what was ready has been taken
        threads.clock.now_s += 1
    assert threads.worked == 0


def make_executor(threads: int, run_next: Callable[[], bool]) -> Executor:
    executor = Executor(
        runner=SimpleNamespace(context=SimpleNamespace(process_breaker=ProcessBreaker())),  # type: ignore[arg-type]
        database=None,  # type: ignore[arg-type]
        leases=None,  # type: ignore[arg-type]
        owner="a:1:x",
        lease_s=30,
        threads=threads,
        stopping=threading.Event(),
        run_sandboxed=lambda *_: None,
    )
    executor._run_next = run_next  # type: ignore[method-assign]
    return executor


def test_no_more_threads_are_at_work_than_there_may_be_whoever_rang() -> None:
    # Given threads of our own at work in every place
    go_on, begun = threading.Event(), threading.Semaphore(0)

    def run_next() -> bool:
        begun.release()
        go_on.wait(10)
        return False

    executor = make_executor(2, run_next)
    executor.drain_apart(5)
    assert begun.acquire(timeout=10)
    assert begun.acquire(timeout=10)
    # Then there is no third, and a wake-up finds no place
    assert executor.idle_threads() == 0
    assert executor.drain() == 0
    assert not executor.wait_until_idle(0)
    # And the places are free afterwards
    go_on.set()
    assert executor.wait_until_idle(10)
    assert (executor.idle_threads(), executor.begun()) == (2, 2)


def test_a_thread_of_our_own_that_fails_leaves_its_place() -> None:
    def run_next() -> bool:
        raise RuntimeError("crash")

    executor = make_executor(1, run_next)
    executor.drain_apart(1)
    assert executor.wait_until_idle(10)
    assert executor.idle_threads() == 1
