"""Lines of a printed web page that only lead elsewhere: links alone, at its ends or again and again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import takewhile

from worker.courses.chunk.sections import find_counting, is_larger, stands_out
from worker.courses.document import Line, Page
from worker.courses.signs import BACK

ALL = 0.8  # of a line's width; spaces between links are none
LONGEST = 100  # characters
REPEATED = 3  # times in a document
_NOTICE = ("©", "(c)", "copyright")
AT_END = 3  # lines; a longer list of links names sources
NEAR = 36  # points: from a row of links to the one that says where they lead
# What leads back to the top of a printed page, if it is a link, or comes again and again.
_BACK = re.compile(rf"[↑⇑▲^\[( ]*(?:{BACK}|haut\s+de\s+(?:la\s+)?page)[\])↑ .]*", re.IGNORECASE)
# And on and back, where the print has lost its links.
_WAY = "(?:previous|prev|next|up|contents|index|précédente?|suivante?|sommaire|accueil)"
_ON_AND_BACK = re.compile(rf"{_WAY}(?:\W+{_WAY})+", re.IGNORECASE)
# What a site says above a page's title: the way to it, and where else one may go.
_STEP = re.compile(r"\s?[›»]\s|\s>\s")
STEPS, LONGEST_STEP = range(3, 8), 60
_MENU = re.compile(r"(?:^|.{0,60}\s)Accueil(?:\s?[|·•/›»]\s{1,2}[^|·•/›»]{2,40}){2,8}")
_ACCOUNT = re.compile(r"Accueil\s.{0,80}(?:se\s(?:dé)?connecter|(?:dé)?connexion|mon\scompte)", re.IGNORECASE)
MOST_ABOVE = 2  # lines above a menu: the site's name
_READ = re.compile(r"://|www\.|\w/\w|\d$")  # an address is there to be read, and a line of contents


def drop_links(pages: Sequence[Page]) -> list[Page]:
    """Take out what leads to other pages: `Précédent Suivant` between chapters, and at both ends.

    It stands next to a heading, again and again, or begins or ends the document. Any other link is text.
    """
    pages = _without_ways_here(_without_ways_back(pages))
    last = next((line.text for page in reversed(pages) for line in reversed(page.lines) if line.text), "")
    if not (any(line.linked >= ALL for page in pages for line in page.lines) or _is_notice(last)):
        return list(pages)
    places = [(p, n) for p, page in enumerate(pages) for n, line in enumerate(page.lines) if line.text]
    lines = [pages[p].lines[n] for p, n in places]
    counting = find_counting([line.text for line in lines])
    leading = [at not in counting and _leads(pages[p].lines, n) for at, (p, n) in enumerate(places)]
    gone = set(_between_chapters(lines, leading))
    gone |= set(_ends(lines, leading, gone))
    if len(gone) == len(lines):
        return list(pages)
    left_out = {places[at] for at in gone}
    return [
        Page(page.number, tuple(line for n, line in enumerate(page.lines) if (p, n) not in left_out))
        for p, page in enumerate(pages)
    ]


def _without_ways_here(pages: Sequence[Page]) -> Sequence[Page]:
    """`Accueil › Cours › Module 3` above the title of a printed web page, and what names the site over that."""
    lines = pages[0].lines if pages else ()
    title = next((at for at, line in enumerate(lines) if line.text and is_larger(line)), 0)
    above = [at for at in range(title) if lines[at].text]
    found = [at for at in above if _is_way_here(lines[at].text)]
    if not found:
        return pages
    gone = set(found)
    before = [at for at in above if at < found[0]]
    if len(before) <= MOST_ABOVE and "Accueil" in lines[found[0]].text:
        gone |= set(before)
    first = Page(pages[0].number, tuple(line for at, line in enumerate(lines) if at not in gone))
    return [first, *pages[1:]]


def _is_way_here(text: str) -> bool:
    """Whether a line says the steps that lead to a page, or where else one may go on its site."""
    steps = _STEP.split(text) if len(text) <= STEPS[-1] * LONGEST_STEP else ()
    if len(steps) in STEPS and all(1 < len(step) <= LONGEST_STEP for step in steps):
        return True
    return _MENU.fullmatch(text) is not None or _ACCOUNT.fullmatch(text) is not None


def _without_ways_back(pages: Sequence[Page]) -> Sequence[Page]:
    """`Haut de la page` may be what a course speaks of: alone and no link, it stays."""
    back = [line for page in pages for line in page.lines if _leads_back(line)]
    gone = {line.text for line in back if line.linked >= ALL}
    gone |= {text for text, times in Counter(line.text for line in back).items() if times >= REPEATED}
    if not gone:
        return pages
    return [Page(page.number, tuple(line for line in page.lines if line.text not in gone)) for page in pages]


def _leads_back(line: Line) -> bool:
    """Whether a line says so. One that is all links is a row of the chapters' own."""
    return _BACK.fullmatch(line.text) is not None or (
        line.linked < ALL and not line.is_row and _ON_AND_BACK.fullmatch(line.text) is not None
    )


