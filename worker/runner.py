"""Claim, hold, run: what an idle thread does when a bell rings. What a task does is in `pipeline`."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import structlog

from worker import faults
from worker.adapters import tasks
from worker.adapters.db import Database, is_infrastructure_fault
from worker.errors import LeaseLost, Stopping
from worker.faults import Point
from worker.leases import Leases
from worker.log import get_logger
from worker.pipeline import Line
from worker.shapes.jobs import Task

log = get_logger()


@dataclass
class Runner:
    """Runs tasks in the calling thread until nothing is ready. Shared by every thread of a process."""

    line: Line
    database: Database
    leases: Leases
    owner: str
    lease_s: float
    threads: int
    stopping: threading.Event
    _busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def idle_threads(self) -> int:
        """How many threads wait for a bell."""
        with self._lock:
            return self.threads - self._busy

    def drain(self) -> int:
        """Run the fairest ready task, and the next, until none is ready or the process stops; how many ran."""
        with self._lock:
            self._busy += 1
        try:
            ran = 0
            while not self.stopping.is_set() and self._run_next():
                ran += 1
            return ran
        finally:
            with self._lock:
                self._busy -= 1

    def _run_next(self) -> bool:
        claimed = self.database.transact(lambda c: self.line.claim(c, owner=self.owner, lease_s=self.lease_s))
        if claimed is None:
            return False
        task = claimed.task
        faults.reached(Point.AFTER_CLAIM, task.kind, task.position)
        with (
            structlog.contextvars.bound_contextvars(
                job_id=task.job.id, task_id=task.id, attempt=task.attempt, kind=task.kind
            ),
            self.leases.hold(task.id, task.attempt) as lease,
        ):
            try:
                self.line.run(claimed, lease)
            except LeaseLost:
                log.info("task_lost")
            except Stopping:
                self.database.transact(lambda c: tasks.give_back(c, task))
                log.info("task_given_back")
            except Exception as error:  # noqa: BLE001 (one task's fault must not end the thread)
                self._give_up(task, error)
        return True

    def _give_up(self, task: Task, error: Exception) -> None:
        """A fault of the database is nobody's: the task goes back. Any other counts as a death of the task."""
        if is_infrastructure_fault(error):
            log.warning("task_interrupted", error=type(error).__name__)
            self.database.transact(lambda c: tasks.give_back(c, task, delay_s=1))
            return
        log.error("task_crashed", exc_info=error)
        self.database.transact(lambda c: tasks.abandon(c, task))
