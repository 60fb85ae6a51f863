"""finish: rows → workbook → storage, and the job's last word."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from worker import failpoints
from worker.db.engine import Database
from worker.errors import JobFailed, LeaseLost
from worker.failpoints import Point
from worker.jobs import job_store
from worker.jobs.context import Context
from worker.jobs.queries import JobOverview
from worker.logging import get_logger
from worker.messages import job_causes, row_reasons
from worker.questions import item_store
from worker.questions.sheets import LeftOutSheet, Note, ReadSheet
from worker.queue import tasks
from worker.queue.job import Task
from worker.queue.leases import Lease
from worker.report.build import build_report
from worker.report.content import ALL_ROWS, ReportRow, ReportSummary, RowSelection, RowSource, source_of
from worker.report.xlsx_writer import write_workbook
from worker.review import decision_store
from worker.upload.storage import Storage

log = get_logger()

# The report goes through the rows once per sheet: so many are kept (some 10 KB each), more are read again.
ROWS_IN_MEMORY = 3_000


class RowsLeft(Exception):
    """Rows have no outcome though every batch has ended: somebody took their batch away, or ended it by hand."""


@dataclass(frozen=True)
class Finish:
    """The handler of a job's last task. It reads the rows as they are when the workbook is written."""

    context: Context

    def load(self, _connection: sa.Connection, task: Task) -> Task:
        """The task itself."""
        return task

    def run(self, task: Task, _lease: Lease) -> None:
        """Write the workbook, then end the job."""
        finish(self.context, task)


def finish(context: Context, task: Task) -> None:
    """Write the workbook, then end the job."""
    try:
        _write_and_close(context, task)
    except RowsLeft:
        log.warning("rows_left")
        context.database.transact(lambda c: _fail_left(c, task))
        _write_and_close(context, task)
    log.info("job_finished")


def _write_and_close(context: Context, task: Task) -> None:
    url = write_report(context.database, context.storage, task.job.id, embedded=context.endpoint.embedded)
    failpoints.reached(Point.IN_FINISH)
    context.database.transact(lambda c: _close(c, task, url, embedded=context.endpoint.embedded))


def _fail_left(connection: sa.Connection, task: Task) -> None:
    tasks.lock_job(connection, task.job.id)
    if not tasks.is_owned(connection, task):
        raise LeaseLost(task.id)
    item_store.fail_pending(connection, task.job.id, reason=row_reasons.BATCH_GONE)


def find_workbook(database: Database, storage: Storage, job: JobOverview, *, embedded: bool) -> str:
    """Where the workbook of a job is stored; one made from its rows now when there is none, or it goes on.

    Raises `JobFailed` for a job without a row, and as `write_report` does.
    """
    if job.output_url is not None and not job.is_open and storage.exists(job.output_url):
        return job.output_url
    if not job.total_items:
        raise JobFailed(job_causes.NO_WORKBOOK)
    return write_report(database, storage, job.id, embedded=embedded)


def _close(connection: sa.Connection, task: Task, url: str, *, embedded: bool) -> None:
    tasks.end_task(connection, task)
    outcomes = item_store.count_outcomes(connection, task.job.id)
    if outcomes.get("pending"):
        raise RowsLeft
    open_items = decision_store.count_open(connection, task.job.id)
    job_store.close_job(
        connection, task.job.id, output_url=url, outcomes=outcomes, open_items=open_items, embedded=embedded
    )


def write_report(database: Database, storage: Storage, job_id: str, *, embedded: bool) -> str:
    """The corrected workbook of a job, whatever its status; the URL it was stored under.

    Raises `JobFailed` when it cannot be written or stored, `LeaseLost` when the job was deleted.
    """
    # One snapshot: the workbook's sheets and figures agree even while the job goes on.
    engine = database.engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection, _storing():
        # It holds no lock, and nothing is asked of the server while the file is closed and stored.
        connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        job = job_store.read_summary(connection, job_id)
        summary = _summarise(job, embedded=embedded)
        few = (job.row["totalItems"] or 0) <= ROWS_IN_MEMORY
        rows = _stored_rows(connection, job_id, decision_store.read_open_versions(connection, job_id))
        sheets = build_report(source_of(list(rows(ALL_ROWS))) if few else rows, summary)
        return storage.save_result(job_id, summary.file_name, lambda target: write_workbook(sheets, target))


# No room, no right, no such size: a retry in a minute meets the same.
_STORAGE_REFUSALS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM})


@contextmanager
def _storing() -> Iterator[None]:
    """Raise `JobFailed` (resumable) for a storage that takes no file; what else goes wrong there may pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in _STORAGE_REFUSALS:
            raise
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise JobFailed(job_causes.STORAGE_FULL if is_full else job_causes.STORAGE_REFUSED) from error


def _stored_rows(connection: sa.Connection, job_id: str, versions: Mapping[str, str]) -> RowSource:
    """The job's rows as the database has them, read anew whenever some are asked for."""

    def select(selection: RowSelection) -> Iterator[ReportRow]:
        open_ids = versions if selection.is_open else None
        found = item_store.stream_report_rows(
            connection, job_id, type=selection.type, statuses=selection.statuses, ids=open_ids
        )
        return (_report_row(row, versions) for row in found)

    return select


def _report_row(row: Mapping[str, Any], versions: Mapping[str, str]) -> ReportRow:
    return ReportRow.from_stored(
        sheet=row["sheet"],
        row_number=row["rowNumber"],
        type=row["type"],
        cells=row["original"],
        status=row["status"],
        reason=row["reason"],
        findings=row["findings"],
        result=row["result"],
        question=row["question"],
        item_id=row["id"],
        version=versions.get(row["id"]),
    )


def _summarise(job: job_store.JobSummary, *, embedded: bool) -> ReportSummary:
    row, spent = job.row, job.spent
    costs = [line["cost_usd"] for line in spent if line["cost_usd"] is not None]
    batch_costs = [line["batch_cost_usd"] for line in spent if line["batch_cost_usd"] is not None]
    return ReportSummary(
        file_name=row["originalFileName"],
        status=row["status"],
        figures={name: row[name] or 0 for name in job_store.FIGURES},
        sheets=tuple(ReadSheet(s["name"], tuple(s["columns"]), s["rows"]) for s in job.notes.get("read", [])),
        left_out=tuple(LeftOutSheet(s["name"], s["reason"]) for s in job.notes.get("leftOut", [])),
        notes=tuple(Note(**note) for note in job.notes.get("notes", [])),
        model=next((line["model"] for line in spent if line["purpose"] == "analyse"), None),
        review_model=next((line["model"] for line in spent if line["purpose"] == "second_look"), None),
        calls=sum(line["calls"] for line in spent),
        prompt_tokens=sum(line["prompt_tokens"] for line in spent),
        cached_tokens=sum(line["cached_tokens"] for line in spent),
        completion_tokens=sum(line["completion_tokens"] for line in spent),
        cost_usd=sum(costs) if costs else None,
        batch_calls=sum(line["batch_calls"] for line in spent),
        batch_cost_usd=sum(batch_costs) if batch_costs else None,
        cost_by_model=_cost_by_model(spent),
        embedded_model=embedded,
        instructions=row["instructions"],
        error_message=row["errorMessage"],
    )


def _cost_by_model(spent: Sequence[Mapping[str, Any]]) -> dict[str, Decimal | None]:
    costs: dict[str, Decimal | None] = {}
    for line in spent:
        before, cost = costs.get(line["model"]), line["cost_usd"]
        costs[line["model"]] = before if cost is None else (before or 0) + cost
    return costs
