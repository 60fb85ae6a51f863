"""Which lines of typeset pages are headings: by their type where the page tells sizes, else by their form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from worker.courses.chunk.pieces import leads_on
from worker.courses.chunk.sections import (
    ANSWER,
    CONTENTS,
    LED_TO_PAGE,
    MAX_LINES,
    NUMBERED,
    TITLED,
    Numbers,
    end_of_contents,
    is_larger,
    split_blocks,
    stands_out,
    starts_anew,
    with_chapters,
    without_labels,
)
from worker.courses.document import Line, Page

MAX_HEADING = 150
LONGEST_LEAD = 40  # characters of a heading with a colon at its end: `Les valeurs sont les suivantes :` is none
NOTE_SIZE, TITLE_SIZE = 0.92, 1.3
LINKED = 0.8  # of a line's width
FARTHEST = 48  # points between two lines of one title


_SECTION_NUMBER = re.compile(r"^\d{1,2}(?:\.\d{1,2})*\.?\s")
_MANY_LEVELS = re.compile(r"\d{1,2}(?:\.\d{1,2})+\.?\s+[A-ZÀ-ÖØ-Þ«\"]")
_BARE_NUMBER = re.compile(r"\d{1,3}(?:[.,]\d+)?\s")
_OPENS_TITLE = re.compile(r"L[ae]s?|Les|Un|Une|Des?|Du|En|Au|Aux|À|Ce|Ces|Cet|Cas|Que|Qui|Où|Par|Sur|Vue?|[LDCQ][’'].*")
_TABLE = re.compile(r"(?:table|tableau)\s*\(?\d", re.IGNORECASE)
_QUESTION = re.compile(r"(?:QCM|QCS|QRU|QROC|question|exercice|cas(?:\sclinique)?)\s?(?:n°\s?)?\d", re.IGNORECASE)
_CAPTION = re.compile(r"(?:figure|fig\.|tableau|table|schéma|photo|encadré|image)\s*\d", re.IGNORECASE)
_BULLET = re.compile(r"[•▪◦●‣·–—*→✓➢-]\s?")
_WORD = re.compile(r"[^\W\d_]{4}|[A-ZÀ-ÖØ-Þ]{3} (?:chez|de|des|du|en|et|ou|sur|vs) \w")  # `SCA et OAP`
_WORDS = re.compile(r"[a-zà-ÿœ][^\W\d_]{4}[^=(){}\[\];_/\\@\"|]*")  # in small letters, and of no program
_INNER_CAPITAL = re.compile(r"[a-z]{1,4}[A-Z]")  # `macOS`, `pH`, `mRNA`
# What stands over a box, in any section.
_ADMONITION = re.compile(
    r"(?:notes?|astuces?|attention|avertissement|important|remarques?|conseils?|prudence|exemples?|nb|à retenir|"
    r"information\(?s?\)?|tip|warning|caution)(?:\W*\d*|\s\d.*)",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{1,2}/\d{1,2}/\d\d|\d{1,2}\.\d{1,2}\.\d{4}")
_STATEMENT = re.compile(r"\w:=")  # of a program
_ENDLESS_WORD = re.compile(r"[^\W\d_]{26}")  # an alphabet, say: the longest words of French have 25 letters


def mark_headings(pages: Sequence[Page]) -> list[Page]:
    """Pages whose headings are marked, each on one line however many it had."""
    tells_type = any(is_larger(line) or line.is_bold for page in pages for line in page.lines)
    numbers = Numbers(pages)
    marked = []
    for page in pages:
        end = end_of_contents(page.lines)
        lines = _joined(_whole_titles(split_blocks(page.lines[end:])), tells_type, numbers)
        contents = (
            replace(line, is_heading=stands_out(line) and CONTENTS.fullmatch(line.text) is not None)
            for line in page.lines[:end]
        )
        marked.append(Page(page.number, (*contents, *with_chapters(list(lines)))))
    return without_labels(marked, numbers)


def _whole_titles(blocks: Iterable[list[Line]]) -> list[list[Line]]:
    """Blocks of lines, those of one title in one: its second line goes on in small letters, however far below."""
    whole: list[list[Line]] = []
    for block in blocks:
        before = whole[-1] if whole else []
        if (
            0 < len(before) < MAX_LINES
            and (block[0].text[0].islower() or block[0].text[0] == "(")
            and 0 <= before[-1].foot - block[0].foot < FARTHEST
            and _WORD.search(before[0].text) is not None
            and all(stands_out(line) and _same_type(block[0], line) for line in before)
            and stands_out(block[0])
            and not _is_sentence(before[-1].text)
        ):
            before += block
        else:
            whole.append(block)
    return whole


def _joined(blocks: Sequence[list[Line]], tells_type: bool, numbers: Numbers) -> Iterator[Line]:
    for number, block in enumerate(blocks):
        if number:
            yield Line("")
        if not tells_type:
            yield from _by_form(block)
        elif number and leads_on(blocks[number - 1][-1].text) and not _is_section(block[0]):
            yield from block  # the rest of what happens to be set bold: `• Torsion (ou⏎Strangulation) :`
        elif _is_table_head(blocks[max(0, number - 1) : number + 2], block):
            yield from block
        else:
            yield from _by_type(block, numbers)


def _is_section(line: Line) -> bool:
    return is_larger(line) or NUMBERED.match(line.text) is not None


def _is_table_head(around: Sequence[list[Line]], block: list[Line]) -> bool:
    """Whether bold words name the columns of a table: below its caption, and above rows or what begins with figures."""
    if len(around) < 3 or around[1] is not block or is_larger(block[0]):
        return False
    above, below = around[0][0].text, around[2][0]
    return _TABLE.match(above) is not None and (below.is_row or below.text[0].isdigit())


def _by_type(block: Sequence[Line], numbers: Numbers) -> Iterator[Line]:
    """Larger or bold lines that begin a block, or fill it."""
    count = 0
    for line in block[:MAX_LINES]:
        is_first = count == 0
        if not (_may_stand_out(line) and (is_first or (_same_type(block[0], line) and not _begins_anew(line)))):
            break
        count += 1
    text = " ".join(line.text for line in block[:count])
    rest = block[count:]
    goes_on = bool(rest) and (stands_out(rest[0]) and _same_type(block[0], rest[0]) and not _begins_anew(rest[0]))
    is_titled = is_larger(block[0]) and text[-1:] == "." and _MANY_LEVELS.match(text) is not None  # `2.1 Un titre.`
    # A line so large is a title in small letters too: `surveillance` over a slide.
    is_title = block[0].size >= TITLE_SIZE and count == len(block) and _WORDS.fullmatch(text) is not None
    shown = text[:1].upper() + text[1:] if is_title else text
    if count and not goes_on and _may_be_heading(shown, numbers) and (is_titled or not _is_sentence(text)):
        yield replace(block[0], text=text, is_heading=True)
        if rest:
            yield Line("")
            yield from _by_type(rest, numbers)
    elif (
        len(block) == 1
        and not (stands_out(block[0]) or _is_of_program(block[0]))
        and block[0].size > NOTE_SIZE
        and _has_form(block[0].text, alone=True)
    ):
        yield replace(block[0], is_heading=True)
    elif len(block) > 1 and _is_run_in(block[0], block[1]):
        yield replace(block[0], is_heading=True)
        yield Line("")
        yield from _by_type(block[1:], numbers)
    else:
        yield from block


def _may_stand_out(line: Line) -> bool:
    """Larger or bold, and no bold link: that leads elsewhere."""
    return stands_out(line) and (is_larger(line) or line.linked < LINKED)


def _begins_anew(line: Line) -> bool:
    """What is no rest of the heading above it: one with a number of its own, or the words of a figure."""
    return starts_anew(line) or _CAPTION.match(line.text) is not None


def _is_run_in(line: Line, following: Line) -> bool:
    """`II. TRAITEMENT` in letters like those of its text, which begins in the next line."""
    return (
        not stands_out(line)
        and line.size > NOTE_SIZE
        and bool(NUMBERED.match(line.text))
        and _is_shouted(line.text)
        and not _is_shouted(following.text)
        and _has_form(line.text, alone=True)
        and not _goes_on(line.text, following.text)
    )


def _is_sentence(text: str) -> bool:
    """Whether a text ends as a sentence does, or leads to what is below it; a section's number, or a question's, is
    before no such."""
    is_numbered = NUMBERED.match(text) is not None or _QUESTION.match(text) is not None
    return text.endswith((".", ",", ";")) or (text.endswith(":") and len(text) > LONGEST_LEAD and not is_numbered)


def _same_type(first: Line, line: Line) -> bool:
    return first.is_bold == line.is_bold and abs(first.size - line.size) < 0.06 * first.size


def _may_be_heading(text: str, numbers: Numbers) -> bool:
    """Words, not a caption, an item of a list, a line of contents, or a measure."""
    letters = sum(map(str.isalpha, text))
    return (
        len(text) <= MAX_HEADING
        and letters >= 3
        and 2 * letters >= len(_SECTION_NUMBER.sub("", text).replace(" ", ""))
        and not _CAPTION.match(text)
        and not _BULLET.match(text)
        and not LED_TO_PAGE.search(text)
        and (not text[0].islower() or _INNER_CAPITAL.match(text) is not None)
        and text[0] not in "%#$>~@&{}\\(["
        and (_WORD.search(text) is not None or text[-1] == "?" or numbers.have(text))
        and _ENDLESS_WORD.search(text) is None
        and _STATEMENT.search(text) is None
        and _DATE.search(text) is None
        and not leads_on(text)
        and _ADMONITION.fullmatch(text) is None
        and (not _BARE_NUMBER.match(text) or _is_titled_number(text) or numbers.have(text))
    )


def _is_titled_number(text: str) -> bool:
    """`2 Traitement`, `5 Les signes`, of a document that numbers so, in large or bold type: no `5 UI`, no `10 Gy`."""
    rest = _BARE_NUMBER.sub("", text).lstrip(":–- ").split()
    return bool(rest) and rest[0][:1].isupper() and (len(rest[0]) > 3 or _OPENS_TITLE.fullmatch(rest[0]) is not None)


def _by_form(block: Sequence[Line]) -> Iterator[Line]:
    """Where all letters are alike: numbers of sections, and capitals, that no text goes on from."""
    waiting: list[Line] = []
    for number, line in enumerate(block):
        following = block[number + 1].text if number + 1 < len(block) else ""
        if waiting and not (_is_shouted(waiting[0].text) and _is_shouted(line.text) and not starts_anew(line)):
            yield _merged(waiting)
            waiting = []
        if (
            not (line.goes_on or _is_of_program(line))
            and _has_form(line.text, alone=len(block) == 1)
            and not _goes_on(line.text, following)
        ):
            waiting.append(line)
        else:
            yield line
    if waiting:
        yield _merged(waiting)


def _is_of_program(line: Line) -> bool:
    """Whether a line is set as programs are; the name of a command may be, behind the number of its section."""
    return line.is_typed and not _MANY_LEVELS.match(line.text)


def _merged(lines: Sequence[Line]) -> Line:
    return replace(lines[0], text=" ".join(line.text for line in lines), is_heading=True)


def _goes_on(text: str, following: str) -> bool:
    """Whether the next line is the rest of this one, or the next item of its list."""
    if following[:1].islower():
        return True
    return bool(NUMBERED.match(text) and not _MANY_LEVELS.match(text) and NUMBERED.match(following))


def _has_form(text: str, *, alone: bool) -> bool:
    """`2.1 Signes cliniques` or `SIGNES CLINIQUES`, on a line of its own."""
    if (
        len(text) > 80
        or text[-1] in ".,;:!?"
        or text[0] in "(["
        or ANSWER.fullmatch(text)
        or LED_TO_PAGE.search(text)
        or " | " in text
        or leads_on(text)
    ):
        return False
    if TITLED.match(text) and alone:
        return True
    return bool(NUMBERED.match(text)) or _is_shouted(text)


def _is_shouted(text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    return len(letters) >= 4 and 2 * len(letters) >= len(text.replace(" ", "")) and all(c.isupper() for c in letters)
