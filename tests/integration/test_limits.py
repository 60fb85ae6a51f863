"""Limits shared through a real Redis, and each process's share when it is away."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.llm.calls import Allowance
from worker.llm.rate_limit import CALM_S, HORIZON_S, LEAST, LOOK_S, Admission, Limits

ENDPOINT = "http://model.test/v1"


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


def commands(client: redis.Redis) -> int:
    return int(client.info("stats")["total_commands_processed"])


def admissions(limits: Limits, count: int, *, tokens: int = 0) -> list[Admission]:
    return [limits.admit(tokens) for _ in range(count)]


def test_without_limits_redis_is_hardly_asked(client: redis.Redis) -> None:
    limits = Limits(client, ENDPOINT)
    limits.admit(0)
    before = commands(client)
    for admission in admissions(limits, 100):
        assert admission == Admission(granted=True, wait_s=0.0)
        limits.settle(admission, 500, None)
    assert commands(client) - before < 5  # the question itself, and one look in a second


def test_two_processes_share_requests_per_minute_in_turns(client: redis.Redis) -> None:
    # Given a limit of 600 a minute, and two processes that know nothing of each other
    one, other = (Limits(client, ENDPOINT, rpm=600, process=name) for name in ("a", "b"))
    # When each asks for five turns at once
    waits = sorted(
        admission.wait_s for pair in zip(admissions(one, 5), admissions(other, 5), strict=True) for admission in pair
    )
    # Then the ten turns are a tenth of a second apart
    assert waits[0] < 0.05
    assert waits[-1] == pytest.approx(0.9, abs=0.2)
    assert all(later - sooner < 0.2 for sooner, later in itertools.pairwise(waits))
    # And each has learned that they are two
    assert (one.processes, other.processes) == (1, 2)
    one.admit(0)
    assert one.processes == 2


def test_turns_are_given_a_little_ahead_only(client: redis.Redis) -> None:
    limits = Limits(client, ENDPOINT, rpm=60)
    granted = [admission for admission in admissions(limits, 10) if admission.granted]
    assert len(granted) == 1 + int(HORIZON_S)
    refused = limits.admit(0)
    assert not refused.granted
    assert 0 < refused.wait_s <= HORIZON_S


def test_an_endpoint_has_limits_of_its_own(client: redis.Redis) -> None:
    admissions(Limits(client, ENDPOINT, rpm=60), 3)
    assert Limits(client, "http://other.test/v1", rpm=60).admit(0).wait_s < 0.1


def test_tokens_are_reserved_and_settled_with_what_was_used(client: redis.Redis) -> None:
    # Given 60,000 tokens a minute, a thousand a second
    limits = Limits(client, ENDPOINT, tpm=60_000)
    # When a call reserves 5,000 and a second 1,000
    first = limits.admit(5_000)
    assert first.wait_s < 0.1
    assert not limits.admit(1_000).granted
    # Then it has to wait, unless the first used less
    limits.settle(first, 1_500, None)
    second = limits.admit(1_000)
    assert second.granted
    assert second.wait_s < 1.0
    # And what was used beyond the estimate is paid for in time
    limits.settle(second, 61_000, None)
    assert not limits.admit(10).granted


def test_a_holder_that_dies_leaks_nothing(client: redis.Redis) -> None:
    # Given a process that took every turn of the next two seconds and was never heard of again
    admissions(Limits(client, ENDPOINT, rpm=600, process="gone"), 50)
    # When the time has passed
    time.sleep(HORIZON_S + 0.2)
    # Then the next call goes at once, and everything that is kept ends by itself
    assert Limits(client, ENDPOINT, rpm=600).admit(0).wait_s < 0.1
    assert all(client.ttl(key) > 0 for key in client.keys("medq:*"))


def test_a_429_pauses_every_process_and_nobody_reserves_meanwhile(client: redis.Redis) -> None:
    one, other = Limits(client, ENDPOINT, rpm=6000), Limits(client, ENDPOINT, rpm=6000)
    one.slow_down(300.0)
    for limits in (one, other):
        admission = limits.admit(0)
        assert not admission.granted
        assert admission.paused_s == pytest.approx(300, abs=2)
    assert one.is_paused()


def test_a_429_of_one_process_pauses_another_that_knows_of_no_limit(client: redis.Redis) -> None:
    # Given two processes without any limit, which both call
    one, other = Limits(client, ENDPOINT), Limits(client, ENDPOINT)
    assert one.admit(0).granted
    assert other.admit(0).granted
    # When one meets a 429 that asks for a minute
    one.slow_down(60.0)
    time.sleep(LOOK_S)
    # Then the other hears of it without meeting one of its own
    admission = other.admit(0)
    assert not admission.granted
    assert admission.paused_s == pytest.approx(60, abs=3)


def test_who_shares_a_felt_rate_adds_what_it_sent(client: redis.Redis) -> None:
    # Given two processes without limits that sent twenty calls a second each, of which one met a 429
    both = [Limits(client, ENDPOINT, process=name) for name in ("a", "b")]
    for _ in range(25):
        for limits in both:
            assert limits.admit(0).granted
        time.sleep(0.05)
    both[0].slow_down(0.01)
    time.sleep(LOOK_S)
    # Then the two together go on a little slower than before, not at half of it
    waits = [limits.admit(0).wait_s for limits in (both[1], both[0], both[1])]
    assert 60 / (waits[2] - waits[1]) == pytest.approx(0.9 * 2 * 20 * 60, rel=0.35)


def test_the_rate_falls_at_429s_by_volley_not_one_by_one(client: redis.Redis) -> None:
    # Given 600 a minute, and a volley of ten 429s
    limits = Limits(client, ENDPOINT, rpm=600)
    for _ in range(10):
        limits.slow_down(0.01)
    time.sleep(0.05)
    # Then the rate has fallen, by no more than one volley may take
    first, second = (admission.wait_s for admission in admissions(limits, 2))
    assert second - first == pytest.approx(0.1 / LEAST, rel=0.15)


def test_a_stray_429_costs_little(client: redis.Redis) -> None:
    limits = Limits(client, ENDPOINT, rpm=600)
    limits.slow_down(0.01)
    time.sleep(0.05)
    first, second = (admission.wait_s for admission in admissions(limits, 2))
    assert 0.1 < second - first < 0.12


def test_a_429_without_any_known_limit_starts_from_what_was_observed(client: redis.Redis) -> None:
    # Given two processes that sent twenty calls in the last second each, without any limit
    both = [Limits(client, ENDPOINT, process=name) for name in ("a", "b")]
    for _ in range(20):
        for limits in both:
            assert limits.admit(0).granted
        time.sleep(0.05)
    # When both meet a 429
    for limits in both:
        limits.slow_down(0.01)
    time.sleep(0.05)
    # Then from now on they share somewhat less than what they sent together
    first, second = (limits.admit(0).wait_s for limits in both)
    assert 60 / (second - first) == pytest.approx(0.9 * 2 * 20 * 60, rel=0.35)


def test_limits_told_by_headers_are_adopted_by_all(client: redis.Redis) -> None:
    # Given an operator's limit twice too high, and an endpoint that says what it allows
    one, other = (Limits(client, ENDPOINT, rpm=1200, process=name) for name in ("a", "b"))
    one.settle(one.admit(0), 0, Allowance(requests=600.0))
    # Then the other's turns too are a tenth of a second apart
    waits = [admission.wait_s for admission in admissions(other, 3)]
    assert waits[2] - waits[1] == pytest.approx(0.1, abs=0.03)
    # And what is known already is not told again
    before = commands(client)
    one.settle(one.admit(0), 0, Allowance(requests=600.0))
    assert commands(client) - before < 20  # one script: its own commands count


def test_a_told_limit_is_kept_as_long_as_the_process_lives_also_when_redis_forgets_it(client: redis.Redis) -> None:
    # Given a limit told by headers, told again and again for longer than a 429 matters
    now = [0.0]
    limits = Limits(client, ENDPOINT, clock=lambda: now[0])
    told = Allowance(requests=60.0)
    limits.settle(limits.admit(0), 0, told)
    now[0] = CALM_S + 1
    limits.settle(limits.admit(0), 0, told)
    # When Redis is emptied
    client.flushdb()
    # Then calls are a second apart all the same
    waits = [admission.wait_s for admission in admissions(limits, 2)]
    assert waits[1] - waits[0] == pytest.approx(1.0, abs=0.1)


def test_without_redis_a_process_takes_its_share_and_is_never_open(redis_url: str) -> None:
    # Given a Redis that is not there, 600 a minute, four processes
    away = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2, retry=Retry(NoBackoff(), 0))
    limits = Limits(away, ENDPOINT, rpm=600, processes=4)
    # When turns are asked for
    began = time.monotonic()
    waits = [admission.wait_s for admission in admissions(limits, 3)]
    # Then they are four tenths of a second apart, and asking cost no time-outs
    assert waits[2] - waits[1] == pytest.approx(0.4, abs=0.1)
    assert time.monotonic() - began < 1.5


def test_without_redis_a_429_slows_the_process_down_all_the_same() -> None:
    now = [0.0]
    limits = Limits(None, ENDPOINT, clock=lambda: now[0])
    assert admissions(limits, 100)[-1].wait_s == 0
    limits.slow_down(5.0)
    assert limits.admit(0).paused_s == 5.0
    now[0] = 5.1
    assert limits.admit(0).granted
    assert limits.admit(0).wait_s > 0


@pytest.mark.parametrize("told", [True, False], ids=["with headers", "without headers"])
def test_a_limit_configured_twice_too_high_brings_few_429s(client: redis.Redis, told: bool) -> None:
    # Given an endpoint that takes 20 calls a second, and four processes of six threads told of 40
    server = Endpoint(per_s=20)
    processes = [Limits(client, ENDPOINT, rpm=2400, process=str(n)) for n in range(4)]
    # When they send 200 calls
    took_s = drive(processes, server, threads=6, calls=200, told=Allowance(requests=1200.0) if told else None)
    # Then few are refused, every one is answered in the end, and the endpoint is not left idle
    share = server.answers["refused"] / sum(server.answers.values())
    assert server.answers["taken"] == 200
    # (the first volleys are a few calls whatever the length of a run; this one lasts ten seconds)
    assert share <= (0.03 if told else 0.07), f"{share:.1%} in {took_s:.1f} s"
    assert took_s <= 200 / 20 * 1.3


class Endpoint:
    """Takes `per_s` calls a second, with room for a burst of a quarter of a second."""

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self.answers: Counter[str] = Counter()
        self._free_at = 0.0
        self._lock = threading.Lock()

    def takes(self) -> bool:
        with self._lock:
            now = time.monotonic()
            taken = self._free_at - now < 0.25
            if taken:
                self._free_at = max(self._free_at, now) + 1 / self.per_s
            self.answers["taken" if taken else "refused"] += 1
            return taken


def drive(processes: list[Limits], server: Endpoint, *, threads: int, calls: int, told: Allowance | None) -> float:
    left = threading.Semaphore(calls)

    def work(limits: Limits) -> None:
        while left.acquire(blocking=False):
            call(limits)

    def call(limits: Limits) -> None:
        while True:
            admission = limits.admit(0)
            time.sleep(admission.wait_s)
            if not admission.granted or limits.is_paused():
                continue
            taken = server.takes()
            time.sleep(0.05)
            if taken:
                limits.settle(admission, 0, told)
                return
            limits.slow_down(None)

    return timed(lambda: run_all([lambda limits=limits: work(limits) for limits in processes for _ in range(threads)]))


def run_all(works: list[Callable[[], None]]) -> None:
    started = [threading.Thread(target=work) for work in works]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
