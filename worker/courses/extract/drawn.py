"""The straight lines that a page draws, as PDFium tells them: those that rule its tables among them."""

from __future__ import annotations

import ctypes
import math
from collections import defaultdict
from collections.abc import Iterator

import pypdfium2
import pypdfium2.raw as pdfium

from worker.courses.extract.calls import INT, POINTER, direct
from worker.courses.extract.grids import THIN
from worker.courses.extract.objects import (
    MOST_OBJECTS,
    Frame,
    Rule,
    bounds_reader,
    count_objects,
    frame_of,
    get_type,
    matrix_of,
    read_objects,
)

BOX_SEGMENTS = 5  # of the path of a box, at most
MOST_SEGMENTS = 400  # of one path

_count_segments = direct(pdfium.FPDFPath_CountSegments, INT, POINTER)
_get_segment = direct(pdfium.FPDFPath_GetPathSegment, POINTER, POINTER, INT)
_get_point = direct(pdfium.FPDFPathSegment_GetPoint, INT, *[POINTER] * 3)
_get_kind = direct(pdfium.FPDFPathSegment_GetType, INT, POINTER)
_is_closed = direct(pdfium.FPDFPathSegment_GetClose, INT, POINTER)


def read_boxes(page: pypdfium2.PdfPage) -> Iterator[Rule]:
    """Boxes that a page draws, and pages within it, as its own coordinates have them. Several pages that it holds in
    one size are as large as all that they draw: none says where it ends."""
    bounds_of = bounds_reader()
    within: dict[tuple[float, ...], list[tuple[Frame, Rule]]] = defaultdict(list)
    for drawn, _ in read_objects(page, is_sheet=False):
        kind = get_type(drawn)
        is_form = kind == pdfium.FPDF_PAGEOBJ_FORM
        if not is_form and (kind != pdfium.FPDF_PAGEOBJ_PATH or _count_segments(drawn) > BOX_SEGMENTS):
            continue
        box = bounds_of(drawn)
        if box is None:
            continue
        frame = frame_of(drawn) if is_form else None
        if frame is not None:
            within[tuple(round(part, 2) for part in frame[:4])].append((frame, box))
        elif not is_form:
            yield box
    width, height = page.get_size()
    for pages in within.values():
        own = [
            (box[0] - frame.e, box[1] - frame.e, box[2] - frame.f, box[3] - frame.f)
            for frame, box in pages
            if box[1] - box[0] <= max(width, height) and box[3] - box[2] <= max(width, height)
        ]
        if own:
            lefts, rights, bottoms, tops = zip(*own, strict=True)
            for frame, _ in pages:
                yield min(lefts) + frame.e, max(rights) + frame.e, min(bottoms) + frame.f, max(tops) + frame.f
        else:  # it draws beyond the sheet: where it begins is told all the same
            yield from ((box[0], min(box[1], width), box[2], min(box[3], height)) for _, box in pages)


def read_rules(page: pypdfium2.PdfPage) -> Iterator[Rule]:
    """Lines, and the sides of boxes, as the page's own coordinates have them, before it is turned; those of pages
    within it too, such as several slides on one sheet."""
    if count_objects(page) > MOST_OBJECTS:
        return
    width, height = page.get_size()
    bounds_of = bounds_reader()
    for drawn, frame in read_objects(page):
        if get_type(drawn) != pdfium.FPDF_PAGEOBJ_PATH or (own := bounds_of(drawn)) is None:
            continue
        box = frame.place(own)
        if box[1] - box[0] <= THIN or box[3] - box[2] <= THIN:
            yield box
        elif _count_segments(drawn) > BOX_SEGMENTS:
            yield from map(frame.place, _segments(drawn))
        elif box[1] - box[0] < 0.9 * width or box[3] - box[2] < 0.9 * height:
            yield from _sides(box)


def _sides(box: Rule) -> Iterator[Rule]:
    left, right, bottom, top = box
    yield left, right, bottom, bottom
    yield left, right, top, top
    yield left, left, bottom, top
    yield right, right, bottom, top


def _segments(path: int) -> Iterator[Rule]:
    """The lines across and down of a path that draws several."""
    a, b, c, d, e, f = matrix_of(path)
    point = (ctypes.c_float * 2)()
    x, y = ctypes.addressof(point), ctypes.addressof(point) + 4
    before = start = (math.nan, math.nan)
    for number in range(min(_count_segments(path), MOST_SEGMENTS)):
        segment = _get_segment(path, number)
        _get_point(segment, x, y)
        at = a * point[0] + c * point[1] + e, b * point[0] + d * point[1] + f
        kind = _get_kind(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            start = at
        elif kind == pdfium.FPDF_SEGMENT_LINETO:
            yield from _line(before, at)
        if _is_closed(segment):
            yield from _line(at, start)
        before = at


def _line(one: tuple[float, float], other: tuple[float, float]) -> Iterator[Rule]:
    box = min(one[0], other[0]), max(one[0], other[0]), min(one[1], other[1]), max(one[1], other[1])
    if box[1] - box[0] <= 0.5 or box[3] - box[2] <= 0.5:
        yield box
