"""Batch mode in PostgreSQL: calls that wait for a provider's batch, tasks that wait for those calls, the batches.

A batch is taken in hand until "nextLookAt" and changed only by whoever shows its attempt. What a line brought is paid
for and so is stored whoever brings it, once. Locks are taken in the order job → batch → calls → tasks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from models.states import BatchStatus
from worker.errors import LeaseLost
from worker.llm.batch.provider_batch import HeldBatch, ProviderBatch, WaitingCall

NOW = "timezone('UTC', clock_timestamp())"
# A job "j" whose questions batches are to ask: under way, and not set to direct calls meanwhile.
WANTS = """medq_job_is_open(j."status") AND j."config" -> 'batchApi' = 'true'"""

WAITING = sa.text("""
SELECT "id", "questionKeys" FROM "LlmCall" WHERE "status" = 'waiting' AND "questionKeys" && CAST(:keys AS text[])
""")

NEWEST_WAITING = sa.text("""
SELECT "id" FROM "LlmCall" WHERE "jobId" = :job_id AND "status" = 'waiting' ORDER BY "createdAt" DESC, "id" LIMIT 1
""")

# Who ends these calls releases the tasks that wait for them: not between this look and the park.
HOLD_WAITING = sa.text("""
SELECT "id" FROM "LlmCall" WHERE "id" = ANY(CAST(:ids AS text[])) AND "status" = 'waiting' ORDER BY "id" FOR SHARE
""")

# A round is over when nobody of the job can add to it: no task is ready or running.
ROUNDS = """
SELECT c."jobId" FROM (
    SELECT DISTINCT "jobId" FROM "LlmCall"
    WHERE "status" = 'waiting' AND "batchId" IS NULL AND "endpoint" = :endpoint
) c JOIN "AiValidationJob" j ON j."id" = c."jobId"
WHERE j."status" = 'processing' AND j."config" -> 'batchApi' = 'true'
  AND NOT EXISTS (SELECT 1 FROM "AiValidationTask" t WHERE t."jobId" = j."id" AND t."status" IN ('ready', 'running'))
"""

# Nobody sends these any more: their job has ended, or their endpoint is no longer anybody's.
UNSENT = f"""
c."status" = 'waiting' AND c."batchId" IS NULL AND (
    NOT EXISTS (SELECT 1 FROM "AiValidationJob" j WHERE j."id" = c."jobId" AND {WANTS})
    OR (c."endpoint" <> :endpoint AND c."createdAt" < {NOW} - make_interval(secs => :stranded_s)))
"""  # noqa: S608

IS_WANTED = f"""
EXISTS (SELECT 1 FROM "AiValidationJob" j WHERE j."id" = b."jobId" AND {WANTS})
"""  # noqa: S608

# At once what nobody wants any more, but only once: whoever takes it writes down "cancelledAt", or two batch submitters
# would take it out of each other's hands for ever. Of another endpoint only what is long overdue: its own workers have
# gone.
TO_LOOK_AT = f"""
medq_batch_is_open(b."status")
AND (b."nextLookAt" <= {NOW}
     OR (b."status" <> 'waiting' AND b."cancelledAt" IS NULL AND b."downSince" IS NULL AND NOT {IS_WANTED}))
AND (b."endpoint" = :endpoint OR COALESCE(b."expiresAt", b."createdAt" + interval '1 day')
                                 < {NOW} - make_interval(secs => :stranded_s))
"""

IS_ANY_DUE = sa.text(f"""
SELECT EXISTS (SELECT 1 FROM "LlmBatch" b WHERE {TO_LOOK_AT})
    OR EXISTS ({ROUNDS})
    OR EXISTS (SELECT 1 FROM "LlmCall" c WHERE {UNSENT})
    OR (EXISTS (SELECT 1 FROM "AiValidationTask" WHERE "status" = 'waiting')
        AND NOT EXISTS (SELECT 1 FROM "LlmCall" WHERE "status" = 'waiting'))
""")  # noqa: S608

FIND_ROUNDS = sa.text(ROUNDS)

DROP_UNSENT = sa.text(f"""
UPDATE "LlmCall" SET "status" = 'failed', "completedAt" = {NOW}, "request" = NULL, "costUsd" = 0 * "ceilingUsd",
       "error" = '{{"kind": "unavailable", "code": "not_sent", "message": "Nobody sends this call any more."}}'::jsonb
