"""The numbers of items, which formats keep apart from their words: as a reader sees them."""

from __future__ import annotations

from typing import Literal

Kind = Literal["decimal", "lower letter", "upper letter", "lower roman", "upper roman"]

MOST_ROMAN = 3_999
MOST_DIGITS = 6  # of a number that a file tells
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")),
    *((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)


def write_number(number: int, kind: Kind) -> str:
    """`3`, `c`, `C`, `iii` or `III`; figures where a kind has no such number."""
    is_letter = kind.endswith("letter")
    if kind == "decimal" or number < 1 or (not is_letter and number > MOST_ROMAN):
        return str(number)
    text = _letters(number) if is_letter else _roman(number)
    return text.upper() if kind.startswith("upper") else text


def read_number(told: str | None, default: int) -> int:
    """A number that a file tells; the default where it tells none, or nonsense."""
    digits = (told or "").strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS else default


def _letters(number: int) -> str:
    text = ""
    while number:
        number, last = divmod(number - 1, 26)
        text = chr(ord("a") + last) + text
    return text


def _roman(number: int) -> str:
    text = ""
    for value, letters in _ROMAN:
        times, number = divmod(number, value)
        text += letters * times
    return text
