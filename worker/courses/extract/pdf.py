"""PDF through PDFium: the text of each page, with where it stands and how large and bold it is set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import partial
from itertools import islice, pairwise
from statistics import median
from typing import NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from worker.courses.document import ExtractedDocument, Line, Page
from worker.courses.extract.cut_rows import TableEnd
from worker.courses.extract.drawn import read_boxes, read_rules
from worker.courses.extract.grids import MIN_ONE_ROW, Grid, find_grids
from worker.courses.extract.heights import move_first_box, order_by_height
from worker.courses.extract.initials import return_initials
from worker.courses.extract.layout import arrange
from worker.courses.extract.letters import (
    Boxes,
    Feet,
    baseline_reader,
    box_reader,
    char_indices,
    font_reader,
    foot_reader,
    ink_reader,
    is_of_old_tex,
    is_of_scores,
    is_of_typewriters,
    size_reader,
    turn_box,
    weight_reader,
)
from worker.courses.extract.ligatures import keep_ligatures, name_ligatures
from worker.courses.extract.links import read_links
from worker.courses.extract.marks import find_marks, mark_spans
from worker.courses.extract.objects import Rule
from worker.courses.extract.open_cells import Word
from worker.courses.extract.open_tables import find_open_grids
from worker.courses.extract.rows import Span
from worker.courses.extract.ruled import cell_around, gather_cells, goes_through
from worker.courses.extract.sheets import find_slides, is_within, slide_of
from worker.courses.extract.spans import LOOSE, WORD, Letters, split_spans
from worker.courses.extract.stray import return_marks
from worker.courses.extract.striped import join_striped, part_columns
from worker.courses.extract.tex_signs import name_tex_signs
from worker.courses.extract.underscores import tell_underscores
from worker.courses.signs import MARK
from worker.errors import UsageError

MAY_EXTRACT = 1 << 4  # permission bit 5 of ISO 32000-1, table 22
MAX_PAGES = 5_000
OPEN_PAGES = 100  # PDFium keeps what it read of a document's pages (fonts, drawings) until the document is closed
FORM = "it is a form that only Adobe's programs show (XFA), without its text: print it into a new PDF"
UNNAMED = "its fonts do not say which letters they show: run a text recognition over it (OCR) first"
STEPS_AHEAD = 2  # pages: one step may show what the next ones take back
MANY_WORDS, MOST_OF_A_SLIDE = 12, 1_200  # words and characters of a slide
LEAP = 2.0  # times the height of letters: so far above or below no line goes on
FEW_TOKENS = 60  # a page of formulas or figures

_DIGITS, _NUMBERS = re.compile(r"\d+"), re.compile(r"\d{1,9}")
_BOLD_WEIGHT, BOLDER = 600, 1.3  # and so many times the weight of most letters
SAMPLED = 20  # pages, and letters of each
_THREE_LETTERS = re.compile(r"[^\W\d_]{3}")
# PDFium goes on with the next printed line after a hyphen at the end of one, whatever stands there: a note, a footer.
_LINE = re.compile("[^\r\n\ufffe\x02]+[\ufffe\x02]?|[\ufffe\x02]")


def read_pdf(data: bytes) -> ExtractedDocument:
    """Every page, numbered from 1. Raises `UsageError` when a password is wanted or extraction is forbidden."""
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise UsageError("it is locked with a password: save it without one") from error
        raise
    try:
        if not pdfium.FPDF_GetDocPermissions(document.raw) & MAY_EXTRACT:
            raise UsageError("its author forbids taking text out of it: ask for a copy that allows it")
        if len(document) > MAX_PAGES:
            raise UsageError(f"it has {len(document):,} pages, and {MAX_PAGES:,} are read: cut it into parts")
        if pdfium.FPDF_GetFormType(document.raw) == pdfium.FORMTYPE_XFA_FULL:
            raise UsageError(FORM)  # its pages say "Please wait..." alone
        usual = _usual_letters(document)
        read: list[_ReadPage] = []
        for index in range(len(document)):
            if index and index % OPEN_PAGES == 0:
                document.close()
                document = pypdfium2.PdfDocument(data)
            read.append(_read_page(document, index, usual, read[-1] if read else None))
    finally:
        document.close()
    found = [page for one in read for page in one.pages]
    pages = _relative(name_ligatures(found))
    if not any(line.text for page in pages for line in page.lines) and any(page.lines for page in found):
        raise UsageError(UNNAMED)
    wide = [is_wide for one in read for is_wide in [one.is_wide] * len(one.pages)]
    shown = tuple(_without_overlays(pages, wide))
    return ExtractedDocument(shown, is_typeset=True, is_slides=bool(shown) and all(wide) and _say_little(shown))


class _UsualLetters(NamedTuple):
    """What most letters of a document are: above which weight others are bold, and whether they are a typewriter's.

    `draw_underscores`: some are of TeX's old fonts, which have no sign for it.
    """

    bold_weight: float
    is_typed: bool
    draw_underscores: bool = False


def _usual_letters(document: pypdfium2.PdfDocument) -> _UsualLetters:
    """Of some letters from pages all over the document. Old fonts of TeX call themselves bold."""
    weights: Counter[int] = Counter()
    typed: Counter[bool] = Counter()
    of_tex = False
    for index in range(0, len(document), max(1, len(document) // SAMPLED)):
        text = document[index].get_textpage()
        count = text.count_chars()
        font_of = font_reader(text)
        for at in range(0, count, max(1, count // SAMPLED)):
            weights[pdfium.FPDFText_GetFontWeight(text.raw, at)] += 1
            font = font_of(at)
            typed[is_of_typewriters(font)] += 1
            of_tex = of_tex or is_of_old_tex(font)
        text.close()
    weight = max(weights, key=lambda weight: weights[weight], default=0)
    return _UsualLetters(max(_BOLD_WEIGHT, BOLDER * weight), typed[True] > typed[False], of_tex)


class _ReadPage(NamedTuple):
    """A page, or the slides of a sheet and what stands around them; whether they are wider than high, as slides are;
    how the last table of a page ends, which may go on; and where the slides stand."""

    pages: list[Page]
    is_wide: bool
    table: TableEnd | None
    slides: Sequence[Rule]


def _read_page(
    document: pypdfium2.PdfDocument, index: int, usual: _UsualLetters, before: _ReadPage | None
) -> _ReadPage:
    """A page; `before`: the one before it."""
    page = document[index]
    text = page.get_textpage()
    tables = _Tables(page, before.table if before is not None else None)
    try:
        sheet = _Sheet(page, text, usual, tables, before.slides if before is not None else ())
        width, height = page.get_size()
        below = height if page.get_rotation() in {90, 180} else 0.0  # what is turned stands below the page's corner
        pages = [
            Page(index + 1, lines if _has_words(lines) else (Line(""),), is_around)
            for lines, is_around in sheet.read(below)
        ]
        is_wide = all(
            right - left > top - bottom for left, right, bottom, top in sheet.slides or [(0, width, 0, height)]
        )
    finally:
        text.close()
        page.close()
    return _ReadPage(pages, is_wide, tables.end, sheet.slides)


def _has_words(lines: Sequence[Line]) -> bool:
    """Whether a page's letters are letters: old fonts do not say which, and a page of theirs reads `G G B (`."""
    tokens = [token for line in lines for token in line.text.split()]
    begun = (None for token in tokens if token[:3].isalpha() and len(token) > 2)
    if len(tokens) < FEW_TOKENS or sum(1 for _ in islice(begun, len(tokens) // 20 + 1)) * 20 > len(tokens):
        return True
    words = [token for token in tokens if token.strip(".·")]  # leaders are no letters, and commands are
    return sum(_THREE_LETTERS.search(token) is not None for token in words) * 20 > len(words)


class _PrintedLine(NamedTuple):
    """From where to where it goes in the page's text, how far its letters are turned, its stretches of words, and what
    tells where its letters stand."""

    start: int
    end: int
    turn: int
    spans: list[Span]
    boxes: Boxes


def _leaps(spans: Sequence[Span]) -> bool:
    return any(abs(above.bottom - below.bottom) > LEAP * above.height for above, below in pairwise(spans))


class _PrintedText:
    """A page's lines as PDFium tells them, cut at wide gaps; what is printed twice at one place (a shadow) once."""

    def __init__(self, page: pypdfium2.PdfPage, text: pypdfium2.PdfTextPage, usual: _UsualLetters) -> None:
        whole = text.get_text_range()
        self._text = text
        self._index_of = index_of = char_indices(text, whole)
        self._font_of, self._size_of = font_of, _ = font_reader(text), size_reader(text)
        named = name_tex_signs(keep_ligatures(whole), lambda at: font_of(index_of(at)))
        self._whole = tell_underscores(named, text, index_of, read_rules(page)) if usual.draw_underscores else named
        self._is_bold = weight_reader(text, usual.bold_weight)
        self._is_typed = usual.is_typed
        self._has_loose = LOOSE.search(self._whole) is not None
        self._readers: dict[tuple[int, bool], Boxes] = {}
        self._heights: dict[int, tuple[Feet, Feet]] = {}  # of lines and of what is drawn, as readers of letters tell

    def lines(self, rotation: int, slides: Sequence[Rule] = ()) -> Iterator[_PrintedLine]:
        """Each line, where it stands on the page as `rotation` shows it, parted where it goes on in the next slide."""
        seen: set[tuple[str, int, int]] = set()
        index_of, font_of, size_of, is_bold = self._index_of, self._font_of, self._size_of, self._is_bold
        parts = list(self._parts(rotation, slides))[::-1]
        while parts:
            start, end = parts.pop()
            spans = []
            first, last = index_of(start), index_of(end - 1)
            font, last_font = font_of(first), font_of(last)
            if is_of_scores(font) and is_of_scores(last_font):
                continue  # notes and clefs, whose letters say nothing
            leads = is_bold(first, font)
            # The one in between: a first letter may be set large, and marks of notes small. A space has no size.
            middle = (start + end - 1) // 2
            middle = index_of(middle - self._whole[middle].isspace())
            # `A. Les mastocytes circulent dans le sang. FAUX` is in bold at both ends alone.
            bold = leads and is_bold(last, last_font) and is_bold(middle, font_of(middle))
            # The number of a program's line is often set as other numbers are.
            begins = first if not self._whole[start].isdigit() else index_of((start + end) // 2)
            typed = not self._is_typed and is_of_typewriters(last_font) and is_of_typewriters(font_of(begins))
            size, turn = sorted((size_of(first), size_of(middle), size_of(last)))[1]
            boxes = self._boxes(rotation, is_drawn=not last_font)
            letters = self._letters(start, end, boxes, rotation, is_upright=turn == rotation)
            found = list(split_spans(letters))
            if turn == rotation and _leaps(found) and (cuts := list(self._cuts(start, end, boxes))):
                parts += list(pairwise([start, *cuts, end]))[::-1]
                continue
            for number, span in enumerate(found):
                is_led = leads and not (bold or number)
                span = span._replace(is_bold=bold, size=size, is_typed=typed, leads_bold=is_led)  # noqa: PLW2901
                place = (span.text, round(span.left / 3), round(span.bottom / 3))
                if place not in seen or len(span.text) == 1:
                    seen.add(place)
                    spans.append(span)
            if spans:
                yield _PrintedLine(start, end, turn, spans, boxes)

    def _cuts(self, start: int, end: int, boxes: Boxes) -> Iterator[int]:
        """Where what is told as one line goes on far above or below: what stands there is another line."""
        for before, word in pairwise(WORD.finditer(self._whole, start, end)):
            one, other = boxes(before.start()), boxes(word.start())
            if abs(other[2] - one[2]) > LEAP * (one[3] - one[2]):
                yield word.start()

    def _parts(self, rotation: int, slides: Sequence[Rule]) -> Iterator[tuple[int, int]]:
        """From where to where of the text each line goes, and on which slide."""
        box_of = self._boxes(rotation, is_drawn=False)
        for line in _LINE.finditer(self._whole):
            start, end = line.span()
            words = list(WORD.finditer(self._whole, start, end)) if slides else ()
            on = [slide_of(box_of(word.start()), slides) for word in words]
            for (one, other), word in zip(pairwise(on), words[1:], strict=False):
                if one != other:
                    yield start, word.start()
                    start = word.start()
            yield start, end

    def _letters(self, start: int, end: int, boxes: Boxes, rotation: int, *, is_upright: bool) -> Letters:
        if rotation not in self._heights:
            feet, ink = (read(self._text, rotation, self._index_of) for read in (foot_reader, ink_reader))
            self._heights[rotation] = feet, ink
        return Letters(self._whole, start, end, boxes, is_upright, self._has_loose, *self._heights[rotation])

    def _boxes(self, rotation: int, *, is_drawn: bool) -> Boxes:
        """Where letters stand, also those of fonts that are drawn, which have no name."""
        key = rotation, is_drawn
        if key not in self._readers:
            read = baseline_reader if is_drawn else box_reader
            self._readers[key] = read(self._text, rotation, self._index_of)
        return self._readers[key]

    def words_in(self, lines: Sequence[_PrintedLine], box: Rule) -> list[Word]:
        """The words of lines that stand in a box, at least in part from side to side."""
        left, right, bottom, top = box
        found: list[Word] = []
        for line in lines:
            inside = [span for span in line.spans if bottom < (span.bottom + span.top) / 2 < top]
            if not any(span.left < right and span.right > left for span in inside):
                continue
            is_typed = all(span.is_typed for span in inside)
            for word in WORD.finditer(self._whole, line.start, line.end):
                first, last = line.boxes(word.start()), line.boxes(word.end() - 1)
                if last[1] > left and first[0] < right and bottom < (first[2] + first[3]) / 2 < top:
                    found.append(Word(word[0], first[0], last[1], first[2], first[3], word.start(), is_typed))
        return found

    def cut(
        self, lines: Sequence[_PrintedLine], rotation: int, grids: Sequence[Grid]
    ) -> Iterator[tuple[list[Span], list[Span]]]:
        """Lines as they are, and with their stretches cut where they go on in the next cell of a ruled table."""
        for line in lines:
            spans = line.spans
            if any(goes_through(grids, span) for span in spans):
                is_upright = line.turn == rotation
                letters = self._letters(line.start, line.end, line.boxes, rotation, is_upright=is_upright)
                cells = split_spans(letters, lambda box: cell_around(grids, box))
                spans = [span._replace(is_bold=spans[0].is_bold, size=spans[0].size) for span in cells]
            yield line.spans, spans


class _Sheet:
    """A page, or the slides that stand on it. `known`: where they stand on the sheet before."""

    def __init__(
        self,
        page: pypdfium2.PdfPage,
        text: pypdfium2.PdfTextPage,
        usual: _UsualLetters,
        tables: _Tables,
        known: Sequence[Rule],
    ) -> None:
        self._page, self._tables = page, tables
        self._printed = _PrintedText(page, text, usual)
        self._rotation: int = page.get_rotation()
        self._lines = list(self._printed.lines(self._rotation))
        turned, count = self._turned(self._lines)
        self._turn = self._rotation if turned == -1 or count * 2 < len(self._lines) else turned
        shown = self._lines if self._turn == self._rotation else self._printed.lines(self._turn)
        spans = [line.spans for line in shown]
        boxes = [turn_box(box, self._turn) for box in read_boxes(page)]
        width, height = page.get_size()
        self.slides = find_slides(boxes, spans, width * height, known)

    def _turned(self, lines: Sequence[_PrintedLine]) -> tuple[int, int]:
        """How far most lines are turned, and how many are."""
        return Counter(line.turn for line in lines).most_common(1)[0] if lines else (self._rotation, 0)

    def read(self, below: float) -> Iterator[tuple[tuple[Line, ...], bool]]:
        """The lines of each slide, then what stands around them; or those of the page. `below`: how far what is turned
        stands below the page's corner."""
        if not self.slides:
            page = self._upright(self._lines) if self._turn == self._rotation else self._sideways()
            yield tuple(_raised(page, below)), False
            return
        lines = list(self._printed.lines(self._turn, self.slides))
        for number, slide in enumerate(self.slides):
            on_slide = [line for line in lines if slide_of(line.spans[0], self.slides) == number]
            yield tuple(_raised(self._upright(on_slide, slide), -slide[2])), False
        around = [line.spans for line in lines if slide_of(line.spans[0], self.slides) is None]
        yield tuple(arrange(around)), True

    def _upright(self, lines: Sequence[_PrintedLine], slide: Rule | None = None) -> Iterator[Line]:
        """Lines in reading order. `slide`: where it stands, None for a page."""
        rotation, turned = self._turn, self._turned(lines)[0]
        cells = self._tables.gather(self._printed, rotation, lines, slide)
        beside = [line.spans for line in lines if turned == rotation and line.turn not in {rotation, -1}]
        apart = {id(spans) for spans in beside}
        upright = return_marks(return_initials([spans for spans in cells if id(spans) not in apart]))
        left = {id(spans) for spans in cells}  # what is no cell of a table
        width, height = (slide[1] - slide[0], slide[3] - slide[2]) if slide is not None else self._page.get_size()
        is_slide = width > height
        marks = partial(find_marks, self._page, rotation, is_slide=is_slide, is_sheet=slide is not None)
        if not is_slide:  # a slide that builds up step by step has one order for all of its steps
            upright = order_by_height(move_first_box(upright))
        on_side = [spans for spans in beside if id(spans) in left]
        yield from arrange(upright, read_links(self._page), width if is_slide else 0.0, marks, on_side)

    def _sideways(self) -> Iterator[Line]:
        """The lines of a page most of which is turned, with what stands before and behind that."""
        turned, lines = self._turn, self._lines
        sideways = [line for line in self._printed.lines(turned) if line.turn == turned]
        before = [line.turn for line in lines].index(turned)
        above, below = (
            [line.spans for line in part if line.turn != turned] for part in (lines[:before], lines[before:])
        )
        for part in (above, self._tables.gather(self._printed, turned, sideways), below):
            yield from arrange(part)
            yield Line("")


def _raised(lines: Iterable[Line], by: float) -> Iterator[Line]:
    """Lines that stand so much higher."""
    return (replace(line, foot=round(line.foot + by, 1)) if by and line.text else line for line in lines)


class _Tables:
    """The ruled tables of a page. `before`: how the last one of the page before ended; `end`: how this page's does."""

    def __init__(self, page: pypdfium2.PdfPage, before: TableEnd | None) -> None:
        self._page = page
        self._before = before
        self.end: TableEnd | None = None

    def gather(
        self, printed: _PrintedText, rotation: int, lines: Sequence[_PrintedLine], slide: Rule | None = None
    ) -> list[list[Span]]:
        """Lines with the cells of tables gathered to rows. What a page, or one slide of it, draws is asked for where
        cells may stand. No table goes on from a slide to the next."""
        spans, before = [line.spans for line in lines], self._before if slide is None else None
        if before is None and not _may_hold_cells(spans):
            return spans
        rules = [turn_box(rule, rotation) for rule in read_rules(self._page)]
        if slide is not None:
            rules = [rule for rule in rules if is_within(rule, slide)]
        grids = join_striped(find_grids(rules), spans, before.columns if before is not None else ())
        grids = [part_columns(grid, spans) for grid in grids]
        upright = [line for line in lines if line.turn in {rotation, -1}]
        heads = [grid for grid in grids if len(grid.cells) == 1]  # of tables whose head alone is shaded
        ruled = [grid for grid in grids if len(grid.cells) > 1]
        found = find_open_grids(rules, ruled, partial(printed.words_in, upright), heads)
        grids = [*ruled, *(head for head in heads if not any(map(head.is_within, found))), *found]
        if not grids:
            return spans
        cut = list(printed.cut(lines, rotation, grids))
        marked = mark_spans(self._page, rotation, [cells for _, cells in cut], is_sheet=slide is not None)
        cut = [(whole, [_with_mark(span) if id(span) in marked else span for span in cells]) for whole, cells in cut]
        gathered, end = gather_cells(cut, grids, before)
        self.end = end if slide is None else None
        return gathered


def _with_mark(span: Span) -> Span:
    return span._replace(text=f"{MARK} {span.text}")


def _may_hold_cells(lines: Sequence[Sequence[Span]]) -> bool:
    """Whether some lines have gaps, one has many, or some stand no lower than the one before: text stands below it."""
    beside = sum(len(spans) > 1 for spans in lines)
    if any(len(spans) >= MIN_ONE_ROW for spans in lines):
        return True
    if beside < 2:
        beside += sum(line[0].bottom > before[0].bottom - 0.3 * line[0].height for before, line in pairwise(lines))
    return beside > 1


def _relative(pages: list[Page]) -> list[Page]:
    """Sizes over that of the body: the size that most letters of the document have."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            sizes[round(line.size * 2) / 2] += len(line.text)
    body = max(sizes, key=lambda size: sizes[size], default=1.0) or 1.0
    return [
        replace(page, lines=tuple(_resized(line, round(line.size / body, 2)) for line in page.lines)) for page in pages
    ]


def _resized(line: Line, size: float) -> Line:
    # Not `replace`, which takes three times as long: there are as many lines as a document has.
    return Line(
        line.text,
        line.is_heading,
        size,
        line.is_bold,
        line.is_row,
        line.is_head,
        line.foot,
        line.linked,
        line.goes_on,
        line.is_typed,
    )


def _without_overlays(pages: list[Page], slides: list[bool]) -> Iterator[Page]:
    """A slide that shows itself step by step is one page for each step: the last one holds all of it."""
    for number, (page, is_slide) in enumerate(zip(pages, slides, strict=True)):
        following = pages[number + 1 : number + 1 + STEPS_AHEAD] if is_slide else ()
        if not any(_is_step(page, other) for other in following):
            yield page


def _say_little(pages: Sequence[Page]) -> bool:
    """Whether pages hold as much as slides do; two pages side by side on one hold more."""
    return median(sum(len(ln.text) for ln in page.lines) for page in pages if not page.is_around) <= MOST_OF_A_SLIDE


def _is_step(page: Page, following: Page) -> bool:
    """Whether a page that follows repeats all lines of a page, in their order and beginning with the same; or all of
    its words, many of them: what is shown step by step within a line moves others."""
    lines, after = ([line.text for line in one.lines if line.text] for one in (page, following))
    if len(lines) < 2:
        return False
    apart = max(following.number - page.number, 1) if following.number and page.number else 1
    edges = {lines[0], lines[-1]}
    words = Counter(word for line in lines if not _is_counted(line, edges, after, apart) for word in line.split())
    if words.total() >= MANY_WORDS and words <= Counter(word for line in after for word in line.split()):
        return True
    rest = iter(after)
    return all(any(line == other or _is_counted(line, edges, [other], apart) for other in rest) for line in lines)


def _is_counted(line: str, edges: AbstractSet[str], after: Sequence[str], apart: int) -> bool:
    """Whether a page begins or ends with a line that counts the pages: a later one has it, with one number that is
    larger by no more than pages lie between. Any other number is the text's: a dose, the next patient's."""
    if line not in edges:
        return False
    numbers = [int(number) for number in _NUMBERS.findall(line)]
    for other in after:
        if _DIGITS.sub("0", line) == _DIGITS.sub("0", other):
            steps = [int(later) - number for number, later in zip(numbers, _NUMBERS.findall(other), strict=False)]
            if sum(step != 0 for step in steps) == 1 and 0 < max(steps) <= apart:
                return True
    return False
