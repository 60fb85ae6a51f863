"""The law of a job's row: what a client may write into it, and that no hand leaves a job that stands or lies.

A hand is whoever owns the tables: a web app, an operator with psql. Some acts are refused; after every other one the
job ends, its figures are those of its rows, and where something is missing the row says so.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from tests.support.harness import LONG
from tests.support.in_process import LEASE_S, Parts, wait_for_age
from tests.support.surroundings import ADMIN, TERMINAL, Platform
from worker.enqueue import enqueue_job
from worker.errors import LeaseLost
from worker.jobs.claim import Claim
from worker.jobs.invariants import check_invariants
from worker.queue.leases import Lease
from worker.runtime.reaper import Reaper

EXAMPLE = Path(__file__).parents[2] / "examples" / "questions.xlsx"
ROWS = 10
FIGURES = ("totalItems", "processedItems", "successfulAnalyses", "failedAnalyses", "fixedCount", "ragAppliedCount")
COUNTED = ("retryAttempts", "currentBatch", "totalBatches")


@dataclass
class Site:
    """One job at a time, driven step by step in this thread."""

    parts: Parts

    @property
    def platform(self) -> Platform:
        return self.parts.platform

    def begin(self, moment: str) -> str:
        """A job of ten rows, brought to this moment."""
        self.clean()
        name = self.platform.folder / "épreuve.xlsx"
        shutil.copy(EXAMPLE, name)
        site = self.platform
        job_id = enqueue_job(name, user=ADMIN, database_url=site.database_url, storage_url=site.storage_url)
        match moment:
            case "queued":
                pass
            case "read":
                self.advance(1)
            case "half done":
                self.advance(3)
            case "last batch done":
                while not self.value('SELECT count(*) FROM "AiValidationTask" WHERE "kind" = \'finish\''):
                    self.advance(1)
            case "cancelled":
                self.advance(3)
                self.hand(f'UPDATE "AiValidationJob" SET "status" = \'cancelled\' WHERE "id" = \'{job_id}\'')
            case "completed":
                self.end()
        return job_id

    def clean(self) -> None:
        self.parts.model.asked.clear()
        with self.platform.engine.begin() as connection:
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            for table in ("AiValidationJob", "AiValidationTask", "AiValidationItem", "LlmCall", "Question", "Course",
                          "ClinicalCase", "Specialty"):  # fmt: skip
                connection.execute(sa.text(f'DELETE FROM "{table}"'))
            connection.execute(sa.text('UPDATE "User" SET "id" = \'admin1\' WHERE "email" = :email'), {"email": ADMIN})
            connection.execute(
                sa.text(
                    'INSERT INTO "User" ("id", "email", "role", "updatedAt") '
                    "SELECT 'admin1', :email, 'admin', now() WHERE NOT EXISTS (SELECT FROM \"User\")"
                ),
                {"email": ADMIN},
            )
        self.parts.runner.context.directory.forget()

    def advance(self, most: int) -> None:
        """Claim and run as an idle thread does, up to so many tasks."""
        for _ in range(most):
            owner = f"a:1:x:{next(self.parts.numbers)}"
            claimed = self.parts.database.transact(
                lambda c, owner=owner: self.parts.runner.claim(c, Claim(owner, LEASE_S))  # type: ignore[misc]
            )
            if claimed is None:
                return
            try:
                self.parts.runner.run(claimed, Lease(claimed.task.id, claimed.task.attempt, threading.Event()))
            except LeaseLost:
                self.hand(
                    'UPDATE "AiValidationTask" SET "leaseExpiresAt" = \'2020-01-01\' WHERE "status" = \'running\''
                )

    def end(self) -> None:
        """Let workers do and sweep until every job has ended."""
        for _ in range(30):
            self.advance(20)
            if not self.value("SELECT count(*) FROM \"AiValidationJob\" WHERE \"status\" IN ('queued', 'processing')"):
                return
            Reaper(database=self.parts.database, lease_s=0.1, call_timeout_s=1).run_once()
        raise AssertionError(f"the job never ended: {self.job()}")

    def hand(self, statement: str, *, unguarded: bool = False) -> None:
        """One transaction of somebody with psql; `unguarded`: of a superuser who switched the triggers off."""
        with self.platform.engine.begin() as connection:
            if unguarded:
                connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            connection.exec_driver_sql(statement)

    def value(self, statement: str) -> Any:
        return self.platform.value(statement)

    def job(self) -> dict[str, Any]:
        (row,) = self.platform.rows('SELECT * FROM "AiValidationJob"')
        return row


@pytest.fixture
def site(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr("worker.llm.retry.IN_FLIGHT_POLL_S", 0.01)
    wait_for_age(platform, 0.2)  # sweeps wait a moment after the server's start
    return Site(Parts.build(platform))


# -- what a client may write -------------------------------------------------------------------------------------------

REFUSED_ALONE = [
    *(f'"{name}" = {value}' for name in (*FIGURES, *COUNTED) for value in ("NULL", "-1", "9999")),
    '"progress" = 55',
    '"outputUrl" = CASE WHEN "outputUrl" IS NULL THEN \'mine\' END, "message" = \'x\'',
    "\"outputUrl\" = 'file:///etc/passwd'",
    "\"errorMessage\" = 'raté'",
    "\"startedAt\" = 'infinity'",
    '"startedAt" = NULL',
    "\"completedAt\" = 'infinity'",
]
REFUSED_MOVES = ["processing", "completed", "failed", "paused"]


def test_a_client_writes_nothing_that_only_the_worker_knows(site: Site) -> None:
    for moment in ("half done", "completed"):
        site.begin(moment)
        check_client(site)


def check_client(site: Site) -> None:
    before = site.job()
    for change in REFUSED_ALONE:
        with pytest.raises(IntegrityError, match="update only the columns that you mean to change"):
            site.hand(f'UPDATE "AiValidationJob" SET {change}')
    for status in REFUSED_MOVES:
        if status != before["status"]:
            with pytest.raises(IntegrityError, match=f'cannot go from "{before["status"]}" to "{status}".*Set "'):
                site.hand(f'UPDATE "AiValidationJob" SET "status" = \'{status}\'')
    assert site.job() == before
    # What is the client's to write is written, and a copy of the row as it is changes nothing
    site.hand(
        'UPDATE "AiValidationJob" SET "instructions" = \'DCEM2\', "message" = \'Vu.\', '
        '"progress" = "progress", "processedItems" = "processedItems", "status" = "status"'
    )
    assert site.job() == before | {"instructions": "DCEM2", "message": "Vu."}


def test_a_client_that_saves_its_whole_copy_stops_and_resumes_a_job_all_the_same(site: Site) -> None:
    """An ORM may write every column, as they were when it read the row."""
    stale = '"progress" = 0, "totalItems" = 0, "processedItems" = NULL, "failedAnalyses" = -3, "outputUrl" = \'mine\''
    site.begin("half done")
    before = site.job()
    site.hand(f'UPDATE "AiValidationJob" SET "status" = \'cancelled\', {stale}')
    cancelled = site.job()
    assert cancelled["status"] == "cancelled"
    assert [cancelled[name] for name in FIGURES] == [before[name] for name in FIGURES]
    assert cancelled["outputUrl"] is None
    site.hand(f'UPDATE "AiValidationJob" SET "status" = \'queued\', {stale}')
    assert check_invariants(site.platform.engine) == []
    site.end()
    check(site)


INSERT = """
INSERT INTO "AiValidationJob" ("id", "fileName", "originalFileName", "fileSize", "fileUrl", "userId", "updatedAt",
                               {names})
