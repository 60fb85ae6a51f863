"""A printed line into the stretches of words that it is made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from worker.courses.extract.initials import A_WORD
from worker.courses.extract.letters import Box, Boxes, Feet
from worker.courses.extract.raised import Places, has_figure, raise_figures
from worker.courses.extract.rows import LETTER_GAP, Span
from worker.courses.extract.signs import restore_symbols
from worker.courses.extract.spaced import close_up
from worker.courses.extract.underscores import write_underscores
from worker.courses.signs import BULLETS

HYPHEN = "\ufffe"  # what PDFium puts for a hyphen at the end of a line
WIDE_GAP = 0.8  # of a line's height: wider than the space between words, as narrow as between columns
SPACED_GAP = 2.5  # and between words whose letters are set apart
MANY_LETTERS = 5  # that stand apart from one another
SPACED = 2.7  # characters of a word with the space behind it, on average: less in no text
WORD = re.compile(r"\S+")
LARGER, MOST_LETTERS = 1.6, 40  # times the highest letters beside it, so many of them: a large initial
_INITIAL = re.compile(r"[A-ZÀ-ÖØ-ÞŒ] [a-zà-ÿœ].{8}")
LOOSE = re.compile(r"(?<=\s)[⁺⁻⁰¹²³⁴-⁹]+(?!\S)")
_MARKS = frozenset(BULLETS) - {"◦"}  # which TeX has for a degree

Cells = Callable[[Box], object]


class Letters(NamedTuple):
    """The letters of one printed line: a page's text, from where to where of it, and where each stands.

    `is_upright`: of a line that is turned or slanted each letter stands above the one before, and none is raised.
    `has_loose`: the page has raised signs that stand by themselves.
    """

    whole: str
    start: int
    end: int
    box_of: Boxes
    is_upright: bool = True
    has_loose: bool = False
    foot_of: Feet | None = None
    ink_of: Feet | None = None


def split_spans(line: Letters, cell_of: Cells | None = None) -> Iterator[Span]:
    """Stretches of words without a wide gap between them.

    `cell_of`: the cell of a ruled table that a word stands in: what goes on in the next cell is another stretch.
    """
    whole, start, end, box_of, _, has_loose, *_ = line
    if has_loose and LOOSE.search(whole, start, end):
        yield from _by_place(line, cell_of)
        return
    begun: int | None = None
    cell: object = None
    words = 0  # of the stretch
    left = right = bottom = top = height = 0.0
    stop = start
    for word in WORD.finditer(whole, start, end):
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
            yield Span(_span_text(line, begun, stop, words), left, right, bottom, min(top, bottom + height))
            begun = None
        if begun is None:
            begun, (left, _, bottom, top) = at, first
            words, height = 0, 0.0
        elif words == 1 and whole[begun] in BULLETS and first[3] - first[2] > top - bottom:
            bottom, top = first[2], first[3]  # the small mark of an item says not how high its line is
        right, stop = last[1], stop_now
        # A last figure may be an index (`HCO3`), a first letter a large initial.
        of_word = first if words or whole[stop_now - 1].isdigit() else last
        height = max(height, of_word[3] - of_word[2], last[3] - last[2])
        words += 1
    if begun is not None:
        yield Span(_span_text(line, begun, stop, words), left, right, bottom, min(top, bottom + height))


def _by_place(line: Letters, cell_of: Cells | None) -> Iterator[Span]:
    """A line whose words are told out of their order, by where they stand: raised signs of another font come last."""
    words = [
        (line.box_of(word.start()), line.box_of(word.end() - 1), word[0])
        for word in WORD.finditer(line.whole, line.start, line.end)
    ]
    parts: list[str] = []
    left = right = bottom = top = 0.0
    cell: object = None
    for first, last, text in sorted(words, key=lambda word: word[0][0]):
        before, cell = cell, cell_of(first) if cell_of is not None else None
        height = max(top - bottom, first[3] - first[2])
        if parts and (cell != before or first[0] - right >= WIDE_GAP * height):
            yield Span(restore_symbols("".join(parts)), left, right, bottom, top)
            parts = []
        if not parts:
            left, _, bottom, top = first
        elif first[0] - right > LETTER_GAP * height:
            parts.append(" ")
        parts.append(text)
        right, bottom, top = max(last[1], first[1]), min(bottom, first[2]), max(top, last[3])
    if parts:
        yield Span(restore_symbols("".join(parts)), left, right, bottom, top)


def _gap_of(whole: str, start: int, end: int, words: int) -> float:
    """How wide a gap parts a stretch of single letters from the next one: letters set apart have wide ones."""
    is_spaced = words > 1 and whole[end - 2] == " " and whole[start:end].replace(" ", "").isalpha()
    return SPACED_GAP if is_spaced else WIDE_GAP


def _span_text(line: Letters, start: int, end: int, words: int) -> str:
    def box_of(at: int) -> Box:
        return line.box_of(start + at)

    text = line.whole[start:end].replace("\x02", HYPHEN)
    shown = text
    if words >= MANY_LETTERS and end - start < SPACED * words:
        shown = close_up(text, box_of)
    if shown == text and line.is_upright and has_figure(text):
        shown = raise_figures(text, Places(box_of, _from(line.foot_of, start), _from(line.ink_of, start)))
    if _has_initial(text, box_of):
        shown = shown[0] + shown[2:]
    if start == line.start and shown[0] in _MARKS and shown[1:2].isalnum():
        shown = f"{shown[0]} {shown[1:]}"  # the mark of an item, set close to it
    return write_underscores(restore_symbols(shown))


def _from(heights: Feet | None, start: int) -> Feet | None:
    """The same, by the places of a text that begins there."""
    return (lambda at: heights(start + at)) if heights is not None else None


def _has_initial(text: str, box_of: Boxes) -> bool:
    """Whether a stretch begins with the large first letter of a word, which a page sets over some lines."""
    if _INITIAL.match(text) is None or text[0] == A_WORD:
        return False
    heights = [box[3] - box[2] for box in map(box_of, (0, *range(2, min(len(text), MOST_LETTERS))))]
    return heights[0] > LARGER * max(heights[1:])
