"""Courses and specialties written on the first row of a block only, carried to the rows below where that is meant."""

from __future__ import annotations

from collections.abc import Sequence

from worker.messages import row_findings
from worker.questions.question import Finding, fold_name
from worker.upload.parsing.headers import Columns

Row = tuple[int, tuple[str, ...]]
CARRIED = tuple(row_findings.ABSENT)


def fill_down(columns: Columns, rows: Sequence[Row]) -> tuple[list[Row], dict[int, list[Finding]]]:
    """The rows with what stands above them, and a finding for each cell that was filled, by row number.

    Only where the column shows that it is meant so: its first row is filled, there are gaps, and no name is ever
    written twice, as whoever fills every row would do; one name needs more than one gap. A course is not carried into
    another specialty. A gap that stays in a column of courses is a finding too: the row is filed under its specialty.
    """
    places = {name: place for place, name in columns.named() if name in CARRIED}
    filled = list(rows)
    findings: dict[int, list[Finding]] = {}
    for name in CARRIED:
        place = places.get(name)
        if place is None:
            continue
        if _is_written_once([row[place] for _, row in rows]):
            around = places.get("matiere") if name == "cours" else None
            _carry(name, place, around, filled, findings)
        if name == "cours":
            _note_gaps(place, filled, findings)
    return filled, findings


def _is_written_once(values: Sequence[str]) -> bool:
    names = [fold_name(value) for value in values]
    written = [name for name in names if name]
    gaps = len(names) - len(written)
    return bool(gaps and names[0]) and len(set(written)) == len(written) and (len(written) > 1 or gaps > 1)


def _carry(name: str, place: int, around: int | None, rows: list[Row], findings: dict[int, list[Finding]]) -> None:
    above, source, specialty = "", 0, ""
    for index, (number, row) in enumerate(rows):
        own = row[around].strip() if around is not None else ""
        if row[place].strip():
            above, source, specialty = row[place], number, own
            continue
        specialty = specialty or own
        if own and fold_name(own) != fold_name(specialty):
            above = ""
        if above:
            rows[index] = (number, (*row[:place], above, *row[place + 1 :]))
            message = row_findings.filled_down(name, above.strip(), source)
            findings.setdefault(number, []).append(Finding("filled_down", message, name))


def _note_gaps(place: int, rows: Sequence[Row], findings: dict[int, list[Finding]]) -> None:
    gaps = [number for number, row in rows if not row[place].strip()]
    if len(gaps) < len(rows):
        for number in gaps:
            findings.setdefault(number, []).append(
                Finding("course_missing", row_findings.COURSE_FROM_SPECIALTY, "cours")
            )
