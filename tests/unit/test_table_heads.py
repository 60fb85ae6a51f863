"""What names the columns of a table: which row it is, that each row knows it, and that no passage ends with it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.pdfs import Placed, make_placed_pdf
from worker.courses.chunk import chunk_document
from worker.courses.chunk.paragraphs import read_pieces
from worker.courses.chunk.pieces import Piece
from worker.courses.document import ExtractedDocument, Line, Page
from worker.courses.extract.reading import extract_document

XS = (60, 160, 240, 320, 400)
PROSE: list[Placed] = [
    (60, 780 - 14 * number, 10, "La surveillance repose sur la clinique et sur la biologie, répétées chaque jour.")
    for number in range(3)
]


def across(*heights: float) -> bytes:
    return b"0.5 w\n" + b"".join(b"60 %.1f m 400 %.1f l S\n" % (y, y) for y in heights)


def shaded(top: float, bottom: float, left: float, right: float) -> bytes:
    return b"0.9 g %.1f %.1f %.1f %.1f re f 0 g\n" % (left, bottom, right - left, top - bottom)


def cells(top: float, *texts: str) -> list[Placed]:
    return [(left + 4, top, 9, text) for left, text in zip(XS, texts, strict=False) if text]


def rows_of(page: Sequence[Placed], drawn: bytes) -> list[Piece]:
    document = extract_document(Path("a.pdf"), make_placed_pdf([[*PROSE, *page]], drawn=drawn))
    return [piece for piece in read_pieces(document) if piece.is_row]


def heads(rows: Sequence[Piece]) -> list[str | None]:
    return [row.head for row in rows]


@pytest.mark.parametrize(
    ("head", "body", "is_head"),
    [
        pytest.param(("", "J0", "J7", "> 1 mois"), [("Poids", "×", "2/sem", "1/sem"), ("CRP", "×", "×", "")], True),
        pytest.param(("Voie", "t1 (h)", "n1"), [("IV", "2", "10"), ("IM", "4", "12")], True, id="over figures"),
        pytest.param(("", "500 mg", "7 j"), [("Abcès", "2 g", "10 j"), ("Choc", "4 g", "7 j")], False, id="measures"),
        pytest.param(("Adulte 1", "2 g", "7 j"), [("Enfant 2", "1 g", "9 j"), ("Vieux 3", "1 g", "9 j")], False),
        pytest.param(("", "12", "14"), [("Total", "13", "15"), ("Reste", "1", "2")], False, id="figures"),
    ],
)
def test_a_first_row_is_a_head_by_an_empty_corner_or_by_letters_over_figures(
    head: Sequence[str], body: Sequence[Sequence[str]], is_head: bool
) -> None:
    page = [placed for number, row in enumerate([head, *body]) for placed in cells(666 - 20 * number, *row)]
    xs = XS[: len(head) + 1]
    drawn = b"".join(b"%d 680 m %d 620 l S\n" % (x, x) for x in xs)
    drawn += b"".join(b"%d %d m %d %d l S\n" % (xs[0], y, xs[-1], y) for y in (680, 660, 640, 620))

    found = rows_of(page, drawn)

    assert heads(found) == [None, *[found[0].text if is_head else None] * 2]


@pytest.mark.parametrize("gap", [2, 4], ids=["near the lines", "further from them"])
def test_a_head_whose_cells_are_shaded_between_lines_is_the_head_and_no_table(gap: float) -> None:
    """As LaTeX's booktabs and colortbl set it: the sides of the cells stand near the lines, and go beyond them."""
    head = ("Famille", "Espèces", "Part", "Porte")
    table = [("", "S. aureus", "26", "cutanée"), ("", "Autres", "10", "soins")]
    table += [("", "Oraux", "20", "dents"), ("", "S. gallolyticus", "13", "côlon")]
    page = [*cells(666, *head), (64, 640, 9, "Staph."), (64, 607, 9, "Strept.")]
    page += [placed for number, row in enumerate(table) for placed in cells(648 - 16 * number, *row)]
    edges = (54, *XS[1:-1], 406)
    boxes = b"".join(shaded(678 - gap, 660 + gap, a, b) for a, b in pairwise(edges))

    found = rows_of(page, boxes + across(678, 660, 628, 595))

    assert [row.text for row in found] == [
        "Famille | Espèces | Part | Porte",
        "Staph. | S. aureus | 26 | cutanée",
        "Staph. | Autres | 10 | soins",
        "Strept. | Oraux | 20 | dents",
        "Strept. | S. gallolyticus | 13 | côlon",
    ]
    assert heads(found) == [None, *["Famille | Espèces | Part | Porte"] * 4]


