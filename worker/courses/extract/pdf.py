"""PDF through PDFium: the text of each page, with where it stands and how large and bold it is set."""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise

import pypdfium2
import pypdfium2.raw as pdfium

from worker.courses.document import ExtractedDocument, Line, Page
from worker.courses.extract.layout import arrange
from worker.courses.extract.ligatures import keep_ligatures, name_ligatures
from worker.courses.extract.rows import Span
from worker.courses.extract.signs import raise_digits, restore_symbols
from worker.courses.extract.tex_signs import name_tex_signs
from worker.errors import UsageError

MAY_EXTRACT = 1 << 4  # permission bit 5 of ISO 32000-1, table 22
MAX_PAGES = 5_000
HYPHEN = "\ufffe"  # what PDFium puts for a hyphen at the end of a line
FORM = "it is a form that only Adobe's programs show (XFA), without its text: print it into a new PDF"
UNNAMED = "its fonts do not say which letters they show: run a text recognition over it (OCR) first"
FEW_TOKENS = 60  # a page of formulas or figures
WIDE_GAP = 0.8  # of a line's height: wider than the space between words, as narrow as between columns

_BOLD = re.compile(r"bold|black|heavy|demi(?!l)|cmbx|cmssbx|ecbx|sfbx|-bd", re.IGNORECASE)
_BOLD_WEIGHT, BOLDER = 600, 1.3  # and so many times the weight of most letters
SAMPLED = 20  # pages, and letters of each
_SCORE = re.compile(rb"emmentaler|feta\d|parmesan|bravura|maestro|sonata", re.IGNORECASE)  # music
_POWER = re.compile(r"(?<![\d.,])10 ?(\d{1,2})(?!\d)")
_THREE_LETTERS = re.compile(r"[^\W\d_]{3}")
_WORD = re.compile(r"\S+")
# PDFium goes on with the next printed line after a hyphen at the end of one, whatever stands there: a note, a footer.
_LINE = re.compile("[^\r\n\ufffe\x02]+[\ufffe\x02]?|[\ufffe\x02]")

_Box = tuple[float, float, float, float]  # left, right, bottom, top in points, counted upwards
_Boxes = Callable[[int], _Box]
_Fonts = Callable[[int], bytes]  # the font's name


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
        bold_weight = max(_BOLD_WEIGHT, BOLDER * _usual_weight(document))
        read = [_read_page(document, index, bold_weight) for index in range(len(document))]
    finally:
        document.close()
    pages = _relative(name_ligatures([page for page, _ in read]))
    if not any(line.text for page in pages for line in page.lines) and any(page.lines for page, _ in read):
        raise UsageError(UNNAMED)
    return ExtractedDocument(tuple(_without_overlays(pages, [wide for _, wide in read])), is_typeset=True)


