"""Sheets become tables of drafts: which sheets count, what their columns are, each row's type. Values come later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from worker.messages import file_refusals, row_findings, sheet_notes
from worker.messages.headers import CASE_TEXT
from worker.questions.question import Finding, QuestionType
from worker.questions.sheets import LeftOutSheet, Note, RawSheet, ReadColumn, ReadSheet
from worker.upload.parsing.evidence import Body, count_filled
from worker.upload.parsing.headers import Columns, column_label
from worker.upload.parsing.kinds import Kind, has_options, kind_of
from worker.upload.parsing.labels import clean_options
from worker.upload.parsing.layout import HEADER_WITHIN_ROWS, Layout, find_layout
from worker.upload.parsing.mapping import NO_MAPPING, FileMapping
from worker.upload.parsing.marks import Marks, Spoiled, is_cell_error
from worker.upload.parsing.names import is_result_sheet, type_named
from worker.upload.parsing.options import read_options
from worker.upload.parsing.refusals import faults, refusal
from worker.upload.parsing.returned import decisions_not_taken, is_review
from worker.upload.parsing.unused import no_key_column, of_file, rows_note, unread_columns

REFUSALS_SHOWN = 3  # sheets whose faults the job's sentence names


@dataclass(slots=True)
class Draft:
    """One non-empty row on its way to a `ParsedRow`; `type_problem` when its type cell names no type."""

    table: int
    sheet: str
    row_number: int
    type: QuestionType
    cells: dict[str, str]
    columns: Columns
    type_problem: str | None = None
    findings: list[Finding] = field(default_factory=list)
    named: tuple[str, str] = ("", "")  # a key cell, and the letters of the options that have its text
    options: dict[str, str] = field(default_factory=dict)  # of a QCM: letter → text, also past the fifth
    doubtful_letters: str = ""  # those of options that carry the label of another one
    uploaded: dict[str, str] | None = None  # the cells as uploaded, where `cells` are not
    spoiled_answers: dict[str, str] = field(default_factory=dict)  # cells that say no key, whatever they look like
    mark: str | None = None  # as `ParsedRow.mark`

    @property
    def is_qcm(self) -> bool:
        """Has options and a key of letters."""
        return self.type in ("qcm", "cas_qcm")


@dataclass(slots=True)
class Tables:
    """What the sheets of a file hold together: drafts of all rows in order, sheets read and left out, notes."""

    file_name: str = ""
    mapping: FileMapping = NO_MAPPING
    is_file: bool = False  # a CSV: it has no sheets
    failure: str | None = None  # why the file as a whole holds no question
    drafts: list[Draft] = field(default_factory=list)
    read: list[ReadSheet] = field(default_factory=list)
    left_out: list[LeftOutSheet] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # of sheets that are meant to be read and cannot be
    titles: list[str] = field(default_factory=list)  # names in title blocks, looked at where the config maps some
    found: list[ReadSheet] = field(default_factory=list)  # every sheet that was looked into, read or not


def read_tables(sheets: Sequence[RawSheet], file_name: str, mapping: FileMapping = NO_MAPPING) -> Tables:
    """Read all sheets. With a `failure` when no question can come of them, or a mapped name is not there."""
    stem = PurePosixPath(file_name.replace("\\", "/")).stem
    tables = Tables(file_name, mapping)
    for sheet in sheets:
        is_file = tables.is_file = len(sheets) == 1 and sheet.name == stem
        tables.notes += decisions_not_taken(sheet)
        if reason := _why_not(sheet, mapping) or _read_table(sheet, tables, is_file=is_file):
            tables.left_out.append(LeftOutSheet(sheet.name, reason))
    headers = [column.header for sheet in tables.found for column in sheet.details]
    tables.failure = mapping.missing_names(headers, [sheet.name for sheet in sheets], also=tables.titles)
    if tables.failure is None and not tables.drafts:
        tables.failure = _no_question(sheets, tables)
    return tables


def _why_not(sheet: RawSheet, mapping: FileMapping) -> str | None:
    """Why a sheet is not even looked into."""
    if mapping.leaves_out(sheet.name):
        return sheet_notes.LEFT_UNWANTED
    if mapping.type_of(sheet.name) is None and is_review(sheet):
        return sheet_notes.LEFT_RESULT
    return sheet_notes.LEFT_HIDDEN if sheet.is_hidden and mapping.type_of(sheet.name) is None else None


def _no_question(sheets: Sequence[RawSheet], tables: Tables) -> str:
    """Why the file as a whole holds no question."""
    if tables.faults:
        more = len(tables.faults) - REFUSALS_SHOWN
        shown = " ".join(tables.faults[:REFUSALS_SHOWN])
        return shown if more <= 0 else f"{shown} {sheet_notes.more_sheets_refused(more)}"
    if tables.read:
        return file_refusals.ONLY_HEADERS
    if not any(len(sheet.rows) > 1 for sheet in sheets):
        return file_refusals.NO_ROW_BELOW_A_HEADER
    return file_refusals.no_sheet_of_questions([sheet.name for sheet in sheets])


def _read_table(sheet: RawSheet, tables: Tables, *, is_file: bool) -> str | None:
    """Add one sheet's drafts; or give the French reason why it is left out."""
    mapping = tables.mapping
    mapped = mapping.type_of(sheet.name)
    named = mapped or type_named(sheet.name)
    if named is None and is_result_sheet(sheet.name) and not is_file:
        return sheet_notes.LEFT_RESULT
    if not sheet.rows:
        if named is None:
            return sheet_notes.LEFT_EMPTY
        tables.read.append(ReadSheet(sheet.name, (), 0))
        return None
    layout = find_layout(sheet, mapping.words)
    if mapping.given:
        layout = replace(layout, columns=replace(layout.columns, names=layout.columns.names | mapping.given))
    columns, body = layout.columns, layout.body
    found_sheet = _note_found(sheet, layout, tables)
    kind = kind_of(named, columns, body, is_file=is_file and mapped is None)
    if kind is None or (not body and named is None):
        return sheet_notes.LEFT_UNKNOWN if body else sheet_notes.LEFT_EMPTY
    if body and (found := list(faults(kind, columns, body))):
        where = sheet_notes.in_file(tables.file_name) if is_file else sheet_notes.in_sheet(sheet.name)
        tables.faults.append(refusal(where, found, layout.header_row, layout.header))
        return tables.faults[-1]
    drafts = list(_read_drafts(sheet, layout, kind, table=len(tables.read)))
    notes = [*sheet.notes, *layout.notes, *_hidden_rows(sheet, body), *unread_columns(found_sheet, columns, body)]
    if not columns.answers:
        notes += no_key_column(sheet.name, sum(1 for draft in drafts if draft.is_qcm))
    tables.drafts += drafts
    tables.read.append(found_sheet)
    tables.notes += [of_file(note) for note in notes] if is_file else notes
    return None


