"""What a course file holds, by its kind, read here and now. Which lines count is not said here."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

from worker.courses.document import ExtractedDocument
from worker.errors import UsageError

MAX_FILE_MB = 512
MAX_TEXT_MB = 50  # of plain text, which is all words
MAX_UNPACKED_MB = 200  # of the XML inside an Office file: 100,000 pages of text
MAX_PARTS = 50_000
_MB = 1024 * 1024

SCAN = "it is a scan without text: run a text recognition over it (OCR) first"
NO_TEXT = "it holds no text"
MISSING = "needs a library of the extra `ingest`: pip install 'medq-worker[ingest]'"


def _read_pdf(data: bytes) -> ExtractedDocument:
    from worker.courses.extract.pdf import read_pdf

    return read_pdf(data)


def _read_docx(data: bytes) -> ExtractedDocument:
    from worker.courses.extract.word import read_docx

    return read_docx(data)


def _read_pptx(data: bytes) -> ExtractedDocument:
    from worker.courses.extract.powerpoint import read_pptx

    return read_pptx(data)


def _read_html(data: bytes) -> ExtractedDocument:
    from worker.courses.extract.html import read_html

    return read_html(data)


def _read_markdown(data: bytes) -> ExtractedDocument:
    from worker.courses.extract.markdown import read_markdown

    return read_markdown(data)


def _read_text(data: bytes) -> ExtractedDocument:
    from worker.courses.extract.text import read_text

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
OFFICE = frozenset((".docx", ".pptx"))
PLAIN = SUFFIXES - OFFICE - {".pdf"}

# How files begin that are something else than their name says.
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BEGINNINGS: tuple[tuple[bytes, str, frozenset[str]], ...] = (
    (b"%PDF-", "a PDF", frozenset((".pdf",))),
    (b"PK\x03\x04", "an archive or an Office file", OFFICE),
    (_OLE, "an old .doc or .ppt file", frozenset()),
    (b"{\\rtf", "an RTF file", frozenset()),
    (b"\x89PNG", "an image", frozenset()),
    (b"\xff\xd8\xff", "an image", frozenset()),
    (b"GIF8", "an image", frozenset()),
)
# Bytes that stand in no text; UTF-16 has zeros.
_BINARY = bytes(set(range(1, 32)) - set(b"\t\n\v\f\r\x1b"))


def check_size(path: Path, size: int) -> None:
    """Whether a file is of a kind and a size to be read. Raises `UsageError` with one sentence."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path.suffix or 'a file without extension'} is not read; {', '.join(sorted(SUFFIXES))} are")
    most = MAX_TEXT_MB if suffix in PLAIN else MAX_FILE_MB
    if size > most * _MB:
        raise UsageError(f"it has {size // _MB} MB, and {most} are read: cut it into parts")


def extract_document(path: Path, data: bytes) -> ExtractedDocument:
    """The text of a file, by its extension.

    Raises `UsageError` with one sentence for whatever cannot be read: another kind, a damaged or locked file, one
    whose author forbids extraction, one without text, one that unpacks without end.
    """
    check_size(path, len(data))
    if not data:
        raise UsageError("it is empty")
    suffix = path.suffix.lower()
    _check_beginning(suffix, data)
    try:
        if suffix in OFFICE:
            _check_archive(data)
        document = _READERS[suffix](data)
    except UsageError:
        raise
    except ImportError as error:
        raise UsageError(f"{error.name} is missing: this kind of file {MISSING}") from None
    except (Exception, MemoryError) as error:
        raise UsageError(f"it is damaged, or no {suffix[1:]} file ({type(error).__name__})") from error
    if not any(line.text.strip() for page in document.pages for line in page.lines):
        raise UsageError(NO_TEXT if not document.is_typeset else SCAN)
    return document


def _check_beginning(suffix: str, data: bytes) -> None:
    """Refuse a file that is not what its name says, before its bytes are taken for words."""
    if suffix in OFFICE and data.startswith(_OLE) and "EncryptedPackage".encode("utf-16-le") in data:
        raise UsageError("it is locked with a password: save it without one")
    for beginning, kind, suffixes in _BEGINNINGS:
        if data.startswith(beginning) and suffix not in suffixes:
            raise UsageError(f"it is {kind} in spite of its name: save it as one of the kinds that are read")
    sample = data[:65536]
    if suffix in PLAIN and len(sample) - len(sample.translate(None, _BINARY)) > len(sample) // 50:
        raise UsageError("it is no text in spite of its name")


def _check_archive(data: bytes) -> None:
    """Refuse a file that would fill the memory once unpacked. What unpacks to more than it declares fails by itself."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
    words = sum(part.file_size for part in parts if part.filename.endswith((".xml", ".rels")))
    if words > MAX_UNPACKED_MB * _MB or sum(p.file_size for p in parts) > 4 * MAX_FILE_MB * _MB:
        raise UsageError(f"it unpacks to more than the {MAX_UNPACKED_MB} MB that are read")
    if len(parts) > MAX_PARTS:
        raise UsageError(f"it holds more than {MAX_PARTS} parts")
