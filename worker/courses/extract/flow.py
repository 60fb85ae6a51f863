"""Whether a line of a page goes on from the one before it, by where both stand: what filled its column was broken there
by whoever set the page, what did not was ended by whoever wrote it."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

from worker.courses.extract.rows import Row
from worker.courses.signs import BULLETS, DASHES, LEADERS

NEAR_LINES = 8  # before and after, that tell how wide a column is
NEAR_LEFT = 3.0  # of a line's height: how far the lines of one column begin from one another
ALIGNED = 1.5  # points
ALIKE = (0.89, 1.12)  # how much larger the letters of one text may be
MOST_BESIDE = 40  # lines at one height
ENOUGH_ALIGNED = 2  # other lines that end where a line does
# Times the size of letters, further than lines of one paragraph stand apart, but for a text with double spacing; a line
# that goes on there ends at the edge of the page's text, not so much of its width before.
APART, SHORT = 1.9, 0.25
SPACE = 0.6  # of a line's height: between words
# Of a line's height, beyond the width of what the next line begins with: what a setter leaves at a line's end at most,
# and what none leaves, whatever that begins with.
LEFT, FAR = 1.0, 2.0
RAGGED = 0.5  # of a line's height: how far beyond the longest of many lines their column may go
MANY_LINES = 10  # of one column
BELOW_BOX = 3  # of a line's height: how far a box keeps the text away below its last line
BESIDE_BOX, NEAR_END = 2, 4.0  # lines above one, and of a line's height between where they end, beside a box
LEAST_BESIDE = 0.4  # of the width of the text, which the box leaves
ENDS = (".", "!", "?", ":", ";", "…", "»")
HYPHENS = ("-", "\ufffe", "\xad")
WRAPPED = "˓→"  # what Sphinx puts before the rest of a line that it broke
LEAD_ON = (",", "(", "’", "'", *HYPHENS, "–", "=", "+", "/")

# What begins a line that is one of its own: a capital, or the number or letter of an item before it.
_BEGINNING = re.compile(
    r"[\W_]{0,3}(?:(?:\d{1,2}(?:\.\d{1,2}){0,3}[.)°/]?|[a-z][)/](?=\s))[ -]{1,3}[«\"(]?)?[A-ZÀ-ÖØ-ÞŒ]"
)
_RANGE = re.compile(r"\d[-–]$")  # `palier 1-⏎2`
_LETTERED = re.compile(r"[a-z][/-]\s[A-ZÀ-ÖØ-ÞŒ]")
_SIGN = re.compile(r"(?:[+*→⇒]|[=-]>)\s")
_LETTER = re.compile(r"([A-Ha-h])([.)])\s")
# What a setter keeps on one line: a number and what it counts, a mark and the word beside it.
_UNBROKEN = re.compile(r"«\s\S+|\S*\d\S*(?:\s\d\S*)*(?:\s\S+)?|\S+\s\S*\d\S*|\S+\s[;:!?»]|\S+")
_FIRST_WORD = re.compile(r"[^ ]*")
_HAS_WORD = re.compile(r"[^\W\d_]{3}")
_NUMBER = re.compile(r"(\d{1,2})(?:([.)])(?=\s|[A-ZÀ-ÖØ-ÞŒ])|\s)")
_UNIT = re.compile(
    r"(?:[A-Z]|[A-Za-z]?(?:Pa|Hz|Wh|UI|Gy|Sv|Bq|Da|[GMKT]o)|[cdkmnµ]?(?:[glmLs]|mol|eq)|%|°C?|h|min|(?:an|jour|semaine|heure|"
    r"minute|seconde|goutte|comprimé|gélule|dose|kilo|mètre|gramme|litre)s?|mois|fois)(?![\w'’])"
)
_NAMED = re.compile(r"[^:]{1,25}:(?:\s|$)")  # `nom : …`, of a list of names
_ITEM = re.compile(rf"(?:[{BULLETS}{DASHES}]|\d{{1,2}}[.)])(?:\s|$)")
_MARK = re.compile(r"(?:\d{1,2}[.)]?|[–—-])\s|\d{1,2}[.)](?=[A-ZÀ-ÖØ-ÞŒ])")


class Flow:
    """The lines of a page, and how each follows the one before it. `width`: of a slide in points, 0 of another page;
    `boxes`: what stands beside some of them, each as its lines."""

    def __init__(self, rows: Sequence[Row], width: float, boxes: Sequence[Sequence[Row]] = ()) -> None:
        self._rows = rows
        self._boxes = boxes
        self._by_height: list[Row] | None = None
        self._width = width
        self._right = max((row.right for row in rows), default=0.0)
        self._edges: dict[int, float] = {}  # by the size of letters
        self._columns: dict[int, float] = {}  # how far they go, by a line's number
        self._near: dict[int, list[int]] = {}  # the lines of the same column, by a line's number

    def goes_on(self, number: int) -> bool | None:
        """Whether a line goes on from the one before it; None where its place does not tell."""
        if not number:
            return None
        row, before = self._rows[number], self._rows[number - 1]
        if row.cells[0].startswith(WRAPPED) or (_RANGE.search(before.cells[-1]) and row.cells[0][0].isdigit()):
            return True
        if self._is_title(number) or self._is_ended(number) or self._leaves_item(number) or self._is_of_program(number):
            return False
        if _is_below(self._rows[number - 1], row) and (self._is_next_letter(number) or self._repeats_sign(number)):
            return False
        if not self._may_tell(self._rows[number - 1], self._rows[number]):
            return None
        return self._begins_as_its_own(number)

    def _is_title(self, number: int) -> bool:
        """Whether a line below an item is bold from end to end, breaks off early, and begins where the item's mark
        does, or before its words: a title without a number, in small letters too."""
        row, before = self._rows[number], self._rows[number - 1]
        if not row.is_bold or row.is_table or before.is_bold or before.is_table or row.cells[0][:1].isdigit():
            return False
        is_out = row.left < before.left - ALIGNED or (is_item(before) and row.left < before.left + ALIGNED)
        is_short = self.edge(number) - row.right > FAR * row.height
        return is_out and is_short and _HAS_WORD.search(row.cells[0]) is not None

    def _begins_as_its_own(self, number: int) -> bool | None:
        """Whether a line that begins as an item or a sentence does is the rest of a sentence (True), or one of its own
        (False)."""
        before, row = self._rows[number - 1], self._rows[number]
        is_marked = _MARK.match(row.cells[0]) is not None
        if is_marked and self._is_next_item(number):
            return False
        if not is_alike(before, row):
            return None
        if self._is_next_term(number) or _LETTERED.match(row.cells[0]):
            return False
        if self.has_room(number, LEFT) or self._stands_apart(number):
            is_own = _BEGINNING.match(row.cells[0]) and _HAS_WORD.search(row.cells[0])
            return False if is_own and not self._ends_with_others(number - 1) else None
        goes_on = is_marked and abs(row.left - before.left) < ALIGNED and not before.cells[-1].endswith(ENDS)
        return True if goes_on and not self._is_item(number) else None

    @staticmethod
    def _may_tell(before: Row, row: Row) -> bool:
        """Whether a line stands below the one before it, and begins as an item or a sentence does."""
        text, last = row.cells[0], before.cells[-1]
        return (
            _is_below(before, row)
            and not last.endswith(LEAD_ON)
            and (_BEGINNING.match(text) or _MARK.match(text)) is not None
            and not _is_measure(last, text)
        )

    def _is_ended(self, number: int) -> bool:
        """Whether the line before ends so far from where its neighbours do that whoever wrote it ended it there,
        whatever the next one begins with."""
        before, row = self._rows[number - 1], self._rows[number]
        if self._right - before.right < FAR * row.height:
            return False
        text = row.cells[0]
        if (
            not _is_below(before, row)
            or not is_alike(before, row)
            or (text[:1].islower() and before.cells[-1].endswith(HYPHENS))
            or _is_measure(before.cells[-1], text)
            or LEADERS.search(text)  # it was drawn out to the edge
            or (text[:1].islower() and (_are_centred(before, row) or self._is_beside_box(number - 1)))
        ):
            return False
        least = before.right + _width(row, _UNBROKEN) + FAR * row.height
        near = self._rows[max(0, number - NEAR_LINES) : number + NEAR_LINES]
        is_far = row.right > least or any(
            other.right > least
            and abs(other.left - before.left) < ALIGNED
            and not other.is_table
            and is_alike(before, other)
            and "://" not in other.cells[0]  # an address goes beyond its column
            for other in near
        )
        enough = 1 if text[:1].islower() else ENOUGH_ALIGNED
        return is_far and self.has_room(number, FAR) and not self._ends_with_others(number - 1, enough)

    def _is_beside_box(self, number: int) -> bool:
        """Whether a line and the two above it end near one another, though far from where the text does: a box stands
        beside them, below which the text is as wide as elsewhere."""
        row, above = self._rows[number], self._rows[max(0, number - BESIDE_BOX) : number]
        following = self._rows[number + 1].cells[0]
        if not row.cells[-1][-1].isalpha() or _NAMED.match(following):
            return False
        if len(above) < BESIDE_BOX or row.right - row.left < LEAST_BESIDE * (self._right - row.left):
            return False
        return all(
            abs(line.left - row.left) < ALIGNED
            and abs(line.right - row.right) < NEAR_END * row.height
            and not line.is_table
            and is_alike(line, row)
            for line in above
        )

    def _is_of_program(self, number: int) -> bool:
        """Whether a line and the one before it are of a program, whose lines are all their own, or one of them is and
        stands at its end; an address that is set as programs are may go on."""
        before, row = self._rows[number - 1], self._rows[number]
        if not (before.is_typed or row.is_typed) or not _is_below(before, row):
            return False
        if before.is_typed and row.is_typed:
            return "://" not in before.cells[-1].rsplit(" ", 1)[-1]
        if row.is_typed:
            return before.cells[-1].endswith(":") or self._is_in_program(number, number + 1)
        return self._is_in_program(number - 1, number - 2)

    def _is_in_program(self, number: int, other: int) -> bool:
        """Whether the line above or below one that is set as programs are is so too, and near."""
        if not 0 <= other < len(self._rows):
            return False
        row, beside = self._rows[number], self._rows[other]
        return beside.is_typed and abs(beside.bottom - row.bottom) < 2 * row.height

    def _leaves_item(self, number: int) -> bool:
        """Whether a line begins to the left of the mark of the item above it: it is none of its lines."""
        row = self._rows[number]
        if self._rows[number - 1].left <= row.left + ALIGNED or not _is_below(self._rows[number - 1], row):
            return False
        if not (row.cells[0][:1].isdigit() or _BEGINNING.match(row.cells[0])):
            return False
        if not (self.has_room(number) or self._rows[number - 1].cells[-1].endswith(ENDS)):
            return False  # the first line of a paragraph with a number, which is set in
        inner = math.inf  # where the lines between begin: those of an item behind its mark
        for before in reversed(self._rows[max(0, number - NEAR_LINES) : number]):
            if before.is_table or before.left <= row.left + ALIGNED:
                return False
            if is_item(before):
                return before.left + ALIGNED < inner
            inner = min(inner, before.left)
        return False

    def goes_over(self, number: int) -> bool:
        """Whether a line at the head of a column goes on from a full one at the foot of the column before."""
        if not number:
            return False
        before, row = self._rows[number - 1], self._rows[number]
        last = before.cells[-1]
        return (
            row.bottom - before.bottom > NEAR_LINES * row.height / 2
            and not (before.is_table or row.is_table or before.is_bold or row.is_bold)
            and row.left > before.left
            and is_alike(before, row)
            and (not last.endswith(ENDS) or (last.endswith((":", "»")) and row.cells[0][0].islower()))
            and not is_item(row)
            and not self.has_room(number, LEFT)
        )

    def has_room(self, number: int, left: float = 0.0) -> bool:
        """Whether the column of the line before has room for what a line begins with, and some heights more."""
        before, row = self._rows[number - 1], self._rows[number]
        return self.edge(number - 1) - before.right - _width(row, _UNBROKEN) > left * row.height

    def _stands_apart(self, number: int) -> bool:
        """Whether the line before is short for this page and a line stands far below it: titles of a list, which all
        begin as such. Of a text in a narrow box some lines go on in small letters."""
        before, row = self._rows[number - 1], self._rows[number]
        if before.bottom - row.bottom <= APART * row.size or self._right - before.right <= SHORT * self._right:
            return False
        near = self._rows[max(0, number - NEAR_LINES) : number + NEAR_LINES]
        return all(_BEGINNING.match(line.cells[0]) for line in near if abs(line.left - row.left) < ALIGNED)

    def _is_next_term(self, number: int) -> bool:
        """Whether a line begins in bold as the first line of the paragraph above it does, at the same edge, and what
        stands between is set in: the terms of a list, or titles that run in."""
        row = self._rows[number]
        if not row.leads_bold:
            return False
        for before in reversed(self._rows[max(0, number - NEAR_LINES) : number]):
            if abs(before.left - row.left) < ALIGNED:
                return before.leads_bold
            if before.left < row.left or before.is_table:
                return False
        return False

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

    def _is_next_letter(self, number: int) -> bool:
        """Whether a line has the letter that follows one above it, at the same edge, or the first one below a colon:
        what a question offers."""
        row = self._rows[number]
        match = _LETTER.match(row.cells[0])
        if match is None:
            return False
        if match[1] in "Aa" and self._rows[number - 1].cells[-1].endswith(":"):
            return True
        return any(
            abs(other.left - row.left) < ALIGNED and (found := _LETTER.match(other.cells[0])) and _is_next(found, match)
            for other in self._rows[max(0, number - NEAR_LINES) : number]
        )

    def _repeats_sign(self, number: int) -> bool:
        """Whether a line begins with a sign that is no mark elsewhere, as one above it does at the same edge."""
        row = self._rows[number]
        match = _SIGN.match(row.cells[0])
        return match is not None and any(
            abs(other.left - row.left) < ALIGNED and other.cells[0].startswith(match[0])
            for other in self._rows[max(0, number - NEAR_LINES) : number]
        )

    def _is_item(self, number: int) -> bool:
        """Whether a line above, at the same edge, begins with the same kind of mark: items of a list."""
        row = self._rows[number]
        kind = _kind_of_mark(row)
        return any(
            abs(other.left - row.left) < ALIGNED and _kind_of_mark(other) == kind
            for other in self._rows[max(0, number - NEAR_LINES) : number]
        )

    def edge(self, number: int) -> float:
        """How far to the right the column of a line goes."""
        if (known := self._columns.get(number)) is not None:
            return known
        row = self._rows[number]
        edge = self._edge_of(row.size)
        for other in self._beside(row):
            if other.left >= row.right:
                edge = min(edge, other.left - row.height)
        for box in self._boxes:
            left, height = min(line.left for line in box), box[0].height
            is_beside = box[-1].bottom - BELOW_BOX * height < row.top and row.bottom < box[0].top + height
            if is_beside and left >= row.right:
                edge = min(edge, left - row.height)
        # A line that goes on in small letters was full: its column ends before the next line's first word would.
        column = self._column(number)
        longest = max([self._rows[at].right for at in column], default=row.right)
        for at in column:
            if longest - ALIGNED < self._full_ends[at] < edge:
                edge = self._full_ends[at]
        if len(column) >= MANY_LINES and not self._width:
            edge = min(edge, longest + RAGGED * row.height)
        self._columns[number] = edge = max(edge, row.right)
        return edge

    def _edge_of(self, size: float) -> float:
        """How far to the right the text of a page goes that is set in one size."""
        if (known := self._edges.get(round(size))) is not None:
            return known
        texts = [row for row in self._rows if not row.is_table and ALIKE[0] < row.size / size < ALIKE[1]]
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

    def _ends_with_others(self, number: int, enough: int = ENOUGH_ALIGNED) -> bool:
        """Whether other lines end where a line does; but for items of one line, which end where their words do."""
        right = self._rows[number].right
        ending = [at for at in self._column(number) if at != number and abs(self._rows[at].right - right) < ALIGNED]
        following = self._rows[number + 1].cells[0] if number + 1 < len(self._rows) else ""
        return sum(following[:1].islower() or not self._is_short_item(at) for at in ending) >= enough

    def _is_short_item(self, number: int) -> bool:
        """Whether a line is an item, and so is the next one."""
        return is_item(self._rows[number]) and number + 1 < len(self._rows) and is_item(self._rows[number + 1])

    @cached_property
    def _full_ends(self) -> list[float]:
        """Where the column of each line ends at most, if the line below goes on in small letters; else infinity."""
        ends = [
            row.right + _width(following) + SPACE * row.height
            if following.cells[0][:1].islower() and row.bottom > following.bottom
            else math.inf
            for row, following in pairwise(self._rows)
        ]
        return [*ends, math.inf]

    def _column(self, number: int) -> list[int]:
        """The lines near one, of its own column."""
        if (known := self._near.get(number)) is not None:
            return known
        row, first = self._rows[number], max(0, number - NEAR_LINES)
        left, most = row.left, NEAR_LEFT * row.height
        near = [
            at
            for at, other in enumerate(self._rows[first : number + NEAR_LINES + 1], first)
            if abs(other.left - left) < most and not other.is_table and is_alike(row, other)
        ]
        self._near[number] = near
        return near


def is_item(row: Row) -> bool:
    """Whether a line begins with the mark of an item."""
    return _ITEM.match(row.cells[0]) is not None


def _is_next(letter: re.Match[str], other: re.Match[str]) -> bool:
    return ord(other[1]) == ord(letter[1]) + 1 and other[2] == letter[2]


def _kind_of_mark(row: Row) -> str | None:
    """What the mark that a line begins with has beside its figures; None without one. `8 kg` is no item as `8.` is."""
    mark = _MARK.match(row.cells[0])
    return None if mark is None else mark[0].strip().lstrip("0123456789") or "0"


def _bottom(row: Row) -> float:
    return row.bottom


def _is_below(before: Row, row: Row) -> bool:
    """Whether a line of text stands below another."""
    return not (before.is_table or row.is_table) and before.bottom - row.bottom > 0.6 * row.height


def _are_centred(before: Row, row: Row) -> bool:
    """Whether two lines stand one in the middle below the other, as those of a caption do."""
    apart = abs(row.left - before.left)
    return apart > ALIGNED and abs(row.left + row.right - before.left - before.right) < 2 * ALIGNED


def _is_measure(before: str, text: str) -> bool:
    """Whether a number at the end of a line and the unit that begins the next are one measure."""
    return before[-1:].isdigit() and _UNIT.match(text) is not None


def is_alike(before: Row, row: Row) -> bool:
    """Whether two lines are set in letters of one size."""
    return ALIKE[0] < row.size / before.size < ALIKE[1]


def _width(row: Row, beginning: re.Pattern[str] = _FIRST_WORD) -> float:
    """How wide the beginning of a line is, by how wide its letters are on average."""
    text = row.cells[0]
    match = beginning.match(text)
    return (row.rights[0] - row.lefts[0]) * (match.end() if match else len(text)) / len(text)
