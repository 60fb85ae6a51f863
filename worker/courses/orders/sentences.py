"""Sentences of a course that give orders to whoever answers questions, instead of teaching: found, and quoted.

A course speaks to students in the imperative too (`répondez aux questions`, `retenez que …`). What counts is an answer
to give whatever is asked, instructions to forget, whom a model should take itself for, and the signs by which models
part roles. What is done about a passage that holds such a sentence is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, chain

from worker.courses.orders.evidence import find_evidence
from worker.courses.orders.forms import order_forms, plain, roles, signs
from worker.courses.orders.letters import read_letters
from worker.courses.orders.masks import places_of, show, unmask

# Which sentences are found. To be raised with every change of that: `medq courses reindex` then looks at what is there.
ORDERS_VERSION = 2

LONGEST_QUOTE = 240  # characters of a sentence that is shown whole
AROUND = 60  # characters that are shown before and after an order in a longer one
MIN_SCATTERED = 10  # letters that stand one by one, to be read as words

_ENUMERATOR = r"\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,4})\s?[.)°/:–—-]"
_LEADING = re.compile(rf"\s*(?:(?:[-–—•*‣▪·#>|]+|{_ENUMERATOR})\s+|\(?(?:\d{{1,3}}|[A-Za-z])\))+")
# A line that begins a list, a row or a paragraph of its own does not go on with the one above.
_BLOCK_END = re.compile(
    rf"\s(?:(?<=[.!?…]\s)\s*|(?<=\n)(?:[^\S\n]*\n\s*|(?=\s*(?:[-–—•*‣▪·#>|]|{_ENUMERATOR}(?:\s|$)))))"
)
_LIST = re.compile(r"\(?A\s?[.)].*\n\s*\(?B\s?[.)]")
_WORD = re.compile(r"\d+(?:[.,]\d+)?|[^\W_]+(?:_\w+)?|[:=]|[^\w\s'\u2019\u2018\u2032*«»\"“”„()\[\]–—-]")
_SCATTERED = re.compile(rf"(?<!\w)\w(?:[^\w\n]{{1,3}}\w(?!\w)){{{MIN_SCATTERED},}}")
# The signs by which models part roles, and the names that stand in a reply: no course writes them.
_FIELDS = frozenset(
    ("correctAnswer", "correctAnswers", "officialAnswer", "officialAnswers", "optionExplanations", "applyCorrections")
)
_PARTS_OF_CHAT = re.compile(
    r"<\|(?:im_start|im_end|im_sep|system|user|assistant|endoftext|eot_id|start_header_id)\|>|\[/?INST\]|<<\s?/?SYS\s?>>|"
    r"</?(?:system|assistant)>|[\"']role[\"']\s?:\s?[\"'](?:system|developer|assistant)[\"']|"
    r"##\s?(?:system|instructions?|assistant)\s?:|"
    r"(?:^|[.!?…}>])\s{,4}(?:system|système|assistant|developer)\s?:\s?"
    r"(?:you|tu|vous|ignore\w*|r[ée]pon\w*|answer|always|from now|désormais|new)\b",
    re.IGNORECASE | re.MULTILINE,
)
# One of these roles is in every form.
_TELLING = frozenset(
    (
        *("always", "question", "answers", "answer", "reply", "told", "everything", "host", "reader", "machine", "key"),
        *("verdict", "confidence", "tool", "field", "mode", "forget", "give", "treat", "thou", "ai", "approve"),
    )
)
# And one of these, once letters are read.
_NEEDED = frozenset(
    (
        *("letter", "open", "ordinal", "true", "false", "told", "everything", "key", "machine", "ai", "host", "reader"),
        *("chief", "mode", "verdict", "confidence", "tool", "field", "marking", "treat", "forget", "task", "official"),
    )
)
# A line that ends with one of these goes on below, whatever stands there.
_UNFINISHED = frozenset(("always", "reply", "give", "toward", "forget", "is", "fill"))

Span = tuple[int, int]


def find_orders(text: str) -> tuple[str, ...]:
    """The sentences of a text that give orders, each once and whole, on one line."""
    shown = show(text)
    unmasked = unmask(shown)
    if _TELLING.isdisjoint(map(_role, _WORD.findall(unmasked))) and not (
        _SCATTERED.search(unmasked) or _PARTS_OF_CHAT.search(unmasked)
    ):
        return ()
    found = [run for run in _scattered(shown) if _find_forms(_words_within(unmask(run)))]
    found += (sentence for block in _blocks(shown) for sentence in _orders_of(block))
    return tuple(dict.fromkeys(" ".join(sentence.split()) for sentence in found))


def quote_order(sentence: str) -> str:
    """What of a sentence that gives orders a person is shown: all, or, of a long one, what stands around each order."""
    spans = _find_spans(unmask(sentence)) if len(sentence) > LONGEST_QUOTE else []
    if not spans:
        return sentence
    places = places_of(sentence)
    windows: list[Span] = []
    for first, last in sorted(spans):
        start, end = max(0, places[first] - AROUND), min(len(sentence), places[last] + AROUND)
        if windows and start <= windows[-1][1]:
            start, end = windows[-1][0], max(windows.pop()[1], end)
        windows.append((start, end))
    quoted = " … ".join(sentence[start:end].strip() for start, end in windows)
    return "… " * (windows[0][0] > 0) + quoted + " …" * (windows[-1][1] < len(sentence))


def _blocks(text: str) -> Iterator[str]:
    """Sentences, on one line or several."""
    start = 0
    for end in _BLOCK_END.finditer(text):
        above = text[max(start, end.start() - LONGEST_QUOTE) : end.start()]
        if "\n" in end[0] and not _LIST.match(text, end.end()) and _is_unfinished(above):
            continue
        yield text[start : end.start()]
        start = end.end()
    yield text[start:]


def _is_unfinished(text: str) -> bool:
    words = _WORD.findall(unmask(text))[-1:]
    return bool(words) and _role(words[0]) in _UNFINISHED


def _orders_of(block: str) -> Iterator[str]:
    """The lines that give an order, and the sentence of several of them where an order goes over the end of one."""
    lines = [line for line in block.split("\n") if line.strip()]
    yield from (line for line in lines if _find_spans(unmask(line)))
    if len(lines) > 1:
        words = [_words_of(unmask(line)) for line in lines]
        ends = list(accumulate(map(len, words)))[:-1]
        if any(first < end < last for first, last in _find_forms(list(chain.from_iterable(words))) for end in ends):
            yield " ".join(lines)


def _words_of(plain_text: str) -> list[str]:
    return [found[0] for found in _matches(plain_text)]


def _matches(plain_text: str) -> list[re.Match[str]]:
    """The words of a sentence, without the number or letter that it stands under in a list."""
    leading = _LEADING.match(plain_text)
    return list(_WORD.finditer(plain_text, leading.end() if leading else 0))


def _find_spans(plain_text: str) -> list[Span]:
    """Where in a sentence an order stands."""
    words = _matches(plain_text)
    forms = _find_forms([word[0] for word in words])
    return [
        *((words[first].start(), words[last - 1].end()) for first, last in forms),
        *(part.span() for part in _PARTS_OF_CHAT.finditer(plain_text)),
    ]


def _scattered(text: str) -> Iterator[str]:
    """Letters that stand one by one: `r é p o n d s`, `i.g.n.o.r.e`."""
    return (found[0] for found in _SCATTERED.finditer(text))


# --- words into roles ------------------------------------------------------------------------------------------------


def _find_forms(words: Sequence[str]) -> list[Span]:
    """From which word to which an order stands."""
    told = list(map(_role, words))
    if _TELLING.isdisjoint(told):
        return []
    read_letters(words, told)
    if _NEEDED.isdisjoint(told):
        return []
    signs_of = signs()
    marked = "".join(signs_of[role] for role in ("start", *told, "end"))
    forms = (form.span() for form in order_forms().finditer(marked))
    found = [(max(0, first - 1), min(len(words), last - 1)) for first, last in forms]
    return found or list(find_evidence(told))


@lru_cache(maxsize=100_000)
def _role(word: str) -> str:
    if (role := roles().get(word.lower()) or roles().get(plain(word))) is not None:
        return role
    if word in _FIELDS:
        return "field"
    if "_" in word:
        return "name"
    if word in ":=":
        return "colon"
    if word[0].isdigit():
        return "figure"
    return "stop" if not word[0].isalnum() else "other"


def _words_within(text: str) -> list[str]:
    """The words of a text whose letters stand one by one: the longest that are known, from the left."""
    letters = "".join(c for c in text if c.isalnum())
    folded = "".join(plain(c)[:1] or c for c in letters)
    longest = max(map(len, roles()))
    words, at = [], 0
    while at < len(letters):
        size = next((n for n in range(longest, 1, -1) if folded[at : at + n] in roles()), 1)
        words.append(letters[at : at + size])
        at += size
    return words
