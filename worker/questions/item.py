"""One row of the upload on its way through the line: as planned by `prepare`, and as read back by `analyse`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.questions.answers import Outcome
from worker.questions.excerpt import Excerpt
from worker.questions.question import ParsedRow, Question

# In the result of a row whose question a person settled otherwise than the file says: the key or answer that stands.
DECIDED = "decided"


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """What `prepare` decided about a row. `outcome` is set when no analysis is needed.

    `duplicate_of` is the position of the item whose outcome this one shares; `batch` the analyse task's position.
    """

    position: int
    row: ParsedRow
    content_hash: str | None = None
    outcome: Outcome | None = None
    reason: str | None = None
    duplicate_of: int | None = None
    question_id: str | None = None
    batch: int | None = None
    result: Mapping[str, Any] | None = None  # of a row that has its earlier outcome again, or `DECIDED`


@dataclass(frozen=True, slots=True)
class PendingItem:
    """An item that waits for its analysis. `excerpts` of courses are shown at the first look only."""

    id: str
    question: Question
    content_hash: str
    excerpts: tuple[Excerpt, ...] = ()


def question_id(content_hash: str) -> str:
    """The id of the question with this content: the same file gives the same ids at every run."""
    return "q" + content_hash[:24]
