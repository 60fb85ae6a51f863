"""From a job's rows and figures to the sheets of its corrected workbook, one row at a time.

What a cell says, its style and its note are decided here; how they are written to a file is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import cast

from worker.messages import workbook_words
from worker.messages.headers import ANSWER, CANONICAL_HEADERS, EXPLANATION, EXPLANATION_HEADERS
from worker.questions.answers import FIXES, SUCCESSES
from worker.questions.item import DECIDED
from worker.questions.question import QUESTION_TYPES, QuestionType, fold_name
from worker.questions.row_marks import MARK_HEADER, RowMark
from worker.report.cells import reason_cell, status_cell, text_of
from worker.report.columns import (
    CASE_ONLY,
    PLACE_HEADERS,
    QCM_ONLY,
    STATUS_HEADERS,
    column,
    is_own_column,
)
from worker.report.content import (
    ALL_ROWS,
    ReportCell,
    ReportRow,
    ReportSheet,
    ReportSummary,
    RowSelection,
    RowSource,
    StyledCell,
)
from worker.report.review import review_sheet
from worker.report.summary import Scan, summary_sheet

ERRORS = frozenset({"rejected", "failed"})

NOTE_CHARACTERS = 500  # a note is a glance; `réponse d'origine` has the whole text


def build_report(rows: RowSource, summary: ReportSummary) -> Iterator[ReportSheet]:
    """The workbook's sheets, in order: one per question type that has rows, À revoir, Erreurs, Résumé.

    All rows are asked for once, to look at the whole, and those of each sheet once more, so that no more than one row
    is held at a time. Every row appears once in its type's sheet.
    """
    scan = _scan(rows(ALL_ROWS), summary)
    for question_type in QUESTION_TYPES:
        if scan.counts[question_type]:
            yield _type_sheet(question_type, rows, scan)
    yield review_sheet(rows)
    yield _extract_sheet(workbook_words.ERRORS_SHEET, ERRORS, rows, scan)
    yield summary_sheet(summary, scan)


def template_sheets() -> Iterator[ReportSheet]:
    """An empty workbook to fill in: a sheet per question type, with the headers that are read for sure."""
    for question_type in QUESTION_TYPES:
        headers = [header for header in CANONICAL_HEADERS if _makes_sense(header, question_type)]
        yield ReportSheet(question_type, tuple(column(header) for header in headers), iter(()))


# -- what columns there are ----------------------------------------------------------------------------------------


def _scan(rows: Iterable[ReportRow], summary: ReportSummary) -> Scan:
    scan = Scan()
    uploaded = {sheet.name: sheet.columns for sheet in summary.sheets}
    filled: dict[str, dict[str, None]] = {}  # type → headers with a value, in order of appearance
    declared: dict[str, dict[str, None]] = {}  # type → headers of the sheets its rows come from, in upload order
    for row in rows:
        scan.counts[row.type] += 1
        scan.statuses[row.status] += 1
        scan.sheets[row.sheet] += 1
        scan.open_rows += row.version is not None
        declared.setdefault(row.type, {}).update(dict.fromkeys(uploaded.get(row.sheet, ())))
        filled.setdefault(row.type, {}).update((header, None) for header, text in row.cells.items() if text)
    for name, headers in filled.items():
        scan.columns[name] = _columns_of(cast(QuestionType, name), list(declared[name]), headers)
    return scan


def _columns_of(question_type: QuestionType, declared: Sequence[str], filled: Collection[str]) -> tuple[str, ...]:
    """Canonical columns that make sense for the type or hold something, then the unknown ones in upload order."""
    canonical = [h for h in CANONICAL_HEADERS if h in filled or _makes_sense(h, question_type)]
    unknown = [h for h in dict.fromkeys([*declared, *filled]) if h not in CANONICAL_HEADERS and not is_own_column(h)]
    return (*canonical, *unknown)


def _makes_sense(header: str, question_type: QuestionType) -> bool:
    if header in CASE_ONLY:
        return question_type in ("cas_qcm", "cas_qroc")
    if header in QCM_ONLY:
        return question_type in ("qcm", "cas_qcm")
    return True


# -- the sheets ----------------------------------------------------------------------------------------------------


def _type_sheet(question_type: QuestionType, rows: RowSource, scan: Scan) -> ReportSheet:
    headers = (*scan.columns[question_type], *STATUS_HEADERS, MARK_HEADER)

    def cells() -> Iterator[Sequence[ReportCell]]:
        for row in rows(RowSelection(type=question_type)):
            yield _row_cells(row, headers)

    return ReportSheet(question_type, tuple(column(header) for header in headers), cells())


def _extract_sheet(name: str, statuses: frozenset[str], rows: RowSource, scan: Scan) -> ReportSheet:
    """The rows of some statuses, of all types, with where each came from and what became of it first."""
    used = dict.fromkeys(header for columns in scan.columns.values() for header in columns)
    canonical = [header for header in CANONICAL_HEADERS if header in used]
    unknown = [header for header in used if header not in CANONICAL_HEADERS and fold_name(header) not in PLACE_HEADERS]
    headers = (*PLACE_HEADERS, *STATUS_HEADERS, *canonical, *unknown)

    def cells() -> Iterator[Sequence[ReportCell]]:
        for row in rows(RowSelection(statuses=statuses)):
            yield _row_cells(row, headers)

    return ReportSheet(name, tuple(column(header) for header in headers), cells())


# -- one row -------------------------------------------------------------------------------------------------------


def _row_cells(row: ReportRow, headers: Sequence[str]) -> list[ReportCell]:
    cells: dict[str, ReportCell] = {**row.cells, **_changed_cells(row), **_status_cells(row)}
    if headers[: len(PLACE_HEADERS)] == PLACE_HEADERS:
        cells |= {workbook_words.SHEET: row.sheet, workbook_words.ROW: StyledCell(row.row_number, "count")}
    if row.item_id is not None and headers[-1] == MARK_HEADER:
        cells[MARK_HEADER] = _mark(row, row.item_id, cells)
    return [cells.get(header, "") for header in headers]


def _changed_cells(row: ReportRow) -> dict[str, ReportCell]:
    """What the worker put into the upload's own columns."""
    result = row.result or {}
    changed: dict[str, ReportCell] = {}
    answer = _kept_answer(row)
    before = row.cells.get(ANSWER, "")
    if row.status == "duplicate":
        answer = result.get(DECIDED) or ""
    if row.status in {*FIXES, "duplicate"} and answer and answer != before:
        changed[ANSWER] = StyledCell(answer, "changed", _note(before or workbook_words.EMPTY_BEFORE))
    if row.status not in SUCCESSES:
        return changed
    texts = {EXPLANATION: result.get("general_explanation")}
    for letter, text in (result.get("option_explanations") or {}).items():
        texts[f"{EXPLANATION} {letter.lower()}"] = text
    for header, text in texts.items():
        before = row.cells.get(header, "")
        if text and text != before and not _is_human(row, header):
            # An empty cell that was filled says so by its colour alone: notes by the hundred thousand choke Excel.
            changed[header] = StyledCell(text, "changed", _note(before) if before.strip() else None)
    return changed


