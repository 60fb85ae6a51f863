"""`medq backup`: the database into two files, each whole, read through and its user's alone, or absent.

Old files of the same database are removed once the new ones are there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from worker.backups.archive import Archive, BackupFailed, ProgramFailed, connection_of, read_archive, run_program
from worker.backups.programs import Programs, choose_for_server, find_programs
from worker.backups.sizes import Progress, Say, megabytes
from worker.db.contents import Contents, read_contents
from worker.errors import UsageError
from worker.system.private_files import make_folder

KEPT = "Nothing of it was kept; earlier backups are as they were."
KINDS = ("full", "schema")
LOCK_WAIT_S = 60
PART_DAYS = 1  # what a killed run left half written
_STAMP = "%Y%m%d_%H%M%S"
_NAME = re.compile(r"medq_(?P<kind>full|schema)_(?P<label>.+)_(?P<stamp>\d{8}_\d{6})\.dump(?P<part>\.part)?")


@dataclass(frozen=True, slots=True)
class Backup:
    """What was written, and which old files are gone."""

    contents: Contents
    files: tuple[Path, ...]
    removed: tuple[Path, ...]


def back_up(engine: sa.Engine, url: str, folder: Path, *, keep_days: int, say: Say) -> Backup:
    """Save the schema that `url` names, whole and structure alone, into two new files of `folder`.

    Raises `UsageError` when something is missing or in the way; then no file is left, and no old one is removed.
    """
    contents = read_contents(engine)
    if not contents.tables:
        raise UsageError(
            f'The schema "{contents.schema}" of the database {contents.database} holds no tables: there is nothing to '
            "back up. Check DATABASE_URL."
        )
    programs = choose_for_server(find_programs(), contents.server)
    say(
        f"Backing up the database {contents.database}, schema {contents.schema} "
        f"({megabytes(contents.size_bytes)} in the server), with pg_dump {programs.major}…"
    )
    make_folder(folder)
    moment = datetime.now(UTC)
    files = tuple(
        _save(programs, url, contents, kind, _path(folder, kind, contents, moment), say=say) for kind in KINDS
    )
    removed = tuple(_remove_old(folder, _label(contents), now=moment, keep_days=keep_days))
    return Backup(contents, files, removed)


def _label(contents: Contents) -> str:
    """Whose files are whose in a folder of several databases."""
    name = contents.database if contents.schema == "public" else f"{contents.database}-{contents.schema}"
    return re.sub(r"[^\w-]+", "-", name)


def _path(folder: Path, kind: str, contents: Contents, moment: datetime) -> Path:
    return folder / f"medq_{kind}_{_label(contents)}_{moment.strftime(_STAMP)}.dump"


def _save(programs: Programs, url: str, contents: Contents, kind: str, path: Path, *, say: Say) -> Path:
    with _whole_or_absent(path) as part:
        _dump(programs, url, contents, part, structure_only=kind == "schema", say=say)
        if _verify(programs, part).schema is None and kind == "full":
            say("This database holds no table of jobs: it is saved all the same.")
    return path


def _verify(programs: Programs, part: Path) -> Archive:
    try:
        archive = read_archive(programs, part)
        # The table of contents stands at the head of the file: only reading on shows that the rest is there.
        run_program(programs, "pg_restore", ["--file", os.devnull, str(part)])
    except ProgramFailed as error:
        raise BackupFailed(f"What pg_dump wrote is not whole ({error.cause}). {KEPT} Try again.") from None
    return archive


@contextmanager
def _whole_or_absent(path: Path) -> Iterator[Path]:
    """A name to write under, readable by this user alone; it becomes `path` when all went well."""
    part = path.with_name(path.name + ".part")
    try:
        if path.exists():
            raise FileExistsError(17, "File exists")
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise UsageError(f"{path} is being written, or was this very second. Try again.") from None
    except OSError as error:
        raise UsageError(f"{path.parent} cannot be written ({error.strerror}). Give another folder.") from None
    try:
        yield part
        _flush(part)
        part.rename(path)
        _flush(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _dump(programs: Programs, url: str, contents: Contents, part: Path, *, structure_only: bool, say: Say) -> None:
    connection, environment = connection_of(url, "medq backup")
    arguments = ["--format=custom", f"--file={part}", f"--schema={_pattern(contents.schema)}", "--no-password"]
    arguments += [f"--extension={_pattern(name)}" for name in contents.needed_extensions]
    arguments += [f"--lock-wait-timeout={LOCK_WAIT_S}s", *(["--schema-only"] if structure_only else [])]
    progress = Progress(say, "written")
    try:
        run_program(
            programs,
            "pg_dump",
            [*arguments, f"--dbname={connection}"],
            environment=environment,
            on_poll=lambda: progress.update(part.stat().st_size),
        )
    except ProgramFailed as error:
        raise BackupFailed(f"{error} {KEPT} {_advice(error.cause)}".strip()) from None


def _pattern(name: str) -> str:
    """A name as pg_dump's patterns take it: in quotes nothing in it is special."""
    return '"' + name.replace('"', '""') + '"'


def _advice(cause: str) -> str:
    if "permission denied" in cause:
        return (
            "A backup reads every table: run it as their owner, or give the role pg_read_all_data "
            "(GRANT pg_read_all_data TO …)."
        )
    if "No space left" in cause or "could not write" in cause:
        return "Make room in the folder, or give another one."
    if "lock timeout" in cause or "LOCK TABLE" in cause:
        return "Something holds a table for itself, such as a migration. Try again when it has ended."
    return ""


def _remove_old(folder: Path, label: str, *, now: datetime, keep_days: int) -> Iterator[Path]:
    """Remove this database's files that are older than `keep_days` days, never the newest of a kind."""
    for kind in KINDS:
        dated = sorted(_dated(folder, kind, label), reverse=True)
        for moment, path in dated[1:]:
            if moment < now - timedelta(days=keep_days):
                path.unlink(missing_ok=True)
                yield path
    for path in folder.glob("medq_*.dump.part"):
        found = _NAME.fullmatch(path.name)
        if found and found["label"] == label and _age_of(path, now) > timedelta(days=PART_DAYS):
            path.unlink(missing_ok=True)
            yield path


def _dated(folder: Path, kind: str, label: str) -> Iterator[tuple[datetime, Path]]:
    for path in folder.glob(f"medq_{kind}_*.dump"):
        found = _NAME.fullmatch(path.name)
        if found and found["kind"] == kind and found["label"] == label and path.is_file():
            try:
                yield datetime.strptime(found["stamp"], _STAMP).replace(tzinfo=UTC), path
            except ValueError:  # no date at all: not ours
                continue


def _age_of(path: Path, now: datetime) -> timedelta:
    return now - datetime.fromtimestamp(path.stat().st_mtime, UTC)
