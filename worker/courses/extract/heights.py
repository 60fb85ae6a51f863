"""What a page tells out of its place though nothing stands beside it: boxes, figures' words and titles drawn last."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from worker.courses.extract.rows import Span

APART = 1.8  # of a line's height: how far the next one stands below at least, where another block begins
OVERLAP = 0.3  # of a line's height
MOST_BOX_LINES, LEAST_ABOVE = 20, 5  # lines of a box that is told first, and that follow it though they stand above


class _Block(NamedTuple):
    top: float
    bottom: float
    height: float
    lines: list[list[Span]]


def order_by_height(lines: list[list[Span]]) -> list[list[Span]]:
    """The highest first, where a page jumps upwards and each of its blocks stands alone at its height.

    Where blocks stand side by side the page's own order is that of its columns.
    """
    if not any(after[0].bottom > before[0].top for before, after in pairwise(lines)):
        return lines
    blocks = sorted(_blocks(lines), key=lambda block: -block.top)
    if any(after.top > before.bottom + OVERLAP * after.height for before, after in pairwise(blocks)):
        return lines
    return [line for block in blocks for line in block.lines]


def move_first_box(lines: list[list[Span]]) -> list[list[Span]]:
    """What a page tells first though it stands beside lines far below the next ones, as browsers do with boxes that
    text flows around, stands before the first line beside it."""
    start = 0
    for _ in range(2):  # before it a browser may tell the number of the page
        end = next(
            (at for at in range(start + 1, len(lines)) if lines[at][0].bottom > lines[at - 1][0].top), len(lines)
        )
        box, rest = lines[start:end], lines[end:]
        if (at := _first_beside(box, rest)) is not None:
            plain = [[span._replace(is_bold=False) for span in line] for line in box]  # its title heads it alone
            return [*lines[:start], *rest[:at], *plain, *rest[at:]]
        start = end
    return lines


def _first_beside(box: Sequence[Sequence[Span]], rest: Sequence[Sequence[Span]]) -> int | None:
    """Which line is the first at the left of a box, if all that is told next stands above that."""
    if not box or len(box) > MOST_BOX_LINES or len(rest) < LEAST_ABOVE:
        return None
    if any(one[0].bottom - two[0].bottom > APART * one[0].height for one, two in pairwise(box)):
        return None  # several boxes
    spans = [span for line in box for span in line]
    top, bottom, left = max(s.top for s in spans), min(s.bottom for s in spans), min(s.left for s in spans)
    if any(line[0].bottom < top for line in rest[:LEAST_ABOVE]):
        return None
    beside = [at for at, line in enumerate(rest) if bottom < line[0].bottom < top and line[-1].right <= left]
    return beside[0] if len(beside) > 1 else None


def _blocks(lines: Sequence[list[Span]]) -> list[_Block]:
    """Lines that follow one another, parted where one stands above the one before or far below it."""
    blocks: list[_Block] = []
    for number, line in enumerate(lines):
        top, bottom = max(span.top for span in line), min(span.bottom for span in line)
        step = lines[number - 1][0].bottom - line[0].bottom if number else 0.0
        if blocks and -0.5 * line[0].height < step < APART * line[0].height:
            last = blocks[-1]
            blocks[-1] = _Block(max(last.top, top), min(last.bottom, bottom), last.height, [*last.lines, line])
        else:
            blocks.append(_Block(top, bottom, line[0].height, [line]))
    return blocks
