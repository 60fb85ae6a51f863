"""Markdown through markdown-it, rendered to HTML and read as a web page is: one reader of both."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from lxml.html import defs
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin

from worker.courses.document import ExtractedDocument, Page
from worker.courses.extract.directives import cut_parts, unfold
from worker.courses.extract.formulas import read_tex
from worker.courses.extract.html import read_blocks
from worker.courses.extract.inline import add_marks, says_something
from worker.courses.extract.text import decode
from worker.errors import UsageError

_FRONT_MATTER = re.compile(
    r"---[ \t]*\n(?:(?:[\w-]+[ \t]*:|[ \t]+\S|#|-[ \t]).*\n|[ \t]*\n)*(?:---|\.\.\.)[ \t]*(?:\n|$)"
)
_FRONT_TOML = re.compile(r"\+\+\+[ \t]*\n(?:(?!\+\+\+).*\n){0,500}\+\+\+[ \t]*(?:\n|$)")
_TABLE_RULE = re.compile(r"[\s:|-]+")
_CALLOUT = re.compile(r"\[![A-Za-z-]+(?:\|[^\[\]]*)?\][+-]?[ \t]*")
# A box with a title on its line, or a link to a note by its name: Obsidian's, where no other program has them.
_OF_NOTES = re.compile(
    r" {0,3}>[ \t]*\[![A-Za-z-]+\][+-]?[ \t]+\S|.*?(?:!\[\[[^\[\]]{1,200}|\[\[[^\W\d_][^\[\],;=\"]{1,120})\]\]"
)
_CODE = re.compile(r"`[^`]*`")
MOST_WRAPPED = 0.3  # of the lines below another that begin in small letters: of a text that its writer's program wraps
_TASK = re.compile(r"\[[ xX-]\][ \t]+")
_TAG = re.compile(r"<([A-Za-z][\w.-]*)>")
_CLOSING = re.compile(r"</([A-Za-z][\w.-]*)")
_REFERENCE = re.compile(r"^ {0,3}\[[^\[\]\n^][^\[\]\n]{0,200}\]:[^\n]*", re.MULTILINE)
_HOLDERS = frozenset(("blockquote_open", "list_item_open", "dd_open", "footnote_reference_open"))
_IS_TEX = re.compile(r"[\\^_{}=<>]")
LONGEST_TITLE = 120  # characters above `---`; what is longer, or has lines, was parted from what follows
DEEPEST = 40  # blocks in blocks, a list and its items being two; courses have ten
TOO_DEEP = "its lists and quotations stand 20 deep or more in one another: save it with fewer levels"


def read_markdown(data: bytes) -> ExtractedDocument:
    """One page without a number, as a reader sees it rendered. Front matter, about the file itself, is left out."""
    text = "\n".join(decode(data).splitlines())
    front = _FRONT_MATTER.match(text) or _FRONT_TOML.match(text)
    text = text[front.end() if front else 0 :]
    lines = (line for part in _render(unfold(text)) for line in read_blocks(part) if not _is_table_rule(line.text))
    return ExtractedDocument((Page(None, tuple(lines)),))


def _render(text: str) -> Iterator[str]:
    """The text in HTML, part by part: a parser's tokens take a hundred times the room of their words."""
    md = _make_parser(breaks=_are_notes(text))
    closed = frozenset(name.casefold() for name in _CLOSING.findall(text))
    references: dict[str, Any] = {}
    md.parse("\n".join(_REFERENCE.findall(text)), references)
    for part in cut_parts(text):
        parsed = md.parse(part, references)
        if any(token.type in _HOLDERS and token.level >= DEEPEST - 1 for token in parsed):
            raise UsageError(TOO_DEEP)  # what such a block holds was passed over
        tokens = list(_mend(parsed, closed, md))
        yield md.renderer.render(tokens, md.options, references)


def _are_notes(text: str) -> bool:
    """Whether a text is one of Obsidian's notes, whose lines are as their writer ended them; code tells nothing."""
    is_found = in_code = below = False
    lines = wrapped = 0
    for line in text.split("\n"):
        shown = line.lstrip("> \t")
        if shown.startswith(("```", "~~~")):
            in_code, below = not in_code, False
            continue
        if in_code:
            continue
        is_found = is_found or _OF_NOTES.match(_CODE.sub("", line)) is not None
        if below and shown[:1].isalpha():
            lines += 1
            wrapped += shown[0].islower()
        below = shown[:1].isalnum()
    return is_found and wrapped <= MOST_WRAPPED * lines


def _is_table_rule(line: str) -> bool:
    """`| --- | :--: |`, which no table has here."""
    return 0 <= line.find("---") < line.rfind("|") and _TABLE_RULE.fullmatch(line) is not None


