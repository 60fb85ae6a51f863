"""The task queue in PostgreSQL: claim, lease, renew, give back, sweep. What a task does is not here.

Nothing else in Python writes "AiValidationTask": each change of a task is one of the functions below. In the database
schema/functions does: it adds the first task of a job and its last one, cancels, resumes and mends.

Times are the database's clock only. Every write shows the task's fencing token (id, attempt, owner); a worker that
lost its lease changes 0 rows. Locks are always taken in the order job → task → items, as the triggers do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from models.reading import (
    MAX_INSTRUCTIONS,
    MAX_NAME,
    bounded_text,
    config_text,
    is_long,
    plain_config,
    priority,
    short_text,
)
from worker.errors import LeaseLost
from worker.queue.job import Job, Task, TaskKind
from worker.queue.pauses import IS_PAUSED, WAS_HELD

NOW = "timezone('UTC', clock_timestamp())"
CHANNEL = "medq_task"
CUT_OFF_SESSION = "medq-watch cut off "  # the same of one that cannot reach the LLM; host and pid follow
WAITING_SESSION = "medq-watch waits "  # the same of one that waits for the server; SQLSTATE, host and pid follow
WATCH_SESSION = "medq-watch"  # what pg_stat_activity shows of the session with which a worker process listens
MAX_CRASHES = 3  # of which the last was seen: the task alone in a process, which died
MAX_LOSSES = 30  # workers that vanished with it, whatever took them: operators may kill often

# What a task needs of its job's row, which other programs fill. Here as most rows hold it; where one holds more, or
# something odd, `is_odd`, and it is read with care.
_NAMES = ('j."fileName"', 'j."originalFileName"', 'j."fileUrl"')
JOB_COLUMNS = f"""
j."id" AS job_id, j."userId", {short_text(_NAMES[0])} AS file_name, {short_text(_NAMES[1])} AS original_file_name,
{short_text(_NAMES[2])} AS file_url, {short_text('j."instructions"')} AS instructions,
{plain_config("j")} AS config_text, j."config" IS NOT NULL AS is_configured,
{is_long(*_NAMES, 'j."instructions"')} AS is_odd, j."status" AS job_status"""

# Whatever the row holds, this arrives, and the task judges it.
ODD_JOB = sa.text(f"""
SELECT {bounded_text(_NAMES[0], MAX_NAME)} AS file_name, {bounded_text(_NAMES[1], MAX_NAME)} AS original_file_name,
       {bounded_text(_NAMES[2], MAX_NAME)} AS file_url,
       {bounded_text('j."instructions"', MAX_INSTRUCTIONS)} AS instructions, {config_text("j")} AS config_text
FROM "AiValidationJob" j WHERE j."id" = :job_id
""")  # noqa: S608 (constants of this file)

# The user with the fewest running tasks first, then the job with the fewest, then priority, then age; in it, the first
# ready task. Two steps, so that a job of 20,000 tasks costs no more than one of 2: the jobs are few, and the task is
# found by its partial index, job by job in that order until there is one.
CLAIM = sa.text(f"""
WITH open_job AS MATERIALIZED (
    SELECT j."id", j."status", j."userId", {priority("j")} AS priority, j."createdAt",
           (SELECT count(*) FROM "AiValidationTask" r WHERE r."jobId" = j."id" AND r."status" = 'running') AS running
    FROM "AiValidationJob" j WHERE medq_job_is_open(j."status")
), candidate AS (
    SELECT t."id"
    FROM (SELECT o.*, sum(running) OVER (PARTITION BY "userId") AS of_user FROM open_job o
          ORDER BY of_user, running, priority DESC, "createdAt", "id") j
    CROSS JOIN LATERAL (
        SELECT t."id" FROM "AiValidationTask" t
        WHERE t."jobId" = j."id" AND t."status" = 'ready' AND (t."notBefore" IS NULL OR t."notBefore" <= {NOW})
          AND NOT {IS_PAUSED}
        ORDER BY t."position" LIMIT 1 FOR UPDATE SKIP LOCKED
    ) t
    LIMIT 1
)
UPDATE "AiValidationTask" t
SET "status" = 'running', "attempt" = t."attempt" + 1, "leaseOwner" = :owner,
    "leaseExpiresAt" = {NOW} + make_interval(secs => :lease_s), "notBefore" = NULL, "errorMessage" = NULL,
    "startedAt" = {NOW}
