"""The lines of a document into passages of 800 to 1,200 characters. Nothing but layout is taken out, nothing put in."""

from __future__ import annotations

import itertools
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from worker.shapes.courses import Chunk, ExtractedDocument, Line, Page

MIN_CHARACTERS, MAX_CHARACTERS = 800, 1200
MAX_HEADING = 150

# A running line is where readers do not look: among the first or last lines of a page.
EDGE_LINES = 3
MAX_RUNNING = 80  # characters; a full line of text is longer
REPEATED_SHARE = 0.4  # of the pages; right and left pages often have headers of their own
REPEATED_PAGES = 3
NEAR_PAGES = 4  # before and after: a chapter's header stands on its own pages alone
MOST_MARKS = 100
LONGEST_PIECE = 12_000  # of what has no sentences

_PAGE_NUMBER = re.compile(
    r"[-–—|•\s]*+(?P<page>page|p\.)?+\s*+(?P<number>\d{1,4}+)\s*+(?P<of>(?:/|sur|of)\s*+\d{1,4}+)?+[-–—|•\s]*+",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d{1,6}")
_NUMBERED = re.compile(r"(?:\d{1,2}(?:\.\d{1,2})*[.)°]?|[IVX]{1,5}[.)]|[A-H][.)])\s+[^\W\d_]")
_BULLET = re.compile(r"\s*(?:[•▪◦●‣·–—-]\s|\d{1,2}[.)]\s)")
_CUT_WORD = re.compile(r"(?<![^\W\d_])([^\W\d_]++)(?:-|\u00ad|\u2010|\ufffe|\x02)[ \t]*\n[ \t]*([^\W\d_]+)")
# After the sign that ends a sentence; a number or a single letter before the full stop ends none ("p. 3", "M. Petit").
_SENTENCE_END = re.compile(r"(?<=[^\W\d_]{2}[.!?…])\s+(?=[«\"(]?\s?[A-ZÀ-ÖØ-Þ0-9])|(?<=[)»%!?…\d][.!?…])\s+|\n+")
_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_HYPHENS = frozenset("-\u00ad\u2010\ufffe\x02")
# Typesetters join some letters into one sign; readers, searches and quotes know the letters.
_LIGATURES = {
    ord(sign): letters for sign, letters in zip("ﬀﬁﬂﬃﬄﬅﬆ", ("ff", "fi", "fl", "ffi", "ffl", "st", "st"), strict=True)
}
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A heading or a sentence, and what stood between it and the piece before."""

    text: str
    page: int | None
    is_heading: bool = False
    joint: str = " "


def chunk_document(document: ExtractedDocument) -> tuple[Chunk, ...]:
    """Cut a document into passages, in order and without overlap.

    Each is 800 to 1,200 characters long but the last, and any that the document is too short for; it begins with a
    heading where one stands near, else with a sentence. Text is in NFC; letters, digits and signs are all kept, save
    running headers, footers and page numbers of typeset pages.
    """
    pages = [Page(page.number, tuple(_clean(page.lines))) for page in document.pages]
    if document.is_typeset:
        pages = drop_running_lines(pages)
    pieces = _join_cut_words(list(_pieces(pages, is_typeset=document.is_typeset)))
    return tuple(_build_chunks(_pack(pieces)))


def drop_running_lines(pages: Sequence[Page]) -> list[Page]:
    """Take out headers, footers and page numbers: short lines at the edge of pages that recur, or count the pages."""
    running = _RunningLines(pages)
    return [
        Page(page.number, tuple(_trim(page.lines, lambda text, index=index: running.has(text, index))))  # type: ignore[misc]
        for index, page in enumerate(pages)
    ]


class _RunningLines:
    """What stands at the edges of the pages, and on which of them.

    Two lines are the same when they are but for one number that grows with the pages. Others may look alike too, such
    as the rows of a table: their numbers are the text.
    """

    def __init__(self, pages: Sequence[Page]) -> None:
        self._count = len(pages)
        self._places: dict[str, list[int]] = defaultdict(list)
        for index, page in enumerate(pages):
            keys = {key for line in _edges(page) for key in _running_keys(page.lines[line].text, index)}
            for key in keys:
                self._places[key].append(index)

    def has(self, text: str, index: int) -> bool:
        """Whether a line at the edge of a page belongs to the layout."""
        number = _PAGE_NUMBER.fullmatch(text)
        keys = _running_keys(text, index)
        if number is not None and self._count > 1:
            told = number["page"] or number["of"] or int(number["number"]) == index + 1
            return bool(told) or any(len(self._places[key]) > 1 for key in keys[1:])
        return any(self._recurs(self._places[key], index) for key in keys)

    def _recurs(self, places: Sequence[int], index: int) -> bool:
        if len(places) >= max(REPEATED_PAGES, REPEATED_SHARE * self._count):
            return True
        # On some pages that follow one another: a chapter's. The first of them keeps it, in case it is a title.
        start, end = bisect_left(places, index - NEAR_PAGES), bisect_right(places, index + NEAR_PAGES)
        return end - start >= REPEATED_PAGES and places[start] < index


def _trim(lines: Sequence[Line], is_running: Callable[[str], bool]) -> Iterator[Line]:
    """From both ends inwards, as far as lines are running ones: the first that is not begins the text."""
    filled = [index for index, line in enumerate(lines) if line.text]
    top = list(itertools.takewhile(lambda i: is_running(lines[i].text), filled[:EDGE_LINES]))
    bottom = list(itertools.takewhile(lambda i: is_running(lines[i].text), filled[: -EDGE_LINES - 1 : -1]))
    gone = {*top, *bottom}
    return (line for index, line in enumerate(lines) if index not in gone)


def _edges(page: Page) -> set[int]:
    filled = [index for index, line in enumerate(page.lines) if line.text]
    return {*filled[:EDGE_LINES], *filled[-EDGE_LINES:]}


def _running_keys(text: str, index: int) -> list[str]:
    """The line itself, then once for each number in it: the line with how far that number is ahead of the page."""
    if len(text) > MAX_RUNNING:
        return []
    folded = " ".join(text.casefold().split())
    ahead = (f"{folded[: m.start()]}\0{int(m[0]) - index}\0{folded[m.end() :]}" for m in _NUMBER.finditer(folded))
    return [folded, *ahead]


def _clean(lines: Sequence[Line]) -> Iterator[Line]:
    """NFC, without control and invisible characters. The marks of a word cut at a line's end stay for now."""
    for line in lines:
        text = unicodedata.normalize("NFC", _BREAK.sub("\n", line.text).translate(_LIGATURES))
        for number, part in enumerate(text.split("\n")):
            kept = "".join(c for c in part if c in "\t\ufffe\x02" or unicodedata.category(c) not in ("Cc", "Cs"))
            cut = kept.rstrip()[-1:]
            kept = _INVISIBLE.sub("", kept)
            yield Line(kept.strip() + (cut if cut == "\u00ad" else ""), line.is_heading and number == 0)


# --- lines into pieces ------------------------------------------------------------------------------------------


def _pieces(pages: Sequence[Page], *, is_typeset: bool) -> Iterator[_Piece]:
    for page in pages:
        paragraph: list[str] = []
        for line in page.lines:
            heading = line.text and (line.is_heading or (is_typeset and _looks_like_heading(line.text)))
            if paragraph and (heading or not line.text or not is_typeset or _BULLET.match(line.text)):
                yield from _sentences(paragraph, page.number)
                paragraph = []
            if heading:
                yield _Piece(line.text, page.number, is_heading=len(line.text) <= MAX_HEADING, joint="\n")
            elif line.text:
                paragraph.append(line.text)
        yield from _sentences(paragraph, page.number)


def _looks_like_heading(text: str) -> bool:
    """`2.1 Signes cliniques` or `SIGNES CLINIQUES`, on a line of its own."""
    if len(text) > 80 or text[-1] in ".,;:!?":
        return False
    letters = [c for c in text if c.isalpha()]
    return bool(_NUMBERED.match(text)) or (len(letters) >= 4 and all(c.isupper() for c in letters))


def _sentences(lines: Sequence[str], page: int | None) -> Iterator[_Piece]:
    """The sentences of one paragraph; the lines of a typeset one are joined, whole words and cut ones."""
    text = _CUT_WORD.sub(_mend, "\n".join(lines)).replace("\n", " ")
    joint = "\n"
    for sentence in _SENTENCE_END.split(re.sub(r"[\ufffe\x02\u00ad]", "", text)):
        if sentence := " ".join(sentence.split()):
            yield from _segments(sentence, page, joint)
            joint = " "


def _segments(text: str, page: int | None, joint: str) -> Iterator[_Piece]:
    """A sentence as it is; one that goes on for pages in several pieces, so that cutting it stays quick."""
    start = 0
    while len(text) - start > LONGEST_PIECE:
        at = text.rfind(" ", start + 1, start + LONGEST_PIECE)
        cut = at if at > start else _before_marks(text, start + LONGEST_PIECE)
        yield _Piece(text[start:cut], page, joint=joint)
        joint, start = (" ", at + 1) if at > start else ("", cut)
    yield _Piece(text[start:], page, joint=joint)


def _mend(cut: re.Match[str]) -> str:
    """`hyper-⏎tension` was one word; before a capital the hyphen was the word's own (`Saint-⏎Louis`)."""
    return cut[1] + ("" if cut[2][0].islower() else "-") + cut[2]


def _join_cut_words(pieces: list[_Piece]) -> list[_Piece]:
    """Mend the words that formats with paragraphs, or the end of a page, leave cut in two pieces."""
    joined: list[_Piece] = []
    for piece in pieces:
        before = joined[-1] if joined else None
        if before is not None and not before.is_heading and not piece.is_heading and _is_cut(before.text, piece.text):
            hyphen = "" if piece.text[0].islower() else "-"
            joined[-1] = _Piece(before.text[:-1] + hyphen + piece.text, before.page, joint=before.joint)
            continue
        joined.append(piece)
    return joined


def _is_cut(before: str, after: str) -> bool:
    return len(before) > 1 and before[-1] in _HYPHENS and before[-2].isalpha() and after[0].isalpha()


# --- pieces into passages ---------------------------------------------------------------------------------------


def _pack(pieces: Sequence[_Piece]) -> list[list[_Piece]]:
    """Fill each passage to 1,200 characters at most; a heading closes one that has 800."""
    packed: list[list[_Piece]] = []
    current: list[_Piece] = []
    waiting = list(reversed(pieces))
    while waiting:
        piece = waiting.pop()
        size, added = _size(current), _size([*current, piece])
        if current and piece.is_heading and size >= MIN_CHARACTERS:
            packed.append(_without_last_heading(current, waiting, piece))
            current = []
        elif added <= MAX_CHARACTERS:
            current.append(piece)
        elif size >= MIN_CHARACTERS:
            packed.append(_without_last_heading(current, waiting, piece))
            current = []
        else:
            head, tail = _split(piece, MAX_CHARACTERS - size - 1)
            waiting += [tail, head] if head else [tail]
            if not head:
                packed.append(current)
                current = []
    if current:
        packed.append(current)
    return _balance(packed)


def _without_last_heading(current: list[_Piece], waiting: list[_Piece], piece: _Piece) -> list[_Piece]:
    """A heading belongs to what follows it: it moves on with `piece`."""
    waiting.append(piece)
    kept = list(current)
    while len(kept) > 1 and kept[-1].is_heading and _size(kept[:-1]) >= MIN_CHARACTERS:
        waiting.append(kept.pop())
    return kept


def _before_marks(text: str, at: int) -> int:
    """Where to cut instead: a letter and its combining marks stay together. No letter has as many as a hundred."""
    before = at
    while at - before < MOST_MARKS and 0 < before < len(text) and unicodedata.combining(text[before]):
        before -= 1
    return at if before <= 0 or at - before >= MOST_MARKS else before


def _split(piece: _Piece, room: int) -> tuple[_Piece | None, _Piece]:
    """Cut a sentence that does not fit: after a sign, else at a space, else anywhere; None when nothing fits."""
    text = piece.text
    room = min(room, len(text) - 1)
    if room <= 0:
        return None, piece
    at = max((text.rfind(sign, 0, room) for sign in ("; ", ": ", ", ")), default=-1) + 1
    if at < room // 2:
        at = text.rfind(" ", 1, room)
    if at <= 0:
        at = room if room >= MAX_CHARACTERS // 4 else 0
    if at <= 0:
        return None, piece
    at = _before_marks(text, at)
    head, tail = text[:at].strip(), text[at:].strip()
    joint = " " if text[at - 1 : at + 1].strip() != text[at - 1 : at + 1] else ""
    if not head or not tail:
        return None, piece
    return _Piece(head, piece.page, joint=piece.joint), _Piece(tail, piece.page, joint=joint)


def _balance(packed: list[list[_Piece]]) -> list[list[_Piece]]:
    """A short end joins the passage before it, or takes sentences from it until both are long enough."""
    if len(packed) < 2 or _size(packed[-1]) >= MIN_CHARACTERS:
        return packed
    before, last = packed[-2], packed[-1]
    if _size([*before, *last]) <= MAX_CHARACTERS:
        return [*packed[:-2], [*before, *last]]
    while len(before) > 1 and _size(last) < MIN_CHARACTERS <= _size(before[:-1]):
        last = [before[-1], *last]
        before = before[:-1]
    return [*packed[:-2], before, last]


def _size(pieces: Sequence[_Piece]) -> int:
    return sum(len(piece.text) + (len(piece.joint) if number else 0) for number, piece in enumerate(pieces))


def _build_chunks(packed: Sequence[Sequence[_Piece]]) -> Iterator[Chunk]:
    heading: str | None = None
    for position, pieces in enumerate(packed):
        text = "".join((piece.joint if number else "") + piece.text for number, piece in enumerate(pieces))
        own = pieces[0].text if pieces[0].is_heading else None
        pages = [piece.page for piece in pieces if piece.page is not None]
        yield Chunk(
            position=position,
            text=text,
            heading=own or heading,
            page=pages[0] if pages else None,
            last_page=pages[-1] if pages else None,
        )
        heading = next((piece.text for piece in reversed(pieces) if piece.is_heading), heading)
