"""Behind a connection pooler: declared, it costs nothing but speed; undeclared, it is found out and refused."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from tests.support.pgbouncer import pgbouncer
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import ADMIN, Platform
from tests.support.workbooks import knowing, make_workbook
from worker.cli import app
from worker.db.engine import Database, connect, open_session
from worker.db.schema import check, downgrade, upgrade
from worker.enqueue import enqueue_job
from worker.errors import UsageError
from worker.jobs.invariants import check_invariants
from worker.runtime.supervisor import Workers

# What a session was told, and what another program that shares it would see of it.
TOLD = "SELECT current_setting('search_path'), current_setting('TimeZone'), current_setting('tcp_user_timeout')"


@contextmanager
def engine_of(url: str, **options: Any) -> Iterator[sa.Engine]:
    engine = connect(url, pool_size=2, **options)
    try:
        yield engine
    finally:
        engine.dispose()


def told(url: str) -> tuple[str, ...]:
    with engine_of(url) as engine, engine.connect() as connection:
        return tuple(connection.execute(sa.text(TOLD)).one())


def opened(url: str) -> None:
    with engine_of(url) as engine, engine.connect():
        pass


def value(url: str, statement: str) -> Any:
    with engine_of(url) as engine, engine.connect() as connection:
        return connection.scalar(sa.text(statement))


def listening(url: str) -> None:
    with open_session(url, name="test"):
        pass


def enqueued(url: str) -> None:
    enqueue_job(Path(__file__), user=ADMIN, database_url=url, storage_url="/tmp/never-written")  # noqa: S108


OPENERS: list[Callable[[str], Any]] = [opened, listening, enqueued, upgrade, lambda url: downgrade(url, "014"), check]


# -- not declared ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ignored", "size", "round_robin"), [("", 1, 0), ("options", 4, 0), ("options", 4, 1)], ids=["one", "last", "turns"]
)
def test_a_pooler_that_was_not_declared_is_refused_with_what_to_write(
    database_url: str, ignored: str, size: int, round_robin: int
) -> None:
    with pgbouncer(database_url, mode="transaction", size=size, ignored=ignored, round_robin=round_robin) as url:
        warm_up(url, size)
        # Given its sessions as other programs know them
        before = {session: plain_settings(url) for session in range(size)}
        # When anything of ours goes through it, then it does not, and says what to do
        for opener in OPENERS:
            with pytest.raises(UsageError, match=r"Add pgbouncer=true to DATABASE_URL"):
                opener(f"{url}?schema=public")
        # And no session keeps anything of it
        assert {session: plain_settings(url) for session in range(size)} == before
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
            assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)


def warm_up(url: str, count: int) -> None:
    """As many sessions as the pooler may hold are open, as behind a busy platform."""
    connections = [psycopg.connect(url, prepare_threshold=None) for _ in range(count)]
    for connection in connections:
        connection.execute("SELECT 1")
    for connection in connections:
        connection.close()


def plain_settings(url: str) -> tuple[Any, ...] | None:
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        return connection.execute(TOLD).fetchone()


def test_options_that_a_pooler_refuses_are_named(database_url: str) -> None:
    with (
        pgbouncer(database_url, mode="session") as url,
        pytest.raises(UsageError, match=r"unsupported startup parameter: options\)\. Take `options` out of it"),
    ):
        opened(f"{url}?options=-cwork_mem%3D8MB")


def test_a_worker_and_the_doctor_say_what_to_write(platform: Platform, ask: Callable[..., str]) -> None:
    with pgbouncer(platform.database_url, mode="transaction") as url:
        behind = Workers(count=1, environment=platform.worker_environment(DATABASE_URL=url), grace_s=5)
        behind.start()
        try:
            platform.wait_until(lambda: behind.failure is not None, what="the worker ends")
        finally:
            behind.stop()
        assert isinstance(behind.failure, UsageError)
        assert "Add pgbouncer=true to DATABASE_URL" in str(behind.failure)

        told = ask("doctor", DATABASE_URL=url)
        assert "fail  database: DATABASE_URL leads through a connection pooler" in told
        assert "Add pgbouncer=true to DATABASE_URL" in told


@pytest.fixture
def ask(platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """Calls a command in this platform's environment; what it printed."""

    def call(*arguments: str, **environment: str) -> str:
        with monkeypatch.context() as context:
            context.chdir(tmp_path)
            for name, setting in platform.worker_environment(**environment).items():
                context.setenv(name, setting)
            done = CliRunner().invoke(app, list(arguments))
            return f"{done.output}{done.exception or ''}"

    return call


