"""The lines of a document into headings, sentences and rows of tables: whole, in reading order, each with its page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace

from worker.courses.chunk.accents import are_accents_apart, compose_accents
from worker.courses.chunk.headings import LEADS_ON, MAX_HEADING, mark_headings
from worker.courses.chunk.linked import drop_links
from worker.courses.chunk.notes import part_notes, place_notes
from worker.courses.chunk.pieces import Piece
from worker.courses.chunk.running import drop_running_lines
from worker.courses.chunk.sections import LEADERS
from worker.courses.chunk.words import Spelling
from worker.courses.document import ExtractedDocument, Line, Page
from worker.text.characters import CONTROL

MOST_INSERTED = 3  # sentences of a box on the same page
MOST_BETWEEN = 6  # paragraphs that may stand between two halves of a sentence: notes, a figure's words, a box
LONGEST_WORD = 60
MIN_OPEN = 25  # characters of a line that a sentence goes on from
MIN_OPEN_BEFORE_INSERTION = (
    45  # and of one that it goes on from beyond what is inserted: names of options end openly too
)

_BULLET = re.compile(r"\s*(?:[•▪◦●‣·–—►▶▸➢➤❖✓✔■◆◼-]\s|\d{1,2}[.)]\s)")
_NOTE = re.compile(r"(?:\d{1,3}|[*†‡¹²³⁴-⁹]+)[.)]?\s*\S|(?:figure|fig\.|tableau|table|source)\b", re.IGNORECASE)
_CAPTION = re.compile(r"(?:figure|fig\.|tableau|table|schéma|photo)\s*(?:\(?\d|[–—:-]\s)", re.IGNORECASE)
_FORMULA = re.compile(r"[a-zα-ω](?:\(|\s*[=<>≤≥≈∼+×])|[a-z]+\([\w-]*\)\s*=")  # `m(proton) = 1,0073u` begins anew
_SECTION = re.compile(r"(?:\d{1,2}(?:\.\d{1,2})*|[IVX]{1,5})[.)]?\s")  # no sentence goes on after its heading
# Characters that stay as they are: composed, seen, and no sign for two letters.
_PLAIN = re.compile("[ -~\u00a0-\u00ac\u00ae-\u00b6\u00b8-\u017f‘’“”…–—•≤≥→]*")
MIN_LEADERS = 4
_LEADERS = re.compile(r"(?:\s?[.·]){4,}")
_CLOSED = re.compile(r"\s*([–—-])\s(?=[a-zà-ÿ])[^.;:]*?\s?\1[\s,]")
# `Sr–⏎Pb`: a dash that no space parts from its word ties it to the next one.
_TIED = re.compile(r"(?<=\w[–—])\n(?=\w)")
_DASH = re.compile(r"\s*[–—-]\s")
# After the sign that ends a sentence; a number or a single letter before the full stop ends none ("p. 3", "M. Petit").
_SENTENCE_END = re.compile(r"(?<=[^\W\d_]{2}[.!?…])\s+(?=[«\"(]?\s?[A-ZÀ-ÖØ-Þ0-9])|(?<=[)»%!?…\d][.!?…])\s+|\n+")
_ENUMERATOR = re.compile(r"[\[(]?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)°\]]+|[•▪◦●‣·–—-]")
_ABBREVIATED = re.compile(
    r"(?:^|[\s(])(?:cf|figs?|tab|ex|env|art|vol|chap|pp?|Dr|Pr|MM?|Mmes?|Ste?|al|vs|spp?|éds?|n°|nos?|réf)\.$",
    re.IGNORECASE,
)
_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_HYPHENS = frozenset("-\u00ad\u2010\ufffe\x02")
# Typesetters join some letters into one sign; readers, searches and quotes know the letters.
_LIGATURES = {
    ord(sign): letters for sign, letters in zip("ﬀﬁﬂﬃﬄﬅﬆ", ("ff", "fi", "fl", "ffi", "ffl", "st", "st"), strict=True)
}
_CONTROL = re.compile(f"[\n{CONTROL}](?<![\ufffe\x02])")  # but two by which a PDF marks a word that is cut
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")
_MARKS = re.compile(r"[\ufffe\x02\u00ad]")


def read_pieces(document: ExtractedDocument) -> list[Piece]:
    """The pieces of a document; of typeset pages, without running headers, footers and page numbers."""
    pages = [Page(page.number, tuple(_clean(page.lines))) for page in document.pages]
    notes: list[Page] = []
    if document.is_typeset:
        if are_accents_apart(line.text for page in pages for line in page.lines):
            pages = [_composed(page) for page in pages]
        pages, notes = part_notes(drop_links(drop_running_lines(pages)))
        pages = mark_headings(pages)
    spelling = Spelling(line.text for page in (*pages, *notes) for line in page.lines)
    paragraphs = list(_paragraphs(pages, spelling, is_typeset=document.is_typeset))
    if document.is_typeset:
        below = _close_sentences(list(_paragraphs(notes, spelling, is_typeset=True)), spelling)
        paragraphs = list(place_notes(_close_sentences(paragraphs, spelling), below))
    return _join_halves([piece for paragraph in paragraphs for piece in paragraph], spelling)


def _composed(page: Page) -> Page:
    return Page(page.number, tuple(replace(line, text=compose_accents(line.text)) for line in page.lines))


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
            kept = _LEADERS.sub(" …", _CONTROL.sub("", part))
            cut = kept.rstrip()[-1:]
            kept = _INVISIBLE.sub("", kept)
            kept = kept.strip() + (cut if cut == "\u00ad" else "")
            is_heading = line.is_heading and number == 0
            is_same = kept == line.text and is_heading == line.is_heading
            yield line if is_same else replace(line, text=kept, is_heading=is_heading)


# --- lines into paragraphs ------------------------------------------------------------------------------------------


def _paragraphs(pages: Sequence[Page], spelling: Spelling, *, is_typeset: bool) -> Iterator[list[Piece]]:
    head: str | None = None
    for page in pages:
        lines: list[str] = []
        for line in page.lines:
            is_own = line.is_heading or line.is_row
            if lines and (is_own or not line.text or not is_typeset or _begins_anew(lines[-1], line)):
                yield list(_sentences(lines, page.number, spelling))
                lines = []
            if line.is_row and line.text:
                row = _row(line, page.number, head if not line.is_head else None, spelling)
                if is_typeset and row.text == head:
                    continue  # the head of a table that goes on over pages
                yield [row]
                head = row.text if line.is_head else head
            elif line.is_heading and line.text:
                yield [_heading(line.text, page.number, spelling)]
            elif line.text:
                lines.append(line.text)
            # An empty line stands before the number of a page, over which a table may go on.
            head = head if line.is_row or (is_typeset and not line.text) else None
        if lines:
            yield list(_sentences(lines, page.number, spelling))


def _row(line: Line, page: int | None, head: str | None, spelling: Spelling) -> Piece:
    return Piece(" ".join(_MARKS.sub("", spelling.mend(line.text)).split()), page, joint="\n", is_row=True, head=head)


def _heading(text: str, page: int | None, spelling: Spelling) -> Piece:
    text = " ".join(_MARKS.sub("", spelling.mend(text)).split())
    return Piece(text, page, is_heading=len(text) <= MAX_HEADING, joint="\n")


def _begins_anew(before: str, line: Line) -> bool:
    """Whether a line is none of the paragraph before it: an item of a list, or one that was ended, by its place."""
    if line.goes_on or (line.text[0].isdigit() and line.goes_on is None and _leads_on(before)):
        return False
    if LEADERS.search(before) or (line.text[0].isdigit() and LEADERS.search(line.text)):
        return True  # lines of contents
    return _begins_item(before, line.text) or (line.goes_on is False and not _leads_on(before))


def _leads_on(before: str) -> bool:
    return LEADS_ON.search(before[-12:]) is not None and not before.endswith((" plus", " moins"))


def _begins_item(before: str, text: str) -> bool:
    """Whether a line begins an item of a list; a dash after a figure goes on from it (`17⏎– 30 mg`), and so does one
    after a word if a second dash closes what it opens (`le terme⏎– rare – est bénin`).
    """
    dash = _DASH.match(text)
    if dash is not None and (before[-1:].isdigit() or (before[-1:].isalpha() and _CLOSED.match(text) is not None)):
        return False
    return bool(_BULLET.match(text))


def _sentences(lines: Sequence[str], page: int | None, spelling: Spelling) -> Iterator[Piece]:
    """The sentences of one paragraph; the lines of a typeset one are joined, whole words and cut ones."""
    mended = _TIED.sub("", spelling.mend("\n".join(lines))).replace("\n", " ")
    text = _MARKS.sub("", mended[:-1]) + mended[-1:]  # a mark at the end says that the word goes on elsewhere
    joint, waiting = "\n", ""
    for part in _SENTENCE_END.split(text):
        sentence = " ".join(f"{waiting} {part}".split())
        waiting = ""
        if _ENUMERATOR.fullmatch(sentence) or _ABBREVIATED.search(sentence[-8:]):
            waiting = sentence  # goes on: `1. Interroger`, `cf. Figure`
        elif sentence:
            yield Piece(sentence, page, joint=joint)
            joint = " "
    if waiting:
        yield Piece(waiting, page, joint=joint)


# --- sentences over the ends of lines, boxes and pages --------------------------------------------------------------


def _close_sentences(paragraphs: Sequence[list[Piece]], spelling: Spelling) -> list[list[Piece]]:
    """Sentences that go on after the end of a page or a column, or after what is inserted, in one piece.

    What stands between the halves (a note, the words of a figure, a box) follows the whole sentence.
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
        return replace(self._piece, text=self._parts[-1])

    def add(self, piece: Piece, spelling: Spelling) -> None:
        glued = _glue_text(self._parts[-1], piece.text, spelling)
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
    if not _is_open(last) or (is_alone and _is_label(last, end.length)) or _CAPTION.match(paragraphs[number][0].text):
        return None
    leads_on = bool(LEADS_ON.search(last.text[-10:])) or last.text[-1:] in _HYPHENS
    for index in range(number + 1, min(number + 2 + MOST_BETWEEN, len(paragraphs))):
        first = paragraphs[index][0]
        if index in taken:
            continue
        # What a colon announces is the rest of that; below a heading no item goes on, which needs no full stop.
        before = paragraphs[index - 1][-1]
        is_of_another = before.text.endswith(":") or (before.is_heading and _BULLET.match(last.text))
        if _is_beyond(first, end) or (index > number + 1 and is_of_another):
            return None
        if _goes_on(first, from_next=index == number + 1 and leads_on):
            is_far = index > number + 1 and first.page == end.page
            return None if is_far and is_alone and end.length < MIN_OPEN_BEFORE_INSERTION else index
        # On the page itself, only notes and what is whole may stand between the halves.
        if first.page == end.page and not (_is_insertion(paragraphs[index]) or _NOTE.match(first.text)):
            return None
        if first.is_heading and _SECTION.match(first.text):
            return None
    return None


