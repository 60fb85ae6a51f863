"""How a call leaves this process: when its turn comes, to which endpoint, and what is learned from the reply.

What is asked, and asked again, is decided in `llm/retry`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from worker import tracing
from worker.errors import (
    MAY_BE_PAID,
    ContentRefused,
    LeaseLost,
    MedqError,
    ProviderRefused,
    ProviderUnavailable,
    SizeRefused,
)
from worker.llm.calls import Endpoint, Reply, Request, Usage
from worker.llm.capacities import Capacities
from worker.llm.circuit_breaker import EndpointBreaker, ProcessBreaker
from worker.llm.evidence import Evidence
from worker.llm.rate_limit import Admission, Limits
from worker.llm.sizes import CHARACTERS_PER_TOKEN, REPLY_SHARE, Capacity
from worker.logging import get_logger
from worker.messages import provider_faults
from worker.system.transport import Watch

log = get_logger()

LONGEST_PAUSE_S = 20.0  # a longer one is not worth a thread: the task waits instead
LONGEST_SHARED_PAUSE_S = 600.0  # of every job at an endpoint
SLOT_POLL_S = 0.5  # how often a thread that waits for a free slot looks whether it should wait on
STREAK_S = 60.0
DOUBT_POLL_S = 0.05  # how often a thread looks whether a refusal that was in doubt is judged


@dataclass
class TokenMeter:
    """Estimates the tokens of a request, calibrated on what replies report. No table of tokens is downloaded."""

    characters_per_token: float = CHARACTERS_PER_TOKEN
    reply_share: float = REPLY_SHARE

    def estimate(self, request: Request) -> int:
        """Tokens of the prompt and of the expected reply."""
        reply = request.ceiling * self.reply_share
        return int(request.prompt_characters / self.characters_per_token + reply)

    def learn(self, request: Request, usage: Usage) -> None:
        """A moving average; nothing is learned from a provider that does not count."""
        ceiling = request.ceiling
        if usage.prompt_tokens:
            measured = min(8.0, max(1.0, request.prompt_characters / usage.prompt_tokens))
            self.characters_per_token += 0.1 * (measured - self.characters_per_token)
        if usage.completion_tokens and ceiling:
            self.reply_share += 0.1 * (min(1.0, usage.completion_tokens / ceiling) - self.reply_share)


@dataclass
class Streak:
    """How many replies have come in a row in which no completion could be read, each within a minute of the last."""

    clock: Callable[[], float] = time.monotonic
    _count: int = 0
    _noted_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, *, is_legible: bool) -> int:
        """Count one more reply; the length of the streak by now."""
        with self._lock:
            now = self.clock()
            is_over = is_legible or now - self._noted_at > STREAK_S
            self._noted_at = now
            self._count = (0 if is_over else self._count) + (not is_legible)
            return self._count


@dataclass(frozen=True)
class Upstream:
    """One endpoint, how it is called, how fast, how much at once, and whether it is up."""

    endpoint: Endpoint
    complete: Callable[[Request], Reply]
    limits: Limits
    breaker: EndpointBreaker = field(default_factory=EndpointBreaker)
    ping: Callable[[], object] = lambda: None
    capacities: Capacities = field(default_factory=lambda: Capacities(None, ""))
    evidence: Evidence = field(default_factory=Evidence)
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Dispatcher:
    """Every endpoint of this process: the first, and the one to turn to while it is down.

    `slots`: calls that this process makes at once. There are more threads than slots: while some wait for a reply,
    others claim, compose and store, so that a slot is taken again at once. `grace_s`: for how long a reply is still
    read, because it is paid for, when nobody waits for it any more.
    """

    upstreams: Sequence[Upstream]
    meter: TokenMeter = field(default_factory=TokenMeter)
    slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(256))
    process_breaker: ProcessBreaker = field(default_factory=ProcessBreaker)
    grace_s: float = 25.0
    illegible: Streak = field(default_factory=Streak)

    @property
    def endpoints(self) -> list[Endpoint]:
        """Every endpoint, the first choice first."""
        return [upstream.endpoint for upstream in self.upstreams]

    def close(self) -> None:
        """Drop the connections of every upstream."""
        for upstream in self.upstreams:
            upstream.close()

    def is_reached(self) -> bool:
        """Whether any endpoint says anything at all, a refusal too. It costs nothing but the time to find out."""
        for upstream in self.upstreams:
            try:
                upstream.ping()
            except ProviderUnavailable as error:
                if error.code == "rate_limited":
                    return True
            except MedqError:
                return True
            else:
                return True
        return False

    @property
    def reported_rpm(self) -> float | None:
        """The requests a minute that the first endpoint says it allows; None where it does not say."""
        return self.upstreams[0].limits.reported_rpm

    def choose(self) -> Endpoint:
        """Where the next call goes: the first endpoint whose breaker lets it through, else the first of all."""
        if len(self.upstreams) == 1:
            return self.upstreams[0].endpoint
        chosen = next((upstream for upstream in self.upstreams if upstream.breaker.try_acquire()), self.upstreams[0])
        return chosen.endpoint

    def ask_permit(self, check: Callable[[], None], sleep: Callable[[float], None]) -> Permit:
        """The permit with which one thread makes its calls."""
        return Permit(self, check, sleep)

    def upstream_of(self, request: Request) -> Upstream:
        """The upstream that a request was composed for."""
        return self._upstream(request.endpoint)

    def capacity(self, endpoint: Endpoint, model: str) -> Capacity:
        """What is known of a model at an endpoint."""
        return self._upstream(endpoint.name).capacities.of(model)

    def expected(self, endpoint: Endpoint, model: str) -> Capacity:
        """The same for what is planned: replies as short as they have shown to be."""
        capacity = self.capacity(endpoint, model)
        is_usual = capacity.share <= REPLY_SHARE
        return replace(capacity, share=min(capacity.share, self.meter.reply_share)) if is_usual else capacity

    def is_current(self, request: Request) -> bool:
        """Whether nothing was learned of its model since a request was composed."""
        return self.upstream_of(request).capacities.is_current(request)

    def _upstream(self, name: str) -> Upstream:
        return next(upstream for upstream in self.upstreams if upstream.endpoint.name == name)


@dataclass
class Permit:
    """With what one thread calls: it takes its turn, then sends. `check` raises when no call may begin any more."""

    dispatcher: Dispatcher
    check: Callable[[], None]
    sleep: Callable[[float], None]
    clock: Callable[[], float] = time.monotonic
    sent_at: float = 0.0  # when the last call was sent, by the clock of its upstream's evidence
    _admission: Admission = field(default=Admission(granted=False, wait_s=0.0))
    _has_slot: bool = False
    _unwanted_at: float | None = None

    @contextmanager
    def admitted(self, request: Request) -> Iterator[None]:
        """The block may send the request: it has one of the process's slots, and its turn under the shared limits.

        Raises `ProviderUnavailable` when the endpoint wants a long pause.
        """
        self.dispatcher.upstream_of(request).capacities.refresh()
        self._take_slot(request)
        self._has_slot = True
        try:
            self._wait_for_admission(request)
            yield
        finally:
            self._leave_slot()

    def _leave_slot(self) -> None:
        if self._has_slot:
            self._has_slot = False
            self.dispatcher.slots.release()

    def _check_wanted(self) -> None:
        """Polled while a reply is awaited: one that nobody wants any more gives its slot away, and is read for a while.

        Raises `LeaseLost` after that. A process that stops, or is cut off, waits for its calls as long as it may.
        """
        try:
            self.check()
        except LeaseLost:
            self._leave_slot()
            if self._unwanted_at is None:
                self._unwanted_at = self.clock()
            if self.clock() - self._unwanted_at >= self.dispatcher.grace_s:
                raise
        except MedqError:
            return  # no further call may begin; this one has begun

    def _take_slot(self, request: Request) -> None:
        """Wait for a slot; and, where it is in doubt whether such calls are taken at all, until that is known."""
        slots, evidence = self.dispatcher.slots, self.dispatcher.upstream_of(request).evidence
        while True:
            while not slots.acquire(timeout=SLOT_POLL_S):
                self.check()
            if not request.questions or not evidence.is_in_doubt(request.shared):  # a probe asks for nobody
                return
            slots.release()
            self.check()
            self.sleep(DOUBT_POLL_S)

    def _wait_for_admission(self, request: Request) -> None:
        limits = self.dispatcher.upstream_of(request).limits
        tokens = self.dispatcher.meter.estimate(request)
        while True:
            self.check()
            self._admission = limits.admit(tokens)
            if not self._admission.granted and self._admission.paused_s > LONGEST_PAUSE_S:
                raise ProviderUnavailable(
                    "the LLM endpoint asked for a pause", code="rate_limited", retry_after_s=self._admission.paused_s
                )
            if self._admission.wait_s > 0:
                self.sleep(self._admission.wait_s)
            if self._admission.granted and not limits.is_paused():
                return

    def send(self, request: Request) -> Reply:
        """Send once. Raises as the client does; a fallback that refuses every call counts as one that is away."""
        upstream = self.dispatcher.upstream_of(request)
        self.sent_at = upstream.evidence.clock()
        try:
            with Watch(self._check_wanted):
                reply = _complete(upstream, request)
        except ProviderUnavailable as error:
            if error.code == "rate_limited":
                # A longer pause is kept by the job: somebody who mends the cause is not held up by it for a day.
                wish_s = error.retry_after_s
                upstream.limits.slow_down(None if wish_s is None else min(wish_s, LONGEST_SHARED_PAUSE_S))
            else:
                upstream.breaker.failed()
                self.dispatcher.process_breaker.failed()
            if error.code not in MAY_BE_PAID:
                upstream.limits.settle(self._admission, 0, None)
            raise
        except ContentRefused as error:
            upstream.breaker.succeeded()
            self.dispatcher.process_breaker.answered()
            if isinstance(error, SizeRefused):
                upstream.limits.settle(self._admission, 0, None)
                if not upstream.capacities.narrow(request, error) and error.parameter is not None:
                    upstream.evidence.doubt(request.shared)
                    raise _without_ceiling(request) from error
            elif error.otherwise is not None and request.questions:
                upstream.evidence.doubt(request.shared)
            raise
        except ProviderRefused as error:
            if upstream is self.dispatcher.upstreams[0]:
                raise
            log.error("fallback_refused", code=error.code)
            upstream.breaker.failed()
            raise ProviderUnavailable("the fallback endpoint refuses calls", code="fallback_refused") from error
        return self._learn(upstream, request, reply)

    def _learn(self, upstream: Upstream, request: Request, reply: Reply) -> Reply:
        streak = self.dispatcher.illegible.note(is_legible=reply.is_legible)
        usage = reply.usage
        upstream.limits.settle(self._admission, usage.prompt_tokens + usage.completion_tokens, reply.allowance)
        if not reply.is_legible:
            upstream.breaker.failed()
            log.warning("reply_illegible", in_a_row=streak, size=len(reply.raw))
            return replace(reply, illegible_in_a_row=streak)
        upstream.breaker.succeeded()
        self.dispatcher.process_breaker.answered()
        self.dispatcher.meter.learn(request, usage)
        upstream.capacities.learn(request, usage)
        upstream.evidence.passed(request.shared, sent_at=self.sent_at)
        return reply

    def judge_refusal(self, request: Request, probe: Callable[[], None]) -> bool:
        """Whether the call that was just refused would have been whatever it held; see `Evidence`."""
        upstream = self.dispatcher.upstream_of(request)
        is_every_call = upstream.evidence.resolve_doubt(request.shared, sent_at=self.sent_at, probe=probe)
        if is_every_call and upstream is not self.dispatcher.upstreams[0]:
            upstream.breaker.failed()
            raise ProviderUnavailable("the fallback endpoint refuses calls", code="fallback_refused")
        return is_every_call


def _complete(upstream: Upstream, request: Request) -> Reply:
    with tracing.call_span(
        request.model,
        purpose=request.purpose,
        endpoint=request.endpoint,
        questions=len(request.questions),
        max_tokens=request.ceiling,
    ) as span:
        reply = upstream.complete(request)
        usage = reply.usage
        tracing.add_reply(
            span,
            model=reply.model,
            prompt=usage.prompt_tokens,
            cached=usage.cached_tokens,
            completion=usage.completion_tokens,
        )
    return reply


def _without_ceiling(request: Request) -> ContentRefused:
    """The model takes neither name of the ceiling: without one no call is made, for nobody would know what it costs."""
    refused = ProviderRefused(provider_faults.no_reply_limit(request.model), code="request_refused")
    return ContentRefused("no name of the ceiling is known", code="bad_request", otherwise=refused)