def _read_drafts(sheet: RawSheet, layout: Layout, kind: Kind, *, table: int) -> Iterator[Draft]:
    """The rows below the header; what the sheet says above its table is theirs where they say nothing."""
    columns, body = layout.columns, layout.body
    with_options = has_options(columns, body) if kind.by_columns or kind.by_cell else False
    findings = _cell_findings(sheet, columns, dict(body), layout.findings)
    marks = Marks(sheet, columns)
    for number, row in body:
        cells = columns.cells(row)
        for name, value in layout.given.items():
            if not cells.get(name, "").strip():
                cells[name] = value
        mark = row[columns.mark_place].strip() if columns.mark_place is not None else None
        about = findings.get(number, [])
        draft = Draft(table, sheet.name, number, "qcm", cells, columns, findings=about, mark=mark or None)
        _set_type(draft, kind, row[columns.type_place] if columns.type_place is not None else "", with_options)
        if spoiled := marks.read(number, cells):
            _set_spoiled(draft, spoiled)
        if draft.is_qcm:
            options = read_options(draft.cells, columns)
            draft.options, odd, draft.doubtful_letters = clean_options(options)
            draft.findings.extend(odd)
        yield draft


def _note_found(sheet: RawSheet, layout: Layout, tables: Tables) -> ReadSheet:
    """What is in a sheet, whether it will be read or not."""
    columns, body = layout.columns, layout.body
    details = tuple(_column_details(layout.header, columns, body))
    tables.found.append(ReadSheet(sheet.name, columns.keys, len(body), layout.header_row, details))
    if tables.mapping.words.columns:
        above = (row for number, row in sheet.rows[:HEADER_WITHIN_ROWS] if number < layout.header_row)
        tables.titles += [cell.partition(":")[0] for row in above for cell in row]
    return tables.found[-1]


