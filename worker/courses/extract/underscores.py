"""Underscores that TeX's old fonts have no sign for, and draw: a short line on which the letters beside it stand."""

from __future__ import annotations

import ctypes
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from worker.courses.extract.letters import size_reader
from worker.courses.extract.objects import Rule

THICK, WIDE = 1.2, 14.0  # points, at most
WIDTH = (0.2, 0.45)  # of the size of the letters: TeX's own is 0.3 wide
APART = 0.3  # of its width, at most, between two that follow one another
ON_LINE = 0.1  # of the size of the letters: how far from where they stand
SPACE = 0.3  # and how far from a letter, if there is a space between
MOST = 2  # in a row: a longer line is there to be filled in

# What stands in place of the space that PDFium tells: one sign, so that all others keep their places, and one that no
# text holds (Unicode's noncharacters; icons have private ones).
_TOLD = {
    sign + after: chr(0xFDD0 + number)
    for number, (sign, after) in enumerate((s, a) for s in ("_", "__", " _", " __") for a in ("", " "))
}
_WRITTEN = {ord(code): told for told, code in _TOLD.items()}


class _Drawn(NamedTuple):
    """Lines in a row, in points."""

    left: float
    right: float
    bottom: float
    times: int


def tell_underscores(
    whole: str, text: pypdfium2.PdfTextPage, index_of: Callable[[int], int], rules: Iterable[Rule]
) -> str:
    """A page's text with a sign for each underscore that is drawn in it, for `write_underscores` to write out."""
    told = list(whole)
    for drawn in _in_rows(rules):
        at = _letter_before(whole, text, index_of, drawn)
        if at is not None and (sign := _sign(text, index_of, at, drawn)):
            told[at + 1] = sign
    return "".join(told)


def write_underscores(text: str) -> str:
    """The text with underscores in place of the signs for them."""
    return text.translate(_WRITTEN)


def _in_rows(rules: Iterable[Rule]) -> Iterator[_Drawn]:
    short = sorted((rule[2], rule[0], rule[1]) for rule in rules if rule[3] - rule[2] <= THICK and _is_short(rule))
    row: _Drawn | None = None
    for bottom, left, right in short:
        if row and abs(bottom - row.bottom) < 0.1 and 0 <= left - row.right < APART * (right - left):
            row = _Drawn(row.left, right, bottom, row.times + 1)
            continue
        if row:
            yield row
        row = _Drawn(left, right, bottom, 1)
    if row:
        yield row


def _is_short(rule: Rule) -> bool:
    return THICK < rule[1] - rule[0] <= WIDE


def _letter_before(
    whole: str, text: pypdfium2.PdfTextPage, index_of: Callable[[int], int], drawn: _Drawn
) -> int | None:
    """The place of the letter that a space parts from the one behind the line, if there are such."""
    width = (drawn.right - drawn.left) / drawn.times
    found = pdfium.FPDFText_GetCharIndexAtPos(
        text.raw, drawn.left - width / 2, drawn.bottom + width / 2, 2 * width, width
    )
    if found < 0 or drawn.times > MOST:
        return None
    at = bisect_left(range(len(whole)), found, key=index_of)
    at -= whole[at : at + 1] == " "
    if at + 2 >= len(whole) or whole[at].isspace() or whole[at + 1] != " " or whole[at + 2].isspace():
        return None
    return at


def _sign(text: pypdfium2.PdfTextPage, index_of: Callable[[int], int], at: int, drawn: _Drawn) -> str | None:
    """What to write between the letter at a place and the one behind the space, if the line stands there."""
    (_, end, line), (begin, _, _) = _stand(text, index_of(at)), _stand(text, index_of(at + 2))
    size, _ = size_reader(text)(index_of(at))
    width = (drawn.right - drawn.left) / drawn.times
    before, after = drawn.left - end, begin - drawn.right
    if (
        not WIDTH[0] * size < width < WIDTH[1] * size
        or abs(drawn.bottom - line) > ON_LINE * size
        or min(before, after) < -0.1 * size
        or max(before, after) > size
    ):
        return None
    return _TOLD[f"{' ' * (before > SPACE * size)}{'_' * drawn.times}{' ' * (after > SPACE * size)}"]


def _stand(text: pypdfium2.PdfTextPage, index: int) -> tuple[float, float, float]:
    """From where to where a letter stands, and on which line, in points."""
    left, right, bottom, top, x, y = (ctypes.c_double() for _ in range(6))
    pdfium.FPDFText_GetCharBox(text.raw, index, left, right, bottom, top)
    pdfium.FPDFText_GetCharOrigin(text.raw, index, x, y)
    return left.value, right.value, y.value
