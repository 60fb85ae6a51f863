"""Boxes that stand beside the text and are told before all of it: browsers print what floats on a page first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from worker.courses.extract.margins import Note
from worker.courses.extract.rows import Span

MOST_LINES = 0.34  # of a page's lines, at most
MOST_BOXES = 40  # of a page: more are a drawing
NARROW = 0.5  # of the width of the page's text
MIN_WIDE = 3  # lines of the text that go through below or above them: else they are a column
PITCH = 2.5  # of a line's height: how far the lines of one box stand from one another
MIN_TERMS, LEVEL = 3, 1.0  # lines; points
TOUCHING = 2.0  # points
_WORD = re.compile(r"[^\W\d_]{5}")


def part_floats(lines: Sequence[list[Span]]) -> tuple[list[list[Span]], list[Note]]:
    """The lines of a page, in the order they are told in, without the boxes that come first though the text begins
    above them and stands beside them; and these."""
    count = _told_first(lines)
    boxes = list(_boxes(lines[:count]))
    text = [span for line in lines[count:] for span in line]
    if not 0 < len(boxes) <= MOST_BOXES or not all(_floats(box, text) for box in boxes):
        return list(lines), []
    rest = list(lines[count:])
    left = [box for box in boxes if not _returned(box, rest)]
    if left and not any(_WORD.search(span.text) for box in left for line in box for span in line):
        return list(lines), []  # the signs of a drawing
    return rest, left


def _returned(box: Note, lines: list[list[Span]]) -> bool:
    """Whether each line of a box stands beside one of the text, at the same height: terms and what they mean. They are
    put in front of those lines, or behind them."""
    if len(box) < MIN_TERMS:
        return False
    beside = [next((at for at, line in enumerate(lines) if _is_level(line[0], term[0])), None) for term in box]
    if None in beside or len(set(beside)) < len(box):
        return False
    for at, term in zip(beside, box, strict=True):
        if at is not None:
            lines[at] = sorted([*lines[at], *term], key=lambda span: span.left)
    return True


def _is_level(span: Span, term: Span) -> bool:
    return abs(span.bottom - term.bottom) < LEVEL


def _told_first(lines: Sequence[list[Span]]) -> int:
    """How many lines are told before the one that the page's text begins with, far above them; 0 of most pages."""
    highest = float("-inf")
    for count, line in enumerate(lines[: int(MOST_LINES * len(lines)) + 1]):
        if count and line[0].bottom > highest:
            return count
        highest = max(highest, line[0].top)
    return 0


def _boxes(lines: Sequence[list[Span]]) -> Iterator[Note]:
    box: Note = []
    for line in lines:
        if box and not 0 < box[-1][0].bottom - line[0].bottom < PITCH * box[-1][0].height:
            yield box
            box = []
        box.append(line)
    if box:
        yield box


def _floats(box: Note, text: Sequence[Span]) -> bool:
    """Whether a box is narrow, has text at its side and none in its place, and lies where other lines of the text go
    through."""
    spans = [span for line in box for span in line]
    left, right = min(span.left for span in spans), max(span.right for span in spans)
    bottom, top = min(span.bottom for span in spans), max(span.top for span in spans)
    width = max(span.right for span in text) - min(span.left for span in text)
    beside = [span for span in text if span.bottom < top - TOUCHING and span.top > bottom + TOUCHING]
    middle = (left + right) / 2
    through = [span for span in text if span.left < middle < span.right and not span.cells]
    wide = sum(span.right - span.left > NARROW * width for span in through)
    return (
        right - left < NARROW * width
        and wide >= MIN_WIDE
        and bool(beside)
        and not any(span.left < right and span.right > left for span in beside)
    )
