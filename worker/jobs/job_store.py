"""The job's row: its status, its sentences, and what its report says of it as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from worker.db.statements import load_statements
from worker.errors import JobFailed, LeaseLost
from worker.messages import job_causes, job_progress
from worker.queue.job import Task
from worker.text.french import typeset

SQL = load_statements(__file__)

FIGURES = (
    "totalItems",
    "processedItems",
    "successfulAnalyses",
    "failedAnalyses",
    "fixedCount",
    "ragAppliedCount",
    "retryAttempts",
)


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A job as a whole: its row, what was left out of its file, and its calls by purpose and model, most first."""

    row: Mapping[str, Any]
    notes: Mapping[str, Any]
    spent: Sequence[Mapping[str, Any]]


def exists(connection: sa.Connection, job_id: str) -> bool:
    """Whether there is such a job."""
    statement = SQL["find_job"]
    return connection.execute(statement, {"id": job_id}).one_or_none() is not None


def begin_job(connection: sa.Connection, task: Task) -> None:
    """`queued` → `processing`, by whichever task comes first."""
    connection.execute(SQL["begin_job"], {"id": task.job.id, "kind": task.kind})


def fail_now(connection: sa.Connection, job_id: str, sentence: str) -> None:
    """The job fails at once: nothing of it is worth a workbook, or the workbook itself is what failed."""
    connection.execute(SQL["fail_now"], {"id": job_id, "sentence": typeset(sentence)})


def end_abandoned(connection: sa.Connection, *, untouched_s: float) -> list[str]:
    """Fail jobs that predate this worker and have not changed for `untouched_s`; their ids. They may be queued anew."""
    parameters = {"sentence": typeset(job_causes.BEGUN_BEFORE), "untouched_s": untouched_s}
    return list(connection.execute(SQL["end_abandoned"], parameters).scalars())


def set_cause(connection: sa.Connection, job_id: str, sentence: str) -> None:
    """Put the cause on the job, which `finish` will then end as `failed`."""
    connection.execute(SQL["set_cause"], {"id": job_id, "sentence": typeset(sentence)})


def set_message(connection: sa.Connection, job_id: str, message: str) -> None:
    """Tell the admin something about the job as it goes."""
    connection.execute(SQL["set_message"], {"id": job_id, "message": typeset(message)})


def set_message_of_tasks(connection: sa.Connection, task_ids: Sequence[str], message: str) -> None:
    """Tell the admins something about the jobs of these tasks, where their rows can be had at once."""
    connection.execute(SQL["set_message_of_tasks"], {"task_ids": list(task_ids), "message": typeset(message)})


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
        error = job_causes.no_success(_reasons(connection, job_id))
    left_out = [note["name"] for note in summary.notes.get("leftOut", [])]
    status = "completed" if error is None else "failed"
    labels = [note["label"] for note in summary.notes.get("notes", [])]
    message = job_progress.with_open(job_progress.finished(outcomes, left_out, labels, embedded=embedded), open_items)
    connection.execute(
        SQL["close_job"],
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


def _reasons(connection: sa.Connection, job_id: str) -> Sequence[str | None]:
    """Of a job's rows, each once; of many two are enough."""
    return connection.execute(SQL["read_reasons"], {"id": job_id}).scalars().all()


def read_summary(connection: sa.Connection, job_id: str) -> JobSummary:
    """Raises `LeaseLost` when the job was deleted."""
    row = connection.execute(SQL["read_summary"], {"id": job_id}).mappings().one_or_none()
    if row is None:
        raise LeaseLost(job_id)
    spent = [dict(line) for line in connection.execute(SQL["sum_spent"], {"id": job_id}).mappings()]
    return JobSummary(row=dict(row), notes=row["notes"] or {}, spent=spent)
