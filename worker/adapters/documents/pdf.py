"""PDF through PDFium: the lines of each page as they are printed."""

from __future__ import annotations

import pypdfium2
import pypdfium2.raw as pdfium

from worker.adapters.documents.signs import restore_symbols
from worker.errors import UsageError
from worker.shapes.courses import ExtractedDocument, Line, Page

MAY_EXTRACT = 1 << 4  # permission bit 5 of ISO 32000-1, table 22
MAX_PAGES = 5_000
HYPHEN = "\ufffe"  # what PDFium puts for a hyphen at the end of a line


def read_pdf(data: bytes) -> ExtractedDocument:
    """Every page, numbered from 1. Raises `UsageError` when a password is wanted or extraction is forbidden."""
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise UsageError("it is locked with a password: save it without one") from error
        raise
    try:
        if not pdfium.FPDF_GetDocPermissions(document.raw) & MAY_EXTRACT:
            raise UsageError("its author forbids taking text out of it: ask for a copy that allows it")
        if len(document) > MAX_PAGES:
            raise UsageError(f"it has {len(document):,} pages, and {MAX_PAGES:,} are read: cut it into parts")
        pages = tuple(_read_page(document, index) for index in range(len(document)))
    finally:
        document.close()
    return ExtractedDocument(pages, is_typeset=True)


def _read_page(document: pypdfium2.PdfDocument, index: int) -> Page:
    page = document[index]
    text = page.get_textpage()
    try:
        lines = text.get_text_range().replace("\x02", HYPHEN).splitlines()
    finally:
        text.close()
        page.close()
    return Page(index + 1, tuple(Line(restore_symbols(line)) for line in lines))
