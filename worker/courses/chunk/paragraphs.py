"""The lines of a document into headings, sentences and rows of tables: whole, in reading order, each with its page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from worker.courses.chunk.accents import are_accents_apart, compose_accents
from worker.courses.chunk.cut_rows import join_rows
from worker.courses.chunk.halves import close_sentences, join_halves
from worker.courses.chunk.headings import MAX_HEADING, mark_headings
from worker.courses.chunk.linked import drop_links
from worker.courses.chunk.notes import part_notes, place_notes
from worker.courses.chunk.pieces import BULLET, ENUMERATOR, MARKS, Piece, leads_on
from worker.courses.chunk.running import drop_running_lines
from worker.courses.chunk.sections import LED_TO_PAGE
from worker.courses.chunk.words import Spelling
from worker.courses.document import ExtractedDocument, Line, Page
from worker.courses.signs import LEADERS, MIN_LEADERS
from worker.text.characters import CONTROL

# Characters that stay as they are: composed, seen, and no sign for two letters.
_PLAIN = re.compile("[ -~\u00a0-\u00ac\u00ae-\u00b6\u00b8-\u017f‘’“”…–—•≤≥→]*")
_CLOSED = re.compile(r"\s*([–—-])\s(?=[a-zà-ÿ])[^.;:]*?\s?\1[\s,]")
# `Sr–⏎Pb`: a dash that no space parts from its word ties it to the next one.
_TIED = re.compile(r"(?<=\w[–—])\n(?=\w)|\n˓→\s?")
_SECTION, _PAGE = (
    re.compile(r"\d{1,2}(?:\.\d{1,2}){1,3}\.?\s+[«\"]?[A-ZÀ-ÖØ-Þ][a-zà-ÿ’']"),
    re.compile(r"[^\W\d_.][ ?!»)]* \d{1,3}$"),
)
_DASH = re.compile(r"\s*[–—-]\s")
# After the sign that ends a sentence; a number or a single letter before the full stop ends none ("p. 3", "M. Petit").
_SENTENCE_END = re.compile(r"(?<=[^\W\d_]{2}[.!?…])\s+(?=[«\"(]?\s?[A-ZÀ-ÖØ-Þ0-9])|(?<=[)»%!?…\d⁰¹²³⁴-⁹][.!?…])\s+|\n+")
_ABBREVIATED = re.compile(
    r"(?:^|[\s(])(?:cf|figs?|tab|ex|env|art|vol|chap|pp?|Dr|Pr|MM?|Mmes?|Ste?|al|vs|spp?|éds?|n°|nos?|réf)\.$",
    re.IGNORECASE,
)
_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# Typesetters join some letters into one sign; readers, searches and quotes know the letters.
_LIGATURES = {
    ord(sign): letters for sign, letters in zip("ﬀﬁﬂﬃﬄﬅﬆ", ("ff", "fi", "fl", "ffi", "ffl", "st", "st"), strict=True)
}
_CONTROL = re.compile(f"[\n{CONTROL}](?<![\ufffe\x02])")  # but two by which a PDF marks a word that is cut
# Some fonts show their minus, and the dash of an item, by the code of the soft hyphen: that follows a letter, or a sign
# after which a word may be broken.
_MINUS = re.compile(r"(?<![^\s(\[{=+*×÷<>≤≥$|,;:])\u00ad+(?!\s*$)")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")


def read_pieces(document: ExtractedDocument) -> list[Piece]:
    """The pieces of a document; of typeset pages, without running headers, footers and page numbers."""
    pages = [replace(page, lines=tuple(_clean(page.lines))) for page in document.pages]
    notes: list[Page] = []
    if document.is_typeset:
        if are_accents_apart(line.text for page in pages for line in page.lines):
            pages = [_composed(page) for page in pages]
        pages, notes = part_notes(drop_links(drop_running_lines(pages)))
        pages = mark_headings(pages)
    spelling = Spelling(line.text for page in (*pages, *notes) for line in page.lines)
    paragraphs = list(_paragraphs(pages, spelling, is_typeset=document.is_typeset))
    if document.is_typeset:
        paragraphs = join_rows(paragraphs, spelling)
        below = close_sentences(list(_paragraphs(notes, spelling, is_typeset=True)), spelling)
        closed = close_sentences(paragraphs, spelling, are_slides=document.is_slides)
        paragraphs = list(place_notes(closed, below))
    return join_halves([piece for paragraph in paragraphs for piece in paragraph], spelling)


def _composed(page: Page) -> Page:
    return replace(page, lines=tuple(replace(line, text=compose_accents(line.text)) for line in page.lines))


def _is_clean(text: str) -> bool:
    """Whether nothing of a line is to be changed, told at once for most: letters of French, no leaders, no edges."""
    return _PLAIN.fullmatch(text) is not None and text.count(".") < MIN_LEADERS and text == text.strip()


def _clean(lines: Sequence[Line]) -> Iterator[Line]:
    """NFC, without control and invisible characters. The marks of a word cut at a line's end stay for now."""
    for line in lines:
        if _is_clean(line.text):
            yield line
            continue
        text = unicodedata.normalize("NFC", _BREAK.sub("\n", line.text).translate(_LIGATURES))
        for number, part in enumerate(text.split("\n")):
            kept = LEADERS.sub(" …", _MINUS.sub(lambda m: "-" * len(m[0]), _CONTROL.sub("", part)))
            cut = kept.rstrip()[-1:]
            kept = _INVISIBLE.sub("", kept)
            kept = kept.strip() + (cut if cut == "\u00ad" else "")
            is_heading = line.is_heading and number == 0
            is_same = kept == line.text and is_heading == line.is_heading
            yield line if is_same else replace(line, text=kept, is_heading=is_heading)


