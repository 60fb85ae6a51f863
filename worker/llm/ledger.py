"""The ledger of paid calls, "LlmCall": the intent before the call, the raw reply before anyone reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from worker.errors import MAY_BE_PAID, LeaseLost, ProviderRefused
from worker.llm.calls import Reply, Request
from worker.queue import pauses
from worker.queue.job import Task
from worker.queue.pauses import IS_REFUSED
from worker.text.characters import storable

NOW = "timezone('UTC', clock_timestamp())"

# Fenced: a worker whose task was cancelled or taken over writes no intent, and so makes no call. Written again after a
# COMMIT whose reply was lost, it stands as it is: a batch may have carried the call by now.
# Protection: the fence of an intent
BEGIN = sa.text(f"""
INSERT INTO "LlmCall" ("id", "jobId", "taskId", "attempt", "purpose", "requestHash", "questionKeys", "model",
                       "endpoint", "status", "ceilingUsd", "isRetry", "questionCount", "request", "createdAt")
SELECT :call_id, t."jobId", t."id", t."attempt", :purpose, :hash, CAST(:keys AS text[]), :model, :endpoint, :status,
       :ceiling,
       :is_retry OR EXISTS (SELECT 1 FROM "LlmCall" c WHERE c."requestHash" = :hash AND c."jobId" = t."jobId"
                            AND c."id" <> :call_id),
       :question_count, :body, {NOW}
FROM "AiValidationTask" t
WHERE t."id" = :id AND t."attempt" = :attempt AND t."leaseOwner" = :owner AND t."status" = 'running'
  AND NOT {IS_REFUSED}
ON CONFLICT ("id") DO UPDATE SET "status" = "LlmCall"."status"
""")  # noqa: S608 (constants of this file)

SUCCEED = sa.text(f"""
UPDATE "LlmCall" SET "status" = 'succeeded', "response" = :response, "model" = :model, "promptTokens" = :prompt,
       "cachedTokens" = :cached, "completionTokens" = :completion,
       "costUsd" = CAST(:cost AS numeric), "providerRequestId" = :request_id, "error" = NULL,
       "request" = NULL, "completedAt" = {NOW}
WHERE "id" = :call_id
""")  # noqa: S608

FAIL = sa.text(f"""
UPDATE "LlmCall" SET "status" = 'failed', "error" = CAST(:error AS jsonb), "request" = NULL, "completedAt" = {NOW},
       "costUsd" = CASE WHEN :is_known THEN CAST(:cost AS numeric) END
WHERE "id" = :call_id AND medq_call_is_open("status")
""")  # noqa: S608

# Calls of a task that lost its lease may or may not have been paid: said so, never guessed. They cost their ceiling
# (medq_call_costs).
MARK_UNKNOWN = sa.text(f"""
UPDATE "LlmCall" c SET "status" = 'failed', "completedAt" = {NOW},
       "error" = '{{"kind": "unknown", "code": "unknown", "message": "Worker gone before the reply."}}'::jsonb
FROM unnest(CAST(:task_ids AS text[]), CAST(:attempts AS int[])) AS held(id, attempt)
WHERE c."taskId" = held.id AND c."attempt" <= held.attempt AND c."status" = 'started'
""")  # noqa: S608

# Nobody waits for the reply of a call any more whose task ended, or ran again, longer ago than a call may take.
MARK_ORPHANS = sa.text(f"""
UPDATE "LlmCall" c SET "status" = 'failed', "completedAt" = {NOW},
       "error" = '{{"kind": "unknown", "code": "unknown", "message": "Task gone before the reply."}}'::jsonb
WHERE c."status" = 'started' AND c."createdAt" < {NOW} - make_interval(secs => :older_than_s)
  AND NOT EXISTS (SELECT 1 FROM "AiValidationTask" t WHERE t."id" = c."taskId" AND t."attempt" = c."attempt"
                  AND t."status" = 'running')
