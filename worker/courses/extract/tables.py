"""Tables of a page: rows of cells, by where their lines stand."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import reduce
from itertools import groupby, pairwise

from worker.courses.extract.rows import Row
from worker.courses.signs import BULLETS, DASHES, LEADERS, join_cell

# Columns whose gaps are all the same are rare, but for rows of the same words: these do not end where lines of text do.
SOME_GAPS, MANY_GAPS = 2, 4
EDGE, ENOUGH_LINES = 0.5, 3  # points around a line's end, and so many other lines that end there
_Place = tuple[str, float, float]  # a cell's text, and where it begins and ends
OUTDENT = 5.0  # of a line's height: how far a line of a cell may begin before the first
ALIGNED = 3  # points
MAX_CELL_LINES = 12
ALIKE = (0.8, 1.25)  # how much larger the letters of one cell may be: no title and its text
MOST_APART = 2.5  # of a line's height: between the lines of a cell
MOST_ROWS = 0.6  # of a table, that have as many cells
MOST_DRAWN = 2.0  # of a line's height: between words that a narrow cell draws out
PAIR = 2
MAX_WRAPPED = 3  # lines of one cell below those of a row
LONGEST_NAME, MIN_NAMES, LONGER = 60, 3, 1.2  # of columns: characters, how many, and how much longer cells are
_ITEM = re.compile(rf"[{BULLETS}{DASHES}]\s")
_ENUMERATOR = re.compile(r"(?:[\dIVX]{1,4}|[A-Za-z])(?:\.\d{1,3})*[.)°]?|[•▪–—*-]")
_WORDS = re.compile(r"[^\W\d_]+")


def find_tables(rows: Sequence[Row]) -> list[Row]:
    """The rows of tables marked, each with its cells whole."""
    ruled = {id(row) for row in rows if row.is_table}
    rights = sorted(row.right for row in rows if len(row.cells) == 1)
    rows = [_whole(row) if _is_stretched(row, rights) else row for row in rows]
    found = _without_lone_rows(_join_cells(_tables(rows)), ruled)
    return _with_empty_cells(_without_crossed(found, ruled), ruled)


def _without_crossed(rows: Sequence[Row], ruled: AbstractSet[int]) -> list[Row]:
    """Two rows alone of which one goes under the other's second cell are lines of a text: a recommendation with its
    number before it and its grade behind its end."""
    found: list[Row] = []
    for is_open, group in groupby(rows, key=lambda row: row.is_table and id(row) not in ruled):
        of_group = list(group)
        is_pair = is_open and len(of_group) == PAIR and all(len(row.cells) == PAIR for row in of_group)
        if is_pair and max(row.rights[0] for row in of_group) > min(row.lefts[1] for row in of_group):
            of_group = [row._replace(is_table=False) for row in of_group]
        found += of_group
    return found


@dataclass(slots=True)
class _Cell:
    """Lines below one another that may be one cell, and how far they reach to both sides."""

    rows: list[Row]
    left: float
    right: float
    edge: float = -math.inf  # where the cell at its left ends, of which it cannot reach under

    def takes(self, row: Row) -> bool:
        last = self.rows[-1]
        return (
            not row.is_table
            and not last.is_table
            and last.bottom - MOST_APART * row.height <= row.top <= last.bottom + 0.5 * row.height
            and ALIKE[0] < row.size / last.size < ALIKE[1]
            and max(self.edge - 1, self.left - OUTDENT * row.height) <= row.left < self.right
            and row.right > self.left
        )

    def add(self, row: Row) -> None:
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
            and all(len(one.rows) <= MAX_CELL_LINES for one in (*self.cells, cell))
        )

    def add(self, cell: _Cell) -> None:
        self.cells.append(cell)
        self.top, self.bottom = max(self.top, cell.rows[0].top), min(self.bottom, cell.rows[-1].bottom)


def _join_cells(rows: Sequence[Row]) -> list[Row]:
    """Rows whose cells are told one after the other, each with its lines: what goes up to the right is a cell."""
    cells: list[_Cell] = []
    columns: tuple[float, ...] = ()  # where those of the table above begin
    lowest = math.inf
    for line in rows:
        edge = -math.inf
        if line.is_table or line.top < lowest - MOST_APART * line.height:
            columns = line.lefts if line.is_table else ()
        lowest = line.bottom if line.is_table or not columns else min(lowest, line.bottom)
        for row in _parts(line, columns):
            if cells and cells[-1].takes(row):
                cells[-1].add(row)
            else:
                cells.append(_Cell([row], row.left, row.right, edge))
            edge = row.right
    found: list[_Side] = []
    for cell in cells:
        if found and found[-1].takes(cell):
            found[-1].add(cell)
        else:
            found.append(_Side([cell], cell.rows[0].top, cell.rows[-1].bottom))
    sides = [[cell.rows for cell in side.cells] for side in found]
    return _whole_lines([row for group in _tabular_groups(sides) for row in group])


def _parts(row: Row, columns: Sequence[float]) -> list[Row]:
    """The cells of a printed line, each as a line of its own; below a table a wide space within a cell parts none."""
    if row.is_table or not _has_cells(row):
        return [row]
    if not row.is_typed and _is_at(row.left, columns):
        row = _without_gaps(row, columns)
    return [
        row._replace(cells=(text,), lefts=(left,), rights=(right,), left=left, right=right)
        for text, left, right in zip(row.cells, row.lefts, row.rights, strict=True)
    ]


def _without_gaps(row: Row, columns: Sequence[float]) -> Row:
    """A line whose cells begin where columns do: what a narrow cell draws out to its width is one again."""
    texts, lefts, rights = [row.cells[0]], [row.lefts[0]], [row.rights[0]]
    for text, left, right in zip(row.cells[1:], row.lefts[1:], row.rights[1:], strict=True):
        is_drawn = left - rights[-1] < MOST_DRAWN * row.height and _is_at(lefts[-1], columns)
        if is_drawn and not _is_at(left, columns):
            texts[-1], rights[-1] = f"{texts[-1]} {text}", right
        else:
            texts.append(text)
            lefts.append(left)
            rights.append(right)
    return row._replace(cells=tuple(texts), lefts=tuple(lefts), rights=tuple(rights))


def _is_at(left: float, columns: Sequence[float]) -> bool:
    return any(abs(left - column) < ALIGNED for column in columns)


def _whole_lines(rows: Sequence[Row]) -> list[Row]:
    """Parts of one printed line that proved to be no cells, together again."""
    whole: list[Row] = []
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


def _tabular_groups(found: Sequence[Sequence[Sequence[Row]]]) -> Iterator[list[Row]]:
    """Two rows of cells or more that stand below one another are a table; the rest stays lines."""
    for number, row in enumerate(found):
        neighbours = [found[i] for i in (number - 1, number + 1) if 0 <= i < len(found)]
        is_table = len(row) > 1 and any(
            _has_columns_of(row, other[0][0])
            if other[0][0].is_table
            else len(other) > 1 and _are_neighbours(row[0][0], other[0][0]) and _are_aligned(row, other)
            for other in neighbours
        )
        if not is_table:
            yield [line for cell in row for line in cell]
            continue
        lines = [line for cell in row for line in cell]
        yield [
            Row(
                tuple(reduce(join_cell, (" ".join(line.cells) for line in cell)) for cell in row),
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


def _has_columns_of(row: Sequence[Sequence[Row]], table: Row) -> bool:
    """Whether cells side by side begin where those of a table's row do: no items, nor lines of a program."""
    first = row[0][0]
    is_program = all(cell[0].is_typed for cell in row)
    if len(row) != len(table.lefts) or is_program or _ITEM.match(first.cells[0]):
        return False
    if all(abs(cell[0].left - left) < ALIGNED for cell, left in zip(row, table.lefts, strict=True)):
        return True
    # The last row of a table of which every other one is shaded: each cell within its column, close to the others.
    apart = max(table.bottom - first.top, first.bottom - table.top)
    return (
        not first.is_typed
        and apart < MOST_APART * first.height
        and all(
            left - 1 < cell[0].left and max(line.right for line in cell) < right + 1
            for cell, left, right in zip(row, table.lefts, table.rights, strict=True)
        )
    )