def _usual_weight(document: pypdfium2.PdfDocument) -> int:
    """The weight of most letters, of some from pages all over the document. Old fonts of TeX call themselves bold."""
    weights: Counter[int] = Counter()
    for index in range(0, len(document), max(1, len(document) // SAMPLED)):
        text = document[index].get_textpage()
        count = text.count_chars()
        at = range(0, count, max(1, count // SAMPLED))
        weights.update(pdfium.FPDFText_GetFontWeight(text.raw, place) for place in at)
        text.close()
    return max(weights, key=lambda weight: weights[weight], default=0)


def _read_page(document: pypdfium2.PdfDocument, index: int, bold_weight: float) -> tuple[Page, bool]:
    """A page, and whether it is wider than high, as slides are."""
    page = document[index]
    text = page.get_textpage()
    try:
        printed = list(_printed_lines(page, text, bold_weight))
        width, height = page.get_size()
    finally:
        text.close()
        page.close()
    lines = tuple(arrange(printed))
    return Page(index + 1, lines if _has_words(lines) else (Line(""),)), width > height


def _has_words(lines: Sequence[Line]) -> bool:
    """Whether a page's letters are letters: old fonts do not say which, and a page of theirs reads `G G B (`."""
    tokens = [token for line in lines for token in line.text.split()]
    if len(tokens) < FEW_TOKENS or sum(token[:3].isalpha() and len(token) > 2 for token in tokens) * 20 > len(tokens):
        return True
    words = [token for token in tokens if token.strip(".·")]  # leaders are no letters, and commands are
    return sum(_THREE_LETTERS.search(token) is not None for token in words) * 20 > len(words)


def _printed_lines(page: pypdfium2.PdfPage, text: pypdfium2.PdfTextPage, bold_weight: float) -> Iterator[list[Span]]:
    """The lines as PDFium tells them, cut at wide gaps; what is printed twice at one place (a shadow) once."""
    whole = text.get_text_range()
    index_of = _char_indices(text, whole)
    box_of = _box_reader(text, page.get_rotation(), index_of)
    font_of, size_of = _font_reader(text), _size_reader(text)
    whole = name_tex_signs(keep_ligatures(whole), lambda at: font_of(index_of(at)))
    is_bold = _weight_reader(text, bold_weight)
    seen: set[tuple[str, int, int]] = set()
    for line in _LINE.finditer(whole):
        spans = []
        start, end = line.span()
        first, last = index_of(start), index_of(end - 1)
        font = font_of(first)
        if _is_of_scores(font) and _is_of_scores(font_of(last)):
            continue  # notes and clefs, whose letters say nothing
        bold = is_bold(first, font) and is_bold(last, font_of(last))
        # The one in between: a first letter may be set large, and marks of notes small.
        size = sorted((size_of(first), size_of((first + last) // 2), size_of(last)))[1]
        for span in split_spans(whole, start, end, box_of):
            span = span._replace(is_bold=bold, size=size)  # noqa: PLW2901 (as the line is set)
            place = (span.text, round(span.left / 3), round(span.bottom / 3))
            if place not in seen or len(span.text) == 1:
                seen.add(place)
                spans.append(span)
        if spans:
            yield spans


def split_spans(whole: str, start: int, end: int, box_of: _Boxes) -> Iterator[Span]:
    """Stretches of words without a wide gap between them, of the line from `start` to `end`."""
    begun: int | None = None
    left = right = bottom = top = height = 0.0
    stop = start
    for word in _WORD.finditer(whole, start, end):
        at, stop_now = word.span()
        first = box_of(at)
        last = box_of(stop_now - 1) if stop_now - at > 1 else first
        if begun is not None and not -1 < (first[0] - right) / (top - bottom) < WIDE_GAP:
            yield Span(_span_text(whole, begun, stop, box_of), left, right, bottom, min(top, bottom + height))
            begun = None
        if begun is None:
            begun, (left, _, bottom, top) = at, first
        right, stop, height = last[1], stop_now, last[3] - last[2]
    if begun is not None:
        yield Span(_span_text(whole, begun, stop, box_of), left, right, bottom, min(top, bottom + height))


def _span_text(whole: str, start: int, end: int, box_of: _Boxes) -> str:
    text = whole[start:end].replace("\x02", HYPHEN)
    if "10" in text:
        text = _raise_powers(text, lambda at: box_of(start + at))
    return restore_symbols(text)


def _raise_powers(text: str, box_of: _Boxes) -> str:
    """`109` whose 9 stands above the line is `10⁹`."""

    def raised(match: re.Match[str]) -> str:
        base, power = box_of(match.start()), box_of(match.end() - 1)
        is_raised = power[2] > base[2] + 0.15 * (base[3] - base[2])
        return "10" + raise_digits(match[1]) if is_raised else match[0]

    return _POWER.sub(raised, text)


def _char_indices(text: pypdfium2.PdfTextPage, whole: str) -> Callable[[int], int]:
    """From places in the text to PDFium's own count, which leaves out what has no letter and counts pairs twice."""
    if text.count_chars() == len(whole):
        return lambda at: at
    units = [0, *accumulate(2 if ord(c) > 0xFFFF else 1 for c in whole)]
    return lambda at: max(pdfium.FPDFText_GetCharIndexFromTextIndex(text.raw, units[at]), 0)


def _box_reader(text: pypdfium2.PdfTextPage, rotation: int, index_of: Callable[[int], int]) -> _Boxes:
    """The box of the letter at a place in the text, as the page is shown."""
    raw, rect = text.raw, pdfium.FS_RECTF()
    pointer, read = ctypes.byref(rect), pdfium.FPDFText_GetLooseCharBox
    values = memoryview(rect).cast("B").cast("f")  # left, top, right, bottom

    def box_of(at: int) -> _Box:
        read(raw, index_of(at), pointer)
        left, top, right, bottom = values
        if rotation == 90:
            left, bottom, right, top = bottom, -right, top, -left
        elif rotation == 180:
            left, bottom, right, top = -right, -top, -left, -bottom
        elif rotation == 270:
            left, bottom, right, top = -top, left, -bottom, right
        return left, right, bottom, top if top > bottom else bottom + 0.1

    return box_of


def _font_reader(text: pypdfium2.PdfTextPage) -> _Fonts:
    """The name of the font of the letter with an index."""
    raw, name, flags = text.raw, ctypes.create_string_buffer(64), ctypes.c_int()
    pointer = ctypes.byref(flags)

    def font_of(index: int) -> bytes:
        pdfium.FPDFText_GetFontInfo(raw, index, name, 64, pointer)
        return name.value

    return font_of


@lru_cache(maxsize=256)
def _is_of_scores(font: bytes) -> bool:
    return _SCORE.search(font) is not None


def _weight_reader(text: pypdfium2.PdfTextPage, bold_weight: float) -> Callable[[int, bytes], bool]:
    """Whether the letter with an index is bold, by the name or weight of its font."""
    raw = text.raw
    known: dict[bytes, bool] = {}

    def is_bold(index: int, font: bytes) -> bool:
        if font not in known:
            weight = pdfium.FPDFText_GetFontWeight(raw, index)
            known[font] = weight >= bold_weight or _BOLD.search(font.decode("latin-1")) is not None
        return known[font]

    return is_bold


def _size_reader(text: pypdfium2.PdfTextPage) -> Callable[[int], float]:
    """The size in points that the letter with an index is set in. Boxes tell it of no font but their own."""
    raw, matrix = text.raw, pdfium.FS_MATRIX()
    pointer = ctypes.byref(matrix)

    def size_of(index: int) -> float:
        size: float = pdfium.FPDFText_GetFontSize(raw, index)
        pdfium.FPDFText_GetMatrix(raw, index, pointer)
        return size * math.hypot(matrix.c, matrix.d)

    return size_of


def _relative(pages: list[Page]) -> list[Page]:
    """Sizes over that of the body: the size that most letters of the document have."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            sizes[round(line.size * 2) / 2] += len(line.text)
    body = max(sizes, key=lambda size: sizes[size], default=1.0) or 1.0
    return [
        Page(
            page.number,
            tuple(_resized(line, round(line.size / body, 2)) for line in page.lines),
        )
        for page in pages
    ]


def _resized(line: Line, size: float) -> Line:
    # Not `replace`, which takes three times as long: there are as many lines as a document has.
    return Line(line.text, line.is_heading, size, line.is_bold, line.is_row, line.is_head, line.foot)


def _without_overlays(pages: list[Page], slides: list[bool]) -> Iterator[Page]:
    """A slide that shows itself step by step is one page for each step: the last one holds all of it."""
    for (page, following), is_slide in zip(pairwise(pages), slides, strict=False):
        if not (is_slide and _is_step(page, following)):
            yield page
    yield from pages[-1:]


def _is_step(page: Page, following: Page) -> bool:
    """Whether the next page repeats all lines of a page, in their order and beginning with the same."""
    lines = [line.text for line in page.lines if line.text]
    if len(lines) < 2:
        return False
    after = iter([line.text for line in following.lines if line.text])
    return all(any(_same(line, other) for other in after) for line in lines)


def _same(line: str, other: str) -> bool:
    """The same line, whatever number a footer counts."""
    return line == other or re.sub(r"\d+", "0", line) == re.sub(r"\d+", "0", other) != "0"