WHERE "id" IN (SELECT c."id" FROM "LlmCall" c WHERE {UNSENT} ORDER BY c."id" FOR NO KEY UPDATE SKIP LOCKED)
""")  # noqa: S608

UNCOLLECTED = sa.text(f"""
SELECT c."id", c."model", octet_length(c."request") FROM "LlmCall" c
WHERE c."jobId" = :job_id AND c."status" = 'waiting' AND c."batchId" IS NULL AND c."endpoint" = :endpoint
  AND EXISTS ({ROUNDS} AND j."id" = :job_id)
ORDER BY c."id" FOR NO KEY UPDATE OF c
""")  # noqa: S608

MAKE_BATCH = sa.text(f"""
WITH made AS (
    INSERT INTO "LlmBatch" ("id", "jobId", "endpoint", "model", "requestCount", "nextLookAt", "createdAt")
    VALUES (:id, :job_id, :endpoint, :model, :count, {NOW} + make_interval(secs => :delay_s), {NOW})
    RETURNING "id"
)
UPDATE "LlmCall" SET "batchId" = made."id" FROM made WHERE "LlmCall"."id" = ANY(CAST(:call_ids AS text[]))
""")  # noqa: S608

TAKE = sa.text(f"""
UPDATE "LlmBatch" b SET "attempt" = b."attempt" + 1, "nextLookAt" = {NOW} + make_interval(secs => :hold_s),
    "cancelledAt" = CASE WHEN NOT {IS_WANTED} THEN COALESCE(b."cancelledAt", {NOW}) END
