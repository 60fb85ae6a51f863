"""`medq check`: what a job would make of a file. Reading and judging are in `worker.upload.check`; here it is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.jobs import ConfigOption, JsonFlag, check_files, parse_config
from worker.cli.output import out, program, shell, tell, tell_json
from worker.errors import JobFailed

if TYPE_CHECKING:
    from worker.questions.sheets import ReadColumn, ReadSheet
    from worker.upload.check import Estimate, FileCheck, Place

LINES_SHOWN = 10  # of a list
ROWS_SHOWN = 8  # of one reason


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Workbook or CSV file.", show_default=False)],
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Read FILE as a job would, and show what it would make of it. Nothing is stored, asked or paid.

    Shows what every sheet and column became, what stays unread, which rows would be refused and why, and about what
    a job would cost. Proposes `columns` and `sheets` for --config where headers or sheets are not known.

    \b
    Examples:
      medq check exam.xlsx
      medq check exam.csv --config '{"defaultLevel": "DCEM2", "columns": {"Corrigé officiel": "reponse"}}'

    \b
    Exit codes: 0 a job would run, 1 it would fail, 2 called wrongly
    """
    check_files([file])
    options = parse_config(config)
    from worker.llm.prices import load_prices
    from worker.settings import Settings
    from worker.upload.check import Uploaded, check_file
    from worker.upload.reading import ReaderKilled

    settings = Settings.load()
    with file.open("rb") as source:
        data = source.read(settings.max_file_bytes + 1)  # one more than is allowed says enough
    try:
        found = check_file(Uploaded(data, file.name, options), settings, load_prices(settings.prices))
    except ReaderKilled:
        raise JobFailed("The process that read the file was ended from outside. Free memory, call it again.") from None
    if as_json:
        tell_json(found.to_json())
    else:
        _show(found, file, options or {})
    if found.failure is not None:
        raise typer.Exit(1)


def _show(check: FileCheck, file: Path, options: Mapping[str, object]) -> None:
    if check.failure is None:
        tell(f"{check.file_name}: a job would run.")
    else:
        tell(f"{check.file_name}: a job would fail.")
        tell(f"  {check.failure}")
    if check.found is not None:
        left_out = {sheet.name: sheet.reason for sheet in check.found.left_out}
        for sheet in check.found.found:
            _show_sheet(check, sheet, is_read=sheet.name not in left_out)
        # Why a file without sheets is not read stands above.
        _list("Not read", (f"{name}: {reason}" for name, reason in left_out.items() if reason != check.failure))
        _list("Notes", (note.message for note in check.found.notes))
    _list("Refused", _by_reason(check.by_reason("rejected")))
    _list("In conflict", _by_reason(check.by_reason("contested")))
    repeats = [f"{_name(row)} repeats {_name(chosen)}" for row, chosen in check.repeats()]
    _list(f"Repeated: {len(repeats)}", repeats)
    findings = (f"{code} × {number}, as in {_name(place)}: {f.message}" for code, number, place, f in check.findings())
    _list("Findings", findings)
    if check.estimate is not None and check.estimate.questions:
        tell()
        tell(_estimated(check.estimate))
    _show_proposal(check, file, options)


def _show_sheet(check: FileCheck, sheet: ReadSheet, *, is_read: bool) -> None:
    from rich.table import Table

    types = ", ".join(f"{number} {name}" for name, number in check.types(sheet.name).items())
    what = types if is_read and types else _count(sheet.row_count, "row")
    header = f", header in row {sheet.header_row}" if sheet.header_row else ""
    tell()
    tell(f"{sheet.name}: {what}{header}{'' if is_read else ', not read'}")
    table = Table("column", "is", "cells", "why", box=None, pad_edge=False)
    for column in sheet.details:
        filled = "" if column.filled is None else str(column.filled)
        table.add_row(column.header, _became(column), filled, column.reason or "")
    if sheet.details:
        out().print(table)


def _became(column: ReadColumn) -> str:
    if column.became is not None:
        return column.became
    if not column.is_wanted:
        return "unread on purpose"
    return "not read" if column.filled else "empty"


def _by_reason(reasons: Mapping[str, Sequence[Place]]) -> Iterable[str]:
    for reason, places in sorted(reasons.items(), key=lambda pair: -len(pair[1])):
        shown = ", ".join(_name(place) for place in places[:ROWS_SHOWN])
        more = f" and {len(places) - ROWS_SHOWN} more" if len(places) > ROWS_SHOWN else ""
        yield f"{shown}{more}: {reason}"


def _name(place: Place) -> str:
    return f"{place[0]} row {place[1]}"


def _list(title: str, lines: Iterable[str]) -> None:
    every = list(lines)
    if not every:
        return
    tell()
    tell(title)
    for line in every[:LINES_SHOWN]:
        tell(f"  {line}")
    if len(every) > LINES_SHOWN:
        tell(f"  and {len(every) - LINES_SHOWN} more: see --json")


def _estimated(estimate: Estimate) -> str:
    least, most = estimate.calls
    calls = _count(most, "call") if least == most else f"{least} to {most} calls"
    models = estimate.model
    if estimate.review_model != estimate.model:
        models += f" and {estimate.review_model}"
    if estimate.cost_usd is None:
        money = f"cost unknown, for nobody knows the price of {models}: add it with MEDQ_PRICES"
    else:
        low, high = estimate.cost_usd
        money = f"about {low:.2f} to {high:.2f} $ with {models}"
    assumed = " (no model is configured here)" if estimate.is_assumed else ""
    asked = f"To ask: {_count(estimate.questions, 'question')}, {calls}, {money}{assumed}."
    return f"{asked} Excerpts of courses and repeats come on top."


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _show_proposal(check: FileCheck, file: Path, options: Mapping[str, object]) -> None:
    if not check.proposal:
        return
    merged = {**options, **{name: {**_given(options, name), **value} for name, value in check.proposal.items()}}
    tell()
    tell("Proposed for what is not known (null: on purpose unread). Look at it, correct it, then try:")
    config = json.dumps(merged, ensure_ascii=False)
    tell(f"  {program()} check {shell([str(file.absolute())])} --config {shell([config])}")


def _given(options: Mapping[str, object], name: str) -> Mapping[str, str | None]:
    found = options.get(name)
    return found if isinstance(found, dict) else {}
