"""Redis and PostgreSQL killed, frozen, emptied, cut off while the workers live: nothing is lost, paid or counted."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from tests.faults.record import record
from tests.faults.servers import Proxy, Servers, at_random, either, when
from tests.support.harness import (
    LONG,
    Jobs,
    Watcher,
    check_at_rest,
    check_nothing_counted,
    check_nothing_lost,
    ledger_of,
    open_calls,
    promise,
    read_books,
)
from tests.support.nursery import Nursery
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform

ROUNDS = 20 if LONG else 4


@contextmanager
def two_workers(nursery: Nursery, site: Platform, **environment: str) -> Iterator[None]:
    for _ in range(2):
        nursery.start(site.worker_environment(MEDQ_THREADS="4", MEDQ_LEASE_SECONDS="6", **environment))
    yield
    assert len(nursery.living) == 2, "a worker did not survive its infrastructure"
    site.wait_until(lambda: not open_calls(site), timeout_s=30, what="every call closed")
    nursery.stop_all()


def keep_busy(jobs: Jobs, seconds: float) -> None:
    """Have three jobs open all the time for so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if jobs.open() < 3:
            jobs.add()
        time.sleep(0.05)


def check_all(site: Platform, jobs: Jobs, llm: ScriptedLlm) -> int:
    """Nothing lost, nothing counted, nothing paid twice; how many calls were paid."""
    check_nothing_lost(site, jobs.ids, jobs.questions)
    check_nothing_counted(site)
    check_at_rest(site)
    books = read_books(site, ledger_of(llm))
    assert (books.extra, books.unknown) == (0, 0)
    return books.paid


def test_t4_redis_killed_emptied_and_frozen(
    site: Platform, servers: Servers, llm: ScriptedLlm, nursery: Nursery, rng: random.Random
) -> None:
    llm.configure(latency_s=0.1)
    jobs = Jobs(site)
    frozen_s = 30 if LONG else 5
    with Watcher(site.database_url) as watcher, two_workers(nursery, site):
        # When Redis is killed and started again and again, and emptied as often
        for _ in range(ROUNDS):
            keep_busy(jobs, rng.uniform(0.2, 0.8))
            servers.kill_redis()
            keep_busy(jobs, rng.uniform(0.2, 0.8))
            servers.start()
            keep_busy(jobs, rng.uniform(0.2, 0.8))
            servers.flush_redis()
        # And frozen
        servers.freeze_redis()
        keep_busy(jobs, frozen_s)
        servers.thaw_redis()
        jobs.wait_for_all()
        # And a job comes to idle workers while Redis is away
        servers.kill_redis()
        job_id = jobs.add()
        time.sleep(2)
        servers.start()
        back = time.monotonic()
        site.wait_until(lambda: site.job(job_id)["status"] != "queued", what="work goes on")
        resumed_s = time.monotonic() - back
        jobs.wait_for_all()
    promise(resumed_s, 10)
    paid = check_all(site, jobs, llm)
    record(
        "T4",
        redis_kills=ROUNDS + 1,
        flushes=ROUNDS,
        frozen_s=frozen_s,
        jobs=len(jobs.ids),
        calls=paid,
        lost=0,
        doubled=0,
        extra_paid=0,
        snapshots=watcher.looks,
        resumed_s=round(resumed_s, 1),
    )


def test_t5_redis_behind_a_bad_line(
    site: Platform, servers: Servers, llm: ScriptedLlm, nursery: Nursery, rng: random.Random
) -> None:
    rate = 0.01 if LONG else 0.04
    redis_url = sa.make_url(servers.urls.redis_url)
    proxy = Proxy(
        redis_url.host or "",
        redis_url.port or 0,
        at_random(rng, lose=rate, double=rate, delay=rate),
        delay_s=5 if LONG else 2,
    )
    llm.configure(latency_s=0.1)
    jobs = Jobs(site)
    with proxy, Watcher(site.database_url) as watcher:
        spoiled = redis_url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        with two_workers(nursery, site, REDIS_URL=spoiled):
            # When replies are lost, commands doubled and delayed
            proxy.on = True
            began = time.monotonic()
            while time.monotonic() - began < 120 and min(proxy.done[f] for f in ("lose", "double", "delay")) < 3:
                keep_busy(jobs, 1)
            proxy.on = False
            jobs.wait_for_all()
    paid = check_all(site, jobs, llm)
    assert min(proxy.done[fate] for fate in ("lose", "double", "delay")) >= 3, proxy.done
    record(
        "T5",
        **{f"redis_{fate}": count for fate, count in proxy.done.items()},
        jobs=len(jobs.ids),
        calls=paid,
        lost=0,
        doubled=0,
        extra_paid=0,
        snapshots=watcher.looks,
    )


