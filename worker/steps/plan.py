"""Decide, before any call is paid, which rows need an analysis, and put those into batches. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from worker.shapes.items import PlannedItem, question_id
from worker.shapes.questions import ParsedRow, Question
from worker.shapes.rules import QuestionRules
from worker.shapes.sentences import VALIDATED_BY_PERSON, count
from worker.shapes.sizes import CHARACTERS_PER_TOKEN, MAX_PROMPT_TOKENS, MAX_REPLY_TOKENS, REPLY_SHARE, reply_ceiling

# Replies differ: a batch is planned for three quarters of the longest one.
REPLY_MARGIN = 0.75
# Conflicting rows that a reason names; it stays readable in a cell however many there are.
MAX_NAMED_ROWS = 5


@dataclass(frozen=True, slots=True)
class _Group:
    """The rows of one content, in the order of the file. Built once: a file may repeat one row 100,000 times."""

    chosen: int  # position of the row that is analysed for all: the first with an official answer, else the first
    holders: Mapping[str, Sequence[int]]  # folded official answer → positions of the rows that carry it
    answered: int  # rows with an official answer


def plan_items(
    rows: Sequence[ParsedRow], *, validated_by_person: Callable[[Sequence[str]], set[str]], rules: QuestionRules
) -> list[PlannedItem]:
    """One item per row, in order. Settled at once: rejected rows, conflicting rows, repeats, and questions that a
    person validated (`validated_by_person` tells which of these question ids are).
    """
    hashes = [row.question.content_hash() if row.question else None for row in rows]
    groups = _group_rows(rows, hashes)
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


def _group_rows(rows: Sequence[ParsedRow], hashes: Sequence[str | None]) -> dict[str, _Group]:
    positions: dict[str, list[int]] = defaultdict(list)
    for position, content_hash in enumerate(hashes):
        if content_hash:
            positions[content_hash].append(position)
    return {content_hash: _group(rows, members) for content_hash, members in positions.items()}


def _group(rows: Sequence[ParsedRow], members: Sequence[int]) -> _Group:
    holders: dict[str, list[int]] = defaultdict(list)
    for position in members:
        if official := _official(rows[position]):
            holders[_fold(official)].append(position)
    firsts = [held[0] for held in holders.values()]
    return _Group(
        chosen=min(firsts, default=members[0]), holders=holders, answered=sum(len(held) for held in holders.values())
    )


def _plan_question(
    rows: Sequence[ParsedRow], group: _Group, *, position: int, content_hash: str, rules: QuestionRules
) -> PlannedItem:
    row = rows[position]
    if conflict := _conflict(position, rows, group):
        return PlannedItem(position, row, content_hash, "contested", conflict)
    # Asked of the chosen row for every repeat: one that waited for a row settled here would wait for ever.
    chosen = rows[group.chosen].question
    if chosen and (refusal := rules.refusal(chosen, chosen.official_key)):
        return PlannedItem(position, row, content_hash, "rejected", refusal)
    if group.chosen != position:
        return PlannedItem(position, row, content_hash, duplicate_of=group.chosen)
    return PlannedItem(position, row, content_hash)


def _official(row: ParsedRow) -> str | None:
    return row.question.official if row.question else None


def _conflict(position: int, rows: Sequence[ParsedRow], group: _Group) -> str | None:
    """The French reason when rows of the same content carry different official answers; none of them is chosen."""
    if len(group.holders) < 2:
        return None
    own = _official(rows[position])
    others = (other for answer, held in group.holders.items() if answer != _fold(own) for other in held)
    named = [_name(rows[other]) for other in sorted(islice(others, MAX_NAMED_ROWS))]
    if more := group.answered - len(group.holders.get(_fold(own), ())) - len(named):
        named.append(f"et {count(more, 'autre ligne', 'autres lignes')}")
    answers = f"ici {own or 'aucune'}, {', '.join(named)}"
    return f"Même contenu, réponse officielle différente : {answers}. Aucune n'a été retenue."


def _name(row: ParsedRow) -> str:
    return f"ligne {row.row_number} de la feuille « {row.sheet} » ({_official(row) or 'sans réponse'})"


def _fold(answer: str | None) -> str:
    return " ".join((answer or "").casefold().split())


def assign_batches(
    items: Sequence[PlannedItem],
    *,
    batch_size: int,
    characters_per_token: float = CHARACTERS_PER_TOKEN,
    reply_share: float = REPLY_SHARE,
) -> list[PlannedItem]:
    """Number the batches (from 0) of the items that wait for an analysis, in the order of the file.

    At most `batch_size` questions each, and no more than one call can read and answer: estimated from their
    characters, `characters_per_token` and the share of its ceiling that a reply takes.
    """
    assigned: list[PlannedItem] = []
    batch, held = 0, _Load()
    for item in items:
        if item.outcome is not None or item.duplicate_of is not None or item.row.question is None:
            assigned.append(item)
            continue
        grown = held.with_question(item.row.question)
        if held.questions and (grown.questions > batch_size or not grown.fits(characters_per_token, reply_share)):
            batch, grown = batch + 1, _Load().with_question(item.row.question)
        held = grown
        assigned.append(PlannedItem(item.position, item.row, item.content_hash, batch=batch))
    return assigned


@dataclass(frozen=True, slots=True)
class _Load:
    """What a batch holds so far."""

    questions: int = 0
    options: int = 0
    characters: int = 0

    def with_question(self, question: Question) -> _Load:
        texts: Mapping[str, str] = question.options
        size = len(question.case_text or "") + len(question.text) + sum(map(len, texts.values()))
        return _Load(self.questions + 1, self.options + len(texts), self.characters + size)

    def fits(self, characters_per_token: float, reply_share: float) -> bool:
        ceiling = reply_ceiling(questions=self.questions, options=self.options, characters=self.characters)
        return (
            self.characters / characters_per_token <= MAX_PROMPT_TOKENS
            and ceiling * reply_share <= MAX_REPLY_TOKENS * REPLY_MARGIN
        )
