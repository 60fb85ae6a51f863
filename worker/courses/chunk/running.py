"""Running headers, footers and page numbers of typeset pages: which lines at the edges of pages are layout alone."""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from statistics import median

from worker.courses.chunk.sections import CHAPTER, find_counting
from worker.courses.document import Line, Page

# A running line is where readers do not look: among the first or last lines of a page.
EDGE_LINES = 4
SHORT = 80  # characters; a full line of text is longer
LONGEST_COUNTING = 120  # of a line with a section's name and the page's number
REPEATED_SHARE = 0.4  # of the pages; right and left pages often have headers of their own
REPEATED_PAGES = 3
MANY_PAGES, APART_SHARE, APART_ALWAYS = 8, 0.6, 0.9  # of pages that begin or end with a line that stands apart
LARGEST = 1.12  # times the body's letters
MUCH_LARGER, LONG_TITLE = 1.4, 15  # of a title that a header may repeat, in capitals or not; letters
FEW_PAGES = 4  # of a document in which a line cannot recur often: two at the same height are enough
MOST_SIGNS = 16  # spaces, points and figures that one of two lines of the same letters has more
MIN_TITLE = 3  # letters, at least one more, of a section's name in a header
MOST_APART = 2  # lines of a header or a footer
SAME_HEIGHT, FAR_APART = 2, 24  # points
LONG_HEADER, SMALLER = 45, 0.95  # characters, and times those letters: of a header that two pages of many have
SMALL_BOLD = 0.8  # times the body's letters
FIXED = 0.9  # times the body's letters, at most, of what stands at one place of most pages though inside of them
NAMES_KEPT = 4_096  # titles whose letters are kept: each page asks for those of the pages before it
NEAR_PAGES = 4  # before and after: a chapter's header stands on its own pages alone

_PAGE_NUMBER = re.compile(
    r"[-–—|•\s]*+(?P<page>page|p\.)?+\s*+(?P<number>\d{1,4}+)\s*+(?P<of>(?:/|sur|of)\s*+\d{1,4}+)?+[-–—|•\s]*+",
    re.IGNORECASE,
)
# What browsers print below a page, and above it.
_BROWSER_FOOT = re.compile(r"(?:https?|file)://\S+\s+\d{1,4}/\d{1,4}")
_BROWSER_HEAD = re.compile(r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4},?\s+\d{1,2}[:h]\d{2}\b")
# What Sphinx prints where a program goes over the end of a page.
_TURNS = re.compile(r"\((?:suite sur la page suivante|suite de la page précédente)\)")
_WAY = re.compile(r"\s[\\/>›»|]\s")
_NUMBER = re.compile(r"\d{1,6}")
_NOTE = re.compile(r"(?:\d{1,3}|[*†‡¹²³⁴-⁹]+)[.)\]]?\s?[^\W\d]")
_ALONE = re.compile(r"(?<!\w)\d{1,4}(?!\w)")
_CLOSING = re.compile(r"[])}>;]{1,6}")  # the last line of a program, on however many pages it is the last
_ENUMERATOR = re.compile(r"(?:[IVX]{1,5}|[A-Za-z])\s?[-–./)°]+\s*")  # of a heading, in letters
_ROMAN = re.compile(r"[ivxl]{1,7}")  # of the pages before the first chapter
_OUTER_NUMBER = re.compile(r"(\d{1,4})\b(?!\.\d)|.*?\b(\d{1,4})(?:\s*(?:/|sur|of)\s*\d{1,4})?")


def drop_running_lines(pages: Sequence[Page]) -> list[Page]:
    """Take out headers, footers and page numbers: lines at the edge of pages that recur, or count the pages.

    How long they are does not matter. What sheets say around their slides is told by itself.
    """
    around = [page for page in pages if page.is_around]
    if around:
        of_sheets = iter(_around_slides(around))
        of_slides = iter(drop_running_lines([page for page in pages if not page.is_around]))
        return [next(of_sheets if page.is_around else of_slides) for page in pages]
    running = _RunningLines(pages)
    fixed = _fixed_lines(pages) | _crumbs(pages) | _counted_lines(pages)
    return [Page(page.number, tuple(_text_of(page, index, running, fixed))) for index, page in enumerate(pages)]


