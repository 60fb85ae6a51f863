"""The job's row: its status, its sentences, and what its report says of it as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from worker.errors import JobFailed, LeaseLost
from worker.messages import job_causes, job_progress
from worker.queue.job import Task
from worker.text.french import typeset

NOW = "timezone('UTC', clock_timestamp())"

FIGURES = (
    "totalItems",
    "processedItems",
    "successfulAnalyses",
    "failedAnalyses",
    "fixedCount",
    "ragAppliedCount",
    "retryAttempts",
)

BEGIN = sa.text(f"""
UPDATE "AiValidationJob" SET "status" = 'processing', "startedAt" = {NOW}, "updatedAt" = {NOW},
       "message" = CASE WHEN :kind = 'prepare' THEN 'Lecture du fichier.'
                        ELSE medq_progress_message("processedItems", "totalItems") END, "errorMessage" = NULL
WHERE "id" = :id AND "status" = 'queued' AND medq_by_worker()
""")  # noqa: S608 (constants of this file)

FAIL_NOW = sa.text(f"""
UPDATE "AiValidationJob" SET "status" = 'failed', "errorMessage" = :sentence, "message" = 'Échec de la tâche.',
       "completedAt" = {NOW}, "updatedAt" = {NOW}
WHERE "id" = :id AND medq_job_is_open("status")
""")  # noqa: S608

# The cause waits on the row until `finish` has written the partial workbook and may say `failed`.
SET_CAUSE = sa.text(f"""
UPDATE "AiValidationJob" SET "errorMessage" = :sentence, "updatedAt" = {NOW} WHERE "id" = :id
""")  # noqa: S608

# Begun before this project came, and untouched for an hour: whoever worked on it is gone.
END_ABANDONED = sa.text(f"""
UPDATE "AiValidationJob" SET "status" = 'failed', "errorMessage" = :sentence, "message" = 'Échec de la tâche.',
       "completedAt" = {NOW}, "updatedAt" = {NOW}
WHERE "status" = 'processing' AND "updatedAt" < {NOW} - make_interval(secs => :untouched_s)
  AND "id" IN (SELECT "name" FROM medq_adopted WHERE "kind" = 'job')
RETURNING "id"
""")  # noqa: S608

SET_MESSAGE = sa.text(f'UPDATE "AiValidationJob" SET "message" = :message, "updatedAt" = {NOW} WHERE "id" = :id')  # noqa: S608

# Of jobs whose rows nobody has locked: to tell is not worth a wait.
SET_MESSAGE_OF_TASKS = sa.text(f"""
UPDATE "AiValidationJob" j SET "message" = :message, "updatedAt" = {NOW}
FROM (SELECT "id" FROM "AiValidationJob"
      WHERE "id" IN (SELECT "jobId" FROM "AiValidationTask" WHERE "id" = ANY(CAST(:task_ids AS text[])))
        AND "status" = 'processing' AND "message" IS DISTINCT FROM :message
      ORDER BY "id" FOR NO KEY UPDATE SKIP LOCKED) waits
WHERE j."id" = waits."id"
""")  # noqa: S608

REASONS = sa.text('SELECT DISTINCT "reason" FROM "AiValidationItem" WHERE "jobId" = :id LIMIT 2')

CLOSE = sa.text(f"""
UPDATE "AiValidationJob" SET "status" = :status, "outputUrl" = :output_url, "message" = :message,
       "errorMessage" = :error, "progress" = CASE WHEN :status = 'completed' THEN 100 ELSE "progress" END,
       "completedAt" = {NOW}, "updatedAt" = {NOW}
WHERE "id" = :id AND "status" = 'processing'
""")  # noqa: S608

SUMMARY = sa.text("""
SELECT j."originalFileName", j."status", j."errorMessage", j."instructions", j."totalItems", j."processedItems",
       j."successfulAnalyses", j."failedAnalyses", j."fixedCount", j."ragAppliedCount", j."retryAttempts",
       (SELECT t."result" FROM "AiValidationTask" t WHERE t."jobId" = j."id" AND t."kind" = 'prepare' LIMIT 1) AS notes
FROM "AiValidationJob" j WHERE j."id" = :id
""")

SPENT = sa.text("""
SELECT "purpose", "model", count(*) AS calls, COALESCE(sum("promptTokens"), 0) AS prompt_tokens,
       COALESCE(sum("cachedTokens"), 0) AS cached_tokens, COALESCE(sum("completionTokens"), 0) AS completion_tokens,
       sum("costUsd") AS cost_usd, count("batchId") AS batch_calls,
       sum("costUsd") FILTER (WHERE "batchId" IS NOT NULL) AS batch_cost_usd
