"""Course files become lines of text, each kind through its own library, in a process of their own."""

from worker.adapters.documents.child import DocumentReader
from worker.adapters.documents.reading import NO_TEXT, SCAN, SUFFIXES, check_size, extract_document

__all__ = ["NO_TEXT", "SCAN", "SUFFIXES", "DocumentReader", "check_size", "extract_document"]