FROM candidate c, "AiValidationJob" j
WHERE t."id" = c."id" AND j."id" = t."jobId"
RETURNING t."id", t."kind", t."position", t."attempt", t."deaths", {JOB_COLUMNS},
          {WAS_HELD} AS was_held
""")  # noqa: S608 (constants of this file)

# What this very claim took already, when its COMMIT went through and the word of it was lost.
TAKEN = sa.text(f"""
SELECT t."id", t."kind", t."position", t."attempt", t."deaths", {JOB_COLUMNS}, {WAS_HELD} AS was_held
FROM "AiValidationTask" t JOIN "AiValidationJob" j ON j."id" = t."jobId"
WHERE t."leaseOwner" = :owner AND t."status" = 'running'
""")  # noqa: S608

EPOCH = "extract(epoch FROM clock_timestamp())::float8"
FENCE = '"id" = :id AND "attempt" = :attempt AND "leaseOwner" = :owner AND "status" = \'running\''

# Who locks a job's row is the worker, and says so for the rest of the transaction: see medq_by_worker.
LOCK_JOB = 'SELECT "status" FROM "AiValidationJob" WHERE "id" = :job_id AND medq_by_worker() FOR NO KEY UPDATE'

# The job first, as everywhere: its row is locked when the CTE is read, the task's when it is written.
# Protection: the fence of a task's last write
END = sa.text(f"""
WITH job AS MATERIALIZED ({LOCK_JOB})
UPDATE "AiValidationTask" SET "status" = :status, "leaseOwner" = NULL, "leaseExpiresAt" = NULL,
       "completedAt" = {NOW}, "errorMessage" = :error, "result" = COALESCE(CAST(:result AS jsonb), "result")
WHERE {FENCE} AND medq_job_is_open((SELECT job."status" FROM job))
""")  # noqa: S608

# Protection: the fence of a task that is given back
GIVE_BACK = sa.text(f"""
UPDATE "AiValidationTask" SET "status" = 'ready', "leaseOwner" = NULL, "leaseExpiresAt" = NULL,
       "notBefore" = CASE WHEN :delay_s > 0 THEN {NOW} + make_interval(secs => :delay_s) END, "errorMessage" = :error
WHERE {FENCE}
""")  # noqa: S608

ADD_BATCHES = sa.text("""
INSERT INTO "AiValidationTask" ("id", "jobId", "kind", "position")
SELECT made.id, :job_id, 'analyse', made.number - 1
FROM unnest(CAST(:task_ids AS text[])) WITH ORDINALITY AS made(id, number)
""")

# Parked, the task belongs to no worker. It is ready again when none of these calls waits any more, or now if none does.
PARK = sa.text(f"""
UPDATE "AiValidationTask" SET "status" = CASE WHEN CAST(:call_ids AS text[]) = '{{}}' THEN 'ready' ELSE 'waiting' END,
       "waitsFor" = CAST(:call_ids AS text[]), "leaseOwner" = NULL, "leaseExpiresAt" = NULL, "notBefore" = NULL,
       "errorMessage" = NULL
WHERE {FENCE}
""")  # noqa: S608

# Two batches that end at once must not each leave a task to the other, nor one that is never committed take it along.
LOCK_WAITING = sa.text("""
SELECT "id" FROM "AiValidationTask" WHERE "status" = 'waiting' AND "id" IN (
    SELECT t."id" FROM "AiValidationTask" t CROSS JOIN LATERAL unnest(t."waitsFor") AS call(id)
    JOIN "LlmCall" c ON c."id" = call.id
    WHERE t."status" = 'waiting' AND c."batchId" = :batch_id)
ORDER BY "id" FOR NO KEY UPDATE
""")

# In one order, so that two releases never wait for each other.
RELEASE_WAITING = sa.text("""
UPDATE "AiValidationTask" SET "status" = 'ready', "waitsFor" = '{}'
WHERE "id" IN (
    SELECT t."id" FROM "AiValidationTask" t
    WHERE t."status" = 'waiting' AND NOT EXISTS (
        SELECT 1 FROM "LlmCall" c WHERE c."id" = ANY(t."waitsFor") AND c."status" = 'waiting')
    ORDER BY t."id" FOR NO KEY UPDATE SKIP LOCKED)
