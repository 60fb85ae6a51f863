"""What a person's decision makes of a question: its key or answer, and an explanation that argues for nothing else.

Pure. Who may decide, and whether the question changed meanwhile, is asked in `review.decide.decide`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from worker.errors import DecisionRefused
from worker.messages import decision_replies, published_text
from worker.questions.decision import DecidedItem, Order, Settlement
from worker.questions.explanations import (
    image_block,
    join_blocks,
    option_lines,
    quoted_sources,
    reminder_block,
    source_lines,
)
from worker.questions.question import Question
from worker.questions.short_answers import same_answer
from worker.text.markup import without_markup

# What a person types into a form of ours. Keys of uploads, in all their spellings, are read by `upload.parsing`.
_TYPED_KEY = re.compile(r"[A-J](?:[ ,;]{0,3}[A-J]){0,9}")

Look = Mapping[str, Any]


def settle(item: DecidedItem, order: Order) -> Settlement:
    """The question after `accept`, `keep`, `edit` or `discard`.

    Raises `DecisionRefused` with a French sentence when the decision says nothing certain: two analyses that differ
    cannot be accepted, a key that is not there cannot be kept, a letter without an option is no key.
    """
    match order.action:
        case "accept":
            return _accept(item)
        case "keep":
            return _keep(item.question)
        case "edit":
            return _edit(item, order)
        case _:
            return _discard(item)


def _accept(item: DecidedItem) -> Settlement:
    value = _agreed(item.looks, item.question)
    # What the file explains accompanied the key that is replaced now; where the file gave none, it stays.
    return _by_analysis(item, value, keeps_uploaded=item.question.official is None)


def _keep(question: Question) -> Settlement:
    if question.official is None:
        raise DecisionRefused(decision_replies.NOTHING_TO_KEEP)
    return _by_person(question, question.official, _uploaded_text(question))


def _edit(item: DecidedItem, order: Order) -> Settlement:
    question = item.question
    value = _typed_value(order, question)
    typed = without_markup(order.explanation or "").strip()
    if typed:
        return _by_person(question, value, typed)
    if value == question.official:
        return _by_person(question, value, _uploaded_text(question))
    if any(_value(look, question) == value for look in item.looks):
        return _by_analysis(item, value, keeps_uploaded=question.official is None)
    return _by_person(question, value, "")


def _discard(item: DecidedItem) -> Settlement:
    stored = item.stored or {}
    return Settlement(
        key=stored.get("correctAnswer"),
        answer=stored.get("answer"),
        explanation=stored.get("explanation") or "",
        is_active=False,
        is_validated=False,
    )


def _by_person(question: Question, value: str, text: str) -> Settlement:
    reminder = reminder_block(question.reminder)
    if reminder is not None and question.reminder and question.reminder in text:
        reminder = None
    image = image_block(None if question.image and question.image in text else question.image)
    return Settlement(
        key=value if question.is_qcm else None,
        answer=None if question.is_qcm else value,
        explanation=join_blocks(text or published_text.EXPLANATION_MISSING, image, reminder),
        needs_explanation=not text,
    )


def _by_analysis(item: DecidedItem, value: str, *, keeps_uploaded: bool) -> Settlement:
    question = item.question
    look = next(look for look in item.looks if _value(look, question) == value)
    options, general = dict(look.get("option_explanations") or {}), look.get("explanation")
    if keeps_uploaded:
        options |= {k: v for k, v in question.option_explanations.items() if k in question.options}
        general = question.explanation or general
    quoted = quoted_sources((c["quote"], c["source"]) for c in look.get("citations") or () if c.get("source"))
    return Settlement(
        key=value if question.is_qcm else None,
        answer=None if question.is_qcm else value,
        explanation=join_blocks(
            option_lines(options),
            general,
            image_block(question.image),
            reminder_block(question.reminder),
            source_lines(quoted),
        ),
    )


def _agreed(looks: Sequence[Look], question: Question) -> str:
    """What the analyses give, the words of the first where two short answers were found to say the same."""
    values = [value for look in looks if (value := _value(look, question))]
    if not values:
        raise DecisionRefused(decision_replies.NOTHING_TO_ACCEPT)
    first, *others = values
    if any(other != first and (question.is_qcm or not same_answer(first, other)) for other in others):
        raise DecisionRefused(decision_replies.looks_differ(values))
    return first


def _value(look: Look, question: Question) -> str | None:
    return look.get("key") if question.is_qcm else look.get("answer")


def _typed_value(order: Order, question: Question) -> str:
    if not question.is_qcm:
        if order.key and not order.answer:
            raise DecisionRefused(decision_replies.ANSWER_NOT_KEY)
        if not (answer := without_markup(order.answer or "").strip()):
            raise DecisionRefused(decision_replies.ANSWER_WANTED)
        return answer
    typed = (order.key or "").strip().upper()
    if not typed:
        raise DecisionRefused(decision_replies.key_wanted(sorted(question.options)))
    letters = {c for c in typed if c.isalpha()}
    if not _TYPED_KEY.fullmatch(typed) or not letters <= question.options.keys():
        raise DecisionRefused(decision_replies.key_not_understood(order.key or "", sorted(question.options)))
    return "".join(sorted(letters))


def _uploaded_text(question: Question) -> str:
    """What a person wrote in the file, per option and as a whole; "" when nobody did."""
    options = {k: v for k, v in question.option_explanations.items() if k in question.options}
    return join_blocks(option_lines(options), question.explanation)
