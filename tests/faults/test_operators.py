"""What operators and admins do to a running platform: stop, scale, cancel, delete, queue behind a large file."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.record import record
from tests.faults.servers import Servers
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
    read_ledger,
    wait_for_transactions,
)
from tests.support.log_capture import events_of
from tests.support.nursery import ROOT, Nursery
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import TERMINAL, Platform
from worker.runtime import supervisor
from worker.runtime.supervisor import Workers
from worker.runtime.worker_main import WEDGED


def test_t3_rolling_sigterm(platform: Platform, llm: ScriptedLlm, nursery: Nursery, rng: random.Random) -> None:
    # Given calls that end well within the grace
    llm.configure(latency_s=0.3, accuracy=0.8)
    jobs = Jobs(platform)
    environment = platform.worker_environment(MEDQ_THREADS="4", MEDQ_GRACE_SECONDS="10", MEDQ_LEASE_SECONDS="6")
    wanted, stops = (30 if LONG else 6), 0
    with Watcher(platform.database_url):
        # When one of three processes after the other is told to stop, and replaced; until one had something in hand
        while stops < wanted or (nursery.count("task_given_back") == 0 and stops < 5 * wanted):
            stops += 1
            while len(nursery.living) < 3:
                nursery.start(environment)
            while jobs.open() < 3:
                jobs.add()
            time.sleep(rng.uniform(0.3, 1.2))
            pid = rng.choice(sorted(nursery.living))
            nursery.signal(pid, signal.SIGTERM)
            assert nursery.wait_for_end(pid) == 0
        nursery.start(environment)
        jobs.wait_for_all()
        nursery.stop_all()
    # Then nothing is paid again and no attempt is used up
    check_nothing_lost(platform, jobs.ids, jobs.questions)
    check_nothing_counted(platform)
    check_at_rest(platform)
    books = read_books(platform, ledger_of(llm))
    assert (books.extra, books.unknown) == (0, 0)
    assert nursery.count("task_given_back") > 0, "no stop ever met a task"
    record(
        "T3",
        stops=stops,
        given_back=nursery.count("task_given_back"),
        calls=books.paid,
        lost=0,
        doubled=0,
        extra_paid=0,
    )


def test_t3_a_second_sigterm_ends_it_at_once(
    platform: Platform, llm: ScriptedLlm, nursery: Nursery, rng: random.Random
) -> None:
    # Given a worker with calls that will not end
    llm.configure(hold=True)
    jobs = Jobs(platform)
    jobs.add()
    pid = nursery.start(platform.worker_environment(MEDQ_THREADS="4", MEDQ_GRACE_SECONDS="60"))
    platform.wait_until(lambda: llm.stats()["inFlight"] == 4, what="calls in flight")
    # When it is told twice
    nursery.signal(pid, signal.SIGTERM)
    platform.wait_until(lambda: nursery.count("worker_stopping") == 1, what="it waits for its calls")
    assert pid in nursery.living
    began = time.monotonic()
    nursery.signal(pid, signal.SIGTERM)
    code = nursery.wait_for_end(pid)
    took_s = time.monotonic() - began
    # Then it leaves long before its grace is over, its tasks are free at once, and nothing is counted
    assert code == 0
    promise(took_s, 2)
    assert platform.value('SELECT count(*) FROM "AiValidationTask" WHERE "status" = \'running\'') == 0
    assert open_calls(platform) == 0
    check_nothing_counted(platform)
    llm.configure(hold=False)
    nursery.start(platform.worker_environment(MEDQ_THREADS="4"))
    jobs.wait_for_all()
    nursery.stop_all()
    check_nothing_lost(platform, jobs.ids, jobs.questions)
    record("T3 twice", left_after_s=round(took_s, 2))


def test_t10_cancelled_at_random(
    site: Platform, servers: Servers, llm: ScriptedLlm, nursery: Nursery, rng: random.Random
) -> None:
    # Given jobs that come and are cancelled at any moment
    llm.configure(latency_s=0.1)
    jobs = Jobs(site)
    wanted = 100 if LONG else 25
    cancelled, deaf, without_redis = 0, 0, 0
    with Watcher(site.database_url):
        for _ in range(2):
            nursery.start(site.worker_environment(MEDQ_THREADS="4"))
        while cancelled < wanted or not (deaf and without_redis):
            # When now and then Redis is away, or a NOTIFY reaches nobody
            is_redis_away = rng.random() < 0.15
            if is_redis_away:
                servers.kill_redis()
            jobs.add()
            time.sleep(rng.uniform(0, 0.4))
            if rng.random() < 0.2:
                deaf += site.value(END_LISTENERS)
            open_ids = [job_id for job_id, status in jobs.statuses().items() if status not in TERMINAL]
            if open_ids:
                done = cancel(site, rng.choice(open_ids))
                cancelled += done
                without_redis += done * is_redis_away
            if is_redis_away:
                servers.start()
        jobs.wait_for_all()
        wait_for_transactions(site)
        # And the workers go on with another one, while what has ended stays as it is
        frozen = frozen_state(site)
        last = jobs.add()
        jobs.wait_for_all()
        assert [row for row in frozen_state(site) if row["id"] != last] == frozen
        site.wait_until(lambda: not open_calls(site), timeout_s=30, what="every call closed")
        nursery.stop_all()
    # Then no call begins long after the flag, by our books and by the provider's
    late = site.rows(
        'SELECT EXTRACT(EPOCH FROM c."createdAt" - j."completedAt") AS s FROM "LlmCall" c '
        'JOIN "AiValidationJob" j ON j."id" = c."jobId" '
        'WHERE j."status" = \'cancelled\' AND c."createdAt" > j."completedAt"'
    )
    latest_s = max([float(row["s"]) for row in late] + [received_after(site, llm)], default=0.0)
    assert latest_s < 5
    # And nothing is written after it
    written_late = site.value(
        'SELECT count(*) FROM "AiValidationItem" i JOIN "AiValidationJob" j ON j."id" = i."jobId" '
        'WHERE j."status" = \'cancelled\' AND i."updatedAt" > j."completedAt"'
    )
    assert written_late == 0
    check_at_rest(site)
    record(
        "T10",
        cancels=cancelled,
        without_redis=without_redis,
        listeners_cut=deaf,
        jobs=len(jobs.ids),
        latest_call_s=round(latest_s, 2),
        written_late=0,
    )


END_LISTENERS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'medq-watch' AND datname = current_database()
"""


