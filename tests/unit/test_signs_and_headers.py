"""Marks of notes, large initials, enumerators and headers that only their place tells."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import docx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pdfs import Placed, make_placed_pdf, rule_grid
from worker.courses.chunk.paragraphs import read_pieces
from worker.courses.chunk.running import drop_running_lines
from worker.courses.chunk.words import Spelling
from worker.courses.document import ExtractedDocument, Line, Page
from worker.courses.extract import extract_document
from worker.courses.extract.letters import Box
from worker.courses.extract.ligatures import name_ligatures
from worker.courses.extract.raised import Places, raise_figures
from worker.courses.extract.rows import Span, make_row
from worker.courses.extract.spans import Letters, split_spans
from worker.courses.extract.tex_signs import name_tex_signs
from worker.courses.signs import join_cell

BODY = (
    "La fièvre dépasse souvent 38,5 °C chez le nourrisson de moins de trois mois, et",
    "impose deux hémocultures avant toute antibiothérapie, quelle que soit la saison.",
)
WORDS = ["zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze"]
ON_LINE: Box = (0.0, 5.0, 100.0, 105.0)
RAISED: Box = (0.0, 3.0, 103.6, 107.2)


def pieces(*pages: Sequence[Placed], drawn: bytes = b"") -> list[str]:
    read = extract_document(Path("a.pdf"), make_placed_pdf(pages, drawn=drawn))
    return [piece.text for piece in read_pieces(read)]


def texts(name: str, data: bytes) -> list[str]:
    return [piece.text for piece in read_pieces(extract_document(Path(name), data))]


def column(left: float, top: float, lines: Sequence[str], *, size: float = 10, pitch: float = 14) -> list[Placed]:
    return [(left, top - pitch * number, size, line) for number, line in enumerate(lines)]


# --- marks of notes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "raised", "shown"),
    [
        ("pendant des semaines. 2", {22}, "pendant des semaines. ²"),
        ("la cytotoxicité ; 12", {18, 19}, "la cytotoxicité ; 12"),  # the sign stands apart, and tells no letter
        ("le foie, 3 puis", {9}, "le foie, ³ puis"),
        ("le foie. 3 fois", set(), "le foie. 3 fois"),
        ("Tunis ; 2Oran", {8}, "Tunis ; ²Oran"),
        ("Tunis, 2Oran", {7}, "Tunis, ²Oran"),
        ("Tunis, 2Oran", set(), "Tunis, 2Oran"),
        ("1Service", {0}, "¹Service"),
        ("au 18FDG", {3, 4}, "au ¹⁸FDG"),
        ("(13C)", {1, 2}, "(¹³C)"),
        ("au 99mTc", {3, 4, 5}, "au ⁹⁹mTc"),
        ("au 18FDG", set(), "au 18FDG"),
        ("1 − 0,956 = 26 %", {8}, "1 − 0,95⁶ = 26 %"),
        ("soit 0,956 %", set(), "soit 0,956 %"),
    ],
)
def test_a_figure_above_the_line_is_the_mark_of_a_note_behind_a_stop_and_before_a_word(
    text: str, raised: set[int], shown: str
) -> None:
    assert raise_figures(text, Places(lambda at: RAISED if at in raised else ON_LINE)) == shown


def span(text: str, left: float, right: float, bottom: float, size: float) -> Span:
    return Span(text, left, right, bottom, bottom + size, size=size)


PLAIN = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-0123456789+-")


@given(
    st.text("aCgO29 10+-.,;:()/·", min_size=1, max_size=24),
    st.lists(st.sampled_from("-v^h"), min_size=24, max_size=24),
)
def test_wherever_figures_stand_none_is_lost_and_none_becomes_another(text: str, places: list[str]) -> None:
    """On the line (-), below it, above it, or drawn above it in a box like others (h)."""
    boxes = {"-": ON_LINE, "v": (0.0, 3.0, 98.8, 102.3), "^": RAISED, "h": ON_LINE}
    feet = {"-": 100.0, "v": 98.4, "^": 103.6, "h": 100.0}

    def ink_of(at: int) -> float:
        return feet[places[at]] + 4 * (places[at] == "h")

    where = Places(lambda at: boxes[places[at]], lambda at: feet[places[at]], ink_of)
    assert raise_figures(text, where).translate(PLAIN) == text


@given(st.text("aCgO29 10+-.,;:()/·", min_size=1, max_size=24))
def test_figures_that_stand_on_the_line_stay_there(text: str) -> None:
    assert raise_figures(text, Places(lambda _: ON_LINE, lambda _: 100.0, lambda _: 100.0)) == text


@pytest.mark.parametrize(
    ("mark", "shown"),
    [
        (span("1", 60, 63, 665, 5), "¹Service de neurologie"),
        (span("1", 60, 63, 661, 8), "1Service de neurologie"),
        (span("1", 40, 43, 665, 5), "1"),
        (span("a", 60, 63, 665, 5), "aService de neurologie"),
    ],
)
def test_a_small_figure_above_the_foot_of_the_word_behind_it_is_a_mark(mark: Span, shown: str) -> None:
    assert make_row([mark, span("Service de neurologie", 63.5, 160, 661, 8)]).cells[0] == shown


@pytest.mark.parametrize(
    ("text", "raised", "shown"),
    [
        ("bilatérale.3", {11}, "bilatérale.³"),
        ("bilatérale.3", set(), "bilatérale.3"),
        ("en 1856 2, puis", {8}, "en 1856 ², puis"),
        ("en 1856 2/3", {8}, "en 1856 2/3"),
        ("plus de 10 9", {11}, "plus de 10⁹"),
        ("3+ en Fe", {0, 1}, "³⁺ en Fe"),
        ("2+) à 40", {0, 1}, "²⁺) à 40"),
        ("-1·mmHg", {0, 1}, "⁻¹·mmHg"),
        ("10-formyl-THF", {0, 1}, "¹⁰-formyl-THF"),
        ("10-formyl-THF", set(), "10-formyl-THF"),
    ],
)
def test_a_figure_above_the_line_behind_a_stop_or_a_year_is_the_mark_of_a_note(
    text: str, raised: set[int], shown: str
) -> None:
    feet = {at: 103.6 if at in raised else 100.0 for at in range(len(text))}
    shown_now = raise_figures(text, Places(lambda at: RAISED if at in raised else ON_LINE, lambda at: feet[at]))
    assert shown_now.replace(" ⁹", "⁹") == shown


@pytest.mark.parametrize(("begins", "shown"), [(103.4, "²Kystes"), (99.9, "2Kystes")])
def test_a_figure_that_its_font_draws_above_the_line_is_a_mark_in_a_box_like_others(begins: float, shown: str) -> None:
    places = Places(lambda _: ON_LINE, lambda _: 100.0, lambda at: begins if at == 0 else 100.0)
    assert raise_figures("2Kystes", places) == shown


@pytest.mark.parametrize(
    ("text", "raised", "shown"),
    [
        ("le Ca2+ entre", {5, 6}, "le Ca²⁺ entre"),
        ("le K+ sort", {4}, "le K⁺ sort"),
        ("le HCO3– et", {7}, "le HCO3⁻ et"),
        ("le K+ sort", set(), "le K+ sort"),
        ("intra- et extra", set(), "intra- et extra"),
        ("CD4+ et CD8", {3}, "CD4⁺ et CD8"),
    ],
)
def test_the_charge_of_an_ion_is_raised_with_its_figures(text: str, raised: set[int], shown: str) -> None:
    feet = {at: 103.6 if at in raised else 100.0 for at in range(len(text))}
    inks = {at: foot + (3.4 if text[at] in "+–-" else 0.0) for at, foot in feet.items()}  # a hyphen hangs by itself
    places = Places(lambda at: RAISED if at in raised else ON_LINE, feet.__getitem__, inks.__getitem__)
    assert raise_figures(text, places) == shown


def test_the_charge_of_an_ion_that_is_told_by_itself_is_raised() -> None:
    spans = [span("ferreux (Fe", 60, 110, 660, 8), span("2+", 110, 116, 664, 5), span(") au fer", 116, 150, 660, 8)]
    assert make_row(spans).cells[0] == "ferreux (Fe²⁺) au fer"


def test_figures_of_a_measure_that_is_spaced_out_are_raised_too() -> None:
    text = "40 à 50 × 109"  # as many spaces as letters set apart have
    boxes: list[Box] = [(5.0 * at, 5.0 * at + 5, 100.0, 107.0) for at in range(len(text))]
    boxes[-1] = (5.0 * (len(text) - 1), 5.0 * len(text), 104.0, 108.5)
    assert [one.text for one in split_spans(Letters(text, 0, len(text), boxes.__getitem__))] == ["40 à 50 × 10⁹"]


LOWERED: Box = (0.0, 3.0, 98.8, 102.3)


@pytest.mark.parametrize(
    ("text", "lowered", "shown"),
    [
        ("PaCO2 et HCO3", {4, 12}, "PaCO₂ et HCO₃"),
        ("vitamine B12 ici", {10, 11}, "vitamine B₁₂ ici"),
        ("C6H12O6", {1, 3, 4, 6}, "C₆H₁₂O₆"),
        ("CO2 à 40", set(), "CO2 à 40"),
        ("la vertèbre L5", set(), "la vertèbre L5"),
        ("en B12", {4}, "en B12"),  # all of it stands there, or none
    ],
)
def test_an_index_is_told_by_its_size_and_by_the_line_it_is_written_on(
    text: str, lowered: set[int], shown: str
) -> None:
    feet = {at: 98.4 if at in lowered else 100.0 for at in range(len(text))}
    assert raise_figures(text, Places(lambda at: LOWERED if at in lowered else ON_LINE, feet.__getitem__)) == shown


def test_figures_of_old_style_are_no_indices() -> None:
    deep = Places(lambda at: (0.0, 5.0, 98.8, 103.0) if at else ON_LINE, lambda _: 100.0)
    assert raise_figures("B34", deep) == "B34"


def test_a_small_figure_that_stands_apart_is_no_index() -> None:
    apart = [span("la dose de A", 60, 110, 660, 8), span("2", 114, 118, 658, 5)]
    assert make_row(apart).cells[0] == "la dose de A 2"


def test_indices_of_web_pages_and_word_are_told_as_such() -> None:
    web = b"<html><body><p>CO<sub>2</sub>, N<sub>max</sub>, SO<sub>4</sub><sup>2-</sup></p></body></html>"
    word = docx.Document()
    runs = word.add_paragraph("CO")
    runs.add_run("2").font.subscript = True
    buffer = io.BytesIO()
    word.save(buffer)

    assert texts("a.html", web) == ["CO₂, Nmax, SO₄²⁻"]
    assert texts("a.docx", buffer.getvalue()) == ["CO₂"]


SULPHATE = "<msubsup><mi>SO</mi><mn>4</mn><mn>2</mn></msubsup>"


@pytest.mark.parametrize(
    ("formula", "read"),
    [
        ("$CO_2$", "CO₂"),
        (r"$\mathrm{HCO_3^-}$", "HCO₃⁻"),
        ("$V_{max}$", "Vmax"),
        ("$x_{i,1}$", "x_(i,1)"),
        (r"$\sum_{1}$", "∑_(1)"),
        (f"<math>{SULPHATE}</math>", "SO₄²"),
        ("<math><msub><mi>H</mi><mn>2</mn></msub><mi>O</mi></math>", "H₂O"),
        ("<math><msub><mi>V</mi><mi>max</mi></msub></math>", "Vmax"),
        ("<math><mn>2</mn><mi>x</mi></math>", "2x"),
    ],
)
def test_indices_of_formulas_are_told_as_those_of_text(formula: str, read: str) -> None:
    assert texts("a.md", formula.encode()) == [read]


# --- signs of fonts without names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("azathioprine 2\x153 mg/kg", "azathioprine 2–3 mg/kg"),
        ("Oran \x15 Faculté", "Oran – Faculté"),
        ("\x16 Fin", "— Fin"),
        ("Flécaïnide 100\x15\r\n200 mg/j", "Flécaïnide 100–\r\n200 mg/j"),
        ("dé\ue01ccit pouls\x15cœur", "dé\ue01ccit pouls–cœur"),  # joined letters of the same encoding
        ("Erdo\x15gan", "Erdo\x15gan"),  # an accent of TeX's older fonts
        ("dé\ue00ccit, Erdo\x15gan", "dé\ue00ccit, Erdo\x15gan"),
        ("p(\x15", "p(\x15"),  # a bracket of formulas
    ],
)
def test_the_dashes_of_tex_fonts_without_names_are_dashes(text: str, shown: str) -> None:
    assert name_tex_signs(text, lambda _: b"") == shown
    assert name_tex_signs(text, lambda _: b"ABCDEF+CMEX10") == text


def test_joined_letters_that_no_word_tells_are_those_of_the_font_that_others_are_of() -> None:
    lines = [Line("La dé\ue01cnition, le dé\ue01ccit"), Line("toux ine\ue01ecace, sou\ue01fe")]
    assert [line.text for line in name_ligatures([Page(1, tuple(lines))])[0].lines] == [
        "La définition, le déficit",
        "toux inefficace, souffle",
    ]


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ("ci-\ngarettes", "cigarettes"),
        ("ci-\njoint", "ci-joint"),
        ("ci-\ndessus", "ci-dessus"),
        ("sus-\ndécalage", "sus-décalage"),
        ("sus-\nceptible", "susceptible"),
        ("sus-\npendre", "suspendre"),
        ("méta-\nanalyses", "méta-analyses"),
        ("voltage-\ndépendants", "voltage-dépendants"),
        ("indé-\npendants", "indépendants"),
        ("interdé-\npendantes", "interdépendantes"),
        ("l'α₂-\nantiplasmine", "l'α₂-antiplasmine"),
        ("la Na⁺-\nATPase", "la Na⁺-ATPase"),
    ],
)
def test_a_word_that_print_cuts_has_the_hyphen_that_french_gives_it(cut: str, whole: str) -> None:
    assert Spelling([]).mend(cut) == whole


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ("envi-\nsagée", "envisagée"),
        ("proli-\nfération", "prolifération"),
        ("hydra-\ntation", "hydratation"),
        ("lombo-\nsacrée", "lombo-sacrée"),
        ("bêta-\nlactamines", "bêta-lactamines"),
        ("supra-\nclaviculaire", "supra-claviculaire"),
        ("multi-\nrésistantes", "multi-résistantes"),
    ],
)
def test_where_a_document_breaks_no_words_a_combining_form_keeps_its_hyphen(cut: str, whole: str) -> None:
    text = ["Une ligne qui est assez longue pour qu'un mot y soit coupé."] * 120
    assert Spelling(text).mend(cut) == whole


def test_the_halves_of_a_word_that_a_cell_cuts_are_no_words() -> None:
    spelling = Spelling(["Normocytaire arégé\ufffe nérative", "Macrocytaire arégé\ufffe nérative"])
    assert spelling.mend("arégé\ufffe nérative") == "arégénérative"


# --- initials ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "height", "shown"),
    [
        ("U n diurétique agit", 17.0, "Un diurétique agit"),
        ("À la surface du rein", 17.0, "À la surface du rein"),
        ("U n diurétique agit", 7.0, "U n diurétique agit"),  # as high as letters are: the document's own
        ("U n", 17.0, "U n"),
    ],
)
def test_a_large_initial_that_its_line_tells_is_the_first_letter_of_its_word(
    text: str, height: float, shown: str
) -> None:
    boxes: Mapping[int, Box] = {0: (11.0, 20.0, 100.0, 100.0 + height)}
    line = Letters(text, 0, len(text), lambda at: boxes.get(at, (14.0 + 5 * at, 19.0 + 5 * at, 100.0, 107.0)))
    assert [one.text for one in split_spans(line)] == [shown]


# --- enumerators ------------------------------------------------------------------------------------------------------


def test_the_hyphen_behind_a_roman_number_is_no_cut_of_a_word() -> None:
    spelling = Spelling(["IIIPropriétés fonctionnelles", "propriétés"])
    assert spelling.mend("III- Propriétés fonctionnelles") == "III- Propriétés fonctionnelles"
    assert spelling.mend("les pro- priétés") == "les propriétés"


def test_a_first_item_by_its_letter_below_a_colon_is_one_of_its_own() -> None:
    lead = "Le gaz est porté sous trois formes, dont la part dépend du débit et du repos :"
    found = pieces(column(60, 700, [*BODY, lead, "a) dissous, pour un dixième ;", "b) sous forme de sel."]))
    assert found[-3:] == [lead, "a) dissous, pour un dixième ;", "b) sous forme de sel."]


@pytest.mark.parametrize(("start", "goes_on"), [("le reste par l'hème.", True), ("Le reste par l'hème.", False)])
def test_a_full_line_at_the_foot_of_a_column_goes_on_after_a_colon_in_small_letters(start: str, goes_on: bool) -> None:
    narrow = [
        "La fièvre dépasse souvent 38,5 °C chez presque tous les",
        "uns, et impose de faire au moins deux prélèvements :",
    ] * 20
    found = pieces([*column(60, 780, narrow), *column(320, 780, [start, *narrow])])
    assert any(f"prélèvements : {start}" in piece for piece in found) is goes_on


def test_an_item_whose_line_is_full_goes_on_with_a_sentence_below_its_words() -> None:
    wide = "Le texte de la page va jusqu'au bord de droite, et le dit à qui veut savoir où il se trouve là, ou elle."
    item = "Le scanner, sans injection, est l'examen que l'on demande d'abord, et sa part est de 96 %."
    page: list[Placed] = [*column(60, 760, [wide] * 6, size=11), (60, 650, 11, "•"), (78, 650, 11, item)]
    page += [
        (78, 636, 11, "Il précise le siège, la taille et la densité."),
        (60, 622, 11, "•"),
        (78, 622, 11, "L'UIV : non."),
    ]

    assert f"• {item}" in pieces(page)
    assert "\n".join(pieces(page)).count("Il précise") == 1
    joints = [piece.joint for piece in read_pieces(extract_document(Path("a.pdf"), make_placed_pdf([page])))]
    texts_of = pieces(page)
    assert joints[texts_of.index("Il précise le siège, la taille et la densité.")] == " "


# --- headers ----------------------------------------------------------------------------------------------------------


def page(number: int, header: str, title: str = "", *, foot: float = 780.0, size: float = 1.0) -> Page:
    """A page with a header that stands apart, the title of a section if it has one, and a text of its own."""
    text = [Line(f"{line} {WORDS[number]}", foot=700.0 - 14 * n) for n, line in enumerate(BODY * 4)]
    head = [Line(header, size=size, foot=foot), Line("")] if header else []
    return Page(number, (*head, *([Line(title, size=1.4, is_bold=True, foot=740.0), Line("")] if title else []), *text))


def left_out(*pages: Page) -> list[str]:
    kept = drop_running_lines(pages)
    return [line.text for a, b in zip(pages, kept, strict=True) for line in a.lines if line not in b.lines]


ANEMIAS, PURPURA = "1.4. Anémies hémolytiques", "2.3. Purpura immunologique"


def test_a_header_says_the_title_of_a_section_that_began_on_an_earlier_page() -> None:
    pages = [
        page(1, "", "1 Anémies"),
        page(2, ANEMIAS, "1.4 Anémies hémolytiques"),
        page(3, ANEMIAS),
        page(4, "", "2 Thrombopénies"),
        page(5, "", "2.3 Purpura immunologique"),
        page(6, PURPURA),
        *(page(number, "") for number in range(7, 12)),
    ]
    assert left_out(*pages) == [ANEMIAS, ANEMIAS, PURPURA]


def test_a_line_that_repeats_a_title_within_a_page_or_where_no_header_stands_is_text() -> None:
    title = "1.4 Anémies hémolytiques"
    inside = page(3, "")
    inside = Page(3, (*inside.lines[:3], Line(""), Line(ANEMIAS, foot=640.0), *inside.lines[3:]))
    alone = [page(1, "", title), page(2, ANEMIAS), inside, *(page(number, "") for number in range(4, 12))]
    assert left_out(*alone) == []


def test_headers_of_left_and_right_pages_run_in_a_few_pages_though_the_first_has_none() -> None:
    right = "Hémoglobine : structure, fonction et pathologie — {}"
    pages = [
        page(1, "", "Hémoglobine"),
        page(2, "Laboratoire de biochimie", size=0.91),
        page(3, right.format("III Propriétés"), size=0.91),
        page(4, "Laboratoire de biochimie", size=0.91),
        page(5, right.format("VI Catabolisme"), size=0.91),
    ]
    assert left_out(*pages) == [page.lines[0].text for page in pages[1:]]


@pytest.mark.parametrize(
    ("outer", "kept"),
    [
        ("Université d'Alger 1 – Faculté de médecine – Département de médecine – EHS El", 0),
        ("Faculté de médecine", 2),  # no line that goes on in the next
    ],
)
def test_the_rest_of_a_long_header_goes_with_it_where_it_stands_on_two_pages(outer: str, kept: int) -> None:
    pages = []
    for number in range(1, 8):
        header = page(number, outer, size=0.75)
        rest = Line("Hadi Flici", size=0.75, foot=770.0)
        lines = (header.lines[0], rest, *header.lines[1:]) if number in (2, 5) else header.lines
        pages.append(Page(number, lines))
    left = [line.text for one in drop_running_lines(pages) for line in one.lines]
    assert left.count("Hadi Flici") == kept
    assert outer not in left


def test_the_last_line_of_a_program_on_two_pages_is_no_footer() -> None:
    end = "fin du programme"
    pages = [
        Page(
            n,
            (
                *(Line(f"{text} {WORDS[n]}", foot=700.0 - 14 * at) for at, text in enumerate(BODY * 3)),
                Line(end, foot=500.0),
            ),
        )
        for n in (1, 2, 3)
    ]
    first = Page(1, pages[0].lines[:-1])
    assert left_out(first, *pages[1:]) == []


def test_what_stands_at_the_foot_of_a_slide_stays_on_it_though_others_have_the_number_of_its_sheet() -> None:
    note = "* hydraté, le phosphate est plus gros."
    slides = [
        Page(2, (Line("Diffusion", size=1.4, is_bold=True), *map(Line, BODY), Line(""), Line(note, size=0.7))),
        Page(2, (Line("Convection", size=1.4, is_bold=True), *map(Line, BODY))),
    ]
    found = [piece.text for piece in read_pieces(ExtractedDocument(tuple(slides), is_typeset=True))]
    assert found.index(note) < found.index("Convection")


def test_a_header_says_the_title_of_a_chapter_that_stands_in_two_lines() -> None:
    title = (Line("Chapitre 3", size=1.7, foot=640.0), Line(""), Line("Résultats et discussion", size=2.0, foot=600.0))
    header = "Chapitre 3. Résultats et discussion"
    pages = [Page(1, (*title, *page(1, "").lines)), *(page(number, header) for number in (2, 3, 4))]
    assert left_out(*pages, *(page(number, "") for number in range(5, 12))) == [header] * 3


@pytest.mark.parametrize(
    ("headers", "size", "is_left_out"),
    [
        (("Chapitre 1. Rappels Thèse N° 118", "Chapitre 3. Résultats Thèse N° 118"), 0.9, True),
        (("Chapitre 1. Rappels Thèse N° 118", "Chapitre 3. Résultats Thèse N° 118"), 1.0, False),  # as large as text
        (("10 20 30", "10 20 40"), 0.9, False),  # what a drawing counts
    ],
)
def test_small_headers_that_end_alike_run_though_first_pages_of_chapters_have_none(
    headers: tuple[str, str], size: float, *, is_left_out: bool
) -> None:
    one, other = headers
    told = ["", one, "", "", other, other, "", "", ""]
    pages = [
        page(number, text, "" if text else f"Chapitre {WORDS[number]}", size=size)
        for number, text in enumerate(told, start=1)
    ]
    assert left_out(*pages) == ([one, other, other] if is_left_out else [])


@pytest.mark.parametrize(
    ("header", "title", "is_header"),
    [
        (
            "5 Vaisseaux et nerfs",
            "V- VAISSEAUX ET NERFS",
            True,
        ),  # the number of one is printed, that of the other typed
        ("Vaisseaux et nerfs", "V. Vaisseaux et nerfs", True),
        ("2.1 Vaisseaux et nerfs", "A/ VAISSEAUX ET NERFS", True),
        ("V- Vaisseaux et nerfs", "5 Vaisseaux et nerfs", True),
        ("Vaisseaux et nerfs", "Vaisseaux D- et nerfs", False),
        ("Vaisseaux et nerfs", "Vaisseaux, et nerfs de la main", False),
    ],
)
def test_a_header_says_a_title_that_has_a_roman_number(header: str, title: str, *, is_header: bool) -> None:
    pages = [page(1, ""), page(2, header, title), *(page(number, "") for number in range(3, 12))]
    assert left_out(*pages) == ([header] if is_header else [])


def test_a_header_that_says_the_pages_number_and_a_title_runs_though_it_stands_once() -> None:
    text = [page(number, "", "4 Résultats" if number == 3 else "") for number in range(1, 8)]
    counted = [Page(one.number, (*one.lines, Line(""), Line(f"– {one.number} –", foot=40.0))) for one in text]
    counted[4] = page(5, "5 4 Résultats")
    assert "5 4 Résultats" in left_out(*counted)
    counted[4] = page(5, "7 4 Résultats")
    assert "7 4 Résultats" not in left_out(*counted)


def test_a_header_of_few_pages_stands_apart_on_one_of_them_at_least() -> None:
    header = "Faculté de médecine – Métabolisme du fer et hémoglobine : structure, fonctions et exploration"
    close = Page(4, (Line(header, foot=780.0), *page(4, "").lines))
    assert left_out(page(1, ""), page(2, header), page(3, ""), close) == [header, header]
    assert left_out(page(1, ""), close, page(3, ""), Page(4, (Line("Suite", foot=780.0), *page(4, "").lines))) == []


@pytest.mark.parametrize("hyphen", ["", "-", "\u2010", "\ufffe", "\u00ad"])
@pytest.mark.parametrize(
    ("above", "below", "is_one"),
    [
        ("10 mg/", "kg", True),
        ("40 × 10⁹/", "L", True),
        ("ASAT/", "ALAT", True),
        ("le dossier travail/", "Éléments", False),
        ("+/", "signe", False),
    ],
)
def test_what_ends_with_a_stroke_goes_on_in_its_cell(above: str, below: str, hyphen: str, *, is_one: bool) -> None:
    assert join_cell(above + hyphen, below) == (above + below if is_one else f"{above}{hyphen} {below}")


def test_a_measure_goes_on_behind_a_stroke_where_a_page_cuts_its_row() -> None:
    first = Page(1, (*map(Line, BODY), Line(""), Line("Zinc | 10 mg/", is_row=True)))
    second = Page(2, (Line("| kg par jour", is_row=True, goes_on=True), Line("Fer | 2 g", is_row=True)))
    found = [piece.text for piece in read_pieces(ExtractedDocument((first, second), is_typeset=True))]
    assert "Zinc | 10 mg/kg par jour" in found


def test_a_measure_goes_on_behind_a_stroke_in_the_next_line_of_its_cell() -> None:
    xs = (60, 160, 260, 360)
    heads = ("Nom", "Dose (mg/", "Voie")
    cells: list[Placed] = [(left + 4, 686, 9, text) for left, text in zip(xs, heads, strict=False)]
    cells += [(164, 675, 9, "kg)"), (64, 656, 9, "Zinc"), (164, 656, 9, "par jour 10 mg/-"), (164, 645, 9, "sem")]
    cells += [(264, 656, 9, "orale"), (64, 626, 9, "Fer"), (164, 626, 9, "2 g"), (264, 626, 9, "orale")]
    assert pieces(cells, drawn=rule_grid(xs, (700, 670, 640, 620))) == [
        "Nom | Dose (mg/kg) | Voie",
        "Zinc | par jour 10 mg/sem | orale",
        "Fer | 2 g | orale",
    ]


@pytest.mark.parametrize("line", ["E. VRAI –", "A) Faux", "VRAI : le risque croît", "B. FAUX – le rapport est fixé."])
def test_the_answer_to_an_item_is_no_heading(line: str) -> None:
    read = [*column(60, 760, BODY), *((60, 700, 10, line, True),), *column(60, 660, [*BODY, *BODY])]
    document = extract_document(Path("a.pdf"), make_placed_pdf([read]))
    assert [piece.text for piece in read_pieces(document) if piece.is_heading] == []


# --- what stands beside the text --------------------------------------------------------------------------------------


def test_a_column_beside_the_text_that_is_told_before_it_is_read_before_it() -> None:
    bar: list[Placed] = [(40, 700, 9, "Sommaire", True)]
    bar += column(40, 680, ["1. Contexte", "2. Signes", "3. Bilan", "4. Traitement", "5. Suivi", "Durée"], size=9)
    site = column(40, 780, ["Campus › Cours de médecine › Fer et anémies"], size=9)
    title: list[Placed] = [(200, 690, 18, "Le fer", True)]

    found = pieces([*site, *bar, *title, *column(200, 660, [*BODY] * 5, size=9)])

    at = found.index("Sommaire")
    assert found[at : at + 8] == [*(text for _, _, _, text, *_ in bar), "Le fer"]


def test_three_columns_of_which_the_first_is_short_are_read_one_after_the_other() -> None:
    first, second, third = (
        [f"{word} colonne, dont le texte va à la ligne", *("et qui est longue assez pour en être une",) * lines]
        for word, lines in (("Première", 9), ("Seconde", 24), ("Dernière", 24))
    )
    xs = (40, 210, 380, 550)
    page: list[Placed] = [
        *column(40, 500, first, size=8),
        *column(210, 760, second, size=8),
        *column(380, 760, third, size=8),
    ]
    page += [(x + 4, 350 - 20 * row, 8, "valeur") for row in range(4) for x in xs[:3]]
    found = pieces(page, drawn=rule_grid(xs, (362, 342, 322, 302, 282)))
    whole = " ".join(found)
    assert whole.index("Première") < whole.index("Seconde") < whole.index("Dernière")


def test_the_words_of_a_drawing_stand_in_no_sentence_that_goes_on_behind_them() -> None:
    document = ExtractedDocument(
        (
            Page(1, (Line("On donne un anticorps (infliximab, dix milligrammes à", foot=80.0),)),
            Page(
                2,
                (
                    *(part for text in ("RCH", "colon sain", "iléon") for part in (Line(text, size=0.7), Line(""))),
                    Line("S0, S2 et S6), puis un autre.", foot=600.0),
                ),
            ),
        ),
        is_typeset=True,
    )
    found = [piece.text for piece in read_pieces(document)]
    assert found[0] == "On donne un anticorps (infliximab, dix milligrammes à S0, S2 et S6), puis un autre."
    assert found[1:] == ["RCH", "colon sain", "iléon"]


# --- merged cells -----------------------------------------------------------------------------------------------------


def test_a_label_of_two_lines_in_the_middle_of_two_rows_is_one_label() -> None:
    xs, ys = (60, 180, 460), (700, 660, 640, 620, 600)
    grid = rule_grid(xs, (ys[0], ys[1], ys[3], ys[4])) + b"0.5 w %d %d m %d %d l S\n" % (xs[1], ys[2], xs[2], ys[2])
    cells = [
        (64, 676, 9, "Grade"),
        (184, 676, 9, "Niveau de preuve"),
        (64, 645, 9, "Grade C"),
        (64, 632, 9, "Preuve faible"),
        (184, 648, 9, "Niveau 3 : témoins"),
        (184, 626, 9, "Niveau 4 : séries"),
        (64, 606, 9, "AE"),
        (184, 606, 9, "Accord"),
    ]
    assert pieces(cells, drawn=grid) == [
        "Grade | Niveau de preuve",
        "Grade C Preuve faible | Niveau 3 : témoins",
        "Grade C Preuve faible | Niveau 4 : séries",
        "AE | Accord",
    ]


def test_a_label_that_is_not_shaded_goes_on_beside_rows_of_which_one_is() -> None:
    xs = (60, 160, 300, 420)
    shaded = [rule_grid(xs, (700, 680)), rule_grid(xs[1:], (660, 640)), rule_grid(xs, (620, 600))]
    rows = [("Produit", "Situation", "Seuil"), ("Plaquettes", "Aplasie", "10"), ("", "Ponction", "50")]
    rows += [("", "Crâne", "100"), ("Plasma", "TP bas", "15")]
    cells: list[Placed] = [
        (left + 4, 686 - 20 * number, 9, text)
        for number, row in enumerate(rows)
        for left, text in zip(xs, row, strict=False)
        if text
    ]
    assert pieces(cells, drawn=b"".join(shaded)) == [
        "Produit | Situation | Seuil",
        "Plaquettes | Aplasie | 10",
        "Plaquettes | Ponction | 50",
        "Plaquettes | Crâne | 100",
        "Plasma | TP bas | 15",
    ]


def test_a_range_goes_on_in_the_next_line_of_its_cell() -> None:
    xs = (60, 160, 260, 360)
    cells: list[Placed] = [(left + 4, 686, 9, text) for left, text in zip(xs, ("Nom", "Dose", "Voie"), strict=False)]
    cells += [
        (64, 666, 9, "Flécaïnide"),
        (164, 666, 9, "par jour 100-"),
        (164, 655, 9, "200 mg"),
        (264, 666, 9, "orale"),
    ]
    cells += [
        (64, 636, 9, "Étape"),
        (164, 636, 9, "PRPP donne 5-"),
        (164, 625, 9, "phosphoribosyl"),
        (264, 636, 9, "non"),
    ]
    assert pieces(cells, drawn=rule_grid(xs, (700, 680, 650, 620))) == [
        "Nom | Dose | Voie",
        "Flécaïnide | par jour 100-200 mg | orale",
        "Étape | PRPP donne 5-phosphoribosyl | non",
    ]


def test_columns_that_a_shaded_head_tells_part_the_rows_below_it() -> None:
    xs = (60, 110, 220, 340, 460)
    drawn = rule_grid(xs, (700, 680)) + b"".join(
        rule_grid(xs[:2], (top, top - 30)) + b"60 %d m 460 %d l S\n" % (top - 30, top - 30) for top in (680, 650, 620)
    )
    rows = [("L3", "Face avant de la", "Le devant", "Psoas"), ("L4", "Fesse, face avant", "Le pied", "Tibial")]
    rows += [("S1", "Face arrière de la", "Le bord", "Triceps")]
    heads = ("Racine", "Trajet", "Déficit", "Moteur")
    cells: list[Placed] = [(left + 4, 686, 9, text) for left, text in zip(xs, heads, strict=False)]
    for number, row in enumerate(rows):
        cells += [(left + 4, 668 - 30 * number, 9, text) for left, text in zip(xs, row, strict=False)]
        cells += [
            (left + 4, 656 - 30 * number, 9, text) for left, text in ((110, "cuisse entière"), (220, "du membre"))
        ]
    assert pieces(cells, drawn=drawn) == [
        "Racine | Trajet | Déficit | Moteur",
        "L3 | Face avant de la cuisse entière | Le devant du membre | Psoas",
        "L4 | Fesse, face avant cuisse entière | Le pied du membre | Tibial",
        "S1 | Face arrière de la cuisse entière | Le bord du membre | Triceps",
    ]


def test_a_table_whose_head_alone_is_shaded_keeps_its_empty_cells() -> None:
    xs = (60, 160, 260, 360, 500)
    across = b"".join(b"60 %d m 500 %d l S\n" % (foot, foot) for foot in (701, 679, 600))
    cells: list[Placed] = []
    rows = [("Nutriment", "Usuel", "Maximum", "Surveillance"), ("Eau", "30 mL", "", "Poids chaque jour")]
    rows += [
        ("Glucose", "3 g/kg", "5 mg", "Glycémie"),
        ("Lipides", "1 g/kg", "2 g", "Bilan"),
        ("Zinc", "3 mg", "", "Dosage"),
    ]
    for number, row in enumerate(rows):
        cells += [(left + 4, 686 - 20 * number, 9, text) for left, text in zip(xs, row, strict=False) if text]
    assert pieces(cells, drawn=rule_grid(xs, (700, 680)) + across)[1:] == [
        "Eau | 30 mL | | Poids chaque jour",
        "Glucose | 3 g/kg | 5 mg | Glycémie",
        "Lipides | 1 g/kg | 2 g | Bilan",
        "Zinc | 3 mg | | Dosage",
    ]


def test_a_recommendation_with_its_number_before_it_and_its_grade_behind_it_is_a_sentence() -> None:
    box: list[Placed] = [
        (60, 700, 10, "R6"),
        (90, 700, 10, "L'apport cible est de 25 à 30 kcal par kilo et par jour, soit 1,2 à"),
    ]
    box += [(60, 686, 10, "1,5 g/kg/j d'acides aminés."), (380, 686, 10, "[B]")]
    found = pieces([*column(60, 780, [*BODY]), *box, *column(60, 640, [*BODY])])
    assert (
        "R6 L'apport cible est de 25 à 30 kcal par kilo et par jour, soit 1,2 à 1,5 g/kg/j d'acides aminés. [B]"
        in found
    )


def test_a_cell_that_is_merged_below_a_head_stays_one() -> None:
    xs = (60, 160, 260, 360)
    drawn = rule_grid(xs, (700, 680)) + rule_grid((60, 160, 360), (680, 660, 640))
    cells: list[Placed] = [(left + 4, 686, 9, text) for left, text in zip(xs, ("Nom", "Un", "Deux"), strict=False)]
    cells += [(64, 666, 9, "a"), (164, 666, 9, "une phrase qui va d'une colonne à l'autre"), (64, 646, 9, "b")]
    cells += [(164, 646, 9, "seule ici")]
    assert pieces(cells, drawn=drawn)[1:] == ["a | une phrase qui va d'une colonne à l'autre", "b | seule ici"]


def test_values_that_are_dashes_make_no_list_of_a_row() -> None:
    xs = (60, 160, 260, 340)
    cells: list[Placed] = [
        (left + 4, 686, 9, text) for left, text in zip(xs, ("Type", "RE / RP", "Ki-67"), strict=False)
    ]
    for number, row in enumerate(
        [("Luminal A", "+ / +", "< 15"), ("HER2", "– / –", "élevé"), ("Négatif", "– / –", "élevé")]
    ):
        cells += [(left + 4, 666 - 14 * number, 9, text) for left, text in zip(xs, row, strict=False)]
    assert pieces(cells, drawn=rule_grid(xs, (700, 680, 630))) == [
        "Type | RE / RP | Ki-67",
        "Luminal A | + / + | < 15",
        "HER2 | – / – | élevé",
        "Négatif | – / – | élevé",
    ]
