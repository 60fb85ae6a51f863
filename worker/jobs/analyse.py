"""analyse: one batch → its answers → one transaction at its end. A model is never called inside one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from worker import failpoints
from worker.errors import JobFailed, LeaseLost
from worker.failpoints import Point
from worker.jobs import job_store
from worker.jobs.asking import Asking, Composer
from worker.jobs.claim import Batch
from worker.jobs.context import Context
from worker.jobs.failures import down_for_s, set_slow_message
from worker.jobs.task_ledger import TaskLedger
from worker.llm.batch import batches
from worker.llm.progress import Answers
from worker.logging import get_logger
from worker.messages import job_causes, job_progress, row_reasons
from worker.questions import item_store, place_store, question_store
from worker.questions.answers import Conclusion, Look
from worker.questions.item import PendingItem
from worker.questions.places import PlacesMissing, Wanted
from worker.questions.question import Finding
from worker.queue import pauses, tasks
from worker.queue.job import JobConfig, Task
from worker.queue.leases import Lease
from worker.review.publish import publish
from worker.review.verdict import conclude, failed_conclusion, needs_second_look

log = get_logger()

APPLY_TRIES = 8  # against somebody who renames or removes specialties at the same time, before it counts as a crash


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
    first_look = Composer.about(context, task, config, "analyse", pending)
    if batch:
        first_look.know(batch.requests)
    first = asking.ask(first_look, replies_used={})
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


def _conclude(asking: Asking, item: PendingItem, answers: Answers) -> Conclusion | None:
    """What the item comes to, after a second look where it needs one; None when a batch has to ask first."""
    second: Look | None = None
    first = answers.looks.get(item.id)
    if first is not None and needs_second_look(item.question, first):
        # Two that read the same excerpt are one witness: no key is settled by what a course says alone.
        unaided = replace(item, excerpts=())
        second_look = Composer.about(asking.context, asking.task, asking.config, "second_look", [unaided])
        answers = asking.ask(second_look, replies_used=answers.replies_used)
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
        pauses.release_job(connection, task.job.id)
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
