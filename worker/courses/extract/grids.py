"""Grids that the lines of a page make: the columns, rows and cells of its ruled tables."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from worker.courses.extract.objects import Rule

MOST_COLUMNS = 40
MIN_ONE_ROW = 3  # cells of a single row, such as the last one of a table on its next page
THIN = 3.0  # points: what is no thicker is a line
NEAR = 3.0  # points between lines that touch, or that are one
MOST_LINES = 900  # of one page: more are a drawing


@dataclass(slots=True)
class _Line:
    """A line across (`at` a height, from left to right) or down (`at` a place, from bottom to top)."""

    at: float
    start: float
    end: float


@dataclass(slots=True)
class Grid:
    """The columns and rows that lines make; `cells`: for each row, from the top, the cell of each column."""

    xs: list[float]
    ys: list[float]  # from the top downwards
    cells: list[list[int]]
    is_ruled: list[tuple[bool, ...]]  # of each column whether a line is drawn over the grid, and below it
    has_rows: bool = False  # each of its rows is one, however many lines its cells have
    labels: frozenset[int] = frozenset()  # cells of the first column that go on beside the next row
    heads: int = 0  # of its rows, those that a line parts from the others

    @property
    def is_regular(self) -> bool:
        """Whether a row in two at least parts all columns."""
        return sum(len(set(row)) == len(row) for row in self.cells) * 2 >= len(self.cells)

    def is_within(self, other: Grid) -> bool:
        """Whether this one stands in another."""
        across = other.xs[0] - 2 * NEAR < self.xs[0] and self.xs[-1] < other.xs[-1] + 2 * NEAR
        return across and other.ys[-1] - 2 * NEAR < self.ys[-1] and self.ys[0] < other.ys[0] + 2 * NEAR

    def cell_at(self, x: float, y: float) -> int | None:
        """The cell around a place, None outside the grid."""
        if not (self.xs[0] < x < self.xs[-1] and self.ys[-1] < y < self.ys[0]):
            return None
        band = bisect_left(self.ys, -y, key=lambda height: -height) - 1
        return self.cells[band][bisect_left(self.xs, x) - 1]


def find_grids(rules: Iterable[Rule]) -> list[Grid]:
    """The grids of two columns at least; drawings, whose cells are no rectangles, are none."""
    across, down = _lines_of(rules)
    if len(across) < 2 or not down or len(across) + len(down) > MOST_LINES:
        return []
    across, down = _merged(across), _merged(down)
    grids = (_make_grid(*lines) for lines in _touching(across, down))
    return [grid for grid in grids if grid is not None]


def read_across(rules: Iterable[Rule]) -> list[tuple[float, float, float]]:
    """Lines across, each whole: its height, and from where to where it goes. None of a drawing of too many lines."""
    across, down = _lines_of(rules)
    is_drawing = not across or len(across) + len(down) > MOST_LINES
    return [] if is_drawing else [(line.at, line.start, line.end) for line in _merged(across)]


def _lines_of(rules: Iterable[Rule]) -> tuple[list[_Line], list[_Line]]:
    """Those across, and those down."""
    across: list[_Line] = []
    down: list[_Line] = []
    for left, right, bottom, top in rules:
        if top - bottom <= THIN < right - left:
            across.append(_Line((bottom + top) / 2, left, right))
        elif right - left <= THIN < top - bottom:
            down.append(_Line((left + right) / 2, bottom, top))
    return across, down


def _merged(lines: list[_Line]) -> list[_Line]:
    """Lines drawn piece by piece, as for each cell, whole."""
    lines.sort(key=lambda line: line.at)
    whole: list[_Line] = []
    group: list[_Line] = []
    for line in lines:
        if group and line.at - group[0].at > NEAR:
            whole += _joined(group)
            group = []
        group.append(line)
    return [*whole, *_joined(group)]


def _joined(group: list[_Line]) -> Iterator[_Line]:
    group.sort(key=lambda line: line.start)
    one = _Line(group[0].at, group[0].start, group[0].end)
    for line in group[1:]:
        if line.start > one.end + NEAR:
            yield one
            one = _Line(line.at, line.start, line.end)
        one.end = max(one.end, line.end)
    yield one


def _touching(across: Sequence[_Line], down: Sequence[_Line]) -> Iterator[tuple[list[_Line], list[_Line]]]:
    """Lines that meet one another, those of each table together."""
    spread = [(number, line.at, line.start - NEAR, line.end + NEAR) for number, line in enumerate(across)]
    group = list(range(len(across)))  # of each line across
    columns: list[tuple[int, _Line]] = []  # lines down, by one line across that they meet
    for line in down:
        place, bottom, top = line.at, line.start - NEAR, line.end + NEAR
        met = {group[number] for number, at, start, end in spread if bottom <= at <= top and start <= place <= end}
        if met:
            one = min(met)
            columns.append((one, line))
            if len(met) > 1:
                group = [one if of in met else of for of in group]
    found: dict[int, tuple[list[_Line], list[_Line]]] = defaultdict(lambda: ([], []))
    for number, line in columns:
        found[group[number]][1].append(line)
    for number, line in enumerate(across):
        if group[number] in found:
            found[group[number]][0].append(line)
    yield from found.values()


def _make_grid(across: Sequence[_Line], down: Sequence[_Line]) -> Grid | None:
    if len(across) < 2 or not down:
        return None
    xs = _places([line.at for line in down], [line.start for line in across], [line.end for line in across])
    ys = _places([line.at for line in across], [line.start for line in down], [line.end for line in down])[::-1]
    if len(xs) < 3 or len(ys) < 2:
        return None
    cells = _cells(xs, ys, across, down)
    if len(xs) > MOST_COLUMNS or not _are_rectangles(cells):
        return None
    edges = [
        tuple(
            any(line.start < middle < line.end and abs(line.at - edge) <= 2 * NEAR for line in across)
            for edge in (ys[0], ys[-1])
        )
        for middle in ((left + right) / 2 for left, right in pairwise(xs))
    ]
    return Grid(xs, ys, cells, edges)


def are_same(columns: Sequence[float], others: Sequence[float]) -> bool:
    """Whether two tables have the same columns at the same places."""
    return len(columns) == len(others) and all(abs(a - b) <= NEAR for a, b in zip(columns, others, strict=True))


def _places(lines: list[float], starts: list[float], ends: list[float]) -> list[float]:
    """Where lines stand, and where what they cross begins and ends if no line closes it."""
    found: list[float] = []
    for place in sorted([*lines, min(starts), max(ends)]):
        if not found or place - found[-1] > 2 * NEAR:
            found.append(place)
    return found


def _cells(xs: list[float], ys: list[float], across: Sequence[_Line], down: Sequence[_Line]) -> list[list[int]]:
    """A number for each cell: places without a line between them have the same one."""
    columns, bands = len(xs) - 1, len(ys) - 1
    parent = list(range(columns * bands))

    def root(cell: int) -> int:
        while parent[cell] != cell:
            cell = parent[cell]
        return cell

    for band in range(bands):
        height = (ys[band] + ys[band + 1]) / 2
        walls = [line.at for line in down if line.start < height < line.end]
        for column in range(columns - 1):
            if not any(abs(wall - xs[column + 1]) <= 2 * NEAR for wall in walls):
                parent[root(band * columns + column + 1)] = root(band * columns + column)
    for column in range(columns):
        middle = (xs[column] + xs[column + 1]) / 2
        floors = [line.at for line in across if line.start < middle < line.end]
        for band in range(bands - 1):
            if not any(abs(floor - ys[band + 1]) <= 2 * NEAR for floor in floors):
                parent[root((band + 1) * columns + column)] = root(band * columns + column)
    return [[root(band * columns + column) for column in range(columns)] for band in range(bands)]


def _are_rectangles(cells: Sequence[Sequence[int]]) -> bool:
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for band, row in enumerate(cells):
        for column, cell in enumerate(row):
            places[cell].append((band, column))
    for taken in places.values():
        bands, columns = {band for band, _ in taken}, {column for _, column in taken}
        if len(taken) != len(bands) * len(columns):
            return False
    return True
