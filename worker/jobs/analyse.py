"""analyse: one batch → its answers → one transaction at its end. A model is never called inside one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from worker import failpoints
from worker.errors import JobFailed, LeaseLost
from worker.failpoints import Point
from worker.jobs import job_store
from worker.jobs.claim import Batch, compose
from worker.jobs.context import Context
from worker.jobs.failures import down_for_s, set_slow_message
from worker.jobs.task_ledger import TaskLedger
from worker.llm.batch import batches
from worker.llm.calls import CheckedReply, Endpoint, Request
from worker.llm.circuit_breaker import State
from worker.llm.compose import compose_probe
from worker.llm.retry import Answers, Dialogue, ask
from worker.llm.validate import check_reply
from worker.logging import get_logger
from worker.messages import job_causes, job_progress, row_reasons
from worker.questions import item_store, place_store, question_store
from worker.questions.answers import Conclusion, Look, Purpose
from worker.questions.item import PendingItem
from worker.questions.places import PlacesMissing, Wanted
from worker.questions.question import Finding
from worker.queue import tasks
from worker.queue.job import JobConfig, Task
from worker.queue.leases import Lease
from worker.review.publish import publish
from worker.review.verdict import conclude, failed_conclusion, needs_second_look

log = get_logger()

APPLY_TRIES = 8  # against somebody who renames or removes specialties at the same time, before it counts as a death
LOST_LINES = 2  # lines of batches that come to nothing one after another before a question is given up, at least


def analyse(context: Context, task: Task, lease: Lease, batch: Batch | None) -> None:
    """Ask about one batch and store what came of it. Raises what `ask` raises."""
    config = JobConfig.parse(task.job.config)
    context.check_batch_mode(config)
    if task.was_held and (down_s := down_for_s(context, task)) >= context.settings.outage_s:
        raise JobFailed(job_causes.outage(down_s))
    pending = batch.pending if batch else context.database.transact(lambda c: item_store.load_pending(c, task))
    pending, searched = _add_excerpts(context, pending, config)
    if any(item.excerpts for item in pending):
        batch = None
    ledger = TaskLedger(
        context.database,
        task,
        context.prices,
        config.max_cost_usd,
        context.settings.call_timeout_s,
        [batch] if batch else [],
        context.circuit.stored,
    )
    asking = Asking(context, task, config, lease, ledger)
    first = _ask(asking, "analyse", pending, replies_used={}, batch=batch)
    conclusions: dict[str, Conclusion] = {}
    for item in pending:
        conclusion = _conclude(asking, item, first)
        if conclusion is not None:
            conclusions[item.id] = conclusion
    if ledger.waits_for:
        # What one round could ask is written down, of every item: the rest follows when its replies are there.
        park(context, task, ledger.waits_for)
        return

    def apply(connection: sa.Connection) -> None:
        _apply(context, connection, task, pending, conclusions, searched=searched)

    with context.endings.hold(task.job.id):
        _commit(context, task, apply)
    failpoints.reached(Point.AFTER_COMMIT, task.kind, task.position)
    log.info("batch_done", items=len(pending))


def _commit(context: Context, task: Task, apply: Callable[[sa.Connection], None]) -> None:
    """Run the batch's last transaction, whatever is done meanwhile to the specialties and courses that it needs."""
    for _ in range(APPLY_TRIES):
        try:
            context.database.transact(apply)
        except PlacesMissing as missing:
            # Not in the batch's transaction: whoever makes the same would wait for its end.
            _make_places(context, task, missing.wanted)
        except question_store.QuestionAppeared:
            log.info("question_appeared")
        except sa.exc.IntegrityError:
            # A course was renamed or removed, or a check added, in the seconds since they were read.
            context.directory.forget()
        else:
            return
    context.database.transact(apply)


