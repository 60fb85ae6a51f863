"""How a process learns of work: NOTIFY and the clock make it look, wake-ups bring what is ready to idle threads."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg

from worker import failpoints
from worker.db.engine import Database, name_session, open_session
from worker.failpoints import Point
from worker.logging import describe, get_logger
from worker.queue import tasks
from worker.runtime.reaper import PATIENCE_S, Reaper

log = get_logger()

STEP_S = 1.0  # the longest wait without a sign of life
COALESCE_S = 0.05  # notifications that come faster are answered together
AWAY_S = 5.0  # so long a Redis that took no wake-up is not asked again
UNHEARD_S = 10.0  # ready work, idle threads, wake-ups sent and no thread that begins: nobody hears them


def _nothing() -> None:
    return None


class Waker:
    """Has idle threads look for ready work: by wake-ups over Redis, or by themselves while nobody hears those.

    PostgreSQL is the truth and Redis only wakes, so work goes on also where Redis is away, full, read-only, or keeps
    something else under our keys: the threads are here, and so is what there is to do.
    """

    def __init__(
        self,
        send_wake_ups: Callable[[int], None],
        work: Callable[[int], None],
        begun: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`send_wake_ups`: that many wake-ups; `work`: that many threads of this process; `begun`: how often one has
        begun.
        """
        self._send = send_wake_ups
        self._work = work
        self._begun = begun
        self._clock = clock
        self._silent_until = 0.0
        self._unheard: tuple[int, float] | None = None  # what had begun when wake-ups were first sent in vain, and when

    def call(self, times: int) -> None:
        """Have so many threads look. With 0 there was nothing to look for: whatever was sent was heard."""
        if not times:
            self._unheard = None
            return
        if self._clock() >= self._silent_until and self._try_send(times) and self._check_heard():
            return
        self._work(times)

    def _try_send(self, times: int) -> bool:
        try:
            self._send(times)
        except Exception as error:  # noqa: BLE001 (whatever Redis says: the work is to be done)
            self._silent_until = self._clock() + AWAY_S
            log.warning("wake_up_failed", error=type(error).__name__, cause=describe(error))
            return False
        return True

    def _check_heard(self) -> bool:
        """False once wake-ups are heard by nobody for too long; then none is sent for a while."""
        begun, now = self._begun(), self._clock()
        if self._unheard is None or self._unheard[0] != begun:
            self._unheard = (begun, now)
        if now - self._unheard[1] < UNHEARD_S:
            return True
        log.warning("wake_ups_unheard")
        self._unheard = None
        self._silent_until = now + AWAY_S
        return False


class Listen(Protocol):
    """Opens the session that listens: `worker.db.engine.open_session`."""

    def __call__(self, url: str, *, name: str, unanswered_s: float | None) -> psycopg.Connection[Any]: ...


@dataclass(frozen=True)
class Listener:
    """Listens for NOTIFY, sweeps every few seconds, and wakes threads for what is ready."""

    database: Database
    reaper: Reaper
    database_url: str
    sweep_s: float
    idle_threads: Callable[[], int]
    waker: Waker
    alive: Callable[[], None] = _nothing
    name: Callable[[], str] = lambda: tasks.LISTENING_SESSION
    listen: Listen | None = open_session  # None: through a pooler nothing is heard
    clock: Callable[[], float] = time.monotonic

    def run(self, stopped: threading.Event) -> None:
        """Listen until `stopped`; reconnects for ever."""
        while not stopped.is_set():
            self.alive()
            try:
                self._listen_and_wake(stopped)
            except Exception as error:  # noqa: BLE001 (a listener that ends would leave ready work unseen)
                log.warning("notifier_failed", error=type(error).__name__, cause=describe(error))
                stopped.wait(1 + random.random())  # noqa: S311 (jitter, not a secret)

    def _listen_and_wake(self, stopped: threading.Event) -> None:
        if self.listen is None:
            while not stopped.is_set():
                self._poll_until(self._sweep(), stopped)
            return
        # A line that has died is noticed within a sweep: after it, news would be missed for as long as nobody looks.
        with self.listen(self.database_url, name=self.name(), unanswered_s=max(2.0, self.sweep_s)) as connection:
            connection.execute(f"LISTEN {tasks.CHANNEL}")
            while not stopped.is_set():
                name_session(connection, self.name())
                self._answer_news(connection, self._sweep(), stopped)

    def _sweep(self) -> float:
        """Sweep, wake threads for what is ready; when to sweep again."""
        self.alive()
        failpoints.reached(Point.IN_WATCH)
        # Jitter, so that a hundred processes do not sweep in the same millisecond.
        sweep_at = self.clock() + self.sweep_s * random.uniform(0.8, 1.2)  # noqa: S311
        self.reaper.run_once()
        self.wake_for_ready()
        return sweep_at

    def _poll_until(self, until: float, stopped: threading.Event) -> None:
        """Poll every `STEP_S` for what is ready until it is time to sweep again: nobody tells of it."""
        while (left_s := until - self.clock()) > 0 and not stopped.wait(min(left_s, STEP_S)):
            self.alive()
            self.wake_for_ready()

    def _answer_news(self, connection: psycopg.Connection[Any], until: float, stopped: threading.Event) -> None:
        """Wake threads at each notification until it is time to sweep again, however many come.

        The first of many is answered at once, those that follow within `COALESCE_S` together: what came before a look
        is seen by it, what comes after it is heard by the next round.
        """
        quiet_until = 0.0
        while not stopped.is_set() and (left_s := until - self.clock()) > 0:
            self.alive()
            if not _hear(connection, min(left_s, STEP_S)):
                continue
            if (early_s := quiet_until - self.clock()) > 0:
                stopped.wait(early_s)
                _hear(connection, 0)
            self.wake_for_ready()
            quiet_until = self.clock() + COALESCE_S

    def wake_for_ready(self) -> None:
        """One wake-up for each ready task that an idle thread of this process could take."""
        idle = self.idle_threads()
        if idle <= 0:
            return
        ready = self.database.transact(lambda c: tasks.count_ready(c, most=idle), single=True, patience_s=PATIENCE_S)
        self.waker.call(min(ready, idle))


def _hear(connection: psycopg.Connection[Any], timeout_s: float) -> bool:
    """Whether anything was notified; what has come by now counts as one."""
    return sum(1 for _ in connection.notifies(timeout=timeout_s, stop_after=1)) > 0
