"""What stands where on a printed page, into lines in reading order: columns, tables, paragraphs, edges.

A page's own order is kept where its places do not speak against it: most programs write in the order of reading.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from statistics import median

from worker.courses.document import Line
from worker.courses.extract.columns import move_edges, order_by_columns
from worker.courses.extract.floats import part_floats
from worker.courses.extract.flow import SPACE, Flow, is_alike, is_item
from worker.courses.extract.links import Links, linked_share
from worker.courses.extract.margins import part_margins
from worker.courses.extract.rows import Row, Span, join_printed, make_row
from worker.courses.extract.tables import find_tables, is_head
from worker.courses.signs import MARK

Marks = Callable[[Sequence[Row]], AbstractSet[int]]

LONG_NOTE = 40  # letters: a caption, a sentence; no value beside an item
PARAGRAPH_PITCH = 1.25  # of the usual distance between lines
TITLE_PITCH = 1.8  # of its letters: the same where the second line begins with a small letter
LARGE_PITCH = 1.35  # of its letters: how far the lines of a large heading stand from one another
CUT = "\ufffe"  # at the end of a line whose last word goes on
_WITHIN = (":", ";", "»")
_ENTRY = re.compile(r"(?:\[\d{1,3}\]|\d{1,2})\s")  # of a list of references, or as slides number items
_ENDS = (".", "!", "?", "…", *_WITHIN)


def arrange(
    printed: Sequence[Sequence[Span]],
    links: Links | None = None,
    width: float = 0.0,
    marks: Marks | None = None,
    turned: Sequence[Sequence[Span]] = (),
) -> Iterator[Line]:
    """Lines in reading order, an empty one between paragraphs. `Line.size` is a height in points here.

    `width`: of a slide, 0 of another page. `marks`: which of its lines have a drawn mark of a list. `turned`: lines
    that stand on their side, beside the text.
    """
    told, boxes = part_floats(order_by_columns(join_printed(printed)))
    text, notes = part_margins(move_edges(told))
    notes = [*boxes, *notes, *([list(line)] for line in turned)]
    rows = find_tables([make_row(spans) for spans in text])
    pitch = _usual_pitch(rows)
    right = max((row.right for row in rows), default=0.0)
    flow = Flow(rows, width, [[make_row(line) for line in box] for box in boxes])
    over = [flow.goes_over(number) for number in range(len(rows))]
    starts = [
        number == 0 or (not over[number] and _begins_paragraph(flow, number, rows, pitch, right))
        for number in range(len(rows))
    ]
    beside = _by_paragraph(starts, rows, [[make_row(line) for line in note] for note in notes])
    follows = [over[number] or _follows(flow, number, is_first=starts[number]) for number in range(len(rows))]
    marked = marks(rows) if marks else set()
    for number, row in enumerate(rows):
        if starts[number] and number:
            yield Line("")
        for note in beside.get(number, ()):
            yield from (_line(line, links, is_head=False) for line in note)
            yield Line("")
        is_first = row.is_table and not (number and rows[number - 1].is_table)
        if number in marked:
            row = row._replace(cells=(f"{MARK} {row.cells[0]}", *row.cells[1:]))  # noqa: PLW2901 (as it is read)
        if row.cells[-1].endswith(CUT) and False in follows[number + 1 : number + 2]:
            row = row._replace(cells=(*row.cells[:-1], row.cells[-1][:-1] + "-"))  # noqa: PLW2901 (`Gram-` ends it)
        goes_on = (row.is_rest or None) if row.is_table else follows[number]
        yield _line(row, links, is_head=row.is_head or (is_first and is_head(rows, number)), goes_on=goes_on)


def _follows(flow: Flow, number: int, *, is_first: bool) -> bool | None:
    """Whether a line goes on from the one before it; that the first of a paragraph does is told by no place."""
    goes_on = flow.goes_on(number)
    return None if is_first and goes_on else goes_on


def _line(row: Row, links: Links | None, *, is_head: bool, goes_on: bool | None = None) -> Line:
    filled = max((number for number, cell in enumerate(row.cells, start=1) if cell), default=0)
    return Line(
        (" | " if row.is_table else " ").join(row.cells[:filled]),
        size=row.size,
        is_bold=row.is_bold,
        is_row=row.is_table,
        is_head=is_head,
        foot=round(row.bottom, 1),
        linked=linked_share(row, links) if links else 0.0,
        goes_on=goes_on,
        is_typed=row.is_typed,
    )


def _by_paragraph(
    starts: Sequence[bool], rows: Sequence[Row], notes: Sequence[list[Row]]
) -> dict[int, list[list[Row]]]:
    """Notes in the margin by the first line of the paragraph, or of the list with what leads to it, that they stand
    beside: they are read before it."""
    found: dict[int, list[list[Row]]] = defaultdict(list)
    for note in notes:
        nearest = min(range(len(rows)), key=lambda number: abs(rows[number].bottom - note[0].bottom))
        is_long = sum(len(text) for row in note for text in row.cells) >= LONG_NOTE
        while not starts[nearest] or (is_long and nearest and is_item(rows[nearest])):  # none stands between two items
            nearest -= 1
        found[nearest].append(note)
    return found


def _usual_pitch(rows: Sequence[Row]) -> float:
    """The distance between lines that follow one another."""
    steps = [a.bottom - b.bottom for a, b in pairwise(rows) if 0 < a.bottom - b.bottom < 3 * a.height]
    return median(steps) if steps else 0.0


def _is_same_title(before: Row, row: Row, pitch: float) -> bool:
    """Whether two lines next to one another are of one heading: larger than what the page's distance is made for."""
    if row.size <= pitch:
        return before.cells[-1].endswith(CUT)
    return row.is_bold == before.is_bold and 0.94 < row.size / before.size < 1.06