def _are_neighbours(one: Row, other: Row) -> bool:
    """Whether two rows, of which these are the first lines, begin at one edge and are set in letters of one size."""
    return abs(other.left - one.left) < one.height and ALIKE[0] < one.size / other.size < ALIKE[1]


def _tables(rows: Sequence[Row]) -> list[Row]:
    """Printed lines with wide gaps below one another are the rows of a table; what wraps in a cell goes on in it."""
    wide = [not row.is_table and _has_cells(row) for row in rows]  # ruled ones are known
    found: list[Row] = []
    last: int | None = None  # the row of a table that is being read
    for number, row in enumerate(rows):
        following = next((i for i in range(number + 1, min(number + 2 + MAX_WRAPPED, len(rows))) if wide[i]), None)
        goes_on = following is not None and _are_rows(row, rows[following], following - number)
        if wide[number] and (goes_on or (last is not None and _are_rows(rows[last], row, number - last))):
            found.append(row._replace(is_table=True))
            last = number
        elif (
            last is not None
            and not (wide[number] or row.is_table or any(map(LEADERS.search, row.cells)))
            and (column := _column_of(row, found[-1])) is not None
        ):
            found[-1] = _with_wrapped(found[-1], row, column)
        elif last is not None and not wide[number] and _is_last_cell(row, found[-1], rows[last]):
            found[-1] = found[-1]._replace(
                cells=(*found[-1].cells, *row.cells),
                lefts=(*found[-1].lefts, row.left),
                rights=(*found[-1].rights, row.right),
                right=row.right,
            )
        else:
            found.append(row)
            last = None
    return found