def _make_places(context: Context, task: Task, wanted: Sequence[Wanted]) -> None:
    def make(connection: sa.Connection) -> None:
        if not tasks.is_held(connection, task):
            raise LeaseLost(task.id)
        place_store.make_places(connection, wanted)

    try:
        context.database.transact(make)
    except sa.exc.IntegrityError:
        context.directory.forget()  # a specialty was removed just before its course was made


def park(context: Context, task: Task, call_ids: Collection[str]) -> None:
    """Put the task down until a batch has made these calls. Raises `LeaseLost` when it is another worker's."""

    def work(connection: sa.Connection) -> bool:
        tasks.lock_job(connection, task.job.id)
        waiting = batches.hold_waiting(connection, sorted(call_ids))
        tasks.park(connection, task, waiting)
        if waiting and batches.is_round_over(connection, task.job.id):
            # Also where no batch of the job's own follows: another job's asks the same.
            set_waiting_message(connection, task.job.id)
        return bool(waiting)

    with context.endings.hold(task.job.id):
        is_waiting = context.database.transact(work)
    failpoints.reached(Point.IN_PARK, task.kind, task.position)
    log.info("batch_parked", calls=len(call_ids), is_waiting=is_waiting)


def set_waiting_message(connection: sa.Connection, job_id: str) -> None:
    """Tell the admin for what the job waits, and until when. The job's row must be locked already."""
    count, until = batches.read_promise(connection, job_id)
    if count:
        job_store.set_message(connection, job_id, job_progress.batch_waits(count, until))


@dataclass(frozen=True)
class Asking:
    """With what one task asks, at both looks."""

    context: Context
    task: Task
    config: JobConfig
    lease: Lease
    ledger: TaskLedger


def _conclude(asking: Asking, item: PendingItem, answers: Answers) -> Conclusion | None:
    """What the item comes to, after a second look where it needs one; None when a batch has to ask first."""
    second: Look | None = None
    first = answers.looks.get(item.id)
    if first is not None and needs_second_look(item.question, first):
        # Two that read the same excerpt are one witness: no key is settled by what a course says alone.
        unaided = replace(item, excerpts=())
        answers = _ask(asking, "second_look", [unaided], replies_used=answers.replies_used)
        second = answers.looks.get(item.id)
    if item.id in answers.deferred:
        return None
    sources = {excerpt.id: excerpt.source or "" for excerpt in item.excerpts}
    if first is None or item.id not in answers.looks:
        return failed_conclusion(
            _refused(answers, item.id), first=first, sources=sources, excerpts_used=bool(item.excerpts)
        )
    return conclude(
        item.question,
        first,
        second,
        config=asking.config,
        embedded=asking.context.endpoint.embedded,
        excerpts_used=bool(item.excerpts),
        sources=sources,
    )


def _add_excerpts(
    context: Context, pending: Sequence[PendingItem], config: JobConfig
) -> tuple[Sequence[PendingItem], bool]:
    """The items with what the courses say about them, and whether the search (if any) came through."""
    if not config.rag or context.retrieval is None:
        return pending, True
    found = context.retrieval.find_excerpts(pending)
    if not found.excerpts:
        return pending, not found.failed
    # The embedded model reads 280 tokens a second, and understands none of them.
    most = 1 if context.endpoint.embedded else None
    return [replace(item, excerpts=tuple(found.excerpts.get(item.id, ())[:most])) for item in pending], True


