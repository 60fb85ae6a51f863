"""Printed lines of a table without lines down: stretches of words, parted by gaps as wide as those between columns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from worker.courses.extract.grids import NEAR
from worker.courses.extract.objects import Rule

SPACE = 0.2  # of a letter's height: between words, at least
CHANNEL = 0.5  # of a letter's height: wider than the space between words, narrower than that between columns
ALIGNED = 0.7  # points between what begins at one edge
BESIDE = 8.0  # points: words so near go on from the table, or into it
MOST_WORDS = 3_000  # between two rules: more are a page of text


class Word(NamedTuple):
    """A word, where it stands, and where in the page's text it is told."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    at: int
    is_typed: bool = False

    @property
    def height(self) -> float:
        return self.top - self.bottom


class PrintedCells(NamedTuple):
    """What stands at one height: stretches of words without a gap as wide as one between columns; the first word of
    each; and all words."""

    chunks: tuple[Word, ...]
    firsts: tuple[Word, ...]
    bottom: float
    height: float
    words: tuple[Word, ...] = ()


Words = Callable[[Rule], list[Word]]


def read_lines(box: Rule, words_in: Words) -> list[PrintedCells]:
    """The lines of words within a box, from the top; none where text goes out of it, of a program, or of a page."""
    left, right, bottom, top = box
    words = words_in((left - BESIDE, right + BESIDE, bottom, top))
    if len(words) > MOST_WORDS or any(word.left < left - NEAR or word.right > right + NEAR for word in words):
        return []
    if sum(word.is_typed for word in words) * 2 > len(words):
        return []
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda word: -(word.bottom + word.top)):
        usual = _usual(lines[-1]) if lines else None
        if usual is not None and (_holds(usual, word) or _holds(word, usual)):
            lines[-1].append(word)
        else:
            lines.append([word])
    return [make_line(line) for line in lines]


def _usual(words: Sequence[Word]) -> Word:
    """One that is as high as others of its line: signs of mathematics (`≥`, `→`) have boxes as high as two lines."""
    return sorted(words, key=lambda word: word.height)[(len(words) - 1) // 2]


def _holds(one: Word, other: Word) -> bool:
    return one.bottom < (other.bottom + other.top) / 2 < one.top


def is_at(edges: Sequence[float], left: float) -> bool:
    """Whether something begins at one of these edges, which are told from the left."""
    at = bisect_right(edges, left - ALIGNED)
    return at < len(edges) and edges[at] < left + ALIGNED


def make_line(words: list[Word], edges: Sequence[float] = ()) -> PrintedCells:
    """The stretches of the words at one height; `edges`: where one ends, however near the next word stands."""
    words.sort(key=lambda word: word.left)
    usual = _usual(words)
    chunks: list[Word] = []
    firsts: list[Word] = []
    for word in words:
        is_near = bool(chunks) and word.left - chunks[-1].right < CHANNEL * usual.height
        if is_near and not is_at(edges, word.left):
            chunks[-1] = chunks[-1]._replace(right=max(chunks[-1].right, word.right))
        else:
            chunks.append(word)
            firsts.append(word)
    return PrintedCells(tuple(chunks), tuple(firsts), usual.bottom, usual.height, tuple(words))
