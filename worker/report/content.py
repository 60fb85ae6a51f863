"""What the corrected workbook is made of: the rows and figures it shows, and the sheets of cells it becomes.

Nothing here knows a file format; widths are in characters, styles are names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Self

from worker.questions.question import Finding, Question, QuestionType
from worker.questions.sheets import LeftOutSheet, Note, ReadSheet


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One non-empty row of the upload and what became of it.

    `cells` as `ParsedRow.cells`; `result` as `Conclusion.to_json()`. `human_explanations` are the headers among
    `explication`, `explication a…e` whose uploaded text a person wrote (no placeholder): these are never replaced.
    None = unknown: no uploaded text is replaced then.
    """

    sheet: str
    row_number: int
    type: QuestionType
    cells: Mapping[str, str]
    status: str  # "pending" or an outcome
    reason: str | None = None  # French
    findings: tuple[Finding, ...] = ()
    result: Mapping[str, Any] | None = None
    official: str | None = None  # the official key or answer as parsed
    human_explanations: frozenset[str] | None = None
    question: Question | None = None
    item_id: str | None = None
    version: str | None = None  # of an item that waits for a person, as she sees it in this workbook

    @classmethod
    def from_stored(
        cls,
        *,
        sheet: str,
        row_number: int,
        type: QuestionType,  # noqa: A002 - the column's name
        cells: Mapping[str, str],
        status: str,
        reason: str | None,
        findings: Sequence[Mapping[str, Any]],
        result: Mapping[str, Any] | None,
        question: Mapping[str, Any] | None,
        item_id: str | None = None,
        version: str | None = None,
    ) -> Self:
        """Build a row from an item's columns; `question` as `Question.to_json()`, None for a refused row."""
        parsed = None if question is None else Question.from_json(question)
        return cls(
            sheet=sheet,
            row_number=row_number,
            type=type,
            cells=cells,
            status=status,
            reason=reason,
            findings=tuple(Finding(**finding) for finding in findings),
            result=result,
            official=parsed.official if parsed else None,
            human_explanations=human_explanations(parsed) if parsed else None,
            question=parsed,
            item_id=item_id,
            version=version,
        )


@dataclass(frozen=True, slots=True)
class RowSelection:
    """Which rows of a job: those that meet every condition given."""

    type: QuestionType | None = None
    statuses: frozenset[str] | None = None
    is_open: bool = False  # only those that wait for a person

    def has(self, row: ReportRow) -> bool:
        """Whether the row is one of them."""
        return (
            (self.type is None or row.type == self.type)
            and (self.statuses is None or row.status in self.statuses)
            and (row.version is not None or not self.is_open)
        )


ALL_ROWS = RowSelection()
RowSource = Callable[[RowSelection], Iterable[ReportRow]]  # the selected rows in the order of the upload, at every call


def source_of(rows: Sequence[ReportRow]) -> RowSource:
    """Rows that are held in memory."""
    return lambda selection: filter(selection.has, rows)


def human_explanations(question: Question) -> frozenset[str]:
    """The canonical headers of the explanations that a person uploaded with this question."""
    letters = {f"explication {letter.lower()}" for letter, text in question.option_explanations.items() if text}
    return frozenset(letters | {"explication"} if question.explanation else letters)


@dataclass(frozen=True, slots=True)
class ReportSummary:
    """The job as a whole. `figures` maps the job's columns ("totalItems", …) to their values, in any order."""

    file_name: str
    status: str  # of the job
    figures: Mapping[str, int] = field(default_factory=dict)
    sheets: tuple[ReadSheet, ...] = ()  # gives unknown columns their order
    left_out: tuple[LeftOutSheet, ...] = ()
    notes: tuple[Note, ...] = ()
    model: str | None = None
    review_model: str | None = None
    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: Decimal | float | None = None  # None = unknown
    batch_calls: int = 0  # of `calls`, those through the provider's Batch API
    batch_cost_usd: Decimal | float | None = None
    cost_by_model: Mapping[str, Decimal | float | None] = field(default_factory=dict)
    embedded_model: bool = False
    instructions: str | None = None
    error_message: str | None = None


CellStyle = Literal[
    "text",
    "changed",  # the worker filled or replaced this cell
    "count",
    "ratio",  # 0–1, shown in percent
    "cost",
    "title",
    "entry",  # for a person to fill in
    "warning",
    "pending",
    "confirmed",
    "corrected",
    "completed",
    "contested",
    "duplicate",
    "rejected",
    "failed",
]


@dataclass(frozen=True, slots=True)
class StyledCell:
    """A cell that is more than plain text. `note` is what a reader sees when pointing at it."""

    value: str | int | float
    style: CellStyle = "text"
    note: str | None = None


ReportCell = str | StyledCell  # a bare text is a StyledCell("…", "text"); "" is an empty cell


@dataclass(frozen=True, slots=True)
class ReportColumn:
    """A column's heading, its width in characters, and whether the worker added it to the upload's own.

    `choices`: the words that its cells may hold, offered as a list.
    """

    header: str
    width: int
    added: bool = False
    is_hidden: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportSheet:
    """One sheet, its rows made while they are read: once, in order, each as long as `columns`."""

    name: str
    columns: tuple[ReportColumn, ...]
    rows: Iterable[Sequence[ReportCell]]
    filtered: bool = True
    frozen_columns: int = 0  # that stay in sight when the others are scrolled
    fits_page: bool = False  # printed across a page, its header on each
