"""Questions whose passage is known, where it stands, and the figures of a search that was asked for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from worker.questions.proportions import Interval, share, wilson
from worker.questions.question import Question

RECALLED = 5  # recall is counted among so many passages, as many as a prompt holds

System = Literal["worker", "ranking", "bm25"]
Kind = Literal["qcm", "qroc", "all"]


@dataclass(frozen=True, slots=True)
class CourseQuestion:
    """A question and what should be found for it: a text, a document, pages of one. Nothing of it: a foreign subject.

    `row` is that of the file, from 1; `pages` the first and the last one.
    """

    row: int
    question: Question
    passage: str | None = None
    document: str | None = None
    pages: tuple[int, int] | None = None

    @property
    def is_foreign(self) -> bool:
        """Its subject is in no course: nothing should be shown."""
        return self.passage is None and self.document is None


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage as it is stored, and where it stands."""

    id: str
    document: str  # the file's name with up to two folders above it
    text: str
    page: int | None
    last_page: int | None


@dataclass(frozen=True, slots=True)
class Recalled:
    """What one search gave for one question: the place of the first right passage (None: none), how many it showed."""

    rank: int | None
    shown: int


@dataclass(frozen=True, slots=True)
class RecallFigures:
    """The figures of one search over questions of one kind. `reciprocal` is the sum of 1/rank."""

    known: int
    found: int
    first: int
    reciprocal: float
    foreign: int
    foreign_shown: int

    @property
    def mrr(self) -> float | None:
        """Mean reciprocal rank among the passages shown."""
        return share(self.reciprocal, self.known)

    def intervals(self) -> dict[str, Interval | None]:
        """Wilson's at 95 %, by the name of the figure; that of the MRR is wider than need be."""
        return {
            "recall_at_5": wilson(self.found, self.known),
            "recall_at_1": wilson(self.first, self.known),
            "mrr": wilson(self.reciprocal, self.known),
            "foreign_share": wilson(self.foreign_shown, self.foreign),
        }

    def to_json(self) -> dict[str, Any]:
        """A plain dict, with the shares and their intervals."""
        return {
            **asdict(self),
            "recall_at_5": share(self.found, self.known),
            "recall_at_1": share(self.first, self.known),
            "mrr": self.mrr,
            "foreign_share": share(self.foreign_shown, self.foreign),
            "intervals": self.intervals(),
        }


@dataclass(frozen=True, slots=True)
class AskedCourses:
    """One question and what each search gave; `is_read`: the expected passage stands in a document as it was read."""

    question: CourseQuestion
    is_read: bool
    by_system: dict[System, Recalled]

    @property
    def is_missed(self) -> bool:
        """The worker showed something for a foreign subject, or not what should be found."""
        worker = self.by_system["worker"]
        return worker.shown > 0 if self.question.is_foreign else worker.rank is None


@dataclass(frozen=True, slots=True)
class CourseRecall:
    """What `medq eval --courses` measured."""

    documents: int
    pages: int
    passages: int
    refused: int
    search_ms: float  # mean of one batch of five questions
    asked: tuple[AskedCourses, ...]

    def figures(self, system: System, kind: Kind) -> RecallFigures:
        """Those of one search, over the questions of one kind."""
        chosen = [one for one in self.asked if kind in ("all", one.question.question.type)]
        known = [one.by_system[system] for one in chosen if not one.question.is_foreign]
        foreign = [one.by_system[system] for one in chosen if one.question.is_foreign]
        ranks = [one.rank for one in known if one.rank is not None]
        return RecallFigures(
            known=len(known),
            found=len(ranks),
            first=ranks.count(1),
            reciprocal=sum(1 / rank for rank in ranks),
            foreign=len(foreign),
            foreign_shown=sum(one.shown > 0 for one in foreign),
        )

    @property
    def kinds(self) -> Sequence[Kind]:
        """The kinds of questions there are, and all together where there are two."""
        there: list[Kind] = [k for k in ("qcm", "qroc") if any(one.question.question.type == k for one in self.asked)]
        return [*there, "all"] if len(there) > 1 else there

    @property
    def missed(self) -> list[AskedCourses]:
        """What the worker's search missed, in the file's order."""
        return [one for one in self.asked if one.is_missed]
