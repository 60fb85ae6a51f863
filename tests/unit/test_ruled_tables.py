"""Tables whose cells are ruled, as word processors and LaTeX print them: each cell is read whole, in its row."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.pdfs import Placed, make_placed_pdf, rule_grid
from worker.courses.chunk import chunk_document
from worker.courses.chunk.paragraphs import read_pieces
from worker.courses.extract import extract_document
from worker.courses.extract.grids import find_grids

BODY = (
    "La fièvre dépasse souvent 38,5 °C chez le nourrisson de moins de trois mois, et",
    "impose deux hémocultures avant toute antibiothérapie, quelle que soit la saison.",
)
SIZE, PITCH = 10, 12
_Lines = Sequence[str]


def rows(data: bytes) -> list[str]:
    return [piece.text for piece in read_pieces(extract_document(Path("a.pdf"), data)) if piece.is_row]


def text(data: bytes) -> str:
    return "\n".join(chunk.text for chunk in chunk_document(extract_document(Path("a.pdf"), data)))


def place(cells: Sequence[Sequence[_Lines]], xs: Sequence[float], ys: Sequence[float]) -> list[list[Placed]]:
    """The lines of each cell, at its top and left."""
    return [
        [(xs[column] + 3, ys[row] - PITCH * (number + 1), SIZE, line) for number, line in enumerate(lines)]
        for row, of_row in enumerate(cells)
        for column, lines in enumerate(of_row)
    ]


def page(lines: Sequence[Sequence[Placed]], *, top: float = 800) -> list[Placed]:
    body: list[Placed] = [(40, top - 14 * number, SIZE, line) for number, line in enumerate(BODY)]
    return body + [line for cell in lines for line in cell]


HEART: Sequence[Sequence[_Lines]] = (
    (["Signe"], ["Insuffisance gauche"], ["Insuffisance droite"]),
    (["Signes", "fonctionnels"], ["Dyspnée d'effort puis", "de repos, orthopnée"], ["Hépatalgie d'effort"]),
    (["Radiographie"], ["Cardiomégalie"], []),
    (["Traitement"], ["Diurétiques, régime", "sans sel, repos"], ["Diurétiques"]),
)
READ = [
    "Signe | Insuffisance gauche | Insuffisance droite",
    "Signes fonctionnels | Dyspnée d'effort puis de repos, orthopnée | Hépatalgie d'effort",
    "Radiographie | Cardiomégalie",
    "Traitement | Diurétiques, régime sans sel, repos | Diurétiques",
]
XS, YS = (40, 110, 215, 330), (740, 722, 692, 674, 644)


def test_cells_that_nearly_touch_are_parted_by_their_lines() -> None:
    assert rows(make_placed_pdf([page(place(HEART, XS, YS))], drawn=rule_grid(XS, YS))) == READ


def test_cells_are_whole_in_whatever_order_they_are_told() -> None:
    columns = sorted(place(HEART, XS, YS), key=lambda cell: cell[0][0] if cell else 0)
    assert rows(make_placed_pdf([page(columns)], drawn=rule_grid(XS, YS))) == READ


@pytest.mark.parametrize(
    "box",
    [
        b"%.1f %.1f %.1f %.1f re S\n",  # each cell a frame
        b"0.9 g %.1f %.1f %.1f %.1f re f 0 g\n",  # each cell shaded, as slides have it
    ],
)
def test_cells_that_are_framed_or_shaded_are_cells(box: bytes) -> None:
    boxes = [
        box % (left, bottom, right - left - 0.5, top - bottom - 0.5)
        for left, right in pairwise(XS)
        for top, bottom in pairwise(YS)
    ]
    assert rows(make_placed_pdf([page(place(HEART, XS, YS))], drawn=b"".join(boxes))) == READ


def test_a_table_on_its_side_is_read_as_it_is_held() -> None:
    data = make_placed_pdf([page(place(HEART, XS, YS))], drawn=rule_grid(XS, YS), is_sideways=True)
    assert rows(data) == READ
    assert " ".join(BODY) in text(data)


def test_rows_that_no_line_parts_are_rows() -> None:
    cells: Sequence[Sequence[_Lines]] = [
        [["Âge"], ["Fréquence"]],
        [["1 an", "5 ans", "10 ans", "Adulte"], ["120 par minute", "100", "90", "70 au repos"]],
    ]
    xs, ys = (40, 100, 190), (740, 722, 660)
    read = ["Âge | Fréquence", "1 an | 120 par minute", "5 ans | 100", "10 ans | 90", "Adulte | 70 au repos"]
    assert rows(make_placed_pdf([page(place(cells, xs, ys))], drawn=rule_grid(xs, ys))) == read


def test_a_cell_over_rows_is_read_in_each_and_one_over_columns_once() -> None:
    xs, ys = (40, 120, 220, 320), (740, 722, 704, 686)
    lines = [
        *((40, y, 320, y) for y in (740, 722, 686)),
        (120, 704, 320, 704),
        *((x, 740, x, 686) for x in (40, 320)),
        *((x, 722, x, 686) for x in (120, 220)),
    ]
    drawn = b"".join(b"%d %d m %d %d l S\n" % line for line in lines)
    cells: Sequence[Sequence[_Lines]] = [
        [["Anémie microcytaire et bilan martial"], [], []],
        [["Ferritine"], ["Basse"], ["Carence martiale"]],
        [[], ["Élevée"], ["Inflammation"]],
    ]
    read = [
        "Anémie microcytaire et bilan martial",
        "Ferritine | Basse | Carence martiale",
        "Ferritine | Élevée | Inflammation",
    ]
    assert rows(make_placed_pdf([page(place(cells, xs, ys))], drawn=drawn)) == read


def test_the_head_that_a_table_repeats_on_each_page_is_read_once() -> None:
    head, body = [["Classe"], ["Dose (mg)"]], [[[f"Molécule {letter}"], [f"{letter * 2}5"]] for letter in "abcdef"]
    xs, ys = (40, 130, 220), (740, 722, 704, 686, 668)
    pages = [[line for cell in place([head, *part], xs, ys) for line in cell] for part in (body[:3], body[3:])]
    read = rows(make_placed_pdf(pages, drawn=rule_grid(xs, ys)))
    assert read == ["Classe | Dose (mg)", *(f"Molécule {letter} | {letter * 2}5" for letter in "abcdef")]


def test_a_drawing_and_frames_around_words_are_no_tables() -> None:
    squares = rule_grid([40 + 20 * n for n in range(12)], [740 - 20 * n for n in range(8)])
    drawing: list[list[Placed]] = [[(60, 700, 9, "Onde P")], [(150, 650, 9, "Complexe QRS large")]]
    assert rows(make_placed_pdf([page(drawing)], drawn=squares)) == []
    frames = rule_grid((100, 130, 170), (742, 728, 714))
    words: list[list[Placed]] = [
        [
            (63, 731, SIZE, "Presser"),
            (106, 731, SIZE, "Contr."),
            (136, 731, SIZE, "Altern."),
            (175, 731, SIZE, "et garder,"),
        ],
        [
            (78, 717, SIZE, "puis"),
            (106, 717, SIZE, "Maj."),
            (132, 717, SIZE, "Entrée"),
            (175, 717, SIZE, "sans lâcher."),
        ],
    ]
    assert rows(make_placed_pdf([page(words)], drawn=frames)) == []


def test_boxes_that_arrows_join_are_no_grid() -> None:
    def box(left: float, bottom: float) -> list[tuple[float, float, float, float]]:
        right, top = left + 80, bottom + 30
        sides = [(left, right, bottom, bottom), (left, right, top, top)]
        return [*sides, (left, left, bottom, top), (right, right, bottom, top)]

    arrows = [(80.0, 80.0, 630.0, 700.0), (120.0, 240.0, 715.0, 715.0)]
    assert find_grids([*box(40, 700), *box(240, 700), *box(40, 600), *arrows]) == []


_WORD = st.text("abcdefgéèàç", min_size=1, max_size=7).map(lambda word: f"X{word}")


@settings(max_examples=40, deadline=None)
@given(
    cells=st.lists(st.lists(st.lists(_WORD, min_size=1, max_size=3), min_size=3, max_size=3), min_size=2, max_size=5),
    order=st.permutations(range(15)),
)
def test_what_stands_between_lines_is_one_cell(cells: list[list[list[str]]], order: list[int]) -> None:
    """Each word is read once, in its cell, whatever the cells hold and in whatever order a page tells them."""
    named = [
        [[f"{word}{row}{column}" for word in lines] for column, lines in enumerate(of_row)]
        for row, of_row in enumerate(cells)
    ]
    xs, ys = (40, 120, 200, 280), [740 - 44 * number for number in range(len(cells) + 1)]
    placed = place(named, xs, ys)
    told = [placed[number] for number in order if number < len(placed)]
    read = rows(make_placed_pdf([page(told)], drawn=rule_grid(xs, ys)))
    assert sorted(word for row in read for word in row.replace("|", " ").split()) == sorted(
        word for of_row in named for lines in of_row for word in lines
    )
    for number, of_row in enumerate(named):
        own = [row for row in read if f"{number}0" in row.split(" | ")[0]]
        parts = [(*map(str.strip, row.split("|")), "", "") for row in own]
        assert [" ".join(filter(None, (part[column] for part in parts))) for column in range(3)] == [
            " ".join(lines) for lines in of_row
        ]


def lines_of(left: float, top: float, *lines: str) -> list[Placed]:
    return [(left, top - 12 * number, 9, line) for number, line in enumerate(lines)]


def test_lists_in_the_cells_of_a_row_are_not_parted_line_by_line() -> None:
    xs, ys = (60, 220, 400), (700, 680, 600)
    placed: list[Placed] = [
        *((64.0, 686.0, 9.0, "Indications"), (224.0, 686.0, 9.0, "À éviter")),
        *lines_of(64, 668, "• rétention aiguë", "• mesure de la diurèse en", "réanimation", "• confort"),
        *lines_of(224, 668, "• incontinence", "• commodité", "• agitation"),
    ]

    found = rows(make_placed_pdf([placed], drawn=rule_grid(xs, ys)))

    assert found[-1] == (
        "• rétention aiguë • mesure de la diurèse en réanimation • confort | • incontinence • commodité • agitation"
    )


def test_a_cell_that_goes_on_in_small_letters_keeps_its_row_together() -> None:
    xs, ys = (60, 200, 320, 460), (700, 680, 640)
    placed: list[Placed] = [
        *((64.0, 686.0, 9.0, "Rédaction"), (204.0, 686.0, 9.0, "Vérification"), (324.0, 686.0, 9.0, "Approbation")),
        *lines_of(64, 668, "N. Ouali, cadre", "S. Meziane, infirmière"),
        *lines_of(204, 668, "Dr A. Kaci, pour l'équipe", "d'hygiène hospitalière"),
        *lines_of(324, 668, "Direction", "CLIN"),
    ]

    found = rows(make_placed_pdf([placed], drawn=rule_grid(xs, ys)))

    assert len(found) == 2
    assert "Dr A. Kaci, pour l'équipe d'hygiène hospitalière" in found[1]