def _leads(lines: Sequence[Line], number: int) -> bool:
    """Whether a line is all links and a paragraph by itself, or with others that are: no end of a sentence."""
    return _is_linked(lines[number]) and all(
        not near.text or _is_linked(near) or near.is_row
        for near in (*lines[max(0, number - 1) : number], *lines[number + 1 : number + 2])
    )


def _is_linked(line: Line) -> bool:
    return line.linked >= ALL and len(line.text) <= LONGEST and not is_larger(line) and _READ.search(line.text) is None


def _between_chapters(lines: Sequence[Line], leading: Sequence[bool]) -> Iterator[int]:
    """Lines of links that come again and again, from each heading outwards, with rows that say where they lead."""
    counts = Counter(line.text for line, leads in zip(lines, leading, strict=True) if leads)
    again = [leads and counts[line.text] >= REPEATED for line, leads in zip(lines, leading, strict=True)]
    for heading, line in enumerate(lines):
        if not is_larger(line):
            continue
        for step in (-1, 1):
            at = heading + step
            while 0 <= at < len(lines) and (again[at] or _tells_beside(lines, again, at)):
                yield at
                at += step
    end = len(lines) - 1
    while end >= 0 and (again[end] or _tells_beside(lines, again, end)):
        yield end
        end -= 1


def _tells_beside(lines: Sequence[Line], again: Sequence[bool], at: int) -> bool:
    """Whether a row says where the links of the next one lead: the chapters' names below `Précédent | Suivant`."""
    line = lines[at]
    return (
        line.is_row
        and line.linked > 0
        and len(line.text) <= LONGEST
        and any(
            again[near] and lines[near].is_row and abs(lines[near].foot - line.foot) < NEAR
            for near in (at - 1, at + 1)
            if 0 <= near < len(lines)
        )
    )


def _ends(lines: Sequence[Line], leading: Sequence[bool], gone: set[int]) -> Iterator[int]:
    """Links alone, and a notice of copyright, that the document begins or ends with.

    Those at the end are text below a heading or after a colon, and so are many: sources.
    """
    left = [at for at in range(len(lines)) if at not in gone]
    top = list(takewhile(lambda at: leading[at], left))
    if len(top) < len(left) and (len(top) <= AT_END or is_larger(lines[left[len(top)]])):
        yield from top
    notices = list(takewhile(lambda at: _is_notice(lines[at].text), reversed(left)))
    yield from notices
    left = left[: len(left) - len(notices)]
    end = list(takewhile(lambda at: leading[at], reversed(left)))
    if 0 < len(end) <= AT_END and len(end) < len(left):
        before = lines[left[-len(end) - 1]]
        if not stands_out(before) and not before.text.endswith(":"):
            yield from end


def _is_notice(text: str) -> bool:
    return len(text) <= 2 * LONGEST and text.casefold().startswith(_NOTICE)
