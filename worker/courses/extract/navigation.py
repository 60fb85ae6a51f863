"""What of a web page leads to other pages, or stands around it."""

from __future__ import annotations

import re

from lxml import etree, html

HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
# Classes and ids of what leads from page to page, and around the page.
_NAVIGATION = re.compile(
    r"(?:docnav|nav(?:bar|header|footer|igation|links?|_table)?|breadcrumbs?|menu|sidebar|toc(?:\d|frame)?|tableofcontents|pagination|pager|"
    r"site-?(?:header|footer)|page-?footer|footer(?:-text)?|skip-?link|cookie-?(?:banner|notice))"
)
_ROLES = frozenset(("navigation", "contentinfo", "search", "banner"))
_CONTAINERS = frozenset(("div", "ul", "ol", "dl", "table", "section", "aside", "header", "p", "span"))
MIN_LINKS = 4  # of a list that is nothing else
MAX_PANEL = 200  # characters around a page that are no text of it
MIN_ICONS, MAX_BESIDE_ICONS = 2, 100  # links that are pictures, and characters beside them
_PICTURE = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|tiff?|bmp|pdf)$", re.IGNORECASE)


def find_navigation(root: html.HtmlElement) -> frozenset[html.HtmlElement]:
    """What leads to other pages, or around this one: by what it is called, or because it is a list of links alone.

    What holds a heading, or half of the page's words, is the page itself.
    """
    found = []
    # Of each: characters, of them in links, links, headings, links to pages by a picture.
    words: dict[html.HtmlElement, list[int]] = {}
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "start":
            words[element] = [len((element.text or "").strip()), 0, 0, element.tag in HEADINGS, 0]
            continue
        own = words[element]
        if element.tag == "a" and element.get("href") is not None:
            own[1], own[2] = own[0], 1
            own[4] = int(not own[0] and _is_icon(element))
        if element.tag in HEADINGS and 0 < own[0] <= own[1]:
            own[3] = 0  # a heading that is a link names another page
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
