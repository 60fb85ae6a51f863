"""Web pages through lxml: what a reader sees, block by block, without navigation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree, html

from worker.adapters.documents.signs import raise_digits, restore_symbols
from worker.adapters.documents.text import WINDOWS, decode
from worker.shapes.courses import ExtractedDocument, Line, Page

# Not `form` and `aside`: old pages stand in one form as a whole, and courses put what is to be remembered aside.
UNSEEN = frozenset(
    ("script", "style", "noscript", "template", "head", "nav", "footer", "button", "select", "textarea", "svg")
)
HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
BLOCKS = HEADINGS | frozenset(
    (
        *("p", "div", "section", "article", "main", "header", "li", "ul", "ol", "dl", "dt", "dd", "table", "tr"),
        *(
            "blockquote",
            "pre",
            "aside",
            "form",
            "figure",
            "figcaption",
            "hr",
            "body",
            "html",
            "caption",
            "thead",
            "tbody",
        ),
    )
)
_DECLARED = re.compile(rb"<meta[^<>]+charset=[\"']?([\w-]+)", re.IGNORECASE)


def read_html(data: bytes) -> ExtractedDocument:
    """One page without a number. The declared encoding counts, else UTF-8, else cp1252."""
    declared = _DECLARED.search(data[:4096])
    text = decode(data, declared[1].decode("ascii") if declared else None)
    # lxml refuses a text that declares an encoding, and NUL ends its texts.
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text.lstrip("\ufeff")).replace("\0", "")
    # Without `huge_tree`, what lies deeper than 256 elements, or is longer than 10 MB, is dropped without a word.
    root = html.document_fromstring(text or "<p></p>", parser=html.HTMLParser(huge_tree=True))
    return ExtractedDocument((Page(None, tuple(_lines(root))),))


def _lines(root: html.HtmlElement) -> Iterator[Line]:
    words: list[str] = []
    heading = False
    unseen = 0  # elements around this place that no reader sees

    def flush() -> Iterator[Line]:
        # `&#156;` is œ in every browser, and a control character by the letter.
        text = restore_symbols(" ".join("".join(words).translate(WINDOWS).split()))
        words.clear()
        if text:
            yield Line(text, is_heading=heading)

    for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        tag = element.tag if isinstance(element.tag, str) else None
        if event in ("comment", "pi"):
            words.append(element.tail or "")
            continue
        if tag in UNSEEN:
            unseen += 1 if event == "start" else -1
        if tag in BLOCKS or tag == "br":
            yield from flush()
        if event == "start":
            heading = heading or tag in HEADINGS
            inside = element.text or ""
            words.append("" if unseen else raise_digits(inside) if tag == "sup" else inside)
        else:
            heading = False if tag in HEADINGS else heading
            words.append("" if unseen else element.tail or "")
            if tag in ("td", "th"):
                words.append(" | ")
    yield from flush()
