"""Figures above the line and below it: exponents, marks of notes and indices, which a file tells as other letters."""

from __future__ import annotations

import re
from functools import partial
from typing import NamedTuple

from worker.courses.extract.letters import Boxes, Feet
from worker.courses.extract.signs import lower_digits, raise_digits

# No note's mark is negative: `1,6.10⁻¹⁹`.
_POWER = re.compile(r"(?:(?<![\d.,])10 ?(?=\d)|(?<!\d)10 ?(?=[-−–]))([-−–]?\d{1,2})(?!\d)")
# Figures behind a letter, a bracket or other figures, and before a first letter: `cm³`, `2³¹`, `0,95⁶`, a mark.
_FIGURES = re.compile(
    r"(?:(?<=[^\W\d_])[-−]?\d{1,3}|(?<=[)\]»])\d{1,3}|(?<=[^\W\d_][.,;:])\d{1,3}|"
    r"(?<![\w.,-])(?:\d{1,4}[.,])?\d{2,6})(?!\w|[.,]\d)"
)
_BEFORE = re.compile(r"[^\W\d_]|[)\]»]")
_STOP = re.compile(r"[^\W\d_][.,;:]")
_NOTES = re.compile(r"(?<=[^\W\d_])\d{1,2}(?:[,–-]\d{1,2})+(?![\w,])")  # `semaines7,8`, `chroniques3-5`
# `¹Tunis ; ²Oran`, and isotopes: `au ¹⁸FDG`, `⁹⁹mTc`, whose `m` stands above the line too.
_NOTE = re.compile(r"(?:^|(?<=[;,] ))\d{1,2}(?=[A-Za-zÀ-ÖØ-öø-ÿŒœ])|(?<![^\s(\[«\u2019'])\d{1,3}(?=m?[A-Z])")
_CHARGE = re.compile(r"(?<=[^\W_])[+−–-](?![\w+−–-])")
# Of `χ2 = 19,4` and `(Fe2+) fait`, where a page tells what stands before by itself.
_FIRST = re.compile(r"([-−–]?\d{1,2}[+−–-]?)(?:\s+(?=[+→=<>≤≥≈A-Za-zÀ-ÖØ-öø-ÿ(])|(?=[)\],;·]|-[a-zà-ÿ]))")
LIFTED = 0.15  # of the height of the letter before: how far an exponent stands above it at least
_DEEP = re.compile(r"[QJgjpqy\u00e7\u00b5]")  # they go below the line, in boxes no larger than they are
DEEP_LIFTED = 0.3
_FIGURE = re.compile(r"\d|[^\W\d_][+−–-]")
# French print sets a thin space before the mark of a note: `le crénage 17 entre les lettres`.
_MARK = re.compile(
    r"(?:(?<=[^\W\d_] )|(?<=[»)\]] )|(?<=[^\W\d_][.,;:] )|(?<=\d )(?<!\b10 ))\d{1,3}"
    r"(?!\w|[.,]\d| \d|\s?[/⁄])"  # no figure of a fraction
)
HANGING = 0.3  # of that height, above its own line
ON_LINE = 0.08  # of that height: letters so near stand on one line
LOWER = 0.04  # of that height: how far an index stands below the line of its letter at least
_INDEX = re.compile(r"(?:(?<=[^\W\d_])|(?<=[)\]]))\d{1,3}(?!\d)")
SMALL = 0.95  # times that height: the most of an index
SMALLER, LARGER = 0.85, 1.1  # times the letter before it


class Places(NamedTuple):
    """Where the letters of a text stand: their boxes, and, if it is known, how high the line is that each is written
    on, and where what is drawn of it begins. Figures of old style, of which some go below that line, stand on it all
    the same; of some fonts a figure of its own hangs above it, in a box as large as others."""

    box_of: Boxes
    foot_of: Feet | None = None
    ink_of: Feet | None = None

    def is_above(self, at_base: int, at: int, least: float = LIFTED) -> bool:
        """Whether a figure stands above the foot of what it is written behind, and not only in a font without one."""
        return self.is_lifted(at_base, at, least) or self._hangs(at_base, at)

    def is_lifted(self, at_base: int, at: int, least: float = LIFTED) -> bool:
        """Whether a letter is written above the line of the one before."""
        base, box = self.box_of(at_base), self.box_of(at)
        height = base[3] - base[2]
        if not (box[2] > base[2] + least * height and box[3] > base[3] - LIFTED * height):
            return False
        # A place that is not known is no number, which is not less than any.
        return self.foot_of is None or not self.foot_of(at) <= self.foot_of(at_base) + ON_LINE * height

    def is_index(self, at_base: int, at: int) -> bool:
        """Whether a figure is smaller than the letter before, and written below its line."""
        if self.foot_of is None:
            return False
        base, box = self.box_of(at_base), self.box_of(at)
        height = base[3] - base[2]
        is_small = box[3] - box[2] < SMALL * height
        return is_small and self.foot_of(at) < self.foot_of(at_base) - LOWER * height

    def _hangs(self, at_base: int, at: int) -> bool:
        """Whether what is drawn of a figure begins above its own line."""
        if self.ink_of is None or self.foot_of is None:
            return False
        base = self.box_of(at_base)
        return self.ink_of(at) > self.foot_of(at) + HANGING * (base[3] - base[2])


