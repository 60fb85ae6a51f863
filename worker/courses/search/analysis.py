"""French medical words into stems: accents folded, abbreviations written out, endings taken off by snowball.

The same for courses and for questions, so that what either writes with or without accents, in the plural or
abbreviated, meets. PostgreSQL's own `french_stem` is not used: its stems change with the server's version, beside an
index that stays as it was written.
"""

from __future__ import annotations

import csv
import itertools
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

MAX_TERM = 40

_LETTERS = {"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o", "ð": "d", "þ": "th", "ł": "l"}
_JOINED = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE"})  # they count as two letters
# Numbers keep their decimals; β-lactamines, T4 and CO2 are words.
_WORD = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+")
# The mark of a note behind a word is none of its letters: `programme¹`; `cm³` is one word.
_NOTED = re.compile(r"(?<=[^\W\d_]{3})[⁰¹²³⁴-⁹]{1,3}$")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_COMPOUND = re.compile(r"(?<![\w-])[^\W\d_]{2,}(?:[-‐‑][^\W\d_]{2,})+(?![\w-])")
# "v2", "s1", "ue3", "2e", "1ere": what files and folders are counted by.
_COUNTED = re.compile(r"(?:v|s|t|n|no|ue|dcem|pcem|dfgsm|dfasm|fr|item)\d+|\d+(?:e|er|ere|eme|[a-z])|[ivx]+")
# A plural is its singular, whatever snowball takes its end for: `nourrissons` for a verb, `tissus` and `portraits` for
# other words than `tissu` and `portrait`.
_PLURAL = re.compile(r"(?<=...[^s])s$")
# Without its accent snowball does not know `régulière` for `régulier`; it leaves a short `massive` beside `massif`.
_FEMININE = (
    (re.compile(r"(?<=....)ee$"), "e"),
    (re.compile(r"(?<=...)iere$"), "ier"),
    (re.compile(r"(?<=...)ive$"), "if"),
)
# Adjectives of medicine that snowball leaves beside their nouns: artériel, artérielles; infectieux, infectieuse.
_ADJECTIVE = re.compile(r"(?<=...[^t])iel$|(?<=....)ieux$|(?<=...ct)i$")
_LOCK = threading.Lock()


def fold(text: str) -> str:
    """Lower case, without accents or ligatures; every other sign stays."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return "".join(_LETTERS.get(c, c) for c in plain)


def index_terms(text: str) -> Counter[str]:
    """The stems of a passage, compounds as one word among them, and how often each stands there."""
    return Counter(itertools.chain(stem_words(text), (joined for joined, _ in compounds(text))))


def compounds(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Of words with a hyphen: the stem that they have as one word, and those of their parts.

    `alterno-barique` is written `alternobarique` too. `peut-être`, `faut-il`, `celui-ci` are no compounds.
    """
    for found in _COMPOUND.finditer(text.translate(_JOINED)):
        words = re.split("[-‐‑]", found[0])
        parts = [_stems_of(word) for word in words]
        if all(len(part) == 1 for part in parts):  # neither an empty word among them nor an abbreviation
            joined = _stems_of("".join(words))
            if len(joined) == 1:
                yield joined[0], tuple(part[0] for part in parts)


def stem_words(text: str) -> Iterator[str]:
    """The stems of a text in its order: no empty words, abbreviations written out."""
    for found in _WORD.finditer(text):
        yield from _stems_of(found[0])


def spelled_out(text: str) -> Iterator[str]:
    """The stems of what its abbreviations stand for."""
    for found in _WORD.finditer(text):
        if (words := _expand(found[0])) is not None:
            yield from stem_words(words)


@lru_cache(maxsize=200_000)
def _stems_of(word: str) -> tuple[str, ...]:
    word = _NOTED.sub("", word)
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
    return (families().get(found, found)[:MAX_TERM],)


def _expand(word: str) -> str | None:
    found = abbreviations().get(fold(word))
    if found is None:
        return None
    words, only_capitals = found
    return None if only_capitals and not word.isupper() else words


def stem(word: str) -> str:
    """The stem of one folded word; words with digits, and of up to three letters, stay whole.

    Snowball takes no accents for granted here: folding comes first, so that a word has one stem however it was typed.
    `vaccinee` is then a feminine participle that it does not know, and becomes `vaccine`.
    """
    if not word.isalpha() or len(word) <= 3:
        return word
    bare = _PLURAL.sub("", word)
    for feminine, masculine in _FEMININE:
        bare = feminine.sub(masculine, bare)
    return _ADJECTIVE.sub("", snowball(bare))


def snowball(word: str) -> str:
    """What the French snowball stemmer alone makes of a lower-case word."""
    with _LOCK:  # the stemmer keeps the word it works on
        found: str = _stemmer().stemWord(word)
    return found


@cache
def _stemmer() -> Any:
    # The package holds thirty languages: it is imported once there is a word to stem. The class is named itself, for
    # the package's own door would take another implementation, of another version, where one is installed.
    from snowballstemmer.french_stemmer import FrenchStemmer

    return FrenchStemmer()


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
def families() -> dict[str, str]:
    """Stem → the one that stands for its notion: of `rénal` that of `rein`, of `saignement` that of `hémorragie`."""
    lines = [line.split() for line in _data("families.txt").splitlines() if line and not line.startswith("#")]
    return {stem(fold(word)): stem(fold(words[0])) for words in lines for word in words}


@cache
def asking_words() -> frozenset[str]:
    """What is asked of a subject, whatever the subject: `traitement`, `définition`, `évoquer`, `évoquent`."""
    names = ("asking_words.txt", "asking_verbs.txt")
    lines = [line for name in names for line in _data(name).splitlines() if not line.startswith("#")]
    return frozenset(form for line in lines for word in line.split() for form in _forms(word))


def _forms(word: str) -> Iterator[str]:
    """The word, and of a verb of the first group the forms that questions have, without accents."""
    yield word
    if word.endswith("er"):
        yield from (word[:-2] + ending for ending in ("e", "ent", "es", "ee", "ees", "ez", "ant"))


@cache
def asking_stems() -> frozenset[str]:
    """The stems of those words, of one with a hyphen as one word too."""
    joined = (stem for word in asking_words() for stem, _ in compounds(word))
    return frozenset((*joined, *(stem for word in asking_words() for stem in stem_words(word))))


def drop_empty_names(name: str) -> str:
    """A course's or a file's name without what says nothing: `Cours 3` and `Polycopié 2021 (1)` are empty."""
    return " ".join(word for word in _WORD.findall(name) if not _says_nothing(fold(word)))


def _says_nothing(word: str) -> bool:
    return len(word) == 1 or word.isdigit() or word in _empty_names() or bool(_COUNTED.fullmatch(word))


@cache
def _empty_names() -> frozenset[str]:
    lines = _data("empty_names.txt").splitlines()
    return frozenset(fold(word) for line in lines if not line.startswith("#") for word in line.split())


@cache
def abbreviations() -> dict[str, tuple[str, bool]]:
    """Folded abbreviation → what it stands for, and whether it is one in capitals only (`IRA`, not `ira`)."""
    rows = csv.DictReader(_data("abbreviations.csv").splitlines())
    return {fold(row["abbreviation"]): (row["words"], row["capitals"] == "yes") for row in rows}


def _data(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
