"""How much work something is, counted instead of timed: the same on every machine."""

from __future__ import annotations

import sys
from collections.abc import Callable


def watch_calls(work: Callable[[], object], note: Callable[[object, str, object], None]) -> None:
    """Do something, and tell `note` of each call and return of a function: its frame, the event, what came back."""
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)


def count_steps(work: Callable[[], object]) -> int:
    """How many functions are called and generators gone on with: what a loop in a loop multiplies."""
    count = 0

    def note(_frame: object, _event: str, _argument: object) -> None:
        nonlocal count
        count += 1

    watch_calls(work, note)
    return count