def _around_slides(pages: Sequence[Page]) -> Iterator[Page]:
    """What sheets say around their slides, without what stands at one height of several, but for its numbers."""
    said = [{(_ALONE.sub("0", line.text), round(line.foot)) for line in page.lines} for page in pages]
    again = Counter(itertools.chain.from_iterable(said))
    for page in pages:
        own = (line for line in page.lines if again[_ALONE.sub("0", line.text), round(line.foot)] < 2)
        yield replace(page, lines=tuple(own))


def _text_of(page: Page, index: int, running: _RunningLines, fixed: set[tuple[str, int]]) -> Iterator[Line]:
    """A page's own lines. How one follows a line that is left out says nothing; a row goes on from rows."""
    edges = _edge_lines(page.lines, partial(running.has_at, index))
    is_left_out = False
    for number, line in enumerate(page.lines):
        if number in edges or (fixed and _place(line) in fixed):
            is_left_out = True
        elif is_left_out and line.text:
            is_left_out = False
            yield line if line.is_row else replace(line, goes_on=None)
        else:
            yield line


def _fixed_lines(pages: Sequence[Page]) -> set[tuple[str, int]]:
    """Small lines that stand at one place of most pages, though inside of them (a bar of sections beside slides), and a
    tab in the margin, however large: what no title of a page is, for lines stand above it."""
    found: Counter[tuple[str, int]] = Counter()
    for page in pages:
        filled = [line for line in page.lines if line.text and not line.is_row]
        top = sorted((line.foot for line in filled), reverse=True)[:MOST_APART][-1:]
        found.update({_place(ln) for ln in filled if ln.size <= FIXED and _is_plain(ln)})
        found.update({_place(ln) for ln in filled if ln.size >= LARGEST and 0 < ln.foot < min(top, default=0.0)})
    return {place for place, times in found.items() if times >= max(REPEATED_PAGES, REPEATED_SHARE * len(pages))}


def _counted_lines(pages: Sequence[Page]) -> set[tuple[str, int]]:
    """Lines that count on from page to page at one place, in small letters or as the number of the page alone: the
    footers of slides of which several stand on one sheet, side by side too."""
    found: dict[tuple[str, int], list[tuple[int, int, int, tuple[str, int]]]] = defaultdict(list)
    for index, page in enumerate(pages):
        for line in page.lines:
            may_count = (line.size <= FIXED and not line.is_bold) or line.text.isdigit()
            if not may_count or not line.foot or line.is_row or len(line.text) > LONGEST_COUNTING:
                continue
            numbers = [int(number) for number in _ALONE.findall(line.text)]
            words = _once(_ALONE.sub("0", line.text)) if numbers else ""
            if words == "0" or (words and line.size <= FIXED):
                found[words, round(line.foot)].append((index, min(numbers), max(numbers), _place(line)))
    counted: set[tuple[str, int]] = set()
    for (words, _), lines in found.items():
        of_pages = [list(group) for _, group in itertools.groupby(lines, key=lambda told: told[0])]
        if len(of_pages) < max(REPEATED_PAGES, APART_SHARE * len(pages)):
            continue
        ahead = {number - index for index, number, _, _ in lines}
        steps = (
            max(n for _, _, n, _ in one) < min(n for _, n, _, _ in two) for one, two in itertools.pairwise(of_pages)
        )
        if len(ahead) == 1 if words == "0" else all(steps):
            counted.update(place for *_, place in lines)
    return counted


def _once(text: str) -> str:
    """What a line says once, or several times side by side."""
    words = text.split()
    for parts in range(2, MOST_APART * 2 + 1):
        size = len(words) // parts
        if size and words == words[:size] * parts:
            return " ".join(words[:size])
    return " ".join(words)


