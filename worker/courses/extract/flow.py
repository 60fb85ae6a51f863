"""Whether a line of a page goes on from the one before it, by where both stand: what filled its column was broken there
by whoever set the page, what did not was ended by whoever wrote it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

from worker.courses.extract.rows import Row

NEAR_LINES = 8  # before and after, that tell how wide a column is
NEAR_LEFT = 3.0  # of a line's height: how far the lines of one column begin from one another
ALIGNED = 1.5  # points
MOST_BESIDE = 40  # lines at one height
ENOUGH_ALIGNED = 2  # other lines that end where a line does
SPACE = 0.6  # of a line's height: between words, and what a setter may have left
ENDS = (".", "!", "?", ":", ";", "…", "»")
LEAD_ON = (",", "(", "’", "'", "-", "\ufffe", "\xad", "–", "=", "+", "/")

# What begins a line that is one of its own: a capital, or the number of an item before it.
_BEGINNING = re.compile(r"[\W_]{0,3}(?:\d{1,2}(?:\.\d{1,2}){0,3}[.)°]?[ -]{1,3}[«\"(]?)?[A-ZÀ-ÖØ-ÞŒ]")
_HAS_WORD = re.compile(r"[^\W\d_]{3}")
_NUMBER = re.compile(r"(\d{1,2})([.)]?)\s")
_UNIT = re.compile(r"(?:[A-Z]|[A-Za-z]?(?:Pa|Hz|Wh|UI|Gy|Sv|Bq|Da|[GMKT]o))(?![\w'’])")
_MARK = re.compile(r"(?:\d{1,2}[.)]?|[–—-])\s")


class Flow:
    """The lines of a page, and how each follows the one before it. `width`: of a slide in points, 0 of another page."""

    def __init__(self, rows: Sequence[Row], width: float) -> None:
        self._rows = rows
        self._by_height: list[Row] | None = None
        self._width = width
        self._edges: dict[int, float] = {}  # by the size of letters

    def goes_on(self, number: int) -> bool | None:
        """Whether a line goes on from the one before it; None where its place does not tell."""
        if not number or not self._may_tell(self._rows[number - 1], self._rows[number]):
            return None
        before, row = self._rows[number - 1], self._rows[number]
        text, last = row.cells[0], before.cells[-1]
        is_marked = _MARK.match(text) is not None
        if is_marked and self._is_next_item(number):
            return False
        if not 0.89 < row.size / before.size < 1.12:
            return None
        is_short = self._space_after(number - 1) - _first_word(row) > SPACE * row.height
        if is_short:
            is_own = _BEGINNING.match(text) and _HAS_WORD.search(text) and not self._ends_with_others(number - 1)
            return False if is_own else None
        is_sentence = is_marked and abs(row.left - before.left) < ALIGNED and not last.endswith(ENDS)
        return True if is_sentence and not self._is_item(number) else None

    @staticmethod
    def _may_tell(before: Row, row: Row) -> bool:
        """Whether a line stands below the one before it, and begins as an item or a sentence does."""
        text, last = row.cells[0], before.cells[-1]
        return (
            not (before.is_table or row.is_table or last.endswith(LEAD_ON))
            and (_BEGINNING.match(text) or _MARK.match(text)) is not None
            and before.bottom - row.bottom > 0.6 * row.height
            and not (last[-1:].isdigit() and _UNIT.match(text))
        )

    def _is_next_item(self, number: int) -> bool:
        """Whether a line has the number that follows one above it, at the same edge."""
        row = self._rows[number]
        match = _NUMBER.match(row.cells[0])
        if match is None:
            return False
        for other in reversed(self._rows[max(0, number - NEAR_LINES) : number]):
            if abs(other.left - row.left) < ALIGNED and (found := _NUMBER.match(other.cells[0])):
                return int(found[1]) == int(match[1]) - 1 and found[2] == match[2]
        return False

    def _is_item(self, number: int) -> bool:
        """Whether a line above, at the same edge, begins with the same kind of mark: items of a list."""
        row = self._rows[number]
        kind = row.cells[0][0].isdigit()
        return any(
            abs(other.left - row.left) < ALIGNED
            and _MARK.match(other.cells[0]) is not None
            and other.cells[0][0].isdigit() == kind
            for other in self._rows[max(0, number - NEAR_LINES) : number]
        )

    def _space_after(self, number: int) -> float:
        """How much of its column a line leaves empty."""
        row = self._rows[number]
        edge = self._edge_of(row.size)
        for other in self._beside(row):
            if other.left >= row.right:
                edge = min(edge, other.left - row.height)
        # A line that goes on in small letters was full: its column ends before the next line's first word would.
        column = self._column(number)
        reach = max(self._rows[at].right for at in column) - ALIGNED
        for at in column:
            one, following = self._rows[at], self._rows[at + 1] if at + 1 < len(self._rows) else None
            if following is not None and following.cells[0][:1].islower() and one.bottom > following.bottom:
                end = one.right + _first_word(following) + SPACE * one.height
                edge = min(edge, end) if end > reach else edge
        return max(edge, row.right) - row.right

    def _edge_of(self, size: float) -> float:
        """How far to the right the text of a page goes that is set in one size."""
        if (known := self._edges.get(round(size))) is not None:
            return known
        texts = [row for row in self._rows if not row.is_table and 0.89 < row.size / size < 1.12]
        edge = max((row.right for row in texts), default=0.0)
        if self._width and texts:  # a slide has few lines, and as much margin at the right as at the left
            edge = max(edge, self._width - min(row.left for row in texts))
        self._edges[round(size)] = edge
        return edge

    def _beside(self, row: Row) -> Sequence[Row]:
        """Lines at the height of one, or just below it."""
        if self._by_height is None:
            self._by_height = sorted(self._rows, key=_bottom)
        first = bisect_left(self._by_height, row.bottom - 1.2 * row.height, key=_bottom)
        last = bisect_left(self._by_height, row.top - 0.2 * row.height, first, key=_bottom)
        return self._by_height[first : min(last, first + MOST_BESIDE)]

    def _ends_with_others(self, number: int) -> bool:
        right = self._rows[number].right
        ending = sum(abs(self._rows[at].right - right) < ALIGNED for at in self._column(number) if at != number)
        return ending >= ENOUGH_ALIGNED

    def _column(self, number: int) -> list[int]:
        """The lines near one, of its own column."""
        row = self._rows[number]
        return [
            at
            for at in range(max(0, number - NEAR_LINES), min(len(self._rows), number + NEAR_LINES + 1))
            if not self._rows[at].is_table
            and abs(self._rows[at].left - row.left) < NEAR_LEFT * row.height
            and 0.89 < self._rows[at].size / row.size < 1.12
        ]


def _bottom(row: Row) -> float:
    return row.bottom


def _first_word(row: Row) -> float:
    """How wide the first word of a line is, by how wide its letters are on average."""
    text = row.cells[0]
    return (row.rights[0] - row.lefts[0]) * len(text.split(" ", 1)[0]) / len(text)
