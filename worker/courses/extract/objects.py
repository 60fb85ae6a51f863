"""What a page draws, with what stands in pages within it: several slides on one sheet, say."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from worker.courses.extract.calls import INT, POINTER, direct

Rule = tuple[float, float, float, float]  # left, right, bottom, top in points, of a line or a box
MOST_OBJECTS = 6_000  # of one page, with what stands in pages within it: drawings have more
LEAST_SCALE = 1e-4
DEEPEST = 2  # a page within a page, which a program may put into another


class Frame(NamedTuple):
    """Where what is drawn within a page stands on it: upright, or turned by a right angle (`a` and `d` are 0)."""

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 1.0
    e: float = 0.0
    f: float = 0.0

    def place(self, rule: Rule) -> Rule:
        if self is UPRIGHT:
            return rule
        left, right, bottom, top = rule
        one, other = self._point(left, bottom), self._point(right, top)
        return min(one[0], other[0]), max(one[0], other[0]), min(one[1], other[1]), max(one[1], other[1])

    def within(self, outer: Frame) -> Frame:
        """The frame of what stands in this one, which stands in another."""
        e, f = outer._point(self.e, self.f)
        return Frame(
            outer.a * self.a + outer.c * self.b,
            outer.b * self.a + outer.d * self.b,
            outer.a * self.c + outer.c * self.d,
            outer.b * self.c + outer.d * self.d,
            e,
            f,
        )

    def _point(self, x: float, y: float) -> tuple[float, float]:
        return self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f


UPRIGHT = Frame()
_get_object = direct(pdfium.FPDFPage_GetObject, POINTER, POINTER, INT)
_get_within = direct(pdfium.FPDFFormObj_GetObject, POINTER, POINTER, ctypes.c_ulong)
_count_within = direct(pdfium.FPDFFormObj_CountObjects, INT, POINTER)
_get_matrix = direct(pdfium.FPDFPageObj_GetMatrix, INT, POINTER, POINTER)
_get_bounds = direct(pdfium.FPDFPageObj_GetBounds, INT, *[POINTER] * 5)
get_type = direct(pdfium.FPDFPageObj_GetType, INT, POINTER)


def count_objects(page: pypdfium2.PdfPage) -> int:
    """How much a page draws, without what stands in pages within it."""
    count: int = pdfium.FPDFPage_CountObjects(page.raw)
    return count


def read_objects(page: pypdfium2.PdfPage, *, is_sheet: bool = True) -> Iterator[tuple[int, Frame]]:
    """What a page draws, and the frame that it stands in. `is_sheet`: what pages within it draw too."""
    get = partial(_get_object, ctypes.cast(page.raw, ctypes.c_void_p).value)
    yield from islice(_objects(count_objects(page), get, UPRIGHT, 0 if is_sheet else DEEPEST), MOST_OBJECTS)


def _objects(count: int, get: Callable[[int], int], frame: Frame, depth: int) -> Iterator[tuple[int, Frame]]:
    """What is drawn, with what stands in it, and where."""
    for number in range(count):
        drawn = get(number)
        yield drawn, frame
        if depth < DEEPEST and get_type(drawn) == pdfium.FPDF_PAGEOBJ_FORM:
            inner = frame_of(drawn)
            if inner is not None:
                yield from _objects(_count_within(drawn), partial(_get_within, drawn), inner.within(frame), depth + 1)


def bounds_reader() -> Callable[[int], Rule | None]:
    """The box around what is drawn, in its own frame; None where there is none."""
    sides = (ctypes.c_float * 4)()
    start = ctypes.addressof(sides)
    pointers = [start + 4 * at for at in range(4)]

    def bounds_of(drawn: int) -> Rule | None:
        if not _get_bounds(drawn, *pointers):
            return None
        left, bottom, right, top = sides
        return left, right, bottom, top

    return bounds_of


def matrix_of(drawn: int) -> tuple[float, ...]:
    """How what is drawn is placed: its six numbers, of ISO 32000-1, 8.3.3."""
    matrix = (ctypes.c_float * 6)()
    _get_matrix(drawn, ctypes.addressof(matrix))
    return tuple(matrix)


def frame_of(form: int) -> Frame | None:
    """Where a page within a page stands; None where it is slanted."""
    *parts, e, f = matrix_of(form)
    a, b, c, d = (0.0 if abs(part) < LEAST_SCALE else part for part in parts)
    is_straight = (a or b or c or d) and (not (b or c) or not (a or d))
    return Frame(a, b, c, d, e, f) if is_straight else None
