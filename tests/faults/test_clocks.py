"""Workers whose clocks are two minutes off: leases are the database's, so nobody notices."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.record import record
from tests.support.harness import (
    Jobs,
    Watcher,
    check_at_rest,
    check_nothing_counted,
    check_nothing_lost,
    ledger_of,
    read_books,
)
from tests.support.nursery import Nursery
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform

OFF_S = 120
# What libfaketime does, for the three functions by which a process asks for the time of day.
SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long offset(void) { const char *text = getenv("CLOCK_OFFSET_S"); return text ? atol(text) : 0; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(clock, now);
    if (!code && clock == CLOCK_REALTIME) now->tv_sec += offset();
    return code;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    int code = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return code;
}

time_t time(time_t *where) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (where) *where = exact.tv_sec;
    return exact.tv_sec;
}
"""


@pytest.fixture
def shim(tmp_path: Path) -> Path:
    """A library that shifts the clock of whatever process loads it."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler here to build the clock's shim with")
    source, library = tmp_path / "clock.c", tmp_path / "clock.so"
    source.write_text(SHIM)
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    return library


def test_t8_clocks_that_are_off(platform: Platform, llm: ScriptedLlm, shim: Path, rng: random.Random) -> None:
    # Given a worker whose clock is right, one whose clock is ahead, and one whose clock is behind
    environments = {0: {}, **{s: {"LD_PRELOAD": str(shim), "CLOCK_OFFSET_S": str(s)} for s in (OFF_S, -OFF_S)}}
    here = read_time(environments[0])
    assert all(abs(read_time(environments[s]) - here - s) < 30 for s in environments), "the clocks are not off"
    llm.configure(latency_s=0.2, accuracy=0.8)
    jobs = Jobs(platform, questions=40)
    with Watcher(platform.database_url) as watcher, ExitStack() as stack:
        workers = [stack.enter_context(Nursery(platform.folder / f"{s}.log", more)) for s, more in environments.items()]
        for worker in workers:
            worker.start(platform.worker_environment(MEDQ_THREADS="2", MEDQ_LEASE_SECONDS="6"))
        for _ in range(6):
            jobs.add()
        # When all work on the same jobs, for longer than a lease
        jobs.wait_for_all()
        for worker in workers:
            worker.stop_all()
        shares = [worker.count("batch_done") for worker in workers]
    # Then each did its part, and nothing was lost, taken over or paid twice
    assert min(shares) > 0, shares
    check_nothing_lost(platform, jobs.ids, jobs.questions)
    check_nothing_counted(platform)
    check_at_rest(platform)
    books = read_books(platform, ledger_of(llm))
    assert (books.extra, books.unknown) == (0, 0)
    record(
        "T8",
        batches=sum(shares),
        ahead=shares[1],
        behind=shares[2],
        calls=books.paid,
        lost=0,
        doubled=0,
        extra_paid=0,
        snapshots=watcher.looks,
    )


def read_time(environment: Mapping[str, str]) -> int:
    """What a process in this environment takes the time for; seconds."""
    command = ["python3", "-c", "import time; print(int(time.time()))"]
    return int(subprocess.run(command, env={**os.environ, **environment}, capture_output=True, check=True).stdout)