def _column_details(header: Sequence[str], columns: Columns, body: Body) -> Iterator[ReadColumn]:
    """What each column became; of those that nobody reads, how many cells they hold."""
    names = dict(columns.named())
    for place, text in enumerate(header):
        if place == columns.type_place:
            yield ReadColumn(column_label(text, place), "type")
        elif place in names:
            yield ReadColumn(column_label(text, place), names[place])
        elif (key := columns.key_at(place)) is not None:
            reason, wanted = columns.reasons.get(place), key not in columns.unwanted
            yield ReadColumn(text.strip() or key, None, count_filled(body, place), reason, is_wanted=wanted)


def _set_type(draft: Draft, kind: Kind, type_cell: str, with_options: bool) -> None:
    if kind.by_cell and (type_cell.strip() or kind.type is None):
        found = type_named(type_cell)
        draft.type = found or _type_by_cells(draft, with_options)
        if found is None:
            draft.type_problem = type_cell.strip()
    elif kind.by_columns:
        draft.type = _type_by_cells(draft, with_options)
    elif kind.type is not None:
        draft.type = kind.type


def _type_by_cells(draft: Draft, with_options: bool) -> QuestionType:
    """Options make a QCM (for the whole sheet: one lost option must not turn a QCM into a QROC), a case a case."""
    names = (CASE_TEXT, "cas n", draft.columns.vignette)
    in_case = any(draft.cells.get(name, "").strip() for name in names if name is not None)
    if with_options:
        return "cas_qcm" if in_case else "qcm"
    return "cas_qroc" if in_case else "qroc"


def _set_spoiled(draft: Draft, spoiled: Spoiled) -> None:
    """A date may be the answer of a short question; it is never a QCM's key."""
    draft.uploaded, draft.cells = draft.cells, spoiled.cells
    draft.findings.extend(spoiled.findings)
    draft.spoiled_answers = spoiled.answers | (spoiled.dates if draft.is_qcm else {})
    for key in draft.spoiled_answers:
        draft.cells[key] = ""


def _cell_findings(
    sheet: RawSheet, columns: Columns, rows: Mapping[int, Sequence[str]], found: dict[int, list[Finding]]
) -> dict[int, list[Finding]]:
    """With `found`, a finding on the row for each formula whose value the file does not hold. An error is a value."""
    for (number, place), formula in sorted(sheet.unresolved.items()):
        key = columns.key_at(place)
        if key is not None and number in rows and not is_cell_error(rows[number][place]):
            message = row_findings.formula_without_value(key, formula)
            found.setdefault(number, []).append(Finding("formula_without_value", message, key))
    return found


def _hidden_rows(sheet: RawSheet, body: Body) -> Iterator[Note]:
    hidden = [number for number, _ in body if number in sheet.hidden_rows] if sheet.hidden_rows else []
    if hidden:
        words, why = sheet_notes.HIDDEN_ROWS, sheet_notes.HIDDEN_ROWS_ARE
        yield rows_note("hidden_rows", sheet.name, hidden, words, why)
