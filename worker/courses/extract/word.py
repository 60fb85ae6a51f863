"""Word files. Headers and footers are parts of their own in this format, and are not read."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import docx
from docx.oxml import parse_xml

from worker.courses.document import ExtractedDocument, Line, Page
from worker.courses.extract.merged import MOST_COLUMNS, join_cells, repeat_below, spread_columns
from worker.courses.extract.office_text import UNREAD, W, read_runs
from worker.courses.extract.signs import restore_symbols
from worker.courses.extract.word_lists import WordLists
from worker.courses.signs import MARK

HEADING_STYLES = ("heading", "titre", "title")
_LIST = re.compile(r"list(?!e?des|oftables)", re.IGNORECASE)


def read_docx(data: bytes) -> ExtractedDocument:
    """Paragraphs, tables, text boxes and notes in the order of the document; Word keeps no page numbers."""
    document = docx.Document(io.BytesIO(data))
    word = _Word(_find_headings(document), _read_notes(document), WordLists(document))
    return ExtractedDocument((Page(None, tuple(word.read_blocks(document.element.body))),))


def _find_headings(document: Any) -> frozenset[str]:
    """The ids of the styles that are headings, or are made from one."""
    found: set[str] = set()
    for style in document.styles:
        one: Any = style
        seen = 0
        while one is not None and seen < 20:  # a style made from itself is a damaged one
            if (one.name or "").lower().startswith(HEADING_STYLES):
                found.add(style.style_id)
            one, seen = getattr(one, "base_style", None), seen + 1
    return frozenset(found)


def _read_notes(document: Any) -> dict[tuple[str, str], Any]:
    """Footnotes and endnotes, by the name of their reference and their id."""
    notes: dict[tuple[str, str], Any] = {}
    for link in document.part.rels.values():
        kind = link.reltype.rsplit("/", 1)[-1]
        if kind in ("footnotes", "endnotes") and not link.is_external:
            for note in parse_xml(link.target_part.blob):
                if note.get(W + "type") is None:  # separators have a type
                    notes[f"{W}{kind[:-1]}Reference", note.get(W + "id", "")] = note
    return notes


class _Word:
    """Blocks of WordprocessingML into lines."""

    def __init__(self, headings: frozenset[str], notes: dict[tuple[str, str], Any], lists: WordLists) -> None:
        self._headings = headings
        self._notes = notes
        self._lists = lists

    def read_blocks(self, parent: Any) -> Iterator[Line]:
        """What stands under an element, content controls and the like opened."""
        for element in parent:
            if element.tag == W + "p":
                yield from self._read_paragraph(element)
            elif element.tag == W + "tbl":
                yield from self._read_table(element)
            elif element.tag not in UNREAD:
                yield from self.read_blocks(element)

    def _read_paragraph(self, paragraph: Any) -> Iterator[Line]:
        style = paragraph.find(f"{W}pPr/{W}pStyle")
        is_heading = style is not None and style.get(W + "val") in self._headings
        text = restore_symbols("".join(read_runs(paragraph)))
        mark = self._lists.next_mark(paragraph) if text.strip() else ""
        yield Line(f"{mark} {text}" if mark else text, is_heading=is_heading)
        for element in _walk(paragraph):
            if element.tag == W + "txbxContent":
                yield from self.read_blocks(element)
            elif (note := self._notes.get((element.tag, element.get(W + "id", "")))) is not None:
                yield from self.read_blocks(note)

    def _read_cell(self, cell: Any) -> str:
        """The words of a cell; a bullet before each item of a list that has several."""
        items = sum(map(_is_listed, cell.findall(W + "p")))
        texts: list[str] = []
        for element in cell:
            is_item = items > 1 and element.tag == W + "p" and _is_listed(element)
            mark = f"{MARK} " if is_item and not self._lists.is_numbered(element) else ""
            lines = self._read_paragraph(element) if element.tag == W + "p" else self.read_blocks([element])
            texts += [mark + text for text in (line.text for line in lines) if text.strip()]
        return " ".join(texts)

    def _read_table(self, table: Any) -> Iterator[Line]:
        """A row is a line. A short cell that is merged over rows or columns is read in each.

        A table of one cell, or of cells below one another, is a box around text.
        """
        rows = [list(_own(row, W + "tc", W + "tbl")) for row in _own(table, W + "tr", W + "tbl")]
        if all(len(cells) < 2 for cells in rows):
            for cells in rows:
                yield from (line for cell in cells for line in self.read_blocks(cell))
            return
        spans = [[_columns_of(cell) for cell in cells] for cells in rows]
        begun = {begin for columns in spans for begin in accumulate(columns, initial=0)}
        above: dict[int, str] = {}
        for number, (cells, columns) in enumerate(zip(rows, spans, strict=True)):
            texts: list[tuple[str, int]] = []
            for cell, begin, end in zip(cells, accumulate(columns, initial=0), accumulate(columns), strict=False):
                text = " ".join(self._read_cell(cell).split())
                merged = cell.find(f"{W}tcPr/{W}vMerge")
                if merged is not None and merged.get(W + "val") != "restart":
                    text = text or repeat_below(above.get(begin, ""))
                above[begin] = text
                texts.append((text, sum(at in begun for at in range(begin, end))))
            if any(text for text, _ in texts):
                is_head = number == 0 and _names_columns(table)
                yield Line(join_cells(spread_columns(texts)), is_row=True, is_head=is_head)


def _columns_of(cell: Any) -> int:
    """Over how many columns of its table's grid a cell goes."""
    span = cell.find(f"{W}tcPr/{W}gridSpan")
    told = "1" if span is None else span.get(W + "val", "1")
    return min(max(int(told), 1), MOST_COLUMNS) if told.isascii() and told.isdigit() else 1


def _is_listed(paragraph: Any) -> bool:
    """Whether a paragraph is an item of a list, by itself or by the style's name, which Word translates."""
    if paragraph.find(f"{W}pPr/{W}numPr") is not None:
        return True
    style = paragraph.find(f"{W}pPr/{W}pStyle")
    return style is not None and _LIST.match(style.get(W + "val", "")) is not None


def _names_columns(table: Any) -> bool:
    """Whether the first row of a table is its head: it repeats on each page, or is set apart by the table's style."""
    first = next(_own(table, W + "tr", W + "tbl"), None)
    if first is not None and first.find(f"{W}trPr/{W}tblHeader") is not None:
        return True
    look = table.find(f"{W}tblPr/{W}tblLook")
    return look is not None and (look.get(W + "firstRow") == "1" or int(look.get(W + "val", "0"), 16) & 0x20 != 0)


def _walk(element: Any) -> Iterator[Any]:
    """Every element below, but not inside text boxes and what is not read."""
    for child in element:
        if child.tag not in UNREAD:
            yield child
            if child.tag != W + "txbxContent":
                yield from _walk(child)


def _own(element: Any, wanted: str, border: str) -> Iterator[Any]:
    """The elements of a kind below this one, content controls opened, those of inner tables left alone."""
    for child in element:
        if child.tag == wanted:
            yield child
        elif child.tag != border and child.tag not in UNREAD:
            yield from _own(child, wanted, border)
