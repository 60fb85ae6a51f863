"""Word and PowerPoint files. Headers and footers are parts of their own in these formats, and are not read.

The libraries open the packages and know styles and slides; the text is taken from the elements themselves, for theirs
leaves out what stands in content controls, tracked insertions, smart tags, text boxes, footnotes, symbols and formulas.
"""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import docx
import pptx
from docx.oxml import parse_xml
from pptx.enum.shapes import PP_PLACEHOLDER

from worker.courses.document import ExtractedDocument, Line, Page
from worker.courses.extract.office_math import OFFICE, read_office_math
from worker.courses.extract.signs import raise_digits, read_symbol, restore_symbols
from worker.courses.signs import MARK

HEADING_STYLES = ("heading", "titre", "title")
# Slide numbers, dates and footers say nothing of the subject.
FURNITURE = (PP_PLACEHOLDER.SLIDE_NUMBER, PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.HEADER)
FOOT, MIN_FOOTERS, MOST_FOOTERS = 0.9, 3, 0.4  # of a slide's height; times that a footer is typed, and of all slides
_DIGITS = re.compile(r"\d+")
_LIST = re.compile(r"list(?!e?des|oftables)", re.IGNORECASE)
TITLES = (PP_PLACEHOLDER.TITLE, PP_PLACEHOLDER.CENTER_TITLE)

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
M = f"{{{OFFICE}}}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"

# What was deleted, what only describes, and the second copy of what older programs cannot show.
_UNREAD = frozenset((*(W + n for n in ("del", "moveFrom", "pPr", "rPr", "instrText", "rt", "sdtPr")), MC + "Fallback"))
_BREAKS = {W + "tab": "\t", W + "br": "\n", W + "cr": "\n", W + "noBreakHyphen": "-", A + "br": "\n"}


# -- Word ------------------------------------------------------------------------------------------------------------


def read_docx(data: bytes) -> ExtractedDocument:
    """Paragraphs, tables, text boxes and notes in the order of the document; Word keeps no page numbers."""
    document = docx.Document(io.BytesIO(data))
    word = _Word(_find_headings(document), _read_notes(document))
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

    def __init__(self, headings: frozenset[str], notes: dict[tuple[str, str], Any]) -> None:
        self._headings = headings
        self._notes = notes

    def read_blocks(self, parent: Any) -> Iterator[Line]:
        """What stands under an element, content controls and the like opened."""
        for element in parent:
            if element.tag == W + "p":
                yield from self._read_paragraph(element)
            elif element.tag == W + "tbl":
                yield from self._read_table(element)
            elif element.tag not in _UNREAD:
                yield from self.read_blocks(element)

    def _read_paragraph(self, paragraph: Any) -> Iterator[Line]:
        style = paragraph.find(f"{W}pPr/{W}pStyle")
        is_heading = style is not None and style.get(W + "val") in self._headings
        yield Line(restore_symbols("".join(_read_runs(paragraph))), is_heading=is_heading)
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
            mark = f"{MARK} " if items > 1 and element.tag == W + "p" and _is_listed(element) else ""
            lines = self._read_paragraph(element) if element.tag == W + "p" else self.read_blocks([element])
            texts += [mark + text for text in (line.text for line in lines) if text.strip()]
        return " ".join(texts)

    def _read_table(self, table: Any) -> Iterator[Line]:
        """A row is a line. A cell merged over several rows is repeated in each, one merged over columns stands once.

        A table of one cell, or of cells below one another, is a box around text.
        """
        rows = [list(_own(row, W + "tc", W + "tbl")) for row in _own(table, W + "tr", W + "tbl")]
        if all(len(cells) < 2 for cells in rows):
            for cells in rows:
                yield from (line for cell in cells for line in self.read_blocks(cell))
            return
        above: dict[int, str] = {}
        for number, cells in enumerate(rows):
            column = 0
            texts: list[str] = []
            for cell in cells:
                text = " ".join(self._read_cell(cell).split())
                merged = cell.find(f"{W}tcPr/{W}vMerge")
                if merged is not None and merged.get(W + "val") != "restart":
                    text = text or above.get(column, "")
                above[column] = text
                span = cell.find(f"{W}tcPr/{W}gridSpan")
                column += int(span.get(W + "val", 1)) if span is not None else 1
                texts.append(text)
            if any(texts):
                yield Line(" | ".join(texts).rstrip("| "), is_row=True, is_head=number == 0 and _names_columns(table))


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


def _read_runs(element: Any) -> Iterator[str]:
    """The text of a paragraph or a part of one; text boxes are blocks of their own."""
    for child in element:
        tag = child.tag
        if tag == M + "oMath":
            yield read_office_math(child)
        elif tag in (W + "t", M + "t", A + "t"):
            yield _raised(child, child.text or "")
        elif tag == W + "sym":
            yield read_symbol(int(child.get(W + "char", "20"), 16), child.get(W + "font", ""))
        elif tag in _BREAKS:
            yield _BREAKS[tag]
        elif tag not in _UNREAD and tag != W + "txbxContent" and not _is_vanished(child):
            yield from _read_runs(child)


def _is_vanished(run: Any) -> bool:
    """Text that Word does not show."""
    mark = run.find(f"{W}rPr/{W}vanish") if run.tag == W + "r" else None
    return mark is not None and mark.get(W + "val", "1") not in ("0", "false", "off")


