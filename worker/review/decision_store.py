"""Decisions of people: what they stand on, read under locks, and the rows they write. What they mean is in `settle`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from models import new_id
from worker.messages.published_text import EXPLANATION_MISSING
from worker.questions.decision import DecidedItem, Order, Settlement, standing_decisions
from worker.questions.item import question_id
from worker.questions.question import Question
from worker.text.french import typeset

NOW = "timezone('UTC', clock_timestamp())"

# What a person saw, in a word: it changes whenever the item, its question or a decision about its content does.
VERSION = """left(md5(concat_ws('|', i."status", extract(epoch FROM i."updatedAt"), i."contentHash",
    (SELECT concat_ws('|', count(*), max(d."createdAt")) FROM "AiValidationDecision" d
     WHERE d."contentHash" = i."contentHash"),
    extract(epoch FROM q."updatedAt"), q."correctAnswer", q."answer", q."isActive", q."isValidated", q."validatedBy"
)), 16)"""

# Where none was written yet for the item, the one that stands under its content all the same.
ITS_QUESTION = """LEFT JOIN "Question" q ON q."id" = COALESCE(i."questionId", 'q' || left(i."contentHash", 24))"""

FIND = sa.text('SELECT "contentHash", "questionId" FROM "AiValidationItem" WHERE "id" = :id AND "question" IS NOT NULL')
LOCK_CONTENT = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('medq-decision:' || :content_hash, 0))")
LOCK_QUESTION = sa.text('SELECT to_jsonb(q) FROM "Question" q WHERE q."id" = :id FOR UPDATE')
SAME_CONTENT = sa.text('SELECT "id", "jobId" FROM "AiValidationOpenItem" WHERE "contentHash" = :content_hash')
LOCK_JOBS = sa.text("""
SELECT j."id" FROM "AiValidationJob" j
WHERE j."id" = ANY(:ids) OR j."id" = (SELECT i."jobId" FROM "AiValidationItem" i WHERE i."id" = :item_id)
ORDER BY j."id" FOR NO KEY UPDATE
""")
LOAD = sa.text(f"""
SELECT i."id", i."jobId", i."status", i."question", i."contentHash", i."result", i."questionId", {VERSION} AS version
FROM "AiValidationItem" i {ITS_QUESTION} WHERE i."id" = :id FOR UPDATE OF i
""")  # noqa: S608 (constants of this file)
DECISIONS = sa.text("""
SELECT d."id", d."action", d."key", d."answer", d."explanation", d."comment", d."userId", d."previous", d."createdAt",
       COALESCE(u."name", u."email") AS "userName"
FROM "AiValidationDecision" d LEFT JOIN "User" u ON u."id" = d."userId"
WHERE d."contentHash" = :content_hash ORDER BY d."createdAt", d."id"
""")

INSERT = sa.text(f"""
INSERT INTO "AiValidationDecision" ("id", "itemId", "questionId", "contentHash", "action", "key", "answer",
    "explanation", "comment", "userId", "source", "shown", "previous", "createdAt")
VALUES (:id, :item_id, :question_id, :content_hash, :action, :key, :answer, :explanation, :comment, :user_id, :source,
    CAST(:shown AS jsonb), CAST(:previous AS jsonb),
    -- Decisions on one content are in one order, whatever the clock.
    GREATEST({NOW}::timestamp(3), (SELECT max("createdAt") + interval '1 millisecond' FROM "AiValidationDecision"
                                   WHERE "contentHash" = :content_hash)))
""")  # noqa: S608
SETTLE = sa.text(f"""
UPDATE "Question" SET "correctAnswer" = :key, "answer" = :answer, "explanation" = :explanation,
    "isActive" = :is_active, "isValidated" = :is_validated,
    "validatedAt" = CASE WHEN :is_validated THEN {NOW} END,
    "validatedBy" = CASE WHEN :is_validated THEN :user_id END, "updatedAt" = {NOW}
WHERE "id" = :id
""")  # noqa: S608
RESTORE = sa.text(f"""
UPDATE "Question" q SET "correctAnswer" = p."correctAnswer", "answer" = p."answer", "explanation" = p."explanation",
    "isActive" = p."isActive", "isValidated" = p."isValidated", "validatedAt" = p."validatedAt",
    "validatedBy" = (SELECT u."id" FROM "User" u WHERE u."id" = p."validatedBy"), "updatedAt" = {NOW}
