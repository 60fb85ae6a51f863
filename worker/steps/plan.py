"""Decide, before any call is paid, which rows need an analysis, and put those into batches. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from worker.shapes.items import PlannedItem, question_id
from worker.shapes.questions import ParsedRow, Question
from worker.shapes.rules import QuestionRules
from worker.shapes.sentences import VALIDATED_BY_PERSON

# A batch is cut before it would ask for more than a small model's window: about 8,000 tokens of French.
MAX_BATCH_CHARACTERS = 24_000


def plan_items(
    rows: Sequence[ParsedRow], *, validated_by_person: Callable[[Sequence[str]], set[str]], rules: QuestionRules
) -> list[PlannedItem]:
    """One item per row, in order. Settled at once: rejected rows, conflicting rows, repeats, and questions that a
    person validated (`validated_by_person` tells which of these question ids are).
    """
    hashes = [row.question.content_hash() if row.question else None for row in rows]
    groups: dict[str, list[int]] = defaultdict(list)
    for position, content_hash in enumerate(hashes):
        if content_hash:
            groups[content_hash].append(position)
    validated = validated_by_person([question_id(content_hash) for content_hash in groups])
    items: list[PlannedItem] = []
    for position, (row, content_hash) in enumerate(zip(rows, hashes, strict=True)):
        if row.question is None or content_hash is None:
            items.append(PlannedItem(position, row, outcome="rejected", reason=row.rejection))
            continue
        if question_id(content_hash) in validated:
            items.append(
                PlannedItem(
                    position, row, content_hash, "duplicate", VALIDATED_BY_PERSON, question_id=question_id(content_hash)
                )
            )
            continue
        items.append(
            _plan_question(rows, groups[content_hash], position=position, content_hash=content_hash, rules=rules)
        )
    return items


def _plan_question(
    rows: Sequence[ParsedRow], group: Sequence[int], *, position: int, content_hash: str, rules: QuestionRules
) -> PlannedItem:
    row = rows[position]
    if conflict := _conflict(position, rows, group):
        return PlannedItem(position, row, content_hash, "contested", conflict)
    if row.question and (refusal := rules.refusal(row.question, row.question.official_key)):
        return PlannedItem(position, row, content_hash, "rejected", refusal)
    keyed = [other for other in group if _official(rows[other])]
    first = (keyed or list(group))[0]
    if first != position:
        return PlannedItem(position, row, content_hash, duplicate_of=first)
    return PlannedItem(position, row, content_hash)


def _official(row: ParsedRow) -> str | None:
    return row.question.official if row.question else None


def _conflict(position: int, rows: Sequence[ParsedRow], group: Sequence[int]) -> str | None:
    """The French reason when rows of the same content carry different official answers; none of them is chosen."""
    answers = {_fold(_official(rows[other])) for other in group if _official(rows[other])}
    if len(answers) < 2:
        return None
    own = _official(rows[position])
    others = [other for other in group if other != position and _fold(_official(rows[other])) != _fold(own)]
    named = ", ".join(_name(rows[other]) for other in others)
    return f"Même contenu, réponse officielle différente : ici {own or 'aucune'}, {named}. Aucune n'a été retenue."


def _name(row: ParsedRow) -> str:
    return f"ligne {row.row_number} de la feuille « {row.sheet} » ({_official(row) or 'sans réponse'})"


def _fold(answer: str | None) -> str:
    return " ".join((answer or "").casefold().split())


def assign_batches(items: Sequence[PlannedItem], *, batch_size: int) -> list[PlannedItem]:
    """Number the batches (from 0) of the items that wait for an analysis; at most `batch_size` questions each."""
    assigned: list[PlannedItem] = []
    batch, count, characters = 0, 0, 0
    for item in items:
        if item.outcome is not None or item.duplicate_of is not None or item.row.question is None:
            assigned.append(item)
            continue
        size = _size(item.row.question)
        if count and (count >= batch_size or characters + size > MAX_BATCH_CHARACTERS):
            batch, count, characters = batch + 1, 0, 0
        assigned.append(PlannedItem(item.position, item.row, item.content_hash, batch=batch))
        count, characters = count + 1, characters + size
    return assigned


def _size(question: Question) -> int:
    texts: Mapping[str, str] = question.options
    return len(question.case_text or "") + len(question.text) + sum(map(len, texts.values()))
