"""What a person decides about a question that an analysis left open, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from worker.messages import workbook_words
from worker.questions.question import Question

Action = Literal["accept", "keep", "edit", "discard", "undo"]
ACTIONS: tuple[Action, ...] = ("accept", "keep", "edit", "discard", "undo")
# What a teacher chooses in the workbook.
DECISION_WORDS: Mapping[str, Action] = {
    workbook_words.KEEP: "keep",
    workbook_words.ACCEPT: "accept",
    workbook_words.EDIT: "edit",
    workbook_words.DISCARD: "discard",
}
Source = Literal["page", "api", "command", "workbook"]
OPEN_OUTCOMES = frozenset({"contested", "completed", "corrected", "failed"})


@dataclass(frozen=True, slots=True)
class Order:
    """One decision as a person gave it.

    `key`, `answer` and `explanation` are what she typed, None where she typed nothing. `version` is that of the item
    as she saw it (`OpenItem.version`); None decides on the item as it is now.
    """

    item_id: str
    action: Action
    user_id: str
    source: Source
    key: str | None = None
    answer: str | None = None
    explanation: str | None = None
    comment: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class DecidedItem:
    """An item with all that a decision stands on: the row as understood, what the analysis said, what is stored.

    `stored` is the question's row as JSON (None: there is none yet), `standing` the decisions that were not undone,
    oldest first.
    """

    id: str
    job_id: str
    outcome: str
    question: Question
    content_hash: str
    result: Mapping[str, Any]
    question_id: str | None
    stored: Mapping[str, Any] | None
    standing: tuple[Mapping[str, Any], ...]
    version: str

    @property
    def looks(self) -> tuple[Mapping[str, Any], ...]:
        """The analyses, as `Conclusion.looks` stored them."""
        return tuple(self.result.get("looks") or ())


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the question becomes by a decision. `needs_explanation`: nobody has explained what stands."""

    key: str | None
    answer: str | None
    explanation: str
    is_active: bool = True
    is_validated: bool = True
    needs_explanation: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of an order. `is_new` is False when the very same decision stood already: nothing was written."""

    decision_id: str
    item_id: str
    question_id: str | None
    is_new: bool
    needs_explanation: bool = False
    other_items: int = 0  # further rows of the same content that were open and are settled with it


@dataclass(frozen=True, slots=True)
class DecidedContent:
    """The decision that stands about one content. `value` is the key or answer that it gave the question; `shown` what
    the person saw (column `shown`): outcome, type, specialty, official, model, looks.
    """

    action: str
    value: str | None
    shown: Mapping[str, Any]


def standing_decisions(decisions: Iterable[Mapping[Any, Any]]) -> tuple[Mapping[Any, Any], ...]:
    """Of the decisions about one content, oldest first, those that were not undone: an undo takes the last one back."""
    stack: list[Mapping[Any, Any]] = []
    for decision in decisions:
        if decision["action"] != "undo":
            stack.append(decision)
        elif stack:
            stack.pop()
    return tuple(stack)
