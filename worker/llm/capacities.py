"""What each model of one endpoint takes and writes, learned from replies and refusals, shared by all processes.

A hash in Redis beside the limits: what a call taught is known to every other process seconds later, and after a
restart. Nothing depends on it: without Redis a process knows what it learned itself, and learning anew costs a call.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import redis

from worker.errors import SizeRefused
from worker.llm.calls import Request, Usage
from worker.llm.sizes import LEAST_CEILING, MAX_REPLY_TOKENS, REPLY_SHARE, Capacity, prompt_tokens
from worker.logging import get_logger

log = get_logger()

POLL_S = 5.0  # how often a process that calls looks at what the others learned
AWAY_S = 30.0  # so long a Redis that is away is not asked again
TOLD_S = 86_400.0  # what a provider said of its limits is believed for a day: it may have raised them
KEEP_S = 30 * 86_400
# A share is published when it has moved by so much, up or down: every change has calls composed anew.
UP, DOWN = 1.05, 1.5
MAX_SHARE = 20.0
TOO_MUCH = 0.9  # of what was refused, where the provider does not say what it takes
PARAMETERS = ("max_completion_tokens", "max_tokens")


@dataclass
class Capacities:
    """The capacities of one endpoint's models. Shared by every thread of a process.

    `most`: the operator's bound for one reply, in tokens. `now`: seconds since 1970, of this machine.
    """

    client: redis.Redis | None
    endpoint: str
    most: int = MAX_REPLY_TOKENS
    now: Callable[[], float] = time.time
    _known: dict[str, Capacity] = field(default_factory=dict)
    _shares: dict[str, float] = field(default_factory=dict)  # as they are, unrounded
    _told_at: dict[str, float] = field(default_factory=dict)
    _refused: dict[str, set[str]] = field(default_factory=dict)  # names of the ceiling that a model did not know
    _poll_at: float = 0.0
    _polling: threading.Lock = field(default_factory=threading.Lock)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._key = f"medq:capacities:{{{hashlib.sha256(self.endpoint.encode()).hexdigest()[:16]}}}"

    def of(self, model: str) -> Capacity:
        """What is known of a model by now; asks nobody."""
        return self._known.get(model) or Capacity.of(self.most)

    def is_current(self, request: Request) -> bool:
        """Whether nothing was learned of its model since a request was composed."""
        return request.embedded or request.capacity == self.of(request.model)

    def refresh(self) -> None:
        """Look, once in a while, at what the other processes learned; forget what a provider said long ago."""
        if self.client is None or self.now() < self._poll_at:
            return
        with self._polling:  # whoever comes meanwhile waits, lest it call without knowing what is about to be known
            now = self.now()
            if now < self._poll_at:
                return
            try:
                found: Any = self.client.hgetall(self._key)
            except redis.RedisError as error:
                self._poll_at = now + AWAY_S
                log.warning("capacities_alone", error=type(error).__name__)
                return
            for name, value in found.items():
                self._adopt(_text(name), _text(value), now)
            self._poll_at = now + POLL_S

    def learn(self, request: Request, usage: Usage) -> None:
        """Learn what a reply took."""
        if request.embedded or not request.base:
            return
        with self._lock:
            before = self.of(request.model)
            exact = replace(before, share=self._shares.get(request.model, before.share))
            share = exact.after_reply(request.base, request.ceiling, usage.completion_tokens)
            self._shares[request.model] = share = min(MAX_SHARE, share)
            shown = max(REPLY_SHARE, round(share, 2))  # what takes less than the usual needs no room of its own
            if before.share / DOWN < shown < before.share * UP:
                return
            self._known[request.model] = replace(before, share=shown)
        self._tell(request.model)

    def narrow(self, request: Request, error: SizeRefused) -> bool:
        """Learn what a refusal says; whether the same request would be composed in another way now.

        Every change makes calls smaller or gives the ceiling its other name, once: it ends.
        """
        with self._lock:
            before = self.of(request.model)
            after = self._narrowed(before, request, error)
            if after != before:
                self._known[request.model] = after
                self._told_at[request.model] = self.now()
        if after != before:
            log.info("capacity_learned", model=request.model, code=error.code, most=after.most, whole=after.whole)
            self._tell(request.model)
        return not self.is_current(request)

    def _narrowed(self, before: Capacity, request: Request, error: SizeRefused) -> Capacity:
        if error.parameter is not None:
            refused = self._refused.setdefault(request.model, set())
            refused.add(request.ceiling_parameter)
            return before if error.parameter in refused else replace(before, parameter=error.parameter)
        if error.code == "ceiling_too_large":
            most = error.most or request.ceiling // 2
            return replace(before, most=max(LEAST_CEILING, min(before.most, most)))
        asked = prompt_tokens(request.prompt_characters) + request.ceiling
        whole = min(error.limit or asked, int(TOO_MUCH * asked))
        return replace(before, whole=max(LEAST_CEILING, min(before.whole or whole, whole)))

    def _tell(self, model: str) -> None:
        """Tell the other processes. The last one to write wins."""
        if self.client is None:
            return
        capacity = self.of(model)
        value = {
            "share": capacity.share,
            "most": capacity.most if capacity.most < self.most else None,
            "whole": capacity.whole,
            "parameter": capacity.parameter,
            "at": self._told_at.get(model, 0.0),
        }
        try:
            with self.client.pipeline(transaction=False) as pipeline:
                pipeline.hset(self._key, model, json.dumps(value))
                pipeline.expire(self._key, KEEP_S)
                pipeline.execute()
        except redis.RedisError as error:
            log.warning("capacities_alone", error=type(error).__name__)

    def _adopt(self, model: str, value: str, now: float) -> None:
        """Take over what another process, or this one before a restart, has learned. Anything odd in it is left out."""
        try:
            told = json.loads(value)
            at = float(told["at"])
            is_fresh = now - at < TOLD_S
            most, whole = (told.get(name) if is_fresh else None for name in ("most", "whole"))
            adopted = Capacity(
                most=min(self.most, max(LEAST_CEILING, int(most))) if most else self.most,
                share=min(MAX_SHARE, max(REPLY_SHARE, float(told["share"]))),
                whole=max(LEAST_CEILING, int(whole)) if whole else None,
                parameter=told["parameter"] if is_fresh and told["parameter"] in PARAMETERS else PARAMETERS[0],
            )
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return
        with self._lock:
            if adopted != self._known.get(model):
                self._known[model] = adopted
                self._shares[model] = adopted.share
                self._told_at[model] = at
                if not is_fresh:
                    self._refused.pop(model, None)


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
