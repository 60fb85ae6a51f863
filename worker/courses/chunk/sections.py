"""Sections of a document, by how it numbers them: contents, chapters, and what is bold and no section."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from worker.courses.document import Line, Page

LARGER = 1.12  # than the body's letters
MAX_LINES = 4  # of one heading
ENOUGH_SECTIONS = 5  # with numbers of two levels, for a document whose sections all have them
REPEATED_LABEL = 5  # times

# `2.1 Signes`, `IV. Traitement`, `B) Formes`. A number alone is none: `21 mm Hg`, `48 à 72`, `5 capsules`.
NUMBERED = re.compile(
    r"(?:\d{1,2}(?:\.\d{1,2})+\.?|\d{1,2}[.)°]|[IVX]{1,5}[.)°]|[A-H][.)])\s*+(?:[-–—]\s*+)?+(?<=\s)[A-ZÀ-ÖØ-Þ«\"]"
)
# `a) Biologie`, `2/ Signes`, `B- Conduite`, `II- Étude`: below another title they begin one of their own.
ANSWER = re.compile(
    r"(?:[a-h]\s?[.):/-]\s?)?(?:vrai|faux|oui|non)(?:\s?[–—:-](?:\s.*)?)?[ .!;]*|"
    r"(?:bonnes?\s)?réponses?(?:\s(?:exactes?|justes?|correctes?))?\s?:.*",
    re.IGNORECASE,
)
_LETTERED = re.compile(r"(?:\d{1,2}/|[a-h][)/.-]|[A-H][-–/]|[IVX]{1,5}\s?[-–/])\s?[A-ZÀ-ÖØ-Þ]")
TITLED = re.compile(r"(?:chapitre|partie|annexe|item|section|leçon|cours)\s+(?:n°\s*)?[\dIVX]", re.IGNORECASE)
_SECTION = re.compile(r"(\d{1,2}(?:\.\d{1,2})*)\.?\s+\S")
_APPENDED = re.compile(r"[A-Z](?:\.\d{1,2})+\.?\s")
_ENUMERATED = re.compile(r"(\d{1,2})[.)]?\s+[^\W\d_]{2}")
CHAPTER = re.compile(
    r"(?:chapitre|chapter|partie|module|leçon|cours|section|annexe)\s+(?:n°\s*)?(?:\d{1,3}|[IVXLC]{1,5}|[A-H])\s*[.:–—-]?"
    r"|(?:\d{1,2}|[IVX]{1,5})[.)]?",
    re.IGNORECASE,
)
# Sections that have no number where the others have.
_UNNUMBERED = re.compile(
    r"(?:introduction|conclusions?|références(?: bibliographiques)?|bibliographie|résumé|sommaire|annexes?|glossaire|"
    r"index|remerciements|préface|avant-propos|objectifs?|points clés|pour en savoir plus|abréviations)\W*",
    re.IGNORECASE,
)
_ENTRY = re.compile(r"\s[\divxl]{1,5}$")  # of contents, without leaders
LED_TO_PAGE = re.compile(r"…\s*+[\divxlc]*+$")
CONTENTS = re.compile(r"table des matières|sommaire|contents|plan(?: du cours)?", re.IGNORECASE)
MIN_ENTRIES, ENTRY_LINES, LONGEST_ENTRY = 3, 2, 100  # of contents without numbers of pages, as slides have them


def find_counting(texts: Sequence[str]) -> set[int]:
    """Which lines count on, three or more (`1 Définition`, `2 Clinique` …), with the rest of each and what calls them
    contents: a plan, on however many slides."""
    found: set[int] = set()
    chain: list[tuple[int, int]] = []  # the places of lines, and their numbers
    for at, text in enumerate(texts):
        match = _ENUMERATED.match(text)
        if match is None:
            continue
        if not (chain and int(match[1]) == chain[-1][1] + 1 and at - chain[-1][0] <= ENTRY_LINES):
            chain = []
        chain.append((at, int(match[1])))
        if len(chain) >= MIN_ENTRIES:
            first = chain[0][0]
            found.update(range(first - int(first > 0 and CONTENTS.fullmatch(texts[first - 1]) is not None), at + 1))
    return found


def end_of_contents(lines: Sequence[Line]) -> int:
    """Where a table of contents ends, which names what stands elsewhere; 0 on a page without one."""
    leaders = [number for number, line in enumerate(lines) if LED_TO_PAGE.search(line.text)]
    if len(leaders) <= MAX_LINES:
        return len(lines) if _is_of_contents(lines) else 0
    end = leaders[-1] + 1
    while end < len(lines) and (not lines[end].text or _ENTRY.search(lines[end].text)):
        end += 1
    return end


def _is_of_contents(lines: Sequence[Line]) -> bool:
    """Whether a page calls itself contents, and holds short lines alone, of which none ends as a sentence does."""
    filled = [line for line in lines if line.text]
    titles = [number for number, line in enumerate(filled[:MAX_LINES]) if CONTENTS.fullmatch(line.text)]
    entries = filled[titles[0] + 1 :] if titles else []
    return len(entries) >= MIN_ENTRIES and not any(
        line.is_row or len(line.text) > LONGEST_ENTRY or line.text.endswith((".", ";", ":", ",")) for line in entries
    )


class Numbers:
    """The numbers of sections (`6.2`) that a document sets in large or bold type."""

    def __init__(self, pages: Sequence[Page]) -> None:
        found = Counter(
            number
            for page in pages
            for line in page.lines
            if line.text and stands_out(line) and (number := read_number(line.text))
        )
        self._found = {number for number in found if self._is_in_order(number, found)}
        repeated = sum(found[number] > 1 for number in self._found)
        # Numbers of two levels that come once each name all sections: what has none is no section.
        self.name_all = len(self._found) >= ENOUGH_SECTIONS and repeated <= len(self._found) // 10

    @staticmethod
    def _is_in_order(number: tuple[int, ...], found: Mapping[tuple[int, ...], int]) -> bool:
        above, last = number[:-1], number[-1]
        beside = (*above, last - 1) in found or (*above, last + 1) in found
        return len(number) > 1 and (beside or (last == 1 and above in found))

    def have(self, text: str) -> bool:
        """Whether a text begins with one of them, or with that of a chapter whose first section is among them."""
        number = read_number(text)
        return number in self._found or (len(number) == 1 and (*number, 1) in self._found)


def read_number(text: str) -> tuple[int, ...]:
    match = _SECTION.match(text)
    return tuple(map(int, match[1].split("."))) if match else ()


def with_chapters(lines: Sequence[Line]) -> Iterator[Line]:
    """`Chapitre 3`, or a large `3`, in one with the title below it."""
    label: Line | None = None
    for line in lines:
        if label is not None and line.text:
            names = (label.text[:1].isalpha() and len(label.text.split()) > 1) or (is_larger(label) and is_larger(line))
            if names and line.is_heading and not read_number(line.text) and not CHAPTER.fullmatch(line.text):
                yield replace(line, text=f"{label.text} {line.text}")
            else:
                yield from (label, Line(""), line)
            label = None
        elif label is None and stands_out(line) and CHAPTER.fullmatch(line.text):
            label = line
        elif label is None:
            yield line
    if label is not None:
        yield label


def without_labels(pages: Sequence[Page], numbers: Numbers) -> list[Page]:
    """What is bold and no larger than the text is no heading if it comes on page after page (`Code`, `Exemple`, what
    stands over each box), or beside sections that all have numbers: a label, or a word of a figure."""
    places: dict[str, list[int]] = defaultdict(list)
    for index, page in enumerate(pages):
        for line in page.lines:
            if _is_weak(line):
                places[line.text.casefold()].append(index)
    labels = {
        text
        for text, found in places.items()
        if len(found) >= REPEATED_LABEL and median(after - before for before, after in pairwise(found)) <= 1
    }

    if not labels and not (numbers.name_all and places):
        return list(pages)

    def kept(line: Line) -> Line:
        is_label = _is_weak(line) and (numbers.name_all or line.text.casefold() in labels)
        return replace(line, is_heading=False) if is_label else line

    return [Page(page.number, tuple(map(kept, page.lines))) for page in pages]


def _is_weak(line: Line) -> bool:
    return (
        line.is_heading
        and not is_larger(line)
        and not starts_anew(line)
        and not read_number(line.text)
        and not _APPENDED.match(line.text)
        and not TITLED.match(line.text)
        and _UNNUMBERED.fullmatch(line.text) is None
    )


def split_blocks(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Lines up to the next empty one."""
    block: list[Line] = []
    for line in lines:
        if line.text:
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def stands_out(line: Line) -> bool:
    """Whether a line is set as headings are; the answer to a question may be, and is none."""
    if not (is_larger(line) or line.is_bold) or line.is_row or line.size <= 0.8:
        return False
    return ANSWER.fullmatch(line.text) is None


def is_larger(line: Line) -> bool:
    return line.size >= LARGER


def starts_anew(line: Line) -> bool:
    return bool(NUMBERED.match(line.text) or _LETTERED.match(line.text))
