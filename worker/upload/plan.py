"""Decide, before any call is paid, which rows need an analysis, and put those into batches. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from worker.llm.sizes import CHARACTERS_PER_TOKEN, MAX_PROMPT_TOKENS, UNKNOWN, Capacity, reply_ceiling
from worker.messages import row_reasons
from worker.questions.history import EarlierItem, Standing, key_conflict, official_form
from worker.questions.item import DECIDED, PlannedItem
from worker.questions.question import ParsedRow, Question
from worker.questions.rules import QuestionRules

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
    rows: Sequence[ParsedRow],
    *,
    rules: QuestionRules,
    standing: Callable[[Mapping[str, Question]], Mapping[str, Standing]] = lambda _contents: {},
    returns: Mapping[int, EarlierItem] | None = None,
) -> list[PlannedItem]:
    """One item per row, in order. Settled at once: rejected rows, conflicting rows, repeats, and questions that are
    stored already and are a person's, or have another official key there (`standing` tells what is stored, by content).
    So are rows that come back from a workbook of ours with the analysis' own key: `returns` (by position) gives the
    earlier row, whose outcome they have again.
    """
    hashes = [row.question.content_hash() if row.question else None for row in rows]
    groups = _group_rows(rows, hashes)
    contents = {h: question for h, group in groups.items() if (question := rows[group.chosen].question)}
    stored = standing(contents)
    items: list[PlannedItem] = []
    for position, (row, content_hash) in enumerate(zip(rows, hashes, strict=True)):
        if row.question is None or content_hash is None:
            items.append(PlannedItem(position, row, outcome="rejected", reason=row.rejection))
            continue
        plan = _Plan(rows, groups[content_hash], content_hash, stored.get(content_hash), returns or {}, rules)
        items.append(plan.item(position))
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
            holders[official_form(official)].append(position)
    firsts = [held[0] for held in holders.values()]
    return _Group(
        chosen=min(firsts, default=members[0]), holders=holders, answered=sum(len(held) for held in holders.values())
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is decided about the rows of one content."""

    rows: Sequence[ParsedRow]
    group: _Group
    content_hash: str
    stored: Standing | None
    returns: Mapping[int, EarlierItem]
    rules: QuestionRules

    def item(self, position: int) -> PlannedItem:
        """The item of one of these rows."""
        if owned := self._owned(position):
            return owned
        row = self.rows[position]
        if conflict := _conflict(position, self.rows, self.group):
            return PlannedItem(position, row, self.content_hash, "contested", conflict)
        # Asked of the chosen row for every repeat: one that waited for a row settled here would wait for ever.
        chosen = self.rows[self.group.chosen].question
        if chosen and (refusal := self.rules.refusal(chosen, chosen.official_key)):
            return PlannedItem(position, row, self.content_hash, "rejected", refusal)
        settled = self._settled()
        if position == self.group.chosen:
            return settled or PlannedItem(position, row, self.content_hash)
        if settled is None:
            return PlannedItem(position, row, self.content_hash, duplicate_of=self.group.chosen)
        first = self.rows[self.group.chosen]
        return PlannedItem(
            position,
            row,
            self.content_hash,
            "duplicate",
            row_reasons.same_content(first.row_number, first.sheet),
            duplicate_of=self.group.chosen,
            question_id=settled.question_id,
        )

    def _owned(self, position: int) -> PlannedItem | None:
        """A question that a person validated or wrote, and one whose key a file gave where this row gives none."""
        stored, own = self.stored, _official(self.rows[position])
        if stored is None:
            return None
        result = None
        if stored.is_rewritten:
            reason = row_reasons.REWRITTEN_BY_PERSON
        elif stored.by_person:
            is_other = official_form(own) != official_form(stored.official)
            reason = row_reasons.validated_by_person(stored.official, own if is_other else None)
            result = {DECIDED: stored.official} if is_other else None
        elif stored.given is not None and not self.group.answered:
            reason = row_reasons.already_given(stored.given, stored.file_name)
        else:
            return None
        return PlannedItem(
            position,
            self.rows[position],
            self.content_hash,
            "duplicate",
            reason,
            question_id=stored.question_id,
            result=result,
        )

    def _settled(self) -> PlannedItem | None:
        """The chosen row's item when no analysis is needed: its earlier outcome, or a key that another file denies."""
        chosen, stored = self.group.chosen, self.stored
        row = self.rows[chosen]
        if stored is None:
            return None
        if (earlier := self.returns.get(chosen)) and stored.official == earlier.value:
            return PlannedItem(
                chosen,
                row,
                self.content_hash,
                "corrected" if earlier.status == "corrected" else "completed",
                earlier.reason,
                question_id=stored.question_id,
                result=earlier.result,
            )
        if reason := key_conflict(stored, _official(row)):
            return PlannedItem(chosen, row, self.content_hash, "contested", reason, question_id=stored.question_id)
        return None


def _official(row: ParsedRow) -> str | None:
    return row.question.official if row.question else None


def _conflict(position: int, rows: Sequence[ParsedRow], group: _Group) -> str | None:
    """The French reason when rows of the same content carry different official answers; none of them is chosen."""
    if len(group.holders) < 2:
        return None
    own = _official(rows[position])
    others = (other for answer, held in group.holders.items() if answer != official_form(own) for other in held)
    named = [_name(rows[other]) for other in sorted(islice(others, MAX_NAMED_ROWS))]
    more = group.answered - len(group.holders.get(official_form(own), ())) - len(named)
    return row_reasons.conflicting_rows(own, named, more)


def _name(row: ParsedRow) -> str:
    return row_reasons.row_with_answer(row.row_number, row.sheet, _official(row))


def assign_batches(
    items: Sequence[PlannedItem],
    *,
    batch_size: int,
    characters_per_token: float = CHARACTERS_PER_TOKEN,
    capacity: Capacity = UNKNOWN,
) -> list[PlannedItem]:
    """Number the batches (from 0) of the items that wait for an analysis, in the order of the file.

    At most `batch_size` questions each, and no more than one call can read and answer: estimated from their
    characters, `characters_per_token` and what the model takes and writes.
    """
    assigned: list[PlannedItem] = []
    batch, held = 0, _Load()
    for item in items:
        if item.outcome is not None or item.duplicate_of is not None or item.row.question is None:
            assigned.append(item)
            continue
        grown = held.with_question(item.row.question)
        if held.questions and (grown.questions > batch_size or not grown.fits(characters_per_token, capacity)):
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

    def fits(self, characters_per_token: float, capacity: Capacity) -> bool:
        base = reply_ceiling(questions=self.questions, options=self.options, characters=self.characters)
        is_short = self.characters / characters_per_token <= MAX_PROMPT_TOKENS
        return is_short and capacity.fits(base, prompt_characters=self.characters, margin=1 / REPLY_MARGIN)
