"""The marks of lists that a page draws as shapes: squares, triangles, discs and balls in front of a line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pypdfium2
import pypdfium2.raw as pdfium

from worker.courses.extract.letters import Box, turn_box
from worker.courses.extract.objects import bounds_reader, count_objects, get_type, read_objects
from worker.courses.extract.rows import Row, Span
from worker.courses.signs import BULLETS, TICKS

MOST_SHAPES = 3_000  # of one page: drawings have more
SMALLEST, LARGEST = 0.15, 1.1  # of a line's height
LEAST_SQUARE = 0.55  # of a mark's longer side, the shorter one
FARTHEST = 2.0  # of a line's height: between a mark and its line
ALONE = 3.0  # of a line's height: how near no other shape stands beside a mark
WORDS_ALONE = 3  # behind the only mark of a page
INDENT, ALIGNED = 0.8, 1.0  # of a line's height, and points

_SIGNS = frozenset(BULLETS) - frozenset(TICKS)
_WORD = re.compile(r"[^\W\d_]{2}")
_MARKED = re.compile(r"[^\w\s(«\"“]|\d{1,2}(?:\.\d{1,2})*[.)]?\s|[A-Za-z][.)]\s")


def find_marks(
    page: pypdfium2.PdfPage, rotation: int, rows: Sequence[Row], *, is_slide: bool, is_sheet: bool = False
) -> set[int]:
    """The lines that have a drawn mark in front of them. Shapes are asked for where lines are set in as items are.

    `is_sheet`: several slides stand on the page, of which one is read: what it draws is a page within it. Elsewhere
    such a one is a picture.
    """
    if not (rows and (is_slide or _has_items(rows))):
        return set()
    shapes = [
        turn_box(box, rotation)
        for box in _small_shapes(page, LARGEST * max(row.height for row in rows), is_sheet=is_sheet)
    ]
    if not shapes:
        return set()
    lines = [number for number, row in enumerate(rows) if not row.is_table and not _MARKED.match(row.cells[0])]
    marked = {number: mark for number in lines if (mark := _mark_of(rows[number], shapes)) is not None}
    lefts = Counter(round(left) for left in marked.values())
    return {number for number, left in marked.items() if _is_item(rows[number], lefts[round(left)])}


def mark_spans(page: pypdfium2.PdfPage, rotation: int, lines: Sequence[Sequence[Span]], *, is_sheet: bool) -> set[int]:
    """Of stretches of words in cells, by `id`, those that have a drawn mark in front of them, which others have too."""
    spans = [span for line in lines for span in line if not _MARKED.match(span.text)]
    if not spans:
        return set()
    largest = LARGEST * max(span.height for span in spans)
    shapes = [turn_box(box, rotation) for box in _small_shapes(page, largest, is_sheet=is_sheet)]
    marked = {id(span): mark for span in spans if (mark := _mark_of(span, shapes)) is not None} if shapes else {}
    lefts = Counter(round(left) for left in marked.values())
    return {span for span, left in marked.items() if lefts[round(left)] > 1}


def _is_item(row: Row, marks: int) -> bool:
    """Whether what stands behind a shape is an item, and no word of a drawing. `marks`: how many begin at its place."""
    return len(_WORD.findall(row.cells[0])) >= (1 if marks > 1 else WORDS_ALONE)


def _has_items(rows: Sequence[Row]) -> bool:
    """Whether two lines that follow one another are set in by the same space, on a page whose marks are no signs."""
    if any(row.cells[0][:1] in _SIGNS for row in rows):
        return False
    edge = min(row.left for row in rows)
    return any(
        abs(row.left - before.left) < ALIGNED and row.left - edge > INDENT * row.height and not row.is_table
        for before, row in pairwise(rows)
    )


def _small_shapes(page: pypdfium2.PdfPage, largest: float, *, is_sheet: bool) -> Iterator[Box]:
    if count_objects(page) > MOST_SHAPES:
        return
    bounds_of = bounds_reader()
    for drawn, frame in read_objects(page, is_sheet=is_sheet):
        if get_type(drawn) == pdfium.FPDF_PAGEOBJ_TEXT or (own := bounds_of(drawn)) is None:
            continue
        left, right, bottom, top = frame.place(own)
        longer = max(right - left, top - bottom)
        if longer <= largest and min(right - left, top - bottom) >= LEAST_SQUARE * longer > 0:
            yield left, right, bottom, top


def _mark_of(row: Row | Span, shapes: Sequence[Box]) -> float | None:
    """Where the one shape begins that stands in front of a line, at its height; None if others stand beside it."""
    height = row.height
    beside = [
        (left, right, top - bottom)
        for left, right, bottom, top in shapes
        if row.bottom < (bottom + top) / 2 < row.top and -ALONE * height < left - row.left < 0.5 * height
    ]
    places = {(round(left), round(right)) for left, right, _ in beside}  # a ball is drawn in some layers
    if not beside or len(places) > 1:
        return None
    left, right, size = beside[0]
    is_near = -0.1 * height < row.left - right < FARTHEST * height
    return left if is_near and SMALLEST < size / height < LARGEST else None
