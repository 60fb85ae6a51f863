"""Columns and edges of a page: which of its lines are read first."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise

from worker.courses.extract.rows import Span

MIN_SIDE = 6  # lines that make a column
MIN_COLUMN_TEXT = 20  # letters of a line of text, on average; cells are shorter
EDGE_GAP = 1.5  # of a line's height: what stands so far from the rest of the page


def order_by_columns(printed: Sequence[Sequence[Span]]) -> list[list[Span]]:
    """Lines of two columns that a page gives alternately: first the left column, then the right, between full lines."""
    spans = [span for line in printed for span in line]
    gutter = _find_gutter(spans)
    if gutter is None or not _alternates(spans, gutter):
        return [list(line) for line in printed]
    full: list[list[Span]] = []
    sides: tuple[list[list[Span]], list[list[Span]]] = ([], [])
    for line in printed:
        if any(span.left < gutter < span.right for span in line):
            full.append(list(line))
            continue
        for side, part in enumerate(([s for s in line if s.right <= gutter], [s for s in line if s.left >= gutter])):
            if part:
                sides[side].append(part)
    full.sort(key=lambda line: -line[0].bottom)
    depths = [-line[0].bottom for line in full]
    keyed = [
        ((bisect_left(depths, -line[0].bottom), side, -line[0].bottom), line) for side in (0, 1) for line in sides[side]
    ]
    keyed += [((number, 2, 0.0), line) for number, line in enumerate(full)]
    return [line for _, line in sorted(keyed, key=lambda one: one[0])]


def _find_gutter(spans: Sequence[Span]) -> float | None:
    """Where between two columns of text hardly anything is printed."""
    if len(spans) < 2 * MIN_SIDE:
        return None
    left, right = min(s.left for s in spans), max(s.right for s in spans)
    step = (right - left) / 100 or 1.0
    begins, ends = [0] * 102, [0] * 102
    for span in spans:
        begins[int((span.left - left) / step) + 1] += 1
        ends[int((span.right - left) / step)] += 1
    # How many spans are printed over each hundredth of the width; the middle ones are asked.
    over = list(accumulate(begun - ended for begun, ended in zip(begins, ends, strict=True)))
    fewest = min(over[30:71])
    places = [at for at in range(30, 71) if over[at] == fewest]
    best = (fewest, left + step * places[len(places) // 2])
    if best[0] > 0.3 * len(spans):
        return None
    for side in ([s for s in spans if s.right <= best[1]], [s for s in spans if s.left >= best[1]]):
        letters = sum(len(s.text) for s in side)
        if len(side) < MIN_SIDE or letters < MIN_COLUMN_TEXT * len(side):
            return None
    return best[1]


def _alternates(spans: Sequence[Span], gutter: float) -> bool:
    """Whether the page goes to and fro between its columns."""
    sides = [span.left >= gutter for span in spans if not span.left < gutter < span.right]
    changes = sum(a != b for a, b in pairwise(sides))
    return changes > max(6, 0.3 * len(sides))


def move_edges(lines: list[list[Span]]) -> list[list[Span]]:
    """What stands alone at the top of a page is read first, at its foot last, in whatever order it was printed."""
    if len(lines) < 3:
        return lines
    heights = sorted(lines, key=lambda line: -line[0].bottom)
    for at, (outer, inner) in ((0, heights[:2]), (len(lines) - 1, (heights[-1], heights[-2]))):
        gap = abs(outer[0].bottom - inner[0].bottom)
        if gap > (1 + EDGE_GAP) * min(outer[0].height, inner[0].height) and lines[at] is not outer:
            lines = [line for line in lines if line is not outer]
            lines.insert(at, outer)
    return lines
