"""Rows of ruled tables that the end of a page cuts in two: the rest of their cells opens the next page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from worker.courses.extract.flow import ENDS, HYPHENS, is_item
from worker.courses.extract.grids import NEAR, Grid, are_same
from worker.courses.extract.rows import Row, first_word

SURE = 2  # cells that go on in small letters, whatever the others do


class TableRow(NamedTuple):
    """The lines of each cell of a row, and from where to where each cell goes; `is_merged`: one of them over rows."""

    cells: tuple[Sequence[Row], ...]
    lefts: tuple[float, ...]
    rights: tuple[float, ...]
    is_merged: bool

    @property
    def words(self) -> tuple[str, ...]:
        """What the cells say, to be compared."""
        return tuple(" ".join(text for line in cell for text in line.cells) for cell in self.cells)


class TableEnd(NamedTuple):
    """The last table of a page: its columns, its first row, which pages repeat, and the row that it ends with."""

    columns: Sequence[float]
    head: tuple[str, ...]
    last: TableRow


def end_of(grid: Grid, rows: Sequence[TableRow], before: TableEnd | None) -> TableEnd:
    """How a table ends; `before`: how the page before did, whose head is its own where the columns are the same."""
    goes_on = before is not None and are_same(before.columns, grid.xs)
    return TableEnd(grid.xs, before.head if before is not None and goes_on else rows[0].words, rows[-1])


def find_rest(grid: Grid, rows: Sequence[TableRow], before: TableEnd) -> int | None:
    """Which row of a page's first table is the rest of the one that the page before ends with: the first one, or the
    one below a head that is repeated; None where the table is another, or its rows are whole."""
    if not are_same(before.columns, grid.xs):
        return None
    at = int(rows[0].words == before.head)
    return at if at < len(rows) and _is_rest(before.last, rows[at]) else None


def _is_rest(before: TableRow, row: TableRow) -> bool:
    """Whether a word is cut, or each cell of a row goes on from the one above: an empty one tells nothing, and
    the first one, which names the row, or is empty above as well, only in small letters."""
    if not are_same(before.lefts, row.lefts):
        return False
    pairs = [
        (above, below, right)
        for above, below, right in zip(before.cells, row.cells, before.rights, strict=True)
        if below
    ]
    if pairs and _is_name_alone(before) and not row.cells[0]:
        return True
    if not pairs or not all(above for above, _, _ in pairs):
        return False
    surely = sum(
        _goes_on(above[-1].cells[-1], below[0].cells[0]) and _may_go_on(above, below, right)
        for above, below, right in pairs
    )
    if surely >= SURE or any(_is_cut(above[-1].cells[-1], below[0].cells[0]) for above, below, _ in pairs):
        return True
    if not all(_may_go_on(above, below, right) for above, below, right in pairs):
        return False
    is_named = bool(row.cells[0]) or not before.cells[0] or before.is_merged
    return not is_named or all(_goes_on(above[-1].cells[-1], below[0].cells[0]) for above, below, _ in pairs)


def _is_name_alone(row: TableRow) -> bool:
    """Whether a row holds nothing but its name: the rest found no room on the page."""
    return bool(row.cells[0]) and not row.is_merged and not any(row.cells[1:])


def _may_go_on(above: Sequence[Row], below: Sequence[Row], right: float) -> bool:
    """Whether the last line of a cell had no room for what the next one begins with, or both are items of a list."""
    if is_item(below[0]):
        return any(map(is_item, above))
    return above[-1].right + first_word(below[0]) >= right - NEAR


def _is_cut(above: str, below: str) -> bool:
    """Whether a word goes on: none of the other cells needs to tell more."""
    return above.endswith(HYPHENS) and above[-2:-1].isalpha() and below[0].islower()


def _goes_on(above: str, below: str) -> bool:
    return below.lstrip("(«[ ")[:1].islower() and not above.endswith(ENDS)
