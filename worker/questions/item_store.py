"""Items and the job's figures: both written in the same transaction, so that they agree in every snapshot."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from psycopg.types.json import Jsonb

from worker.questions.answers import Conclusion
from worker.questions.history import text_hash
from worker.questions.item import PendingItem, PlannedItem
from worker.questions.question import Finding, Question
from worker.queue.job import Task
from worker.text.french import NO_BREAK, typeset, typeset_fields

NOW = "timezone('UTC', clock_timestamp())"

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

PENDING = sa.text("""
SELECT "id", "question", "contentHash" FROM "AiValidationItem"
WHERE "taskId" = :task_id AND "status" = 'pending' AND "duplicateOfId" IS NULL ORDER BY "position"
""")

# What a repeat of a row says of itself. `p` is the row that was analysed for it.
# A repeat shares the outcome of the row it points to. Where that row turned out to repeat a question that a person
# validated, so does this one: it points to no row, as if `prepare` had seen it. No chain of repeats ever arises.
AS_REPEAT = f"""
"status" = 'duplicate', "questionId" = p."questionId", "updatedAt" = {NOW},
"duplicateOfId" = CASE WHEN p."status" <> 'duplicate' THEN p."id" END,
"reason" = CASE WHEN p."status" = 'duplicate' THEN p."reason"
    ELSE 'Même contenu que la ligne ' || p."rowNumber" || ' de la feuille «{NO_BREAK}' || p."sheet" || '{NO_BREAK}».'
        || CASE WHEN p."status" IN ('failed', 'rejected') THEN ' Celle-ci n''a pas pu être analysée.' ELSE '' END END
"""

CONCLUDE_DUPLICATES = sa.text(f"""
UPDATE "AiValidationItem" d
SET {AS_REPEAT}
FROM "AiValidationItem" p
WHERE d."duplicateOfId" = p."id" AND d."status" = 'pending' AND p."id" = ANY(:ids)
RETURNING p."id"
""")  # noqa: S608 (constants of this file)

FAIL_PENDING = sa.text(f"""
UPDATE "AiValidationItem" SET "status" = CASE WHEN "duplicateOfId" IS NULL THEN 'failed' ELSE 'duplicate' END,
       "reason" = :reason, "updatedAt" = {NOW}
WHERE "jobId" = :job_id AND "status" = 'pending' AND (CAST(:task_id AS text) IS NULL OR "taskId" = :task_id)
RETURNING "id"
""")  # noqa: S608

COUNT_FIGURES = sa.text(f"""
UPDATE "AiValidationJob" j SET
    "totalItems" = f."totalItems", "processedItems" = f."processedItems",
    "successfulAnalyses" = f."successfulAnalyses", "failedAnalyses" = f."failedAnalyses",
    "fixedCount" = f."fixedCount", "ragAppliedCount" = f."ragAppliedCount",
    "totalBatches" = f."totalBatches", "currentBatch" = f."currentBatch",
    "retryAttempts" = f."retryAttempts",
    "progress" = GREATEST(j."progress", medq_progress_percent(f."processedItems", f."totalItems")),
    "message" = COALESCE(:message, medq_progress_message(f."processedItems", f."totalItems")), "updatedAt" = {NOW}
