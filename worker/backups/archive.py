"""Running pg_dump, pg_restore and psql: their connection, their errors, and what an archive says it holds.

They get the password by environment, for whoever lists processes reads command lines.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from worker.backups.programs import Programs
from worker.errors import MedqError
from worker.system.urls import session_url

POLL_S = 0.2
KILLED_S = 30.0  # how long a program that was killed may take to be gone
_ERROR = re.compile(r"(?:error|ERROR|FATAL): +(.*)")
_OURS = re.compile(r"^\d+; \d+ \d+ TABLE (.+) AiValidationJob ", re.MULTILINE)
_EXTENSION = re.compile(r"^\d+; \d+ \d+ EXTENSION - (\S+)")


class BackupFailed(MedqError):
    """Neither saved nor restored; `str(error)` says why and what to do."""


class ProgramFailed(MedqError):
    """One of PostgreSQL's programs ended with an error; `cause` is what it said first."""

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"{name} failed: {cause}.")
        self.cause = cause


def connection_of(url: str, name: str) -> tuple[str, dict[str, str]]:
    """A connection string without a password, and the environment that holds it. `name`: see pg_stat_activity."""
    parts = conninfo_to_dict(session_url(url))
    password = parts.pop("password", None)
    environment = {**os.environ, "LC_ALL": "C", **({"PGPASSWORD": str(password)} if password else {})}
    return make_conninfo("", **{**parts, "application_name": name}), environment


def run_program(
    programs: Programs,
    name: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    on_poll: Callable[[], None] = lambda: None,
) -> str:
    """Run it to its end and return its standard output; `on_poll` is called now and then. Raises `ProgramFailed`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(
            [programs.path(name), *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment
        )
        try:
            while not _has_ended(child):
                on_poll()
        finally:
            end(child)
        if child.returncode != 0:
            raise ProgramFailed(name, first_error(err, child.returncode))
        out.seek(0)
        return out.read(-1).decode(errors="replace")


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    with suppress(subprocess.TimeoutExpired):
        child.wait(POLL_S)
        return True
    return False


def end(child: subprocess.Popen[bytes]) -> None:
    """See to it that it is gone, whatever interrupted the waiting for it."""
    if child.poll() is None:
        child.kill()
        child.wait(KILLED_S)


def first_error(said: IO[bytes], code: int) -> str:
    """The first error that a program wrote, in one line and without what follows it: a detail may quote rows."""
    said.seek(0)
    lines = [line.strip() for line in said.read(-1).decode(errors="replace").splitlines() if line.strip()]
    errors = [found[1] for line in lines if (found := _ERROR.search(line))]
    cause = errors[0] if errors else lines[-1] if lines else f"exit code {code}"
    return cause.removeprefix("query failed: ERROR:").strip().rstrip(".")


@dataclass(frozen=True, slots=True)
class Archive:
    """A backup's own table of contents: one line an entry, as `pg_restore --list` prints it."""

    programs: Programs
    path: Path
    lines: tuple[str, ...]

    @property
    def schema(self) -> str | None:
        """The schema that holds the platform's tables; None when it is no backup of such a database."""
        found = _OURS.search("\n".join(self.lines))
        return found[1] if found else None

    def entries(self, *, schemas: frozenset[str], extensions: frozenset[str]) -> list[str]:
        """The lines to restore where these schemas and extensions are already.

        What is there is neither made again nor dropped, and its comment is its owner's to write.
        """
        return [line for line in self.lines if not _is_there(line, schemas, extensions)]


def _is_there(line: str, schemas: frozenset[str], extensions: frozenset[str]) -> bool:
    if " COMMENT - EXTENSION " in line:
        return True
    if (found := _EXTENSION.match(line)) is not None:
        return found[1] in extensions
    return any(f" SCHEMA - {name} " in line or f" COMMENT - SCHEMA {name} " in line for name in schemas)


def read_archive(programs: Programs, path: Path) -> Archive:
    """Read a file's table of contents. Raises `ProgramFailed` when it is no archive, or one of a newer version."""
    listing = run_program(programs, "pg_restore", ["--list", str(path)])
    return Archive(programs, path, tuple(line for line in listing.splitlines() if line and not line.startswith(";")))
