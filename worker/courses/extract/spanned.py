"""Cells of web pages that are merged over rows or columns: each of these is given a cell of its own."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import NamedTuple

from lxml import html

from worker.courses.extract.merged import MOST_COLUMNS, MOST_REPEATED, is_short

LARGEST = 2_000  # bytes of HTML: a cell of no more is repeated
MOST_COPIES = 10_000  # in one page
MIN_CELLS = 2  # of a row of a table
MOST_DIGITS = 9  # of a number of rows or columns, which are read


class _Merged(NamedTuple):
    """A cell, and over how many of the next rows it goes on."""

    rows: int
    cell: html.HtmlElement


def fill_spans(root: html.HtmlElement) -> None:
    """Repeat short cells in every row and column that they are merged over, and put empty ones behind and below others,
    so that what follows them stays in its column."""
    left = MOST_COPIES
    for table in root.iter("table"):
        above: dict[int, _Merged] = {}  # by column
        rows = list(_rows_of(table))
        width = max((len(_cells_of(row)) for row in rows), default=0)
        for row in rows:
            left -= _fill(row, above, width)
            if left < 0:
                return


def _rows_of(table: html.HtmlElement) -> Iterator[html.HtmlElement]:
    for part in table:
        if part.tag == "tr":
            yield part
        elif part.tag in ("thead", "tbody", "tfoot"):
            yield from (row for row in part if row.tag == "tr")


def _cells_of(row: html.HtmlElement) -> list[html.HtmlElement]:
    return [cell for cell in row if cell.tag in ("td", "th")]


def _fill(row: html.HtmlElement, above: dict[int, _Merged], width: int) -> int:
    """Put into a row what goes on from the ones above it, and behind a cell what it is merged over, up to the width of
    the table; how many cells that were. A cell that is a whole row stands once."""
    cells = _cells_of(row)
    going_on = {at: merged for at, merged in above.items() if merged.rows > 0}
    # A cell beside empty ones alone is a box's text, below its title and beside its picture.
    is_whole = len(cells) < MIN_CELLS and not any(merged.cell.text_content().strip() for merged in going_on.values())
    room = 0 if is_whole else max(width - len(cells) - len(going_on), 0)
    column = copies = 0
    above.clear()
    for cell in cells:
        while (merged := going_on.pop(column, None)) is not None:
            if not is_whole:
                cell.addprevious(deepcopy(merged.cell))
            above[column] = merged._replace(rows=merged.rows - 1)
            column, copies = column + 1, copies + 1
        rows, columns = _number(cell.get("rowspan")), _number(cell.get("colspan"))
        more = min(columns - 1, room)
        if rows > 1 or more:
            copy = _copy(cell, columns)
            above.update((column + at, _Merged(rows - 1, copy)) for at in range(more + 1) if rows > 1)
            for _ in range(more):
                cell.addnext(deepcopy(copy))
            room, copies = room - more, copies + more
        column += columns
    for at, merged in sorted(going_on.items()):
        if column and not is_whole:
            row.append(deepcopy(merged.cell))
            copies += 1
        above[at] = merged._replace(rows=merged.rows - 1)
    return copies


def _copy(cell: html.HtmlElement, columns: int) -> html.HtmlElement:
    """A short cell as it is, what hides a part of it included; an empty one for any other."""
    text = " ".join(cell.text_content().split())
    if not is_short(text) or columns > MOST_REPEATED or len(html.tostring(cell, with_tail=False)) > LARGEST:
        return cell.makeelement(cell.tag)
    copy = deepcopy(cell)
    copy.attrib.pop("rowspan", None)
    copy.tail = None
    return copy


def _number(told: str | None) -> int:
    """How many rows or columns a cell says that it is merged over."""
    if told is None or not (told.isascii() and told.isdigit()):
        return 1
    return min(max(int(told[:MOST_DIGITS]), 1), MOST_COLUMNS)
