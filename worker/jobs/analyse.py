"""analyse: one batch → its answers → one transaction at its end. A model is never called inside one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from worker import failpoints
from worker.errors import JobFailed, LeaseLost
from worker.failpoints import Point
from worker.jobs import job_store
from worker.jobs.asking import NOTHING_FOUND, Asking, Composer
from worker.jobs.context import Context
from worker.jobs.failures import down_for_s, set_slow_message
from worker.jobs.task_ledger import Found, TaskLedger
from worker.llm.batch import batches
from worker.llm.progress import Answers
from worker.llm.retry import keys_of
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
from worker.review.verdict import Shown, conclude, failed_conclusion, needs_second_look

log = get_logger()

WRITE_TRIES = 8  # against somebody who renames or removes specialties at the same time, before it counts as a crash


@dataclass(frozen=True)
class Batch:
    """The open items of a task, as their first look is composed, and what the ledger held about them."""

    first: Composer
    found: Found


@dataclass(frozen=True)
class Outcome:
    """What the items of a task came to, to be written in one transaction."""

    task: Task
    items: Sequence[PendingItem]
    conclusions: Mapping[str, Conclusion]  # by item id
    is_searched: bool  # whether the search of the courses (if any) came through


@dataclass(frozen=True)
class Analyse:
    """The handler of a batch."""

    context: Context

    def load(self, connection: sa.Connection, task: Task) -> Batch:
        """The batch, and what earlier calls answered of it. Composing those takes a millisecond, no call."""
        config = JobConfig.parse(task.job.config)
        items = item_store.load_pending(connection, task)
        first = Composer.begin(self.context, task, config, items)
        retrieval = self.context.retrieval
        if config.rag and retrieval is not None and retrieval.has_courses:
            # What is asked depends on a search, which has no place in this transaction.
            return Batch(first, NOTHING_FOUND)
        return Batch(first, Found.read(connection, task, keys_of(first.recall(list(first.items)))))

    def run(self, batch: Batch, lease: Lease) -> None:
        """Ask about the batch and store what came of it. Raises what `Asking.ask` raises."""
        context, task, config = self.context, batch.first.task, batch.first.config
        context.check_batch_mode(config)
        if task.was_held and (down_s := down_for_s(context, task)) >= context.settings.outage_s:
            raise JobFailed(job_causes.outage(down_s))
        batch, is_searched = _search(batch)
        asking = Asking(context, task, config, lease, TaskLedger.of(context, task, config))
        conclusions = _conclude_all(asking, batch)
        if asking.ledger.waits_for:
            # What one round could ask is written down, of every item: the rest follows when its replies are there.
            park(context, task, asking.ledger.waits_for)
            return
        items = list(batch.first.items.values())
        with context.endings.hold(task.job.id):
            _commit(context, Outcome(task, items, conclusions, is_searched))
        failpoints.reached(Point.AFTER_COMMIT, task.kind, task.position)
        log.info("batch_done", items=len(items))


def _commit(context: Context, outcome: Outcome) -> None:
    """Run the batch's last transaction, whatever is done meanwhile to the specialties and courses that it needs."""

    def write(connection: sa.Connection) -> None:
        _write(context, connection, outcome)

    for _ in range(WRITE_TRIES):
        try:
            context.database.transact(write)
        except PlacesMissing as missing:
            # Not in the batch's transaction: whoever makes the same would wait for its end.
            _make_places(context, outcome.task, missing.wanted)
        except question_store.QuestionAppeared:
            log.info("question_appeared")
        except sa.exc.IntegrityError:
            # A course was renamed or removed, or a check added, in the seconds since they were read.
            context.directory.forget()
        else:
            return
    context.database.transact(write)


def _write(context: Context, connection: sa.Connection, outcome: Outcome) -> None:
    # The job's row comes last and is held for two statements: all its batches queue for it.
    task = outcome.task
    concluded = publish(connection, outcome.items, outcome.conclusions, context.directory)
    tasks.end_task(connection, task)
    if task.was_held:
        pauses.end_pause(connection, task.job.id)
    failpoints.reached(Point.MID_APPLY, task.kind, task.position)
    if not outcome.is_searched:
        finding = Finding("retrieval_failed", row_reasons.RETRIEVAL_FAILED)
        item_store.add_finding(connection, [item.id for item in outcome.items], finding)
    if item_store.conclude_items(connection, task.job.id, concluded):
        tasks.notify(connection, task.job.id)
    set_slow_message(context, connection, task.job.id)


def _make_places(context: Context, task: Task, wanted: Sequence[Wanted]) -> None:
    def make(connection: sa.Connection) -> None:
        if not tasks.is_owned(connection, task):
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


def _search(batch: Batch) -> tuple[Batch, bool]:
    """The batch with what the courses say about its items, and whether the search (if any) came through."""
    first = batch.first
    if not first.config.rag or first.context.retrieval is None:
        return batch, True
    items = list(first.items.values())
    found = first.context.retrieval.find_excerpts(items)
    if not found.excerpts:
        return batch, not found.failed
    # The embedded model reads 280 tokens a second, and understands none of them.
    most = 1 if first.context.endpoint.embedded else None
    shown = [replace(item, excerpts=tuple(found.excerpts.get(item.id, ())[:most])) for item in items]
    return replace(batch, first=first.about(shown)), True


def _conclude_all(asking: Asking, batch: Batch) -> dict[str, Conclusion]:
    """What each item comes to, by its id; none for those of which a batch has to ask first."""
    answers = asking.ask(batch.first, {}, batch.found)
    concluded = {item_id: _conclude(asking, item, answers) for item_id, item in batch.first.items.items()}
    return {item_id: conclusion for item_id, conclusion in concluded.items() if conclusion is not None}


def _conclude(asking: Asking, item: PendingItem, answers: Answers) -> Conclusion | None:
    """What the item comes to, after a second look where it needs one; None when a batch has to ask first."""
    second: Look | None = None
    first = answers.looks.get(item.id)
    if first is not None and needs_second_look(item.question, first):
        # Two that read the same excerpt are one witness: no key is settled by what a course says alone.
        answers = asking.ask(asking.second_look(replace(item, excerpts=())), answers.replies_used)
        second = answers.looks.get(item.id)
    if item.id in answers.deferred:
        return None
    shown = Shown.of(item.excerpts)
    if first is None or item.id not in answers.looks:
        return failed_conclusion(_refused(answers, item.id), first=first, shown=shown)
    embedded = asking.context.endpoint.embedded
    return conclude(item.question, (first, second), config=asking.config, embedded=embedded, shown=shown)


def _refused(answers: Answers, item_id: str) -> str:
    refusal = answers.refusals.get(item_id)
    return row_reasons.refused(refusal.code if refusal else None)
