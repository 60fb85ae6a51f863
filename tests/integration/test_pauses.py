"""Why nobody works on a job for a while: one row, which is over by itself and goes with the run."""

from __future__ import annotations

import itertools

import pytest

from tests.support.surroundings import ADMIN, Platform
from worker.db.engine import Database
from worker.jobs.invariants import check_invariants
from worker.queue import pauses, tasks
from worker.queue.job import Task

numbers = itertools.count(1)
PAUSE = """
SELECT "reason", "message", extract(epoch FROM "until" - timezone('UTC', clock_timestamp()))::float8 AS left_s
FROM "AiValidationPause"
"""


@pytest.fixture
def database(platform: Platform) -> Database:
    """With one job whose file was read, and that has two batches."""
    platform.execute(
        'INSERT INTO "AiValidationJob" ("id", "fileName", "originalFileName", "fileSize", "userId", "updatedAt")'
        f" SELECT 'j', 'f', 'f', 1, \"id\", now() FROM \"User\" WHERE \"email\" = '{ADMIN}'"
    )
    platform.execute(
        'UPDATE "AiValidationTask" SET "status" = \'done\', "completedAt" = timezone(\'UTC\', now());'
        'INSERT INTO "AiValidationTask" ("id", "jobId", "kind", "position")'
        " SELECT 't' || n, 'j', 'analyse', n FROM generate_series(0, 1) n;"
    )
    platform.execute('UPDATE "AiValidationJob" SET "status" = \'processing\' WHERE medq_by_worker()')
    return Database(platform.engine)


def claim(database: Database) -> Task | None:
    found = database.transact(lambda c: tasks.claim_task(c, owner=f"h:1:x:{next(numbers)}", lease_s=30))
    return found[0] if found else None


def hold(database: Database, delay_s: float, reason: pauses.Reason = "provider", gap_s: float = 0) -> float | None:
    return database.transact(lambda c: pauses.pause_job(c, "j", reason=reason, delay_s=delay_s, gap_s=gap_s))


def add_call(platform: Platform, task: Task) -> None:
    platform.execute(
        'INSERT INTO "LlmCall" ("id", "jobId", "taskId", "attempt", "purpose", "requestHash", "model", "endpoint",'
        " \"status\", \"questionCount\") VALUES ('c', 'j', :task, :attempt, 'analyse', 'h', 'm', 'e', 'started', 1)",
        task=task.id,
        attempt=task.attempt,
    )


def refuse(database: Database) -> None:
    database.transact(lambda c: pauses.refuse_calls(c, "c", "Clé refusée."))


def test_a_held_job_is_not_claimed_until_its_time_has_come(platform: Platform, database: Database) -> None:
    hold(database, 60)
    assert claim(database) is None
    assert database.transact(lambda c: tasks.count_ready(c, most=9)) == 0
    # When the time has come, the first one to try knows what it was held for
    hold(database, 0)
    task = claim(database)
    assert task is not None
    assert task.was_held
    # When somebody was answered, nobody else need care
    database.transact(lambda c: pauses.end_pause(c, "j"))
    other = claim(database)
    assert other is not None
    assert not other.was_held
    assert platform.rows(PAUSE) == []


def test_after_a_refusal_no_call_of_the_job_begins_and_an_outage_does_not_hide_it(
    platform: Platform, database: Database
) -> None:
    task = claim(database)
    assert task is not None
    add_call(platform, task)
    refuse(database)
    assert database.transact(lambda c: pauses.read_refusal(c, "j")) == "Clé refusée."
    assert claim(database) is None
    # When another thread meets an outage meanwhile
    assert hold(database, 60) is None
    (pause,) = platform.rows(PAUSE)
    assert (pause["reason"], pause["message"]) == ("refused", "Clé refusée.")
    # Then it is over after seconds, should nobody be left who fails the job
    assert 0 < pause["left_s"] <= pauses.REFUSED_S
    platform.execute('UPDATE "AiValidationPause" SET "until" = "until" - interval \'1 minute\'')
    assert database.transact(lambda c: pauses.read_refusal(c, "j")) is None
    assert hold(database, 60) == pytest.approx(0, abs=5)


def test_a_refused_call_of_a_task_that_others_have_stops_nobody(platform: Platform, database: Database) -> None:
    task = claim(database)
    assert task is not None
    add_call(platform, task)
    platform.execute('UPDATE "AiValidationTask" SET "attempt" = "attempt" + 1')
    refuse(database)
    assert platform.rows(PAUSE) == []
    # Nor of a job that is gone
    platform.execute('DELETE FROM "AiValidationJob"')
    refuse(database)
    assert platform.rows(PAUSE) == []


def test_an_outage_counts_from_its_beginning_unless_something_else_came_between(
    platform: Platform, database: Database
) -> None:
    def earlier(seconds: int) -> None:
        platform.execute(
            f'UPDATE "AiValidationPause" SET "since" = "since" - interval \'{seconds} s\','
            f' "until" = "until" - interval \'{seconds} s\''
        )

    assert hold(database, 10, "storage", gap_s=100) == pytest.approx(0, abs=5)
    earlier(50)
    assert hold(database, 10, "storage", gap_s=100) == pytest.approx(50, abs=5)
    # When the pause was over for longer than that, it is another outage
    earlier(150)
    assert hold(database, 10, "storage", gap_s=100) == pytest.approx(0, abs=5)
    # And so it is after something else
    earlier(50)
    assert hold(database, 10) == pytest.approx(0, abs=5)


@pytest.mark.parametrize("status", ["cancelled", "failed", "completed"])
def test_a_pause_is_of_one_run(platform: Platform, database: Database, status: str) -> None:
    hold(database, 3600)
    assert [found for found in check_invariants(platform.engine) if found.invariant == "paused"] == []
    platform.execute('UPDATE "AiValidationJob" SET "status" = :status WHERE medq_by_worker()', status=status)
    assert platform.rows(PAUSE) == []
    # When it is put back, nothing keeps it
    platform.execute('UPDATE "AiValidationJob" SET "status" = \'queued\'')
    assert claim(database) is not None


def test_a_job_takes_its_pause_with_it_whoever_deletes_it(platform: Platform, database: Database) -> None:
    hold(database, 3600)
    platform.execute('DELETE FROM "AiValidationJob"')
    assert platform.rows(PAUSE) == []
