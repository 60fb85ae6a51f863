"""Slides of which several stand on one sheet: each is read by itself, in its order, without the footers of either."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pypdfium2
import pytest

from tests.support.pdfs import Placed, make_placed_pdf, rule_grid
from worker.courses.chunk.paragraphs import read_pieces
from worker.courses.extract.objects import Rule
from worker.courses.extract.reading import extract_document
from worker.courses.extract.rows import Span
from worker.courses.extract.sheets import find_slides, is_within

WIDTH, HEIGHT = 360, 270
TITLES = ("Les hypothèses", "Les deux risques", "Zone de rejet", "Degré de signification", "Tests usuels", "Conclusion")


def slide(number: int, title: str) -> list[Placed]:
    """A title, two points, and a footer that counts the slides."""
    return [
        (20, 240, 16, title),
        (20, 180, 10, f"• Première remarque de la partie {title.lower()}"),
        (20, 160, 10, f"• Seconde remarque de la partie {title.lower()}"),
        (20, 8, 6, "Pr A. Martin"),
        (150, 8, 6, "Biostatistique"),
        (320, 8, 6, f"{number} / {len(TITLES)}"),
    ]


def print_slides(on_each: int, titles: Sequence[str] = TITLES) -> bytes:
    """The slides, two beside one another and as many on each sheet, which has a footer of its own."""
    slides = make_placed_pdf([slide(n, title) for n, title in enumerate(titles, start=1)], width=WIDTH, height=HEIGHT)
    source, sheets = pypdfium2.PdfDocument(slides), pypdfium2.PdfDocument.new()
    for first in range(0, len(titles), on_each):
        number = first // on_each + 1
        foot = make_placed_pdf(
            [[(30, 20, 8, f"Faculté de médecine, document des étudiants, {number}")]], width=842, height=595
        )
        page = sheets.new_page(842, 595)
        page.insert_obj(pypdfium2.PdfDocument(foot).page_as_xobject(0, sheets).as_pageobject())
        for at in range(min(on_each, len(titles) - first)):
            shown = source.page_as_xobject(first + at, sheets).as_pageobject()
            shown.set_matrix(
                pypdfium2.PdfMatrix().scale(0.9, 0.9).translate(40 + 400 * (at % 2), 310 - 280 * (at // 2))
            )
            page.insert_obj(shown)
        page.gen_content()
    found = io.BytesIO()
    sheets.save(found)
    return found.getvalue()


@pytest.mark.parametrize("on_each", [2, 4])
def test_each_slide_is_read_by_itself_and_no_footer_is(on_each: int) -> None:
    document = extract_document(Path("a.pdf"), print_slides(on_each))

    found = [(piece.text, piece.page) for piece in read_pieces(document)]

    assert found == [
        (line, n // on_each + 1)
        for n, title in enumerate(TITLES)
        for line in (
            title,
            f"• Première remarque de la partie {title.lower()}",
            f"• Seconde remarque de la partie {title.lower()}",
        )
    ]
    assert document.is_slides


def test_a_last_sheet_of_a_single_slide_is_one_too() -> None:
    document = extract_document(Path("a.pdf"), print_slides(4, TITLES[:5]))

    assert [piece.text for piece in read_pieces(document) if piece.is_heading] == list(TITLES[:5])
    assert "Faculté" not in " ".join(piece.text for piece in read_pieces(document))


def span(left: float, bottom: float, text: str = "mots") -> Span:
    return Span(text, left, left + 20, bottom, bottom + 10, size=10)


LEFT, RIGHT = (50.0, 250.0, 400.0, 700.0), (300.0, 500.0, 400.0, 700.0)
A4 = 595.0 * 842


@pytest.mark.parametrize(
    ("boxes", "lines", "known", "found"),
    [
        pytest.param([RIGHT, LEFT], [[span(60, 500)], [span(310, 500)]], (), [LEFT, RIGHT], id="two slides"),
        pytest.param([LEFT, LEFT], [[span(60, 500)]], (), [], id="one box, drawn twice"),
        pytest.param([LEFT], [[span(60, 500)]], (LEFT, RIGHT), [LEFT], id="the last of them"),
        pytest.param([LEFT, RIGHT], [[span(60, 500)], [span(60, 300)]], (), [], id="two figures of a page"),
        pytest.param([LEFT, (200.0, 400.0, 400.0, 700.0)], [[span(60, 500)]], (), [], id="boxes over one another"),
        pytest.param([LEFT, (50.0, 250.0, 395.0, 400.0)], [[span(60, 500)]], (), [], id="boxes of two sizes"),
        pytest.param([LEFT, (300.0, 2_000.0, 400.0, 700.0)], [[span(60, 500)]], (), [LEFT, RIGHT], id="one goes out"),
        pytest.param([], [[span(60, 500)]], (), [], id="a page"),
        pytest.param(
            [LEFT], [[span(60, 500)], *([span(60, 40 + 14 * n)] for n in range(9))], (LEFT,), [], id="a figure there"
        ),
        pytest.param([LEFT, RIGHT] * 300, [[span(60, 500)]], (), [], id="a drawing"),
    ],
)
def test_slides_are_boxes_of_one_size_that_hold_the_words(
    boxes: Sequence[Rule], lines: Sequence[Sequence[Span]], known: Sequence[Rule], found: Sequence[Rule]
) -> None:
    assert find_slides(boxes, lines, A4, known) == found


def test_the_frame_of_a_slide_is_no_table() -> None:
    assert is_within((60, 240, 500, 500), LEFT)
    assert not is_within((50, 250, 400, 400), LEFT)  # its side
    assert not is_within((250, 250, 400, 700), LEFT)
    assert not is_within((310, 490, 500, 500), LEFT)  # of the next one


def test_two_framed_figures_on_a_page_leave_its_text_as_it_is() -> None:
    text = [
        (60.0, 380.0 - 14 * n, 10.0, f"Une phrase du texte, la {n + 1}e, au-dessous des deux figures.")
        for n in range(8)
    ]
    frames = rule_grid([60, 260], [700, 500]) + rule_grid([300, 500], [700, 500])
    page: list[Placed] = [(70, 690, 8, "Figure 1"), (310, 690, 8, "Figure 2"), *text]

    found = [
        piece.text for piece in read_pieces(extract_document(Path("a.pdf"), make_placed_pdf([page], drawn=frames)))
    ]

    assert found[-8:] == [line for *_, line in text]
