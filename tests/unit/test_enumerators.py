"""Numbers that web pages, Word and PowerPoint draw before items and headings, apart from their words."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import docx
import pptx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from worker.courses.chunk.paragraphs import read_pieces
from worker.courses.extract import extract_document
from worker.courses.extract.enumerators import MOST_ROMAN, Kind, read_number, write_number

KINDS: tuple[Kind, ...] = ("decimal", "lower letter", "upper letter", "lower roman", "upper roman")
ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}


def texts(name: str, data: bytes) -> list[str]:
    return [piece.text for piece in read_pieces(extract_document(Path(name), data))]


# --- numbers ----------------------------------------------------------------------------------------------------------


@given(st.integers(1, MOST_ROMAN))
def test_a_roman_number_is_worth_what_it_stands_for(number: int) -> None:
    signs = [ROMAN[sign] for sign in write_number(number, "lower roman")]
    worth = sum(-one if one < two else one for one, two in zip(signs, [*signs[1:], 0], strict=True))
    assert worth == number


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_letters_are_those_of_one_number_alone(one: int, other: int) -> None:
    assert (write_number(one, "lower letter") == write_number(other, "lower letter")) is (one == other)


@pytest.mark.parametrize(
    ("number", "kind", "written"),
    [(3, "decimal", "3"), (3, "lower letter", "c"), (28, "upper letter", "AB"), (9, "upper roman", "IX")]
    + [(0, kind, "0") for kind in KINDS]
    + [(4000, "upper roman", "4000")],
)
def test_a_number_is_written_as_its_list_writes_it(number: int, kind: Kind, written: str) -> None:
    assert write_number(number, kind) == written


@pytest.mark.parametrize("told", [None, "", "x", "-3", "²", "9" * 5_000])
def test_what_is_no_number_is_told_by_the_default(told: str | None) -> None:
    assert read_number(told, 7) == 7


# --- web pages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ("<ol><li>un</li><li>deux</li></ol>", ["1. un", "2. deux"]),
        ('<ol type="A" start="3"><li>trois</li><li>quatre</li></ol>', ["C. trois", "D. quatre"]),
        ('<ol><li>un</li><li value="5">cinq</li><li>six</li></ol>', ["1. un", "5. cinq", "6. six"]),
        (
            '<ol><li><p>un</p><ol type="i"><li>dedans</li></ol></li><li>deux</li></ol>',
            ["1. un", "i. dedans", "2. deux"],
        ),
        ("<ol><li></li><li>deux</li></ol><p>Après</p>", ["2. deux", "Après"]),
        ("<ol><li> </li></ol><p>Après</p>", ["Après"]),
        ("<ul><li>un</li></ul>", ["un"]),
        ("<ol><li><h2>Titre</h2><p>Le texte.</p></li></ol>", ["1. Titre", "Le texte."]),
        ('<ol start="x"><li>un</li></ol>', ["1. un"]),
        ("<ol reversed><li>un</li><li>deux</li></ol>", ["2. un", "1. deux"]),
        ('<ol reversed start="9"><li>un</li><li>deux</li></ol>', ["9. un", "8. deux"]),
        ('<ol style="list-style: none"><li>un</li></ol>', ["un"]),
        ('<ol style="list-style-type:upper-alpha"><li>un</li><li>deux</li></ol>', ["A. un", "B. deux"]),
        ('<ol type="a" style="list-style: inside"><li>un</li></ol>', ["a. un"]),
        ('<ol style="display:none"><li>un</li></ol><ol><li hidden>a</li><li>b</li></ol><p>Fin.</p>', ["1. b", "Fin."]),
    ],
)
def test_a_web_pages_items_have_the_numbers_that_a_reader_sees(body: str, read: Sequence[str]) -> None:
    assert texts("a.html", f"<html><body><h1>Cours</h1>{body}</body></html>".encode())[1:] == read


def test_a_list_of_links_is_none_of_the_text_though_it_has_numbers() -> None:
    links = "".join(f'<li><a href="{n}.html">Leçon {n}</a></li>' for n in range(5))
    page = f"<html><body><ol>{links}</ol><h1>La toux</h1><p>Elle dure trois semaines.</p></body></html>"
    assert texts("a.html", page.encode()) == ["La toux", "Elle dure trois semaines."]


def test_markdown_keeps_the_numbers_that_it_is_written_with() -> None:
    assert texts("a.md", b"3. trois\n4. quatre\n") == ["3. trois", "4. quatre"]


# --- Word -------------------------------------------------------------------------------------------------------------

LEVELS = (("upperRoman", "%1-"), ("decimal", "%2)"), ("lowerLetter", "%2.%3"), ("bullet", "•"))


def numbered(word: docx.document.Document, *, starts: Sequence[int | None] = (None,)) -> list[str]:
    """Adds a list of four levels to a document, once for each start; their ids."""
    numbering = word.part.numbering_part.element
    levels = "".join(
        f'<w:lvl w:ilvl="{at}"><w:start w:val="1"/><w:numFmt w:val="{kind}"/><w:lvlText w:val="{text}"/></w:lvl>'
        for at, (kind, text) in enumerate(LEVELS)
    )
    abstract = parse_xml(f'<w:abstractNum {nsdecls("w")} w:abstractNumId="900">{levels}</w:abstractNum>')
    numbering.insert(0, abstract)
    ids = []
    for number, start in enumerate(starts):
        override = f'<w:lvlOverride w:ilvl="0"><w:startOverride w:val="{start}"/></w:lvlOverride>' if start else ""
        one = f'<w:num {nsdecls("w")} w:numId="{900 + number}"><w:abstractNumId w:val="900"/>{override}</w:num>'
        numbering.append(parse_xml(one))
        ids.append(str(900 + number))
    return ids


def add(word: docx.document.Document, text: str, number: str, level: int = 0, style: str | None = None) -> None:
    paragraph = word.add_paragraph(text, style=style)
    told = f'<w:numPr {nsdecls("w")}><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'
    paragraph._p.get_or_add_pPr().append(parse_xml(told))


def saved(word: docx.document.Document) -> bytes:
    buffer = io.BytesIO()
    word.save(buffer)
    return buffer.getvalue()


def test_words_lists_are_counted_level_by_level() -> None:
    word = docx.Document()
    (number,) = numbered(word)
    for text, level in (("a", 0), ("b", 1), ("c", 1), ("d", 2), ("e", 3), ("f", 0), ("g", 1), ("h", 2)):
        add(word, text, number, level)
    add(word, "", number)  # an empty paragraph, whose number nobody reads
    word.add_paragraph("Après")

    assert texts("a.docx", saved(word)) == ["I- a", "1) b", "2) c", "2.a d", "e", "II- f", "1) g", "1.a h", "Après"]


def test_a_list_of_word_goes_on_or_begins_anew_as_it_says() -> None:
    word = docx.Document()
    first, goes_on, anew = numbered(word, starts=(None, None, 4))
    for number in (first, first, goes_on, anew, anew):
        add(word, "x", number)

    assert texts("a.docx", saved(word)) == ["I- x", "II- x", "III- x", "IV- x", "V- x"]


def test_a_list_of_word_may_write_a_level_otherwise_than_those_it_is_counted_with() -> None:
    word = docx.Document()
    first, other = numbered(word, starts=(None, None))
    told = '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="upperLetter"/><w:lvlText w:val="(%1)"/></w:lvl>'
    changed = f'<w:lvlOverride {nsdecls("w")} w:ilvl="0">{told}</w:lvlOverride>'
    word.part.numbering_part.element.num_having_numId(int(other)).append(parse_xml(changed))
    for number in (first, other, first):
        add(word, "x", number)

    assert texts("a.docx", saved(word)) == ["I- x", "(B) x", "III- x"]


def test_what_stands_before_a_paragraph_of_word_is_bounded() -> None:
    word = docx.Document()
    (number,) = numbered(word)
    level = word.part.numbering_part.element.find(".//" + qn("w:lvlText"))
    level.set(qn("w:val"), "%1" * 100_000)
    for _ in range(100):
        add(word, "x", number)

    assert all(len(text) < 1_000 for text in texts("a.docx", saved(word)))


def test_headings_of_word_have_the_numbers_of_their_style_and_none_where_a_paragraph_says_so() -> None:
    word = docx.Document()
    (number,) = numbered(word)
    style = word.styles["Heading 1"].element.get_or_add_pPr()
    style.append(parse_xml(f'<w:numPr {nsdecls("w")}><w:numId w:val="{number}"/></w:numPr>'))
    word.add_paragraph("Généralités", style="Heading 1")
    add(word, "Annexe", "0", style="Heading 1")
    word.add_paragraph("Diagnostic", style="Heading 1")
    made = word.styles.add_style("De mon cours", 1)
    made.base_style = word.styles["Heading 1"]
    word.add_paragraph("Traitement", style="De mon cours")

    assert texts("a.docx", saved(word)) == ["I- Généralités", "Annexe", "II- Diagnostic", "III- Traitement"]


def test_items_in_a_cell_have_their_numbers_and_no_bullet_besides() -> None:
    word = docx.Document()
    (number,) = numbered(word)
    table = word.add_table(1, 2)
    table.cell(0, 0).text = "Signes"
    cell = table.cell(0, 1)
    for at, text in enumerate(("toux", "fièvre")):
        paragraph = cell.paragraphs[0] if at == 0 else cell.add_paragraph()
        paragraph.add_run(text)
        told = f'<w:numPr {nsdecls("w")}><w:ilvl w:val="1"/><w:numId w:val="{number}"/></w:numPr>'
        paragraph._p.get_or_add_pPr().append(parse_xml(told))

    assert texts("a.docx", saved(word)) == ["Signes | 1) toux 2) fièvre"]


@pytest.mark.parametrize(("level", "number"), [("99999", "900"), ("x", "900"), ("0", "777"), ("0", "x")])
def test_a_list_that_is_not_there_numbers_nothing(level: str, number: str) -> None:
    word = docx.Document()
    numbered(word)
    paragraph = word.add_paragraph("La toux")
    told = f'<w:numPr {nsdecls("w")}><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'
    paragraph._p.get_or_add_pPr().append(parse_xml(told))

    assert texts("a.docx", saved(word))[0].endswith("La toux")


# --- PowerPoint -------------------------------------------------------------------------------------------------------


def slide(*paragraphs: tuple[str, str | None, int, str | None]) -> bytes:
    """A slide of paragraphs: words, how they are numbered, their level, where that begins."""
    deck = pptx.Presentation()
    shapes = deck.slides.add_slide(deck.slide_layouts[6]).shapes
    frame = shapes.add_textbox(0, 0, 9_000_000, 5_000_000).text_frame
    for at, (text, kind, level, start) in enumerate(paragraphs):
        paragraph = frame.paragraphs[0] if at == 0 else frame.add_paragraph()
        paragraph.text, paragraph.level = text, level
        properties = paragraph._p.get_or_add_pPr()
        if kind is not None:
            told = etree.SubElement(properties, f"{{{properties.nsmap['a']}}}buAutoNum", type=kind)
            if start is not None:
                told.set("startAt", start)
    buffer = io.BytesIO()
    deck.save(buffer)
    return buffer.getvalue()


def test_items_of_a_slide_are_counted_level_by_level_and_anew_behind_others() -> None:
    data = slide(
        ("un", "arabicPeriod", 0, None),
        ("dedans", "alphaLcParenR", 1, None),
        ("encore", "alphaLcParenR", 1, None),
        ("deux", "arabicPeriod", 0, None),
        ("", None, 0, None),
        ("trois", "arabicPeriod", 0, None),
        ("un texte", None, 0, None),
        ("de nouveau", "arabicPeriod", 0, None),
        ("autrement", "romanUcParenBoth", 0, "4"),
        ("sans signe", "alphaUcPlain", 1, "x"),
    )
    assert texts("a.pptx", data) == [
        "1. un",
        "a) dedans",
        "b) encore",
        "2. deux",
        "3. trois",
        "un texte",
        "1. de nouveau",
        "(IV) autrement",
        "A sans signe",
    ]