RETURNING "jobId"
""")

FAIL_BATCHES = sa.text(f"""
UPDATE "AiValidationTask" SET "status" = 'failed', "leaseOwner" = NULL, "leaseExpiresAt" = NULL,
       "completedAt" = {NOW}, "errorMessage" = :error
WHERE "jobId" = :job_id AND "kind" = 'analyse' AND medq_task_is_open("status")
""")  # noqa: S608

GIVE_BACK_ALL = sa.text("""
UPDATE "AiValidationTask" SET "status" = 'ready', "leaseOwner" = NULL, "leaseExpiresAt" = NULL
WHERE starts_with("leaseOwner", :process) AND "status" = 'running' RETURNING "id", "attempt"
""")

# Protection: the fence of a lease's renewal
RENEW = sa.text(f"""
UPDATE "AiValidationTask" t SET "leaseExpiresAt" = {NOW} + make_interval(secs => :lease_s)
FROM unnest(CAST(:ids AS text[]), CAST(:attempts AS int[])) AS held(id, attempt)
WHERE t."id" = held.id AND t."attempt" = held.attempt AND starts_with(t."leaseOwner", :process)
  AND t."status" = 'running'
RETURNING t."id"
""")  # noqa: S608

# A server that has just started could not take renewals: its workers get one lease to show that they live.
EXPIRED = sa.text(f"""
SELECT "id", "jobId", "kind", "attempt", "deaths", "leaseOwner" FROM "AiValidationTask"
WHERE "status" = 'running' AND "leaseExpiresAt" < {NOW}
  AND pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => :lease_s)
ORDER BY "leaseExpiresAt" LIMIT 500
""")  # noqa: S608

# The server ends a transaction that stands still by itself, except in the middle of a COPY: there it waits for ever for
# a client that froze, and so do all who need what it locked. Nobody who renews no lease may hold one for so long.
END_STANDSTILL = sa.text("""
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = ANY(CAST(:sessions AS text[])) AND state <> 'idle'
  AND xact_start < clock_timestamp() - make_interval(secs => :lease_s)
""")

# A write where the owners of these leases would write; it changes nothing. Who is at work on a row is not waited for.
TRY_TO_WRITE = sa.text("""
UPDATE "AiValidationTask" t SET "leaseExpiresAt" = t."leaseExpiresAt"
FROM (SELECT "id" FROM "AiValidationTask" WHERE "id" = ANY(CAST(:ids AS text[])) AND "status" = 'running'
      ORDER BY "id" FOR UPDATE SKIP LOCKED) expired
WHERE t."id" = expired."id"
""")

# Whose owner had a chance: since it was to renew (a third of a lease after it last did, and a pause) somebody has
# written to this table, and that is longer ago than a living owner needs to do the same.
COULD_HAVE_RENEWED = sa.text(f"""
WITH written AS (
    SELECT max(w.at) AS at
    FROM "AiValidationJob" j JOIN "AiValidationTask" t ON t."jobId" = j."id"
    CROSS JOIN LATERAL (VALUES (t."startedAt"), (t."completedAt")) w(at)
    WHERE medq_job_is_open(j."status") AND w.at <= {NOW} - make_interval(secs => :grace_s)
)
SELECT t."id" FROM "AiValidationTask" t, written
WHERE t."id" = ANY(CAST(:ids AS text[])) AND t."status" = 'running'
  AND t."leaseExpiresAt" + make_interval(secs => :pause_s - :lease_s * 2 / 3) <= written.at
""")  # noqa: S608

LOCK_TIMEOUT = sa.text("SELECT set_config('lock_timeout', :wait_ms, true)")

RETURN_EXPIRED = sa.text(f"""
UPDATE "AiValidationTask" SET "status" = :status, "deaths" = "deaths" + 1, "leaseOwner" = NULL,
       "leaseExpiresAt" = NULL, "completedAt" = CASE WHEN :status = 'failed' THEN {NOW} END, "errorMessage" = :error
