"""Limits shared through a real Redis, on a clock that only the test moves; and each process's share when it is away."""

from __future__ import annotations

import heapq
import itertools
import random
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.llm.calls import Allowance
from worker.llm.rate_limit import CALM_S, CUT, GROWTH_PER_S, HORIZON_S, LEAST, POLL_S, Admission, Limits

ENDPOINT = "http://model.test/v1"


@dataclass
class Clock:
    """Seconds, of every process and of the server. It stands still until somebody waits."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Fleet:
    """Processes that call endpoints under shared limits."""

    client: redis.Redis
    clock: Clock = field(default_factory=Clock)

    def process(self, endpoint: str = ENDPOINT, **more: object) -> Limits:
        return Limits(self.client, endpoint, clock=self.clock, server_clock=self.clock, **more)  # type: ignore[arg-type]


@pytest.fixture
def fleet(redis_url: str) -> Iterator[Fleet]:
    with redis.Redis.from_url(redis_url) as client:
        yield Fleet(client)


def commands(fleet: Fleet) -> int:
    return int(fleet.client.info("stats")["total_commands_processed"])


def admissions(limits: Limits, count: int, *, tokens: int = 0) -> list[Admission]:
    return [limits.admit(tokens) for _ in range(count)]


def about(seconds: float) -> object:
    """As Redis keeps it, to the microsecond."""
    return pytest.approx(seconds, abs=1e-5)


def test_without_limits_redis_is_hardly_asked(fleet: Fleet) -> None:
    limits = fleet.process()
    limits.admit(0)
    before = commands(fleet)
    for admission in admissions(limits, 100):
        assert admission == Admission(granted=True, wait_s=0.0)
        limits.settle(admission, 500, None)
    assert commands(fleet) - before == 1  # the question itself


def test_two_processes_share_requests_per_minute_in_turns(fleet: Fleet) -> None:
    # Given a limit of 600 a minute, and two processes that know nothing of each other
    one, other = (fleet.process(rpm=600, process=name) for name in ("a", "b"))
    # When each asks for five turns at once
    waits = [
        admission.wait_s for pair in zip(admissions(one, 5), admissions(other, 5), strict=True) for admission in pair
    ]
    # Then the ten turns are a tenth of a second apart
    assert sorted(waits) == [about(n / 10) for n in range(10)]
    # And each has learned that they are two
    assert (one.processes, other.processes) == (1, 2)
    one.admit(0)
    assert one.processes == 2


def test_turns_are_given_a_little_ahead_only(fleet: Fleet) -> None:
    limits = fleet.process(rpm=60)
    granted = [admission for admission in admissions(limits, 10) if admission.granted]
    assert len(granted) == 1 + int(HORIZON_S)
    refused = limits.admit(0)
    assert not refused.granted
    assert 0 < refused.wait_s <= HORIZON_S


def test_time_is_the_servers_own(fleet: Fleet) -> None:
    # Given processes of two machines whose clocks are a day apart, and one call a minute
    early, late = (Limits(fleet.client, ENDPOINT, rpm=1, clock=Clock(now)) for now in (0.0, 86_400.0))
    # Then the second has to wait for the first one's minute
    assert early.admit(0).granted
    assert not late.admit(0).granted


def test_an_endpoint_has_limits_of_its_own(fleet: Fleet) -> None:
    admissions(fleet.process(rpm=60), 3)
    assert fleet.process("http://other.test/v1", rpm=60).admit(0).wait_s == 0


def test_tokens_are_reserved_and_settled_with_what_was_used(fleet: Fleet) -> None:
    # Given 60,000 tokens a minute, a thousand a second
    limits = fleet.process(tpm=60_000)
    # When a call reserves 5,000 and a second 1,000
    first = limits.admit(5_000)
    assert first.wait_s == 0
    assert not limits.admit(1_000).granted
    # Then it has to wait, unless the first used less
    limits.settle(first, 1_500, None)
    second = limits.admit(1_000)
    assert second.granted
    assert second.wait_s == about(0.5)
    # And what was used beyond the estimate is paid for in time
    limits.settle(second, 61_000, None)
    assert not limits.admit(10).granted


def test_a_holder_that_dies_leaks_nothing(fleet: Fleet) -> None:
    # Given a process that took every turn of the next second and was never heard of again
    admissions(fleet.process(rpm=600, process="gone"), 50)
    # When the time has passed
    fleet.clock.wait(HORIZON_S + 0.2)
    # Then the next call goes at once, and everything that is kept ends by itself
    assert fleet.process(rpm=600).admit(0).wait_s == 0
    assert all(fleet.client.ttl(key) > 0 for key in fleet.client.keys("medq:*"))


def test_a_429_pauses_every_process_and_nobody_reserves_meanwhile(fleet: Fleet) -> None:
    one, other = fleet.process(rpm=6000), fleet.process(rpm=6000)
    one.slow_down(300.0)
    for limits in (one, other):
        admission = limits.admit(0)
        assert not admission.granted
        assert admission.paused_s == about(300)
    assert one.is_paused()


def test_a_429_of_one_process_pauses_another_that_knows_of_no_limit(fleet: Fleet) -> None:
    # Given two processes without any limit, which both call
    one, other = fleet.process(), fleet.process()
    assert one.admit(0).granted
    assert other.admit(0).granted
    # When one meets a 429 that asks for a minute
    one.slow_down(60.0)
    fleet.clock.wait(POLL_S)
    # Then the other hears of it without meeting one of its own
    admission = other.admit(0)
    assert not admission.granted
    assert admission.paused_s == about(60 - POLL_S)


def test_who_shares_a_felt_rate_adds_what_it_sent(fleet: Fleet) -> None:
    # Given two processes without limits that sent twenty calls a second each, of which one met a 429
    both = [fleet.process(process=name) for name in ("a", "b")]
    for _ in range(25):
        for limits in both:
            assert limits.admit(0).granted
        fleet.clock.wait(0.05)
    both[0].slow_down(0.01)
    fleet.clock.wait(POLL_S)
    # Then the two together go on a little slower than before, not at half of it: the one grew again meanwhile, the
    # other was silent as long
    waits = [limits.admit(0).wait_s for limits in (both[1], both[0], both[1])]
    grown, silent = 60 * 20 * (1 + GROWTH_PER_S * POLL_S), 60 * 25 / (25 / 20 + POLL_S)
    assert 60 / (waits[2] - waits[1]) == pytest.approx(CUT * (grown + silent), rel=1e-4)


def test_the_rate_falls_at_429s_by_volley_not_one_by_one(fleet: Fleet) -> None:
    # Given 600 a minute, and a volley of ten 429s
    limits = fleet.process(rpm=600)
    for _ in range(10):
        limits.slow_down(0.01)
    fleet.clock.wait(0.05)
    # Then the rate has fallen, by no more than one volley may take
    first, second = (admission.wait_s for admission in admissions(limits, 2))
    assert second - first == pytest.approx(0.1 / LEAST, rel=0.01)


def test_a_stray_429_costs_little(fleet: Fleet) -> None:
    limits = fleet.process(rpm=600)
    limits.slow_down(0.01)
    fleet.clock.wait(0.05)
    first, second = (admission.wait_s for admission in admissions(limits, 2))
    assert 0.1 < second - first < 0.12


def test_a_429_without_any_known_limit_starts_from_what_was_observed(fleet: Fleet) -> None:
    # Given two processes that sent twenty calls in the last second each, without any limit
    both = [fleet.process(process=name) for name in ("a", "b")]
    for _ in range(20):
        for limits in both:
            assert limits.admit(0).granted
        fleet.clock.wait(0.05)
    # When both meet a 429
    for limits in both:
        limits.slow_down(0.01)
    fleet.clock.wait(0.05)
    # Then from now on they share somewhat less than what they sent together
    first, second = (limits.admit(0).wait_s for limits in both)
    assert 60 / (second - first) == pytest.approx(CUT * (1 + CUT) * 20 * 60, rel=1e-3)


def test_limits_told_by_headers_are_adopted_by_all(fleet: Fleet) -> None:
    # Given an operator's limit twice too high, and an endpoint that says what it allows
    one, other = (fleet.process(rpm=1200, process=name) for name in ("a", "b"))
    one.settle(one.admit(0), 0, Allowance(requests=600.0))
    # Then the other's turns too are a tenth of a second apart
    waits = [admission.wait_s for admission in admissions(other, 3)]
    assert waits[2] - waits[1] == about(0.1)
    # And what is known already is not told again
    before = commands(fleet)
    one.settle(one.admit(0), 0, Allowance(requests=600.0))
    assert commands(fleet) - before < 20  # one script: its own commands count


def test_a_told_limit_is_kept_as_long_as_the_process_lives_also_when_redis_forgets_it(fleet: Fleet) -> None:
    # Given a limit told by headers, told again and again for longer than a 429 matters
    limits = fleet.process()
    told = Allowance(requests=60.0)
    limits.settle(limits.admit(0), 0, told)
    fleet.clock.wait(CALM_S + 1)
    limits.settle(limits.admit(0), 0, told)
    # When Redis is emptied
    fleet.client.flushdb()
    # Then calls are a second apart all the same
    waits = [admission.wait_s for admission in admissions(limits, 2)]
    assert waits[1] - waits[0] == about(1.0)


@contextmanager
def refusing() -> Iterator[tuple[int, list[object]]]:
    """A port where whoever connects is turned away, and who did."""
    came: list[object] = []

    class Refuse(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            came.append(self.client_address)

    with socketserver.TCPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1], came
        server.shutdown()


def test_without_redis_a_process_takes_its_share_and_is_never_open() -> None:
    with refusing() as (port, came):
        # Given a Redis that takes nobody, 600 a minute, four processes
        away = redis.Redis(host="127.0.0.1", port=port, retry=Retry(NoBackoff(), 0))
        limits = Limits(away, ENDPOINT, rpm=600, processes=4, clock=Clock())
        # When turns are asked for
        waits = [admission.wait_s for admission in admissions(limits, 3)]
    # Then they are four tenths of a second apart, and it was asked once, not for each
    assert waits == [about(n * 0.4) for n in range(3)]
    assert len(came) == 1


def test_without_redis_a_429_slows_the_process_down_all_the_same() -> None:
    clock = Clock(0.0)
    limits = Limits(None, ENDPOINT, clock=clock)
    assert admissions(limits, 100)[-1].wait_s == 0
    limits.slow_down(5.0)
    assert limits.admit(0).paused_s == 5.0
    clock.wait(5.1)
    assert limits.admit(0).granted
    assert limits.admit(0).wait_s > 0


@pytest.mark.parametrize("told", [True, False], ids=["with headers", "without headers"])
@pytest.mark.parametrize("seed", range(3))
def test_a_limit_configured_twice_too_high_brings_few_429s(fleet: Fleet, told: bool, seed: int) -> None:
    # Given an endpoint that takes 20 calls a second, and four processes of six threads told of 40
    random.seed(seed)  # of the jitter
    server = Endpoint(fleet.clock, per_s=20)
    processes = [fleet.process(rpm=2400, process=str(n)) for n in range(4)]
    began = fleet.clock.now
    # When they send 200 calls
    calls = iter(range(200))
    allowance = Allowance(requests=1200.0) if told else None
    run_all(fleet.clock, [call(limits, server, calls, allowance) for limits in processes for _ in range(6)])
    # Then few are refused, every one is answered in the end, and the endpoint is not left idle
    took_s = fleet.clock.now - began
    share = server.answers["refused"] / sum(server.answers.values())
    assert server.answers["taken"] == 200
    # (the first volleys are a few calls whatever the length of a run; this one lasts ten seconds)
    assert share <= (0.03 if told else 0.07), f"{share:.1%} in {took_s:.1f} s"
    assert took_s <= 200 / 20 * 1.3


@dataclass
class Endpoint:
    """Takes `per_s` calls a second, with room for a burst of a quarter of a second."""

    clock: Clock
    per_s: float
    answers: Counter[str] = field(default_factory=Counter)
    free_at: float = 0.0

    def takes(self) -> bool:
        now = self.clock()
        taken = self.free_at - now < 0.25
        if taken:
            self.free_at = max(self.free_at, now) + 1 / self.per_s
        self.answers["taken" if taken else "refused"] += 1
        return taken


def call(limits: Limits, server: Endpoint, calls: Iterator[int], told: Allowance | None) -> Iterator[float]:
    """A thread that calls until none of the shared `calls` is left; it gives the seconds that it sleeps."""
    for _ in calls:
        is_answered = False
        while not is_answered:
            admission = limits.admit(0)
            yield admission.wait_s
            if not admission.granted or limits.is_paused():
                continue
            is_answered = server.takes()
            yield 0.05
            if is_answered:
                limits.settle(admission, 0, told)
            else:
                limits.slow_down(None)


def run_all(clock: Clock, threads: Sequence[Iterator[float]]) -> None:
    """Run the threads side by side: the clock stands at whoever wakes next."""
    asleep = [(clock.now, number, thread) for number, thread in enumerate(threads)]
    while asleep:
        clock.now, number, thread = heapq.heappop(asleep)
        for seconds in itertools.islice(thread, 1):
            heapq.heappush(asleep, (clock.now + seconds, number, thread))
