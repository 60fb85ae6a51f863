"""The forms of orders, in the roles that their words have (`words.txt`): which sequences of roles are an order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

# Roles of what is in no list: where a sentence starts and ends, an answer's letter, signs, a field of a reply, a name
# with an underscore, any other word.
_MADE = ("start", "end", "letter", "stop", "colon", "field", "name", "other")

# Words in angle brackets of a form are these, whichever stands there.
_PARTS: Mapping[str, str] = {
    "give": "give/reply/answer/approve",
    "fill": "fill/toward/named/answers/key/right",
    "choice": "(?:letter|ordinal named/answers(?!fill)|true(?!stop?or)|false(?!stop?or))",
    "every": "(?:every/each fill* any? question|whatever fill* question)",
    "machine": "(?:machine|host/reader fill? artificial/machine|artificial/machine artificial? host/reader)",
}

# `*` stands for up to four, `…` for up to eight of anything in the same sentence.
FORMS: Sequence[str] = (
    # The same answer whatever is asked.
    "<give> <fill>* always <fill>* <choice>",
    "always <give> <fill>* <choice>",
    "<give> <fill>* <choice> … always",
    "<give> <fill>* <choice> … <every>",
    "<every> … <give> <fill>* <choice>",
    "<every> stop? fill? right? named/answers/key right? is <fill>* <choice>",
    "answers/key/answer right? … <every> is <fill>* <choice>",
    "named/answers/key/answer any? any? any? is always <fill>* <choice>",
    "named/answers/answer letter is always fill? right",
    "every fill? right? answers/key is <fill>* letter",
    # The answer to one subject, as nobody tells a student.
    "reply fill/named/answers* letter",
    "if fill/toward? question … speak … reply/answer … <choice>",
    # What was said before is to be forgotten.
    "start/stop/colon/join/is forget … told … before",
    "start/stop/colon/join/is forget any? any? before/every/your any? any? told",
    "hold not account … told … before",
    "copy any? any? any? your/system any? told",
    "reply/copy toward/fill* system told",
    "copy everything before",
    "new told colon",
    "new told fill/toward* chief/host/reader/machine",
    "told instead",
    "begin fill* new? told colon",
    # Whom whoever reads should take itself for.
    "thou is now? fill? any? host/machine",
    "thou is now fill? any? any? mode",
    "you is now? fill? <machine>",
    "you is now? fill host end/without/stop",
    "thou/you not is more fill? chief/host … but",
    "act any? fill* any? host/machine",
    "now fill? stop? thou/you? is? reply/answer <fill>* <choice>",
    # Whom a text is addressed to.
    "note/told heed/fill* toward fill/heed* <machine>",
    "dear fill? host/machine",
    "start any? any? any? toward fill/heed* <machine> colon",
    # Keys, verdicts, and the names that stand in a reply.
    "(?:key official|official key) … wrong/false",
    "(?:change|start forget|stop forget) … (?:key official|official key/answer|answer key)",
    "change/approve every fill* any? question/key",
    "verdict stop/colon/is* outcome",
    "set/give fill? confidence stop/colon/toward/is* one",
    "call fill? tool name",
    "field",
)


@cache
def roles() -> dict[str, str]:
    """Folded word → its role."""
    lines = files(__package__).joinpath("words.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(": ") for line in lines if line and not line.startswith("#"))
    return {plain(word): role for role, words in pairs for word in words.split()}


@cache
def signs() -> dict[str, str]:
    """Role → the one character that stands for it."""
    return {role: chr(0x100 + number) for number, role in enumerate(dict.fromkeys((*_MADE, *roles().values())))}


@cache
def order_forms() -> re.Pattern[str]:
    """All forms over signs."""
    return re.compile("|".join(map(_compile, FORMS)))


def plain(word: str) -> str:
    """Small letters without accents."""
    return "".join(c for c in unicodedata.normalize("NFD", word.casefold()) if not unicodedata.combining(c))


def _compile(form: str) -> str:
    form = re.sub(r"<(\w+)>", lambda m: f"(?:{_PARTS[m[1]]})", form)
    form = re.sub(r"[a-z]+(?:/[a-z]+)*", _class, form)
    return form.replace(" ", "").replace("*", "{0,4}").replace("…", ".{0,8}?")


def _class(names: re.Match[str]) -> str:
    found = names[0].split("/")
    return "." if found == ["any"] else "[" + "".join(signs()[name] for name in found) + "]"