WHERE "id" = :id AND "attempt" = :attempt AND "status" = 'running' AND "leaseExpiresAt" < {NOW}
""")  # noqa: S608

COUNT_CRASH = sa.text(f"""
UPDATE "AiValidationTask" SET "status" = :status, "deaths" = "deaths" + 1, "leaseOwner" = NULL,
       "leaseExpiresAt" = NULL, "completedAt" = CASE WHEN :status = 'failed' THEN {NOW} END, "errorMessage" = :error,
       "notBefore" = CASE WHEN :status = 'ready' THEN {NOW} + make_interval(secs => :delay_s) END
WHERE {FENCE}
""")  # noqa: S608

READY = sa.text(f"""
SELECT count(*) FROM (
    SELECT 1 FROM "AiValidationTask" t JOIN "AiValidationJob" j ON j."id" = t."jobId"
    WHERE t."status" = 'ready' AND (t."notBefore" IS NULL OR t."notBefore" <= {NOW})
      AND medq_job_is_open(j."status") AND NOT {IS_PAUSED}
    LIMIT :most
) ready
""")  # noqa: S608

# A job whose first task was never made (its row came while the triggers were away), or whose last was not readied. One
# that somebody has locked is not waited for: the next sweep finds it again. Not one that was begun before we came.
MEND_ORPHANS = sa.text("""
WITH orphan AS MATERIALIZED (
    SELECT j."id" FROM "AiValidationJob" j
    WHERE medq_job_is_open(j."status")
      AND NOT EXISTS (SELECT 1 FROM "AiValidationTask" t WHERE t."jobId" = j."id"
                      AND medq_task_is_open(t."status"))
      AND (j."status" = 'queued'
           OR NOT EXISTS (SELECT 1 FROM medq_adopted a WHERE a."kind" = 'job' AND a."name" = j."id"))
    FOR NO KEY UPDATE SKIP LOCKED
)
SELECT count(*) FILTER (WHERE medq_mend_job("id")) FROM orphan
""")


COUNT_OPEN_BATCHES = sa.text("""
SELECT count(*) FROM "AiValidationTask" WHERE "jobId" = :job_id AND "kind" = 'analyse'
AND medq_task_is_open("status")
""")


@dataclass(frozen=True, slots=True)
class ExpiredTask:
    """A task whose owner let its lease run out."""

    id: str
    job_id: str
    kind: TaskKind
    attempt: int
    deaths: int  # before this one
    owner: str


def session_name(owner: str) -> str:
    """What pg_stat_activity shows for the connections of the process that made this claim, or is this `owner`."""
    return f"medq-worker {':'.join(owner.split(':')[1:3])}"


def watch_session(owner: str, *, is_cut_off: bool, waits_for: str | None = None) -> str:
    """What pg_stat_activity shows for the session with which this process listens. `waits_for`: a SQLSTATE, or None."""
    host, pid = owner.split(":")[:2]
    if waits_for is not None:
        return f"{WAITING_SESSION}{waits_for} {host[:30]}:{pid}"
    return f"{CUT_OFF_SESSION}{host[:30]}:{pid}" if is_cut_off else WATCH_SESSION


def claim_task(
    connection: sa.Connection, *, owner: str, lease_s: float, is_again: bool = False
) -> tuple[Task, str] | None:
    """Take the fairest ready task, with its job's status; None when nothing is ready.

    `owner` names this one claim (`host:pid:process:number`). `is_again`: it was tried before and its end was not
    heard of, so what it took then is looked for first.
    """
    # Protection: looking for one's own claim after a COMMIT of unknown end
    row = connection.execute(TAKEN, {"owner": owner}).mappings().one_or_none() if is_again else None
    if row is None:
        row = connection.execute(CLAIM, {"owner": owner, "lease_s": lease_s}).mappings().one_or_none()
    if row is None:
        return None
    job = _read_job(connection, row)
    task = Task(
        id=row["id"],
        job=job,
        kind=row["kind"],
        position=row["position"],
        attempt=row["attempt"],
        owner=owner,
        deaths=row["deaths"],
        was_held=row["was_held"],
    )
    return task, row["job_status"]


def _read_job(connection: sa.Connection, row: sa.RowMapping) -> Job:
    found = row
    if row["is_odd"] or (row["is_configured"] and row["config_text"] is None):
        # Its row is there: the task that was claimed with it refers to it.
        found = connection.execute(ODD_JOB, {"job_id": row["job_id"]}).mappings().one()
    return Job(
        id=row["job_id"],
        user_id=row["userId"],
        file_name=found["file_name"],
        original_file_name=found["original_file_name"],
        file_url=found["file_url"],
        instructions=found["instructions"],
        config_text=found["config_text"],
    )


def lock_job(connection: sa.Connection, job_id: str, *, wait_s: float | None = None) -> str | None:
    """Lock the job's row for figures and status; its status, or None when it was deleted.

    With `wait_s` no lock of this transaction is waited for longer: see `db.is_lock_timeout`.
    """
    if wait_s is not None:
        connection.execute(LOCK_TIMEOUT, {"wait_ms": str(int(wait_s * 1000))})
    status: str | None = connection.execute(sa.text(LOCK_JOB), {"job_id": job_id}).scalar_one_or_none()
    return status


def end_task(
    connection: sa.Connection,
    task: Task,
    *,
    status: str = "done",
    error: str | None = None,
    result: str | None = None,
) -> None:
    """Lock the job, then end the task. Raises `LeaseLost` when either is no longer ours to write."""
    parameters = {"job_id": task.job.id, "status": status, "error": error, "result": result}
    ended = connection.execute(END, {**task.token, **parameters})
    if ended.rowcount != 1:
        raise LeaseLost(task.id)


def give_back(connection: sa.Connection, task: Task, *, delay_s: float = 0, error: str | None = None) -> bool:
    """Make the task ready again, after `delay_s`. It counts as nothing: no crash, no LLM attempt."""
    done = connection.execute(GIVE_BACK, {**task.token, "delay_s": delay_s, "error": error})
    return done.rowcount == 1


def add_batches(connection: sa.Connection, job_id: str, task_ids: Sequence[str]) -> None:
    """Make one ready task for each batch of questions, in this order."""
    connection.execute(ADD_BATCHES, {"job_id": job_id, "task_ids": list(task_ids)})


def ready_finish(connection: sa.Connection, job_id: str) -> bool:
    """Make the finish task when no batch is open any more; True when it was made.

    The outcomes of a batch do the same in their one statement: see `item_store.conclude_items`.
    """
    return bool(connection.execute(sa.text("SELECT medq_ready_finish(:job_id)"), {"job_id": job_id}).scalar_one())


def fail_batches(connection: sa.Connection, job_id: str, *, error: str) -> None:
    """End every batch of the job that is open. The job's row must be locked already."""
    connection.execute(FAIL_BATCHES, {"job_id": job_id, "error": error})


