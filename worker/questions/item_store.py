"""Items and the job's figures: both written in the same transaction, so that they agree in every snapshot."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from psycopg.types.json import Jsonb

from worker.db.statements import load_statements
from worker.questions.answers import Conclusion
from worker.questions.history import text_hash
from worker.questions.item import PendingItem, PlannedItem
from worker.questions.question import Finding, Question
from worker.queue.job import Task
from worker.text.french import typeset, typeset_fields

SQL = load_statements(__file__)

ITEM_COLUMNS = {
    "id": "text",
    "jobId": "text",
    "taskId": "text",
    "sheet": "text",
    "rowNumber": "int4",
    "position": "int4",
    "type": "text",
    "original": "jsonb",
    "question": "jsonb",
    "contentHash": "text",
    "duplicateOfId": "text",
    "status": "text",
    "reason": "text",
    "result": "jsonb",
    "textHash": "text",
    "findings": "jsonb",
    "questionId": "text",
    "updatedAt": "timestamp",
}


@dataclass(frozen=True, slots=True)
class Concluded:
    """One item's conclusion and where its question ended up."""

    item_id: str
    conclusion: Conclusion
    question_id: str | None
    text_hash: str | None = None  # of the general explanation, where the analysis wrote it


def item_rows(
    items: Sequence[PlannedItem], *, job_id: str, item_ids: Sequence[str], task_ids: Sequence[str], now: Any
) -> Iterator[tuple[Any, ...]]:
    """The rows to copy, in the order of ITEM_COLUMNS. `item_ids` are by position, `task_ids` by batch."""
    for item in items:
        row = item.row
        yield (
            item_ids[item.position],
            job_id,
            None if item.batch is None else task_ids[item.batch],
            row.sheet,
            row.row_number,
            item.position,
            row.type,
            Jsonb(dict(row.cells)),
            None if row.question is None else Jsonb(row.question.to_json()),
            item.content_hash,
            None if item.duplicate_of is None else item_ids[item.duplicate_of],
            item.outcome or "pending",
            typeset(item.reason),
            None if item.result is None else Jsonb(dict(item.result)),
            _returned_text(item),
            Jsonb([typeset_fields(asdict(finding), "message") for finding in row.findings]),
            item.question_id,
            now,
        )


def load_pending(connection: sa.Connection, task: Task) -> list[PendingItem]:
    """The items of a batch that have no outcome yet, in the order of the file."""
    rows = connection.execute(SQL["load_pending"], {"task_id": task.id}).all()
    return [PendingItem(id=r[0], question=Question.from_json(r[1]), content_hash=r[2]) for r in rows]


def conclude_items(connection: sa.Connection, job_id: str, concluded: Sequence[Concluded]) -> bool:
    """Write the outcomes, those of their repeats, and the figures; True when that made the finish task ready.

    The job's row must be locked already, by an earlier statement: only then does this one see every batch that ended.
    """
    rows = [
        {
            "id": c.item_id,
            "status": c.conclusion.outcome,
            "reason": typeset(c.conclusion.reason),
            "result": c.conclusion.to_json(),
            "rag": c.conclusion.excerpts_used,
            "question_id": c.question_id,
            "text_hash": c.text_hash,
        }
        for c in concluded
    ]
    parameters = {"job_id": job_id, "rows": json.dumps(rows, ensure_ascii=False)}
    return bool(connection.execute(SQL["conclude"], parameters).scalar_one())


def _returned_text(item: PlannedItem) -> str | None:
    """The hash of our own explanation, of a row that has its earlier outcome again."""
    question, text = item.row.question, (item.result or {}).get("general_explanation")
    return text_hash(text) if text and question and not question.explanation else None


def add_finding(connection: sa.Connection, item_ids: Sequence[str], finding: Finding) -> None:
    """Note something on these items, once of each code. The job's row must be locked already."""
    noted = json.dumps([typeset_fields(asdict(finding), "message")], ensure_ascii=False)
    same = json.dumps([{"code": finding.code}])
    connection.execute(SQL["add_finding"], {"ids": list(item_ids), "finding": noted, "same": same})


def fail_pending(connection: sa.Connection, job_id: str, *, reason: str, task_id: str | None = None) -> None:
    """Every pending item of the job (or of one task) is `failed`, its duplicates with it; figures counted anew."""
    parameters = {"job_id": job_id, "task_id": task_id, "reason": typeset(reason)}
    failed = list(connection.execute(SQL["fail_pending"], parameters).scalars())
    if failed:
        connection.execute(SQL["conclude_duplicates"], {"ids": failed})
    count_figures(connection, job_id)


def count_figures(connection: sa.Connection, job_id: str, *, message: str | None = None) -> None:
    """Set every figure from the items, and the message with them: `message`, else how far the job is.

    O(items): for prepare, failures and repairs, not for each batch.
    """
    connection.execute(SQL["count_figures"], {"job_id": job_id, "message": typeset(message)})


def stream_report_rows(
    connection: sa.Connection,
    job_id: str,
    *,
    type: str | None = None,  # noqa: A002 - the column's name
    statuses: Collection[str] | None = None,
    ids: Collection[str] | None = None,
) -> Iterator[Any]:
    """The items in the order of the file, a few hundred in memory at a time; None = of every type, status, id."""
    parameters = {
        "job_id": job_id,
        "type": type,
        "statuses": None if statuses is None else list(statuses),
        "ids": None if ids is None else list(ids),
    }
    return iter(connection.execute(SQL["stream_report_rows"].execution_options(yield_per=500), parameters).mappings())


def count_outcomes(connection: sa.Connection, job_id: str) -> dict[str, int]:
    """How many items stand at each status."""
    return {row[0]: row[1] for row in connection.execute(SQL["count_outcomes"], {"job_id": job_id})}
