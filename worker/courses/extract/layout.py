"""What stands where on a printed page, into lines in reading order: columns, tables, paragraphs, edges.

A page's own order is kept where its places do not speak against it: most programs write in the order of reading.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from statistics import median
from typing import NamedTuple

from worker.courses.document import Line


class Span(NamedTuple):
    """A stretch of a printed line without a wide gap in it."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    is_bold: bool = False
    size: float = 0.0  # of its letters in points; 0 where only its box is known

    @property
    def height(self) -> float:
        return self.top - self.bottom


class _Row(NamedTuple):
    """Spans side by side: one printed line, or the cells of a table's row, each of some lines."""

    cells: tuple[str, ...]
    lefts: tuple[float, ...]  # of the cells
    rights: tuple[float, ...]
    left: float
    right: float
    bottom: float
    top: float
    height: float  # of a letter
    is_bold: bool
    size: float
    is_table: bool = False


CELL_GAP = 1.0  # of a line's height
LETTER_GAP = 0.12  # so near, the next letter belongs to the same word
MIN_SIDE = 6  # lines that make a column
MIN_COLUMN_TEXT = 20  # letters of a line of text, on average; cells are shorter
MAX_CELL_LINES = 12
MAX_WRAPPED = 3  # lines of one cell below those of a row
PARAGRAPH_PITCH = 1.25  # of the usual distance between lines
EDGE_GAP = 1.5  # of a line's height: what stands so far from the rest of the page
_LEADERS = re.compile(r"(?:\.\s?){4,}|(?:·\s?){4,}")
_ENUMERATOR = re.compile(r"(?:[\dIVX]{1,4}|[A-Za-z])(?:\.\d{1,3})*[.)°]?|[•▪–—*-]")
_ENDS = (".", "!", "?", ":", ";", "…", "»")


def arrange(printed: Sequence[Sequence[Span]]) -> Iterator[Line]:
    """Lines in reading order, an empty one between paragraphs. `Line.size` is a height in points here."""
    ordered = _move_edges(_by_columns(_on_one_line(printed)))
    rows = _without_lone_rows(_join_cells(_tables([_row(spans) for spans in ordered])))
    pitch = _usual_pitch(rows)
    right = max((row.right for row in rows), default=0.0)
    before: _Row | None = None
    for number, row in enumerate(rows):
        if before is not None and _begins_paragraph(before, row, pitch, right):
            yield Line("")
        starts = row.is_table and not (before is not None and before.is_table)
        yield Line(
            (" | " if row.is_table else " ").join(row.cells),
            size=row.size,
            is_bold=row.is_bold,
            is_row=row.is_table,
            is_head=starts and _is_head(rows, number),
            foot=round(row.bottom, 1),
        )
        before = row


def _on_one_line(printed: Sequence[Sequence[Span]]) -> list[list[Span]]:
    """Lines that go on at the same height, as after an exponent, are one."""
    lines: list[list[Span]] = []
    for spans in printed:
        before = lines[-1][-1] if lines else None
        first = spans[0]
        if (
            before is not None
            and abs(lines[-1][0].bottom - first.bottom) < 0.3 * first.height
            and -0.2 < (first.left - before.right) / first.height < CELL_GAP
        ):
            lines[-1] += spans
        else:
            lines.append(list(spans))
    return lines


def _row(spans: Sequence[Span]) -> _Row:
    """One printed line; spans that stand near one another are one cell."""
    parts, lefts, rights = [[spans[0].text]], [spans[0].left], [spans[0].right]
    for before, span in pairwise(spans):
        gap = span.left - before.right
        if -before.height < gap < CELL_GAP * before.height:
            parts[-1].append((" " if gap > LETTER_GAP * before.height else "") + span.text)
            rights[-1] = span.right
        else:
            parts.append([span.text])
            lefts.append(span.left)
            rights.append(span.right)
    widest = max(spans, key=lambda span: len(span.text))
    return _Row(
        tuple("".join(cell) for cell in parts),
        tuple(lefts),
        tuple(rights),
        min(span.left for span in spans),
        max(span.right for span in spans),
        spans[0].bottom,
        max(span.top for span in spans),
        widest.height,
        all(span.is_bold for span in spans),
        widest.size or widest.height,
    )