def _ask(
    asking: Asking,
    purpose: Purpose,
    pending: Sequence[PendingItem],
    *,
    replies_used: Mapping[str, int],
    batch: Batch | None = None,
) -> Answers:
    context, task, config, lease = asking.context, asking.task, asking.config, asking.lease
    by_id = {item.id: item for item in pending}
    composed = {(context.endpoint.name, *ids): request for ids, request in batch.requests.items()} if batch else {}

    def compose_once(endpoint: Endpoint, item_ids: Sequence[str], cut_at: int = 0) -> Request:
        asked = [by_id[item_id] for item_id in item_ids]
        # What is looked for in the ledger is mostly what is sent next, unless something is learned in between.
        name = (endpoint.name, *item_ids)
        known = composed.get(name)
        if known is not None and not cut_at and context.dispatcher.is_current(known):
            return known
        request = compose(context, task, purpose, asked, config=config, endpoint=endpoint, cut_at=cut_at)
        if not cut_at:
            composed[name] = request
        return request

    def compose_least(refused: Request) -> Request:
        endpoint = context.dispatcher.outlet_of(refused).endpoint
        return compose_probe(refused, endpoint=endpoint, instructions=task.job.instructions)

    def choose() -> Endpoint:
        # A stand-in is for while the first is down; a batch is not in such a hurry.
        return context.endpoint if config.batch_api else context.dispatcher.choose()

    def check() -> None:
        lease.check()
        context.circuit.check()

    sleep = context.circuit.guard_sleep(lease.sleep)
    permit = context.dispatcher.ask_permit(check, sleep)
    reported_rpm = context.dispatcher.reported_rpm

    def read(raw: str, request: Request) -> CheckedReply:
        nonlocal reported_rpm
        if context.dispatcher.reported_rpm != reported_rpm:  # as the first reply tells, which is stored by now
            reported_rpm = context.dispatcher.reported_rpm
            context.database.transact(lambda c: _set_slow_message(context, c, task))
        return check_reply(raw, request)

    dialogue = Dialogue(
        compose=lambda item_ids, cut_at: compose_once(choose(), item_ids, cut_at),
        recall=lambda item_ids: [compose_once(endpoint, item_ids) for endpoint in context.dispatcher.endpoints],
        check=read,
        send=permit.send,
        ledger=asking.ledger,
        admitted=permit.admitted,
        sleep=sleep,
        is_deferred=config.batch_api,
        is_current=context.dispatcher.is_current,
        probe=compose_least,
        is_every_call=permit.is_every_call,
    )
    attempts = context.settings.max_attempts if config.max_retries is None else config.max_retries + 1
    return ask(
        list(by_id),
        dialogue,
        max_attempts=attempts,
        questions_per_call=context.questions_per_call(config),
        transport_attempts=_transport_attempts(context, task, attempts, config),
        replies_used=replies_used,
    )


def _set_slow_message(context: Context, connection: sa.Connection, task: Task) -> None:
    if tasks.lock_job(connection, task.job.id) == "processing":
        set_slow_message(context, connection, task.job.id)


def _transport_attempts(context: Context, task: Task, attempts: int, config: JobConfig) -> int:
    if config.batch_api:
        return max(LOST_LINES, attempts)
    # While the endpoint is known to be down, a task of the job tries once whether it is back; so does the one task of a
    # process that could not call.
    return 1 if task.was_held or context.circuit.state is not State.CLOSED else attempts


def _apply(
    context: Context,
    connection: sa.Connection,
    task: Task,
    pending: Sequence[PendingItem],
    conclusions: Mapping[str, Conclusion],
    *,
    searched: bool,
) -> None:
    # The job's row comes last and is held for two statements: all its batches queue for it.
    concluded = publish(connection, pending, conclusions, context.directory)
    tasks.end_task(connection, task)
    if task.was_held:
        tasks.release_job(connection, task.job.id)
    failpoints.reached(Point.MID_APPLY, task.kind, task.position)
    if not searched:
        finding = Finding("retrieval_failed", row_reasons.RETRIEVAL_FAILED)
        item_store.add_finding(connection, [item.id for item in pending], finding)
    if item_store.conclude_items(connection, task.job.id, concluded):
        tasks.notify(connection, task.job.id)
    set_slow_message(context, connection, task.job.id)


def _refused(answers: Answers, item_id: str) -> str:
    refusal = answers.refusals.get(item_id)
    return row_reasons.refused(refusal.code if refusal else None)
