"""PDF files written by hand: text pages with a running header, a footer and hyphenated lines. For tests and benches."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

# Signs that WinAnsi lacks, by their glyph names.
GLYPHS = {"≥": (1, "greaterequal"), "≤": (2, "lessequal"), "→": (3, "arrowright"), "α": (4, "alpha")}
LINE_WIDTH = 95


TYPED = "/F3"  # instead of whether it is bold: in letters of one width
Placed = tuple[float, float, float, str] | tuple[float, float, float, str, bool | str]


def make_pdf(pages: Sequence[Sequence[str]]) -> bytes:
    """A PDF whose pages hold these lines, in Helvetica."""
    streams = [b"BT /F1 9 Tf 12 TL 40 800 Td\n" + b"".join(_show(line) for line in lines) + b"ET" for lines in pages]
    return _make(streams, 595, 842)


def make_placed_pdf(
    pages: Sequence[Sequence[Placed]],
    *,
    width: int = 595,
    height: int = 842,
    drawn: bytes | Sequence[bytes] = b"",
    is_sideways: bool = False,
) -> bytes:
    """A PDF whose pages hold texts, each as (left, bottom, size, text, whether it is bold), written in this order.

    `drawn`: what each page draws below them, or all of them do. `is_sideways`: all is turned to the left, as if the
    page lay on its side.
    """
    if is_sideways:
        turned = _make_streams(pages, drawn)
        return _make([b"q 0 1 -1 0 %d 0 cm\n%sQ" % (width, stream) for stream in turned], width, height)
    return _make(_make_streams(pages, drawn), width, height)


def rule_grid(xs: Sequence[float], ys: Sequence[float]) -> bytes:
    """The lines of a table between these columns and rows, each drawn by itself."""
    across = [b"%.1f %.1f m %.1f %.1f l S\n" % (xs[0], y, xs[-1], y) for y in ys]
    return b"0.5 w\n" + b"".join(across + [b"%.1f %.1f m %.1f %.1f l S\n" % (x, ys[0], x, ys[-1]) for x in xs])


def _make_streams(pages: Sequence[Sequence[Placed]], drawn: bytes | Sequence[bytes]) -> list[bytes]:
    streams = []
    below = [drawn] * len(pages) if isinstance(drawn, bytes) else drawn
    for page, of_page in zip(pages, below, strict=True):
        parts = []
        for left, bottom, size, text, *bold in page:
            font = b"/F3" if TYPED in bold else b"/F2" if bold and bold[0] else b"/F1"
            place = b"%.2f Tf 1 0 0 1 %.2f %.2f Tm " % (size, left, bottom)
            parts.append(b"BT " + font + b" " + place + _show(text).replace(b"T*", b"") + b" ET\n")
        streams.append(of_page + b"".join(parts))
    return streams


def _make(streams: Sequence[bytes], width: int, height: int) -> bytes:
    differences = " ".join(f"{code} /{name}" for code, name in GLYPHS.values())
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding << /Type /Encoding"
        b" /BaseEncoding /WinAnsiEncoding /Differences [" + differences.encode() + b"] >> >>",
    ]
    bold = objects[2].replace(b"/Helvetica", b"/Helvetica-Bold")
    objects += [bold, objects[2].replace(b"/Helvetica", b"/Courier")]
    kids = []
    for stream in streams:
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        kids.append(len(objects) + 1)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R /F2 4 0 R /F3 5 0 R >> >> >>" % (width, height, len(objects))
        )
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (
        len(kids),
        b" ".join(b"%d 0 R" % kid for kid in kids),
    )
    return _assemble(objects)


def write_pdf(path: Path, texts: Sequence[str], *, header: str = "Faculté de médecine — Cours magistral") -> None:
    """One page for each text, wrapped and hyphenated as print is, under a header and over a page number."""
    pages = []
    for number, text in enumerate(texts, start=1):
        pages.append([header, "", *wrap(text), "", f"Page {number} / {len(texts)}"])
    path.write_bytes(make_pdf(pages))


def wrap(text: str, width: int = LINE_WIDTH) -> list[str]:
    """Lines of print: every third one ends in a word that is cut."""
    lines: list[str] = []
    rest = text
    while rest:
        line = textwrap.wrap(rest, width)[0]
        rest = rest[len(line) :].lstrip()
        word = rest.split(" ", 1)[0]
        if len(lines) % 3 == 2 and len(word) > 8 and word.isalpha():
            line, rest = f"{line} {word[:4]}-", rest[4:]
        lines.append(line)
    return lines


def _show(line: str) -> bytes:
    encoded = b"".join(_encode(character) for character in line)
    return b"(" + encoded + b") Tj T*\n"


def _encode(character: str) -> bytes:
    if character in GLYPHS:
        return b"\\%03o" % GLYPHS[character][0]
    code = character.encode("cp1252", errors="replace")
    return b"\\" + code if code in (b"(", b")", b"\\") else code


def _assemble(objects: Sequence[bytes]) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)
