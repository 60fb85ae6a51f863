"""Takes old or unwanted jobs out of the database whole, and keeps what outlives them: totals, decisions, provenance.

A job goes in one transaction with its tasks, items and calls, or stays as it is: nothing in between would be true of
its row. Its own row is locked first, as everywhere, and only of jobs that have ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

NOW = "timezone('UTC', clock_timestamp())"
CALLS_AT_ONCE = 1000

# The last time that anybody did anything about it, and `infinity` is no time ago.
IS_OLD = """NOT medq_job_is_open(j."status")
    AND GREATEST(j."createdAt", j."updatedAt", j."completedAt") < CAST(:before AS timestamp)"""

CUT_OFF = sa.text(f"SELECT ({NOW} - make_interval(days => :days))::timestamp(3)")
OLD_JOBS = sa.text(f'SELECT j."id" FROM "AiValidationJob" j WHERE {IS_OLD} ORDER BY j."createdAt", j."id"')  # noqa: S608

# A stored question rests on the replies about it: those that its batch was given, and one that explained it alone.
RESTS = """(c."status" = 'succeeded' AND (c."taskId" IS NULL OR EXISTS (
    SELECT FROM "AiValidationItem" i
    JOIN "Question" q ON q."id" = COALESCE(i."questionId", 'q' || left(i."contentHash", 24))
    WHERE i."taskId" = c."taskId")))"""
IS_OVER = """NOT medq_call_is_open(c."status")"""
UNLINKED = f"""c."jobId" IS NULL AND {IS_OVER} AND c."createdAt" < CAST(:before AS timestamp)"""

_TOLD = """c."createdAt", c."model", c."purpose", c."endpoint", c."status", c."error", c."isRetry", c."batchId",
    c."questionCount", c."promptTokens", c."cachedTokens", c."completionTokens", c."costUsd" """
_LEDGER = """
INSERT INTO "LlmTotal" AS t ("day", "model", "purpose", "endpoint", "status", "code", "calls", "retries",
    "batchCalls", "questions", "promptTokens", "cachedTokens", "completionTokens", "costUsd", "batchCostUsd")
SELECT c."createdAt"::date, c."model", c."purpose", c."endpoint", c."status", COALESCE(c."error" ->> 'code', ''),
       count(*), count(*) FILTER (WHERE c."isRetry"), count(c."batchId"), sum(c."questionCount"),
       COALESCE(sum(c."promptTokens"), 0), COALESCE(sum(c."cachedTokens"), 0),
       COALESCE(sum(c."completionTokens"), 0), sum(c."costUsd"),
       sum(c."costUsd") FILTER (WHERE c."batchId" IS NOT NULL)
FROM gone c GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
ON CONFLICT ("day", "model", "purpose", "endpoint", "status", "code") DO UPDATE SET
    "calls" = t."calls" + EXCLUDED."calls", "retries" = t."retries" + EXCLUDED."retries",
    "batchCalls" = t."batchCalls" + EXCLUDED."batchCalls", "questions" = t."questions" + EXCLUDED."questions",
    "promptTokens" = t."promptTokens" + EXCLUDED."promptTokens",
    "cachedTokens" = t."cachedTokens" + EXCLUDED."cachedTokens",
    "completionTokens" = t."completionTokens" + EXCLUDED."completionTokens",
    "costUsd" = COALESCE(t."costUsd" + EXCLUDED."costUsd", t."costUsd", EXCLUDED."costUsd"),
    "batchCostUsd" = COALESCE(t."batchCostUsd" + EXCLUDED."batchCostUsd", t."batchCostUsd", EXCLUDED."batchCostUsd")
RETURNING 1
"""


def _remove_calls(which: str) -> sa.TextClause:
    """Delete calls and add what they came to to the totals, at once; how many."""
    return sa.text(f"""
