"""Workbooks through the reading library: rows of text, numbered as a spreadsheet shows them. No check is here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from worker.upload.reading.cells import cell_text
from worker.upload.reading.display import SheetView

Row = tuple[int, list[str]]


@dataclass(frozen=True, slots=True)
class LibrarySheet:
    """A sheet as the library gives it. Its rows must be taken before the next sheet's; all start at column A."""

    name: str
    rows: Iterator[Row]
    is_hidden: bool = False
    view: SheetView = field(default_factory=SheetView)  # its marks are complete once the rows are taken


def iter_sheets(data: bytes, *, marked: bool) -> Iterator[LibrarySheet]:
    """The sheets in order. Chart and macro sheets have no rows.

    `marked`: nothing else tells of formats and merged cells (.xls, .xlsb), so mark what may have looked otherwise.
    """
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    with CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
        for index, meta in enumerate(workbook.sheets_metadata):
            if meta.typ != SheetTypeEnum.WorkSheet:
                yield LibrarySheet(meta.name, iter(()))
                continue
            sheet = workbook.get_sheet_by_index(index)
            first_column = sheet.start[1] if sheet.start else 0
            view = SheetView()
            values = sheet.iter_rows()
            if marked:
                ranges = sheet.merged_cell_ranges or ()
                view.merged = [(left, top + 1, bottom + 1) for (top, left), (bottom, _) in ranges if bottom > top]
                values = _marking(values, view, first_column)
            yield LibrarySheet(meta.name, _rows(values, first_column), meta.visible != SheetVisibleEnum.Visible, view)


def _marking(rows: Iterator[list[Any]], view: SheetView, first_column: int) -> Iterator[list[Any]]:
    """Note the dates, and the numbers below one that are no whole ones: they may have been shown as percentages."""
    for number, values in enumerate(rows, start=1):
        for column, value in enumerate(values, start=first_column):
            if isinstance(value, float):
                if 0 < abs(value) < 1:
                    view.unformatted.setdefault(column, []).append(number)
            elif isinstance(value, date):
                view.dates.setdefault(column, []).append(number)
        yield values


def _rows(rows: Iterator[list[Any]], first_column: int) -> Iterator[Row]:
    """calamine yields the rows above the first used one, but not the columns before it."""
    padding = [""] * first_column
    for number, values in enumerate(rows, start=1):
        if any(value != "" for value in values):
            yield number, padding + [cell_text(value) for value in values]
