"""The heartbeat renews every lease of this process, and says on rows what their work has long been waiting for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa

from worker import failpoints
from worker.db.engine import Database
from worker.db.server_health import ServerHealth, Waiting, pause_s
from worker.failpoints import Point
from worker.jobs import job_store
from worker.llm import ledger
from worker.logging import get_logger
from worker.messages import job_progress
from worker.queue import tasks
from worker.queue.leases import Leases

log = get_logger()

MESSAGE_AFTER_S = 20.0  # so long a job's row says nothing of a server that is waited for


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Heartbeat:
    """Renews every lease of this process in one statement, three times per lease."""

    database: Database
    leases: Leases
    owner: str
    lease_s: float
    alive: Callable[[], None] = _nothing
    health: ServerHealth = field(default_factory=ServerHealth)
    waiting: Callable[[], Waiting | None] = lambda: None  # what the work waits for

    def run(self, stopped: threading.Event) -> None:
        """Beat until `stopped`; a database that is away is waited for, never given up on."""
        until_next_s = self.lease_s / 3
        while not stopped.wait(until_next_s):
            until_next_s = self.lease_s / 3
            self.alive()
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
        failpoints.reached(Point.IN_HEARTBEAT)
        renewed = self.database.transact(
            lambda c: tasks.renew_leases(c, held, process=self.owner, lease_s=self.lease_s), patience_s=self.lease_s
        )
        if renewed:
            self.health.wrote(within_s=self.lease_s)
        # A task that ended between the two statements is among them too; the executor says so when one was truly lost.
        self.leases.mark_lost(renewed, held)

    def tell(self) -> None:
        """Say on the rows of the jobs at work what their tasks have long been waiting for, as far as it can be said."""
        waiting, held = self.waiting(), self.leases.held()
        if waiting is None or waiting.for_s < MESSAGE_AFTER_S or not held:
            return

        def say(connection: sa.Connection) -> None:
            since = ledger.read_clock(connection) - timedelta(seconds=waiting.for_s)
            job_store.set_message_of_tasks(
                connection, list(held), job_progress.database_waits(waiting.state.french, since)
            )

        self.database.transact(say, patience_s=0)
