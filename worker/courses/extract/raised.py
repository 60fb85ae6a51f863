"""Figures above the line: exponents and the marks of notes, which a file tells as letters like others."""

from __future__ import annotations

import re
from typing import NamedTuple

from worker.courses.extract.letters import Boxes, Feet
from worker.courses.extract.signs import raise_digits

# No note's mark is negative: `1,6.10⁻¹⁹`.
_POWER = re.compile(r"(?:(?<![\d.,])10 ?(?=\d)|(?<!\d)10 ?(?=[-−–]))([-−–]?\d{1,2})(?!\d)")
# Figures behind a letter, a bracket or other figures, and before a first letter: `cm3`, `2³¹`, the mark of a note.
_FIGURES = re.compile(r"(?:(?<=[^\W\d_])[-−]?\d{1,3}|(?<=[)\]»])\d{1,3}|(?<![\w.,-])\d{2,6})(?!\w|[.,]\d)")
_BEFORE = re.compile(r"[^\W\d_]|[)\]»]")
_NOTES = re.compile(r"(?<=[^\W\d_])\d{1,2}(?:[,–-]\d{1,2})+(?![\w,])")  # `semaines7,8`, `chroniques3-5`
_NOTE = re.compile(r"\d{1,2}(?=[A-Za-zÀ-ÖØ-öø-ÿŒœ])")
_FIRST = re.compile(r"(\d{1,2})\s+(?=[=<>≤≥≈A-Za-zÀ-ÖØ-öø-ÿ(])")  # of `χ2 = 19,4`, where a page tells the χ before
LIFTED = 0.15  # of the height of the letter before: how far an exponent stands above it at least
_DEEP = re.compile(r"[QJgjpqy\u00e7\u00b5]")  # they go below the line, in boxes no larger than they are
DEEP_LIFTED = 0.3
_FIGURE = re.compile(r"\d")
# French print sets a thin space before the mark of a note: `le crénage 17 entre les lettres`.
_MARK = re.compile(r"(?:(?<=[^\W\d_] )|(?<=[»)\]] ))\d{1,3}(?!\w|[.,]\d| \d)")  # no figure of a fraction
ON_LINE = 0.08  # of that height: letters so near stand on one line
SMALLER, LARGER = 0.85, 1.1  # times the letter before it


class Places(NamedTuple):
    """Where the letters of a text stand: their boxes, and, if it is known, how high the line is that each is written
    on. Figures of old style, of which some go below that line, stand on it all the same."""

    box_of: Boxes
    foot_of: Feet | None = None

    def is_above(self, at_base: int, at: int, least: float = LIFTED) -> bool:
        """Whether a figure stands above the foot of what it is written behind, and not only in a font without one."""
        base, box = self.box_of(at_base), self.box_of(at)
        height = base[3] - base[2]
        if not (box[2] > base[2] + least * height and box[3] > base[3] - LIFTED * height):
            return False
        # A place that is not known is no number, which is not less than any.
        return self.foot_of is None or not self.foot_of(at) <= self.foot_of(at_base) + ON_LINE * height


def has_figure(text: str) -> bool:
    return _FIGURE.search(text) is not None


def raise_figures(text: str, places: Places) -> str:
    """The text of a line with such figures as ⁰ to ⁹."""
    text = _raise_others(text, places)
    return _raise_powers(text, places) if "10" in text else text


def _raise_powers(text: str, places: Places) -> str:
    """`109` whose 9 stands above the line is `10⁹`."""

    def raised(match: re.Match[str]) -> str:
        at_base, at = match.start(), match.end() - 1
        base, power = places.box_of(at_base), places.box_of(at)
        is_smaller = power[3] - power[2] < LARGER * (base[3] - base[2])  # of `log₁₀ 2` the 10 stands below the line
        return "10" + raise_digits(match[1]) if is_smaller and places.is_above(at_base, at) else match[0]

    return _POWER.sub(raised, text)


def _raise_others(text: str, places: Places) -> str:
    """`cm3`, `231` and `programme1` whose last figures stand above the line are `cm³`, `2³¹` and `programme¹`."""

    def raised(match: re.Match[str]) -> str:
        start, end = match.span()
        at_base = start - 1 if _BEFORE.match(text, start - 1, start) else start
        least = DEEP_LIFTED if _DEEP.match(text, at_base) else LIFTED
        if not places.is_above(at_base, end - 1, least):
            return match[0]
        is_signed = not text[start].isdigit()
        first = start if is_signed else next(at for at in range(start, end) if places.is_above(at_base, at, least))
        return text[start:first] + raise_digits(text[first:end])

    def marked(match: re.Match[str]) -> str:
        at_base = match.start() - 2
        base = places.box_of(at_base)
        is_deep = text[at_base] in ")]" or _DEEP.match(text, at_base) is not None
        least = DEEP_LIFTED if is_deep else LIFTED
        for at in (match.start(), match.end() - 1):
            box = places.box_of(at)
            if box[3] - box[2] >= SMALLER * (base[3] - base[2]) or not places.is_above(at_base, at, least):
                return match[0]
        return raise_digits(match[0])

    def listed(match: re.Match[str]) -> str:
        figures = (match.start() + at for at, sign in enumerate(match[0]) if sign.isdigit())
        are_above = all(places.is_above(match.start() - 1, at) for at in figures)
        return raise_digits(match[0], keeps=",") if are_above else match[0]

    text = _MARK.sub(marked, _FIGURES.sub(raised, _NOTES.sub(listed, text)))
    note = _NOTE.match(text)
    if note is not None and places.is_above(note.end(), 0):
        return raise_digits(note[0]) + text[note.end() :]
    first = _FIRST.match(text)
    if first is not None and places.foot_of is not None and places.is_above(first.end(), 0):
        return raise_digits(first[1]) + text[first.end(1) :]
    return text
