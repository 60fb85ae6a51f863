"""What stands in the margin of a page, beside its text."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from worker.courses.extract.rows import Span

MIN_LINES = 6  # of a page that has a margin
WIDE = 0.5  # of the page's text: a full line of its main column
BESIDE, MOST_NOTES = 4, 24  # points between text and margin; lines in the margin of one page


def part_margins(lines: Sequence[list[Span]]) -> tuple[list[list[Span]], list[list[Span]]]:
    """The lines of a page without what stands beside its text, in the margin, and that: at most some words of it."""
    spans = [span for line in lines for span in line]
    if not spans:
        return list(lines), []
    width = WIDE * (max(s.right for s in spans) - min(s.left for s in spans))
    wide = [span for span in spans if span.right - span.left > width]
    if len(wide) < MIN_LINES:
        return list(lines), []
    left, right = min(s.left for s in wide) - BESIDE, max(s.right for s in wide) + BESIDE
    wide.sort(key=lambda span: span.bottom)
    notes = [s for s in spans if (s.right < left or s.left > right) and _has_word(s.text) and _is_beside(s, wide)]
    if not 0 < len(notes) <= MOST_NOTES:
        return list(lines), []
    apart = set(map(id, notes))
    text = [[span for span in line if id(span) not in apart] for line in lines]
    return [line for line in text if line], [[span] for span in notes]


def _has_word(text: str) -> bool:
    return sum(map(str.isalpha, text)) > 3


def _is_beside(note: Span, wide: Sequence[Span]) -> bool:
    """Whether one of the lines, the lowest first, goes on at a note's height."""
    middle = (note.bottom + note.top) / 2
    at = bisect_right(wide, middle, key=lambda span: span.bottom)
    return any(middle <= span.top for span in wide[max(0, at - 2) : at])
