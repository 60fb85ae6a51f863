"""The straight lines that a page draws, as PDFium tells them: those that rule its tables among them."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from worker.courses.extract.grids import THIN, Rule

MOST_OBJECTS = 6_000  # of one page, with what stands in pages within it: drawings have more
MOST_SEGMENTS = 400  # of one path
LEAST_SCALE = 1e-4
DEEPEST = 2  # a page within a page, which a program may put into another


class _Frame(NamedTuple):
    """Where what is drawn within a page stands on it: upright, or turned by a right angle (`a` and `d` are 0)."""

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 1.0
    e: float = 0.0
    f: float = 0.0

    def place(self, rule: Rule) -> Rule:
        left, right, bottom, top = rule
        one, other = self._point(left, bottom), self._point(right, top)
        return min(one[0], other[0]), max(one[0], other[0]), min(one[1], other[1]), max(one[1], other[1])

    def within(self, outer: _Frame) -> _Frame:
        """The frame of what stands in this one, which stands in another."""
        e, f = outer._point(self.e, self.f)
        return _Frame(
            outer.a * self.a + outer.c * self.b,
            outer.b * self.a + outer.d * self.b,
            outer.a * self.c + outer.c * self.d,
            outer.b * self.c + outer.d * self.d,
            e,
            f,
        )

    def _point(self, x: float, y: float) -> tuple[float, float]:
        return self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f


def read_rules(page: pypdfium2.PdfPage) -> Iterator[Rule]:
    """Lines, and the sides of boxes, as the page's own coordinates have them, before it is turned; those of pages
    within it too, such as several slides on one sheet."""
    raw = page.raw
    count = pdfium.FPDFPage_CountObjects(raw)
    if count > MOST_OBJECTS:
        return
    width, height = page.get_size()
    sides = [ctypes.c_float() for _ in range(4)]
    left, bottom, right, top = sides
    pointers = [ctypes.byref(side) for side in sides]
    get_type = pdfium.FPDFPageObj_GetType
    objects = _objects(count, partial(pdfium.FPDFPage_GetObject, raw), _Frame(), 0)
    for drawn, frame in islice(objects, MOST_OBJECTS):
        if get_type(drawn) != pdfium.FPDF_PAGEOBJ_PATH or not pdfium.FPDFPageObj_GetBounds(drawn, *pointers):
            continue
        box = frame.place((left.value, right.value, bottom.value, top.value))
        if box[1] - box[0] <= THIN or box[3] - box[2] <= THIN:
            yield box
        elif pdfium.FPDFPath_CountSegments(drawn) > 5:
            yield from map(frame.place, _segments(drawn))
        elif box[1] - box[0] < 0.9 * width or box[3] - box[2] < 0.9 * height:
            yield from _sides(box)


def _objects(
    count: int, get: Callable[[int], pdfium.FPDF_PAGEOBJECT], frame: _Frame, depth: int
) -> Iterator[tuple[pdfium.FPDF_PAGEOBJECT, _Frame]]:
    """What is drawn, with what stands in it, and where."""
    for number in range(count):
        drawn = get(number)
        yield drawn, frame
        if depth < DEEPEST and pdfium.FPDFPageObj_GetType(drawn) == pdfium.FPDF_PAGEOBJ_FORM:
            inner = _frame_of(drawn)
            if inner is not None:
                count_within = pdfium.FPDFFormObj_CountObjects(drawn)
                yield from _objects(
                    count_within, partial(pdfium.FPDFFormObj_GetObject, drawn), inner.within(frame), depth + 1
                )


def _frame_of(form: pdfium.FPDF_PAGEOBJECT) -> _Frame | None:
    """Where a page within a page stands; None where it is slanted."""
    matrix = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(form, ctypes.byref(matrix)):
        return None
    a, b, c, d = (0.0 if abs(part) < LEAST_SCALE else part for part in (matrix.a, matrix.b, matrix.c, matrix.d))
    is_straight = not (b or c) or not (a or d)
    return _Frame(a, b, c, d, matrix.e, matrix.f) if is_straight else None


def _sides(box: Rule) -> Iterator[Rule]:
    left, right, bottom, top = box
    yield left, right, bottom, bottom
    yield left, right, top, top
    yield left, left, bottom, top
    yield right, right, bottom, top


def _segments(path: pdfium.FPDF_PAGEOBJECT) -> Iterator[Rule]:
    """The lines across and down of a path that draws several."""
    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFPageObj_GetMatrix(path, ctypes.byref(matrix))
    x, y = ctypes.c_float(), ctypes.c_float()
    before = start = (math.nan, math.nan)
    for number in range(min(pdfium.FPDFPath_CountSegments(path), MOST_SEGMENTS)):
        segment = pdfium.FPDFPath_GetPathSegment(path, number)
        pdfium.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y))
        at = (
            matrix.a * x.value + matrix.c * y.value + matrix.e,
            matrix.b * x.value + matrix.d * y.value + matrix.f,
        )
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            start = at
        elif kind == pdfium.FPDF_SEGMENT_LINETO:
            yield from _line(before, at)
        if pdfium.FPDFPathSegment_GetClose(segment):
            yield from _line(at, start)
        before = at


def _line(one: tuple[float, float], other: tuple[float, float]) -> Iterator[Rule]:
    box = min(one[0], other[0]), max(one[0], other[0]), min(one[1], other[1]), max(one[1], other[1])
    if box[1] - box[0] <= 0.5 or box[3] - box[2] <= 0.5:
        yield box
