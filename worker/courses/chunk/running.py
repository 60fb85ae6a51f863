"""Running headers, footers and page numbers of typeset pages: which lines at the edges of pages are layout alone."""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

from worker.courses.chunk.sections import CHAPTER
from worker.courses.document import Line, Page

# A running line is where readers do not look: among the first or last lines of a page.
EDGE_LINES = 4
SHORT = 80  # characters; a full line of text is longer
LONGEST_COUNTING = 120  # of a line with a section's name and the page's number
REPEATED_SHARE = 0.4  # of the pages; right and left pages often have headers of their own
REPEATED_PAGES = 3
MANY_PAGES, APART_SHARE, APART_ALWAYS = 8, 0.6, 0.9  # of pages that begin or end with a line that stands apart
LARGEST = 1.12  # times the body's letters
NEAR_PAGES = 4  # before and after: a chapter's header stands on its own pages alone

_PAGE_NUMBER = re.compile(
    r"[-–—|•\s]*+(?P<page>page|p\.)?+\s*+(?P<number>\d{1,4}+)\s*+(?P<of>(?:/|sur|of)\s*+\d{1,4}+)?+[-–—|•\s]*+",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d{1,6}")
_OUTER_NUMBER = re.compile(r"(\d{1,4})\b|.*?\b(\d{1,4})(?:\s*(?:/|sur|of)\s*\d{1,4})?")


def drop_running_lines(pages: Sequence[Page]) -> list[Page]:
    """Take out headers, footers and page numbers: lines at the edge of pages that recur, or count the pages.

    How long they are does not matter.
    """
    running = _RunningLines(pages)
    return [
        Page(page.number, tuple(_trim(page.lines, lambda line, index=index: running.has(line, index))))  # type: ignore[misc]
        for index, page in enumerate(pages)
    ]


class _RunningLines:
    """What stands at the edges of the pages, and on which of them.

    Two lines are the same when they are but for one number that grows with the pages. Others may look alike too, such
    as the rows of a table: their numbers are the text.
    """

    def __init__(self, pages: Sequence[Page]) -> None:
        self._pages = pages
        self._count = len(pages)
        self._places: dict[str, list[int]] = defaultdict(list)
        self._numbers: dict[int, set[int]] = defaultdict(set)  # those that stand alone at the edges of each page
        outer: Counter[int] = Counter()
        for index, page in enumerate(pages):
            edges = [page.lines[line].text for line in _edges(page)]
            for key in {key for text in edges for key in _running_keys(text, index)}:
                self._places[key].append(index)
            outer.update({ahead for text in edges for ahead in _outer_numbers(text, index)})
            self._numbers[index].update(int(n["number"]) for text in edges if (n := _PAGE_NUMBER.fullmatch(text)))
        # By how much the printed page numbers are ahead of the count: pages before the first chapter, say.
        enough = max(REPEATED_PAGES, REPEATED_SHARE * self._count)
        self._ahead = {ahead for ahead, pages_so in outer.items() if pages_so >= enough}
        self._bands = self._find_bands(enough)

    def has(self, line: Line, index: int) -> bool:
        """Whether a line at the edge of a page belongs to the layout."""
        text = line.text
        number = _PAGE_NUMBER.fullmatch(text)
        keys = _running_keys(text, index)
        if number is not None:
            told = number["page"] or number["of"] or int(number["number"]) - index in {1, *self._ahead}
            return bool(told) or any(len(self._places[key]) > 1 for key in keys[1:]) or self._counts_on(number, index)
        if self._names_its_section(line, index) or self._is_in_band(line):
            return True
        if any(self._recurs(self._places[key], index) for key in keys):
            return len(text) <= SHORT or self._is_single(index, text)
        is_title = line.size >= LARGEST and not text[-1].isdigit()
        return not is_title and self._counts_pages(text, index)

    def _is_single(self, index: int, text: str) -> bool:
        """Whether a page holds a line once: what a page says again and again is its text."""
        return sum(line.text == text for line in self._pages[index].lines) == 1

    def _find_bands(self, enough: float) -> dict[int, float]:
        """Where headers and footers stand, in points, and how large they are set.

        A header that names its section is another one in each; that it stands where the others do tells it.
        """
        sizes: dict[int, list[float]] = defaultdict(list)
        for index, page in enumerate(self._pages):
            for line in (page.lines[number] for number in _edges(page)):
                if _is_plain(line) and self._is_repeated(line.text, index):
                    sizes[round(line.foot)].append(line.size)
        bands = {place: max(told) for place, told in sizes.items() if len(told) >= enough}
        return self._bands_apart() | bands

    def _bands_apart(self) -> dict[int, float]:
        """Where most pages begin or end with a line that stands apart from their text: the text itself does not."""
        apart: dict[int, list[float]] = defaultdict(list)
        all_lines: Counter[int] = Counter()
        for page in self._pages:
            for lines in (page.lines, page.lines[::-1]):
                outer, following = (*lines[:2], Line(""), Line(""))[:2]
                all_lines[round(outer.foot)] += 1
                if _is_plain(outer) and not following.text:
                    apart[round(outer.foot)].append(outer.size)
        enough = max(MANY_PAGES, APART_SHARE * self._count)
        return {
            place: max(told)
            for place, told in apart.items()
            if len(told) >= max(enough, APART_ALWAYS * all_lines[place])
        }

    def _is_repeated(self, text: str, index: int) -> bool:
        if _PAGE_NUMBER.fullmatch(text) is None and self._counts_pages(text, index):
            return True
        return any(self._recurs(self._places[key], index) for key in _running_keys(text, index))

    def _is_in_band(self, line: Line) -> bool:
        if not _is_plain(line) or len(line.text) > LONGEST_COUNTING or CHAPTER.fullmatch(line.text):
            return False
        return any(line.size <= self._bands.get(round(line.foot) + step, 0.0) + 0.03 for step in (-1, 0, 1))

    def _counts_on(self, number: re.Match[str], index: int) -> bool:
        """Whether the pages around it count as it does: slides that build up count slower than their pages."""
        value = int(number["number"])
        before, after = self._numbers.get(index - 1, ()), self._numbers.get(index + 1, ())
        return any(value - n in (0, 1) for n in before) and any(n - value in (0, 1) for n in after)

    def _names_its_section(self, line: Line, index: int) -> bool:
        """A header in small letters whose words the page's own heading says: the first page of a section."""
        own = _letters(line.text)
        return len(own) > 3 and any(
            other is not line
            and (other.size > line.size + 0.1 or other.is_bold > line.is_bold)
            and _letters(other.text) == own
            for other in self._pages[index].lines
        )

    def _counts_pages(self, text: str, index: int) -> bool:
        """`4 INSTALLATIONS 23` over page 23: the section's name changes, the page's number is where it always is."""
        return (
            len(text) <= LONGEST_COUNTING
            and text[-1] not in ".,;:"
            and any(ahead in self._ahead for ahead in _outer_numbers(text, index))
        )

    def _recurs(self, places: Sequence[int], index: int) -> bool:
        if len(places) >= max(REPEATED_PAGES, REPEATED_SHARE * self._count):
            return True
        # On some pages that follow one another: a chapter's. The first of them keeps it, in case it is a title.
        start, end = bisect_left(places, index - NEAR_PAGES), bisect_right(places, index + NEAR_PAGES)
        return end - start >= REPEATED_PAGES and places[start] < index


def _is_plain(line: Line) -> bool:
    """Neither large nor bold, as headings and the titles of slides are, and where it stands is known."""
    return line.foot > 0 and not line.is_bold and line.size < LARGEST


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalpha())


