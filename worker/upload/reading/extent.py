"""How far a sheet reaches, found out before the library lays it out as one dense table.

Two cells in opposite corners make a file of 5 kB and a table of 17 billion cells, whose allocation aborts the
process: no exception, nothing to catch. What is seen here is told in a sentence; what gets past ends only the child.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.parsers import expat

from worker.errors import JobFailed
from worker.messages import file_refusals

MAX_CELLS = 12_000_000  # 32 bytes each in the library; 100,000 rows of 120 columns

# Without the element around it, so that no way of writing XML hides a reference; too many matches only overestimate.
_REFERENCE = re.compile(rb"r\s*=\s*[\"']\s*([A-Za-z]{0,3})(\d{1,7})\s*[\"']")
# A cell that does not begin with its reference, as every program known to us has it: it may have none.
OTHER_CELL = re.compile(rb"""<c(?! r="[A-Za-z])(?=[\s/>])|<[\w.-]++:c\b""")
_ROW_ELEMENT = re.compile(rb"<(?:[\w.-]+:)?row\b")
_CELL_ELEMENT = re.compile(rb"<(?:[\w.-]+:)?c\b")


def check_extent(parts: Mapping[str, bytes]) -> None:
    """Raise `JobFailed` when a sheet of an unzipped workbook spans more than `MAX_CELLS` cells."""
    for name, content in parts.items():
        for rows, columns in _extents(name.lower(), content):
            if rows * columns > MAX_CELLS:
                raise JobFailed(file_refusals.extent_too_large(rows, columns))


def column_number(letters: str) -> int:
    """`A` → 1, `XFD` → 16384."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number


def _extents(name: str, content: bytes) -> Iterator[tuple[int, int]]:
    if name.endswith("content.xml"):
        yield from _ods_extents(content)
    elif "sheet" in name and name.endswith(".xml"):
        yield _xlsx_extent(content)
    elif "sheet" in name and name.endswith(".bin"):
        yield _xlsb_extent(content)


def _xlsx_extent(xml: bytes) -> tuple[int, int]:
    """Rows and columns up to the last reference. Cells may omit theirs: then the fullest row counts."""
    references = _REFERENCE.findall(xml)
    letters = [letters for letters, _ in references if letters]
    rows = max(map(int, {number for _, number in references}), default=0)
    columns = max((column_number(name.decode()) for name in set(letters)), default=0)
    if OTHER_CELL.search(xml):
        by_row = [len(_CELL_ELEMENT.findall(row)) for row in _ROW_ELEMENT.split(xml)]
        rows, columns = max(rows, len(by_row)), max(columns, *by_row)
    return rows, columns


def _xlsb_extent(records: bytes) -> tuple[int, int]:
    """Walk the records; row headers and cells say where they are."""
    rows = columns = place = 0
    size = len(records)
    while place < size:
        kind = records[place]
        place += 1
        if kind & 0x80 and place < size:
            kind = (kind & 0x7F) | (records[place] & 0x7F) << 7
            place += 1
        length = shift = 0
        while place < size and shift < 28:
            byte = records[place]
            place += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        if kind == 0:
            rows = max(rows, int.from_bytes(records[place : place + 4], "little") + 1)
        elif kind <= 11 or kind == 62:
            columns = max(columns, int.from_bytes(records[place : place + 4], "little") + 1)
        place += length
    return rows, columns


class _OdsWalk:
    """Follows tables, rows and cells of an OpenDocument file; only what holds something counts."""

    def __init__(self) -> None:
        self.extents: list[tuple[int, int]] = []
        self.rows = self.last_row = self.columns = 0  # of the current table
        self.column = self.last_column = self.row_repeat = self.cell_repeat = 0
        self.cell_filled = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(":")[2]
        if kind == "table":
            self.rows = self.last_row = self.columns = 0
        elif kind == "table-row":
            self.row_repeat = _repeat(attributes, "number-rows-repeated")
            self.column = self.last_column = 0
        elif kind in ("table-cell", "covered-table-cell"):
            self.cell_repeat = _repeat(attributes, "number-columns-repeated")
            self.cell_filled = any(name.startswith("office:") or name.endswith(":formula") for name in attributes)
        else:
            self.cell_filled = True

    def end(self, name: str) -> None:
        kind = name.rpartition(":")[2]
        if kind in ("table-cell", "covered-table-cell"):
            self.column += self.cell_repeat
            if self.cell_filled:
                self.last_column = self.column
        elif kind == "table-row":
            self.rows += self.row_repeat
            if self.last_column:
                self.last_row = self.rows
                self.columns = max(self.columns, self.last_column)
        elif kind == "table":
            self.extents.append((self.last_row, self.columns))


def _ods_extents(xml: bytes) -> list[tuple[int, int]]:
    walk = _OdsWalk()
    parse_xml(xml, start=walk.start, end=walk.end)
    return walk.extents


def _repeat(attributes: dict[str, str], name: str) -> int:
    for key, value in attributes.items():
        if key.endswith(name) and value.isdigit():
            return int(value)
    return 1


def parse_xml(xml: bytes, *, start: Any = None, end: Any = None, text: Any = None) -> None:
    """Run expat over a part. Documents of this kind have no DTD, so one that has is refused (`ExpatError`)."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.Parse(xml, True)


def _refuse_doctype(*_: object) -> None:
    raise expat.ExpatError("document type declaration")
