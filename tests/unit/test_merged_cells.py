"""Cells that are merged over rows or columns, of every kind of document: what follows them stays in its column."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import docx
import pptx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pptx.util import Inches

from tests.support.pdfs import Placed, make_placed_pdf
from worker.courses.chunk.paragraphs import read_pieces
from worker.courses.extract import extract_document

Cell = tuple[str, int, int]  # its words, and over how many rows and columns it goes
Table = Sequence[Sequence[Cell]]
LONG = "Une phrase de plus de soixante signes, qui vaut pour les deux colonnes qu'elle couvre"

DOSES: Table = [
    [("Espèce", 2, 1), ("Adulte", 1, 2), ("Enfant", 1, 2)],
    [("Matin", 1, 1), ("Soir", 1, 1), ("Matin", 1, 1), ("Soir", 1, 1)],
    [("E. coli", 1, 1), ("10 mg", 1, 1), ("20 mg", 1, 1), ("contre-indiqué", 1, 2)],
    [("K. oxytoca", 1, 1), ("11 mg", 1, 2), ("5 mg", 1, 1), ("6 mg", 1, 1)],
    [("Proteus", 1, 1), ("12 mg", 1, 1), ("22 mg", 1, 1), ("7 mg", 1, 1), ("8 mg", 1, 1)],
    [("Serratia", 1, 1), ("13 mg", 1, 1), ("23 mg", 1, 1), ("9 mg", 1, 1), ("10 mg", 1, 1)],
    [("Bacilles non fermentants", 1, 5)],
    [("Pyocyanique", 1, 1), ("14 mg", 1, 1), ("24 mg", 1, 1), ("10 mg", 1, 1), ("12 mg", 1, 1)],
]
READ = [
    "Espèce | Adulte | Adulte | Enfant | Enfant",
    "Espèce | Matin | Soir | Matin | Soir",
    "E. coli | 10 mg | 20 mg | contre-indiqué | contre-indiqué",
    "K. oxytoca | 11 mg | 11 mg | 5 mg | 6 mg",
    "Proteus | 12 mg | 22 mg | 7 mg | 8 mg",
    "Serratia | 13 mg | 23 mg | 9 mg | 10 mg",
    "Bacilles non fermentants",
    "Pyocyanique | 14 mg | 24 mg | 10 mg | 12 mg",
]
WIDE: Table = [
    [("Nom", 1, 1), ("Un", 1, 1), ("Deux", 1, 1), ("Trois", 1, 1)],
    [("a", 1, 1), (LONG, 1, 2), ("1", 1, 1)],
    [("b", 1, 1), ("2", 1, 1), ("3", 1, 1), ("4", 1, 1)],
]


def in_html(table: Table) -> tuple[str, bytes]:
    rows = [
        "".join(f'<td rowspan="{rows}" colspan="{columns}">{text}</td>' for text, rows, columns in row) for row in table
    ]
    return "a.html", ("<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>").encode()


def placed(table: Table) -> list[tuple[str, int, int, int, int]]:
    """Each cell with its place: words, first row and column, rows and columns."""
    taken: set[tuple[int, int]] = set()
    found = []
    for at, row in enumerate(table):
        column = 0
        for text, rows, columns in row:
            while (at, column) in taken:
                column += 1
            taken |= {(at + down, column + right) for down in range(rows) for right in range(columns)}
            found.append((text, at, column, rows, columns))
    return found


def in_docx(table: Table) -> tuple[str, bytes]:
    file, cells = docx.Document(), placed(table)
    made = file.add_table(len(table), max(column + columns for _, _, column, _, columns in cells))
    for text, row, column, rows, columns in cells:
        made.cell(row, column).text = text
        made.cell(row, column).merge(made.cell(row + rows - 1, column + columns - 1))
    return "a.docx", saved(file.save)


def in_pptx(table: Table) -> tuple[str, bytes]:
    deck, cells = pptx.Presentation(), placed(table)
    shapes = deck.slides.add_slide(deck.slide_layouts[6]).shapes
    width = max(column + columns for _, _, column, _, columns in cells)
    made = shapes.add_table(len(table), width, Inches(0), Inches(0), Inches(9), Inches(5)).table
    for text, row, column, rows, columns in cells:
        if rows * columns > 1:
            made.cell(row, column).merge(made.cell(row + rows - 1, column + columns - 1))
        made.cell(row, column).text = text
    return "a.pptx", saved(deck.save)


def saved(save: Callable[[io.BytesIO], None]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


def in_pdf(table: Table) -> tuple[str, bytes]:
    words: list[Placed] = []
    lines = []
    for text, row, column, rows, columns in placed(table):
        left, top, width, height = 40 + 100 * column, 700 - 40 * row, 100 * columns, 40 * rows
        halves = [text[: len(text) // 2], text[len(text) // 2 :]] if len(text) > 40 else [text]
        words += [(left + 4, top - 14 - 12 * number, 8, half) for number, half in enumerate(halves)]
        lines.append(b"%d %d %d %d re S\n" % (left, top - height, width, height))
    return "a.pdf", make_placed_pdf([words], drawn=b"0.5 w\n" + b"".join(lines))


KINDS = [in_html, in_docx, in_pptx, in_pdf]


def rows_of(name: str, data: bytes) -> list[str]:
    return [piece.text for piece in read_pieces(extract_document(Path(name), data))]


@pytest.mark.parametrize("written", KINDS)
def test_a_merged_cell_is_read_in_each_row_and_column_and_a_whole_row_once(
    written: Callable[[Table], tuple[str, bytes]],
) -> None:
    assert rows_of(*written(DOSES)) == READ


@pytest.mark.parametrize("written", KINDS)
def test_a_long_merged_cell_leaves_a_column_empty(written: Callable[[Table], tuple[str, bytes]]) -> None:
    assert rows_of(*written(WIDE)) == ["Nom | Un | Deux | Trois", f"a | {LONG} | | 1", "b | 2 | 3 | 4"]


def test_a_long_cell_that_a_web_page_merges_over_rows_leaves_its_place_empty() -> None:
    table: Table = [[(LONG, 2, 1), ("1", 1, 1), ("2", 1, 1)], [("3", 1, 1), ("4", 1, 1)]]
    assert rows_of(*in_html(table)) == [f"{LONG} | 1 | 2", "| 3 | 4"]


@pytest.mark.parametrize("columns", ["99999999999", "-1", "x", "0", "65534"])
def test_a_cell_that_says_more_columns_than_there_are_adds_none(columns: str) -> None:
    page = f'<table><tr><td colspan="{columns}">a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>'
    assert rows_of("a.html", page.encode()) == ["a | b", "c | d"]


def test_a_column_that_no_row_of_a_word_table_has_is_none() -> None:
    # Given what Word leaves of cells that were dragged: three columns, of which the second begins nowhere
    table: Table = [[("Signe", 1, 2), ("Dose", 1, 1)], [("Toux", 1, 2), ("5 mg", 1, 1)]]
    assert rows_of(*in_docx(table)) == ["Signe | Dose", "Toux | 5 mg"]


@pytest.mark.parametrize("span", ["400000000", "-5", "x", ""])
def test_a_span_of_a_slides_cell_that_is_nonsense_loses_no_row(span: str) -> None:
    deck = pptx.Presentation()
    shapes = deck.slides.add_slide(deck.slide_layouts[6]).shapes
    table = shapes.add_table(2, 2, Inches(0), Inches(0), Inches(9), Inches(5)).table
    for at, text in enumerate("abcd"):
        table.cell(at // 2, at % 2).text = text
    table.cell(0, 0)._tc.set("gridSpan", span)
    assert rows_of("a.pptx", saved(deck.save)) == ["a | b", "c | d"]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A table of which some cells are merged over rows and columns: no two of them meet, and a row in each is whole."""
    height, width = draw(st.integers(2, 5)), draw(st.integers(2, 5))
    free = {(row, column) for row in range(height) for column in range(width)}
    rows: list[list[Cell]] = [[] for _ in range(height + 1)]
    for row, column in sorted(free):
        if (row, column) not in free:
            continue
        down, right = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        area = {(row + a, column + b) for a in range(down) for b in range(right)}
        if not area <= free or right == width:
            down = right = 1
            area = {(row, column)}
        free -= area
        rows[row].append((f"{row}.{column}", down, right))
    assume(all(rows[:height]))  # a web page's row without a cell of its own says nothing again
    rows[height] = [(f"{height}.{column}", 1, 1) for column in range(width)]
    return rows


@settings(max_examples=25)
@given(tables())
def test_every_column_of_every_row_has_the_words_of_the_cell_that_covers_it(table: Table) -> None:
    height, width = len(table), len(table[-1])
    told = [[""] * width for _ in range(height)]
    for text, row, column, rows, columns in placed(table):
        for down in range(rows):
            told[row + down][column : column + columns] = [text] * columns
    read = [" | ".join(row) for row in told if len(set(row)) > 1]
    for written in (in_html, in_docx, in_pptx):
        found = [row for row in rows_of(*written(table)) if " | " in row]
        assert found == read, written.__name__
