"""The lines of a document into passages of 800 to 1,200 characters. Nothing but layout is taken out.

Nothing is put in either, but the head of a table before those of its rows that open a passage.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from worker.courses.chunk.paragraphs import read_pieces
from worker.courses.chunk.pieces import BULLET, CAPTION, Piece
from worker.courses.document import Chunk, ExtractedDocument

MIN_CHARACTERS, MAX_CHARACTERS = 800, 1200
MOST_MARKS = 100
LONGEST_ABOVE = 200  # characters that stand above a document's title
LONGEST_TITLE, LONGEST_LABEL = 100, 30  # of what stands below, and before a text in the same line
LONGEST_PIECE = 12_000  # of what has no sentences
LONGEST_PART = SHORTEST = MAX_CHARACTERS - MIN_CHARACTERS  # of a sentence; of a passage that is short for its sake

_SIGNS = frozenset("=+≤≥<>×⇒→")
_GOOD, _AFTER_COLON, _AFTER_HEADING, _WITHIN_SENTENCE, _WITHIN_WORD = range(5)


def chunk_document(document: ExtractedDocument) -> tuple[Chunk, ...]:
    """Cut a document into passages, in order and without overlap.

    Each is 800 to 1,200 characters long but the last, and any that the document is too short for, or 400 and more where
    it would else end within a sentence, after a colon or after a heading; it begins with a heading where one stands
    near, else with a sentence. Text is in NFC; letters, digits and signs are all kept, save
    running headers, footers and page numbers of typeset pages.
    """
    pieces = [part for piece in read_pieces(document) for part in _parts(piece)]
    return tuple(_build_chunks(_pack(pieces)))


def _parts(piece: Piece) -> Iterator[Piece]:
    """A piece as it is; a long one in the parts between which a passage may end if nothing else is within reach."""
    start, text, joint = 0, piece.text, piece.joint
    while len(text) - start > LONGEST_PIECE:
        at = text.rfind(" ", start + 1, start + LONGEST_PIECE)
        cut = at if at > start else _before_marks(text, start + LONGEST_PIECE)
        yield from _clauses(replace(piece, text=text[start:cut], joint=joint))
        joint, start = (" ", at + 1) if at > start else ("", cut)
    yield from _clauses(replace(piece, text=text[start:], joint=joint) if start else piece)


def _clauses(piece: Piece) -> Iterator[Piece]:
    """What is longer than any passage is no sentence (contents, an index): it fills passages wherever it is cut."""
    is_sentence = len(piece.text) <= MAX_CHARACTERS
    longest = LONGEST_PART if is_sentence else MAX_CHARACTERS // 4
    while len(piece.text) > longest:
        head, tail = _split(piece, longest)
        if head is None:
            break
        yield head
        piece = replace(tail, is_part=is_sentence)
    yield piece


# --- pieces into passages ---------------------------------------------------------------------------------------


def _pack(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Fill each passage to 1,200 characters at most; a heading closes one that has 800."""
    if not pieces:
        return []
    places = _Places(pieces)
    starts = [0]
    while (end := places.end_from(starts[-1])) < len(pieces):
        starts.append(end)
    if len(starts) > 1:
        starts[-1:] = places.balanced(starts[-2], starts[-1])
    return [[*_head_of(pieces[one]), *pieces[one:other]] for one, other in pairwise([*starts, len(pieces)])]


