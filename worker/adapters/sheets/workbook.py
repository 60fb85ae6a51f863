"""Workbooks through the reading library: rows of text, numbered as a spreadsheet shows them. No check is here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from worker.adapters.sheets.cells import cell_text

Row = tuple[int, list[str]]


@dataclass(frozen=True, slots=True)
class LibrarySheet:
    """A sheet as the library gives it. Its rows must be taken before the next sheet's; all start at column A."""

    name: str
    rows: Iterator[Row]
    is_hidden: bool = False


def iter_sheets(data: bytes) -> Iterator[LibrarySheet]:
    """The sheets in order. Chart and macro sheets have no rows."""
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    with CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
        for index, meta in enumerate(workbook.sheets_metadata):
            if meta.typ != SheetTypeEnum.WorkSheet:
                yield LibrarySheet(meta.name, iter(()))
                continue
            sheet = workbook.get_sheet_by_index(index)
            rows = _rows(sheet.iter_rows(), sheet.start[1] if sheet.start else 0)
            yield LibrarySheet(meta.name, rows, meta.visible != SheetVisibleEnum.Visible)


def _rows(rows: Iterator[list[Any]], first_column: int) -> Iterator[Row]:
    """calamine yields the rows above the first used one, but not the columns before it."""
    padding = [""] * first_column
    for number, values in enumerate(rows, start=1):
        if any(value != "" for value in values):
            yield number, padding + [cell_text(value) for value in values]