def _crumbs(pages: Sequence[Page]) -> set[tuple[str, int]]:
    """Small lines over a title that say the way to it: `Cardiologie \\ Valvulopathies \\ Signes` over `3.2 Signes`."""
    found = set()
    for page in pages:
        for line, below in itertools.pairwise(line for line in page.lines if line.text):
            way = _WAY.split(line.text)
            is_way = len(way) > 2 and line.size <= FIXED and line.foot > 0 and below.size >= LARGEST
            if is_way and _letters(way[-1]) == _letters(below.text):
                found.add(_place(line))
    return found


def _place(line: Line) -> tuple[str, int]:
    return line.text, round(line.foot)


class _RunningLines:
    """What stands at the edges of the pages, and on which of them.

    Two lines are the same when they are but for one number that grows with the pages. Others may look alike too, such
    as the rows of a table: their numbers are the text.
    """

    def __init__(self, pages: Sequence[Page]) -> None:
        self._pages = pages
        self._count = len(pages)
        self._places: dict[str, list[int]] = defaultdict(list)
        self._apart: set[tuple[int, str]] = set()  # lines that a page begins or ends with and that stand apart
        self._feet: dict[str, list[tuple[int, float]]] = defaultdict(list)  # page and height, of the same
        # Pages on which a line counts them, by how far it is ahead and at which height, in points.
        self._counting: dict[tuple[int, int], set[int]] = defaultdict(set)
        self._printed: set[int] = set()  # pages that a browser printed
        self._numbers: dict[int, set[int]] = defaultdict(set)  # those that stand alone at the edges of each page
        self._titles = _large_titles(pages)
        outer: Counter[int] = Counter()
        for index, page in enumerate(pages):
            lines = [page.lines[line] for line in _edges(page)]
            edges = [line.text for line in lines]
            for line in lines:
                for key in _running_keys(line.text, index):
                    self._feet[key].append((index, line.foot))
                    if self._places[key][-1:] != [index]:
                        self._places[key].append(index)
            counting = {(ahead, round(line.foot)) for line in lines for ahead in _outer_numbers(line.text, index)}
            alone = {int(n["number"]) for text in edges if (n := _PAGE_NUMBER.fullmatch(text))}
            outer.update({ahead for ahead, _ in counting} | {number - index for number in alone})
            for place in counting:
                self._counting[place].add(index)
            if any(map(_BROWSER_FOOT.fullmatch, edges)):
                self._printed.add(index)
            self._apart.update((index, line.text) for line in _outer_blocks(page))
            self._numbers[index].update(alone)
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
        if _CLOSING.fullmatch(text):
            return False
        if _TURNS.fullmatch(text) or (_ROMAN.fullmatch(text) and line.foot and (index, text) in self._apart):
            return True
        if self._names_its_section(line, index) or self._is_in_band(line) or self._is_browsers(text, index):
            return True
        may_stand_again = self._count <= FEW_PAGES or (len(text) >= LONG_HEADER and line.size <= SMALLER)
        if any(self._recurs(self._places[key], index, self._at_height(key, line)) for key in keys) or (
            may_stand_again and self._stands_again(line, keys, index)
        ):
            return len(text) <= SHORT or self._is_single(index, text)
        is_title = line.size >= LARGEST and not text[-1].isdigit()
        return not is_title and self._counts_pages(line, index)

    def has_at(self, index: int, line: Line, outer: Line | None) -> bool:
        """The same of a page's line; the rest of a long one, in letters as small, needs to stand so on two pages."""
        if self.has(line, index):
            return True
        if outer is None or len(outer.text) < LONG_HEADER or outer.foot - line.foot > FAR_APART or line.is_typed:
            return False
        is_second = line.foot > 0 and line.size == outer.size <= SMALLER and not line.is_row
        return is_second and any(self._at_height(key, line) > 1 for key in _running_keys(line.text, index))

    def _is_browsers(self, text: str, index: int) -> bool:
        """What a browser prints around a page: its address and number, and over them the date and the title."""
        if index not in self._printed:
            return False
        return _BROWSER_FOOT.fullmatch(text) is not None or _BROWSER_HEAD.match(text) is not None

    def _at_height(self, key: str, line: Line) -> int:
        """On how many pages the same line stands at this one's height."""
        return len(self._pages_at_height(key, line))

    def _pages_at_height(self, key: str, line: Line) -> set[int]:
        return {index for index, foot in self._feet[key] if abs(foot - line.foot) <= SAME_HEIGHT}

    def _stands_again(self, line: Line, keys: Sequence[str], index: int) -> bool:
        """Whether a line that stands apart, on one page at least, stands so on another too, in a document of few."""
        if line.foot <= 0 or line.is_row:
            return False
        pages = {page for key in keys for page in self._pages_at_height(key, line)}
        return len(pages) > 1 and any((page, line.text) in self._apart for page in {index, *pages})

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
                if _is_plain(line) and self._is_repeated(line, index):
                    sizes[round(line.foot)].append(line.size)
        bands = {place: max(told) for place, told in sizes.items() if len(told) >= enough}
        return self._bands_of_few() | self._bands_apart() | self._bands_of_parts(enough) | bands

    def _bands_of_few(self) -> dict[int, float]:
        """Where all of a few pages, but for the first one, begin or end with a small line far from their text, or with
        one as large as that and the same on two of them."""
        bands: dict[int, float] = {}
        if not REPEATED_PAGES <= self._count < MANY_PAGES:
            return bands
        filled = [[line for line in page.lines if line.text] for page in self._pages]
        for ends in ([lines[:2] for lines in filled], [lines[: -1 - 2 : -1] for lines in filled]):
            for pages in (ends, ends[1:]):
                is_again = REPEATED_PAGES <= len(pages) > len({two[0].text for two in pages if two})
                largest = 1.0 if is_again else FIXED
                feet = [two[0].foot for two in pages if _stands_far(two, largest)]
                if len(feet) == len(pages) and max(feet) - min(feet) <= SAME_HEIGHT:
                    bands |= {round(two[0].foot): max(two[0].size for two in pages) for two in pages}
        return bands

    def _bands_of_parts(self, enough: float) -> dict[int, float]:
        """Where lines stand apart that begin or end with the same words on right pages and on left ones: the other half
        is a section's name, another one in each."""
        parts: dict[str, list[tuple[int, Line]]] = defaultdict(list)
        for index, page in enumerate(self._pages):
            for line in (line for line in _outer_blocks(page) if _is_plain(line)):
                for part in _ends_of(line.text):
                    parts[part].append((index, line))
        bands: dict[int, float] = {}
        for part, found in parts.items():
            usual = median(line.foot for _, line in found)
            there = [(index, line) for index, line in found if abs(line.foot - usual) <= SAME_HEIGHT]
            # The first pages of chapters have none: small ones that differ in the other half are headers all the same.
            differ = len({line.text for _, line in there}) > 1 and _letters(part) != ""
            is_sure = differ and all(line.size <= SMALLER for _, line in there)
            if len({index for index, _ in there}) >= (REPEATED_PAGES if is_sure else enough):
                bands |= {round(line.foot): max(line.size for _, line in there) for _, line in there}
        return bands

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

    def _is_repeated(self, line: Line, index: int) -> bool:
        if _PAGE_NUMBER.fullmatch(line.text) is None and self._counts_pages(line, index):
            return True
        return any(self._recurs(self._places[key], index) for key in _running_keys(line.text, index))

    def _is_in_band(self, line: Line) -> bool:
        if not _may_run(line) or len(line.text) > LONGEST_COUNTING or CHAPTER.fullmatch(line.text):
            return False
        return any(line.size <= self._bands.get(round(line.foot) + step, 0.0) + 0.03 for step in (-1, 0, 1))

    def _counts_on(self, number: re.Match[str], index: int) -> bool:
        """Whether the pages around it count as it does: slides that build up count slower than their pages."""
        value = int(number["number"])
        before, after = self._numbers.get(index - 1, ()), self._numbers.get(index + 1, ())
        return any(value - n in (0, 1) for n in before) and any(n - value in (0, 1) for n in after)

    def _names_its_section(self, line: Line, index: int) -> bool:
        """A header whose words a heading says that is set larger or bolder, on this page, or on one of those before it
        if the line stands far above the text, or apart with the page's number; or the title of the document, or of a
        chapter, in small letters over one of its pages.
        """
        own = _letters(line.text)
        if own in self._titles and line.foot > 0 and (line.size <= FIXED or self._is_over_page(line, index)):
            return True
        is_counting = (index, line.text) in self._apart and self._counts_pages(line, index, 1)
        is_above = is_counting or self._is_over_page(line, index)
        before = range(max(0, index - NEAR_PAGES), index) if is_above else ()
        return self._says_title(line, (*before, index))

    def _says_title(self, line: Line, pages: Iterable[int]) -> bool:
        """Whether a heading on one of some pages, set larger or bolder, says what a line does, whatever both count."""
        own = {name for name in _names_of(line.text) if len(name) > MIN_TITLE}
        return bool(own) and any(
            (other.size > line.size + 0.1 or other.is_bold > line.is_bold)
            and abs(len(other.text) - len(line.text)) <= MOST_SIGNS
            and not own.isdisjoint(_names_of(other.text))
            for page in pages
            for other in self._pages[page].lines
        )

    def _is_over_page(self, line: Line, index: int) -> bool:
        """Whether a plain line stands far above a page's text, where others do too."""
        if len(_letters(line.text)) < LONG_TITLE or line is not self._heads[index]:
            return False
        near = range(round(line.foot) - SAME_HEIGHT, round(line.foot) + SAME_HEIGHT + 1)
        return sum(self._tops[at] for at in near) >= REPEATED_PAGES

    @cached_property
    def _heads(self) -> list[Line | None]:
        """The plain line that each page begins with, far above its text."""
        begins = [[line for line in page.lines if line.text][:2] for page in self._pages]
        return [two[0] if _stands_far(two, LARGEST) and not two[0].is_bold else None for two in begins]

    @cached_property
    def _tops(self) -> Counter[int]:
        """At which heights they stand, and on how many pages."""
        return Counter(round(line.foot) for line in self._heads if line is not None)

    def _counts_pages(self, line: Line, index: int, enough: int = REPEATED_PAGES) -> bool:
        """`4 INSTALLATIONS 23` over page 23: the section's name changes, the page's number is where it always is, at
        one height of enough pages. A dose, or the number of a section, is that of its page by chance."""
        if line.is_row or len(line.text) > LONGEST_COUNTING or line.text[-1] in ".,;:":
            return False
        return any(
            ahead in self._ahead and self._pages_that_count(ahead, line.foot) >= enough
            for ahead in _outer_numbers(line.text, index)
        )

    def _pages_that_count(self, ahead: int, foot: float) -> int:
        """On how many pages a line at this height, or at any where none is told, says the page's number so."""
        near = range(round(foot) - SAME_HEIGHT, round(foot) + SAME_HEIGHT + 1)
        return sum(len(self._counting.get((ahead, at), ())) for at in near)

    def _recurs(self, places: Sequence[int], index: int, at_height: int = REPEATED_PAGES) -> bool:
        """Whether a line comes again often enough, and once more where it stands: text is printed at any height."""
        if at_height < 2:
            return False
        if len(places) >= max(REPEATED_PAGES, REPEATED_SHARE * self._count):
            return True
        # On some pages that follow one another: a chapter's. The first of them keeps it, in case it is a title.
        start, end = bisect_left(places, index - NEAR_PAGES), bisect_right(places, index + NEAR_PAGES)
        return end - start >= REPEATED_PAGES and places[start] < index


