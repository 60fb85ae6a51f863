"""Claim, hold, run: what an idle thread does when a wake-up comes. What a task does is in `jobs`."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa
import structlog

from worker import failpoints, tracing
from worker.db.engine import Database, is_infrastructure_fault
from worker.errors import CutOff, Interrupted, LeaseLost, Stopping
from worker.failpoints import Point
from worker.jobs.claim import Claim, Claimed, LoadFailed, runs_alone
from worker.jobs.failures import record_crash
from worker.jobs.task_runner import TaskRunner
from worker.llm.circuit_breaker import ProcessBreaker
from worker.logging import get_logger
from worker.queue import tasks
from worker.queue.job import Task
from worker.queue.leases import Lease, Leases

log = get_logger()

MAX_SANDBOXES = 2  # each is a whole process


@dataclass
class Executor:
    """Runs tasks in the calling thread until nothing is ready. Shared by every thread of a process."""

    runner: TaskRunner
    database: Database
    leases: Leases
    owner: str
    lease_s: float
    threads: int
    stopping: threading.Event
    run_sandboxed: Callable[[Task, str, Lease], None]
    _claims: Iterator[int] = field(default_factory=itertools.count)
    _sandboxes: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(MAX_SANDBOXES))
    _busy: int = 0
    _begun: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def process_breaker(self) -> ProcessBreaker:
        """Open while this process cannot call."""
        return self.runner.context.process_breaker

    def idle_threads(self) -> int:
        """How many threads wait for a wake-up, and may claim."""
        with self._changed:
            idle = self.threads - self._busy
        return self.process_breaker.places(idle)

    def begun(self) -> int:
        """How often a thread has begun to look for work."""
        with self._changed:
            return self._begun

    def drain(self) -> int:
        """Run the fairest ready task, and the next, until none is ready or the process stops; how many ran.

        0 when all threads are busy.
        """
        return self._drain() if self._enter() else 0

    def drain_apart(self, count: int) -> None:
        """Drain in so many threads of our own, no more than are idle: for when no wake-up reaches Dramatiq's."""
        for _ in range(count):
            if not self._enter():
                return
            try:
                threading.Thread(target=self._drain_quietly, name="stand-in", daemon=True).start()
            except RuntimeError:  # no further thread can be had: those that run go on
                self._leave()
                return

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until no thread is at work; whether that was within the time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0, timeout_s)

    def _enter(self) -> bool:
        with self._changed:
            if self._busy >= self.threads:
                return False
            self._busy += 1
            self._begun += 1
            return True

    def _leave(self) -> None:
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def _drain(self) -> int:
        try:
            ran = 0
            while not self.stopping.is_set() and self.process_breaker.try_acquire() and self._run_next():
                ran += 1
            return ran
        finally:
            self.process_breaker.release()
            self._leave()

    def _drain_quietly(self) -> None:
        try:
            self._drain()
        except Exception as error:
            log.error("drain_failed", exc_info=error)

    def _run_next(self) -> bool:
        claimed = self._claim()
        if claimed is None:
            return False
        task = claimed.task
        failpoints.reached(Point.AFTER_CLAIM, task.kind, task.position)
        with (
            structlog.contextvars.bound_contextvars(
                job_id=task.job.id, task_id=task.id, attempt=task.attempt, kind=task.kind
            ),
            self.leases.hold(task.id, task.attempt) as lease,
            tracing.task_span(task.kind, job_id=task.job.id, task_id=task.id, attempt=task.attempt) as span,
        ):
            span.set_attribute("medq.task.end", self._run_to_end(claimed, lease))
        return True

    def _run_to_end(self, claimed: Claimed, lease: Lease) -> str:
        """One attempt, whose fault ends no thread; how it ended."""
        task = claimed.task
        try:
            self._run(claimed, lease)
        except LeaseLost:
            log.info("task_lost")
            return "lost"
        except (Stopping, CutOff):
            # Protection: giving a task back at a stop
            self._give_back(task)
            log.info("task_given_back")
            return "given_back"
        except Exception as error:  # noqa: BLE001 (one task's fault must not end the thread)
            return self._give_up(task, error)
        return "done"

    def _claim(self) -> Claimed | None:
        owner = f"{self.owner}:{next(self._claims)}"
        tries = itertools.count()
        unloadable: dict[str, Exception] = {}

        def claim(connection: sa.Connection) -> Claimed | None:
            return self.runner.claim(connection, Claim(owner, self.lease_s, next(tries) > 0, unloadable))

        try:
            while True:
                try:
                    # A claim of which nobody knows whether it was made is asked about until the server says so.
                    return self.database.transact(claim, give_up=self.stopping.is_set)
                except LoadFailed as failed:
                    # The next time, this task is claimed with its error, and nobody else's claim meets it here.
                    log.warning("task_unloadable", task_id=failed.task_id, error=type(failed.error).__name__)
                    unloadable[failed.task_id] = failed.error
        except Exception as error:
            if not is_infrastructure_fault(error):
                raise
            log.warning("claim_failed", error=type(error).__name__)
            return None

    def _run(self, claimed: Claimed, lease: Lease) -> None:
        """Here, or in a process of its own when two workers died with this task: then nobody else can be to blame."""
        # Protection: a process of its own for a task that two workers died with
        if not runs_alone(claimed.task):
            self.runner.run(claimed, lease)
            return
        while not self._sandboxes.acquire(timeout=0.5):
            lease.check()
        try:
            self.run_sandboxed(claimed.task, claimed.job_status, lease)
        finally:
            self._sandboxes.release()

    def _give_back(self, task: Task, *, delay_s: float = 0) -> None:
        # However long the server is away: a task that is not given back costs a lease, and is counted as a crash.
        self.database.transact(lambda c: tasks.give_back(c, task, delay_s=delay_s), patience_s=math.inf)

    def _give_up(self, task: Task, error: Exception) -> str:
        """A fault of the infrastructure is nobody's: the task goes back. Any other counts as a crash of the task."""
        # Protection: telling a fault of the database from one of the task
        if isinstance(error, Interrupted) or is_infrastructure_fault(error):
            log.warning("task_interrupted", error=type(error).__name__)
            self._give_back(task, delay_s=1)
            return "given_back"
        if not self.database.transact(lambda c: tasks.is_owned(c, task)):
            log.info("task_lost", error=type(error).__name__)
            return "lost"
        cause = f"{type(error).__name__}: {error}"[:500]
        log.error("task_crashed", exc_info=error)
        self.database.transact(lambda c: record_crash(c, task, error=cause))
        return "crashed"
