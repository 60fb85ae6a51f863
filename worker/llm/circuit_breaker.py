"""Two circuit breakers: of each endpoint, and of this process. Nothing is sent here.

`EndpointBreaker`: an endpoint that is down is left for the other one, where there is one.

`ProcessBreaker`: whether this process can call, while others can. Closed, every thread works. It opens when the calls
of this process fail and those of others succeed: then its tasks go back and it claims none. After a pause it is
half-open, and one thread alone may try.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from worker.errors import CutOff

FAILURES_TO_OPEN = 3  # of an endpoint, one after another
OPEN_S = 30.0

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
STEP_S = 0.5  # how soon a thread that sleeps notices that the circuit has opened
# Another process's reply counts for so long as a sign that the endpoint is up, and at least for so long.
ANSWERED_S, LEAST_ANSWERED_S = 30.0, 10.0
SURE_S = 3.0  # calls that fail for less say nothing yet of an outage: those of others may just be under way


@dataclass
class EndpointBreaker:
    """Open after a few passing faults in a row; then one call in half a minute tries whether the endpoint is back."""

    clock: Callable[[], float] = time.monotonic
    _failures: int = 0
    _closed_again_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def try_acquire(self) -> bool:
        """Whether a call may go now. Open, it lets one probe through, and the next when that had time to fail."""
        with self._lock:
            if self._failures < FAILURES_TO_OPEN:
                return True
            if self.clock() < self._closed_again_at:
                return False
            self._closed_again_at = self.clock() + OPEN_S
            return True

    def succeeded(self) -> None:
        """The endpoint answered."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """The endpoint is away."""
        with self._lock:
            self._failures += 1
            if self._failures >= FAILURES_TO_OPEN:
                self._closed_again_at = self.clock() + OPEN_S


class BreakerState(StrEnum):
    """The state of a process's breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass
