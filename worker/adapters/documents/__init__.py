"""Course files become lines of text, each kind through its own library. Which lines count is not said here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from worker.errors import UsageError
from worker.shapes.courses import ExtractedDocument

__all__ = ["SUFFIXES", "extract_document"]

MISSING = "needs a library of the extra `ingest`: pip install 'medq-worker[ingest]'"


def _read_pdf(data: bytes) -> ExtractedDocument:
    from worker.adapters.documents.pdf import read_pdf

    return read_pdf(data)


def _read_docx(data: bytes) -> ExtractedDocument:
    from worker.adapters.documents.office import read_docx

    return read_docx(data)


def _read_pptx(data: bytes) -> ExtractedDocument:
    from worker.adapters.documents.office import read_pptx

    return read_pptx(data)


def _read_html(data: bytes) -> ExtractedDocument:
    from worker.adapters.documents.html import read_html

    return read_html(data)


def _read_markdown(data: bytes) -> ExtractedDocument:
    from worker.adapters.documents.text import read_markdown

    return read_markdown(data)


def _read_text(data: bytes) -> ExtractedDocument:
    from worker.adapters.documents.text import read_text

    return read_text(data)


_READERS: dict[str, Callable[[bytes], ExtractedDocument]] = {
    ".pdf": _read_pdf,
    ".docx": _read_docx,
    ".pptx": _read_pptx,
    ".html": _read_html,
    ".htm": _read_html,
    ".md": _read_markdown,
    ".markdown": _read_markdown,
    ".txt": _read_text,
}
SUFFIXES = frozenset(_READERS)


def extract_document(path: Path, data: bytes) -> ExtractedDocument:
    """The text of a file, by its extension.

    Raises `UsageError` with one sentence for whatever cannot be read: another kind, a damaged or locked file, one
    whose author forbids extraction, one without text.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path.suffix or 'a file without extension'} is not read; {', '.join(sorted(SUFFIXES))} are")
    if not data:
        raise UsageError("it is empty")
    try:
        document = reader(data)
    except UsageError:
        raise
    except ImportError as error:
        raise UsageError(f"{error.name} is missing: this kind of file {MISSING}") from None
    except Exception as error:
        raise UsageError(f"it is damaged, or no {path.suffix.lower()[1:]} file ({type(error).__name__})") from error
    if not any(line.text.strip() for page in document.pages for line in page.lines):
        scanned = document.is_typeset
        raise UsageError(
            "it is a scan without text: run a text recognition over it (OCR) first" if scanned else "it holds no text"
        )
    return document
