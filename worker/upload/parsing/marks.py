"""Cells that do not hold what a person wrote: errors, dates made of a typed `1-2`, numbers of an unknown format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from worker.messages import row_findings
from worker.questions.question import LETTERS, Finding
from worker.questions.sheets import RawSheet
from worker.upload.parsing.headers import Columns

# As Excel writes them in English and in French, then LibreOffice; a CSV holds them as text.
ERRORS = frozenset(
    {
        *("#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", "#FIELD!"),
        *("#VALEUR!", "#NOM?", "#NOMBRE!", "#NUL!", "#PROPAGATION!", "#CHAMP!", "#GETTING_DATA", "#BUSY!", "#BLOCKED!"),
        *("#NOMBRE !", "#VALEUR !", "#NOM ?", "#NUL !", "#REF !", "#DIV/0 !", "#CONNECT!", "#UNKNOWN!"),
    }
)
_AS_WRITTEN = ERRORS | {error.lower() for error in ERRORS}
OPTIONS = frozenset(f"option {letter}" for letter in LETTERS.lower())


def is_cell_error(text: str) -> bool:
    """True for the text of a cell in error: `#N/A`, `#NOM?`."""
    return text in _AS_WRITTEN


@dataclass(frozen=True, slots=True)
class Spoiled:
    """One row: its cells to be read, findings, and answers (key → text) that nobody may read a key of."""

    cells: dict[str, str]
    findings: list[Finding] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    dates: dict[str, str] = field(default_factory=dict)  # answers that are dates


class Marks:
    """The marks of one sheet."""

    def __init__(self, sheet: RawSheet, columns: Columns) -> None:
        self._unresolved = sheet.unresolved
        self._answers = frozenset((*columns.answers, "reponse"))
        self._places = dict(zip(columns.keys, columns.places, strict=True))
        watched = OPTIONS | self._answers | {key for _, key in columns.extra_options}
        self._dates = self._rows(sheet.dates, watched)
        self._unformatted = self._rows(sheet.unformatted, watched)

    def _rows(self, marked: Mapping[int, Sequence[int]], watched: Set[str]) -> dict[str, frozenset[int]]:
        places = {key: place for key, place in self._places.items() if key in watched and place in marked}
        return {key: frozenset(marked[place]) for key, place in places.items()}

    def read(self, number: int, cells: dict[str, str]) -> Spoiled | None:
        """What is wrong with the cells of a row; None for nothing."""
        has_errors = not _AS_WRITTEN.isdisjoint(cells.values())
        if not has_errors and not self._dates and not self._unformatted:
            return None
        errors = [key for key, text in cells.items() if text in _AS_WRITTEN] if has_errors else []
        dates = [key for key, rows in self._dates.items() if number in rows]
        unsure = [key for key, rows in self._unformatted.items() if number in rows and key not in dates]
        if not errors and not dates and not unsure:
            return None
        answers = {key: cells[key] for key in errors if key in self._answers}
        spoiled = Spoiled(
            {key: "" if key in errors else text for key, text in cells.items()},
            answers=answers,
            dates={key: cells[key] for key in dates if key in self._answers},
        )
        spoiled.findings.extend(self._findings(number, cells, errors, dates, unsure))
        return spoiled

    def _findings(
        self, number: int, cells: Mapping[str, str], errors: list[str], dates: list[str], unsure: list[str]
    ) -> Iterator[Finding]:
        for key in errors:
            formula = self._unresolved.get((number, self._places.get(key, -1)), "")
            yield Finding("cell_error", row_findings.cell_error(key, cells[key].strip(), formula), key)
        for key in dates:
            yield Finding("cell_date", row_findings.cell_date(key, cells[key].strip()), key)
        for key in unsure:
            message = row_findings.number_format_unknown(key, cells[key].strip())
            yield Finding("number_format_unknown", message, key)
