"""An upgrade at noon: readers and writers of a full database go on, whoever else keeps a table locked."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command

from schema import scripts
from schema.config import alembic_config, head_revision
from tests.support.full_databases import OURS, PLATFORM, address_of, build_ours, build_platform, fill
from worker.db.schema import check, current_revision, downgrade, upgrade
from worker.db.schema.migrate import connected
from worker.errors import UsageError

QUESTIONS, CALLS = (200_000, 400_000) if os.environ.get("MEDQ_FAULT_LONG") else (20_000, 20_000)
STATEMENTS_EACH = 1000 if os.environ.get("MEDQ_FAULT_LONG") else 60  # while the upgrade stands behind somebody
# No reader and no writer stands behind an upgrade that waits itself: the server ends a statement that would. What they
# did wait is far less, and is recorded; this bound holds on a machine that does much else.
LONGEST_WAIT_S = 10
BETWEEN_S = 0.005

# What people and workers do all day, on rows of their own.
READERS = {
    "read Question": """SELECT "questionText" FROM "Question" WHERE "id" = 'q7'""",
    "read User": """SELECT "role" FROM "User" WHERE "email" = 'u@example.org'""",
    "read AiValidationJob": """SELECT "status", "progress" FROM "AiValidationJob" WHERE "id" = 'j7'""",
}
WRITERS = {
    "write Question": """UPDATE "Question" SET "updatedAt" = now() WHERE "id" = 'q8'""",
    "write User": """UPDATE "User" SET "updatedAt" = now() WHERE "id" = 'u'""",
    "write AiValidationJob": """INSERT INTO "AiValidationJob" ("id", "userId", "fileName", "originalFileName",
        "fileSize", "updatedAt") VALUES (gen_random_uuid(), 'u', 'f.xlsx', 'f.xlsx', 1, now())""",
}
OUR_READERS = {
    "read LlmCall": """SELECT "response" FROM "LlmCall" WHERE "requestHash" = md5('7')""",
    "read AiValidationItem": """SELECT "status" FROM "AiValidationItem" WHERE "id" = 'i7'""",
}
OUR_WRITERS = {
    "write LlmCall": """INSERT INTO "LlmCall" ("id", "attempt", "purpose", "requestHash", "model", "endpoint", "status",
        "questionCount") VALUES (gen_random_uuid(), 1, 'analyse', 'h', 'm', 'e', 'succeeded', 1)""",
    "write AiValidationItem": """UPDATE "AiValidationItem" SET "updatedAt" = now() WHERE "id" = 'i8'""",
    "write AiValidationTask": """UPDATE "AiValidationTask" SET "startedAt" = now() WHERE "id" = 't8'""",
}

STATEMENTS = READERS | WRITERS | OUR_READERS | OUR_WRITERS
LONGEST = logging.getLogger("longest")


@dataclass
class Traffic:
    """Statements that run all the time, each kind in a session of its own, and how long the slowest of each took."""

    address: str
    kinds: Sequence[str]
    longest: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    done: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def repeat(self, kind: str) -> None:
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(f"SET lock_timeout = '{LONGEST_WAIT_S}s'")
            while not self.stop.wait(BETWEEN_S):
                begin = time.monotonic()
                try:
                    connection.execute(STATEMENTS[kind])
                except psycopg.Error as error:
                    self.faults.append(f"{kind}: {error}")
                self.longest[kind] = max(self.longest[kind], round(time.monotonic() - begin, 3))
                self.done[kind] += 1

    def go_on(self, count: int) -> None:
        """Wait until so many more statements of each kind are done."""
        begun, until = self.done.copy(), time.monotonic() + 120
        while short := [kind for kind in self.kinds if self.done[kind] - begun[kind] < count]:
            assert time.monotonic() < until, f"{short} stand still"
            time.sleep(0.02)

    @contextmanager
    def running(self) -> Iterator[None]:
        with ThreadPoolExecutor(len(self.kinds)) as pool:
            running = [pool.submit(self.repeat, kind) for kind in self.kinds]
            try:
                yield
            finally:
                self.stop.set()
        for one in running:
            one.result()


@contextmanager
def holder(address: str, name: str, isolation: str = "READ COMMITTED", lock: str = "ACCESS SHARE") -> Iterator[int]:
    """A transaction that has every table locked, against whoever would change it; its process."""
    with psycopg.connect(address, application_name=name) as connection:
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
        tables = connection.execute("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema()")
        connection.execute(f"LOCK TABLE {', '.join(name for (name,) in tables)} IN {lock} MODE")
        yield connection.info.backend_pid


def dump(address: str) -> AbstractContextManager[int]:
    """As pg_dump holds them: with one snapshot, which an index that is built concurrently waits for."""
    return holder(address, "pg_dump", "REPEATABLE READ")


def forgotten(address: str) -> AbstractContextManager[int]:
    """As somebody's psql does that was left in a transaction."""
    return holder(address, "psql")


