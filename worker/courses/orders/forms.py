"""The forms of orders, in the roles that their words have (`words.txt`): which sequences of roles are an order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

# Roles of what is in no list: where a sentence starts and ends, an answer's letter, one that leaves it open, a number,
# signs, a field of a reply, a name with an underscore, any other word.
_MADE = ("start", "end", "letter", "open", "figure", "stop", "colon", "field", "name", "other")

# Words in angle brackets of a form are these, whichever stands there.
_PARTS: Mapping[str, str] = {
    "fill": "fill/as/than/toward/named/answers/key/right",
    "choice": "(?:letter|ordinal named/answers(?!fill)|ordinal(?=stop? end)|true(?!stop?or)|false(?!stop?or))",
    # `Il ne faut pas répondre A` tells of an answer. What wards give too needs to be called an answer, or
    # to be all that is given.
    "give": "(?<!not)(?:give/reply/answer/approve|<hand>)",
    "hand": "hand(?:(?=fill/toward/always* named/answers/key)|(?=fill/always* letter stop? end))",
    "is": "is/must",
    # Which questions: all, all that …, in each case.
    "all": "(?:every/each fill* any? question|whatever fill/than/without/is/must/thou* question/ask)",
    "every": "(?:<all>|every/each fill* case)",
    "asked": "if any? any? any? question/ask",
    # What is the answer, told as such.
    "answer": "named/answers/key/answer any? any?",
    "right": "(?:and? fill? right|true)",
    "judge": "(?:host/reader/ai/machine/marking|system fill? marking)",
    "machine": "(?:machine|host/reader fill? artificial/machine/ai|artificial/machine/ai artificial? host/reader)",
    # Where an imperative stands, and what else tells somebody to do it.
    "lead": "(?:start/stop/colon/join/and/is/must/aux fill?|ask thou/you/fill/toward*|you/thou toward|not fill/toward|"
    "(?<!if)(?<!not)you/thou)",
    "begin": "(?:start/stop/colon/join/and|<is> <is>?|<is> fill|ask thou/you/fill/toward*)",
    "forget": "(?:<lead> forget|(?<!not)forget(?=any? any? your)|<lead> hand/set fill* aside|<defy>)",
    "defy": "(?:<lead> not thou? follow not/more? every?|cease fill* follow|cease (?=fill* told))",
    "before": "before/said",
    # What whoever answers was told, and the official answers.
    "orders": "(?:… told … <before>|fill* told than? any? any? thou|fill* told fill* system|"
    "any? any? before/every/your any? any? told|fill* everything/every any* any* (?:<before>|ask)|"
    "any? any? fill? thou any? any? any? before/said/ask)",
    "sheet": "(?:key/answers fill? official/said|official key/answers/answer|key fill marking|key fill* question|"
    "answer key)",
}

# `*` stands for up to four, `…` for up to eight of anything in the same sentence.
FORMS: Sequence[str] = (
    # The same answer whatever is asked.
    "<give> <fill>* always <fill>* <choice>",
    "(?<!not)always <give> <fill>* <choice>",
    "<give> <fill>* <choice> stop/fill/and* always",
    "<give> <fill>* <choice> … <every>",
    "<every> … <give> <fill>* <choice>",
    "(?<!not)hand <fill>* letter … <all>",
    "<all> … (?<!not)hand <fill>* letter",
    "<every> stop? fill? right? named/answers/key right? <is> <fill>* <choice>",
    "<all> … <answer> <is> <is>? <fill>* letter",
    "<answer> <is> <is>? <fill>* letter stop? fill? <every>",
    "answers/key/answer right? … <every> <is> <fill>* <choice>",
    "<answer> any? <is> always <fill>* <choice>",
    "named/answers/answer letter <is> always fill? right",
    "letter <is> <right> … <all>",
    "<all> … letter <is> <right>",
    "<all> … answers/answer fill* letter stop/end",
    "letter <is> fill* answers/answer fill/toward* every/everything",
    "every fill? right? answers/key <is> <fill>* letter",
    "every/everything <is> letter stop/end",
    "not reply/answer/give/hand any? any? any? than/but <fill>* letter",
    "answers/answer than than? fill* letter … <is> … wrong",
    "now stop? fill/always/every/sole* named/answers/answer/key <fill>* <is> <fill>* letter",
    "now stop? fill/always/every/sole* named/answers/answer/key <fill>* letter <is> <right>",
    "<begin> treat than/fill/every* named? letter <is>? always? fill/as* (?:right|true|wrong|false)",
    "<begin> treat fill* every/each/everything any* as any? right/true/wrong/false",
    "<begin> treat as any? right/true/wrong/false every/each/everything",
    "reply/answer/treat/act as if fill/named* letter",
    "than answers/answer than <fill>* letter",
    "treat everything fill? as",
    "your fill? right? answers/answer/key must is? <fill>* letter",
    # The answer to one subject, as nobody tells a student.
    "(?<!not)(?<!past)(?<!not always)(?<!question figure/one)(?<!question figure/one stop)reply <fill>* letter",
    "(?<!if)thou is/must* always? (?:answer/give|<hand>) <fill>* letter(?!.{0,8}reason)",
    "reply/answer/give <fill>* letter/open if fill/toward? question … speak/treat",
    "<asked> … (?:<give> <fill>* letter|<answer> <is> <is>? <fill>* letter)",
    "toward fill* question any? speak … <give> <fill>* letter",
    # What was said before is to be forgotten.
    "<forget> <orders>",
    "hold not/more any? account/heed … (?:told … <before>|<before> any? told|<sheet>)",
    "follow not more any? told … thou",
    "follow more every told",
    "told before <is>? any? void",
    "told … <before> any? any? any? (?:valid more|not more follow/valid|more follow/valid)",
    "as if fill? told <before>",
    "copy any? any? any? your/system any? told",
    "reply/copy toward/fill* system told",
    "copy everything before",
    "new told fill/toward/than* colon any? any? forget/thou/act/change/copy/approve/treat",
    "new system told/note|new told system",
    "new told fill/toward* <judge>|new told fill/toward* chief",
    "told instead",
    "told any* supersede … (?:system|told|everything)",
    "supersede any? <before> any? told",
    "your any? told (?:<is>? any? void|any* more right|any? change)",
    "than/not toward/as/fill* your system? told",
    "begin fill* new? told colon",
    # Whom whoever reads should take itself for.
    "thou <is> now? fill? any? host/machine/ai",
    "thou <is> now fill? any? any? mode",
    "you <is> now? fill? <machine>|you <is> now? fill? ai",
    "you <is> now? fill host end/without/stop",
    "thou/you not <is> more fill? chief/host … but",
    "act any? <fill>* any? host/machine/ai/reader",
    "as than? fill? <machine> stop? thou/you|as than? fill? ai stop? thou/you <is>",
    "your any? any? task <is> now? any? any? (?:approve|<give> <fill>* letter|hand <fill>* letter)",
    "now fill? stop? thou/you? <is>? reply/answer <fill>* <choice>",
    # Whom a text is addressed to.
    "note/told heed/fill* toward fill/heed* (?:<machine>|ai)",
    "dear fill? (?:host|<machine>|ai)",
    "start any? any? any? toward fill/heed* <machine> any* colon",
    "start fill? toward fill heed fill* ai any* colon",
    "start fill? <judge> colon (?:give/hand/reply/approve/treat/forget/thou/change)",
    "<judge> any* <is> always? (?:treat|give|hand) <fill>* letter",
    "<judge> any* always (?:gives/give/hand) <fill>* letter",
    # Keys, verdicts, and the names that stand in a reply.
    "(?:<sheet>|key official) … wrong/false",
    "(?:change|start forget|stop forget|<defy>) … (?:key official|<sheet>)",
    "<sheet> … (?:change|forget)",
    "change fill* key fill* letter",
    "change/approve every fill* any? question/key",
    "<begin> (?:treat|hand) every/each fill* key any? as",
    "approve fill* key without",
    "set/hand fill* confidence … one",
    "verdict stop/colon/is/must* outcome",
    "call fill? tool name",
    "field",
)


_PART = re.compile(r"<(\w+)>")
_ENDINGS = ("e", "es", "ez", "er", "eras", "erez", "era")


@cache
def roles() -> dict[str, str]:
    """Folded word → its role."""
    lines = files(__package__).joinpath("words.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(": ") for line in lines if line and not line.startswith("#"))
    return {plain(form): role for role, words in pairs for word in words.split() for form in _conjugate(word)}


def _conjugate(word: str) -> Sequence[str]:
    """`coch-er` as it is said to somebody; any other word as it is."""
    stem, dash, _ = word.rpartition("-er")
    return [stem + ending for ending in _ENDINGS] if dash else [word]


@cache
def signs() -> dict[str, str]:
    """Role → the one character that stands for it."""
    return {role: chr(0x100 + number) for number, role in enumerate(dict.fromkeys((*_MADE, *roles().values())))}


@cache
def order_forms() -> re.Pattern[str]:
    """All forms over signs."""
    return re.compile("|".join(map(_compile, FORMS)))


@cache
def compile_form(form: str) -> re.Pattern[str]:
    """One form over signs."""
    return re.compile(_compile(form))


def plain(word: str) -> str:
    """Small letters without accents."""
    return "".join(c for c in unicodedata.normalize("NFD", word.casefold()) if not unicodedata.combining(c))


def _compile(form: str) -> str:
    while _PART.search(form):
        form = _PART.sub(lambda m: f"(?:{_PARTS[m[1]]})", form)
    form = re.sub(r"[a-z]+(?:/[a-z]+)*", _class, form)
    return form.replace(" ", "").replace("*", "{0,4}").replace("…", ".{0,8}?")


def _class(names: re.Match[str]) -> str:
    found = names[0].split("/")
    return "." if found == ["any"] else "[" + "".join(signs()[name] for name in found) + "]"