def cancel(site: Platform, job_id: str) -> int:
    return site.execute(
        'UPDATE "AiValidationJob" SET "status" = \'cancelled\' '
        "WHERE \"id\" = :id AND \"status\" IN ('queued', 'processing')",
        id=job_id,
    )


def received_after(site: Platform, llm: ScriptedLlm) -> float:
    """How long after a job's cancellation the provider received a call for it, at worst; seconds."""
    received = {name: call["receivedAt"] for name, call in read_ledger(ledger_of(llm)).items()}
    rows = site.rows(
        'SELECT c."providerRequestId" AS name, EXTRACT(EPOCH FROM j."completedAt") AS at FROM "LlmCall" c '
        'JOIN "AiValidationJob" j ON j."id" = c."jobId" '
        'WHERE j."status" = \'cancelled\' AND c."providerRequestId" IS NOT NULL'
    )
    return max((received[row["name"]] - float(row["at"]) for row in rows), default=0.0)


def count_calls(platform: Platform) -> int:
    return int(platform.value('SELECT count(*) FROM "LlmCall"'))


def frozen_state(platform: Platform) -> list[dict[str, object]]:
    return platform.rows(
        'SELECT j."id", j."status", j."processedItems", (SELECT count(*) FROM "LlmCall" c WHERE c."jobId" = j."id") '
        'AS calls, (SELECT count(i."questionId") FROM "AiValidationItem" i WHERE i."jobId" = j."id") AS questions '
        'FROM "AiValidationJob" j ORDER BY j."id"'
    )


