"""PostgreSQL servers of a run's own whose state can be spoilt: full, read-only, in a hurry, crowded, replaced.

Workers sign in as a plain role that owns its database; `admin` is the superuser. The programs are the embedded ones.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from worker.db.schema import upgrade
from worker.embedded.postgres import _choose_account, find_binaries

ADMIN, ROLE, DATABASE = "admin", "medq", "medq"
MOST_CONNECTIONS = 40
CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
port = {port}
max_connections = {connections}
shared_buffers = 32MB
autovacuum = off
jit = off
timezone = 'UTC'
"""
SMALL_DISK = "48m"


@dataclass
class Cluster:
    """One server; `folder` holds its data and its log."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = DATABASE, role: str = ROLE) -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str, database: str = "postgres") -> list[Any]:
        """Run statements as the superuser, whatever the server's settings are; the rows of the last one."""
        options = "-cdefault_transaction_read_only=off -cstatement_timeout=0 -clock_timeout=0"
        with psycopg.connect(self.url(database, ADMIN), autocommit=True, options=options) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        programs, account = _programs()
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [programs / "postgres", "-D", "data"],
                cwd=self.folder,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **account,
            )
        _wait_until(self._answers, "the server answers")

    def stop(self, number: int = signal.SIGINT) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None

    def promote(self) -> None:
        self.execute("SELECT pg_promote()")

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url("postgres", ADMIN), connect_timeout=5).close()
            return True
        return False


@contextmanager
def open_cluster(*, small_disk: bool = False) -> Iterator[Cluster]:
    """A server with the newest schema in the role's own database; with `small_disk` that database has its own disk."""
    with _folder() as folder:
        _run(folder, "initdb", "-D", "data", "-U", ADMIN, "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        cluster = Cluster(folder, _free_port())
        _configure(cluster, "wal_level = replica\n")
        with mount(folder / "disk") if small_disk else nullcontext():
            cluster.start()
            try:
                place = f" TABLESPACE {_make_tablespace(cluster)}" if small_disk else ""
                cluster.execute(f"CREATE ROLE {ROLE} LOGIN", f"CREATE DATABASE {DATABASE} OWNER {ROLE}{place}")
                upgrade(cluster.url())
                yield cluster
            finally:
                cluster.stop(signal.SIGQUIT)


@contextmanager
def open_standby(primary: Cluster) -> Iterator[Cluster]:
    """A hot standby of this server, from which it waits for every commit."""
    with _folder() as folder:
        _run(folder, "pg_basebackup", "-d", primary.url("", ADMIN), "-D", "data", "-R", "--checkpoint=fast", "-N")
        standby = Cluster(folder, _free_port())
        _configure(standby, "")
        standby.start()
        try:
            primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
            _wait_until(lambda: primary.execute(IN_STEP) == [(1,)], "the standby is in step")
            yield standby
        finally:
            standby.stop(signal.SIGQUIT)


IN_STEP = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"


# -- states of a server ------------------------------------------------------------------------------------------------


@contextmanager
def set_to(cluster: Cluster, name: str, value: str) -> Iterator[None]:
    """Every session, also those that are open, has this setting, unless it has set its own."""
    cluster.execute(f"ALTER SYSTEM SET {name} = '{value}'", "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        cluster.execute(f"ALTER SYSTEM RESET {name}", "SELECT pg_reload_conf()")


@contextmanager
def full_disk(cluster: Cluster) -> Iterator[None]:
    """Nothing of the role's database can grow."""
    filler = cluster.folder / "disk" / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 8192)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def crowded(cluster: Cluster) -> Iterator[None]:
    """Every connection that plain roles may have is somebody else's; who was there has been sent away."""
    others: list[psycopg.Connection[Any]] = []
    try:
        for _ in range(3):
            cluster.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^medq-'")
            with suppress(psycopg.OperationalError):
                while len(others) < MOST_CONNECTIONS:
                    others.append(psycopg.connect(cluster.url()))
        yield
    finally:
        for connection in others:
            connection.close()


@contextmanager
def locked(cluster: Cluster, statement: str) -> Iterator[None]:
    """Somebody holds what this statement locks, and others do not wait long for a lock."""
    with set_to(cluster, "lock_timeout", "20ms"), psycopg.connect(cluster.url(role=ADMIN)) as holder:
        holder.execute("SET lock_timeout = 0")
        holder.execute(statement)
        yield
        holder.rollback()


# -- the machine -------------------------------------------------------------------------------------------------------


def why_no_mount() -> str | None:
    """Why no small disk can be had here; None when it can."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return "a small disk is mounted, which takes root and mount"
    with tempfile.TemporaryDirectory(prefix="medq-mount-") as folder:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "medq", folder], capture_output=True, timeout=10, check=False
        )
        if done.returncode == 0:
            subprocess.run(["umount", folder], timeout=10, check=True)
            return None
    return "a small disk cannot be mounted here"


@contextmanager
def mount(folder: Path) -> Iterator[None]:
    """A disk of its own, and small, until the end of the block."""
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK},mode=777", "medq", folder], timeout=10, check=True
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], timeout=10, check=True)


def _make_tablespace(cluster: Cluster) -> str:
    place = cluster.folder / "disk" / "data"
    place.mkdir()
    shutil.chown(place, *_owner())
    place.chmod(0o700)
    cluster.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
    return "small"


def _configure(cluster: Cluster, more: str) -> None:
    with (cluster.folder / "data/postgresql.conf").open("a") as file:
        file.write(CONFIGURATION.format(port=cluster.port, connections=MOST_CONNECTIONS) + more)


@contextmanager
def _folder() -> Iterator[Path]:
    # Not under pytest's own folder, which is closed to the account that runs PostgreSQL.
    with tempfile.TemporaryDirectory(prefix="medq-cluster-") as name:
        shutil.chown(name, *_owner())
        yield Path(name)


def _owner() -> tuple[int, int]:
    account = _choose_account(Path("/nowhere"))
    return account.uid, account.gid


def _programs() -> tuple[Path, dict[str, Any]]:
    programs = find_binaries()
    assert programs is not None, "the embedded PostgreSQL is not installed"
    return programs, _choose_account(Path("/nowhere")).run_options()


def _run(folder: Path, program: str, *arguments: str) -> None:
    programs, account = _programs()
    done = subprocess.run(
        [programs / program, *arguments],
        cwd=folder,
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **account,
    )
    assert done.returncode == 0, done.stderr


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s:.0f} s"
        time.sleep(0.05)
