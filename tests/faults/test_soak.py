"""Everyday use for as long as it takes to show what only time shows: jobs that come, are cancelled, resumed, edited."""

from __future__ import annotations

import itertools
import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from tests.faults.record import record
from tests.support.harness import (
    LONG,
    Jobs,
    Watcher,
    check_at_rest,
    check_nothing_counted,
    ledger_of,
    open_calls,
    read_books,
)
from tests.support.nursery import Nursery
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import ADMIN, TERMINAL, Platform

MINUTES = 20.0 if LONG else 0.3
EACH = 8  # turns: how often what was done least is done
PAUSE_S = 1.0 if LONG else 0.4  # between two jobs
WARM = 0.25  # of the time: until then pools fill and modules are loaded
# In the long run every setting is the default. In the short one a watch that never goes round must show soon.
HURRIED = {"MEDQ_WEDGED_SECONDS": "4", "MEDQ_LEASE_SECONDS": "2", "MEDQ_CALL_TIMEOUT_SECONDS": "5"}
OF_TESTS = ("MEDQ_SWEEP_SECONDS", "MEDQ_LEASE_SECONDS", "MEDQ_GRACE_SECONDS")
MOST_GROWTH_MB, MOST_DESCRIPTORS = 20, 12  # of one process; its pool opens and closes connections


@dataclass
class Vitals:
    """What processes hold, sampled once a second: memory (MB) and descriptors of each, files in their TMPDIR."""

    folder: Path
    memory: dict[int, list[float]] = field(default_factory=dict)
    descriptors: dict[int, list[int]] = field(default_factory=dict)
    files: list[int] = field(default_factory=list)

    def sample(self, pids: set[int]) -> None:
        for pid in pids:
            status = Path(f"/proc/{pid}/status").read_text()
            resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
            self.memory.setdefault(pid, []).append(int(resident.split()[1]) / 1024)
            self.descriptors.setdefault(pid, []).append(len(os.listdir(f"/proc/{pid}/fd")))  # noqa: PTH208 (names only)
        self.files.append(sum(len(names) for _, _, names in os.walk(self.folder)))

    def growth(self, samples: dict[int, list[float]] | dict[int, list[int]]) -> float:
        """By how much the process that grew most has grown, from the end of the warm-up to the end."""
        return max(map(_growth, samples.values()))