# --- columns --------------------------------------------------------------------------------------------------------


def _by_columns(printed: Sequence[Sequence[Span]]) -> list[list[Span]]:
    """Lines of two columns that a page gives alternately: first the left column, then the right, between full lines."""
    spans = [span for line in printed for span in line]
    gutter = _find_gutter(spans)
    if gutter is None or not _alternates(spans, gutter):
        return [list(line) for line in printed]
    full: list[list[Span]] = []
    sides: tuple[list[list[Span]], list[list[Span]]] = ([], [])
    for line in printed:
        if any(span.left < gutter < span.right for span in line):
            full.append(list(line))
            continue
        for side, part in enumerate(([s for s in line if s.right <= gutter], [s for s in line if s.left >= gutter])):
            if part:
                sides[side].append(part)
    full.sort(key=lambda line: -line[0].bottom)
    depths = [-line[0].bottom for line in full]
    keyed = [
        ((bisect_left(depths, -line[0].bottom), side, -line[0].bottom), line) for side in (0, 1) for line in sides[side]
    ]
    keyed += [((number, 2, 0.0), line) for number, line in enumerate(full)]
    return [line for _, line in sorted(keyed, key=lambda one: one[0])]


def _find_gutter(spans: Sequence[Span]) -> float | None:
    """Where between two columns of text hardly anything is printed."""
    if len(spans) < 2 * MIN_SIDE:
        return None
    left, right = min(s.left for s in spans), max(s.right for s in spans)
    step = (right - left) / 100 or 1.0
    begins, ends = [0] * 102, [0] * 102
    for span in spans:
        begins[int((span.left - left) / step) + 1] += 1
        ends[int((span.right - left) / step)] += 1
    # How many spans are printed over each hundredth of the width; the middle ones are asked.
    over = list(accumulate(begun - ended for begun, ended in zip(begins, ends, strict=True)))
    fewest = min(over[30:71])
    places = [at for at in range(30, 71) if over[at] == fewest]
    best = (fewest, left + step * places[len(places) // 2])
    if best[0] > 0.3 * len(spans):
        return None
    for side in ([s for s in spans if s.right <= best[1]], [s for s in spans if s.left >= best[1]]):
        letters = sum(len(s.text) for s in side)
        if len(side) < MIN_SIDE or letters < MIN_COLUMN_TEXT * len(side):
            return None
    return best[1]


def _alternates(spans: Sequence[Span], gutter: float) -> bool:
    """Whether the page goes to and fro between its columns."""
    sides = [span.left >= gutter for span in spans if not span.left < gutter < span.right]
    changes = sum(a != b for a, b in pairwise(sides))
    return changes > max(6, 0.3 * len(sides))


def _move_edges(lines: list[list[Span]]) -> list[list[Span]]:
    """What stands alone at the top of a page is read first, at its foot last, in whatever order it was printed."""
    if len(lines) < 3:
        return lines
    heights = sorted(lines, key=lambda line: -line[0].bottom)
    for at, (outer, inner) in ((0, heights[:2]), (len(lines) - 1, (heights[-1], heights[-2]))):
        gap = abs(outer[0].bottom - inner[0].bottom)
        if gap > (1 + EDGE_GAP) * min(outer[0].height, inner[0].height) and lines[at] is not outer:
            lines = [line for line in lines if line is not outer]
            lines.insert(at, outer)
    return lines


# --- tables ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Cell:
    """Lines below one another that may be one cell, and how far they reach to both sides."""

    rows: list[_Row]
    left: float
    right: float

    def takes(self, row: _Row) -> bool:
        last = self.rows[-1]
        return (
            not row.is_table
            and not last.is_table
            and row.top <= last.bottom + 0.5 * row.height
            and row.left < self.right
            and row.right > self.left
        )

    def add(self, row: _Row) -> None:
        self.rows.append(row)
        self.left, self.right = min(self.left, row.left), max(self.right, row.right)


@dataclass(slots=True)
class _Side:
    """Cells side by side: how high the highest begins, and how high the lowest ends."""

    cells: list[_Cell]
    top: float
    bottom: float

    def takes(self, cell: _Cell) -> bool:
        first = cell.rows[0]
        return (
            not first.is_table
            and first.left >= self.cells[-1].right - 1
            and self.bottom < first.top <= self.top + first.height
            and len(cell.rows) <= MAX_CELL_LINES
        )

    def add(self, cell: _Cell) -> None:
        self.cells.append(cell)
        self.top, self.bottom = max(self.top, cell.rows[0].top), min(self.bottom, cell.rows[-1].bottom)


def _join_cells(rows: Sequence[_Row]) -> list[_Row]:
    """Rows whose cells are told one after the other, each with its lines: what goes up to the right is a cell."""
    cells: list[_Cell] = []
    for row in (part for line in rows for part in _parts(line)):
        if cells and cells[-1].takes(row):
            cells[-1].add(row)
        else:
            cells.append(_Cell([row], row.left, row.right))
    found: list[_Side] = []
    for cell in cells:
        if found and found[-1].takes(cell):
            found[-1].add(cell)
        else:
            found.append(_Side([cell], cell.rows[0].top, cell.rows[-1].bottom))
    sides = [[cell.rows for cell in side.cells] for side in found]
    return _whole_lines([row for group in _tabular_groups(sides) for row in group])


def _parts(row: _Row) -> list[_Row]:
    """The cells of a printed line, each as a line of its own."""
    if row.is_table or not _has_cells(row):
        return [row]
    return [
        row._replace(cells=(text,), lefts=(left,), rights=(right,), left=left, right=right)
        for text, left, right in zip(row.cells, row.lefts, row.rights, strict=True)
    ]


def _whole_lines(rows: Sequence[_Row]) -> list[_Row]:
    """Parts of one printed line that proved to be no cells, together again."""
    whole: list[_Row] = []
    for (is_table, *_), parts in groupby(rows, key=lambda row: (row.is_table, row.bottom, row.top, row.height)):
        of_line = list(parts)
        if is_table or len(of_line) == 1:
            whole += of_line
            continue
        whole.append(
            of_line[0]._replace(
                cells=tuple(cell for row in of_line for cell in row.cells),
                lefts=tuple(left for row in of_line for left in row.lefts),
                rights=tuple(right for row in of_line for right in row.rights),
                left=min(row.left for row in of_line),
                right=max(row.right for row in of_line),
            )
        )
    return whole


def _tabular_groups(found: Sequence[Sequence[Sequence[_Row]]]) -> Iterator[list[_Row]]:
    """Two rows of cells or more that stand below one another are a table; the rest stays lines."""
    for number, row in enumerate(found):
        neighbours = [found[i] for i in (number - 1, number + 1) if 0 <= i < len(found)]
        is_table = len(row) > 1 and any(
            len(other) > 1 and abs(other[0][0].left - row[0][0].left) < row[0][0].height for other in neighbours
        )
        if not is_table:
            yield [line for cell in row for line in cell]
            continue
        lines = [line for cell in row for line in cell]
        yield [
            _Row(
                tuple(" ".join(" ".join(line.cells) for line in cell) for cell in row),
                tuple(cell[0].left for cell in row),
                tuple(max(line.right for line in cell) for cell in row),
                lines[0].left,
                max(line.right for line in lines),
                min(line.bottom for line in lines),
                max(line.top for line in lines),
                lines[0].height,
                all(line.is_bold for line in lines),
                lines[0].size,
                is_table=True,
            )
        ]


def _tables(rows: Sequence[_Row]) -> list[_Row]:
    """Printed lines with wide gaps below one another are the rows of a table; what wraps in a cell goes on in it."""
    wide = [_has_cells(row) for row in rows]
    found: list[_Row] = []
    last: int | None = None  # the row of a table that is being read
    for number, row in enumerate(rows):
        following = next((i for i in range(number + 1, min(number + 2 + MAX_WRAPPED, len(rows))) if wide[i]), None)
        goes_on = following is not None and _are_rows(row, rows[following], following - number)
        if wide[number] and (goes_on or (last is not None and _are_rows(rows[last], row, number - last))):
            found.append(row._replace(is_table=True))
            last = number
        elif last is not None and not wide[number] and (column := _column_of(row, rows[last])) is not None:
            found[-1] = _with_wrapped(found[-1], row, column)
        else:
            found.append(row)
            last = None
    return found


def _without_lone_rows(rows: Sequence[_Row]) -> list[_Row]:
    """One row is no table: a word in the margin, or what a wide space stands in."""
    return [
        row._replace(is_table=False)
        if row.is_table and not any(near.is_table for near in (*rows[max(0, n - 1) : n], *rows[n + 1 : n + 2]))
        else row
        for n, row in enumerate(rows)
    ]


def _has_cells(row: _Row) -> bool:
    """Whether the gaps of a line part cells: not those of contents, nor the one after a number or a bullet."""
    if len(row.cells) == 2 and _ENUMERATOR.fullmatch(row.cells[0]) and not row.cells[1][0].isdigit():
        return False
    return len(row.cells) > 1 and not any(_LEADERS.search(cell) for cell in row.cells)


def _are_rows(above: _Row, below: _Row, distance: int) -> bool:
    """Whether two lines are rows of one table: as many cells but one, a column in common, and near one another."""
    return (
        abs(len(above.cells) - len(below.cells)) <= 1
        and 0 < above.bottom - below.bottom < 4 * above.height * distance
        and (distance == 1 or any(abs(a - b) < 3 for a in above.lefts[1:] for b in below.lefts[1:]))
    )


def _column_of(row: _Row, above: _Row) -> int | None:
    """The column, not the first, that a line below a row stands in."""
    if not 0 < above.bottom - row.bottom < (1 + MAX_WRAPPED) * 1.6 * above.height:
        return None
    return next((i for i, left in enumerate(above.lefts) if i and abs(row.left - left) < 3), None)


def _with_wrapped(row: _Row, rest: _Row, column: int) -> _Row:
    cells = list(row.cells)
    cells[column] += " " + rest.cells[0]
    return row._replace(cells=tuple(cells))


def _is_head(rows: Sequence[_Row], number: int) -> bool:
    """Whether the first row of a table names its columns: in bold where the next one is not, or without figures."""
    head, body = rows[number], rows[number + 1 : number + 4]
    body = [row for row in body if row.is_table]
    if not body or max(map(len, head.cells)) > 60:
        return False
    if head.is_bold and not body[0].is_bold:
        return True
    return not any(map(_has_digit, head.cells)) and any(_has_digit(cell) for row in body for cell in row.cells)


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


# --- paragraphs -----------------------------------------------------------------------------------------------------


def _usual_pitch(rows: Sequence[_Row]) -> float:
    """The distance between lines that follow one another."""
    steps = [a.bottom - b.bottom for a, b in pairwise(rows) if 0 < a.bottom - b.bottom < 3 * a.height]
    return median(steps) if steps else 0.0


def _begins_paragraph(before: _Row, row: _Row, pitch: float, right: float) -> bool:
    if before.is_table or row.is_table:
        return not (before.is_table and row.is_table)
    step = before.bottom - row.bottom
    if step <= -0.5 * row.height or step > PARAGRAPH_PITCH * pitch:
        return step > 0.5 * row.height or step < 0
    # Letters of another size or weight begin a heading, or the text below one, unless they stand in a full line.
    full = before.right > right - 0.05 * (right - before.left) and step < 1.1 * pitch
    if not full and (row.is_bold != before.is_bold or not 0.89 < row.size / before.size < 1.12):
        return True
    ended = before.cells[-1].endswith(_ENDS)
    indent = abs(row.left - before.left) > 0.8 * row.height
    short = before.right < right - 0.2 * (right - before.left)
    return ended and (indent or short)
