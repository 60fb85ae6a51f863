"""Why a sheet cannot be read, in French: its header row, the columns found, those needed, every fault at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from worker.messages import sheet_notes
from worker.messages.headers import CASE_TEXT, QUESTION_TEXT
from worker.questions.question import fold_name
from worker.upload.parsing.evidence import Body, count_filled
from worker.upload.parsing.headers import Columns
from worker.upload.parsing.kinds import OPTION_COLUMNS, Kind, answer_cells, has_options, only_letters
from worker.upload.parsing.vocabulary import ASIDES


def faults(kind: Kind, columns: Columns, body: Body) -> Iterator[str]:
    """Every reason why no row of the sheet can be a question for sure. A sentence each, without a capital."""
    missing = list(_missing(kind, columns))
    if missing:
        yield sheet_notes.columns_missing(missing)
    if sheet_notes.TWO_OPTIONS in missing and sheet_notes.TRUTH_VALUES in columns.reasons.values():
        yield sheet_notes.OPTIONS_ARE_TRUTHS
    options_known = sheet_notes.TWO_OPTIONS in missing or has_options(columns, body)
    if kind.by_columns and not options_known:
        yield from _doubts(columns, body)


def _missing(kind: Kind, columns: Columns) -> Iterator[str]:
    names = columns.names
    if QUESTION_TEXT not in names:
        yield sheet_notes.QUESTION_TEXT
    if not names & {"matiere", "cours"}:
        yield sheet_notes.SPECIALTY_OR_COURSE
    if kind.by_cell or kind.type is None:
        return
    if kind.type in ("qcm", "cas_qcm") and len(names & OPTION_COLUMNS) < 2 and columns.all_options is None:
        yield sheet_notes.TWO_OPTIONS
    if kind.type in ("cas_qcm", "cas_qroc") and CASE_TEXT not in names and columns.vignette is None:
        yield sheet_notes.CASE_TEXT


def _doubts(columns: Columns, body: Body) -> Iterator[str]:
    """Why rows without options are no short-answer questions for sure."""
    if only_letters(columns, body):
        yield sheet_notes.only_letters(list(dict.fromkeys(answer_cells(columns, body)))[:3])
    if columns.all_options is not None:
        yield sheet_notes.options_not_separable(columns.all_options)
    unread = [
        key
        for key, place in zip(columns.keys, columns.places, strict=True)
        if key in columns.unread and fold_name(key) not in ASIDES and count_filled(body, place) * 2 > len(body)
    ]
    if unread:
        yield sheet_notes.unknown_columns(unread)


def refusal(where: str, found: Sequence[str], header_row: int, header: Sequence[str]) -> str:
    """The whole refusal of one sheet or file."""
    return sheet_notes.sheet_refused(where, found, header_row, [text.strip() for text in header if text.strip()])
