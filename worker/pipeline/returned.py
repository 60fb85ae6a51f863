"""A workbook that comes back with decisions: each is given to `decide`, and what became of it is said row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from worker.adapters import decisions
from worker.adapters.db import Database
from worker.errors import DecisionRefused
from worker.pipeline.deciding import decide
from worker.shapes import sentences
from worker.shapes.decisions import Action, Decided, Order
from worker.shapes.questions import Question
from worker.shapes.uploads import RawSheet
from worker.steps.parse.returned import TypedDecision, read_decisions, read_value


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


def settle_returned(database: Database, sheets: Sequence[RawSheet], user: str) -> Iterator[TakenIn]:
    """Settle what `À revoir` decides, in the order of its rows; a row that is refused stops nothing.

    `user` is an e-mail or an id. Raises `DecisionRefused` when this user may not decide at all. A decision stands on
    what the person saw in the workbook: a question that changed since is refused.
    """
    if database.transact(lambda c: decisions.find_user(c, user)) is None:
        raise DecisionRefused(sentences.may_not_decide(user))
    for sheet in sheets:
        for typed in read_decisions(sheet):
            yield _settle(database, typed, user)


def _settle(database: Database, typed: TypedDecision, user: str) -> TakenIn:
    item_id = typed.mark.item_id if typed.mark else None
    try:
        decided = decide(database, _order(database, typed, user))
    except DecisionRefused as error:
        return TakenIn(typed.sheet, typed.row_number, item_id, typed.word, "refused", reason=str(error))
    state: Literal["settled", "stands"] = "settled" if decided.is_new else "stands"
    return TakenIn(typed.sheet, typed.row_number, item_id, typed.word, state, decided=decided)


def _order(database: Database, typed: TypedDecision, user: str) -> Order:
    action: Action = typed.action
    if typed.mark is None:
        raise DecisionRefused(sentences.ROW_NOT_KNOWN)
    key, answer = None, None
    if action == "edit":
        key, answer = read_value(typed, _find_question(database, typed.mark.item_id))
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


def _find_question(database: Database, item_id: str) -> Question:
    found = database.transact(lambda c: decisions.find_items(c, item_id))
    question = next((item.question for item in found if item.id == item_id), None)
    if question is None:
        raise DecisionRefused(sentences.NO_SUCH_ITEM)
    return Question.from_json(question)
