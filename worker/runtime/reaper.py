"""The reaper brings lost work back: expired leases, tasks that crashed, jobs left without a task."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from worker import failpoints
from worker.db.engine import Database, is_lock_timeout
from worker.db.server_health import ServerHealth, pause_s, show_alive_s
from worker.failpoints import Point
from worker.jobs.failures import quarantine
from worker.llm import ledger
from worker.logging import get_logger
from worker.messages import job_progress
from worker.queue import tasks
from worker.runtime.batch_submitter import BatchSubmitter

log = get_logger()

LOCK_WAIT_S = 0.5
REAP_MOST_S = 10.0  # then the rest is the next sweep's: ready work waits to be woken for meanwhile
PATIENCE_S = 10.0  # with a database that is away; whoever sweeps comes back by itself


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Reaper:
    """Returns expired leases, counts the crashes, and mends jobs left without a task."""

    database: Database
    lease_s: float
    call_timeout_s: float
    batch_submitter: BatchSubmitter | None = None
    alive: Callable[[], None] = _nothing
    clock: Callable[[], float] = time.monotonic
    health: ServerHealth | None = None  # without it, a lease that ran out is taken for that of a dead worker at once

    def run_once(self) -> None:
        """One sweep. Safe to run in any number of processes at once."""
        until = self.clock() + REAP_MOST_S
        found, is_batch_due = self.database.transact(self._sweep, patience_s=PATIENCE_S)
        if self.batch_submitter is not None and is_batch_due:
            self.batch_submitter.due.set()
        if not found or not (found := self._of_crashed_workers(found)):
            return
        # Protection: ending the session of a process that froze in a COPY
        if ended := self.database.transact(lambda c: tasks.end_standstill(c, found, lease_s=self.lease_s)):
            log.warning("standstill_ended", sessions=ended)
        locked: set[str] = set()
        # In any order: where jobs are locked for long, none is always among those that time does not suffice for.
        for expired in random.sample(found, k=len(found)):
            if self.clock() > until:
                log.warning("reaper_cut_short", expired=len(found))
                return
            self.alive()
            if expired.job_id not in locked and not self._return(expired):
                locked.add(expired.job_id)

    def _of_crashed_workers(self, expired: Sequence[tasks.ExpiredTask]) -> Sequence[tasks.ExpiredTask]:
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

    def _sweep(self, connection: sa.Connection) -> tuple[Sequence[tasks.ExpiredTask], bool]:
        # One transaction: an idle worker sweeps all day.
        tasks.mend_orphans(connection)
        # Open calls of tasks that no longer run: cancelled, deleted, or given back while the reply was on its way.
        ledger.mark_orphans(connection, older_than_s=self.call_timeout_s + self.lease_s)
        is_batch_due = self.batch_submitter is not None and self.batch_submitter.is_due(connection)
        return tasks.find_expired(connection, lease_s=self.lease_s), is_batch_due

    def _return(self, expired: tasks.ExpiredTask) -> bool:
        """Return one task; False when its job is locked for long, perhaps by a process that froze.

        The next sweep finds it again: waiting here would leave every other job without one.
        """

        def work(connection: sa.Connection) -> str | None:
            # Protection: the sweep's limit on waiting for a lock
            tasks.lock_job(connection, expired.job_id, wait_s=LOCK_WAIT_S)
            status = tasks.return_expired(connection, expired, error=job_progress.PROCESS_LOST)
            if status is not None:
                # Protection: the sweep's closing of calls whose worker is gone
                ledger.mark_unknown(connection, {expired.id: expired.attempt})
            if status == "failed":
                quarantine(connection, expired.kind, job_id=expired.job_id, task_id=expired.id)
            failpoints.reached(Point.IN_SWEEP)
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
