"""How one task asks its model: what is composed, who sends it, where it is stored. `llm/retry` asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from worker.jobs.context import Context
from worker.jobs.failures import set_slow_message
from worker.jobs.task_ledger import Found, TaskLedger
from worker.llm.calls import CheckedReply, Endpoint, Request
from worker.llm.circuit_breaker import BreakerState
from worker.llm.compose import Frame, compose_probe, compose_request
from worker.llm.events import Recalled
from worker.llm.progress import Answers, Bounds, Progress
from worker.llm.retry import Dialogue, ask, keys_of, read_stored
from worker.llm.validate import check_reply
from worker.questions.answers import Purpose
from worker.questions.item import PendingItem
from worker.queue import tasks
from worker.queue.job import JobConfig, Task
from worker.queue.leases import Lease

NOTHING_FOUND = Found()
LOST_LINES = 2  # lines of batches that come to nothing one after another before a question is given up, at least


@dataclass(frozen=True)
class Composer:
    """Composes the calls of one look at these items, each once while nothing is learned that would change it."""

    context: Context
    task: Task
    config: JobConfig
    purpose: Purpose
    items: Mapping[str, PendingItem]  # by id
    _composed: dict[tuple[str, ...], Request] = field(default_factory=dict)

    @classmethod
    def begin(cls, context: Context, task: Task, config: JobConfig, items: Sequence[PendingItem]) -> Composer:
        """The composer of the first look at these items."""
        return cls(context, task, config, "analyse", {item.id: item for item in items})

    def about(self, items: Sequence[PendingItem]) -> Composer:
        """The composer of the same look at these items as they are now, with nothing composed yet."""
        return replace(self, items={item.id: item for item in items}, _composed={})

    def compose(self, item_ids: Sequence[str], cut_at: int) -> Request:
        """One call, for the endpoint that is up. `cut_at`: where the reply to the one item was cut, or 0."""
        # A stand-in is for while the first is down; a batch is not in such a hurry.
        context = self.context
        endpoint = context.endpoint if self.config.batch_api else context.dispatcher.choose()
        return self._compose(endpoint, item_ids, cut_at=cut_at)

    def recall(self, item_ids: Sequence[str]) -> list[Request]:
        """The requests that may have been sent about these items, by which the ledger finds their replies."""
        most = self.context.questions_per_call(self.config)
        parts = [item_ids[start : start + most] for start in range(0, len(item_ids), most)]
        return [self._compose(endpoint, part) for part in parts for endpoint in self.context.dispatcher.endpoints]

    def probe(self, refused: Request) -> Request:
        """The least call of the same kind, to the same endpoint."""
        endpoint = self.context.dispatcher.upstream_of(refused).endpoint
        return compose_probe(refused, endpoint=endpoint, instructions=self.task.job.instructions)

    def is_current(self, request: Request) -> bool:
        """Whether nothing was learned of its model's sizes since it was composed."""
        return self.context.dispatcher.is_current(request)

    def _compose(self, endpoint: Endpoint, item_ids: Sequence[str], *, cut_at: int = 0) -> Request:
        # What is looked for in the ledger is mostly what is sent next.
        name = (endpoint.name, *item_ids)
        known = self._composed.get(name)
        if known is not None and not cut_at and self.is_current(known):
            return known
        model = self.context.model(self.purpose, self.config, endpoint)
        capacity = self.context.dispatcher.capacity(endpoint, model)
        frame = Frame(endpoint, model, self.task.job.instructions, capacity)
        asked = [(item.id, item.question, item.excerpts) for item in (self.items[item_id] for item_id in item_ids)]
        request = compose_request(self.purpose, asked, frame, cut_at=cut_at)
        if not cut_at:
            self._composed[name] = request
        return request


@dataclass(frozen=True)
class Asking:
    """How one task asks its model, at the first and at the second look."""

    context: Context
    task: Task
    config: JobConfig
    lease: Lease
    ledger: TaskLedger

    def ask(self, composer: Composer, replies_used: Mapping[str, int], found: Found = NOTHING_FOUND) -> Answers:
        """Ask about the composer's items. `replies_used`: as `Progress.begin`. Raises what `retry.ask` raises."""
        dialogue = self._dialogue(composer)
        requests = composer.recall(list(composer.items))
        stored = self.ledger.recall(keys_of(requests), found)
        progress = Progress.begin(composer.items, self._bounds(), replies_used)
        return ask(progress.after(Recalled(list(read_stored(stored, requests, dialogue.check)))), dialogue)

    def second_look(self, item: PendingItem) -> Composer:
        """The composer of the second look at this item, which is asked about alone."""
        return Composer(self.context, self.task, self.config, "second_look", {item.id: item})

    def _dialogue(self, composer: Composer) -> Dialogue:
        context, lease = self.context, self.lease

        def check() -> None:
            lease.check()
            context.process_breaker.check()

        sleep = context.process_breaker.guard_sleep(lease.sleep)
        return Dialogue(
            composer=composer,
            permit=context.dispatcher.ask_permit(check, sleep),
            ledger=self.ledger,
            check=_Reader(context, self.task, context.dispatcher.reported_rpm).read,
            sleep=sleep,
        )

    def _bounds(self) -> Bounds:
        config, context = self.config, self.context
        attempts = context.settings.max_attempts if config.max_retries is None else config.max_retries + 1
        return Bounds(
            max_attempts=attempts,
            questions_per_call=context.questions_per_call(config),
            transport_attempts=self._transport_attempts(attempts),
            is_deferred=config.batch_api,
        )

    def _transport_attempts(self, attempts: int) -> int:
        if self.config.batch_api:
            return max(LOST_LINES, attempts)
        # While the endpoint is known to be down, a task of the job tries once whether it is back; so does the one task
        # of a process that could not call.
        is_known_down = self.task.was_held or self.context.process_breaker.state is not BreakerState.CLOSED
        return 1 if is_known_down else attempts


@dataclass
class _Reader:
    """Reads replies, and tells the admin when the endpoint has said that it allows few calls."""

    context: Context
    task: Task
    reported_rpm: float | None  # what it had said before

    def read(self, raw: str, request: Request) -> CheckedReply:
        """The reply, checked; before that, the job's row says so when the endpoint allows few calls."""
        reported_rpm = self.context.dispatcher.reported_rpm
        if reported_rpm != self.reported_rpm:  # as the first reply tells, which is stored by now
            self.reported_rpm = reported_rpm
            self.context.database.transact(self._set_message)
        return check_reply(raw, request)

    def _set_message(self, connection: sa.Connection) -> None:
        if tasks.lock_job(connection, self.task.job.id) == "processing":
            set_slow_message(self.context, connection, self.task.job.id)
