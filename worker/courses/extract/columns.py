"""Columns and edges of a page: which of its lines are read first."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise, takewhile

from worker.courses.extract.rows import Span

MIN_SIDE = 6  # lines that make a column
MIN_COLUMN_TEXT = 20  # letters of a line of text, on average; cells are shorter
MOST_SIDE_BY_SIDE = 4  # parts of one header or footer
SMALL, SMALL_GAP = (
    0.8,
    0.25,
)  # of the height of the next line's letters, and of its own: of a small one that stands apart
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
    """What stands alone at the top of a page is read first, at its foot last, in whatever order it was printed.

    It may have parts side by side: the date, the title.
    """
    if len(lines) < 3:
        return lines
    heights = sorted(lines, key=lambda line: -line[0].bottom)
    for is_foot, outwards in ((False, heights), (True, heights[::-1])):
        first = outwards[0][0]
        outer = list(takewhile(lambda line, at=first: abs(line[0].bottom - at.bottom) < 0.5 * at.height, outwards))  # type: ignore[misc]
        if len(outer) > MOST_SIDE_BY_SIDE or len(outer) == len(outwards):
            continue
        if _stands_apart(max((span for line in outer for span in line), key=_height), outwards[len(outer)][0]):
            moved = set(map(id, outer))
            outer.sort(key=lambda line: line[0].left)
            rest = [line for line in lines if id(line) not in moved]
            lines = [*rest, *outer] if is_foot else [*outer, *rest]
    return lines


def _height(span: Span) -> float:
    return span.height


def _stands_apart(outer: Span, inner: Span) -> bool:
    """Whether a line is far from the one next to it; one in small letters need not be as far."""
    if abs(outer.bottom - inner.bottom) > (1 + EDGE_GAP) * min(outer.height, inner.height):
        return True
    space = max(outer.bottom - inner.top, inner.bottom - outer.top)
    return outer.height < SMALL * inner.height and space > SMALL_GAP * outer.height
