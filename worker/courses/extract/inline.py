"""Marks inside a line of Markdown that CommonMark does not know: roles, attribute lists, wiki links, highlights."""

from __future__ import annotations

import re
from collections.abc import Callable

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.rules_inline import StateInline

from worker.courses.extract.formulas import read_tex

_ROLE = re.compile(r"(?:\{([A-Za-z][\w:+-]*)\}|:([A-Za-z][\w+-]*):)(`{1,3})([^`]{1,2000})\3")
_TARGET = re.compile(r"(.*\S)\s*<[^<>]*>", re.DOTALL)
_NOT_SHOWN = frozenset(("eq", "numref", "ref", "doc", "download", "label", "target", "glue"))
_SET = r"(?:[#.][\w:-]+|[\w:-]+=(?:\"[^\"{}]*\"|'[^'{}]*'|[\w%.:#/-]+)|-)"
_ATTRIBUTES = re.compile(rf"\{{:[^{{}}\n]{{0,1000}}\}}|\{{\s?{_SET}(?:\s{_SET}){{0,20}}\s?\}}")
_CALL = re.compile(
    r"\{\{[<%]([^{}]{0,1000})[>%]\}\}|\{%([^{}]{0,1000})%\}|\{\{-?\s?[A-Za-z_][\w.]*(?:\s?\|[^{}]{0,300})?\s?-?\}\}"
)
_SAID = re.compile(r"\b(?:caption|alt|title|text|summary)\s?=\s?\"([^\"]*)\"")
_CRITIC = re.compile(r"\{(==|\+\+|--|>>|~~)|(==|\+\+|--|<<|~~)\}")
_WIKI = re.compile(r"(!?)\[\[([^\[\]\n]{1,500})\]\]")
_CLOSES = re.compile(r"[,.)\s]|$")  # what no space stands before
_ESCAPES_NOTHING = re.compile(r"\\(?:(?=&\w{2,8};)|\Z)")
_RAISED = re.compile(r"([\^~])([+−-]{1,3}|[\w+−-]{1,12})\1")
_PICTURE = r"\.(?:png|jpe?g|gif|svg|webp|tiff?|bmp|pdf|avif|excalidraw|mp4|webm|mp3)"
_IS_PICTURE = re.compile(rf".*{_PICTURE}(?:\b.*)?", re.IGNORECASE | re.DOTALL)
_SAYS_NOTHING = re.compile(
    r"(?:(?:pasted|alt|screen|shot|capture|drawing|picture|photo|image|img|fig(?:ure)?|schéma|text) ?)*[\W\d_]*",
    re.IGNORECASE,
)


def add_marks(md: MarkdownIt) -> None:
    """Have a parser read these marks, before its own."""
    md.inline.ruler.before("escape", "course_marks", _read_mark)


def says_something(alternative: str, source: str) -> bool:
    """Whether the alternative text of a picture is more than a name for it."""
    stem = re.sub(r"\.\w+$", "", source.rpartition("/")[2])
    if _IS_PICTURE.fullmatch(alternative) or _SAYS_NOTHING.fullmatch(alternative):
        return False
    return _letters(alternative) != _letters(stem)


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _read_mark(state: StateInline, silent: bool) -> bool:
    read = _MARKS.get(state.src[state.pos])
    found = read(state.src, state.pos) if read else None
    if found is None:
        return False
    end, shown = found
    if not silent and shown:
        state.push("html_inline", "", 0).content = shown
    elif not silent and _CLOSES.match(state.src, end):
        state.pending = state.pending.rstrip(" ")
    state.pos = end
    return True


_Found = tuple[int, str] | None  # where it ends, and what is shown of it, as HTML


def _brace(text: str, at: int) -> _Found:
    if role := _ROLE.match(text, at):
        return role.end(), _show_role(role[1], role[4])
    if call := _CALL.match(text, at):
        return call.end(), escapeHtml(" ".join(_SAID.findall(call[1] or call[2] or "")))
    if sign := _CRITIC.match(text, at):
        return sign.end(), ""
    if attributes := _ATTRIBUTES.match(text, at):
        return attributes.end(), ""
    return None


def _colon(text: str, at: int) -> _Found:
    role = _ROLE.match(text, at)
    return (role.end(), _show_role(role[2], role[4])) if role else None


def _show_role(name: str, said: str) -> str:
    named = _TARGET.fullmatch(said)
    if name == "math":
        return escapeHtml(read_tex(said))
    if name in ("sub", "sup"):
        return f"<{name}>{escapeHtml(said)}</{name}>"
    if named:
        return escapeHtml(named[1])
    if name in _NOT_SHOWN or name.startswith("cite"):
        return ""
    return escapeHtml(said)


def _backslash(text: str, at: int) -> _Found:
    """One that escapes nothing a reader sees: before an entity, and at the end."""
    return (at + 1, "") if _ESCAPES_NOTHING.match(text, at) else None


def _sign(text: str, at: int) -> _Found:
    """`==` around what is highlighted: before a word or after one, not between two as an operator is."""
    if critic := _CRITIC.match(text, at):
        return critic.end(), ""
    if text[at : at + 2] != "==" or text[at : at + 3] == "===" or text[at - 1 : at] == "=":
        return None
    before, after = text[at - 1 : at] if at else " ", text[at + 2 : at + 3] or " "
    opens = not before.isalnum() and not after.isspace()
    closes = not before.isspace() and not after.isalnum()
    return (at + 2, "") if opens or closes else None


def _critic(text: str, at: int) -> _Found:
    sign = _CRITIC.match(text, at)
    return (sign.end(), "") if sign else None


def _bracket(text: str, at: int) -> _Found:
    if text.rfind("]") < at:
        return at + 1, text[at]  # a parser of links would look to the end of the text, at each bracket
    link = _WIKI.match(text, at)
    if link is None:
        return None
    target, _, shown = link[2].partition("|")
    if link[1] and _IS_PICTURE.fullmatch(target):
        return link.end(), ""
    return link.end(), escapeHtml(shown.strip() or target.rpartition("/")[2].strip())


def _raised(text: str, at: int) -> _Found:
    """Pandoc's `CD4^+^` and `H~2~O`. Not `10^9-10^12`, where the second sign raises what follows."""
    mark = _RAISED.match(text, at)
    if mark is None or not at or not (text[at - 1].isalnum() or text[at - 1] in ")*_]"):
        return _critic(text, at)
    if text[mark.end() : mark.end() + 1].isalnum() and not (mark[1] == "~" or mark[2].strip("+−-") == ""):
        return None
    tag = "sup" if mark[1] == "^" else "sub"
    return mark.end(), f"<{tag}>{escapeHtml(mark[2])}</{tag}>"


_MARKS: dict[str, Callable[[str, int], _Found]] = {
    "{": _brace,
    ":": _colon,
    "=": _sign,
    "+": _critic,
    "-": _critic,
    "<": _critic,
    "~": _raised,
    "^": _raised,
    "[": _bracket,
    "!": _bracket,
    "\\": _backslash,
}
