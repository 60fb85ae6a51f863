"""What keeps the queue moving whatever dies: the heartbeat that renews leases, the sweep that brings lost work back."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa

from worker import faults
from worker.adapters import calls, jobs, tasks
from worker.adapters.db import Database, is_lock_timeout
from worker.adapters.files import Storage
from worker.courier import Courier
from worker.faults import Point
from worker.health import ServerHealth, Waiting, pause_s, show_alive_s
from worker.leases import Leases
from worker.log import get_logger
from worker.pipeline import quarantine
from worker.retention import Retention
from worker.shapes import sentences

log = get_logger()

TIDY_S = 3600.0
ABANDONED_S = 3600.0
LOCK_WAIT_S = 0.5
SWEEP_MOST_S = 10.0  # then the rest is the next sweep's: ready work waits to be rung for meanwhile
PATIENCE_S = 10.0  # with a database that is away; whoever sweeps comes back by itself
TELL_S = 20.0  # so long a job's row says nothing of a server that is waited for


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
    health: ServerHealth = field(default_factory=ServerHealth)
    waiting: Callable[[], Waiting | None] = lambda: None  # what the work waits for

    def run(self, stopped: threading.Event) -> None:
        """Beat until `stopped`; a database that is away is waited for, never given up on."""
        until_next_s = self.lease_s / 3
        while not stopped.wait(until_next_s):
            until_next_s = self.lease_s / 3
            self.pulse()
            try:
                self.beat()
                self.tell()
            except Exception as error:  # noqa: BLE001 (the heartbeat outlives any fault: without it all leases end)
                log.warning("heartbeat_failed", error=type(error).__name__)
                until_next_s = pause_s(self.lease_s)

    def beat(self) -> None:
        """Renew what is held now; mark what is not ours any more."""
        held = self.leases.held()
        if not held:
            return
        faults.reached(Point.IN_HEARTBEAT)
        renewed = self.database.transact(
            lambda c: tasks.renew_leases(c, held, process=self.owner, lease_s=self.lease_s), patience_s=self.lease_s
        )
        if renewed:
            self.health.wrote(within_s=self.lease_s)
        # A task that ended between the two statements is among them too; the runner says so when one was truly lost.
        self.leases.mark_lost(renewed, held)

    def tell(self) -> None:
        """Say on the rows of the jobs at work what their tasks have long been waiting for, as far as it can be said."""
        waiting, held = self.waiting(), self.leases.held()
        if waiting is None or waiting.for_s < TELL_S or not held:
            return

        def say(connection: sa.Connection) -> None:
            since = calls.read_clock(connection) - timedelta(seconds=waiting.for_s)
            jobs.say_of_tasks(connection, list(held), sentences.database_waits(waiting.state.french, since))

        self.database.transact(say, patience_s=0)


@dataclass(frozen=True)
class Sweep:
    """Returns expired leases, counts the deaths, and mends jobs left without a task."""

    database: Database
    lease_s: float
    call_timeout_s: float
    courier: Courier | None = None
    pulse: Callable[[], None] = _nothing
    clock: Callable[[], float] = time.monotonic
    health: ServerHealth | None = None  # without it, a lease that ran out is taken for that of a dead worker at once

    def run_once(self) -> None:
        """One sweep. Safe to run in any number of processes at once."""
        until = self.clock() + SWEEP_MOST_S
        found, is_batch_due = self.database.transact(self._look, patience_s=PATIENCE_S)
        if self.courier is not None and is_batch_due:
            self.courier.due.set()
        if not found or not (found := self._of_the_dead(found)):
            return
        # Protection: ending the session of a process that froze in a COPY
        if ended := self.database.transact(lambda c: tasks.end_standstill(c, found, lease_s=self.lease_s)):
            log.warning("standstill_ended", sessions=ended)
        locked: set[str] = set()
        # In any order: where jobs are locked for long, none is always among those that time does not suffice for.
        for expired in random.sample(found, k=len(found)):
            if self.clock() > until:
                log.warning("sweep_cut_short", expired=len(found))
                return
            self.pulse()
            if expired.job_id not in locked and not self._return(expired):
                locked.add(expired.job_id)

    def _of_the_dead(self, expired: Sequence[tasks.ExpiredTask]) -> Sequence[tasks.ExpiredTask]:
        """Those of these tasks whose owner could have renewed its lease: the server has taken writes for a while.

        This process may know from its own writes, or from those of others. Else it begins to find out.
        """
        # Protection: sparing a lease that nobody could renew
        if self.health is None or self.health.is_sound(self.lease_s):
            return expired
        times = {"lease_s": self.lease_s, "pause_s": pause_s(self.lease_s), "grace_s": show_alive_s(self.lease_s)}
        dead = self.database.transact(lambda c: tasks.could_have_renewed(c, expired, **times), patience_s=PATIENCE_S)
        if spared := [task for task in expired if task.id not in dead]:
            log.info("leases_spared", expired=len(spared))
            if self.database.transact(lambda c: tasks.try_to_write(c, spared), patience_s=0):
                self.health.wrote(within_s=self.lease_s)
        return [task for task in expired if task.id in dead]

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
            # Protection: the sweep's limit on waiting for a lock
            tasks.lock_job(connection, expired.job_id, wait_s=LOCK_WAIT_S)
            status = tasks.return_expired(connection, expired, error="Worker perdu pendant cette étape.")
            if status is not None:
                # Protection: the sweep's closing of calls whose worker is gone
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
    """Removes uploads that no job came of (their producer was killed between storing the file and inserting the row),
    and the files of jobs whose rows somebody deleted.

    And ends jobs that another service began before this one came, once nothing moves them on.
    """

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
        if ended := self.database.transact(lambda c: jobs.end_abandoned(c, untouched_s=ABANDONED_S)):
            log.warning("abandoned_jobs_failed", jobs=len(ended))
        if count := Retention(self.database, self.storage).tidy(older_than_s=self.stray_s):
            log.info("stray_files_removed", jobs=count)
        for job_id in self.storage.unsettled_uploads(self.stray_s):
            if self.database.transact(lambda c, job_id=job_id: jobs.exists(c, job_id)):  # type: ignore[misc]
                self.storage.settle_upload(job_id)
            else:
                self.storage.discard_upload(job_id)
                log.info("stray_upload_removed", job_id=job_id)
