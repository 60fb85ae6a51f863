"""What Markdown's dialects write around a text to say how it is shown: boxes, figures, tabs. What stands in it is text.

MyST's `{note}` in a fence, `:::` of Pandoc and Docusaurus, `=== "…"` of MkDocs, calls of Hugo and Jekyll on a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from worker.courses.signs import BULLETS

_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,}|:{3,})[ \t]*(.*)")
_NAMED = re.compile(r"\{([A-Za-z][\w:+-]*)\}[ \t]*(.*)")
_DIV = re.compile(r"(?:\{[^{}]*\}|[A-Za-z][\w-]*)?(.*)")
_OPTION = re.compile(r"[ \t]*:([\w-]+):(?:[ \t]+(.*))?$")
# `!!! note "Titre"`, `??? tip`, `=== "Onglet"`: what is indented below stands in it.
_BOX = re.compile(r"""[ \t]*(?:!!!|\?\?\?\+?|===[!+]?)(?:[ \t]+[\w-]+){0,4}(?:[ \t]+"(.*)")?[ \t]*$""")
# `[Microcytose]({{ site.baseurl }}{% link … %})`: where it leads is told when the site is made.
_CALLED = re.compile(r"\]\((?=[^()\n]*\{[{%])[^()\n]*\)")
_TITLE, _TAG_ALONE = re.compile(r"#{1,6}\s"), re.compile(r"\s*</?[A-Za-z][\w-]*(?:\s[^<>]*)?>\s*$")
# `{{%collapse "Surveillance" %}}`, if `{{% /collapse %}}` ends it: what folds up has a title.
_FOLDED = re.compile(r"[ \t]*\{\{[%<]\s*([\w-]+)\s+\"([^\"\n]{1,120})\"\s*[%>]\}\}[ \t]*$")
_FOLD_ENDS = re.compile(r"\{\{[%<]\s*/\s*([\w-]+)\s*[%>]\}\}")
_OPTIONS = "---"  # before the options of a directive, and behind them
_INDENT = 4
PART, LONGEST = 50_000, 100_000  # characters that are parsed at once, and at most
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_BULLET = re.compile(rf"[ \t]*[{BULLETS}]\s?\S")  # no list to Markdown, and one to whoever wrote it
_TARGET = re.compile(r"[ \t]*(?:\([\w:.-]+\)=|\[TOC\]|\[\[_TOC_\]\]|\\(?:newpage|pagebreak|clearpage))[ \t]*$")
_CODE = frozenset(("code", "code-block", "code-cell", "sourcecode", "literalinclude", "mermaid", "eval-rst", "raw"))
_MATH = frozenset(("math", "amsmath"))
_PICTURES = frozenset(("figure", "image"))
_LISTS_OF_FILES = frozenset(("toctree", "tableofcontents", "contents", "bibliography", "include", "printindex"))
_CLIPS = frozenset(("index", "glue", "video", "iframe"))


@dataclass(slots=True)
class _Open:
    """A fence that is open: its sign, how many of it, and what it is for."""

    sign: str
    length: int
    kind: str = "text"  # or `code`, `math`, `picture`, `files`
    has_begun: bool = False  # its options are read
    in_options: bool = False  # between `---` and `---`


def unfold(text: str) -> str:
    """The text with what stands in directives where these stood; code stays as it is fenced."""
    ended = frozenset(_FOLD_ENDS.findall(text))
    return "\n".join(_unfold(_open_boxes(text.split("\n")), ended))


def _open_boxes(lines: list[str]) -> Iterator[str]:
    """What stands indented in boxes, as it would stand outside."""
    around: list[int] = []  # how far the boxes around this place are indented, in their source
    fence: str | None = None
    for source in lines:
        spread = source.expandtabs(_INDENT) if around else source
        depth = len(spread) - len(spread.lstrip())
        while around and spread.strip() and depth < around[-1] + _INDENT:
            around.pop()
            fence = None
            yield ""
        line = spread[min(depth, _INDENT * len(around)) :] if around else source
        mark = _FENCE.match(line)
        if mark and mark[2][0] != ":":
            fence = None if fence == mark[2] and not mark[3] else fence or mark[2]
        box = None if fence else _BOX.match(line)
        if box is None or not box[0].strip("!?=+ \t"):
            yield line
            continue
        around.append(len(line.expandtabs(_INDENT)) - len(line.expandtabs(_INDENT).lstrip()) + _INDENT * len(around))
        yield ""
        if box[1]:
            yield line[: len(line) - len(line.lstrip())] + box[1]
            yield ""


def _unfold(lines: Iterable[str], ended: Set[str]) -> Iterator[str]:
    around: list[_Open] = []
    before = ""
    for line in lines:
        inner = around[-1] if around else None
        fence = _FENCE.match(line)
        if fence and inner and _closes(fence, inner):
            around.pop()
            yield _end(inner, line)
        elif inner and inner.kind == "code":
            yield line
        elif inner and not inner.has_begun and (inner.in_options or _OPTION.match(line) or line.strip() == _OPTIONS):
            if line.strip() == _OPTIONS:
                inner.in_options, inner.has_begun = not inner.in_options, inner.in_options
        elif fence and (opened := _opened(fence)):
            around.append(opened)
            yield from _begin(opened, fence, line)
        elif inner and inner.kind == "files":
            pass
        else:
            if inner and not line.strip():
                inner.has_begun = True
            yield from _shown(line, before, ended)
        before = line


def _shown(line: str, before: str, ended: Set[str]) -> Iterator[str]:
    """A line of text as Markdown has to have it. `ended`: the calls that others end."""
    if _BULLET.match(line) or (_ITEM.match(before) and line.removeprefix(" ")[:1].isupper()):
        yield ""  # no lazy rest of the item: a line of its own to whoever wrote it
    if _TITLE.match(line) and _TAG_ALONE.match(before):
        yield ""  # to CommonMark the title would be part of the tag's block
    folded = _FOLDED.match(line)
    if folded and folded[1] in ended:
        yield from ("", f"#### {folded[2]}", "")
    elif _TARGET.match(line) or _FOLD_ENDS.fullmatch(line.strip()):
        yield ""
    else:
        yield _CALLED.sub("](.)", line)


def _closes(fence: re.Match[str], inner: _Open) -> bool:
    return fence[2][0] == inner.sign and len(fence[2]) >= inner.length and not fence[3].strip()


def _opened(fence: re.Match[str]) -> _Open | None:
    """What a fence begins; None for colons that close what was never opened."""
    sign, length, said = fence[2][0], len(fence[2]), fence[3].strip()
    named = _NAMED.match(said)
    if named is None and sign == ":":
        return _Open(sign, length) if said else None
    if named is None or named[1] in _CODE:
        return _Open(sign, length, "code")
    kind = "math" if named[1] in _MATH else "picture" if named[1] in _PICTURES else "text"
    return _Open(sign, length, "files" if named[1] in _LISTS_OF_FILES | _CLIPS else kind)


def _begin(opened: _Open, fence: re.Match[str], line: str) -> Iterator[str]:
    """Its title, or what opens it for Markdown."""
    indent, said = fence[1], fence[3].strip()
    if opened.kind == "code":
        named = _NAMED.match(said)
        yield f"{indent}{fence[2]}" if named else line
    elif opened.kind == "math":
        yield f"{indent}$$"
        named = _NAMED.match(said)
        if named and named[2]:
            yield indent + named[2]
    else:
        title = _title(opened, said)
        yield ""
        if title:
            yield indent + title
            yield ""


def _title(opened: _Open, said: str) -> str:
    if opened.kind in ("picture", "files"):
        return ""
    named = _NAMED.match(said)
    if named:
        return named[2].strip()
    found = _DIV.match(said.rstrip(": \t"))
    return found[1].strip().removeprefix("[").removesuffix("]") if found else ""


def _end(opened: _Open, line: str) -> str:
    if opened.kind == "code":
        return line
    return line[: len(line) - len(line.lstrip())] + "$$" if opened.kind == "math" else ""


def cut_parts(text: str) -> Iterator[str]:
    """The text in parts that can be read one by one: cut before a paragraph, or anywhere where one is long."""
    part: list[str] = []
    size = 0
    fence: str | None = None
    for line in _short_lines(text):
        begins = line[:1].isalnum() or line[:1] == "#"
        is_after_blank = not part or not part[-1].strip()
        if size > LONGEST or (size > PART and fence is None and begins and is_after_blank):
            yield "\n".join(part)
            part, size = [], 0
            if fence:
                part.append(fence)
        mark = _FENCE.match(line)
        if mark and mark[2][0] != ":":
            if fence is None:
                fence = mark[2]
            elif mark[2].startswith(fence) and not mark[3].strip():
                fence = None
        part.append(line)
        size += len(line) + 1
    yield "\n".join(part)


def _short_lines(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        if len(line) <= PART:
            yield line
        else:
            yield from (line[at : at + PART] for at in range(0, len(line), PART))
