"""Rows of tables that are ruled across alone: which lines between two rules are one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from worker.courses.extract.open_cells import SPACE, PrintedCells, Word
from worker.courses.extract.open_columns import Columns, is_spanning
from worker.courses.signs import BULLETS

NEXT_ROW = 1.15  # times the distance between the lines of a cell
INTERLEAVED = 0.85  # times that: lines of cells of which each is set in the middle of its row
FEW = 3  # lines of a column
_WITHIN = ("(", "[", "+", "/", "–", "-", "=")


@dataclass(slots=True)
class TableLines:
    """Lines of one row; `last`: of each column the last stretch of words; `spans`: columns that are one cell."""

    lines: list[PrintedCells] = field(default_factory=list)
    last: dict[int, Word] = field(default_factory=dict)
    spans: tuple[tuple[int, int], ...] = ()
    told: int = -1  # where what is written last begins

    def add(self, line: PrintedCells, columns: Columns) -> None:
        self.lines.append(line)
        self.last |= {columns.of(chunk)[0]: chunk for chunk in line.chunks}
        self.told = max(self.told, *(chunk.at for chunk in line.chunks))

    def is_told_after(self, line: PrintedCells) -> bool:
        """Whether something of the row is written after something of a line below it."""
        return any(chunk.at < self.told for chunk in line.chunks)

    @property
    def bottom(self) -> float:
        return self.lines[-1].bottom

    @property
    def bottom_of_first(self) -> float:
        return self.lines[0].bottom

    @property
    def top(self) -> float:
        return self.lines[0].bottom + self.lines[0].height


class _Shape(NamedTuple):
    """What lines between two rules have in common.

    `name`: the first column that something stands in. `entries`: the columns of which each line is an entry, for it
    begins with a figure. `are_apart`: whether rows stand further apart than lines do. `is_told_by_cells`: whether the
    page tells a whole cell before the next one.
    """

    columns: Columns
    name: int
    entries: set[int]
    pitch: float
    are_apart: bool
    is_told_by_cells: bool


def rows_of_label(lines: Sequence[PrintedCells], columns: Columns, pitch: float) -> list[TableLines]:
    """The rows beside a label in the first column that is that of all of them; none where it is of a single one, or
    there are several."""
    labels = [line for line in lines if columns.of(line.chunks[0])[0] == 0]
    kept = [rest for line in lines if (rest := _without_name(line, columns)).chunks]
    if len(columns.lefts) < 3 or not 0 < len(labels) < len(lines) or any(is_spanning(line, columns) for line in lines):
        return []
    for above, below in pairwise(labels):
        is_next = above.bottom - below.bottom <= NEXT_ROW * pitch
        if not is_next or _had_room(above.chunks[0], below.firsts[0], columns.rights[0]):
            return []
    if any(chunk.text[:1] in BULLETS for line in kept for chunk in line.chunks):
        return []
    rows = part_rows(kept, columns, pitch)
    own = {label.bottom for label in labels}
    is_of_all = sum(row.bottom_of_first in own for row in rows) < 2  # a name beside each of two rows is that of its row
    return rows if is_of_all and len(rows) > 1 and all(1 in row.last for row in rows) else []


def _spans_of(line: PrintedCells, columns: Columns) -> tuple[tuple[int, int], ...]:
    """From which to which column those cells go that stand over several."""
    return tuple(place for place in map(columns.of, line.chunks) if place[0] != place[1])


def _without_name(line: PrintedCells, columns: Columns) -> PrintedCells:
    at = int(columns.of(line.chunks[0])[0] == 0)
    return line._replace(chunks=line.chunks[at:], firsts=line.firsts[at:])


def part_rows(lines: Sequence[PrintedCells], columns: Columns, pitch: float) -> list[TableLines]:
    """The rows between two lines across."""
    shape = _shape_of(lines, columns, pitch)
    rows: list[TableLines] = []
    before: PrintedCells | None = None
    for line in lines:
        spans = _spans_of(line, columns)
        step = before.bottom - line.bottom if before is not None else 0.0
        if not rows or spans != rows[-1].spans or (not spans and _begins_row(rows[-1], line, shape, step)):
            rows.append(TableLines(spans=spans))
        rows[-1].add(line, columns)
        before = line
    return rows


def _shape_of(lines: Sequence[PrintedCells], columns: Columns, pitch: float) -> _Shape:
    texts: dict[int, list[str]] = defaultdict(list)
    row = TableLines()
    by_cells = False
    for line in lines:
        by_cells = by_cells or row.is_told_after(line)
        row = TableLines()
        row.add(line, columns)
        for chunk in line.chunks:
            texts[columns.of(chunk)[0]].append(chunk.text)
    entries = {at for at, of in texts.items() if len(of) >= FEW and all(text[0].isdigit() for text in of)}
    are_apart = any(above.bottom - below.bottom > NEXT_ROW * pitch for above, below in pairwise(lines))
    return _Shape(columns, min(texts), entries, pitch, are_apart, by_cells)


def _begins_row(row: TableLines, line: PrintedCells, shape: _Shape, step: float) -> bool:
    """Whether a line begins a row. `step`: how far it stands below the one before.

    Most programs write the cells of a row one after the other: a line of which a part was written before what stands
    above it is of the same row.
    """
    columns, name = shape.columns, shape.name
    if row.is_told_after(line):
        return False
    if step > NEXT_ROW * shape.pitch:
        return True
    begun = {columns.of(chunk)[0]: first for chunk, first in zip(line.chunks, line.firsts, strict=True)}
    known = begun.keys() & row.last.keys()
    if known & shape.entries or (shape.is_told_by_cells and len(known) > 1):
        return True
    had_room = [_had_room(row.last[at], begun[at], columns.rights[at]) for at in known]
    is_between = step < INTERLEAVED * shape.pitch
    if name not in begun:  # the next row may have no name
        return len(had_room) > 1 and all(had_room)
    if name not in row.last or is_between:
        return not (is_between or shape.are_apart)
    text = begun[name].text
    goes_on = text[:1].islower() or text.startswith(_WITHIN)
    return any(had_room) or len(known) < len(begun) or not goes_on


def _had_room(above: Word, first: Word, right: float) -> bool:
    """Whether a line's first word could have stood in the line above it."""
    return above.right + SPACE * first.height + first.right - first.left < right