def wait_until_blocked(address: str, pid: int) -> None:
    """Return when somebody stands behind `pid`: the upgrade, or who was caught behind it."""
    with psycopg.connect(address, autocommit=True) as connection:
        waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND %s = ANY (pg_blocking_pids(pid)))"
        while not connection.execute(waiting, (pid,)).fetchone()[0]:  # type: ignore[index]
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("prepare", "rows", "kinds", "holders"),
    [
        (build_platform, PLATFORM, [*READERS, *WRITERS], [dump]),
        (build_ours, PLATFORM + OURS, [*READERS, *WRITERS, *OUR_READERS, *OUR_WRITERS], [dump, forgotten]),
    ],
    ids=["a platform's database", "an older one of ours"],
)
def test_nobody_waits_for_a_second_while_an_upgrade_waits_for_others(
    empty_database_url: str,
    prepare: Callable[[str], object],
    rows: Sequence[str],
    kinds: Sequence[str],
    holders: Any,
) -> None:
    # Given a database full of rows, that people read and write, and that others keep locked
    address = address_of(empty_database_url)
    prepare(empty_database_url)
    fill(address, *rows, questions=QUESTIONS, calls=CALLS)
    traffic = Traffic(address, kinds)

    # When it is upgraded, and one after the other ends long after the upgrade stands behind it
    with ThreadPoolExecutor(1) as pool, traffic.running(), ExitStack() as stack:
        opened = [(hold := ExitStack(), hold.enter_context(begin(address))) for begin in holders]
        for hold, _ in opened:
            stack.enter_context(hold)
        upgrading = pool.submit(upgrade, empty_database_url)
        for hold, pid in opened:
            wait_until_blocked(address, pid)
            traffic.go_on(STATEMENTS_EACH)
            assert not upgrading.done()
            hold.close()
        assert upgrading.result() == head_revision()

    # Then nobody waited for longer than a second, and all is there
    LONGEST.info("%s rows, %s calls, longest: %s", QUESTIONS, CALLS, dict(traffic.longest))
    assert traffic.faults == []
    assert min(traffic.done[kind] for kind in kinds) > 0
    assert check(empty_database_url) == []


def test_what_cannot_have_its_table_says_who_has_it_and_a_second_run_goes_on(empty_database_url: str) -> None:
    # Given somebody who reads every table and does not end
    address = address_of(empty_database_url)
    upgrade(empty_database_url, "001")
    with forgotten(address) as pid:
        # When it is upgraded with little patience, then the table and the session are named
        with pytest.raises(UsageError) as refusal:
            upgrade(empty_database_url, patience_s=1)
        sentence = str(refusal.value)
        assert f'The table "Question" is held by session {pid} (psql, idle in transaction, for ' in sentence
        assert f"end it (SELECT pg_terminate_backend({pid})), then run the same again" in sentence

        # And what could be done is done
        assert current_revision(empty_database_url) == "003"

    # And the second time it goes on from there
    assert upgrade(empty_database_url) == head_revision()
    assert check(empty_database_url) == []


def test_a_downgrade_that_cannot_have_its_table_ends_between_two_revisions(database_url: str) -> None:
    with forgotten(address_of(database_url)), pytest.raises(UsageError, match=r"is held by session \d+ \(psql"):
        downgrade(database_url, "003", patience_s=1)

    # Each revision goes whole or not at all
    assert "003" < str(current_revision(database_url)) <= head_revision()
    assert upgrade(database_url) == head_revision()
    assert check(database_url) == []


def test_nobody_stands_behind_an_upgrade_that_waits_for_a_vacuum(empty_database_url: str) -> None:
    # Given a lock as VACUUM has it, which stops changes of a table and nothing else
    address = address_of(empty_database_url)
    upgrade(empty_database_url, "001")
    fill(address, *PLATFORM[:2], questions=QUESTIONS, calls=CALLS)
    traffic = Traffic(address, ["read User", "write User"])
    with ThreadPoolExecutor(1) as pool, traffic.running():
        with holder(address, "vacuum", lock="SHARE UPDATE EXCLUSIVE") as pid:
            # When an upgrade waits for it, then it does so with a lock that nobody else stands behind
            upgrading = pool.submit(upgrade, empty_database_url)
            wait_until_blocked(address, pid)
            with psycopg.connect(address) as connection:
                waiting = connection.execute("SELECT DISTINCT mode FROM pg_locks WHERE NOT granted").fetchall()
        assert upgrading.result() == head_revision()

    assert waiting == [("ShareUpdateExclusiveLock",)]
    assert traffic.faults == []


def test_an_index_that_was_left_half_built_is_built_again(empty_database_url: str) -> None:
    address = address_of(empty_database_url)
    upgrade(empty_database_url, "008")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            """CREATE INDEX "LlmCall_started_idx" ON "LlmCall"("createdAt") WHERE "status" = 'started'"""
        )
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"LlmCall_started_idx\"'::regclass"
        )

    upgrade(empty_database_url)

    assert check(empty_database_url) == []


def test_rows_are_filled_in_some_at_a_time(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "SQL", tmp_path)
    (tmp_path / "999_backfill.sql").write_text("""
        UPDATE "Specialty" SET "description" = NULL
        WHERE "id" = (SELECT "id" FROM "Specialty" WHERE "description" IS NOT NULL LIMIT 1);
    """)
    with connected(database_url) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        scripts.run_in_batches(connection, "999_backfill")
        assert connection.execute(sa.text('SELECT count(*), count("description") FROM "Specialty"')).one() == (4, 0)


def test_a_revision_that_was_cut_off_is_begun_again(empty_database_url: str) -> None:
    revisions = [f"{number:03}" for number in range(1, int(head_revision()) + 1)]
    for before, revision in itertools.pairwise(revisions):
        # Given a database in which everything of a revision was done but for its number
        upgrade(empty_database_url, revision)
        command.stamp(alembic_config(empty_database_url), before)

        # When it is upgraded again, then it takes every step a second time
        assert current_revision(empty_database_url) == before
        assert upgrade(empty_database_url, revision) == revision

    assert check(empty_database_url) == []
