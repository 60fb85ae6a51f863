"""Addresses and the names of files that print breaks at the end of a line."""

from __future__ import annotations

import re
from collections.abc import Set

from worker.courses.signs import BROKEN_STROKE

# What breaks at the end of a line only after a sign, and what no sentence begins with after it.
_ADDRESS = re.compile(r"(?:(?:https?)?://|www\.)\S*(?:[/?=&_%#~]|/-)|https?:(?://)?|www\.")
_PATH = re.compile(r"(?:\w+:)?/?(?:[\w.{}$-]+/){2,}")
# `/⏎usr/share`, `/etc/⏎hosts.allow`
_ROOT, _NAME = re.compile(r"~?/(?:[\w.-]+/)?"), re.compile(r"[\w-]+[./_]\w")
_PATH_BELOW = re.compile(r"[\w.-]+/\w")
_HALF_A_HOST = re.compile(r"(?:(?:https?)?://|www\.)\S*\.|[\w.-]+@[\w.-]*\.")
# `https://wiki.example.org/⏎NdisWrapper`: a capital alone may begin a sentence.
_GOES_ON = re.compile(r"[a-z\d]|//|\w+[_/#?=]\w|[A-Z][a-z]+[A-Z]")
_HOST_GOES_ON = re.compile(r"[a-z\d-]+[./]")
_FILE = re.compile(r"[\w-]+\.")
_FIRST_WORD = re.compile(r"[a-z][\w-]+")
_EXTENSION = re.compile(r"(?:txt|pdf|html?|docx?|pptx?|xlsx?|csv|xml|tex|sty|cfg|conf|log|jpe?g|png|py|sh)\b")
# Print puts no hyphen of its own into an address: the one at the end of a line is part of it.
_HYPHENED = re.compile(r"(?:(?:(?:https?)?://|www\.)[^\s@]*\w|[\w.+-]+@[\w.-]*\w)[-\u2010\ufffe\x02]")
LONGEST_ADDRESS = 200
_MAY_GO_ON = re.compile(r"\n(?:(?<=[/?=&_%#~.:\ufffe\x02\u00ad\u2010-]\n)[\w/]|_|\.[a-z])")
_MEMBER = re.compile(r"\.[a-z][\w-]+")  # no sentence begins so, and the name of a property goes on
_NAMES_ENDING = re.compile(r"(?:l.)?extensions?|fichiers?|formats?|l[ae]|les|des?|et|ou|en|un|par", re.IGNORECASE)
_DOT = re.compile(r"\.[a-z]")
_DOTTED = re.compile(r"(?<![\w-])[\w-]++\.[a-z][\w-]++|(?<=\s)\.[a-z][\w-]++")
_PART = r"[\w.,%°µ()-]"
_STROKE = re.compile(rf"{_PART}+/")
_STROKED, _OPEN = (re.compile(rf"(?<!{_PART}){_PART}++{end}") for end in (r"(?=/\w)", "/(?= )"))
_FIRST_PART = re.compile(r"\w[\w-]*")


class Names:
    """The names of files, paths and measures as a document spells them within its lines."""

    def __init__(self) -> None:
        self.dotted: set[str] = set()  # `sources.list`; `.pk`, which begins with its dot
        self.stroked: set[str] = set()  # `usr/bin`, `ml/jour`: two parts around each stroke
        self.open: set[str] = set()  # `debian/`, with a space behind it

    def learn(self, line: str) -> None:
        """Take up what a line spells."""
        if _DOT.search(line):
            self.dotted.update(_DOTTED.findall(line))
        if "/" in line:
            self.open.update(_OPEN.findall(line))
            for part in _STROKED.finditer(line):
                rest = _FIRST_PART.match(line, part.end() + 1)
                self.stroked.add(f"{part[0]}/{rest[0] if rest else ''}")


def join_addresses(text: str, names: Names) -> str:
    """Addresses, the names of files and measures that go on in the next line (`https://www.⏎debian.org`, `ml/⏎jour`)
    in one. `names`: as the document spells them."""
    if _MAY_GO_ON.search(text) is None:
        return text
    lines = text.split("\n")
    parts, word = [lines[0]], _last_word("", lines[0])
    for line in lines[1:]:
        goes_on = (
            (_goes_on(word, line) and not _is_ending(word, line, names.dotted))
            or _is_file(word, line, names.dotted)
            or _is_stroke(BROKEN_STROKE.sub("", word), line, names)
        )
        if goes_on and BROKEN_STROKE.search(word):
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


def _is_stroke(word: str, line: str, names: Names) -> bool:
    """Whether a word that ends with a stroke goes on: as it does elsewhere, or because nobody writes a space behind a
    stroke but behind a path (`dans /etc/⏎pour`), or where the document does."""
    first = _FIRST_PART.match(line)
    if word[-1:] != "/" or first is None:
        return False
    before = word[:-1].rpartition("/")[2]
    if before and f"{before}/{first[0]}" in names.stroked:
        return True
    return _STROKE.fullmatch(word) is not None and word not in names.open and word[0] != "."


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
    return word[-LONGEST_ADDRESS:].lstrip('(<[«“"')
