"""Accents that old LaTeX prints apart from their letters, composed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

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