class _Places:
    """Where passages may begin and end: before which pieces, and how long each is then."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        self._ends = [0, *accumulate(len(piece.text) + len(piece.joint) for piece in pieces)]
        self._cuts = [_GOOD, *(_how_bad(before, after) for before, after in pairwise(pieces)), _GOOD]

    def end_from(self, first: int) -> int:
        """Where the passage ends that begins with a piece: with 800 to 1,200 characters where one of them ends well,
        else with 400 at least; within a sentence, or after a heading, only where there is no other."""
        ends, cuts, offset = self._ends, self._cuts, self._offset(first)
        over = max(bisect_right(ends, offset + MAX_CHARACTERS, first + 1), first + 2)
        if over > len(self._pieces):
            return len(self._pieces)
        last = least = max(bisect_left(ends, offset + MIN_CHARACTERS, first + 1), first + 1)
        while last < over and not self._pieces[last].is_heading:
            last += 1
        over = min(last + 1, over)
        short = max(bisect_left(ends, offset + SHORTEST, first + 1), first + 1)
        good = next((at for at in range(over - 1, short - 1, -1) if cuts[at] == _GOOD), None)
        if good is not None:
            return good
        return min(range(over - 1, least - 1, -1), key=lambda at: cuts[at], default=over - 1)

    def balanced(self, before: int, last: int) -> list[int]:
        """Where the last passage begins: a short one joins the one before, or takes of it what both can spare."""
        ends, count = self._ends, len(self._pieces)
        if ends[-1] - self._offset(last) >= MIN_CHARACTERS:
            return [last]
        if ends[-1] - self._offset(before) <= MAX_CHARACTERS:
            return []
        least = bisect_left(ends, self._offset(before) + MIN_CHARACTERS, before + 1)
        for at in range(last, min(least, count) - 1, -1):
            if self._cuts[at] == _GOOD:
                last = at
                if ends[-1] - self._offset(at) >= MIN_CHARACTERS:
                    break
        return [last]

    def _offset(self, first: int) -> int:
        """What to take from `_ends` for the length of a passage that begins with a piece."""
        head = _head_of(self._pieces[first])
        return self._ends[first] + (-len(head[0].text) if head else len(self._pieces[first].joint))


def _how_bad(before: Piece, after: Piece) -> int:
    """How bad it is to end a passage between two pieces."""
    if after.is_part:
        return _WITHIN_SENTENCE if after.joint else _WITHIN_WORD
    if before.is_heading or (after.is_row and _names_rows(before, after)):
        return _AFTER_HEADING
    return _AFTER_COLON if before.text.endswith(":") or _leads_to(before, after) else _GOOD


def _names_rows(before: Piece, row: Piece) -> bool:
    """Whether what stands above a row is the head of its table, the title of some of its rows, or the caption."""
    if before.is_row:
        is_title = " | " not in before.text and " | " in row.text
        return is_title or (row.head is not None and before.text in row.head.split("\n"))
    return before.joint == "\n" and CAPTION.match(before.text) is not None


def _leads_to(before: Piece, after: Piece) -> bool:
    """Whether a line of its own names what is below it (`Avantages du sondage⏎• moins cher`) or behind it (`Anticorps.
    On peut …`), or breaks off in what goes on below it in small letters."""
    if before.is_row or after.is_row:
        return False
    if after.text[0] in _SIGNS or (after.joint != "\n" and len(after.text) <= LONGEST_LABEL):
        return True  # a formula goes on, and a reference ends: `bonne pratique. Juin 2015.`
    if before.joint != "\n":
        return False
    if after.joint != "\n":
        return len(before.text) <= LONGEST_LABEL
    is_open = before.text[-1].isalpha() and not after.is_heading
    is_title = len(before.text) <= LONGEST_TITLE and BULLET.match(before.text) is None
    names = BULLET.match(after.text) is not None or len(after.text) > LONGEST_TITLE
    return is_open and (after.text[0].islower() or (is_title and names))


def _head_of(piece: Piece) -> list[Piece]:
    """The head of its table, for a row that opens a passage."""
    if piece.head is None or len(piece.head) > MAX_CHARACTERS // 4:
        return []
    return [Piece(piece.head, piece.page, joint="\n", is_repeated=True)]


def _before_marks(text: str, at: int) -> int:
    """Where to cut instead: a letter and its combining marks stay together. No letter has as many as a hundred."""
    before = at
    while at - before < MOST_MARKS and 0 < before < len(text) and unicodedata.combining(text[before]):
        before -= 1
    return at if before <= 0 or at - before >= MOST_MARKS else before


def _split(piece: Piece, room: int) -> tuple[Piece | None, Piece]:
    """Cut a sentence that does not fit: after a sign, else at a space, else anywhere; None when nothing fits."""
    text = piece.text
    room = min(room, len(text) - 1)
    if room <= 0:
        return None, piece
    at = max((text.rfind(sign, 0, room) for sign in ("; ", ": ", ", ")), default=-1) + 1
    if at < room // 2:
        at = _before_measure(text, text.rfind(" ", 1, room))
    if at <= 0:
        at = room if room >= MAX_CHARACTERS // 4 else 0
    if at <= 0:
        return None, piece
    at = _before_marks(text, at)
    head, tail = text[:at].strip(), text[at:].strip()
    joint = " " if text[at - 1 : at + 1].strip() != text[at - 1 : at + 1] else ""
    if not head or not tail:
        return None, piece
    rest = replace(piece, text=tail, joint=joint, page=piece.last_page or piece.page)
    return replace(piece, text=head), rest


def _before_measure(text: str, at: int) -> int:
    """A space before this one that does not part a number from what it counts; the same where there is none."""
    before = at
    while before > 0 and (text[before - 1].isdigit() or text[before + 1 : before + 2] in ("%", "°")):
        before = text.rfind(" ", 1, before)
    return before if before > at // 2 else at


def _has_letters(text: str) -> bool:
    return any(map(str.isalnum, text))


def _build_chunks(packed: Sequence[Sequence[Piece]]) -> Iterator[Chunk]:
    heading: str | None = None
    for position, pieces in enumerate(packed):
        text = "".join((piece.joint if number else "") + piece.text for number, piece in enumerate(pieces))
        # Rules and signs before a heading are no text; nor is what stands above a document's title.
        headed = next((number for number, piece in enumerate(pieces) if piece.is_heading), None)
        above = sum(len(piece.text) for piece in pieces[:headed] if _has_letters(piece.text))
        opens = headed is not None and (not above or (position == 0 and above <= LONGEST_ABOVE))
        own = pieces[headed].text if opens and headed is not None else None
        pages = [page for piece in pieces for page in (piece.page, piece.last_page) if page is not None]
        yield Chunk(
            position=position,
            text=text,
            heading=own or heading,
            page=pages[0] if pages else None,
            last_page=max(pages, default=None),
        )
        heading = next((piece.text for piece in reversed(pieces) if piece.is_heading), heading)
