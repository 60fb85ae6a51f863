"""PostgreSQL and Redis of a run's own, to be killed, stopped and started again; and a proxy that spoils what passes."""

from __future__ import annotations

import os
import random
import signal
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.db.schema import upgrade
from worker.embedded import Services, start_services, stop_services
from worker.settings import Settings


@dataclass
class Servers:
    """Embedded servers under a home of their own; both keep their URLs over every restart."""

    home: Path
    settings: Settings
    urls: Services

    def kill_redis(self) -> None:
        self._signal("redis/redis.pid", signal.SIGKILL)

    def freeze_redis(self) -> None:
        self._signal("redis/redis.pid", signal.SIGSTOP)

    def thaw_redis(self) -> None:
        self._signal("redis/redis.pid", signal.SIGCONT)

    def flush_redis(self) -> None:
        with redis.Redis.from_url(self.urls.redis_url, retry=Retry(NoBackoff(), 0)) as client:
            client.flushall()

    def stop_postgresql(self) -> None:
        """As `pg_ctl stop -m immediate` does it: no checkpoint, every session cut."""
        self._signal("postgresql/postmaster.pid", signal.SIGQUIT)

    def start(self) -> None:
        """Start what does not run."""
        start_services(self.settings)

    def _signal(self, pid_file: str, number: int) -> None:
        pid = int((self.home / pid_file).read_text().split("\n", 1)[0])
        os.kill(pid, number)
        if number in (signal.SIGKILL, signal.SIGQUIT):
            _wait_until_gone(pid)


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(OSError):
            status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if status != "Z":
                time.sleep(0.01)
                continue
        return
    raise AssertionError(f"process {pid} does not end")


@contextmanager
def open_servers() -> Iterator[Servers]:
    """Both servers, with a database at the newest revision."""
    # Not under pytest's own folder, which is closed to the account that runs PostgreSQL.
    with tempfile.TemporaryDirectory(prefix="medq-fault-") as folder:
        home = Path(folder)
        settings = Settings.model_validate({"MEDQ_HOME": folder, "DATABASE_URL": None, "REDIS_URL": None})
        urls = start_services(settings)
        try:
            upgrade(urls.database_url)
            yield Servers(home, settings, urls)
        finally:
            with suppress(OSError):
                os.kill(int((home / "redis/redis.pid").read_text()), signal.SIGCONT)
            stop_services(settings)


class Spoil(Protocol):
    """What becomes of a chunk that a client sends: see `Proxy`."""

    def __call__(self, chunk: bytes) -> str: ...


class Proxy:
    """Stands between clients and a server, and does to what clients send what `spoil` says of it.

    "pass"; "lose": the server gets it and acts, then the connection is cut before the reply; "double": the server gets
    it twice, the client hears one reply; "delay": it waits `delay_s` first. Protocols are strict question and answer.
    """

    def __init__(self, host: str, port: int, spoil: Spoil, *, delay_s: float = 5) -> None:
        self._target = (host, port)
        self._spoil = spoil
        self._delay_s = delay_s
        self._server = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._closing = threading.Event()
        self.done: Counter[str] = Counter()
        self.on = False

    @property
    def port(self) -> int:
        port: int = self._server.getsockname()[1]
        return port

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        state = _Connection(client, server)
        threading.Thread(target=state.pump_replies, daemon=True).start()
        try:
            while chunk := client.recv(65536):
                fate = self._spoil(chunk) if self.on else "pass"
                self._send(state, chunk, fate)
                if fate != "pass":
                    self.done[fate] += 1
                if fate == "lose":
                    break
        except OSError:
            pass
        finally:
            state.close()

    def _send(self, state: _Connection, chunk: bytes, fate: str) -> None:
        if fate == "delay":
            self._closing.wait(self._delay_s)
        if fate == "lose":
            state.swallow.set()
            state.server.sendall(chunk)
            state.heard.wait(5)  # the server has acted; nobody hears of it
            return
        state.heard.clear()
        state.server.sendall(chunk)
        if fate == "double" and state.heard.wait(5):
            time.sleep(0.02)  # the rest of a long reply
            state.swallow.set()
            state.heard.clear()
            state.server.sendall(chunk)
            state.heard.wait(5)
            time.sleep(0.02)
            state.swallow.clear()


class _Connection:
    """One client and its server; replies pass unless they are to be swallowed."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.swallow = threading.Event()
        self.heard = threading.Event()

    def pump_replies(self) -> None:
        try:
            while chunk := self.server.recv(65536):
                if not self.swallow.is_set():
                    self.client.sendall(chunk)
                self.heard.set()
        except OSError:
            pass
        finally:
            self.close()

    def close(self) -> None:
        for one in (self.client, self.server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def at_random(rng: random.Random, **rates: float) -> Spoil:
    """Each fate at its rate, whatever is sent."""
    lock = threading.Lock()

    def spoil(chunk: bytes) -> str:
        with lock:
            drawn = rng.random()
        for fate, rate in rates.items():
            drawn -= rate
            if drawn < 0:
                return fate
        return "pass"

    return spoil


def when(is_meant: Callable[[bytes], bool], fate: str, *, every: int) -> Spoil:
    """One fate, for each `every`th chunk that is meant."""
    lock = threading.Lock()
    seen = Counter[str]()

    def spoil(chunk: bytes) -> str:
        if not is_meant(chunk):
            return "pass"
        with lock:
            seen["meant"] += 1
            return fate if seen["meant"] % every == 0 else "pass"

    return spoil


def either(*spoilers: Spoil) -> Spoil:
    """The first of several fates that is not to pass."""

    def spoil(chunk: bytes) -> str:
        return next((fate for one in spoilers if (fate := one(chunk)) != "pass"), "pass")

    return spoil
