"""Reports how much is done while it is being done."""

from __future__ import annotations

import time
from collections.abc import Callable

TELL_EVERY_S = 5.0
Say = Callable[[str], None]


def megabytes(size_bytes: int) -> str:
    """A size as people read it."""
    return f"{size_bytes / 1_000_000:.1f} MB"


class Progress:
    """Says a size now and then, not at every step. `what`: "written", …"""

    def __init__(self, say: Say, what: str) -> None:
        self._say, self._what = say, what
        self._next = time.monotonic() + TELL_EVERY_S

    def update(self, size_bytes: int) -> None:
        """Called as often as one likes."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + TELL_EVERY_S
            self._say(f"… {megabytes(size_bytes)} {self._what}")
