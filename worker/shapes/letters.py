"""How French texts name the options of a question by their letters. Keys and their parsing are not here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from operator import ne

from worker.shapes.questions import LETTERS

_LIST = r"(?:[A-E](?:\s*(?:,|;|/|-|–|et|ou)\s*[A-E])+|[A-E]{1,5})(?![\w'’-])"
# "l'option B", "les propositions A, C et D", "la bonne réponse est B", "la clé ACE"
_AFTER_NOUN = (
    r"(?i:\b(?:options?|propositions?|items?|assertions?|affirmations?|r[ée]ponses?|lettres?|clés?|choix)"
    r"(?:\s+(?:correctes?|exactes?|justes?|fausses?))?(?:\s*:|\s+(?:est|sont|n°))?(?:\s+(?:la|les|le))?)\s+[«\"(]?\s*"
)
# "A et C sont exactes."
_SENTENCE_START = r"(?:^|\n|[.;!?:]\s+)"
_JUDGED = r"(?=\s+(?:est|sont)\s+(?:in)?(?:vraie?s?|fausse?s?|faux|exacte?s?|correcte?s?|justes?|erronée?s?)\b)"
_NAMED = re.compile(rf"({_AFTER_NOUN})({_LIST})|({_SENTENCE_START})({_LIST}){_JUDGED}")


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
