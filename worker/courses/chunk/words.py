"""Words as their document spells them: those that print cuts or takes apart are mended by what else stands in it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

_LETTERS = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
# The end of a line, or a mark that PDFium puts there alone: the lines of a table's cell stand beside one another.
_CUT_WORD = re.compile(
    r"(?<![^\W\d_])([^\W\d_]++)(?:[-\u00ad\u2010\ufffe\x02][ \t]*+\n|[\ufffe\x02](?=[ \t]))[ \t]*+([^\W\d_]+)"
)
# `impor- tance`: the end of a line that a program turned into a space.
_LOOSE_CUT = re.compile(r"(?<![^\W\d_-])([^\W\d_]{2,})[-\u2010\ufffe\x02] ([^\W\d_]{2,})")

# What breaks at the end of a line only after a sign, and what no sentence begins with after it.
_ADDRESS = re.compile(r"(?:https?://|www\.)\S*(?:[/?=&_%#~]|/-)|https?://|www\.")
_HALF_A_HOST = re.compile(r"(?:https?://|www\.)\S*\.|[\w.-]+@[\w.-]*\.")
_GOES_ON, _HOST_GOES_ON = re.compile(r"[a-z\d]"), re.compile(r"[a-z\d-]+[./]")
_FILE = re.compile(r"[\w-]+\.")
_DOTTED = re.compile(r"(?<![\w-])[\w-]++\.[a-z][\w-]++")
_FIRST_WORD = re.compile(r"[a-z][\w-]+")
_EXTENSION = re.compile(r"(?:txt|pdf|html?|docx?|pptx?|xlsx?|csv|xml|tex|sty|cfg|conf|log|jpe?g|png|py|sh)\b")
LONGEST_ADDRESS = 200

# What French writes with a hyphen whatever a text's other words are, and what it writes in one from two words.
_HYPHENED = re.compile(
    r".+-mêmes?|(?:celui|celle|ceux|celles)-(?:ci|là)|peut-être|à-dire|(?:est|sont|qu)-ce|.*[td]-(?:ils?|elles?|on)|"
    r"(?:au|ci|là|par)-(?:dessus|dessous|delà|devant|avant|contre|après)|vis-à|à-vis|(?:non|demi|semi|quasi|ci)-.{3,}"
)
_IN_ONE = re.compile(
    "surtout|lorsque|puisque|quoique|pourtant|cependant|toujours|plusieurs|partout|autour|autant|plutôt|bientôt|"
    "aussitôt|malgré|parfois|quelquefois|longtemps|davantage|maintenant|pourquoi|parmi|avantage|pourcentage"
)

# Accents that stand before their letter (TeX's old fonts): signs of their own that never stand before one in a text.
_ACCENTS = {
    "´": "\u0301",
    "`": "\u0300",
    "ˆ": "\u0302",
    "^": "\u0302",
    "¨": "\u0308",
    "¸": "\u0327",
    "˜": "\u0303",
    "˘": "\u0306",
    "ˇ": "\u030c",
    "˚": "\u030a",
}
_APART = re.compile(f"(?<![`´])([{''.join(_ACCENTS)}]) ?([A-Za-zı])")
_STRAY = re.compile(r"\b(?:E(?=.* (?P<acute>´)(?:\s|$))|[AEU](?=.* (?P<grave>`)(?:\s|$)))")
_ACUTE_E = re.compile("´ ?[eE]")
ENOUGH_APART = 2


class Spelling:
    """How often a document writes each word, hyphens included."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._words: Counter[str] = Counter()
        self._dotted: set[str] = set()  # `sources.list`
        for text in texts:
            self._words.update(word.lower() for word in _LETTERS.findall(text))
            self._dotted.update(_DOTTED.findall(text))

    def mend(self, text: str) -> str:
        """Words that are cut at the end of a line (`hyper-⏎tension`) or before a space (`impor- tance`)."""
        text = self._join_addresses(text)
        text = _CUT_WORD.sub(lambda m: self.join(m[1], m[2]), text)
        return _LOOSE_CUT.sub(self._join_loose, text)

    def _join_addresses(self, text: str) -> str:
        """Addresses and the names of files that go on in the next line (`https://www.⏎debian.org`) in one."""
        lines = text.split("\n")
        parts, word = [lines[0]], _last_word("", lines[0])
        for line in lines[1:]:
            goes_on = (_goes_on(word, line)) or self._is_file(word, line)
            if goes_on and word.endswith("/-"):
                parts[-1] = parts[-1][:-1]  # print put the hyphen there
            parts.append(line if goes_on else f"\n{line}")
            word = _last_word(word if goes_on else "", line)
        return "".join(parts)

    def _is_file(self, word: str, line: str) -> bool:
        """Whether `sources.` and `list …` are the name of a file: by its ending, or because it stands elsewhere."""
        if not _FILE.fullmatch(word):
            return False
        first = _FIRST_WORD.match(line)
        return bool(_EXTENSION.match(line)) or (first is not None and word + first[0] in self._dotted)

    def join(self, head: str, tail: str) -> str:
        """Two halves of a line's end in one word or with a hyphen: as the document, else as French writes them."""
        in_one, hyphened = head + tail, f"{head}-{tail}"
        if tail[0].isupper():
            return hyphened  # the hyphen was the word's own (`Saint-⏎Louis`), or that of an ion (`Na-⏎K`)
        one, two = self._words[in_one.lower()], self._words[hyphened.lower()]
        if one != two or _IN_ONE.fullmatch(in_one.lower()):
            return in_one if one >= two else hyphened
        if len(head) <= 2 and head[0].isupper() and self._words[tail.lower()]:
            return f"{head}- {tail}"  # an ion before a word of its own: `le Cl-⏎qui`
        both = self._words[head.lower()] > 1 and self._words[tail.lower()] > 1 and min(len(head), len(tail)) > 3
        return hyphened if both or _HYPHENED.fullmatch(hyphened.lower()) else in_one

    def _join_loose(self, cut: re.Match[str]) -> str:
        in_one, hyphened = cut[1] + cut[2], f"{cut[1]}-{cut[2]}"
        one, two = self._words[in_one.lower()], self._words[hyphened.lower()]
        if one or two:
            return in_one if one >= two else hyphened
        return cut[0]


