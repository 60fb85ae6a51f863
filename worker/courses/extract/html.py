"""Web pages through lxml: what a reader sees, block by block, without navigation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree, html

from worker.courses.document import ExtractedDocument, Line, Page
from worker.courses.extract.signs import raise_digits, restore_symbols
from worker.courses.extract.text import decode
from worker.text.decoding import WINDOWS

# Not `form` and `aside`: old pages stand in one form as a whole, and courses put what is to be remembered aside.
UNSEEN = frozenset(
    (
        *(
            "script",
            "style",
            "noscript",
            "template",
            "head",
            "nav",
            "footer",
            "address",
            "button",
            "select",
            "textarea",
        ),
        "svg",
    )
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
# Classes and ids of what leads from page to page, and around the page.
_NAVIGATION = re.compile(
    r"(?:nav(?:bar|header|footer|igation|links?)?|breadcrumbs?|menu|sidebar|toc\d?|tableofcontents|pagination|pager|"
    r"site-?(?:header|footer)|page-?footer|footer(?:-text)?|skip-?link|cookie-?(?:banner|notice))"
)
_ROLES = frozenset(("navigation", "contentinfo", "search", "banner"))
_CONTAINERS = frozenset(("div", "ul", "ol", "dl", "table", "section", "aside", "header", "p", "span"))
MIN_LINKS = 4  # of a list that is nothing else
MAX_PANEL = 200  # characters around a page that are no text of it
MIN_ICONS, MAX_BESIDE_ICONS = 2, 100  # links that are pictures, and characters beside them
MIN_CELLS = 2
MAX_ROW = 900  # characters; a row that is longer lays out a page
_HIDDEN = re.compile(r"(?<![\w-])(?:display\s*+:\s*+none|visibility\s*+:\s*+hidden)", re.IGNORECASE)
_PICTURE = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|tiff?|bmp|pdf)$", re.IGNORECASE)
_SIMPLE = re.compile(r"[.#][\w-]+")
_DECLARED = re.compile(rb"<meta[^<>]+charset=[\"']?([\w-]+)", re.IGNORECASE)


def read_html(data: bytes) -> ExtractedDocument:
    """One page without a number. The declared encoding counts, else UTF-8, else cp1252."""
    declared = _DECLARED.search(data[:4096])
    text = decode(data, declared[1].decode("ascii") if declared else None)
    # lxml refuses a text that declares an encoding, and NUL ends its texts.
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text.lstrip("\ufeff")).replace("\0", "")
    # Without `huge_tree`, what lies deeper than 256 elements, or is longer than 10 MB, is dropped without a word.
    root = html.document_fromstring(text or "<p></p>", parser=html.HTMLParser(huge_tree=True))
    return ExtractedDocument((Page(None, tuple(_lines(root, _hidden_by_style(root)))),))


def _hidden_by_style(root: html.HtmlElement) -> frozenset[str]:
    """The classes (`.x`) and ids (`#x`) that the page's own style sheet does not show on a screen."""
    names: set[str] = set()
    is_for_print = False
    for part in "".join(element.text or "" for element in root.iter("style")).split("}"):
        head, opened, body = part.rpartition("{")
        outer, nested, selectors = head.rpartition("{")
        if not opened or nested:
            is_for_print = "print" in outer.casefold()  # of `@media print { … }`, and no longer after its end
        if not is_for_print and _HIDDEN.search(body):
            names.update(one for one in map(str.strip, selectors.split(",")) if _SIMPLE.fullmatch(one))
    return frozenset(names)


def _is_hidden(element: html.HtmlElement, hidden: frozenset[str]) -> bool:
    if element.get("hidden") is not None or _HIDDEN.search(element.get("style") or ""):
        return True
    names = [f".{name}" for name in (element.get("class") or "").split()]
    return bool(hidden) and any(name in hidden for name in (*names, f"#{element.get('id')}"))


def _navigation(root: html.HtmlElement) -> frozenset[html.HtmlElement]:
    """What leads to other pages, or around this one: by what it is called, or because it is a list of links alone.

    What holds a heading, or half of the page's words, is the page itself.
    """
    found = []
    words: dict[
        html.HtmlElement, list[int]
    ] = {}  # characters, of them in links, links, headings, links to pages by a picture
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "start":
            words[element] = [len((element.text or "").strip()), 0, 0, element.tag in HEADINGS, 0]
            continue
        own = words[element]
        if element.tag == "a" and element.get("href") is not None:
            own[1], own[2] = own[0], 1
            own[4] = int(not own[0] and _is_icon(element))
        if (
            element.tag in _CONTAINERS
            and not own[3]
            and (_is_named_navigation(element) or _is_links(element, own) or _is_panel(element, own))
        ):
            found.append(element)
        parent = element.getparent()
        if parent is not None and parent in words:
            told = words[parent]
            told[0] += own[0] + len((element.tail or "").strip())
            for place in (1, 2, 3, 4):
                told[place] += own[place]
        if element is not root and element not in found[-1:]:
            del words[element]
    whole = words[root][0]
    return frozenset(
        element for element in found if 2 * words[element][0] < whole or _is_links(element, words[element])
    )


