"""What a web page begins and ends with that leads elsewhere, where nothing in its source says so: links alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from worker.courses.document import Line

LINK = "\0"  # stands for a link among the words outside of links
MOST_LINES, LONGEST = 3, 100  # of what leads elsewhere at the end; a longer list of links names sources
LONGEST_NOTICE = 200
_NOTICE = ("©", "(c)", "copyright")


class LinkedLine(NamedTuple):
    """A line, its words outside of links, and whether it is an item of a list."""

    line: Line
    outside: str
    is_item: bool = False


def trim_edges(lines: Sequence[LinkedLine]) -> list[Line]:
    """The lines without those at both ends that only lead elsewhere. Links under a heading of their own are text."""
    titles = {_letters(one.line.text) for one in lines if one.line.is_heading}
    top = 0
    while top < len(lines) and _leads(lines[top], titles):
        top += 1
    end = len(lines)
    while end > top and _is_notice(lines[end - 1].line.text):
        end -= 1
    first = end
    while first > top and _ends_page(lines, first - 1, titles):
        first -= 1
    before = lines[first - 1].line if first > top else None
    is_own = before is None or before.is_heading or before.text.endswith(":") or end - first > MOST_LINES
    kept = lines[top : end if is_own else first]
    return [one.line for one in kept or lines]


def _ends_page(lines: Sequence[LinkedLine], number: int, titles: set[str]) -> bool:
    """Whether a line leads elsewhere, or says below a row that does where its links lead."""
    one = lines[number]
    if one.is_item:
        return False
    if _leads(one, titles):
        return True
    is_below = number > 0 and one.line.is_row and lines[number - 1].line.is_row and LINK in one.outside
    return is_below and len(one.line.text) <= LONGEST and _leads(lines[number - 1], titles)


def _leads(one: LinkedLine, titles: set[str]) -> bool:
    """Whether a line holds links alone, or links each after a word with a colon, or the way to this page's title."""
    links = one.outside.count(LINK)
    if not links or one.line.is_heading or len(one.line.text) > LONGEST:
        return False
    others = [part.strip() for part in one.outside.split(LINK) if _letters(part)]
    if not others:
        return True
    if len(others) == 1:
        return links > 1 and _letters(others[0]) in titles
    return all(part.endswith(":") for part in others)


def _is_notice(text: str) -> bool:
    return len(text) <= LONGEST_NOTICE and text.casefold().startswith(_NOTICE)


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
