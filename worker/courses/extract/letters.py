"""Where the letters of a page stand, in which font, how large and heavy: asked of PDFium one by one."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate

import pypdfium2
import pypdfium2.raw as pdfium

from worker.courses.extract.calls import INT, POINTER, direct

_BOLD = re.compile(r"bold|black|heavy|demi(?!l)|cmbx|cmssbx|ecbx|sfbx|-bd", re.IGNORECASE)
_TYPEWRITER = re.compile(
    rb"mono(?!type)|typewriter|courier|consola|menlo|monaco|cousine|andale|fixed|(?:^|\+)(?:cm|ec|sf|la|tc|tx|t1x|lm)[a-z]{0,2}tt",
    re.IGNORECASE,
)
_OLD_TEX = re.compile(rb"(?:^|\+)cm[a-z]{1,6}\d", re.IGNORECASE)
_SCORE = re.compile(rb"emmentaler|feta\d|parmesan|bravura|maestro|sonata", re.IGNORECASE)  # music

Box = tuple[float, float, float, float]  # left, right, bottom, top in points, counted upwards
Boxes = Callable[[int], Box]
Feet = Callable[[int], float]
Fonts = Callable[[int], bytes]  # the font's name
DESCENT = 0.22  # of a size: how far below its line a box goes, as most fonts have it


_get_box = direct(pdfium.FPDFText_GetLooseCharBox, INT, POINTER, INT, POINTER)
_get_origin = direct(pdfium.FPDFText_GetCharOrigin, INT, POINTER, INT, POINTER, POINTER)
_get_ink = direct(pdfium.FPDFText_GetCharBox, INT, POINTER, INT, POINTER, POINTER, POINTER, POINTER)
_get_size = direct(pdfium.FPDFText_GetFontSize, ctypes.c_double, POINTER, INT)
_get_matrix = direct(pdfium.FPDFText_GetMatrix, INT, POINTER, INT, POINTER)
_get_font = direct(pdfium.FPDFText_GetFontInfo, ctypes.c_ulong, POINTER, INT, POINTER, ctypes.c_ulong, POINTER)


def _address(text: pypdfium2.PdfTextPage) -> int | None:
    return ctypes.cast(text.raw, ctypes.c_void_p).value


def char_indices(text: pypdfium2.PdfTextPage, whole: str) -> Callable[[int], int]:
    """From places in the text to PDFium's own count, which leaves out what has no letter and counts pairs twice."""
    if text.count_chars() == len(whole):
        return lambda at: at
    units = [0, *accumulate(2 if ord(c) > 0xFFFF else 1 for c in whole)]
    return lambda at: max(pdfium.FPDFText_GetCharIndexFromTextIndex(text.raw, units[at]), 0)


def box_reader(text: pypdfium2.PdfTextPage, rotation: int, index_of: Callable[[int], int]) -> Boxes:
    """The box of the letter at a place in the text, as the page is shown."""
    raw, rect, read = _address(text), pdfium.FS_RECTF(), _get_box
    pointer = ctypes.addressof(rect)
    values = memoryview(rect).cast("B").cast("f")  # left, top, right, bottom

    def box_of(at: int) -> Box:
        read(raw, index_of(at), pointer)
        left, top, right, bottom = values
        if rotation:
            left, right, bottom, top = turn_box((left, right, bottom, top), rotation)
        return left, right, bottom, top if top > bottom else bottom + 0.1

    return box_of


def foot_reader(text: pypdfium2.PdfTextPage, rotation: int, index_of: Callable[[int], int]) -> Feet:
    """How high the line is that the letter at a place in the text is written on, as the page is shown."""
    raw = _address(text)
    x, y = ctypes.c_double(), ctypes.c_double()
    at_x, at_y = ctypes.addressof(x), ctypes.addressof(y)

    def foot_of(at: int) -> float:
        if not _get_origin(raw, index_of(at), at_x, at_y):
            return math.nan
        return turn_box((x.value, x.value, y.value, y.value), rotation)[2]

    return foot_of