def _large_titles(pages: Sequence[Page]) -> set[str]:
    """The letters of what pages say in large type, line by line and together: titles of some words."""
    titles: set[str] = set()
    for page in pages:
        for is_large, group in itertools.groupby(
            page.lines, key=lambda line: line.size >= MUCH_LARGER or not line.text
        ):
            lines = [_letters(line.text) for line in group if line.text] if is_large else []
            titles.update(("".join(lines), *lines))
    return {title for title in titles if len(title) >= LONG_TITLE}


def _ends_of(text: str) -> set[str]:
    """What a line begins and ends with, of two words or more."""
    words = text.split()
    return {" ".join(part) for n in range(2, len(words)) for part in (words[:n], words[-n:])}


def _is_plain(line: Line) -> bool:
    """Neither large nor bold, as headings and the titles of slides are, and where it stands is known."""
    return line.foot > 0 and not line.is_bold and line.size < LARGEST


def _may_run(line: Line) -> bool:
    """A plain line, or one in bold that is as small as no heading."""
    return _is_plain(line) or (line.foot > 0 and line.is_bold and line.size <= SMALL_BOLD)


def _stands_far(two: Sequence[Line], largest: float) -> bool:
    """Whether the first of two lines is plain, no larger than this, no footnote, and stands far from the other."""
    is_small = len(two) == 2 and _may_run(two[0]) and two[0].size <= largest and not _NOTE.match(two[0].text)
    return is_small and abs(two[0].foot - two[1].foot) >= FAR_APART


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalpha())


