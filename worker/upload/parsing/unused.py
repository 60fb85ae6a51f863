"""Notes on what of a sheet is in no question: columns that are not read, rows that are no questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from worker.messages import sheet_notes
from worker.messages.phrases import count
from worker.questions.sheets import Note, ReadSheet
from worker.upload.parsing.evidence import Body
from worker.upload.parsing.headers import Columns


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
    message = sheet_notes.unread_column(sheet, header, cells, reason)
    return Note("unread_column", message, sheet_notes.unread_column_label(header, cells), cells, sheet)


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
        message = sheet_notes.no_key_column(sheet, questions)
        yield Note("no_key_column", message, sheet_notes.NO_KEY_COLUMN_LABEL, questions, sheet)


def of_file(note: Note) -> Note:
    """The note as it is said of a file without sheets."""
    return replace(note, message=sheet_notes.of_file(note.message, note.sheet))


def rows_note(code: str, sheet: str, rows: Sequence[int], what: tuple[str, str], why: str) -> Note:
    """A note about rows: `what` names one and several of them, `why` says what became of them."""
    label = count(len(rows), *what)
    return Note(code, sheet_notes.rows(sheet, label, rows, why), label, len(rows), sheet)
