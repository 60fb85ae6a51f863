"""Starts worker processes, restarts those that die, passes signals on. A crash takes no sibling with it.

A process that cannot start is not started for ever: its settings are wrong, or it ends during its start again and again
while no other one works. Then there is a `failure`, and whoever supervises ends with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from worker.errors import MedqError, UsageError, WorkersFailed
from worker.logging import get_logger
from worker.system.private_files import make_folder
from worker.system.python_child import LONGEST_CAUSE, WORKS, WRONG_SETTINGS, child_environment, python_command

log = get_logger()

Popen = Callable[..., subprocess.Popen[bytes]]

LONGEST_PAUSE_S = 30.0
STARTS = 3  # that fail one after the other
# Ended from outside: that says nothing about whether it could start.
KILLED = frozenset((-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP))


@dataclass
class Workers:
    """Supervised worker processes. `run` blocks until `stop` was called; `start`/`stop` serve `medq run`."""

    count: int
    environment: Mapping[str, str]
    grace_s: float
    log_path: Path | None = None  # where the children's logs go; None = standard error
    popen: Popen = subprocess.Popen
    _children: list[_Child] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _watching: threading.Thread | None = None

    def start(self) -> None:
        """Start every process and the thread that watches over them."""
        self._children = [_Child(self.environment, self.log_path, self.popen) for _ in range(self.count)]
        for child in self._children:
            child.start()
        self._watching = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watching.start()

    @property
    def failure(self) -> MedqError | None:
        """Why no process will ever work, once that is known."""
        if any(child.is_working for child in self._children):
            return None
        return next((child.failure for child in self._children if child.failure), None)

    def raise_failure(self) -> None:
        """Stop and raise the failure, if there is one."""
        if failure := self.failure:
            self.stop()
            raise failure

    def pids(self) -> list[int]:
        """The processes that live now."""
        return [child.process.pid for child in self._children if child.process and child.process.poll() is None]

    def stop(self) -> None:
        """SIGTERM, wait for the grace, then SIGKILL what is left."""
        self._stopping.set()
        if self._watching is not None:
            self._watching.join()  # else it might start a child that nobody tells to stop
        for child in self._children:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + self.grace_s + 5
        for child in self._children:
            child.wait(max(0.1, deadline - time.monotonic()))

    def hurry(self) -> None:
        """A second SIGTERM to every child: they leave at once."""
        for child in self._children:
            child.signal(signal.SIGTERM)

    def _watch(self) -> None:
        while not self._stopping.wait(0.2):
            for child in self._children:
                try:
                    child.restart_if_dead()
                except OSError as error:
                    # No memory, no process, no descriptor, no room for the log: it may pass, and the others live on.
                    log.error("worker_not_started", error=type(error).__name__, cause=str(error))
                    child.put_off()


class _Child:
    def __init__(self, environment: Mapping[str, str], log_path: Path | None, popen: Popen) -> None:
        self._environment = environment
        self._log_path = log_path
        self._popen = popen
        self._not_before = 0.0
        self._failed_starts = 0
        self._log: IO[bytes] | None = None
        self._log_begins = 0
        self._said = b""
        self.failure: MedqError | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._close()
        self._log = self._open_log()
        self._log_begins = self._log.tell() if self._log is not None else 0
        self._said = b""
        self.process = self._popen(
            python_command("-m", "worker.runtime.worker_main"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=child_environment(**{**self._environment, "MEDQ_SUPERVISED": "1"}),
            # Ctrl-C in a terminal reaches the supervisor alone, which then stops its children in order.
            start_new_session=True,
        )
        if self.process.stdout is not None:
            os.set_blocking(self.process.stdout.fileno(), False)

    def restart_if_dead(self) -> None:
        """Start it again: at once when it had come as far as working, with a growing pause when it never does."""
        if self.process is None or self.process.poll() is None:
            return
        now = time.monotonic()
        if not self._not_before:
            failed = not self._has_worked()
            self._failed_starts = self._failed_starts + 1 if failed else 0
            self.failure = self._find_failure() if failed else None
            pause_s = min(LONGEST_PAUSE_S, 0.5 * 2**self._failed_starts) if failed else 0.0
            self._not_before = now + pause_s
            log.warning("worker_died", pid=self.process.pid, code=self.process.returncode, restart_in_s=pause_s)
        if now >= self._not_before:
            self.start()
            self._not_before = 0.0

    def put_off(self) -> None:
        """Start it again a while later: it could not be started now."""
        self._failed_starts += 1
        self._not_before = time.monotonic() + min(LONGEST_PAUSE_S, 0.5 * 2**self._failed_starts)

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, timeout_s: float) -> None:
        if self.process is None:
            return
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._close()

    @property
    def is_working(self) -> bool:
        """Whether it lives and has come as far as working."""
        return self.process is not None and self.process.poll() is None and self._has_worked()

    def _has_worked(self) -> bool:
        """Whether it ever said so: the first byte of its standard output."""
        return self._hear().startswith(WORKS)

    def _hear(self) -> bytes:
        if self.process is not None and self.process.stdout is not None and not self._said.startswith(WORKS):
            self._said += self.process.stdout.read(LONGEST_CAUSE) or b""
        return self._said

    def _find_failure(self) -> MedqError | None:
        """Why there is no use in starting it again; None while there may be. Called after a start that failed."""
        code = self.process.returncode if self.process is not None else 0
        cause = self._hear().decode(errors="replace")
        if code == WRONG_SETTINGS and cause:
            return UsageError(cause)
        if code in KILLED or self._failed_starts < STARTS:
            return None
        place = f" Its log is {self._log_path}." if self._log_path is not None else ""
        return WorkersFailed(
            f"A worker process ended {STARTS} times during its start: {self._last_words(cause)}.{place}"
        )

    def _last_words(self, cause: str) -> str:
        """What it gave as its cause, else the last line of its log, else its exit code."""
        if not cause and self._log_path is not None:
            with suppress(OSError), self._log_path.open("rb") as log:
                log.seek(self._log_begins)
                lines = log.read(1_000_000).decode(errors="replace").strip().splitlines()
                cause = lines[-1].strip() if lines else ""
        code = self.process.returncode if self.process is not None else 0
        return cause.rstrip(".") or f"exit code {code}"

    def _open_log(self) -> IO[bytes] | None:
        if self._log_path is None:
            return None
        make_folder(self._log_path.parent)
        return self._log_path.open("ab")

    def _close(self) -> None:
        if self._log is not None:
            self._log.close()
        if self.process is not None:
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    pipe.close()


def serve(workers: Workers) -> int:
    """Run `workers` until SIGTERM or SIGINT; asked twice, leave within two seconds. The exit code.

    Raises what keeps every process from working.
    """
    asked = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            workers.hurry()
        asked.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    workers.start()
    while not asked.wait(0.2):
        workers.raise_failure()
    workers.stop()
    return 0