FROM jsonb_populate_record(NULL::"Question", CAST(:previous AS jsonb)) p
WHERE q."id" = :id
""")  # noqa: S608
# A question that the decision made goes with it, unless a student or a session has met it meanwhile.
REMOVE = sa.text("""
DELETE FROM "Question" q WHERE q."id" = :id
  AND NOT EXISTS (SELECT 1 FROM "UserQuestionAnswer" a WHERE a."questionId" = q."id")
  AND NOT EXISTS (SELECT 1 FROM "SessionQuestion" s WHERE s."questionId" = q."id")
""")
RETIRE = sa.text(f"""
UPDATE "Question" SET "isActive" = false, "isValidated" = false, "validatedAt" = NULL, "validatedBy" = NULL,
    "updatedAt" = {NOW} WHERE "id" = :id
""")  # noqa: S608
LINK_ITEM = sa.text('UPDATE "AiValidationItem" SET "questionId" = :question_id WHERE "id" = :id')

FIND_USER = sa.text("""
SELECT "id" FROM "User"
WHERE ("id" = :user OR lower("email") = lower(:user)) AND "isActive" AND lower("role") IN ('admin', 'maintainer')
""")
UNEXPLAINED = sa.text("""
SELECT i."jobId", i."question", i."contentHash", q."id" AS question_id, q."correctAnswer", q."answer", q."explanation",
       j."config"::text AS config, j."instructions"
FROM "AiValidationItem" i JOIN "AiValidationJob" j ON j."id" = i."jobId"
JOIN "Question" q ON q."id" = COALESCE(i."questionId", 'q' || left(i."contentHash", 24))
WHERE i."id" = :id AND q."isValidated" AND q."validatedBy" IS NOT NULL AND starts_with(q."explanation", :missing)
""")
# Only what still waits for it, and only for the key that it explains.
EXPLAIN = sa.text(f"""
UPDATE "Question" SET "explanation" = :text || substr("explanation", length(:missing) + 1), "updatedAt" = {NOW}
WHERE "id" = :id AND starts_with("explanation", :missing) AND "isValidated"
  AND COALESCE("correctAnswer", "answer") = :value
""")  # noqa: S608
OPEN_VERSIONS = sa.text(f"""
SELECT i."id", {VERSION} AS version
FROM "AiValidationItem" i {ITS_QUESTION} JOIN "AiValidationOpenItem" w ON w."id" = i."id" WHERE w."jobId" = :job_id
""")  # noqa: S608
OPEN_COUNT = sa.text('SELECT count(*) FROM "AiValidationOpenItem" WHERE "jobId" = :job_id')
LAST_WORD = sa.text("""
SELECT "id", "message" FROM "AiValidationJob" WHERE "id" = ANY(:ids) AND "status" = 'completed' ORDER BY "id"
""")
SET_MESSAGE = sa.text(f'UPDATE "AiValidationJob" SET "message" = :message, "updatedAt" = {NOW} WHERE "id" = :id')  # noqa: S608


@dataclass(frozen=True, slots=True)
class Loaded:
    """An item locked with everything it stands on; `open_same_content` are the other rows of its content that wait."""

    item: DecidedItem
    open_same_content: frozenset[str]
    job_ids: tuple[str, ...]
    is_open: bool


def find_user(connection: sa.Connection, user: str) -> str | None:
    """The id of the active admin or maintainer with this e-mail or id; None for anybody else."""
    found: str | None = connection.execute(FIND_USER, {"user": user}).scalar_one_or_none()
    return found


def lock_item(connection: sa.Connection, item_id: str) -> Loaded | None:
    """Lock the content, its question, the jobs of its rows and the item; None when it is gone or holds no question.

    In this order, which is that of a batch's end as well: question, job, item.
    """
    found = connection.execute(FIND, {"id": item_id}).mappings().one_or_none()
    if found is None:
        return None
    content_hash = found["contentHash"]
    stored_id = found["questionId"] or question_id(content_hash)
    connection.execute(LOCK_CONTENT, {"content_hash": content_hash})
    stored = connection.execute(LOCK_QUESTION, {"id": stored_id}).scalar_one_or_none()
    same = connection.execute(SAME_CONTENT, {"content_hash": content_hash}).all()
    jobs = {"ids": sorted({open_row.jobId for open_row in same}), "item_id": item_id}
    job_ids = tuple(connection.execute(LOCK_JOBS, jobs).scalars())
    row = connection.execute(LOAD, {"id": item_id}).mappings().one_or_none()
    if row is None or row["contentHash"] != content_hash:
        return None
    decisions = connection.execute(DECISIONS, {"content_hash": content_hash}).mappings().all()
    item = DecidedItem(
        id=row["id"],
        job_id=row["jobId"],
        outcome=row["status"],
        question=Question.from_json(row["question"]),
        content_hash=content_hash,
        result=row["result"] or {},
        question_id=stored_id,
        stored=stored,
        standing=standing_decisions(decisions),
        version=row["version"],
    )
    ids = {open_row.id for open_row in same}
    return Loaded(item, open_same_content=frozenset(ids - {item_id}), job_ids=job_ids, is_open=item_id in ids)


def record(
    connection: sa.Connection, item: DecidedItem, order: Order, settlement: Settlement | None, *, question_exists: bool
) -> str:
    """Write the decision's row; its id. `settlement` is None for `undo`."""
    decision_id = new_id()
    connection.execute(
        INSERT,
        {
            "id": decision_id,
            "item_id": item.id,
            "question_id": item.question_id if question_exists else None,
            "content_hash": item.content_hash,
            "action": order.action,
            "key": settlement.key if settlement else None,
            "answer": settlement.answer if settlement else None,
            "explanation": order.explanation,
            "comment": order.comment,
            "user_id": order.user_id,
            "source": order.source,
            "shown": json.dumps(_shown(item), ensure_ascii=False),
            "previous": None if item.stored is None else json.dumps(item.stored, ensure_ascii=False),
        },
    )
    return decision_id


