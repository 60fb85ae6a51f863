"""Cells of web pages that are merged over rows: each row is given the words of its own."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import NamedTuple

from lxml import html

REPEATED, LARGEST = 60, 2_000  # letters, and bytes of HTML: a cell of no more is read in each of its rows
MOST_COPIES = 10_000  # in one page
MOST_MERGED, MOST_DIGITS = 1_000, 9  # rows or columns of one cell, and digits that are read of it


class _Merged(NamedTuple):
    """A cell, and over how many of the next rows it goes on."""

    rows: int
    cell: html.HtmlElement


def fill_spans(root: html.HtmlElement) -> None:
    """Repeat short cells in every row that they are merged over, so that what is behind them stays in its column."""
    left = MOST_COPIES
    for table in root.iter("table"):
        above: dict[int, _Merged] = {}  # by column
        for row in _rows_of(table):
            left -= _fill(row, above)
            if left < 0:
                return


def _rows_of(table: html.HtmlElement) -> Iterator[html.HtmlElement]:
    for part in table:
        if part.tag == "tr":
            yield part
        elif part.tag in ("thead", "tbody", "tfoot"):
            yield from (row for row in part if row.tag == "tr")


def _fill(row: html.HtmlElement, above: dict[int, _Merged]) -> int:
    """Put into a row what goes on from the ones above it; how many cells that were."""
    column = copies = 0
    going_on = {at: merged for at, merged in above.items() if merged.rows > 0}
    above.clear()
    for cell in [cell for cell in row if cell.tag in ("td", "th")]:
        while (merged := going_on.pop(column, None)) is not None:
            cell.addprevious(deepcopy(merged.cell))
            above[column] = merged._replace(rows=merged.rows - 1)
            column, copies = column + 1, copies + 1
        rows = _number(cell.get("rowspan"))
        if rows > 1 and (copy := _copy(cell)) is not None:
            above[column] = _Merged(rows - 1, copy)
        column += _number(cell.get("colspan"))
    for at, merged in sorted(going_on.items()):
        if column:
            row.append(deepcopy(merged.cell))
            copies += 1
        above[at] = merged._replace(rows=merged.rows - 1)
    return copies


def _copy(cell: html.HtmlElement) -> html.HtmlElement | None:
    """A short cell as it is, what hides a part of it included; None of any other."""
    text = " ".join(cell.text_content().split())
    if not text or len(text) > REPEATED or len(html.tostring(cell, with_tail=False)) > LARGEST:
        return None
    copy = deepcopy(cell)
    copy.attrib.pop("rowspan")
    copy.tail = None
    return copy


def _number(told: str | None) -> int:
    """How many rows or columns a cell says that it is merged over."""
    if told is None or not (told.isascii() and told.isdigit()):
        return 1
    return min(max(int(told[:MOST_DIGITS]), 1), MOST_MERGED)
