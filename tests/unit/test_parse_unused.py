"""Every cell that no question holds is named: columns nobody reads, rows that are no questions."""

from __future__ import annotations

from worker.shapes.uploads import RawSheet
from worker.steps.parse import parse_upload


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
