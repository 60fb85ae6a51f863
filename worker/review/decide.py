"""A person settles what an analysis left open: one transaction for every way in (page, API, command, workbook)."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from worker.db.engine import Database
from worker.errors import DecisionConflict, DecisionRefused
from worker.logging import get_logger
from worker.messages import decision_replies, job_progress, published_text
from worker.questions import place_store, question_store
from worker.questions.decision import OPEN_OUTCOMES, Decided, DecidedItem, Order, Settlement
from worker.questions.places import PlacesMissing, Wanted
from worker.questions.question import LETTERS, fold_text
from worker.review import decision_store
from worker.review.settle import settle
from worker.text.markup import without_markup

log = get_logger()

TRIES = 5  # against somebody who renames or removes specialties at the same time


def decide(database: Database, order: Order) -> Decided:
    """Settle one question, and every row of the same content with it, in the person's name.

    `order.user_id` may be an e-mail. The same decision given again changes nothing. Raises `DecisionRefused` with a
    French sentence: nobody who may decide, nothing to decide, a key that is none; `DecisionConflict` when the
    question changed since it was shown or somebody else settled it. Nothing is written then.
    """
    decided = _commit(database, order)
    log.info(
        "decided" if decided.is_new else "decision_stands",
        item_id=decided.item_id,
        question_id=decided.question_id,
        action=order.action,
        source=order.source,
    )
    return decided


def _commit(database: Database, order: Order) -> Decided:
    """Decide, whatever is done meanwhile to the specialty and the course of a question that is written only now."""
    for _ in range(TRIES):
        try:
            return database.transact(lambda c: _decide(c, order))
        except question_store.QuestionAppeared:
            continue
        except PlacesMissing as missing:
            wanted = missing.wanted
            database.transact(lambda c, wanted=wanted: place_store.make_places(c, wanted))  # type: ignore[misc]
    return database.transact(lambda c: _decide(c, order))


def _decide(connection: sa.Connection, order: Order) -> Decided:
    user_id = decision_store.find_user(connection, order.user_id)
    if user_id is None:
        raise DecisionRefused(decision_replies.may_not_decide(order.user_id))
    order = replace(order, user_id=user_id)
    loaded = decision_store.lock_item(connection, order.item_id)
    if loaded is None:
        raise DecisionRefused(decision_replies.NO_SUCH_ITEM)
    item = loaded.item
    if order.action == "undo":
        decided = _undo(connection, item, order)
    else:
        settlement = settle(item, order)
        if (stands := _same_decision(item, order, settlement)) is not None:
            waits = str((item.stored or {}).get("explanation")).startswith(published_text.EXPLANATION_MISSING)
            return Decided(stands, item.id, item.question_id, is_new=False, needs_explanation=waits)
        _check_open(item, order, is_open=loaded.is_open)
        decided = _settle(connection, item, order, settlement)
    for job_id, message in decision_store.read_last_words(connection, loaded.job_ids).items():
        decision_store.set_message(
            connection, job_id, job_progress.with_open(message, decision_store.count_open(connection, job_id))
        )
    return replace(decided, other_items=len(loaded.open_same_content))


def _same_decision(item: DecidedItem, order: Order, settlement: Settlement) -> str | None:
    """The id of the decision that stands, when it is this very one."""
    if not item.standing:
        return None
    last = item.standing[-1]
    given = (order.action, settlement.key, settlement.answer, order.explanation, order.comment, order.user_id)
    stands = tuple(last[name] for name in ("action", "key", "answer", "explanation", "comment", "userId"))
    return str(last["id"]) if given == stands else None


def _check_open(item: DecidedItem, order: Order, *, is_open: bool) -> None:
    if item.standing and item.standing[-1]["userId"] != order.user_id:
        last = item.standing[-1]
        raise DecisionConflict(
            decision_replies.settled_by(last["userName"] or decision_replies.SOMEBODY, last["createdAt"])
        )
    if order.version is not None and order.version != item.version:
        raise DecisionConflict(decision_replies.QUESTION_CHANGED)
    if item.outcome not in OPEN_OUTCOMES or not (is_open or item.standing):
        raise DecisionRefused(decision_replies.NOT_OPEN)
    if order.action != "discard" and item.stored is not None and not _is_as_analysed(item):
        raise DecisionConflict(decision_replies.QUESTION_REWRITTEN)


def _is_as_analysed(item: DecidedItem) -> bool:
    """Whether the platform's row still asks what the analysis answered."""
    stored, question = item.stored or {}, item.question
    texts = {letter: stored.get(f"option{letter}") for letter in LETTERS}
    options = {letter: fold_text(text) for letter, text in texts.items() if text is not None}
    asked = {letter: fold_text(without_markup(text)) for letter, text in question.options.items()}
    same_text = fold_text(stored.get("questionText") or "") == fold_text(without_markup(question.text))
    return same_text and options == asked


def _settle(connection: sa.Connection, item: DecidedItem, order: Order, settlement: Settlement) -> Decided:
    exists = item.stored is not None
    if order.action != "discard":
        rules = place_store.read_rules(connection)
        if refusal := rules.refusal(item.question, settlement.key):
            raise DecisionRefused(refusal)
        if not exists:
            _write_question(connection, item, settlement)
            exists = True
    decision_id = decision_store.record(connection, item, order, settlement, question_exists=exists)
    if exists and item.question_id is not None:
        decision_store.settle_question(connection, item.question_id, settlement, user_id=order.user_id)
        decision_store.link_item(connection, item.id, item.question_id)
    return Decided(
        decision_id,
        item.id,
        item.question_id if exists else None,
        is_new=True,
        needs_explanation=settlement.needs_explanation,
    )


def _write_question(connection: sa.Connection, item: DecidedItem, settlement: Settlement) -> None:
    question = item.question
    wanted = Wanted(question.specialty, question.course)
    place = place_store.Directory().find_places(connection, [wanted])[wanted]
    publication = question_store.Publication(
        id=item.question_id or "",
        question=question,
        key=settlement.key,
        answer=settlement.answer,
        explanation=settlement.explanation,
        validated=True,
        specialty_id=place.specialty_id,
        place=place,
        is_new=True,
    )
    question_store.write_questions(connection, [publication])


def _undo(connection: sa.Connection, item: DecidedItem, order: Order) -> Decided:
    if not item.standing:
        raise DecisionRefused(decision_replies.NOTHING_TO_UNDO)
    if order.version is not None and order.version != item.version:
        raise DecisionConflict(decision_replies.QUESTION_CHANGED)
    last = item.standing[-1]
    decision_id = decision_store.record(connection, item, order, None, question_exists=item.stored is not None)
    if item.stored is not None and item.question_id is not None:
        decision_store.restore_question(connection, item.question_id, last["previous"])
    return Decided(decision_id, item.id, item.question_id, is_new=True)
