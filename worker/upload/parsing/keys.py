"""Letters and answers of one cell as people type them; `official` reads a whole row through this. A doubt is no key."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from worker.questions.question import fold_name

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
_PLAIN = re.compile(r"[A-J]{1,10}|[a-j]{1,10}")  # past J no exam has options: a word, not a key
_FILLER = re.compile(r"([a-z])\1{2,}", re.IGNORECASE)  # `aaa` is what people type into a cell they must fill
_BULLET = re.compile(r"^[ \t]*[-–—•*][ \t]+", re.MULTILINE)
_BRACKETS = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_EACH_IN_BRACKETS = re.compile(r"(?:[(\[]\s*([A-Ja-j])\s*[)\]][\s,;]*(?:et\s+)?)+")
_WORD = re.compile(r"[^\W\d_]+")
_CONJUNCTIONS = frozenset({"et", "ET", "Et", "and", "AND"})
_DASH = re.compile(r"[-–—]")
_SEPARATOR = re.compile(r"[\s,;./+&|\-–—]+")
_TIGHT_SLASH = re.compile(r"\S/|/\S|\A/|/\Z")
_SIGNED = re.compile(r"(?:[A-Ja-j]\s*+[+\-–−]\s*+[,;]?\s*+)+")
_SIGN = re.compile(r"([A-Ja-j])\s*([+\-–−])")
_QUESTION_NUMBER = re.compile(r"(?<!\d)Q?\s?(\d{1,2})(?=\D)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KeyReading:
    """Sorted unique letters, or None; `problem` tells why a text that is there is no key."""

    key: str | None
    problem: str | None = None  # "unreadable_key", "letter_without_option", "ambiguous_key"
    letters: str = ""  # of "letter_without_option": those without an option; of "ambiguous_key": the option so named


NO_KEY = KeyReading(None)
UNREADABLE = KeyReading(None, "unreadable_key")


@lru_cache(maxsize=8192)
def says_no_answer(text: str) -> bool:
    """True for `Pas de réponse.`, `?`, `-` and nothing."""
    return len(text) < 60 and _NO_ANSWER.fullmatch(fold_name(text)) is not None


def says_something(text: str) -> bool:
    """False for an empty cell, and for signs such as `?` and `-`."""
    return bool(text) and bool(fold_name(text))


def is_letters(text: str, options: str) -> bool:
    """True for a key of nothing but letters of the options that are there."""
    return read_key(text, options).key is not None


@lru_cache(maxsize=8192)
def read_key(text: str, options: str) -> KeyReading:
    """Read a key of letters against the options that are there (`ACD`).

    `BEC` → `BCE`; `A, B, D.` → `ABD`; `A+ B- C+` → `AC`; no official answer → no key and no problem. Free text, a range
    such as `B-E`, two keys in one cell and a letter without an option are problems, and then no letter is kept.
    """
    if says_no_answer(text):
        return NO_KEY
    letters = _signed_letters(text, options) or read_letters(text)
    if letters is None:
        return UNREADABLE
    absent = "".join(sorted(letters - set(options)))
    if absent:
        return KeyReading(None, "letter_without_option", absent)
    return KeyReading("".join(sorted(letters)))


def _signed_letters(text: str, options: str) -> set[str] | None:
    """`A+ B- C+ D-` says of every option whether it is right; anything less leaves a doubt."""
    if not _SIGNED.fullmatch(text.strip()):
        return None
    signs = [(letter.upper(), sign == "+") for letter, sign in _SIGN.findall(text)]
    letters = {letter for letter, right in signs if right}
    return letters if sorted(letter for letter, _ in signs) == sorted(options) else None


@lru_cache(maxsize=8192)
def read_letters(text: str) -> set[str] | None:
    """The letters of a key, whatever options there are; None when anything else is in it, or a doubt."""
    text = unicodedata.normalize("NFKC", text).strip()
    if label := _KEY_LABEL.match(text):
        text = text[label.end() :]
    text = text.removesuffix(".").strip()
    if _PLAIN.fullmatch(text):
        return None if _FILLER.fullmatch(text) else set(text.upper())
    text = _BULLET.sub("", text).strip()
    if whole := _BRACKETS.fullmatch(text):
        text = whole[1]
    if _EACH_IN_BRACKETS.fullmatch(text):
        text = " ".join(re.findall(r"[A-Ja-j](?=\s*[)\]])", text))
    return _listed_letters(text.strip().removesuffix(")").strip(" \t\n,;."))


def _listed_letters(text: str) -> set[str] | None:
    """Letters in a list; `text` starts and ends with one."""
    runs = [match for match in _WORD.finditer(text) if match[0] not in _CONJUNCTIONS]
    if not runs or runs[0].start() != 0 or runs[-1].end() != len(text):
        return None
    words = [run[0] for run in runs]
    between = [text[a.end() : b.start()] for a, b in pairwise(runs)]
    gaps = [re.sub(r"\b(?:et|ET|Et|and|AND)\b", "&", gap) for gap in between]
    if not all(_PLAIN.fullmatch(word) for word in words) or not all(_SEPARATOR.fullmatch(gap) for gap in gaps):
        return None
    if _FILLER.fullmatch(text) or _is_doubtful(words, gaps):
        return None
    return set("".join(words).upper())


def _is_doubtful(words: Sequence[str], gaps: Sequence[str]) -> bool:
    """True for a list that may mean something else than all of its letters."""
    if any("/" in gap and _TIGHT_SLASH.search(gap) for gap in gaps):
        return True  # `A/C`: A and C, or A or C?
    if _is_spoken(words, gaps) or _holds_range(words, gaps):
        return True
    if any("+" in gap for gap in gaps) and any(_DASH.search(gap) for gap in gaps):
        return True
    if len(words) > 1 and any(len(word) > 1 for word in words):
        letters = "".join(words).upper()
        return len(set(letters)) < len(letters) or any(re.search(r"[|/+\-–—]", gap) for gap in gaps)
    return False


def _is_spoken(words: Sequence[str], gaps: Sequence[str]) -> bool:
    """True when a small letter between white space is a word of some language: `A e C`, `A a C`."""
    for index, word in enumerate(words[1:-1], start=1):
        alone = gaps[index - 1].isspace() and gaps[index].isspace() and word.islower()
        if alone and (word == "e" or words[0].isupper()):
            return True
    return False


def _holds_range(words: Sequence[str], gaps: Sequence[str]) -> bool:
    """`A-C, E` and `B-E` may be ranges; `A-B-D` and `A-B` say the same either way."""
    dashes = [bool(_DASH.search(gap)) for gap in gaps]
    if len(gaps) > 1 and all(dashes):
        return False
    return any(
        dash and (len(a) > 1 or len(b) > 1 or abs(ord(a.upper()) - ord(b.upper())) > 1)
        for dash, a, b in zip(dashes, words, words[1:], strict=False)
    )


@lru_cache(maxsize=4096)
def read_case_keys(text: str) -> Mapping[int, str] | None:
    """`1AB, 2E, 3B` → {1: "AB", 2: "E", 3: "B"}; None for any other text, or a number with two keys."""
    before, *parts = _QUESTION_NUMBER.split(text)
    if before.strip(" (["):
        return None
    keys: dict[int, str] = {}
    for number, run in zip(parts[::2], parts[1::2], strict=True):
        letters = read_letters(run.lstrip(" \t.):=°-").rstrip(" \t\n,;-([Q"))
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
