"""What of a web page leads to other pages, or stands around it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree, html

from worker.courses.signs import BACK, BACK_TO

HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
# Classes and ids of what leads from page to page: it holds links, or what is clicked on.
_NAVIGATION = re.compile(
    r"(?:docnav|nav(?:bar|header|footer|igation|links?|table)?|breadcrumbs?|menu|sidebar|toc(?:\d|frame)?|tableofcontents\w*|pagination|pager)"
)
# And of what stands around it, whatever it says.
_AROUND = re.compile(r"(?:site(?:header|footer)|pagefooter|footer(?:text)?|skiplink|cookie(?:banner|notice))")
_WORD = re.compile(r"[A-Za-z][a-z]*")  # of a name: `md-skip`, `skipToContent`, `rst-versions`
# Words in names of what leads elsewhere, and of what is there for the page, if it is short.
_NAVIGATION_PARTS = frozenset(
    (
        *("nav", "navbar", "navigation", "breadcrumb", "breadcrumbs", "pagination", "pager", "sidebar", "menu", "toc"),
        *("related", "versions", "search", "searchbox", "share", "sharing", "sharedaddy", "social"),
        *("comments", "feedback", "widget", "meta", "catlinks", "skiplinks"),
    )
)
_AROUND_PARTS = frozenset(
    (
        *("footer", "printfooter", "colophon", "cookie", "consent", "respond", "noprint"),
        *("updated", "modified"),
    )
)
_WITH = frozenset(("has", "with", "without"))  # of a page that has a menu: no menu
_INLINE_PARTS = frozenset(("skip", "jump", "headerlink", "editsection"))
_ROLES = frozenset(("navigation", "contentinfo", "search"))
_CONTAINERS = frozenset(("div", "ul", "ol", "dl", "table", "section", "aside", "header", "p", "span", "form"))
_CONTROLS = ("nav", "input", "select", "button", "textarea")
_RELATED = frozenset(("prev", "previous", "next", "up", "contents", "index", "start", "first", "last", "home"))
MIN_LINKS = 4  # of a list that is nothing else
MAX_PANEL = 200  # characters around a page that are no text of it
MIN_ICONS, MAX_BESIDE = 2, 100  # links that are pictures, and characters beside what leads to the pages around
_BACK, _BACK_TO = re.compile(BACK, re.IGNORECASE), re.compile(BACK_TO, re.IGNORECASE)
_PICTURE = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|tiff?|bmp|pdf)$", re.IGNORECASE)


@dataclass(slots=True)
class _Told:
    """What an element holds: characters, and of them in links; headings that are no links; links of some kinds."""

    characters: int = 0
    linked: int = 0
    links: int = 0
    headings: int = 0
    titles: int = 0  # h1
    icons: int = 0  # links to pages by a picture
    related: int = 0  # links to the page before, the next one, the one above

    @property
    def free(self) -> int:
        return self.characters - self.linked

    def add(self, inner: _Told, after: int) -> None:
        self.characters += inner.characters + after
        self.linked += inner.linked
        self.links += inner.links
        self.headings += inner.headings
        self.titles += inner.titles
        self.icons += inner.icons
        self.related += inner.related


def find_navigation(root: html.HtmlElement) -> frozenset[html.HtmlElement]:
    """What leads to other pages, or around this one: by what it is called, or because it is a list of links alone.

    What holds the page's title, or half of its words, is the page itself.
    """
    found, banners = [], []
    words: dict[html.HtmlElement, _Told] = {}
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "start":
            words[element] = _Told(len((element.text or "").strip()), headings=element.tag in HEADINGS)
            continue
        own = words[element]
        _close(element, own)
        if _is_around(element, own):
            found.append(element)
        elif _is_banner(element, own):
            banners.append(element)
        parent = element.getparent()
        if parent is not None and parent in words:
            words[parent].add(own, len((element.tail or "").strip()))
        if element is not root and element not in (*found[-1:], *banners[-1:]):
            del words[element]
    whole = words[root]
    if whole.titles:  # else it may be a header without headings that says what the page is about
        found += banners
    return frozenset(
        element
        for element in found
        if 2 * words[element].characters < whole.characters or _is_links(element, words[element])
    )


def _close(element: html.HtmlElement, own: _Told) -> None:
    """What an element is itself, when all that it holds is known."""
    if element.tag == "a" and element.get("href") is not None:
        own.linked, own.links = own.characters, 1
        own.icons = int(not own.characters and _is_icon(element))
        own.related = int(_is_related(element))
    if element.tag in HEADINGS:
        # A heading that is a link names another page.
        own.headings = int(own.characters == 0 or own.characters > own.linked)
        own.titles = own.headings if element.tag == "h1" else 0


def _is_around(element: html.HtmlElement, own: _Told) -> bool:
    if element.tag == "a":
        return _is_anchor(element) or _leads_back(element) or bool(_INLINE_PARTS & _parts(element))
    if element.tag not in _CONTAINERS or own.titles:
        return False
    if _is_called_so(element, own):
        return True
    return not own.headings and (_is_links(element, own) or _is_panel(element, own) or _leads_around(own))


def _is_banner(element: html.HtmlElement, own: _Told) -> bool:
    """Whether a header is the site's: it stands over the page's text, has no heading of its own, and is short (HTML's
    standard, 4.3.8: one that is of no section is the page's)."""
    if element.tag != "header" or own.headings or own.free > MAX_PANEL:
        return False
    return next(element.iterancestors("main", "article", "section"), None) is None


def _is_called_so(element: html.HtmlElement, own: _Told) -> bool:
    """By its role, its class or its id. What has headings of its own, or is called so in part, is short besides."""
    is_short = own.free <= MAX_PANEL
    if _has_role(element) and (is_short or not own.headings):
        return True
    names, parts = re.sub(r"[-_]", "", _names(element).casefold()).split(), _parts(element)
    if _INLINE_PARTS & parts:
        return is_short
    if element.tag == "span" or _WITH & parts or (own.headings and not is_short):
        return False
    if any(map(_AROUND.fullmatch, names)) or (is_short and _AROUND_PARTS & parts):
        return True
    if not own.links and next(element.iter(*_CONTROLS), None) is None:
        return False
    return (any(map(_NAVIGATION.fullmatch, names)) and own.free <= max(MAX_PANEL, 2 * own.linked)) or bool(
        is_short and _NAVIGATION_PARTS & parts
    )


def _names(element: html.HtmlElement) -> str:
    return f"{element.get('class') or ''} {element.get('id') or ''}"


def _parts(element: html.HtmlElement) -> set[str]:
    return {part.casefold() for part in _WORD.findall(_names(element))}


def _has_role(element: html.HtmlElement) -> bool:
    role = element.get("role")
    return role in _ROLES or (role == "banner" and next(element.iter(*HEADINGS), None) is None)


def _is_links(element: html.HtmlElement, told: _Told) -> bool:
    """Whether a list holds links and hardly anything else."""
    if element.tag == "table" and told.icons == told.links >= MIN_ICONS:
        return told.characters <= MAX_BESIDE  # arrows to the next page and the last
    is_list = element.tag in ("ul", "ol", "dl", "table")
    return is_list and told.links >= MIN_LINKS and told.linked >= 0.85 * told.characters


def _leads_around(told: _Told) -> bool:
    """Whether a block is there for the links that the page itself calls the ones before and after it."""
    return told.related >= 1 and told.free <= (MAX_BESIDE if told.related > 1 else MAX_BESIDE // 4)


def _is_panel(element: html.HtmlElement, told: _Told) -> bool:
    """Whether what stands around a page holds what is clicked on, and some words; a question's boxes are no such."""
    if element.tag not in ("header", "aside", "form") or told.characters > MAX_PANEL:
        return False
    if next(element.iter(*_CONTROLS), None) is None:
        return False
    return all(field.get("type") not in ("radio", "checkbox") for field in element.iter("input"))


def _is_related(link: html.HtmlElement) -> bool:
    """By `rel`, or by the keys that DocBook and Texinfo give to these links."""
    if _RELATED & set((link.get("rel") or "").casefold().split()):
        return True
    return (link.get("accesskey") or "").casefold() in ("n", "p", "u", "h")


def _is_anchor(link: html.HtmlElement) -> bool:
    """A sign that leads to a place of the page itself: `¶` after a heading, `↩` after a note."""
    text = link.text_content()
    return (link.get("href") or "").startswith("#") and bool(text.strip()) and not any(map(str.isalnum, text))


def _leads_back(link: html.HtmlElement) -> bool:
    """`Haut de la page`, where it leads to a place of the page itself; `Retour à l'accueil`, wherever it leads."""
    text = " ".join(link.text_content().split()).strip("↑⇑▲^<«←[]() ")
    is_here = (link.get("href") or "").startswith("#")
    return _BACK.fullmatch(text) is not None or (is_here and _BACK_TO.fullmatch(text) is not None)


def _is_icon(link: html.HtmlElement) -> bool:
    """Whether a link leads to a page by a picture; one to a picture shows it larger."""
    return next(link.iter("img"), None) is not None and not _PICTURE.search(link.get("href", ""))