WHERE b."id" = (SELECT b."id" FROM "LlmBatch" b WHERE {TO_LOOK_AT} ORDER BY b."nextLookAt"
                LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING b."id", b."attempt", b."jobId", b."model", b."status", b."requestCount", b."createdAt", b."inputFileId",
    b."providerBatchId", b."downloads",
    COALESCE(EXTRACT(EPOCH FROM {NOW} - b."downSince"), 0) AS down_s,
    EXTRACT(EPOCH FROM {NOW} - COALESCE(b."submittedAt", b."createdAt")) AS age_s,
    EXTRACT(EPOCH FROM {NOW} - COALESCE(b."expiresAt", b."createdAt" + interval '1 day')) AS overdue_s,
    {IS_WANTED} AS is_wanted, b."endpoint" <> :endpoint AS is_stranded
""")  # noqa: S608

# The status too: a batch that was begun meanwhile by a batch submitter who lost it is no longer what this one holds.
FENCE = '"id" = :id AND "attempt" = :attempt AND "status" = :held'

# A time that cannot be: the provider's clock is wrong, and it promised a day.
SUBMITTED = sa.text(f"""
UPDATE "LlmBatch" SET "status" = :status, "providerBatchId" = :found, "submittedAt" = {NOW}, "downSince" = NULL,
    "error" = NULL, "nextLookAt" = {NOW} + make_interval(secs => :delay_s),
    "expiresAt" = CASE WHEN CAST(:expires AS timestamp) BETWEEN {NOW} AND {NOW} + interval '2 days'
                       THEN CAST(:expires AS timestamp) ELSE {NOW} + interval '1 day' END
WHERE "id" = :id AND ("status" = 'waiting' OR (medq_batch_is_open("status") AND "providerBatchId" = :found))
""")  # noqa: S608

BODIES = sa.text("""
SELECT "id", "request" FROM "LlmCall" WHERE "batchId" = :id AND "status" = 'waiting' ORDER BY "createdAt", "id"
""")

READ_BODY = sa.text('SELECT "request" FROM "LlmCall" WHERE "id" = :id')

LIST_WAITING = sa.text("""
SELECT "id", "model", octet_length("request") FROM "LlmCall" WHERE "batchId" = :id AND "status" = 'waiting'
ORDER BY "createdAt", "id"
""")

FIND_LINES = sa.text("""
SELECT "id", "model", octet_length("request") AS size FROM "LlmCall"
WHERE "batchId" = :id AND "status" = 'waiting' AND "id" = ANY(CAST(:ids AS text[])) ORDER BY "id" FOR NO KEY UPDATE
""")

# Without a reply: free, or, when nobody knows, at the most it can have cost: see medq_call_costs.
FAIL_REST = sa.text(f"""
UPDATE "LlmCall" SET "status" = 'failed', "error" = CAST(:error AS jsonb), "completedAt" = {NOW}, "request" = NULL,
       "costUsd" = CASE WHEN :is_free THEN 0 * "ceilingUsd" END
WHERE "id" IN (SELECT "id" FROM "LlmCall" WHERE "batchId" = :id AND "status" = 'waiting'
               ORDER BY "id" FOR NO KEY UPDATE)
""")  # noqa: S608

END = sa.text(f"""
UPDATE "LlmBatch" SET "status" = :status, "completedAt" = {NOW}, "error" = CAST(:error AS jsonb), "downSince" = NULL,
       "answeredCount" = :answered
WHERE {FENCE}
""")  # noqa: S608

# Of this run, a round before that batch was made.
ANSWERED_BEFORE = sa.text("""
SELECT sum(b."answeredCount") FROM "LlmBatch" b JOIN "AiValidationJob" j ON j."id" = b."jobId"
WHERE b."jobId" = :job_id AND b."createdAt" >= j."startedAt" AND b."completedAt" = (
    SELECT max(p."completedAt") FROM "LlmBatch" p
    WHERE p."jobId" = :job_id AND p."completedAt" <= (SELECT "createdAt" FROM "LlmBatch" WHERE "id" = :id))
""")

PROMISED = sa.text(f"""
SELECT count(*), COALESCE(max(b."expiresAt"), {NOW} + interval '1 day')
FROM "LlmCall" c LEFT JOIN "LlmBatch" b ON b."id" = c."batchId"
WHERE c."status" = 'waiting' AND c."id" IN (
    SELECT unnest("waitsFor") FROM "AiValidationTask" WHERE "jobId" = :job_id AND "status" = 'waiting')
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A call of a batch for which a line came: the model asked for, and the size of its body in bytes."""

    call_id: str
    model: str
    size: int


# -- calls that wait, and tasks that wait for them -----------------------------------------------------------------


def find_waiting(connection: sa.Connection, keys: Sequence[str]) -> dict[str, frozenset[str]]:
    """Calls that wait for an answer to one of these questions, of any job: id → their keys."""
    rows = connection.execute(WAITING, {"keys": list(keys)}).all()
    return {row[0]: frozenset(row[1]) for row in rows}


def newest_waiting(connection: sa.Connection, job_id: str) -> str | None:
    """The job's call that waits and was written last; None when none waits."""
    found: str | None = connection.execute(NEWEST_WAITING, {"job_id": job_id}).scalar_one_or_none()
    return found


def hold_waiting(connection: sa.Connection, call_ids: Sequence[str]) -> list[str]:
    """Those of these calls that wait still: they go on waiting until the end of the transaction."""
    return list(connection.execute(HOLD_WAITING, {"ids": list(call_ids)}).scalars())


# -- rounds: from waiting calls to batches ---------------------------------------------------------------------------


def is_any_due(connection: sa.Connection, *, endpoint: str, stranded_s: float) -> bool:
    """Whether anything is to be done about batches now. Costs nothing while none is open."""
    return bool(connection.execute(IS_ANY_DUE, {"endpoint": endpoint, "stranded_s": stranded_s}).scalar_one())


def drop_unsent(connection: sa.Connection, *, endpoint: str, stranded_s: float) -> int:
    """Close waiting calls that nobody will send; how many."""
    return connection.execute(DROP_UNSENT, {"endpoint": endpoint, "stranded_s": stranded_s}).rowcount


def find_rounds(connection: sa.Connection, *, endpoint: str) -> list[str]:
    """Jobs whose calls can be collected: nobody adds to them in this round."""
    return list(connection.execute(FIND_ROUNDS, {"endpoint": endpoint}).scalars())


def find_uncollected(connection: sa.Connection, job_id: str, *, endpoint: str) -> list[WaitingCall]:
    """The calls of the job's round, locked; none when it is not over after all. The job must be locked already."""
    rows = connection.execute(UNCOLLECTED, {"job_id": job_id, "endpoint": endpoint}).all()
    return [WaitingCall(id=row[0], model=row[1], size=row[2] or 0) for row in rows]


def make_batch(
    connection: sa.Connection,
    job_id: str | None,
    calls: Sequence[WaitingCall],
    *,
    batch_id: str,
    endpoint: str,
    delay_s: float = 0,
) -> None:
    """Write the intent of one batch and put these calls, all of one model, into it."""
    parameters: dict[str, Any] = {"id": batch_id, "job_id": job_id, "endpoint": endpoint, "model": calls[0].model}
    parameters |= {"count": len(calls), "call_ids": [call.id for call in calls], "delay_s": delay_s}
    connection.execute(MAKE_BATCH, parameters)


def is_round_over(connection: sa.Connection, job_id: str) -> bool:
    """Whether no task of the job can add to the round: none is ready or running."""
    statement = sa.text("""
        SELECT NOT EXISTS (SELECT 1 FROM "AiValidationTask" WHERE "jobId" = :id AND "status" IN ('ready', 'running'))
    """)
    return bool(connection.execute(statement, {"id": job_id}).scalar_one())


def read_promise(connection: sa.Connection, job_id: str) -> tuple[int, datetime]:
    """For how many calls the job's tasks wait (its own, and other jobs' about the same questions), and until when at
    most (UTC) as the provider promised, or a day from now.
    """
    count, until = connection.execute(PROMISED, {"job_id": job_id}).one()
    return count, until


# -- one batch, in one worker's hands --------------------------------------------------------------------------------


def take_batch(connection: sa.Connection, *, endpoint: str, hold_s: float, stranded_s: float) -> HeldBatch | None:
    """Take in hand the batch that waits longest to be looked at; nobody else does for `hold_s`. None: nothing to do."""
    parameters = {"endpoint": endpoint, "hold_s": hold_s, "stranded_s": stranded_s}
    row = connection.execute(TAKE, parameters).mappings().one_or_none()
    if row is None:
        return None
    return HeldBatch(
        id=row["id"],
        attempt=row["attempt"],
        job_id=row["jobId"],
        model=row["model"],
        status=row["status"],
        request_count=row["requestCount"],
        created_at=row["createdAt"].replace(tzinfo=UTC),
        input_file_id=row["inputFileId"],
        provider_batch_id=row["providerBatchId"],
        downloads=row["downloads"],
        down_s=float(row["down_s"]),
        age_s=float(row["age_s"]),
        overdue_s=float(row["overdue_s"]),
        is_wanted=row["is_wanted"],
        is_stranded=row["is_stranded"],
    )


def keep_batch(connection: sa.Connection, batch: HeldBatch, *, hold_s: float) -> None:
    """Keep the batch in hand for `hold_s` more. Raises `LeaseLost` when another worker has it."""
    _change(connection, batch, f'"nextLookAt" = {NOW} + make_interval(secs => :hold_s)', hold_s=hold_s)


def note_file(connection: sa.Connection, batch: HeldBatch, file_id: str) -> None:
    """Remember the uploaded file: from here on the batch may have been begun."""
    _change(connection, batch, '"inputFileId" = :file', file=file_id)


def note_submitted(
    connection: sa.Connection, batch: HeldBatch, found: ProviderBatch, *, delay_s: float, is_again: bool
) -> bool:
    """Remember the provider's batch, and look at it again after `delay_s`; False when another one is known already.

    Not fenced, for it costs money: of two that were begun the first one told is kept, whoever tells. `is_again`: it was
    not the first try to begin it.
    """
    parameters = {
        "id": batch.id,
        "found": found.id,
        "expires": found.expires_at.replace(tzinfo=None) if found.expires_at else None,
        "delay_s": delay_s,
        "status": "resubmitted" if is_again else "submitted",
    }
    return connection.execute(SUBMITTED, parameters).rowcount == 1


def note_single(connection: sa.Connection, batch: HeldBatch) -> HeldBatch:
    """Remember that doubles of a batch that was begun again have been looked for; the batch as it is now."""
    _change(connection, batch, "\"status\" = 'submitted'")
    return replace(batch, status="submitted")


def is_other_submitted(connection: sa.Connection, batch: HeldBatch, *, endpoint: str) -> bool:
    """Whether the endpoint has another batch for the same model under way, as far as the ledger knows."""
    statement = sa.text("""
        SELECT EXISTS (SELECT 1 FROM "LlmBatch" WHERE "id" <> :id AND "endpoint" = :endpoint AND "model" = :model
                       AND medq_batch_is_open("status") AND "status" <> 'waiting')
    """)
    return bool(
        connection.execute(statement, {"id": batch.id, "endpoint": endpoint, "model": batch.model}).scalar_one()
    )


def note_download(connection: sa.Connection, batch: HeldBatch, found: ProviderBatch) -> None:
    """Remember where the results are, and that they were fetched once more."""
    changes = '"outputFileId" = :output, "errorFileId" = :errors, "downloads" = "downloads" + 1'
    _change(connection, batch, changes, output=found.output_file_id, errors=found.error_file_id)


def postpone(connection: sa.Connection, batch: HeldBatch, *, delay_s: float, error: str | None = None) -> None:
    """Let go of the batch and look again after `delay_s`. `error`: the provider could not be asked."""
    down = f'COALESCE("downSince", {NOW})' if error else "NULL"
    stored = None if error is None else _error("unavailable", error, "The provider could not be asked.")
    changes = f"""
        "nextLookAt" = {NOW} + make_interval(secs => :delay_s), "downSince" = {down}, "error" = CAST(:error AS jsonb)
    """
    _change(connection, batch, changes, delay_s=delay_s, error=stored)


def stream_bodies(connection: sa.Connection, batch: HeldBatch) -> Iterator[tuple[str, str]]:
    """The calls of the batch that still wait: id and body as JSON text, a few hundred in memory at a time."""
    for row in connection.execute(BODIES.execution_options(yield_per=200), {"id": batch.id}):
        yield row[0], row[1]


def list_waiting(connection: sa.Connection, batch: HeldBatch) -> list[WaitingCall]:
    """The calls of the batch that still wait, in its order."""
    rows = connection.execute(LIST_WAITING, {"id": batch.id}).all()
    return [WaitingCall(id=row[0], model=row[1], size=row[2] or 0) for row in rows]


def find_lines(connection: sa.Connection, batch: HeldBatch, call_ids: Sequence[str]) -> dict[str, BatchLine]:
    """Which of these ids are calls of this batch that still wait, locked: not what is unknown, or came twice."""
    rows = connection.execute(FIND_LINES, {"id": batch.id, "ids": list(call_ids)}).all()
    return {row[0]: BatchLine(call_id=row[0], model=row[1], size=row[2] or 0) for row in rows}


def count_waiting(connection: sa.Connection, batch: HeldBatch) -> int:
    """How many calls of the batch still wait for their line."""
    statement = sa.text('SELECT count(*) FROM "LlmCall" WHERE "batchId" = :id AND "status" = \'waiting\'')
    return int(connection.execute(statement, {"id": batch.id}).scalar_one())


def fail_rest(connection: sa.Connection, batch: HeldBatch, *, kind: str, code: str, is_free: bool) -> int:
    """Close the calls for which no line came; how many."""
    error = _error(kind, code, "No line of the batch came for this call.")
    return connection.execute(FAIL_REST, {"id": batch.id, "error": error, "is_free": is_free}).rowcount


def end_batch(
    connection: sa.Connection, batch: HeldBatch, *, status: BatchStatus, answered: int, code: str | None = None
) -> None:
    """Close the batch. Raises `LeaseLost` when another worker has it."""
    error = None if code is None else _error("refused", code, "The provider did not do this batch.")
    ended = connection.execute(END, {**_held(batch), "status": status, "answered": answered, "error": error})
    if ended.rowcount != 1:
        raise LeaseLost(batch.id)


def answered_before(connection: sa.Connection, batch: HeldBatch) -> int | None:
    """How many answers the batch before this one brought to the job's run; None when it is the first."""
    parameters = {"job_id": batch.job_id, "id": batch.id}
    answered: int | None = connection.execute(ANSWERED_BEFORE, parameters).scalar_one()
    return answered


def count_answered(connection: sa.Connection, batch: HeldBatch) -> int:
    """How many lines of the batch the model dealt with, be it by refusing their content."""
    statement = sa.text("""
        SELECT count(*) FROM "LlmCall" WHERE "batchId" = :id
        AND ("status" = 'succeeded' OR ("status" = 'failed' AND "error" ->> 'kind' = 'content'))
    """)
    return int(connection.execute(statement, {"id": batch.id}).scalar_one())


def _change(connection: sa.Connection, batch: HeldBatch, changes: str, **parameters: Any) -> None:
    statement = sa.text(f'UPDATE "LlmBatch" SET {changes} WHERE {FENCE}')  # noqa: S608 (constants of this file)
    changed = connection.execute(statement, {**_held(batch), **parameters})
    if changed.rowcount != 1:
        raise LeaseLost(batch.id)


def _held(batch: HeldBatch) -> dict[str, Any]:
    return {"id": batch.id, "attempt": batch.attempt, "held": batch.status}


def _error(kind: str, code: str, message: str) -> str:
    return json.dumps({"kind": kind, "code": code, "message": message[:500]}, ensure_ascii=False)


def read_body(connection: sa.Connection, call_id: str) -> dict[str, Any] | None:
    """The body of a call that is still open; None when it is not."""
    text = connection.execute(READ_BODY, {"id": call_id}).scalar_one_or_none()
    return None if text is None else json.loads(text)
