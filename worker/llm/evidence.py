"""Whether a refusal is about one content or about every call: what proves it, and a probe where nothing does."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.errors import ContentRefused, SizeRefused

STOPPING_S = 1.0  # so long after the verdict no such call begins: its job is being stopped meanwhile


@dataclass
class Evidence:
    """Whether an endpoint that refused a call refuses every call of its kind.

    The kind is `Request.shared`: all but the questions. Only what was sent after the refused call proves anything: a
    provider may begin to refuse at any moment.
    """

    clock: Callable[[], float] = time.monotonic
    _passed: dict[str, float] = field(default_factory=dict)  # kind → when the last call was sent that passed
    _refused: dict[str, float] = field(default_factory=dict)  # kind → when the last probe was sent that was refused
    _judged: dict[str, float] = field(default_factory=dict)  # kind → when every call was found to be refused
    _probing: dict[str, threading.Lock] = field(default_factory=dict)
    _doubts: Counter[str] = field(default_factory=Counter)  # kind → threads that want to know
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def doubt(self, kind: str) -> None:
        """A call was refused, and nobody knows why: no other of its kind is sent until the doubt is resolved."""
        with self._lock:
            self._doubts[kind] += 1

    def is_in_doubt(self, kind: str) -> bool:
        """Whether calls of this kind should wait: one is being judged, or a job is just being stopped."""
        if not self._doubts and not self._judged:
            return False
        return self._doubts[kind] > 0 or self.clock() - self._judged.get(kind, -STOPPING_S) < STOPPING_S

    def passed(self, kind: str, *, sent_at: float) -> None:
        """A call of this kind was answered."""
        self._passed[kind] = max(sent_at, self._passed.get(kind, sent_at))

    def resolve_doubt(self, kind: str, *, sent_at: float, probe: Callable[[], None]) -> bool:
        """Find out whether a call that was sent at `sent_at` would have been refused whatever it held.

        `probe` sends the least call of the kind, once for all threads that want to know; it raises `ContentRefused`
        when that is refused too. What else it raises goes through: nobody knows then.
        """
        with self._lock:
            probing = self._probing.setdefault(kind, threading.Lock())
        try:
            with probing:
                is_every_call = self._judge(kind, sent_at, probe)
            if is_every_call:
                self._judged[kind] = self.clock()
            return is_every_call
        finally:
            with self._lock:
                self._doubts[kind] -= 1

    def _judge(self, kind: str, sent_at: float, probe: Callable[[], None]) -> bool:
        passed, refused = self._passed.get(kind, -math.inf), self._refused.get(kind, -math.inf)
        if passed >= sent_at:
            return False
        # A call that left just before its job was stopped is one more that was refused.
        if refused > max(passed, sent_at - STOPPING_S):
            return True
        probed_at = self.clock()
        try:
            probe()
        except SizeRefused:
            return False
        except ContentRefused:
            self._refused[kind] = probed_at
            return True
        return False