SELECT 'j', 'f.xlsx', 'f.xlsx', 1, 'uploads/none.xlsx', "id", now(), {values} FROM "User" LIMIT 1
"""


def test_a_job_does_not_begin_at_its_end(site: Site) -> None:
    for status in TERMINAL:
        insert = INSERT.format(names='"status", "processedItems"', values=f"'{status}', 41")
        with pytest.raises(IntegrityError, match=f'begins as "queued", not as "{status}": leave "status" out'):
            site.hand(insert)
        # A history is brought in as it was
        site.hand(f"SELECT medq_by_worker(); {insert}")
        assert (site.job()["status"], site.job()["processedItems"]) == (status, 41)
        site.clean()


def test_a_job_begins_in_the_queue_and_at_zero_whatever_its_insert_says(site: Site) -> None:
    site.clean()
    Path(site.platform.storage_url).mkdir()
    given = {
        "status": "'processing'", "progress": "55", "totalItems": "41", "processedItems": "NULL",
        "successfulAnalyses": "-1", "failedAnalyses": "7", "fixedCount": "NULL", "ragAppliedCount": "NULL",
        "retryAttempts": "3", "currentBatch": "0", "totalBatches": "NULL", "outputUrl": "'x'", "errorMessage": "'x'",
        "startedAt": "'infinity'", "completedAt": "now()", "createdAt": "'infinity'",
    }  # fmt: skip
    names = ", ".join(f'"{name}"' for name in given)
    site.hand(INSERT.format(names=names, values=", ".join(given.values())))
    job = site.job()
    assert (job["status"], job["progress"]) == ("queued", 0)
    assert [job[name] for name in FIGURES] == [0] * len(FIGURES)
    assert [job[name] for name in COUNTED] == [0, 1, 1]
    assert [job[name] for name in ("outputUrl", "errorMessage", "startedAt", "completedAt")] == [None] * 4
    assert site.value('SELECT abs(extract(epoch FROM "createdAt" - medq_now())) < 60 FROM "AiValidationJob"')
    assert job["message"] == "En file d'attente."
    assert check_invariants(site.platform.engine) == []
    # And it is worked on: here, until its file is found missing
    site.end()
    assert site.job()["status"] == "failed"


# -- what hands do -----------------------------------------------------------------------------------------------------

MOMENTS = ("queued", "read", "half done", "last batch done", "cancelled", "completed")
ITEM = 'SELECT "id" FROM "AiValidationItem" ORDER BY "position"'
TASK = 'SELECT "id" FROM "AiValidationTask"'

# Refused where there is anything to do it to.
REFUSED = [
    f'DELETE FROM "AiValidationItem" WHERE "id" = ({ITEM} LIMIT 1)',
    'DELETE FROM "AiValidationItem"',
    *(f'DELETE FROM "AiValidationTask" WHERE "kind" = \'{kind}\'' for kind in ("prepare", "analyse", "finish")),
    'UPDATE "AiValidationItem" SET "status" = \'confirmed\' WHERE "status" = \'pending\'',
    'UPDATE "AiValidationItem" SET "status" = \'pending\' WHERE "status" <> \'pending\'',
    'UPDATE "AiValidationItem" SET "duplicateOfId" = "id"',
    'UPDATE "AiValidationItem" SET "taskId" = NULL WHERE "taskId" IS NOT NULL',
]
# Taken: the job ends all the same, and every row of it has its outcome.
HARMLESS = [
    'UPDATE "AiValidationJob" SET "createdAt" = \'infinity\', "updatedAt" = \'-infinity\'',
    'UPDATE "AiValidationJob" SET "createdAt" = \'9999-12-31 23:59:59\', "updatedAt" = \'0001-01-01\'',
    'UPDATE "AiValidationJob" SET "id" = \'../é "x"\'',
    'UPDATE "AiValidationJob" SET "fileSize" = -1, "fileName" = \'\', "message" = NULL',
    'UPDATE "User" SET "id" = \'u2\', "email" = \'renamed@medq.com\'; UPDATE "User" SET "email" = \'admin@medq.com\'',
    'UPDATE "AiValidationTask" SET "status" = \'done\', "completedAt" = now() WHERE "status" = \'ready\'',
    'UPDATE "AiValidationTask" SET "status" = \'failed\', "completedAt" = now() WHERE "status" = \'ready\'',
    'UPDATE "AiValidationTask" SET "status" = \'cancelled\' WHERE "status" = \'ready\'',
    'UPDATE "AiValidationTask" SET "attempt" = -5, "deaths" = -5',
    'UPDATE "Specialty" SET "name" = "name" || \' et puériculture\', "createdAt" = \'infinity\'',
    'UPDATE "Specialty" SET "id" = \'s-\' || "id"',
    'UPDATE "Course" SET "name" = "name" || \' (suite)\', "id" = \'c-\' || "id", "isActive" = false',
    'DELETE FROM "Course"',
    'DELETE FROM "ClinicalCase"',
    'DELETE FROM "Question"',
    'DELETE FROM "Question"; DELETE FROM "Specialty"',
    'UPDATE "Question" SET "id" = \'x\' || "id", "createdAt" = \'infinity\', "updatedAt" = \'-infinity\'',
    'UPDATE "AiValidationItem" SET "questionId" = NULL, "contentHash" = "contentHash", "updatedAt" = \'infinity\'',
]
# Rows that were read are gone: the job never says that it is complete.
LOSING = [
    f'DELETE FROM "AiValidationItem" WHERE "id" = ({ITEM} LIMIT 1)',
    f'DELETE FROM "AiValidationItem" WHERE "id" IN ({ITEM} DESC LIMIT 3)',
    'DELETE FROM "AiValidationItem"',
]
# As it was before rows of it were protected, or with the triggers off.
MENDED = [
    'UPDATE "AiValidationItem" SET "taskId" = NULL; DELETE FROM "AiValidationTask"',
    *(
        f"UPDATE \"AiValidationItem\" SET \"taskId\" = NULL WHERE '{kind}' = 'analyse'; "
        f'DELETE FROM "AiValidationTask" WHERE "kind" = \'{kind}\''
        for kind in ("prepare", "analyse", "finish")
    ),
    'UPDATE "AiValidationJob" SET "status" = \'processing\' WHERE "status" = \'queued\'',
]


def cases(acts: list[str]) -> Iterator[tuple[str, str]]:
    """Every act at one moment, in turn, at all of them in the long run."""
    for n, act in enumerate(acts):
        for moment in MOMENTS if LONG else (MOMENTS[n % len(MOMENTS)],):
            yield moment, act


def resume(site: Site) -> None:
    """Set an ended job back to the queue, and let it end again."""
    site.hand("UPDATE \"AiValidationJob\" SET \"status\" = 'queued' WHERE \"status\" NOT IN ('queued', 'processing')")
    site.end()


def check(site: Site) -> None:
    """The job ended, each of its rows has one outcome, and the row says so."""
    job = site.job()
    assert job["status"] == "completed", job
    assert (job["totalItems"], job["processedItems"]) == (ROWS, ROWS), job
    assert check_invariants(site.platform.engine, grace_s=3600) == []


def test_what_a_job_counts_cannot_be_taken_from_it(site: Site) -> None:
    for moment in ("half done", "completed"):
        job_id = site.begin(moment)
        before = site.platform.outcomes(job_id)
        for act in REFUSED:
            with suppress(IntegrityError):  # where there is anything to do it to
                site.hand(act)
        assert site.platform.outcomes(job_id) == before
        assert check_invariants(site.platform.engine, grace_s=3600) == []
        site.end()
        check(site)
        # It goes with its job
        site.hand('DELETE FROM "User"')
        assert site.value('SELECT count(*) FROM "AiValidationItem"') == 0
        assert site.value('SELECT count(*) FROM "AiValidationTask"') == 0


def test_whatever_hands_do_meanwhile_the_job_ends_with_every_row(site: Site) -> None:
    wrong = [said for moment, act in cases(HARMLESS) if (said := try_act(site, moment, act))]
    assert wrong == []


def try_act(site: Site, moment: str, act: str, *, unguarded: bool = False) -> str | None:
    """What is wrong with a job that was brought to this moment, had this done to it and was left alone."""
    site.begin(moment)
    try:
        site.hand(act, unguarded=unguarded)
        site.end()
        if unguarded or site.job()["status"] != "completed" or site.job()["failedAnalyses"] > 1:
            resume(site)
        check(site)
        resume(site)
        check(site)
    except Exception as error:  # noqa: BLE001 (said with the act that led to it)
        return f"{moment}: {act}: {type(error).__name__}: {error}"
    return None


def test_a_job_whose_tasks_somebody_took_is_given_them_again(site: Site) -> None:
    wrong = [said for moment, act in cases(MENDED) if (said := try_act(site, moment, act, unguarded=True))]
    assert wrong == []


def test_a_job_whose_rows_somebody_took_is_never_complete_without_them(site: Site) -> None:
    wrong = [said for moment, act in cases(LOSING) if (said := try_loss(site, moment, act))]
    assert wrong == []


def try_loss(site: Site, moment: str, act: str) -> str | None:
    site.begin(moment)
    lost = site.value('SELECT count(*) FROM "AiValidationItem"')
    site.hand(act, unguarded=True)
    left = site.value('SELECT count(*) FROM "AiValidationItem"')
    site.end()
    if moment in ("cancelled", "completed"):
        resume(site)
    job = site.job()
    if lost == left or (left == 0 and moment in ("cancelled", "completed")):  # nothing was taken, or all is read again
        is_right = (job["status"], job["processedItems"]) == ("completed", ROWS)
    else:
        is_right = job["status"] == "failed" and f"({left} au lieu de {ROWS})" in job["errorMessage"]
    return None if is_right else f"{moment}: {act}: {job}"
