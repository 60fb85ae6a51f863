"""How French texts name the options of a question by their letters. Keys and their parsing are not here."""

from __future__ import annotations

import re

from worker.questions.question import LETTERS

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

# A capital or a group of capitals that stands alone, a small letter that does; of the small "a", which is a verb, only
# what a list or a noun makes a letter.
_POSSIBLE = re.compile(
    r"(?<![\w'’])[A-J]{1,10}(?![\w'’])"
    r"|(?<![\w'’])[b-j](?![\w'’])"
    r"|(?<![\w'’])a\s?[).,;/+]"
    r"|(?i:\b(?:options?|propositions?|items?|assertions?|affirmations?|r[ée]ponses?|lettres?|clés?|choix)\sa\b)"
)

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


def may_name_letters(text: str) -> bool:
    """Whether anything in the text could be a letter of an option: "A et C", "réponse b", but "vitamine A" as well.

    Far more than `named_letters` is sure of. The letters of a question where this is so are never changed.
    """
    return _POSSIBLE.search(text) is not None
