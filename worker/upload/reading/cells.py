"""One cell's value as clean text. What the text means is the parser's business."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time

from worker.text.characters import clean_text
from worker.upload.reading.formats import general

_ESCAPE = re.compile(r"_x00([01][0-9A-Fa-f])_")  # OOXML writes control characters as _x000D_


def cell_text(value: object) -> str:
    """A cell as text, as a French Excel shows one without a format: `1.0` is `1`, `3.5` is `3,5`, true is `VRAI`.

    A date is `YYYY-MM-DD` where its format is not known.
    """
    if isinstance(value, str):
        if "_x00" in value:
            value = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), value)
        return clean_text(value)
    if isinstance(value, bool):
        return "VRAI" if value else "FAUX"
    if isinstance(value, float):
        return general(value)
    if isinstance(value, (date, time)):
        return _moment_text(value)
    return "" if value is None else str(value)


def _moment_text(value: date | time) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    return value.isoformat()


def is_blank(cells: Sequence[str]) -> bool:
    """True when no cell holds anything but white space."""
    return not any(cell and not cell.isspace() for cell in cells)


def drop_trailing_columns(rows: Sequence[tuple[int, Sequence[str]]]) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Cut the columns to the right of the last one that holds anything; every row gets the same width."""
    width = 0
    for _, cells in rows:
        for column in range(len(cells) - 1, width - 1, -1):
            if cells[column] and not cells[column].isspace():
                width = column + 1
                break
    return tuple((number, tuple(cells[:width]) + ("",) * (width - len(cells))) for number, cells in rows)
