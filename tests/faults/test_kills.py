"""Workers killed: at named points, all at once, frozen past their lease, and by the batch they work on."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from bench.scripted_llm import ScriptedLlm
from surroundings import Platform
from tests.faults.harness import (
    WORKER_POINTS,
    Jobs,
    Killer,
    MeetingPlace,
    Watcher,
    check_at_rest,
    check_nothing_lost,
    read_books,
)
from tests.faults.nursery import Nursery
from tests.faults.record import record

KILLS = int(os.environ.get("MEDQ_FAULT_KILLS") or 200)


def ledger_of(llm: ScriptedLlm) -> Path:
    assert llm.ledger is not None
    return llm.ledger


@pytest.mark.timeout(120 + 3 * KILLS)
def test_t1_kill_9_at_named_points(platform: Platform, llm: ScriptedLlm, nursery: Nursery, rng: random.Random) -> None:
    # Given jobs that keep coming, a model that is wrong now and then, and three processes
    llm.configure(latency_s=0.02, accuracy=0.8, seed=rng.randrange(2**16))
    jobs = Jobs(platform, questions=10)
    killer = Killer(platform, nursery, rng, wanted=KILLS, gap_s=0.2)
    with Watcher(platform.database_url) as watcher, MeetingPlace(killer.decide) as meeting:
        environment = platform.worker_environment(MEDQ_THREADS="3", MEDQ_FAULTS=meeting.spec)
        began = time.monotonic()
        # When a process is killed at one point after the other
        while not killer.done:
            while len(nursery.living) < 3:
                nursery.start(environment)
            if jobs.open() < 12:
                jobs.add()
            time.sleep(0.02)
        killing_s = time.monotonic() - began
        while len(nursery.living) < 3:
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
        killing_s=round(killing_s, 1),
        recovery_s=round(recovery_s, 1),
        by_point={point.value: count for point, count in sorted(killer.kills.items())},
        spared=killer.spared,
    )


def open_calls(platform: Platform) -> int:
    return int(platform.value('SELECT count(*) FROM "LlmCall" WHERE "status" = \'started\''))