def _trim(lines: Sequence[Line], is_running: Callable[[Line], bool]) -> Iterator[Line]:
    """From both ends inwards, as far as lines are running ones: the first that is not begins the text."""
    filled = [index for index, line in enumerate(lines) if line.text]
    top = list(itertools.takewhile(lambda i: is_running(lines[i]), filled[:EDGE_LINES]))
    bottom = list(itertools.takewhile(lambda i: is_running(lines[i]), filled[: -EDGE_LINES - 1 : -1]))
    gone = {*top, *bottom}
    return (line for index, line in enumerate(lines) if index not in gone)


def _edges(page: Page) -> set[int]:
    filled = [index for index, line in enumerate(page.lines) if line.text]
    return {*filled[:EDGE_LINES], *filled[-EDGE_LINES:]}


def _running_keys(text: str, index: int) -> list[str]:
    """The line itself, then once for each number in it: the line with how far that number is ahead of the page."""
    folded = " ".join(text.casefold().split())
    ahead = (f"{folded[: m.start()]}\0{int(m[0]) - index}\0{folded[m.end() :]}" for m in _NUMBER.finditer(folded))
    return [folded, *ahead]


def _outer_numbers(text: str, index: int) -> list[int]:
    """How far the first and the last number of a line are ahead of its page, where it begins or ends with them."""
    match = _OUTER_NUMBER.match(text)
    last = _OUTER_NUMBER.fullmatch(text)
    numbers = {m for m in (match and match[1], last and last[2]) if m}
    return [int(number) - index for number in numbers]
