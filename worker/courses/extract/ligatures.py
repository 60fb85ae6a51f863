"""Joined letters that a PDF's font does not name: which sign stands for which is read from common French words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from worker.courses.document import Line, Page

LETTERS = ("ffi", "ffl", "ff", "fi", "fl")
_SIGN = re.compile("[\ue00b\ue00c\ue00e-\ue01f\x0b\x0c\x0e-\x1f]")
_WORD = re.compile("(?<![^\\W\\d_])[^\\W\\d_]*+[\ue00b\ue00c\ue00e-\ue01f\x0b\x0c\x0e-\x1f][^\\W\\d_]*+")
# How French words with such letters begin, as they stand in any text of some pages.
_BEGINNINGS = re.compile(
    "afin|affect|affirm|affaibl|affich|bénéfi|chiffr|circonfl|coeffi|coffr|conflu|confian|confli|défin|dé"
    "fici|diffèr|différ|diffici|diffus|effac|effect|effet|effic|efflu|effort|enfin|enflam|faibl|fibr|fich"
    "|fidèl|figur|filtr|finir|fiss|fixe|fixé|flamb|flech|flexi|fluid|flux|greffe|identifi|inflam|influ|in"
    "fin|infir|insuffi|justifi|magnifi|modifi|offic|offr|officiel|ossifi|pacifi|profit|qualifi|raffin|ram"
    "ifi|rectifi|réflex|réfléch|siffl|signifi|souffl|souffr|spécifi|suffi|superfi|vérifi|redéfin|fichier|"
    "indéfin"
)


_SPACES = re.compile("[\x0b\x0c\x1c-\x1f]")
_KEPT = {code: 0xE000 + code for code in (0x0B, 0x0C, *range(0x1C, 0x20))}


def keep_ligatures(text: str) -> str:
    """A text whose signs are no spaces: Python takes some of their codes for such."""
    return text.translate(_KEPT) if _SPACES.search(text) else text


def name_ligatures(pages: Sequence[Page]) -> list[Page]:
    """Pages with the letters in place of the signs. A sign that makes no known word is left out, or stays a control."""
    words = [
        word for page in pages for line in page.lines if _SIGN.search(line.text) for word in _WORD.findall(line.text)
    ]
    named = {ord(sign): letters for sign in set("".join(words)) if (letters := _name(sign, words))}
    if words:
        named = dict.fromkeys(_KEPT.values(), "") | named
    if not named:
        return list(pages)
    return [
        Page(page.number, tuple(_translated(line, named) if _SIGN.search(line.text) else line for line in page.lines))
        for page in pages
    ]


def _translated(line: Line, named: Mapping[int, str]) -> Line:
    return replace(line, text=line.text.translate(named))


def _name(sign: str, words: Sequence[str]) -> str | None:
    """The letters that make most words of a text begin as French ones do."""
    if not _SIGN.match(sign):
        return None
    found: Counter[str] = Counter()
    for word in words:
        if sign in word and word.count(sign) == 1 and len(_SIGN.findall(word)) == 1:
            for letters in LETTERS:
                whole = word.lower().replace(sign, letters)
                known = _BEGINNINGS.match(whole)
                if known is not None and word.index(sign) + len(letters) <= known.end():
                    found[letters] += 1
    return found.most_common(1)[0][0] if found else None
