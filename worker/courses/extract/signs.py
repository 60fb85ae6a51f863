"""Signs that formats keep apart from the text around them: exponents, and characters of symbol fonts."""

from __future__ import annotations

import re
import unicodedata

_RAISED = str.maketrans("0123456789+-−–n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻ⁿ")
_LOWERED = str.maketrans("0123456789+-−–", "₀₁₂₃₄₅₆₇₈₉₊₋₋₋")
_FIGURES = re.compile(r"\d+[+−–-]?|[+−–-]")
_RAISABLE = re.compile(r"[0-9+−–-]+n?|n")

# Adobe's Symbol encoding from 0x20 on, as far as courses use it; a space where there is nothing worth keeping.
_SYMBOL = " !∀#∃%&∍()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_ αβχδεφγηιϕκλµνοπθρστυϖωξψζ{|}∼"
_SYMBOL_HIGH = dict(
    zip(
        (0xA2, 0xA3, 0xA5, 0xAB, 0xAC, 0xAD, 0xAE, 0xAF, 0xB0, 0xB1, 0xB2, 0xB3, 0xB4, 0xB7, 0xB8, 0xB9, 0xBA, 0xBB),
        "′≤∞↔←↑→↓°±″≥×•÷≠≡≈",
        strict=True,
    )
) | {0xBC: "…", 0xD6: "√", 0xD8: "¬", 0xDB: "⇔", 0xDC: "⇐", 0xDD: "⇑", 0xDE: "⇒", 0xDF: "⇓", 0xE5: "∑"}
_WINGDINGS = {0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE8: "→", 0xF0: "⇒", 0xFC: "✓", 0xFB: "✗"}
_PRIVATE = re.compile("[\uf020-\uf0ff]")
_EXPERT = {0xF730 + figure: str(figure) for figure in range(10)} | {0xF761 + at: chr(0x41 + at) for at in range(26)}
_EXPERT |= {0xF6E9 + at: letter for at, letter in enumerate("abdeilmorst")}
_PIECES = re.compile("[\uf8e5-\uf8fe]")  # of brackets that are higher than a line, in Adobe's Symbol
_STRUCK = re.compile("\u0338 ?([=<>≤≥≡∼∈⊂⊃])")  # TeX prints the stroke of ≠ before its sign


_UNNAMED = re.compile("[\u0338\u25e6\uf020-\uf8fe]")
# TeX's ring is the degree of `37 ◦C`.
_DEGREE = re.compile(r"(?:(?<=\d)( ?)\u25e6(?=$| ?[CF]\b|[^\w ])|^\u25e6(?= ?C\b))")


def raise_digits(text: str, keeps: str = "") -> str:
    """An exponent keeps its place: `9` over `10` is `⁹`, or 10⁹ would become 109. Other raised text stays as it is.

    `keeps`: signs that stand between figures, and have no raised ones.
    """
    told = text.strip().translate(dict.fromkeys(map(ord, keeps)))
    return text.translate(_RAISED) if _RAISABLE.fullmatch(told) else text


def lower_digits(text: str) -> str:
    """An index keeps its place: `2` below `O` is `₂`. Other lowered text stays as it is."""
    return text.translate(_LOWERED) if _FIGURES.fullmatch(text.strip()) else text


def read_symbol(code: int, font: str = "Symbol") -> str:
    """The sign that a symbol font shows for a code (0xB3 or 0xF0B3: `≥`); a bullet for one that only decorates."""
    code &= 0xFF
    if font.casefold().startswith(("wingdings", "webdings", "zapf")):
        return _WINGDINGS.get(code, "•")
    if 0x20 <= code < 0x20 + len(_SYMBOL):
        return _SYMBOL[code - 0x20]
    return _SYMBOL_HIGH.get(code, "•")


def restore_symbols(text: str) -> str:
    """Private-use characters, as symbol fonts leave them in a text, into the signs they show. The first is a bullet."""
    if _UNNAMED.search(text) is None:
        return text
    text = _DEGREE.sub(lambda m: f"{m[1] or ''}°", text)
    text = _STRUCK.sub(lambda m: unicodedata.normalize("NFC", m[1] + "\u0338"), text)
    text = _PIECES.sub(" ", text).translate(_EXPERT)
    if not _PRIVATE.search(text):
        return text
    first = len(text) - len(text.lstrip())
    return _PRIVATE.sub(lambda m: "•" if m.start() == first else read_symbol(ord(m[0])), text)
