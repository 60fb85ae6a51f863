"""What keeps the queue moving whatever dies: the heartbeat that renews leases, the sweep that brings lost work back."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg
import sqlalchemy as sa

from worker import faults
from worker.adapters import calls, jobs, tasks
from worker.adapters.db import Database, is_lock_timeout, name_session, open_session
from worker.adapters.files import Storage
from worker.courier import Courier
from worker.faults import Point
from worker.leases import Leases
from worker.log import describe, get_logger
from worker.pipeline import quarantine

log = get_logger()

TIDY_S = 3600.0
LOCK_WAIT_S = 0.5


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Heartbeat:
    """Renews every lease of this process in one statement, three times per lease."""

    database: Database
    leases: Leases
    owner: str
    lease_s: float
    pulse: Callable[[], None] = _nothing

    def run(self, stopped: threading.Event) -> None:
        """Beat until `stopped`; a database that is away is waited for, never given up on."""
        while not stopped.wait(self.lease_s / 3):
            self.pulse()
            try:
                self.beat()
            except Exception as error:  # noqa: BLE001 (the heartbeat outlives any fault: without it all leases end)
                log.warning("heartbeat_failed", error=type(error).__name__)

    def beat(self) -> None:
        """Renew what is held now; mark what is not ours any more."""
        held = self.leases.held()
        if not held:
            return
        faults.reached(Point.IN_HEARTBEAT)
        renewed = self.database.transact(
            lambda c: tasks.renew_leases(c, held, process=self.owner, lease_s=self.lease_s), patience_s=self.lease_s
        )
        # A task that ended between the two statements is among them too; the runner says so when one was truly lost.
        self.leases.mark_lost(renewed, held)


@dataclass(frozen=True)
class Sweep:
    """Returns expired leases, counts the deaths, and mends jobs left without a task."""

    database: Database
    lease_s: float
    call_timeout_s: float
    courier: Courier | None = None

    def run_once(self) -> None:
        """One sweep. Safe to run in any number of processes at once."""
        found, is_batch_due = self.database.transact(self._look)
        if self.courier is not None and is_batch_due:
            self.courier.due.set()
        if not found:
            return
        if ended := self.database.transact(lambda c: tasks.end_standstill(c, found, lease_s=self.lease_s)):
            log.warning("standstill_ended", sessions=ended)
        locked: set[str] = set()
        for expired in found:
            if expired.job_id not in locked and not self._return(expired):
                locked.add(expired.job_id)

    def _look(self, connection: sa.Connection) -> tuple[Sequence[tasks.ExpiredTask], bool]:
        # One transaction: an idle worker sweeps all day.
        tasks.mend_orphans(connection)
        # Open calls of tasks that no longer run: cancelled, deleted, or given back while the reply was on its way.
        calls.mark_strays(connection, older_than_s=self.call_timeout_s + self.lease_s)
        is_batch_due = self.courier is not None and self.courier.is_due(connection)
        return tasks.find_expired(connection, lease_s=self.lease_s), is_batch_due

    def _return(self, expired: tasks.ExpiredTask) -> bool:
        """Return one task; False when its job is locked for long, perhaps by a process that froze.

        The next sweep finds it again: waiting here would leave every other job without one.
        """

        def work(connection: sa.Connection) -> str | None:
            tasks.lock_job(connection, expired.job_id, wait_s=LOCK_WAIT_S)
            status = tasks.return_expired(connection, expired, error="Worker perdu pendant cette étape.")
            if status is not None:
                calls.mark_unknown(connection, expired.id, attempt=expired.attempt)
            if status == "failed":
                quarantine(connection, expired.kind, job_id=expired.job_id, task_id=expired.id)
            faults.reached(Point.IN_SWEEP)
            return status

        try:
            status = self.database.transact(work, patience_s=0)
        except sa.exc.DBAPIError as error:
            if not is_lock_timeout(error):
                raise
            log.warning("job_locked", job_id=expired.job_id)
            return False
        if status is not None:
            log.warning(
                "lease_expired", task_id=expired.id, job_id=expired.job_id, deaths=expired.deaths + 1, status=status
            )
        return True


@dataclass(frozen=True)
class Tidy:
    """Removes uploads that no job came of: their producer was killed between storing the file and inserting the row."""

    database: Database
    storage: Storage
    stray_s: float

    def run(self, stopped: threading.Event) -> None:
        """Tidy now and again until `stopped`; a storage that is away is left alone until the next time."""
        while not stopped.wait(min(self.stray_s, TIDY_S) * random.uniform(0.5, 1)):  # noqa: S311 (jitter)
            try:
                self.run_once()
            except Exception as error:  # noqa: BLE001 (tidying can wait)
                log.warning("tidy_failed", error=type(error).__name__)

    def run_once(self) -> None:
        """One round. Safe to run in any number of processes at once."""
        for job_id in self.storage.unsettled_uploads(self.stray_s):
            if self.database.transact(lambda c, job_id=job_id: jobs.exists(c, job_id)):  # type: ignore[misc]
                self.storage.settle_upload(job_id)
            else:
                self.storage.discard_upload(job_id)
                log.info("stray_upload_removed", job_id=job_id)


@dataclass(frozen=True)
class Watch:
    """Listens for NOTIFY, sweeps every few seconds, and rings Dramatiq's bells for what is ready."""

    database: Database
    sweep: Sweep
    database_url: str
    sweep_s: float
    idle_threads: Callable[[], int]
    ring: Callable[[int], None]
    pulse: Callable[[], None] = _nothing
    name: Callable[[], str] = lambda: tasks.WATCH_SESSION

    def run(self, stopped: threading.Event) -> None:
        """Watch until `stopped`; reconnects for ever."""
        while not stopped.is_set():
            self.pulse()
            try:
                self._listen(stopped)
            except Exception as error:  # noqa: BLE001 (a watch that ends would leave ready work unseen)
                log.warning("watch_failed", error=type(error).__name__, cause=describe(error))
                stopped.wait(1 + random.random())  # noqa: S311 (jitter, not a secret)

    def _listen(self, stopped: threading.Event) -> None:
        # A line that has died is noticed within a sweep: after it, news would be missed for as long as nobody looks.
        with open_session(self.database_url, name=self.name(), unanswered_s=max(2.0, self.sweep_s)) as connection:
            connection.execute(f"LISTEN {tasks.CHANNEL}")
            while not stopped.is_set():
                self.pulse()
                faults.reached(Point.IN_WATCH)
                name_session(connection, self.name())
                self.sweep.run_once()
                self.ring_ready()
                # Jitter, so that a hundred processes do not sweep in the same millisecond.
                self._wait_for_news(connection, self.sweep_s * random.uniform(0.8, 1.2), stopped)  # noqa: S311

    def _wait_for_news(self, connection: psycopg.Connection, wait_s: float, stopped: threading.Event) -> None:
        """Ring at each notification until it is time to sweep again."""
        step_s = min(wait_s, 1.0)
        waited_s = 0.0
        while waited_s < wait_s and not stopped.is_set():
            if any(True for _ in connection.notifies(timeout=step_s, stop_after=1)):
                self.ring_ready()
            else:
                waited_s += step_s

    def ring_ready(self) -> None:
        """One bell for each ready task that an idle thread of this process could take."""
        idle = self.idle_threads()
        if idle <= 0:
            return
        ready = self.database.transact(lambda c: tasks.count_ready(c, most=idle), single=True)
        if not ready:
            return
        try:
            self.ring(min(ready, idle))
        except Exception as error:  # noqa: BLE001 (Redis is away: the next sweep rings again)
            log.warning("ring_failed", error=type(error).__name__)
