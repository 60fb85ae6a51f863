"""The marks of lists that a page tells apart from their items, as programs do that write all text before them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from worker.courses.extract.rows import Span
from worker.courses.signs import BULLETS

FARTHEST = 3.0  # of a line's height: between a mark and its item
NEAR = 0.3  # so far a mark is put before its item
LEVEL = 0.25  # of a line's height: how much higher or lower than its item a mark stands at most

_MARK = re.compile(rf"[{BULLETS}○–—]|(?:\d{{1,3}}(?:\.\d{{1,3}})*|[a-zA-Z]|[ivxIVX]{{1,5}})[.)]")


def return_marks(printed: Sequence[list[Span]]) -> list[list[Span]]:
    """Each bare mark in front of the line that stands right of it, if that is told elsewhere than next."""
    printed = [part for line in printed for part in _part(line)]
    marks = [number for number, line in enumerate(printed) if _is_bare(line)]
    if not marks:
        return printed
    by_foot: dict[int, list[int]] = defaultdict(list)  # in whole points
    for number, line in enumerate(printed):
        if not line[0].cells:
            by_foot[round(line[0].bottom)].append(number)
    before: dict[int, Span] = {}
    for number in marks:
        mark = printed[number][0]
        item = _find_item(mark, number, printed, by_foot)
        if item is not None and item != number + 1 and item not in before:
            before[item] = mark
    moved = {id(mark) for mark in before.values()}
    lines = []
    for number, line in enumerate(printed):
        if (mark_of := before.get(number)) is not None:
            beside = line[0].left - NEAR * line[0].height
            lines.append([mark_of._replace(right=beside, left=min(mark_of.left, beside)), *line])
        elif not (len(line) == 1 and id(line[0]) in moved):
            lines.append(line)
    return lines


def _part(line: list[Span]) -> tuple[list[Span], ...]:
    """A mark and what was written after it, though it stands far from it: two lines."""
    if len(line) == 1 or not _is_bare(line[:1]) or line[1].left - line[0].right < FARTHEST * line[0].height:
        return (line,)
    return line[:1], line[1:]


def _is_bare(line: Sequence[Span]) -> bool:
    return len(line) == 1 and not line[0].cells and _MARK.fullmatch(line[0].text.strip()) is not None


def _find_item(mark: Span, number: int, printed: Sequence[Sequence[Span]], by_foot: dict[int, list[int]]) -> int | None:
    """The line nearest to the right of a mark, at its height, that is none itself."""
    foot = round(mark.bottom)
    reach = max(1, round(LEVEL * mark.height))
    beside = [
        at
        for height in range(foot - reach, foot + reach + 1)
        for at in by_foot.get(height, ())
        if at != number and 0 <= printed[at][0].left - mark.right < FARTHEST * mark.height and not _is_bare(printed[at])
    ]
    return min(beside, key=lambda at: printed[at][0].left, default=None)
