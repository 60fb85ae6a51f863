"""A model's quote found in the text that it quotes: what is published afterwards is what that text says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

MIN_LETTERS = 12  # of each part of a quote: fewer stand in any text
_LEFT_OUT = re.compile(r"[\[(]?\s?(?:…|\.{3,})\s?[\])]?")
JOINED = " … "

# What a model straightens, and print does not say the same way twice.
_SAME = str.maketrans(
    {
        **dict.fromkeys("’‘ʼ´`", "'"),
        **dict.fromkeys("‐‑‒–—−⁻", "-"),
        **dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-", strict=True)),
        "⁺": "+",  # of an ion; raised figures are other numbers than those on the line
        **dict.fromkeys('"“”„«»', ""),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\ufeff", ""),
    }
)
_CLOSING = frozenset("%:;!?,.)")  # a space before them is a matter of typesetting


def find_quote(quote: str, text: str) -> str | None:
    """The words of `text` that `quote` copies, as the text writes them; None unless all of them stand there.

    Accents taken apart or not, kinds of hyphens, apostrophes and quotation marks, case, runs of spaces and spaces
    before `%` or a stop make no difference; words count whole. Parts around an ellipsis stand in the text in their
    order, each of them long enough to mean something; what lies between is left out in the answer as well.
    """
    folded, places = _fold(text)
    found: list[str] = []
    at = 0
    for part in filter(None, _LEFT_OUT.split(quote)):
        wanted, _ = _fold(part)
        wanted = wanted.strip()
        if sum(map(str.isalnum, wanted)) < MIN_LETTERS:
            return None
        begin = _find_words(wanted, folded, at)
        if begin < 0:
            return None
        at = begin + len(wanted)
        found.append(" ".join(text[places[begin][0] : places[at - 1][1]].split()))
    return JOINED.join(found) or None


def _find_words(wanted: str, text: str, at: int) -> int:
    """Where these words stand whole from `at` on, or -1: `complète` is not said by `incomplète`."""
    begin = text.find(wanted, at)
    while begin >= 0:
        end = begin + len(wanted)
        is_begun = begin == 0 or not (text[begin - 1].isalnum() and wanted[0].isalnum())
        is_ended = end == len(text) or not (text[end].isalnum() and wanted[-1].isalnum())
        if is_begun and is_ended:
            break
        begin = text.find(wanted, begin + 1)
    return begin


def _fold(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text as it is compared, and for each of its characters where it stands in `text` (from, to)."""
    out: list[str] = []
    places: list[tuple[int, int]] = []
    for begin, end in _clusters(text):
        cluster = text[begin:end]
        if cluster.isspace():
            if out and out[-1] != " ":
                out.append(" ")
                places.append((begin, end))
            continue
        for sign in unicodedata.normalize("NFC", cluster).translate(_SAME).casefold():
            if sign in _CLOSING and out and out[-1] == " ":
                out.pop()
                places.pop()
            out.append(sign)
            places.append((begin, end))
    return "".join(out), places


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """Each character with the combining marks that follow it."""
    begin = 0
    for end in range(1, len(text) + 1):
        if end == len(text) or not unicodedata.combining(text[end]):
            yield begin, end
            begin = end