def _raised(text_element: Any, text: str) -> str:
    run = text_element.getparent()
    raised = run.find(f"{W}rPr/{W}vertAlign")
    if raised is not None and raised.get(W + "val") == "superscript":
        return raise_digits(text)
    properties = run.find(A + "rPr")
    return raise_digits(text) if properties is not None and _baseline(properties) > 0 else text


def _baseline(properties: Any) -> int:
    told = properties.get("baseline", "0").rstrip("%")
    return int(told) if told.lstrip("-").isdigit() else 0


def _walk(element: Any) -> Iterator[Any]:
    """Every element below, but not inside text boxes and what is not read."""
    for child in element:
        if child.tag not in _UNREAD:
            yield child
            if child.tag != W + "txbxContent":
                yield from _walk(child)


def _own(element: Any, wanted: str, border: str) -> Iterator[Any]:
    """The elements of a kind below this one, content controls opened, those of inner tables left alone."""
    for child in element:
        if child.tag == wanted:
            yield child
        elif child.tag != border and child.tag not in _UNREAD:
            yield from _own(child, wanted, border)


# -- PowerPoint ------------------------------------------------------------------------------------------------------


def read_pptx(data: bytes) -> ExtractedDocument:
    """One page for each slide: its title, its texts, tables and diagrams, then the speaker's notes."""
    presentation = pptx.Presentation(io.BytesIO(data))
    foot = FOOT * (presentation.slide_height or math.inf)
    feet = Counter(
        _footer(shape) for slide in presentation.slides for shape in slide.shapes if _is_at_foot(shape, foot)
    )
    typed = {text for text, times in feet.items() if times >= max(MIN_FOOTERS, MOST_FOOTERS * len(presentation.slides))}
    pages = [
        Page(number, tuple(_slide_lines(slide, lambda shape: _is_at_foot(shape, foot) and _footer(shape) in typed)))
        for number, slide in enumerate(presentation.slides, start=1)
    ]
    return ExtractedDocument(tuple(pages))


def _is_at_foot(shape: Any, foot: float) -> bool:
    return (shape.top or 0) >= foot and shape.has_text_frame


def _footer(shape: Any) -> str:
    """What a text box says, whatever number it counts."""
    return _DIGITS.sub("0", " ".join(shape.text_frame.text.split()))


def _slide_lines(slide: Any, is_footer: Callable[[Any], bool]) -> Iterator[Line]:
    """What a slide says, from its title on; not the footers that somebody typed on each slide."""
    title = slide.shapes.title
    if title is not None and title.text_frame.text.strip():
        text = " ".join(line.text for line in _paragraph_lines(title._element))
        yield Line(" ".join(text.split()), is_heading=True)
    shapes = (shape for shape in slide.shapes if _kind(shape) not in TITLES and not is_footer(shape))
    yield from _shape_lines(shapes, slide.part)
    # Shapes that newer programs know, formulas among them: the library does not list them.
    for newer in slide.shapes._spTree.iter(MC + "Choice"):
        yield from _paragraph_lines(newer)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        yield from _paragraph_lines(slide.notes_slide.notes_text_frame._txBody)


def _shape_lines(shapes: Iterable[Any], part: Any) -> Iterator[Line]:
    for shape in shapes:
        if _kind(shape) in FURNITURE or _is_hidden(shape):
            continue
        if hasattr(shape, "shapes"):
            yield from _shape_lines(shape.shapes, part)
        elif shape.has_text_frame:
            yield from _paragraph_lines(shape._element)
        elif shape.has_table:
            for number, row in enumerate(shape.table.rows):
                is_head = number == 0 and bool(shape.table.first_row)
                yield Line(_row_text(row.cells), is_row=True, is_head=is_head)
        else:
            yield from _diagram_lines(shape._element, part)


def _row_text(cells: Iterable[Any]) -> str:
    texts = (" ".join(_cell_lines(cell._tc)) for cell in cells)
    return " | ".join(" ".join(text.split()) for text in texts).rstrip("| ")


def _is_hidden(shape: Any) -> bool:
    return any(told.get("hidden") in ("1", "true") for told in shape._element.iter() if told.tag.endswith("}cNvPr"))


def _diagram_lines(element: Any, part: Any) -> Iterator[Line]:
    """The words of a SmartArt, which stand in a part of their own."""
    for told in element.iter(DIAGRAM + "relIds"):
        yield from _paragraph_lines(parse_xml(part.related_part(told.get(LINK + "dm")).blob))


def _paragraph_lines(element: Any) -> Iterator[Line]:
    for paragraph in element.iter(A + "p"):
        yield Line(restore_symbols("".join(_read_runs(paragraph))))


def _cell_lines(element: Any) -> Iterator[str]:
    """The paragraphs of a cell, a bullet before those that have a sign of a list."""
    for paragraph in element.iter(A + "p"):
        text = restore_symbols("".join(_read_runs(paragraph)))
        is_item = paragraph.find(f"{A}pPr/{A}buChar") is not None or paragraph.find(f"{A}pPr/{A}buAutoNum") is not None
        if text.strip():
            yield f"{MARK} {text}" if is_item else text


def _kind(shape: Any) -> Any:
    return shape.placeholder_format.type if shape.is_placeholder else None