class ProcessBreaker:
    """Whether this process can call; shared by all of its threads.

    `clock` in seconds, never backwards; `jitter` draws between two numbers.
    """

    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[float, float], float] = random.uniform
    tripped: threading.Event = field(default_factory=threading.Event)  # until somebody has tried again
    _state: BreakerState = BreakerState.CLOSED
    _is_cut_off: bool = False
    _trips: int = 0  # one after another
    _tripped_at: float = 0.0
    _again_at: float = 0.0
    _failing_since: float | None = None
    _answered_at: float = 0.0
    _stored_at: float = 0.0
    _failed: dict[int, float] = field(default_factory=dict)  # thread → since when its present call fails
    _trial: int | None = None  # the thread that may call while half-open
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def state(self) -> BreakerState:
        """What it is now."""
        return self._state

    @property
    def is_cut_off(self) -> bool:
        """Whether this process cannot call while others can, as far as is known."""
        return self._is_cut_off and self._state is not BreakerState.CLOSED

    def answered(self) -> None:
        """A call of this process was answered."""
        with self._lock:
            self._failing_since, self._answered_at = None, self.clock()
            self._failed.pop(threading.get_ident(), None)
            self._state, self._trips, self._trial = BreakerState.CLOSED, 0, None
            self.tripped.clear()

    def stored(self) -> None:
        """A reply to this process stands in the ledger by now: what is found there later is somebody else's."""
        with self._lock:
            self._stored_at = self.clock()

    def failed(self) -> None:
        """A call of this process met a passing fault."""
        with self._lock:
            now = self.clock()
            self._failed.setdefault(threading.get_ident(), now)
            if self._failing_since is None:
                self._failing_since = now

    def give_up_call(self) -> bool:
        """The calling thread gives up; whether this process had a reply while that thread had none."""
        with self._lock:
            failed_at = self._failed.pop(threading.get_ident(), self.clock())
            return self._failing_since is None or self._answered_at > failed_at

    def look_back_s(self) -> float:
        """Within how many seconds a stored reply is recent, and another process's; 0 while this one is answered."""
        with self._lock:
            if self._failing_since is None:
                return 0.0
            now = self.clock()
            recent_s = min(ANSWERED_S, max(LEAST_ANSWERED_S, now - self._tripped_at)) if self._trips else ANSWERED_S
            return min(recent_s, now - max(self._failing_since, self._stored_at))

    def is_sure(self) -> bool:
        """Whether this process has failed for so long that others would have been answered by now."""
        with self._lock:
            return self._failing_since is not None and self.clock() - self._failing_since >= SURE_S

    def trip(self, *, is_other_answered: bool = True) -> float:
        """Open: no call of this process before a pause is over; its length, longer each time."""
        with self._lock:
            self._is_cut_off = is_other_answered
            now = self.clock()
            ceiling_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self._trips)
            pause_s = self.jitter(ceiling_s / 2, ceiling_s)
            self._state, self._trial = BreakerState.OPEN, None
            self._trips = min(self._trips + 1, 16)
            self._tripped_at, self._again_at = now, now + pause_s
            self.tripped.set()
            return pause_s

    def pause_left_s(self) -> float:
        """Until this process may try again."""
        with self._lock:
            return max(0.0, self._again_at - self.clock())

    def try_again(self, *, is_other_answered: bool = True) -> None:
        """Let one thread try."""
        with self._lock:
            self._is_cut_off = self._is_cut_off and is_other_answered
            self.tripped.clear()
            if self._state is BreakerState.OPEN:
                self._state, self._trial = BreakerState.HALF_OPEN, None

    def try_acquire(self) -> bool:
        """Whether the calling thread may claim a task. Half-open, the first thread to ask becomes the trial."""
        with self._lock:
            if self._state is BreakerState.HALF_OPEN and self._trial is None:
                self._trial = threading.get_ident()
            return self._is_passing()

    def release(self) -> None:
        """The calling thread has nothing more to do: another one may be the trial."""
        with self._lock:
            if self._trial == threading.get_ident():
                self._trial = None

    def places(self, idle: int) -> int:
        """How many of so many idle threads may claim."""
        with self._lock:
            most = {
                BreakerState.CLOSED: idle,
                BreakerState.OPEN: 0,
                BreakerState.HALF_OPEN: 1 if self._trial is None else 0,
            }[self._state]
            return min(idle, most)

    def check(self) -> None:
        """Raise `CutOff` when the calling thread may not call."""
        with self._lock:
            if not self._is_passing():
                raise CutOff("this process cannot call while others can")

    def guard_sleep(self, sleep: Callable[[float], None]) -> Callable[[float], None]:
        """`sleep`, but not beyond the opening of the circuit."""

        def sleep_on(seconds: float) -> None:
            left_s = seconds
            while left_s > 0:
                self.check()
                sleep(min(left_s, STEP_S))
                left_s -= STEP_S
            self.check()

        return sleep_on

    def _is_passing(self) -> bool:
        return self._state is BreakerState.CLOSED or (
            self._state is BreakerState.HALF_OPEN and self._trial == threading.get_ident()
        )


@dataclass(frozen=True)
class Recovery:
    """Finds out, after each pause, whether this process can call again.

    `is_reached`: whether the endpoint says anything at all, which costs nothing. `is_answered`: whether anybody had a
    reply in the last so many seconds. `wake`: wakes threads for what they may claim.
    """

    breaker: ProcessBreaker
    is_reached: Callable[[], bool]
    is_answered: Callable[[float], bool]
    wake: Callable[[], None]

    def run(self, stopped: threading.Event) -> None:
        """Until `stopped`."""
        while not stopped.is_set():
            if self.breaker.tripped.wait(1.0) and not stopped.wait(self.breaker.pause_left_s()):
                self.run_once()

    def run_once(self) -> None:
        """Reached, or nobody else is answered either: one task is tried. Else a longer pause."""
        if self.breaker.state is not BreakerState.OPEN:  # a call that was under way was answered
            return
        is_other_answered = False
        with suppress(Exception):  # the database is away: the trial finds out
            is_other_answered = self.is_answered(self.breaker.look_back_s())
        if is_other_answered and not self.is_reached():
            self.breaker.trip()
            return
        self.breaker.try_again(is_other_answered=is_other_answered)
        with suppress(Exception):  # the next sweep wakes them
            self.wake()