""")  # noqa: S608

STORED = sa.text("""
SELECT c."questionKeys", c."response", c."model", NULL AS code, NULL AS kind,
       c."jobId" = :job_id AND c."createdAt" >= j."startedAt" AS is_own, c."createdAt" AS at, c."id" AS call_id
FROM "LlmCall" c, "AiValidationJob" j
WHERE j."id" = :job_id AND c."status" = 'succeeded' AND c."questionKeys" && CAST(:keys AS text[])
UNION ALL
SELECT c."questionKeys", NULL, c."model", c."error" ->> 'code', c."error" ->> 'kind', TRUE, c."createdAt", c."id"
FROM "LlmCall" c, "AiValidationJob" j
WHERE j."id" = :job_id AND c."taskId" = :task_id AND c."status" = 'failed' AND c."createdAt" >= j."startedAt"
  AND (c."error" ->> 'kind' IN ('content', 'unknown') OR c."error" ->> 'code' IN ('timeout', 'connection_lost')
       OR (c."batchId" IS NOT NULL AND c."error" ->> 'kind' = 'unavailable'))
  AND c."questionKeys" && CAST(:keys AS text[])
ORDER BY at, call_id
""")

# Is somebody else asking one of these questions right now? The call of a task that runs counts until its owner is taken
# for dead, which closes it: a lease that ran out may be one that the server let nobody renew, with the reply in hand.
# Of a task that was cancelled or put back meanwhile the reply is awaited, for as long as a call may take.
IN_FLIGHT = sa.text(f"""
SELECT EXISTS (
    SELECT 1 FROM "LlmCall" c
    LEFT JOIN "AiValidationTask" t ON t."id" = c."taskId" AND t."attempt" = c."attempt" AND t."status" = 'running'
    WHERE c."status" = 'started' AND c."id" <> :call_id AND c."questionKeys" && CAST(:keys AS text[])
      AND CASE WHEN t."id" IS NULL THEN c."createdAt" > {NOW} - make_interval(secs => :call_timeout_s)
               ELSE t."id" <> :id END
) OR 0 < (
    -- Counted, for an EXISTS would make the planner hope for a hit in the first rows and read the whole table.
    SELECT count(*) FROM "LlmCall" c WHERE c."status" = 'succeeded' AND c."questionKeys" && CAST(:keys AS text[])
      AND c."id" <> ALL(CAST(:known AS text[])) AND c."id" <> :call_id
)
""")  # noqa: S608

# One lock per question, in the order of its number: whoever asks one of them looks only when the other has written.
LOCK_KEYS = sa.text("""
SELECT pg_advisory_xact_lock(number) FROM (
    SELECT DISTINCT hashtextextended(key, 20261122) AS number FROM unnest(CAST(:keys AS text[])) AS key ORDER BY 1
) numbers
""")

# What calls under way may cost is reserved; they have cost nothing yet.
SPENT = sa.text("""
SELECT COALESCE(sum("costUsd"), 0), COALESCE(sum("ceilingUsd") FILTER (WHERE medq_call_is_open("status")), 0)
FROM "LlmCall" WHERE "jobId" = :job_id AND "id" <> :call_id
""")

# Since when has this job met nothing but a provider that is down? NULL when it has not.
DOWN_SINCE = sa.text(f"""
SELECT EXTRACT(EPOCH FROM ({NOW} - min(c."createdAt")))
FROM "LlmCall" c JOIN "AiValidationJob" j ON j."id" = c."jobId"
WHERE c."jobId" = :job_id AND c."status" = 'failed' AND c."error" ->> 'kind' = 'unavailable' AND c."batchId" IS NULL
  AND c."createdAt" > COALESCE((SELECT max(s."completedAt") FROM "LlmCall" s
                                WHERE s."jobId" = :job_id AND s."status" = 'succeeded'), j."startedAt")
  AND c."createdAt" >= j."startedAt"
""")  # noqa: S608

# Who is answered of late? Of the jobs that are open: so it costs no more than to read their calls.
ANSWERED = sa.text(f"""
SELECT count(*) FROM "AiValidationJob" j JOIN "LlmCall" c ON c."jobId" = j."id"
WHERE j."status" = 'processing' AND c."status" = 'succeeded' AND c."batchId" IS NULL
  AND c."endpoint" = ANY(CAST(:endpoints AS text[])) AND c."completedAt" > {NOW} - make_interval(secs => :within_s)