def test_t11_jobs_and_their_user_deleted_mid_run(
    platform: Platform, llm: ScriptedLlm, nursery: Nursery, rng: random.Random
) -> None:
    # Given jobs of a user of their own, under way
    llm.configure(latency_s=0.1)
    platform.execute(
        'INSERT INTO "User" ("id", "email", "role", "updatedAt") '
        "VALUES ('leaving', 'leaving@medq.com', 'admin', now())"
    )
    jobs, staying = Jobs(platform), Jobs(platform, prefix="reste")
    with Watcher(platform.database_url):
        for _ in range(2):
            nursery.start(platform.worker_environment(MEDQ_THREADS="4"))
        # When jobs are deleted at any moment, and at last the user with all that are left
        deletions = 30 if LONG else 10
        for _ in range(deletions):
            job_id = jobs.add(user="leaving@medq.com")
            time.sleep(rng.uniform(0, 1))
            platform.execute('DELETE FROM "AiValidationJob" WHERE "id" = :id', id=job_id)
        for _ in range(4):
            jobs.add(user="leaving@medq.com")
        staying.add()
        platform.wait_until(lambda: llm.stats()["inFlight"] > 2, what="calls in flight")
        platform.execute('DELETE FROM "User" WHERE "id" = \'leaving\'')
        staying.wait_for_all()
        platform.wait_until(lambda: llm.stats()["inFlight"] == 0, what="no call in flight")
        # Then the workers go on with another job, no call begins that is not on the books, and nothing crashed
        unknown = llm.stats()["received"] - count_calls(platform)
        staying.add()
        staying.wait_for_all()
        assert llm.stats()["received"] - count_calls(platform) == unknown
        platform.wait_until(lambda: not open_calls(platform), timeout_s=60, what="every call closed")
        nursery.stop_all()
    crashed = nursery.count("task_crashed")
    assert crashed == 0
    assert platform.outcomes(staying.ids[0]).keys().isdisjoint({"failed", "pending"})
    kept = platform.value('SELECT count(*) FROM "LlmCall" WHERE "jobId" IS NULL AND "status" = \'succeeded\'')
    assert kept > 0, "what was paid must stay in the ledger"
    check_at_rest(platform)
    record("T11", deletions=deletions + 5, crashes=0, calls_kept=kept)


def test_t12_a_small_job_behind_a_large_one(
    platform: Platform, llm: ScriptedLlm, nursery: Nursery, rng: random.Random
) -> None:
    # Given two users
    llm.configure(latency_s=0.5)
    platform.execute(
        'INSERT INTO "User" ("id", "email", "role", "updatedAt") '
        "VALUES ('second', 'second@medq.com', 'admin', now())"
    )
    small, large = Jobs(platform, questions=5, prefix="petit"), Jobs(platform, questions=5000, prefix="grand")
    nursery.start(platform.worker_environment(MEDQ_THREADS="8"))
    # And how long five questions of the second take alone
    began = time.monotonic()
    small.add(user="second@medq.com")
    small.wait_for_all()
    alone_s = time.monotonic() - began
    # When another five come while five thousand of the first are under way
    large.add()
    platform.wait_until(lambda: platform.job(large.ids[0])["processedItems"] > 0, what="the large job under way")
    job_id = small.add(user="second@medq.com")
    began = time.monotonic()
    platform.wait_until(lambda: platform.job(job_id)["status"] != "queued", what="started")
    started_s = time.monotonic() - began
    small.wait_for_all()
    took_s = time.monotonic() - began
    # Then they were not behind all of the others
    assert platform.job(large.ids[0])["processedItems"] < large.questions / 2
    platform.execute('UPDATE "AiValidationJob" SET "status" = \'cancelled\' WHERE "id" = :id', id=large.ids[0])
    nursery.stop_all()
    # And they start within 5 s and take at most three times as long
    promise(started_s, 5)
    promise(took_s, 3 * alone_s)
    record("T12", alone_s=round(alone_s, 1), started_s=round(started_s, 1), took_s=round(took_s, 1))


