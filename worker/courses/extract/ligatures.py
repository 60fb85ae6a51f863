"""Joined letters and quotation marks that a PDF's font does not name.

Which sign stands for which letters is read from the document's other words and from common French ones; marks are known
by standing around words in pairs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import chain

from worker.courses.document import Line, Page

LETTERS = ("ffi", "ffl", "ff", "fi", "fl")
_LETTERS = re.compile(r"[^\W\d_]{4,}")
_SIGN = re.compile("[\ue00b\ue00c\ue00e-\ue01f\x0b\x0c\x0e-\x1f]")
_WORD = re.compile("(?<![^\\W\\d_])[^\\W\\d_]*+[\ue00b\ue00c\ue00e-\ue01f\x0b\x0c\x0e-\x1f][^\\W\\d_]*+")
# How French words with such letters begin, as they stand in any text of some pages.
_BEGINNINGS = re.compile(
    "afin|affect|affirm|affaibl|affich|bénéfi|chiffr|circonfl|coeffi|coffr|conflu|confian|confirm|confli|défin|dé"
    "fici|diffèr|différ|diffici|diffus|effac|effect|effet|effic|efflu|effort|enfin|enflam|faibl|fibr|fich"
    "|fidèl|figur|filtr|finir|fiss|fixe|fixé|flamb|flech|flexi|fluid|flux|greffe|identifi|inflam|influ|in"
    "fin|infir|insuffi|justifi|magnifi|modifi|offic|offr|officiel|ossifi|pacifi|profit|qualifi|raffin|ram"
    "ifi|rectifi|réflex|réfléch|siffl|signifi|souffl|souffr|spécifi|suffi|superfi|vérifi|redéfin|fichier|"
    "indéfin"
)


# The guillemets of Cork's encoding (T1; Ferguson, Report on multilingual activities, TUGboat 11, 1990) around words. In
# other fonts of TeX the two are an accent, which stands at its letter, or high brackets.
_OPENING, _CLOSING = "\x13", "\x14"
_QUOTED = re.compile(
    f"(?<!\\w){_OPENING} ?(?=[^{_OPENING}{_CLOSING}]*[^\\W\\d_]{{2}})[^{_OPENING}{_CLOSING}]{{1,300}}{_CLOSING}(?!\\w)"
)
PAIRED = 0.8  # of such signs in a text


_SPACES = re.compile("[\x0b\x0c\x1c-\x1f]")
_PLACE, _CODE = 0xE000, 0x1F  # where a sign is kept that Python takes for a space
# The joined letters of TeX's fonts: of Cork's encoding, and of Knuth's own (Computer Modern Typefaces, 1986).
_CORK = {0x1B: "ff", 0x1C: "fi", 0x1D: "fl", 0x1E: "ffi", 0x1F: "ffl"}
_OLD = {0x0B: "ff", 0x0C: "fi", 0x0E: "ffi", 0x0F: "ffl"}  # the code of `fl` ends a line
_KEPT = {code: _PLACE + code for code in (0x0B, 0x0C, *range(0x1C, 0x20))}


def keep_ligatures(text: str) -> str:
    """A text whose signs are no spaces: Python takes some of their codes for such."""
    return text.translate(_KEPT) if _SPACES.search(text) else text


def name_ligatures(pages: Sequence[Page]) -> list[Page]:
    """Pages with the letters in place of the signs. A sign that makes no known word is left out, or stays a control."""
    words = [
        word for page in pages for line in page.lines if _SIGN.search(line.text) for word in _WORD.findall(line.text)
    ]
    known = _spelled(pages) if words else frozenset()
    named = {ord(sign): letters for sign in set("".join(words)) if (letters := _name(sign, words, known))}
    named = _rest_of_font(named) | named | _name_marks(pages)
    if words:
        named = dict.fromkeys(_KEPT.values(), "") | named
    if not named:
        return list(pages)
    return [
        replace(page, lines=tuple(_translated(line, named) if _SIGN.search(line.text) else line for line in page.lines))
        for page in pages
    ]


def _rest_of_font(named: Mapping[int, str]) -> dict[int, str]:
    """What the other signs of TeX's fonts are where those that words tell are of one of its encodings alone."""
    told = {code & _CODE: letters for code, letters in named.items()}
    for encoding in (_CORK, _OLD):
        if told and told.items() <= encoding.items():
            return {place + code: letters for code, letters in encoding.items() for place in (0, _PLACE)}
    return {}


def _name_marks(pages: Sequence[Page]) -> dict[int, str]:
    """The guillemets of a text in which the two signs stand around words, nearly each time."""
    lines = [line.text for page in pages for line in page.lines]
    count = sum(line.count(_OPENING) + line.count(_CLOSING) for line in lines)
    if count == 0 or 2 * len(_QUOTED.findall(" ".join(lines))) < PAIRED * count:
        return {}
    return {ord(_OPENING): "«", ord(_CLOSING): "»"}


def _translated(line: Line, named: Mapping[int, str]) -> Line:
    return replace(line, text=line.text.translate(named))


def _spelled(pages: Sequence[Page]) -> AbstractSet[str]:
    """The words of a text that have no such sign."""
    words = chain.from_iterable(_LETTERS.findall(line.text.lower()) for page in pages for line in page.lines)
    return {word for word in words if "f" in word}


def _name(sign: str, words: Sequence[str], spelled: AbstractSet[str]) -> str | None:
    """The letters that make most words of a text such as stand elsewhere in it, or begin as French ones do."""
    if not _SIGN.match(sign):
        return None
    found: Counter[str] = Counter()
    for word in words:
        if sign in word and word.count(sign) == 1 and len(_SIGN.findall(word)) == 1:
            for letters in LETTERS:
                whole = word.lower().replace(sign, letters)
                known = _BEGINNINGS.match(whole)
                is_known = known is not None and word.index(sign) + len(letters) <= known.end()
                if is_known or whole in spelled:
                    found[letters] += 1
    return found.most_common(1)[0][0] if found else None
