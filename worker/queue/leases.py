"""The leases that this process holds, shared by its worker threads and its heartbeat. Nothing is read or sent here.

They are renewed in the database by `runtime/heartbeat`, whose statement is `tasks.renew_leases`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field

from worker.errors import LeaseLost, Stopping


@dataclass(slots=True)
class Lease:
    """One running task of this process. `lost` is set when the database says that it is not ours any more."""

    task_id: str
    attempt: int
    stopping: threading.Event
    lost: threading.Event = field(default_factory=threading.Event)
    touched_at: float = field(default_factory=time.monotonic)
    clock: Callable[[], float] = time.monotonic

    def touch(self) -> None:
        """Show that the thread at work on the task is not stuck."""
        self.touched_at = self.clock()

    def check(self) -> None:
        """Raise `LeaseLost` or `Stopping` when no further call may begin."""
        self.touch()
        if self.lost.is_set():
            raise LeaseLost(self.task_id)
        if self.stopping.is_set():
            raise Stopping(self.task_id)

    def sleep(self, seconds: float) -> None:
        """Wait, but not beyond a stop or a lost lease."""
        until = self.clock() + seconds
        while (remaining_s := until - self.clock()) > 0:
            self.check()
            self.stopping.wait(min(remaining_s, 0.5))
        self.check()


class Leases:
    """Every lease of this process, by task id."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._lock = threading.Lock()
        self._held: dict[str, Lease] = {}

    @contextmanager
    def hold(self, task_id: str, attempt: int) -> Iterator[Lease]:
        """Have the heartbeat renew this lease while the block runs."""
        lease = Lease(task_id=task_id, attempt=attempt, stopping=self._stopping)
        with self._lock:
            self._held[task_id] = lease
        try:
            yield lease
        finally:
            with self._lock:
                if self._held.get(task_id) is lease:
                    del self._held[task_id]

    def held(self) -> dict[str, int]:
        """A copy of what is held now: task id → attempt."""
        with self._lock:
            return {task_id: lease.attempt for task_id, lease in self._held.items()}

    def untouched_s(self) -> float:
        """For how long the stillest task has shown no sign of life; 0 when none is held."""
        now = time.monotonic()
        with self._lock:
            return max((now - lease.touched_at for lease in self._held.values()), default=0.0)

    def mark_lost(self, renewed: Set[str], asked: dict[str, int]) -> list[str]:
        """Mark what was asked for and not renewed; the ids marked. A task claimed anew meanwhile is left alone."""
        lost: list[str] = []
        with self._lock:
            for task_id, attempt in asked.items():
                lease = self._held.get(task_id)
                if task_id not in renewed and lease is not None and lease.attempt == attempt:
                    lease.lost.set()
                    lost.append(task_id)
        return lost
