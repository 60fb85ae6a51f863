"""PgBouncer in front of a test's PostgreSQL: real, on loopback, ended with the block that started it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

CONFIGURATION = """
[databases]
* = host={host} port={port} user={user} password='{password}'

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 500
server_round_robin = {round_robin}
ignore_startup_parameters = {ignored}
query_wait_timeout = 20
logfile = {folder}/log
pidfile = {folder}/pid
"""


@contextmanager
def pgbouncer(database_url: str, *, mode: str, size: int = 4, ignored: str = "", round_robin: int = 0) -> Iterator[str]:
    """A pooler before the database of this URL; the URL through it, without parameters."""
    if PROGRAM is None:
        pytest.skip("PgBouncer is not installed here (Debian's package pgbouncer)")
    behind = sa.make_url(database_url)
    host = behind.host or str(behind.query.get("host", "localhost"))
    port = behind.port or behind.query.get("port", 5432)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = free.getsockname()[1]
    # Not under pytest's own folder: as root it runs as somebody else, who may not look in there.
    with tempfile.TemporaryDirectory(prefix="medq-pgbouncer-") as name:
        folder = Path(name)
        ini = folder / "pgbouncer.ini"
        ini.write_text(
            CONFIGURATION.format(
                host=host,
                port=port,
                user=behind.username or "postgres",
                password=behind.password or "",
                listen=listen,
                mode=mode,
                size=size,
                round_robin=round_robin,
                ignored=ignored,
                folder=folder,
            )
        )
        as_root = os.geteuid() == 0  # which it refuses to be
        if as_root:
            folder.chmod(0o777)
            ini.chmod(0o644)
        process = subprocess.Popen(
            [PROGRAM, str(ini)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user="nobody" if as_root else None,
        )
        try:
            url = f"postgresql://anybody@127.0.0.1:{listen}/{behind.database}"
            _wait(url, process, folder)
            yield url
        finally:
            process.terminate()
            process.wait(10)


def _wait(url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                log = folder / "log"
                raise AssertionError(f"PgBouncer: {error} {log.read_text() if log.exists() else ''}") from error
            time.sleep(0.05)
        else:
            return