def park(connection: sa.Connection, task: Task, call_ids: Sequence[str]) -> None:
    """Put the task down until none of these calls waits any more; with none it is ready again.

    Raises `LeaseLost` when the task is no longer this worker's.
    """
    if connection.execute(PARK, {**task.token, "call_ids": list(call_ids)}).rowcount != 1:
        raise LeaseLost(task.id)


def lock_waiting(connection: sa.Connection, batch_id: str) -> None:
    """Lock the tasks that wait for a call of this provider's batch, whoever else is about to release them.

    Only a look taken afterwards sees every batch that has ended.
    """
    connection.execute(LOCK_WAITING, {"batch_id": batch_id})


def release_waiting(connection: sa.Connection) -> set[str]:
    """Make ready every task that waits for nothing any more; the jobs they are of."""
    return set(connection.execute(RELEASE_WAITING).scalars())


def give_back_all(connection: sa.Connection, *, process: str) -> dict[str, int]:
    """Make ready whatever this process still holds when it leaves; the tasks, with their attempts."""
    return {row[0]: row[1] for row in connection.execute(GIVE_BACK_ALL, {"process": process})}


def count_crash(connection: sa.Connection, task: Task, *, error: str) -> str | None:
    """Count a crash that its worker saw: ready again, a little later each time, or `failed` after the third.

    The new status; None when the task is no longer this owner's.
    """
    status = "failed" if task.deaths + 1 >= MAX_CRASHES else "ready"
    delay_s = 1.0 * 4**task.deaths
    done = connection.execute(COUNT_CRASH, {**task.token, "status": status, "error": error, "delay_s": delay_s})
    return status if done.rowcount == 1 else None


