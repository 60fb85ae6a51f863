"""What is read with a claim: once, in its transaction; and what cannot be read is the fault of one task alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from tests.support.uploads import write_csv, write_truth
from worker.db.engine import Database
from worker.jobs.claim import Claim, Claimed, Handlers, Loaded, LoadFailed, NotLoaded, Unloadable, claim_next
from worker.queue import tasks
from worker.queue.job import Task
from worker.queue.leases import Lease
from worker.runtime.container import Parts, build_worker
from worker.settings import Settings

JOB = (
    'INSERT INTO "AiValidationJob" ("id", "fileName", "originalFileName", "fileSize", "userId", "createdAt", '
    '"updatedAt") SELECT :id, \'f\', \'f\', 1, "id", now() - CAST(:age AS interval), now() FROM "User" LIMIT 1'
)
BATCHES = """
SELECT "status", "deaths", "attempt", "errorMessage" FROM "AiValidationTask"
WHERE "kind" = 'analyse' AND "jobId" = :id ORDER BY "position"
"""


@dataclass
class Reader:
    """A handler whose reading does what it is told, by job."""

    faults: dict[str, Callable[[sa.Connection], object]] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)

    def load(self, connection: sa.Connection, task: Task) -> str:
        self.read.append(task.job.id)
        if fault := self.faults.get(task.job.id):
            fault(connection)
        return f"work of {task.job.id}"

    def run(self, work: str, lease: Lease) -> None:
        raise AssertionError("not run here")


def by_value(_connection: sa.Connection) -> object:
    return int("9" * 5000)  # what the driver does with such a number


def by_statement(connection: sa.Connection) -> object:
    return connection.execute(sa.text("SELECT 1 / 0"))


def claim(site: Platform, reader: Reader, **given: object) -> Claimed | None:
    wish = Claim(f"h:1:x:{len(reader.read)}", 30, **given)  # type: ignore[arg-type]
    handlers: Handlers = {"prepare": reader, "analyse": reader, "finish": reader}
    return Database(site.engine).transact(lambda c: claim_next(c, wish, handlers))


def standing(site: Platform, job_id: str) -> tuple[str, int]:
    row = site.rows('SELECT "status", "attempt" FROM "AiValidationTask" WHERE "jobId" = :id', id=job_id)[0]
    return row["status"], row["attempt"]


@pytest.mark.parametrize("fault", [by_value, by_statement])
def test_what_cannot_be_read_undoes_the_claim_once_and_goes_with_the_task_then(
    platform: Platform, fault: Callable[[sa.Connection], object]
) -> None:
    # Given two jobs, the older one of which cannot be read
    platform.execute(JOB, id="odd", age="2 days")
    platform.execute(JOB, id="good", age="1 day")
    reader = Reader({"odd": fault})

    # When it is claimed, nothing is: a statement that failed has ended the transaction
    with pytest.raises(LoadFailed) as failed:
        claim(platform, reader)
    assert (failed.value.task_id, standing(platform, "odd")) == (failed.value.task_id, ("ready", 0))

    # Then the next claim takes it, unread, with its error, as its first attempt
    unloadable = {failed.value.task_id: failed.value.error}
    odd = claim(platform, reader, unloadable=unloadable)
    assert odd is not None
    assert isinstance(odd.work, Unloadable)
    assert odd.work.error is failed.value.error
    assert (odd.task.job.id, standing(platform, "odd")) == ("odd", ("running", 1))
    # And the other one is claimed and read beside it
    good = claim(platform, reader, unloadable=unloadable)
    assert good is not None
    assert good.work == Loaded("work of good")
    assert reader.read == ["odd", "good"]


def test_a_fault_of_the_server_is_nobodys_and_ends_the_claim_as_it_is(platform: Platform) -> None:
    platform.execute(JOB, id="good", age="1 day")

    def shut_down(connection: sa.Connection) -> object:
        return connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))

    reader = Reader({"good": shut_down})
    with pytest.raises(OperationalError):
        Database(platform.engine, patience_s=0).transact(
            lambda c: claim_next(c, Claim("h:1:x:0", 30), {"prepare": reader, "analyse": reader, "finish": reader})
        )
    assert standing(platform, "good") == ("ready", 0)


def test_nothing_is_read_for_a_task_that_two_workers_died_with(platform: Platform) -> None:
    platform.execute(JOB, id="deadly", age="1 day")
    platform.execute('UPDATE "AiValidationTask" SET "deaths" = :deaths', deaths=tasks.MAX_CRASHES - 1)
    reader = Reader()
    claimed = claim(platform, reader)
    assert claimed is not None
    assert claimed.work == NotLoaded()
    assert reader.read == []


@contextmanager
def worker_parts(platform: Platform, **environment: str) -> Iterator[Parts]:
    settings = Settings.model_validate(platform.worker_environment(**environment))
    parts = build_worker(settings, stopping=threading.Event())
    try:
        yield parts
    finally:
        parts.close()


def test_a_batch_that_nobody_can_read_is_counted_and_every_other_one_is_done(
    platform: Platform, llm: ScriptedLlm
) -> None:
    # Given a job of four batches
    llm.configure(truth=write_truth(20))
    job_id = platform.enqueue(write_csv(platform.folder / "vingt - qcm.csv", 20))
    with worker_parts(platform) as parts:
        assert parts.executor._run_next()  # prepare
        # When the questions of the first one are of no shape that a question has, as somebody wrote them by hand
        platform.execute(
            'UPDATE "AiValidationItem" SET "question" = \'{"stem": 5}\' WHERE "taskId" = '
            '(SELECT "id" FROM "AiValidationTask" WHERE "kind" = \'analyse\' AND "position" = 0)'
        )
        assert parts.executor._run_next()
        # Then it waits for its second attempt, with the cause
        rows = platform.rows(BATCHES, id=job_id)
        assert [row["status"] for row in rows] == ["ready"] * 4
        assert (rows[0]["deaths"], rows[0]["attempt"]) == (1, 1)
        assert "stem" in rows[0]["errorMessage"]
        # And while it does, every other one is done
        platform.execute('UPDATE "AiValidationTask" SET "notBefore" = now() + interval \'1 day\' WHERE "deaths" = 1')
        parts.executor.drain()
    assert [row["status"] for row in platform.rows(BATCHES, id=job_id)] == ["ready", "done", "done", "done"]
    assert platform.job(job_id)["processedItems"] == 15
