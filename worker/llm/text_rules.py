"""What a student will read of a reply has substance, nothing of our own prompt in it, and letters as uploaded."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import eq

from worker.llm.calls import AskedQuestion, Request
from worker.questions.answers import Refusal
from worker.questions.letters import named_letters
from worker.text.characters import clean_text
from worker.text.markup import without_markup

MIN_LETTERS_EXPLANATION = 20
MIN_LETTERS_OPTION = 10
MIN_LETTERS_EMBEDDED = 8  # its strings are bounded to a few words
BEGINNING = 48  # characters in which every placeholder shows
LEAK_WORDS = 10  # as many words of the system message in a row are a quotation of it

# As `_plain` leaves them.
_PLACEHOLDERS = {
    *("n a", "na", "todo", "tbd", "test", "string", "text", "texte", "answer", "null", "none", "aucune", "idem"),
    *("explication", "explanation", "reponse", "a completer", "a definir", "a rediger", "sans objet", "lorem ipsum"),
    *("non disponible", "non applicable", "voir cours", "voir le cours"),
}
_PLACEHOLDER_STARTS = ("lorem ipsum", "explication a completer", "explication non disponible", "placeholder")
_LEAKS = re.compile(r"officialanswer|correctanswers|optionexplanations|\bjson\b|message syst[eè]me|system prompt", re.I)
_LEAK_WORDS = ("officialanswer", "correctanswers", "optionexplanations", "json", "message syst", "system prompt")
_OWN_LETTER = re.compile(r"^(?:\([A-E]\)|[A-E]\s*+[—–:)]|[A-E]\s++-)\s*")
_WORD = re.compile(r"[^\W_]+")


class Refused(Exception):
    """A result breaks this rule."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.refusal = Refusal(code=code, detail=detail)


class TextCheck:
    """What a student will read: substance, nothing of our own prompt, letters as uploaded."""

    def __init__(self, asked: AskedQuestion, request: Request) -> None:
        self._asked = asked
        self._read: list[str] = []
        self._system = _system_message(request)
        self._embedded = request.embedded
        self._as_uploaded = all(map(eq, asked.letters.keys(), asked.letters.values()))

    def answer(self, value: str | None) -> str:
        """The short answer: "?" and "…" are none; "5" and "B12" are."""
        answer = without_markup(clean_text(value).strip()) if value else ""
        if not any(c.isalnum() for c in answer) or _is_placeholder(answer):
            raise Refused("no_answer", "no answer of its own to a short-answer question")
        self._read.append(answer)
        return answer

    def explanation(self, value: str | None) -> str:
        """The general explanation."""
        text = without_markup(clean_text(value).strip()) if value else ""
        if not text:
            raise Refused("no_explanation", "no explanation")
        self._refuse_hollow(text, MIN_LETTERS_EXPLANATION)
        return self._without_letters(text)

    def option_explanation(self, value: str | None, wire: str) -> str:
        """The explanation of one present option, without the letter that we will write before it."""
        text = without_markup(clean_text(value).strip()) if value else ""
        if text.startswith((wire, f"({wire}")):
            text = _OWN_LETTER.sub("", text)
        if not text:
            raise Refused("missing_option_explanation", "a present option has no explanation")
        self._refuse_hollow(text, MIN_LETTERS_OPTION)
        return self._without_letters(text)

    def _without_letters(self, text: str) -> str:
        """A second look under other letters is told to name none: one that does is asked again, for a student would
        read it beside other options. It is never edited: "la réponse B lymphocytaire" speaks of no option.
        """
        if not self._as_uploaded and named_letters(text):
            raise Refused("names_letters", "an explanation names an option by a letter that it has only here")
        return text

    def refuse_leaks(self) -> None:
        """Refuse the result when a text that was read quotes our prompt or speaks of the format, unless the question
        itself does. All texts in one go: a result has half a dozen, and hardly one in a thousand leaks.
        """
        text = "\n".join(self._read)
        folded = text.casefold()
        leak = _LEAKS.search(text) if any(word in folded for word in _LEAK_WORDS) else None
        if leak is not None and leak[0].casefold() not in self._own().casefold():
            raise Refused("prompt_leak", "the text speaks of the format")
        words = _WORD.findall(folded)
        # Two words in a row that the system message has too are rare; ten are looked for only then.
        alike = not _pairs(self._system).isdisjoint(pairwise(words))
        if alike and not _runs(self._system).isdisjoint(_windows(words)):
            raise Refused("prompt_leak", "the text quotes the system message")

    def _own(self) -> str:
        question = self._asked.question
        return "\n".join([question.case_text or "", question.text, *question.options.values()])

    def _refuse_hollow(self, text: str, min_letters: int) -> None:
        if _is_placeholder(text):
            raise Refused("placeholder", "a placeholder instead of an explanation")
        wanted = MIN_LETTERS_EMBEDDED if self._embedded else min_letters
        # Nearly every text has enough at its beginning.
        if sum(map(str.isalpha, text[: 2 * wanted])) < wanted and sum(map(str.isalpha, text)) < wanted:
            raise Refused("too_short", "an explanation without substance")
        self._read.append(text)


def _system_message(request: Request) -> str:
    messages = request.body.get("messages")
    content = messages[0].get("content") if messages else None
    return content if isinstance(content, str) else ""


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


class _Marks(dict[int, int | None]):
    """For `str.translate`: combining marks go, the rest stays. Filled as characters are met; thirty texts per reply."""

    def __missing__(self, code: int) -> int | None:
        self[code] = kept = None if unicodedata.combining(chr(code)) else code
        return kept


_WITHOUT_MARKS = _Marks()


@lru_cache(maxsize=8)
def _runs(system: str) -> frozenset[tuple[str, ...]]:
    return frozenset(_windows(_words(system)))


@lru_cache(maxsize=8)
def _pairs(system: str) -> frozenset[tuple[str, str]]:
    return frozenset(pairwise(_words(system)))


def _windows(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return (tuple(words[at : at + LEAK_WORDS]) for at in range(len(words) - LEAK_WORDS + 1))


def _plain(text: str) -> str:
    return " ".join(_words(unicodedata.normalize("NFKD", text).translate(_WITHOUT_MARKS)))


def _is_placeholder(text: str) -> bool:
    """`aaa`, `…`, `n/a`, `Explication à compléter`: words that stand where an explanation should."""
    plain = _plain(text[:BEGINNING])
    # The beginning of a long text tells, unless it could be the whole of a short one.
    if len(text) > BEGINNING and (len(set(plain)) <= 2 or plain in _PLACEHOLDERS):
        plain = _plain(text)
    if plain in _PLACEHOLDERS or plain.startswith(_PLACEHOLDER_STARTS):
        return True
    return len(plain) > 1 and len(set(plain) - {" "}) == 1 and not plain.isdigit()
