"""Signs of TeX's fonts without names: their codes read as letters, `hdosei` for `⟨dose⟩`, `f 6 g` for `f ⩽ g`."""

from __future__ import annotations

import re
from collections.abc import Callable

_FONTS = re.compile(rb"(?:^|\+)CM(?:B)?SY\d|MSAM\d|LMMathSymbols|[tp]xsy", re.IGNORECASE)
# What French has no word for: a page without any has no brackets of these.
_BRACKETED = re.compile(r"h(?:(?<!\wh)[^\W\d_]{3,}+(?<=i)\b|[\[*∗A-Z][^\n]{0,60}?i(?!\w))")
_OPENING = re.compile(r"\bh(?=\w)|h(?=[\[*∗A-Z])")
_CLOSING = re.compile(r"(?<=[^\W_])i\b|(?<=[\] *∗])i(?!\w)")
LONGEST = 80  # characters between brackets
_SYMBOLS = re.compile(rb"(?:^|\+)CM(?:B)?SY\d|LMMathSymbols|[tp]xsy(?!a)", re.IGNORECASE)  # without those of the AMS
_RELATION = re.compile(r"6 ?=|6|>|%|&")
_ARROWS = {"%": "↗", "&": "↘"}
# TeX's fonts for French (T1) as pictures, which have no names: a browser's table calls these codes ÷ and ×.
_OE = re.compile(r"÷(?=[^\W\d_]{2})|(?<![^\W_])×(?=[a-zà-ÿ]{2})")
# The dashes of the same fonts, whose codes are no letters, between figures or words: `2–3 mg/kg` read `23 mg/kg`. The
# same codes are the brackets of formulas, and in TeX's older fonts accents; joined letters tell which a page is set in.
_DASH = re.compile(
    r"(?<=\d)[\x15\x16](?=\s?\d)|(?:(?<=\w )|(?<=[.,;:)»%] )|(?<![^\n]))[\x15\x16](?= [\w«(])|"
    r"(?<=\w)[\x15\x16](?=\r?\n)"
)
_ANY_DASH = re.compile(r"[\x15\x16]")
_CORK, _OLD = re.compile("[\x1b\ue01c-\ue01f]"), re.compile("[\ue00b\ue00c\x0e]")
_DASHES = {"\x15": "–", "\x16": "—"}
_JOINED = "\u200b"  # in place of a letter that is gone; taken out with all that is not seen


def name_tex_signs(text: str, font_at: Callable[[int], bytes]) -> str:
    """A page's text, as long as before. `font_at`: the name of the font at a place of it."""
    named = {}
    for relation in _RELATION.finditer(text):
        if relation[0] in _ARROWS:
            if _SYMBOLS.search(font_at(relation.start())):
                named[relation.start()] = _ARROWS[relation[0]]
        elif _FONTS.search(font_at(relation.start())):
            sign = {"6": "⩽", ">": "⩾"}.get(relation[0], "≠")
            named[relation.start()] = sign + _JOINED * (len(relation[0]) - 1)
    for oe in _OE.finditer(text):
        if not font_at(oe.start()):
            named[oe.start()] = "œ" if oe[0] == "÷" else "Œ"
    named |= _dashes(text, font_at)
    if _BRACKETED.search(text):
        named |= _brackets(text, font_at)
    if not named:
        return text
    parts, at = [], 0
    for place, sign in sorted(named.items()):
        parts += [text[at:place], sign]
        at = place + len(sign)
    return "".join(parts) + text[at:]


def _dashes(text: str, font_at: Callable[[int], bytes]) -> dict[int, str]:
    if _ANY_DASH.search(text) is None:
        return {}
    is_cork = _CORK.search(text) is not None and _OLD.search(text) is None
    found = (_ANY_DASH if is_cork else _DASH).finditer(text)
    return {dash.start(): _DASHES[dash[0]] for dash in found if not font_at(dash.start())}


def _brackets(text: str, font_at: Callable[[int], bytes]) -> dict[int, str]:
    named: dict[int, str] = {}
    for opening in _OPENING.finditer(text):
        if not _FONTS.search(font_at(opening.start())):
            continue
        named[opening.start()] = "⟨"
        for closing in _CLOSING.finditer(text, opening.end(), opening.end() + LONGEST):
            if _FONTS.search(font_at(closing.start())):
                named[closing.start()] = "⟩"
                break
    return named
