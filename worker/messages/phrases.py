"""Numbers, amounts, durations and lists as every sentence writes them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

NAMES_SHOWN = 5  # of sheets, columns and findings that a sentence names
COLUMNS_SHOWN, COLUMN_CHARACTERS = 12, 40  # of a header row that a refusal quotes
MEGABYTE = 1024 * 1024  # bytes
RUNS_SHOWN = 10  # of row numbers: `7 à 9` is one


def count(number: int, singular: str, plural: str | None = None) -> str:
    """`1 question`, `2 questions`, `0 question` (French: plural from two on)."""
    return f"{number} {singular if number < 2 else plural or singular + 's'}"


def duration(seconds: float) -> str:
    """`40 s`, `5 min`, `3 h`."""
    if seconds >= 3 * 3600:
        return f"{round(seconds / 3600)} h"
    return f"{round(seconds / 60)} min" if seconds >= 90 else f"{max(1, round(seconds))} s"


def dollars(amount: Decimal | float) -> str:
    """`2,00 $`, and four decimals below a dollar: `0,0042 $`."""
    digits = 2 if amount >= 1 or not amount else 4
    return f"{amount:.{digits}f} $".replace(".", ",")


def megabytes(size: int) -> str:
    """A size in binary megabytes, as limits are set: `12,5`, `50`. Rounded up, for what is too large to look it."""
    digits = 1 if size >= MEGABYTE else 3
    rounded = -(-size * 10**digits // MEGABYTE) / 10**digits
    return f"{rounded:.{digits}f}".rstrip("0").rstrip(".").replace(".", ",")


def some(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are: `a, b et 3 autres`."""
    more = len(names) - NAMES_SHOWN
    shown = ", ".join(names[:NAMES_SHOWN])
    return shown if more <= 0 else f"{shown} et {count(more, 'autre')}"


def some_names(names: Sequence[str]) -> str:
    """`« a », « b » et 3 autres`."""
    return some([f"« {name} »" for name in names])


def some_columns(names: Sequence[str]) -> str:
    """`« a », « b » et 3 autres`, of more names than other lists, each on one line and cut where it is long."""
    shown = [
        name if len(name) <= COLUMN_CHARACTERS else name[:COLUMN_CHARACTERS] + "…" for name in names[:COLUMNS_SHOWN]
    ]
    text = ", ".join(f"« {' '.join(name.split())} »" for name in shown)
    more = len(names) - COLUMNS_SHOWN
    return f"{text} et {count(more, 'autre')}" if more > 0 else text


def either(words: Sequence[str]) -> str:
    """`« a », « b » ou « c »`."""
    quoted = [f"« {word} »" for word in words]
    return f"{', '.join(quoted[:-1])} ou {quoted[-1]}"


def number_list(numbers: Sequence[int]) -> str:
    """`3, 7 à 9, 12`: runs as such, the first of a long list and how many more there are."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = ", ".join(str(a) if a == b else f"{a} à {b}" for a, b in runs[:RUNS_SHOWN])
    more = sum(b - a + 1 for a, b in runs[RUNS_SHOWN:])
    return f"{shown} et {count(more, 'autre')}" if more else shown
