"""Tables that are ruled across alone, as LaTeX's booktabs and journals set them: columns, rows, and what is none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.pdfs import Placed, make_placed_pdf
from worker.courses.chunk.paragraphs import read_pieces
from worker.courses.extract.grids import Grid
from worker.courses.extract.objects import Rule
from worker.courses.extract.open_cells import Word
from worker.courses.extract.open_tables import find_open_grids
from worker.courses.extract.reading import extract_document

PROSE = [
    (
        60.0,
        720.0 - 14 * number,
        10.0,
        "La surveillance repose sur la clinique et sur la biologie, répétées chaque jour.",
    )
    for number in range(3)
]
Cell = tuple[float, Sequence[str]]  # where it begins, and its lines


def across(*heights: float, left: float = 60, right: float = 400) -> bytes:
    return b"0.5 w\n" + b"".join(b"%.1f %.1f m %.1f %.1f l S\n" % (left, y, right, y) for y in heights)


def row(top: float, *cells: Cell, pitch: float = 12, size: float = 9) -> list[Placed]:
    """The cells of a row, one written after the other."""
    return [
        (left, top - pitch * number, size, line) for left, lines in cells for number, line in enumerate(lines) if line
    ]


def read(page: Sequence[Placed], *heights: float, **lines: float) -> list[str]:
    """What a page says, rows with their cells."""
    return read_pages([[*PROSE, *page]], across(*heights, **lines))


def read_pages(pages: Sequence[Sequence[Placed]], drawn: bytes) -> list[str]:
    document = extract_document(Path("a.pdf"), make_placed_pdf(pages, drawn=drawn))
    return [piece.text for piece in read_pieces(document) if piece.is_row]


def test_columns_that_stand_close_to_one_another_are_told_apart_by_the_white_between_them() -> None:
    page = [
        *row(640, (60, ["Stade"]), (92, ["Anomalie"]), (190, ["Délai"])),
        *row(622, (60, ["I"]), (92, ["Sus-décalage de ST", "concave vers le haut"]), (190, ["premier jour"])),
        *row(598, (60, ["II"]), (92, ["Ondes T plates"]), (190, ["deuxième jour"])),
        *row(586, (60, ["III"]), (92, ["Ondes T négatives"]), (190, ["une semaine"])),
    ]

    assert read(page, 652, 635, 582, right=260) == [
        "Stade | Anomalie | Délai",
        "I | Sus-décalage de ST concave vers le haut | premier jour",
        "II | Ondes T plates | deuxième jour",
        "III | Ondes T négatives | une semaine",
    ]


def test_what_is_written_before_the_line_above_it_is_of_the_same_row() -> None:
    """No line stands apart from the others: which ones are of one cell, the order tells that they are written in."""
    page = [
        *row(640, (60, ["Examen"]), (150, ["Valeurs"]), (260, ["Recherche"])),
        *row(622, (60, ["Créatininémie", "CKD-EPI"]), (150, ["DFG > 90 mL/min", "par 1,73 m²"]), (260, ["Rein"])),
        *row(598, (60, ["TSH"]), (150, ["0,4 à 4 mUI/L"]), (260, ["Thyroïde"])),
        *row(586, (60, ["Ferritine"]), (260, ["Fer"])),
    ]

    assert read(page, 652, 635, 582) == [
        "Examen | Valeurs | Recherche",
        "Créatininémie CKD-EPI | DFG > 90 mL/min par 1,73 m² | Rein",
        "TSH | 0,4 à 4 mUI/L | Thyroïde",
        "Ferritine | | Fer",
    ]


def test_a_table_that_is_written_line_by_line_goes_on_where_a_word_had_no_room() -> None:
    page = [
        *row(640, (60, ["Examen"]), (150, ["Recherche"])),
        *row(622, (60, ["Bilan du calcium"]), (150, ["hyperparathyroïdie, ostéomalacie,"])),
        *row(610, (60, ["et du phosphore"]), (150, ["myélome"])),
        *row(598, (60, ["TSH"]), (150, ["hyperthyroïdie"])),
    ]

    assert read(page, 652, 635, 592)[1:] == [
        "Bilan du calcium et du phosphore | hyperparathyroïdie, ostéomalacie, myélome",
        "TSH | hyperthyroïdie",
    ]


@pytest.mark.parametrize("height", [622.0, 610.0, 604.0])
def test_a_label_of_several_rows_is_read_in_each_of_them(height: float) -> None:
    page = [
        *row(640, (60, ["Voie"]), (130, ["Enzyme"]), (230, ["Inhibiteurs"])),
        *row(height, (60, ["Glycolyse"])),
        *row(622, (130, ["Hexokinase"]), (230, ["glucose-6-phosphate"])),
        *row(610, (130, ["PFK-1"]), (230, ["ATP, citrate"])),
        *row(598, (130, ["Pyruvate kinase"]), (230, ["ATP, alanine"])),
        *row(580, (60, ["Jonction"]), (130, ["Pyruvate DH"]), (230, ["acétyl-CoA"])),
    ]

    assert read(page, 652, 635, 593, 574) == [
        "Voie | Enzyme | Inhibiteurs",
        "Glycolyse | Hexokinase | glucose-6-phosphate",
        "Glycolyse | PFK-1 | ATP, citrate",
        "Glycolyse | Pyruvate kinase | ATP, alanine",
        "Jonction | Pyruvate DH | acétyl-CoA",
    ]


def test_an_empty_cell_is_one() -> None:
    page = [
        *row(640, (60, ["Enzyme"]), (150, ["Voie"]), (230, ["Activateurs"]), (310, ["Inhibiteurs"])),
        *row(622, (60, ["Citrate"]), (150, ["acides gras"])),
        *row(610, (60, ["Citrate synthase"]), (230, ["ADP"]), (310, ["ATP, NADH"])),
        *row(598, (60, ["Isocitrate DH"]), (230, ["ADP"]), (310, ["ATP"])),
    ]

    assert read(page, 652, 635, 592)[1:] == [
        "Citrate | acides gras",
        "Citrate synthase | | ADP | ATP, NADH",
        "Isocitrate DH | | ADP | ATP",
    ]


def test_a_head_may_stand_over_several_others_and_a_line_over_all_columns() -> None:
    page = [
        *row(652, (60, ["Signe"]), (195, ["Siège"])),
        *row(640, (150, ["Grêle"]), (260, ["Côlon"])),
        *row(622, (60, ["Vomissements"]), (150, ["précoces"]), (260, ["tardifs"])),
        *row(610, (60, ["Lorsque l'occlusion dure depuis plus de deux jours :"])),
        *row(598, (60, ["Météorisme"]), (150, ["modéré"]), (260, ["important"])),
        *row(586, (60, ["Fièvre"]), (150, ["rare"]), (260, ["fréquente"])),
    ]

    assert read(page, 664, 635, 580) == [
        "Signe | Siège | Siège",
        "Signe | Grêle | Côlon",
        "Vomissements | précoces | tardifs",
        "Lorsque l'occlusion dure depuis plus de deux jours :",
        "Météorisme | modéré | important",
        "Fièvre | rare | fréquente",
    ]


def test_heads_may_stand_above_the_first_line() -> None:
    """A web page draws a line below each row, and none above the head."""
    page = [
        *row(640, (60, ["Région"]), (250, ["Incidence"])),
        *row(618, (60, ["Europe"]), (250, ["3,8"])),
        *row(596, (60, ["Méditerranée orientale"]), (250, ["2"])),
        *row(574, (60, ["Afrique"]), (250, ["0,1"])),
    ]

    assert read(page, 632, 610, 588, 566) == [
        "Région | Incidence",
        "Europe | 3,8",
        "Méditerranée orientale | 2",
        "Afrique | 0,1",
    ]


def test_two_tables_of_one_width_are_two_and_what_stands_between_them_is_text() -> None:
    between = "Le traitement de la crise repose sur les antalgiques, puis sur les triptans."
    page = [
        *row(640, (60, ["Forme"]), (200, ["Dose"])),
        *row(622, (60, ["Légère"]), (200, ["1 g"])),
        *row(610, (60, ["Grave"]), (200, ["3 g"])),
        (60, 590, 10, between),
        (60, 576, 10, "Il est repris après deux heures."),
        *row(550, (60, ["Signe"]), (300, ["Délai"])),
        *row(532, (60, ["Aura"]), (300, ["une heure"])),
        *row(520, (60, ["Crise"]), (300, ["un jour"])),
    ]

    assert read(page, 652, 635, 604, 562, 545, 514) == [
        *("Forme | Dose", "Légère | 1 g", "Grave | 3 g"),
        *("Signe | Délai", "Aura | une heure", "Crise | un jour"),
    ]


def words(*lines: tuple[float, float, str], is_typed: bool = False) -> list[Word]:
    """The words of lines, each of 10 points, with the spaces of letters that are 5 points wide."""
    found: list[Word] = []
    for left, bottom, line in lines:
        for match in re.finditer(r"\S+", line):
            begin, end = left + 5 * match.start(), left + 5 * match.end()
            found.append(Word(match[0], begin, end, bottom, bottom + 10, len(found), is_typed))
    return found


def find(said: Sequence[Word], *heights: float) -> list[Grid]:
    def words_in(box: Rule) -> list[Word]:
        left, right, bottom, top = box
        return [w for w in said if w.right > left and w.left < right and bottom < (w.bottom + w.top) / 2 < top]

    return find_open_grids([(60, 400, at, at) for at in heights], [], words_in)


TEXT = ["Les signes de la maladie", "sont ceux d'une infection", "qui dure depuis quelques", "jours, avec une fièvre"]
TABLE = [
    (60, 640, "Forme"),
    (200, 640, "Dose"),
    (60, 622, "Légère"),
    (200, 622, "1 g"),
    (60, 610, "Grave, dite « majeure »"),
]


def test_cells_between_three_lines_are_a_table() -> None:
    assert len(find(words(*TABLE), 652, 635, 600)) == 1


@pytest.mark.parametrize(
    ("said", "heights"),
    [
        pytest.param(words(*TABLE), (652, 600), id="two lines"),
        pytest.param(words(*TABLE, is_typed=True), (652, 635, 600), id="a program"),
        pytest.param(words(*TABLE), (652, 635, 500), id="a drawing, with room below its words"),
        pytest.param(words(*TABLE, (40, 622, "aux")), (652, 635, 600), id="words that go on from the left"),
        pytest.param(
            words(*TABLE[:2], *((left, 622 - 13 * n, TEXT[n % 4]) for left in (60, 240) for n in range(24))),
            (652, 635, 310),
            id="two columns of text",
        ),
        pytest.param(
            words((60, 640, "Définition"), (60, 622, "La fièvre  est une température"), (60, 608, "de plus de  38 °C")),
            (652, 635, 600),
            id="a box of text",
        ),
        pytest.param(
            words(*TABLE[:2], (60, 622, "Rien de plus n'est à dire ici de la dose")), (652, 635, 615), id="no row"
        ),
    ],
)
def test_what_stands_between_lines_may_be_no_table(said: Sequence[Word], heights: Sequence[float]) -> None:
    assert find(said, *heights) == []


def test_words_that_stand_beside_a_table_are_none_of_it() -> None:
    page = [
        *row(640, (60, ["Forme"]), (200, ["Dose"])),
        *row(622, (60, ["Légère"]), (200, ["1 g"])),
        *row(610, (60, ["Grave"]), (200, ["3 g"])),
        (420, 622, 8, "À retenir : jamais"),
        (420, 612, 8, "plus de 3 g par jour"),
    ]

    assert read(page, 652, 635, 604) == ["Forme | Dose", "Légère | 1 g", "Grave | 3 g"]


def test_lines_that_stand_closer_than_their_letters_are_high_are_rows_all_the_same() -> None:
    """A sheet of slides is set in letters whose boxes overlap."""
    page = [
        *row(640, (60, ["Affection"]), (160, ["Argument"]), size=12),
        *row(620, (60, ["Isolée"]), (160, ["Papille normale"]), size=12),
        *row(611, (60, ["Secondaire"]), (160, ["Uvéite, traumatisme, corticoïdes,"]), size=12),
        *row(602, (160, ["diabète"]), size=12),
        *row(593, (60, ["Ischémique"]), (160, ["Début brutal"]), size=12),
    ]

    assert read(page, 654, 634, 588)[2] == "Secondaire | Uvéite, traumatisme, corticoïdes, diabète"


def test_a_sign_with_a_box_as_high_as_two_lines_joins_none() -> None:
    """The `→` and the `≥` of TeX's symbols have such boxes."""
    lines = [
        *words((60, 640, "Phase"), (160, 640, "ADN")),
        *words((60, 624, "S"), (160, 624, "2C")),
        Word("→", 172, 178, 612, 640, 20),
        *words((184, 624, "4C"), (60, 612, "G2"), (160, 612, "4C"), (60, 600, "M"), (160, 600, "4C")),
    ]
    said = [word._replace(at=number) for number, word in enumerate(lines)]

    (grid,) = find(said, 652, 636, 594)

    assert len(grid.cells) == 4