def _mark(row: ReportRow, item_id: str, cells: Mapping[str, ReportCell]) -> str:
    """By what the row is known again when it comes back, wherever it stands then."""
    headers = (EXPLANATION, *EXPLANATION_HEADERS)
    ours = {h: text_of(cells[h]) for h in headers if isinstance(cells.get(h), StyledCell)}
    return RowMark.of(item_id, row.status, text_of(cells.get(ANSWER, "")), ours).write()


def _is_human(row: ReportRow, header: str) -> bool:
    if row.human_explanations is None:
        return bool(row.cells.get(header, "").strip())
    return header in row.human_explanations


def _kept_answer(row: ReportRow) -> str:
    result = row.result or {}
    return result.get("key") or result.get("answer") or ""


def _note(before: str) -> str:
    text = before if len(before) <= NOTE_CHARACTERS else before[:NOTE_CHARACTERS] + "…"
    return workbook_words.value_before(text)


def _status_cells(row: ReportRow) -> dict[str, ReportCell]:
    result = row.result or {}
    confidence = result.get("confidence")
    return {
        workbook_words.STATUS: status_cell(row.status),
        workbook_words.REASON: reason_cell(
            row.reason or (workbook_words.NOT_PROCESSED if row.status == "pending" else None), row.findings
        ),
        # A case's first row may hold the answers of several questions: then the cell is empty, the answer is not.
        workbook_words.ORIGINAL_ANSWER: row.cells.get(ANSWER, "") or row.official or "",
        workbook_words.PROPOSED_ANSWER: result.get("proposed") or (_kept_answer(row) if row.status in FIXES else ""),
        workbook_words.CONFIDENCE: "" if confidence is None else StyledCell(float(confidence), "ratio"),
    }
