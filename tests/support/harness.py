"""What every fault run shares: the seed, the watcher of the invariants, the meeting place of fault points, books."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from tests.support.nursery import Nursery
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import ADMIN, TERMINAL, Platform
from tests.support.workbooks import make_workbook
from worker.db.engine import Database, connect
from worker.enqueue import enqueue_job
from worker.errors import MAY_BE_PAID, DecisionRefused
from worker.failpoints import Point
from worker.jobs.invariants import INVARIANTS, Violation, check_invariants, find_violations
from worker.questions.decision import Action, Order
from worker.review.decide import decide

ALWAYS = tuple(invariant for invariant in INVARIANTS if not invariant.at_rest)
LEASE_S, SWEEP_S = 3.0, 1.0
LONG = os.environ.get("MEDQ_FAULT_LONG") == "1"  # every fault as often as the issue asks; the short run takes a part


def open_calls(platform: Platform) -> int:
    """How many calls are open on our books."""
    return int(platform.value('SELECT count(*) FROM "LlmCall" WHERE "status" = \'started\''))


def wait_for_transactions(platform: Platform) -> None:
    """Wait until nobody acts any more on what the database was a moment ago.

    A worker that read its task as running before a cancel may commit what it began just after it.
    """
    now = platform.value("SELECT clock_timestamp()")
    platform.wait_until(
        lambda: (
            not platform.value(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start < :now",
                now=now,
            )
        ),
        what="the transactions under way have ended",
    )


def promise(took_s: float, most_s: float) -> None:
    """It takes at most so long: held by the long run, which is alone on its machine, with room for two more at once.

    Elsewhere what a clock shows says more of the machine; that it happens at all is what each test waits for.
    """
    assert not LONG or took_s < 3 * most_s, f"{took_s:.1f} s, where {most_s:.1f} s are promised"


# -- jobs --------------------------------------------------------------------------------------------------------------


@dataclass
class Jobs:
    """Small jobs that keep a run busy, every question of them different."""

    platform: Platform
    questions: int = 20
    ids: list[str] = field(default_factory=list)
    prefix: str = "lot"
    config: dict[str, Any] | None = None

    def add(self, *, user: str = ADMIN) -> str:
        """Enqueue one more."""
        name = f"{self.prefix} {len(self.ids) + 1}"
        path = make_workbook(self.platform.folder / f"{name}.xlsx", self.questions, name)
        site = self.platform
        job_id = enqueue_job(
            path, user=user, config=self.config, database_url=site.database_url, storage_url=site.storage_url
        )
        self.ids.append(job_id)
        return self.ids[-1]

    def open(self) -> int:
        """How many are not ended yet."""
        return sum(1 for status in self.statuses().values() if status not in TERMINAL)

    def statuses(self) -> dict[str, str]:
        """Status by id."""
        rows = self.platform.rows('SELECT "id", "status" FROM "AiValidationJob" WHERE "id" = ANY(:ids)', ids=self.ids)
        return {row["id"]: row["status"] for row in rows}

    def wait_for_all(self, timeout_s: float = 60) -> None:
        """Wait until every job has ended."""
        self.platform.wait_until(lambda: self.open() == 0, timeout_s=timeout_s, what="every job ended")


# -- people ------------------------------------------------------------------------------------------------------------

OPEN_ITEM = 'SELECT "id" FROM "AiValidationOpenItem" ORDER BY "createdAt" DESC LIMIT 40'


class Deciders:
    """People who settle what is open while a block runs, two of them at once and often about the same row.

    At its end no question that one of them settled last is otherwise than she left it.
    """

    def __init__(self, platform: Platform, rng: random.Random, people: int = 2) -> None:
        self._platform = platform
        self._seeds = [rng.randrange(2**32) for _ in range(people)]
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self.decided = 0
        self.refused = 0
        self.faults: list[Exception] = []

    def __enter__(self) -> Deciders:
        self._threads = [
            threading.Thread(target=self._work, args=(f"person-{n}", random.Random(seed)), daemon=True)
            for n, seed in enumerate(self._seeds)
        ]
        for n, _ in enumerate(self._seeds):
            self._platform.execute(
                'INSERT INTO "User" ("id", "email", "role", "updatedAt") VALUES (:id, :email, \'maintainer\', now())',
                id=f"person-{n}",
                email=f"person-{n}@medq.test",
            )
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)
        if error is None:
            assert self.faults == [], "a decision met a fault"
            assert self.decided > 0, "nothing was ever decided"
            self._check()

    def _work(self, user: str, rng: random.Random) -> None:
        database = Database(connect(self._platform.database_url, pool_size=1, name="fault-person"))
        try:
            while not self._stopped.wait(0.05):
                found = self._platform.rows(OPEN_ITEM)
                if found:
                    self._decide(database, user, rng, rng.choice(found)["id"])
        except Exception as fault:  # noqa: BLE001 (said where the block ends)
            self.faults.append(fault)
        finally:
            database.close()

    def _decide(self, database: Database, user: str, rng: random.Random, item_id: str) -> None:
        action: Action = rng.choice(["accept", "accept", "keep", "keep", "edit", "discard", "undo"])
        key = "AE" if action == "edit" else None
        try:
            decide(database, Order(item_id, action, user, "command", key=key))
        except DecisionRefused:
            with self._lock:
                self.refused += 1
        else:
            with self._lock:
                self.decided += 1

    def _check(self) -> None:
        last = self._platform.rows(
            'SELECT DISTINCT ON (d."contentHash") d."action", d."userId", d."key", q."correctAnswer", q."validatedBy" '
            'FROM "AiValidationDecision" d JOIN "Question" q ON q."id" = d."questionId" '
            'ORDER BY d."contentHash", d."createdAt" DESC'
        )
        for row in last:
            if row["action"] in ("accept", "keep", "edit"):
                assert (row["correctAnswer"], row["validatedBy"]) == (row["key"], row["userId"]), row


# -- the watcher -------------------------------------------------------------------------------------------------------

JOB_STATES = """
SELECT "id", "status", "progress", "processedItems", "startedAt" FROM "AiValidationJob"
"""


WHOLE_S = 5.0


class Watcher:
    """Reads every invariant five times a second while a block runs; the block fails when one was ever broken.

    Read of the jobs that are open now or were at the last look, for in these something happens; of all that there is,
    ended jobs and their questions too, every few seconds and at the end.
    """

    def __init__(self, database_url: str, period_s: float = 0.2) -> None:
        self._engine = connect(database_url, pool_size=1, name="fault-watcher").execution_options(
            isolation_level="REPEATABLE READ"
        )
        self._period_s = period_s
        self._stopped = threading.Event()
        self._last: dict[str, Any] = {}
        self._whole_due = 0.0
        self.looks = 0
        self.looking_s = 0.0
        self.blind = 0
        self.violations: list[Violation] = []

    def __enter__(self) -> Watcher:
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped.set()
        self._thread.join(30)
        if kind is None:
            self._look(at_all=True)
        self._engine.dispose()
        if kind is None:
            self.check()
        else:
            print(f"{self.looks} looks, {self.blind} blind, violations: {self.violations[:5]}")

    def check(self) -> None:
        """Fail when an invariant was broken in any snapshot so far, or when nothing was looked at."""
        assert self.violations == [], self.violations[:5]
        assert self.looks > 0, "the watcher never saw the database"

    def _watch(self) -> None:
        due = time.monotonic()
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            began = time.monotonic()
            due = max(due + self._period_s, began)  # a look that took long delays the next, no more
            try:
                self._look()
                self.looks += 1
                self.looking_s += time.monotonic() - began
            except DBAPIError:  # the database is the one that is being killed
                self.blind += 1
            if len(self.violations) > 100:
                return

    def _look(self, *, at_all: bool = False) -> None:
        began = time.monotonic()
        at_all = at_all or began >= self._whole_due
        with self._engine.connect() as connection:  # one snapshot
            rows = connection.execute(sa.text(JOB_STATES)).mappings().all()
            was_open = {id_ for id_, row in self._last.items() if row["status"] not in TERMINAL}
            stirring = [row["id"] for row in rows if row["status"] not in TERMINAL or row["id"] in was_open]
            self.violations += find_violations(connection, ALWAYS, job_ids=None if at_all else stirring)
        if at_all:  # a long run's database is large: no more than a tenth of the time
            self._whole_due = began + max(WHOLE_S, 10 * (time.monotonic() - began))
        for now in rows:
            before = self._last.get(now["id"])
            self._last[now["id"]] = now
            if before is not None:
                self._compare(before, now)

    def _compare(self, before: Any, now: Any) -> None:
        """Nothing goes backwards within one run of a job, and an end is an end."""
        if before["startedAt"] is None or before["startedAt"] != now["startedAt"]:
            return
        # One run: from "processing" to its end, and not back to the queue.
        if now["status"] != before["status"] and (before["status"] in TERMINAL or now["status"] == "queued"):
            self.violations.append(Violation("legal status", now["id"], f"{before} then {now}"))
        for name in ("progress", "processedItems"):
            if now[name] < before[name]:
                self.violations.append(Violation("never back", now["id"], f"{before} then {now}"))


# -- fault points ------------------------------------------------------------------------------------------------------

WORKER_POINTS = (
    Point.AFTER_CLAIM,
    Point.IN_PREPARE,
    Point.AFTER_INTENT,
    Point.REQUEST_SENT,
    Point.REPLY_READ,
    Point.REPLY_STORED,
    Point.MID_APPLY,
    Point.AFTER_COMMIT,
    Point.IN_FINISH,
    Point.IN_HEARTBEAT,
    Point.IN_SWEEP,
)


SUBMITTER_POINTS = (
    Point.IN_PARK,
    Point.IN_COLLECT,
    Point.FILE_UPLOADED,
    Point.BATCH_BEGINS,
    Point.BATCH_BEGUN,
    Point.BATCH_SUBMITTED,
    Point.LINES_STORED,
    Point.IN_BATCH_END,
)


@dataclass(frozen=True, slots=True)
class Passing:
    """A process that stands at a fault point and waits for a word."""

    pid: int
    point: Point
    about: str


class MeetingPlace:
    """Where the fault points of every worker process report; `decide` says what becomes of each passing.

    It runs in the reporting thread's name while that thread stands still; what it returns lets the process go on.
    """

    def __init__(self, decide: Callable[[Passing], None]) -> None:
        self._decide = decide
        self._server = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.passed: Counter[Point] = Counter()
        self.faults: list[BaseException] = []

    @property
    def spec(self) -> str:
        """What MEDQ_FAULTS must say for a process to report here."""
        host, port = self._server.getsockname()
        return f"*:meet={host}:{port}"

    def __enter__(self) -> MeetingPlace:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.close()
        if kind is None and self.faults:
            raise self.faults[0]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("r") as lines:
            try:
                for line in lines:
                    pid, point, about = (*line.split(), "")[:3]
                    self.passed[Point(point)] += 1
                    try:
                        self._decide(Passing(int(pid), Point(point), about))
                    except BaseException as error:  # noqa: BLE001 (told at the end of the run, where a test sees it)
                        self.faults.append(error)
                    connection.sendall(b"go\n")
            except OSError:  # it was killed while it stood here
                return


HAND = 4
PACE, PATIENCE_S = 12, 4.0
TASK_ENDS = frozenset({Point.IN_PREPARE, Point.AFTER_COMMIT, Point.IN_FINISH})


class Killer:
    """Kills processes at named points, each point in turn by the seed, and counts."""

    def __init__(
        self, nursery: Nursery, rng: random.Random, *, wanted: int, points: Sequence[Point] = WORKER_POINTS
    ) -> None:
        self._points = points
        self._nursery = nursery
        self._rng = rng
        self._lock = threading.Lock()
        self._deck: list[Point] = []
        self._hand: list[Point] = []
        self._ended = 0
        self._last_kill = time.monotonic()
        self.wanted = wanted
        self.kills: Counter[Point] = Counter()

    @property
    def done(self) -> bool:
        """Whether all are killed that were to be. Fails when nothing could be killed for a minute."""
        if self.kills.total() >= self.wanted:
            return True
        assert time.monotonic() - self._last_kill < 60, f"no kill for a minute after {self.kills}"
        return False

    def decide(self, passing: Passing) -> None:
        """The `decide` of a meeting place."""
        with self._lock:
            now = time.monotonic()
            self._ended += passing.point in TASK_ENDS
            # As many tasks end as would with kills now and then; else each dies again and again, alone in a process,
            # whose start takes the machine from all others: by what is done, so that a slow machine is no other run.
            is_busy = self._ended < PACE and now - self._last_kill < PATIENCE_S
            if self.done or is_busy or passing.point not in self._choices(now):
                return
            if passing.pid not in self._nursery.living:  # the process of one task alone: its own worker watches it
                return
            self._nursery.signal(passing.pid, signal.SIGKILL)
            self.kills[passing.point] += 1
            self._hand.remove(passing.point)
            self._last_kill = now
            self._ended = 0

    def _choices(self, now: float) -> list[Point]:
        """The points whose turn it is: a few at a time, drawn so that each comes as often as any other."""
        # One more when these wait in vain: there is nothing to sweep, say, while nothing was killed.
        wanted = HAND + int((now - self._last_kill) // 2)
        while len(self._hand) < wanted:
            if not self._deck:
                self._deck = self._rng.sample(self._points, k=len(self._points))
            self._hand.append(self._deck.pop())
        return self._hand


# -- the books ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Books:
    """The provider's own ledger against "LlmCall"."""

    paid: int  # calls that the provider answered with 200
    extra: int  # of them, those that asked a question which was paid for already, alone or with others
    stored: int  # replies on our books
    unknown: int  # calls open when their worker went