""")  # noqa: S608


# A call for a person's decision: of no task, and so of no lease. It stands on its job's ledger, where that still
# exists.
BEGIN_ALONE = sa.text(f"""
INSERT INTO "LlmCall" ("id", "jobId", "attempt", "purpose", "requestHash", "questionKeys", "model", "endpoint",
                       "status", "ceilingUsd", "questionCount", "createdAt")
VALUES (:call_id, :job_id, 0, :purpose, :hash, CAST(:keys AS text[]), :model, :endpoint, 'started', :ceiling, 1, {NOW})
""")  # noqa: S608
FIND_ALONE = sa.text("""
SELECT "response", "model" FROM "LlmCall"
WHERE "status" = 'succeeded' AND "questionKeys" && ARRAY[CAST(:key AS text)] AND "purpose" = 'explain'
ORDER BY "createdAt" DESC LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A call that was, or may have been, paid for earlier. `question_keys` are in the order of the wire ids q1, q2, …

    `raw` is None for a call of this run that brought no reply: `code` says why, `is_content` that a question of it is
    the cause.
    """

    question_keys: tuple[str, ...]
    raw: str | None
    model: str
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
        BEGIN,
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
    return bool(connection.execute(IN_FLIGHT, parameters).scalar_one())


def lock_keys(connection: sa.Connection, keys: Sequence[str]) -> None:
    """Let nobody else begin a call about these questions until the end of the transaction."""
    connection.execute(LOCK_KEYS, {"keys": list(keys)})


def begin_alone(
    connection: sa.Connection, request: Request, *, call_id: str, job_id: str, ceiling_usd: Decimal | None
) -> None:
    """Write the intent of a call that belongs to no task."""
    (asked,) = request.questions
    connection.execute(
        BEGIN_ALONE,
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
    row = connection.execute(FIND_ALONE, {"key": asked.key}).one_or_none()
    return None if row is None else str(row[0])


def sum_spent(connection: sa.Connection, job_id: str, *, call_id: str) -> tuple[Decimal, Decimal]:
    """What the job's calls have cost, and what those under way may cost at most, without the call `call_id` itself."""
    spent, reserved = connection.execute(SPENT, {"job_id": job_id, "call_id": call_id}).one()
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
        connection.execute(SUCCEED, rows)


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
        FAIL,
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
    return connection.execute(MARK_UNKNOWN, parameters).rowcount


def mark_orphans(connection: sa.Connection, *, older_than_s: float) -> int:
    """Close the calls that nobody waits for any more; how many."""
    return connection.execute(MARK_ORPHANS, {"older_than_s": older_than_s}).rowcount


def find_replies(connection: sa.Connection, task: Task, keys: Sequence[str]) -> list[StoredReply]:
    """Every stored reply, of any job, that answers at least one of `keys`, and the calls of this task's run that
    brought none and may be paid for all the same; oldest first.
    """
    rows = connection.execute(STORED, {"job_id": task.job.id, "task_id": task.id, "keys": list(keys)}).mappings()
    return [
        StoredReply(
            question_keys=tuple(row["questionKeys"]),
            raw=row["response"],
            model=row["model"],
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
    return bool(connection.execute(ANSWERED, {"endpoints": list(endpoints), "within_s": within_s}).scalar_one())


def read_clock(connection: sa.Connection) -> datetime:
    """What time it is in UTC, by the database's clock."""
    now: datetime = connection.execute(sa.text(f"SELECT {NOW}")).scalar_one()
    return now


def down_for_s(connection: sa.Connection, job_id: str) -> float:
    """For how many seconds this job has met nothing but an endpoint that is down; 0 when it is up."""
    value: Any = connection.execute(DOWN_SINCE, {"job_id": job_id}).scalar_one_or_none()
    return float(value or 0)
