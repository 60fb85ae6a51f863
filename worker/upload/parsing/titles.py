"""Unique names for the sheets of a file, whatever program wrote it: no two alike, none too long to be stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from worker.messages import sheet_notes
from worker.questions.sheets import Note, RawSheet

MAX_TITLE = 100  # characters; Excel's own stop at 31, those of other programs and of CSV files do not


def tell_apart(sheets: Sequence[RawSheet]) -> list[RawSheet]:
    """The sheets, each with a name of its own, in any case of letters; a changed one has a note that says so."""
    taken = {sheet.name.casefold() for sheet in sheets if len(sheet.name) <= MAX_TITLE}
    used: set[str] = set()
    named = []
    for sheet in sheets:
        short = sheet.name if len(sheet.name) <= MAX_TITLE else sheet.name[: MAX_TITLE - 1].rstrip() + "…"
        title, number = short, 1
        while title.casefold() in used or (number > 1 and title.casefold() in taken):
            number += 1
            title = f"{short[: MAX_TITLE - 8].rstrip()} ({number})"
        used.add(title.casefold())
        named.append(sheet if title == sheet.name else replace(sheet, name=title, notes=(*sheet.notes, _note(title))))
    return named


def _note(title: str) -> Note:
    return Note("renamed_sheet", sheet_notes.renamed_sheet(title), sheet_notes.RENAMED_SHEET_LABEL, 1, title)
