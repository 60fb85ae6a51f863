"""Official keys and answers as people type them. A key that leaves a doubt is no key: it is quoted, never guessed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from worker.shapes.questions import fold_name

_NO_ANSWER = re.compile(r"(?:(?:pas|sans|aucune|absence)(?: de| d)? reponses?(?: officielles?)?|n a)?")
_KEY_LABEL = re.compile(
    r"\s*(?:bonnes?\s+)?(?:r[ée]p(?:onses?)?|corrig[ée]|correction)(?:\s?\(s\))?\.?"
    r"(?:\s+(?:correctes?|exactes?|justes?))?(?:\s*[:=]\s*|\s+)",
    re.IGNORECASE,
)
_ANSWER_LABEL = re.compile(
    r"\s*(?:r[ée]p(?:onses?)?(?:\(s\))?\.?|corrig[ée]s?|correction)"
    r"(?:[ \t]+(?:type|officielle|attendue|correcte))?[ \t]*(?::|=|[ \t][-–—][ \t])\s*",
    re.IGNORECASE,
)
_SEPARATORS = re.compile(r"[\s,;./+&|()\[\]\-–—]+|\bet\b", re.IGNORECASE)
_RANGE = re.compile(r"\W*([A-Z])\s*[-–—]\s*([A-Z])\W*", re.IGNORECASE)
_RUN = re.compile(r"[A-Z]+|[a-z]+")
_LETTERS_ONLY = frozenset("ABCDEFGHIJ")  # past J no exam has options: a word, not a key
_QUESTION_NUMBER = re.compile(r"(?<!\d)Q?\s?(\d{1,2})(?=\D)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KeyReading:
    """Sorted unique letters, or None; `problem` tells why a text that is there is no key."""

    key: str | None
    problem: str | None = None  # "unreadable_key", "letter_without_option"
    letters: str = ""  # of "letter_without_option": those without an option


NO_KEY = KeyReading(None)


@lru_cache(maxsize=8192)
def says_no_answer(text: str) -> bool:
    """True for `Pas de réponse.`, `?`, `-` and nothing."""
    return len(text) < 60 and _NO_ANSWER.fullmatch(fold_name(text)) is not None


@lru_cache(maxsize=8192)
def read_key(text: str, options: str) -> KeyReading:
    """Read a key cell against the letters of the options that are there (`ACD`).

    `BEC` → `BCE`; `A, B, D.` → `ABD`; no official answer → no key and no problem. Free text, a range such as
    `B-E` and a letter without an option are problems, and then no letter is kept.
    """
    if says_no_answer(text):
        return NO_KEY
    letters = _letters(text)
    if letters is None:
        return KeyReading(None, "unreadable_key")
    absent = "".join(sorted(letters - set(options)))
    if absent:
        return KeyReading(None, "letter_without_option", absent)
    return KeyReading("".join(sorted(letters)))


def _letters(text: str) -> set[str] | None:
    """The letters of a key; None when anything else is in it."""
    text = unicodedata.normalize("NFKC", text)
    label = _KEY_LABEL.match(text)
    if label:
        text = text[label.end() :]
    span = _RANGE.fullmatch(text)
    if span and abs(ord(span[1].upper()) - ord(span[2].upper())) > 1:
        return None  # from B to E, or B and E?
    letters: set[str] = set()
    for run in _SEPARATORS.split(text):
        if run:
            if not _RUN.fullmatch(run) or not _LETTERS_ONLY.issuperset(run.upper()):
                return None
            letters.update(run.upper())
    return letters or None


@lru_cache(maxsize=4096)
def read_case_keys(text: str) -> Mapping[int, str] | None:
    """`1AB, 2E, 3B` → {1: "AB", 2: "E", 3: "B"}; None for any other text, or a number with two keys."""
    before, *parts = _QUESTION_NUMBER.split(text)
    if before.strip(" (["):
        return None
    keys: dict[int, str] = {}
    for number, run in zip(parts[::2], parts[1::2], strict=True):
        letters = _letters(run.lstrip(" \t.):=°-"))
        if letters is None or keys.setdefault(int(number), "".join(sorted(letters))) != "".join(sorted(letters)):
            return None
    return keys or None


def read_answer(text: str) -> str | None:
    """A QROC's official answer without a leading label (`réponse :`, `corrigé :`); None when there is none."""
    label = _ANSWER_LABEL.match(text)
    if label:
        text = text[label.end() :]
    text = text.strip()
    # A sign alone may be the answer; a question mark or a dash is not.
    return None if says_no_answer(text) and not re.search(r"[+<>=≥≤±∞]", text) else text