def _with_empty_cells(rows: list[Row], ruled: AbstractSet[int]) -> list[Row]:
    """Rows of tables without lines, each cell in the column of the other rows that it stands in: a head has none over
    the first column, say. Of a table most of whose rows have as many cells, two at least."""
    found: list[Row] = []
    for is_table, group in groupby(rows, key=lambda row: row.is_table and id(row) not in ruled):
        of_table = list(group)
        usual, times = Counter(len(row.cells) for row in of_table).most_common(1)[0]
        if is_table and 1 < times < len(of_table) and times >= MOST_ROWS * len(of_table):
            whole = [row for row in of_table if len(row.cells) == usual]
            columns = [
                (min(row.lefts[at] for row in whole), max(row.rights[at] for row in whole)) for at in range(usual)
            ]
            of_table = [_spread(row, columns) if len(row.cells) < usual else row for row in of_table]
        found += of_table
    return found


def _spread(row: Row, columns: Sequence[tuple[float, float]]) -> Row:
    """A row with an empty cell for each column that it has none in; as it is where its cells fit in no order."""
    places = [
        max(range(len(columns)), key=lambda at: min(right, columns[at][1]) - max(left, columns[at][0]))
        for left, right in zip(row.lefts, row.rights, strict=True)
    ]
    if any(after <= before for before, after in pairwise(places)):
        return row
    cells, lefts, rights = [""] * len(columns), [left for left, _ in columns], [right for _, right in columns]
    for at, text, left, right in zip(places, row.cells, row.lefts, row.rights, strict=True):
        cells[at], lefts[at], rights[at] = text, left, right
    return row._replace(cells=tuple(cells), lefts=tuple(lefts), rights=tuple(rights))


def _without_lone_rows(rows: Sequence[Row], ruled: AbstractSet[int]) -> list[Row]:
    """One row is no table, unless it is ruled: a word in the margin, or what a wide space stands in."""
    return [
        row._replace(is_table=False)
        if row.is_table
        and id(row) not in ruled
        and not any(near.is_table for near in (*rows[max(0, n - 1) : n], *rows[n + 1 : n + 2]))
        else row
        for n, row in enumerate(rows)
    ]


def _has_cells(row: Row) -> bool:
    """Whether the gaps of a line part cells: not those of contents, nor the one after a number or a bullet."""
    if len(row.cells) == 2 and _ENUMERATOR.fullmatch(row.cells[0]) and not row.cells[1][0].isdigit():
        return False
    return len(row.cells) > 1 and not any(LEADERS.search(cell) for cell in row.cells)


def _is_stretched(row: Row, rights: Sequence[float]) -> bool:
    """Whether a line of text was drawn out to the width of its column: the gaps between its words are all the same,
    and many, or the line ends where others without gaps do (`rights`, in order)."""
    if row.is_table or len(row.cells) <= SOME_GAPS:
        return False
    first = int(_ENUMERATOR.fullmatch(row.cells[0]) is not None)  # behind a mark there may be more space
    gaps = [left - right for left, right in zip(row.lefts[first + 1 :], row.rights[first:-1], strict=True)]
    if len(gaps) < SOME_GAPS or max(gaps) - min(gaps) >= 0.1 * row.height:
        return False
    if len(gaps) >= MANY_GAPS:
        return True
    ending = bisect_left(rights, row.right + EDGE) - bisect_left(rights, row.right - EDGE)
    return ending >= ENOUGH_LINES and max(gaps) - min(gaps) < 0.04 * row.height


def _whole(row: Row) -> Row:
    """A line of text whose words are no cells; its mark stands apart."""
    first = int(_ENUMERATOR.fullmatch(row.cells[0]) is not None)
    return row._replace(
        cells=(*row.cells[:first], " ".join(row.cells[first:])),
        lefts=row.lefts[: first + 1],
        rights=(*row.rights[:first], row.right),
    )


def _are_rows(above: Row, below: Row, distance: int) -> bool:
    """Whether two lines are rows of one table: as many cells but one, a column in common, and near one another."""
    return (
        abs(len(above.cells) - len(below.cells)) <= 1
        and 0 < above.bottom - below.bottom < 4 * above.height * distance
        and _share_column(above, below, is_near=distance == 1)
    )


def _share_column(above: Row, below: Row, *, is_near: bool) -> bool:
    """Whether a column but the first begins at one place; of lines that are neighbours, ends or stands around one."""
    if any(abs(a - b) < ALIGNED for a in above.lefts[1:] for b in below.lefts[1:]):
        return True
    return is_near and _are_columns(
        *(list(zip(row.cells, row.lefts, row.rights, strict=True)) for row in (above, below))
    )


