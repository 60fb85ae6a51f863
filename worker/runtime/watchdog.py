"""Signs of life of a process's own threads, looked at from inside: a wedged worker notices that it is, and leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Watchdog:
    """When each named thread was last seen going round its loop, by a clock that never jumps."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}

    def beat(self, name: str) -> None:
        """This thread goes round its loop. The first beat begins the watch over it."""
        with self._lock:
            self._last[name] = self._clock()

    def silent(self, limit_s: float) -> list[str]:
        """The names that have not been seen for longer than `limit_s`."""
        now = self._clock()
        with self._lock:
            return sorted(name for name, last in self._last.items() if now - last > limit_s)
