"""Sheets on which several slides, or pages, stand beside or below one another: each of them is read by itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import median_low

from worker.courses.extract.grids import NEAR
from worker.courses.extract.objects import Rule
from worker.courses.extract.rows import Span

LEAST_AREA, LARGEST_AREA = 0.05, 0.6  # of the page
LEAST_SIDE = 72.0  # points
MOST_AROUND = 0.15  # of a sheet's letters: its own header and footer
MOST_LINES_AROUND = 4  # of a later sheet, which may hold a single slide of few words
MOST_BOXES = 400  # of a sheet's slides, with those that they draw: more are a drawing
MOST_SLIDES = 16


def find_slides(
    boxes: Sequence[Rule], lines: Sequence[Sequence[Span]], area: float, known: Sequence[Rule]
) -> list[Rule]:
    """Where the slides of a sheet stand, in the order of reading; none where it is a page.

    `boxes`: of what it draws, pages within it among them. `area`: the sheet's. `known`: where those of the sheet before
    stand: the last sheet holds fewer.
    """
    large = [box for box in boxes if min(box[1] - box[0], box[3] - box[2]) >= LEAST_SIDE]
    if len(large) > MOST_BOXES:
        return []
    alike = _largest_group(large, area)
    slides = alike if len(alike) > 1 else [one for one in known if any(_is_on(box, one) for box in large)]
    if not 0 < len(slides) <= MOST_SLIDES or any(_overlap(one, other) for one, other in combinations(slides, 2)):
        return []
    around = [line for line in lines if any(slide_of(span, slides) is None for span in line)]
    letters = sum(len(span.text) for line in lines for span in line)
    are_known = all(any(_are_same(slide, other) for other in known) for slide in slides)
    is_footer = are_known and len(around) <= MOST_LINES_AROUND
    if not is_footer and sum(len(span.text) for line in around for span in line) > MOST_AROUND * letters:
        return []
    return sorted(slides, key=lambda box: (-round(box[3] / (2 * NEAR)), box[0]))


def slide_of(box: Span | Rule, slides: Sequence[Rule]) -> int | None:
    """Which of the slides words stand on; None around them."""
    left, right, bottom, top = box[1:5] if isinstance(box, Span) else box
    x, y = (left + right) / 2, (bottom + top) / 2
    inside = (at for at, slide in enumerate(slides) if slide[0] < x < slide[1] and slide[2] < y < slide[3])
    return next(inside, None)


def is_within(rule: Rule, slide: Rule) -> bool:
    """Whether a line stands on a slide, and is none of its sides."""
    left, right, bottom, top = slide
    if not _is_inside(rule, slide):
        return False
    is_across = rule[1] - rule[0] > rule[3] - rule[2]
    low, high, edges = (rule[2], rule[3], (bottom, top)) if is_across else (rule[0], rule[1], (left, right))
    return all(abs((low + high) / 2 - edge) > NEAR for edge in edges)


def _largest_group(boxes: Sequence[Rule], area: float) -> list[Rule]:
    """The boxes of one size of which there are most, those at one place once. What a slide draws may go out of it to
    the right: it is as wide as the others."""
    groups: list[list[Rule]] = []
    for box in boxes:
        height = box[3] - box[2]
        for group in groups:
            if abs(height - (group[0][3] - group[0][2])) <= NEAR:
                group.append(box)
                break
        else:
            groups.append([box])
    best: list[Rule] = []
    for group in groups:
        width = median_low(box[1] - box[0] for box in group)
        alike: list[Rule] = []
        for left, right, bottom, top in group:
            box = left, min(right, left + width), bottom, top
            if box[1] - left > width - NEAR and not any(_are_same(box, other) for other in alike):
                alike.append(box)
        if LEAST_AREA < width * (group[0][3] - group[0][2]) / area < LARGEST_AREA:
            best = max(best, alike, key=len)
    return best


def _are_same(one: Rule, other: Rule) -> bool:
    return all(abs(a - b) <= NEAR for a, b in zip(one, other, strict=True))


def _is_on(box: Rule, slide: Rule) -> bool:
    """Whether a box stands on a slide, or is as high and begins with it: what it draws may go out to the right."""
    begins = all(abs(box[side] - slide[side]) <= NEAR for side in (0, 2, 3))
    return _is_inside(box, slide) or (begins and box[1] > slide[1])


def _is_inside(box: Rule, slide: Rule) -> bool:
    left, right, bottom, top = slide
    return box[0] > left - NEAR and box[1] < right + NEAR and box[2] > bottom - NEAR and box[3] < top + NEAR


def _overlap(one: Rule, other: Rule) -> bool:
    across = min(one[1], other[1]) - max(one[0], other[0])
    return across > NEAR and min(one[3], other[3]) - max(one[2], other[2]) > NEAR
