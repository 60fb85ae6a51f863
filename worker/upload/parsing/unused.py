"""What of a sheet no question holds, said as notes: columns that nobody reads, rows that are no questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from worker.messages.phrases import count
from worker.questions.sheets import Note, ReadSheet
from worker.upload.parsing.evidence import Body
from worker.upload.parsing.headers import Columns

NUMBERS_SHOWN = 10
HEADER_CHARACTERS = 60


def unread_columns(sheet: ReadSheet, columns: Columns, body: Body) -> Iterator[Note]:
    """A note for each column that holds cells and is not read; then for the cells behind those of a column's double."""
    for column in sheet.unread:
        yield unread_column(sheet.name, column.header, column.filled or 0, column.reason)
    for name, places in columns.doubles:
        if name == "reponse":
            continue  # they are compared, row by row
        yield from _unread_doubles(sheet.name, columns, name, places, body)


def unread_column(sheet: str, header: str, cells: int, reason: str | None = None) -> Note:
    """The note for one column; `cells` of it are not empty."""
    shown = header if len(header) <= HEADER_CHARACTERS else header[:HEADER_CHARACTERS] + "…"
    cells_word = count(cells, "cellule remplie", "cellules remplies")
    message = f"Feuille « {sheet} » : la colonne « {shown} » n'est pas lue ({cells_word})."
    if reason:
        message += f" {reason}"
    return Note("unread_column", message, f"colonne « {shown} » non lue ({count(cells, 'cellule')})", cells, sheet)


def _unread_doubles(sheet: str, columns: Columns, name: str, places: Sequence[int], body: Body) -> Iterator[Note]:
    """Of several columns with one meaning, the cells that stand behind another filled one."""
    for index, place in enumerate(places[1:], start=1):
        behind = sum(
            1 for _, row in body if row[place].strip() and any(row[before].strip() for before in places[:index])
        )
        if behind:
            yield unread_column(sheet, columns.key_at(place) or name, behind)


def no_key_column(sheet: str, questions: int) -> Iterator[Note]:
    """A note for a sheet of QCM that has no column of keys."""
    if questions:
        message = (
            f"Feuille « {sheet} » : aucune colonne de clé n'est reconnue ; {count(questions, 'QCM', 'QCM')} sans clé "
            "officielle. S'il y en a une, nommez-la « reponse »."
        )
        yield Note("no_key_column", message, "aucune colonne de clé", questions, sheet)


def of_file(note: Note) -> Note:
    """The note as it is said of a file without sheets."""
    message = note.message.removeprefix(f"Feuille « {note.sheet} » : ")
    return replace(note, message=message[:1].upper() + message[1:])


def rows_note(code: str, sheet: str, rows: Sequence[int], what: tuple[str, str], why: str) -> Note:
    """A note about rows: `what` names one and several of them, `why` says what became of them."""
    label = count(len(rows), *what)
    places = f"{'ligne' if len(rows) == 1 else 'lignes'} {number_list(rows)}"
    return Note(code, f"Feuille « {sheet} » : {label} ({places}), {why}.", label, len(rows), sheet)


def number_list(numbers: Sequence[int]) -> str:
    """`3, 7 à 9, 12`: runs as such, the first of a long list and how many more there are."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = ", ".join(str(a) if a == b else f"{a} à {b}" for a, b in runs[:NUMBERS_SHOWN])
    more = sum(b - a + 1 for a, b in runs[NUMBERS_SHOWN:])
    return f"{shown} et {count(more, 'autre')}" if more else shown
