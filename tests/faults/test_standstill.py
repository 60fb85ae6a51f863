"""A worker that froze in the middle of a COPY: the server waits for it for ever, the other workers must not."""

from __future__ import annotations

from contextlib import suppress

import psycopg
import pytest
import sqlalchemy as sa

from tests.support.harness import Jobs
from tests.support.surroundings import Platform
from worker.db.engine import Database
from worker.queue import tasks
from worker.runtime.reaper import Reaper
from worker.system.urls import libpq_url

FROZEN, OTHER = "host:101:aaaa", "host:102:bbbb"
LEASE_S = 3.0
CLAIMS = {"frozen": f"{FROZEN}:0", "other": f"{OTHER}:0"}


@pytest.fixture
def claimed(platform: Platform) -> dict[str, str]:
    """Two jobs, each claimed by a process of its own whose lease ran out: owner → job id."""
    jobs = Jobs(platform, questions=2)
    jobs.add()
    jobs.add()
    database = Database(platform.engine)
    held = {}
    for owner, token in CLAIMS.items():
        found = database.transact(lambda c, token=token: tasks.claim_task(c, owner=token, lease_s=600))  # type: ignore[misc]
        assert found is not None
        held[owner] = found[0].job.id
    platform.execute('UPDATE "AiValidationTask" SET "leaseExpiresAt" = timestamp \'2020-01-01\'')
    # A server that has just started gives everybody a lease.
    age = "SELECT clock_timestamp() - pg_postmaster_start_time() > make_interval(secs => :lease_s)"
    platform.wait_until(lambda: platform.value(age, lease_s=LEASE_S), what="a server older than a lease")
    return held


def statuses(platform: Platform) -> dict[str, str]:
    return {row["jobId"]: row["status"] for row in platform.rows('SELECT "jobId", "status" FROM "AiValidationTask"')}


def wait_for_age(platform: Platform, pid: int, seconds: float) -> None:
    """Wait until the session's transaction is so old."""
    age = "SELECT EXTRACT(EPOCH FROM clock_timestamp() - xact_start) FROM pg_stat_activity WHERE pid = :pid"
    platform.wait_until(lambda: platform.value(age, pid=pid) > seconds, what=f"a transaction that is {seconds} s old")


def test_one_frozen_worker_holds_up_nobody_but_its_job_and_that_for_a_lease(
    platform: Platform, claimed: dict[str, str]
) -> None:
    # Given a session that locked its job, began a COPY, and says no more
    url = sa.make_url(platform.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(libpq_url(url), application_name=tasks.session_name(f"{FROZEN}:0")) as frozen:
        frozen.execute("SET idle_in_transaction_session_timeout = 1000")
        frozen.commit()
        frozen.execute('SELECT 1 FROM "AiValidationJob" WHERE "id" = %s FOR NO KEY UPDATE', [claimed["frozen"]])
        copy = frozen.cursor().copy('COPY "AiValidationItem" ("id") FROM STDIN')
        with suppress(psycopg.OperationalError), copy:
            # When others sweep
            database = Database(platform.engine)
            Reaper(database=database, lease_s=LEASE_S, call_timeout_s=1).run_once()
            # Then they do not wait for it, and the other job goes on
            assert statuses(platform) == {claimed["frozen"]: "running", claimed["other"]: "ready"}
            # And this one once its session is older than a lease: the server's own limit has long passed
            wait_for_age(platform, frozen.info.backend_pid, LEASE_S)
            Reaper(database=database, lease_s=LEASE_S, call_timeout_s=1).run_once()
            assert statuses(platform) == {claimed["frozen"]: "ready", claimed["other"]: "ready"}


def test_a_process_that_renews_its_leases_keeps_its_sessions(platform: Platform, claimed: dict[str, str]) -> None:
    # Given a long transaction of a process whose lease is alive
    platform.execute(
        'UPDATE "AiValidationTask" SET "leaseExpiresAt" = medq_now() + interval \'1 hour\' WHERE "leaseOwner" = :owner',
        owner=CLAIMS["frozen"],
    )
    url = sa.make_url(platform.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(libpq_url(url), application_name=tasks.session_name(f"{FROZEN}:0")) as busy:
        busy.execute("SELECT 1")
        wait_for_age(platform, busy.info.backend_pid, 0.5)
        # When somebody sweeps
        Reaper(database=Database(platform.engine), lease_s=0.5, call_timeout_s=1).run_once()
        # Then it goes on
        assert busy.execute("SELECT 1").fetchone() == (1,)
    assert statuses(platform) == {claimed["frozen"]: "running", claimed["other"]: "ready"}