def test_a_shaded_head_without_lines_of_its_own_is_the_first_row() -> None:
    table = [
        ("Âge", "Poids", "Taille", "PC"),
        ("3 mois", "6 kg", "65 cm", "41 cm"),
        ("9 mois", "8 kg", "70 cm", "45 cm"),
    ]
    page = [placed for number, row in enumerate(table) for placed in cells(666 - 20 * number, *row)]
    boxes = b"".join(shaded(680, 660, a, b) for a, b in pairwise(XS))

    found = rows_of(page, boxes + across(640, 620))

    assert heads(found) == [None, *["Âge | Poids | Taille | PC"] * 2]


def test_a_cell_that_its_words_fill_ends_where_the_next_one_begins_in_other_rows() -> None:
    head = [(60, 666, 9, "Situation"), (130, 666, 9, "Traitement"), (244, 666, 9, "But")]
    rows: list[Placed] = [
        *((60, 648, 9, "Fièvre"), (130, 648, 9, "Paracétamol"), (244, 648, 9, "< 38 °C")),
        *((60, 632, 9, "Douleur"), (130, 632, 9, "Néfopam en perfusion lente"), (244, 632, 9, "Repos")),
        *((60, 616, 9, "Choc"), (130, 616, 9, "Remplissage"), (244, 616, 9, "Diurèse")),
    ]

    found = rows_of([*head, *rows], across(680, 660, 608))

    assert [row.text for row in found] == [
        "Situation | Traitement | But",
        "Fièvre | Paracétamol | < 38 °C",
        "Douleur | Néfopam en perfusion lente | Repos",
        "Choc | Remplissage | Diurèse",
    ]


def _row(text: str, *, is_head: bool = False) -> Line:
    return Line(text, is_row=True, is_head=is_head)


def test_a_head_that_only_the_next_page_tells_is_that_of_its_rows() -> None:
    """A browser prints the head again over the rows that go to the next page, which no row of this one tells apart."""
    first = Page(1, (Line("Le tableau dit les grades."), Line(""), _row("Grade | Preuve")))
    second = Page(2, (_row("Grade | Preuve", is_head=True), _row("A | établie"), _row("B | présumée")))

    found = [piece for piece in read_pieces(ExtractedDocument((first, second), is_typeset=True)) if piece.is_row]

    assert [(row.text, row.head) for row in found] == [
        ("Grade | Preuve", None),
        ("A | établie", "Grade | Preuve"),
        ("B | présumée", "Grade | Preuve"),
    ]


@pytest.mark.parametrize("length", range(980, 1200, 20))
def test_no_passage_ends_with_the_head_of_a_table_or_with_its_caption(length: int) -> None:
    sentence = "Le rein filtre le sang de façon continue et en règle la composition. "
    text = sentence * (length // len(sentence))
    text += "Il " + "x" * (length - len(text) - 4) + "."
    rows = [_row(f"Critère {number} | valeur attendue chez l'adulte | {number} points") for number in range(30)]
    head = _row("Critère | Valeur | Points", is_head=True)
    lines = (Line(text), Line("Tableau 2 – Score de gravité"), head, *rows)

    chunks = chunk_document(ExtractedDocument((Page(1, lines),)))

    assert not {chunk.text.split("\n")[-1] for chunk in chunks} & {head.text, "Tableau 2 – Score de gravité"}
    assert all(head.text in chunk.text for chunk in chunks if "Critère 1" in chunk.text)


@pytest.mark.parametrize("length", range(980, 1200, 20))
def test_no_passage_ends_with_the_title_of_rows_below_it(length: int) -> None:
    text = "Le rein filtre le sang. " * (length // 24)
    rows = [_row(f"Muscle {number} | origine et terminaison, innervation | flexion") for number in range(30)]
    lines = (Line(text.strip() + " " + "x" * (length - len(text)) + "."), _row("Loge thénar"), *rows)

    chunks = chunk_document(ExtractedDocument((Page(1, lines),)))

    assert any("Loge thénar\nMuscle 0 |" in chunk.text for chunk in chunks)
