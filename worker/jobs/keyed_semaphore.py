"""Waiting for a row's lock before the database is asked: who waits here keeps no connection from the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class _Gate:
    places: threading.Semaphore
    users: int = 0


@dataclass
class KeyedSemaphore:
    """At most `places` threads of this process at once in the block of one key.

    Batches of one job end in the order in which its row is locked, each for the length of a COMMIT. When many calls
    return at once, those that queue for it would hold every connection of the pool, and no call could begin.
    """

    places: int = 2  # one has the lock, one is next in the server's queue
    _gates: dict[str, _Gate] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False)

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Wait for a place, and keep it while the block runs."""
        with self._lock:
            gate = self._gates.setdefault(key, _Gate(threading.Semaphore(self.places)))
            gate.users += 1
        try:
            with gate.places:
                yield
        finally:
            with self._lock:
                gate.users -= 1
                if not gate.users:
                    del self._gates[key]