# -- declared ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_each_transaction_through_a_declared_pooler_has_its_settings_and_leaves_none(
    database_url: str, mode: str
) -> None:
    with pgbouncer(database_url, mode=mode, size=1, ignored="options") as url:
        asked = f"{url}?schema=Odd%20%25%22one&pgbouncer=true&options=-cwork_mem%3D12MB"
        with engine_of(asked, standstill_s=7) as engine:
            with engine.connect() as connection:
                for _ in range(3):  # at its second time it would be prepared
                    found = connection.execute(sa.text(f"{TOLD}, current_setting('work_mem')")).one()
                    assert (*found[:2], found[3]) == ('"Odd %""one"', "UTC", "12MB")
                    assert connection.scalar(sa.text("SHOW idle_in_transaction_session_timeout")) == "7s"
                    connection.commit()
                assert connection.scalar(sa.text("SELECT count(*) FROM pg_prepared_statements")) == 0
            # Also where the driver begins, for one snapshot
            with engine.execution_options(isolation_level="REPEATABLE READ").connect() as connection:
                assert connection.scalar(sa.text("SHOW transaction_isolation")) == "repeatable read"
                assert connection.scalar(sa.text("SHOW search_path")) == '"Odd %""one"'
        # Then another program finds nothing of it
        assert (plain_settings(url) or ())[:1] == ('"$user", public',)


def test_what_another_program_left_in_a_session_does_not_reach_us(database_url: str) -> None:
    with pgbouncer(database_url, mode="transaction", size=1) as url:
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as other:
            other.execute("SET search_path TO nowhere")
        assert told(f"{url}?pgbouncer=true")[:2] == ('"$user", public', "UTC")
        assert told(f"{url}?pgbouncer=true&schema=app")[:2] == ('"app"', "UTC")


def test_work_of_one_statement_is_committed_through_a_pooler_too(database_url: str) -> None:
    with pgbouncer(database_url, mode="transaction", size=1) as url:
        database = Database(connect(f"{url}?pgbouncer=true", pool_size=1))
        rename = sa.text("""UPDATE "User" SET "name" = 'renamed' WHERE "email" = :email""")
        database.transact(lambda c: c.execute(rename, {"email": ADMIN}), single=True)
        database.close()
    assert value(database_url, """SELECT count(*) FROM "User" WHERE "name" = 'renamed'""") == 1


@pytest.mark.parametrize("move", [upgrade, lambda url: downgrade(url, "base"), check])
def test_the_schema_is_never_moved_through_a_pooler(empty_database_url: str, move: Callable[[str], Any]) -> None:
    with (
        pgbouncer(empty_database_url, mode="transaction") as url,
        pytest.raises(UsageError, match="address of PostgreSQL itself"),
    ):
        move(f"{url}?schema=app&pgbouncer=true")
    assert value(empty_database_url, "SELECT count(*) FROM pg_class WHERE relname = 'Question'") == 0


def test_the_schema_that_is_named_is_the_one_that_is_used(empty_database_url: str, tmp_path: Path) -> None:
    # Given the platform in a schema of its own, and tables of the same names in public
    with engine_of(empty_database_url) as engine, engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA app")
    upgrade(empty_database_url)
    upgrade(with_schema(empty_database_url, "app"))
    with pgbouncer(empty_database_url, mode="transaction") as url:
        # When a job is inserted through the pooler
        job_id = enqueue_job(
            make_workbook(tmp_path / "exam.xlsx", 1),
            user=ADMIN,
            database_url=f"{url}?schema=app&pgbouncer=true",
            storage_url=str(tmp_path / "storage"),
        )
    # Then it is there and nowhere else
    assert value(empty_database_url, 'SELECT "id" FROM app."AiValidationJob"') == job_id
    assert value(empty_database_url, 'SELECT count(*) FROM public."AiValidationJob"') == 0


def with_schema(url: str, schema: str) -> str:
    return sa.make_url(url).update_query_dict({"schema": schema}).render_as_string(hide_password=False)


