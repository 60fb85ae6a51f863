"""What stands in the margin of a page, beside its text."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from worker.courses.extract.rows import Span

LONG, FEW = 20, 3  # letters of a line that is none of its column's full ones; stretches of a line that has no cells
SHARED = 0.3  # of the height of its first line, which a note has in common with one of the text
MIN_LINES = 6  # of a page that has a margin
WIDE = 0.5  # of the page's text: a full line of its main column
BESIDE, MOST_NOTES = 4, 24  # points between text and margin; lines in the margin of a page that has few of its own
MOST_JOINED = 9  # of ten lines of the text, that say how wide it is
MIN_TERMS, MOST_TERMS = 3, 0.6  # lines, and of all lines of a margin
MOST_BELOW = 4  # spans of text for each term, or they are names beside a text that runs on
SHORT = 0.2  # of the text's width: by which the last line of a paragraph falls short of it
NOTE_PITCH = 1.8  # of a line's height: how far the lines of one note stand from one another

WORD_GAP = 0.35  # of a line's height: between words
PITCH = 2.6  # of a line's height: how far the lines of a column beside the text stand from one another
ALIGNED = 1.0  # points
ENDS = (".", "!", "?", ":", ";", "…", "»")

Note = list[list[Span]]  # its lines


class _Column(NamedTuple):
    """The main column of a page: its full lines, from where to where it goes, and where its text begins."""

    wide: list[Span]
    left: float
    right: float
    edge: float


def part_margins(lines: Sequence[list[Span]]) -> tuple[list[list[Span]], list[Note]]:
    """The lines of a page without what stands beside its text, in the margin, and that, note by note.

    A note is whole: its lines stand where they will between those of the text, and some hold a short word alone.
    """
    spans = [span for line in lines for span in line]
    column = _main_column(spans)
    if column is None:
        return list(lines), []
    wide, left, right, edge = column
    kept = _first_column(lines, left, right) | _begun(lines, left)
    beside_text = [s for s in spans if id(s) not in kept]
    sides = ([s for s in beside_text if s.right < left], [s for s in beside_text if s.left > right])
    if not any(sides):
        return list(lines), []
    text_spans = sorted((s for s in spans if s.right >= left and s.left <= right), key=lambda span: -span.bottom)
    at_height = Counter(round(span.bottom) for span in text_spans)
    short = [s for s in text_spans if s.left < edge + BESIDE and at_height[round(s.bottom)] < FEW]
    short.sort(key=lambda span: span.bottom)
    beside = sorted([*wide, *(s for s in short if len(s.text) > LONG)], key=lambda span: span.bottom)
    notes: list[Note] = []
    for side, is_right in zip(sides, (False, True), strict=True):
        found = [
            note
            for note in _notes(side)
            if _has_word(note) and _is_beside(note, short if _is_sentence(note) else beside)
        ]
        if (is_right and _are_titles(found)) or not _are_terms(found, text_spans, right - SHORT * (right - left)):
            notes += found
    if not 0 < sum(map(len, notes)) <= max(MOST_NOTES, len(wide)):
        return list(lines), []
    apart = {id(span) for note in notes for line in note for span in line}
    text = [[span for span in line if id(span) not in apart] for line in lines]
    return [line for line in text if line], notes


def _main_column(spans: Sequence[Span]) -> _Column | None:
    """None where a page has too few full lines to have a margin."""
    if not spans:
        return None
    width = WIDE * (max(s.right for s in spans) - min(s.left for s in spans))
    wide = [span for span in spans if span.right - span.left > width]
    if len(wide) < MIN_LINES:
        return None
    prose = [span for span in wide if not span.cells]  # a table may go into the margin
    usual = prose if len(prose) >= MIN_LINES else wide
    rights = sorted(s.right for s in usual)
    right = rights[MOST_JOINED * (len(rights) - 1) // 10]  # one line in ten may have run into its note
    return _Column(wide, min(s.left for s in wide) - BESIDE, right + BESIDE, min(s.left for s in usual))


def _first_column(lines: Sequence[list[Span]], left: float, right: float) -> set[int]:
    """What of a margin is a column that the page tells before the text beside it, line below line, and after what
    stands above both: it is read so."""
    runs = groupby(range(len(lines)), key=lambda at: all(s.right < left or s.left > right for s in lines[at]))
    for run in (list(places) for is_beside, places in runs if is_beside):
        first, last = lines[run[0]][0], lines[run[-1]][0]
        if (
            len(run) >= MIN_LINES
            and run[-1] + 1 < len(lines)
            and lines[run[-1] + 1][0].bottom > last.top
            and all(line[0].bottom > first.top for line in lines[: run[0]])
            and all(0 < lines[at][0].bottom - lines[at + 1][0].bottom < PITCH * lines[at][0].height for at in run[:-1])
        ):
            return {id(span) for at in run for span in lines[at]}
    return set()


def _begun(lines: Sequence[list[Span]], left: float) -> set[int]:
    """The stretches in the left margin that a line of the text begins with."""
    return {
        id(before)
        for line in lines
        for before, span in pairwise(line)
        if before.right < left <= span.right and span.left - before.right < WORD_GAP * before.height
    }


def _notes(spans: Sequence[Span]) -> Iterator[Note]:
    """What stands in one margin, parted where more than the space between lines lies between."""
    note: Note = []
    for span in sorted(spans, key=lambda span: (-span.bottom, span.left)):
        step = note[-1][0].bottom - span.bottom if note else 0.0
        if note and step < 0.3 * span.height:
            note[-1].append(span)
            continue
        if note and step > NOTE_PITCH * max(span.height, note[-1][0].height):
            yield _in_order(note)
            note = []
        note.append([span])
    if note:
        yield _in_order(note)


def _in_order(note: Note) -> Note:
    return [sorted(line, key=lambda span: span.left) for line in note]


def _are_terms(notes: Sequence[Note], text: Sequence[Span], short: float) -> bool:
    """Whether most lines of a margin stand beside the first line of a paragraph: the terms of a list, or its values.

    `text`: the highest first; `short`: where the last line of a paragraph ends at most.
    """
    heights = [-span.bottom for span in text]
    lines = [line[0] for note in notes for line in note]
    terms = 0
    for line in lines:
        at = bisect_left(heights, -line.bottom - ALIGNED)
        if at < len(text) and text[at].bottom > line.bottom - ALIGNED:
            above = text[at - 1] if at else None
            terms += above is None or above.right < short or above.text.endswith(ENDS)
    beside = bisect_left(heights, -lines[-1].bottom) - bisect_left(heights, -lines[0].bottom) if lines else 0
    return terms >= max(MIN_TERMS, MOST_TERMS * len(lines), beside / MOST_BELOW)


def _are_titles(notes: Sequence[Note]) -> bool:
    """Whether the notes of a margin are the titles of what stands beside them, and no values: words with a capital."""
    spans = [span for note in notes for line in note for span in line]
    return all(note[0][0].text[0].isupper() for note in notes) and not any(c.isdigit() for s in spans for c in s.text)


def _has_word(note: Note) -> bool:
    return sum(c.isalpha() for line in note for span in line for c in span.text) > 3


def _is_sentence(note: Note) -> bool:
    """Whether a note is long, and ends as a sentence does: whatever stands beside it is none of it."""
    length = sum(len(span.text) for line in note for span in line)
    return length > 2 * LONG and note[-1][-1].text.endswith(".")


def _is_beside(note: Note, lines: Sequence[Span]) -> bool:
    """Whether one of the lines, the lowest first, goes on at the height of a note."""
    first = note[0][0]
    bottom, top = note[-1][0].bottom, first.top - SHARED * first.height
    at = bisect_left(lines, bottom, key=lambda span: span.top)
    return at < len(lines) and lines[at].bottom < top
