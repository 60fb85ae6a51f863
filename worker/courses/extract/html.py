"""Web pages through lxml: what a reader sees, block by block, without navigation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lxml import etree, html

from worker.courses.document import ExtractedDocument, Line, Page
from worker.courses.extract.edges import LINK, LinkedLine, trim_edges
from worker.courses.extract.enumerators import Kind, read_number, write_number
from worker.courses.extract.formulas import read_delimited, read_math
from worker.courses.extract.navigation import HEADINGS, find_navigation
from worker.courses.extract.signs import lower_digits, raise_digits, restore_symbols
from worker.courses.extract.spanned import MIN_CELLS, fill_spans
from worker.courses.extract.text import decode
from worker.courses.signs import MARK
from worker.text.decoding import WINDOWS

# Not `form` and `aside`: old pages stand in one form as a whole, and courses put what is to be remembered aside.
UNSEEN = frozenset(
    (
        *(
            "script",
            "style",
            "noscript",
            "template",
            "head",
            "nav",
            "footer",
            "address",
            "button",
            "select",
            "textarea",
        ),
        "svg",
    )
)
BLOCKS = HEADINGS | frozenset(
    (
        *("p", "div", "section", "article", "main", "header", "li", "ul", "ol", "dl", "dt", "dd", "table", "tr"),
        *(
            "blockquote",
            "pre",
            "aside",
            "form",
            "figure",
            "figcaption",
            "hr",
            "body",
            "html",
            "caption",
            "thead",
            "tbody",
            "tfoot",
            "details",
            "summary",
            "fieldset",
            "legend",
            "center",
        ),
    )
)
TITLES = HEADINGS | {"legend"}
LONGEST_TITLE = 120  # characters
# What pages without headings set their titles in: bold, and besides underlined or larger.
_BOLD = frozenset(("b", "strong"))
_NO_TITLE = re.compile(r".*[.,;]|[\W\d_]*")
MAX_ROW = 900  # characters; a row that is longer lays out a page
_HIDDEN = re.compile(r"(?<![\w-])(?:display\s*+:\s*+none|visibility\s*+:\s*+hidden)", re.IGNORECASE)
_KINDS: Mapping[str, Kind] = {"a": "lower letter", "A": "upper letter", "i": "lower roman", "I": "upper roman"}
_LIST_STYLE = re.compile(
    r"(?<![\w-])list-style(?:-type)?\s*+:[^;]{0,80}?(?<![\w-])(none|decimal|(?:lower|upper)-[a-z]++)", re.IGNORECASE
)
_STYLES: Mapping[str, Kind] = {
    "decimal": "decimal",
    "lower-alpha": "lower letter",
    "lower-latin": "lower letter",
    "upper-alpha": "upper letter",
    "upper-latin": "upper letter",
    "lower-roman": "lower roman",
    "upper-roman": "upper roman",
}
MAX_COPIES = 4  # of a formula, in what holds them
_FORMULA = re.compile(r"(?<![\w-])(?:math|arithmatex|tex)(?![\w-])", re.IGNORECASE)
# Around a formula that stands twice: as MathML for programs that read aloud, and once more for the eye.
_TYPESET = re.compile(r"katex|mathjax|mjx", re.IGNORECASE)
_SIMPLE = re.compile(r"[.#][\w-]+")
_DECLARED = re.compile(rb"<meta[^<>]+charset=[\"']?([\w-]+)", re.IGNORECASE)


def read_html(data: bytes) -> ExtractedDocument:
    """One page without a number. The declared encoding counts, else UTF-8, else cp1252."""
    declared = _DECLARED.search(data[:4096])
    root = _parse(decode(data, declared[1].decode("ascii") if declared else None))
    reader = _Reader(find_navigation(root), _hidden_by_style(root))
    reader.writes_numbers = True
    reader.seeks_titles = next(root.iter(*HEADINGS), None) is None
    lines = _lines(root, reader)
    return ExtractedDocument((Page(None, tuple(trim_edges(list(lines)))),))


def read_blocks(text: str) -> list[Line]:
    """The lines of a text in HTML that is no page: nothing stands around it."""
    root = _parse(text)
    return [one.line for one in _lines(root, _Reader(frozenset(), _hidden_by_style(root)))]


def _parse(text: str) -> html.HtmlElement:
    # lxml refuses a text that declares an encoding, and NUL ends its texts.
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text.lstrip("\ufeff")).replace("\0", "")
    # Without `huge_tree`, what lies deeper than 256 elements, or is longer than 10 MB, is dropped without a word.
    root = html.document_fromstring(text or "<p></p>", parser=html.HTMLParser(huge_tree=True))
    fill_spans(root)
    return root


def _hidden_by_style(root: html.HtmlElement) -> frozenset[str]:
    """The classes (`.x`) and ids (`#x`) that the page's own style sheet does not show on a screen."""
    names: set[str] = set()
    is_for_print = False
    for part in "".join(element.text or "" for element in root.iter("style")).split("}"):
        head, opened, body = part.rpartition("{")
        outer, nested, selectors = head.rpartition("{")
        if not opened or nested:
            is_for_print = "print" in outer.casefold()  # of `@media print { … }`, and no longer after its end
        if not is_for_print and _HIDDEN.search(body):
            names.update(one for one in map(str.strip, selectors.split(",")) if _SIMPLE.fullmatch(one))
    return frozenset(names)