def _begins_paragraph(flow: Flow, number: int, rows: Sequence[Row], pitch: float, right: float) -> bool:
    """Whether a line begins a paragraph. `right`: how far the page's text goes."""
    before, row = rows[number - 1], rows[number]
    if before.is_table or row.is_table:
        return not (before.is_table and row.is_table)
    step = before.bottom - row.bottom
    most = TITLE_PITCH if row.cells[0][:1].islower() and not before.cells[-1].endswith(_ENDS) else LARGE_PITCH
    if 0 < step < most * row.size and _is_same_title(before, row, pitch):
        return False
    if step <= -0.5 * row.height or step > PARAGRAPH_PITCH * pitch:
        return step > 0.5 * row.height or step < 0
    # Letters of another size or weight begin a heading, or the text below one, unless they stand in a full line.
    full = before.right > right - 0.05 * (right - before.left) and step < 1.1 * pitch
    is_large = not is_alike(before, row)
    goes_on = row.cells[0][:1].islower() and not before.cells[-1].endswith(_ENDS)
    if not full and (is_large or (row.is_bold != before.is_bold and not goes_on)):
        return True
    last = before.cells[-1]
    is_open = last.rfind("(") > last.rfind(")")  # `(définition : ⏎ médiane …)`
    return last.endswith(_ENDS) and not is_open and _is_set_apart(flow, number, rows, pitch, right)


def _is_set_apart(flow: Flow, number: int, rows: Sequence[Row], pitch: float, right: float) -> bool:
    """Whether a line behind the end of a sentence begins a paragraph: it is indented, or that end was no full line."""
    before, row = rows[number - 1], rows[number]
    last = before.cells[-1]
    # Within a sentence a line may end with such a sign by chance, if the next word had no room there.
    is_indented = row.left - before.left > 0.8 * row.height
    is_entry = is_item(before) or _ENTRY.match(before.cells[0]) is not None
    leads = last.endswith(":") and is_indented and not is_entry  # an item's second line is set in too
    if last.endswith(_WITHIN) and not flow.has_room(number) and not leads:
        return False
    if is_indented and is_entry and not flow.has_room(number, 0.0 if last.endswith(":") else SPACE):
        return False  # the second line of an item: a reference holds several sentences
    right = min(right, flow.edge(number - 1))
    full = before.right > right - 0.05 * (right - before.left) and before.bottom - row.bottom < 1.1 * pitch
    # A full line that is indented was the first of its paragraph: the next one stands left of it.
    is_back = not full and before.left - row.left > 0.8 * row.height
    return is_indented or is_back or before.right < right - 0.2 * (right - before.left)
