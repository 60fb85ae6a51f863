"""Bytes become sheets of text cells in this very process: what the child of `child.py` does, and tests do.

Workbooks of any kind go through calamine, CSV through our own reading. No meaning is given to a cell here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from worker.errors import JobFailed
from worker.messages import file_refusals
from worker.questions.sheets import RawSheet
from worker.upload.reading.calamine_reader import LibrarySheet, Row, iter_sheets
from worker.upload.reading.cells import cell_text, drop_trailing_columns, is_blank
from worker.upload.reading.containers import (
    check_ole,
    check_zip,
    refuse_foreign_signature,
    too_big,
)
from worker.upload.reading.delimited import read_records
from worker.upload.reading.display import SheetView, fill_merged, find_views
from worker.upload.reading.encodings import decode_text, repair_double, repaired_note
from worker.upload.reading.extent import check_extent
from worker.upload.reading.formulas import Formulas, find_missing_values, resolve_references
from worker.upload.reading.opendocument import find_ods_views

SHARED_LENGTH = 40
MAX_COLUMNS = 1_000  # every one of them stays with each question, up to the corrected workbook
TEXT_PER_BYTE = 2
# Ã, Â, and Å and â before a sign, in UTF-8: what é, à, °, œ … and ’, ≥, → … begin with when encoded twice.
DOUBLE_BYTES = re.compile(rb"\xc3(?:[\x82\x83]|[\x85\xa2]\xe2)")
TEXT_SUFFIXES = frozenset({".csv", ".tsv", ".txt", ""})


def read_here(data: bytes, file_name: str, *, max_bytes: int, max_rows: int) -> list[RawSheet]:
    """Read every sheet of an upload, in the file's order.

    `max_bytes` bounds the upload and what it unzips to; `max_rows` the non-blank rows of all sheets, headers
    aside. Cells of one sheet all start at column A, so a column index here is the spreadsheet's, from 0.
    The result is sheets or `JobFailed`, unless the bytes are made to end the process that reads them.
    """
    if not data:
        raise JobFailed(file_refusals.EMPTY)
    if len(data) > max_bytes:
        raise JobFailed(file_refusals.larger_than_read(len(data), max_bytes))
    try:
        sheets = _read_any(data, PurePosixPath(file_name.replace("\\", "/")), max_bytes, max_rows)
    except JobFailed:
        raise
    except BaseException as error:
        # A panic of the Rust library derives from BaseException, and so do a stop of the worker and Ctrl-C.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            is_protected = type(error).__name__ == "PasswordError"
            raise JobFailed(file_refusals.PROTECTED if is_protected else file_refusals.CORRUPT) from error
        raise
    # A text that is stored once and shown in ten thousand cells is ten thousand texts once it is read.
    if sum(map(_text_size, sheets)) > TEXT_PER_BYTE * max_bytes:
        raise too_big(max_bytes)
    return sheets


def _text_size(sheet: RawSheet) -> int:
    return sum(len(cell) for _, cells in sheet.rows for cell in cells)


def _read_any(data: bytes, name: PurePosixPath, max_bytes: int, max_rows: int) -> list[RawSheet]:
    """The content decides; the extension only where the content is plain text."""
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        parts = check_zip(data, max_bytes)
        check_extent(parts)
        formulas = find_missing_values(parts)
        views = find_views(parts) or find_ods_views(parts)
        is_suspect = any(DOUBLE_BYTES.search(part) for part in parts.values())
        del parts  # as large as the workbook unzipped
        return _read_workbook(iter_sheets(data, marked=not views), formulas, views, max_rows, is_suspect=is_suspect)
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        check_ole(data)
        return _read_workbook(iter_sheets(data, marked=True), {}, {}, max_rows)
    refuse_foreign_signature(data)
    return [_read_text(data, name, max_rows)]


def _read_workbook(
    sheets: Iterable[LibrarySheet],
    formulas: dict[str, Formulas],
    views: dict[str, SheetView],
    max_rows: int,
    *,
    is_suspect: bool = True,
) -> list[RawSheet]:
    """`is_suspect` = letters may have been encoded twice before they came into the workbook."""
    read = []
    left = max_rows
    for sheet in sheets:
        seen = replace(sheet, view=views.get(sheet.name, sheet.view))
        built = _build(seen, formulas.get(sheet.name), left=left, max_rows=max_rows)
        if is_suspect:
            built = _repair_letters(built)
        left -= max(0, len(built.rows) - 1)
        read.append(replace(built, is_hidden=True) if sheet.is_hidden else built)
    return read


def _repair_letters(sheet: RawSheet) -> RawSheet:
    repaired = 0
    rows = []
    for number, cells in sheet.rows:
        found = [repair_double(cell) for cell in cells]
        if any(times for _, times in found):
            repaired += sum(times for _, times in found)
            cells = tuple(text for text, _ in found)  # noqa: PLW2901
        rows.append((number, cells))
    return (
        replace(sheet, rows=tuple(rows), notes=(*sheet.notes, repaired_note(repaired, sheet.name)))
        if repaired
        else sheet
    )


def _read_text(data: bytes, name: PurePosixPath, max_rows: int) -> RawSheet:
    text, notes = decode_text(data)
    if not text.strip():
        raise JobFailed(file_refusals.EMPTY)
    records = read_records(text, tabular_only=name.suffix.lower() not in TEXT_SUFFIXES)
    rows = ((number, [cell_text(value) for value in values]) for number, values in records)
    sheet = _build(LibrarySheet(name.stem, rows), None, left=max_rows, max_rows=max_rows)
    return replace(sheet, notes=tuple(replace(note, sheet=sheet.name) for note in notes))


def _build(sheet: LibrarySheet, formulas: Formulas | None, *, left: int, max_rows: int) -> RawSheet:
    """Show cells as the sheet does, resolve formulas, then drop blank rows and empty trailing columns.

    `left` = data rows still allowed.
    """
    name, view = sheet.name, sheet.view
    kept: list[Row] = []
    shared: dict[str, str] = {}  # the same specialty, course, level … on every row: one text instead of 50,000
    for number, cells in sheet.rows:
        if number in view.texts:
            _put(cells, view.texts.pop(number))
        if not is_blank(cells):
            kept.append((number, [shared.setdefault(c, c) if len(c) <= SHARED_LENGTH else c for c in cells]))
            _check_count(len(kept), left, max_rows)
    unresolved: dict[tuple[int, int], str] = {}
    if formulas or view.texts or view.merged:
        kept, unresolved = _complete(kept, formulas, view)
        _check_count(len(kept), left, max_rows)
    cut = drop_trailing_columns(kept)
    if cut and (width := len(cut[0][1])) > MAX_COLUMNS:
        raise JobFailed(file_refusals.too_many_columns(name, width, MAX_COLUMNS))
    return RawSheet(
        name,
        cut,
        unresolved,
        hidden_rows=frozenset(view.hidden_rows),
        dates=view.dates,
        unformatted=view.unformatted,
    )


def _put(cells: list[str], texts: Mapping[int, str]) -> None:
    for column, text in texts.items():
        cells.extend([""] * (column + 1 - len(cells)))
        cells[column] = text


def _check_count(rows: int, left: int, max_rows: int) -> None:
    if rows > left + 1:  # the header is not counted
        raise JobFailed(file_refusals.too_many_rows(max_rows))


def _complete(
    rows: list[Row], formulas: Formulas | None, view: SheetView
) -> tuple[list[Row], dict[tuple[int, int], str]]:
    """Put into the grid what the library left out of it: values that simple references give, errors that stand alone
    in their row, what merged cells give to their rows. Say which formulas stay without a value."""
    grid = dict(rows)
    for number, texts in view.texts.items():
        _put(grid.setdefault(number, []), texts)
    unresolved: dict[tuple[int, int], str] = {}
    if formulas:
        resolved, unresolved = resolve_references(formulas, grid)
        for (number, column), value in resolved.items():
            _put(grid.setdefault(number, []), {column: value})
    if not fill_merged(grid, view.merged):
        raise JobFailed(file_refusals.CORRUPT)
    kept = [(number, cells) for number, cells in sorted(grid.items()) if not is_blank(cells)]
    numbers = {number for number, _ in kept}
    return kept, {place: formula for place, formula in unresolved.items() if place[0] in numbers}
