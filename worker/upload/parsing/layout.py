"""Where a sheet's questions begin and end: its header, what stands above it, and rows that are no questions.

What the columns of a header mean is decided in `headers`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from worker.messages import sheet_notes
from worker.messages.headers import QUESTION_TEXT
from worker.questions.question import LETTERS, Finding, fold_name
from worker.questions.sheets import Note, RawSheet
from worker.upload.parsing.evidence import Body
from worker.upload.parsing.filling import fill_down
from worker.upload.parsing.headers import Columns, read_header
from worker.upload.parsing.mapping import PLAIN, Words
from worker.upload.parsing.unused import rows_note

Row = tuple[int, tuple[str, ...]]

HEADER_WITHIN_ROWS = 40  # non-blank rows: a page of instructions may stand above the header
CONTEXT = frozenset({"matiere", "cours", "question n", "cas n", "source", "niveau", "semestre"})
GIVEN = frozenset({"matiere", "cours", "source", "niveau", "semestre"})  # what a title block may say for all rows
OPTION_GROUPS = frozenset({"option", "proposition", "choix", "item", "prop", "suggestion", "choice"})
EXPLANATION_GROUPS = frozenset({"explication", "justification", "commentaire", "explanation"})
_MARK = re.compile(r"[A-Ea-e1-5]")
_PAIR = re.compile(r"([^:=\n]{2,40})[:=](.*)", re.DOTALL)
_NUMBER = re.compile(r"(?:n°|no|q)?\s?\d{1,6}\s?[.):°-]?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Layout:
    """A sheet taken apart. `given` holds what a title block says for every row that does not say it itself."""

    header_row: int  # as a spreadsheet numbers it; the lower one of two header rows
    header: tuple[str, ...]
    columns: Columns
    body: Body
    given: Mapping[str, str]
    findings: dict[int, list[Finding]]  # by row number
    notes: tuple[Note, ...]


def find_layout(sheet: RawSheet, words: Words = PLAIN) -> Layout:
    """Take a sheet of at least one row apart."""
    rows = sheet.rows
    start = _header_index(rows, words)
    header, first, below = _join_levels(rows, start, words)
    given, notes = _read_titles(sheet.name, rows[:first], words)
    columns = read_header(header, rows[below:], words)
    filled, findings = fill_down(columns, rows[below:])
    body, more = _drop_other_rows(sheet.name, header, columns, filled)
    columns = replace(columns, names=columns.names | given.keys()) if given else columns
    return Layout(rows[below - 1][0], header, columns, body, given, findings, (*notes, *more))


# -- the header ----------------------------------------------------------------------------------------------------


def _header_index(rows: Sequence[Row], words: Words) -> int:
    """The first row that names the question's column and another one; else the first that names two columns; else the
    first of several cells, for a title stands alone."""
    top = rows[:HEADER_WITHIN_ROWS]
    for index, (_, row) in enumerate(top):
        names = _names(row, words)
        if QUESTION_TEXT in names and len(names) > 1:
            return index
    for index, (_, row) in enumerate(top):
        if words.count_known(cell for cell in row if len(cell.strip()) > 1) >= 2 and not _title_pairs(row, words):
            return index
    return next((index for index, (_, row) in enumerate(top) if sum(1 for cell in row if cell.strip()) > 1), 0)


def _names(row: Sequence[str], words: Words) -> frozenset[str]:
    # A header cell is short: a long text is no name, and costs nothing here.
    return frozenset(name for cell in row if cell and len(cell) <= 80 and (name := words.canonical(cell)))


def _join_levels(rows: Sequence[Row], start: int, words: Words) -> tuple[tuple[str, ...], int, int]:
    """The header, of one row or of two that stand on one another; the index of its first row, and of the first below.

    Of two rows the upper one names groups (`Propositions`) and the lower one their columns (`A`, `B`, `C`).
    """
    number, row = rows[start]
    known = len(_names(row, words))
    if start + 1 < len(rows) and rows[start + 1][0] == number + 1 and _is_lower_level(row, rows[start + 1][1], words):
        joined = _join(row, rows[start + 1][1], words)
        if len(_names(joined, words)) > known:
            return joined, start, start + 2
    if start and rows[start - 1][0] == number - 1 and not _title_pairs(rows[start - 1][1], words):
        joined = _join(rows[start - 1][1], row, words)
        if len(_names(joined, words)) > known:
            return joined, start - 1, start + 1
    return row, start, start + 1


def _is_lower_level(upper: Sequence[str], lower: Sequence[str], words: Words) -> bool:
    """False for the first row of questions: under every name of a whole column stands nothing, or that name again."""
    return all(
        not cell.strip()
        or fold_name(cell) == fold_name(over)
        or (
            len(cell) <= 80 and (words.canonical(over) is None or (_group_kind(over) and _MARK.fullmatch(cell.strip())))
        )
        for over, cell in zip(upper, lower, strict=True)
    )


def _group_kind(text: str) -> str | None:
    """`option` or `explication` for the heading of a group of columns."""
    word = fold_name(text)
    word = word if word == "choix" else word.removesuffix("s")
    return "option" if word in OPTION_GROUPS else "explication" if word in EXPLANATION_GROUPS else None


def _join(upper: Sequence[str], lower: Sequence[str], words: Words) -> tuple[str, ...]:
    joined: list[str] = []
    group = ""
    for over, under in zip(upper, lower, strict=True):
        group = over.strip() or (group if under.strip() else "")
        joined.append(_join_cell(over.strip(), group, under.strip(), words))
    return tuple(joined)


def _join_cell(over: str, group: str, under: str, words: Words) -> str:
    if not under or not group or fold_name(over) == fold_name(under) or under in words.columns:
        return under or over
    kind = _group_kind(group)
    if kind and _MARK.fullmatch(under):
        letter = LETTERS[int(under) - 1] if under.isdigit() else under
        return f"{kind} {letter.lower()}"
    joined = f"{group} {under}"
    return joined if joined in words.columns or words.canonical(joined) is not None else under


# -- above the header ----------------------------------------------------------------------------------------------


def _title_pairs(row: Sequence[str], words: Words) -> dict[str, str]:
    """What a row of a title block says: `Matière` beside `Cardiologie`, or `Matière : Cardiologie` in one cell."""
    cells = [cell.strip() for cell in row if cell.strip()]
    pairs: dict[str, str] = {}
    used = 0
    while used < len(cells):
        name, value, taken = _pair_at(cells, used, words)
        if name is None or not value or name in pairs:
            return {}
        pairs[name] = value
        used += taken
    return pairs


def _pair_at(cells: Sequence[str], index: int, words: Words) -> tuple[str | None, str, int]:
    """Canonical name, value, and how many cells they take; no name for anything else."""
    cell = cells[index]
    match = _PAIR.fullmatch(cell) if len(cell) <= 200 else None
    if match and match[2].strip():
        return _given_name(match[1], words), match[2].strip(), 1
    value = cells[index + 1] if index + 1 < len(cells) else ""
    # `matiere | niveau | question` names columns; `matiere | Cardiologie` says one.
    return _given_name(match[1] if match else cell, words), "" if words.canonical(value) else value, 2


def _given_name(text: str, words: Words) -> str | None:
    name = words.canonical(text)
    return name if name in GIVEN else None


def _read_titles(sheet: str, rows: Sequence[Row], words: Words) -> tuple[dict[str, str], list[Note]]:
    """What the rows above the header say for all rows, and a note on the others."""
    given: dict[str, str] = {}
    places: list[int] = []
    titles: list[Row] = []
    for number, row in rows:
        pairs = _title_pairs(row, words)
        if pairs and not pairs.keys() & given.keys():
            given |= pairs
            places.append(number)
        else:
            titles.append((number, row))
    notes = []
    if given:
        message = sheet_notes.above_header(sheet, given, places)
        notes.append(Note("title_block", message, sheet_notes.above_header_label(given), len(places), sheet))
    if titles:
        first = next(cell.strip() for cell in titles[0][1] if cell.strip())
        numbers = [number for number, _ in titles]
        why = sheet_notes.title_rows_are(first)
        notes.append(rows_note("title_rows", sheet, numbers, sheet_notes.TITLE_ROWS, why))
    return given, notes


# -- among the questions -------------------------------------------------------------------------------------------


def _drop_other_rows(
    sheet: str, header: Sequence[str], columns: Columns, rows: Sequence[Row]
) -> tuple[list[Row], list[Note]]:
    """The rows without those that are no questions, and a note on each kind of them."""
    folded = [fold_name(cell) for cell in header]
    names = dict(columns.named())
    besides = (columns.type_place, columns.mark_place)
    bare = [place for place in range(len(header)) if names.get(place) in CONTEXT or place in besides]
    bearing = [place for place in range(len(header)) if place in names and place not in bare]
    asking = next((place for place, name in names.items() if name == QUESTION_TEXT), 0)
    longest = (
        len(header[asking]) + 20 if QUESTION_TEXT in columns.names else 1 << 30
    )  # of a cell that may be the header's
    body: list[Row] = []
    repeated: list[int] = []
    numbered: list[int] = []
    for number, row in rows:
        if len(row[asking]) > longest and not row[asking].isspace():
            body.append((number, row))
        elif any(row[place] and not row[place].isspace() for place in bearing):
            if _is_header_again(row, folded):
                repeated.append(number)
            else:
                body.append((number, row))
        elif _holds_nothing(row, bare) and bearing:
            numbered.append(number)
        else:
            body.append((number, row))
    notes = []
    if repeated:
        words, why = sheet_notes.REPEATED_HEADERS, sheet_notes.REPEATED_HEADERS_ARE
        notes.append(rows_note("repeated_header", sheet, repeated, words, why))
    if numbered:
        words, why = sheet_notes.ROWS_WITHOUT_QUESTION, sheet_notes.ROWS_WITHOUT_QUESTION_ARE
        notes.append(rows_note("row_without_question", sheet, numbered, words, why))
    return body, notes


def _is_header_again(row: Sequence[str], folded: Sequence[str]) -> bool:
    """At least two cells, and each of them the name of its own column."""
    filled = 0
    for cell, name in zip(row, folded, strict=True):
        if cell and not cell.isspace():
            if len(cell) > 80 or not name or fold_name(cell) != name:
                return False
            filled += 1
    return filled > 1


def _holds_nothing(row: Sequence[str], bare: Sequence[int]) -> bool:
    """True when nothing stands outside the columns around a question but numbers."""
    return all(
        not cell.strip() or place in bare or (len(cell) <= 12 and _NUMBER.fullmatch(cell.strip()))
        for place, cell in enumerate(row)
    )