def _growth(samples: list[float] | list[int]) -> float:
    warm = samples[int(len(samples) * WARM) :]
    part = max(3, len(warm) // 5)
    return statistics.median(warm[-part:]) - statistics.median(warm[:part])


class Hands:
    """What admins, teachers and an operator with psql do meanwhile, at random."""

    def __init__(self, site: Platform, jobs: Jobs, rng: random.Random) -> None:
        self.site, self.jobs, self.rng = site, jobs, rng
        self.done: Counter[str] = Counter()
        self.names, self.turns = itertools.count(1), itertools.count(1)

    def act(self) -> None:
        """One of them, now and then two."""
        acts: list[tuple[str, Callable[[], bool]]] = [
            ("cancels", self.cancel),
            ("retries", self.retry),
            ("renames", self.rename),
            ("edits", self.edit),
            ("deletions", self.delete),
        ]
        chosen = self.rng.choices(acts, weights=(3, 3, 1, 3, 0.4), k=self.rng.choice((0, 1, 2)))
        if next(self.turns) % EACH == 0:  # none is left to chance alone: a short run draws few
            chosen.append(min(acts[:-1], key=lambda act: self.done[act[0]]))
        for name, act in chosen:
            try:
                self.done[name] += act()
            except DBAPIError:  # the platform's own triggers and checks refuse it
                self.done["refused"] += 1

    def cancel(self) -> bool:
        return self._set_status("cancelled", "('queued', 'processing')")

    def retry(self) -> bool:
        return self._set_status("queued", "('failed', 'cancelled', 'completed')")

    def _set_status(self, status: str, among: str) -> bool:
        """One of the recent jobs that are in one of these states, if it still is."""
        statement = (
            'UPDATE "AiValidationJob" SET "status" = :status WHERE "id" = (SELECT "id" FROM "AiValidationJob" '
            f'WHERE "id" = ANY(:ids) AND "status" IN {among} ORDER BY random() LIMIT 1) AND "status" IN {among}'
        )
        return self.site.execute(statement, status=status, ids=self.jobs.ids[-40:]) == 1

    def rename(self) -> bool:
        """A subject or a course gets another name, or the one of the files again."""
        table, usual = self.rng.choice((("Specialty", "Pédiatrie"), ("Course", "Urgences")))
        name = self.rng.choice((usual, f"{usual} et puériculture {next(self.names)}"))
        statement = (
            f'UPDATE "{table}" SET "name" = :name WHERE "id" = (SELECT "id" FROM "{table}" '
            'WHERE "name" LIKE :usual ORDER BY random() LIMIT 1)'
        )
        return self.site.execute(statement, name=name, usual=f"{usual}%") == 1

    def edit(self) -> bool:
        """A row of a job, or of a question, as somebody with psql writes it."""
        job_id, number = self._any(), next(self.names)
        columns = [
            '"config" = \'{"batchSize": 2, "priority": 3}\'',
            '"config" = \'{"batchSize": 1e5000}\'',
            '"config" = NULL',
            f"\"originalFileName\" = 'Épreuve {number}.xlsx', \"message\" = 'Corrigé à la main.'",
            '"processedItems" = 0',
        ]
        if self.rng.random() < len(columns) / (len(columns) + 1):
            return self.set(job_id, self.rng.choice(columns))
        question = '(SELECT "id" FROM "Question" ORDER BY random() LIMIT 1)'
        if self.rng.random() < 0.3:
            return self.site.execute(f'DELETE FROM "Question" WHERE "id" = {question}') == 1
        statement = f'UPDATE "Question" SET "explanation" = \'Repris à la main {number}.\' WHERE "id" = {question}'
        return self.site.execute(statement) == 1

    def set(self, job_id: str, what: str) -> bool:
        return self.site.execute(f'UPDATE "AiValidationJob" SET {what} WHERE "id" = :id', id=job_id) == 1

    def delete(self) -> bool:
        return self.site.execute('DELETE FROM "AiValidationJob" WHERE "id" = :id', id=self._any()) == 1

    def _any(self) -> str:
        return self.rng.choice(self.jobs.ids[-40:])


def test_everyday_use(platform: Platform, llm: ScriptedLlm, nursery: Nursery, rng: random.Random) -> None:
    # Given two workers with the settings of everybody, and a folder of their own for what is temporary
    llm.configure(latency_s=0.2, accuracy=0.9)
    temporary = platform.folder / "tmp"
    temporary.mkdir()
    environment = {k: v for k, v in platform.worker_environment(TMPDIR=str(temporary)).items() if k not in OF_TESTS}
    environment |= {} if LONG else HURRIED
    for _ in range(2):
        nursery.start(environment)
    jobs = Jobs(platform, questions=6)
    hands, vitals = Hands(platform, jobs, rng), Vitals(temporary)
    # When jobs come one after the other, and people do what people do
    with Watcher(platform.database_url) as watcher:
        until, due = time.monotonic() + 60 * MINUTES, time.monotonic()
        while time.monotonic() < until:
            jobs.add(user=ADMIN)
            hands.act()
            vitals.sample(nursery.living)
            due += PAUSE_S
            time.sleep(max(0.0, due - time.monotonic()))
        jobs.wait_for_all(180)
        # What nobody can read says so; corrected, it goes on
        unread = [id_ for id_, status in jobs.statuses().items() if status == "failed"]
        check_failures(platform, unread)
        for job_id in unread:
            hands.set(job_id, '"config" = NULL, "status" = \'queued\'')
        jobs.wait_for_all(180)
        platform.wait_until(lambda: not open_calls(platform), timeout_s=240, what="every call closed")
        vitals.sample(nursery.living)
        lost = len(nursery.codes)
        nursery.stop_all(60)
    # Then every process is still there, every job has ended, and no answer was paid for twice
    assert lost == 0, nursery.codes
    statuses = Counter(jobs.statuses().values())
    assert set(statuses) <= set(TERMINAL) - {"failed"}, statuses
    check_nothing_counted(platform)
    check_at_rest(platform)
    books = read_books(platform, ledger_of(llm))
    assert (books.extra, books.unknown) == (0, 0), books
    assert min(hands.done[name] for name in ("cancels", "retries", "renames", "edits")) > 0, hands.done
    # And nobody holds more at the end than at the beginning
    memory_mb, descriptors = vitals.growth(vitals.memory), vitals.growth(vitals.descriptors)
    assert memory_mb <= MOST_GROWTH_MB
    assert descriptors <= MOST_DESCRIPTORS
    assert vitals.files[-1] == 0
    record(
        "soak",
        minutes=MINUTES,
        jobs=len(jobs.ids),
        **hands.done,
        processes_lost=lost,
        calls=books.paid,
        lost=0,
        doubled=0,
        extra_paid=books.extra,
        growth_mb=round(memory_mb, 1),
        descriptors_more=round(descriptors),
        temporary_files=vitals.files[-1],
        snapshots=watcher.looks,
    )


def check_failures(platform: Platform, job_ids: list[str]) -> None:
    """Each says that it is its configuration."""
    rows = platform.rows('SELECT "errorMessage" FROM "AiValidationJob" WHERE "id" = ANY(:ids)', ids=job_ids)
    wrong = [row for row in rows if "« batchSize » n'est pas valable" not in (row["errorMessage"] or "")]
    assert wrong == [], wrong[:3]
