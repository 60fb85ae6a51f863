"""Tables of which every other row is shaded: the boxes of those rows say where the columns of all of them are."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from worker.courses.extract.grids import MIN_ONE_ROW, NEAR, Grid, are_same
from worker.courses.extract.rows import Span

ENOUGH_STRIPES = 3
ENOUGH_ROWS = 2  # that a head parts
WORDIER = 2.0  # times that height: how high a row may be whose words stand close to the next cell's
MOST_APART = 4.0  # times the height of the lower of two shaded rows: how far they may stand from one another


def join_striped(grids: Sequence[Grid], lines: Iterable[Sequence[Span]], known: Sequence[float] = ()) -> list[Grid]:
    """Grids with the same columns whose space between holds cells, as one each; and what is a table by itself.

    `known`: columns of which one row is enough, however few they are.
    """
    spans = [span for line in lines for span in line]
    joined: list[Grid] = []
    grids = [_with_label(grid, grids) for grid in grids]
    for grid in sorted(grids, key=lambda grid: -grid.ys[0]):
        above = next((other for other in reversed(joined) if are_same(other.xs, grid.xs)), None)
        stripes = sum(are_same(other.xs, grid.xs) for other in grids)
        if above is not None and _is_row_between(above, grid, spans, is_sure=stripes >= ENOUGH_STRIPES):
            joined[joined.index(above)] = _join(above, grid)
        else:
            joined.append(grid)
    return [grid for grid in joined if len(grid.cells) > 1 or len(grid.xs) > MIN_ONE_ROW or are_same(grid.xs, known)]


def _with_label(grid: Grid, grids: Sequence[Grid]) -> Grid:
    """A shaded row that is one column narrower than another at the left, with a cell there: the label of several rows,
    which is not shaded."""
    wider = next((other for other in grids if len(other.xs) > 3 and are_same(other.xs[1:], grid.xs)), None)
    if wider is None:
        return grid
    label = 1 + max(cell for row in grid.cells for cell in row)
    cells = [[label, *row] for row in grid.cells]
    edges = [grid.is_ruled[0], *grid.is_ruled]
    return replace(grid, xs=[wider.xs[0], *grid.xs], cells=cells, is_ruled=edges, labels=frozenset({label}))


def _is_row_between(above: Grid, below: Grid, spans: Sequence[Span], *, is_sure: bool) -> bool:
    """Whether what stands between two shaded rows are words in two cells at least, and none that goes over the next.

    `is_sure`: of a table of several such rows; where words fill their cell, the next ones stand close to them.
    """
    top, bottom = above.ys[-1], below.ys[0]
    height = min(above.ys[-2] - top, bottom - below.ys[1])
    if not NEAR < top - bottom <= MOST_APART * height:
        return top - bottom <= NEAR
    filled = set()
    for span in spans:
        if not (bottom < (span.bottom + span.top) / 2 < top and above.xs[0] < span.left < above.xs[-1]):
            continue
        column = sum(x <= span.left + NEAR for x in above.xs)
        if column >= len(above.xs):
            return False
        if span.right > above.xs[column] + NEAR:
            if not is_sure or top - bottom > WORDIER * height:
                return False
            filled.add(column + 1)
        filled.add(column)
    return len(filled) > 1


def _join(above: Grid, below: Grid) -> Grid:
    """Both, and the row between them, if there is room for one."""
    first = 1 + max(cell for row in above.cells for cell in row)
    columns = len(above.xs) - 1
    is_apart = above.ys[-1] - below.ys[0] > NEAR
    cells = [[first + columns + cell for cell in row] for row in below.cells]
    labels = above.labels | {first + columns + cell for cell in below.labels}
    label = next((cell for cell in (above.cells[-1][0], cells[0][0]) if cell in labels), first)
    between = [[label, *(first + column for column in range(1, columns))]] if is_apart else []
    edges: list[tuple[bool, ...]] = [
        (one[0], other[1]) for one, other in zip(above.is_ruled, below.is_ruled, strict=True)
    ]
    ys = [*above.ys, *(below.ys if is_apart else below.ys[1:])]
    return replace(above, ys=ys, cells=[*above.cells, *between, *cells], is_ruled=edges, labels=labels)


def part_columns(grid: Grid, lines: Iterable[Sequence[Span]]) -> Grid:
    """A grid whose head, or first column, is shaded: what no line parts below it is parted where the head's cells are,
    if words stand there in several of its columns in each row, and none over two."""
    spans = [span for line in lines for span in line if grid.xs[0] < span.left < grid.xs[-1]]
    runs: dict[tuple[int, int], list[int]] = defaultdict(list)  # bands, by the first and the last of merged columns
    for band, row in enumerate(grid.cells):
        for first, last in _merged_columns(row):
            if sum(row[first] in other for other in grid.cells) == 1:
                runs[first, last].append(band)
    cells = [list(row) for row in grid.cells]
    free = 1 + max(cell for row in cells for cell in row)
    for (first, last), bands in runs.items():
        filled = [_filled(grid, band, first, last, spans) for band in bands]
        if len(bands) < ENOUGH_ROWS or min(filled) < 1 or sum(count > 1 for count in filled) * 2 <= len(bands):
            continue
        for band in bands:
            cells[band][first : last + 1] = range(free, free + last + 1 - first)
            free += last + 1 - first
    return replace(grid, cells=cells)


def _merged_columns(row: Sequence[int]) -> Iterator[tuple[int, int]]:
    """From which to which column each cell goes that is merged over several."""
    at = 0
    for _, group in groupby(row):
        size = sum(1 for _ in group)
        if size > 1:
            yield at, at + size - 1
        at += size


def _filled(grid: Grid, band: int, first: int, last: int, spans: Sequence[Span]) -> int:
    """In how many of these columns words of a row stand; 0 where some go over two."""
    columns = set()
    for span in spans:
        is_inside = grid.ys[band + 1] < (span.bottom + span.top) / 2 < grid.ys[band]
        if not is_inside or not grid.xs[first] - NEAR < span.left < grid.xs[last + 1]:
            continue
        column = bisect_right(grid.xs, span.left + NEAR) - 1
        if span.right > grid.xs[column + 1] + NEAR:
            return 0
        columns.add(column)
    return len(columns)
