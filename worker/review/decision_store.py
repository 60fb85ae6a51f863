"""Decisions of people: what they stand on, read under locks, and the rows they write. What they mean is in `settle`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from models import new_id
from worker.db.statements import load_statements
from worker.messages.published_text import EXPLANATION_MISSING
from worker.questions.decision import DecidedItem, Order, Settlement, standing_decisions
from worker.questions.item import question_id
from worker.questions.question import Question
from worker.text.french import typeset

SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """An item locked with everything it stands on; `open_same_content` are the other rows of its content that wait."""

    item: DecidedItem
    open_same_content: frozenset[str]
    job_ids: tuple[str, ...]
    is_open: bool


def find_user(connection: sa.Connection, user: str) -> str | None:
    """The id of the active admin or maintainer with this e-mail or id; None for anybody else."""
    found: str | None = connection.execute(SQL["find_user"], {"user": user}).scalar_one_or_none()
    return found


def lock_item(connection: sa.Connection, item_id: str) -> Loaded | None:
    """Lock the content, its question, the jobs of its rows and the item; None when it is gone or holds no question.

    In this order, which is that of a batch's end as well: question, job, item.
    """
    found = connection.execute(SQL["find_content"], {"id": item_id}).mappings().one_or_none()
    if found is None:
        return None
    content_hash = found["contentHash"]
    stored_id = found["questionId"] or question_id(content_hash)
    connection.execute(SQL["lock_content"], {"content_hash": content_hash})
    stored = connection.execute(SQL["lock_question"], {"id": stored_id}).scalar_one_or_none()
    same = connection.execute(SQL["find_same_content"], {"content_hash": content_hash}).all()
    jobs = {"ids": sorted({open_row.jobId for open_row in same}), "item_id": item_id}
    job_ids = tuple(connection.execute(SQL["lock_jobs"], jobs).scalars())
    row = connection.execute(SQL["lock_item"], {"id": item_id}).mappings().one_or_none()
    if row is None or row["contentHash"] != content_hash:
        return None
    decisions = connection.execute(SQL["read_decisions"], {"content_hash": content_hash}).mappings().all()
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
        SQL["insert_decision"],
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
        SQL["settle_question"],
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
        connection.execute(
            SQL["restore_question"], {"id": question_id, "previous": json.dumps(previous, ensure_ascii=False)}
        )
    elif not connection.execute(SQL["remove_question"], {"id": question_id}).rowcount:
        connection.execute(SQL["retire_question"], {"id": question_id})


def link_item(connection: sa.Connection, item_id: str, question_id: str | None) -> None:
    """Say on the item where its question is."""
    connection.execute(SQL["link_item"], {"id": item_id, "question_id": question_id})


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
    row = (
        connection.execute(SQL["find_unexplained"], {"id": item_id, "missing": EXPLANATION_MISSING})
        .mappings()
        .one_or_none()
    )
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
    return connection.execute(SQL["explain_question"], parameters).rowcount == 1


def count_open(connection: sa.Connection, job_id: str) -> int:
    """How many rows of this job wait for a person."""
    return int(connection.execute(SQL["count_open"], {"job_id": job_id}).scalar_one())


def read_open_versions(connection: sa.Connection, job_id: str) -> dict[str, str]:
    """Item id → version, of the rows of this job that wait for a person."""
    return {row.id: row.version for row in connection.execute(SQL["read_open_versions"], {"job_id": job_id})}


def read_last_words(connection: sa.Connection, job_ids: Sequence[str]) -> dict[str, str]:
    """The last sentence of those of these jobs that are completed."""
    rows = connection.execute(SQL["read_last_words"], {"ids": list(job_ids)})
    return {row.id: row.message for row in rows if row.message}


def set_message(connection: sa.Connection, job_id: str, message: str) -> None:
    """Put a sentence on a job's row, which must be locked already."""
    connection.execute(SQL["set_message"], {"id": job_id, "message": typeset(message)})


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
    statement = SQL["list_open_items"] if open_only else SQL["list_items"]
    wanted = {"job_id": job_id, "status": status, "after": after, "limit": limit}
    rows = connection.execute(statement, wanted).mappings()
    return [ItemView(**row) for row in rows]


def find_items(connection: sa.Connection, prefix: str) -> list[ItemView]:
    """The item with this id, or those whose id begins so, two at most: none is unknown, two are not one."""
    if found := [ItemView(**row) for row in connection.execute(SQL["read_items"], {"ids": [prefix]}).mappings()]:
        return found
    escaped = prefix.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    ids = list(connection.execute(SQL["find_item_ids"], {"prefix": f"{escaped}%"}).scalars())
    return [ItemView(**row) for row in connection.execute(SQL["read_items"], {"ids": ids}).mappings()]
