"""Boxes beside the text that a page tells before all of it, as browsers print what floats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pdfs import Placed, make_placed_pdf
from worker.courses.chunk.paragraphs import read_pieces
from worker.courses.extract import extract_document
from worker.courses.extract.floats import part_floats
from worker.courses.extract.rows import Span

WIDE = [
    "La cystite est une infection de la vessie, bénigne le plus souvent, que l'on traite en une prise chez la femme.",
    "La bandelette suffit au diagnostic de la forme simple, et l'examen des urines n'est demandé que dans les autres.",
    "La fosfomycine est donnée en une fois, le soir, après avoir uriné, et la douleur cède en deux jours en général.",
    "Une fièvre, une douleur lombaire ou des frissons font chercher une pyélonéphrite, dont le traitement est long.",
]
BESIDE = [
    "Un traitement est donné dès que la bandelette est positive, et la forme",
    "larvaire est cherchée dans les autres cas, car elle dure plus longtemps,",
    "et demande une surveillance.",
]


def pieces(page: Sequence[Placed]) -> list[str]:
    return [piece.text for piece in read_pieces(extract_document(Path("a.pdf"), make_placed_pdf([page])))]


def lines(left: float, top: float, texts: Sequence[str], size: float = 9.0, pitch: float = 14.0) -> list[Placed]:
    return [(left, top - pitch * number, size, text) for number, text in enumerate(texts)]


def text(*beside: str) -> list[Placed]:
    """A title, wide lines, some that leave room at the right from 620 on, and wide ones again."""
    return [
        (40, 760, 16, "Les cystites"),
        *lines(40, 720, WIDE),
        *lines(40, 620, beside or BESIDE),
        *lines(40, 560, WIDE),
    ]


def test_a_box_is_read_before_the_paragraph_beside_it_and_cuts_none_of_its_sentences() -> None:
    box = [(345, 626, 9, "Sommaire", True), *lines(345, 612, ["1. Contexte", "2. Traitement"])]

    found = pieces([*box, *text()])

    assert found[0] == "Les cystites"
    at = found.index("Sommaire")
    assert found[at - 1] == WIDE[-1]
    assert found[at : at + 3] == ["Sommaire", "1. Contexte", "2. Traitement"]
    assert found[at + 3] == " ".join(BESIDE)


def test_each_of_several_boxes_stands_beside_its_own_paragraph() -> None:
    told = [*lines(335, 620, ["Grade A"]), *lines(335, 592, ["Accord"])]
    first = "On traite toute femme enceinte, même sans signe, et l'on revoit"

    found = pieces([*told, *text(f"R1. {first}", "les urines une fois par mois.", "R2. On ne traite pas l'homme.")])

    at = found.index("Grade A")
    assert " ".join(found[at : at + 4]) == f"Grade A R1. {first} les urines une fois par mois. Accord"


def test_terms_that_are_told_first_stand_in_the_rows_of_what_they_mean() -> None:
    terms = lines(40, 620, ["BU", "ECBU", "PNA"])
    meanings = lines(120, 620, ["Bandelette urinaire", "Examen des urines", "Infection du rein"])

    found = pieces([*terms, (40, 760, 16, "Les cystites"), *lines(40, 720, WIDE), *meanings, *lines(40, 560, WIDE)])

    assert found[-7:-4] == ["BU | Bandelette urinaire", "ECBU | Examen des urines", "PNA | Infection du rein"]


def spans(told: Sequence[Placed]) -> list[list[Span]]:
    return [[Span(text, left, left + 4.2 * len(text), foot, foot + size)] for left, foot, size, text, *_ in told]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([*lines(300, 700, ["colonne de droite"] * 9), *lines(40, 760, ["colonne"] * 20)], id="a column"),
        pytest.param([(40, 20, 8, "Faculté de médecine 3"), *text()], id="a footer"),
        pytest.param([*lines(420, 626, ["NH", "A B", "C"]), *text()], id="the signs of a drawing"),
        pytest.param([*lines(60, 620, ["Une note", "qui couvre"]), *text()], id="over the text"),
        pytest.param([*lines(40, 620, WIDE), *text()], id="a paragraph"),
        pytest.param(
            [*((345.0, 740.0 - 40 * n, 9.0, "Mastocyte") for n in range(41)), (40, 760, 9, "Un"), *text() * 12],
            id="the words of a drawing",
        ),
        pytest.param(text(), id="nothing"),
        pytest.param([], id="an empty page"),
    ],
)
def test_what_is_no_box_beside_the_text_stays_where_it_is_told(told: Sequence[Placed]) -> None:
    assert part_floats(spans(told)) == (spans(told), [])


PLACES = st.tuples(
    st.integers(0, 50), st.integers(0, 60), st.integers(1, 50), st.sampled_from(["Sommaire", "AE", "texte"])
)


@given(st.lists(PLACES, max_size=30))
def test_wherever_lines_stand_none_is_lost_and_none_is_told_twice(places: list[tuple[int, int, int, str]]) -> None:
    told = [[Span(word, 10.0 * x, 10.0 * (x + w), 14.0 * y, 14.0 * y + 9)] for x, y, w, word in places]
    rest, boxes = part_floats(told)
    kept = [id(span) for line in (*rest, *(line for box in boxes for line in box)) for span in line]
    assert sorted(kept) == sorted(id(span) for line in told for span in line)
