"""What a PDF tells beside its words: list marks written last, raised figures, letters of one width, odd minus signs."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.support.counting import count_steps
from tests.support.pdfs import TYPED, Placed, make_placed_pdf
from worker.courses.chunk import chunk_document
from worker.courses.chunk.paragraphs import read_pieces
from worker.courses.document import ExtractedDocument, Line, Page
from worker.courses.extract import extract_document
from worker.courses.extract.layout import arrange
from worker.courses.extract.office_math import OFFICE, read_office_math
from worker.courses.extract.rows import Span
from worker.courses.extract.stray import return_marks

PARTS = (
    ("f", "num", "den"),
    ("sSup", "e", "sup"),
    ("sSub", "e", "sub"),
    ("d", "e", "e"),
    ("mr", "e", "e"),
    ("x", "e", "e"),
)
PROSE = (
    "La fièvre dépasse souvent 38,5 °C chez le nourrisson de moins de trois mois, et impose deux",
    "hémocultures avant toute antibiothérapie, quelle que soit la saison et quel que soit le lieu.",
)


def text(page: Sequence[Placed]) -> str:
    document = extract_document(Path("a.pdf"), make_placed_pdf([page]))
    return "\n".join(chunk.text for chunk in chunk_document(document))


def column(left: float, top: float, lines: Sequence[str], font: bool | str = False) -> list[Placed]:
    return [(left, top - 13 * number, 10, line, font) for number, line in enumerate(lines)]


def passage(*lines: str) -> str:
    document = ExtractedDocument((Page(1, tuple(map(Line, lines))),), is_typeset=True)
    return "\n".join(chunk.text for chunk in chunk_document(document))


# --- marks that stand after the text in the file ----------------------------------------------------------------------

ITEMS = ("Fièvre depuis trois jours", "toux sèche ;", "Gêne respiratoire qui augmente la nuit et", "au moindre effort")


@pytest.mark.parametrize(
    ("marks", "told"),
    [
        (("•", "•", "•"), ("• ", "• ", "• ")),
        (("1.", "2.", "3."), ("1. ", "2. ", "3. ")),
        (("a)", "b)", "c)"), ("a) ", "b) ", "c) ")),
    ],
)
def test_marks_that_a_page_tells_last_stand_before_their_items(marks: Sequence[str], told: Sequence[str]) -> None:
    page = [*column(40, 780, PROSE), *column(60, 740, ITEMS)]
    page += [(60 - 14, 740 - 13 * number, 10, mark) for number, mark in zip((0, 1, 2), marks, strict=True)]

    assert text(page).split("\n")[-3:] == [
        f"{told[0]}Fièvre depuis trois jours",
        f"{told[1]}toux sèche ;",
        f"{told[2]}Gêne respiratoire qui augmente la nuit et au moindre effort",
    ]


def test_a_mark_and_what_is_written_after_it_though_it_stands_elsewhere_are_two() -> None:
    item = [Span("Cliquer ici", 60, 120, 100, 112)]
    mark = [Span("2.", 46, 54, 100, 112), Span("icône", 300, 330, 100, 112)]

    assert [[span.text for span in line] for line in return_marks([item, mark])] == [["2.", "Cliquer ici"], ["icône"]]


def test_a_dash_before_a_figure_is_a_cell_and_no_mark() -> None:
    lines = [[Span("12", 60, 70, 100, 112)], [Span("Hb", 20, 30, 100, 112)], [Span("–", 46, 52, 100, 112)]]

    assert return_marks(lines) == lines


def test_a_mark_that_stands_beside_nothing_stays_where_it_is() -> None:
    assert text([*column(40, 780, PROSE), (40, 700, 10, "•")]).endswith("•")


places = st.tuples(st.integers(1, 30), st.integers(20, 60))


@given(st.lists(st.tuples(places, st.sampled_from(["•", "1.", "b)", "toux", "fièvre aiguë", "•"])), max_size=25))
def test_no_stretch_is_lost_or_told_twice_when_marks_are_returned(
    placed: list[tuple[tuple[int, int], str]],
) -> None:
    printed = [
        [Span(words, float(left), left + 5.0 * len(words), 12.0 * row, 12.0 * row + 10)]
        for (row, left), words in placed
    ]

    returned = return_marks(printed)

    assert Counter(span.text for line in returned for span in line) == Counter(words for _, words in placed)
    assert all(line == sorted(line, key=lambda span: span.left) for line in returned)


def test_many_marks_and_lines_at_one_height_are_returned_in_steps_that_grow_with_them() -> None:
    def steps(count: int) -> int:
        marks = [[Span("•", 7.0 * at, 7.0 * at + 2, 100, 112)] for at in range(count)]
        words = [[Span("x", 7.0 * at + 3, 7.0 * at + 6, 100, 112)] for at in range(count)]
        return count_steps(lambda: return_marks([*words, *marks]))

    assert steps(2000) < 2.5 * steps(1000)


# --- raised figures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ((("un nodule de 3 cm", 0), ("3", 1), (" mesuré", 0)), "un nodule de 3 cm³ mesuré"),
        ((("jusqu'à 2", 0), ("31", 1), (" essais", 0)), "jusqu'à 2³¹ essais"),
        ((("le programme", 0), ("1", 1), (" national", 0)), "le programme¹ national"),
        ((("soit (a + b)", 0), ("2", 1), (" au total", 0)), "soit (a + b)² au total"),
        ((("5 mmol.L", 0), ("-1", 1), (" au réveil", 0)), "5 mmol.L⁻¹ au réveil"),
        ((("le crénage ", 0), ("17", 1), (" entre les lettres", 0)), "le crénage ¹⁷ entre les lettres"),
        ((("la page ", 0), ("17", 0), (" en entier", 0)), "la page 17 en entier"),
        ((("de l'eau H", 0), ("2", -1), ("O pure", 0)), "de l'eau H₂O pure"),
        ((("la sonde PT100 chauffe", 0),), "la sonde PT100 chauffe"),
        ((("en 1998, 257 cas", 0),), "en 1998, 257 cas"),
    ],
)
def test_a_figure_above_the_line_stays_there(parts: Sequence[tuple[str, int]], told: str) -> None:
    left, page = 40.0, list(column(40, 780, PROSE))
    for words, lift in parts:
        size = 7 if lift else 10
        page.append((left, 740 + 4 * lift, size, words))
        left += sum(_width(c) for c in words) * size / 1000

    assert told in text(page)


def _width(character: str) -> int:
    """Of Helvetica, in thousandths of its size, for the letters used here."""
    widths = {" ": 278, "'": 191, "(": 333, ")": 333, "+": 584, ".": 278, ",": 278, "-": 333}
    narrow = {
        "i": 222,
        "j": 222,
        "l": 222,
        "t": 278,
        "f": 278,
        "r": 333,
        "m": 833,
        "M": 833,
        "c": 500,
        "s": 500,
        "v": 500,
    }
    narrow |= {"x": 500, "é": 556, "H": 722, "O": 778, "P": 667, "T": 611, "L": 556}
    return widths.get(character) or narrow.get(character, 556)


@pytest.mark.parametrize("turn", ["0 1 -1 0 40 500", "0.7 0.7 -0.7 0.7 300 300", "-1 0 0 -1 500 200"])
def test_no_figure_of_a_line_that_is_turned_is_raised(turn: str) -> None:
    label = f"BT /F1 10 Tf {turn} Tm (Session 2021 du lot B12, 1500 cm3) Tj ET\n".encode()
    data = make_placed_pdf(
        [[(left, 780 - 12 * n, 10, line) for n, line in enumerate(PROSE * 4)] for left in (90,)], drawn=label
    )

    told = "\n".join(line.text for page in extract_document(Path("a.pdf"), data).pages for line in page.lines)

    assert "Session 2021 du lot B12, 1500 cm3" in told


# --- programs ---------------------------------------------------------------------------------------------------------

PROGRAM = ("pour i de 1 jusque n faire", "si reste(n,i)=0 alors", "L:=append(L,i);", "fsi", "fpour")


def test_the_lines_of_a_program_are_lines() -> None:
    page = [*column(40, 780, PROSE), *column(40, 740, PROGRAM, TYPED)]

    assert text(page).split("\n")[-5:] == list(PROGRAM)


def test_a_program_begins_and_ends_with_lines_of_its_own() -> None:
    page = [*column(40, 780, PROSE), *column(40, 740, ("On écrit par exemple",)), *column(40, 727, PROGRAM[:2], TYPED)]
    page += column(40, 701, ("et la fonction est appelée deux fois de suite par le programme principal.",))

    assert text(page).split("\n")[-4:] == ["On écrit par exemple", *PROGRAM[:2], page[-1][3]]


def test_one_line_of_a_program_behind_a_colon_is_a_line_and_within_a_sentence_is_none() -> None:
    page = [*column(40, 780, PROSE), *column(40, 740, ("La commande qui suit est la bonne :",))]
    page += column(40, 727, ("medq eval --courses cours questions.csv",), TYPED)
    assert text(page).endswith("est la bonne :\nmedq eval --courses cours questions.csv")

    full = "On mesure la recherche de passages dans des documents de cours par la commande qui est nommée"
    named = "medq eval --courses cours/DCEM2 questions.csv --missed manques.csv --json"
    page = [*column(40, 780, PROSE), *column(40, 740, (full,)), *column(40, 727, (named,), TYPED)]
    page += column(40, 714, ("et dont les options sont données plus bas, avec un exemple entier pour chacune.",))
    assert f"{full} {named} et dont" in text(page)


def test_no_sentence_goes_on_in_a_program_nor_a_program_in_a_sentence() -> None:
    open_end = "On cherche le minimum d'une fonction décroissante puis croissante avec la précision"
    between = "La figure en donne un exemple."
    lines = [Line(PROSE[0]), Line(PROSE[1]), Line(""), Line(open_end), Line(""), Line(between), Line("")]
    lines += [Line("fonction mini(g,a,b)", is_typed=True, goes_on=False), Line("", is_typed=True)]
    lines += [Line("qui s'appelle par son nom.")]

    told = [piece.text for piece in read_pieces(ExtractedDocument((Page(1, tuple(lines)),), is_typeset=True))]

    assert "fonction mini(g,a,b)" in told


def test_no_line_of_a_program_is_a_heading() -> None:
    typed = Line("NEWLINE", is_typed=True)
    large = Line("O:=point(0);M:=point(1)", size=1.4)
    lines = [Line(line) for line in PROSE]

    for line in (typed, large):
        pages = (Page(1, (*lines, Line(""), line, Line(""), *lines)),)
        assert not [piece.text for piece in read_pieces(ExtractedDocument(pages, is_typeset=True)) if piece.is_heading]
    pages = (Page(1, (*lines, Line(""), replace(typed, is_typed=False), Line(""), *lines)),)
    assert [p.text for p in read_pieces(ExtractedDocument(pages, is_typeset=True)) if p.is_heading] == ["NEWLINE"]


def test_the_number_of_a_programs_line_is_set_as_other_numbers_are() -> None:
    page = list(column(40, 780, PROSE))
    for number, line in enumerate(PROGRAM, start=125):
        page += [(40, 740 - 13 * (number - 125), 7, f"{number} "), (56, 740 - 13 * (number - 125), 10, line, TYPED)]

    assert text(page).split("\n")[-5:] == [f"{number} {line}" for number, line in enumerate(PROGRAM, start=125)]


def test_a_paragraph_with_a_number_that_is_set_in_is_one() -> None:
    lines = (
        "9. La fondation peut, de temps à autre, publier des versions nouvelles ou revues de la Licence",
        "Publique Générale. De telles versions sont dans le même esprit que celle-ci, mais peuvent",
    )
    page = [*column(40, 780, PROSE), (55, 740, 10, lines[0]), (40, 727, 10, lines[1])]

    assert " ".join(lines) in text(page)


def test_what_stands_in_brackets_goes_on_behind_a_colon() -> None:
    lines = (
        "(définition calculatrice :",
        "médiane de la sous-série",
        "inférieure - la série doit",
        "comporter 4 valeurs)",
    )
    call = "ALGOBOX_QUARTILE1((nom_de_la_liste,rang_premier_terme,rang_dernier_terme)"  # beyond its column
    printed = [
        [Span(line, 407.6, 407.6 + 4.2 * len(line), 500.0 - 10.5 * number, 510.5 - 10.5 * number, size=9)]
        for number, line in enumerate((call, *lines))
    ]

    told = list(arrange(printed))

    assert [line.text for line in told] == [call, *lines]  # no empty one between them


def test_in_a_document_that_was_typed_the_lines_of_a_paragraph_are_one() -> None:
    lines = (
        "Le nourrisson fébrile est vu dans",
        "les deux heures qui suivent, par un",
        "senior des urgences pédiatriques.",
    )

    assert text(column(40, 780, lines, TYPED)) == " ".join(lines)


def test_an_address_that_is_set_as_programs_are_goes_on() -> None:
    address = ("https://www.has-sante.fr/upload/docs/application/pdf/2024-03/recommandations/nourrisson/", "guide.pdf")
    page = [*column(40, 780, PROSE), *column(40, 740, address, TYPED)]

    assert "".join(address) in text(page)


def test_a_line_that_was_broken_with_an_arrow_is_one() -> None:
    # the sign itself is not in the fonts of these tests
    assert passage("Voici tout : Espagnol,", "˓→Suédois, Norvégien") == "Voici tout : Espagnol,Suédois, Norvégien"


# --- minus, paths -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("La valeur est \u00ad0,2 par défaut.", "La valeur est -0,2 par défaut."),
        ("Les signes +, \u00ad, * et / sont lus.", "Les signes +, -, * et / sont lus."),
        ("On calcule {\u00ad124}{7} ensuite.", "On calcule {-124}{7} ensuite."),
        ("Une hyper\u00adtension ancienne.", "Une hypertension ancienne."),
        ("Le 3-\u00adméthylphénol est dosé.", "Le 3-méthylphénol est dosé."),
        ("Lire sur has-sante.fr/\u00adguides ensuite.", "Lire sur has-sante.fr/guides ensuite."),
        ("\u00ad une toux sèche", "- une toux sèche"),
        ("On lit 7 ×\u00ad18 = x.", "On lit 7 ×-18 = x."),
        ("De 1060 \u00ad\u00ad à 1080.", "De 1060 -- à 1080."),
    ],
)
def test_a_soft_hyphen_that_stands_in_no_word_is_a_minus(line: str, told: str) -> None:
    assert passage(line) == told


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("Il est lu dans /etc/", "pam.d/login au début."), "/etc/pam.d/login"),
        (("Voir le document /", "usr/share/doc/exim pour cela."), "/usr/share/doc/exim"),
        (("Dans ~/Library/", "Preferences/org.plist tout est dit."), "~/Library/Preferences/org.plist"),
        (("On divise 1024 /", "durée_en_secondes ensuite."), "1024 / durée_en_secondes"),
        (("On le met dans /etc/", "pour toujours, ensuite."), "/etc/ pour toujours"),
    ],
)
def test_a_path_goes_on_in_the_next_line_if_that_is_sure(lines: Sequence[str], told: str) -> None:
    assert told in passage(*lines)


# --- web pages without headings ---------------------------------------------------------------------------------------


def web(body: str) -> list[str]:
    document = extract_document(Path("a.html"), f"<html><body>{body}</body></html>".encode())
    return [("# " if line.is_heading else "") + line.text for page in document.pages for line in page.lines]


@pytest.mark.parametrize(
    "title",
    [
        "<p><b><u>Les signes</u></b></p>",
        "<p><u><b><big>Les signes</big></b></u></p>",
        '<p><font size="+2"><strong>Les signes</strong></font></p>',
        "<fieldset><legend>Les signes</legend></fieldset>",
    ],
)
def test_words_that_stand_out_from_end_to_end_are_a_title(title: str) -> None:
    assert web(f"{title}<p>La fièvre dure.</p>") == ["# Les signes", "La fièvre dure."]


@pytest.mark.parametrize(
    "paragraph",
    [
        "<p><b>Les signes</b></p>",  # bold alone: a label
        "<p><b><u>Les</u></b> signes</p>",
        "<p><b><u>La fièvre dure toujours.</u></b></p>",
        "<ul><li><b><u>Les signes</u></b></li></ul>",
        f"<p><b><u>{'Les signes ' * 20}</u></b></p>",
    ],
)
def test_what_stands_out_less_is_none(paragraph: str) -> None:
    assert not any(line.startswith("#") for line in web(f"{paragraph}<p>La fièvre dure.</p>"))


@pytest.mark.parametrize(
    ("link", "is_left_out"),
    [
        ('<a href="#top">Haut de la page</a>', True),
        ('<a href="#">↑ Retour au sommaire</a>', True),
        ('<a href="index.html">Retour à la page d\'accueil</a>', True),
        ('<a href="retour.html">Retour veineux</a>', False),
        ('<a href="menu.html">Menu</a>', False),  # a page of its own, by its name
    ],
)
def test_what_leads_back_is_no_text_of_a_page(link: str, is_left_out: bool) -> None:
    words = re.sub("<[^>]+>", "", link)

    assert (words in " ".join(web(f"<p>La fièvre dure.</p><p>{link}</p><p>La toux aussi.</p>"))) is not is_left_out


# --- formulas of Word -------------------------------------------------------------------------------------------------


def run(words: str) -> str:
    return f"<m:r><m:rPr/><m:t>{words}</m:t></m:r>"


@pytest.mark.parametrize(
    ("formula", "told"),
    [
        (f"<m:sSup><m:e>{run('P')}</m:e><m:sup>{run('-1')}</m:sup></m:sSup>{run('AP=D')}", "P⁻¹AP=D"),
        (f"<m:sSup><m:e>{run('x')}</m:e><m:sup>{run('n+1')}</m:sup></m:sSup>", "x^(n+1)"),
        (f"<m:f><m:num>{run('1')}</m:num><m:den>{run('j+k+1')}</m:den></m:f>", "1/(j+k+1)"),
        (f"<m:sSub><m:e>{run('CO')}</m:e><m:sub>{run('2')}</m:sub></m:sSub>", "CO₂"),
        (f"<m:sSub><m:e>{run('x')}</m:e><m:sub>{run('i,j')}</m:sub></m:sSub>", "x_(i,j)"),
        (f"<m:rad><m:deg/><m:e>{run('a+b')}</m:e></m:rad>", "√(a+b)"),
        (f"<m:d><m:e>{run('a')}</m:e><m:e>{run('b')}</m:e></m:d>", "(a|b)"),
        (f'<m:d><m:dPr><m:begChr m:val="["/><m:endChr m:val="]"/></m:dPr><m:e>{run("0,1")}</m:e></m:d>', "[0,1]"),
        (
            f'<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr><m:sub>{run("1")}</m:sub><m:e>{run("x")}</m:e></m:nary>',
            "∑_(1) x",
        ),
        (f"<w:ins><m:r><m:t>a=b</m:t></m:r></w:ins><w:del>{run('c')}</w:del><!-- c -->", "a=b"),
        (f"<m:acc><m:e>{run('u')}</m:e></m:acc>", "u"),
    ],
)
def test_a_formula_of_word_says_what_it_shows(formula: str, told: str) -> None:
    source = f'<m:oMath xmlns:m="{OFFICE}" xmlns:w="urn:w">{formula}</m:oMath>'

    assert read_office_math(etree.fromstring(source)) == told


@given(st.recursive(st.sampled_from("abcxyz123"), lambda inner: st.tuples(st.sampled_from(PARTS), inner, inner)))
def test_no_sign_of_a_formula_is_lost(tree: Any) -> None:
    def build(node: Any) -> tuple[str, str]:
        if isinstance(node, str):
            return run(node), node
        (name, one, two), first, second = node[0], build(node[1]), build(node[2])
        return (
            f"<m:{name}><m:{one}>{first[0]}</m:{one}><m:{two}>{second[0]}</m:{two}></m:{name}>",
            first[1] + second[1],
        )

    source, signs = build(tree)
    told = read_office_math(etree.fromstring(f'<m:oMath xmlns:m="{OFFICE}">{source}</m:oMath>'))

    assert Counter(c for c in unicodedata.normalize("NFKC", told) if c.isalnum()) == Counter(signs)


# --- what dialects of Markdown write before the text, and beside it ---------------------------------------------------


def markdown(source: str) -> list[str]:
    document = extract_document(Path("a.md"), source.encode())
    return [line.text for page in document.pages for line in page.lines if line.text]


def test_bullets_that_markdown_does_not_know_begin_lines() -> None:
    source = "Elle est retardée par :\n•une hypothermie,\n•des perturbations du pH.\n\nElle dure 5 • 10 min."

    assert markdown(source) == [
        "Elle est retardée par :",
        "•une hypothermie,",
        "•des perturbations du pH.",
        "Elle dure 5 • 10 min.",
    ]


def test_front_matter_between_plus_signs_is_left_out() -> None:
    assert markdown('+++\ntitle = "Hypothyroïdie"\nsources = ["HAS"]\n+++\n\nLa TSH est haute.') == [
        "La TSH est haute."
    ]
    assert markdown("+++\n\nLa TSH est haute.") == ["+++", "La TSH est haute."]  # it was never closed


def test_the_options_of_a_directive_are_left_out_and_its_text_is_not() -> None:
    source = "```{figure} oreille.png\n---\nname: oreille\nwidth: 70%\n---\n*Schéma de l'oreille.*\n```\n\nElle entend."

    assert markdown(source) == ["Schéma de l'oreille.", "Elle entend."]


def test_the_name_of_a_property_goes_on_in_the_next_line() -> None:
    assert "BarNumber.break-visibility suffit" in passage(
        "Régler ici la propriété BarNumber", ".break-visibility suffit."
    )


def print_of(*lines: Line) -> str:
    document = ExtractedDocument((Page(1, lines),), is_typeset=True)
    return "\n".join(chunk.text for chunk in chunk_document(document))


def test_what_leads_back_is_no_text_of_a_print_if_it_is_a_link_or_comes_again_and_again() -> None:
    between = (Line("La fièvre dure."), Line(""))
    again = (*between, Line("Haut de la page"), Line(""))

    assert "Haut" not in print_of(*between, Line("Haut de la page", linked=1.0), Line(""), *between)
    assert "Haut" not in print_of(*again, *again, *again)


@pytest.mark.parametrize("line", ["Haut de page", "Haut de la page", "Retour à l'index", "Lire le haut de la page."])
def test_words_that_may_be_a_courses_own_stay(line: str) -> None:
    assert line in print_of(
        Line("Un en-tête se règle ainsi."), Line(""), Line(line), Line(""), Line("Il a trois parts.")
    )
