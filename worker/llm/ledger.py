"""The ledger of paid calls, "LlmCall": the intent before the call, the raw reply before anyone reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from worker.db.statements import load_statements
from worker.errors import MAY_BE_PAID, LeaseLost, ProviderRefused
from worker.llm.calls import Reply, Request
from worker.queue import pauses
from worker.queue.job import Task
from worker.text.characters import storable

SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A call that was, or may have been, paid for earlier. `question_keys` are in the order of the wire ids q1, q2, …

    `raw` is None for a call of this run that brought no reply: `code` says why, `is_content` that a question of it is
    the cause.
    """

    question_keys: tuple[str, ...]
    raw: str | None
    is_own: bool  # of this run of this job: it counts as one of its attempts
    id: str = ""
    code: str | None = None
    is_content: bool = False
    is_lost: bool = False  # a line of a batch that came to nothing: it cost nothing, and is asked again


def begin_call(
    connection: sa.Connection,
    task: Task,
    request: Request,
    *,
    call_id: str,
    is_retry: bool,
    ceiling_usd: Decimal | None,
    is_deferred: bool = False,
) -> None:
    """Write the intent, and with it the most that the call can cost. `is_deferred`: a batch will carry it.

    Raises `LeaseLost` when the task is no longer this worker's to call for, `ProviderRefused` when another call of the
    job has just been refused for good.
    A call counts as a retry when told so, or when this job sent the very same request before.
    """
    written = connection.execute(
        SQL["begin"],
        {
            **task.token,
            "job_id": task.job.id,
            "call_id": call_id,
            "status": "waiting" if is_deferred else "started",
            "body": json.dumps(request.body, ensure_ascii=False) if is_deferred else None,
            "purpose": request.purpose,
            "hash": request.hash,
            "keys": [asked.key for asked in request.questions],
            "model": request.model,
            "endpoint": request.endpoint,
            "ceiling": ceiling_usd,
            "is_retry": is_retry,
            "question_count": len(request.questions),
        },
    )
    if written.rowcount != 1:
        sentence = pauses.read_refusal(connection, task.job.id)
        if sentence is not None:
            raise ProviderRefused(sentence, code="refused_meanwhile")
        raise LeaseLost(task.id)


def is_asked_elsewhere(
    connection: sa.Connection,
    task: Task,
    request: Request,
    *,
    call_id: str,
    known: Sequence[str],
    call_timeout_s: float,
) -> bool:
    """Whether another worker asks one of these questions now, or got a reply that is not among the `known` calls.

    Until the end of the transaction nobody else can begin a call about them.
    """
    keys = [asked.key for asked in request.questions]
    lock_keys(connection, keys)
    parameters = {
        "id": task.id,
        "call_id": call_id,
        "keys": keys,
        "known": list(known),
        "call_timeout_s": call_timeout_s,
    }
    return bool(connection.execute(SQL["is_in_flight"], parameters).scalar_one())


def lock_keys(connection: sa.Connection, keys: Sequence[str]) -> None:
    """Let nobody else begin a call about these questions until the end of the transaction."""
    connection.execute(SQL["lock_keys"], {"keys": list(keys)})


def begin_alone(
    connection: sa.Connection, request: Request, *, call_id: str, job_id: str, ceiling_usd: Decimal | None
) -> None:
    """Write the intent of a call that belongs to no task."""
    (asked,) = request.questions
    connection.execute(
        SQL["begin_alone"],
        {
            "call_id": call_id,
            "job_id": job_id,
            "purpose": request.purpose,
            "hash": request.hash,
            "keys": [asked.key],
            "model": request.model,
            "endpoint": request.endpoint,
            "ceiling": ceiling_usd,
        },
    )


def find_alone(connection: sa.Connection, request: Request) -> str | None:
    """The newest reply to this very question, as it came; None when there is none."""
    (asked,) = request.questions
    row = connection.execute(SQL["find_alone"], {"key": asked.key}).one_or_none()
    return None if row is None else str(row[0])


