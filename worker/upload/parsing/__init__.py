"""Sheets of text become question rows: the one parser for every kind of file and every caller. Pure: no file here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from worker.errors import JobFailed
from worker.questions.question import ParsedUpload
from worker.questions.sheets import LeftOutSheet, Note, RawSheet, ReadSheet
from worker.queue.job import JobConfig
from worker.upload.parsing.facts import gather_facts
from worker.upload.parsing.mapping import NO_MAPPING, FileMapping
from worker.upload.parsing.proposal import Proposal, propose
from worker.upload.parsing.rows import Defaults, build_row
from worker.upload.parsing.tables import read_tables
from worker.upload.parsing.titles import tell_apart
from worker.upload.parsing.values import Levels

__all__ = ["Inspection", "Proposal", "inspect_upload", "parse_upload", "read_questions"]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file holds, whether it can be used or not: `upload`, or the French sentence why there is none."""

    upload: ParsedUpload | None
    failure: str | None
    sheets: tuple[RawSheet, ...]  # each under a name of its own
    found: tuple[ReadSheet, ...]  # those that were looked into, in the file's order, read or not
    left_out: tuple[LeftOutSheet, ...]
    notes: tuple[Note, ...]
    mapping: FileMapping = NO_MAPPING
    is_file: bool = False  # a CSV: it has no sheets

    def proposal(self) -> Proposal:
        """`columns` and `sheets` that a person may put into the config, by what headers and cells show."""
        unread = {sheet.name for sheet in self.left_out}
        read = {sheet.name: sheet.name not in unread for sheet in self.found}
        return propose(self.sheets, self.mapping, read, is_file=self.is_file)


def read_questions(
    sheets: Sequence[RawSheet], file_name: str, config: JobConfig, *, known_levels: Collection[str] = ()
) -> ParsedUpload:
    """What a job with this config reads: every non-blank row of every sheet of questions.

    What is odd about a row is a finding on it; what no analysis can mend, a rejection. `JobFailed` (French) only
    when the file as a whole holds no question: no sheet recognised, no row, or what a row means in doubt; and when the
    config says something of a name that the file does not have. A level is one of `PCEM1` … `DCEM4` or of
    `known_levels`, those that the platform's questions carry.
    """
    return _of(inspect_upload(sheets, file_name, config, known_levels=known_levels))


def parse_upload(
    sheets: Sequence[RawSheet],
    file_name: str,
    *,
    default_level: str | None,
    default_semester: str | None,
    known_levels: Collection[str] = (),
) -> ParsedUpload:
    """As `read_questions`, without a config."""
    defaults = Defaults(default_level, default_semester)
    return _of(_inspect(sheets, file_name, defaults, NO_MAPPING, known_levels))


def inspect_upload(
    sheets: Sequence[RawSheet], file_name: str, config: JobConfig, *, known_levels: Collection[str] = ()
) -> Inspection:
    """As `read_questions`, and what was found even where the file as a whole holds no question.

    Raises `JobFailed` for a config that means nothing to any file.
    """
    mapping = FileMapping.of(
        config.columns, config.sheets, specialty=config.default_specialty, course=config.default_course
    )
    defaults = Defaults(config.default_level, config.default_semester, mapping.specialty, mapping.course)
    return _inspect(sheets, file_name, defaults, mapping, known_levels)


def _inspect(
    sheets: Sequence[RawSheet],
    file_name: str,
    defaults: Defaults,
    mapping: FileMapping,
    known_levels: Collection[str],
) -> Inspection:
    named = tell_apart(sheets)
    tables = read_tables(named, file_name, mapping)
    upload = None
    if tables.failure is None:
        facts = gather_facts(tables.drafts, file_name, Levels(known_levels))
        rows = tuple(build_row(draft, facts, defaults) for draft in tables.drafts)
        upload = ParsedUpload(rows, tuple(tables.read), tuple(tables.left_out), tuple(tables.notes))
    left_out, notes = tuple(tables.left_out), tuple(tables.notes)
    return Inspection(
        upload, tables.failure, tuple(named), tuple(tables.found), left_out, notes, mapping, tables.is_file
    )


def _of(found: Inspection) -> ParsedUpload:
    if found.upload is None:
        raise JobFailed(found.failure or "")
    return found.upload
