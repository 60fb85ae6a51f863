"""Cells that are merged over rows or columns, of whatever kind of document: where their words are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

REPEATED = 60  # letters: a cell of no more is read in each row and column that it is merged over
MOST_REPEATED = 6  # columns: the title of more is read once
MOST_COLUMNS = 1_000  # of one cell, whatever it says


def is_short(text: str) -> bool:
    """Whether a merged cell is read in each of its rows: a long one is in the first alone."""
    return len(text) <= REPEATED


def repeat_below(text: str) -> str:
    """What the next row of a merged cell is given of its words: all or none."""
    return text if is_short(text) else ""


def spread_columns(cells: Sequence[tuple[str, int]]) -> Iterator[str]:
    """The words of each column, of cells and how many columns each is merged over.

    A long one leaves the columns behind its first one empty; what alone has words in its row stands once.
    """
    is_alone = sum(bool(text) for text, _ in cells) < 2
    for text, columns in cells:
        yield text
        if not is_alone:
            yield from [text if is_short(text) and columns <= MOST_REPEATED else ""] * (columns - 1)


def join_cells(texts: Iterable[str]) -> str:
    """A row's cells in one line; empty ones at its end are not told."""
    return " | ".join(texts).rstrip("| ")
