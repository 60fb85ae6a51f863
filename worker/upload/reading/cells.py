"""One cell's value as clean text. What the text means is the parser's business."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time

from worker.upload.reading.formats import general

# Everything PostgreSQL or XML refuses, and what nobody can see; line break and tab stay.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_NEEDS_CLEANING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_BREAK = re.compile("\r\n?|\x85")
_ESCAPE = re.compile(r"_x00([01][0-9A-Fa-f])_")  # OOXML writes control characters as _x000D_


def clean_text(text: str) -> str:
    r"""Line breaks as \n, no NUL or control character but \n and \t; spaces at the ends stay."""
    if (text.isprintable() or not _NEEDS_CLEANING.search(text)) and "_x00" not in text:
        return text
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    return _CONTROL.sub("", _BREAK.sub("\n", text))


def cell_text(value: object) -> str:
    """A cell as text, as a French Excel shows one without a format: `1.0` is `1`, `3.5` is `3,5`, true is `VRAI`.

    A date is `YYYY-MM-DD` where its format is not known.
    """
    if isinstance(value, str):
        return clean_text(value) if value else ""
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
