"""Which type the rows of a sheet are of: by its name, by a column, or by what its columns show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from worker.messages.headers import QUESTION_TEXT
from worker.questions.question import LETTERS, QuestionType
from worker.upload.parsing.evidence import Body, is_filled, values
from worker.upload.parsing.headers import Columns
from worker.upload.parsing.keys import read_letters, says_no_answer
from worker.upload.parsing.names import type_named
from worker.upload.parsing.options import split_options
from worker.upload.parsing.values import plain_text

OPTION_COLUMNS = frozenset(f"option {letter}" for letter in LETTERS.lower())


SURELY = 3  # filled option columns that outweigh a file's name


@dataclass(frozen=True, slots=True)
class Kind:
    """How the rows of a sheet get their type."""

    type: QuestionType | None  # the sheet's own; None = by columns
    by_cell: bool  # a type column counts
    by_columns: bool = False  # a sheet whose name tells nothing


def kind_of(named: QuestionType | None, columns: Columns, body: Body, *, is_file: bool) -> Kind | None:
    """A named sheet has one type, another a type column; where neither tells it, the columns do.

    A CSV (`is_file`), which has no sheets, is always meant to be read; a sheet of any name is when its columns are
    those of questions. A file's name is no promise: options, and letters for answers, make it a QCM.
    """
    place = columns.type_place
    has_types = place is not None and any(type_named(row[place]) for _, row in body)
    if named is not None and not is_file:
        return Kind(named, by_cell=False)
    if has_types:
        return Kind(named, by_cell=True)
    if named in ("qroc", "cas_qroc") and has_options(columns, body, SURELY) and only_letters(columns, body):
        return Kind(None, by_cell=False, by_columns=True)
    if named is not None:
        return Kind(named, by_cell=False)
    return Kind(None, by_cell=False, by_columns=True) if is_file or _are_of_questions(columns) else None


def _are_of_questions(columns: Columns) -> bool:
    """The question, what it is about, and options or an answer."""
    names = columns.names
    answered = "reponse" in names or len(names & OPTION_COLUMNS) >= 2
    return QUESTION_TEXT in names and bool(names & {"matiere", "cours"}) and answered


def has_options(columns: Columns, body: Body, at_least: int = 2) -> bool:
    """True when at least that many option columns hold something, or one column holds all options of every row."""
    if columns.all_options is not None:
        cells = list(values(body, columns.places[columns.keys.index(columns.all_options)]))
        return bool(cells) and all(split_options(plain_text(cell)) for cell in cells)
    places = [place for key, place in zip(columns.keys, columns.places, strict=True) if key in OPTION_COLUMNS]
    return sum(is_filled(body, place) for place in places) >= at_least


def only_letters(columns: Columns, body: Body) -> bool:
    """True when there are answers, and every one of them is the letters of a QCM's key."""
    answers = [answer for answer in answer_cells(columns, body) if not says_no_answer(answer)]
    return bool(answers) and all(read_letters(answer) is not None for answer in answers)


def answer_cells(columns: Columns, body: Body) -> Iterator[str]:
    """The cells of the answer columns that hold something."""
    for key in columns.answers:
        yield from map(plain_text, values(body, columns.places[columns.keys.index(key)]))
