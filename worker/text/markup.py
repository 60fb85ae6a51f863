"""What is published is text: nothing that a model, a cell or a person wrote is left as markup of a web page.

A web app shows it as text all the same; this holds where one forgets to.
"""

from __future__ import annotations

import html
import re

_NAMES = (
    *("a", "abbr", "audio", "b", "base", "blockquote", "body", "br", "button", "center", "code", "details", "div"),
    *("em", "embed", "font", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head", "hr", "html", "i", "iframe", "img"),
    *("input", "li", "link", "mark", "math", "meta", "object", "ol", "option", "p", "pre", "s", "script", "select"),
    *("small", "span", "strong", "style", "sub", "summary", "sup", "svg", "table", "tbody", "td", "template"),
    *("textarea", "tfoot", "th", "thead", "title", "tr", "u", "ul", "video"),
)
_TAG = re.compile(rf"</?(?:{'|'.join(_NAMES)})(?:[\s/][^<>]{{0,4000}})?>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_LINK = re.compile(r"\[([^\[\]]{1,500})\]\([^()\s]{1,2000}\)")
# What a browser would still read as the beginning of a tag or a comment: "p <a" is a comparison with a space.
_OPENING = re.compile(r"<(?=[A-Za-z/!?])")
ROUNDS = 5  # entities within entities, tags within tags: past these, what is left opens no tag all the same


def without_markup(text: str) -> str:
    """The text without tags, entities and links; `<` before a letter gets a space. Nothing else is changed.

    The result opens no tag for any browser.
    """
    if "<" not in text and "&" not in text and "](" not in text:
        return text
    for _ in range(ROUNDS):
        before = text
        text = _TAG.sub("", _ENTITY.sub(lambda match: html.unescape(match[0]), text))
        if text == before:
            break
    return _OPENING.sub("< ", _LINK.sub(r"\1", text))