def _shown(item: DecidedItem) -> dict[str, Any]:
    return {
        "outcome": item.outcome,
        "type": item.question.type,
        "specialty": item.question.specialty,
        "official": item.question.official,
        "proposed": item.result.get("proposed"),
        "stored": (item.stored or {}).get("correctAnswer") or (item.stored or {}).get("answer"),
        "model": item.result.get("model"),
        "looks": [
            {name: look.get(name) for name in ("key", "answer", "verdict", "confidence", "model")}
            for look in item.looks
        ],
        "version": item.version,
    }


def settle_question(connection: sa.Connection, question_id: str, settlement: Settlement, *, user_id: str) -> None:
    """Write what was decided on the question's row, in the person's name."""
    connection.execute(
        SETTLE,
        {
            "id": question_id,
            "key": settlement.key,
            "answer": settlement.answer,
            "explanation": settlement.explanation,
            "is_active": settlement.is_active,
            "is_validated": settlement.is_validated,
            "user_id": user_id,
        },
    )


def restore_question(connection: sa.Connection, question_id: str, previous: Mapping[str, Any] | None) -> None:
    """Put the question back to what it was before a decision; one that the decision made is taken away again."""
    if previous is not None:
        connection.execute(RESTORE, {"id": question_id, "previous": json.dumps(previous, ensure_ascii=False)})
    elif not connection.execute(REMOVE, {"id": question_id}).rowcount:
        connection.execute(RETIRE, {"id": question_id})


def link_item(connection: sa.Connection, item_id: str, question_id: str | None) -> None:
    """Say on the item where its question is."""
    connection.execute(LINK_ITEM, {"id": item_id, "question_id": question_id})


@dataclass(frozen=True, slots=True)
class Unexplained:
    """A question that a person settled and nobody has explained; `question` has the key or answer that stands now."""

    job_id: str
    question_id: str
    question: Question
    config: object  # raw JSON
    instructions: str | None


def find_unexplained(connection: sa.Connection, item_id: str) -> Unexplained | None:
    """What waits for an explanation under this item; None when nothing does."""
    row = connection.execute(UNEXPLAINED, {"id": item_id, "missing": EXPLANATION_MISSING}).mappings().one_or_none()
    if row is None:
        return None
    question = replace(
        Question.from_json(row["question"]), official_key=row["correctAnswer"], official_answer=row["answer"]
    )
    config = None if row["config"] is None else json.loads(row["config"])
    return Unexplained(row["jobId"], row["question_id"], question, config, row["instructions"])


def write_explanation(connection: sa.Connection, unexplained: Unexplained, text: str) -> bool:
    """Put the explanation in its place; False when it is not wanted any more."""
    parameters = {
        "id": unexplained.question_id,
        "text": text,
        "missing": EXPLANATION_MISSING,
        "value": unexplained.question.official,
    }
    return connection.execute(EXPLAIN, parameters).rowcount == 1


def count_open(connection: sa.Connection, job_id: str) -> int:
    """How many rows of this job wait for a person."""
    return int(connection.execute(OPEN_COUNT, {"job_id": job_id}).scalar_one())


def read_open_versions(connection: sa.Connection, job_id: str) -> dict[str, str]:
    """Item id → version, of the rows of this job that wait for a person."""
    return {row.id: row.version for row in connection.execute(OPEN_VERSIONS, {"job_id": job_id})}


