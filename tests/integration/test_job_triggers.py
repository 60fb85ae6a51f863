"""A job driven through its row alone: what the triggers make of each change of status."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import errors
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from models import AiValidationItem, AiValidationJob, AiValidationTask, LlmCall, Question
from worker.system.urls import libpq_url

# What a client may do to a job's status, and what the worker may besides.
LEGAL = {
    "queued": {"cancelled"},
    "processing": {"cancelled"},
    "completed": {"queued"},
    "failed": {"queued"},
    "cancelled": {"queued"},
}
OF_THE_WORKER = {"queued": {"processing", "failed"}, "processing": {"completed", "failed", "queued"}}
OUTCOMES = ("confirmed", "corrected", "completed", "contested", "duplicate", "rejected", "failed")


class Jobs:
    """Jobs, tasks and items of one database, written as a web app or a worker would."""

    def __init__(self, url: str) -> None:
        # In another zone than UTC: nothing may depend on the session's.
        zoned = sa.make_url(url).update_query_dict({"options": "-ctimezone=Asia/Tokyo"})
        self.url = url
        self.engine = sa.create_engine(zoned, poolclass=NullPool)

    def add_job(self, job_id: str = "j", status: str = "queued", **columns: Any) -> None:
        """As Prisma does it, an INSERT and nothing else; one in another status as a history is brought in."""
        names = "".join(f', "{name}"' for name in columns)
        values = "".join(f", :{name}" for name in columns)
        self.execute(
            'INSERT INTO "AiValidationJob" ("id", "userId", "fileName", "originalFileName", "fileSize", "status",'
            f" \"updatedAt\"{names}) VALUES (:id, 'admin1', 'f.xlsx', 'f.xlsx', 10, :status, '2026-01-01'{values})",
            by_worker=status != "queued",
            id=job_id,
            status=status,
            **columns,
        )

    def add_prepared_job(self, *batches: tuple[str, list[str]]) -> None:
        """A job being processed, its prepare task done: one analyse task per batch, (status, statuses of its items)."""
        self.add_job()
        self.move("processing")
        self.execute('UPDATE "AiValidationTask" SET "status" = \'done\' WHERE "kind" = \'prepare\'')
        position = 0
        for number, (status, outcomes) in enumerate(batches):
            self.add_task(number, status)
            for outcome in outcomes:
                position += 1
                self.add_item(position, outcome, task_id=f"t{number}")

    def add_task(self, number: int, status: str, **values: Any) -> None:
        lease = {"lease_owner": "w", "lease_expires_at": datetime.now(UTC)} if status == "running" else {}
        ended = {"completed_at": datetime.now(UTC)} if status in ("done", "failed", "cancelled") else {}
        task = AiValidationTask(
            id=f"t{number}", job_id="j", kind="analyse", position=number, status=status, **lease, **ended, **values
        )
        self.add(task)

    def add_item(self, position: int, status: str, *, task_id: str | None = None, **values: Any) -> None:
        has_outcome = status != "pending"
        item = AiValidationItem(
            id=f"i{position}",
            job_id="j",
            task_id=task_id,
            sheet="qcm",
            row_number=position,
            position=position,
            type="qcm",
            original={},
            status=status,
            result={"outcome": status} if has_outcome else None,
            reason="Une raison." if has_outcome else None,
            **values,
        )
        self.add(item)

    def add(self, row: Any) -> None:
        with Session(self.engine) as session:
            session.add(row)
            session.commit()

    def set_status(self, status: str, job_id: str = "j") -> None:
        self.execute('UPDATE "AiValidationJob" SET "status" = :status WHERE "id" = :id', status=status, id=job_id)

    def move(self, status: str, job_id: str = "j") -> None:
        """As the worker does it."""
        statement = 'UPDATE "AiValidationJob" SET "status" = :status WHERE "id" = :id'
        self.execute(statement, by_worker=True, status=status, id=job_id)

    def execute(self, statement: str, *, by_worker: bool = False, **parameters: Any) -> None:
        with self.engine.begin() as connection:
            if by_worker:
                connection.execute(sa.text("SELECT medq_by_worker()"))
            connection.execute(sa.text(statement), parameters)

    def job(self) -> AiValidationJob:
        with Session(self.engine) as session:
            return session.get_one(AiValidationJob, "j")

    def items(self) -> dict[str, str]:
        with Session(self.engine) as session:
            return {item.id: item.status for item in session.scalars(sa.select(AiValidationItem))}

    def item(self, item_id: str) -> AiValidationItem:
        with Session(self.engine) as session:
            return session.get_one(AiValidationItem, item_id)

    def tasks(self) -> list[tuple[str, int, str]]:
        """Kind, position and status of each task."""
        with Session(self.engine) as session:
            found = session.scalars(sa.select(AiValidationTask))
            return sorted((task.kind, task.position, task.status) for task in found)

    def task(self, kind: str, position: int = 0) -> AiValidationTask:
        with Session(self.engine) as session:
            query = sa.select(AiValidationTask).filter_by(kind=kind, position=position)
            return session.scalars(query).one()

    def figures(self) -> dict[str, int]:
        with self.engine.connect() as connection:
            return dict(connection.execute(sa.text("SELECT * FROM medq_job_figures('j')")).mappings().one())


@pytest.fixture
def jobs(database_url: str) -> Jobs:
    return Jobs(database_url)


def is_recent(moment: datetime | None) -> bool:
    return moment is not None and abs(datetime.now(UTC) - moment) < timedelta(minutes=1)


# An inserted job


def test_a_queued_job_gets_its_first_task_and_notifies(jobs: Jobs) -> None:
    # Given somebody who listens
    with psycopg.connect(libpq_url(jobs.url.replace("+psycopg", "")), autocommit=True) as listener:
        listener.execute("LISTEN medq_task")

        # When any client inserts a job
        jobs.add_job()

        # Then the wake-up names it and the task is there
        wake_ups = list(listener.notifies(timeout=5, stop_after=1))
    assert [wake_up.payload for wake_up in wake_ups] == ["j"]
    task = jobs.task("prepare")
    assert (task.status, task.position, task.attempt) == ("ready", 0, 0)
    assert re.fullmatch(r"c[0-9a-f]{24}", task.id)
    assert is_recent(task.created_at)


def test_a_job_of_a_history_that_is_brought_in_gets_no_task(jobs: Jobs) -> None:
    jobs.add_job(status="completed")
    assert jobs.tasks() == []


# Changes of status


@pytest.mark.parametrize("old", LEGAL)
def test_only_legal_changes_pass(jobs: Jobs, old: str) -> None:
    for new in LEGAL:
        jobs.add_job(job_id=new, status=old)
        if new in LEGAL[old] or new == old:
            jobs.set_status(new, job_id=new)
            continue
        with pytest.raises(IntegrityError, match=f'cannot go from "{old}" to "{new}".*Set "') as caught:
            jobs.set_status(new, job_id=new)
        assert isinstance(caught.value.orig, errors.CheckViolation)
        if new in OF_THE_WORKER.get(old, ()):
            jobs.move(new, job_id=new)
        else:
            with pytest.raises(IntegrityError, match=f'cannot go from "{old}" to "{new}"'):
                jobs.move(new, job_id=new)


def test_an_unknown_status_is_refused(jobs: Jobs) -> None:
    jobs.add_job()
    with pytest.raises(IntegrityError):
        jobs.set_status("paused")


def test_writing_the_same_status_again_changes_nothing(jobs: Jobs) -> None:
    jobs.add_prepared_job(("ready", ["pending"]))
    jobs.set_status("cancelled")
    message = jobs.job().message
    jobs.execute('UPDATE "AiValidationTask" SET "status" = \'ready\' WHERE "id" = \'t0\'')

    jobs.set_status("cancelled")
    assert jobs.job().message == message
    assert jobs.task("analyse").status == "ready"


# Cancelling


def test_cancelling_closes_open_tasks_and_says_how_far_it_got(jobs: Jobs) -> None:
    # Given a job in the middle: one batch done, one running, one ready
    jobs.add_prepared_job(("done", ["confirmed", "failed"]), ("running", ["pending"]), ("ready", ["pending"]))
    jobs.execute('UPDATE "AiValidationJob" SET "totalItems" = 4, "processedItems" = 2', by_worker=True)

    # When any client cancels it
    jobs.set_status("cancelled")

    # Then what is done stays, the rest is closed and the leases are gone
    assert [status for *_, status in jobs.tasks()] == ["done", "cancelled", "cancelled", "done"]
    running = jobs.task("analyse", 1)
    assert (running.lease_owner, running.lease_expires_at) == (None, None)
    assert is_recent(running.completed_at)
    job = jobs.job()
    assert job.message == "Annulé\u00a0: 2 questions traitées sur 4."
    assert is_recent(job.completed_at)
    assert is_recent(job.updated_at)
    assert jobs.items() == {"i1": "confirmed", "i2": "failed", "i3": "pending", "i4": "pending"}


@pytest.mark.parametrize(
    ("processed", "sentence"),
    [
        (0, "Annulé\u00a0: 0 question traitée sur 9."),
        (1, "Annulé\u00a0: 1 question traitée sur 9."),
        (2, "Annulé\u00a0: 2 questions traitées sur 9."),
    ],
)
def test_the_sentence_agrees_in_number(jobs: Jobs, processed: int, sentence: str) -> None:
    jobs.add_job()
    jobs.execute('UPDATE "AiValidationJob" SET "totalItems" = 9, "processedItems" = :n', by_worker=True, n=processed)
    jobs.set_status("cancelled")
    assert jobs.job().message == sentence


# Running again


def test_a_job_never_prepared_is_prepared_again(jobs: Jobs) -> None:
    # Given a job whose file could not be read
    jobs.add_job()
    jobs.execute(
        'UPDATE "AiValidationTask" SET "status" = \'failed\', "deaths" = 3, "errorMessage" = \'x\','
        ' "completedAt" = now(), "startedAt" = now(), "notBefore" = now()'
    )
    jobs.execute(
        'UPDATE "AiValidationJob" SET "status" = \'failed\', "errorMessage" = \'Fichier vide.\', "progress" = 7,'
        ' "outputUrl" = \'o\', "startedAt" = now(), "completedAt" = now()',
        by_worker=True,
    )

    # When it is set back to queued
    jobs.set_status("queued")

    # Then its one task is ready as if new, and the row says so
    task = jobs.task("prepare")
    assert (task.status, task.deaths, task.error_message) == ("ready", 0, None)
    assert (task.completed_at, task.started_at, task.not_before) == (None, None, None)
    job = jobs.job()
    assert (job.progress, job.error_message, job.output_url) == (0, None, None)
    assert (job.started_at, job.completed_at) == (None, None)
    assert job.message == "En file d'attente pour une reprise."
    assert is_recent(job.updated_at)


def test_a_job_without_any_task_gets_its_first_one(jobs: Jobs) -> None:
    jobs.add_job(status="failed")
    jobs.set_status("queued")
    assert jobs.tasks() == [("prepare", 0, "ready")]


def test_running_again_notifies(jobs: Jobs) -> None:
    jobs.add_job(status="failed")
    with psycopg.connect(libpq_url(jobs.url.replace("+psycopg", "")), autocommit=True) as listener:
        listener.execute("LISTEN medq_task")
        jobs.set_status("queued")
        assert [wake_up.payload for wake_up in listener.notifies(timeout=5, stop_after=1)] == ["j"]


def test_a_cancelled_job_goes_on_where_it_stopped(jobs: Jobs) -> None:
    # Given a cancelled job: one batch done, one half way
    jobs.add_prepared_job(("done", ["confirmed", "contested"]), ("running", ["pending", "pending"]))
    jobs.set_status("cancelled")

    # When it is set back to queued
    jobs.set_status("queued")

    # Then only the second batch is ready, and no finish task until it is done
    assert jobs.tasks() == [("analyse", 0, "done"), ("analyse", 1, "ready"), ("prepare", 0, "done")]
    job = jobs.job()
    assert (job.total_items, job.processed_items, job.successful_analyses) == (4, 2, 2)
    assert (job.total_batches, job.current_batch, job.progress) == (2, 1, 0)


def test_failed_items_are_done_again_and_nothing_else(jobs: Jobs) -> None:
    # Given a completed job with every outcome, a failed item in the second batch, and a finish task
    jobs.add_prepared_job(
        ("done", ["confirmed", "corrected", "completed", "contested", "rejected"]), ("failed", ["failed", "confirmed"])
    )
    jobs.add(
        Question(
            id="q", type="qroc", question_text="?", answer="!", explanation="…", level="DCEM2", semester="S1",
            specialty_id="spec1",
        )
    )  # fmt: skip
    jobs.add_item(8, "duplicate", task_id="t0", duplicate_of_id="i6", question_id="q")
    jobs.add_item(9, "duplicate", task_id="t0", duplicate_of_id="i1")
    jobs.execute(
        'INSERT INTO "AiValidationTask" ("id", "jobId", "kind", "position", "status")'
        " VALUES ('f', 'j', 'finish', 0, 'done')"
    )
    jobs.execute('UPDATE "AiValidationItem" SET "ragApplied" = true WHERE "id" IN (\'i1\', \'i6\')')
    jobs.execute('UPDATE "AiValidationTask" SET "deaths" = 3 WHERE "id" = \'t1\'')
    jobs.move("completed")

    # When it is set back to queued
    jobs.set_status("queued")

    # Then the failed item and its duplicate are pending again, as if never looked at
    items = jobs.items()
    assert {name for name, status in items.items() if status == "pending"} == {"i6", "i8"}
    for again in (jobs.item("i6"), jobs.item("i8")):
        assert (again.result, again.reason, again.question_id, again.rag_applied) == (None, None, None, False)
    assert jobs.item("i8").duplicate_of_id == "i6"
    assert jobs.item("i1").result == {"outcome": "confirmed"}
    # and the tasks that hold them are ready, the finish task is gone
    assert jobs.tasks() == [("analyse", 0, "ready"), ("analyse", 1, "ready"), ("prepare", 0, "done")]
    assert jobs.task("analyse", 1).deaths == 0
    # and the figures are those of the items
    job = jobs.job()
    assert (job.total_items, job.processed_items, job.successful_analyses, job.failed_analyses) == (9, 7, 6, 1)
    assert (job.fixed_count, job.rag_applied_count, job.current_batch, job.total_batches) == (2, 1, 1, 2)


def test_with_nothing_left_to_analyse_only_the_finish_is_done_again(jobs: Jobs) -> None:
    jobs.add_prepared_job(("done", ["confirmed"]))
    jobs.execute(
        'INSERT INTO "AiValidationTask" ("id", "jobId", "kind", "position", "status")'
        " VALUES ('f', 'j', 'finish', 0, 'failed')"
    )
    jobs.move("failed")

    jobs.set_status("queued")
    assert jobs.tasks() == [("analyse", 0, "done"), ("finish", 0, "ready"), ("prepare", 0, "done")]
    assert jobs.task("finish").id != "f"


# Figures


def test_figures_of_every_outcome_and_its_duplicates(jobs: Jobs) -> None:
    # Given one item of each outcome but duplicate, and a duplicate of each of them
    jobs.add_prepared_job(("done", []), ("ready", []))
    originals = [outcome for outcome in OUTCOMES if outcome != "duplicate"]
    for number, outcome in enumerate(originals, start=1):
        jobs.add_item(number, outcome)
        jobs.add_item(number + 10, "duplicate", duplicate_of_id=f"i{number}")
    # and one that doubles a question validated before, and one that waits
    jobs.add_item(30, "duplicate")
    jobs.add_item(31, "pending")
    # and three calls, two of them beyond the first
    for number, is_retry in enumerate((False, True, True)):
        jobs.add(
            LlmCall(
                id=f"c{number}", job_id="j", attempt=1, purpose="analyse", request_hash="h", model="m",
                endpoint="e", status="failed", is_retry=is_retry, question_count=5,
            )
        )  # fmt: skip

    # Then successful and failed add up to processed
    assert jobs.figures() == {
        "totalItems": 14,
        "processedItems": 13,
        "successfulAnalyses": 9,
        "failedAnalyses": 4,
        "fixedCount": 2,
        "ragAppliedCount": 0,
        "retryAttempts": 2,
        "totalBatches": 2,
        "currentBatch": 1,
    }


def test_figures_of_a_job_with_nothing_in_it(jobs: Jobs) -> None:
    jobs.add_job()
    figures = jobs.figures()
    assert (figures.pop("totalBatches"), figures.pop("currentBatch")) == (1, 1)
    assert set(figures.values()) == {0}


# Deleting


def test_a_deleted_job_leaves_its_paid_calls_on_the_books(jobs: Jobs) -> None:
    jobs.add_prepared_job(("done", ["confirmed"]))
    jobs.add(
        LlmCall(
            job_id="j", task_id="t0", attempt=1, purpose="analyse", request_hash="h", question_keys=["k1", "k2"],
            model="m", endpoint="e", status="succeeded", question_count=2, response='{"text": "\\u0000"}',
        )
    )  # fmt: skip
    jobs.execute('DELETE FROM "AiValidationJob"')

    assert jobs.items() == {}
    assert jobs.tasks() == []
    with Session(jobs.engine) as session:
        call = session.scalars(sa.select(LlmCall)).one()
    assert (call.job_id, call.task_id, call.question_keys) == (None, None, ["k1", "k2"])
    assert call.response == '{"text": "\\u0000"}'


def test_a_lease_belongs_to_a_running_task_only(jobs: Jobs) -> None:
    jobs.add_job()
    for change in ("\"status\" = 'running'", "\"leaseOwner\" = 'w'", '"leaseExpiresAt" = now()'):
        with pytest.raises(IntegrityError, match="AiValidationTask_lease_check"):
            jobs.execute(f'UPDATE "AiValidationTask" SET {change}')


def test_triggers_work_for_a_client_that_looks_elsewhere(jobs: Jobs) -> None:
    # Given a client whose search path does not hold the tables
    url = sa.make_url(jobs.url).update_query_dict({"options": "-csearch_path=pg_catalog"})
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        # When it names them in full
        connection.execute(
            sa.text(
                'INSERT INTO public."AiValidationJob" ("id", "userId", "fileName", "originalFileName", "fileSize",'
                " \"updatedAt\") VALUES ('j', 'admin1', 'f', 'f', 1, now())"
            )
        )
        connection.execute(sa.text('UPDATE public."AiValidationJob" SET "status" = \'cancelled\''))
        connection.execute(sa.text('UPDATE public."AiValidationJob" SET "status" = \'queued\''))
    assert jobs.tasks() == [("prepare", 0, "ready")]