def sum_spent(connection: sa.Connection, job_id: str, *, call_id: str) -> tuple[Decimal, Decimal]:
    """What the job's calls have cost, and what those under way may cost at most, without the call `call_id` itself."""
    spent, reserved = connection.execute(SQL["sum_spent"], {"job_id": job_id, "call_id": call_id}).one()
    return spent, reserved


def succeed_calls(connection: sa.Connection, replies: Mapping[str, tuple[Reply, Decimal | None]]) -> None:
    """Store these replies (by call id, each with its cost in dollars) as they came.

    Not fenced: they are paid for, whoever owns the task by now. Without a cost (the provider does not count its
    tokens) a call stays at its ceiling.
    """
    rows = [
        {
            "call_id": call_id,
            "response": storable(reply.raw),
            "model": reply.model,
            "prompt": reply.usage.prompt_tokens,
            "cached": reply.usage.cached_tokens,
            "completion": reply.usage.completion_tokens,
            "cost": cost_usd,
            "request_id": reply.provider_request_id,
        }
        for call_id, (reply, cost_usd) in replies.items()
    ]
    if rows:
        connection.execute(SQL["succeed"], rows)


def fail_call(
    connection: sa.Connection,
    call_id: str,
    *,
    kind: str,
    code: str,
    message: str,
    cost_usd: Decimal | None,
) -> None:
    """Store why there is no reply. `kind`: "unavailable", "refused", "content", or "unknown": nobody saw the end.

    A call of which nobody knows whether it is paid keeps the ceiling that it was given at its beginning, whatever
    `cost_usd` says. After a "refused" one, whose `message` is the sentence for the admin, the job makes no further
    call.
    """
    if kind == "refused":
        pauses.refuse_calls(connection, call_id, message)
    error = json.dumps({"kind": kind, "code": code, "message": message[:500]}, ensure_ascii=False)
    connection.execute(
        SQL["fail"],
        {
            "call_id": call_id,
            "error": error,
            "cost": cost_usd,
            "is_known": kind != "unknown" and code not in MAY_BE_PAID,
        },
    )


def mark_unknown(connection: sa.Connection, held: Mapping[str, int]) -> int:
    """Close the calls that were left open with these tasks, up to this attempt of each; how many."""
    parameters = {"task_ids": list(held), "attempts": list(held.values())}
    return connection.execute(SQL["mark_unknown"], parameters).rowcount


def mark_orphans(connection: sa.Connection, *, older_than_s: float) -> int:
    """Close the calls that nobody waits for any more; how many."""
    return connection.execute(SQL["mark_orphans"], {"older_than_s": older_than_s}).rowcount


def find_replies(connection: sa.Connection, task: Task, keys: Sequence[str]) -> list[StoredReply]:
    """Every stored reply, of any job, that answers at least one of `keys`, and the calls of this task's run that
    brought none and may be paid for all the same; oldest first.
    """
    rows = connection.execute(
        SQL["find_replies"], {"job_id": task.job.id, "task_id": task.id, "keys": list(keys)}
    ).mappings()
    return [
        StoredReply(
            question_keys=tuple(row["questionKeys"]),
            raw=row["response"],
            is_own=bool(row["is_own"]),
            id=row["call_id"],
            code=row["code"],
            is_content=row["kind"] == "content",
            is_lost=row["kind"] == "unavailable" and row["code"] not in MAY_BE_PAID,
        )
        for row in rows
    ]


def is_answered(connection: sa.Connection, endpoints: Sequence[str], *, within_s: float) -> bool:
    """Whether one of these endpoints answered anybody in the last so many seconds."""
    return bool(
        connection.execute(SQL["count_answered"], {"endpoints": list(endpoints), "within_s": within_s}).scalar_one()
    )


def read_clock(connection: sa.Connection) -> datetime:
    """What time it is in UTC, by the database's clock."""
    now: datetime = connection.execute(SQL["read_clock"]).scalar_one()
    return now


def down_for_s(connection: sa.Connection, job_id: str) -> float:
    """For how many seconds this job has met nothing but an endpoint that is down; 0 when it is up."""
    value: Any = connection.execute(SQL["down_for"], {"job_id": job_id}).scalar_one_or_none()
    return float(value or 0)
