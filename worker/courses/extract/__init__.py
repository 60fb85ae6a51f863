"""Course files become lines of text, each kind through its own library, in a process of their own."""

from worker.courses.extract.child import DocumentReader
from worker.courses.extract.reading import NO_TEXT, SCAN, SUFFIXES, check_size, extract_document

__all__ = ["NO_TEXT", "SCAN", "SUFFIXES", "DocumentReader", "check_size", "extract_document"]
