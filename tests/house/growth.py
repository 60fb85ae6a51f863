"""Whether the time that a step takes grows with the length of its text, or faster. Measured in CPU time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

SIZES = (12, 16, 20, 24, 28, 64, 256, 1_000, 4_000, 16_000, 128_000)
IDLE_S, PER_CHARACTER_S = 0.02, 2e-6
UNSUSPICIOUS_S = 0.0004  # at 16,000 characters: were it quadratic, a whole cell of a sheet would still cost nothing


def measure(work: Callable[[], object]) -> float:
    before = time.thread_time()
    work()
    return time.thread_time() - before


def find_growth(
    make: Callable[[int], str],
    prepare: Callable[[str], Callable[[], object]],
    *,
    dear: float = 1,
    sizes: Sequence[int] = SIZES,
) -> str:
    """What is wrong with it at which length, or nothing. `dear`: how many times the bound a character may cost."""
    before = 0.0
    for size in sizes:
        work = prepare(make(size))
        most = dear * (IDLE_S + size * PER_CHARACTER_S)
        if (taken := measure(work)) > most and (taken := min(taken, measure(work), measure(work))) > most:
            return f"{taken:.3f} s of CPU for {size} characters"
        if size == 16_000 and (taken < UNSUSPICIOUS_S * dear or taken < 6 * before):
            return ""  # four times as long, not sixteen times
        before = taken
    return ""
