"""Tables that are ruled across alone, as journals set them: where no word stands is what parts their columns."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, pairwise

from worker.courses.extract.grids import NEAR, THIN, Grid, read_across
from worker.courses.extract.objects import Rule
from worker.courses.extract.open_cells import PrintedCells, Words, read_lines
from worker.courses.extract.open_columns import MOST_SPANNING, Columns, find_columns, is_spanning
from worker.courses.extract.open_edges import cut_at_edges
from worker.courses.extract.open_rows import TableLines, part_rows, rows_of_label

LEAST_RULES = 3  # over the head, below it, and at the end
LEAST_WIDTH = 60.0  # points
MOST_APART = 2.5  # times the height of a line: between lines of a table
MOST_HEAD_LINES = 5
MOST_ROW_LINES = 20
WIDE_CELL, MOST_WIDE_LINES = 25.0, 5  # of a line's height: of a cell as wide as a column of text; its lines


def find_open_grids(
    rules: Sequence[Rule], grids: Sequence[Grid], words_in: Words, shaded: Sequence[Grid] = ()
) -> list[Grid]:
    """The tables between three lines across or more, each as long as the others, that no line down meets.

    `grids`: those of the page's other tables. `words_in`: the words that begin in a box. `shaded`: rows whose cells are
    shaded, as the head of such a table may be; their sides are no lines where one is drawn.
    """
    sides = {rule for rule in rules if any(_is_side(rule, row) for row in shaded)}
    rules = [rule for rule in rules if not (rule in sides and _is_lined(rule, rules, sides))]
    found: list[Grid] = []
    for left, right, heights in _alike(rules, grids):
        at = 0
        while at + LEAST_RULES <= len(heights):
            above = heights[at - 1] if at else math.inf
            grid, used = _read_grid(left, right, heights[at:], above, words_in)
            if grid is not None:
                found.append(grid)
            at += used
    return found


def _is_side(rule: Rule, row: Grid) -> bool:
    """Whether a line, which has no thickness, is the side of a shaded cell."""
    left, right, bottom, top = rule
    is_inside = row.xs[0] - NEAR < left and right < row.xs[-1] + NEAR and row.ys[-1] - NEAR < bottom < row.ys[0] + NEAR
    return top == bottom and is_inside


def _is_lined(side: Rule, rules: Sequence[Rule], sides: Collection[Rule]) -> bool:
    """Whether a line is drawn along the side of a shaded cell."""
    return any(
        abs((rule[2] + rule[3]) / 2 - side[2]) <= 2 * NEAR and rule[0] < side[1] and rule[1] > side[0]
        for rule in rules
        if rule not in sides and rule[3] - rule[2] <= THIN
    )


def _alike(rules: Sequence[Rule], grids: Sequence[Grid]) -> Iterator[tuple[float, float, list[float]]]:
    """From where to where lines across go that stand below one another, and the height of each from the top."""
    groups: list[tuple[float, float, list[float]]] = []
    for at, start, end in read_across(rules):
        is_of_grid = any(
            grid.ys[-1] - NEAR <= at <= grid.ys[0] + NEAR and start < grid.xs[-1] and end > grid.xs[0] for grid in grids
        )
        if is_of_grid or end - start < LEAST_WIDTH:
            continue
        for left, right, heights in groups:
            if abs(left - start) <= NEAR and abs(right - end) <= NEAR:
                heights.append(at)
                break
        else:
            groups.append((start, end, [at]))
    for left, right, heights in groups:
        if len(heights) >= LEAST_RULES:
            yield left, right, sorted(heights, reverse=True)


def _read_grid(
    left: float, right: float, heights: Sequence[float], above: float, words_in: Words
) -> tuple[Grid | None, int]:
    """The table that begins with the first of these lines, and how many of them it takes; one where there is none.

    `above`: the height of the line above the first.
    """
    head = read_lines((left, right, heights[1], heights[0]), words_in)
    if len(head) > MOST_HEAD_LINES or not any(len(line.chunks) > 1 for line in head):
        return None, 1
    bands = [head]
    columns: Columns | None = None
    for top, bottom in pairwise(heights[1:]):
        lines = cut_at_edges(head, read_lines((left, right, bottom, top), words_in))
        found = find_columns(head, [*chain(*bands[1:]), *lines]) if _are_close(lines, top, bottom) else None
        if found is None or (columns is not None and not _are_same(columns, found)):
            break
        if len(lines) > 2 and not any(len(line.chunks) > 1 for line in lines):
            break  # a paragraph
        spanning = sum(is_spanning(line, found) for line in lines)
        if spanning == len(lines) and all(is_spanning(line, found) for line in bands[-1]):
            break  # titles
        most = MOST_SPANNING * len(lines) if any(len(line.chunks) > 1 for line in lines) else 0
        if spanning > max(int(len(lines) == 1), most):
            break  # what stands between two tables
        columns = found
        bands.append(lines)
    while columns is not None and len(bands[-1]) == 1 and is_spanning(bands[-1][0], columns):
        bands.pop()
    if columns is None or not _has_rows(head, [*chain(*bands[1:])], columns):
        return None, 1
    used, ys = len(bands), [*heights[: len(bands) + 1]]
    highest = min(above, heights[0] + MOST_APART * MOST_HEAD_LINES * head[0].height)
    names = _lines_above(read_lines((left, right, heights[0], highest), words_in), heights[0], columns)
    with_names = find_columns(names, [*chain(*bands)]) if names else None
    if with_names is not None and len(with_names.lefts) == len(columns.lefts):
        columns, bands, ys = with_names, [names, *bands], [names[0].bottom + names[0].height, *ys]
    return _make_grid(columns, ys, bands), used


def _are_same(columns: Columns, found: Columns) -> bool:
    """Whether there are as many columns, or a first one besides, which is empty in the rows above."""
    is_led = len(found.lefts) == len(columns.lefts) + 1 and found.rights[0] < columns.lefts[0]
    return is_led or len(found.lefts) == len(columns.lefts)


def _are_close(lines: Sequence[PrintedCells], top: float, bottom: float) -> bool:
    """Whether no wide space stands above, between or below lines: drawings have such."""
    if not lines:
        return False
    feet = [top, *(line.bottom for line in lines)]
    heads = [*(line.bottom + line.height for line in lines), bottom]
    height = max(line.height for line in lines)
    return all(foot - head < MOST_APART * height for foot, head in zip(feet, heads, strict=True))


def _has_rows(head: Sequence[PrintedCells], body: Sequence[PrintedCells], columns: Columns) -> bool:
    """Whether two lines hold cells, or a single one and the head do in all columns; and no text stands in the first."""
    rows = [line for line in body if len(line.chunks) > 1]
    alone = sum(len(line.chunks) == 1 and columns.of(line.chunks[0]) == (0, 0) for line in body)
    if alone > len(rows) + 1:
        return False
    return len(rows) > 1 or (len(rows) == 1 and len(rows[0].chunks) == len(head[-1].chunks) == len(columns.lefts))


def _lines_above(lines: Sequence[PrintedCells], top: float, columns: Columns) -> list[PrintedCells]:
    """The lines of heads that stand over the first line across, without one above them."""
    heads: list[PrintedCells] = []
    for line in reversed(lines):
        places = [columns.of(chunk) for chunk in line.chunks]
        apart = line.bottom - (heads[0].bottom + heads[0].height if heads else top)
        if apart > line.height or len(places) < 2 or any(first != last for first, last in places):
            break
        heads.insert(0, line)
    return heads


def _make_grid(columns: Columns, heights: Sequence[float], bands: Sequence[Sequence[PrintedCells]]) -> Grid | None:
    pitch = _pitch_of(bands, columns)
    between = zip(columns.rights, columns.lefts[1:], strict=False)
    xs = [
        columns.lefts[0] - 1,
        *(max(begin - NEAR, (end + begin) / 2) for end, begin in between),
        columns.rights[-1] + 1,
    ]
    ys = [heights[0]]
    cells: list[list[int]] = []
    count = len(columns.lefts)
    heads = 0
    for bottom, lines in zip(heights[1:], bands, strict=True):
        rows = part_rows(lines, columns, pitch)
        of_label = rows_of_label(lines, columns, pitch)
        if any(len(row.lines) > MOST_ROW_LINES or _is_text(row, columns) for row in of_label or rows):
            return None  # columns of a text
        first_of_band = len(cells) * count
        edges = [(above.bottom + below.top) / 2 for above, below in pairwise(of_label or rows)]
        for row, edge in zip(of_label or rows, [*edges, bottom], strict=True):
            number = len(cells) * count
            of_row = [number + at for at in range(count)]
            for first, last in row.spans:
                of_row[first : last + 1] = [number + first] * (last + 1 - first)
            cells.append([first_of_band, *of_row[1:]] if of_label else of_row)
            ys.append(edge)
        heads = heads or len(cells)
    return Grid(xs, ys, cells, [(True, True)] * count, has_rows=True, heads=heads)


def _is_text(row: TableLines, columns: Columns) -> bool:
    """Whether one cell of a row holds several lines as long as those of a text."""
    long: Counter[int] = Counter()
    for line in row.lines:
        wide = (chunk for chunk in line.chunks if chunk.right - chunk.left > WIDE_CELL * line.height)
        long.update(columns.of(chunk)[0] for chunk in wide)
    return max(long.values(), default=0) > MOST_WIDE_LINES


def _pitch_of(bands: Sequence[Sequence[PrintedCells]], columns: Columns) -> float:
    """The distance between two lines of a cell: the least that lines of one column have."""
    steps: list[float] = []
    for lines in bands:
        above: dict[int, float] = {}
        for line in lines:
            for at in {columns.of(chunk)[0] for chunk in line.chunks}:
                steps += [above[at] - line.bottom] if at in above else []
                above[at] = line.bottom
    return min((step for step in steps if step > 0), default=0.0)
