"""Workbooks through the reading library: rows of text, numbered as a spreadsheet shows them. No safety check is here.

An .xls is read in a child process: a damaged one makes the library ask for memory without bound, and that aborts the
process (measured: one damaged file in a few hundred). The other kinds are checked beforehand.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from worker.adapters.sheets.cells import cell_text

CHILD_MEMORY_BYTES = 2 << 30  # the format holds 16.7 million cells at most, 32 bytes each
CHILD_TIMEOUT_S = 120

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


def read_in_child(data: bytes) -> Iterator[tuple[str, Iterator[Row]]]:
    """As `iter_sheets`, in a process of its own; raise `ChildProcessError` when that one dies."""
    child = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import answer_parent; answer_parent()"],
        input=data,
        capture_output=True,
        timeout=CHILD_TIMEOUT_S,
        check=False,
    )
    if child.returncode != 0:
        raise ChildProcessError(f"the reading process ended with {child.returncode}")
    for name, rows in json.loads(child.stdout):
        yield name, ((number, cells) for number, cells in rows)


def answer_parent() -> None:
    """The child's side: a workbook on standard input, its sheets as JSON on standard output."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (CHILD_MEMORY_BYTES, CHILD_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sheets = [(name, list(rows)) for name, rows in iter_sheets(sys.stdin.buffer.read())]
    sys.stdout.write(json.dumps(sheets))