def _is_beyond(first: Piece, end: _OpenEnd) -> bool:
    """Whether a paragraph stands further away than on the next page."""
    return end.page is not None and first.page is not None and first.page > end.page + 1


def _is_label(piece: Piece, length: int) -> bool:
    """What stands alone, and is no sentence that breaks off: too short, or the words below a figure."""
    return (length < MIN_OPEN and not _BULLET.match(piece.text)) or bool(_CAPTION.match(piece.text))


def _is_insertion(paragraph: Sequence[Piece]) -> bool:
    return paragraph[0].text[0].isupper() and paragraph[-1].text[-1] in ".!?»" and len(paragraph) <= MOST_INSERTED


def _is_open(piece: Piece) -> bool:
    text = piece.text
    if piece.is_heading or piece.is_row:
        return False
    return text[-1].isalnum() or text[-1] in ",)’'%" or text[-1] in _HYPHENS


def _goes_on(piece: Piece, *, from_next: bool) -> bool:
    if piece.is_heading or piece.is_row or _ENUMERATOR.match(piece.text) or _FORMULA.match(piece.text):
        return False
    return piece.text[0].islower() or (from_next and (piece.text[0].isalnum() or piece.text[0] in "«(<>≥≤"))


def _glue(before: Piece, after: Piece, spelling: Spelling) -> Piece:
    glued = _glue_text(before.text, after.text, spelling) or (before.text, " ", after.text)
    return replace(before, text="".join(glued), last_page=after.last_page or after.page)


