"""Plain text and Markdown. Markdown is made to be read as it is: only headings and marks of emphasis are taken."""

from __future__ import annotations

import re

from worker.shapes.courses import ExtractedDocument, Line, Page

_HEADING = re.compile(r"#{1,6}\s+(.*?)\s*#*")
_UNDERLINE = re.compile(r"=+|-{3,}")
_EMPHASIS = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*|__(?=\S)(.+?)(?<=\S)__")
_FENCE = re.compile(r"\s*(?:```|~~~)")


def decode(data: bytes, declared: str | None = None) -> str:
    """UTF-8 or UTF-16 by their marks, the declared encoding, UTF-8, else cp1252: the old ones of French machines."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    for encoding in (declared, "utf-8-sig", "cp1252"):
        try:
            if encoding is not None:
                return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("latin-1")


def read_text(data: bytes) -> ExtractedDocument:
    """One page without a number; every line is a paragraph of its own."""
    return ExtractedDocument((Page(None, tuple(Line(line) for line in decode(data).splitlines())),))


def read_markdown(data: bytes) -> ExtractedDocument:
    """As `read_text`, with its headings."""
    lines: list[Line] = []
    fenced = False
    for text in decode(data).splitlines():
        if _FENCE.match(text):
            fenced = not fenced
            continue
        heading = None if fenced else _HEADING.fullmatch(text)
        if heading is not None:
            lines.append(Line(heading[1], is_heading=True))
        elif lines and not fenced and lines[-1].text and _UNDERLINE.fullmatch(text.strip()):
            lines[-1] = Line(lines[-1].text, is_heading=True)
        else:
            lines.append(Line(text if fenced else _EMPHASIS.sub(lambda m: m[1] or m[2], text)))
    return ExtractedDocument((Page(None, tuple(lines)),))
