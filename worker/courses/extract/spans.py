"""A printed line into the stretches of words that it is made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from worker.courses.extract.letters import Box, Boxes
from worker.courses.extract.rows import Span
from worker.courses.extract.signs import raise_digits, restore_symbols
from worker.courses.extract.spaced import close_up

HYPHEN = "\ufffe"  # what PDFium puts for a hyphen at the end of a line
WIDE_GAP = 0.8  # of a line's height: wider than the space between words, as narrow as between columns
SPACED_GAP = 2.5  # and between words whose letters are set apart
MANY_LETTERS = 5  # that stand apart from one another
SPACED = 2.7  # characters of a word with the space behind it, on average: less in no text
# No note's mark is negative: `1,6.10⁻¹⁹`.
_POWER = re.compile(r"(?:(?<![\d.,])10 ?(?=\d)|(?<!\d)10 ?(?=[-−]))([-−]?\d{1,2})(?!\d)")
# Figures behind a letter, a bracket or other figures, and before a first letter: `cm3`, `2³¹`, the mark of a note.
_FIGURES = re.compile(r"(?:(?<=[^\W\d_])[-−]?\d{1,3}|(?<=[)\]»])\d{1,3}|(?<![\w.,-])\d{2,6})(?!\w|[.,]\d)")
_BEFORE = re.compile(r"[^\W\d_]|[)\]»]")
_NOTE = re.compile(r"\d{1,2}(?=[A-Za-zÀ-ÖØ-öø-ÿŒœ])")
LIFTED = 0.15  # of the height of the letter before: how far an exponent stands above it at least
_FIGURE = re.compile(r"\d")
_WORD = re.compile(r"\S+")

Cells = Callable[[Box], object]


def split_spans(whole: str, start: int, end: int, box_of: Boxes, cell_of: Cells | None = None) -> Iterator[Span]:
    """Stretches of words without a wide gap between them, of the line from `start` to `end`.

    `cell_of`: the cell of a ruled table that a word stands in: what goes on in the next cell is another stretch.
    """
    begun: int | None = None
    cell: object = None
    words = 0  # of the stretch
    left = right = bottom = top = height = 0.0
    stop = start
    for word in _WORD.finditer(whole, start, end):
        at, stop_now = word.span()
        first = box_of(at)
        last = box_of(stop_now - 1) if stop_now - at > 1 else first
        before = cell
        if cell_of is not None:
            cell = cell_of(first)
        if begun is not None and (
            cell != before
            or not (
                -1 < (gap := (first[0] - right) / (top - bottom)) < WIDE_GAP
                or (stop - begun < 2 * words and -1 < gap < _gap_of(whole, begun, stop_now, words))
            )
        ):
            yield Span(_span_text(whole, begun, stop, words, box_of), left, right, bottom, min(top, bottom + height))
            begun = None
        if begun is None:
            begun, (left, _, bottom, top) = at, first
            words = 0
        right, stop, height = last[1], stop_now, last[3] - last[2]
        words += 1
    if begun is not None:
        yield Span(_span_text(whole, begun, stop, words, box_of), left, right, bottom, min(top, bottom + height))


def _gap_of(whole: str, start: int, end: int, words: int) -> float:
    """How wide a gap parts a stretch of single letters from the next one: letters set apart have wide ones."""
    is_spaced = words > 1 and whole[end - 2] == " " and whole[start:end].replace(" ", "").isalpha()
    return SPACED_GAP if is_spaced else WIDE_GAP


def _span_text(whole: str, start: int, end: int, words: int, box_of: Boxes) -> str:
    text = whole[start:end].replace("\x02", HYPHEN)
    if words >= MANY_LETTERS and end - start < SPACED * words:
        return restore_symbols(close_up(text, lambda at: box_of(start + at)))
    if _FIGURE.search(text) is not None:
        text = _raise_figures(text, lambda at: box_of(start + at))
        if "10" in text:
            text = _raise_powers(text, lambda at: box_of(start + at))
    return restore_symbols(text)


def _raise_powers(text: str, box_of: Boxes) -> str:
    """`109` whose 9 stands above the line is `10⁹`."""

    def raised(match: re.Match[str]) -> str:
        base, power = box_of(match.start()), box_of(match.end() - 1)
        return "10" + raise_digits(match[1]) if _is_above(base, power) else match[0]

    return _POWER.sub(raised, text)


def _raise_figures(text: str, box_of: Boxes) -> str:
    """`cm3`, `231` and `programme1` whose last figures stand above the line are `cm³`, `2³¹` and `programme¹`."""

    def raised(match: re.Match[str]) -> str:
        start, end = match.span()
        base = box_of(start - 1 if _BEFORE.match(text, start - 1, start) else start)
        if not _is_above(base, box_of(end - 1)):
            return match[0]
        is_signed = not text[start].isdigit()
        first = start if is_signed else next(at for at in range(start, end) if _is_above(base, box_of(at)))
        return text[start:first] + raise_digits(text[first:end])

    text = _FIGURES.sub(raised, text)
    note = _NOTE.match(text)
    if note is not None and _is_above(box_of(note.end()), box_of(0)):
        return raise_digits(note[0]) + text[note.end() :]
    return text


def _is_above(base: Box, box: Box) -> bool:
    """Whether a figure stands above the foot of what it is written behind, and not only in a font without one."""
    height = base[3] - base[2]
    return box[2] > base[2] + LIFTED * height and box[3] > base[3] - LIFTED * height
