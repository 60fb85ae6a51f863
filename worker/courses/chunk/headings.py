"""Which lines of typeset pages are headings: by their type where the page tells sizes, else by their form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from worker.courses.document import Line, Page

MAX_HEADING = 150
LARGER = 1.12  # than the body's letters
NOTE_SIZE = 0.92
MAX_LINES = 4  # of one heading

# `2.1 Signes`, `IV. Traitement`, `B) Formes`. A number alone is none: `21 mm Hg`, `48 à 72`, `5 capsules`.
_NUMBERED = re.compile(
    r"(?:\d{1,2}(?:\.\d{1,2})+\.?|\d{1,2}[.)°]|[IVX]{1,5}[.)°]|[A-H][.)])\s*+(?:[-–—]\s*+)?+(?<=\s)[A-ZÀ-ÖØ-Þ«\"]"
)
_MANY_LEVELS = re.compile(r"\d{1,2}(?:\.\d{1,2})+\.?\s+[A-ZÀ-ÖØ-Þ«\"]")
_BARE_NUMBER = re.compile(r"\d{1,3}(?:[.,]\d+)?\s")
_TITLED = re.compile(r"(?:chapitre|partie|annexe|item|section|leçon|cours)\s+(?:n°\s*)?[\dIVX]", re.IGNORECASE)
_CAPTION = re.compile(r"(?:figure|fig\.|tableau|table|schéma|photo|encadré|image)\s*\d", re.IGNORECASE)
_BULLET = re.compile(r"[•▪◦●‣·–—*→✓➢-]\s?")
_WORD = re.compile(r"[^\W\d_]{4}")
# What stands over a box, in any section.
_ADMONITION = re.compile(
    r"(?:notes?|astuces?|attention|avertissement|important|remarques?|conseils?|prudence|exemples?|nb|à retenir|"
    r"information\(?s?\)?|tip|warning|caution)\W*\d*",
    re.IGNORECASE,
)
# Words that no sentence and no heading ends with.
LEADS_ON = re.compile(
    r"(?:^|[\s’'(])(?:l|d|de|du|des|à|au|aux|la|le|les|un|une|et|ou|en|par|pour|sur|sous|dans|avec|sans|chez|que|qui|"
    r"est|sont|entre|son|sa|ses|leur|leurs|ce|cette|ces|plus|moins|[<>≥≤=±+])[’']?$",
    re.IGNORECASE,
)
_ENDLESS_WORD = re.compile(r"[^\W\d_]{26}")  # an alphabet, say: the longest words of French have 25 letters
_LEADERS = re.compile(r"…\s*+[\divxlc]*+$")


def mark_headings(pages: Sequence[Page]) -> list[Page]:
    """Pages whose headings are marked, each on one line however many it had."""
    tells_type = any(_is_larger(line) or line.is_bold for page in pages for line in page.lines)
    return [
        page if _is_contents(page) else Page(page.number, tuple(_joined(_blocks(page.lines), tells_type)))
        for page in pages
    ]


def _is_contents(page: Page) -> bool:
    """A table of contents names what stands elsewhere."""
    return sum(_LEADERS.search(line.text) is not None for line in page.lines) > MAX_LINES


def _blocks(lines: Sequence[Line]) -> Iterator[list[Line]]:
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


def _joined(blocks: Iterator[list[Line]], tells_type: bool) -> Iterator[Line]:
    for number, block in enumerate(blocks):
        if number:
            yield Line("")
        if tells_type:
            yield from _by_type(block)
        else:
            yield from _by_form(block)


def _by_type(block: Sequence[Line]) -> Iterator[Line]:
    """Larger or bold lines that begin a block, or fill it."""
    count = 0
    for line in block[:MAX_LINES]:
        if not (
            _stands_out(line) and (count == 0 or _same_type(block[0], line)) and not (count and _starts_anew(line))
        ):
            break
        count += 1
    text = " ".join(line.text for line in block[:count])
    rest = block[count:]
    goes_on = bool(rest) and (_stands_out(rest[0]) and _same_type(block[0], rest[0]) and not _starts_anew(rest[0]))
    if count and not goes_on and _may_be_heading(text) and not _is_sentence(text):
        yield replace(block[0], text=text, is_heading=True)
        if rest:
            yield Line("")
            yield from _by_type(rest)
    elif (
        len(block) == 1
        and not _stands_out(block[0])
        and block[0].size > NOTE_SIZE
        and _has_form(block[0].text, alone=True)
    ):
        yield replace(block[0], is_heading=True)
    else:
        yield from block


def _is_sentence(text: str) -> bool:
    return text.endswith((".", ",", ";")) or (text.endswith(":") and len(text) > 60)


def _stands_out(line: Line) -> bool:
    return (_is_larger(line) or line.is_bold) and not line.is_row and line.size > 0.8


def _is_larger(line: Line) -> bool:
    return line.size >= LARGER


def _same_type(first: Line, line: Line) -> bool:
    return first.is_bold == line.is_bold and abs(first.size - line.size) < 0.06 * first.size


def _starts_anew(line: Line) -> bool:
    return bool(_NUMBERED.match(line.text))


def _may_be_heading(text: str) -> bool:
    """Words, not a caption, an item of a list, a line of contents, or a measure."""
    letters = sum(map(str.isalpha, text))
    return (
        len(text) <= MAX_HEADING
        and letters >= 3
        and 2 * letters >= len(text.replace(" ", ""))
        and not _CAPTION.match(text)
        and not _BULLET.match(text)
        and not _LEADERS.search(text)
        and not text[0].islower()
        and text[0] not in "%#$>~@&{}\\"
        and _WORD.search(text) is not None
        and _ENDLESS_WORD.search(text) is None
        and not _leads_on(text)
        and _ADMONITION.fullmatch(text) is None
        and (not _BARE_NUMBER.match(text) or _is_titled_number(text))
    )


def _leads_on(text: str) -> bool:
    """Whether a text breaks off before its next word: the line of a sentence that happens to be set bold."""
    return LEADS_ON.search(text[-12:]) is not None


def _is_titled_number(text: str) -> bool:
    """`2 Traitement`, of a document that numbers so, in large or bold type: a word with a capital follows."""
    rest = _BARE_NUMBER.sub("", text).split()
    return bool(rest) and rest[0][:1].isupper() and len(rest[0]) > 3


def _by_form(block: Sequence[Line]) -> Iterator[Line]:
    """Where all letters are alike: numbers of sections, and capitals, that no text goes on from."""
    waiting: list[Line] = []
    for number, line in enumerate(block):
        following = block[number + 1].text if number + 1 < len(block) else ""
        if waiting and not (_is_shouted(waiting[0].text) and _is_shouted(line.text) and not _starts_anew(line)):
            yield _merged(waiting)
            waiting = []
        if _has_form(line.text, alone=len(block) == 1) and not _goes_on(line.text, following):
            waiting.append(line)
        else:
            yield line
    if waiting:
        yield _merged(waiting)


def _merged(lines: Sequence[Line]) -> Line:
    return replace(lines[0], text=" ".join(line.text for line in lines), is_heading=True)


def _goes_on(text: str, following: str) -> bool:
    """Whether the next line is the rest of this one, or the next item of its list."""
    if following[:1].islower():
        return True
    return bool(_NUMBERED.match(text) and not _MANY_LEVELS.match(text) and _NUMBERED.match(following))


def _has_form(text: str, *, alone: bool) -> bool:
    """`2.1 Signes cliniques` or `SIGNES CLINIQUES`, on a line of its own."""
    if len(text) > 80 or text[-1] in ".,;:!?" or _LEADERS.search(text) or " | " in text or _leads_on(text):
        return False
    if _TITLED.match(text) and alone:
        return True
    return bool(_NUMBERED.match(text)) or _is_shouted(text)


def _is_shouted(text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    return len(letters) >= 4 and 2 * len(letters) >= len(text.replace(" ", "")) and all(c.isupper() for c in letters)