def is_held(connection: sa.Connection, task: Task) -> bool:
    """Tell whether the task is still this owner's."""
    statement = sa.text(f'SELECT 1 FROM "AiValidationTask" WHERE {FENCE}')  # noqa: S608
    return connection.execute(statement, task.token).one_or_none() is not None


def renew_leases(connection: sa.Connection, held: Mapping[str, int], *, process: str, lease_s: float) -> set[str]:
    """Renew every lease of one process in one statement; the ids that are still its own (the rest are lost)."""
    parameters = {"ids": list(held), "attempts": list(held.values()), "process": process, "lease_s": lease_s}
    return set(connection.execute(RENEW, parameters).scalars())


def find_expired(connection: sa.Connection, *, lease_s: float) -> Sequence[ExpiredTask]:
    """The tasks whose lease ran out, by the database's clock."""
    rows = connection.execute(EXPIRED, {"lease_s": lease_s}).all()
    return [ExpiredTask(id=r[0], job_id=r[1], kind=r[2], attempt=r[3], deaths=r[4], owner=r[5]) for r in rows]


def could_have_renewed(
    connection: sa.Connection, expired: Sequence[ExpiredTask], *, lease_s: float, pause_s: float, grace_s: float
) -> set[str]:
    """The ids of those tasks whose owner, were it alive, would have renewed: the server took writes of others.

    Where a renewal fails it is tried again after `pause_s` at most, and comes through within `grace_s` once it can.
    """
    parameters = {"ids": [task.id for task in expired], "lease_s": lease_s, "pause_s": pause_s, "grace_s": grace_s}
    return set(connection.execute(COULD_HAVE_RENEWED, parameters).scalars())


def try_to_write(connection: sa.Connection, expired: Sequence[ExpiredTask]) -> bool:
    """Write where the owners of these tasks would, and change nothing; whether anything was written."""
    return connection.execute(TRY_TO_WRITE, {"ids": [task.id for task in expired]}).rowcount > 0


def end_standstill(connection: sa.Connection, expired: Sequence[ExpiredTask], *, lease_s: float) -> int:
    """End what the owners of these tasks have left open in the database for longer than a lease; how many sessions."""
    sessions = sorted({session_name(task.owner) for task in expired})
    return int(connection.execute(END_STANDSTILL, {"sessions": sessions, "lease_s": lease_s}).scalar_one())


def return_expired(connection: sa.Connection, task: ExpiredTask, *, error: str | None) -> str | None:
    """Count a worker that vanished; the new status, None when the task moved on.

    Ready again: who pulled the plug is not known, and the next worker watches a task closely that lost two. Only a
    task that takes whole machines down with it is `failed` here, after the thirtieth.
    """
    status = "failed" if task.deaths + 1 >= MAX_LOSSES else "ready"
    parameters: dict[str, Any] = {"id": task.id, "attempt": task.attempt, "status": status, "error": error}
    return status if connection.execute(RETURN_EXPIRED, parameters).rowcount == 1 else None


def count_ready(connection: sa.Connection, *, most: int) -> int:
    """How many tasks could be claimed now, up to `most`."""
    return int(connection.execute(READY, {"most": most}).scalar_one())


def mend_orphans(connection: sa.Connection) -> int:
    """Give every open job without an open task the one it lacks; how many were given."""
    return int(connection.execute(MEND_ORPHANS).scalar_one())


def notify(connection: sa.Connection, job_id: str) -> None:
    """Wake at commit: something of this job became ready."""
    connection.execute(sa.text("SELECT pg_notify(:channel, :job)"), {"channel": CHANNEL, "job": job_id})


def count_open_batches(connection: sa.Connection, job_id: str) -> int:
    """How many batches of the job have not ended."""
    return int(connection.execute(COUNT_OPEN_BATCHES, {"job_id": job_id}).scalar_one())
