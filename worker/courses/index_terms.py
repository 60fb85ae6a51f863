"""How stems and vectors stand in the index of course passages. No database here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from worker.courses.document import INDEX_VERSION

# A stem is stored once more at so many occurrences, so that the index alone tells how often it stands in a passage.
LEVELS = (2, 4)
# Before every stem, a letter for the version of the index: the stems of another version are other words.
PREFIX = chr(ord("a") + INDEX_VERSION - 1)
# Stems of the version before, which had no prefix at first.
OLDER_STEM = r"^[^_]+$" if INDEX_VERSION == 2 else f"^{chr(ord(PREFIX) - 1)}[0-9]*_"
MOST_POSITIONS = 255  # of one lexeme in a tsvector


def stored_stem(term: str, level: int = 1) -> str:
    """A stem as it is stored. No stem of the first version of the index holds an underscore."""
    return f"{PREFIX}{'' if level == 1 else level}_{term}"


def own_stem(stored: str) -> str:
    """The stem that is stored so, without what stands before it."""
    return stored.partition("_")[2]


def lexemes(terms: Mapping[str, int]) -> str:
    """A passage's stems as the text of a tsvector: as many positions as there are occurrences, and the levels."""
    parts = []
    for term, count in sorted(terms.items()):
        positions = ",".join(map(str, range(1, min(count, MOST_POSITIONS) + 1)))
        parts.append(f"{stored_stem(term)}:{positions}")
        parts += [stored_stem(term, level) for level in LEVELS if count >= level]
    return " ".join(parts)


def vector_text(vector: Sequence[float]) -> str:
    """A vector as pgvector reads it."""
    return "[" + ",".join(f"{value:.7g}" for value in vector) + "]"
