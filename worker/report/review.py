"""`À revoir`: where a teacher settles what is open, on one screen, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from worker.messages import workbook_words
from worker.questions.decision import DECISION_WORDS
from worker.questions.explanations import join_blocks, option_lines
from worker.questions.question import Question
from worker.questions.row_marks import MARK_HEADER, ReviewMark
from worker.report.cells import reason_cell, status_cell
from worker.report.columns import DECISION_HEADERS, REVIEW_WIDTHS
from worker.report.content import ReportCell, ReportColumn, ReportRow, ReportSheet, RowSelection, RowSource, StyledCell
from worker.text.french import NO_BREAK

NOTE_CHARACTERS = 1_500  # of an analysis' explanation, shown when pointing at its answer


def review_sheet(rows: RowSource) -> ReportSheet:
    """All rows that wait for a person, of every type, in the order of the upload."""

    def cells() -> Iterator[Sequence[ReportCell]]:
        for row in rows(RowSelection(is_open=True)):
            yield _review_cells(row)

    columns = [
        ReportColumn(
            header,
            width,
            added=header in DECISION_HEADERS,
            choices=tuple(DECISION_WORDS) if header == workbook_words.DECISION else (),
        )
        for header, width in REVIEW_WIDTHS.items()
    ]
    hidden = ReportColumn(MARK_HEADER, 12, added=True, is_hidden=True)
    return ReportSheet(workbook_words.REVIEW_SHEET, (*columns, hidden), cells(), frozen_columns=2, fits_page=True)


def _review_cells(row: ReportRow) -> list[ReportCell]:
    looks: Sequence[Mapping[str, Any]] = (row.result or {}).get("looks") or ()
    first, second = (looks[0] if looks else None), (looks[-1] if len(looks) > 1 else None)
    question = row.question
    mark = ReviewMark(row.item_id or "", row.version or "").write()
    shown: list[ReportCell] = [
        row.sheet,
        StyledCell(row.row_number, "count"),
        status_cell(row.status),
        _asked(question),
        "\n".join(f"{letter}. {text}" for letter, text in sorted(question.options.items())) if question else "",
        row.official or workbook_words.NO_ANSWER,
        _look_cell(first, question),
        _look_cell(second, question),
        reason_cell(row.reason, row.findings),
    ]
    return [*shown, *_entries(), mark]


def _entries() -> list[ReportCell]:
    return [StyledCell("", "entry") for _ in DECISION_HEADERS]


def _asked(question: Question | None) -> str:
    """The question first, for a row is no higher than a screen; then the case that it is about."""
    if question is None:
        return ""
    return join_blocks(question.text, workbook_words.case(question.case_text) if question.case_text else None)


def _look_cell(look: Mapping[str, Any] | None, question: Question | None) -> ReportCell:
    """What one analysis answers and how sure it is; its explanation as a note."""
    if look is None:
        return ""
    said = look.get("key") or look.get("answer")
    if not said:
        said = workbook_words.UPHELD if look.get("verdict") == "upholds" else workbook_words.NO_ANSWER
    confidence = look.get("confidence")
    shown = said if confidence is None else f"{said} ({round(100 * confidence)}{NO_BREAK}%)"
    options = look.get("option_explanations") or {}
    letters = question.options if question else {}
    note = join_blocks(option_lines({k: v for k, v in options.items() if k in letters}), look.get("explanation"))
    return StyledCell(shown, "text", note[:NOTE_CHARACTERS] or None)
