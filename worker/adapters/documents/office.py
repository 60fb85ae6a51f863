"""Word and PowerPoint files. Headers and footers are parts of their own in these formats, and are not read."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

import docx
import pptx
from docx.table import Table
from docx.text.paragraph import Paragraph
from pptx.enum.shapes import PP_PLACEHOLDER

from worker.shapes.courses import ExtractedDocument, Line, Page

HEADING_STYLES = ("heading", "titre", "title")
# Slide numbers, dates and footers say nothing of the subject.
FURNITURE = (PP_PLACEHOLDER.SLIDE_NUMBER, PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.HEADER)
TITLES = (PP_PLACEHOLDER.TITLE, PP_PLACEHOLDER.CENTER_TITLE)


def read_docx(data: bytes) -> ExtractedDocument:
    """Paragraphs and tables in the order of the document; Word keeps no page numbers."""
    document = docx.Document(io.BytesIO(data))
    return ExtractedDocument((Page(None, tuple(_block_lines(document.iter_inner_content()))),))


def _block_lines(blocks: Iterable[Any]) -> Iterator[Line]:
    for block in blocks:
        if isinstance(block, Paragraph):
            style = (block.style.name or "").lower() if block.style is not None else ""
            yield Line(block.text, is_heading=style.startswith(HEADING_STYLES))
        elif isinstance(block, Table):
            for row in block.rows:
                yield Line(_row_text(cell.text for cell in row.cells))


def _row_text(cells: Iterable[str]) -> str:
    """The cells of one row; a merged cell comes once for each place it covers."""
    texts: list[str] = []
    for cell in cells:
        text = " ".join(cell.split())
        if text and (not texts or texts[-1] != text):
            texts.append(text)
    return " | ".join(texts)


def read_pptx(data: bytes) -> ExtractedDocument:
    """One page for each slide: its title, its texts and tables, then the speaker's notes."""
    slides = pptx.Presentation(io.BytesIO(data)).slides
    return ExtractedDocument(tuple(Page(number, tuple(_slide_lines(s))) for number, s in enumerate(slides, start=1)))


def _slide_lines(slide: Any) -> Iterator[Line]:
    title = slide.shapes.title
    if title is not None and title.text_frame.text.strip():
        yield Line(" ".join(title.text_frame.text.split()), is_heading=True)
    yield from _shape_lines(shape for shape in slide.shapes if _kind(shape) not in TITLES)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        yield from _frame_lines(slide.notes_slide.notes_text_frame)


def _shape_lines(shapes: Iterable[Any]) -> Iterator[Line]:
    for shape in shapes:
        if _kind(shape) in FURNITURE:
            continue
        if hasattr(shape, "shapes"):
            yield from _shape_lines(shape.shapes)
        elif shape.has_text_frame:
            yield from _frame_lines(shape.text_frame)
        elif shape.has_table:
            for row in shape.table.rows:
                yield Line(_row_text(cell.text_frame.text for cell in row.cells))


def _frame_lines(frame: Any) -> Iterator[Line]:
    for paragraph in frame.paragraphs:
        yield Line(paragraph.text)


def _kind(shape: Any) -> Any:
    return shape.placeholder_format.type if shape.is_placeholder else None
