"""What a SQLSTATE of the server costs: nothing. Leases, the row's sentence, the doctor and the pool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.harness import Jobs, check_at_rest, check_nothing_lost, ledger_of, open_calls, read_books
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from worker.cli.check_result import Check
from worker.db.engine import Database, connect
from worker.db.server_health import ServerHealth, Waiting
from worker.db.server_states import STATES, find_state
from worker.jobs.invariants import MESSAGE, check_invariants
from worker.questions import item_store
from worker.queue import tasks
from worker.queue.leases import Leases
from worker.runtime.heartbeat import Heartbeat
from worker.runtime.reaper import Reaper

CODES = sorted(state.code.ljust(5, "0") for state in STATES)
# Each writes of a call, a batch's outcome or a batch's end fails for a while, with the SQLSTATE of its job.
FAULT = """
CREATE SEQUENCE fault_number;
CREATE TABLE fault ("jobId" TEXT PRIMARY KEY, code TEXT);
CREATE FUNCTION fail_so() RETURNS trigger AS $$
DECLARE state TEXT;
BEGIN
    SELECT code INTO state FROM fault WHERE "jobId" = NEW."jobId";
    IF state IS NOT NULL THEN
        PERFORM nextval('fault_number');
        RAISE EXCEPTION 'as it was told' USING ERRCODE = state;
    END IF;
    RETURN NEW;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER a_fault BEFORE INSERT OR UPDATE ON "LlmCall" FOR EACH ROW EXECUTE FUNCTION fail_so();
CREATE TRIGGER a_fault BEFORE UPDATE ON "AiValidationItem" FOR EACH ROW EXECUTE FUNCTION fail_so();
"""


def test_no_state_of_the_server_costs_a_call_or_counts_as_a_crash(platform: Platform, llm: ScriptedLlm) -> None:
    # Given a job for each state that the table knows, of which every reply, intent and outcome is refused with it
    jobs = Jobs(platform, questions=5)
    platform.execute(FAULT)
    llm.configure(latency_s=0.2)
    with platform.workers(1, MEDQ_THREADS=str(len(CODES)), MEDQ_LEASE_SECONDS="6"):
        by_code = {code: jobs.add() for code in CODES}
        platform.wait_until(lambda: open_calls(platform) > 0, what="calls under way")
        for code, job_id in by_code.items():
            platform.execute("INSERT INTO fault VALUES (:job_id, :code)", job_id=job_id, code=code)
        met = "SELECT last_value FROM fault_number"
        platform.wait_until(lambda: platform.value(met) > 6 * len(CODES), what="the states were met")
        # When the server is well again
        platform.execute("DELETE FROM fault")
        jobs.wait_for_all()
    # Then no job knows of it
    check_nothing_lost(platform, jobs.ids, 5)
    check_at_rest(platform)
    assert platform.value('SELECT max("deaths") FROM "AiValidationTask"') == 0
    books = read_books(platform, ledger_of(llm))
    assert (books.extra, books.unknown, books.stored) == (0, 0, books.paid)


OF_BATCH = """SELECT "id" FROM "AiValidationTask" WHERE "kind" = 'analyse' AND "position" = 0"""
WRONG = (
    "Analyse en cours : 4 questions traitées sur 10.",
    "9 questions lues, analyse en cours.",
    "Terminé : 9 questions (9 confirmées).",
    "Annulé : 1 question traitée sur 10.",
)


def test_the_message_agrees_with_the_figures_that_a_set_aside_batch_changes(
    platform: Platform, llm: ScriptedLlm
) -> None:
    # Given a job of two batches under way
    llm.configure(latency_s=2)
    job_id = Jobs(platform, questions=10).add()
    with platform.workers(1):
        platform.wait_until(lambda: open_calls(platform) == 2, what="both batches are under way")
        # When one of them is set aside
        with platform.engine.begin() as connection:
            tasks.lock_job(connection, job_id)
            item_store.fail_pending(connection, job_id, reason="mis à l'écart", task_id=platform.value(OF_BATCH))
        # Then the row says so, in figures and in words
        job = platform.job(job_id)
        assert (job["processedItems"], job["message"]) == (5, "Analyse en cours : 5 questions traitées sur 10.")
    # And words that say something else are noticed
    for wrong in WRONG:
        platform.execute('UPDATE "AiValidationJob" SET "message" = :wrong', wrong=wrong)
        assert len(check_invariants(platform.engine, (MESSAGE,))) == 1, wrong


def test_another_error_still_counts(platform: Platform) -> None:
    # So that the test above can fail: an error of the statement sets the batch aside after three deaths
    jobs = Jobs(platform, questions=5)
    job_id = jobs.add()
    platform.execute(FAULT)
    platform.execute("INSERT INTO fault VALUES (:job_id, 'P0001')", job_id=job_id)
    with platform.workers(1):
        platform.wait_until(
            lambda: bool(platform.value('SELECT max("deaths") FROM "AiValidationTask"')), what="a death was counted"
        )


@pytest.fixture
def held(platform: Platform) -> dict[str, Any]:
    """A task whose owner could not renew its lease for an hour, and how it stands in the owner's hands."""
    Jobs(platform, questions=5).add()
    with platform.engine.begin() as connection:
        found = tasks.claim_task(connection, owner="host:1:abc:0", lease_s=30)
    assert found is not None
    platform.execute("""UPDATE "AiValidationTask" SET "leaseExpiresAt" = "leaseExpiresAt" - interval '1 hour'""")
    return {"task": found[0], "leases": Leases(None)}  # type: ignore[arg-type]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_lease_that_nobody_could_renew_is_spared_until_its_owner_could_have(
    platform: Platform, held: dict[str, Any]
) -> None:
    # Given a process that has not seen the server take a write yet
    clock = Clock()
    database, health = Database(platform.engine), ServerHealth(clock)
    sweep = Reaper(database=database, lease_s=2, call_timeout_s=1, health=health)
    task = 'SELECT "status", "deaths" FROM "AiValidationTask"'
    sweep.run_once()
    assert platform.rows(task) == [{"status": "running", "deaths": 0}]
    # When the owner renews in time
    with platform.engine.begin() as connection:
        assert tasks.renew_leases(connection, {held["task"].id: 1}, process="host:1:abc", lease_s=30)
    clock.now += 2
    sweep.run_once()
    assert platform.rows(task) == [{"status": "running", "deaths": 0}]
    # And when it is really gone
    assert health.is_sound(2)
    platform.execute("""UPDATE "AiValidationTask" SET "leaseExpiresAt" = "leaseExpiresAt" - interval '1 hour'""")
    sweep.run_once()
    assert platform.rows(task) == [{"status": "ready", "deaths": 1}]