FROM "LlmCall" WHERE "jobId" = :id GROUP BY "purpose", "model" ORDER BY calls DESC, "model"
""")


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A job as a whole: its row, what was left out of its file, and its calls by purpose and model, most first."""

    row: Mapping[str, Any]
    notes: Mapping[str, Any]
    spent: Sequence[Mapping[str, Any]]


def exists(connection: sa.Connection, job_id: str) -> bool:
    """Whether there is such a job."""
    statement = sa.text('SELECT 1 FROM "AiValidationJob" WHERE "id" = :id')
    return connection.execute(statement, {"id": job_id}).one_or_none() is not None


def begin_job(connection: sa.Connection, task: Task) -> None:
    """`queued` → `processing`, by whichever task comes first."""
    connection.execute(BEGIN, {"id": task.job.id, "kind": task.kind})


def fail_now(connection: sa.Connection, job_id: str, sentence: str) -> None:
    """The job fails at once: nothing of it is worth a workbook, or the workbook itself is what failed."""
    connection.execute(FAIL_NOW, {"id": job_id, "sentence": typeset(sentence)})


def end_abandoned(connection: sa.Connection, *, untouched_s: float) -> list[str]:
    """Fail the jobs of before this project came that nobody has moved on for so long; they can be queued again."""
    parameters = {"sentence": typeset(job_causes.BEGUN_BEFORE), "untouched_s": untouched_s}
    return list(connection.execute(END_ABANDONED, parameters).scalars())


def set_cause(connection: sa.Connection, job_id: str, sentence: str) -> None:
    """Put the cause on the job, which `finish` will then end as `failed`."""
    connection.execute(SET_CAUSE, {"id": job_id, "sentence": typeset(sentence)})


def set_message(connection: sa.Connection, job_id: str, message: str) -> None:
    """Tell the admin something about the job as it goes."""
    connection.execute(SET_MESSAGE, {"id": job_id, "message": typeset(message)})


def set_message_of_tasks(connection: sa.Connection, task_ids: Sequence[str], message: str) -> None:
    """Tell the admins something about the jobs of these tasks, where their rows can be had at once."""
    connection.execute(SET_MESSAGE_OF_TASKS, {"task_ids": list(task_ids), "message": typeset(message)})


def close_job(
    connection: sa.Connection,
    job_id: str,
    *,
    output_url: str,
    outcomes: Mapping[str, int],
    open_items: int,
    embedded: bool,
) -> str:
    """End the job: `completed` when something succeeded or there was nothing to do, else `failed` with the cause.

    Raises `JobFailed` when rows that were read are not there any more: nothing of it may then be called complete.
    """
    summary = read_summary(connection, job_id)
    row = summary.row
    if (there := sum(outcomes.values())) != (read := _rows_read(summary)):
        raise JobFailed(job_causes.rows_gone(there, read))
    error = row["errorMessage"]
    if error is None and row["totalItems"] and not row["successfulAnalyses"]:
        error = _shared_cause(connection, job_id) or job_causes.NO_SUCCESS
    left_out = [note["name"] for note in summary.notes.get("leftOut", [])]
    status = "completed" if error is None else "failed"
    labels = [note["label"] for note in summary.notes.get("notes", [])]
    message = job_progress.with_open(job_progress.finished(outcomes, left_out, labels, embedded=embedded), open_items)
    connection.execute(
        CLOSE,
        {
            "id": job_id,
            "status": status,
            "output_url": output_url,
            "error": typeset(error),
            "message": typeset(message),
        },
    )
    return status


def _rows_read(summary: JobSummary) -> int:
    """How many rows the file gave, as `prepare` noted it; else as the row says."""
    read = summary.notes.get("read")
    if not isinstance(read, list) or not all(isinstance(s, dict) and isinstance(s.get("rows"), int) for s in read):
        return int(summary.row["totalItems"] or 0)
    return sum(sheet["rows"] for sheet in read)


def _shared_cause(connection: sa.Connection, job_id: str) -> str | None:
    """The one reason that all rows of a job without a success give; None when they differ."""
    reasons = connection.execute(REASONS, {"id": job_id}).scalars().all()
    return f"{job_causes.NO_SUCCESS_ONE_CAUSE}{reasons[0]}" if len(reasons) == 1 and reasons[0] else None


def read_summary(connection: sa.Connection, job_id: str) -> JobSummary:
    """Raises `LeaseLost` when the job was deleted."""
    row = connection.execute(SUMMARY, {"id": job_id}).mappings().one_or_none()
    if row is None:
        raise LeaseLost(job_id)
    spent = [dict(line) for line in connection.execute(SPENT, {"id": job_id}).mappings()]
    return JobSummary(row=dict(row), notes=row["notes"] or {}, spent=spent)