def _paragraphs(pages: Sequence[Page], spelling: Spelling, *, is_typeset: bool) -> Iterator[list[Piece]]:
    head: str | None = None
    first: str | None = None  # row of the table, which may be repeated over each page
    for page in pages:
        lines: list[str] = []
        is_top = is_typeset
        names, kind = False, _Kind()
        for line in page.lines:
            begins = bool(lines) and is_typeset and bool(line.text) and _begins_anew(lines[-1], line)
            if lines and (begins or line.is_heading or line.is_row or not line.text or not is_typeset):
                yield list(_sentences(lines, page.number, spelling, kind))
                lines = []
            if line.is_row and line.text:
                row = _row(line, page.number, spelling)
                text = MARKS.sub("", row.text)
                is_again = text in (head or "").split("\n") or (is_top and text == first and " | " in text)
                is_head = line.is_head and not (is_top and first is not None)  # of a table that goes on it is a row
                is_top = False
                if is_typeset and is_again:  # the head of a table that goes on over pages
                    head = head or text
                    continue
                yield [replace(row, head=None if is_head else head)]
                follows = is_head and names and head is not None
                head, first = (f"{head}\n{text}" if follows else text) if is_head else head, first or text
                names = is_head
            elif line.is_heading and line.text:
                yield [_heading(line.text, page.number, spelling)]
            elif line.text:
                kind = _kind_of(line, kind if lines else None, begins=begins)
                lines.append(line.text)
            # An empty line stands before the number of a page, over which a table may go on.
            if not line.is_row and (line.text or not is_typeset):
                head = first = None
            is_top = is_top and not line.text
        if lines:
            yield list(_sentences(lines, page.number, spelling, kind))


class _Kind(NamedTuple):
    """What is known of a paragraph besides its words; as `Piece` says."""

    is_own: bool = False
    is_typed: bool = False
    size: float = 0.0


def _kind_of(line: Line, before: _Kind | None, *, begins: bool) -> _Kind:
    """Of a paragraph with one more line. `before`: of those that it has, if any; `begins`: none of the one above."""
    if before is None:
        return _Kind(begins or line.goes_on is False, line.is_typed, line.size)
    return _Kind(before.is_own, before.is_typed and line.is_typed, max(before.size, line.size))


def _row(line: Line, page: int | None, spelling: Spelling) -> Piece:
    text = " ".join(spelling.mend(line.text).split())  # a mark says that the row goes on in the next page
    return Piece(text, page, joint="\n", is_row=True, is_rest=line.goes_on is True)


def _heading(text: str, page: int | None, spelling: Spelling) -> Piece:
    text = " ".join(MARKS.sub("", spelling.mend(text)).split())
    return Piece(text, page, is_heading=len(text) <= MAX_HEADING, joint="\n")


def _begins_anew(before: str, line: Line) -> bool:
    """Whether a line is none of the paragraph before it: an item of a list, or one that was ended, by its place."""
    if line.goes_on or (line.text[0].isdigit() and line.goes_on is None and leads_on(before, line.text)):
        return False
    if LED_TO_PAGE.search(before) or (line.text[0].isdigit() and LED_TO_PAGE.search(line.text)):
        return True  # lines of contents
    if _SECTION.match(line.text) and _PAGE.search(before):
        return True  # of contents whose entries fill their lines
    return _begins_item(before, line.text) or (line.goes_on is False and not leads_on(before, line.text))


def _begins_item(before: str, text: str) -> bool:
    """Whether a line begins an item of a list; a dash after a figure goes on from it (`17⏎– 30 mg`) unless a capital
    is behind it (`Gimp 2.10⏎– Inkscape 1.0`), and so does one after a word if a second dash closes what it opens
    (`le terme⏎– rare – est bénin`).
    """
    dash = _DASH.match(text)
    if dash is not None:
        if before[-1:].isdigit() and not text[dash.end() : dash.end() + 1].isupper():
            return False
        if before[-1:].isalpha() and _CLOSED.match(text) is not None:
            return False
    return bool(BULLET.match(text))


def _sentences(lines: Sequence[str], page: int | None, spelling: Spelling, kind: _Kind) -> Iterator[Piece]:
    """The sentences of one paragraph; the lines of a typeset one are joined, whole words and cut ones."""
    mended = _TIED.sub("", spelling.mend("\n".join(lines))).replace("\n", " ")
    text = MARKS.sub("", mended[:-1]) + mended[-1:]  # a mark at the end says that the word goes on elsewhere
    joint, waiting = "\n", ""
    for part in _SENTENCE_END.split(text):
        sentence = " ".join(f"{waiting} {part}".split())
        waiting = ""
        if ENUMERATOR.fullmatch(sentence) or _ABBREVIATED.search(sentence[-8:]):
            waiting = sentence  # goes on: `1. Interroger`, `cf. Figure`
        elif sentence:
            yield Piece(sentence, page, joint=joint, is_own=kind.is_own, is_typed=kind.is_typed, size=kind.size)
            joint, kind = " ", kind._replace(is_own=False) if kind.is_own else kind
    if waiting:
        yield Piece(waiting, page, joint=joint, is_own=kind.is_own, is_typed=kind.is_typed, size=kind.size)
