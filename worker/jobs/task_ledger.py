"""The ledger of one task's calls: what it asked, what was answered, and what the job may still spend."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import sqlalchemy as sa

from models import new_id
from worker import failpoints
from worker.db.engine import Database
from worker.errors import JobFailed
from worker.failpoints import Point
from worker.jobs.context import Context
from worker.llm import ledger
from worker.llm.batch import batches
from worker.llm.calls import Reply, Request
from worker.llm.prices import Prices
from worker.messages import job_causes
from worker.queue import tasks
from worker.queue.job import JobConfig, Task


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Found:
    """What the ledger held about these keys when their task was claimed."""

    keys: frozenset[str] = frozenset()
    replies: Sequence[ledger.StoredReply] = ()

    @classmethod
    def read(cls, connection: sa.Connection, task: Task, keys: Collection[str]) -> Found:
        """See `ledger.find_replies`."""
        return cls(frozenset(keys), ledger.find_replies(connection, task, list(keys)))


@dataclass(frozen=True)
class TaskLedger:
    """The ledger of one task's calls: each method one transaction."""

    database: Database
    task: Task
    prices: Prices
    max_cost_usd: float | None
    call_timeout_s: float
    stored: Callable[[], None] = _nothing  # a reply stands in the ledger
    waits_for: set[str] = field(default_factory=set)  # calls that a batch will make, and this task waits for
    _known: set[str] = field(default_factory=set)  # calls whose reply was looked at, or is our own

    @classmethod
    def of(cls, context: Context, task: Task, config: JobConfig) -> TaskLedger:
        """The one of a task that was claimed."""
        return cls(
            database=context.database,
            task=task,
            prices=context.prices,
            max_cost_usd=config.max_cost_usd,
            call_timeout_s=context.settings.call_timeout_s,
            stored=context.process_breaker.stored,
        )

    def find(self, keys: Sequence[str]) -> Sequence[ledger.StoredReply]:
        """See `Ledger.find`."""
        return self._looked_at(self.database.transact(lambda c: ledger.find_replies(c, self.task, keys), single=True))

    def recall(self, keys: Sequence[str], found: Found) -> Sequence[ledger.StoredReply]:
        """As `find`, at the beginning: what was found with the claim is not looked for again."""
        return self._looked_at(found.replies) if found.keys.issuperset(keys) else self.find(keys)

    def _looked_at(self, replies: Sequence[ledger.StoredReply]) -> Sequence[ledger.StoredReply]:
        self._known.update(stored.id for stored in replies)
        return replies

    def begin(self, request: Request, *, is_retry: bool) -> str | None:
        """See `Ledger.begin`. Of a job's budget, what the call may cost at most is reserved with the intent."""
        call_id = new_id()
        ceiling_usd = self.prices.ceiling_usd(request)

        def write(connection: sa.Connection) -> bool:
            if self._is_asked_elsewhere(connection, request, call_id):
                return False
            if not self._fits_budget(connection, request, ceiling_usd, call_id=call_id):
                return False
            ledger.begin_call(
                connection, self.task, request, call_id=call_id, is_retry=is_retry, ceiling_usd=ceiling_usd
            )
            return True

        if not self.database.transact(write):
            return None
        self._known.add(call_id)
        failpoints.reached(Point.AFTER_INTENT, self.task.kind, self.task.position)
        return call_id

    def defer(self, request: Request, *, is_retry: bool) -> Collection[str] | None:
        """See `Ledger.defer`. The intent reserves what the call may cost at most at the price of a batch."""
        call_id = new_id()
        ceiling_usd = self.prices.in_batch_usd(self.prices.ceiling_usd(request))
        keys = [asked.key for asked in request.questions]

        def write(connection: sa.Connection) -> tuple[Collection[str], Collection[str]] | None:
            ledger.lock_keys(connection, keys)
            # First what waits, then what is answered: a line that comes in between is seen at least once.
            in_flight = batches.find_waiting(connection, keys)
            if in_flight:
                return frozenset().union(*in_flight.values()), in_flight.keys()
            if self._is_asked_elsewhere(connection, request, call_id):
                return None
            if not self._fits_budget(connection, request, ceiling_usd, call_id=call_id):
                # What waits already may cost less than it could: the rest is looked at when that is known.
                before = batches.newest_waiting(connection, self.task.job.id)
                return None if before is None else (keys, [before])
            ledger.begin_call(
                connection,
                self.task,
                request,
                call_id=call_id,
                is_retry=is_retry,
                ceiling_usd=ceiling_usd,
                is_deferred=True,
            )
            return keys, [call_id]

        deferred = self.database.transact(write)
        if deferred is None:
            return None
        waiting, call_ids = deferred
        self.waits_for.update(call_ids)
        failpoints.reached(Point.AFTER_INTENT, self.task.kind, self.task.position)
        return waiting

    def _is_asked_elsewhere(self, connection: sa.Connection, request: Request, call_id: str) -> bool:
        return ledger.is_asked_elsewhere(
            connection,
            self.task,
            request,
            call_id=call_id,
            known=list(self._known),
            call_timeout_s=self.call_timeout_s,
        )

    def _fits_budget(
        self, connection: sa.Connection, request: Request, ceiling_usd: Decimal | None, *, call_id: str
    ) -> bool:
        """False while calls under way may still leave room; `JobFailed` when there is none and never will be."""
        if self.max_cost_usd is None:
            return True
        if ceiling_usd is None:
            raise JobFailed(job_causes.price_unknown(request.model))
        # The job's row is the lock under which every process of every machine reserves.
        tasks.lock_job(connection, self.task.job.id)
        spent_usd, reserved_usd = ledger.sum_spent(connection, self.task.job.id, call_id=call_id)
        left_usd = Decimal(str(self.max_cost_usd)) - spent_usd
        if ceiling_usd > left_usd:
            raise JobFailed(job_causes.budget_spent(spent_usd, self.max_cost_usd))
        return ceiling_usd + reserved_usd <= left_usd

    def succeed(self, call_id: str, request: Request, reply: Reply) -> None:
        """See `Ledger.succeed`. A paid reply is kept until the database takes it, however long that is."""
        cost_usd = self.prices.cost_usd(request, reply)
        self.database.transact(
            lambda c: ledger.succeed_calls(c, {call_id: (reply, cost_usd)}), patience_s=math.inf, single=True
        )
        self.stored()
        failpoints.reached(Point.REPLY_STORED, self.task.kind, self.task.position)

    def fail(self, call_id: str, request: Request, *, kind: str, code: str, message: str) -> None:
        """See `Ledger.fail`. A late reply may be billed whole, a filtered prompt for its reading, the rest is free."""
        priced = self.prices.ceiling_usd(request) is not None
        free = Decimal(0) if priced else None
        cost_usd = self.prices.prompt_ceiling_usd(request) if kind == "content" else free
        self.database.transact(
            lambda c: ledger.fail_call(c, call_id, kind=kind, code=code, message=message, cost_usd=cost_usd)
        )