def _goes_on(word: str, line: str) -> bool:
    """Whether the address that a line ends with goes on in the next one: a host by a name with a dot or a path."""
    if _ADDRESS.fullmatch(word):
        return _GOES_ON.match(line) is not None
    return _HALF_A_HOST.fullmatch(word) is not None and _HOST_GOES_ON.match(line) is not None


def _last_word(before: str, line: str) -> str:
    """The last word of a line, with what of it the line before holds; no more of either than an address is long."""
    end = line[-LONGEST_ADDRESS:].rsplit(None, 1)
    word = (before if len(end) == 1 else "") + end[-1] if end else ""
    return word[-LONGEST_ADDRESS:].lstrip("(<[«“")


def are_accents_apart(texts: Iterable[str]) -> bool:
    """Whether a document prints its accents as signs before the letters: it has é that way, as all French has."""
    found = 0
    for text in texts:
        found += len(_ACUTE_E.findall(text))
        if found >= ENOUGH_APART:
            return True
    return False


def compose_accents(text: str) -> str:
    """`r´egulation` is `régulation`, `bo^ıte` `boîte`; a sign before a letter that takes no accent stays."""

    def composed(match: re.Match[str]) -> str:
        letter = "i" if match[2] == "ı" else match[2]
        one = unicodedata.normalize("NFC", letter + _ACCENTS[match[1]])
        return one if len(one) == 1 else match[0]

    # The accent of a capital may stand after its word: `Ecole ´`, `A la suite \``.
    while (stray := _STRAY.search(text)) is not None:
        at, sign = stray.start(), max(stray.start("acute"), stray.start("grave"))
        capital = unicodedata.normalize("NFC", text[at] + _ACCENTS[text[sign]])
        rest = text[sign + 1 :]
        text = text[:at] + capital + text[at + 1 : sign].rstrip() + (rest.lstrip() if rest[1:2] in _ACCENTS else rest)
    return _APART.sub(composed, text)
