"""Which letters of a sentence name an answer that is to be given, and which leave it open."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from worker.courses.orders.forms import roles

LETTERS = "ABCDEFGHIJ"
# After a letter: it is told of, or right in one case only.
_CONDITIONS = frozenset(("=", "si", "if", "quand", "lorsque", "when"))
_LISTED = frozenset(("stop", "and"))
_BEFORE_SMALL = frozenset(("give", "hand", "reply", "answer", "always", "named", "answers", "key", "fill"))
_SENTENCE_END = frozenset((".", "!", "?", "…"))
_ARTICLES = frozenset(("le", "la", "les", "l", "un", "une", "des", "ce", "cet", "cette", "the"))
_MOST = 5  # letters of one answer
_FARTHEST_OR = 3  # words from a letter to the next: `A (vrai) ou B`


def read_letters(words: Sequence[str], told: list[str]) -> None:
    """Mark each letter that names an answer, and those that leave it open: `A, B ou C`, `A si …, B si …`.

    Each is judged by itself: another letter in the sentence says nothing about this one.
    """
    short = [(n, word) for n, word in enumerate(words) if len(word) == 1 or (len(word) <= _MOST and word.isupper())]
    places = [n for n, word in short if _is_capital(words, n) or _is_small(word, n, words, told)]
    listed = _find_listed(places, words, told)
    for place in places:
        told[place] = "open" if place in listed or _is_told_of(place, words, told) else "letter"


def _is_told_of(place: int, words: Sequence[str], told: Sequence[str]) -> bool:
    """`A si …`, `A pour vrai`."""
    is_mark = told[place + 1 : place + 2] == ["toward"] and told[place + 2 : place + 3] in (["true"], ["false"])
    return is_mark or (place + 1 < len(words) and words[place + 1].lower() in _CONDITIONS)


def _find_listed(places: Sequence[int], words: Sequence[str], told: Sequence[str]) -> set[int]:
    """Those to choose from: before or after an `ou`, with all that stand in the same list."""
    listed: set[int] = set()
    for first, second in reversed(list(pairwise(places))):
        between = told[first + 1 : second]
        is_or = len(between) <= _FARTHEST_OR and ("or" in between[-2:] or "/" in words[first + 1 : second])
        if is_or or between == ["toward"]:
            listed |= {first, second}
        elif second in listed and between and _LISTED.issuperset(between):
            listed.add(first)
    return listed


def _is_capital(words: Sequence[str], n: int) -> bool:
    """`A`, `BD`. Before an article or a word in capitals `A` is `À` as typed on old machines."""
    word, following = words[n], words[n + 1] if n + 1 < len(words) else ""
    if not set(word) <= set(LETTERS) or len(set(word)) < len(word):
        return False
    if word != "A":
        return len(word) == 1 or word.lower() not in roles()  # `IA` is a machine
    is_shouted = following.isupper() and len(following) > 1
    return not is_shouted and following not in _ARTICLES and roles().get(following) not in ("every", "each", "your")


def _is_small(word: str, n: int, words: Sequence[str], told: Sequence[str]) -> bool:
    """`réponds toujours a.`: at the end of the sentence, for `a` and `d` are words too."""
    if len(word) != 1 or word.upper() not in LETTERS or word.isupper() or n == 0 or told[n - 1] not in _BEFORE_SMALL:
        return False
    if told[n - 1] == "fill" and word == "a":
        return False
    is_last = n + 1 == len(words) or words[n + 1] in _SENTENCE_END
    return is_last or (word in "be" and told[n - 1] != "fill")
