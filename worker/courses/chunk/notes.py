"""Footnotes of typeset pages: behind what they stand below, never between a sentence or a lead-in and what follows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from worker.courses.chunk.pieces import Piece
from worker.courses.document import Line, Page

SMALL = 0.92  # times the letters of the text above them
_MARK = re.compile(r"(?:\d{1,3}|[a-z]|[ivx]{1,5}|[*†‡¹²³⁴-⁹]+)(?:[.)\]]?\s+\S|[A-ZÀ-ÖØ-Þ«\"])")
_ITEM = re.compile(r"(?:[•▪◦●‣·–—-]|\d{1,2}[.)]|[a-z]\))\s")


def part_notes(pages: Sequence[Page]) -> tuple[list[Page], list[Page]]:
    """The pages without their footnotes, and of each page that has some a page of these. What stands at the foot of a
    slide is of that slide: several of them have the number of their sheet."""
    texts, notes = [], []
    times = Counter(page.number for page in pages)
    for page in pages:
        is_slide = page.number is not None and times[page.number] > 1
        at = len(page.lines) if is_slide else _first_note(page.lines)
        texts.append(Page(page.number, page.lines[:at]) if at < len(page.lines) else page)
        if at < len(page.lines):
            notes.append(Page(page.number, page.lines[at:]))
    return texts, notes


def _first_note(lines: Sequence[Line]) -> int:
    """Where small lines begin that end a page, the first of them with a mark; below text in larger letters."""
    first = at = len(lines)
    while at and (not lines[at - 1].text or (lines[at - 1].size <= SMALL and not lines[at - 1].is_row)):
        at -= 1
        if _MARK.match(lines[at].text) and not (at and lines[at - 1].text and lines[at - 1].size <= SMALL):
            first = at
    if not at:
        return len(lines)  # a page in small letters
    return first


def place_notes(paragraphs: Sequence[list[Piece]], notes: Sequence[list[Piece]]) -> Iterator[list[Piece]]:
    """Each page's notes behind its text: where that goes on in the next page, behind what it goes on with."""
    waiting = list(reversed(notes))
    before: list[Piece] = []
    for paragraph in paragraphs:
        while waiting and _page(waiting[-1]) < _page(paragraph) and not (before and _goes_on(before, paragraph)):
            yield waiting.pop()
        yield paragraph
        before = paragraph
    yield from reversed(waiting)


def _page(paragraph: Sequence[Piece]) -> int:
    return paragraph[0].page or 0


def _goes_on(before: Sequence[Piece], after: Sequence[Piece]) -> bool:
    """Whether a paragraph belongs to the one before: an item, a row, what a colon announces, the rest of a sentence."""
    last, first = before[-1], after[0]
    if first.is_heading:
        return False
    return last.text.endswith(":") or first.is_row or first.text[0].islower() or _ITEM.match(first.text) is not None