def test_t6_postgresql_stopped_at_once_and_started(
    site: Platform, servers: Servers, llm: ScriptedLlm, nursery: Nursery, rng: random.Random
) -> None:
    llm.configure(latency_s=0.1)
    jobs = Jobs(site)
    resumed: list[float] = []
    with Watcher(site.database_url) as watcher, two_workers(nursery, site):
        # When the server goes without a checkpoint and comes back, again and again
        for _ in range(ROUNDS):
            keep_busy(jobs, rng.uniform(0.5, 1.5))
            servers.stop_postgresql()
            site.engine.dispose()
            time.sleep(rng.uniform(0.1, 2))
            servers.start()
            back = time.monotonic()
            done = processed(site)

            def goes_on(done: int = done) -> bool:
                if jobs.open() == 0:  # those that were open had nothing left but their end
                    jobs.add()
                return processed(site) > done

            site.wait_until(goes_on, what="work goes on")
            resumed.append(time.monotonic() - back)
        jobs.wait_for_all()
    assert watcher.blind > 0, "PostgreSQL was never away"
    promise(max(resumed), 15)
    paid = check_all(site, jobs, llm)
    record(
        "T6 stops",
        postgresql_stops=ROUNDS,
        jobs=len(jobs.ids),
        calls=paid,
        lost=0,
        doubled=0,
        extra_paid=0,
        deaths_counted=0,
        resumed_s=round(max(resumed), 1),
    )


def processed(site: Platform) -> int:
    return int(site.value('SELECT COALESCE(sum("processedItems"), 0) FROM "AiValidationJob"'))


def test_t6_sessions_terminated(
    site: Platform, servers: Servers, llm: ScriptedLlm, nursery: Nursery, rng: random.Random
) -> None:
    llm.configure(latency_s=0.1)
    jobs = Jobs(site)
    seconds = 60 if LONG else 10
    ended = 0
    with Watcher(site.database_url), two_workers(nursery, site):
        # When every session of every worker is ended once a second
        for _ in range(seconds):
            keep_busy(jobs, 1)
            ended += site.value(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'medq-%'"
            )
        jobs.wait_for_all()
    assert ended >= seconds
    paid = check_all(site, jobs, llm)
    record("T6 sessions", ended=ended, jobs=len(jobs.ids), calls=paid, lost=0, doubled=0, extra_paid=0)


def test_t6_the_reply_of_a_commit_is_lost(
    site: Platform, servers: Servers, llm: ScriptedLlm, nursery: Nursery, rng: random.Random
) -> None:
    # Given a line to PostgreSQL that breaks after every 15th COMMIT, or single statement, was carried out, and dawdles
    url = sa.make_url(servers.urls.database_url)

    def ends_a_transaction(chunk: bytes) -> bool:
        # A query by the simple protocol; or Parse … Execute of a writing statement that is its own transaction.
        return (chunk.startswith(b"Q") and b"COMMIT" in chunk) or b'UPDATE "LlmCall" SET "status"' in chunk

    spoil = either(when(ends_a_transaction, "lose", every=15), at_random(rng, delay=0.01))
    proxy = Proxy(url.host or "", url.port or 0, spoil, delay_s=1)
    llm.configure(latency_s=0.05)
    jobs = Jobs(site)
    with proxy, Watcher(site.database_url):
        spoiled = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        with two_workers(nursery, site, DATABASE_URL=spoiled):
            proxy.on = True
            keep_busy(jobs, 60 if LONG else 10)
            proxy.on = False
            jobs.wait_for_all()
    assert min(proxy.done["lose"], proxy.done["delay"]) >= 10, proxy.done
    paid = check_all(site, jobs, llm)
    record(
        "T6 commits",
        replies_lost=proxy.done["lose"],
        delayed=proxy.done["delay"],
        jobs=len(jobs.ids),
        calls=paid,
        lost=0,
        doubled=0,
        extra_paid=0,
    )
