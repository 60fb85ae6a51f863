"""`Résumé`: what the job came to, what of the file was not read, and how the workbook is sent back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from worker.messages import workbook_words as words
from worker.messages.published_text import EMBEDDED_WARNING
from worker.messages.status_words import JOB_WORDS
from worker.questions.answers import OUTCOMES
from worker.report.cells import status_cell
from worker.report.content import ReportCell, ReportColumn, ReportSheet, ReportSummary, StyledCell
from worker.text.french import typeset


@dataclass
class Scan:
    """What one pass over the rows tells: how many of what, and which columns each type needs."""

    counts: Counter[str] = field(default_factory=Counter)  # by type
    statuses: Counter[str] = field(default_factory=Counter)
    sheets: Counter[str] = field(default_factory=Counter)  # rows by uploaded sheet, in order of appearance
    open_rows: int = 0  # that wait for a person
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)  # type → the upload's own columns


# -- Résumé --------------------------------------------------------------------------------------------------------

_SummaryRow = tuple[ReportCell, ReportCell, ReportCell]


def summary_sheet(summary: ReportSummary, scan: Scan) -> ReportSheet:
    columns = (
        ReportColumn(words.ELEMENT, 34),
        ReportColumn(words.VALUE, 30),
        ReportColumn(words.MEANING, 95),
    )
    rows = [
        *_job_rows(summary, scan),
        *_figure_rows(summary.figures, scan.open_rows),
        *_status_rows(scan),
        *_sheet_rows(summary, scan),
        *_model_rows(summary),
        *_legend_rows(),
    ]
    return ReportSheet(words.SUMMARY_SHEET, columns, rows, filtered=False)


def _title(text: str) -> _SummaryRow:
    return (StyledCell(text, "title"), StyledCell("", "title"), StyledCell("", "title"))


def _job_rows(summary: ReportSummary, scan: Scan) -> Iterator[_SummaryRow]:
    yield _title(words.JOB_TITLE)
    yield (words.FILE, summary.file_name, "")
    yield (words.STATE, _state(summary, scan), summary.error_message or "")
    if summary.instructions:
        yield (words.INSTRUCTIONS, "", summary.instructions)
    if summary.embedded_model:
        warning = StyledCell(typeset(EMBEDDED_WARNING), "warning")
        yield (StyledCell(words.WARNING, "warning"), "", warning)


def _state(summary: ReportSummary, scan: Scan) -> str:
    """The last workbook is written just before the job's row says that it ended."""
    if summary.status == "processing" and not scan.statuses["pending"]:
        return JOB_WORDS["failed" if summary.error_message else "completed"]
    return JOB_WORDS.get(summary.status, summary.status)


def _figure_rows(figures: Mapping[str, int], open_rows: int) -> Iterator[_SummaryRow]:
    yield _title(words.FIGURES_TITLE)
    label, meaning = words.OPEN_ROWS
    yield (label, StyledCell(open_rows, "count"), meaning)
    for name, (label, meaning) in words.FIGURES.items():
        if name in figures:
            yield (label, StyledCell(figures[name], "count"), typeset(meaning))


def _status_rows(scan: Scan) -> Iterator[_SummaryRow]:
    yield _title(words.STATUSES_TITLE)
    for status in (*OUTCOMES, "pending"):
        meaning = typeset(words.status_means(status))
        yield (status_cell(status), StyledCell(scan.statuses[status], "count"), meaning)


def _sheet_rows(summary: ReportSummary, scan: Scan) -> Iterator[_SummaryRow]:
    yield _title(words.SHEETS_TITLE)
    for name in dict.fromkeys([*(sheet.name for sheet in summary.sheets), *scan.sheets]):
        yield (name, StyledCell(scan.sheets[name], "count"), words.ROWS_READ)
    for sheet in summary.left_out:
        yield (sheet.name, words.NOT_READ, sheet.reason)
    if summary.notes:
        yield _title(words.NOTES_TITLE)
    for note in summary.notes:
        yield (note.sheet or "", StyledCell(note.count, "count"), note.message)


def _model_rows(summary: ReportSummary) -> Iterator[_SummaryRow]:
    yield _title(words.MODEL_TITLE)
    yield (words.MODEL, summary.model or words.NO_CALL, words.MODEL_IS)
    if summary.review_model:
        yield (words.REVIEW_MODEL, summary.review_model, words.REVIEW_MODEL_IS)
    yield (words.CALLS, StyledCell(summary.calls, "count"), words.CALLS_ARE)
    if summary.batch_calls:
        cost = words.batch_calls_cost(summary.batch_cost_usd)
        yield (words.BATCH_CALLS, StyledCell(summary.batch_calls, "count"), cost)
    cached = words.tokens_cached(summary.cached_tokens)
    yield (words.TOKENS_SENT, StyledCell(summary.prompt_tokens, "count"), cached)
    yield (words.TOKENS_RECEIVED, StyledCell(summary.completion_tokens, "count"), "")
    if summary.cost_usd is None:
        yield (words.COST, words.COST_UNKNOWN, words.PRICE_UNKNOWN)
        return
    yield (words.COST, StyledCell(float(summary.cost_usd), "cost"), words.COST_IS)
    for model, usd in summary.cost_by_model.items() if len(summary.cost_by_model) > 1 else ():
        value: ReportCell = words.COST_UNKNOWN if usd is None else StyledCell(float(usd), "cost")
        yield (words.cost_of(model), value, words.PRICE_OF_MODEL_UNKNOWN if usd is None else "")


def _legend_rows() -> Iterator[_SummaryRow]:
    yield _title(words.LEGEND_TITLE)
    yield (StyledCell(words.CHANGED_CELL, "changed"), "", typeset(words.CHANGED_CELL_IS))
    yield (words.ROW, "", words.ROW_IS)
    yield (words.PROPOSED_ANSWER, "", words.PROPOSED_ANSWER_IS)
    yield (words.CONFIDENCE, "", typeset(words.CONFIDENCE_IS))
    yield _title(words.SENDING_BACK_TITLE)
    for label, meaning in words.SENDING_BACK.items():
        yield (label, "", typeset(meaning))
