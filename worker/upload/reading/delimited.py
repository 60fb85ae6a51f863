"""CSV: the delimiter and the records of a text. No cell is cleaned or understood here."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import islice

from worker.errors import JobFailed
from worker.messages import file_refusals
from worker.upload.reading.containers import not_a_spreadsheet

csv.field_size_limit(2**31 - 1)  # a long case text is never an error; the upload's own limit bounds it

DELIMITERS = (";", ",", "\t", "|")
SAMPLE_RECORDS = 200
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_SEPARATOR_LINE = re.compile(r"sep=(.)[ \t]*(?:\r\n?|\n|\Z)", re.IGNORECASE)


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
        raise JobFailed(file_refusals.open_quote(first_line + last))


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
