"""Every cell that no question holds is named: columns nobody reads, rows that are no questions."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from worker.errors import JobFailed
from worker.questions.sheets import RawSheet
from worker.upload.parsing import parse_upload


def grid(name: str, *rows: tuple[str, ...]) -> RawSheet:
    return RawSheet(name, tuple(enumerate(rows, start=1)))


def notes(*sheets: RawSheet) -> list[tuple[str, int, str]]:
    upload = parse_upload(sheets, "x.xlsx", default_level="DCEM2", default_semester=None)
    return [(note.code, note.count, note.message) for note in upload.notes]


def test_columns_that_are_not_read_are_named_with_their_cells() -> None:
    found = notes(
        grid(
            "qroc",
            ("matiere", "question", "reponse", "Auteur", "", "Vide"),
            ("P", "Où ?", "Là", "Dr X", "", ""),
            ("P", "Quand ?", "Tôt", "Dr Y", "seul", ""),
        )
    )

    assert found == [
        ("unread_column", 2, "Feuille « qroc » : la colonne « Auteur » n'est pas lue (2 cellules remplies)."),
        ("unread_column", 1, "Feuille « qroc » : la colonne « Colonne E » n'est pas lue (1 cellule remplie)."),
    ]


def test_of_two_columns_with_one_meaning_the_cells_behind_the_first_are_named() -> None:
    found = notes(
        grid(
            "qroc",
            ("matiere", "question", "reponse", "rappel", "Rappel du cours"),
            ("P", "Où ?", "Là", "un", "deux"),
            ("P", "Quand ?", "Tôt", "", "trois"),
        )
    )

    assert [(code, count) for code, count, _ in found] == [("unread_column", 1)]
    assert "« Rappel du cours (2) » n'est pas lue" in found[0][2]


def test_a_sheet_of_qcm_without_a_key_column_says_so() -> None:
    header, row = ("matiere", "question", "option a", "option b"), ("P", "Où ?", "un", "deux")

    assert [(code, count) for code, count, _ in notes(grid("qcm", header, row))] == [("no_key_column", 1)]
    assert notes(grid("qcm", (*header, "Corrigé"), (*row, ""))) == []


def test_a_file_without_sheets_is_told_of_without_sheets() -> None:
    sheet = grid("export", ("matiere", "question", "reponse", "Auteur"), ("P", "Où ?", "Là", "Dr X"))
    upload = parse_upload([sheet], "export.csv", default_level="DCEM2", default_semester=None)

    assert [note.message for note in upload.notes] == ["La colonne « Auteur » n'est pas lue (1 cellule remplie)."]


WORDS = st.sampled_from(
    ["matiere", "cours", "question n", "niveau", "source", "Auteur", "texte de la question", "option a", "option b",
     "reponse", "Réponse", "rappel", "statut", "", "Cardio", "1", "12", "A", "Une question plus longue ?", "#N/A"]
)  # fmt: skip


@given(st.lists(st.lists(WORDS, min_size=7, max_size=7), max_size=6), st.permutations(list(range(7))))
def test_every_cell_is_in_a_row_or_counted_in_a_note(body: list[list[str]], order: list[int]) -> None:
    # Given any cells under headers of which some are known, one is not, and one stands twice
    names = ["matiere", "texte de la question", "reponse", "Auteur", "niveau", "question n", "Réponse"]
    header = tuple(names[index] for index in order)
    sheet = grid("qroc", header, *map(tuple, body), ("P", "DCEM2", "Où ?", "x", "y", "z", "v"))
    try:
        upload = parse_upload([sheet], "x.xlsx", default_level="DCEM2", default_semester=None)
    except JobFailed:
        return
    # Then every row is a question's or a refusal's, with all its cells, or one that a note counts
    kept = {row.row_number: row for row in upload.rows}
    counted = sum(note.count for note in upload.notes if note.code in ("repeated_header", "row_without_question"))
    blank = sum(1 for _, row in sheet.rows[1:] if not any(cell.strip() for cell in row))
    assert len(kept) + counted + blank == len(sheet.rows) - 1
    for number, row in sheet.rows[1:]:
        if number in kept:
            assert Counter(cell for cell in row if cell) <= Counter(kept[number].cells.values())
    # And the cells of a column that nobody reads are all counted
    unread = [note.count for note in upload.notes if note.code == "unread_column" and "« Auteur »" in note.message]
    rows_left_out = {number for number, _ in sheet.rows[1:]} - set(kept)
    place = header.index("Auteur")
    wanted = sum(1 for number, row in sheet.rows[1:] if row[place].strip() and number not in rows_left_out)
    assert sum(unread) == wanted
