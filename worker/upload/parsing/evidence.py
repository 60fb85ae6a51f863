"""What the cells below a header show about a column, whatever its name. Looked at only where that decides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from worker.questions.question import fold_name

Body = Sequence[tuple[int, tuple[str, ...]]]  # row number and cells of each row below the header

_TRUTH = frozenset(
    {"vrai", "faux", "v", "f", "true", "false", "t", "0", "1", "x", "oui", "non", "yes", "no", "juste", "correct"}
)
_NUMBERED = re.compile(r"(?:q|question)? ?(?:n ?[°ºo]\.? ?)?\d{1,6}[.)]?", re.IGNORECASE)
LONG = 40  # characters from which a cell is a text, not a number or a name


def values(body: Body, place: int) -> Iterator[str]:
    """The cells of a column that hold something."""
    return (row[place] for _, row in body if row[place] and not row[place].isspace())


def is_filled(body: Body, place: int) -> bool:
    """True when any cell of the column holds something."""
    return next(values(body, place), None) is not None


def count_filled(body: Body, place: int) -> int:
    """How many cells of the column hold something."""
    return sum(1 for _ in values(body, place))


def all_numbers(body: Body, place: int) -> bool:
    """True for a column that only counts: `1`, `Q2`, `Question 3`."""
    return is_filled(body, place) and all(_NUMBERED.fullmatch(" ".join(value.split())) for value in values(body, place))


def mostly_long(body: Body, place: int) -> bool:
    """True when most cells of the column are sentences."""
    lengths = [len(value.strip()) for value in values(body, place)]
    return bool(lengths) and sum(length >= LONG for length in lengths) * 2 > len(lengths)


def only_truth_words(body: Body, places: Sequence[int]) -> bool:
    """True when the columns hold nothing but `vrai`, `faux`, `0`, `1` …, the same in two of them on some row.

    Two options « Vrai » and « Faux » differ on every row: those are options.
    """
    repeated = False
    for _, row in body:
        words = [fold_name(row[place]) for place in places if row[place].strip()]
        if not _TRUTH.issuperset(words):
            return False
        repeated = repeated or len(set(words)) < len(words)
    return repeated
