"""The way out of a process: turns, pauses, the stand-in while an endpoint is down, and what replies teach."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from worker.errors import ContentRefused, LeaseLost, ProviderRefused, ProviderUnavailable
from worker.llm.calls import Endpoint, Reply, Request, Usage
from worker.llm.circuit_breaker import OPEN_S, EndpointBreaker
from worker.llm.dispatcher import STREAK_S, Dispatcher, Streak, TokenMeter, Upstream
from worker.llm.evidence import Evidence
from worker.llm.rate_limit import Limits
from worker.system import transport

FIRST = Endpoint(name="http://first.test/v1", model="m", review_model="m")
SECOND = Endpoint(name="http://second.test/v1", model="n", review_model="n")


def request(endpoint: Endpoint, text: str = "x" * 3000) -> Request:
    body = {"messages": [{"role": "user", "content": text}], "max_completion_tokens": 1000}
    return Request(purpose="analyse", model=endpoint.model, body=body, hash="h", questions=(), endpoint=endpoint.name)


@dataclass
class FakeWorld:
    """Two endpoints, of which the first does what `first` says, and a clock that only sleeping moves."""

    first: Callable[[], None] = lambda: None
    second: Callable[[], None] = lambda: None
    now: float = 0.0
    slots: int = 4
    sent: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        def upstream(endpoint: Endpoint, behave: str) -> Upstream:
            def complete(asked: Request) -> Reply:
                self.sent.append(asked.endpoint)
                getattr(self, behave)()
                return Reply(raw="{}", model=asked.model, usage=Usage(1000, 0, 100), provider_request_id=None)

            limits = Limits(None, endpoint.name, clock=lambda: self.now)
            return Upstream(endpoint, complete, limits, EndpointBreaker(clock=lambda: self.now))

        upstreams = [upstream(FIRST, "first"), upstream(SECOND, "second")]
        self.dispatcher = Dispatcher(upstreams, meter=TokenMeter(), slots=threading.Semaphore(self.slots))
        self.permit = self.dispatcher.ask_permit(lambda: None, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def call(self) -> Reply:
        asked = request(self.dispatcher.choose())
        with self.permit.admitted(asked):
            return self.permit.send(asked)

    def fail(self) -> None:
        with pytest.raises(ProviderUnavailable):
            self.call()


def away() -> None:
    raise ProviderUnavailable("500", code="server_error")


def up() -> None:
    pass


def test_calls_go_to_the_first_endpoint_while_it_is_up() -> None:
    world = FakeWorld()
    world.call()
    assert world.sent == [FIRST.name]


def test_after_three_faults_in_a_row_the_stand_in_answers_and_is_named() -> None:
    world = FakeWorld(first=away)
    for _ in range(3):
        world.fail()
    reply = world.call()
    assert world.sent == [FIRST.name] * 3 + [SECOND.name]
    assert reply.model == SECOND.model


def test_one_call_in_half_a_minute_tries_whether_the_first_is_back() -> None:
    # Given a first endpoint that is known to be down
    world = FakeWorld(first=away)
    for _ in range(3):
        world.fail()
    # When the time has come, then one call tries it, and only one
    world.now += OPEN_S + 1
    world.fail()
    world.call()
    assert world.sent[3:] == [FIRST.name, SECOND.name]
    # And once it answers, every call goes there again
    world.now += OPEN_S + 1
    world.first = up
    world.call()
    world.call()
    assert world.sent[5:] == [FIRST.name, FIRST.name]


def test_an_endpoint_that_is_only_busy_is_not_left() -> None:
    def busy() -> None:
        raise ProviderUnavailable("429", code="rate_limited", retry_after_s=1.0)

    world = FakeWorld(first=busy)
    for _ in range(5):
        world.fail()
    assert set(world.sent) == {FIRST.name}


def test_a_429_is_waited_for_before_the_next_call() -> None:
    replies = iter([ProviderUnavailable("429", code="rate_limited", retry_after_s=7.0)])

    def busy_once() -> None:
        if error := next(replies, None):
            raise error

    world = FakeWorld(first=busy_once)
    world.fail()
    world.call()
    assert sum(world.slept) >= 7.0


def test_a_long_pause_frees_the_thread_and_sends_nothing() -> None:
    world = FakeWorld()
    world.dispatcher.upstreams[0].limits.slow_down(300.0)
    with pytest.raises(ProviderUnavailable) as raised:
        world.call()
    assert raised.value.retry_after_s == pytest.approx(300.0)
    assert world.sent == []
    assert world.slept == []


def test_nobody_waits_for_a_turn_without_a_lease() -> None:
    def lost() -> None:
        raise LeaseLost("t")

    world = FakeWorld()
    with pytest.raises(LeaseLost):
        world.dispatcher.ask_permit(lost, world.sleep).admitted(request(FIRST)).__enter__()


def test_a_call_waits_for_a_free_slot_and_a_turn_that_fails_frees_its_own() -> None:
    # Given a process that may make one call at once, and one under way
    world = FakeWorld(slots=1)
    asked = request(FIRST)
    looks: list[None] = []

    def lose_patience() -> None:
        looks.append(None)
        if len(looks) == 2:
            raise LeaseLost("t")

    waiting = world.dispatcher.ask_permit(lose_patience, world.sleep)
    # When another thread wants to call, then it waits, and looks whether it should
    with world.permit.admitted(asked):
        with pytest.raises(LeaseLost):
            waiting.admitted(asked).__enter__()
        assert world.sent == []
    # And whatever becomes of a call, its slot is free afterwards
    world.first = away
    world.fail()
    world.dispatcher.upstreams[0].limits.slow_down(300.0)
    world.fail()
    assert world.dispatcher.slots.acquire(blocking=False)


def test_a_stand_in_with_a_wrong_key_does_not_fail_the_job() -> None:
    def refuse() -> None:
        raise ProviderRefused("Clé refusée.", code="unauthorised")

    world = FakeWorld(first=away, second=refuse)
    for _ in range(4):
        world.fail()
    assert world.sent[-1] == SECOND.name
    # The first endpoint's refusal does
    world.first = refuse
    world.now += OPEN_S + 1
    with pytest.raises(ProviderRefused):
        world.call()


def test_the_meter_learns_what_tokens_are() -> None:
    # Given replies that count 3,000 characters as 1,000 tokens, and use a tenth of their ceiling
    meter = TokenMeter(characters_per_token=6.0, reply_share=1.0)
    before = meter.estimate(request(FIRST))
    for _ in range(60):
        meter.learn(request(FIRST), Usage(1000, 0, 100))
    # Then the estimate comes close to what is used
    assert before == 500 + 1000
    assert meter.estimate(request(FIRST)) == pytest.approx(1100, rel=0.05)
    # And a provider that counts nothing teaches nothing
    known = meter.characters_per_token
    meter.learn(request(FIRST), Usage())
    assert meter.characters_per_token == known


def test_replies_in_which_nothing_can_be_read_are_counted_until_one_can() -> None:
    now = 0.0
    streak = Streak(clock=lambda: now)
    assert [streak.note(is_legible=legible) for legible in (False, False, True, False)] == [1, 2, 0, 1]
    # What was yesterday proves nothing of today
    now += STREAK_S + 1
    assert streak.note(is_legible=False) == 1


def test_a_call_that_nobody_waits_for_frees_its_slot_at_once_and_is_read_for_a_while_all_the_same() -> None:
    # Given a process with a single slot, and a job that is cancelled while its call is under way
    world = FakeWorld(slots=1)
    is_cancelled = False

    def check() -> None:
        if is_cancelled:
            raise LeaseLost("task")

    permit = world.dispatcher.ask_permit(check, world.sleep)
    permit.clock = lambda: world.now
    other = world.dispatcher.ask_permit(lambda: None, world.sleep)
    first, second = request(FIRST), request(FIRST)

    def wait() -> None:
        nonlocal is_cancelled
        is_cancelled = True
        transport.check_wanted()  # as every read of the reply does
        # Then another call has the slot meanwhile
        world.first = up
        with other.admitted(second):
            other.send(second)
        world.now += world.dispatcher.grace_s - 1
        transport.check_wanted()
        # And after the grace nobody waits any longer
        world.now += 2
        transport.check_wanted()

    world.first = wait
    with pytest.raises(LeaseLost), permit.admitted(first):
        permit.send(first)
    assert len(world.sent) == 2
    # And the slot is free once, not twice
    assert world.dispatcher.slots.acquire(blocking=False)
    assert not world.dispatcher.slots.acquire(blocking=False)


# -- a refusal that may concern every call -----------------------------------------------------------------------------


@dataclass
class FakeProvider:
    """Says whether a probe passes; counts them."""

    now: float = 100.0
    refuses: bool = True
    probes: int = 0

    def probe(self) -> None:
        self.probes += 1
        self.now += 1
        if self.refuses:
            raise ContentRefused("400", code="bad_request")


def test_a_refusal_is_everyones_when_a_probe_is_refused_and_one_probe_is_enough() -> None:
    provider = FakeProvider()
    evidence = Evidence(clock=lambda: provider.now)
    # Given three calls in flight that are refused
    for _ in range(3):
        evidence.doubt("kind")
    assert evidence.is_in_doubt("kind")
    assert not evidence.is_in_doubt("another kind")
    assert all(evidence.resolve_doubt("kind", sent_at=at, probe=provider.probe) for at in (99.0, 99.5, 99.9))
    assert provider.probes == 1
    # Then no such call begins while the job is being stopped, and later ones are judged anew
    assert evidence.is_in_doubt("kind")
    provider.now, provider.refuses = 200.0, False
    assert not evidence.is_in_doubt("kind")
    evidence.doubt("kind")
    assert not evidence.resolve_doubt("kind", sent_at=200.0, probe=provider.probe)
    assert not evidence.is_in_doubt("kind")


def test_a_call_that_passed_after_the_refused_one_was_sent_proves_that_it_was_the_content() -> None:
    provider = FakeProvider()
    evidence = Evidence(clock=lambda: provider.now)
    evidence.passed("kind", sent_at=99.5)
    evidence.doubt("kind")
    assert not evidence.resolve_doubt("kind", sent_at=99.0, probe=provider.probe)
    assert provider.probes == 0
    # One that passed before proves nothing: the provider may have changed its mind
    evidence.doubt("kind")
    assert evidence.resolve_doubt("kind", sent_at=99.9, probe=provider.probe)


def test_a_probe_that_comes_to_nothing_leaves_the_doubt_to_the_next() -> None:
    provider = FakeProvider()
    evidence = Evidence(clock=lambda: provider.now)
    evidence.doubt("kind")
    with pytest.raises(ProviderUnavailable):
        evidence.resolve_doubt("kind", sent_at=99.0, probe=away)
    assert not evidence.is_in_doubt("kind")
