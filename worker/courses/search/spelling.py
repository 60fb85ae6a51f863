"""What a word of a question stands for that no passage holds: a misspelled one, or none that the courses know.

A word with one or two mistakes keeps its first letter, and either its beginning or its end is whole: the words that
share one of them are few, are read by an index, and are then compared letter by letter. Nothing is read here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from worker.courses.search.analysis import asking_words, empty_words, equivalents, fold, stem, stem_words

# A shorter stem has a neighbour by chance as often as not: it is taken for none.
SHORTEST = 6
# Of a still shorter one it cannot even be told whether it is misspelled.
SHORTEST_KNOWN = 5
ANY = 9  # of so many letters, any one may be wrong: few words are so near another
LONG = 10  # two letters may differ
# Vowels and letters that are heard alike.
_SOUNDS = str.maketrans({**dict.fromkeys("aeiouy", "a"), **dict.fromkeys("ckqszx", "c"), "h": "", "n": "m", "d": "t"})
_DOUBLED = re.compile(r"(.)\1+")


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Where the words are that a stem may be a misspelling of: they have one of its two ends, and so many letters."""

    stem: str
    beginning: str
    end: str
    lengths: range


@dataclass(frozen=True, slots=True)
class Spelling:
    """What the words of a batch stand for that no passage holds.

    `meant`: the stem that is meant, empty for a word that says nothing. `unsure`: words that may be misspelled, or may
    be a subject that no course has. All others are no word of the courses, however it may be spelled.
    """

    meant: Mapping[str, str] = field(default_factory=dict)
    unsure: frozenset[str] = frozenset()


def neighbourhood(asked: str) -> Neighbourhood | None:
    """Where to look for the word that is meant, or None where it is not looked for.

    One mistake, two letters that changed places among them, leaves the first half whole, or what comes after the letter
    that follows it. Two leave the first third or the last whole, unless they stand in both.
    """
    mistakes = _most_mistakes(asked)
    if not mistakes:
        return None
    kept = len(asked) // 2 if mistakes == 1 else len(asked) // 3
    end = asked[kept + 1 :] if mistakes == 1 else asked[-kept:]
    return Neighbourhood(asked, asked[:kept], end, range(len(asked) - mistakes, len(asked) + mistakes + 1))


def spell(unknown: Iterable[str], neighbours: Mapping[str, Mapping[str, int]]) -> Spelling:
    """What each of these stems stands for. `neighbours`: words of the courses like it, and in how many passages."""
    meant: dict[str, str] = {}
    unsure: set[str] = set()
    for asked in unknown:
        listed = _listed().get(asked[0], {})
        if asked in listed:
            meant[asked] = listed[asked]
            continue
        words = {**dict.fromkeys(listed, 0), **neighbours.get(asked, {})}
        nearest = _nearest(asked, words)
        if nearest is not None and len(asked) >= SHORTEST:
            meant[asked] = listed.get(nearest, nearest)
        elif nearest is not None or (asked.isalpha() and len(asked) < SHORTEST_KNOWN):
            unsure.add(asked)
    return Spelling(meant, frozenset(unsure))


def _most_mistakes(asked: str) -> int:
    """How many letters may be wrong in it: none of a short one, nor of what is not written in letters."""
    if not (asked.isascii() and asked.isalpha()) or len(asked) < SHORTEST_KNOWN:
        return 0
    return 2 if len(asked) >= LONG else 1


def _nearest(asked: str, words: Mapping[str, int]) -> str | None:
    """The word with the fewest mistakes between, of several the commonest. All begin with the same letter."""
    from rapidfuzz.distance import OSA  # imported once there is a word to look for

    most = _most_mistakes(asked)
    near = [
        (distance, -passages, word)
        for word, passages in words.items()
        if (distance := OSA.distance(asked, word, score_cutoff=most)) <= most and _is_slip(asked, word, distance)
    ]
    return min(near)[2] if most and near else None


def _is_slip(asked: str, word: str, mistakes: int) -> bool:
    """Whether somebody who means the word writes the other.

    A letter is left out or doubled, changes places with the next, or is one that sounds alike; of two mistakes one is
    so. Any other letter makes another word: `diabète` and `diamètre`.
    """
    from rapidfuzz.distance import OSA

    heard, other = _heard(asked), _heard(word)
    if mistakes > 1:
        return OSA.distance(heard, other, score_cutoff=1) <= 1
    return len(asked) >= ANY or len(asked) < len(word) or heard == other or sorted(asked) == sorted(word)


def _heard(word: str) -> str:
    """Roughly as it sounds: one vowel, one of the letters that sound alike, none of them doubled (`apphasie`)."""
    once = _DOUBLED.sub(r"\1", word)
    return _DOUBLED.sub(r"\1", once.replace("ph", "f").translate(_SOUNDS))


@cache
def _listed() -> Mapping[str, Mapping[str, str]]:
    """By first letter: words that are asked of any subject, or say nothing, and their stems → the stem that is meant,
    empty for none.

    Questions hold more forms of them than the lists do: `parmis`, `au cour de`, `comportent`, `adpter`.
    """
    words = sorted({fold(word) for word in (*equivalents(), *asking_words(), *empty_words()) if len(word) > 3})
    meant = {word: tuple(stem_words(word)) for word in words}
    spellings = {**{stem(word): word for word in words}, **{word: word for word in words}}
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for spelling, word in spellings.items():
        if len(meant[word]) < 2:
            found[spelling[0]][spelling] = "".join(meant[word])
    return found