def test_t12_a_small_job_behind_another_users_many(
    platform: Platform, llm: ScriptedLlm, nursery: Nursery, rng: random.Random
) -> None:
    # Given two users, and workers that have worked
    llm.configure(latency_s=1.0)  # slow enough for a queue to build up while jobs are added
    platform.execute(
        'INSERT INTO "User" ("id", "email", "role", "updatedAt") '
        "VALUES ('second', 'second@medq.com', 'admin', now())"
    )
    mine, theirs = Jobs(platform, questions=5, prefix="mien"), Jobs(platform, questions=2, prefix="leur")
    nursery.start(platform.worker_environment(MEDQ_THREADS="8"))
    theirs.add()
    theirs.wait_for_all()
    # And how long five questions of the second take alone, at best
    alone_s = min(time_of(platform, mine) for _ in range(3 if LONG else 1))
    # When another five come behind four hundred small jobs of the first
    many = 400 if LONG else 100
    for _ in range(many):
        theirs.add()
    took_s = time_of(platform, mine)
    left = theirs.open()
    platform.execute(
        "UPDATE \"AiValidationJob\" SET \"status\" = 'cancelled' WHERE \"status\" IN ('queued', 'processing')"
    )
    nursery.stop_all()
    # Then they wait for none of them
    assert left > many / 10, "there was no queue to wait in"
    promise(took_s, 3 * alone_s)
    record("T12 many", alone_s=round(alone_s, 1), took_s=round(took_s, 1), jobs=many, jobs_left=left)


def time_of(platform: Platform, jobs: Jobs) -> float:
    """How long one more job of the second user takes, in seconds."""
    job_id = jobs.add(user="second@medq.com")
    began = time.monotonic()
    platform.wait_until(lambda: platform.job(job_id)["status"] in TERMINAL, what="the small job ended")
    assert platform.job(job_id)["status"] == "completed"
    return time.monotonic() - began


@contextmanager
def supervised(platform: Platform, count: int) -> Iterator[Workers]:
    environment = platform.worker_environment(MEDQ_THREADS="4")
    workers = Workers(count=count, environment=environment, grace_s=5, log_path=platform.folder / "supervised.log")
    workers.start()
    try:
        yield workers
    finally:
        workers.stop()


CONNECTIONS = """
SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'medq-%' AND datname = current_database()
"""
POOLS = 7 + 2 + 1  # four calls at once, two threads beside them and one; the lease keeper's two; the one that listens


def test_t14_from_one_process_to_six_and_back(platform: Platform, llm: ScriptedLlm, rng: random.Random) -> None:
    llm.configure(latency_s=0.2)
    jobs = Jobs(platform, questions=40)
    for _ in range(5):
        jobs.add()
    with Watcher(platform.database_url) as watcher, supervised(platform, 1) as first:
        platform.wait_until(lambda: count_processed(platform) > 0, what="the first batch")
        with supervised(platform, 5) as others:
            platform.wait_until(lambda: listening(platform) == 6, timeout_s=90, what="six processes")
            most = platform.value(CONNECTIONS)
            # When one of them is killed
            os.kill(others.pids()[0], signal.SIGKILL)
            killed = time.monotonic()
            platform.wait_until(lambda: listening(platform) == 5, what="one less")
            platform.wait_until(lambda: listening(platform) == 6, timeout_s=90, what="capacity back")
            back_s = time.monotonic() - killed
            most = max(most, platform.value(CONNECTIONS))
        assert len(first.pids()) == 1
        jobs.wait_for_all()
    promise(back_s, 15)
    assert most <= 6 * POOLS
    check_nothing_lost(platform, jobs.ids, jobs.questions)
    check_at_rest(platform)
    books = read_books(platform, ledger_of(llm))
    assert books.extra <= books.unknown <= 4
    record(
        "T14",
        processes="1-6-1",
        kills=1,
        lost=0,
        doubled=0,
        extra_paid=books.extra,
        capacity_back_s=round(back_s, 1),
        connections=most,
        allowed=6 * POOLS,
        snapshots=watcher.looks,
    )


