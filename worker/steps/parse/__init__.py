"""Sheets of text become question rows: the one parser for every kind of file and every caller. Pure: no file here."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from worker.shapes.questions import ParsedUpload
from worker.shapes.uploads import RawSheet
from worker.steps.parse.facts import gather_facts
from worker.steps.parse.rows import Defaults, build_row
from worker.steps.parse.tables import read_tables
from worker.steps.parse.titles import tell_apart
from worker.steps.parse.values import Levels

__all__ = ["parse_upload"]


def parse_upload(
    sheets: Sequence[RawSheet],
    file_name: str,
    *,
    default_level: str | None,
    default_semester: str | None,
    known_levels: Collection[str] = (),
) -> ParsedUpload:
    """Read every non-blank row of every sheet of questions.

    What is odd about a row is a finding on it; what no analysis can mend, a rejection. `JobFailed` (French) only
    when the file as a whole holds no question: no sheet recognised, no row, or what a row means in doubt. A level is
    one of `PCEM1` … `DCEM4` or of `known_levels`, those that the platform's questions carry.
    """
    tables = read_tables(tell_apart(sheets), file_name)
    facts = gather_facts(tables.drafts, file_name, Levels(known_levels))
    defaults = Defaults(default_level, default_semester)
    rows = tuple(build_row(draft, facts, defaults) for draft in tables.drafts)
    return ParsedUpload(rows, tuple(tables.read), tuple(tables.left_out), tuple(tables.notes))
