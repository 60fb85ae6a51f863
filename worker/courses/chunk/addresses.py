"""Addresses and the names of files that print breaks at the end of a line."""

from __future__ import annotations

import re
from collections.abc import Set

# What breaks at the end of a line only after a sign, and what no sentence begins with after it.
_ADDRESS = re.compile(r"(?:(?:https?)?://|www\.)\S*(?:[/?=&_%#~]|/-)|https?:(?://)?|www\.")
_PATH = re.compile(r"(?:\w+:)?/?(?:[\w.{}$-]+/){2,}")
# `/⏎usr/share`, `/etc/⏎hosts.allow`
_ROOT, _NAME = re.compile(r"~?/(?:[\w.-]+/)?"), re.compile(r"[\w-]+[./_]\w")
_PATH_BELOW = re.compile(r"[\w.-]+/\w")
_HALF_A_HOST = re.compile(r"(?:(?:https?)?://|www\.)\S*\.|[\w.-]+@[\w.-]*\.")
_GOES_ON, _HOST_GOES_ON = re.compile(r"[a-z\d]|//"), re.compile(r"[a-z\d-]+[./]")
_FILE = re.compile(r"[\w-]+\.")
_FIRST_WORD = re.compile(r"[a-z][\w-]+")
_EXTENSION = re.compile(r"(?:txt|pdf|html?|docx?|pptx?|xlsx?|csv|xml|tex|sty|cfg|conf|log|jpe?g|png|py|sh)\b")
# Print puts no hyphen of its own into an address: the one at the end of a line is part of it.
_HYPHENED = re.compile(r"(?:(?:(?:https?)?://|www\.)[^\s@]*\w|[\w.+-]+@[\w.-]*\w)[-\u2010\ufffe\x02]")
LONGEST_ADDRESS = 200
_MAY_GO_ON = re.compile(r"\n(?:(?<=[/?=&_%#~.:\ufffe\x02\u2010-]\n)[\w/]|_|\.[a-z])")
_MEMBER = re.compile(r"\.[a-z][\w-]+")  # no sentence begins so, and the name of a property goes on
_NAMES_ENDING = re.compile(r"(?:l.)?extensions?|fichiers?|formats?|l[ae]|les|des?|et|ou|en|un|par", re.IGNORECASE)
DOTTED = re.compile(r"(?<![\w-])[\w-]++\.[a-z][\w-]++|(?<=\s)\.[a-z][\w-]++")


def join_addresses(text: str, dotted: Set[str]) -> str:
    """Addresses and the names of files that go on in the next line (`https://www.⏎debian.org`) in one.

    `dotted`: the names with a dot that a document spells in one line, and those that it begins with one (`.pk`).
    """
    if _MAY_GO_ON.search(text) is None:
        return text
    lines = text.split("\n")
    parts, word = [lines[0]], _last_word("", lines[0])
    for line in lines[1:]:
        goes_on = (_goes_on(word, line) and not _is_ending(word, line, dotted)) or _is_file(word, line, dotted)
        if goes_on and word.endswith("/-"):
            parts[-1] = parts[-1][:-1]  # print put the hyphen there
        elif goes_on and _HYPHENED.fullmatch(word):
            parts[-1] = f"{parts[-1][:-1]}-"
        parts.append(line if goes_on else f"\n{line}")
        word = _last_word(word if goes_on else "", line)
    return "".join(parts)


def _is_file(word: str, line: str, dotted: Set[str]) -> bool:
    """Whether `sources.` and `list …` are the name of a file: by its ending, or because it stands elsewhere."""
    if not _FILE.fullmatch(word):
        return False
    first = _FIRST_WORD.match(line)
    return bool(_EXTENSION.match(line)) or (first is not None and word + first[0] in dotted)


def _is_ending(word: str, line: str, dotted: Set[str]) -> bool:
    """Whether a text speaks of an ending itself: the word before tells (`fichiers⏎.pk`), or it does elsewhere."""
    name = _MEMBER.match(line)
    if name is None or word + name[0] in dotted:
        return False
    return name[0] in dotted or _NAMES_ENDING.fullmatch(word) is not None


def _goes_on(word: str, line: str) -> bool:
    """Whether the address that a line ends with goes on in the next one: a host by a name with a dot or a path."""
    if _HYPHENED.fullmatch(word):
        return line[:1].isalnum()
    if _ADDRESS.fullmatch(word):
        return _GOES_ON.match(line) is not None
    if _HALF_A_HOST.fullmatch(word):
        return _HOST_GOES_ON.match(line) is not None
    return _is_path(word, line) or _is_name(word, line)


def _is_path(word: str, line: str) -> bool:
    if _PATH.fullmatch(word):
        return line[:1].isalnum()
    if not _ROOT.fullmatch(word):
        return False
    below = _PATH_BELOW.match(line) if word == "/" else _NAME.match(line)
    return below is not None


def _is_name(word: str, line: str) -> bool:
    """Whether the name of a command or a property goes on."""
    if word[-1:] == "_" or line[:1] == "_":
        return word[-1:].isalnum() or line[:1].isalnum()
    return _MEMBER.match(line) is not None and word[-1:].isalnum()


def _last_word(before: str, line: str) -> str:
    """The last word of a line, with what of it the line before holds; no more of either than an address is long."""
    end = line[-LONGEST_ADDRESS:].rsplit(None, 1)
    word = (before if len(end) == 1 else "") + end[-1] if end else ""
    return word[-LONGEST_ADDRESS:].lstrip("(<[«“")
