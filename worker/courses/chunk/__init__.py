"""The lines of a document into passages: layout off, words and sentences whole, then cut to their size."""

from worker.courses.chunk.passages import MAX_CHARACTERS, MIN_CHARACTERS, chunk_document

__all__ = ["MAX_CHARACTERS", "MIN_CHARACTERS", "chunk_document"]
