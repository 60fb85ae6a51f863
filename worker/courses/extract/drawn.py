"""The straight lines that a page draws, as PDFium tells them: those that rule its tables among them."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable, Iterator

import pypdfium2
import pypdfium2.raw as pdfium

from worker.courses.extract.grids import THIN, Rule

MOST_OBJECTS = 6_000  # of one page: drawings have more
MOST_SEGMENTS = 400  # of one path
LEAST_SCALE = 1e-4
DEEPEST = 2  # a page within a page, which a program may put into another

_Box = tuple[float, float, float, float]


def read_rules(page: pypdfium2.PdfPage) -> Iterator[Rule]:
    """Lines, and the sides of boxes, as the page's own coordinates have them, before it is turned."""
    if pdfium.FPDFPage_CountObjects(page.raw) <= MOST_OBJECTS:
        yield from _rules_of(_objects(page.raw), page.get_size())


def _objects(page: pdfium.FPDF_PAGE) -> Iterator[pdfium.FPDF_PAGEOBJECT]:
    return (pdfium.FPDFPage_GetObject(page, number) for number in range(pdfium.FPDFPage_CountObjects(page)))


def _rules_of(objects: Iterable[pdfium.FPDF_PAGEOBJECT], size: tuple[float, float], depth: int = 0) -> Iterator[Rule]:
    sides = [ctypes.c_float() for _ in range(4)]
    left, bottom, right, top = sides
    pointers = [ctypes.byref(side) for side in sides]
    get_type = pdfium.FPDFPageObj_GetType
    for drawn in objects:
        kind = get_type(drawn)
        if kind == pdfium.FPDF_PAGEOBJ_FORM and depth < DEEPEST:
            yield from _rules_of_form(drawn, size, depth)
        if kind != pdfium.FPDF_PAGEOBJ_PATH or not pdfium.FPDFPageObj_GetBounds(drawn, *pointers):
            continue
        box = left.value, right.value, bottom.value, top.value
        if box[1] - box[0] <= THIN or box[3] - box[2] <= THIN:
            yield box
        elif pdfium.FPDFPath_CountSegments(drawn) > 5:
            yield from _segments(drawn)
        elif box[1] - box[0] < 0.9 * size[0] or box[3] - box[2] < 0.9 * size[1]:
            yield from _sides(box)


def _rules_of_form(form: pdfium.FPDF_PAGEOBJECT, size: tuple[float, float], depth: int) -> Iterator[Rule]:
    """What a page draws within a page, upright or turned by a right angle: of several slides on one sheet."""
    count, matrix = pdfium.FPDFFormObj_CountObjects(form), pdfium.FS_MATRIX()
    if count > MOST_OBJECTS or not pdfium.FPDFPageObj_GetMatrix(form, ctypes.byref(matrix)):
        return
    a, b, c, d = (0.0 if abs(part) < LEAST_SCALE else part for part in (matrix.a, matrix.b, matrix.c, matrix.d))
    is_turned = not (a or d)
    if (b or c) and not is_turned:
        return  # slanted
    scales = (c, b) if is_turned else (a, d)
    objects = (pdfium.FPDFFormObj_GetObject(form, number) for number in range(count))
    inner = size[0] / (abs(scales[0]) or 1.0), size[1] / (abs(scales[1]) or 1.0)
    for left, right, bottom, top in _rules_of(objects, inner[::-1] if is_turned else inner, depth + 1):
        xs = sorted(a * x + c * y + matrix.e for x, y in ((left, bottom), (right, top)))
        ys = sorted(b * x + d * y + matrix.f for x, y in ((left, bottom), (right, top)))
        yield xs[0], xs[1], ys[0], ys[1]


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
