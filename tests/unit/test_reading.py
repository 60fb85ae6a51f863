"""How printed pages become passages: what old readers broke, each as a small document."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import docx
import pptx
import pypdfium2
import pytest

from tests.support.counting import count_steps, watch_calls
from tests.support.pdfs import Placed, make_pdf, make_placed_pdf
from worker.courses.chunk import MAX_CHARACTERS, chunk_document
from worker.courses.document import Chunk, ExtractedDocument, Line, Page
from worker.courses.extract import extract_document
from worker.courses.extract.layout import arrange
from worker.courses.extract.ligatures import name_ligatures
from worker.courses.extract.pdf import FORM, UNNAMED
from worker.courses.extract.rows import Span
from worker.errors import UsageError

BODY = (
    "La fièvre dépasse souvent 38,5 °C chez le nourrisson de moins de trois mois, et",
    "impose deux hémocultures avant toute antibiothérapie, quelle que soit la saison.",
)
FOOTER = "Faculté de médecine de Monastir, service de cardiologie, cours du professeur, année universitaire 2024-2025"


def chunks(data: bytes) -> tuple[Chunk, ...]:
    return chunk_document(extract_document(Path("a.pdf"), data))


def text(data: bytes) -> str:
    return "\n".join(chunk.text for chunk in chunks(data))


def typeset(*pages: Sequence[str | Line]) -> ExtractedDocument:
    return ExtractedDocument(
        tuple(
            Page(number, tuple(line if isinstance(line, Line) else Line(line) for line in lines))
            for number, lines in enumerate(pages, start=1)
        ),
        is_typeset=True,
    )


def passage(*lines: str | Line) -> str:
    return "\n".join(chunk.text for chunk in chunk_document(typeset(lines)))


def column(left: float, top: float, lines: Sequence[str], *, size: float = 9, bold: bool = False) -> list[Placed]:
    return [(left, top - 12 * number, size, line, bold) for number, line in enumerate(lines)]


# --- running lines --------------------------------------------------------------------------------------------------


def test_a_footer_of_any_length_is_gone() -> None:
    assert len(FOOTER) > 90
    pages = [[f"{name}.", *BODY, f"Suite {name}.", FOOTER] for name in ("une", "deux", "trois", "quatre")]

    read = text(make_pdf(pages))

    assert "Monastir" not in read
    assert read.count("38,5 °C") == 4


def test_a_header_that_names_its_section_beside_the_page_number_is_gone() -> None:
    # Given sections of one page each, so that no header comes again
    names = ("Étiologie", "Clinique", "Examens", "Traitement", "Suivi")
    pages = [[f"{name} {number}", *BODY, f"Fin {name}."] for number, name in enumerate(names, start=21)]

    read = text(make_pdf(pages))

    assert not any(f"{name} {number}" in read for number, name in enumerate(names, start=21))
    assert all(f"Fin {name}." in read for name in names)


def numbered(pages: Sequence[Sequence[Line]]) -> str:
    document = ExtractedDocument(tuple(Page(n, tuple(p)) for n, p in enumerate(pages, start=1)), is_typeset=True)
    return "\n".join(chunk.text for chunk in chunk_document(document))


def test_a_header_that_stands_where_the_others_do_is_gone_whatever_it_says() -> None:
    # Given a section's name over its pages, the last section being one page long
    names = ["Insuffisance cardiaque"] * 4 + ["Péricardites"] * 4 + ["Endocardites"]
    pages = [
        [Line(name, foot=790.2), Line(""), *(Line(f"{line} Page {n}.", foot=700.0) for line in BODY)]
        for n, name in enumerate(names)
    ]

    assert "Endocardites" not in numbered(pages)
    # But a title that stands there, larger or bold, is none
    pages[-1][0] = Line("Endocardites", size=1.3, foot=790.2)
    assert "Endocardites" in numbered(pages)


def told_once(n: int, top: float) -> list[Line]:
    """Lines of text that stand on one page alone, the first of them at a height."""
    words = ("rein", "foie", "rate", "cœur", "os", "peau")
    texts = (f"Le {words[n]} de chaque malade {'est ' * at}examiné, puis on le compare" for at in range(6))
    return [Line(text, foot=top - 12 * at) for at, text in enumerate(texts)]


def test_a_header_that_changes_sides_is_gone_by_the_half_that_all_pages_have() -> None:
    # Given few pages, whose header names a section on the right of one and on the left of the next
    names = ["Table des matières", "Introduction", "Introduction", "Cellule de crise", "Cellule de crise"]
    headers = [f"{name} UE: GES4062" if n % 2 else f"UE: GES4062 {name}" for n, name in enumerate(names)]
    pages = [[Line(h, foot=792.6 + n % 2), Line(""), *told_once(n, 700.0)] for n, h in enumerate(headers)]

    assert "GES4062" not in numbered(pages)
    left, right = (
        "Chapitre 1 – Principes et enjeux",
        ("I. Iconographie", "I. Iconographie", "II. Genres", "III. Sens", "III. Sens"),
    )
    sides = [f"{left} {name}" if n % 2 else f"{name} {left}" for n, name in enumerate(right)]
    chapter = [[Line(side, foot=792.6), *pages[n][1:]] for n, side in enumerate(sides)]
    assert "Principes" not in numbered(chapter)
    assert "Le rein" in numbered(pages)
    # But lines at one place that share no half are text
    others = [[Line(f"{name} {'abcde'[n]}", foot=792.6), *pages[n][1:]] for n, name in enumerate(names)]
    assert "Cellule de crise" in numbered(others)


def test_a_roman_number_at_the_foot_of_a_page_is_gone() -> None:
    pages = [[*told_once(n, 700.0), Line(""), Line(mark, foot=24.0)] for n, mark in enumerate(("iii", "iv", "1"))]
    assert not {"iii", "iv"} & set(numbered(pages).split())
    assert numbered([[*told_once(0, 700.0), Line(""), Line("le mix", foot=24.0)]]).endswith("le mix")


def test_a_sentence_goes_on_below_a_header_however_short_that_is() -> None:
    # Given headers that leave most of their lines empty, so that what stands below does not go on from them
    header = Line("Chapitre 1 – Le projet", foot=789.0)
    words = ("rare", "juste", "neuve", "vieille")
    pages = [
        [
            *(header, Line(""), Line(f"considérable et {words[n]} en soi.", foot=752.0, goes_on=False)),
            *told_once(n, 700.0 - 9 * n),
            Line(f"Cette étude {words[n]} est d'une ampleur", foot=90.0 + 9 * n),
        ]
        for n in range(4)
    ]
    assert "Cette étude rare est d'une ampleur considérable et juste en soi." in numbered(pages)


def test_a_sentence_goes_on_below_a_figure_however_short_its_caption_is() -> None:
    caption = Line("Figure 1.6 – Analyse de spécimens (source : Brown et coll., 2014)", foot=629.0)
    rest = Line("comme une sous-espèce à part.", foot=534.0, goes_on=False)
    pages = [[Line("Une forme a subsisté dans les forêts, généralement classée", foot=79.0)], [caption, Line(""), rest]]
    assert "généralement classée comme une sous-espèce à part." in numbered(pages)


def test_the_way_to_a_title_is_gone() -> None:
    def page(n: int, way: str) -> list[Line]:
        title = Line("3.2 La présentation", size=1.5, is_bold=True, foot=725.0)
        return [Line(way, size=0.8, foot=751.0), Line(""), title, Line(""), *told_once(n, 700.0)]

    assert "Signes" not in numbered([page(0, "Clinique \\ Signes \\ La présentation")])
    assert "Signes" in numbered([page(0, "Clinique \\ Signes \\ La démarche")])
    assert "Signes" in numbered([page(0, "Signes et présentation")])


def test_a_tab_in_the_margin_of_pages_is_gone_and_a_title_at_their_head_is_not() -> None:
    def pages(feet: Sequence[float]) -> list[list[Line]]:
        tab = Line("Part. 2 – Ch. 1", size=1.2, is_bold=True)
        return [
            [*told_once(n, 760.0), Line(""), replace(tab, foot=foot), Line(""), *told_once(5 - n, 600.0)]
            for n, foot in enumerate(feet)
        ]

    assert "Part. 2" not in numbered(pages([640.3] * 5))
    assert "Le rein" in numbered(pages([640.3] * 5))
    assert "Part. 2" in numbered(pages([800.0] * 5))
    assert "Part. 2" in numbered(pages([640.3 - 20 * n for n in range(5)]))


def test_a_header_that_says_what_the_heading_below_it_says_is_gone() -> None:
    pages = [
        [
            Line("6.2. Troubles du rythme"),
            Line(""),
            Line("6.2 Troubles du rythme", size=1.3),
            Line(""),
            *map(Line, BODY),
        ]
    ]

    assert numbered(pages).count("Troubles du rythme") == 1


def test_numbers_of_slides_that_build_up_are_gone() -> None:
    counted = (3, 4, 4, 5, 5, 6)  # the page of the file is another one each time
    pages = [
        [Line(f"Un signe du tableau numéro {n}."), Line(f"{BODY[0]} {n}."), Line(str(c))] for n, c in enumerate(counted)
    ]

    read = numbered(pages).split("\n")

    assert not [line for line in read if line.isdigit() and 3 < int(line) < 6]


def test_a_word_that_is_cut_at_the_end_of_a_page_is_not_glued_to_its_number() -> None:
    pages = [
        [*column(40, 760, ("Cela peut donner des lignes dépas-",)), (300, 40, 9, "4")],
        [*column(40, 760, ("santes, et le signe se perd alors.",)), (300, 40, 9, "5")],
        [*column(40, 760, BODY), (300, 40, 9, "6")],
    ]

    read = text(make_placed_pdf(pages))

    assert read.startswith("Cela peut donner des lignes dépassantes, et le signe se perd alors.")
    assert not {"4", "5", "6"} & set(read.split())


def test_a_text_that_ends_a_page_with_a_number_is_no_footer() -> None:
    pages = [[*BODY, f"Le patient reçoit {dose}"] for dose in (3, 250, 40, 75)]

    assert all(f"Le patient reçoit {dose}" in text(make_pdf(pages)) for dose in (3, 250, 40, 75))


# --- headings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["21 mm Hg", "48 à 72", "5 capsules", "12 Heures", "2,5 Mg par jour"])
def test_a_line_that_begins_with_a_number_is_no_heading_for_that(line: str) -> None:
    read = chunk_document(typeset(["2.1 Signes cliniques", *BODY * 5, "La pression est de", line, *BODY * 5]))

    assert {chunk.heading for chunk in read} == {"2.1 Signes cliniques"}


@pytest.mark.parametrize(
    "line",
    [
        *("21 mm Hg", "48 à 72", "Figure 3 – ECG normal", "ATTENTION", "Prendre un repas."),
        *("Pour la plupart des malades sous", "\\begin{document}", "ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefgh"),
    ],
)
def test_what_is_set_large_is_no_heading_unless_it_may_be_one(line: str) -> None:
    read = chunk_document(
        typeset([Line("Traitement", size=1.5), "", *BODY, "", Line(line, size=1.5, is_bold=True), "", *BODY])
    )

    assert [chunk.heading for chunk in read] == ["Traitement"]


def test_headings_are_known_by_their_type() -> None:
    page = [(40, 700, 14, "Insuffisance cardiaque"), *column(40, 670, BODY)]
    page += [(40, 620, 9, "Signes d'examen", True), *column(40, 600, BODY)]

    (chunk,) = chunks(make_placed_pdf([page]))

    assert chunk.text.startswith("Insuffisance cardiaque\nLa fièvre")
    assert "saison.\nSigns d'examen\n".replace("Signs", "Signes") in chunk.text
    assert [line.is_bold for p in extract_document(Path("a.pdf"), make_placed_pdf([page])).pages for line in p.lines]


def test_a_heading_of_several_lines_is_whole() -> None:
    page = [*column(40, 700, ["Prise en charge de l'insuffisance", "cardiaque du sujet âgé"], size=14)]

    (chunk,) = chunks(make_placed_pdf([[*page, *column(40, 650, BODY * 2)]]))

    assert chunk.heading == "Prise en charge de l'insuffisance cardiaque du sujet âgé"
    assert passage("PRISE EN CHARGE", "DES DOULEURS", *BODY).startswith("PRISE EN CHARGE DES DOULEURS\n")


def test_a_table_of_contents_gives_no_heading() -> None:
    contents = [f"{number} Chapitre de cardiologie . . . . . . . . . . . . {number}0" for number in range(1, 7)]
    pages: list[list[str | Line]] = [[Line("3 Traitement 33", is_bold=True), *contents], [*BODY]]

    assert [chunk.heading for chunk in chunk_document(typeset(*pages))] == [None]


# --- words ----------------------------------------------------------------------------------------------------------


def test_accents_that_are_printed_apart_are_composed() -> None:
    read = passage(
        "La r´egulation de la glyc´emie et l’´equilibre `a jeun sont connus d`es la na¨ıssance : bo^ıte, h´emat´emèse.",
        "Le cˆathéter est pla¸cant le patient fran¸cais `a l’abri. A la suite `",
    )

    assert "régulation de la glycémie et l’équilibre à jeun sont connus dès la naïssance : boîte" in read
    assert "cathéter".replace("a", "â", 1) in read
    assert "plaçant le patient français à l’abri. À la suite" in read


def test_a_text_that_has_its_accents_keeps_its_signs() -> None:
    read = passage("Le code `a` et l’angle 5´ 3 ; x^e est une puissance, été comme hiver.")

    assert "Le code `a` et l’angle 5´ 3 ; x^e est une puissance" in read


@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        (["L’impor-", "tance est dite."], "L’importance est dite."),
        (["L’impor- tance est dite : une importance."], "L’importance est dite"),
        (["Le malade lui-", "même le dit."], "lui-même"),
        (["Les ions Na et Cl-", "qui sortent. C’est lui qui sort."], "Cl- qui sortent"),
        (
            ["Un traitement anti-", "inflammatoire. Des anti-inflammatoires, un anti-inflammatoire."],
            "anti-inflammatoire.",
        ),
        (["C’est peut-", "être vrai."], "peut-être"),
        (["Il est pour-", "tant là, pour tant de gens, pour tant de cas."], "pourtant"),
        (["L’hyper-", "tension artérielle."], "L’hypertension"),
        (["Les formes pré- et postopératoires."], "pré- et postopératoires"),
    ],
)
def test_words_are_mended_as_the_document_spells_them(lines: list[str], whole: str) -> None:
    assert whole in passage(*lines)


def test_joined_letters_without_a_name_are_read_from_the_words_they_make() -> None:
    # Given fonts that number their joined letters as they please
    lines = tuple(
        map(Line, ("c'est di\x1ccile à su\x1cre", "une dé\x1bnition, un \x1bchier", "e\x1dectuer, les chi\x1dres"))
    )

    (page,) = name_ligatures([Page(1, lines)])

    assert [line.text for line in page.lines] == [
        "c'est difficile à suffire",
        "une définition, un fichier",
        "effectuer, les chiffres",
    ]


def test_an_exponent_above_the_line_stays_one() -> None:
    page: list[Placed] = [(40, 700, 10, "plus de 10"), (89, 704, 6, "9"), (94, 700, 10, "/L de leucocytes")]

    assert "10⁹" in text(make_placed_pdf([page]))


def test_a_negative_exponent_stays_one_and_a_range_is_none() -> None:
    raised: list[Placed] = [(40, 700, 10, "soit 1,6.10"), (91, 704, 6, "-19"), (102, 700, 10, "C environ")]
    level: list[Placed] = [(40, 700, 10, "une marche de 10-15 minutes")]

    assert "1,6.10⁻¹⁹" in text(make_placed_pdf([raised]))
    assert "de 10-15 minutes" in text(make_placed_pdf([level]))


# --- sentences ------------------------------------------------------------------------------------------------------


def test_a_number_stays_with_its_unit() -> None:
    assert "de 17 – 30 mg par jour" in passage("La dose usuelle de l’enfant est de 17", "– 30 mg par jour.")
    long = "mot " * 297 + "plus de 140 mmol/L et ensuite " + "mot " * 300

    assert not any(chunk.text.endswith("140") for chunk in chunk_document(typeset([long])))


def test_an_enumerator_stays_with_its_sentence() -> None:
    assert "1. Interroger le patient.\n2. Examiner" in passage("1. Interroger le patient.", "2. Examiner le patient.")
    assert "\na. Interroger" in passage("Il faut :", "", "a.", "", "Interroger le patient.")
    assert "cf. Figure" in passage("On voit cf. Figure 3 du cours.")


def test_a_sentence_goes_on_over_the_end_of_a_page_and_what_is_inserted() -> None:
    pages = [
        [*BODY, "", "Le traitement de première intention reste, chez la plupart", "", "1. Note de bas de page."],
        ["des malades, la pénicilline.", *BODY],
    ]

    (chunk,) = chunk_document(typeset(*pages))

    assert "reste, chez la plupart des malades, la pénicilline." in chunk.text
    assert "Note de bas de page." in chunk.text
    assert (chunk.page, chunk.last_page) == (1, 2)


def test_a_box_does_not_stand_inside_a_sentence() -> None:
    # Given a box in the margin that the program wrote between two lines of a paragraph
    page = column(40, 700, ["Le traitement de première intention reste encore, chez la plupart"])
    page += column(420, 760, ["Encadré : la fièvre est un signe.", "Elle se mesure."])
    page += column(40, 688, ["des malades, la pénicilline, à la dose de 3 millions par jour."])

    read = text(make_placed_pdf([page]))

    assert "chez la plupart des malades, la pénicilline" in read
    assert "Encadré : la fièvre est un signe." in read


# --- columns, tables, slides ----------------------------------------------------------------------------------------


def test_columns_that_are_told_in_turns_are_read_one_after_the_other() -> None:
    words = ("un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit")
    left = [f"Gauche {word} la colonne de ce côté dit" for word in words]
    right = [f"Droite {word} la colonne de là-bas dit" for word in words]
    page: list[Placed] = [
        (40, 740, 9, "Un titre qui va d’un bord de la page à l’autre, au-dessus des deux colonnes de ce cours, entier")
    ]
    for number, (one, other) in enumerate(zip(left, right, strict=True)):
        page += [(40, 700 - 12 * number, 9, one), (320, 700 - 12 * number, 9, other)]

    read = " ".join(text(make_placed_pdf([page])).split())

    assert read.index("Gauche huit") < read.index("Droite un")
    assert [read.index(line) for line in left] == sorted(read.index(line) for line in left)


def test_a_table_is_kept_as_rows_of_cells_under_its_head() -> None:
    rows = [("Paramètre", "Homme", "Femme"), *((f"Dosage {i}", f"{i} g/L", f"{i + 1} g/L") for i in range(1, 60))]
    cells = [
        (x, 760 - 12 * i, 9, cell) for i, row in enumerate(rows) for x, cell in zip((40, 200, 300), row, strict=True)
    ]

    read = chunks(make_placed_pdf([cells]))

    assert len(read) > 1
    assert "\nDosage 7 | 7 g/L | 8 g/L\n" in read[0].text
    assert all(chunk.text.startswith("Paramètre | Homme | Femme\nDosage ") for chunk in read)
    assert all(len(chunk.text) <= MAX_CHARACTERS for chunk in read)


def test_cells_that_are_told_one_after_the_other_are_rows() -> None:
    # Given what word processors write: each cell with all its lines, then the next
    page: list[Placed] = []
    for number, name in enumerate(("Grade I", "Grade II", "Grade III")):
        top = 700 - 40 * number
        page += column(40, top, [name])
        page += column(150, top, ["gêne légère à", f"l’effort {name}"])
        page += column(300, top, ["repos simple", "et surveillance", "rapprochée"])

    read = text(make_placed_pdf([page]))

    assert "Grade II | gêne légère à l’effort Grade II | repos simple et surveillance rapprochée" in read


def test_a_slide_that_builds_up_is_read_once() -> None:
    steps = ["Les trois signes du choc", "Une pression artérielle basse", "Une fréquence élevée", "Une diurèse faible"]
    pages = [column(40, 300, [*steps[:count], f"{count}/3"]) for count in (2, 3, 4)]

    document = extract_document(Path("a.pdf"), make_placed_pdf(pages, width=480, height=360))
    read = " ".join(chunk.text for chunk in chunk_document(document))

    assert [read.count(step) for step in steps] == [1, 1, 1, 1]
    assert document.page_count == 3


def test_a_page_upright_that_repeats_the_one_before_is_read() -> None:
    pages = [column(40, 700, [*BODY]), column(40, 700, [*BODY, "Et ceci."])]

    assert text(make_placed_pdf(pages)).count("38,5 °C") == 2


def test_numbers_set_apart_from_their_headings_are_no_table() -> None:
    page: list[Placed] = []
    for number, name in enumerate(("Objectif", "Matériel", "Examens"), start=1):
        top = 760 - 60 * number
        page += [(40, top, 12, f"7.{number}", True), (80, top, 12, name, True), *column(40, top - 20, BODY)]

    read = chunks(make_placed_pdf([page]))

    assert "\n7.2 Matériel\n" in read[0].text
    assert read[0].heading == "7.1 Objectif"


def test_numbers_of_headings_below_one_another_are_no_table() -> None:
    page: list[Placed] = [(40, 760, 12, "2.2.", True), (90, 760, 12, "Mise en œuvre", True)]
    page += [(40, 740, 12, "2.2.1.", True), (90, 740, 12, "Examens", True), *column(40, 715, BODY)]

    assert " | " not in text(make_placed_pdf([page]))


def test_a_word_in_the_margin_makes_no_table() -> None:
    page = [(40, 760, 9, "dyspnée"), *column(120, 760, (*BODY, *BODY))]

    assert " | " not in text(make_placed_pdf([page]))


def test_letters_are_as_large_as_they_are_set_not_as_their_boxes_are() -> None:
    lines = [
        [Span("Insuffisance cardiaque", 40, 200, 700, 708, size=14.3)],  # a font that says little of its height
        *([Span(line, 40, 400, 680 - 12 * n, 693 - 12 * n, size=10)] for n, line in enumerate(BODY)),
    ]

    assert [line.size for line in arrange(lines) if line.text] == [14.3, 10, 10]


@pytest.mark.parametrize("shape", ["columns", "cells", "one line", "one cell"])
def test_a_page_of_very_many_words_is_arranged_in_time(shape: str) -> None:
    def page(count: int) -> list[list[Span]]:
        def at(left: float, bottom: float) -> Span:
            return Span("un mot de texte assez long", left, left + 100, bottom, bottom + 9)

        return {
            "columns": [[at(40 + 260 * (n % 2), 700 - n)] for n in range(count)]
            + [[Span("ligne entière", 40, 500, 700.5 - n, 709 - n)] for n in range(count // 4)],
            "cells": [[at(40, 700 - 10 * n)] for n in range(count)],
            "one line": [[at(200.0 * n, 700) for n in range(count)], [at(200.0 * n, 690) for n in range(count)]],
            "one cell": [[at(101.0 * n, 700) for n in range(count)]],
        }[shape]

    # Four times the words take about four times the steps
    assert count_steps(lambda: list(arrange(page(4_000)))) < 6 * count_steps(lambda: list(arrange(page(1_000))))


def test_what_is_printed_twice_at_one_place_is_read_once() -> None:
    page = [*column(40, 700, BODY), *column(40.4, 699.7, BODY)]

    assert text(make_placed_pdf([page])).count("hémocultures") == 1


def test_a_long_pdf_is_opened_anew_every_hundred_pages_and_read_whole() -> None:
    # PDFium keeps what it read of a document's pages until that is closed: 347 MB of 950 pages of drawn music
    data = make_pdf([[f"La page {n} parle du rein."] for n in range(250)])
    read: list[ExtractedDocument] = []
    opened = 0

    def note(frame: object, event: str, _argument: object) -> None:
        nonlocal opened
        code = getattr(frame, "f_code", None)
        opened += event == "call" and code is pypdfium2.PdfDocument.__init__.__code__

    watch_calls(lambda: read.append(extract_document(Path("a.pdf"), data)), note)

    assert opened == 3
    assert [page.number for page in read[0].pages] == list(range(1, 251))
    assert read[0].pages[249].lines[0].text == "La page 249 parle du rein."


def test_a_form_that_only_asks_to_wait_is_refused() -> None:
    data = make_pdf([["Please wait...", "If this message is not eventually replaced by the proper contents, upgrade."]])
    data = data.replace(b"/Type /Catalog ", b"/Type /Catalog /AcroForm << /Fields [] /XFA (x) >> /NeedsRendering true ")

    with pytest.raises(UsageError) as refusal:
        extract_document(Path("a.pdf"), data)

    assert str(refusal.value) == FORM


def test_letters_that_are_no_letters_are_refused() -> None:
    with pytest.raises(UsageError) as refusal:
        extract_document(Path("a.pdf"), make_pdf([["G G ( & B"] * 40]))

    assert str(refusal.value) == UNNAMED


# --- formats that know their tables, and what readers do not see -----------------------------------------------------


def read(name: str, data: bytes) -> list[Line]:
    return [line for page in extract_document(Path(name), data).pages for line in page.lines if line.text]


ROWS = [
    Line("| Homme | Femme", is_row=True, is_head=True),
    Line("Hb | 13 g/dL | 12 g/dL", is_row=True),
    Line("VGM | | 80 fL", is_row=True),
]


def as_kept(lines: Sequence[Line]) -> list[Line]:
    return [replace(line, text=" ".join(line.text.split())) for line in lines]


def test_a_web_pages_rows_keep_their_cells_and_head() -> None:
    page = """<table><tr><th></th><th>Homme</th><th>Femme</th></tr>
        <tr><td><p>Hb</p></td><td><p>13</p><p>g/dL</p></td><td>12<br>g/dL</td></tr>
        <tr><td>VGM</td><td></td><td>80 fL</td></tr></table><p>Après</p>"""

    assert as_kept(read("a.html", page.encode())) == [*ROWS, Line("Après")]


def test_a_table_that_lays_out_a_page_is_no_table() -> None:
    page = "<table><tr><td><h1>Menu</h1></td><td><p>Un texte.</p><p>Un autre.</p></td></tr></table>"

    assert [line.is_row for line in read("a.html", page.encode())] == [False] * 3


def test_what_a_reader_of_a_web_page_does_not_see_is_left_out() -> None:
    page = """<html><head><style>.aide, #menu { color: red; display: none } @media print { .cours { display:none } }
        .vu { display: block }</style></head><body>
        <div style="color: red; DISPLAY : NONE">caché <b>dedans</b></div><p hidden>caché</p>
        <span class="x aide">caché</span><div id="menu"><p>caché</p></div><p style="visibility:hidden">caché</p>
        <p class="cours">La fièvre</p><p class="vu">se mesure.</p></body></html>"""

    assert read("a.html", page.encode()) == [Line("La fièvre"), Line("se mesure.")]


@pytest.mark.parametrize(
    "around",
    [
        '<div class="navheader"><table><tr><th>Cœur</th><td><a href="b">Suivant</a></td></tr></table></div>',
        '<div role="navigation"><p>Menu du site</p></div>',
        '<div id="toc" class="toc2"><ul><li><a href="#a">1. Signes</a></li></ul></div>',
        "<ul>" + "".join(f'<li><a href="{n}.html">Chapitre {n}</a></li>' for n in range(5)) + "</ul>",
    ],
)
def test_what_leads_from_page_to_page_is_left_out(around: str) -> None:
    page = f'<html><body class="book toc2"><h1>Signes</h1>{around}<p>{" ".join(BODY)}</p>{around}</body></html>'

    assert read("a.html", page.encode()) == [Line("Signes", is_heading=True), Line(" ".join(BODY))]


def test_links_inside_a_text_are_text() -> None:
    page = '<div class="menu"><h2>Menu du malade</h2><p>Sans sel.</p></div><p>Voir <a href="b">le cours</a>.</p>'

    assert read("a.html", f"<body>{page}</body>".encode())[1:] == [Line("Sans sel."), Line("Voir le cours.")]


def test_a_word_documents_rows_keep_their_cells_and_head_and_hidden_text_is_left_out() -> None:
    word = docx.Document()
    table = word.add_table(3, 3)
    for row, cells in zip(
        table.rows, (("", "Homme", "Femme"), ("Hb", "13 g/dL", "12 g/dL"), ("VGM", "", "80 fL")), strict=True
    ):
        for cell, words in zip(row.cells, cells, strict=True):
            cell.text = words
    paragraph = word.add_paragraph("Vu")
    paragraph.add_run(" caché").font.hidden = True
    file = io.BytesIO()
    word.save(file)

    assert as_kept(read("a.docx", file.getvalue())) == [*ROWS, Line("Vu")]


def test_a_slides_rows_keep_their_cells_and_head_and_hidden_shapes_are_left_out() -> None:
    slides = pptx.Presentation()
    slide = slides.slides.add_slide(slides.slide_layouts[6])
    table = slide.shapes.add_table(3, 3, 0, 0, 999, 999).table
    for row, cells in zip(
        table.rows, (("", "Homme", "Femme"), ("Hb", "13 g/dL", "12 g/dL"), ("VGM", "", "80 fL")), strict=True
    ):
        for cell, words in zip(row.cells, cells, strict=True):
            cell.text = words
    box = slide.shapes.add_textbox(0, 0, 9, 9)
    box.text_frame.text = "caché"
    box._element.nvSpPr.cNvPr.set("hidden", "1")
    file = io.BytesIO()
    slides.save(file)

    assert as_kept(read("a.pptx", file.getvalue())) == ROWS


def test_a_markdown_tables_rows_keep_their_cells_and_head() -> None:
    page = "| | Homme | Femme |\n|---|:-:|---|\n| Hb | 13 g/dL | 12 g/dL |\n| VGM | | 80 fL |\n\nAprès"

    lines = read("a.md", page.encode())

    assert [line.is_row for line in lines] == [True, True, True, False]
    assert lines[0].is_head
    assert as_kept(lines)[1:3] == ROWS[1:]


def test_the_head_of_a_table_opens_each_passage_of_its_rows() -> None:
    rows = [
        Line("Dose | Âge", is_row=True, is_head=True),
        *(Line(f"{i} mg | {i} mois", is_row=True) for i in range(200)),
    ]
    read = chunk_document(ExtractedDocument((Page(None, (Line("Doses", is_heading=True), *rows)),)))

    assert len(read) > 2
    assert all(chunk.text.removeprefix("Doses\n").startswith("Dose | Âge\n") for chunk in read)
    assert sum(chunk.text.count("Âge") for chunk in read) == len(read)
    assert "\n".join(chunk.text for chunk in read).count(" mois") == 200