def test_a_backup_goes_past_the_pooler(platform: Platform, ask: Callable[..., str], tmp_path: Path) -> None:
    with pgbouncer(platform.database_url, mode="transaction") as url:
        told = ask("backup", str(tmp_path / "backups"), DATABASE_URL=f"{url}?pgbouncer=true")
    assert "run it with the address of PostgreSQL itself" in told
    assert not (tmp_path / "backups").exists()


# -- a session for each client is as good as none in between ----------------------------------------------------------


@pytest.mark.parametrize("ignored", ["", "options"])
def test_a_pooler_that_gives_each_client_a_session_needs_no_word(database_url: str, ignored: str) -> None:
    with pgbouncer(database_url, mode="session", ignored=ignored) as url:
        assert told(f"{url}?schema=app") == ('"app"', "UTC", "20000")
        with engine_of(f"{url}?schema=app") as engine, engine.connect() as connection:
            for _ in range(3):
                connection.execute(sa.text("SELECT 1 + :one"), {"one": 1})
            prepared = connection.scalar(sa.text("SELECT count(*) FROM pg_prepared_statements"))
        assert prepared


def test_the_doctor_says_what_is_in_between(platform: Platform, ask: Callable[..., str], tmp_path: Path) -> None:
    with pgbouncer(platform.database_url, mode="transaction") as url:
        told = ask("doctor", DATABASE_URL=f"{url}?pgbouncer=true")
        assert "ok    pooler: declared" in told
        assert "ok    workers: not counted behind a pooler; nothing waits for them" in told
        # Something waits, and nobody is at it
        platform.enqueue(make_workbook(tmp_path / "exam.xlsx", 1))
        platform.execute("""UPDATE "AiValidationTask" SET "createdAt" = "createdAt" - interval '1 minute'""")
        told = ask("doctor", DATABASE_URL=f"{url}?pgbouncer=true")
        assert re.search(r"fail  workers: what is to be done has waited for 6\d s, nobody is at it → start", told)
    with pgbouncer(platform.database_url, mode="session") as url:
        assert "ok    pooler: in between, with a session for each connection" in ask("doctor", DATABASE_URL=url)
    declared = sa.make_url(platform.database_url).set(query={"pgbouncer": "true"})
    told = ask("doctor", DATABASE_URL=declared.render_as_string(hide_password=False))
    assert "warn  pooler: declared, and DATABASE_URL leads straight to PostgreSQL" in told
    assert "pooler" not in ask("doctor")


# -- a whole job -------------------------------------------------------------------------------------------------------


@contextmanager
def rude_neighbour(url: str) -> Iterator[None]:
    """Another program behind the same pooler that leaves its settings and statements in every session."""
    stopped = threading.Event()

    def run() -> None:
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
            while not stopped.wait(0.01):
                connection.execute("SET search_path TO nowhere, public")
                connection.execute("SET TIME ZONE 'Asia/Tokyo'")

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@pytest.mark.parametrize(("mode", "query"), [("transaction", "?pgbouncer=true"), ("session", "")])
def test_a_whole_job_behind_a_pooler(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path, mode: str, query: str
) -> None:
    # Given several processes behind a pooler with fewer sessions than they have connections, or with one for each
    llm.configure(truth=knowing(300))
    size = 6 if mode == "transaction" else 60
    with pgbouncer(platform.database_url, mode=mode, size=size) as url:
        behind = Platform(f"{url}{query}", platform.redis_url, tmp_path, llm.url)
        with rude_neighbour(url), behind.workers(3, MEDQ_THREADS="8"):
            # When a job of 300 questions is enqueued through it
            job_id = behind.enqueue(make_workbook(tmp_path / "exam.xlsx", 300))
            job = platform.wait_for_job(job_id)
        behind.engine.dispose()
    # Then it is as without
    assert job["status"] == "completed"
    assert (job["totalItems"], job["successfulAnalyses"], job["failedAnalyses"]) == (300, 300, 0)
    assert platform.outcomes(job_id) == {"confirmed": 300}
    assert check_invariants(platform.engine, grace_s=1) == []
    # And each batch was asked once, each reply kept once
    asked = [frozenset(call["questions"]) for call in llm.calls()]
    assert len(asked) == job["totalBatches"] == platform.value('SELECT count(*) FROM "LlmCall"')
    assert platform.value("""SELECT count(*) FROM "LlmCall" WHERE "status" <> 'succeeded'""") == 0
