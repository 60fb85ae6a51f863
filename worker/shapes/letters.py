"""How French texts name the options of a question by their letters. Keys and their parsing are not here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from operator import ne

from worker.shapes.questions import LETTERS

# Spaces are never given back (`++`), and a list has an end: the time must not grow with the square of a text's length.
_LIST = r"(?:[A-E](?:\s*+(?:,|;|/|-|–|et|ou)\s*+[A-E]){1,20}|[A-E]{1,5})(?![\w'’-])"
# "l'option B", "les propositions A, C et D", "la bonne réponse est B", "la clé ACE"
_AFTER_NOUN = (
    r"(?i:\b(?:options?|propositions?|items?|assertions?|affirmations?|r[ée]ponses?|lettres?|clés?|choix)"
    r"(?:\s++(?:correctes?|exactes?|justes?|fausses?))?(?:\s*+:|\s++(?:est|sont|n°))?(?:\s++(?:la|les|le))?)"
    r"\s++[«\"(]?\s*+"
)
# "A et C sont exactes."
_SENTENCE_START = r"(?:^|\n|[.;!?:]\s++)"
_JUDGED = r"(?=\s++(?:est|sont)\s++(?:in)?(?:vraie?s?|fausse?s?|faux|exacte?s?|correcte?s?|justes?|erronée?s?)\b)"
_NAMED = re.compile(rf"({_AFTER_NOUN})({_LIST})|({_SENTENCE_START})({_LIST}){_JUDGED}")

# "La bonne réponse est B.", "Les réponses exactes sont donc : A, C et D." A whole sentence, or nothing is sure.
_STATED = re.compile(
    r"(?:^|\n|[.;!?]\s+)(?i:(?:donc|ainsi|au total|en conclusion|en résumé)?\s?,?\s?"
    r"(?:la|les)\s(?:seules?\s)?(?:bonnes?\sr[ée]ponses?|r[ée]ponses?\s(?:correctes?|exactes?|justes?|attendues?)|clé)"
    r"\s(?:est|sont)(?:\sdonc)?\s?:?\s?(?:(?:la|les)\s)?)"
    r"([A-E]{1,5}|[A-E](?:\s?(?:,|;|/|et)\s?[A-E]){1,4})(?=\s?(?:[.;!]|\n|$))"
)
_NEGATIVE = re.compile(
    r"(?i)\b(?:sauf|excep\w*|hormis|faux|fausses?|inexacte?s?|incorrecte?s?|erronée?s?|pas|jamais)\b"
)


def stated_key(text: str) -> frozenset[str] | None:
    """The letters that the text says in a sentence of its own to be the right answer; None when it says no such thing,
    or two.
    """
    if "ponse" not in text and "clé" not in text:  # nearly always, and a search costs ten times as much
        return None
    stated = {frozenset(c for c in match[1] if c in LETTERS) for match in _STATED.finditer(text)}
    return stated.pop() if len(stated) == 1 else None


def is_negative(stem: str) -> bool:
    """Whether a question may ask for what is wrong ("sauf", "laquelle est fausse"): "right" is then two things."""
    return _NEGATIVE.search(stem) is not None


def named_letters(text: str) -> frozenset[str]:
    """The letters that the text surely names as options; "hépatite B" and "vitamines A et D" name none."""
    found = (match[2] or match[4] for match in _NAMED.finditer(text))
    return frozenset(c for letters in found for c in letters if c in LETTERS)


def rename_letters(text: str, letters: Mapping[str, str]) -> str:
    """The text with the letters that it surely names replaced; one that `letters` does not hold stays."""

    def renamed(match: re.Match[str]) -> str:
        named = match[2] or match[4]
        return (match[1] or match[3] or "") + "".join(letters.get(c, c) if c in LETTERS else c for c in named)

    if not any(map(ne, letters.keys(), letters.values())):
        return text
    return _NAMED.sub(renamed, text)