def _are_aligned(row: Sequence[Sequence[Row]], other: Sequence[Sequence[Row]]) -> bool:
    """Whether two rows of cells, each of some lines, have a column but the first in common."""
    return _are_columns(
        *([(cell[0].cells[0], cell[0].left, cell[0].right) for cell in cells] for cells in (row, other))
    )


def _are_columns(row: Sequence[_Place], other: Sequence[_Place]) -> bool:
    """Whether cells, but the first of each row, begin or end at one place, or stand around one.

    That the last ones end at one place says nothing of words: full lines do.
    """
    for at, (text, left, right) in enumerate(row[1:], start=2):
        for place, (words, begin, end) in enumerate(other[1:], start=2):
            are_last = at == len(row) and place == len(other) and not (_has_digit(text) or _has_digit(words))
            if abs(left - begin) < ALIGNED or abs(left + right - begin - end) < 2 * ALIGNED:
                return True
            if abs(right - end) < ALIGNED and not are_last:
                return True
    return False


def _column_of(row: Row, above: Row) -> int | None:
    """The column, not the first, that a line below a row stands in."""
    if not 0 < above.bottom - row.bottom < (1 + MAX_WRAPPED) * 1.6 * above.height:
        return None
    return next((i for i, left in enumerate(above.lefts) if i and abs(row.left - left) < 3), None)


def _is_last_cell(row: Row, found: Row, first: Row) -> bool:
    """Whether a line stands beside the first line of a table's row: its last cell, told behind a cell of more lines."""
    if row.is_table or (row.is_typed and first.is_typed):
        return False
    return abs(row.bottom - first.bottom) < 0.3 * first.height and row.left > found.right


def _with_wrapped(row: Row, rest: Row, column: int) -> Row:
    cells = list(row.cells)
    cells[column] = reduce(join_cell, rest.cells, cells[column])
    return row._replace(cells=tuple(cells))


def is_head(rows: Sequence[Row], number: int) -> bool:
    """Whether the first row of a table names its columns: in bold where the next one is not, or without figures, of
    which others have some; with a capital in each of several short cells, over longer ones; but for a first cell that
    others fill; or in letters over columns of figures."""
    head, body = rows[number], rows[number + 1 : number + 4]
    body = [row for row in body if row.is_table]
    if not body or max(map(len, head.cells)) > LONGEST_NAME:
        return False
    if head.is_bold and not body[0].is_bold:
        return True
    if _has_empty_corner(head, body) or _stands_over_figures(head, body):
        return True
    if any(map(_has_digit, head.cells)):
        return False
    return any(_has_digit(cell) for row in body for cell in row.cells) or _are_names(head, body)


def _has_empty_corner(head: Row, body: Sequence[Row]) -> bool:
    """Whether only the first cell is empty, and not below, and few others are measures as those below them are:
    `| J0 | J7` over `Poids | × | ×`, not `| 500 mg | 7 j` over `Abcès | 2 g | 10 j`."""
    if head.cells[0] or len(body) < 2 or not all(head.cells[1:]) or not all(row.cells[0] for row in body):
        return False
    columns = list(zip(head.cells[1:], *(row.cells[1:] for row in body), strict=False))
    alike = sum(any(_are_alike(name, value) for value in values) for name, *values in columns)
    return alike * 3 <= len(columns)


def _are_alike(one: str, other: str) -> bool:
    """Whether two cells are numbers, or have numbers and a word in common."""
    if not (_has_digit(one) and _has_digit(other)):
        return False
    words, others = set(_WORDS.findall(one)), set(_WORDS.findall(other))
    return bool(words & others) or not (words or others)


def _stands_over_figures(head: Row, body: Sequence[Row]) -> bool:
    """Whether letters stand over several columns that have none: `tᵢ (mois) | 1 − d/n` over `2 | 9/10`."""
    columns = zip(head.cells, *(row.cells for row in body), strict=False)
    over = [name for name, *values in columns if any(values) and not any(map(_has_letter, values))]
    return len(body) > 1 and len(over) > 1 and all(map(_has_letter, over)) and all(head.cells)


def _are_names(head: Row, body: Sequence[Row]) -> bool:
    """Whether each cell, but an empty first one, is some words that begin with a capital, shorter than those below."""
    names = [name for name in head.cells if name]
    if len(names) < MIN_NAMES or len(names) < len(head.cells) - (not head.cells[0]):
        return False
    if any(not name[0].isupper() or name.endswith((".", ":", ";", ",")) for name in names):
        return False
    below = [cell for row in body for cell in row.cells if cell]
    return sum(map(len, below)) * len(names) > LONGER * sum(map(len, names)) * len(below)


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def _has_letter(text: str) -> bool:
    return any(map(str.isalpha, text))
