"""Cells of web pages that are merged over rows: each row is given the words of its own."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import html

REPEATED = 60  # letters: a cell of no more is read in each of its rows
MOST_COPIES = 10_000  # in one page
MOST_COLUMNS = 40


def fill_spans(root: html.HtmlElement) -> None:
    """Repeat short cells in every row that they are merged over, so that what is behind them stays in its column."""
    left = MOST_COPIES
    for table in root.iter("table"):
        above: dict[int, tuple[int, str, str]] = {}  # by column: how many rows it goes on, its words, its kind
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


def _fill(row: html.HtmlElement, above: dict[int, tuple[int, str, str]]) -> int:
    """Put into a row what goes on from the ones above it; how many cells that were."""
    column = copies = 0
    going_on = {at: cell for at, cell in above.items() if cell[0] > 0}
    above.clear()
    for cell in [cell for cell in row if cell.tag in ("td", "th")]:
        while (found := going_on.pop(column, None)) is not None:
            cell.addprevious(_copy(found))
            above[column] = (found[0] - 1, *found[1:])
            column, copies = column + 1, copies + 1
        rows, text = _number(cell.get("rowspan")), " ".join(cell.text_content().split())
        if rows > 1 and text and len(text) <= REPEATED:
            above[column] = (rows - 1, text, cell.tag)
        column += _number(cell.get("colspan"))
    for at, found in sorted(going_on.items()):
        if column:
            row.append(_copy(found))
            copies += 1
        above[at] = (found[0] - 1, *found[1:])
    return copies


def _copy(found: tuple[int, str, str]) -> html.HtmlElement:
    copy = html.Element(found[2])
    copy.text = found[1]
    return copy


def _number(told: str | None) -> int:
    """How many rows or columns a cell says that it is merged over."""
    return min(max(int(told), 1), MOST_COLUMNS) if told is not None and told.isascii() and told.isdigit() else 1
