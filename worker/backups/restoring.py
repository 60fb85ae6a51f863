"""`medq restore`: a backup into a database, in one transaction: all of it, or nothing.

pg_restore writes the archive as SQL and psql runs it. What only newer servers know is left out in between, so that a
newer pg_restore, which reads every archive, serves an older server too.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from schema.routines import close_to_public
from worker.backups.archive import (
    KILLED_S,
    Archive,
    BackupFailed,
    ProgramFailed,
    connection_of,
    end,
    first_error,
    read_archive,
)
from worker.backups.programs import Programs, choose_newest, find_programs
from worker.backups.sizes import Progress, Say, megabytes
from worker.db.contents import Contents, analyse_tables, read_contents
from worker.errors import UsageError

CHUNK = 1 << 16
# Indexes and foreign keys are made from what was sent before; a day is beyond any of them.
LONGEST_S = 86_400.0
LOCK_WAIT = b"SET lock_timeout = '30s';\n"
OBJECTS = (b"CREATE ", b"ALTER ", b"DROP ", b"COPY ")
# What to do, by a word of the cause.
ADVICE = {
    "lock timeout": "Something uses these tables: stop the web app and the workers, and try again.",
    "to create extension": "Have an administrator create it in this database first (CREATE EXTENSION).",
    "other objects depend": "Restore into an empty database, and change DATABASE_URL to it.",
    "permission denied": "The role needs to own the tables and the right to create some (GRANT CREATE ON SCHEMA …).",
    "must be owner": "The role needs to own the tables: use their owner, or an empty database.",
    "does not exist": "Where a role is missing: create it, or leave out --with-rights.",
    "end of file": "The file is damaged or cut: take another one.",
    "could not read": "The file is damaged or cut: take another one.",
}


def restore(engine: sa.Engine, url: str, path: Path, *, replace: bool, with_rights: bool, say: Say) -> Contents:
    """Bring the database that `url` names to what the backup holds; return what it holds then.

    With `replace`, tables of the backup that are there are dropped for it; `with_rights` gives objects their owners and
    rights back, whose roles must exist. Raises `UsageError`, and nothing is changed, when that cannot be.
    """
    contents = read_contents(engine)
    programs = choose_newest(find_programs(), contents.server)
    archive = _open_archive(programs, path)
    _check_target(archive, contents, replace=replace)
    size = megabytes(path.stat().st_size)
    say(f"Restoring {path.name} ({size}) into the database {contents.database}, schema {contents.schema}…")
    options = [*(["--clean", "--if-exists"] if replace else [])]
    options += [] if with_rights else ["--no-owner", "--no-privileges"]
    try:
        _run(archive, options, url, contents, say)
    except ProgramFailed as error:
        raise BackupFailed(f"{path} could not be restored: {error.cause}. {_advice(error.cause)}") from None
    analyse_tables(engine)
    return read_contents(engine)


def _open_archive(programs: Programs, path: Path) -> Archive:
    if not path.is_file():
        raise UsageError(f"{path} is no file. Give one that `medq backup` wrote.")
    try:
        return read_archive(programs, path)
    except ProgramFailed as error:
        raise UsageError(
            f"{path} cannot be read ({error.cause}). Give a file that `medq backup` wrote, or a newer pg_restore than "
            f"the {programs.major} of this machine."
        ) from None


def _check_target(archive: Archive, contents: Contents, *, replace: bool) -> None:
    if archive.schema is None:
        raise UsageError(f'{archive.path} holds no table "AiValidationJob": it is no backup of this platform.')
    if archive.schema != contents.schema:
        raise UsageError(
            f'The backup holds the schema "{archive.schema}" and DATABASE_URL names "{contents.schema}". '
            f"Add ?schema={archive.schema} to it, or correct it."
        )
    if contents.tables and not replace:
        raise UsageError(
            f'The schema "{contents.schema}" of the database {contents.database} holds {contents.tables} tables and '
            "views. Restore into an empty database and change DATABASE_URL to it, or add --replace: what the backup "
            "holds then takes the place of what is there."
        )


def _run(archive: Archive, options: list[str], url: str, contents: Contents, say: Say) -> None:
    connection, environment = connection_of(url, "medq restore")
    programs = archive.programs
    with tempfile.NamedTemporaryFile("w", suffix=".list") as listing:
        listing.write("\n".join(archive.entries(schemas=contents.schemas, extensions=contents.extensions)) + "\n")
        listing.flush()
        read = [programs.path("pg_restore"), "--file=-", f"--use-list={listing.name}", *options, str(archive.path)]
        run = [programs.path("psql"), "--no-psqlrc", "--quiet", "--no-password", f"--output={os.devnull}"]
        run += ["--set=ON_ERROR_STOP=1", "--set=VERBOSITY=terse", f"--dbname={connection}", "--file=-"]
        with (
            _started(read, stdout=subprocess.PIPE) as reader,
            # Ended first, whatever happens: a transaction without COMMIT is rolled back.
            _started(run, stdin=subprocess.PIPE, env=environment) as psql,
        ):
            try:
                _pour(reader, psql, contents.server, say, last=close_to_public(contents.schema))
            except BrokenPipeError:
                psql.check(KILLED_S)
                raise ProgramFailed("psql", "it ended before all was restored") from None


def _pour(reader: Child, psql: Child, server: int, say: Say, *, last: str) -> None:
    """Hand the SQL over in one transaction, `last` at its end, and commit when the archive was read to its end."""
    progress, size = Progress(say, "restored"), 0
    psql.stdin.write(b"BEGIN;\n")
    for piece in _pieces(reader.stdout, server):
        psql.stdin.write(piece)
        size += len(piece)
        progress.update(size)
    reader.check(KILLED_S)
    psql.stdin.write(last.encode())
    psql.stdin.write(b"COMMIT;\n")
    psql.stdin.close()
    psql.check(LONGEST_S)


def _pieces(source: IO[bytes], server: int) -> Iterator[bytes]:
    """The SQL as it comes, but for two settings of its head: one that old servers lack, and endless waits for locks."""
    while line := source.readline(CHUNK):
        if line.startswith(b"SET lock_timeout"):
            line = LOCK_WAIT
        if not (line.startswith(b"SET transaction_timeout") and server < 17):
            yield line
        if line.startswith(OBJECTS):
            break
    while chunk := source.read(CHUNK):
        yield chunk


@dataclass
class Child:
    """A program with one open pipe, and what it writes to its standard error."""

    name: str
    process: subprocess.Popen[bytes]
    said: IO[bytes]

    @property
    def stdin(self) -> IO[bytes]:
        assert self.process.stdin is not None  # noqa: S101 (it was asked for)
        return self.process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        assert self.process.stdout is not None  # noqa: S101 (it was asked for)
        return self.process.stdout

    def check(self, timeout_s: float) -> None:
        """Wait for its end; raises `ProgramFailed` when that is a bad one."""
        if code := self.process.wait(timeout_s):
            raise ProgramFailed(self.name, first_error(self.said, code))


@contextmanager
def _started(command: list[str], **pipes: Any) -> Iterator[Child]:
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, **{"stdin": subprocess.DEVNULL, **pipes}, stderr=said)
        try:
            yield Child(Path(command[0]).name, process, said)
        finally:
            end(process)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()


def _advice(cause: str) -> str:
    known = (advice for word, advice in ADVICE.items() if word in cause)
    return f"Nothing was changed. {next(known, '')}".strip()