def ledger_of(llm: ScriptedLlm) -> Path:
    """The file of the provider's own ledger."""
    assert llm.ledger is not None
    return llm.ledger


def read_ledger(path: Path) -> dict[str, dict[str, Any]]:
    """The calls that were paid for, by the id that the provider gave them, oldest first."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    paid = sorted((line for line in lines if line["status"] == 200), key=lambda line: line["receivedAt"])
    return {f"req-{line['call']}": line for line in paid}


def read_books(platform: Platform, ledger: Path) -> Books:
    """Read both books and hold them against each other (invariants 6 and 7)."""
    paid = read_ledger(ledger)
    extra, asked = 0, set[tuple[str, str]]()
    for line in paid.values():
        questions = {(line["purpose"], question) for question in line["questions"]}
        extra += not questions.isdisjoint(asked)
        asked |= questions
    calls = platform.rows("""
        SELECT "status", "providerRequestId", "error" ->> 'kind' AS kind, "error" ->> 'code' AS code FROM "LlmCall"
    """)
    stored = [call["providerRequestId"] for call in calls if call["status"] == "succeeded"]
    unknown = sum(1 for call in calls if call["kind"] == "unknown")
    late = sum(1 for call in calls if call["code"] in MAY_BE_PAID)  # in the ledger at their ceiling
    started = sum(1 for call in calls if call["status"] == "started")
    assert len(set(stored)) == len(stored), "one paid reply stands twice on our books"
    assert set(stored) <= set(paid), "a reply on our books that was never paid"
    assert started == 0, f"{started} calls left open, told by nobody"
    unheard = len(paid) - len(stored)
    assert unheard <= unknown + late, f"{len(paid)} paid, {len(stored)} stored, {unknown} unknown, {late} late"
    return Books(paid=len(paid), extra=extra, stored=len(stored), unknown=unknown)


def check_nothing_lost(platform: Platform, job_ids: Sequence[str], questions: int) -> None:
    """Every job completed, every row with an outcome that is not a failure, every question there once."""
    rows = platform.rows(
        'SELECT j."id", j."status", j."errorMessage", j."processedItems", j."failedAnalyses", (SELECT count(*) '
        'FROM "AiValidationItem" i WHERE i."jobId" = j."id" AND i."questionId" IS NOT NULL) AS written '
        'FROM "AiValidationJob" j WHERE j."id" = ANY(:ids)',
        ids=list(job_ids),
    )
    assert len(rows) == len(job_ids)
    wrong = [
        row
        for row in rows
        if (row["status"], row["processedItems"], row["failedAnalyses"], row["written"])
        != ("completed", questions, 0, questions)
    ]
    assert wrong == [], wrong[:3]
    assert platform.value('SELECT count(*) FROM "Question"') == questions * len(job_ids)


def check_at_rest(platform: Platform, *, grace_s: float = 0) -> None:
    """Nothing expired, nothing forgotten: nobody has to lend a hand."""
    assert check_invariants(platform.engine, grace_s=grace_s) == []


def check_nothing_counted(platform: Platform) -> None:
    """No fault of the infrastructure was counted against a task."""
    counted = platform.rows('SELECT "kind", "deaths", "errorMessage" FROM "AiValidationTask" WHERE "deaths" > 0')
    assert counted == [], counted[:3]
