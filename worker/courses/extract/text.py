"""Plain text: its encoding, and its lines."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from worker.courses.document import ExtractedDocument, Line, Page
from worker.text.decoding import decode_utf8, decode_wide, decode_windows

_ITEM = re.compile(r"\s*(?:[-*+•>|]|\d{1,3}[.)])\s?")

# A line that is this long and ends no sentence was broken by an editor where the next one begins in lower case.
WRAPPED = 50


def decode(data: bytes, declared: str | None = None) -> str:
    """By its mark (BOM), else as declared, else UTF-8, else cp1252: the old encoding of French machines.

    A few wrong bytes do not make a file of another encoding: among good UTF-8 they are read as cp1252. Never fails.
    """
    text = decode_wide(data)
    if text is None and declared:
        text = _decode_as(data, declared)
    if text is None:
        text = decode_utf8(data)
    return decode_windows(data) if text is None else text


def _decode_as(data: bytes, declared: str) -> str | None:
    """None where the declaration is not true. Browsers read Latin-1 as Windows', and no ASCII tag stands in UTF-16."""
    try:
        name = codecs.lookup(declared).name
        if name.startswith(("utf-16", "utf-32")):
            return None
        if name in ("iso8859-1", "ascii", "cp1252"):
            if _is_utf8(data):
                return None
            return decode_windows(data)
        return data.decode(name)
    except (UnicodeError, LookupError):
        return None


def _is_utf8(data: bytes) -> bool:
    """Whether bytes above ASCII are there and all make good UTF-8: no Latin-1 text does that by chance."""
    try:
        return not data.isascii() and bool(data.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def read_text(data: bytes) -> ExtractedDocument:
    """One page without a number; every line is a paragraph of its own, but those that an editor broke."""
    lines = [Line(line) for line in decode(data).splitlines()]
    return ExtractedDocument((Page(None, tuple(_unwrap(lines))),))


def _unwrap(lines: list[Line]) -> Iterator[Line]:
    """Join the lines of a paragraph that was broken at some width; words cut in two are mended later."""
    parts: list[str] = []
    for line in lines:
        goes_on = (
            parts
            and not line.is_heading
            and not line.is_row
            and len(parts[-1]) >= WRAPPED
            and parts[-1][-1] not in ".!?:;|-\u00ad"
            and line.text[:1].islower()
            and not _ITEM.match(line.text)
        )
        if parts and not goes_on:
            yield Line(" ".join(parts))
            parts = []
        if line.is_heading or line.is_row or not line.text.strip():
            yield line
        else:
            parts.append(line.text.rstrip())
    if parts:
        yield Line(" ".join(parts))