def _is_named_navigation(element: html.HtmlElement) -> bool:
    if element.get("role") in _ROLES:
        return True
    names = f"{element.get('class') or ''} {element.get('id') or ''}".casefold().split()
    return any(_NAVIGATION.fullmatch(name) for name in names)


def _is_links(element: html.HtmlElement, told: list[int]) -> bool:
    """Whether a list holds links and hardly anything else."""
    characters, linked, links, _, icons = told
    if element.tag == "table" and icons == links >= MIN_ICONS:
        return characters <= MAX_BESIDE_ICONS  # arrows to the next page and the last
    return element.tag in ("ul", "ol", "dl", "table") and links >= MIN_LINKS and linked >= 0.85 * characters


def _is_panel(element: html.HtmlElement, told: list[int]) -> bool:
    """Whether what stands around a page holds what is clicked on, and some words."""
    controls = ("nav", "input", "select", "button")
    return (
        element.tag in ("header", "aside") and told[0] <= MAX_PANEL and next(element.iter(*controls), None) is not None
    )


def _is_icon(link: html.HtmlElement) -> bool:
    """Whether a link leads to a page by a picture; one to a picture shows it larger."""
    return next(link.iter("img"), None) is not None and not _PICTURE.search(link.get("href", ""))


def _is_row(element: html.HtmlElement) -> bool:
    """A row of a table of words: two cells or more that hold no tables, headings or pages of text of their own."""
    if sum(child.tag in ("td", "th") for child in element) < MIN_CELLS:
        return False
    return next(element.iter("table", *HEADINGS, "pre"), None) is None and len(element.text_content()) <= MAX_ROW


def _is_opening_picture(cell: html.HtmlElement) -> bool:
    """Whether a row begins with a cell that holds a picture alone, as what stands over a box does."""
    return cell.getprevious() is None and next(cell.iter("img"), None) is not None and not cell.text_content().strip()


def _lines(root: html.HtmlElement, hidden: frozenset[str]) -> Iterator[Line]:
    words: list[str] = []
    heading = False
    unseen = 0  # elements around this place that no reader sees
    typed = 0  # elements around this place whose lines are kept as they were typed
    row: html.HtmlElement | None = None

    def flush() -> Iterator[Line]:
        # `&#156;` is œ in every browser, and a control character by the letter.
        whole = "".join(words).translate(WINDOWS)
        words.clear()
        for part in whole.split("\n") if typed and row is None else (whole,):
            text = restore_symbols(" ".join(part.split()))
            if row is not None:
                text = text.removesuffix("|").rstrip()
            if text.strip("| "):
                names = row is not None and not any(child.tag == "td" for child in row)
                yield Line(text, is_heading=heading and row is None, is_row=row is not None, is_head=names)

    apart = _navigation(root)
    for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        tag = element.tag if isinstance(element.tag, str) else None
        if event in ("comment", "pi"):
            words.append(element.tail or "")
            continue
        if tag in UNSEEN or element in apart or (tag is not None and _is_hidden(element, hidden)):
            unseen += 1 if event == "start" else -1
        if tag == "tr" and event == "start" and row is None and _is_row(element):
            yield from flush()
            row = element
        if row is None and (tag in BLOCKS or tag == "br"):
            yield from flush()
        elif tag in BLOCKS or tag == "br":
            words.append(" ")  # the lines of a cell
        if element is row and event == "end":
            yield from flush()
            row = None
        typed += (event == "start") - (event == "end") if tag == "pre" else 0
        if event == "start":
            heading = heading or tag in HEADINGS
            inside = element.text or ""
            words.append("" if unseen else raise_digits(inside) if tag == "sup" else inside)
        else:
            heading = False if tag in HEADINGS else heading
            words.append("" if unseen else element.tail or "")
            if row is not None and tag in ("td", "th") and not _is_opening_picture(element):
                words.append(" | ")
    yield from flush()
