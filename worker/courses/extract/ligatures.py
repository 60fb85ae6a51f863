"""Joined letters that a PDF's font does not name: which sign stands for which is read from common French words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from worker.courses.document import Page

LETTERS = ("ffi", "ffl", "ff", "fi", "fl")
_SIGN = re.compile("[\x0b\x0c\x0e-\x1f]")
_WORD = re.compile("(?<![^\\W\\d_])[^\\W\\d_]*+[\x0b\x0c\x0e-\x1f][^\\W\\d_]*+")
# How French words with such letters begin, as they stand in any text of some pages.
_BEGINNINGS = re.compile(
    "afin|affect|affirm|affaibl|affich|bénéfi|chiffr|circonfl|coeffi|coffr|conflu|confian|confli|défin|dé"
    "fici|diffèr|différ|diffici|diffus|effac|effect|effet|effic|efflu|effort|enfin|enflam|faibl|fibr|fich"
    "|fidèl|figur|filtr|finir|fiss|fixe|fixé|flamb|flech|flexi|fluid|flux|greffe|identifi|inflam|influ|in"
    "fin|infir|insuffi|justifi|magnifi|modifi|offic|offr|officiel|ossifi|pacifi|profit|qualifi|raffin|ram"
    "ifi|rectifi|réflex|réfléch|siffl|signifi|souffl|souffr|spécifi|suffi|superfi|vérifi|redéfin|fichier|"
    "indéfin"
)


def name_ligatures(pages: Sequence[Page]) -> list[Page]:
    """Pages with the letters in place of the signs. A sign that makes no known word stays."""
    words = [
        word for page in pages for line in page.lines if _SIGN.search(line.text) for word in _WORD.findall(line.text)
    ]
    named = {ord(sign): letters for sign in set("".join(words)) if (letters := _name(sign, words))}
    if not named:
        return list(pages)
    return [
        Page(page.number, tuple(replace(line, text=line.text.translate(named)) for line in page.lines))
        for page in pages
    ]


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