FROM medq_job_figures(:job_id) f
WHERE j."id" = :job_id
""")  # noqa: S608

ADD_FINDING = sa.text("""
UPDATE "AiValidationItem" SET "findings" = "findings" || CAST(:finding AS jsonb)
WHERE "id" = ANY(:ids) AND NOT "findings" @> CAST(:same AS jsonb)
""")

# Outcomes, those of the repeats, the few figures that a batch changes, and the finish task when it was the last: one
# statement, for every other batch of the job waits for its row meanwhile.
CONCLUDE = sa.text(f"""
WITH concluded AS (
    UPDATE "AiValidationItem" i
    SET "status" = r.status, "reason" = r.reason, "result" = r.result, "ragApplied" = r.rag,
        "questionId" = r.question_id, "textHash" = r.text_hash, "updatedAt" = {NOW}
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS r(id text, status text, reason text, result jsonb, rag boolean, question_id text, text_hash text)
    WHERE i."id" = r.id AND i."status" = 'pending'
    RETURNING i."id", i."status", i."sheet", i."rowNumber", i."questionId", i."ragApplied", i."reason"
), repeated AS (
    UPDATE "AiValidationItem" d
    SET {AS_REPEAT}
    FROM concluded p
    WHERE d."duplicateOfId" = p."id" AND d."status" = 'pending'
    RETURNING p."status"
), added AS (
    SELECT count(*) AS processed,
           count(*) FILTER (WHERE medq_is_success("status") OR "status" = 'duplicate') AS successful,
           count(*) FILTER (WHERE medq_is_fix("status") AND is_first) AS fixed,
           count(*) FILTER (WHERE rag) AS rag
    FROM (SELECT "status", "ragApplied" AS rag, TRUE AS is_first FROM concluded
          UNION ALL SELECT "status", FALSE, FALSE FROM repeated) ended
), figures AS (
    UPDATE "AiValidationJob" j SET
        "processedItems" = j."processedItems" + a.processed,
        "successfulAnalyses" = j."successfulAnalyses" + a.successful,
        "failedAnalyses" = j."failedAnalyses" + a.processed - a.successful,
        "fixedCount" = j."fixedCount" + a.fixed,
        "ragAppliedCount" = j."ragAppliedCount" + a.rag,
        "currentBatch" = CASE
            WHEN j."currentBatch" > 1 THEN LEAST(j."currentBatch" + 1, j."totalBatches")
            WHEN (SELECT count(*) FROM (SELECT 1 FROM "AiValidationTask" t WHERE t."jobId" = j."id"
                  AND t."kind" = 'analyse' AND medq_task_is_done(t."status") LIMIT 2) ended) > 1 THEN 2
            ELSE 1 END,
        "progress" = GREATEST(j."progress",
                              medq_progress_percent(j."processedItems" + a.processed::int, j."totalItems")),
        "message" = medq_progress_message(j."processedItems" + a.processed::int, j."totalItems"),
        "updatedAt" = {NOW}
    FROM added a
    WHERE j."id" = :job_id
)
SELECT medq_ready_finish(:job_id)
""")  # noqa: S608

REPORT_ROWS = sa.text("""
SELECT "id", "sheet", "rowNumber", "type", "original", "status", "reason", "findings", "result", "question"
FROM "AiValidationItem"
WHERE "jobId" = :job_id
  AND (CAST(:type AS text) IS NULL OR "type" = :type)
  AND (CAST(:statuses AS text[]) IS NULL OR "status" = ANY(:statuses))
  AND (CAST(:ids AS text[]) IS NULL OR "id" = ANY(:ids))
ORDER BY "position"
""")

OUTCOME_COUNTS = sa.text('SELECT "status", count(*) FROM "AiValidationItem" WHERE "jobId" = :job_id GROUP BY 1')


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
    rows = connection.execute(PENDING, {"task_id": task.id}).all()
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
    return bool(connection.execute(CONCLUDE, parameters).scalar_one())


def _returned_text(item: PlannedItem) -> str | None:
    """The hash of our own explanation, of a row that has its earlier outcome again."""
    question, text = item.row.question, (item.result or {}).get("general_explanation")
    return text_hash(text) if text and question and not question.explanation else None


def add_finding(connection: sa.Connection, item_ids: Sequence[str], finding: Finding) -> None:
    """Note something on these items, once of each code. The job's row must be locked already."""
    noted = json.dumps([typeset_fields(asdict(finding), "message")], ensure_ascii=False)
    same = json.dumps([{"code": finding.code}])
    connection.execute(ADD_FINDING, {"ids": list(item_ids), "finding": noted, "same": same})


def fail_pending(connection: sa.Connection, job_id: str, *, reason: str, task_id: str | None = None) -> None:
    """Every pending item of the job (or of one task) is `failed`, its duplicates with it; figures counted anew."""
    parameters = {"job_id": job_id, "task_id": task_id, "reason": typeset(reason)}
    failed = list(connection.execute(FAIL_PENDING, parameters).scalars())
    if failed:
        connection.execute(CONCLUDE_DUPLICATES, {"ids": failed})
    count_figures(connection, job_id)


def count_figures(connection: sa.Connection, job_id: str, *, message: str | None = None) -> None:
    """Set every figure from the items, and the message with them: `message`, else how far the job is.

    O(items): for prepare, failures and repairs, not for each batch.
    """
    connection.execute(COUNT_FIGURES, {"job_id": job_id, "message": typeset(message)})


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
    return iter(connection.execute(REPORT_ROWS.execution_options(yield_per=500), parameters).mappings())


def count_outcomes(connection: sa.Connection, job_id: str) -> dict[str, int]:
    """How many items stand at each status."""
    return {row[0]: row[1] for row in connection.execute(OUTCOME_COUNTS, {"job_id": job_id})}
