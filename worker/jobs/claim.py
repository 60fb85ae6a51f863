"""Taking the fairest ready task, and reading what it needs with it: one transaction instead of three."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from worker.jobs.context import Context
from worker.llm import ledger
from worker.llm.calls import Endpoint, Request
from worker.llm.compose import Frame, compose_request
from worker.questions import item_store
from worker.questions.answers import Purpose
from worker.questions.item import PendingItem
from worker.queue import tasks
from worker.queue.job import JobConfig, Task


@dataclass(frozen=True)
class Batch:
    """What was read with the claim of an analyse task."""

    pending: Sequence[PendingItem]
    requests: Mapping[tuple[str, ...], Request]  # by item ids
    keys: frozenset[str]  # of every question in `requests`
    replies: Sequence[ledger.StoredReply]  # all that is stored under `keys`


@dataclass(frozen=True)
class Claimed:
    """A task that is ours. `job_status` is "queued" for the first one of a run."""

    task: Task
    job_status: str
    batch: Batch | None = None


def claim_next(
    context: Context,
    connection: sa.Connection,
    *,
    owner: str,
    lease_s: float,
    is_again: bool = False,
    bare: bool = False,
) -> Claimed | None:
    """Take the fairest ready task, and read what it needs in the same transaction; None when nothing is ready.

    `bare`: nothing is read with it, for when that is what fails.
    """
    found = tasks.claim_task(connection, owner=owner, lease_s=lease_s, is_again=is_again)
    if found is None:
        return None
    task, job_status = found
    return Claimed(
        task, job_status, _read_batch(context, connection, task) if task.kind == "analyse" and not bare else None
    )


def _read_batch(context: Context, connection: sa.Connection, task: Task) -> Batch | None:
    """The items of the batch, and what earlier calls answered of them. Composing takes a millisecond, no call.

    None when something is wrong with the batch: the task finds out by itself, and is the one that is blamed.
    """
    try:
        config = JobConfig.parse(task.job.config)
        if config.rag and context.retrieval is not None and context.retrieval.has_courses:
            return None  # what is composed depends on a search, which has no place in this transaction
        pending = item_store.load_pending(connection, task)
        limit = context.questions_per_call(config)
        parts = [pending[start : start + limit] for start in range(0, len(pending), limit)]
        requests = {
            tuple(item.id for item in part): compose(
                context, task, "analyse", part, config=config, endpoint=context.endpoint
            )
            for part in parts
        }
    except sa.exc.DBAPIError:
        raise
    except Exception:  # noqa: BLE001 (a claim that failed would be tried for ever; a task that fails is counted)
        return None
    keys = [asked.key for request in requests.values() for asked in request.questions]
    return Batch(pending, requests, frozenset(keys), ledger.find_replies(connection, task, keys))


def compose(
    context: Context,
    task: Task,
    purpose: Purpose,
    asked: Sequence[PendingItem],
    *,
    config: JobConfig,
    endpoint: Endpoint,
    cut_at: int = 0,
) -> Request:
    """One call about these items, for this endpoint. `cut_at`: where the reply to one of them, alone, was cut."""
    model = context.model(purpose, config, endpoint)
    frame = Frame(endpoint, model, task.job.instructions, context.dispatcher.capacity(endpoint, model))
    items = [(item.id, item.question, item.excerpts) for item in asked]
    return compose_request(purpose, items, frame, cut_at=cut_at)