@lru_cache(maxsize=NAMES_KEPT)
def _names_of(title: str) -> tuple[str, str]:
    """The letters of a title, with those that it is numbered by and without."""
    numbered = _ENUMERATOR.match(title)
    return _letters(title), _letters(title[numbered.end() :] if numbered else title)


def _edge_lines(lines: Sequence[Line], is_running: Callable[[Line, Line | None], bool]) -> set[int]:
    """The running ones from both ends inwards: the first that is not begins the text. `is_running` is told of each what
    stands outside of it."""
    filled = [index for index, line in enumerate(lines) if line.text]
    listed = {filled[at] for at in find_counting([lines[index].text for index in filled])}
    edges: set[int] = set()
    for inwards in (filled[:EDGE_LINES], filled[: -EDGE_LINES - 1 : -1]):
        outer: Line | None = None
        for at in inwards:
            if at in listed or not is_running(lines[at], outer):
                break
            edges.add(at)
            outer = lines[at]
    return edges


def _outer_blocks(page: Page) -> Iterator[Line]:
    """The lines that a page begins and ends with, where an empty one parts them from its text: a few at most."""
    for lines in (page.lines, page.lines[::-1]):
        block = list(itertools.takewhile(lambda line: line.text, lines[: MOST_APART + 1]))
        if len(block) <= MOST_APART and len(block) < len(lines):
            yield from block


def _edges(page: Page) -> set[int]:
    filled = [index for index, line in enumerate(page.lines) if line.text]
    return {*filled[:EDGE_LINES], *filled[-EDGE_LINES:]}


def _running_keys(text: str, index: int) -> list[str]:
    """The line itself, then once for each number in it: the line with how far that number is ahead of the page.

    A long one is the same in capitals, as headers repeat titles; what is short may differ by them alone: `Na`, `NA`.
    """
    folded = " ".join(text.split())
    folded = folded if len(folded) < LONG_TITLE else folded.casefold()
    ahead = (f"{folded[: m.start()]}\0{int(m[0]) - index}\0{folded[m.end() :]}" for m in _NUMBER.finditer(folded))
    return [folded, *ahead]


def _outer_numbers(text: str, index: int) -> list[int]:
    """How far the first and the last number of a line are ahead of its page, where it begins or ends with them."""
    match = _OUTER_NUMBER.match(text)
    last = _OUTER_NUMBER.fullmatch(text)
    numbers = {m for m in (match and match[1], last and last[2]) if m}
    return [int(number) - index for number in numbers]
