"""How the cells of an .xlsx look, which the reading library does not tell: number formats, errors, merged and hidden.

Parts are searched as bytes, for what is rare: a sheet of 300,000 plain cells costs no more than that search.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from worker.upload.reading.extent import OTHER_CELL, column_number, parse_xml
from worker.upload.reading.formats import BUILT_IN, format_number, general, is_date
from worker.upload.reading.formulas import sheet_parts

Range = tuple[int, int, int]  # column from 0, first row, last row

MAX_MERGED_CELLS = 2_000_000
PLAIN = frozenset({"general", "standard", "@", ""})
# Repeats give nothing back (`*+`): no text, whatever it holds, is gone over twice.
_ATTRIBUTE = re.compile(rb"""\b(r|s|t|hidden)\s*+=\s*+["']([^"'<>]*+)["']""")
_VALUE = (
    rb"([^<>]*+)>\s*+(?:<(?:\w++:)?f\b[^<>]*+(?:(?<=/)>|>[^<]*+</(?:\w++:)?f>)\s*+)?<(?:\w++:)?v\b[^<>]*+>([^<]*+)<"
)
_CELL = rb"<(?:\w++:)?c\b"
_HAS_ERROR = re.compile(rb"""t\s?=\s?["']e["']""")
_ERROR_CELL = re.compile(_CELL + rb"(?=[^<>]*?\bt\s*=\s*[\"']e[\"'])" + _VALUE)
_IN_ORDER = rb"""<c r="([A-Z]{1,3})(\d{1,7})" s="(%b)"([^<>]*+)>(?:<f\b[^<>]*+(?:(?<=/)>|>[^<]*+</f>))?<v>([^<]*+)<"""
_TYPE = re.compile(rb"""\bt\s*=\s*["'](?!n["'])""")
_ROW = re.compile(rb"<(?:\w++:)?row\b([^<>]*+)>")
_MERGED = re.compile(
    rb"""<(?:\w++:)?mergeCell\b[^<>]*?\bref\s*=\s*["']\$?([A-Za-z]{1,3})\$?(\d{1,7}):\$?[A-Za-z]{1,3}\$?(\d{1,7})["']"""
)
_PLACE = re.compile(rb"([A-Za-z]{1,3})(\d{1,7})")
_FROM_1904 = re.compile(rb"""\bdate1904\s*=\s*["'](?:1|true)["']""")
_TRUE = (b"1", b"true")


@dataclass(slots=True)
class SheetView:
    """What one sheet shows. `texts`: row number → column from 0 → text; the others as in `RawSheet`."""

    texts: dict[int, dict[int, str]] = field(default_factory=dict)
    hidden_rows: set[int] = field(default_factory=set)
    merged: list[Range] = field(default_factory=list)
    dates: dict[int, list[int]] = field(default_factory=dict)
    unformatted: dict[int, list[int]] = field(default_factory=dict)

    def show(self, row: int, column: int, text: str) -> None:
        """Put one cell's text."""
        self.texts.setdefault(row, {})[column] = text


def find_views(parts: Mapping[str, bytes]) -> dict[str, SheetView]:
    """Sheet name → what it shows. Only .xlsx and .xlsm."""
    sheets = sheet_parts(parts)
    if not sheets:
        return {}
    book = next(content for name, content in parts.items() if name.endswith("workbook.xml"))
    from_1904 = _FROM_1904.search(book) is not None
    styles = next((content for name, content in parts.items() if name.endswith("styles.xml")), b"")
    formats = _cell_formats(styles) if styles else []
    return {name: _view(parts.get(part, b""), formats, from_1904=from_1904) for name, part in sheets.items()}


def _view(xml: bytes, formats: Sequence[str], *, from_1904: bool) -> SheetView:
    view = SheetView()
    if b"hidden" in xml:
        view.hidden_rows = set(_hidden_rows(xml))
    view.merged = list(_merged(xml[max(0, xml.rfind(b"sheetData")) :]))
    if _HAS_ERROR.search(xml):
        for row, column, text in _errors(xml):
            view.show(row, column, text)
    wanted = {str(index).encode(): code for index, code in enumerate(formats) if code.strip().lower() not in PLAIN}
    used = {style for style in wanted if b'"%b"' % style in xml or b"'%b'" % style in xml}
    if used:
        _show_numbers(view, xml, {style: wanted[style] for style in used}, from_1904=from_1904)
    return view


def _cell_formats(xml: bytes) -> list[str]:
    """The format code of each cell style, by the style's number."""
    codes = dict(BUILT_IN)
    formats: list[str] = []
    within: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(":")[2]
        number = attributes.get("numFmtId", "")
        if kind == "numFmt" and number.isdecimal():
            codes[int(number[:9])] = attributes.get("formatCode", "")
        elif kind == "xf" and within and within[-1] == "cellXfs":
            formats.append(codes.get(int(number[:9]), "General") if number.isdecimal() else "General")
        within.append(kind)

    parse_xml(xml, start=start, end=lambda _: within.pop())
    return formats


def _show_numbers(view: SheetView, xml: bytes, formats: Mapping[bytes, str], *, from_1904: bool) -> None:
    known: dict[tuple[bytes, bytes], tuple[str | None, bool]] = {}
    dates = {style for style, code in formats.items() if is_date(code)}
    columns: dict[bytes, int] = {}
    for letters, number, style, text in _number_cells(xml, formats):
        column = columns.get(letters)
        if column is None:
            column = columns[letters] = column_number(letters.decode()) - 1
        found = known.get((style, text))
        if found is None:
            found = known[style, text] = _show(text, formats[style], from_1904=from_1904)
        shown, is_sure = found
        row = int(number)
        if shown is not None:
            view.show(row, column, shown)
        if not is_sure:
            view.unformatted.setdefault(column, []).append(row)
        if style in dates:
            view.dates.setdefault(column, []).append(row)


def _show(text: bytes, code: str, *, from_1904: bool) -> tuple[str | None, bool]:
    """What a cell shows, None to leave it as the library gives it, and whether that is sure."""
    try:
        value = float(text)
    except ValueError:
        return None, True
    if not isfinite(value):
        return None, True
    shown = format_number(value, code, from_1904=from_1904)
    if shown == "":  # a format that hides the number shows nothing, and the number is there
        return general(value), False
    return shown, shown is not None


def _number_cells(xml: bytes, formats: Mapping[bytes, str]) -> Iterator[tuple[bytes, bytes, bytes, bytes]]:
    """Column, row, style and value of each number in one of these styles."""
    styles = b"|".join(sorted(formats)) if len(formats) <= 100 else rb"\d++"
    if OTHER_CELL.search(xml) is None:
        for letters, number, style, rest, value in re.compile(_IN_ORDER % styles).findall(xml):
            if style in formats and not (rest and _TYPE.search(rest)):
                yield letters, number, style, value
        return
    pattern = re.compile(
        _CELL
        + rb"(?=[^<>]*?\bs\s*=\s*[\"'](?:" + styles + rb")[\"'])"
        + rb"(?![^<>]*?\bt\s*=\s*[\"'](?!n[\"']))"
        + _VALUE
    )  # fmt: skip
    for match in pattern.finditer(xml):
        attributes = dict(_ATTRIBUTE.findall(match[1]))
        place = _PLACE.fullmatch(attributes.get(b"r", b""))
        style = attributes.get(b"s", b"")
        if place and style in formats:
            yield place[1], place[2], style, match[2]


def _errors(xml: bytes) -> Iterator[tuple[int, int, str]]:
    """Row from 1, column from 0 and text of the cells in error."""
    for match in _ERROR_CELL.finditer(xml):
        place = _PLACE.fullmatch(dict(_ATTRIBUTE.findall(match[1])).get(b"r", b""))
        if place:
            yield int(place[2]), column_number(place[1].decode()) - 1, match[2].decode("utf-8", "replace").strip()


def _hidden_rows(xml: bytes) -> Iterator[int]:
    for match in _ROW.finditer(xml):
        if b"hidden" in match[1]:
            attributes = dict(_ATTRIBUTE.findall(match[1]))
            if attributes.get(b"hidden") in _TRUE and attributes.get(b"r", b"").isdigit():
                yield int(attributes[b"r"][:9])


def _merged(xml: bytes) -> Iterator[Range]:
    for match in _MERGED.finditer(xml):
        first, last = int(match[2]), int(match[3])
        if first < last:
            yield column_number(match[1].decode()) - 1, first, last


def fill_merged(rows: dict[int, list[str]], merged: Iterable[Range]) -> bool:
    """Give the text of a merged cell to all its rows; False for merged cells that no honest workbook has.

    Rows that hold nothing else stay blank. To its columns it is not given: a title is not said once per column.
    """
    numbers = sorted(rows)
    left = MAX_MERGED_CELLS
    for column, first, last in merged:
        cells = rows.get(first, [])
        text = cells[column] if column < len(cells) else ""
        if not text.strip():
            continue
        below = numbers[bisect_right(numbers, first) : bisect_left(numbers, last + 1)]
        left -= len(below)
        if left < 0:
            return False
        for number in below:
            cells = rows[number]
            cells.extend([""] * (column + 1 - len(cells)))
            cells[column] = cells[column] or text
    return True
