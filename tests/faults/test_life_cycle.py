"""The life of tasks under two owners, in any order that Hypothesis can think of, against a real PostgreSQL."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import hypothesis
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.faults.record import record
from tests.support.harness import ALWAYS, LONG
from tests.support.in_process import LEASE_S, Parts, wait_for_age
from tests.support.surroundings import ADMIN, TERMINAL, Platform
from tests.support.workbooks import make_workbook
from worker import failpoints
from worker.enqueue import enqueue_job
from worker.errors import LeaseLost, Stopping
from worker.failpoints import Point
from worker.jobs.claim import Claim, Claimed
from worker.jobs.failures import record_crash
from worker.jobs.invariants import check_invariants
from worker.queue import tasks
from worker.queue.job import Task
from worker.queue.leases import Lease
from worker.runtime.reaper import Reaper

QUESTIONS = 24  # enough that the job is not done before anything has happened to it
CONTENT = 'SELECT md5(string_agg(r::text, chr(10) ORDER BY r::text)) FROM (SELECT i.* FROM "AiValidationItem" i) r'


OWNERS = st.sampled_from(["a:1:x", "b:2:y"])
POINTS = st.sampled_from(
    [Point.IN_PREPARE, Point.AFTER_INTENT, Point.REPLY_STORED, Point.MID_APPLY, Point.AFTER_COMMIT, Point.IN_FINISH]
)


class Died(Exception):
    """Stands for the death of a process at a fault point: nothing after it happens."""


@contextmanager
def dying_at(fatal: Point) -> Iterator[None]:
    def reached(point: Point, *about: object) -> None:
        if point == fatal:
            raise Died

    before, failpoints.reached = failpoints.reached, reached
    try:
        yield
    finally:
        failpoints.reached = before


class LifeCycle(RuleBasedStateMachine):
    """One job, two owners. After every step the invariants hold, and a stale owner has written nothing."""

    parts: Parts
    seen: Counter[str]  # of all examples
    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        number = next(self.parts.numbers)
        path = make_workbook(self.parts.platform.folder / f"vie {number}.xlsx", QUESTIONS, f"vie {number}")
        site = self.parts.platform
        self.job_id = enqueue_job(path, user=ADMIN, database_url=site.database_url, storage_url=site.storage_url)
        self.stopping = threading.Event()
        self.progress = 0
        self.claims: list[Claimed] = []

    @initialize(is_prepared=st.booleans(), point=POINTS)
    def begin(self, is_prepared: bool, point: Point) -> None:
        if is_prepared:
            self.advance("a:1:x", 1)
            self.die_and_be_replaced(point)

    def teardown(self) -> None:
        """Left alone, whatever happened, the job ends by itself and nothing needs a hand."""
        self.parts.model.is_away = False
        for _ in range(100):
            if self.parts.platform.job(self.job_id)["status"] in TERMINAL:
                break
            self.expire()
            self.sweep()
            self.wait_no_longer()
            self.advance("c:3:z", 20)
            self.holds()
        else:
            raise AssertionError("the job never ended")
        assert check_invariants(self.parts.platform.engine, grace_s=3600) == []
        # And whoever ever had a task comes back after the end.
        for claimed in self.claims:
            self.end_late(claimed)
            self.run(claimed)
        self.seen[self.parts.platform.job(self.job_id)["status"]] += 1
        self.parts.platform.execute('DELETE FROM "AiValidationJob" WHERE "id" = :id', id=self.job_id)

    # -- what owners do ----------------------------------------------------------------------------------------------

    @rule(target=held, owner=OWNERS)
    def claim(self, owner: str) -> Claimed | None:
        return self._claim(owner)

    def _claim(self, owner: str) -> Claimed | None:
        token = f"{owner}:{next(self.parts.numbers)}"
        claimed = self.parts.database.transact(lambda c: self.parts.runner.claim(c, Claim(token, LEASE_S)))
        if claimed is not None:
            self.claims.append(claimed)
        return claimed

    @rule(claimed=consumes(held))
    def run(self, claimed: Claimed | None) -> None:
        """Do the whole task: by its owner, or by one who lost it long ago."""
        if claimed is None:
            return
        with self._writes_nothing(unless=self._is_current(claimed.task)), suppress(LeaseLost, Stopping):
            self.parts.runner.run(claimed, Lease(claimed.task.id, claimed.task.attempt, self.stopping))
            self.seen["run"] += 1

    @rule(owner=OWNERS)
    def run_next(self, owner: str) -> None:
        self.advance(owner, 1)

    def advance(self, owner: str, most: int) -> None:
        """Claim and run, as an idle thread does."""
        for _ in range(most):
            claimed = self._claim(owner)
            if claimed is None:
                return
            self.run(claimed)

    @rule(target=held, owner=OWNERS, point=POINTS)
    def die_and_be_swept(self, owner: str, point: Point) -> Claimed | None:
        """As `die`, and everybody else has noticed."""
        claimed = self._die(owner, point)
        self.lose_all()
        return claimed

    @rule(target=held, point=POINTS)
    def die_and_be_replaced(self, point: Point) -> Any:
        """As `die`, and somebody else has the task by now: whoever comes back is stale while it runs."""
        first = self._die("a:1:x", point)
        self.lose_all()
        self.wait_no_longer()
        second = self._claim("b:2:y")
        if first and second and first.task.id == second.task.id:
            self.end_late(first)
            self.seen["overtaken"] += 1
        return multiple(first, second)

    @rule(target=held, owner=OWNERS, point=POINTS)
    def die(self, owner: str, point: Point) -> Claimed | None:
        """Claim, begin, and vanish at a fault point; who has the claim may come back later, and be stale by then."""
        return self._die(owner, point)

    def _die(self, owner: str, point: Point) -> Claimed | None:
        claimed = self._claim(owner)
        if claimed is None:
            return None
        with dying_at(point):
            try:
                self.parts.runner.run(claimed, Lease(claimed.task.id, claimed.task.attempt, self.stopping))
            except Died:
                self.seen[f"died {point}"] += 1
        return claimed

    @rule(claimed=held)
    def end_late(self, claimed: Claimed | None) -> None:
        """The bare last write of a task, by one who may have lost it."""
        if claimed is None:
            return
        is_current = self._is_current(claimed.task)
        is_open = self.parts.platform.job(self.job_id)["status"] in ("queued", "processing")
        if not is_current:
            with self.parts.platform.engine.connect() as connection:  # never committed
                assert not tasks.give_back(connection, claimed.task), "a stale owner gave a task back"
                assert tasks.count_crash(connection, claimed.task, error="test") is None
        with self.parts.platform.engine.connect() as connection:  # never committed
            try:
                tasks.end_task(connection, claimed.task)
            except LeaseLost:
                assert not (is_current and is_open)
                self.seen["rejected"] += 1
            else:
                assert is_current, "a stale owner ended a task"
                assert is_open, "a task of an ended job was ended again"
            connection.rollback()

    @rule(claimed=held)
    def renew(self, claimed: Claimed | None) -> None:
        if claimed is None:
            return
        task = claimed.task
        is_current = self._is_current(task)
        process = task.owner.rpartition(":")[0]
        renewed = self.parts.database.transact(
            lambda c: tasks.renew_leases(c, {task.id: task.attempt}, process=process, lease_s=LEASE_S)
        )
        assert (renewed == {task.id}) == is_current, "a lease of somebody else was renewed, or one's own was not"

    @rule(claimed=consumes(held), delay_s=st.sampled_from([0, 1]))
    def give_back(self, claimed: Claimed | None, delay_s: float) -> None:
        if claimed is None:
            return
        is_current = self._is_current(claimed.task)
        is_given = self.parts.database.transact(lambda c: tasks.give_back(c, claimed.task, delay_s=delay_s))
        assert is_given == is_current, "a stale owner gave a task back, or its owner could not"

    @rule(claimed=consumes(held))
    def die_seen(self, claimed: Claimed | None) -> None:
        if claimed is None:
            return
        is_current = self._is_current(claimed.task)
        status = self.parts.database.transact(lambda c: record_crash(c, claimed.task, error="test"))
        assert (status is not None) == is_current

    # -- what the platform does --------------------------------------------------------------------------------------

    @rule()
    def expire(self) -> None:
        self.parts.platform.execute(
            'UPDATE "AiValidationTask" SET "leaseExpiresAt" = timestamp \'2020-01-01\' '
            'WHERE "status" = \'running\' AND "jobId" = :id',
            id=self.job_id,
        )

    @rule()
    def sweep(self) -> None:
        Reaper(database=self.parts.database, lease_s=0.1, call_timeout_s=1).run_once()

    @rule()
    def lose_all(self) -> None:
        """Every owner was away for too long."""
        self.expire()
        self.sweep()

    @rule()
    def wait_no_longer(self) -> None:
        self.parts.platform.execute('UPDATE "AiValidationTask" SET "notBefore" = NULL')
        self.parts.platform.execute('UPDATE "AiValidationPause" SET "until" = timezone(\'UTC\', clock_timestamp())')

    @rule(is_meant=st.integers(0, 9).map(lambda drawn: drawn == 0))
    def cancel(self, is_meant: bool) -> None:
        if is_meant:  # a cancelled job has nothing left to do until it is put back: not too often
            self._set_status("cancelled", ("queued", "processing"))

    @rule()
    def retry(self) -> None:
        self._set_status("queued", ("completed", "failed", "cancelled"))
        self.progress = 0

    @rule(is_away=st.booleans())
    def provider(self, is_away: bool) -> None:
        self.parts.model.is_away = is_away

    # -- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        assert check_invariants(self.parts.platform.engine, ALWAYS, job_ids=[self.job_id]) == []
        job = self.parts.platform.job(self.job_id)
        assert job["progress"] >= self.progress or job["status"] == "queued", job
        self.progress = job["progress"]

    def _set_status(self, status: str, from_: tuple[str, ...]) -> None:
        self.parts.platform.execute(
            'UPDATE "AiValidationJob" SET "status" = :status WHERE "id" = :id AND "status" = ANY(:from_)',
            status=status,
            id=self.job_id,
            from_=list(from_),
        )

    def _is_current(self, task: Task) -> bool:
        return self.parts.database.transact(lambda c: tasks.is_owned(c, task))

    @contextmanager
    def _writes_nothing(self, *, unless: bool) -> Iterator[None]:
        before = self.parts.platform.value(CONTENT), len(self.parts.model.asked)
        yield
        if not unless:
            after = self.parts.platform.value(CONTENT), len(self.parts.model.asked)
            assert after == before, "a stale owner wrote"
            self.seen["stale"] += 1


@pytest.mark.takes_minutes
def test_the_life_of_tasks_in_any_order(platform: Platform, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # One thread plays all the owners: what one of them waits for is done already, or never will be.
    monkeypatch.setattr("worker.llm.retry.IN_FLIGHT_POLL_S", 0.01)
    parts = Parts.build(platform)
    wait_for_age(platform, 0.2)  # sweeps wait a moment after the server's start
    seen = Counter[str]()
    machine = type("Machine", (LifeCycle,), {"parts": parts, "seen": seen})
    run_state_machine_as_test(
        hypothesis.seed(seed)(machine),
        settings=settings(
            max_examples=300 if LONG else 16,
            stateful_step_count=40,
            # Every step is transactions: to make a failure smaller takes longer than a test may.
            phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
    # Then every fault was there
    deaths = sum(count for name, count in seen.items() if name.startswith("died"))
    assert min(deaths, *(seen[name] for name in ("run", "stale", "overtaken", "rejected", "completed"))) > 0, seen
    with platform.engine.connect() as connection:
        calls = connection.execute(sa.text('SELECT count(*) FROM "LlmCall"')).scalar_one()
    record(
        "life cycle",
        jobs=seen["completed"] + seen["failed"] + seen["cancelled"],
        tasks_run=seen["run"],
        deaths=deaths,
        stale_owners=seen["stale"],
        overtaken=seen["overtaken"],
        stale_rejected=seen["rejected"],
        calls=calls,
        extra_paid=0,
    )
