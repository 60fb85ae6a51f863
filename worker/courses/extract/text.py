"""Plain text and Markdown. Markdown is made to be read as it is: only headings and marks of emphasis are taken."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import replace

from worker.courses.document import ExtractedDocument, Line, Page
from worker.text.decoding import decode_utf8, decode_wide, decode_windows

_HEADING = re.compile(r"#{1,6}\s+(.*)")
_UNDERLINE = re.compile(r"=+|-{3,}")
_EMPHASIS = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*|__(?=\S)(.+?)(?<=\S)__")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_ITEM = re.compile(r"\s*(?:[-*+•>|]|\d{1,3}[.)])\s?")
_TABLE_RULE = re.compile(r"[\s:|-]+")
_FRONT_MATTER = re.compile(
    r"---[ \t]*\n(?:(?:[\w-]+[ \t]*:|[ \t]+\S|#|-[ \t]).*\n|[ \t]*\n)*(?:---|\.\.\.)[ \t]*(?:\n|$)"
)

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


def read_markdown(data: bytes) -> ExtractedDocument:
    """As `read_text`, with its headings; what stands before it about the file itself (front matter) is left out."""
    lines: list[Line] = []
    fenced = False
    text = "\n".join(decode(data).splitlines())
    front = _FRONT_MATTER.match(text)
    for line in text[front.end() if front else 0 :].splitlines():
        if _FENCE.match(line):
            fenced = not fenced
            continue
        heading = None if fenced else _HEADING.fullmatch(line)
        if heading is not None:
            lines.append(Line(heading[1].rstrip("#").rstrip(), is_heading=True))
        elif not fenced and _UNDERLINE.fullmatch(line.strip()) and lines and lines[-1].text:
            if not _ITEM.match(lines[-1].text):
                lines[-1] = Line(lines[-1].text, is_heading=True)
        elif not fenced and _is_table_rule(line):
            if lines and "|" in lines[-1].text:
                lines[-1] = replace(lines[-1], is_row=True, is_head=True)
        elif not fenced and _is_row(line, lines):
            lines.append(Line(_EMPHASIS.sub(lambda m: m[1] or m[2], line).strip().strip("|").strip(), is_row=True))
        else:
            lines.append(Line(line if fenced else _EMPHASIS.sub(lambda m: m[1] or m[2], line)))
    return ExtractedDocument((Page(None, tuple(_unwrap(lines))),))


def _is_table_rule(line: str) -> bool:
    """`| --- | :--: |`: what a table has below its headers."""
    return 0 <= line.find("---") < line.rfind("|") and _TABLE_RULE.fullmatch(line) is not None


def _is_row(line: str, before: list[Line]) -> bool:
    """`| a | b |`, or `a | b` below the row of a table."""
    if line.lstrip().startswith("|"):
        return line.count("|") > 1
    return "|" in line and bool(before) and before[-1].is_row


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