def read_last_words(connection: sa.Connection, job_ids: Sequence[str]) -> dict[str, str]:
    """The last sentence of those of these jobs that are completed."""
    rows = connection.execute(LAST_WORD, {"ids": list(job_ids)})
    return {row.id: row.message for row in rows if row.message}


def set_message(connection: sa.Connection, job_id: str, message: str) -> None:
    """Put a sentence on a job's row, which must be locked already."""
    connection.execute(SET_MESSAGE, {"id": job_id, "message": typeset(message)})


@dataclass(frozen=True, slots=True)
class ItemView:
    """One row of a job as a person decides on it. Names are the columns' in snake_case; times are UTC."""

    id: str
    job_id: str
    sheet: str
    row_number: int
    position: int  # in the whole file, from 0
    type: str
    status: str
    reason: str | None
    findings: Sequence[Mapping[str, Any]]
    question: Mapping[str, Any] | None
    result: Mapping[str, Any] | None
    question_id: str | None
    stored: Mapping[str, Any] | None  # the question's key or answer, explanation, and who validated it
    is_open: bool
    decision: Mapping[str, Any] | None  # the one that stands
    version: str
    updated_at: datetime


LIST = f"""
SELECT i."id", i."jobId" AS job_id, i."sheet", i."rowNumber" AS row_number, i."position", i."type", i."status",
       i."reason", i."findings", i."question", i."result", i."questionId" AS question_id,
       CASE WHEN q."id" IS NOT NULL THEN jsonb_build_object('official', COALESCE(q."correctAnswer", q."answer"),
           'explanation', q."explanation", 'isActive', q."isActive", 'isValidated', q."isValidated",
           'validatedBy', q."validatedBy") END AS stored,
       EXISTS (SELECT 1 FROM "AiValidationOpenItem" o WHERE o."id" = i."id") AS is_open,
       (SELECT CASE WHEN sum(CASE d."action" WHEN 'undo' THEN -1 ELSE 1 END) > 0 THEN
            (array_agg(jsonb_build_object('id', d."id", 'action', d."action", 'key', d."key", 'answer', d."answer",
                'comment', d."comment", 'userId', d."userId", 'source', d."source", 'createdAt', d."createdAt")
                ORDER BY d."createdAt" DESC) FILTER (WHERE d."action" <> 'undo'))[1] END
        FROM "AiValidationDecision" d WHERE d."contentHash" = i."contentHash") AS decision,
       {VERSION} AS version, i."updatedAt" AS updated_at
FROM "AiValidationItem" i {ITS_QUESTION}
"""  # noqa: S608 (constants of this file)
ITS_PAGE = """(CAST(:status AS text) IS NULL OR i."status" = :status) AND i."position" > :after
ORDER BY i."position" LIMIT CAST(:limit AS integer)"""
OF_JOB = sa.text(f"""{LIST} WHERE i."jobId" = :job_id AND {ITS_PAGE}""")
OPEN_OF_JOB = sa.text(f"""{LIST} JOIN "AiValidationOpenItem" w ON w."id" = i."id"
WHERE w."jobId" = :job_id AND {ITS_PAGE}""")
BY_ID = sa.text(f'{LIST} WHERE i."id" = ANY(:ids) ORDER BY i."id"')
# The ids alone, which an index holds: in most collations it cannot find a beginning, and the rows are large.
PREFIXED = sa.text('SELECT "id" FROM "AiValidationItem" WHERE "id" LIKE :prefix ORDER BY "id" LIMIT 2')


def list_items(
    connection: sa.Connection,
    job_id: str,
    *,
    status: str | None = None,
    open_only: bool = False,
    after: int = -1,
    limit: int | None = None,
) -> list[ItemView]:
    """The rows of a job in the order of its file; those that follow the position `after`, `limit` at most."""
    statement = OPEN_OF_JOB if open_only else OF_JOB
    wanted = {"job_id": job_id, "status": status, "after": after, "limit": limit}
    rows = connection.execute(statement, wanted).mappings()
    return [ItemView(**row) for row in rows]


def find_items(connection: sa.Connection, prefix: str) -> list[ItemView]:
    """The item with this id, or those whose id begins so, two at most: none is unknown, two are not one."""
    if found := [ItemView(**row) for row in connection.execute(BY_ID, {"ids": [prefix]}).mappings()]:
        return found
    escaped = prefix.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    ids = list(connection.execute(PREFIXED, {"prefix": f"{escaped}%"}).scalars())
    return [ItemView(**row) for row in connection.execute(BY_ID, {"ids": ids}).mappings()]
