"""PostgreSQL's own client programs: those of this machine and those in the wheel, distinguished by version.

What is done with them is not said here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from worker.embedded import embedded_programs
from worker.errors import UsageError

NAMES = ("pg_dump", "pg_restore", "psql")
# Where packages put them beside PATH, every version in a folder of its own: Debian, Red Hat, Homebrew.
PACKAGED = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
VERSION_S = 20.0  # `pg_dump --version`; it takes a few milliseconds
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True, slots=True)
class Programs:
    """pg_dump, pg_restore and psql of one folder, and their major version."""

    folder: Path
    major: int

    def path(self, name: str) -> str:
        """Where one of them is."""
        return str(self.folder / name)


def find_programs(folders: Iterable[Path] | None = None) -> list[Programs]:
    """Every folder that holds all three, oldest version first; of one version the machine's before the wheel's."""
    found: dict[int, Programs] = {}
    for folder in _folders() if folders is None else folders:
        major = _major(folder)
        if major is not None and major not in found:
            found[major] = Programs(folder, major)
    return [found[major] for major in sorted(found)]


def choose_for_server(found: list[Programs], server: int) -> Programs:
    """Those that a server of that major version is dumped with: its own version, else the next one.

    An older pg_dump refuses a newer server. Raises `UsageError` that says what to install.
    """
    fitting = next((programs for programs in found if programs.major >= server), None)
    if fitting is None:
        raise UsageError(f"{_what_is_there(found)}, and the server is PostgreSQL {server}. {_what_to_install(server)}")
    return fitting


def choose_newest(found: list[Programs], server: int) -> Programs:
    """Those that read any backup, whatever version wrote it. Raises `UsageError` that says what to install."""
    if not found:
        raise UsageError(f"{_what_is_there(found)}. {_what_to_install(server)}")
    return found[-1]


def _folders() -> list[Path]:
    packaged = (path for pattern in PACKAGED for path in sorted(Path("/").glob(pattern.lstrip("/"))))
    on_path = shutil.which("pg_dump")
    return [*packaged, *([Path(on_path).parent] if on_path else []), *embedded_programs()]


def _major(folder: Path) -> int | None:
    if not all((folder / name).is_file() for name in NAMES):
        return None
    try:
        result = subprocess.run(
            [str(folder / "pg_dump"), "--version"], capture_output=True, text=True, check=False, timeout=VERSION_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = _VERSION.search(result.stdout)
    return int(version[1]) if version else None


def _what_is_there(found: list[Programs]) -> str:
    if not found:
        return "pg_dump, pg_restore and psql are not on this machine"
    return f"The newest pg_dump of this machine is {found[-1].major}"


def _what_to_install(server: int) -> str:
    return (
        f"Install the client programs of PostgreSQL {server} or newer "
        f"(Debian: apt-get install postgresql-client-{server}; or pip install 'medq-worker[local]')."
    )
