"""Sentences of a course that give orders to whoever answers questions, instead of teaching: found, and quoted.

A course speaks to students in the imperative too (`répondez aux questions`, `retenez que …`). What counts is an answer
to give whatever is asked, instructions to forget, whom a model should take itself for, and the signs by which models
part roles. What is done about a passage that holds such a sentence is not decided here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from worker.courses.orders.forms import order_forms, plain, roles, signs

# Which sentences are found. To be raised with every change of that: `medq courses reindex` then looks at what is there.
ORDERS_VERSION = 1

LONGEST_QUOTE = 240  # characters
MIN_SCATTERED = 10  # letters that stand one by one, to be read as words

# Letters of other scripts that look like Latin ones. Latin letters in other clothes (fullwidth, bold) are NFKC's.
_FOREIGN = "аеорсухіјѕԁһӏԛԝьвкмнтАВЕКМНОРСТУХІЈЅɑɡıοαειυνρτκχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"
_LOOKALIKES = str.maketrans(_FOREIGN, "aeopcyxijsdhlqwbvkmntABEKMHOPCTYXIJSagioaeiuvptkxABEZHIKMNOPTYX")
_LOOKALIKE = re.compile(f"[{_FOREIGN}]")
_ASCII_TAGS = {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}  # seen by nobody, read by models
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")
_WORD = re.compile(r"\d+(?:[.,]\d+)?|[^\W_]+(?:_\w+)?|[:=]|[^\w\s'*«»\"“”„()\[\]–—-]")
_SCATTERED = re.compile(rf"(?<!\w)\w(?:[^\w\n]{{1,3}}\w(?!\w)){{{MIN_SCATTERED},}}")
# The signs by which models part roles, and the names that stand in a reply: no course writes them.
_FIELDS = frozenset(
    ("correctAnswer", "correctAnswers", "officialAnswer", "officialAnswers", "optionExplanations", "applyCorrections")
)
_PARTS_OF_CHAT = re.compile(
    r"<\|(?:im_start|im_end|im_sep|system|user|assistant|endoftext|eot_id|start_header_id)\|>|\[/?INST\]|<<\s?/?SYS\s?>>|"
    r"</?(?:system|assistant)>|[\"']role[\"']\s?:\s?[\"'](?:system|developer|assistant)[\"']|"
    r"##\s?(?:system|instructions?|assistant)\s?:|"
    r"(?:^|[}>])\s?(?:system|système|assistant|developer)\s?:\s?"
    r"(?:you|tu|vous|ignore|r[ée]pon|answer|always|from now|désormais|set|new)\b",
    re.IGNORECASE,
)
# One of these roles is in every form.
_TELLING = frozenset(
    (
        *("always", "question", "answers", "answer", "reply", "told", "everything", "host", "reader", "machine", "key"),
        *("verdict", "confidence", "tool", "field", "mode"),
    )
)
_CHOICES = (["="], ["si"], ["if"], ["ou"], ["or"])  # what follows a letter that is told of, not ordered


def find_orders(text: str) -> tuple[str, ...]:
    """The sentences of a text that give orders, each once, as a reader may be shown them."""
    shown = _show(text)
    unmasked = _unmask(shown)
    if _TELLING.isdisjoint(map(_role, _WORD.findall(unmasked))) and not (
        _SCATTERED.search(unmasked) or _PARTS_OF_CHAT.search(unmasked)
    ):
        return ()
    found = [run for run in _scattered(shown) if _is_order(_words_within(_unmask(run)))]
    found += (sentence for sentence in _sentences(shown) if _gives_order(sentence))
    return tuple(dict.fromkeys(map(_quote, found)))


def _show(text: str) -> str:
    """Without what nobody sees; what only a model sees is made to be seen."""
    return text if text.isascii() else _INVISIBLE.sub("", text.translate(_ASCII_TAGS))


def _unmask(text: str) -> str:
    """In Latin letters."""
    plain_text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return plain_text.translate(_LOOKALIKES) if _LOOKALIKE.search(plain_text) else plain_text


def _sentences(text: str) -> Iterator[str]:
    return (sentence for sentence in _SENTENCE_END.split(text) if sentence)


def _gives_order(sentence: str) -> bool:
    plain_text = _unmask(sentence)
    return _PARTS_OF_CHAT.search(plain_text) is not None or _is_order(_WORD.findall(plain_text))


def _scattered(text: str) -> Iterator[str]:
    """Letters that stand one by one: `r é p o n d s`, `i.g.n.o.r.e`."""
    return (found[0] for found in _SCATTERED.finditer(text))


def _quote(sentence: str) -> str:
    quoted = " ".join(sentence.split())
    return quoted if len(quoted) <= LONGEST_QUOTE else quoted[: LONGEST_QUOTE - 1].rstrip() + "…"


# --- words into roles ------------------------------------------------------------------------------------------------


def _is_order(words: Sequence[str]) -> bool:
    told = list(map(_role, words))
    _read_letters(words, told)
    if _TELLING.isdisjoint(told):
        return False
    signs_of = signs()
    return order_forms().search("".join(signs_of[role] for role in ("start", *told, "end"))) is not None


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
    return "stop" if not word[0].isalnum() else "other"


def _read_letters(words: Sequence[str], told: list[str]) -> None:
    """Mark the letters that name an answer. Of letters to choose from (`A, B ou C`, `A si …, B si …`) none is one."""
    places = [n for n, word in enumerate(words) if word.isupper() and _is_letter(words, n)]
    near = {n + step for n in places for step in (1, 2) if step == 1 or told[n + 1 : n + 2] in (["stop"], ["join"])}
    if sum(n not in near for n in places) != 1 or words[places[-1] + 1 : places[-1] + 2] in _CHOICES:
        return
    for place in places:
        told[place] = "letter"


def _is_letter(words: Sequence[str], n: int) -> bool:
    """`A`, `BD`. Before an article or a word in capitals `A` is `À` as typed on old machines."""
    word, following = words[n], words[n + 1] if n + 1 < len(words) else ""
    if not set(word) <= set("ABCDEFGHIJ") or len(word) > 5 or len(set(word)) < len(word):
        return False
    if word != "A":
        return True
    is_shouted = following.isupper() and len(following) > 1
    return not is_shouted and roles().get(following) not in ("fill", "every", "each", "your")


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
