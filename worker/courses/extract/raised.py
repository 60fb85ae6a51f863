"""Figures above the line: exponents and the marks of notes, which a file tells as letters like others."""

from __future__ import annotations

import re

from worker.courses.extract.letters import Box, Boxes
from worker.courses.extract.signs import raise_digits

# No note's mark is negative: `1,6.10⁻¹⁹`.
_POWER = re.compile(r"(?:(?<![\d.,])10 ?(?=\d)|(?<!\d)10 ?(?=[-−–]))([-−–]?\d{1,2})(?!\d)")
# Figures behind a letter, a bracket or other figures, and before a first letter: `cm3`, `2³¹`, the mark of a note.
_FIGURES = re.compile(r"(?:(?<=[^\W\d_])[-−]?\d{1,3}|(?<=[)\]»])\d{1,3}|(?<![\w.,-])\d{2,6})(?!\w|[.,]\d)")
_BEFORE = re.compile(r"[^\W\d_]|[)\]»]")
_NOTES = re.compile(r"(?<=[^\W\d_])\d{1,2}(?:[,–-]\d{1,2})+(?![\w,])")  # `semaines7,8`, `chroniques3-5`
_NOTE = re.compile(r"\d{1,2}(?=[A-Za-zÀ-ÖØ-öø-ÿŒœ])")
LIFTED = 0.15  # of the height of the letter before: how far an exponent stands above it at least
_DEEP = re.compile(r"[QJgjpqy\u00e7\u00b5]")  # they go below the line, in boxes no larger than they are
DEEP_LIFTED = 0.3
_FIGURE = re.compile(r"\d")
# French print sets a thin space before the mark of a note: `le crénage 17 entre les lettres`.
_MARK = re.compile(r"(?:(?<=[^\W\d_] )|(?<=[»)\]] ))\d{1,3}(?!\w|[.,]\d| \d)")  # no figure of a fraction
SMALLER, LARGER = 0.85, 1.1  # times the letter before it


def raise_figures(text: str, box_of: Boxes) -> str:
    """The text of a line with such figures as ⁰ to ⁹. `box_of`: the box of the letter at a place of the text."""
    if _FIGURE.search(text) is None:
        return text
    text = _raise_others(text, box_of)
    return _raise_powers(text, box_of) if "10" in text else text


def _raise_powers(text: str, box_of: Boxes) -> str:
    """`109` whose 9 stands above the line is `10⁹`."""

    def raised(match: re.Match[str]) -> str:
        base, power = box_of(match.start()), box_of(match.end() - 1)
        is_smaller = power[3] - power[2] < LARGER * (base[3] - base[2])  # of `log₁₀ 2` the 10 stands below the line
        return "10" + raise_digits(match[1]) if is_smaller and _is_above(base, power) else match[0]

    return _POWER.sub(raised, text)


def _raise_others(text: str, box_of: Boxes) -> str:
    """`cm3`, `231` and `programme1` whose last figures stand above the line are `cm³`, `2³¹` and `programme¹`."""

    def raised(match: re.Match[str]) -> str:
        start, end = match.span()
        at_base = start - 1 if _BEFORE.match(text, start - 1, start) else start
        base, least = box_of(at_base), DEEP_LIFTED if _DEEP.match(text, at_base) else LIFTED
        if not _is_above(base, box_of(end - 1), least):
            return match[0]
        is_signed = not text[start].isdigit()
        first = start if is_signed else next(at for at in range(start, end) if _is_above(base, box_of(at), least))
        return text[start:first] + raise_digits(text[first:end])

    def marked(match: re.Match[str]) -> str:
        base = box_of(match.start() - 2)
        is_deep = text[match.start() - 2] in ")]" or _DEEP.match(text, match.start() - 2) is not None
        least = DEEP_LIFTED if is_deep else LIFTED
        for box in (box_of(match.start()), box_of(match.end() - 1)):
            if box[3] - box[2] >= SMALLER * (base[3] - base[2]) or not _is_above(base, box, least):
                return match[0]
        return raise_digits(match[0])

    def listed(match: re.Match[str]) -> str:
        base = box_of(match.start() - 1)
        figures = (match.start() + at for at, sign in enumerate(match[0]) if sign.isdigit())
        return raise_digits(match[0], keeps=",") if all(_is_above(base, box_of(at)) for at in figures) else match[0]

    text = _MARK.sub(marked, _FIGURES.sub(raised, _NOTES.sub(listed, text)))
    note = _NOTE.match(text)
    if note is not None and _is_above(box_of(note.end()), box_of(0)):
        return raise_digits(note[0]) + text[note.end() :]
    return text


def _is_above(base: Box, box: Box, least: float = LIFTED) -> bool:
    """Whether a figure stands above the foot of what it is written behind, and not only in a font without one."""
    height = base[3] - base[2]
    return box[2] > base[2] + least * height and box[3] > base[3] - LIFTED * height
