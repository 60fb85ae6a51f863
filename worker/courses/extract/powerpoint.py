"""PowerPoint files: one page for each slide."""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pptx
from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.oxml import parse_xml

from worker.courses.document import ExtractedDocument, Line, Page
from worker.courses.extract.enumerators import Kind, read_number, write_number
from worker.courses.extract.merged import join_cells, repeat_below, spread_columns
from worker.courses.extract.office_text import MC, A, read_runs
from worker.courses.extract.signs import restore_symbols
from worker.courses.signs import MARK

# Slide numbers, dates and footers say nothing of the subject.
FURNITURE = (PP_PLACEHOLDER.SLIDE_NUMBER, PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.HEADER)
FOOT, MIN_FOOTERS, MOST_FOOTERS = 0.9, 3, 0.4  # of a slide's height; times that a footer is typed, and of all slides
TRUE = ("1", "true")  # of XML
TITLES = (PP_PLACEHOLDER.TITLE, PP_PLACEHOLDER.CENTER_TITLE)

DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_KINDS: Mapping[str, Kind] = {
    "alphaLc": "lower letter",
    "alphaUc": "upper letter",
    "romanLc": "lower roman",
    "romanUc": "upper roman",
}
_DIGITS = re.compile(r"\d+")


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
            yield from _table_lines(shape.table)
        else:
            yield from _diagram_lines(shape._element, part)


def _table_lines(table: Any) -> Iterator[Line]:
    """A row is a line. A short cell that is merged over rows or columns is read in each."""
    above: dict[int, str] = {}
    for number, row in enumerate(table.rows):
        texts: list[tuple[str, int]] = []
        for column, cell in enumerate(cell._tc for cell in row.cells):
            if texts and cell.get("hMerge") in TRUE:  # of the one at its left, whatever span that tells
                texts[-1] = texts[-1][0], texts[-1][1] + 1
                continue
            text = " ".join(" ".join(_cell_lines(cell)).split())
            if cell.get("vMerge") in TRUE:
                text = text or repeat_below(above.get(column, ""))
            above[column] = text
            texts.append((text, 1))
        yield Line(join_cells(spread_columns(texts)), is_row=True, is_head=number == 0 and bool(table.first_row))


def _is_hidden(shape: Any) -> bool:
    return any(told.get("hidden") in TRUE for told in shape._element.iter() if told.tag.endswith("}cNvPr"))


def _diagram_lines(element: Any, part: Any) -> Iterator[Line]:
    """The words of a SmartArt, which stand in a part of their own."""
    for told in element.iter(DIAGRAM + "relIds"):
        yield from _paragraph_lines(parse_xml(part.related_part(told.get(LINK + "dm")).blob))


def _paragraph_lines(element: Any) -> Iterator[Line]:
    for paragraph, mark in _marked(element):
        text = restore_symbols("".join(read_runs(paragraph)))
        yield Line(f"{mark} {text}" if mark else text)


def _cell_lines(element: Any) -> Iterator[str]:
    """The paragraphs of a cell, a bullet before those that have a sign of a list."""
    for paragraph, number in _marked(element):
        text = restore_symbols("".join(read_runs(paragraph)))
        mark = number or (MARK if paragraph.find(f"{A}pPr/{A}buChar") is not None else "")
        if text.strip():
            yield f"{mark} {text}" if mark else text


def _marked(element: Any) -> Iterator[tuple[Any, str]]:
    """Each paragraph with the number that PowerPoint draws before it, or nothing."""
    counts: dict[int, tuple[str, int]] = {}  # by level: how numbers are written, and the last one
    for paragraph in element.iter(A + "p"):
        if not "".join(read_runs(paragraph)).strip():
            yield paragraph, ""
            continue
        properties = paragraph.find(A + "pPr")
        level = read_number(properties.get("lvl"), 0) if properties is not None else 0
        told = properties.find(A + "buAutoNum") if properties is not None else None
        counts = {at: of for at, of in counts.items() if at < level or (at == level and told is not None)}
        if told is None:
            yield paragraph, ""
            continue
        shape = told.get("type", "arabicPeriod")
        before, last = counts.get(level, (shape, 0))
        number = last + 1 if before == shape and last else read_number(told.get("startAt"), 1)
        counts[level] = shape, number
        yield paragraph, _written(number, shape)


def _written(number: int, shape: str) -> str:
    kind: Kind = next((kind for begins, kind in _KINDS.items() if shape.startswith(begins)), "decimal")
    text = write_number(number, kind)
    if shape.endswith("ParenBoth"):
        return f"({text})"
    return f"{text})" if shape.endswith("ParenR") else text if shape.endswith("Plain") else f"{text}."


def _kind(shape: Any) -> Any:
    return shape.placeholder_format.type if shape.is_placeholder else None