def _is_hidden(element: html.HtmlElement, hidden: frozenset[str]) -> bool:
    if element.get("hidden") is not None or _HIDDEN.search(element.get("style") or ""):
        return True
    names = [f".{name}" for name in (element.get("class") or "").split()]
    return bool(hidden) and any(name in hidden for name in (*names, f"#{element.get('id')}"))


def _kind_of(list_of: html.HtmlElement) -> Kind | None:
    """How the numbers of a list are written: by its own style, else its type; None where it shows none."""
    style = _LIST_STYLE.search(list_of.get("style") or "")
    if style is not None:
        return _STYLES.get(style[1].casefold())
    return _KINDS.get(list_of.get("type") or "", "decimal")


def _is_row(element: html.HtmlElement) -> bool:
    """A row of a table of words: two cells or more that hold no tables, headings or pages of text of their own."""
    if sum(child.tag in ("td", "th") for child in element) < MIN_CELLS:
        return False
    return next(element.iter("table", *HEADINGS, "pre"), None) is None and len(element.text_content()) <= MAX_ROW


def _is_opening_picture(cell: html.HtmlElement) -> bool:
    """Whether a row begins with a cell that holds a picture alone, as what stands over a box does."""
    return cell.getprevious() is None and next(cell.iter("img"), None) is not None and not cell.text_content().strip()


def _lines(root: html.HtmlElement, reader: _Reader) -> Iterator[LinkedLine]:
    for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        if event == "start":
            yield from reader.open(element)
        elif event == "end":
            yield from reader.close(element)
        else:
            reader.add(element.tail or "")
    yield from reader.flush()


_POWER = re.compile(r"[-−–]\s?[^\W\d_][\w\s]{0,20}")  # of `e^(−µx)`: else it would be taken from it


def _stands_out(element: html.HtmlElement) -> bool:
    """Whether an element underlines its words, or sets them larger."""
    if element.tag == "font":
        size = element.get("size") or ""
        return size.startswith("+") or size in {"4", "5", "6", "7"}
    return element.tag in ("u", "big")


def _first_words(element: html.HtmlElement) -> str:
    """The words before what an element holds; of a formula, all of it."""
    inside = element.text or ""
    if element.tag == "math":
        return read_math(element)
    parent = element.getparent()
    if element.tag == "sup" or (element.tag == "a" and parent is not None and parent.tag == "sup"):
        return f"^({inside})" if _POWER.fullmatch(inside) else raise_digits(inside)
    if element.tag == "sub":
        return lower_digits(inside)
    if len(element) == 0 and _FORMULA.search(element.get("class") or ""):
        formula = read_delimited(inside)
        return inside if formula is None else formula
    return inside


def _is_second_copy(element: html.HtmlElement) -> bool:
    """Whether this is a formula for the eye beside its MathML, or what stands there until it is set."""
    if element.get("class") in ("MathJax_Preview", "katex-error-preview"):
        return True
    if element.get("aria-hidden") != "true":
        return False
    around = element.getparent()
    if around is None or len(around) > MAX_COPIES or not _TYPESET.search(f"{around.tag} {around.get('class') or ''}"):
        return False
    return any(inner.tag == "math" for beside in around for inner in (beside, *beside[:1]))


