"""What the cells around a question mean: text, names, level, semester, difficulty. Keys are read in `keys`."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from worker.questions.question import fold_name
from worker.text.characters import without_control

MAX_SHOWN = 120  # characters of a cell in a sentence: the cell itself is kept whole, beside it

_ATTRIBUTES = r"""(?:\s+[A-Za-z_:][\w:.-]*\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>=]+))*"""
_BLOCK = "p|div|h[1-6]|ul|ol|table|thead|tbody|tr|blockquote|section|article|pre|center|br"
_ONE_LETTER_TAGS = "biusaq"
_INLINE = "b|i|u|s|a|q|em|strong|span|font|sup|sub|small|big|strike|del|ins|mark|code|label|img|hr|td|th|li"
# Only names of HTML, only well-formed attributes: `p < 0,05` and `x <b et y> 3` are text.
_TAG = re.compile(rf"<(/?)(?:({_BLOCK})|({_INLINE})){_ATTRIBUTES}\s*/?>", re.IGNORECASE)
_HIDDEN = re.compile(r"<!--|<(script|style)\b", re.IGNORECASE | re.ASCII)
_SHOWN_AGAIN = {
    "": re.compile("-->"),
    "script": re.compile(r"</script\s*+>", re.IGNORECASE | re.ASCII),
    "style": re.compile(r"</style\s*+>", re.IGNORECASE | re.ASCII),
}
_PARAGRAPH = re.compile(r"(?<![ \t])[ \t]*+\n[ \t]*+\n\s*")
_RAISED = re.compile(r"<(sup|sub)>([^<>]{1,12})</\1>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_DIGITS = {
    "sup": str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻"),
    "sub": str.maketrans("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋"),
}

_IMAGE_TAG = re.compile(r"<img\b", re.IGNORECASE)
_SOURCE = re.compile(r"\bsrc ?= ?", re.IGNORECASE)
_NO_IMAGE = frozenset({"non", "no", "aucun", "aucune", "sans", "sans image", "pas d image", "faux", "false", "0"})
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_PLACEHOLDERS = frozenset({"", "test", "tests", "na", "n a", "nan", "null", "none", "todo", "rien", "neant", "vide"})
_REPEATED = re.compile(r"([a-z])\1+|x")
_LEVEL = re.compile(r"\b([pd]cem)\s*([1-4])(?!\d)")
_CODE = re.compile(r"([a-z]+)\s+(\d+)")
_SEMESTER = re.compile(r"(?:s|sem|semestre|semester)?\s*0?([12])|([12])\s*+(?:ere?|eme|e|nd)?+\s*+semestre")
_DIFFICULTY = re.compile(r"niveau\s*+:?+\s*+([1-5])(?!\d)", re.IGNORECASE)

fold_cached = lru_cache(maxsize=8192)(fold_name)


def plain_text(cell: str) -> str:
    """A cell as plain text: HTML tags and entities resolved, paragraphs kept, ends stripped. Nothing is cut."""
    if "<" in cell or "&" in cell:
        cell = _from_html(cell)
    return cell.strip()


def shown(text: str) -> str:
    """A cell as a sentence quotes it: its beginning, where it is long."""
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN].rstrip() + "…"


def _from_html(text: str) -> str:
    text = _RAISED.sub(_raise, _without_hidden(text))
    closed = frozenset(letter for letter in _ONE_LETTER_TAGS if f"</{letter}" in text or f"</{letter.upper()}" in text)
    stripped = _TAG.sub(lambda match: _tag_text(match, closed), text)
    if stripped != text:
        stripped = _PARAGRAPH.sub("\n\n", stripped)
    return without_control(_ENTITY.sub(_entity_text, stripped))


def _without_hidden(text: str) -> str:
    """Without comments, scripts and styles; what is never closed is text. One look over the text for each kind."""
    kept, at, looked = [], 0, 0
    endless: set[str] = set()
    while begin := _HIDDEN.search(text, looked):
        kind, looked = (begin[1] or "").lower(), begin.end()
        body = text.find(">", looked) + 1 if kind else looked
        end = None if kind in endless or (kind and not body) else _SHOWN_AGAIN[kind].search(text, body)
        if end is None:
            endless.add(kind)
            continue
        kept.append(text[at : begin.start()])
        at = looked = end.end()
    return "".join(kept) + text[at:]


def _raise(match: re.Match[str]) -> str:
    """`10<sup>3</sup>` is not 103."""
    kind, text = match[1].lower(), match[2].strip()
    return text.translate(_DIGITS[kind]) if re.fullmatch(r"[+-]?\d+[+-]?|[+-]", text) else text


def _tag_text(match: re.Match[str], closed: frozenset[str]) -> str:
    if match[2]:
        return "\n"
    closing, name = match[1], match[3].lower()
    if len(name) == 1 and name not in closed:
        return match[0]  # `a<b>c` without any `</b>` is a comparison
    if name == "li":
        return "" if closing else "\n- "
    return "\t" if name in ("td", "th") and closing else ""


def _entity_text(match: re.Match[str]) -> str:
    return html.unescape(match[0]).replace("\xa0", " ").replace("\r", "\n")


@lru_cache(maxsize=4096)
def is_placeholder(text: str) -> bool:
    """True for what people type into a column they must fill: `aaa`, `xxx`, `test`, `.`, `-`, `n/a`."""
    # None of them has five letters that differ, and hardly a text has fewer: to fold it would take ten times as long.
    if len(text) > 40 or len(_LETTERS.intersection(text)) > 4:
        return False
    folded = fold_name(text)
    return folded in _PLACEHOLDERS or _REPEATED.fullmatch(folded) is not None


def written_text(cell: str) -> str | None:
    """Text that a person wrote, or None for nothing and placeholders."""
    text = plain_text(cell)
    return text if text and not is_placeholder(text) else None


def read_image(cell: str) -> str | None:
    """The link or name of a picture, also of an `<img src="…">`; None for nothing, placeholders and `non`."""
    link = " ".join(cell.split())
    tag = _IMAGE_TAG.search(link)
    source = _SOURCE.search(link, tag.end()) if tag else None
    if source:
        rest, quote = link[source.end() :], link[source.end() : source.end() + 1]
        link = rest[1:].partition(quote)[0] if quote in ('"', "'") else rest.split(">")[0].split(" ")[0]
    link = " ".join(unicodedata.normalize("NFC", link).split())
    return link if link and not is_placeholder(link) and fold_name(link) not in _NO_IMAGE else None


@lru_cache(maxsize=8192)
def display_name(cell: str) -> str:
    """A specialty or a course as shown: no `*`, single spaces; "" when no letter or digit is left."""
    name = " ".join(plain_text(cell).replace("*", " ").split())
    return name if fold_name(name) else ""


@lru_cache(maxsize=4096)
def read_level(cell: str) -> str | None:
    """`Dcem2`, `DCEM 2` → `DCEM2`; another level in capitals, without accents; None when empty."""
    folded = fold_name(cell)
    match = _LEVEL.search(folded)
    if match:
        return (match[1] + match[2]).upper()
    code = _CODE.fullmatch(folded)
    return (code[1] + code[2] if code else folded).upper() or None


class Levels:
    """The levels that a platform has: `PCEM1` … `DCEM4`, and those that its questions already carry."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = {fold_name(level).replace(" ", ""): level for level in known if level.strip()}
        self._read: dict[str, str | None] = {}  # a file has a few levels and thousands of rows

    def read(self, cell: str) -> str | None:
        """The level that a cell names; None for an empty one and for anything else, such as a difficulty."""
        if cell not in self._read:
            self._read[cell] = self._find(cell)
        return self._read[cell]

    def _find(self, cell: str) -> str | None:
        folded = fold_cached(cell)
        found = {(letters + number).upper() for letters, number in _LEVEL.findall(folded)}
        if found:
            return found.pop() if len(found) == 1 else None
        return self._known.get(folded.replace(" ", "")) if folded else None


@lru_cache(maxsize=4096)
def find_level(text: str) -> str | None:
    """A level inside a source or a file name: `PCEM 2 …` → `PCEM2`. `[Niveau 3]` is a difficulty, not a level."""
    match = _LEVEL.search(fold_name(text))
    return (match[1] + match[2]).upper() if match else None


@lru_cache(maxsize=4096)
def read_semester(cell: str) -> str | None:
    """`S1`, `1`, `semestre 1` → `S1`; None for anything that is no semester."""
    match = _SEMESTER.fullmatch(fold_name(cell))
    return f"S{match[1] or match[2]}" if match else None


@lru_cache(maxsize=4096)
def read_difficulty(source: str) -> int | None:
    """1–5 from `[Niveau 3]` or `[niveau1]` in a source."""
    match = _DIFFICULTY.search(source)
    return int(match[1]) if match else None
