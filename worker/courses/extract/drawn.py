"""The straight lines that a page draws, as PDFium tells them: those that rule its tables among them."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator

import pypdfium2
import pypdfium2.raw as pdfium

from worker.courses.extract.grids import THIN, Rule

MOST_OBJECTS = 6_000  # of one page: drawings have more
MOST_SEGMENTS = 400  # of one path

_Box = tuple[float, float, float, float]


def read_rules(page: pypdfium2.PdfPage) -> Iterator[Rule]:
    """Lines, and the sides of boxes, as the page's own coordinates have them, before it is turned."""
    raw = page.raw
    count = pdfium.FPDFPage_CountObjects(raw)
    if count > MOST_OBJECTS:
        return
    width, height = page.get_size()
    sides = [ctypes.c_float() for _ in range(4)]
    left, bottom, right, top = sides
    pointers = [ctypes.byref(side) for side in sides]
    get_object, get_type = pdfium.FPDFPage_GetObject, pdfium.FPDFPageObj_GetType
    for number in range(count):
        drawn = get_object(raw, number)
        if get_type(drawn) != pdfium.FPDF_PAGEOBJ_PATH or not pdfium.FPDFPageObj_GetBounds(drawn, *pointers):
            continue
        box = left.value, right.value, bottom.value, top.value
        if box[1] - box[0] <= THIN or box[3] - box[2] <= THIN:
            yield box
        elif pdfium.FPDFPath_CountSegments(drawn) > 5:
            yield from _segments(drawn)
        elif box[1] - box[0] < 0.9 * width or box[3] - box[2] < 0.9 * height:
            yield from _sides(box)


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