class _Reader:
    """The words since the last line, and what stands around this place."""

    def __init__(self, navigation: frozenset[html.HtmlElement], hidden: frozenset[str]) -> None:
        self._words: list[str] = []
        self._outside: list[str] = []  # of links
        self._navigation, self._hidden = navigation, hidden
        self.writes_numbers = False  # of items; Markdown keeps those that it is written with
        self._numbers: dict[html.HtmlElement, int] = {}  # by list, of its last item
        self._mark = ""  # of the item that begins, before its first word
        self.seeks_titles = False  # for the page has no headings
        self._is_heading = False
        self._unseen = 0  # elements around this place that no reader sees
        self._typed = 0  # elements around this place whose lines are kept as they were typed
        self._linked = 0
        self._bold = self._standing_out = 0  # elements around this place
        self._is_plain = False  # whether some of the words are not both
        self._items = 0  # of lists
        self._row: html.HtmlElement | None = None

    def add(self, text: str) -> None:
        """The next words."""
        if self._mark and not text.isspace() and text:
            self._words.append(self._mark)
            self._mark = ""
        if text:
            self._words.append(text)
            self._is_plain = self._is_plain or (not (self._bold and self._standing_out) and not text.isspace())
            self._outside.append(LINK if self._linked else text)

    def open(self, element: html.HtmlElement) -> Iterator[LinkedLine]:
        """An element begins, with its first words."""
        self._unseen += self._is_unseen(element)
        if element.tag == "tr" and self._row is None and _is_row(element):
            yield from self.flush()
            self._row = element
        yield from self._break(element)
        self._count(element, 1)
        self._is_heading = self._is_heading or element.tag in TITLES
        if not self._unseen:
            if element.tag == "li":
                self._begin_item(element)
            self.add(_first_words(element))
        self._unseen += element.tag == "math"

    def close(self, element: html.HtmlElement) -> Iterator[LinkedLine]:
        """An element ends, and the words after it follow."""
        self._unseen -= self._is_unseen(element) + (element.tag == "math")
        yield from self._break(element)
        if element is self._row:
            yield from self.flush()
            self._row = None
        self._count(element, -1)
        if element.tag == "li":
            self._mark = ""
        self._is_heading = self._is_heading and element.tag not in TITLES
        self.add("" if self._unseen else element.tail or "")
        if element.tag in ("td", "th"):
            self.add(" | " if self._row is not None and not _is_opening_picture(element) else " ")

    def _begin_item(self, item: html.HtmlElement) -> None:
        """An item of a list: its number, or in a cell a bullet, stands before its first word."""
        parent = item.getparent()
        if parent is None or parent.tag != "ol":
            self._mark = f"{MARK} " if self._row is not None else ""
            return
        step = 1 if parent.get("reversed") is None else -1
        before = self._numbers.get(parent)
        if before is None:
            first = 1 if step > 0 else sum(child.tag == "li" for child in parent)
            before = read_number(parent.get("start"), first) - step
        self._numbers[parent] = number = read_number(item.get("value"), before + step)
        kind = _kind_of(parent) if self._row is not None or self.writes_numbers else None
        self._mark = f"{write_number(number, kind)}. " if kind is not None else ""

    def _count(self, element: html.HtmlElement, step: int) -> None:
        if element.tag == "pre":
            self._typed += step
        elif element.tag == "li":
            self._items += step
        elif element.tag in _BOLD:
            self._bold += step
        elif _stands_out(element):
            self._standing_out += step
        elif element.tag == "a" and element.get("href") is not None:
            self._linked += step

    def _is_unseen(self, element: html.HtmlElement) -> bool:
        if element.tag in UNSEEN or element in self._navigation or _is_hidden(element, self._hidden):
            return True
        return _is_second_copy(element)

    def _break(self, element: html.HtmlElement) -> Iterator[LinkedLine]:
        """A block begins or ends; inside a row, a line of a cell does, inside a heading one of its own."""
        if element.tag not in BLOCKS and element.tag != "br":
            return
        if self._row is None and not (element.tag == "br" and self._is_heading):
            yield from self.flush()
        else:
            self.add(" ")

    def flush(self) -> Iterator[LinkedLine]:
        """The words as a line, or as lines where they were typed so."""
        # `&#156;` is œ in every browser, and a control character by the letter.
        whole, outside = "".join(self._words).translate(WINDOWS), "".join(self._outside)
        self._words.clear()
        self._outside.clear()
        is_row = self._row is not None
        is_title = self._is_heading or self._is_titled(whole)
        self._is_plain = False
        for part in whole.split("\n") if self._typed and not is_row else (whole,):
            text = restore_symbols(" ".join(part.split()))
            if is_row:
                text = text.removesuffix("|").rstrip()
            if text.strip("| "):
                names = self._row is not None and not any(child.tag == "td" for child in self._row)
                line = Line(text, is_heading=is_title and not is_row, is_row=is_row, is_head=names)
                yield LinkedLine(line, "" if self._typed else outside, self._items > 0)

    def _is_titled(self, whole: str) -> bool:
        """Whether words that stand out from end to end are a title, and no sentence."""
        if not self.seeks_titles or self._is_plain or self._items or self._typed:
            return False
        text = whole.strip()
        return len(text) <= LONGEST_TITLE and _NO_TITLE.fullmatch(text) is None
