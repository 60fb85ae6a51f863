"""What a page tells out of its place though nothing stands beside it: boxes, figures' words and titles drawn last."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from worker.courses.extract.rows import Span

APART = 1.8  # of a line's height: how far the next one stands below at least, where another block begins
OVERLAP = 0.3  # of a line's height


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
