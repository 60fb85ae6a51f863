"""A part of a whole, how sure one may be of it, and lines of a breakdown that stay few enough to be read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

Z_95 = 1.959963984540054  # standard normal quantile of 97.5 %
BIN_EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
MOST_LINES = 12
Row = TypeVar("Row")

Interval = tuple[float, float]


def share(part: float, whole: int) -> float | None:
    """0–1, None where there is nothing to divide by."""
    return part / whole if whole else None


def wilson(part: float, whole: int) -> Interval | None:
    """The 95 % score interval of a proportion, None where there is nothing to divide by.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
    Statistical Association 22 (1927), 209–212. It stays inside 0–1 and says something of 0 and of all, unlike the
    interval that textbooks begin with. For a mean of numbers of 0–1 that are not all 0 or 1 (`part` is their sum) it
    is wider than need be: none of them varies more than what is 0 or 1.
    """
    if not whole:
        return None
    p, z2 = part / whole, Z_95 * Z_95
    middle = p + z2 / (2 * whole)
    reach = Z_95 * math.sqrt(p * (1 - p) / whole + z2 / (4 * whole * whole))
    scale = 1 + z2 / whole
    # At the ends the formula gives exactly 0 and 1; in floating point it may miss them by a hair.
    low = 0.0 if part == 0 else (middle - reach) / scale
    high = 1.0 if part == whole else (middle + reach) / scale
    return max(0.0, low), min(1.0, high)


def bin_of(confidence: float) -> Interval:
    """The bin (at least its lower edge, below its upper one) that a confidence of 0–1 falls into."""
    edges = list(zip(BIN_EDGES, (*BIN_EDGES[1:], 1.0), strict=True))
    return next((low, high) for low, high in reversed(edges) if confidence >= low or low == 0)


def join_smallest(lines: Sequence[Row], join: Callable[[Sequence[Row]], Row], *, most: int = MOST_LINES) -> list[Row]:
    """At most so many lines, largest first as given: the last one is what `join` makes of the rest."""
    if len(lines) <= most:
        return list(lines)
    return [*lines[: most - 1], join(lines[most - 1 :])]