def count_processed(platform: Platform) -> int:
    return int(platform.value('SELECT sum("processedItems") FROM "AiValidationJob"'))


def listening(platform: Platform) -> int:
    return int(
        platform.value(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE application_name = 'medq-watch' AND datname = current_database()"
        )
    )


def test_t14_workers_leave_with_a_supervisor_that_is_killed(
    platform: Platform, llm: ScriptedLlm, nursery: Nursery
) -> None:
    # Given `medq worker`, at work
    llm.configure(latency_s=0.2)
    jobs = Jobs(platform)
    supervisor = subprocess.Popen(
        [sys.executable, "-c", "from worker.cli import app; app()", "worker"],
        cwd=ROOT,
        env={**os.environ, **platform.worker_environment(MEDQ_THREADS="4"), "MEDQ_PROCESSES": "2"},
        stderr=subprocess.DEVNULL,
    )
    platform.wait_until(lambda: listening(platform) == 2, timeout_s=90, what="two workers")
    # When it is killed
    supervisor.kill()
    supervisor.wait()
    # Then its workers stop in order, and the next ones go on
    platform.wait_until(lambda: listening(platform) == 0, timeout_s=60, what="no worker left behind")
    jobs.add()
    nursery.start(platform.worker_environment(MEDQ_THREADS="4"))
    jobs.wait_for_all()
    nursery.stop_all()
    check_nothing_lost(platform, jobs.ids, jobs.questions)


@pytest.mark.parametrize("point", ["in_heartbeat", "in_watch", "in_consumer"])
def test_t15_a_wedged_worker_leaves_and_is_replaced(platform: Platform, llm: ScriptedLlm, point: str) -> None:
    # Given a worker of which one thread will stop going round
    llm.configure(latency_s=0.1)
    jobs = Jobs(platform, questions=40)
    jobs.add()
    environment = platform.worker_environment(
        MEDQ_THREADS="2", MEDQ_FAULTS=f"{point}:sleep=3600@3", MEDQ_LEASE_SECONDS="2", MEDQ_WEDGED_SECONDS="4"
    )
    workers = Workers(count=1, environment=environment, grace_s=5, log_path=platform.folder / "wedged.log")
    with events_of(supervisor) as told:
        replaced_s = watch_replacement(platform, workers, jobs)
    # It left by itself, with the exit code that says why
    assert "worker_wedged" in (platform.folder / "wedged.log").read_text()
    assert WEDGED in {event["code"] for event in told if event["event"] == "worker_died"}
    check_nothing_lost(platform, jobs.ids, jobs.questions)
    record(f"T15 {point}", exit_code=WEDGED, replaced_s=round(replaced_s, 1), lost=0)


def watch_replacement(platform: Platform, workers: Workers, jobs: Jobs) -> float:
    """Until the wedged process is replaced and the work is done; how many seconds the first took."""
    workers.start()
    try:
        platform.wait_until(lambda: bool(workers.pids()), what="a worker")
        (pid,) = workers.pids()
        began = time.monotonic()
        # Then the process notices, leaves, and another takes its place
        platform.wait_until(lambda: workers.pids() not in ([], [pid]), timeout_s=90, what="a new process")
        replaced_s = time.monotonic() - began
        # And the work goes on, wedge after wedge
        jobs.wait_for_all(120)
        return replaced_s
    finally:
        workers.stop()
