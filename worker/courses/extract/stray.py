"""The marks of lists that a page tells apart from their items, as programs do that write all text before them."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence

from worker.courses.extract.rows import Span
from worker.courses.signs import BULLETS

FARTHEST = 3.0  # of a line's height: between a mark and its item
NEAR = 0.3  # so far a mark is put before its item
LEVEL = 0.25  # of a line's height: how much higher or lower than its item a mark stands at most
MOST_POINTS = 20  # and however large it is

_MARK = re.compile(rf"[{BULLETS}○–—]|(?:\d{{1,3}}(?:\.\d{{1,3}})*|[a-zA-Z]|[ivxIVX]{{1,5}})[.)]")


def return_marks(printed: Sequence[list[Span]]) -> list[list[Span]]:
    """Each bare mark in front of the line that stands right of it, if that is told elsewhere than next."""
    printed = [part for line in printed for part in _part(line)]
    marks = [number for number, line in enumerate(printed) if _is_bare(line)]
    if not marks:
        return printed
    # Where lines begin, by their height in whole points.
    by_foot: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for number, line in enumerate(printed):
        if not (line[0].cells or _is_bare(line)):
            by_foot[round(line[0].bottom)].append((line[0].left, number))
    for lines_there in by_foot.values():
        lines_there.sort()
    before: dict[int, Span] = {}
    for number in marks:
        mark = printed[number][0]
        item = _find_item(mark, by_foot)
        if item is None or (mark.text.strip() in "–—" and printed[item][0].text[:1].isdigit()):
            continue  # `– 12`: the cells of a table, and no item
        if item != number + 1 and item not in before:
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


def _find_item(mark: Span, by_foot: Mapping[int, Sequence[tuple[float, int]]]) -> int | None:
    """The line nearest to the right of a mark, at its height."""
    foot, reach = round(mark.bottom), min(MOST_POINTS, max(1, round(LEVEL * mark.height)))
    nearest: list[tuple[float, int]] = []
    for height in range(foot - reach, foot + reach + 1):
        there = by_foot.get(height, ())
        at = bisect_left(there, (mark.right, 0))
        nearest += there[at : at + 1]
    left, number = min(nearest, default=(math.inf, 0))
    return number if left - mark.right < FARTHEST * mark.height else None