def has_figure(text: str) -> bool:
    """Whether a text has anything that may stand above its line."""
    return _FIGURE.search(text) is not None


def raise_figures(text: str, places: Places) -> str:
    """The text of a line with such figures as ⁰ to ⁹: `cm³`, `2³¹`, `programme¹`, `10⁹`; and indices as ₀ to ₉. It is
    as long as before."""
    for pattern, raised in _KINDS:
        text = pattern.sub(partial(raised, places), text)
    first = _FIRST.match(text)
    if first is not None and places.foot_of is not None and places.is_above(first.end(), int(not text[0].isdigit())):
        text = raise_digits(first[1]) + text[first.end(1) :]
    return _POWER.sub(partial(_power, places), text) if "10" in text else text


def _power(places: Places, match: re.Match[str]) -> str:
    """`109` whose 9 stands above the line is `10⁹`."""
    at_base, at = match.start(), match.end() - 1
    base, power = places.box_of(at_base), places.box_of(at)
    is_smaller = power[3] - power[2] < LARGER * (base[3] - base[2])  # of `log₁₀ 2` the 10 stands below the line
    return "10" + raise_digits(match[1]) if is_smaller and places.is_above(at_base, at) else match[0]


def _figures(places: Places, match: re.Match[str]) -> str:
    """Figures of which the last ones stand above what they are written behind."""
    text, (start, end) = match.string, match.span()
    at_base = start - 1 if _BEFORE.match(text, start - 1, start) else start
    if _STOP.match(text, max(0, start - 2), start):
        at_base = start - 2  # the letter before the stop
    least = DEEP_LIFTED if _DEEP.match(text, at_base) else LIFTED
    is_above = places.is_lifted if at_base == start else places.is_above  # there are many numbers
    if not is_above(at_base, end - 1, least):
        return match[0]
    is_signed = not text[start].isdigit()
    first = start if is_signed else next(at for at in range(start, end) if is_above(at_base, at, least))
    return text[start:first] + raise_digits(text[first:end])


def _mark(places: Places, match: re.Match[str]) -> str:
    """The mark of a note behind a space: smaller than the letter before, all of it above."""
    text, at_base = match.string, match.start() - 2
    if text[at_base] in ".,;:":
        at_base -= 1  # the letter before it
    base = places.box_of(at_base)
    is_deep = text[at_base] in ")]" or _DEEP.match(text, at_base) is not None
    least = DEEP_LIFTED if is_deep else LIFTED
    for at in (match.start(), match.end() - 1):
        box = places.box_of(at)
        if box[3] - box[2] >= SMALLER * (base[3] - base[2]) or not places.is_above(at_base, at, least):
            return match[0]
    return raise_digits(match[0])


def _note(places: Places, match: re.Match[str]) -> str:
    """The mark of a note, or of an address, before its first word; the mass of an isotope."""
    text, at_base = match.string, match.end()
    at_base += text[at_base] == "m" and text[at_base + 1 : at_base + 2].isupper()
    return raise_digits(match[0]) if places.is_above(at_base, match.start()) else match[0]


def _notes(places: Places, match: re.Match[str]) -> str:
    """The marks of several notes behind a word."""
    figures = (match.start() + at for at, sign in enumerate(match[0]) if sign.isdigit())
    are_above = all(places.is_above(match.start() - 1, at) for at in figures)
    return raise_digits(match[0], keeps=",") if are_above else match[0]


def _index(places: Places, match: re.Match[str]) -> str:
    """The index of a letter: `CO₂`, `H₂O`, `B₁₂`."""
    is_index = all(places.is_index(match.start() - 1, at) for at in range(*match.span()))
    return lower_digits(match[0]) if is_index else match[0]


def _charge(places: Places, match: re.Match[str]) -> str:
    """The sign of an ion, behind its letter or its figures."""
    text, at = match.string, match.start()
    at_base = next((before for before in range(at - 1, max(at - 4, -1), -1) if text[before].isalpha()), None)
    if at_base is None:
        return match[0]
    least = DEEP_LIFTED if _DEEP.match(text, at_base) else LIFTED
    return raise_digits(match[0]) if places.is_lifted(at_base, at, least) else match[0]


_KINDS = ((_NOTES, _notes), (_FIGURES, _figures), (_MARK, _mark), (_NOTE, _note), (_INDEX, _index), (_CHARGE, _charge))
