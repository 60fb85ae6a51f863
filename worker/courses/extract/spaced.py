"""Words whose letters print sets apart (`R E I N S`, `u t i l e s`), closed up by where the letters stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from worker.courses.extract.letters import Box, Boxes

MANY_LETTERS = 5
WIDE_SPACE = 1.6  # of the space between letters: what parts words
WIDEST_COLUMN = 1.15  # of the widest letter: a typewriter's letters with a space behind each are wider apart
LONGEST_WORD = 20
UNEVEN = 0.06  # of a column
_APART = re.compile(r"(?<!\S)(?:\S ){4,}\S(?!\S)")


def close_up(text: str, box_of: Boxes) -> str:
    """A stretch of a line: all of it where each letter has a column of its own, else its runs of single letters."""
    places = [at for at, character in enumerate(text) if character != " "]
    boxes = [box_of(at) for at in places]
    if (column := _column_width(boxes)) is not None:
        return "".join(_joined(text, places, [step > 1.5 * column for step in _steps(boxes)]))
    by_place = dict(zip(places, boxes, strict=True))

    def closed(run: re.Match[str]) -> str:
        own = list(range(run.start(), run.end(), 2))
        letters = [text[at] for at in own]
        if not _are_of_words(letters):
            return run[0]
        gaps = [by_place[after][0] - by_place[at][1] for at, after in pairwise(own)]
        usual = median(gaps)
        words = "".join(_joined(text, own, [gap > WIDE_SPACE * usual for gap in gaps]))
        return words if max(map(len, words.split())) <= LONGEST_WORD else run[0]

    return _APART.sub(closed, text)


def _joined(text: str, places: Sequence[int], are_ends: Sequence[bool]) -> Iterator[str]:
    """The characters at these places, a space after each that ends a word."""
    for at, is_end in zip(places, (*are_ends, False), strict=True):
        yield text[at] + (" " if is_end else "")


def _steps(boxes: Sequence[Box]) -> list[float]:
    """How far the middle of each letter is from that of the one before."""
    return [(after[0] + after[1] - box[0] - box[1]) / 2 for box, after in pairwise(boxes)]


def _column_width(boxes: Sequence[Box]) -> float | None:
    """How wide the columns of a listing are that gives each letter one; None where letters have their own widths."""
    steps = _steps(boxes)
    column = min(steps)
    if not 0 < column < WIDEST_COLUMN * max(right - left for left, right, _, _ in boxes):
        return None
    return column if all(abs(step / column - round(step / column)) < UNEVEN for step in steps) else None


def _are_of_words(letters: Sequence[str]) -> bool:
    """Whether letters are those of words: no figures and signs of a formula, no names of options in their order."""
    own = [letter.casefold() for letter in letters if letter.isalpha()]
    return (
        len(own) >= MANY_LETTERS
        and len(own) > 0.8 * len(letters)
        and not all(one < other for one, other in pairwise(own))
        and sum(one.islower() and other.isupper() for one, other in pairwise(letters)) < 2
        and len(set(own)) > 2
    )
