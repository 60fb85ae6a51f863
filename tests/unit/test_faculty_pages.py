"""Polycopiés, slides and sheets as faculties hand them out: each kind of fault they showed, as a small document."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import docx
import pptx
import pypdfium2
import pytest
from pptx.util import Emu, Inches

from tests.support.pdfs import Placed, make_placed_pdf, rule_grid, wrap
from worker.courses.chunk import chunk_document
from worker.courses.chunk.paragraphs import read_pieces
from worker.courses.document import ExtractedDocument, Line, Page
from worker.courses.extract import extract_document
from worker.courses.extract.drawn import read_rules
from worker.courses.extract.layout import arrange
from worker.courses.extract.letters import Box
from worker.courses.extract.objects import MOST_OBJECTS
from worker.courses.extract.raised import Places, raise_figures
from worker.courses.extract.rows import Span
from worker.courses.extract.spans import Letters, split_spans
from worker.courses.extract.tex_signs import name_tex_signs

BODY = (
    "La fièvre dépasse souvent 38,5 °C chez le nourrisson de moins de trois mois, et",
    "impose deux hémocultures avant toute antibiothérapie, quelle que soit la saison.",
)
REST = "que le médecin cherche, et dont le malade se plaint."


def pieces(data: bytes, name: str = "a.pdf") -> list[str]:
    return [piece.text for piece in read_pieces(extract_document(Path(name), data))]


def rows(data: bytes, name: str = "a.pdf") -> list[str]:
    return [piece.text for piece in read_pieces(extract_document(Path(name), data)) if piece.is_row]


def column(left: float, top: float, lines: Sequence[str], *, size: float = 10, pitch: float = 14) -> list[Placed]:
    return [(left, top - pitch * number, size, line) for number, line in enumerate(lines)]


def typeset(*pages: Sequence[str | Line]) -> ExtractedDocument:
    lines = [tuple(line if isinstance(line, Line) else Line(line) for line in page) for page in pages]
    return ExtractedDocument(tuple(Page(n, of_page) for n, of_page in enumerate(lines, start=1)), is_typeset=True)


def passage(*pages: Sequence[str | Line]) -> str:
    return "\n".join(chunk.text for chunk in chunk_document(typeset(*pages)))


def printed(text: str, left: float, bottom: float, right: float, size: float = 10.0, *, bold: bool = False) -> Span:
    return Span(text, left, right, bottom, bottom + size, size=size, leads_bold=bold)


# --- tables -----------------------------------------------------------------------------------------------------------


def test_a_header_and_a_footer_of_two_parts_make_no_table_of_the_page_between_them() -> None:
    body = column(
        60, 780, ["Interrogatoire du malade", *(f"• Signe {word}" for word in ("un", "deux", "trois", "six"))]
    )
    header: list[Placed] = [(60, 810, 8, "Faculté de Sfax"), (500, 810, 8, "Prurit")]
    footer: list[Placed] = [(60, 60, 8, "DCEM2 2022"), (515, 60, 8, "3")]

    found = pieces(make_placed_pdf([[*header, *body, *footer]]))

    assert [t for t in found if t.startswith("•")] == ["• Signe un", "• Signe deux", "• Signe trois", "• Signe six"]


def test_two_columns_with_titles_are_no_cells() -> None:
    left = [*column(40, 780, BODY, size=9), (40.0, 740.0, 13.0, "3 Anticholinergiques"), *column(40, 720, BODY, size=9)]
    right = [(330.0, 786.0, 13.0, "4 Corticoïdes"), *column(330, 766, BODY, size=9), (330.0, 726.0, 13.0, "5 Autres")]

    assert rows(make_placed_pdf([[*left, *right]], width=700)) == []


def test_the_last_row_of_a_ruled_table_on_its_next_page_is_one() -> None:
    grid = rule_grid([60, 160, 310, 430, 540], [780, 764])
    cells = zip((63, 163, 313, 433), ("Respiration", "Absente", "Irrégulière", "Régulière"), strict=True)
    page: list[Placed] = [(left, 768, 10, text) for left, text in cells]

    assert rows(make_placed_pdf([[*page, *column(60, 740, BODY)]], drawn=grid)) == [
        "Respiration | Absente | Irrégulière | Régulière"
    ]


Cells = Sequence[Sequence[str]]
NAMED: Cells = (["Artère"], ["Territoire qu'elle irrigue"])
ABOVE: Cells = (["Tronc cœliaque"], ["Estomac, foie, rate, duodénum"])
OPEN: Cells = (["Mésentérique"], ["Tiers restant du côlon transverse,", "côlon descendant et sigmoïde, haut du"])
WIDE = [60, 160, 345]


def ruled(top: float, cells: Cells, xs: Sequence[float] = WIDE) -> list[Placed]:
    return [part for left, lines in zip(xs, cells, strict=False) for part in column(left + 3, top - 12, lines)]


def rows_over_pages(
    above: Cells, below: Sequence[Cells], xs: Sequence[float] = WIDE, running: Sequence[str] = ("", "")
) -> list[str]:
    """The rows of a table whose last one on the first page is `above`, and of which `below` stands on the next one."""
    ys = [150, 134, 118, 70]
    first = [*column(60, 740, BODY), *ruled(150, NAMED), *ruled(134, ABOVE), *ruled(118, above)]
    second = [part for number, cells in enumerate(below) for part in ruled(780 - 32 * number, cells, xs)]
    pages = [
        [(60, 810, 10, line), *page, *column(60, 640, BODY)]
        for line, page in zip(running, (first, second), strict=True)
    ]
    heights = [780 - 32 * number for number in range(len(below) + 1)]
    return rows(make_placed_pdf(pages, drawn=[rule_grid(WIDE, ys), rule_grid(xs, heights)]))


REPEATED: Cells = (["Artère"], ["Territoire qu'elle irrigue"])


@pytest.mark.parametrize(
    ("above", "below", "whole"),
    [
        (OPEN, [([], ["rectum"])], "haut du rectum"),
        (
            (OPEN[0], [OPEN[1][0], "côlon descendant et sigmoïde, par-"]),
            [([], ["tie haute du rectum"])],
            "partie haute",
        ),
        (OPEN, [REPEATED, ([], ["rectum"])], "haut du rectum"),
        ((["Signes"], ["- fièvre", "- toux"]), [([], ["- douleurs"])], "- fièvre - toux - douleurs"),
        ((["Tronc commun ou"], OPEN[1]), [(["cœliaque"], ["rectum"])], "commun ou cœliaque | Tiers restant"),
    ],
    ids=["a sentence", "a word", "below the head again", "a list", "the name of the row too"],
)
def test_a_row_that_a_page_cuts_in_two_is_one(above: Cells, below: Sequence[Cells], whole: str) -> None:
    headed = rows_over_pages(above, below, running=("Faculté de médecine de Sousse",) * 2)

    assert len(headed) == 3
    assert whole in headed[-1]
    assert rows_over_pages(above, below) == headed


@pytest.mark.parametrize(
    ("above", "below", "xs"),
    [
        (OPEN, (["Iliaque"], ["Petit bassin"]), WIDE),
        (OPEN, (["iliaque"], ["Petit bassin"]), WIDE),
        ((OPEN[0], ["Estomac, foie"]), ([], ["rectum"]), WIDE),
        ((OPEN[0], ["- fièvre", "- toux", "puis sueurs"]), ([], ["rectum"]), WIDE),
        (([], OPEN[1]), ([], ["Rectum et anus"]), WIDE),
        (OPEN, ([], ["rectum"]), [60, 190, 345]),
    ],
    ids=["named", "named in small letters", "it had room", "a list has ended", "unnamed", "columns"],
)
def test_the_next_row_stays_one_of_its_own(above: Cells, below: Cells, xs: Sequence[float]) -> None:
    others = (["Veineuse"], ["Tout le tube digestif"]), (["Honteuse"], ["Canal anal"])

    assert len(rows_over_pages(above, [below, *others], xs)) == 6


def test_a_box_with_one_cell_or_two_is_no_table() -> None:
    page: list[Placed] = [(63, 768, 10, "À retenir"), (313, 768, 10, "Piège")]

    found = rows(make_placed_pdf([[*page, *column(60, 740, BODY)]], drawn=rule_grid([60, 310, 540], [780, 764])))

    assert found == []


def test_the_last_cell_that_a_page_tells_behind_one_of_two_lines_is_in_its_row() -> None:
    page: list[Placed] = [
        *((left, 780, 10, text) for left, text in ((60, "3 ans"), (120, "14 kg"), (200, "95 cm"), (400, "49 cm"))),
        *((left, 764, 10, text) for left, text in ((60, "4 ans"), (120, "16 kg"), (200, "100 cm (taille de"))),
        (200, 751, 10, "naissance × 2)"),
        (400, 764, 10, "51 cm"),
        *((left, 735, 10, text) for left, text in ((60, "7 ans"), (120, "22 kg"), (200, "120 cm"), (400, "52 cm"))),
    ]

    assert "4 ans | 16 kg | 100 cm (taille de naissance × 2) | 51 cm" in rows(make_placed_pdf([page]))


def test_cells_of_two_lines_below_a_table_are_its_last_row() -> None:
    page: list[Placed] = [
        *((left, 780, 10, text) for left, text in ((60, "3 ans"), (120, "Dit son nom"))),
        *((left, 764, 10, text) for left, text in ((60, "4 ans"), (120, "Copie un carré"))),
        *((60, 748 - 13 * n, 10, text) for n, text in enumerate(("6-10", "ans"))),
        *((120, 748 - 13 * n, 10, text) for n, text in enumerate(("Lace ses chaussures ; connaît", "sa droite"))),
    ]

    assert rows(make_placed_pdf([page]))[-1] == "6-10 ans | Lace ses chaussures ; connaît sa droite"


def test_lines_that_print_draws_out_in_a_narrow_column_are_no_rows() -> None:
    full = [
        "pharmacocinétique insulinique, et sa",
        "sensibilité au glucose, et ce que le",
        "malade mange au cours de la journée.",
    ]
    wide = [(40.0, "moins"), (90.0, "efficace"), (150.0, "car")]
    spans = [[printed(line, 40, 700 - 12 * n, 200)] for n, line in enumerate(full)]
    spans += [[printed(text, left, 660 - 12 * n, left + 30) for left, text in wide] for n in range(2)]
    spans = [
        [*line[:-1], line[-1]._replace(left=170.0 - 0.0, right=200.0)] if len(line) > 1 else line for line in spans
    ]
    spans = [[line[0], line[1]._replace(left=105.0, right=135.0), line[2]] if len(line) > 1 else line for line in spans]

    assert not any(line.is_row for line in arrange(spans))


# --- lines ------------------------------------------------------------------------------------------------------------


def test_terms_in_bold_begin_lines_of_their_own_though_these_are_full() -> None:
    lines = [
        [printed("Citrobacter citrus et bacter, qui utilise du citrate avec", 40, 700, 300, bold=True)],
        [printed("Enterobacter enteron et bacter, celle de l'intestin", 40, 686, 280, bold=True)],
        [printed("Erysipelothrix erysipelas et thrix, le fil de l'érysipèle,", 40, 672, 300, bold=True)],
        [printed("qui est rouge", 52, 658, 120)],
        [printed("Escherichia d'après Escherich", 40, 644, 200, bold=True)],
    ]

    found = [(line.text.split()[0], line.goes_on) for line in arrange(lines) if line.text]

    assert [goes_on for word, goes_on in found if word in ("Enterobacter", "Erysipelothrix", "Escherichia")] == [
        False,
        False,
        False,
    ]


def test_a_number_at_the_head_of_a_line_goes_on_though_measures_stand_above_it() -> None:
    lines = [
        "600 ml pour le plus petit, le reste selon son poids :",
        "8 kg : 600 ml, à donner en quatre heures, en petites",
        "quantités ; puis 70 ml par kilo en 5 h, et ensuite en 2 h",
        "30. Soluté idéal : celui de Ringer ; à défaut, le sérum",
        "glucosé isotonique à 5 %, pour un malade de cet âge.",
    ]
    found = pieces(make_placed_pdf([column(60, 780, lines)]))

    assert any(text.endswith("en 2 h 30.") for text in found)


def test_a_range_goes_on_in_the_next_line() -> None:
    lines = ["Une malade dont la douleur est de sept sur dix malgré un palier 1-", "2. Morphine orale envisagée."]

    found = pieces(make_placed_pdf([column(60, 780, [*BODY, *lines, *BODY])]))

    assert any(text.endswith("palier 1-2.") for text in found)


@pytest.mark.parametrize("letter", ["b", "c"])
def test_a_letter_with_a_stroke_begins_an_item(letter: str) -> None:
    lines = (
        "Émotions : anhédonie, aboulie, anesthésie affective, irritabilité, douleur morale",
        f"{letter}/ Ralentissement psychomoteur, que la famille du malade remarque la première",
    )
    assert len(pieces(make_placed_pdf([column(60, 780, lines)]))) == 2


def test_an_item_needs_no_full_stop_before_the_next_one() -> None:
    first = ["• Agitation ou ralentissement psychomoteur du malade", "• Fatigue ou perte d'énergie que rien n'explique"]
    second = ["• Sentiment de dévalorisation", "• Pensées de mort récurrentes", "souvent cachées"]

    text = passage(first, second)

    assert "• Fatigue ou perte d'énergie que rien n'explique\n" in text
    assert "récurrentes souvent cachées" in text


@pytest.mark.parametrize("are_slides", [True, False])
def test_a_slide_ends_what_it_says(are_slides: bool) -> None:
    pages = [
        column(60, 480, ["L'infection touche le disque et les plateaux des vertèbres", "qui sont"], size=12),
        column(60, 480, ["adjacentes, et le diabète du malade la favorise."], size=12),
    ]
    width, height = (800, 540) if are_slides else (540, 800)

    found = pieces(make_placed_pdf(pages, width=width, height=height))

    assert any("qui sont adjacentes" in piece for piece in found) is not are_slides


def test_a_line_of_contents_is_no_half_of_a_sentence() -> None:
    text = passage(["Table des matières", "2.4 Sérum et vaccins du malade … 5"], ["zoonoses : maladies des animaux."])

    assert "5 zoonoses" not in text


def test_a_figure_beside_the_sign_of_an_item_is_read_as_high_as_its_line() -> None:
    left = [
        "contact du mamelon. Bonne prise du",
        "sein : bouche grande ouverte, menton",
        "contre le sein, lèvre éversée.",
    ]
    right = ["Facteurs de déclin : formules", "infantiles et leur promotion,", "manque de soutien."]
    page: list[Placed] = [*column(60, 780, left), (330, 780, 5, "•"), *column(340, 780, right)]

    text = " ".join(pieces(make_placed_pdf([page])))

    assert "Bonne prise du sein" in text
    assert "formules infantiles" in text


def test_the_mark_of_an_item_that_is_set_close_to_it_stands_apart() -> None:
    found = pieces(make_placed_pdf([column(60, 780, ["•Prolactine : hypophyse antérieure", "•Ocytocine : l'autre"])]))

    assert found == ["• Prolactine : hypophyse antérieure", "• Ocytocine : l'autre"]


@pytest.mark.parametrize(
    ("initial", "rest", "word"),
    [("L", "a méiose est une double division", "La"), ("1", "ère ligne de défense", "1ère")],
)
def test_a_large_initial_is_the_first_letter_of_its_word(initial: str, rest: str, word: str) -> None:
    beside = column(62, 771, [f"{rest} de la cellule", "qui en donne quatre, chacune à part."])
    page: list[Placed] = [*column(40, 720, BODY), (40, 756, 34, initial), *column(40, 800, ["Leçon"]), *beside]

    found = " ".join(pieces(make_placed_pdf([page])))

    assert f"{word} {rest.split(' ', 1)[1]}" in found


def test_titles_in_the_right_margin_stand_before_their_paragraphs() -> None:
    text = [
        ["Une augmentation durable des résistances vasculaires et du volume", f"circulant {REST}"],
        ["Âge, antécédents familiaux, excès de sodium, surpoids et aussi la", f"sédentarité {REST}"],
        ["Mesures de régime, et médicaments selon le niveau du risque et les", f"maladies {REST}"],
    ]
    page: list[Placed] = []
    for number, (lines, title) in enumerate(zip(text, ("Mécanismes", "Facteurs", "Traitement"), strict=True)):
        top = 780 - 60 * number
        page += [(40, top, 10, lines[0]), (400, top, 10, title), *column(40, top - 14, lines[1:])]

    found = pieces(make_placed_pdf([page]))

    assert found.index("Facteurs") < next(at for at, line in enumerate(found) if line.startswith("Âge"))
    assert "vasculaires et du volume circulant" in " ".join(found)


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("On donne 1 000 ml/", "jour de soluté."), "1 000 ml/jour"),
        (("Le poids, la taille/", "âge et le reste."), "taille/âge"),
        *((("Le débit est de 60 mL/" + sign, "min ou moins."), "60 mL/min") for sign in "-\u2010\ufffe\u00ad"),
        (("On lit GNU/", "Linux ici."), "GNU/Linux"),
        (("On le met dans /etc/", "pour toujours."), "/etc/ pour"),
        (("Le dossier debian/ est lu.", "On ouvre debian/", "control après."), "debian/ control"),
        (("Le fichier debian/control est lu.", "On ouvre debian/", "control après."), "ouvre debian/control"),
        (("Voir https://wiki.example.org/", "NdisWrapper_Fr pour cela."), "org/NdisWrapper_Fr"),
        (("Voir https://wiki.example.org/", "Ensuite, on lit."), "org/ Ensuite"),
    ],
)
def test_what_ends_with_a_stroke_goes_on_unless_it_is_a_path(lines: Sequence[str], told: str) -> None:
    assert told in passage(lines)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("L'hypoglycémie post-exercice et l'alcool.", "Elle est aussi post-", "alcool chez lui."), "post-alcool"),
        (("Les log-cotes et la vraisemblance.", "On écrit la log-", "vraisemblance ainsi."), "log-vraisemblance"),
        (("Un bilan pré-biopsie.", "Les consignes post-", "biopsie sont données."), "post-biopsie"),
        (
            (
                "La rénine, l'angiotensine ; rénine, angiotensine, aldostérone.",
                "Le système rénine-",
                "angiotensine-",
                "aldostérone est lu.",
            ),
            "rénine-angiotensine-aldostérone",
        ),
        (("La construction.", "Une macro-construc-", "tion est faite."), "macro-construction"),
        (("Une selle se-", "mi-liquide chez lui."), "semi-liquide"),
        (("Un surtout, et tout, la face, et sur-mesure.", "La sur-", "face est lisse."), "surface"),
        (("sourire ré\u2010 ponse de l'enfant",), "sourire réponse"),
        (("La grossesse est une contre-", "indication absolue."), "contre-indication"),
        (("Ce qui peut contre-", "balancer le reste."), "contrebalancer"),
        (("On donne des anti-", "inflammatoires ici."), "anti-inflammatoires"),
        (("Un acte pré-transfusionnel.", "Les tests pré-", "transfusionnels ensuite."), "pré-transfusionnels"),
        (("On loue la main-", "d'œuvre aussi."), "main-d'œuvre"),
        (("Le rachis dorso-lom-", "bo-pelvien."), "dorso-lombo-pelvien"),
    ],
)
def test_hyphens_are_kept_where_the_document_writes_them_elsewhere(lines: Sequence[str], told: str) -> None:
    assert told in passage(lines)


def test_the_charge_of_an_ion_stands_by_it() -> None:
    lines = [
        [printed("avec HCO3", 87, 700, 153)],
        [Span("-", 153, 155.5, 705.3, 710.4, size=5.8)],
        [printed("pour produire du gaz", 160.8, 700, 285)],
        [printed("H2O. Le gaz est éliminé par le", 87, 686, 285)],
    ]
    assert next(line.text for line in arrange(lines) if line.text) == "avec HCO3⁻ pour produire du gaz"


@pytest.mark.parametrize(
    ("text", "feet", "shown"),
    [
        ("Q1 : la triade", {0: -2.2}, "Q1 : la triade"),
        ("J0 à J7", {0: -2.1, 5: -2.1}, "J0 à J7"),
        ("Q1 : la triade", {0: -2.2, 1: 4.0}, "Q¹ : la triade"),
        ("cm3 de sang", {2: 4.0}, "cm³ de sang"),
    ],
)
def test_a_figure_behind_a_letter_that_goes_below_the_line_is_not_raised(
    text: str, feet: dict[int, float], shown: str
) -> None:
    def box_of(at: int) -> Box:
        foot = feet.get(at, 0.0)
        return 6.0 * at, 6.0 * at + 5, foot, (foot + 5.5) if foot > 0 else 7.6

    assert raise_figures(text, Places(box_of)) == shown


@pytest.mark.parametrize(
    ("broken", "shown"),
    [("phénotypique⏎s", "phénotypiques"), ("insuffisance⏎et", "insuffisance et"), ("signe⏎l'un", "signe l'un")],
)
def test_a_word_that_is_too_long_for_its_cell_is_whole(broken: str, shown: str) -> None:
    first, rest = broken.split("⏎")
    width = 6 + 0.5 * 10 * len(first)
    xs, ys = [60.0, 60 + width, 300, 540], [780.0, 750, 720]
    cells = [(63, 768, first), (63, 756, rest), (83 + width, 768, "perte de poids"), (303, 768, "en six mois")]
    cells += [(63, 738, "Signe"), (83 + width, 738, "IMC bas"), (303, 738, "selon l'âge")]
    grid = rule_grid(xs, ys)

    assert rows(make_placed_pdf([[*((x, y, 10.0, text) for x, y, text in cells)]], drawn=grid))[0].startswith(shown)


# --- titles -----------------------------------------------------------------------------------------------------------


def test_a_title_with_several_numbers_below_the_header_of_a_page_is_no_page_number() -> None:
    pages = [
        [Line(f"Cours de régression {number}", foot=800), Line(""),
         Line(f"{number}.4.3 Théorème de {'abcdefg'[number]}auss", is_bold=True, foot=770), Line(""),
         *(Line(f"{line} {number}", foot=740) for line in BODY)]
        for number in range(1, 6)
    ]  # fmt: skip

    found = [piece.text for piece in read_pieces(typeset(*pages)) if piece.is_heading]

    assert "4.4.3 Théorème de eauss" in found
    assert len(found) == 5


def test_the_title_of_a_slide_may_begin_in_small_letters() -> None:
    slides = [
        [Line("surveillance", size=1.43), Line(""), *map(Line, BODY)],
        [Line("diagnostic : les formes", size=1.43), Line(""), *map(Line, BODY)],
        [Line("type(a) := 5", size=1.43), Line(""), *map(Line, BODY)],
    ]
    found = [piece.text for piece in read_pieces(typeset(*slides)) if piece.is_heading]

    assert found == ["surveillance", "diagnostic : les formes"]


def test_a_bold_line_below_an_item_is_none_of_it() -> None:
    def line(text: str, left: float, top: int, right: float, *, bold: bool = False) -> list[Span]:
        return [Span(text, left, right, 700 - 14 * top, 710 - 14 * top, is_bold=bold, size=10)]

    lines = [
        line("• Lombosciatique claudicante", 40, 0, 200),
        line("évolutives", 40, 1, 90, bold=True),
        line("• lombosciatique qui dure plus de trois mois et qui ne cède pas au repos", 40, 2, 300),
        line("• penser à la dissection de la carotide chez un malade qui est jeune et à", 40, 3, 300),
        line("l'occlusion", 50, 4, 100, bold=True),
    ]
    found = {row.text.split()[0]: row.goes_on for row in arrange(lines) if row.text}

    assert found["évolutives"] is False
    assert found["l'occlusion"] is None


def test_slides_that_move_what_they_show_step_by_step_are_one() -> None:
    rest = ["Exemple", "On pose 34, puis le reste de la division"]
    steps = [
        ["Division euclidienne", "Il existe des entiers q et r", "tels que", *rest],
        ["uniques", "Division euclidienne", "Il existe des entiers q et r", "tels que a", *rest],
        ["Division euclidienne", "Il existe des entiers q et r uniques", "tels que a = bq + r", *rest],
    ]  # fmt: skip
    slides = [[(60.0, 480.0 - 40 * n, 20.0, text) for n, text in enumerate(lines)] for lines in steps]

    found = pieces(
        make_placed_pdf([*slides, [(60, 480, 20, "Une autre diapositive, qui dit autre chose")]], width=960, height=540)
    )

    assert sum("Exemple" in text for text in found) == 1
    assert any("uniques" in text for text in found)


@pytest.mark.parametrize(
    ("one", "two", "is_one"),
    [
        ("Paracétamol : 500 mg toutes les six heures", "Paracétamol : 1000 mg toutes les six heures", False),
        ("Une dose de 5 mg par jour", "Une dose de 6 mg par jour", False),
        ("Une dose de 5 mg par jour", "Une dose de 5 mg par jour et le soir", True),
    ],
)
def test_slides_that_differ_in_a_number_of_their_text_are_two(one: str, two: str, is_one: bool) -> None:
    title, rest = "Traitement de l'adulte et de l'enfant", ["En cas de douleur aiguë, sans fièvre", "Sans limite"]
    slides = [
        [*column(60, 480, [title, said, *rest], size=20, pitch=40), (700.0, 20.0, 8.0, f"{number} / 40")]
        for number, said in enumerate((one, two), start=5)
    ]

    found = " ".join(pieces(make_placed_pdf(slides, width=960, height=540)))

    assert (found.count("Sans limite") == 1) is is_one
    assert is_one or (one in found and two in found)


@pytest.mark.parametrize("words", [8, 400])
def test_two_pages_on_one_sheet_are_no_slide(words: int) -> None:
    text = [wrap(" ".join(f"{half}{number}" for number in range(words))) for half in ("fin", "tête")]
    pages = [
        column(60, 560, [*text[0], "L'infection touche les vertèbres qui sont"], size=9, pitch=11),
        column(60, 560, ["adjacentes.", *text[1]], size=9, pitch=11),
    ]
    found = pieces(make_placed_pdf(pages, width=842, height=595))

    assert any("qui sont adjacentes" in piece for piece in found) is (words == 400)


# --- slides and boxes -------------------------------------------------------------------------------------------------


def test_a_plan_that_comes_again_on_slides_stays() -> None:
    plan = ["1 Épidémiologie", "2 Clinique", "3 Étiologies", "4 Prise en charge"]
    slides = [
        part
        for number in range(8)
        for part in (["Plan", *plan], [f"Titre {number}", f"Le texte de la diapositive {number} est celui-ci."])
    ]
    pages = [[Line(text, foot=200.0 - n, goes_on=False) for n, text in enumerate(lines)] for lines in slides]
    shown = [piece.text for piece in read_pieces(typeset(*pages))]

    assert shown.count("2 Clinique") == 8


def test_a_footer_that_somebody_typed_on_each_slide_is_left_out() -> None:
    show = pptx.Presentation()
    assert show.slide_height is not None
    for number in range(1, 6):
        slide = show.slides.add_slide(show.slide_layouts[5])
        assert slide.shapes.title is not None
        slide.shapes.title.text = f"Titre {number}"
        foot = slide.shapes.add_textbox(Inches(1), Emu(int(show.slide_height * 0.93)), Inches(3), Inches(0.3))
        foot.text_frame.text = f"Gynécologie | {number}"
        low = slide.shapes.add_textbox(Inches(5), Emu(int(show.slide_height * 0.93)), Inches(3), Inches(0.3))
        low.text_frame.text = f"Source : {'abcde'[number - 1]}"
    data = io.BytesIO()
    show.save(data)

    found = pieces(data.getvalue(), "a.pptx")

    assert [text for text in found if "Gynécologie" in text] == []
    assert "Source : c" in found  # what is said once is no footer


def test_the_lines_of_a_box_in_word_are_its_own() -> None:
    word = docx.Document()
    cell = word.add_table(1, 1).cell(0, 0)
    cell.text = "Critères d'hospitalisation"
    cell.add_paragraph("TVP bilatérale")
    cell.add_paragraph("Hémorragie active")
    data = io.BytesIO()
    word.save(data)

    assert pieces(data.getvalue(), "a.docx") == ["Critères d'hospitalisation", "TVP bilatérale", "Hémorragie active"]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("> [!note] Causes\n> 0 à 2 ans : luxation\n> Ado : autre", ["Causes", "0 à 2 ans : luxation", "Ado : autre"]),
        ("Voir [[la goutte]]\nUne ligne", ["Voir la goutte", "Une ligne"]),
        ("> [!NOTE]\n> Une ligne\n> et sa suite", ["Une ligne et sa suite"]),
        ("Une ligne\net sa suite", ["Une ligne et sa suite"]),
        ("Vu.\n\n```\n[[a]]\n```\n\nUne ligne\nEt sa suite", ["Vu.", "[[a]]", "Une ligne Et sa suite"]),
        ("Soit `[[a b]]` et [[1, 2], [3, 4]]\nUne ligne", ["Soit [[a b]] et [[1, 2], [3, 4]] Une ligne"]),
        ("Voir [[la goutte]] où\nla ligne\nest coupée", ["Voir la goutte où la ligne est coupée"]),
    ],
)  # fmt: skip
def test_the_lines_of_notes_are_shown_as_obsidian_shows_them(source: str, shown: list[str]) -> None:
    assert pieces(source.encode(), "a.md") == shown


# --- several slides on one sheet --------------------------------------------------------------------------------------


def on_one_sheet(slide: bytes, *, is_turned: bool) -> bytes:
    """A slide at half its size, twice on a page."""
    source, sheet = pypdfium2.PdfDocument(slide), pypdfium2.PdfDocument.new()
    page = sheet.new_page(595, 842)
    shown = source.page_as_xobject(0, sheet)
    for bottom in (40.0, 440.0):
        placed = shown.as_pageobject()
        turned = pypdfium2.PdfMatrix().rotate(90, ccw=True).translate(560, 0) if is_turned else pypdfium2.PdfMatrix()
        placed.set_matrix(turned.scale(0.5, 0.5).translate(20, bottom))
        page.insert_obj(placed)
    page.gen_content()
    if is_turned:
        page.set_rotation(90)
    out = io.BytesIO()
    sheet.save(out)
    return out.getvalue()


@pytest.mark.parametrize("is_turned", [False, True])
def test_a_table_of_a_slide_keeps_its_empty_cells_on_a_sheet_of_several(is_turned: bool) -> None:
    xs, ys = [60, 200, 260, 320, 380], [500, 470, 440, 410]
    cells = (("Paramètre", "M0", "M1", "M3"), ("Prolactine", "×", "", "×"), ("ECG", "×", "×", ""))
    words = [
        (x + 4, y - 20, 14, cell)
        for row, y in zip(cells, ys, strict=False)
        for cell, x in zip(row, xs, strict=False)
        if cell
    ]
    slide = make_placed_pdf(
        [[(60, 520, 20, "Surveillance du traitement"), *words]], width=700, height=560, drawn=rule_grid(xs, ys)
    )

    found = rows(on_one_sheet(slide, is_turned=is_turned))

    assert found.count("Prolactine | × | | ×") == 2
    assert found.count("ECG | × | ×") == 2


@pytest.mark.parametrize("words", ["Psychiatrie – 4ème année {}", "{}"])
def test_what_counts_the_slides_of_a_sheet_is_no_text(words: str) -> None:
    pages = []
    for number in range(5):
        text = [Line(f"Une phrase de la feuille {name} qui dit {name}.", foot=500.0) for name in "abcde"[number]]
        slides = [number + 1] if words == "{}" else [2 * number + 1, 2 * number + 2]
        feet = [Line(" ".join(words.format(n) for n in slides), size=1.0 if words == "{}" else 0.6, foot=280.0)]
        pages.append([*text * 5, Line(""), *feet, Line(""), *text * 5])

    found = passage(*pages)

    assert "4ème" not in found
    assert not re.search(r"\d", found)


def test_figures_of_a_table_that_do_not_count_the_pages_stay() -> None:
    pages = []
    for dose in (50, 20, 75, 30):
        text = [Line(f"Une phrase de la feuille {'abcd'[dose % 4]}.", foot=500.0)] * 5
        pages.append([*text, Line(""), Line(f"Dose {dose} mg", size=0.6, foot=280.0), Line(""), *text])

    assert all(f"Dose {dose} mg" in passage(*pages) for dose in (50, 20, 75, 30))


@pytest.mark.parametrize(
    ("headers", "size", "are_left_out"),
    [
        (("Revue de chirurgie", "Appendicite aiguë", "Hernies"), 0.85, True),
        (("Immunologie – UE 5", "Lymphocytes B", "Immunologie – UE 5"), 1.0, True),
        (("Revue de chirurgie", "Appendicite aiguë", "Hernies"), 1.0, False),
    ],
)
def test_what_few_pages_begin_with_far_above_their_text(
    headers: Sequence[str], size: float, are_left_out: bool
) -> None:
    pages = [
        [Line(header, size=size, foot=805.0), Line(""), *(Line(f"{line} {'abc'[n]}", foot=760.0) for line in BODY * 4)]
        for n, header in enumerate(headers)
    ]

    assert all((header in passage(*pages)) is not are_left_out for header in headers)


@pytest.mark.parametrize("title", ["SCA et OAP", "Troubles du rythme"])
def test_the_title_of_a_slide_may_be_abbreviations(title: str) -> None:
    slides = [[Line(f"Titre {n}", size=1.4), Line(""), Line(f"Le texte de la diapositive {n}.")] for n in "abc"]
    slides.append([Line(title, size=1.4), Line(""), Line("Dérivés nitrés et furosémide.")])

    assert title in [piece.text for piece in read_pieces(typeset(*slides)) if piece.is_heading]


def test_an_entry_of_two_lines_does_not_cut_a_plan_that_comes_again() -> None:
    plan = ["Plan", "1. Définitions", "2. Spectres d'action et mécanismes de", "résistance", "3. Doses", "4. Classes"]
    slides = [
        part
        for number in range(8)
        for part in (plan, [f"Titre {number}", f"Le texte de la diapositive {number} est celui-ci."])
    ]
    pages = [[Line(text, foot=200.0 - n, goes_on=False) for n, text in enumerate(lines)] for lines in slides]
    shown = [piece.text for piece in read_pieces(typeset(*pages))]

    assert all(sum(entry in piece for piece in shown) == 8 for entry in ("Plan", "1. Déf", "résistance", "4. Classes"))


# --- exponents and signs ----------------------------------------------------------------------------------------------


def raised_line(before: str, figure: str, after: str = "", *, lift: float = 4.0) -> str:
    """Words, a small figure above their foot in a stretch of its own, and what follows."""
    size = 6.0
    lines = [[printed(before, 60, 700, 160)], [Span(figure, 160.5, 166, 700 + lift, 700 + lift + size, size=size)]]
    if after:
        lines.append([printed(after, 166.5, 700, 300)])
    return next(line.text for line in arrange(lines) if line.text)


@pytest.mark.parametrize(
    ("before", "figure", "told"),
    [
        ("avec le carré r", "2", "avec le carré r² de la distance"),
        ("une vitesse en m·s", "−1", "une vitesse en m·s⁻¹ de la distance"),
        ("une vitesse en m·s", "–2", "une vitesse en m·s⁻² de la distance"),
        ("le plus grave est P. knowlesi", "1", "le plus grave est P. knowlesi¹ de la distance"),
        ("une somme (a + b)", "2", "une somme (a + b)² de la distance"),
        ("une moitié vaut x =", "1", "une moitié vaut x =1 de la distance"),
        ("une moitié vaut x =", "−1", "une moitié vaut x =−1 de la distance"),
    ],
)
def test_a_small_figure_that_a_page_tells_by_itself_is_raised(before: str, figure: str, told: str) -> None:
    assert raised_line(before, figure, "de la distance").replace("  ", " ") in (told, told.replace(" de la", "de la"))


def test_a_small_figure_below_the_line_is_an_index() -> None:
    assert raised_line("l'eau H", "2", "O", lift=-2.0) == "l'eau H₂O"


def test_what_follows_an_index_is_no_exponent_of_it() -> None:
    boxes: dict[int, Box] = {2: (0, 5, 98, 106), 3: (5, 9, 96, 101), 4: (9, 13, 96, 101), 6: (15, 20, 98, 106)}
    assert raise_figures("log10 2", Places(lambda at: boxes.get(at, (0.0, 5.0, 98.0, 106.0)))) == "log10 2"
    power: dict[int, Box] = {3: (15, 19, 102, 107), 4: (19, 24, 102, 107)}
    assert raise_figures("10 –6", Places(lambda at: power.get(at, (0.0, 5.0, 98.0, 106.0)))) == "10⁻⁶"


def test_a_font_without_a_name_has_no_division_within_a_word() -> None:
    assert name_tex_signs("un ÷dème, le n÷ud, ×dèmes", lambda _: b"") == "un œdème, le nœud, Œdèmes"
    assert name_tex_signs("6 ÷ 2 et 5×morphine, a÷b", lambda _: b"") == "6 ÷ 2 et 5×morphine, a÷b"
    assert name_tex_signs("un ÷dème", lambda _: b"Times") == "un ÷dème"


# --- lists and cells --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "D. le tableau peut simuler une colique néphrétique droite, ou une hépatique chez elle",
            "E. l'antibiothérapie seule est la référence",
        ),
        (
            "+ syndesmophytes en colonne de bambou sur tout le rachis dorsal et lombaire de profil",
            "+ ligament interépineux ossifié, en rail",
        ),
    ],
)
def test_items_by_letters_or_with_a_plus_are_each_their_own(one: str, other: str) -> None:
    page = column(60, 700, [*BODY, "Parmi les propositions suivantes, laquelle est exacte :", one, other, *BODY])

    found = pieces(make_placed_pdf([page]))

    assert one in found
    assert other in found


def test_a_cell_that_a_web_page_merges_over_rows_is_read_in_each() -> None:
    head = "<tr><th>DCI</th><th>Mécanisme</th><th>Dose</th></tr>"
    first = '<tr><td>Allopurinol</td><td rowspan="2">inhibiteur</td><td>50 mg</td></tr>'
    page = f"<html><body><table>{head}{first}<tr><td>Fébuxostat</td><td>80 mg</td></tr></table></body></html>"

    found = [piece.text for piece in read_pieces(extract_document(Path("a.html"), page.encode())) if piece.is_row]

    assert found == ["DCI | Mécanisme | Dose", "Allopurinol | inhibiteur | 50 mg", "Fébuxostat | inhibiteur | 80 mg"]


@pytest.mark.parametrize("rowspan", ["99999999999", "9" * 5_000, "-1", "x", "0", "65534"])
def test_a_span_that_goes_beyond_its_table_adds_no_rows(rowspan: str) -> None:
    row = f'<tr><td rowspan="{rowspan}">a</td><td>b</td></tr>'
    page = f"<html><body><table>{row}<tr><td>c</td><td>d</td></tr></table></body></html>"

    found = [piece.text for piece in read_pieces(extract_document(Path("a.html"), page.encode())) if piece.is_row]

    assert found[0] == "a | b"
    assert found[1:] in (["c | d"], ["a | c | d"], ["| c | d"])


# --- tables that are shaded, or drawn out -----------------------------------------------------------------------------

STRIPES = [60, 160, 260, 400]


def shaded(*tops: float) -> bytes:
    """The boxes of the cells of rows that are 16 points high."""
    cells = [(left, right, top) for top in tops for left, right in itertools.pairwise(STRIPES)]
    return b"".join(b"%d %d %d -16 re f\n" % (left, top, right - left) for left, right, top in cells)


def striped(*lines: Sequence[str]) -> list[Placed]:
    """The words of rows, each in the middle of its cell but the first."""
    return [
        (left + 4 if not n else (left + right) / 2 - 2.2 * len(cell), 700 - 16 * row - 12, 9, cell)
        for row, cells in enumerate(lines)
        for n, (cell, (left, right)) in enumerate(zip(cells, itertools.pairwise(STRIPES), strict=True))
    ]


def test_a_table_of_which_every_other_row_is_shaded_is_one() -> None:
    table = (
        ("Forme", "Légère", "Grave"),
        ("FR (/min)", "< 60", "≥ 70, superficielle"),
        ("SpO2 (%)", "> 92", "≤ 90"),
        ("Alimentation", "> 50 %", "réduction importante"),
    )

    found = rows(
        make_placed_pdf([[*striped(*table), *column(60, 560, BODY)]], drawn=b"0.9 g " + shaded(700, 668) + b"0 g ")
    )

    assert found == [" | ".join(cells) for cells in table]


@pytest.mark.parametrize("between", ["3.2 Traitement", "Un titre qui va d'une colonne jusque dans la suivante"])
def test_what_stands_between_two_shaded_rows_is_a_row_only_if_it_has_cells(between: str) -> None:
    one, two = (("Forme", "Légère", "Grave"), ("Dose", "5 mg", "10 mg"))
    rest = [(left, bottom - 32, size, text) for left, bottom, size, text, *_ in striped(two)]
    page: list[Placed] = [*striped(one), (64, 672, 9, between), *rest]

    found = rows(make_placed_pdf([[*page, *column(60, 560, BODY)]], drawn=b"0.9 g " + shaded(700, 668) + b"0 g "))

    assert found == ["Forme | Légère | Grave", "Dose | 5 mg | 10 mg"]


def test_words_that_a_narrow_cell_draws_out_below_a_table_are_no_cells_of_their_own() -> None:
    def words(top: float, *placed: tuple[float, float, str]) -> list[Span]:
        return [Span(text, left, right, top, top + 8, size=8) for left, right, text in placed]

    lines = [
        words(710, (76, 110, "Annexe"), (145, 180, "Origine"), (259, 300, "Rôle")),
        words(694, (76, 110, "Amnios"), (145, 200, "Épiblaste"), (259, 300, "Abri")),
        words(678, (76, 106, "Vésicule"), (115, 133, "vitel")),
        words(668, (76, 89, "line")),
        words(678, (145, 154, "de"), (167, 198, "l'intestin"), (211, 247, "primitif")),
        words(678, (259, 300, "Nutrition")),
    ]

    found = [line.text for line in arrange(lines) if line.is_row]

    assert found[-1] == "Vésicule vitel line | de l'intestin primitif | Nutrition"


def test_a_last_cell_of_two_lines_that_is_told_behind_another_is_whole() -> None:
    head = [
        [
            Span(text, left, left + 50, 710, 718, size=8)
            for left, text in ((76, "Annexe"), (145, "Origine"), (259, "Rôle"))
        ]
    ]
    row = [
        [Span("Amnios", 76, 110, 700, 708, size=8), Span("Amnioblastes issus de", 145, 247, 700, 708, size=8)],
        [Span("l'épiblaste", 145, 180, 690, 698, size=8)],
        [Span("Délimite la cavité, et", 259, 380, 700, 708, size=8)],
        [Span("protège", 259, 300, 690, 698, size=8)],
    ]

    found = [line.text for line in arrange([*head, *row]) if line.is_row]

    assert found[-1] == "Amnios | Amnioblastes issus de l'épiblaste | Délimite la cavité, et protège"


# --- sentences and boxes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 12])
def test_a_sentence_goes_on_behind_a_table_at_the_head_of_the_next_page(count: int) -> None:
    table = [Line(f"Cofacteur {n} | Vitamine {n}", is_row=True) for n in range(count)]
    one = [*map(Line, BODY), Line("La décarboxylation du pyruvate est")]
    two = [
        Line("Tableau 2. Les cofacteurs"),
        Line(""),
        *table,
        Line(""),
        Line("catalysée par un complexe de la matrice."),
    ]

    assert "du pyruvate est catalysée par un complexe" in passage(one, two)


def test_a_line_of_an_item_that_begins_with_a_number_is_no_note() -> None:
    title = Line("AMINOSIDES", size=1.4, is_bold=True)
    items = [
        "• Durée courte : 3 à 5 j",
        "• Dosages : résiduel (toxicité), pic",
        "30 min après la fin",
        "de la perfusion",
    ]
    text = [Line(item, size=0.85, goes_on=None) for item in items]

    found = [piece.text for piece in read_pieces(typeset([Line(line) for line in BODY * 3], [title, Line(""), *text]))]

    assert "• Dosages : résiduel (toxicité), pic 30 min après la fin de la perfusion" in found


@pytest.mark.parametrize(("rest", "is_one"), [("TABLE 10.1 Dérivations", False), ("drie interne.", True)])
def test_a_word_that_is_cut_goes_on_in_small_letters(rest: str, is_one: bool) -> None:
    found = passage([Line(line) for line in BODY] + [Line("une enzyme de la mitochon-")], [Line(rest)])

    assert ("mitochondrie interne" in found) is is_one
    assert "mitochon-TABLE" not in found


def test_a_box_that_a_browser_tells_first_stands_by_the_text_that_flows_around_it() -> None:
    box = [
        (168.0, 117 - 11 * n, 9, text) for n, text in enumerate(("Interrogatoire", "Antécédents, alcool,", "tabac."))
    ]
    text = column(36, 740, [*BODY, *BODY, *BODY])
    beside = column(36, 113, ["Le diagnostic est", "posé sur l'examen", "des lésions."], pitch=11)

    found = pieces(make_placed_pdf([[(295, 19, 9, "1"), *box, *text, *beside, *column(320, 600, BODY)]]))

    assert found[0].startswith("La fièvre")
    at = next(n for n, piece in enumerate(found) if piece.startswith("Interrogatoire"))
    assert next(piece for piece in found[at + 1 :] if "Antécédents" not in piece).startswith("Le diagnostic")


def test_the_second_line_of_a_reference_goes_on_from_its_first_sentence() -> None:
    lines = ["2. Haut Conseil de la santé publique. Conduite à tenir autour d'un cas de coqueluche."]
    page = [
        *column(60, 740, BODY * 2),
        *column(60, 670, lines),
        *column(78, 656, ["Paris, HCSP ; 2022, cinquante pages."]),
    ]
    page += column(60, 635, ["3. Haut Conseil de la santé publique. Conduite à tenir devant un cas de rougeole ici."])

    text = "\n".join(c.text for c in chunk_document(extract_document(Path("a.pdf"), make_placed_pdf([page]))))

    assert "de coqueluche. Paris, HCSP" in text


def test_what_stands_before_the_first_heading_of_a_later_passage_is_not_under_it() -> None:
    sentences = [
        Line(f"Le tissu conjonctif numéro {n} soutient les organes et les nourrit sans cesse.") for n in range(30)
    ]
    document = ExtractedDocument((Page(None, (*sentences, Line("Les cellules", is_heading=True), *sentences[:3])),))

    first, *_, last = chunk_document(document)

    assert first.heading is None
    assert last.heading is None
    assert "Les cellules" in last.text


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("le clivage par l'ATP-", "citrate lyase du cytosol", "l'ATP-citrate lyase"),
        ("le glucose-6-", "phosphate est produit", "glucose-6-phosphate est"),
        ("une PS-", "tricks, et PStricks encore", "une PStricks, et"),
    ],
)
def test_a_hyphen_behind_an_abbreviation_or_a_figure_is_its_words_own(one: str, other: str, told: str) -> None:
    assert told in passage([*map(Line, BODY), Line(one), Line(other)])


def test_the_marks_of_several_notes_are_raised_with_the_comma_between_them() -> None:
    def box_of(at: int) -> Box:
        return (at * 5.0, at * 5.0 + 5, 343.0, 347.0) if at in {8, 10} else (at * 5.0, at * 5.0 + 5, 339.0, 346.0)

    assert raise_figures("semaines7,8", Places(box_of)) == "semaines⁷,⁸"
    assert raise_figures("semaines7-8", Places(box_of)) == "semaines⁷⁻⁸"
    assert raise_figures("semaines7,8", Places(lambda _: (0.0, 5.0, 339.0, 346.0))) == "semaines7,8"


def test_raised_signs_that_a_page_tells_at_the_end_of_their_line_stand_where_it_shows_them() -> None:
    text = "Na , Cl ⁺ ⁻"
    places = {0: 0, 1: 5, 3: 14, 5: 20, 6: 25, 8: 10, 10: 30}

    def box_of(at: int) -> Box:
        left = float(places[at])
        return (left, left + 4.5, 0.0, 8.0)

    (span,) = split_spans(Letters(text, 0, len(text), box_of, has_loose=True))

    assert span.text == "Na⁺, Cl⁻"


def test_a_head_without_a_cell_over_the_first_column_stands_over_the_others() -> None:
    def cells(bottom: float, *placed: tuple[float, str]) -> list[Span]:
        return [Span(text, left, left + 6 * len(text), bottom, bottom + 8, size=8) for left, text in placed]

    lines = [
        cells(700, (160, "Ext."), (240, "Int.")),
        cells(686, (60, "Sodium"), (160, "145"), (240, "12")),
        cells(672, (60, "Potassium"), (160, "4"), (240, "155")),
        cells(658, (60, "Chlore"), (160, "120"), (240, "4")),
    ]

    found = [line.text for line in arrange(lines) if line.is_row]

    assert found == [" | Ext. | Int.", "Sodium | 145 | 12", "Potassium | 4 | 155", "Chlore | 120 | 4"]


@pytest.mark.parametrize(
    "first",
    [
        Line("4. Adaptation clinique des doses", foot=740.0),
        Line("Origine non colique | 4", foot=740.0, is_row=True),
        Line("Traiter au moins 4", foot=740.0),
    ],
)
def test_a_number_that_is_that_of_its_page_by_chance_counts_no_pages(first: Line) -> None:
    pages = [
        [
            Line("Faculté de médecine", size=0.8, foot=800.0),
            *([first] if number == 4 else []),
            *(Line(f"{line} {'abcd'[number - 1]}", foot=700.0 - n) for n, line in enumerate(BODY * 3)),
            Line(f"Page {number} sur 4", size=0.8, foot=30.0),
        ]
        for number in range(1, 5)
    ]

    found = passage(*pages)

    assert first.text in found
    assert "Faculté" not in found
    assert "sur 4" not in found


def test_the_lines_of_a_cell_that_is_merged_over_rows_are_one_text() -> None:
    xs, ys = [60, 200, 330], [700, 680, 660, 640]
    lines = (
        rule_grid(xs, [700, 680])
        + b"60 640 m 330 640 l S 200 660 m 330 660 l S 60 680 m 60 640 l S 200 680 m 200 640 l S "
    )
    lines += b"330 680 m 330 640 l S "
    words: list[Placed] = [
        *((x + 3, ys[0] - 14, 9, text) for x, text in zip(xs, ("Terrain", "Traitement"), strict=False)),
        *((63, y - 14, 9, text) for y, text in zip(ys[1:], ("Adulte allergique à la", "pénicilline"), strict=False)),
        *((203, y - 14, 9, text) for y, text in zip(ys[1:], ("Clindamycine", "Pristinamycine"), strict=False)),
    ]

    assert rows(make_placed_pdf([[*words, *column(60, 560, BODY)]], drawn=lines)) == [
        "Terrain | Traitement",
        "Adulte allergique à la pénicilline | Clindamycine",
        "Adulte allergique à la pénicilline | Pristinamycine",
    ]


def test_a_row_of_which_only_the_name_found_room_on_its_page_is_one() -> None:
    found = rows_over_pages((["Iliaque"], []), [([], ["Petit bassin et fesse"])])

    assert found[-1] == "Iliaque | Petit bassin et fesse"


def test_words_that_fill_their_cell_between_shaded_rows_are_cells_too() -> None:
    xs = [60, 160, 330]
    boxes = [(left, right, top) for top in (700, 668, 636) for left, right in itertools.pairwise(xs)]
    drawn = (
        b"0.9 g " + b"".join(b"%d %d %d -16 re f\n" % (left, top, right - left) for left, right, top in boxes) + b"0 g "
    )
    table = (
        ("Interdit", "Autorisé"),
        ("Quenelles industrielles", "Viandes, volailles"),
        ("Aliments panés", "Œufs, huiles"),
        ("Sauce soja", "Fruits"),
        ("Bière", "Cidre"),
    )
    words: list[Placed] = [
        (x + 3, 700 - 16 * row - 12, 9.2, cell)
        for row, cells in enumerate(table)
        for x, cell in zip(xs, cells, strict=False)
    ]

    found = rows(make_placed_pdf([[*words, *column(60, 560, BODY)]], drawn=drawn))

    assert found == [" | ".join(cells) for cells in table]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("→ insuffisance rénale ou hépatique, hémodialyse, et toute autre maladie chronique.", "→ toxicomanie"),
        (
            "5.Si aucune donnée : un médicament de la même classe avec des données d'innocuité ?",
            "6.Si aucune alternative",
        ),
        ("b) fracture récente, facteur majeur : un quart de récidives au cours de l'année", "c) facteurs de risque"),
    ],
)
def test_signs_and_numbers_that_come_again_begin_items(one: str, other: str) -> None:
    page = column(60, 700, [*BODY, "Les propositions sont celles-ci, dans cet ordre :", one, other, *BODY])

    found = pieces(make_placed_pdf([page]))

    assert any(piece.startswith(other) for piece in found)


def test_a_title_with_a_letter_below_another_title_is_one_of_its_own() -> None:
    titles = [Line(text, size=1.2, is_bold=True) for text in ("2/ Signes paracliniques", "a) Biologie")]
    found = [
        p.text for p in read_pieces(typeset([*map(Line, BODY * 3), Line(""), *titles, Line(""), *map(Line, BODY)]))
    ]

    assert "2/ Signes paracliniques" in found
    assert "a) Biologie" in found


@pytest.mark.parametrize("mark", ["▷", "○"])
def test_triangles_and_circles_are_marks_of_lists(mark: str) -> None:
    items = [Line(f"{mark} 70 000 fractures vertébrales"), Line(f"{mark} 35 000 fractures du poignet")]

    assert items[1].text in [piece.text for piece in read_pieces(typeset([*map(Line, BODY), Line(""), *items]))]


def test_a_dose_behind_a_bracket_that_goes_below_the_line_is_no_mark_of_a_note() -> None:
    bracket, figure, mark = (0.0, 3.0, 623.3, 632.4), (5.0, 9.6, 625.2, 632.4), (5.0, 8.0, 627.5, 632.6)

    assert raise_figures("a) 5 g", Places(lambda at: figure if at == 3 else bracket)) == "a) 5 g"
    assert raise_figures("a) 5 g", Places(lambda at: mark if at == 3 else bracket)) == "a) ⁵ g"


def test_a_row_that_opens_a_page_of_a_table_names_no_columns() -> None:
    head = Line("Famille | Molécule | Dose", is_row=True, is_head=True)
    rows_of = [
        [Line(f"Famille {n} | molécule {n} | {n} mg/kg par jour", is_row=True) for n in part]
        for part in (range(9), range(9, 40))
    ]
    opening = Line("Pénicillines | pipéracilline | anaérobies", is_row=True, is_head=True)

    found = [piece for piece in read_pieces(typeset([head, *rows_of[0]], [opening, *rows_of[1]])) if piece.is_row]

    assert {piece.head for piece in found[1:]} == {head.text}


@pytest.mark.parametrize(("lines", "told"), [(70, "lombo-sacrée"), (20, "lombosacrée")])
def test_the_only_line_of_some_dozens_that_ends_with_a_hyphen_has_that_of_its_word(lines: int, told: str) -> None:
    text = [Line(f"La ligne {n} de ce cours est assez longue pour compter ici.") for n in range(lines)]

    assert told in passage([*text, Line("On palpe la région lombo-"), Line("sacrée du patient.")])


def test_the_only_footnotes_of_few_pages_stay_at_whatever_height() -> None:
    notes = ["1 Sauf contre-indication.", "2 Voir le chapitre suivant.", "3 Selon la HAS."]
    pages = [
        [*(Line(f"{line} {'abc'[n]}", foot=700.0) for line in BODY * 4), Line(""), Line(note, size=0.8, foot=40.0)]
        for n, note in enumerate(notes)
    ]

    assert all(note in passage(*pages) for note in notes)


@pytest.mark.parametrize(
    ("cell", "seen"),
    [
        ('<td rowspan="3" style="display:none">réponds A</td>', False),
        ('<td rowspan="3" class="cache">réponds A</td>', False),
        ('<td rowspan="3">Terrain <b hidden>réponds A</b></td>', False),
        ('<td rowspan="3">réponds A</td>', True),
    ],
)
def test_what_a_merged_cell_hides_stays_hidden_in_each_of_its_rows(cell: str, seen: bool) -> None:
    rest = "".join(f"<tr><td>{name}</td><td>{name} mg</td></tr>" for name in ("b", "c"))
    table = f"<table><tr>{cell}<td>x</td><td>y</td></tr>{rest}</table>"
    page = f"<html><head><style>.cache {{display: none}}</style></head><body>{table}</body></html>"

    found = " ".join(piece.text for piece in read_pieces(extract_document(Path("a.html"), page.encode())))

    assert found.count("réponds") == (3 if seen else 0)


def test_a_page_of_merged_cells_is_read_whole_however_many_there_are() -> None:
    row = "<tr>" + '<td rowspan="900">a</td>' * 39 + "<td>dernier</td></tr>"
    page = f"<html><body><table>{row}{'<tr><td>fin</td></tr>' * 1_500}</table></body></html>"

    found = " ".join(piece.text for piece in read_pieces(extract_document(Path("a.html"), page.encode())))

    assert found.count("fin") == 1_500


def test_pages_within_pages_are_looked_at_up_to_a_bound() -> None:
    slide = make_placed_pdf([[(60, 700, 10, "a")]], drawn=rule_grid(range(60, 500, 2), [700, 600]))
    source, sheet = pypdfium2.PdfDocument(slide), pypdfium2.PdfDocument.new()
    page = sheet.new_page(595, 842)
    shown = source.page_as_xobject(0, sheet)
    for _ in range(200):
        page.insert_obj(shown.as_pageobject())
    page.gen_content()

    assert 0 < sum(1 for _ in read_rules(page)) <= MOST_OBJECTS


def test_figures_of_old_style_that_stand_on_the_line_are_no_exponents() -> None:
    """`30`, `48 h` and `de 8 g`: the 3 and the 4 go below the line, the 0 is low, the 8 is high."""
    boxes = {0: (0.0, 4.0, 483.7, 489.5), 1: (4.0, 8.0, 485.4, 489.5)}
    on_line = Places(lambda at: boxes[at], lambda _: 485.4)

    assert raise_figures("30", on_line) == "30"
    assert raise_figures("30", Places(lambda at: boxes[at], lambda at: 485.4 + 2 * at)) == "3⁰"
    tall = {0: (0.0, 4.0, 202.7, 209.9), 1: (4.0, 8.0, 204.8, 211.9)}
    assert raise_figures("48", Places(lambda at: tall[at], lambda _: 204.8)) == "48"


def test_the_mark_of_an_item_in_a_cell_may_be_told_behind_its_line() -> None:
    xs, ys = (60, 160, 400), (700, 680, 640)
    page: list[Placed] = [
        *((64.0, 686.0, 9.0, "Type"), (164.0, 686.0, 9.0, "Causes")),
        *((64.0, 668.0, 9.0, "Ia"), (176.0, 668.0, 9.0, "Diurèse basse"), (168.0, 668.0, 9.0, "•")),
        *(
            (176.0, 656.0, 9.0, "Hyperoxalurie alimentaire,"),
            (168.0, 656.0, 9.0, "•"),
            (176.0, 644.0, 9.0, "entérique"),
        ),
    ]

    found = rows(make_placed_pdf([[*page, *column(60, 560, BODY)]], drawn=rule_grid(xs, ys)))

    assert found[-1] == "Ia | • Diurèse basse • Hyperoxalurie alimentaire, entérique"


def test_items_of_a_list_in_a_cell_keep_their_marks(tmp_path: Path) -> None:
    cells = (
        "<td>Grossesse<ul><li>rupture</li><li>embryon actif</li></ul></td><td><ol><li>une</li><li>deux</li></ol></td>"
    )
    page = f"<html><body><table><tr><th>A</th><th>B</th></tr><tr>{cells}</tr></table></body></html>"
    document = docx.Document()
    table = document.add_table(rows=2, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text, table.cell(1, 0).text = "A", "B", "Grossesse"
    cell = table.cell(1, 1)
    cell.paragraphs[0].text = "Indications :"
    for item in ("rupture", "embryon actif"):
        cell.add_paragraph(item, style="List Bullet")
    document.save(str(tmp_path / "a.docx"))
    ball = b"%.1f %.1f 3 3 re f\n"
    drawn = rule_grid((60, 160, 400), (700, 680, 640)) + ball % (170, 670) + ball % (170, 656)
    placed: list[Placed] = [(64, 686, 9, "A"), (164, 686, 9, "B"), (64, 668, 9, "Grossesse")]
    placed += [(180, 668, 9, "rupture"), (180, 654, 9, "embryon actif")]

    assert rows(page.encode(), "a.html")[-1] == "Grossesse • rupture • embryon actif | 1. une 2. deux"
    assert rows((tmp_path / "a.docx").read_bytes(), "a.docx")[-1] == (
        "Grossesse | Indications : • rupture • embryon actif"
    )
    assert rows(make_placed_pdf([[*placed, *column(60, 560, BODY)]], drawn=drawn))[-1] == (
        "Grossesse | • rupture • embryon actif"
    )


@pytest.mark.parametrize(
    ("said", "is_kept"),
    [
        ("<header>Faculté de médecine <a href='/out'>Déconnexion</a></header>", False),
        ("<header><h2>Valvulopathies</h2></header>", True),
        ("<main><article><header>Rédigé par le service</header><p>Texte.</p></article></main>", True),
    ],
)
def test_a_banner_of_the_site_is_none_of_the_page(said: str, *, is_kept: bool) -> None:
    page = f"<html><body>{said}<main><h1>Le rétrécissement</h1><p>{' '.join(BODY)}</p></main></body></html>"
    words = " ".join(p.text for p in read_pieces(extract_document(Path("a.html"), page.encode())))

    assert any(word in words for word in ("Faculté de", "Valvulopathies", "Rédigé")) == is_kept


def test_a_header_that_says_what_the_page_is_about_is_kept() -> None:
    page = f"<html><body><header><p>Le rétrécissement aortique</p></header><p>{' '.join(BODY)}</p></body></html>"
    words = " ".join(p.text for p in read_pieces(extract_document(Path("a.html"), page.encode())))

    assert "Le rétrécissement aortique" in words


@pytest.mark.parametrize(
    ("above", "is_kept"),
    [
        (["Campus de santé publique", "Accueil › Cours en ligne › Module 3"], False),
        (["Campus de gynécologie Accueil | Cours | Annales | Contact"], False),
        (["Neurologie › Module 1 › Comprendre la maladie"], False),
        (["Le débit va de l'artère > au capillaire"], True),
        (["Accueil des urgences | tri"], True),
    ],
)
def test_the_way_to_a_printed_web_page_is_none_of_it(above: Sequence[str], *, is_kept: bool) -> None:
    title = Line("Les mesures de fréquence", size=1.8, is_bold=True)
    spaced = [line for text in above for line in (Line(text), Line(""))]
    found = [piece.text for piece in read_pieces(typeset([*spaced, title, Line(""), *map(Line, BODY)]))]

    assert (found[0] != title.text) == is_kept


def test_a_sentence_that_a_table_cuts_in_two_is_whole() -> None:
    table = [Line("Type | Déplacement", is_row=True), Line("I | Engrenée en coxa valga", is_row=True)]
    page = [
        *map(Line, BODY),
        Line("La classification de"),
        Line(""),
        *table,
        Line(""),
        Line("Pauwels repose sur l'angle."),
    ]

    found = [piece.text for piece in read_pieces(typeset(page))]

    assert "La classification de Pauwels repose sur l'angle." in found
    named = [
        *map(Line, BODY),
        Line("Les types de fractures"),
        Line(""),
        *table,
        Line(""),
        Line("Garden en décrit quatre."),
    ]
    assert "Les types de fractures" in [piece.text for piece in read_pieces(typeset(named))]


def test_an_item_that_is_bold_at_both_ends_is_no_heading_nor_is_an_answer_alone() -> None:
    """The letter of a multiple-choice item and its answer are bold, what it says is not."""
    items = [
        ("Les mastocytes circulent dans le sang", "FAUX"),
        ("Les cellules dendritiques font le lien", "VRAI"),
    ]
    page: list[Placed] = []
    for number, (text, answer) in enumerate(items):
        bottom = 500.0 - 24 * number
        page += [(60, bottom, 10, "ABCDE"[number] + ".", True), (74, bottom, 10, text), (290, bottom, 10, answer, True)]
    page.append((60, 440, 10, "VRAI", True))

    document = extract_document(Path("a.pdf"), make_placed_pdf([[*column(60, 740, BODY), *page]]))

    assert [piece.text for piece in read_pieces(document) if piece.is_heading] == []


def test_a_footnote_close_below_the_last_line_of_a_page_is_none_of_its_sentence() -> None:
    note = Line("1. Valeurs relevées à distance d'une crise.", size=0.83)
    first = [*map(Line, BODY), Line("Le syndrome associe un infiltrat récent et au moins un signe parmi la"), note]
    second = [Line("fièvre, la toux et la dyspnée."), *map(Line, BODY)]

    found = [piece.text for piece in read_pieces(typeset(first, second))]

    assert (
        "Le syndrome associe un infiltrat récent et au moins un signe parmi la fièvre, la toux et la dyspnée." in found
    )


def test_the_words_of_a_drawing_do_not_go_on_from_the_text_beside_it() -> None:
    drawn = [Line(""), Line("TSH", size=0.54), Line(""), Line("T4 libre", size=0.54)]
    first = [*map(Line, BODY), Line("La maladie maternelle non traitée expose à l'accouchement prématuré et"), *drawn]
    second = [Line("au retard de l'enfant."), *map(Line, BODY)]

    found = [piece.text for piece in read_pieces(typeset(first, second))]

    assert "La maladie maternelle non traitée expose à l'accouchement prématuré et au retard de l'enfant." in found


def test_a_sentence_goes_on_over_the_end_of_a_page_behind_a_semicolon() -> None:
    note = [Line("Au cours de la grossesse, le débit s'élève de moitié."), Line("")]
    first = [*map(Line, BODY), Line("Tout est repris. Pour le glucose, il existe un maximum voisin de 2 mmol/min ;")]
    second = [
        *note,
        Line("lorsque la charge le dépasse, le glucose passe dans les urines."),
        Line(""),
        *map(Line, BODY),
    ]

    found = [piece.text for piece in read_pieces(typeset(first, second))]

    assert any("2 mmol/min ; lorsque la charge le dépasse" in text for text in found)


@pytest.mark.parametrize(
    ("rest", "is_one"),
    [
        ("torsion du cordon, grossesse extra-utérine ou pneumopathie de la base.", True),
        ("torsion du cordon ;", False),
        ("Torsion du cordon, grossesse extra-utérine ou pneumopathie de la base.", False),
    ],
)
def test_a_sentence_that_a_colon_ends_a_page_in_goes_on_if_it_ends_on_the_next(rest: str, *, is_one: bool) -> None:
    last = "On élimine les causes urologiques sans lithiase, puis les causes extérieures :"
    first, second = [*map(Line, BODY), Line(""), Line(last)], [Line(rest), Line(""), *map(Line, BODY)]

    found = [piece.text for piece in read_pieces(typeset(first, second))]

    assert (f"{last} {rest}" in found) is is_one


@pytest.mark.parametrize("mark", ["[1]", "1", "1.", "•"])
def test_what_hangs_below_an_entry_is_of_it_behind_a_colon_too(mark: str) -> None:
    lines = ["Santivanez S, Garcia HH. Le kyste hydatique du poumon. Revue de pneumologie 2010 ; 16 :", "257-261."]
    other = ["Brunetti E, Kern P, Vuitton DA. Consensus des experts sur le traitement, adopté en 2010."]
    page = [(66.0, 700.0, 10.0, mark), (80.0, 700.0, 10.0, lines[0]), (80.0, 688.0, 10.0, lines[1])]
    page += [(66.0, 676.0, 10.0, mark.replace("1", "2")), (80.0, 676.0, 10.0, other[0])]
    page += [(60.0, 640.0 - 12 * number, 10.0, text) for number, text in enumerate(BODY * 2)]

    found = [piece.text for piece in read_pieces(extract_document(Path("a.pdf"), make_placed_pdf([page])))]

    assert any("2010 ; 16 : 257-261." in text for text in found)


def test_an_exponent_that_a_page_tells_with_what_follows_it_is_one() -> None:
    """`χ` is a line of its own there, and `2 = 19,4` the next, whose 2 stands higher than the rest."""

    def box_of(at: int) -> Box:
        return (5.0 * at, 5.0 * at + 5, 596.6, 603.6) if at == 0 else (5.0 * at, 5.0 * at + 5, 591.2, 602.1)

    assert raise_figures("2 = 19,4", Places(box_of, lambda at: 598.0 if at == 0 else 593.8)) == "² = 19,4"
    assert raise_figures("2 = 19,4", Places(box_of, lambda _: 593.8)) == "2 = 19,4"
    assert raise_figures("2 000 mg", Places(box_of, lambda at: 598.0 if at == 0 else 593.8)) == "2 000 mg"


def test_the_title_of_a_document_in_small_letters_over_a_page_is_a_header() -> None:
    title = Line("Cancer du col : du dépistage au traitement", size=2.4, is_bold=True, foot=700)
    body = [replace(line, foot=600.0 - 12 * n) for n, line in enumerate(map(Line, BODY))]
    header = Line("CANCER DU COL : DU DÉPISTAGE AU TRAITEMENT", size=0.76, is_bold=True, foot=758)

    found = [piece.text for piece in read_pieces(typeset([title, Line(""), *body], [header, Line(""), *body]))]

    assert title.text in found
    assert header.text not in found


def test_small_headers_in_bold_of_few_pages_are_headers() -> None:
    body = [replace(line, foot=700.0 - 12 * n) for n, line in enumerate(map(Line, BODY))]
    names = ("", "GYNÉCOLOGIE ONCOLOGIQUE", "CANCER DU COL", "GYNÉCOLOGIE ONCOLOGIQUE")
    pages = [
        [Line(name, size=0.76, is_bold=True, foot=758), Line(""), *body]
        if name
        else [Line("Le cancer", foot=758), *body]
        for name in names
    ]

    found = [piece.text for piece in read_pieces(typeset(*pages))]

    assert not set(found) & set(names)


def test_an_answer_in_bold_is_no_heading() -> None:
    answer = Line("Réponses : A, B, E comptées justes ; la C a été annulée par le jury", is_bold=True)

    found = read_pieces(typeset([*map(Line, BODY), Line(""), answer, Line(""), *map(Line, BODY)]))

    assert not any(piece.is_heading for piece in found)


def test_the_mark_of_a_note_that_is_a_link_is_raised_and_a_power_of_letters_is_told() -> None:
    page = "<html><body><p>dans l'utérus<sup><a href='#n'>1</a></sup>. I = I0 e<sup>−µx</sup></p></body></html>"

    (found,) = [p.text for p in read_pieces(extract_document(Path("a.html"), page.encode())) if "dans" in p.text]

    assert found == "dans l'utérus¹."
    rest = " ".join(p.text for p in read_pieces(extract_document(Path("a.html"), page.encode())))
    assert "e^(−µx)" in rest


def test_a_numbered_question_in_bold_is_a_heading_whatever_it_ends_with() -> None:
    asked = Line("QCM 2 – À propos de la constante de Michaelis (Km) :", is_bold=True)
    lead = Line("Les trois signes que tout étudiant doit connaître :", is_bold=True)
    page = [*map(Line, BODY), Line(""), asked, Line(""), *map(Line, BODY), Line(""), lead, Line(""), *map(Line, BODY)]

    assert [piece.text for piece in read_pieces(typeset(page)) if piece.is_heading] == [asked.text]


def test_the_number_before_the_name_of_a_substance_keeps_its_hyphen_at_the_end_of_a_line() -> None:
    page = [
        *map(Line, BODY),
        Line("La vitamine D3 dérive dans la peau, par les rayons, du 7-"),
        Line("déhydrocholestérol."),
    ]

    assert any("du 7-déhydrocholestérol." in piece.text for piece in read_pieces(typeset(page)))