WITH gone AS (DELETE FROM "LlmCall" c WHERE {which} RETURNING {_TOLD}), booked AS ({_LEDGER})
SELECT count(*) FROM gone
""")  # noqa: S608 (constants of this file)


CALLS_OF_JOB = {
    "all": _remove_calls(f'c."jobId" = :job_id AND {IS_OVER}'),
    "old": _remove_calls(f'c."jobId" = :job_id AND {IS_OVER} AND c."createdAt" < CAST(:before AS timestamp)'),
    "resting kept": _remove_calls(f'c."jobId" = :job_id AND {IS_OVER} AND NOT {RESTS}'),
}
UNLINKED_CALLS = _remove_calls(f"""c."id" IN (
    SELECT c."id" FROM "LlmCall" c WHERE {UNLINKED} LIMIT {CALLS_AT_ONCE} FOR UPDATE SKIP LOCKED)""")  # noqa: S608

LOCK = sa.text('SELECT j."status" FROM "AiValidationJob" j WHERE j."id" = :job_id FOR UPDATE')
# Somebody may be at it, or have set it to work again since it was found.
LOCK_OLD = sa.text(
    f'SELECT j."status" FROM "AiValidationJob" j WHERE j."id" = :job_id AND {IS_OLD} FOR UPDATE SKIP LOCKED'  # noqa: S608
)
UNDER_WAY = sa.text('SELECT count(*) FROM "LlmCall" WHERE "jobId" = :job_id AND "status" = \'started\'')
ITEMS = sa.text("""
SELECT (SELECT count(*) FROM "AiValidationItem" WHERE "jobId" = :job_id),
       (SELECT count(*) FROM "AiValidationOpenItem" WHERE "jobId" = :job_id)
""")
# Items before the job, with which its tasks go: the references would rewrite each item first, for the task that it
# loses.
BY_WORKER = sa.text("SELECT set_config('medq.writer', 'worker', true)")
DELETE_JOB = (
    sa.text('DELETE FROM "AiValidationItem" WHERE "jobId" = :job_id'),
    sa.text('DELETE FROM "AiValidationJob" WHERE "id" = :job_id'),
)
BATCHES = sa.text("""
DELETE FROM "LlmBatch" b WHERE NOT medq_batch_is_open(b."status") AND b."jobId" IS NULL
  AND b."createdAt" < CAST(:before AS timestamp) AND NOT EXISTS (SELECT FROM "LlmCall" c WHERE c."batchId" = b."id")
""")

WOULD_GO = sa.text(f"""
WITH old AS MATERIALIZED (SELECT j."id" FROM "AiValidationJob" j WHERE {IS_OLD})
SELECT (SELECT count(*) FROM old),
       (SELECT count(*) FROM "AiValidationItem" i WHERE i."jobId" IN (SELECT "id" FROM old)),
       (SELECT count(*) FROM "AiValidationOpenItem" i WHERE i."jobId" IN (SELECT "id" FROM old)),
       (SELECT count(*) FROM "LlmCall" c WHERE c."jobId" IN (SELECT "id" FROM old) AND {IS_OVER}
        AND c."createdAt" < CAST(:before AS timestamp)),
       (SELECT count(*) FROM "LlmCall" c WHERE {UNLINKED})
""")  # noqa: S608

TOMBSTONES = sa.text(f"""
SELECT t."jobId", t."fileUrl", t."outputUrl" FROM "AiValidationTombstone" t
WHERE t."createdAt" < {NOW} - make_interval(secs => :older_than_s) ORDER BY t."createdAt", t."jobId" LIMIT 1000
""")  # noqa: S608
TOMBSTONES_OF = sa.text("""
SELECT t."jobId", t."fileUrl", t."outputUrl" FROM "AiValidationTombstone" t WHERE t."jobId" = ANY(:job_ids)
""")
FORGET_TOMBSTONE = sa.text('DELETE FROM "AiValidationTombstone" WHERE "jobId" = :job_id')
IS_NAMED = sa.text("""
SELECT EXISTS (SELECT FROM "AiValidationJob"
               WHERE strpos("fileUrl", CAST(:part AS text)) > 0 OR strpos("outputUrl", CAST(:part AS text)) > 0)
""")

JOBS_OF_USER = sa.text("""
SELECT j."id", j."status" FROM "AiValidationJob" j WHERE j."userId" = :user_id ORDER BY j."createdAt", j."id"
""")
FIND_USER = sa.text('SELECT "id", "email" FROM "User" WHERE "id" = :user OR lower("email") = lower(:user)')
UNNAME = sa.text('UPDATE "AiValidationDecision" SET "userId" = NULL WHERE "userId" = :user_id')


@dataclass(frozen=True, slots=True)
class Removed:
    """What went, or would go. `open_items`: of `items`, those that waited for a person."""

    jobs: int = 0
    items: int = 0
    open_items: int = 0
    calls: int = 0
    unlinked_calls: int = 0  # of jobs that were deleted before

    def __add__(self, other: Removed) -> Removed:
        """Both together."""
        return Removed(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A job whose row is gone, and where its files may lie still."""

    job_id: str
    urls: tuple[str, ...]