def _glue_text(before: str, after: str, spelling: Spelling) -> tuple[str, str] | None:
    """What stays of a text, and its cut word with what follows; None where no word is cut."""
    if not _is_cut(before, after):
        return None
    start = max(before.rfind(" ") + 1, len(before) - LONGEST_WORD)
    return before[:start], spelling.mend(f"{before[start:]}\n{after}").replace("\n", " ")


def _join_halves(pieces: Sequence[Piece], spelling: Spelling) -> list[Piece]:
    """Mend the words that formats with paragraphs leave cut in two pieces; an enumerator goes before its sentence."""
    joined: list[Piece] = []
    for piece in pieces:
        before = joined[-1] if joined else None
        if before is None or before.is_heading or before.is_row or piece.is_heading or piece.is_row:
            joined.append(piece)
        elif _is_cut(before.text, piece.text):
            joined[-1] = _glue(before, piece, spelling)
        elif _ENUMERATOR.fullmatch(before.text):
            joined[-1] = replace(before, text=f"{before.text} {piece.text}", last_page=piece.last_page or piece.page)
        else:
            joined.append(piece)
    return [replace(piece, text=kept) for piece in joined if (kept := _MARKS.sub("", piece.text))]


def _is_cut(before: str, after: str) -> bool:
    return len(before) > 1 and before[-1] in _HYPHENS and before[-2].isalpha() and after[0].isalpha()
