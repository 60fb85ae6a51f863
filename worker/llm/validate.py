"""A reply read and checked, result by result. Nothing a model sends raises: it is a look or a refusal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import eq
from typing import Any

from worker.llm.calls import ILLEGIBLE, AskedQuestion, CheckedReply, Request
from worker.llm.quotes import find_quote
from worker.llm.wire import DECODER, Ambiguous, Completion, parse_json, read_completion
from worker.questions.answers import Citation, Look, Refusal, Verdict
from worker.questions.letters import is_negative, named_letters, stated_key
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
_FENCE = re.compile(r"```[a-zA-Z]*\s*\n?(.*?)(?:```|\Z)", re.S)
_THINK, _THOUGHT = "<think>", "</think>"
_OWN_LETTER = re.compile(r"^(?:\([A-E]\)|[A-E]\s*+[—–:)]|[A-E]\s++-)\s*")
_RESULTS = re.compile(r'"results"\s*:\s*\[')
_BETWEEN = re.compile(r"[\s,]*")
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # categories Cc and Cs, but \n and \t
_WORD = re.compile(r"[^\W_]+")
_SHARE = re.compile(r"(?:0|1|0?[.,][0-9]{1,12}|0[.,]|1[.,]0{0,12})")
_PERCENT = re.compile(r"(100|[0-9]{1,2}(?:[.,][0-9]{1,6})?)\s?%")


class _Refused(Exception):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.refusal = Refusal(code=code, detail=detail)


def check_reply(raw: str, request: Request) -> CheckedReply:
    """Read `raw` (the HTTP body of a chat completion) against what was asked. Never raises.

    Every asked item id is in exactly one of `looks` and `refusals`. Letters, option explanations and the letters
    that a text names are those of the uploaded question. Results are joined by id, never by position; of a cut JSON
    only the results that are closed count.
    """
    completion = read_completion(raw)
    reply = completion or Completion(content=None)
    finish = reply.finish_reason
    refused = _content_refused(reply)
    results, cut = _read_message(reply)
    truncated = finish == "length" or cut
    model = clean_text(reply.model)

    is_empty = results is None and reply.content is not None and not reply.content.strip()
    absent = _absent(refused, truncated=truncated, readable=results is not None, is_empty=is_empty)
    if completion is None:
        absent = Refusal(ILLEGIBLE, "the reply is no completion")
    by_id = _by_id(results or ())
    looks: dict[str, Look] = {}
    refusals: dict[str, Refusal] = {}
    for asked in request.questions:
        try:
            looks[asked.item_id] = _read_look(by_id.get(asked.id, ()), asked, request, model or request.model, absent)
        except _Refused as refused_result:
            refusals[asked.item_id] = refused_result.refusal
        except RecursionError:  # a result as deep as the parser just allowed
            refusals[asked.item_id] = Refusal("unreadable", "the result is nested too deeply")
    return CheckedReply(
        looks=looks,
        refusals=refusals,
        truncated=truncated,
        content_refused=refused,
        finish_reason=finish,
        usage=reply.usage,
    )


def clean_text(text: str) -> str:
    """Without NUL, control characters (line break and tab stay), lone surrogates and outer spaces."""
    if _UNWANTED.search(text):
        text = _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return text.strip()


# --- from the body to the results -------------------------------------------------------------------------------


def _content_refused(reply: Completion) -> str | None:
    if reply.finish_reason == "content_filter":
        return "content_filter"
    return "refusal" if reply.refusal and reply.refusal.strip() else None


def _read_message(reply: Completion) -> tuple[Sequence[object] | None, bool]:
    """The results in what the model wrote (None when there is no such list), and whether the list was cut.

    Some servers send the answer as the reasoning, and no content. Only one that is whole counts there: what else is
    in a reasoning are drafts.
    """
    if reply.content and reply.content.strip():
        return _read_results(reply.content)
    if reply.reasoning and reply.finish_reason != "length":
        whole = parse_json(_unfenced(_after_thoughts(reply.reasoning)))
        if isinstance(whole, Mapping) and isinstance(whole.get("results"), list) and not isinstance(whole, Ambiguous):
            return whole["results"], False
    return None, False


def _read_results(content: str) -> tuple[Sequence[object] | None, bool]:
    """The results (None when there is no such list) and whether the list was cut before its end."""
    content = _after_thoughts(content)
    # A thought that is never closed may hold drafts: of several lists the last one is the answer.
    is_thought = content.startswith(_THINK)
    content = content if is_thought else _unfenced(content)
    whole = parse_json(content)
    if isinstance(whole, Ambiguous):
        return None, False
    if isinstance(whole, Mapping) and isinstance(whole.get("results"), list):
        return whole["results"], False
    starts = [match.end() for match in _RESULTS.finditer(content)]
    if not starts:
        return None, False
    return _closed_objects(content, starts[-1 if is_thought else 0])


def _after_thoughts(content: str) -> str:
    """What follows the thoughts of a model that writes them down first, opened with `<think>` or not. Linear."""
    content = content.strip()
    at = 0
    while content.startswith(_THINK, at) and (end := content.find(_THOUGHT, at)) >= 0:
        at = _BETWEEN.match(content, end + len(_THOUGHT)).end()  # type: ignore[union-attr]  # it matches anything
    content = content[at:]
    # Where the prompt opens the thought, the reply only closes it.
    if not content.startswith(("{", "`", _THINK)) and _THOUGHT in content:
        content = content.rpartition(_THOUGHT)[2].strip()
    return content


def _unfenced(content: str) -> str:
    fenced = None if content.startswith("{") else _FENCE.search(content)
    return content.strip() if fenced is None else fenced[1].strip()


def _closed_objects(content: str, at: int) -> tuple[list[object], bool]:
    """The elements of the list that begins at `at`, as far as they are closed.

    Completing the last, open one would now and then give a valid but wrong set of letters.
    """
    results: list[object] = []
    while True:
        between = _BETWEEN.match(content, at)
        at = between.end() if between is not None else at
        if content[at : at + 1] == "]":
            return results, False
        try:
            result, at = DECODER.raw_decode(content, at)
        except RecursionError:
            return results, False  # no end was cut off: no smaller call would make it shallow
        except ValueError:
            return results, True
        results.append(result)


def _by_id(results: Sequence[object]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    by_id: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        if isinstance(result, Mapping) and isinstance(result.get("id"), str):
            by_id.setdefault(result["id"], []).append(result)
    return by_id


def _absent(refused: str | None, *, truncated: bool, readable: bool, is_empty: bool) -> Refusal:
    """Why an asked question has no result, from what is known of the whole reply."""
    if refused is not None:
        return Refusal("content_refused", f"the model refused the content ({refused})")
    if truncated:
        return Refusal("truncated", "the reply was cut before this result")
    if is_empty:
        return Refusal("empty", "the model wrote nothing")
    if not readable:
        return Refusal("unreadable", "the reply holds no list of results")
    return Refusal("missing", "the reply holds no result with this id")


# --- one result -------------------------------------------------------------------------------------------------


def _read_look(
    results: Sequence[Mapping[str, Any]], asked: AskedQuestion, request: Request, model: str, absent: Refusal
) -> Look:
    if not results:
        raise _Refused(absent.code, absent.detail)
    result = results[0]
    if any(other != result for other in results[1:]):
        raise _Refused("duplicate_id", f"{len(results)} different results with this id")
    if isinstance(result, Ambiguous) or any(isinstance(value, Ambiguous) for value in result.values()):
        raise _Refused("ambiguous", "one name with two values")
    check = _TextCheck(asked, request)
    qcm = asked.question.is_qcm
    look = Look(
        key=_read_key(result.get("correctAnswers"), asked) if qcm else None,
        answer=None if qcm else check.answer(result.get("answer")),
        verdict=None if qcm else _read_verdict(result.get("verdict"), asked),
        option_explanations=_read_option_explanations(result.get("optionExplanations"), asked, check) if qcm else {},
        explanation=check.explanation(result.get("explanation")),
        confidence=_read_confidence(result.get("confidence")),
        model=model,
        citations=tuple(_read_citations(result.get("citations"), asked)),
        is_contradictory=qcm and _states_another_key(result, asked),
    )
    check.refuse_leaks()
    return look


def _read_key(value: object, asked: AskedQuestion) -> str:
    if not isinstance(value, list) or not all(isinstance(letter, str) for letter in value):
        raise _Refused("wrong_type", "correctAnswers is not a list of letters")
    letters = {letter.strip().upper() for letter in value}
    if not letters:
        raise _Refused("no_letters", "no letter for a multiple-choice question")
    if not letters <= asked.letters.keys():
        raise _Refused("unknown_letter", "a letter that is not an option of this question")
    return "".join(sorted(asked.letters[letter] for letter in letters))


def _states_another_key(result: Mapping[str, Any], asked: AskedQuestion) -> bool:
    """Whether the explanation says for sure that the right answer is another one than the letters beside it."""
    stated = stated_key(clean_text(result["explanation"]))
    if stated is None or is_negative(asked.question.text):
        return False
    return stated != {letter.strip().upper() for letter in result["correctAnswers"]}


def _read_verdict(value: object, asked: AskedQuestion) -> Verdict | None:
    if asked.question.official_answer is None:
        return None  # there was nothing to judge, whatever it says
    match value:
        case "upholds" | "contests":
            return value
        case _:
            raise _Refused("no_verdict", "no verdict on the official answer")


def _read_option_explanations(value: object, asked: AskedQuestion, check: _TextCheck) -> Mapping[str, str]:
    explanations = value if isinstance(value, Mapping) else {}
    read = {
        uploaded: check.option_explanation(explanations.get(wire), wire) for wire, uploaded in asked.letters.items()
    }
    return dict(sorted(read.items()))


def _read_confidence(value: object) -> float:
    """A number between 0 and 1, also written as text ("0.9", "0,9", "90 %"). 95 may be a percentage, or a mistake."""
    if isinstance(value, str):
        value = _confidence_in_words(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Refused("wrong_type", "confidence is not a number")
    if not 0 <= value <= 1:  # NaN is not either
        raise _Refused("confidence_out_of_range", "confidence is not between 0 and 1")
    return float(value)


def _confidence_in_words(text: str) -> float | None:
    if _SHARE.fullmatch(text):
        return float(text.replace(",", "."))
    percent = _PERCENT.fullmatch(text)
    return None if percent is None else float(percent[1].replace(",", ".")) / 100


def _read_citations(value: object, asked: AskedQuestion) -> Iterator[Citation]:
    """Only quotes that are in the excerpt they name, in the excerpt's own words; an invented one is dropped, not the
    answer. So is one too short to say anything: its words would be in any text.
    """
    texts = {excerpt.id: excerpt.text for excerpt in asked.excerpts}
    for item in value if isinstance(value, list) else ():
        if not isinstance(item, Mapping):
            continue
        name, quote = item.get("excerpt"), item.get("quote")
        if not isinstance(name, str) or not isinstance(quote, str):
            continue
        found = find_quote(clean_text(quote), texts.get(name, ""))
        if found is not None:
            yield Citation(excerpt=name, quote=found)


# --- texts ------------------------------------------------------------------------------------------------------


class _TextCheck:
    """What a student will read: substance, nothing of our own prompt, letters as uploaded."""

    def __init__(self, asked: AskedQuestion, request: Request) -> None:
        self._asked = asked
        self._read: list[str] = []
        self._system = _system_message(request)
        self._embedded = request.embedded
        self._as_uploaded = all(map(eq, asked.letters.keys(), asked.letters.values()))

    def answer(self, value: object) -> str:
        """The short answer: "?" and "…" are none; "5" and "B12" are."""
        answer = without_markup(clean_text(value)) if isinstance(value, str) else ""
        if not any(c.isalnum() for c in answer) or _is_placeholder(answer):
            raise _Refused("no_answer", "no answer of its own to a short-answer question")
        self._read.append(answer)
        return answer

    def explanation(self, value: object) -> str:
        """The general explanation."""
        text = without_markup(clean_text(value)) if isinstance(value, str) else ""
        if not text:
            raise _Refused("no_explanation", "no explanation")
        self._refuse_hollow(text, MIN_LETTERS_EXPLANATION)
        return self._without_letters(text)

    def option_explanation(self, value: object, wire: str) -> str:
        """The explanation of one present option, without the letter that we will write before it."""
        text = without_markup(clean_text(value)) if isinstance(value, str) else ""
        if text.startswith((wire, f"({wire}")):
            text = _OWN_LETTER.sub("", text)
        if not text:
            raise _Refused("missing_option_explanation", "a present option has no explanation")
        self._refuse_hollow(text, MIN_LETTERS_OPTION)
        return self._without_letters(text)

    def _without_letters(self, text: str) -> str:
        """A second look under other letters is told to name none: one that does is asked again, for a student would
        read it beside other options. It is never edited: "la réponse B lymphocytaire" speaks of no option.
        """
        if not self._as_uploaded and named_letters(text):
            raise _Refused("names_letters", "an explanation names an option by a letter that it has only here")
        return text

    def refuse_leaks(self) -> None:
        """Refuse the result when a text that was read quotes our prompt or speaks of the format, unless the question
        itself does. All texts in one go: a result has half a dozen, and hardly one in a thousand leaks.
        """
        text = "\n".join(self._read)
        folded = text.casefold()
        leak = _LEAKS.search(text) if any(word in folded for word in _LEAK_WORDS) else None
        if leak is not None and leak[0].casefold() not in self._own().casefold():
            raise _Refused("prompt_leak", "the text speaks of the format")
        words = _WORD.findall(folded)
        # Two words in a row that the system message has too are rare; ten are looked for only then.
        alike = not _pairs(self._system).isdisjoint(pairwise(words))
        if alike and not _runs(self._system).isdisjoint(_windows(words)):
            raise _Refused("prompt_leak", "the text quotes the system message")

    def _own(self) -> str:
        question = self._asked.question
        return "\n".join([question.case_text or "", question.text, *question.options.values()])

    def _refuse_hollow(self, text: str, min_letters: int) -> None:
        if _is_placeholder(text):
            raise _Refused("placeholder", "a placeholder instead of an explanation")
        wanted = MIN_LETTERS_EMBEDDED if self._embedded else min_letters
        # Nearly every text has enough at its beginning.
        if sum(map(str.isalpha, text[: 2 * wanted])) < wanted and sum(map(str.isalpha, text)) < wanted:
            raise _Refused("too_short", "an explanation without substance")
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
