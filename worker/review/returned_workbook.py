"""A workbook that comes back with decisions: each is given to `decide`, and what became of it is said row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from worker.db.engine import Database
from worker.errors import DecisionRefused
from worker.messages import decision_replies
from worker.questions.decision import Action, Decided, Order
from worker.questions.question import Question
from worker.questions.sheets import RawSheet
from worker.review import decision_store
from worker.review.decide import decide
from worker.review.decision_store import ItemView
from worker.settings import Settings
from worker.upload.parsing.returned import TypedDecision, is_review, read_decisions, read_value
from worker.upload.reading import read_sheets


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of one row's decision. `reason` is the French sentence why it was refused."""

    sheet: str
    row_number: int
    item_id: str | None
    word: str
    state: Literal["settled", "stands", "refused"]
    reason: str | None = None
    decided: Decided | None = None


def read_review(data: bytes, file_name: str, settings: Settings) -> Sequence[RawSheet]:
    """The sheets `À revoir` of a corrected workbook, if it has any. Raises `JobFailed` as `read_sheets` does."""
    max_bytes = settings.max_file_bytes
    sheets = read_sheets(data, file_name, max_bytes=max_bytes, max_rows=settings.max_rows)
    return [sheet for sheet in sheets if is_review(sheet)]


def settle_returned(
    database: Database, sheets: Sequence[RawSheet], user: str, *, job_id: str | None = None
) -> Iterator[TakenIn]:
    """Settle what `À revoir` decides, in the order of its rows; a row that is refused stops nothing.

    `user` is an e-mail or an id. With `job_id` rows of any other job are refused. Raises `DecisionRefused` when this
    user may not decide at all. A decision stands on what the person saw in the workbook: a question that changed since
    is refused.
    """
    if database.transact(lambda c: decision_store.find_user(c, user)) is None:
        raise DecisionRefused(decision_replies.may_not_decide(user))
    for sheet in sheets:
        for typed in read_decisions(sheet):
            yield _settle(database, typed, user, job_id)


def _settle(database: Database, typed: TypedDecision, user: str, job_id: str | None) -> TakenIn:
    item_id = typed.mark.item_id if typed.mark else None
    try:
        decided = decide(database, _order(database, typed, user, job_id))
    except DecisionRefused as error:
        return TakenIn(typed.sheet, typed.row_number, item_id, typed.word, "refused", reason=str(error))
    state: Literal["settled", "stands"] = "settled" if decided.is_new else "stands"
    return TakenIn(typed.sheet, typed.row_number, item_id, typed.word, state, decided=decided)


def _order(database: Database, typed: TypedDecision, user: str, job_id: str | None) -> Order:
    action: Action = typed.action
    if typed.mark is None:
        raise DecisionRefused(decision_replies.ROW_NOT_KNOWN)
    key, answer = None, None
    if action == "edit" or job_id is not None:
        item = _find_item(database, typed.mark.item_id)
        if job_id not in (None, item.job_id):
            raise DecisionRefused(decision_replies.ROW_OF_ANOTHER_JOB)
        if action == "edit":
            key, answer = read_value(typed, Question.from_json(item.question or {}))
    return Order(
        typed.mark.item_id,
        action,
        user,
        "workbook",
        key=key,
        answer=answer,
        explanation=typed.explanation or None,
        comment=typed.comment or None,
        version=typed.mark.version,
    )


def _find_item(database: Database, item_id: str) -> ItemView:
    found = database.transact(lambda c: decision_store.find_items(c, item_id))
    item = next((item for item in found if item.id == item_id), None)
    if item is None or item.question is None:
        raise DecisionRefused(decision_replies.NO_SUCH_ITEM)
    return item
