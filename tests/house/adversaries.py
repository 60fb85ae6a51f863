"""Strings that are hard for one regular expression: made of its own parts, repeated, cut short, nearly right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from re import _constants, _parser
from typing import Any

LEAD = 40  # characters of what leads up to a part
MANY = 8  # a repeat that may go on for longer than this can be fed without end
Maker = Callable[[int], str]  # length → a string of about that length
sre: Any = _constants

CATEGORIES = {
    sre.CATEGORY_DIGIT: "1",
    sre.CATEGORY_NOT_DIGIT: "a",
    sre.CATEGORY_SPACE: " ",
    sre.CATEGORY_NOT_SPACE: "a",
    sre.CATEGORY_WORD: "a",
    sre.CATEGORY_NOT_WORD: "-",
}
SPARE = "aA1 -\n<é\x01"  # of a negated class the first of these that it takes


def make_adversaries(pattern: re.Pattern[Any]) -> dict[str, Maker]:
    """What is tried against the pattern, by a short description. Bytes patterns are described by latin-1 text."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    tree = _parser.parse(text, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags)
    leads = list(dict.fromkeys(lead[-LEAD:] for lead, _ in _walk(tree, "")))
    turns = list(dict.fromkeys((lead[-LEAD:], turn) for lead, turn in _walk(tree, "") if turn))
    whole = _sample(tree)
    begun = {lead for lead in leads if lead} | {whole[:end] for end in (1, len(whole) // 2, len(whole) - 1, len(whole))}
    pairs = [(lead, turn) for lead, turn in turns] + [("", turn) for _, turn in turns]
    pairs += [("", lead + turn) for lead, turn in turns] + [("", piece) for piece in sorted(begun) if piece]
    pairs += [(lead, " ") for lead in leads] + [("", piece) for piece in ("a", "1", "\n", " a")]
    return {
        f"{head!r} + {piece!r}* + {tail!r}": _repeat(head, piece, tail)
        for head, piece in dict.fromkeys(pairs)
        for tail in ("", "\x01")
    }


def _repeat(head: str, piece: str, tail: str) -> Maker:
    return lambda length: head + piece * max(1, (length - len(head) - len(tail)) // len(piece)) + tail


def _walk(tree: Any, before: str) -> Iterator[tuple[str, str]]:
    """(what leads up to it, one turn of it) for each repeat in the tree, and the lead alone for each part."""
    for operation, argument in tree:
        yield before, ""
        if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            _, most, body = argument
            if most > MANY:
                yield before, _sample(body)
            yield from _walk(body, before)
        elif operation is sre.BRANCH:
            for branch in argument[1]:
                yield from _walk(branch, before)
        elif operation is sre.SUBPATTERN:
            yield from _walk(argument[3], before)
        elif operation is sre.ATOMIC_GROUP:
            yield from _walk(argument, before)
        before += _sample([(operation, argument)])


def _sample(tree: Any) -> str:
    """A short string that the tree takes, or nearly."""
    return "".join(_sample_one(operation, argument) for operation, argument in tree)


def _sample_one(operation: Any, argument: Any) -> str:  # noqa: PLR0911 (one line for each kind of part)
    if operation is sre.LITERAL:
        return chr(argument)
    if operation is sre.NOT_LITERAL:
        return next(c for c in SPARE if ord(c) != argument)
    if operation is sre.ANY:
        return "a"
    if operation is sre.IN:
        return _sample_class(argument)
    if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return _sample(argument[2]) * max(1, min(int(argument[0]), MANY))
    if operation is sre.BRANCH:
        return _sample(argument[1][0])
    if operation is sre.SUBPATTERN:
        return _sample(argument[3])
    if operation is sre.ATOMIC_GROUP:
        return _sample(argument)
    return ""  # assertions, back references


def _sample_class(members: Any) -> str:
    if members[0][0] is sre.NEGATE:
        refused = re.compile(_class_text(members[1:]))
        return next((c for c in SPARE if not refused.match(c)), "\u4e00")
    kind, value = members[0]
    if kind is sre.CATEGORY:
        return CATEGORIES[value]
    return chr(value[0] if kind is sre.RANGE else value)


def _class_text(members: Any) -> str:
    parts = []
    for kind, value in members:
        if kind is sre.CATEGORY:
            parts.append({"1": r"\d", " ": r"\s", "-": r"\W"}.get(CATEGORIES[value], r"\w"))
        elif kind is sre.RANGE:
            parts.append(f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}")
        else:
            parts.append(re.escape(chr(value)))
    return f"[{''.join(parts)}]"