def _make_parser(*, breaks: bool) -> MarkdownIt:
    """`breaks`: each line is one of its own, as programs for notes show them."""
    md = MarkdownIt("commonmark", {"html": True, "maxNesting": DEEPEST, "breaks": breaks})
    md.enable(["table", "strikethrough"])
    md.use(dollarmath_plugin, allow_digits=False, double_inline=True)
    md.use(deflist_plugin).use(footnote_plugin, inline=False, move_to_end=False, always_match_refs=True)
    add_marks(md)
    return md


def _mend(tokens: Sequence[Token], closed: frozenset[str], md: MarkdownIt) -> Iterator[Token]:
    """The tokens, with the marks of list items in their first words, formulas as their lines, notes by their labels."""
    mark = ""
    before = ""
    for at, token in enumerate(tokens):
        shown = token
        if token.type == "inline":
            table = _bare_table(token, md) if before == "paragraph_open" else None
            shown = table or _mend_inline(token, mark, closed, md)
        elif token.type in _SHOWN:
            shown = _html(_SHOWN[token.type](token))
        elif token.type == "heading_open" and token.markup in ("-", "=") and _is_no_title(tokens[at + 1]):
            token.tag = tokens[at + 2].tag = "p"
        mark = _mark(token, mark)
        before = token.type
        yield shown


def _mark(token: Token, before: str) -> str:
    """What stands before the next words: of an item `-` or its number, of a note its label."""
    if token.type == "list_item_open":
        return f"{token.info}{token.markup} " if token.info else "- "
    if token.type == "footnote_reference_open":
        return f"[{token.meta['label']}] "
    return before if token.type in ("paragraph_open", "blockquote_open") else ""


def _html(content: str) -> Token:
    return Token("html_block", "", 0, content=content)


def _is_no_title(token: Token) -> bool:
    return "\n" in token.content or len(token.content) > LONGEST_TITLE


def _bare_table(token: Token, md: MarkdownIt) -> Token | None:
    """Rows that nobody gave a rule below their head: `| a | b |` on each line."""
    lines = [line.strip() for line in token.content.split("\n")]
    if not all(line.startswith("|") and line.count("|") > 1 for line in lines):
        return None
    rows = [[md.renderInline(cell.strip()) for cell in line.strip("|").split("|")] for line in lines]
    cells = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return _html(f"<table>{cells}</table>")


def _mend_inline(token: Token, mark: str, closed: frozenset[str], md: MarkdownIt) -> Token:
    children = token.children or []
    for child in children:
        if child.type == "html_inline" and _is_word(child.content, closed):
            child.type = "text"
        elif child.type == "image":
            child.type, child.content = "text", _said(child, md)
        elif child.type == "footnote_ref":
            child.type, child.content = "text", f"[{child.meta['label']}]"
        elif child.type in ("math_inline", "math_inline_double"):
            child.type, child.content = "html_inline", _formula(child)
    if children and children[0].type == "text":
        children[0].content = _CALLOUT.sub("", _TASK.sub("", children[0].content, count=1), count=1)
    if mark:
        children.insert(0, Token("text", "", 0, content=mark))
    token.children = children
    return token


def _is_word(tag: str, closed: frozenset[str]) -> bool:
    """Whether what looks like a tag is text: `<Na>`, of no name that HTML knows, and that nothing closes."""
    name = _TAG.fullmatch(tag)
    return name is not None and name[1].casefold() not in defs.tags and name[1].casefold() not in closed


def _said(picture: Token, md: MarkdownIt) -> str:
    """What a picture says to who does not see it, if it is more than a name."""
    alternative = cast("RendererHTML", md.renderer).renderInlineAsText(picture.children, md.options, {})
    return alternative if says_something(alternative, str(picture.attrGet("src") or "")) else ""


def _formula(token: Token) -> str:
    """A formula in its line, or as one of its own. Between two sums in dollars stands none."""
    if token.type == "math_inline" and token.content[:1].isspace() and not _IS_TEX.search(token.content):
        return escapeHtml(f"${token.content}$")
    formula = escapeHtml(read_tex(token.content))
    return formula if token.type == "math_inline" else f"<br>{formula}<br>"


def _block_formula(token: Token) -> str:
    return f"<div>{escapeHtml(read_tex(token.content))}</div>"


_SHOWN: dict[str, Callable[[Token], str]] = {
    "math_block": _block_formula,
    "math_block_label": _block_formula,
    "footnote_reference_open": lambda _: "<div>",
    "footnote_reference_close": lambda _: "</div>",
}