def test_what_others_wrote_shows_that_an_owner_could_have_renewed(platform: Platform, held: dict[str, Any]) -> None:
    # Given a process that has just started, on a server to which others have written
    sweep = Reaper(database=Database(platform.engine), lease_s=2, call_timeout_s=1, health=ServerHealth())
    state = """SELECT "status", "deaths" FROM "AiValidationTask" WHERE "kind" = 'prepare'"""

    def write(ago_s: int) -> None:
        platform.execute("""DELETE FROM "AiValidationTask" WHERE "kind" = 'finish' AND medq_by_worker()""")
        platform.execute(
            """INSERT INTO "AiValidationTask" ("id", "jobId", "kind", "position", "status", "startedAt")
               SELECT 'other', "jobId", 'finish', 0, 'ready', medq_now() - make_interval(secs => :ago_s)
               FROM "AiValidationTask" WHERE "kind" = 'prepare'""",
            ago_s=ago_s,
        )

    # When that was before the lease was to be renewed, or too late to conclude from it, then nobody knows
    for ago_s in (2 * 3600, -60):
        write(ago_s)
        sweep.run_once()
        assert platform.rows(state) == [{"status": "running", "deaths": 0}]
    # And when it was in between, then the owner is dead
    write(60)
    sweep.run_once()
    assert platform.rows(state) == [{"status": "ready", "deaths": 1}]


def test_the_row_says_what_is_waited_for(platform: Platform, held: dict[str, Any]) -> None:
    platform.execute("""UPDATE "AiValidationJob" SET "status" = 'processing' WHERE medq_by_worker()""")
    leases, state = held["leases"], find_state("53100")
    assert state is not None

    def tell(for_s: float) -> str:
        database = Database(platform.engine)
        beat = Heartbeat(database, leases, "host:1:abc", 30, waiting=lambda: Waiting(state, for_s))
        with leases.hold(held["task"].id, 1):
            beat.tell()
        return str(platform.value('SELECT "message" FROM "AiValidationJob"'))

    assert "place" not in tell(5)
    assert tell(30).startswith("La base de données n'a plus de place sur son disque depuis ")


@contextmanager
def server_setting(platform: Platform, name: str, value: str) -> Iterator[None]:
    database = sa.make_url(platform.database_url).database
    platform.execute(f"ALTER DATABASE \"{database}\" SET {name} = '{value}'")
    platform.engine.dispose()
    try:
        yield
    finally:
        with platform.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("SET default_transaction_read_only = off")
            connection.exec_driver_sql(f'ALTER DATABASE "{database}" RESET {name}')
        platform.engine.dispose()


def doctor(platform: Platform) -> dict[str, Check]:
    from worker.cli.server_state import check_server

    class Here:
        engine = platform.engine

    return {check.name: check for check in check_server(Here())}  # type: ignore[arg-type]


def test_the_doctor_says_what_is_the_matter_with_the_server(platform: Platform) -> None:
    assert [(check.name, check.level) for check in doctor(platform).values()] == [("database writes", "ok")]
    assert platform.value('SELECT count(*) FROM "LlmCall"') == 0
    with server_setting(platform, "default_transaction_read_only", "on"):
        found = doctor(platform)["database writes"]
        assert (found.level, "is read-only" in found.finding) == ("fail", True)
    with server_setting(platform, "statement_timeout", "500ms"):
        assert "statement_timeout is 500 ms" in doctor(platform)["database limits"].finding
    name = tasks.listening_session("host.example:7:abc", is_cut_off=False, waits_for="53100")
    waiting = connect(platform.database_url, pool_size=1, name=name)
    with waiting.connect():
        found = doctor(platform)["workers waiting"]
    waiting.dispose()
    assert found.finding == "host.example:7: the database has no room left on its disk (SQLSTATE 53100)"


def test_a_session_on_a_server_that_takes_no_writes_is_not_used_again(platform: Platform) -> None:
    engine = connect(platform.database_url, pool_size=1)
    database = Database(engine, patience_s=0)
    pid = sa.text("SELECT pg_backend_pid()")
    before = database.transact(lambda c: c.execute(pid).scalar_one())
    assert database.transact(lambda c: c.execute(pid).scalar_one()) == before

    def write(connection: sa.Connection) -> None:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql('UPDATE "AiValidationJob" SET "message" = NULL')

    with pytest.raises(sa.exc.InternalError):
        database.transact(write)
    assert database.transact(lambda c: c.execute(pid).scalar_one()) != before
    engine.dispose()
