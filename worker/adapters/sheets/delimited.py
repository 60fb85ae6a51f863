"""CSV: the encoding, the delimiter and the records of a text file. No cell is cleaned or understood here."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from itertools import islice

from worker.adapters.sheets.containers import not_a_spreadsheet
from worker.errors import JobFailed

csv.field_size_limit(2**31 - 1)  # a long case text is never an error; the upload's own limit bounds it

DELIMITERS = (";", ",", "\t", "|")
SAMPLE_RECORDS = 200
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as UTF-16's does: first
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UTF8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
_LETTER = re.compile(rb"[A-Za-z]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_LEGACY = ("cp1252", "mac_roman", "cp850")  # what Excel's three CSV kinds give in French, likeliest first
_FRENCH = frozenset("éèêëàâäçùûüôöîïœæ’‘“”«»–—…°²³µ±×≤≥€\xa0")
_FRENCH_CAPITALS = frozenset("ÉÈÊËÀÂÇÙÛÔÎÏŒ")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_SEPARATOR_LINE = re.compile(r"sep=(.)[ \t]*(?:\r\n?|\n|\Z)", re.IGNORECASE)


def decode_text(data: bytes) -> str:
    """Bytes of a text file as text; raise `JobFailed` for bytes that are no text in any encoding."""
    text = _decode(data)
    controls = len(_CONTROL.findall(text))
    if controls > 2 + len(text) // 50:
        raise not_a_spreadsheet()
    return text


def _decode(data: bytes) -> str:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data[len(bom) :].decode(encoding, errors="replace")
    sample = data[:4096]
    if sample.count(0) * 4 > len(sample):  # Latin letters in UTF-16 without a mark: every other byte is zero
        return data.decode("utf-16-be" if sample[0::2].count(0) > sample[1::2].count(0) else "utf-16-le", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_legacy(data)


def _decode_legacy(data: bytes) -> str:
    """Not valid UTF-8: UTF-8 with a few stray bytes, else the encoding that gives the most French letters."""
    sequences = _UTF8_SEQUENCE.findall(data)
    high = len(_HIGH_BYTE.findall(data))
    if 2 * sum(map(len, sequences)) > high:
        return data.decode("utf-8", errors="medq_as_cp1252")
    sample = b"".join(_HIGH_BYTE.findall(data[:1_000_000]))[:20_000]
    scores = {encoding: _french_share(sample.decode(encoding, "replace")) for encoding in _LEGACY}
    best = max(_LEGACY, key=lambda encoding: scores[encoding])  # the first of equals
    # Two accents in five letters is no French: a foreign alphabet, whose bytes may look like accents.
    foreign = 2 * high > len(_LETTER.findall(data))
    if foreign or scores[best] < 0.5:
        best = _guess_encoding(data) or best
    return data.decode(best, errors="replace")


def _french_share(text: str) -> float:
    """The share of French signs among non-ASCII ones, 0–1; capitals count less, for they are rarer."""
    points = sum(1.0 if c in _FRENCH else 0.4 if c in _FRENCH_CAPITALS else 0.0 for c in text)
    return points / len(text) if text else 0.0


def _guess_encoding(data: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(data[:200_000]).best()
    return best.encoding if best else None


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """Error handler of the codecs: the bytes that are not UTF-8 came from a cp1252 source."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", errors="replace"), error.end


codecs.register_error("medq_as_cp1252", _as_cp1252)


def read_records(text: str, *, tabular_only: bool) -> Iterator[tuple[int, list[str]]]:
    """(line number of the record's start, fields) of each record.

    `tabular_only`: raise `JobFailed` when no delimiter makes columns (the name does not announce a CSV).
    Raise `JobFailed` too for a quote that is never closed: it would swallow the rest of the file.
    """
    first_line = 1
    separator = _SEPARATOR_LINE.match(text)
    if separator:
        delimiter: str | None = separator[1]
        text = text[separator.end() :]
        first_line = 2
    else:
        delimiter = sniff_delimiter(text)
    if delimiter is None and tabular_only:
        raise not_a_spreadsheet()
    return _records(text, delimiter or "\x1f", first_line)


def _records(text: str, delimiter: str, first_line: int) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(_lines(text), delimiter=delimiter)
    lines_before = 0
    for fields in reader:
        yield first_line + lines_before, fields
        last, lines_before = lines_before, reader.line_num
    if lines_before and _ends_in_quotes(text, delimiter, last):
        raise JobFailed(
            f"Un guillemet ouvert à la ligne {first_line + last} n'est jamais fermé : corrigez le fichier CSV."
        )


def _ends_in_quotes(text: str, delimiter: str, last_record_line: int) -> bool:
    """True when the record that begins after `last_record_line` lines has an open quote at the end of the text."""
    lines = islice(_lines(text), last_record_line, None)
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False


def _lines(text: str) -> Iterator[str]:
    """The lines with their ends, as the csv module wants them. A StringIO would hold four bytes a character."""
    return (match[0] for match in _LINE.finditer(text))


def sniff_delimiter(text: str) -> str | None:
    """The delimiter under which the records have as many fields as the header; None when all are one field."""
    widths = {delimiter: _widths(text, delimiter) for delimiter in DELIMITERS}
    # Commas inside the sentences of a file of `;` make wide records too, but never a header that the rest follows.
    scores = {d: _score(w[:1], w) for d, w in widths.items() if w and 2 * w.count(w[0]) >= len(w)}
    if not any(scores.values()):
        scores = {d: _score(w[:3], w) for d, w in widths.items()}  # a title line above it, or uneven records
    best = max(DELIMITERS, key=lambda delimiter: scores.get(delimiter, 0.0))
    return best if scores.get(best) else None


def _score(headers: list[int], widths: list[int]) -> float:
    return max((h * widths.count(h) / len(widths) for h in headers if h > 1), default=0.0)


def _widths(text: str, delimiter: str) -> list[int]:
    """Fields of each of the first non-blank records."""
    widths = []
    for fields in csv.reader(_lines(text), delimiter=delimiter):
        if any(field.strip() for field in fields):
            widths.append(len(fields))
        if len(widths) == SAMPLE_RECORDS:
            break
    return widths