def ink_reader(text: pypdfium2.PdfTextPage, rotation: int, index_of: Callable[[int], int]) -> Feet:
    """How high what is drawn of the letter at a place in the text begins: boxes are those of its font."""
    raw = _address(text)
    values = [ctypes.c_double() for _ in range(4)]
    left, right, bottom, top = values
    addresses = [ctypes.addressof(value) for value in values]

    def ink_of(at: int) -> float:
        if not _get_ink(raw, index_of(at), *addresses):
            return math.nan
        return turn_box((left.value, right.value, bottom.value, top.value), rotation)[2]

    return ink_of


def baseline_reader(text: pypdfium2.PdfTextPage, rotation: int, index_of: Callable[[int], int]) -> Boxes:
    """As `box_reader`, of fonts that are drawn letter by letter (Type 3): PDFium knows only how far each goes there, so
    that an `a` would be lower than an `h`. Here all of one size are of one height, around the line they stand on."""
    boxes, size_of, foot_of = (
        box_reader(text, rotation, index_of),
        size_reader(text),
        foot_reader(text, rotation, index_of),
    )

    def box_of(at: int) -> Box:
        left, right, bottom, top = boxes(at)
        size, _ = size_of(index_of(at))
        foot = foot_of(at)
        if size <= 1 or math.isnan(foot):
            return left, right, bottom, top
        return left, right, foot - DESCENT * size, foot + (1 - DESCENT) * size

    return box_of


def turn_box(box: Box, rotation: int) -> Box:
    """A box as it stands on a page that is shown turned by so many degrees to the right."""
    left, right, bottom, top = box
    if rotation == 90:
        return bottom, top, -right, -left
    if rotation == 180:
        return -right, -left, -top, -bottom
    return (-top, -bottom, left, right) if rotation == 270 else box


def font_reader(text: pypdfium2.PdfTextPage) -> Fonts:
    """The name of the font of the letter with an index."""
    raw, name = _address(text), ctypes.create_string_buffer(64)
    pointer = ctypes.addressof(name)

    def font_of(index: int) -> bytes:
        _get_font(raw, index, pointer, 64, None)
        return name.value

    return font_of


@lru_cache(maxsize=256)
def is_of_scores(font: bytes) -> bool:
    return _SCORE.search(font) is not None


@lru_cache(maxsize=256)
def is_of_typewriters(font: bytes) -> bool:
    """Whether all letters of a font are of one width, by its name: programs are set in such."""
    return _TYPEWRITER.search(font) is not None


@lru_cache(maxsize=256)
def is_of_old_tex(font: bytes) -> bool:
    """Whether a font is one of Computer Modern, whose encoding (OT1) has no underscore."""
    return _OLD_TEX.search(font) is not None


def weight_reader(text: pypdfium2.PdfTextPage, bold_weight: float) -> Callable[[int, bytes], bool]:
    """Whether the letter with an index is bold, by the name or weight of its font."""
    raw = text.raw
    known: dict[bytes, bool] = {}

    def is_bold(index: int, font: bytes) -> bool:
        if font not in known:
            weight = pdfium.FPDFText_GetFontWeight(raw, index)
            known[font] = weight >= bold_weight or _BOLD.search(font.decode("latin-1")) is not None
        return known[font]

    return is_bold


def size_reader(text: pypdfium2.PdfTextPage) -> Callable[[int], tuple[float, int]]:
    """The size in points that the letter with an index is set in, and how far it is turned: 0, 90, 180 or 270 degrees
    to the left, -1 where it is slanted. Boxes tell the size of no font but their own."""
    raw, matrix = _address(text), pdfium.FS_MATRIX()
    pointer = ctypes.addressof(matrix)
    values = memoryview(matrix).cast("B").cast("f")

    def size_of(index: int) -> tuple[float, int]:
        size: float = _get_size(raw, index)
        _get_matrix(raw, index, pointer)
        across, up, c, d, _, _ = values
        height = math.hypot(c, d)
        if up == 0 and across > 0:
            return size * height, 0
        if abs(up) < 0.1 * abs(across):
            return size * height, 0 if across > 0 else 180
        if abs(across) < 0.1 * abs(up):
            return size * height, 90 if up > 0 else 270
        return size * height, -1

    return size_of
