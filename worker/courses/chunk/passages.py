"""The lines of a document into passages of 800 to 1,200 characters. Nothing but layout is taken out.

Nothing is put in either, but the head of a table before those of its rows that open a passage.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace

from worker.courses.chunk.paragraphs import Piece, read_pieces
from worker.courses.document import Chunk, ExtractedDocument

MIN_CHARACTERS, MAX_CHARACTERS = 800, 1200
MOST_MARKS = 100
LONGEST_PIECE = 12_000  # of what has no sentences


def chunk_document(document: ExtractedDocument) -> tuple[Chunk, ...]:
    """Cut a document into passages, in order and without overlap.

    Each is 800 to 1,200 characters long but the last, and any that the document is too short for; it begins with a
    heading where one stands near, else with a sentence. Text is in NFC; letters, digits and signs are all kept, save
    running headers, footers and page numbers of typeset pages.
    """
    pieces = [part for piece in read_pieces(document) for part in _segments(piece)]
    return tuple(_build_chunks(_pack(pieces)))


def _segments(piece: Piece) -> Iterator[Piece]:
    """A sentence as it is; one that goes on for pages in several pieces, so that cutting it stays quick."""
    start, text, joint = 0, piece.text, piece.joint
    while len(text) - start > LONGEST_PIECE:
        at = text.rfind(" ", start + 1, start + LONGEST_PIECE)
        cut = at if at > start else _before_marks(text, start + LONGEST_PIECE)
        yield replace(piece, text=text[start:cut], joint=joint)
        joint, start = (" ", at + 1) if at > start else ("", cut)
    yield replace(piece, text=text[start:], joint=joint) if start else piece


# --- pieces into passages ---------------------------------------------------------------------------------------


def _pack(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Fill each passage to 1,200 characters at most; a heading closes one that has 800."""
    packed: list[list[Piece]] = []
    current: list[Piece] = []
    size = 0  # characters of `current`: counted once for each piece
    waiting = list(reversed(pieces))
    while waiting:
        piece = waiting.pop()
        if not current:
            current = _head_of(piece)
            size = _size(current)
        added = size + len(piece.text) + (len(piece.joint) if current else 0)
        if current and size >= MIN_CHARACTERS and (piece.is_heading or added > MAX_CHARACTERS):
            packed.append(_without_last_heading(current, size, waiting, piece))
            current = []
        elif added <= MAX_CHARACTERS:
            current.append(piece)
            size = added
        else:
            head, tail = _split(piece, MAX_CHARACTERS - size - 1)
            waiting += [tail, head] if head else [tail]
            if not head:
                packed.append(current)
                current = []
    if any(not piece.is_repeated for piece in current):
        packed.append(current)
    return _balance(packed)


def _head_of(piece: Piece) -> list[Piece]:
    """The head of its table, for a row that opens a passage."""
    if piece.head is None or len(piece.head) > MAX_CHARACTERS // 4:
        return []
    return [Piece(piece.head, piece.page, joint="\n", is_repeated=True)]


def _without_last_heading(current: list[Piece], size: int, waiting: list[Piece], piece: Piece) -> list[Piece]:
    """A heading belongs to what follows it: it moves on with `piece`."""
    waiting.append(piece)
    kept = list(current)
    while len(kept) > 1 and kept[-1].is_heading:
        size -= len(kept[-1].text) + len(kept[-1].joint)
        if size < MIN_CHARACTERS:
            break
        waiting.append(kept.pop())
    return kept


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
    return replace(piece, text=head), replace(piece, text=tail, joint=joint, page=piece.last_page or piece.page)


def _before_measure(text: str, at: int) -> int:
    """A space before this one that does not part a number from what it counts; the same where there is none."""
    before = at
    while before > 0 and (text[before - 1].isdigit() or text[before + 1 : before + 2] in ("%", "°")):
        before = text.rfind(" ", 1, before)
    return before if before > at // 2 else at


def _balance(packed: list[list[Piece]]) -> list[list[Piece]]:
    """A short end joins the passage before it, or takes sentences from it until both are long enough."""
    if len(packed) < 2 or _size(packed[-1]) >= MIN_CHARACTERS:
        return packed
    before, last = packed[-2], [piece for piece in packed[-1] if not piece.is_repeated]
    if _size([*before, *last]) <= MAX_CHARACTERS:
        return [*packed[:-2], [*before, *last]]
    size, left = _size(last), _size(before)
    end = len(before)
    while end > 1 and size < MIN_CHARACTERS:
        left -= len(before[end - 1].text) + len(before[end - 1].joint)
        if left < MIN_CHARACTERS:
            break
        # The piece that was first in `last` gets its joint back.
        first = before[end:][:1] or last[:1]
        size += len(before[end - 1].text) + sum(len(one.joint) for one in first)
        end -= 1
    last = [*before[end:], *last]
    return [*packed[:-2], before[:end], [*_head_of(last[0]), *last]]


def _size(pieces: Sequence[Piece]) -> int:
    return sum(len(piece.text) + (len(piece.joint) if number else 0) for number, piece in enumerate(pieces))


def _build_chunks(packed: Sequence[Sequence[Piece]]) -> Iterator[Chunk]:
    heading: str | None = None
    for position, pieces in enumerate(packed):
        text = "".join((piece.joint if number else "") + piece.text for number, piece in enumerate(pieces))
        own = pieces[0].text if pieces[0].is_heading else None
        pages = [page for piece in pieces for page in (piece.page, piece.last_page) if page is not None]
        yield Chunk(
            position=position,
            text=text,
            heading=own or heading,
            page=pages[0] if pages else None,
            last_page=max(pages, default=None),
        )
        heading = next((piece.text for piece in reversed(pieces) if piece.is_heading), heading)
