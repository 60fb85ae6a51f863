"""Starts worker processes, restarts those that die, passes signals on. A death takes no sibling with it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from worker.children import child_environment, python_command
from worker.log import get_logger

log = get_logger()

LONGEST_PAUSE_S = 30.0


@dataclass
class Workers:
    """Supervised worker processes. `run` blocks until `stop` was called; `start`/`stop` serve `medq run`."""

    count: int
    environment: Mapping[str, str]
    grace_s: float
    log_path: Path | None = None  # where the children's logs go; None = standard error
    _children: list[_Child] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Start every process and the thread that watches over them."""
        self._children = [_Child(self.environment, log_path=self.log_path) for _ in range(self.count)]
        for child in self._children:
            child.start()
        threading.Thread(target=self._watch, name="supervisor", daemon=True).start()

    def pids(self) -> list[int]:
        """The processes that live now."""
        return [child.process.pid for child in self._children if child.process and child.process.poll() is None]

    def stop(self) -> None:
        """SIGTERM, wait for the grace, then SIGKILL what is left."""
        self._stopping.set()
        for child in self._children:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + self.grace_s + 5
        for child in self._children:
            child.wait(max(0.1, deadline - time.monotonic()))

    def kill_now(self) -> None:
        """A second SIGTERM to every child: they leave at once."""
        for child in self._children:
            child.signal(signal.SIGTERM)

    def _watch(self) -> None:
        while not self._stopping.wait(0.2):
            for child in self._children:
                child.restart_if_dead()


class _Child:
    def __init__(self, environment: Mapping[str, str], *, log_path: Path | None) -> None:
        self._environment = environment
        self._log_path = log_path
        self._not_before = 0.0
        self._failed_starts = 0
        self._log: IO[bytes] | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._close()
        self._log = self._open_log()
        self.process = subprocess.Popen(
            python_command("-m", "worker.process"),
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
            pause_s = min(LONGEST_PAUSE_S, 0.5 * 2**self._failed_starts) if failed else 0.0
            self._not_before = now + pause_s
            log.warning("worker_died", pid=self.process.pid, code=self.process.returncode, restart_in_s=pause_s)
        if now >= self._not_before:
            self._not_before = 0.0
            self.start()

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

    def _has_worked(self) -> bool:
        """Whether it said so before it died: one byte on its standard output."""
        return self.process is not None and self.process.stdout is not None and bool(self.process.stdout.read(1))

    def _open_log(self) -> IO[bytes] | None:
        if self._log_path is None:
            return None
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        return self._log_path.open("ab")

    def _close(self) -> None:
        if self._log is not None:
            self._log.close()
        if self.process is not None:
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    pipe.close()


def serve(workers: Workers) -> int:
    """Run `workers` until SIGTERM or SIGINT; asked twice, leave within two seconds. The exit code."""
    asked = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            workers.kill_now()
        asked.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    workers.start()
    asked.wait()
    workers.stop()
    return 0
