"""Worker processes by the dozen: imports the worker once, then forks a real one for each line that asks for it.

A kill costs a process start, and importing is nearly all of that: 200 kills would take minutes of importing. Run as a
program, it reads `{"environment": {…}, "log": "path"}` lines and writes `started PID` and `ended PID CODE` lines.
The class below is the suite's end of it.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Nursery:
    """Starts worker processes and knows which of them live. Use as a context manager; its end is theirs."""

    def __init__(self, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        self._environment = environment or {}
        self._changed = threading.Condition()
        self._started: list[int] = []
        self.living: set[int] = set()
        self.codes: dict[int, int] = {}

    def __enter__(self) -> Nursery:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **self._environment},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if kind is not None:
            for event in self.events()[-20:]:
                print(event)
        self._process.stdin.close()
        self._process.wait(30)
        self._reader.join(5)
        self._process.stdout.close()

    def start(
        self,
        environment: Mapping[str, str],
        *,
        enqueue: Mapping[str, str] | None = None,
        largest_file: int | None = None,
        most_memory: int | None = None,
        namespace: str | None = None,
    ) -> int:
        """Fork one worker, or a producer that calls `enqueue_job` with these arguments and ends; its pid.

        `largest_file`: bytes after which a file of that process cannot grow, as on a full disk (its log goes nowhere).
        `namespace`: the network namespace that it lives in.
        `most_memory`: bytes of address space that it, and each process that it starts, may have.
        """
        order = {
            "environment": dict(environment),
            "log": os.devnull if largest_file else str(self.log),
            "enqueue": dict(enqueue) if enqueue else None,
            "largest_file": largest_file,
            "most_memory": most_memory,
            "namespace": namespace,
        }
        assert self._process.stdin is not None
        with self._changed:
            known = len(self._started)
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            if not self._changed.wait_for(lambda: len(self._started) > known, timeout=60):
                raise RuntimeError("the nursery does not answer")
            return self._started[-1]

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to a worker that lives; nothing when it has just ended."""
        with self._changed:
            if pid in self.living:
                with suppress(ProcessLookupError):  # it ended a moment ago, and the news is on its way
                    os.kill(pid, number)

    def wait_for_end(self, pid: int, timeout_s: float = 30) -> int:
        """Wait until a worker has ended; its exit code, negative for a signal."""
        with self._changed:
            if not self._changed.wait_for(lambda: pid in self.codes, timeout=timeout_s):
                raise AssertionError(f"worker {pid} has not ended within {timeout_s:.0f} s")
            return self.codes[pid]

    def stop_all(self, timeout_s: float = 30) -> None:
        """SIGTERM to all that live, and wait for them."""
        for pid in list(self.living):
            self.signal(pid, signal.SIGTERM)
        for pid in list(self.living):
            self.wait_for_end(pid, timeout_s)

    def kill_all(self) -> None:
        """SIGKILL to all that live, and wait for them."""
        for pid in list(self.living):
            self.signal(pid, signal.SIGKILL)
        for pid in list(self.living):
            self.wait_for_end(pid)

    def events(self) -> list[dict[str, Any]]:
        """What the workers logged, in order; lines that are not ours are left out."""
        if not self.log.exists():
            return []
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:  # a traceback of the interpreter, or a line cut by a kill
                continue
        return [event for event in found if isinstance(event, dict)]

    def count(self, event: str) -> int:
        """How often the workers logged this event."""
        return sum(1 for line in self.events() if line.get("event") == event)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word, pid, *code = line.split()
            with self._changed:
                if word == "started":
                    self._started.append(int(pid))
                    self.living.add(int(pid))
                else:
                    self.living.discard(int(pid))
                    self.codes[int(pid)] = int(code[0])
                self._changed.notify_all()


def _become_worker(order: Mapping[str, Any]) -> None:
    """In the forked child: the environment, the log, and the very entry point of a worker process."""
    from tests.support.namespaces import enter
    from worker import failpoints
    from worker.enqueue import enqueue_job
    from worker.runtime import worker_main

    os.environ.update(order["environment"])
    failpoints.arm(os.environ.get(failpoints.VARIABLE))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.dup2(os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 2)
    try:
        if order["namespace"]:
            enter(order["namespace"])
        if order["largest_file"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest_file"], order["largest_file"]))
        if order["most_memory"]:
            resource.setrlimit(resource.RLIMIT_AS, (order["most_memory"], order["most_memory"]))
        if order["enqueue"]:
            path, user = order["enqueue"]["path"], order["enqueue"]["user"]
            enqueue_job(path, user=user, database_url=os.environ["DATABASE_URL"])
            os._exit(0)
        worker_main.main()
    finally:
        os._exit(71)


def _import_all() -> None:
    """Everything a worker imports sooner or later: it is what every child is spared."""
    import openai
    import openpyxl  # noqa: F401
    import python_calamine  # noqa: F401
    import sqlalchemy as sa
    import xlsxwriter  # noqa: F401

    import worker.runtime.worker_main  # noqa: F401

    sa.create_engine("postgresql+psycopg://").dialect.import_dbapi()
    openai.OpenAI(api_key="none", http_client=openai.DefaultHttpxClient(trust_env=False)).chat.completions  # noqa: B018


def main() -> None:
    """Fork at each line, tell who ended, and end everybody when the suite has gone."""
    _import_all()
    children: set[int] = set()
    buffered = b""
    while True:
        readable, _, _ = select.select([0], [], [], 0.01)
        if readable:
            data = os.read(0, 65536)
            if not data:
                break
            *lines, buffered = (buffered + data).split(b"\n")
            for line in lines:
                pid = os.fork()
                if pid == 0:
                    _become_worker(json.loads(line))
                children.add(pid)
                os.write(1, f"started {pid}\n".encode())
        for pid in list(children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                children.discard(pid)
                os.write(1, f"ended {pid} {os.waitstatus_to_exitcode(status)}\n".encode())
    for pid in children:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
