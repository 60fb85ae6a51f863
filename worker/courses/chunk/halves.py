"""Sentences that go on beyond the end of a line, a column or a page, or after what is inserted: each whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from worker.courses.chunk.pieces import BULLET, CAPTION, ENUMERATOR, MARKS, Piece, leads_on
from worker.courses.chunk.sections import LED_TO_PAGE
from worker.courses.chunk.words import Spelling

MOST_INSERTED = 3  # sentences of a box on the same page
MOST_BETWEEN = 6  # paragraphs that may stand between two halves of a sentence: notes, a figure's words, a box
MOST_ROWS = 40  # of a table, which counts as one of them
LONGEST_WORD = 60
MIN_OPEN = 25  # characters of a line that a sentence goes on from
# Of one that it goes on from beyond what is inserted: names of options end openly too.
MIN_OPEN_BEFORE_INSERTION = 45
_NOTE = re.compile(r"(?:\d{1,3}|[*†‡¹²³⁴-⁹]+)[.)]?\s*\S|(?:figure|fig\.|tableau|table|source)\b", re.IGNORECASE)
# `m(proton) = 1,0073u` begins anew.
_FORMULA = re.compile(r"[a-zα-ω](?:\(|\s*[=<>≤≥≈∼+×])|[a-z]{1,12}\([\w-]{0,12}\)\s*=")
_SECTION = re.compile(r"(?:\d{1,2}(?:\.\d{1,2})*|[IVX]{1,5})[.)]?\s")  # no sentence goes on after its heading
_NUMBER = re.compile(r"(\d{1,2})[.)]?\s")
_PAIRS = (("(", ")"), ("«", "»"), ("“", "”"), ("[", "]"))
_HYPHENS = frozenset("-\u00ad\u2010\ufffe\x02")


def close_sentences(
    paragraphs: Sequence[list[Piece]], spelling: Spelling, *, are_slides: bool = False
) -> list[list[Piece]]:
    """Sentences that go on after the end of a page or a column, or after what is inserted, in one piece.

    What stands between the halves (a note, the words of a figure, a box) follows the whole sentence. `are_slides`: none
    goes on over the end of a page.
    """
    waiting = [paragraph for paragraph in paragraphs if paragraph]
    closed: list[list[Piece]] = []
    taken: set[int] = set()
    for number, paragraph in enumerate(waiting):
        if number in taken:
            continue
        at, whole = number, paragraph[:-1]
        end = _OpenEnd(paragraph[-1])
        while (following := _find_rest(waiting, at, end, taken, is_alone=not whole)) is not None:
            if are_slides and waiting[following][0].page != end.page:
                break
            taken.add(following)
            first, *others = waiting[following]
            end.add(first, spelling)
            if others:
                whole += [end.piece(), *others[:-1]]
                end = _OpenEnd(others[-1])
            at = following
        closed.append([*whole, end.piece()])
    return closed


class _OpenEnd:
    """The last piece of a paragraph while its sentence goes on: in parts, so that each is copied once."""

    def __init__(self, piece: Piece) -> None:
        self._piece = piece
        self._parts = [piece.text]
        self.length = len(piece.text)
        self.page = piece.last_page or piece.page

    @property
    def last(self) -> Piece:
        """The piece as it ends: its last part alone."""
        return self._piece if len(self._parts) == 1 else replace(self._piece, text=self._parts[-1])

    def add(self, piece: Piece, spelling: Spelling) -> None:
        glued = glue_text(self._parts[-1], piece.text, spelling)
        self.length += 1 + len(piece.text)
        self.page = piece.last_page or piece.page
        if glued is None:
            self._parts += [" ", piece.text]
        else:
            self._parts[-1:] = glued

    def piece(self) -> Piece:
        if len(self._parts) == 1:
            return self._piece
        return replace(self._piece, text="".join(self._parts), last_page=self.page)


def _find_rest(
    paragraphs: Sequence[list[Piece]], number: int, end: _OpenEnd, taken: set[int], *, is_alone: bool
) -> int | None:
    """Where the sentence goes on that this paragraph breaks off in; `is_alone`: it holds nothing before."""
    last = end.last
    if not _is_open(last) or (is_alone and _is_label(last, end.length)) or CAPTION.match(paragraphs[number][0].text):
        return None
    for index in _within_reach(paragraphs, number):
        first = paragraphs[index][0]
        if index in taken:
            continue
        # What a colon announces is the rest of that; below a heading no item goes on, which needs no full stop.
        before = paragraphs[index - 1][-1]
        is_of_another = before.text.endswith(":") or (before.is_heading and BULLET.match(last.text))
        # Behind such a sign follow items without marks, unless it stands within a bracket, or what follows is the rest
        # of the sentence up to its full stop.
        is_rest = last.text[-1] == ":" and index == number + 1 and first.text[-1] == "."
        is_whole = first.page == end.page or (is_alone and not is_rest) or (last.text[-1] == ":" and index > number + 1)
        is_of_list = last.text[-1] in ";:" and is_whole and not _is_in_bracket(last.text)
        if is_of_list or _is_beyond(first, end) or (index > number + 1 and is_of_another) or _is_next_item(last, first):
            return None
        is_next = index == number + 1
        between = paragraphs[number + 1 : index]
        is_behind_table = not is_next and all(_is_of_table(one) or one[0].is_smaller(last) for one in between)
        if not first.is_smaller(last) and _goes_on(last.text, first, is_next=is_next, is_behind_table=is_behind_table):
            is_far = index > number + 1 and first.page == end.page
            return None if is_far and is_alone and end.length < MIN_OPEN_BEFORE_INSERTION else index
        # On the page itself, only notes and what is whole may stand between the halves, and tables behind a word that
        # leads on.
        may_stand = _is_insertion(paragraphs[index]) or _NOTE.match(first.text)
        is_split = first.is_label or first.is_smaller(last) or (first.is_row and leads_on(last.text, "X"))
        if first.page == end.page and not (may_stand or is_split):
            return None
        if first.is_heading and (_SECTION.match(first.text) or not last.text[-1].isalnum()):
            return None
    return None


def _within_reach(paragraphs: Sequence[list[Piece]], number: int) -> Iterator[int]:
    """The paragraphs behind one in which a sentence of its may go on; the rows of a table, and the words of a drawing
    count as one."""
    rows = 0
    sentence = paragraphs[number][-1]
    for index in range(number + 1, len(paragraphs)):
        first, before = paragraphs[index][0], paragraphs[index - 1][-1]
        are_rows = first.is_row and before.is_row
        are_labels = first.is_smaller(sentence) and before.is_smaller(sentence)
        rows += (are_rows or are_labels) and rows < MOST_ROWS
        if index - number - 1 - rows > MOST_BETWEEN:
            return
        yield index


def _is_next_item(last: Piece, first: Piece) -> bool:
    """Whether a paragraph is the item that follows: the one before it needs no full stop, and is whole."""
    one, two = _NUMBER.match(last.text), _NUMBER.match(first.text)
    if one and two:
        return int(two[1]) == int(one[1]) + 1
    return BULLET.match(last.text) is not None and one is None and last.text[0] == first.text[0]


def _is_beyond(first: Piece, end: _OpenEnd) -> bool:
    """Whether a paragraph stands further away than on the next page."""
    return end.page is not None and first.page is not None and first.page > end.page + 1


def _is_label(piece: Piece, length: int) -> bool:
    """What stands alone, and is no sentence that breaks off: too short, or the words below a figure."""
    return (length < MIN_OPEN and not BULLET.match(piece.text)) or bool(CAPTION.match(piece.text))


def _is_insertion(paragraph: Sequence[Piece]) -> bool:
    return paragraph[0].text[0].isupper() and paragraph[-1].text[-1] in ".!?»" and len(paragraph) <= MOST_INSERTED


def _is_of_table(paragraph: Sequence[Piece]) -> bool:
    return paragraph[0].is_row or CAPTION.match(paragraph[0].text) is not None


def _is_open(piece: Piece) -> bool:
    text = piece.text
    if piece.is_heading or piece.is_row or piece.is_typed or LED_TO_PAGE.search(text):
        return False
    is_within = text[-1] in ";:" and not BULLET.match(text) and not ENUMERATOR.match(text)
    return text[-1].isalnum() or text[-1] in ",)’'%" or text[-1] in _HYPHENS or is_within


def _goes_on(before: str, piece: Piece, *, is_next: bool, is_behind_table: bool) -> bool:
    """Whether a paragraph goes on from a text: in small letters, or as the text leads to if it is the next one, or only
    a table or a drawing stands between."""
    if piece.is_heading or piece.is_row or piece.is_typed or (piece.is_label and not piece.text[0].islower()):
        return False
    if ENUMERATOR.match(piece.text) or _FORMULA.match(piece.text):
        return False
    if piece.text[0].isupper() and CAPTION.match(piece.text):
        return False
    is_led_to = (is_next or is_behind_table) and leads_on(before, piece.text)
    if piece.is_own and is_next and not is_led_to:
        return False
    if piece.text[0].islower():
        return True
    is_open = before[-1:] in _HYPHENS or before.endswith(",") or _closes(before, piece.text)
    return (is_led_to or (is_next and is_open)) and (piece.text[0].isalnum() or piece.text[0] in "«(<>≥≤")


def _is_in_bracket(text: str) -> bool:
    return text.rfind("(") > text.rfind(")")


def _closes(before: str, after: str) -> bool:
    """Whether what a text opens is closed in the one after it: `(avec Ian⏎Murdock)`."""
    for opening, closing in _PAIRS:
        if before.rfind(opening) > before.rfind(closing):
            end = after.find(closing)
            return end >= 0 and opening not in after[:end]
    return False


def _glue(before: Piece, after: Piece, spelling: Spelling) -> Piece:
    glued = glue_text(before.text, after.text, spelling) or (before.text, " ", after.text)
    return replace(before, text="".join(glued), last_page=after.last_page or after.page)


def glue_text(before: str, after: str, spelling: Spelling) -> tuple[str, str] | None:
    """What stays of a text, and its cut word with what follows; None where no word is cut."""
    if not _is_cut(before, after):
        return None
    start = max(before.rfind(" ") + 1, len(before) - LONGEST_WORD)
    return before[:start], spelling.mend(f"{before[start:]}\n{after}").replace("\n", " ")


def join_halves(pieces: Sequence[Piece], spelling: Spelling) -> list[Piece]:
    """Mend the words that formats with paragraphs leave cut in two pieces; an enumerator goes before its sentence."""
    joined: list[Piece] = []
    for piece in pieces:
        before = joined[-1] if joined else None
        if before is None or before.is_heading or before.is_row or piece.is_heading or piece.is_row:
            joined.append(piece)
        elif not piece.is_own and _is_cut(before.text, piece.text):
            joined[-1] = _glue(before, piece, spelling)
        elif ENUMERATOR.fullmatch(before.text):
            joined[-1] = replace(before, text=f"{before.text} {piece.text}", last_page=piece.last_page or piece.page)
        else:
            joined.append(piece)
    kept = (piece if MARKS.search(piece.text) is None else _without_marks(piece) for piece in joined)
    return [piece for piece in kept if piece.text]


def _without_marks(piece: Piece) -> Piece:
    return replace(piece, text=MARKS.sub("", piece.text))


def _is_cut(before: str, after: str) -> bool:
    if len(before) < 2 or before[-1] not in _HYPHENS or not before[-2].isalpha() or not after[0].isalpha():
        return False
    return after[0].islower() or before.rsplit(" ", 1)[-1][0].isupper()  # `Marie-⏎Curie`, and no `mitochon-⏎TABLE`
