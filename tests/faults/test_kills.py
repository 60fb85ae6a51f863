"""Workers killed: at named points, all at once, frozen past their lease, and by the batch they work on."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest

from tests.faults.record import record
from tests.support.harness import (
    LEASE_S,
    LONG,
    SUBMITTER_POINTS,
    SWEEP_S,
    WORKER_POINTS,
    Deciders,
    Jobs,
    Killer,
    MeetingPlace,
    Passing,
    Watcher,
    check_at_rest,
    check_nothing_lost,
    ledger_of,
    open_calls,
    promise,
    read_books,
)
from tests.support.nursery import Nursery
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from worker.failpoints import Point
from worker.messages import row_reasons

PROCESSES = 4
KILLS = int(os.environ.get("MEDQ_FAULT_KILLS") or 60)


@pytest.mark.takes_minutes
@pytest.mark.timeout(240 + 6 * KILLS)  # a busy machine is no fault; that nothing dies any more is told sooner
def test_t1_kill_9_at_named_points(platform: Platform, llm: ScriptedLlm, nursery: Nursery, rng: random.Random) -> None:
    # Given jobs that keep coming, a model that is wrong now and then, and four processes
    llm.configure(latency_s=0.02, accuracy=0.8, seed=rng.randrange(2**16))
    jobs = Jobs(platform, questions=30)
    killer = Killer(nursery, rng, wanted=KILLS)
    with (
        Watcher(platform.database_url) as watcher,
        MeetingPlace(killer.decide) as meeting,
        Deciders(platform, rng) as deciders,  # and people who settle what is open meanwhile
    ):
        environment = platform.worker_environment(MEDQ_THREADS="2", MEDQ_FAULTS=meeting.spec)
        began = time.monotonic()
        # When a process is killed at one point after the other
        while not killer.done:
            while len(nursery.living) < PROCESSES:
                nursery.start({**environment, "MEDQ_THREADS": rng.choice(["1", "1", "3"])})
            if jobs.open() < 8:
                jobs.add()
            time.sleep(0.1)
        killing_s = time.monotonic() - began
        while len(nursery.living) < PROCESSES:
            nursery.start(environment)
        jobs.wait_for_all()
        recovery_s = time.monotonic() - began - killing_s
        platform.wait_until(lambda: not open_calls(platform), timeout_s=30, what="every call closed")
        nursery.stop_all()
    # Then nothing is lost, nothing doubled, and only what was in flight was paid again
    check_nothing_lost(platform, jobs.ids, jobs.questions)
    check_at_rest(platform)
    books = read_books(platform, ledger_of(llm))
    assert books.extra <= books.unknown
    assert killer.kills.total() == KILLS
    missed = [point for point in WORKER_POINTS if not killer.kills[point]]
    assert KILLS < 60 or missed == [], f"points where nothing was ever killed: {missed}"
    record(
        "T1",
        kills=KILLS,
        jobs=len(jobs.ids),
        lost=0,
        doubled=0,
        extra_paid=books.extra,
        in_flight=books.unknown,
        calls=books.paid,
        snapshots=watcher.looks,
        decisions=deciders.decided,
        refused_decisions=deciders.refused,
        looking_s=round(watcher.looking_s, 1),
        killing_s=round(killing_s, 1),
        recovery_s=round(recovery_s, 1),
        by_point={point.value: count for point, count in sorted(killer.kills.items())},
        isolated=nursery.count("task_sandboxed"),
    )


def test_t1_kill_9_while_batches_are_carried(
    platform: Platform, llm: ScriptedLlm, nursery: Nursery, rng: random.Random
) -> None:
    # Given jobs in batch mode, a provider whose batches take a moment and come back in any order, some lines twice
    kills = (8 if LONG else 1) * len(SUBMITTER_POINTS)
    llm.configure(accuracy=0.8, seed=rng.randrange(2**16), batch_s=0.3, batch_shuffle=True, batch_duplicates=0.3)
    jobs = Jobs(platform, questions=20, config={"batchApi": True})
    killer = Killer(nursery, rng, wanted=kills, points=SUBMITTER_POINTS)
    with Watcher(platform.database_url) as watcher, MeetingPlace(killer.decide) as meeting:
        environment = platform.worker_environment(
            MEDQ_THREADS="2",
            MEDQ_BATCH_POLL_SECONDS="0.2",
            MEDQ_CALL_TIMEOUT_SECONDS="1",  # whoever began a batch is given up after three of them and a lease
            MEDQ_FAULTS=meeting.spec,
        )
        began = time.monotonic()
        # When a process is killed at one step of the batch submitter after the other
        while not killer.done:
            while len(nursery.living) < 2:
                nursery.start(environment)
            if jobs.open() < 6:
                jobs.add()
            time.sleep(0.02)
        killing_s = time.monotonic() - began
        while len(nursery.living) < 2:
            nursery.start(environment)
        jobs.wait_for_all()
        open_batches = "SELECT count(*) FROM \"LlmBatch\" WHERE \"status\" IN ('waiting', 'submitted')"
        platform.wait_until(lambda: platform.value(open_batches) == 0, timeout_s=60, what="every batch ended")
        recovery_s = time.monotonic() - began - killing_s
        nursery.stop_all()
    # Then nothing is lost, and no line was paid for twice, nor is the end of any unknown
    check_nothing_lost(platform, jobs.ids, jobs.questions)
    check_at_rest(platform)
    books = read_books(platform, ledger_of(llm))
    assert (books.extra, books.unknown) == (0, 0)
    assert books.stored == books.paid
    assert all("batch" in call for call in llm.calls()), "a call was made beside the batches"
    assert killer.kills.total() == kills
    record(
        "T1 batches",
        kills=kills,
        jobs=len(jobs.ids),
        batches=llm.stats()["batches"]["begun"],
        lost=0,
        doubled=0,
        extra_paid=books.extra,
        lines=books.paid,
        snapshots=watcher.looks,
        killing_s=round(killing_s, 1),
        recovery_s=round(recovery_s, 1),
        by_point={point.value: count for point, count in sorted(killer.kills.items())},
    )


def test_t2_every_worker_killed_at_once(
    platform: Platform, llm: ScriptedLlm, nursery: Nursery, rng: random.Random
) -> None:
    # Given two workers with calls in flight
    llm.configure(latency_s=1.0)
    jobs = Jobs(platform, questions=30)
    environment = platform.worker_environment(MEDQ_THREADS="3")
    with Watcher(platform.database_url):
        for _ in range(2):
            nursery.start(environment)
        jobs.add()
        platform.wait_until(lambda: llm.stats()["inFlight"] >= 4, what="calls in flight")
        # When both are killed, and another one is started
        nursery.kill_all()
        held = platform.rows('SELECT "id", "leaseExpiresAt" FROM "AiValidationTask" WHERE "status" = \'running\'')
        llm.configure(latency_s=0.02)
        nursery.start(environment)
        jobs.wait_for_all()
        platform.wait_until(lambda: not open_calls(platform), timeout_s=30, what="every call closed")
        nursery.stop_all()
    # Then what they held was taken up soon after its lease, and the job is whole
    assert held
    late = platform.rows(
        'SELECT EXTRACT(EPOCH FROM t."startedAt" - h.expired) AS s FROM "AiValidationTask" t '
        'JOIN unnest(CAST(:ids AS text[]), CAST(:expired AS timestamp[])) AS h(id, expired) ON h.id = t."id"',
        ids=[task["id"] for task in held],
        expired=[task["leaseExpiresAt"] for task in held],
    )
    reclaimed_s = max(float(row["s"]) for row in late) + LEASE_S
    assert reclaimed_s > 0
    promise(reclaimed_s, LEASE_S + SWEEP_S + 2)
    check_nothing_lost(platform, jobs.ids, jobs.questions)
    check_at_rest(platform)
    books = read_books(platform, ledger_of(llm))
    assert 0 < books.extra <= books.unknown <= len(held)
    record("T2", kills=2, held=len(held), lost=0, doubled=0, extra_paid=books.extra, reclaimed_s=round(reclaimed_s, 1))


FROZEN_AT = (Point.IN_PREPARE, Point.AFTER_INTENT, Point.REPLY_STORED, Point.MID_APPLY, Point.IN_FINISH)


class Freezer:
    """Stops one process at each of the points, wherever it stands, and lets everybody else pass."""

    def __init__(self, nursery: Nursery) -> None:
        self._nursery = nursery
        self._lock = threading.Lock()
        self._left = list(FROZEN_AT)
        self.frozen: dict[int, Point] = {}

    def decide(self, passing: Passing) -> None:
        with self._lock:
            if passing.point in self._left and passing.pid not in self.frozen:
                self._left.remove(passing.point)
                self.frozen[passing.pid] = passing.point
                self._nursery.signal(passing.pid, signal.SIGSTOP)


def test_t7_frozen_for_twice_the_lease(
    platform: Platform, llm: ScriptedLlm, nursery: Nursery, rng: random.Random
) -> None:
    # Given five workers that freeze, each at a point of its own, two of them in the middle of a transaction
    llm.configure(latency_s=0.05)
    jobs = Jobs(platform, questions=20)
    freezer = Freezer(nursery)
    with Watcher(platform.database_url), MeetingPlace(freezer.decide) as meeting:
        environment = platform.worker_environment(MEDQ_THREADS="2")
        for _ in FROZEN_AT:
            nursery.start({**environment, "MEDQ_FAULTS": meeting.spec})
        for _ in range(3):
            jobs.add()
        platform.wait_until(lambda: len(freezer.frozen) == len(FROZEN_AT), what="five frozen workers")
        # When another one does their work after their leases, and they thaw
        nursery.start(environment)
        jobs.wait_for_all()
        for pid in freezer.frozen:
            nursery.signal(pid, signal.SIGCONT)
        # Then every one of them finds that its task is not its own any more
        lost = ("task_lost", "task_interrupted")
        platform.wait_until(
            lambda: sum(map(nursery.count, lost)) >= len(FROZEN_AT), timeout_s=30, what="stale owners turned away"
        )
        rejected = nursery.count("task_lost")
        platform.wait_until(lambda: not open_calls(platform), timeout_s=30, what="every call closed")
        nursery.stop_all()
    assert rejected >= 3, "no stale commit was rejected: the fault was not there"
    check_nothing_lost(platform, jobs.ids, jobs.questions)
    check_at_rest(platform)
    books = read_books(platform, ledger_of(llm))
    assert books.extra <= 2 * len(FROZEN_AT)
    record("T7", frozen=len(FROZEN_AT), stale_rejected=rejected, lost=0, doubled=0, extra_paid=books.extra)


ALLOWED_BYTES = 3 << 30
DEATHS = {  # how the batch ends its process → how many workers it takes down before it is alone in a process
    "segfault": 2,
    "memory=256": 0,  # under a limit it is an exception, which the worker survives; without one, the kernel kills
    **({"kill": 2} if LONG else {}),
}


@pytest.mark.parametrize("death", DEATHS)
def test_t9_a_batch_that_kills_its_process(
    platform: Platform, llm: ScriptedLlm, nursery: Nursery, rng: random.Random, death: str
) -> None:
    # Given a job of twelve batches, of which one kills whatever process works on it
    llm.configure(latency_s=0.1)
    jobs = Jobs(platform, questions=60)
    with Watcher(platform.database_url):
        job_id = jobs.add()
        environment = platform.worker_environment(
            MEDQ_THREADS="4", MEDQ_LEASE_SECONDS="2", MEDQ_FAULTS=f"reply_stored/analyse-2:{death}@*"
        )
        began = time.monotonic()
        # When processes are started again as they die
        while jobs.open():
            if not nursery.living:
                nursery.start(environment, most_memory=ALLOWED_BYTES if "memory" in death else None)
            assert time.monotonic() - began < 120, "the job never ended"
            time.sleep(0.05)
        nursery.stop_all()
    # Then that batch is set aside after its third crash, with a reason, and every other one is done
    deaths = len([code for code in nursery.codes.values() if code < 0])
    assert deaths == DEATHS[death], "the third death takes down only the process that the batch was alone in"
    tasks = platform.rows(
        'SELECT "position", "status", "deaths" FROM "AiValidationTask" WHERE "kind" = \'analyse\' ORDER BY "position"'
    )
    assert [(t["status"], t["deaths"]) for t in tasks if t["position"] == 2] == [("failed", 3)]
    assert {t["status"] for t in tasks if t["position"] != 2} == {"done"}
    assert platform.outcomes(job_id)["failed"] == 5
    reasons = platform.rows('SELECT DISTINCT "reason" FROM "AiValidationItem" WHERE "status" = \'failed\'')
    assert [row["reason"] for row in reasons] == [row_reasons.QUARANTINED]
    assert platform.job(job_id)["status"] == "completed"
    check_at_rest(platform)
    assert nursery.count("task_sandboxed") > 0, "the batch was never alone in a process"
    record(f"T9 {death.partition('=')[0]}", deaths=3, quarantined=1, lost=0, took_s=round(time.monotonic() - began, 1))
