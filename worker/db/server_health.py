"""What this process sees of the database's server: what its threads wait for, and since when it takes our writes."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.db.server_states import ServerState

FORGOTTEN_S = 15.0  # a thread that waits tries again far more often
LONGEST_PAUSE_S = 2.0
SHOW_ALIVE_S = 8.0


def pause_s(lease_s: float) -> float:
    """Seconds, at most, until a lease of so many seconds that could not be renewed is tried again."""
    return min(LONGEST_PAUSE_S, lease_s / 6)


def show_alive_s(lease_s: float) -> float:
    """How long an owner needs to renew once the server lets it: a pause, a new connection, and a moment more."""
    return min(SHOW_ALIVE_S, lease_s / 3)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a thread waits for, and for how many seconds it has."""

    state: ServerState
    for_s: float


@dataclass
class ServerHealth:
    """Shared by the threads that use one pool. `clock` in seconds, never backwards."""

    clock: Callable[[], float] = time.monotonic
    _waits: dict[int, tuple[ServerState, float, float]] = field(default_factory=dict)  # thread → state, since, last
    _ill_at: float = -math.inf
    _sound_since: float | None = None
    _written_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def met(self, state: ServerState) -> None:
        """A transaction of the calling thread met this state, and waits."""
        with self._lock:
            now = self.clock()
            _, since, last = self._waits.get(threading.get_ident(), (state, now, now))
            self._waits[threading.get_ident()] = (state, now if now - last > FORGOTTEN_S else since, now)
            if not state.is_conflict:
                self._ill_at, self._sound_since = now, None

    def passed(self) -> None:
        """What the calling thread waited for is over."""
        with self._lock:
            self._waits.pop(threading.get_ident(), None)

    def longest(self) -> Waiting | None:
        """What is being waited for longest; None while nobody waits."""
        with self._lock:
            now = self.clock()
            waits = [(since, state) for state, since, last in self._waits.values() if now - last <= FORGOTTEN_S]
        if not waits:
            return None
        since, state = min(waits, key=lambda wait: wait[0])
        return Waiting(state, now - since)

    def well_for_s(self) -> float:
        """For how many seconds nothing has been wrong with the server, as far as this process saw."""
        with self._lock:
            return self.clock() - self._ill_at

    def wrote(self, *, within_s: float) -> None:
        """The server took a write. What it did between two that are more than `within_s` apart, nobody knows."""
        with self._lock:
            now = self.clock()
            if self._sound_since is None or now - self._written_at > within_s:
                self._sound_since = now
            self._written_at = now

    def is_sound(self, lease_s: float) -> bool:
        """Whether the server is known to have taken writes for as long as a living owner needs to renew its lease."""
        with self._lock:
            if self._sound_since is None or self.clock() - self._written_at > lease_s:
                return False
            return self.clock() - self._sound_since >= show_alive_s(lease_s)
