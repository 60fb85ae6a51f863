"""Short answers side by side: whether two surely say the same, or surely something else. Most pairs are neither."""

from __future__ import annotations

import re
import unicodedata

# Words that change nothing between two short answers. "ou", "sans", "non", "pas" and the like are not among them,
# nor are single letters: "hépatite A" is not "hépatite".
_EMPTY_WORDS = frozenset(
    (
        *("le", "la", "les", "un", "une", "des", "du", "de", "au", "aux", "à", "en", "et", "dans", "par", "pour"),
        *("sur", "avec", "chez", "est", "sont", "il", "elle", "agit", "ce", "cette", "son", "sa", "ses", "leur"),
        *("leurs", "qui"),
    )
)
# What gives its sense to the word after it: "pas de fièvre, toux" is not "fièvre, pas de toux".
_BOUND_WORDS = frozenset(
    (
        *("pas", "non", "sans", "ni", "ne", "aucun", "aucune", "jamais", "absence", "sauf", "hors", "plus", "moins"),
        *("ou", "<", ">", "≤", "≥", "=", "±", "+", "-"),
    )
)
# Where the order of the words is the answer itself.
_ORDER_WORDS = ("avant", "après", "puis", "supérieur", "supérieure", "inférieur", "inférieure", "vers")
_ELISION = re.compile(r"\b(?:qu|[cdjlmst])['’]", re.IGNORECASE)
_TOKEN = re.compile(r"\d+(?:[.,]\d+)?|[^\W\d_]+|[<>≤≥=±%+]|(?<![^\s(])-(?=\d)")
_NEGATIONS = frozenset(("pas", "non", "sans", "ni", "aucun", "aucune", "jamais", "absence"))
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
LONGEST_ABBREVIATION = 6
STEM = 4  # letters at the beginning that two forms of one word share: "testicule", "testiculaire"


def same_answer(one: str, other: str) -> bool:
    """Whether two short answers surely say the same: same content words, numbers, signs and negations.

    Strict on purpose: two answers that agree become a key, so a doubt counts as a difference.
    """
    words, other_words = _content_words(one), _content_words(other)
    if not words or not other_words:
        return False
    if {_stem(word) for word in _ORDER_WORDS} & {*words, *other_words}:
        return words == other_words
    return set(words) == set(other_words)


def is_other_answer(one: str, other: str) -> bool:
    """Whether two short answers say different things: other numbers, a negation more, or no word in common.

    "HTA" and "hypertension artérielle", "torsion testiculaire" and "torsion du cordon spermatique" may be the same.
    """
    words, other_words = _plain_words(one), _plain_words(other)
    if not words or not other_words or same_answer(one, other):
        return False
    numbers, other_numbers = ({_number(n) for n in _NUMBER.findall(text)} for text in (one, other))
    if numbers and other_numbers and not numbers & other_numbers:
        # "0,5 g" may be "500 mg": numbers are compared where the unit is the same.
        units, other_units = ({w for w in found if not w[0].isdigit()} for found in (words, other_words))
        return bool(units & other_units) or not (units or other_units)
    if set(words) == set(other_words):
        return _signs(one) != _signs(other)
    return not (
        _share_a_word(words, other_words) or _abbreviates(words, other_words) or _abbreviates(other_words, words)
    )


def _content_words(answer: str) -> list[str]:
    """Content words without accents, case or plural, each with the numbers, signs and negations that precede it."""
    text = re.sub(r"\bn['’]", "ne ", unicodedata.normalize("NFC", answer).casefold())
    words: list[str] = []
    bound: list[str] = []
    for token in _TOKEN.findall(_ELISION.sub("", text)):
        if token in _EMPTY_WORDS:
            continue
        word = _stem(token)
        if token in _BOUND_WORDS or token[0].isdigit():
            bound.append(word)
        else:
            words.append(" ".join([*bound, word]))
            bound = []
    return [*words, " ".join(bound)] if bound else words


def _stem(token: str) -> str:
    decomposed = unicodedata.normalize("NFKD", token)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c)).replace(",", ".")
    return plain[:-1] if len(plain) > 3 and plain[-1] in "sx" else plain


def _plain_words(answer: str) -> list[str]:
    """The content words without what is bound to them."""
    words = [word.split()[-1] for word in _content_words(answer)]
    return [word for word in words if word not in _SIGNS]


def _signs(answer: str) -> set[str]:
    """What turns an answer into its contrary: negations, which are all alike, comparisons, signs."""
    bound = (token for word in _content_words(answer) for token in word.split())
    return {_SIGNS[token] for token in bound if token in _SIGNS} - {"ne"}


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _share_a_word(words: list[str], other_words: list[str]) -> bool:
    starts = {word[:STEM] for word in words}
    return any(word[:STEM] in starts for word in other_words)


def _abbreviates(words: list[str], long: list[str]) -> bool:
    """Whether a word of the one may stand for all of the other: "avc", "hta", "hypertension artérielle"."""
    letters = "".join(long)
    return any(1 < len(word) <= LONGEST_ABBREVIATION and _is_taken_from(word, letters) for word in words)


def _is_taken_from(word: str, letters: str) -> bool:
    """Whether the letters of the word stand in `letters` in this order, the first one first."""
    rest = iter(letters[1:])
    return word[0] == letters[0] and all(letter in rest for letter in word[1:])


_SIGNS = {_stem(word): "non" if word in _NEGATIONS else word for word in _BOUND_WORDS}