def test_a_page_with_a_column_of_links_beside_its_text_is_no_table() -> None:
    text = "Le virus est une particule de la famille des rétrovirus et infecte les cellules"
    said = words(
        *(
            (60, 640, "Campus"),
            (330, 640, "Forum"),
            (60, 618, "Infection par le virus : de la primo-infection au suivi"),
        ),
        (60, 596, "Mis à jour le 12 septembre, par deux auteurs, en 25 minutes de lecture"),
        *((60, 574 - 12 * n, text[:50]) for n in range(8)),
        *((330, 574 - 12 * n, "Dépistage") for n in range(8)),
    )

    assert find(said, 652, 634, 612, 590, 480) == []


def test_a_head_that_ends_near_the_next_column_stands_over_both() -> None:
    page = [
        *row(652, (150, ["Première année"]), (277, ["Ensuite dit"])),
        *row(640, (60, ["Examen"]), (150, ["J0"]), (200, ["M3"]), (256, ["/ 3 mois"]), (322, ["/ an"])),
        *row(622, (60, ["Poids"]), (150, ["x"]), (200, ["x"]), (262, ["x"])),
        *row(610, (60, ["Glycémie"]), (150, ["x"]), (200, ["x"]), (326, ["x"])),
        *row(598, (60, ["ECG"]), (150, ["x"]), (326, ["x"])),
    ]
    assert read(page, 664, 635, 590)[2:] == ["Poids | x | x | x", "Glycémie | x | x | | x", "ECG | x | | | x"]