def find_cut_off(connection: sa.Connection, *, keep_days: int) -> datetime:
    """The moment (UTC) before which everything is old, by the database's clock."""
    before: datetime = connection.execute(CUT_OFF, {"days": keep_days}).scalar_one()
    return before


def find_old_jobs(connection: sa.Connection, *, before: datetime) -> list[str]:
    """The jobs that ended, and that nobody touched since; the oldest first."""
    return list(connection.execute(OLD_JOBS, {"before": before}).scalars())


def count_old(connection: sa.Connection, *, before: datetime) -> Removed:
    """What would go."""
    return Removed(*connection.execute(WOULD_GO, {"before": before}).one())


def remove_old_job(connection: sa.Connection, job_id: str, *, before: datetime) -> Removed | None:
    """Remove one job with all its calls; None when somebody has it in hand, or it is old no more."""
    parameters = {"job_id": job_id, "before": before}
    if connection.execute(LOCK_OLD, parameters).one_or_none() is None:
        return None
    return _remove(connection, job_id, CALLS_OF_JOB["old"], parameters)


def lock_job(connection: sa.Connection, job_id: str) -> str | None:
    """Lock the job to remove it; its status, None when it is gone."""
    status: str | None = connection.execute(LOCK, {"job_id": job_id}).scalar_one_or_none()
    return status


def count_under_way(connection: sa.Connection, job_id: str) -> int:
    """How many calls of the job have not come back."""
    return int(connection.execute(UNDER_WAY, {"job_id": job_id}).scalar_one())


def remove_job(connection: sa.Connection, job_id: str, *, with_replies: bool) -> Removed:
    """Remove a locked job that has ended. Replies on which a stored question rests stay, unless `with_replies`."""
    which = "all" if with_replies else "resting kept"
    return _remove(connection, job_id, CALLS_OF_JOB[which], {"job_id": job_id})


def _remove(connection: sa.Connection, job_id: str, calls: sa.TextClause, parameters: dict[str, Any]) -> Removed:
    items, open_items = connection.execute(ITEMS, {"job_id": job_id}).one()
    removed_calls = connection.execute(calls, parameters).scalar_one()
    connection.execute(BY_WORKER)
    for statement in DELETE_JOB:
        connection.execute(statement, {"job_id": job_id})
    return Removed(1, items, open_items, removed_calls)


def remove_unlinked_calls(connection: sa.Connection, *, before: datetime) -> int:
    """Remove some of the old calls whose job was deleted earlier; how many, 0 when none is left."""
    return int(connection.execute(UNLINKED_CALLS, {"before": before}).scalar_one())


def remove_batches(connection: sa.Connection, *, before: datetime) -> int:
    """Remove the old batches of which no call is left; how many."""
    return connection.execute(BATCHES, {"before": before}).rowcount


def find_tombstones(
    connection: sa.Connection, *, older_than_s: float = 0, job_ids: Sequence[str] | None = None
) -> list[Tombstone]:
    """Removed jobs whose files may be there still: of these ids, or those that were deleted longer ago than that."""
    if job_ids is None:
        rows = connection.execute(TOMBSTONES, {"older_than_s": older_than_s}).all()
    else:
        rows = connection.execute(TOMBSTONES_OF, {"job_ids": list(job_ids)}).all()
    return [Tombstone(row[0], tuple(url for url in row[1:] if url)) for row in rows]


def forget_tombstone(connection: sa.Connection, job_id: str) -> None:
    """Its files are gone, or the job is there again."""
    connection.execute(FORGET_TOMBSTONE, {"job_id": job_id})


def is_named(connection: sa.Connection, part: str) -> bool:
    """Whether the address of some job's upload or workbook holds this."""
    return bool(connection.execute(IS_NAMED, {"part": part}).scalar_one())


def find_user(connection: sa.Connection, user: str) -> tuple[str, str] | None:
    """Id and e-mail of the user with this e-mail or id, whoever it is; None when there is none."""
    row = connection.execute(FIND_USER, {"user": user}).first()
    return None if row is None else (row[0], row[1])


def find_jobs_of(connection: sa.Connection, user_id: str) -> list[tuple[str, str]]:
    """Id and status of every job of this user, the oldest first."""
    return [(row[0], row[1]) for row in connection.execute(JOBS_OF_USER, {"user_id": user_id})]


def unname_decisions(connection: sa.Connection, user_id: str) -> int:
    """Take the name off what this user decided; how many decisions stay without it."""
    return connection.execute(UNNAME, {"user_id": user_id}).rowcount
