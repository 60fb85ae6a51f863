"""Processes that are there at once: one process imports everything, and each that is wanted is forked from it.

A worker takes more than a second of CPU to import what it needs, and nearly every test starts one, and a scripted
model. `popen` is `subprocess.Popen` for `python -m MODULE …`: a process of its own with its own environment, streams,
session and exit code, whose module's `main` is called as the interpreter would. Where a variable is given that decides
how a Python starts, or another command, it is a real start.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("worker.runtime.worker_main", "tests.support.scripted_llm")
# What a module reads while it runs. Anything else that differs from this process may matter to the interpreter.
READ_LATE = ("MEDQ_", "OPENAI_", "DATABASE_URL", "REDIS_URL", "OTEL_", "PYTHONSAFEPATH", "PYTEST_")
LONGEST_MESSAGE = 1 << 17


class Forked:
    """What `subprocess.Popen` shows of a process, for one whose parent is the zygote."""

    def __init__(self, zygote: Zygote, pid: int, stdin: IO[Any] | None, stdout: IO[Any] | None) -> None:
        self._zygote = zygote
        self.pid = pid
        self.stdin, self.stdout = stdin, stdout
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, None while it lives."""
        self.returncode = self._zygote.codes.get(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises `subprocess.TimeoutExpired`."""
        with self._zygote.changed:
            if not self._zygote.changed.wait_for(lambda: self.poll() is not None, timeout):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Nothing when it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # a moment ago, and the news is on its way
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Zygote:
    """The process that all others are forked from, and who of them has ended how."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.zygote", str(theirs.fileno())],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._environment = dict(os.environ)
        self._order = threading.Lock()
        self._started: list[int] = []
        self.changed = threading.Condition()
        self.codes: dict[int, int] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> None:
        """End it, and all that still live."""
        self._ours.shutdown(socket.SHUT_WR)
        self._process.wait()
        self._reader.join()
        self._ours.close()

    def starts_alike(self, environment: Mapping[str, str]) -> bool:
        """Whether an interpreter that starts with this environment would be as the zygote is."""
        there, wanted = self._environment, environment
        names = {name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name)}
        return all(name.startswith(READ_LATE) for name in names)

    def fork(self, order: Mapping[str, Any], streams: Sequence[int]) -> int:
        """The new process's id."""
        with self._order:
            socket.send_fds(self._ours, [json.dumps(order).encode()], streams)
            with self.changed:
                if not self.changed.wait_for(lambda: bool(self._started), timeout=60):
                    raise RuntimeError("the zygote does not answer")
                return self._started.pop()

    def _read(self) -> None:
        while message := self._ours.recv(LONGEST_MESSAGE):
            word, pid, code = message.split()
            with self.changed:
                if word == b"started":
                    self.codes.pop(int(pid), None)  # of another process, long ago
                    self._started.append(int(pid))
                else:
                    self.codes[int(pid)] = int(code)
                self.changed.notify_all()


_shared: list[Zygote] = []


def popen(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: IO[bytes] | int | None = None,
    text: bool = False,
    start_new_session: bool = False,
) -> Any:
    """As `subprocess.Popen`. `stdin` and `stdout` may be pipes."""
    environment = dict(os.environ if env is None else env)
    module = command[command.index("-m") + 1] if "-m" in command else ""
    if module in MODULES and not _shared:
        _shared.append(Zygote())
        atexit.register(close)
    if module not in MODULES or not _shared[0].starts_alike(environment):
        return subprocess.Popen(
            command,
            env=environment,
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=text,
            start_new_session=start_new_session,
        )
    order = {
        "module": module,
        "arguments": list(command[command.index("-m") + 2 :]),
        "environment": environment,
        "folder": str(cwd or Path.cwd()),
        "is_leader": start_new_session,
    }
    ours_in, theirs_in = (None, 0) if stdin is None else _pipe(is_ours_written=True, text=text)
    ours_out, theirs_out = (None, 1) if stdout is None else _pipe(is_ours_written=False, text=text)
    errors = 2 if stderr is None else stderr if isinstance(stderr, int) else stderr.fileno()
    try:
        pid = _shared[0].fork(order, [theirs_in, theirs_out, errors])
    finally:
        for end in (theirs_in, theirs_out):
            if end > 2:
                os.close(end)
    return Forked(_shared[0], pid, ours_in, ours_out)


def close() -> None:
    """End the zygote, if there is one."""
    while _shared:
        _shared.pop().close()


def _pipe(*, is_ours_written: bool, text: bool) -> tuple[IO[Any], int]:
    """Our end as a file, theirs as a descriptor."""
    read, write = os.pipe()
    ours, theirs = (write, read) if is_ours_written else (read, write)
    mode = ("w" if is_ours_written else "r") + ("" if text else "b")
    return os.fdopen(ours, mode, buffering=-1 if text or not is_ours_written else 0), theirs


# -- in the zygote -----------------------------------------------------------------------------------------------------


def main() -> None:
    """Fork for each order, and tell who ended."""
    orders = socket.socket(fileno=int(sys.argv[1]))
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    _import_all()
    become = _serve(orders, woken)
    if become is not None:
        become()


def _serve(orders: socket.socket, woken: int) -> Callable[[], object] | None:
    """Returns in a forked child, what it is to do; and None when nobody wants any more."""
    children: set[int] = set()
    while True:
        readable, _, _ = select.select([orders.fileno(), woken], [], [])
        if woken in readable:
            os.read(woken, 4096)
            for pid in list(children):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    children.discard(pid)
                    orders.send(f"ended {pid} {os.waitstatus_to_exitcode(status)}".encode())
        if orders.fileno() in readable:
            data, streams, _, _ = socket.recv_fds(orders, LONGEST_MESSAGE, 3)
            if not data:
                break
            pid = os.fork()
            if pid == 0:
                orders.close()
                return _become(json.loads(data), streams)
            children.add(pid)
            for stream in streams:
                os.close(stream)
            orders.send(f"started {pid} 0".encode())
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return None


def _become(order: Mapping[str, Any], streams: Sequence[int]) -> Callable[[], object]:
    """In the forked child: what the interpreter would have found; the module's entry point."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if order["is_leader"]:
        os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Anew: those of the zygote know what theirs were
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False, errors="backslashreplace", buffering=1)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    sys.argv = [order["module"], *order["arguments"]]
    from worker import failpoints

    failpoints.arm(os.environ.get(failpoints.VARIABLE))
    entry: Callable[[], object] = import_module(order["module"]).main
    return entry


def _import_all() -> None:
    """What every child is spared, also what they would import only when they need it."""
    import openai
    import openpyxl  # noqa: F401
    import python_calamine  # noqa: F401
    import sqlalchemy as sa
    import xlsxwriter  # noqa: F401

    for module in MODULES:
        import_module(module)
    sa.create_engine("postgresql+psycopg://").dialect.import_dbapi()
    openai.OpenAI(api_key="none", http_client=openai.DefaultHttpxClient(trust_env=False)).chat.completions  # noqa: B018
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    main()
