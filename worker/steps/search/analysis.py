"""French medical words into stems: accents folded, abbreviations written out, endings taken off.

The same for courses and for questions, so that what either writes with or without accents, in the plural or
abbreviated, meets.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.resources import files

MAX_TERM = 40
MIN_STEM = 4

_LETTERS = {"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o", "ð": "d", "þ": "th", "ł": "l"}
# Numbers keep their decimals; β-lactamines, T4 and CO2 are words.
_WORD = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")

# Longest first; what an ending becomes keeps apart words that only look alike. After Savoy's light stemmer
# (Light stemming approaches for the French, Portuguese, German and Hungarian languages, 2006), on folded words and
# with the endings of medical adjectives.
_ENDINGS: tuple[tuple[str, str, int], ...] = (
    ("issement", "", 4),
    ("ellement", "", 4),
    ("ivement", "", 4),
    ("iquement", "", 4),
    ("isation", "", 4),
    ("atrice", "", 4),
    ("ateur", "", 4),
    ("ation", "", 4),
    ("ition", "", 4),
    ("ement", "", 4),
    ("ieuse", "", 4),
    ("ielle", "", 4),
    ("iaque", "", 4),
    ("iale", "", 4),
    ("ieux", "", 4),
    ("iaux", "", 4),
    ("euse", "", 4),
    ("elle", "", 5),
    ("ance", "", 5),
    ("ence", "", 5),
    ("ante", "", 5),
    ("ente", "", 5),
    ("ique", "", 4),
    ("aire", "", 5),
    ("iel", "", 4),
    ("ial", "", 4),
    ("ion", "", 4),
    ("eux", "", 4),
    ("aux", "", 4),
    ("ale", "", 4),
    ("ive", "", 4),
    ("ant", "", 5),
    ("ent", "", 5),
    ("eur", "", 5),
    ("ite", "it", 3),
    ("al", "", 4),
    ("el", "", 5),
    ("if", "", 4),
    ("ie", "", 4),
    ("er", "", 4),
    ("ee", "", 4),
    ("e", "", 4),
    ("i", "", 4),
)


def fold(text: str) -> str:
    """Lower case, without accents or ligatures; every other sign stays."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return "".join(_LETTERS.get(c, c) for c in plain)


def index_terms(text: str) -> frozenset[str]:
    """The stems of a passage, each once."""
    return frozenset(stem_words(text))


def stem_words(text: str) -> Iterator[str]:
    """The stems of a text in its order: no empty words, abbreviations written out."""
    for found in _WORD.finditer(text):
        yield from _stems_of(found[0])


@lru_cache(maxsize=200_000)
def _stems_of(word: str) -> tuple[str, ...]:
    expansion = _expand(word)
    if expansion is not None:
        return tuple(stem_words(expansion))
    folded = fold(word)
    if _NUMBER.fullmatch(folded):
        # One digit says nothing; 0,5 and 0.5 are the same.
        return (folded.replace(",", "."),) if len(folded) > 1 else ()
    folded = "".join(c for c in folded if c.isalnum())  # some signs of other scripts fold into several words
    if len(folded) < 2 or folded in empty_words():
        return ()
    found = stem(equivalents().get(folded, folded))
    return (found[:MAX_TERM],)


def _expand(word: str) -> str | None:
    found = abbreviations().get(fold(word))
    if found is None:
        return None
    words, only_capitals = found
    return None if only_capitals and not word.isupper() else words


def stem(word: str) -> str:
    """The stem of one folded word. What remains has at least three letters; words with digits stay whole."""
    if not word.isalpha() or len(word) <= 3:
        return word
    if word.endswith("aux") and len(word) > 5:
        word = word[:-1] if word.endswith("eaux") else word[:-3] + "al"
    elif word[-1] in "sx" and word[-2:] not in ("ss", "us", "is", "ix", "ux", "os", "as"):
        word = word[:-1]
    for ending, instead, least in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= least:
            word = word[: len(word) - len(ending)] + instead
            break
    return word


@cache
def empty_words() -> frozenset[str]:
    """Folded words that neither a question nor a passage is about."""
    lines = _data("empty_words.txt").splitlines()
    return frozenset(fold(word) for line in lines if not line.startswith("#") for word in line.split())


@cache
def equivalents() -> dict[str, str]:
    """Folded word → the word that stands for its notion."""
    lines = [line.split() for line in _data("equivalents.txt").splitlines() if line and not line.startswith("#")]
    return {fold(word): fold(words[0]) for words in lines for word in words}


@cache
def abbreviations() -> dict[str, tuple[str, bool]]:
    """Folded abbreviation → what it stands for, and whether it is one in capitals only (`IRA`, not `ira`)."""
    rows = csv.DictReader(_data("abbreviations.csv").splitlines())
    return {fold(row["abbreviation"]): (row["words"], row["capitals"] == "yes") for row in rows}


def _data(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
