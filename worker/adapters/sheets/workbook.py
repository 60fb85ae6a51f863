"""Workbooks through the reading library: rows of text, numbered as a spreadsheet shows them. No check is here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from worker.adapters.sheets.cells import cell_text

Row = tuple[int, list[str]]


def iter_sheets(data: bytes) -> Iterator[tuple[str, Iterator[Row]]]:
    """Name and rows of each sheet in order; each sheet's rows must be taken before the next sheet.

    Chart and macro sheets have no rows. All rows start at column A.
    """
    from python_calamine import CalamineWorkbook, SheetTypeEnum

    with CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
        for index, meta in enumerate(workbook.sheets_metadata):
            if meta.typ != SheetTypeEnum.WorkSheet:
                yield meta.name, iter(())
                continue
            sheet = workbook.get_sheet_by_index(index)
            yield meta.name, _rows(sheet.iter_rows(), sheet.start[1] if sheet.start else 0)


def _rows(rows: Iterator[list[Any]], first_column: int) -> Iterator[Row]:
    """calamine yields the rows above the first used one, but not the columns before it."""
    padding = [""] * first_column
    for number, values in enumerate(rows, start=1):
        if any(value != "" for value in values):
            yield number, padding + [cell_text(value) for value in values]
