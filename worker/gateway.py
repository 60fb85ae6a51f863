"""How a call leaves this process: when its turn comes, to which endpoint, and what is learned from the reply.

What is asked, and asked again, is decided in `steps/ask`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from worker.adapters.limits import Limits, Turn
from worker.circuit import Circuit
from worker.errors import MAY_BE_PAID, ContentRefused, MedqError, ProviderRefused, ProviderUnavailable
from worker.log import get_logger
from worker.shapes.calls import Endpoint, Reply, Request, Usage
from worker.shapes.sizes import CHARACTERS_PER_TOKEN, REPLY_SHARE

log = get_logger()

LONGEST_PAUSE_S = 20.0  # a longer one is not worth a thread: the task waits instead
SLOT_LOOK_S = 0.5  # how often a thread that waits for a free slot looks whether it should wait on
FAILURES_TO_OPEN = 3
OPEN_S = 30.0


@dataclass
class TokenMeter:
    """Estimates the tokens of a request, calibrated on what replies report. No table of tokens is downloaded."""

    characters_per_token: float = CHARACTERS_PER_TOKEN
    reply_share: float = REPLY_SHARE

    def estimate(self, request: Request) -> int:
        """Tokens of the prompt and of the expected reply."""
        reply = int(request.body.get("max_completion_tokens", 0)) * self.reply_share
        return int(_characters(request) / self.characters_per_token + reply)

    def learn(self, request: Request, usage: Usage) -> None:
        """A moving average; nothing is learned from a provider that does not count."""
        ceiling = int(request.body.get("max_completion_tokens", 0))
        if usage.prompt_tokens:
            measured = min(8.0, max(1.0, _characters(request) / usage.prompt_tokens))
            self.characters_per_token += 0.1 * (measured - self.characters_per_token)
        if usage.completion_tokens and ceiling:
            self.reply_share += 0.1 * (min(1.0, usage.completion_tokens / ceiling) - self.reply_share)


def _characters(request: Request) -> int:
    return sum(len(message["content"]) for message in request.body.get("messages", ()))


@dataclass
class Breaker:
    """Open after a few passing faults in a row; then one call in half a minute tries whether the endpoint is back."""

    clock: Callable[[], float] = time.monotonic
    _failures: int = 0
    _closed_again_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def lets_through(self) -> bool:
        """Whether a call may go now. When open, True for a single probe, and again when that had time to fail."""
        with self._lock:
            if self._failures < FAILURES_TO_OPEN:
                return True
            if self.clock() < self._closed_again_at:
                return False
            self._closed_again_at = self.clock() + OPEN_S
            return True

    def succeeded(self) -> None:
        """The endpoint answered."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """The endpoint is away."""
        with self._lock:
            self._failures += 1
            if self._failures >= FAILURES_TO_OPEN:
                self._closed_again_at = self.clock() + OPEN_S


@dataclass(frozen=True)
class Outlet:
    """One endpoint, how it is called, how fast, and whether it is up."""

    endpoint: Endpoint
    complete: Callable[[Request], Reply]
    limits: Limits
    breaker: Breaker = field(default_factory=Breaker)
    ping: Callable[[], object] = lambda: None
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Gateway:
    """Every endpoint of this process: the first, and the one to turn to while it is down.

    `slots`: calls that this process makes at once. There are more threads than slots: while some wait for a reply,
    others claim, compose and store, so that a slot is taken again at once.
    """

    outlets: Sequence[Outlet]
    meter: TokenMeter = field(default_factory=TokenMeter)
    slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(256))
    circuit: Circuit = field(default_factory=Circuit)

    @property
    def endpoints(self) -> list[Endpoint]:
        """All of them, the first choice first."""
        return [outlet.endpoint for outlet in self.outlets]

    def close(self) -> None:
        """Drop the connections of every outlet."""
        for outlet in self.outlets:
            outlet.close()

    def is_reached(self) -> bool:
        """Whether any endpoint says anything at all, a refusal too. It costs nothing but the time to find out."""
        for outlet in self.outlets:
            try:
                outlet.ping()
            except ProviderUnavailable as error:
                if error.code == "rate_limited":
                    return True
            except MedqError:
                return True
            else:
                return True
        return False

    def choose(self) -> Endpoint:
        """Where the next call goes: the first endpoint that is not known to be down, else the first of all."""
        if len(self.outlets) == 1:
            return self.outlets[0].endpoint
        chosen = next((outlet for outlet in self.outlets if outlet.breaker.lets_through()), self.outlets[0])
        return chosen.endpoint

    def open_door(self, check: Callable[[], None], sleep: Callable[[float], None]) -> Door:
        """The way out for the calls of one thread."""
        return Door(self, check, sleep)

    def outlet_of(self, request: Request) -> Outlet:
        """The outlet that a request was composed for."""
        return next(outlet for outlet in self.outlets if outlet.endpoint.name == request.endpoint)


@dataclass
class Door:
    """The way out for one thread: it takes its turn, then sends. `check` raises when no call may begin any more."""

    gateway: Gateway
    check: Callable[[], None]
    sleep: Callable[[float], None]
    _turn: Turn = field(default=Turn(granted=False, wait_s=0.0))

    @contextmanager
    def hold_turn(self, request: Request) -> Iterator[None]:
        """The block may send the request: it has one of the process's slots, and its turn under the shared limits.

        Raises `ProviderUnavailable` when the endpoint wants a long pause.
        """
        slots = self.gateway.slots
        while not slots.acquire(timeout=SLOT_LOOK_S):
            self.check()
        try:
            self._wait_turn(request)
            yield
        finally:
            slots.release()

    def _wait_turn(self, request: Request) -> None:
        limits = self.gateway.outlet_of(request).limits
        tokens = self.gateway.meter.estimate(request)
        while True:
            self.check()
            self._turn = limits.admit(tokens)
            if not self._turn.granted and self._turn.paused_s > LONGEST_PAUSE_S:
                raise ProviderUnavailable(
                    "the LLM endpoint asked for a pause", code="rate_limited", retry_after_s=self._turn.paused_s
                )
            if self._turn.wait_s > 0:
                self.sleep(self._turn.wait_s)
            if self._turn.granted and not limits.is_paused():
                return

    def send(self, request: Request) -> Reply:
        """Send once. Raises as the client does; a fallback that refuses every call is only one that is away."""
        outlet = self.gateway.outlet_of(request)
        try:
            reply = outlet.complete(request)
        except ProviderUnavailable as error:
            if error.code == "rate_limited":
                outlet.limits.slow_down(error.retry_after_s)
            else:
                outlet.breaker.failed()
                self.gateway.circuit.failed()
            if error.code not in MAY_BE_PAID:
                outlet.limits.settle(self._turn, 0, None)
            raise
        except ContentRefused:
            outlet.breaker.succeeded()
            self.gateway.circuit.answered()
            raise
        except ProviderRefused as error:
            if outlet is self.gateway.outlets[0]:
                raise
            log.error("fallback_refused", code=error.code)
            outlet.breaker.failed()
            raise ProviderUnavailable("the fallback endpoint refuses calls", code="fallback_refused") from error
        outlet.breaker.succeeded()
        self.gateway.circuit.answered()
        usage = reply.usage
        self.gateway.meter.learn(request, usage)
        outlet.limits.settle(self._turn, usage.prompt_tokens + usage.completion_tokens, reply.allowance)
        return reply
