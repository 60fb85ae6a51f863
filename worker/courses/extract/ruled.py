"""Tables whose cells are ruled: what stands between the same lines is one cell, however near the next one is."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from worker.courses.extract.cut_rows import TableEnd, TableRow, end_of, find_rest
from worker.courses.extract.flow import ENDS, is_item
from worker.courses.extract.grids import MIN_ONE_ROW, NEAR, Grid
from worker.courses.extract.merged import is_short, spread_columns
from worker.courses.extract.objects import Rule
from worker.courses.extract.rows import Row, Span, first_word, is_beside, make_row
from worker.courses.signs import BULLETS, join_cell

MOST_CELL_LINES = 40  # of text: a cell of more holds the page, not a value
LEAST_FILLED = 0.4  # of the cells: a drawing's are empty
MOST_CROSSING = 0.1  # of the words: those of a drawing stand over its lines
SAME_BASELINE = 0.4  # of a line's height: what stands no further below it is a sign of its own line
MIN_CELLS = 2  # with words, of a row
MANY_LINES, MOST_SHARE = 3, 0.8  # of lines in a cell; of those beside which the other cells have one too

_WORD = re.compile(r"[^\W\d_]{2}")  # of an item; `– / –` is two values
_REST = re.compile(r"[a-zà-ÿœ]{1,2}(?![\w'\u2019])")
_LONG_WORD = re.compile(r"[^\W\d_]{4,}")
_SHORT_WORD = re.compile(r"[àay]|[cdjlmnst]e|[dt]u|[lmts]a|et|en|un|au|ou|où|si|ni|il|on|ça|vs")
_JOINING = re.compile(r"\d[-–]$")  # `100–⏎200 mg`, `5-⏎phosphoribosylamine`
_FIGURE = re.compile(r"[\W\d_]*\d[\W\d_]*.{0,3}")  # with its unit

_Cells = dict[int, list[Row]]  # the lines of each cell


def cell_around(grids: Sequence[Grid], box: Rule) -> tuple[int, int] | None:
    """The grid and the cell that a letter stands in."""
    x, y = (box[0] + box[1]) / 2, (box[2] + box[3]) / 2
    for number, grid in enumerate(grids):
        if (cell := grid.cell_at(x, y)) is not None:
            return number, cell
    return None


def goes_through(grids: Sequence[Grid], span: Span) -> bool:
    """Whether a stretch of words begins in one cell and ends in another."""
    letter = min(span.height, span.right - span.left)
    first = cell_around(grids, (span.left, span.left + letter, span.bottom, span.top))
    return first != cell_around(grids, (span.right - letter, span.right, span.bottom, span.top))


def gather_cells(
    lines: Sequence[tuple[list[Span], list[Span]]], grids: Sequence[Grid], before: TableEnd | None = None
) -> tuple[list[list[Span]], TableEnd | None]:
    """The lines of a page, with each row of a ruled table as one span that holds its cells, where it is first told; and
    how the page's last table ends.

    `lines`: each as it is, and cut where it goes on in the next cell. `before`: how the last table of the page before
    ended.
    """
    places = [[_place_of(span, grids) for span in cut] for _, cut in lines]
    found: list[dict[int, list[Span]]] = [defaultdict(list) for _ in grids]
    for (_, cut), of_line in zip(lines, places, strict=True):
        for span, place in zip(cut, of_line, strict=True):
            if place is not None:
                found[place[0]][place[1]].append(span)
    # Words in frames stand among others: a line goes on from the frame, or into it.
    going_on = Counter(of for of_line in places if None in of_line for of in {place[0] for place in of_line if place})
    tables, end = _read_tables(grids, found, going_on, before)
    gathered: list[list[Span]] = []
    told: set[int] = set()
    for (whole, cut), of_line in zip(lines, places, strict=True):
        inside = [place[0] if place is not None and place[0] in tables else None for place in of_line]
        if not any(number is not None for number in inside):
            gathered.append(whole)
            continue
        for number in dict.fromkeys(inside):
            if number is None:
                gathered.append([span for span, of in zip(cut, inside, strict=True) if of is None])
            elif number not in told:
                told.add(number)
                gathered += [[row] for row in tables[number]]
    return gathered, end


def _read_tables(
    grids: Sequence[Grid], found: Sequence[dict[int, list[Span]]], going_on: Counter[int], before: TableEnd | None
) -> tuple[dict[int, list[Span]], TableEnd | None]:
    """The rows of each grid that is a table, and how the lowest of them ends, if it is one."""
    highest = max(range(len(grids)), key=lambda number: grids[number].ys[0])
    lowest = min(range(len(grids)), key=lambda number: grids[number].ys[-1])
    end: TableEnd | None = None
    tables: dict[int, list[Span]] = {}
    for number, grid in enumerate(grids):
        if going_on[number] * 2 >= len(grid.cells):
            continue
        rows, rest = _read_table(grid, found[number], before if number == highest else None)
        if rows:
            tables[number] = [_row_span(row, grid, band, is_rest=at == rest) for at, (band, row) in enumerate(rows)]
        if rows and number == lowest:
            end = end_of(grid, [row for _, row in rows], before)
    return tables, end


def _place_of(span: Span, grids: Sequence[Grid]) -> tuple[int, int] | None:
    """The grid and the cell of a stretch of words: by its first letters, for it may be too long for its cell."""
    return cell_around(grids, (span.left, min(span.right, span.left + span.height), span.bottom, span.top))


def _read_table(
    grid: Grid, found: dict[int, list[Span]], before: TableEnd | None
) -> tuple[list[tuple[int, TableRow]], int | None]:
    """A grid's rows, each with its band, and which of them is the rest of the row that the page before ends with.

    No rows where it is no table: a drawing, frames around words or around the page.
    """
    spans = [span for of_cell in found.values() for span in of_cell]
    crossing = sum(goes_through([grid], span) for span in spans)
    cells = {cell: [make_row(line) for line in _lines_of(of_cell)] for cell, of_cell in found.items()}
    if crossing > MOST_CROSSING * len(spans) or any(len(lines) > MOST_CELL_LINES for lines in cells.values()):
        return [], None
    for edge, ends in ((0, grid.cells[0]), (1, grid.cells[-1])):
        if len({ruled[edge] for ruled, cell in zip(grid.is_ruled, ends, strict=True) if cell in cells}) > 1:
            return [], None
    is_filled = _is_filled(grid, cells)
    if not is_filled and before is None:
        return [], None
    rows = [(band, row) for band in range(len(grid.cells)) for row in _rows_of(grid, band, cells)]
    rest = find_rest(grid, [row for _, row in rows], before) if rows and before is not None else None
    return (rows, rest) if is_filled or rest is not None else ([], None)


def _is_filled(grid: Grid, cells: _Cells) -> bool:
    """Whether a grid has rows of several cells, or a single one of three at least, and most of its cells are filled."""
    filled = [sum(cell in cells for cell in set(row)) for row in grid.cells]
    rows = sum(count > 1 for count in filled)
    if len(cells) < LEAST_FILLED * len({cell for row in grid.cells for cell in row}):
        return False
    return rows > 1 or (rows == 1 and max(filled) >= max(MIN_ONE_ROW, len(grid.xs) - 1))


def _lines_of(spans: Sequence[Span]) -> list[list[Span]]:
    """The lines of a cell, however wide their gaps are. The mark of an item may be told behind its lines."""
    lines: list[list[Span]] = []
    for span in spans:
        before = lines[-1][-1] if lines else None
        if before is not None and is_beside(before, span) and span.left > before.right - 0.2 * span.height:
            lines[-1].append(span)
            continue
        of_item = next((line for line in reversed(lines) if is_beside(line[0], span)), None)
        if of_item is not None and span.text in BULLETS and span.left < of_item[0].left:
            of_item.insert(0, span)
        else:
            lines.append([span])
    return lines


def _rows_of(grid: Grid, band: int, cells: _Cells) -> Iterator[TableRow]:
    """The rows between two lines across: one, or as many as lines of text where no lines part these."""
    order = list(dict.fromkeys(grid.cells[band]))
    lefts = [grid.xs[grid.cells[band].index(cell)] for cell in order]
    own = [_lines_in(grid, band, cell, cells) for cell in order]
    is_merged = any(order_cell in row for row in _beside(grid, band) for order_cell in order)
    rights = (*lefts[1:], grid.xs[-1])
    for row in [own] if is_merged or grid.has_rows else _parted(own, rights):
        if any(row):
            yield TableRow(tuple(row), tuple(lefts), rights, is_merged)


def _beside(grid: Grid, band: int) -> list[list[int]]:
    return grid.cells[max(0, band - 1) : band] + grid.cells[band + 1 : band + 2]


def _lines_in(grid: Grid, band: int, cell: int, cells: _Cells) -> list[Row]:
    """What of a cell is read in a row: all of one that is merged over rows, or the lines that stand beside each."""
    lines = cells.get(cell, [])
    bands = [number for number, row in enumerate(grid.cells) if cell in row]
    if len(bands) == 1 or not lines:
        return lines
    is_many = len(lines) > 1 and len(lines) >= MOST_SHARE * len(bands)
    if is_many and not _is_one_text(lines) and _stand_beside(lines, grid, bands, cell, cells):
        return [line for line in lines if grid.ys[band + 1] < (line.bottom + line.top) / 2 <= grid.ys[band]]
    return lines if band == bands[0] or is_short("".join(text for line in lines for text in line.cells)) else []


def _stand_beside(lines: Sequence[Row], grid: Grid, bands: Sequence[int], cell: int, cells: _Cells) -> bool:
    """Whether each line of a cell stands at the height of one in the other cells of its rows."""
    others = [line for one in {c for band in bands for c in grid.cells[band]} - {cell} for line in cells.get(one, [])]
    return all(any(abs(line.bottom - o.bottom) < SAME_BASELINE * line.height for o in others) for line in lines)


def _is_one_text(lines: Sequence[Row]) -> bool:
    """Whether a line goes on in the next one: those of a cell that is merged over rows are not each of one row."""
    return any(below.cells[0][0].islower() and above.cells[-1][-1] not in ".;:!?" for above, below in pairwise(lines))


def _row_span(row: TableRow, grid: Grid, band: int, *, is_rest: bool) -> Span:
    lines = [line for cell in row.cells for line in cell]
    size = max(lines, key=lambda line: line.right - line.left).size
    height = lines[0].height
    # What stands apart in a single line is cells that no line parts.
    sign = " | " if all(len(cell) < 2 for cell in row.cells) else " "
    texts = [_cell_text(cell, sign, left, right) for cell, left, right in zip(*row[:3], strict=True)]
    spread = _spread(texts, row, grid)
    spans = tuple(Span(text, left, left, grid.ys[band + 1], grid.ys[band]) for text, left in spread)
    bottom = min(line.bottom for line in lines)
    is_bold = all(line.is_bold for line in lines)
    text = " ".join(span.text for span in spans)
    is_head = band < grid.heads
    box = grid.xs[0], grid.xs[-1], bottom, bottom + height
    return Span(text, *box, is_bold, size, spans, is_rest=is_rest, is_head=is_head)


def _spread(texts: Sequence[str], row: TableRow, grid: Grid) -> list[tuple[str, float]]:
    """The words of each column and where it begins: a cell that is merged over columns is read in each of them, of a
    table most of whose rows part all columns."""
    if not grid.is_regular or sum(map(bool, texts)) < MIN_CELLS:
        return list(zip(texts, row.lefts, strict=True))
    starts = [grid.xs.index(left) for left in row.lefts]
    ends = [*starts[1:], len(grid.xs) - 1]
    columns = [
        end - start if sum(len(line.cells) for line in cell) <= len(cell) else 1
        for cell, start, end in zip(row.cells, starts, ends, strict=True)
    ]
    lefts = [left for start, taken in zip(starts, columns, strict=True) for left in grid.xs[start : start + taken]]
    return list(zip(spread_columns(list(zip(texts, columns, strict=True))), lefts, strict=True))


def _cell_text(lines: Sequence[Row], sign: str, left: float, right: float) -> str:
    """The lines of a cell in one. A word longer than its cell is wide goes on in the next line without a sign."""
    text = ""
    for number, line in enumerate(lines):
        is_rest = number > 0 and _breaks_word(lines[number - 1], line, left, right)
        is_joined = not number or is_rest or (_JOINING.search(text) is not None and line.cells[0][0].isalnum())
        text = join_cell(text, sign.join(line.cells), "" if is_joined else sign)
    return text


def _breaks_word(before: Row, line: Row, left: float, right: float) -> bool:
    """Whether a line that is one word fills its cell, and the next begins with one or two letters that are no word."""
    word, rest = before.cells[-1], _REST.match(line.cells[0])
    if rest is None or len(before.cells) > 1 or not _LONG_WORD.fullmatch(word) or _SHORT_WORD.fullmatch(rest[0]):
        return False
    space = right - (before.left - left) - before.right  # as much margin at the right as at the left
    return space < (before.right - before.left) / len(word)


def _parted(cells: Sequence[list[Row]], rights: Sequence[float]) -> list[list[list[Row]]]:
    """Lines of cells side by side as rows of their own, where they break off before the cell is full."""
    if any(sum(is_item(line) and _WORD.search(line.cells[0]) is not None for line in lines) > 1 for lines in cells):
        return [list(cells)]  # lists, whose items are told by their marks
    baselines = _baselines(cells)
    is_list = len(baselines) >= MANY_LINES and _is_list(baselines, rights)
    rows: list[list[list[Row]]] = []
    for here in baselines:
        begins = bool(here[0]) if is_list else rows and _begins_row(rows[-1], here, rights)
        if begins or not rows:
            rows.append([[] for _ in cells])
        for cell, lines in zip(rows[-1], here, strict=True):
            cell.extend(lines)
    return rows


def _is_list(baselines: Sequence[Sequence[list[Row]]], rights: Sequence[float]) -> bool:
    """Whether each line is a row: it stands beside others, and breaks off early, or is a figure or no rest of words."""
    side_by_side = sum(bool(here[0]) and sum(map(bool, here)) > 1 for here in baselines)
    if side_by_side < MOST_SHARE * len(baselines):
        return False
    broken = sum(any(_breaks(before, here, rights)) for before, here in pairwise(baselines))
    columns = [[column[0].cells[0] for column in columns if column] for columns in zip(*baselines, strict=True)]
    return (
        broken * 2 > len(baselines) - 1
        or any(all(map(_FIGURE.fullmatch, column)) for column in columns)
        or not any(text[0].islower() for column in columns for text in column)
    )


def _baselines(cells: Sequence[list[Row]]) -> list[list[list[Row]]]:
    """For each height at which something stands what each cell has there."""
    found: list[list[list[Row]]] = []
    height = math.inf
    for line, column in sorted(
        ((line, at) for at, cell in enumerate(cells) for line in cell), key=lambda o: -o[0].bottom
    ):
        if line.bottom < height - SAME_BASELINE * line.height:
            found.append([[] for _ in cells])
            height = line.bottom
        found[-1][column].append(line)
    return found


def _breaks(before: Sequence[list[Row]], here: Sequence[list[Row]], rights: Sequence[float]) -> list[bool]:
    """Of each cell that goes on in the next line whether that line's first word had room in the one before."""
    return [
        cell[-1].right + first_word(lines[0]) < right - NEAR
        for cell, lines, right in zip(before, here, rights, strict=True)
        if cell and lines
    ]


def _goes_on(above: Sequence[Row], lines: Sequence[Row]) -> bool:
    """Whether a cell goes on in small letters behind what is no end."""
    return lines[0].cells[0][0].islower() and not above[-1].cells[-1].endswith((*ENDS, ","))


def _begins_row(row: Sequence[list[Row]], here: Sequence[list[Row]], rights: Sequence[float]) -> bool:
    """Whether most cells, two at least and the first one among them, go on in a line that they had room for before."""
    broken = _breaks(row, here, rights)
    both = [(above, lines) for above, lines in zip(row, here, strict=True) if above and lines]
    if any(not had_room and _goes_on(*pair) for had_room, pair in zip(broken, both, strict=True)):
        return False
    return bool(row[0] and here[0]) and sum(broken) > 1 and sum(broken) * 2 > len(broken)
