"""What is old or unwanted goes, whole and with its files; what outlives it is the same to the cent, key and word."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import redis
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.commands import Medq
from tests.support.scripted_llm import ScriptedLlm
from tests.support.sending import OPTIONS, outcomes, sending, write_file
from tests.support.surroundings import ADMIN, Platform
from worker.db.engine import Database, connect
from worker.embedded import Services
from worker.enqueue import enqueue_job
from worker.jobs import removal
from worker.jobs.invariants import check_invariants
from worker.jobs.retention import Retention, StillRunning
from worker.questions import history_store
from worker.questions.decision import Action, Order
from worker.questions.question import Question
from worker.review.decide import decide
from worker.review.decision_store import list_items
from worker.runtime.upload_cleaner import UploadCleaner
from worker.upload.storage import Storage

PROF = "prof@medq.com"
PASTED = ("texte de la question", "reponse", "explication")
FIRST = [
    ("Confirmée ?", "AC", ""),
    ("Expliquée ?", "BD", "Écrit par une personne, à garder."),
    ("Sans clé ?", "", ""),
    ("Fausse clé ?", "AC", ""),
    ("Contestée ?", "AB", ""),
]
SECOND = [("Sans clé ?", "", ""), ("Confirmée ?", "AB", ""), ("Autre sans clé ?", "", ""), ("Contestée ?", "AB", "")]
TRUTH = {
    "Confirmée ?": "AC",
    "Expliquée ?": "BD",
    "Sans clé ?": "BE",
    "Fausse clé ?": "BD",
    "Contestée ?": "C",
    "Autre sans clé ?": "CD",
}
KNOWN = {stem: [OPTIONS[letter] for letter in key] for stem, key in TRUTH.items()}


@dataclass(frozen=True)
class World:
    """A database and a storage with what jobs, people and failures leave; both are only copied."""

    database: str
    folder: Path
    jobs: dict[str, str]  # what it is called here → id


@dataclass(frozen=True)
class Copy:
    """One copy of the world, to remove things from."""

    platform: Platform
    retention: Retention
    jobs: dict[str, str]


@pytest.fixture(scope="module")
def world(
    services: Services,
    create_database: Callable[..., str],
    url_of: Callable[[str], str],
    template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> World:
    with redis.Redis.from_url(services.redis_url) as client:
        client.flushdb()
    name, folder = create_database(template), tmp_path_factory.mktemp("world")
    with ScriptedLlm.start() as llm:
        llm.configure(truth=KNOWN)
        platform = Platform(url_of(name), services.redis_url, folder, llm.url)
        platform.execute(
            'INSERT INTO "User" ("id", "email", "role", "updatedAt") VALUES (\'prof\', :email, \'maintainer\', now())',
            email=PROF,
        )
        try:
            jobs = _fill(platform, llm, folder)
        finally:
            platform.engine.dispose()
    return World(name, folder, jobs)


def _fill(platform: Platform, llm: ScriptedLlm, folder: Path) -> dict[str, str]:
    jobs = {}
    with sending(platform) as send:
        jobs["first"] = send(write_file(folder / "a.xlsx", FIRST), applyCorrections=True)
        jobs["second"] = send(write_file(folder / "b.xlsx", SECOND))
        jobs["again"] = _send_as(platform, PROF, write_file(folder / "c.xlsx", FIRST))
        jobs["failed"] = _send_as(platform, PROF, folder / "a.xlsx", config={"sheets": {"no such": "qcm"}})
    assert platform.job(jobs["failed"])["status"] == "failed"
    database = Database(platform.engine)
    decisions: tuple[tuple[str, str, Action, str], ...] = (
        ("first", "Contestée ?", "keep", ADMIN),
        ("second", "Autre sans clé ?", "accept", PROF),
    )
    for job, stem, action, user in decisions:
        rows = database.transact(lambda c, job=job: list_items(c, jobs[job], open_only=True))  # type: ignore[misc]
        (item,) = [row for row in rows if row.question and row.question["text"] == stem]
        decide(database, Order(item.id, action, user, "command"))
    return jobs


def _send_as(platform: Platform, user: str, path: Path, **options: Any) -> str:
    job_id = enqueue_job(
        path, user=user, database_url=platform.database_url, storage_url=platform.storage_url, **options
    )
    platform.wait_for_job(job_id)
    return job_id


@pytest.fixture
def copy(
    world: World, services: Services, create_database: Callable[..., str], url_of: Callable[[str], str], tmp_path: Path
) -> Iterator[Callable[[], Copy]]:
    made: list[Copy] = []

    def make() -> Copy:
        folder = tmp_path / str(len(made))
        shutil.copytree(world.folder, folder)
        platform = Platform(url_of(create_database(world.database)), services.redis_url, folder, "")
        database = Database(connect(platform.database_url, pool_size=2, name="retention"))
        made.append(Copy(platform, Retention(database, Storage(platform.storage_url), straggle_s=150), world.jobs))
        # Addresses are whole ones: those of the copy are in its own folder.
        platform.execute(
            'UPDATE "AiValidationJob" SET "fileUrl" = replace("fileUrl", :old, :new), '
            '"outputUrl" = replace("outputUrl", :old, :new) WHERE medq_by_worker()',
            old=str(world.folder),
            new=str(folder),
        )
        return made[-1]

    yield make
    for one in made:
        one.platform.engine.dispose()
        one.retention.database.close()


def age(platform: Platform, job_id: str, days: int) -> None:
    """Let everything about a job have happened so many days earlier."""
    with platform.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for table, column, times in (
            ("AiValidationJob", "id", ("createdAt", "startedAt", "completedAt", "updatedAt")),
            ("AiValidationTask", "jobId", ("createdAt", "startedAt", "completedAt")),
            ("AiValidationItem", "jobId", ("createdAt", "updatedAt")),
            ("LlmCall", "jobId", ("createdAt", "completedAt")),
        ):
            changes = ", ".join(f'"{name}" = "{name}" - make_interval(days => :days)' for name in times)
            connection.execute(
                sa.text(f'UPDATE "{table}" SET {changes} WHERE "{column}" = :id'), {"id": job_id, "days": days}
            )


BOOKS = """
SELECT "day", "model", "purpose", "endpoint", "status", "code", "calls", "retries", "batchCalls", "questions",
       "promptTokens", "cachedTokens", "completionTokens", "costUsd", "batchCostUsd"
FROM "LlmDailyTotal" ORDER BY 1, 2, 3, 4, 5, 6
"""
DECIDED = """
SELECT "id", "contentHash", "action", "key", "answer", "explanation", "comment", "source", "shown", "previous"
FROM "AiValidationDecision" ORDER BY "id"
"""


def outliving(platform: Platform) -> dict[str, Any]:
    """Everything that must be the same whatever is removed."""
    return {
        "books": platform.rows(BOOKS),
        "questions": platform.rows('SELECT * FROM "Question" ORDER BY "id"'),
        "decisions": platform.rows(DECIDED),
        "standing": standing(platform),
    }


def standing(platform: Platform) -> dict[str, Any]:
    """Whose the key of each stored question is; not which file said so."""
    contents = {}
    for stem in TRUTH:
        question = Question(
            type="qcm",
            text=stem,
            options=OPTIONS,
            specialty="Pédiatrie",
            course="Urgences",
            level="DCEM2",
            semester="S1",
        )
        contents[question.content_hash()] = question
    with platform.engine.connect() as connection:
        found = history_store.find_standing(connection, contents)
    assert len(found) == len(TRUTH)
    return {h: replace(standing, file_name=None, job_id=None) for h, standing in found.items()}


def files(platform: Platform) -> set[str]:
    """The jobs that have files in the storage."""
    root = Path(platform.storage_url)
    return {path.name for name in ("uploads", "results") for path in (root / name).iterdir()}


def prune(copy: Copy) -> None:
    copy.retention.prune(copy.retention.cut_off(400))


def forget(name: str, *, with_replies: bool = False) -> Callable[[Copy], None]:
    def work(copy: Copy) -> None:
        copy.retention.forget(copy.jobs[name], with_replies=with_replies)

    return work


def forget_user(copy: Copy) -> None:
    copy.retention.forget_user("prof")


def delete(name: str) -> Callable[[Copy], None]:
    def work(copy: Copy) -> None:
        copy.platform.execute('DELETE FROM "AiValidationJob" WHERE "id" = :id', id=copy.jobs[name])
        copy.retention.tidy(older_than_s=0)

    return work


NAMES = ("first", "second", "again", "failed")
STEPS = [prune, forget_user, *(make(name) for name in NAMES for make in (forget, delete))]
STEPS += [forget("first", with_replies=True)]


@settings(
    max_examples=100 if os.environ.get("MEDQ_FAULT_LONG") == "1" else 6,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    ages=st.lists(st.sampled_from([0, 399, 401, 900]), min_size=4, max_size=4),
    steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=4),
)
def test_whatever_is_removed_what_outlives_it_is_the_same(
    copy: Callable[[], Copy], ages: list[int], steps: list[Callable[[Copy], None]]
) -> None:
    made = copy()
    platform = made.platform
    for name, days in zip(NAMES, ages, strict=True):
        age(platform, made.jobs[name], days)
    before = outliving(platform)
    for step in steps:
        step(made)
        assert outliving(platform) == before
        assert check_invariants(platform.engine, grace_s=0) == []
        left = {row["id"] for row in platform.rows('SELECT "id" FROM "AiValidationJob"')}
        assert files(platform) == left
        assert platform.rows('SELECT * FROM "AiValidationTombstone"') == []
        # Of what is gone, nothing is left that names it
        assert platform.value('SELECT count(*) FROM "LlmCall" WHERE "taskId" IS NOT NULL AND "jobId" IS NULL') == 0
    if prune in steps:
        gone = [made.jobs[name] for name, days in zip(NAMES, ages, strict=True) if days > 400]
        assert left.isdisjoint(gone)


def test_what_is_old_goes_and_what_is_not_stays_as_it_is(copy: Callable[[], Copy]) -> None:
    made = copy()
    platform, retention = made.platform, made.retention
    for name in ("first", "failed"):
        age(platform, made.jobs[name], 401)
    kept = platform.rows('SELECT * FROM "AiValidationItem" WHERE "jobId" = :id ORDER BY "id"', id=made.jobs["second"])
    before = retention.cut_off(400)
    # When it is only looked at, then nothing is removed
    would_go = retention.preview(before)
    assert (would_go.jobs, would_go.items, would_go.unlinked_calls) == (2, 5, 0)
    assert files(platform) == set(made.jobs.values())
    # When it is removed, then that is what went
    assert retention.prune(before) == would_go
    assert files(platform) == {made.jobs["second"], made.jobs["again"]}
    assert kept == platform.rows(
        'SELECT * FROM "AiValidationItem" WHERE "jobId" = :id ORDER BY "id"', id=made.jobs["second"]
    )
    assert platform.value('SELECT count(*) FROM "LlmTotal"') > 0
    # And again there is nothing to do
    assert retention.prune(before) == removal.Removed()


def test_a_job_that_somebody_set_to_work_again_or_settled_since_is_not_old(copy: Callable[[], Copy]) -> None:
    made = copy()
    platform, retention = made.platform, made.retention
    for name in NAMES:
        age(platform, made.jobs[name], 401)
    before = retention.cut_off(400)
    platform.execute(
        'UPDATE "AiValidationJob" SET "status" = \'queued\', "updatedAt" = "updatedAt" WHERE "id" = :id',
        id=made.jobs["failed"],
    )
    platform.execute(
        'UPDATE "AiValidationJob" SET "updatedAt" = timezone(\'UTC\', now()) WHERE "id" = :id', id=made.jobs["second"]
    )
    # And one is in somebody's hands
    with platform.engine.begin() as connection:
        connection.execute(
            sa.text('SELECT 1 FROM "AiValidationJob" WHERE "id" = :id FOR UPDATE'), {"id": made.jobs["again"]}
        )
        assert retention.prune(before).jobs == 1
    left = {row["id"] for row in platform.rows('SELECT "id" FROM "AiValidationJob"')}
    assert left == {made.jobs[name] for name in ("failed", "second", "again")}


def test_it_may_be_stopped_anywhere_and_goes_on(copy: Callable[[], Copy], monkeypatch: pytest.MonkeyPatch) -> None:
    made = copy()
    platform, retention = made.platform, made.retention
    for name in NAMES:
        age(platform, made.jobs[name], 401)
    books, before = platform.rows(BOOKS), retention.cut_off(400)

    def stop(_so_far: removal.Removed) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retention.prune(before, stop)
    assert platform.value('SELECT count(*) FROM "AiValidationJob"') == 3
    # And while the storage takes no removal, the rows go, and the files are not forgotten
    with monkeypatch.context() as context:
        context.setattr(Storage, "discard_job", lambda *_arguments, **_options: (_ for _ in ()).throw(PermissionError))
        retention.prune(before)
    assert platform.value('SELECT count(*) FROM "AiValidationJob"') == 0
    assert len(files(platform)) == 3
    assert retention.tidy(older_than_s=0) == 3
    assert files(platform) == set()
    assert platform.rows(BOOKS) == books


def test_several_may_prune_at_once(copy: Callable[[], Copy]) -> None:
    made = copy()
    platform, retention = made.platform, made.retention
    for name in NAMES:
        age(platform, made.jobs[name], 401)
    delete("failed")(made)
    books, before = platform.rows(BOOKS), retention.cut_off(400)
    would_go = retention.preview(before)
    with ThreadPoolExecutor(2) as pool:
        gone = list(pool.map(lambda _: retention.prune(before), range(2)))
    assert gone[0] + gone[1] == would_go
    assert platform.value('SELECT count(*) FROM "AiValidationJob"') == 0
    assert files(platform) == set()
    assert platform.rows(BOOKS) == books


def test_calls_of_jobs_that_were_deleted_before_go_when_they_are_old(copy: Callable[[], Copy]) -> None:
    made = copy()
    platform, retention = made.platform, made.retention
    age(platform, made.jobs["first"], 401)
    books = platform.rows(BOOKS)
    for name in ("first", "second"):
        delete(name)(made)
    old = platform.value('SELECT count(*) FROM "LlmCall" WHERE "createdAt" < now() - interval \'400 days\'')
    assert old > 0
    assert retention.prune(retention.cut_off(400)).unlinked_calls == old
    assert platform.rows(BOOKS) == books
    assert platform.value('SELECT count(*) FROM "LlmCall" WHERE "jobId" IS NULL') > 0  # of the second


def test_a_job_that_is_not_over_is_not_forgotten(copy: Callable[[], Copy]) -> None:
    made = copy()
    platform, retention, job_id = made.platform, made.retention, made.jobs["second"]
    # Given a reply that is on its way to a job that was cancelled
    call = platform.value('SELECT "id" FROM "LlmCall" WHERE "jobId" = :id LIMIT 1', id=job_id)
    started = 'UPDATE "LlmCall" SET "status" = \'started\', "createdAt" = medq_now() - :age WHERE "id" = :id'
    platform.execute(started, id=call, age=timedelta(seconds=60))
    with pytest.raises(StillRunning, match="1 of its calls are under way still: try again in 150 s at most"):
        retention.forget(job_id)
    # When nobody waits for it any more, it is in the ledger as a call of which nobody saw the end
    platform.execute(started, id=call, age=timedelta(seconds=160))
    retention.forget(job_id)
    assert platform.value('SELECT sum("calls") FROM "LlmDailyTotal" WHERE "code" = \'unknown\'') == 1
    # And a job that is queued is told to be cancelled first
    job_id = made.jobs["failed"]
    platform.execute('UPDATE "AiValidationJob" SET "status" = \'queued\' WHERE "id" = :id', id=job_id)
    with pytest.raises(StillRunning, match=f"Job {job_id} is queued: cancel it first"):
        retention.forget(job_id)
    with pytest.raises(StillRunning, match=job_id):
        retention.forget_user("prof")
    assert len(platform.rows('SELECT 1 FROM "AiValidationJob" WHERE "userId" = \'prof\'')) == 2


def test_replies_that_stored_questions_rest_on_stay_unless_they_are_asked_for(copy: Callable[[], Copy]) -> None:
    made = copy()
    platform = made.platform
    answered = 'SELECT count(*) FROM "LlmCall" WHERE "status" = \'succeeded\''
    before = platform.value(answered)
    made.retention.forget(made.jobs["first"])
    assert platform.value(answered) == before
    made = copy()
    made.retention.forget(made.jobs["first"], with_replies=True)
    assert made.platform.value(answered) < before


def test_files_of_a_job_that_somebody_deleted_go_after_a_while_and_those_of_others_never(
    copy: Callable[[], Copy],
) -> None:
    made = copy()
    platform, storage = made.platform, Storage(made.platform.storage_url)
    first, second, again = (made.jobs[name] for name in ("first", "second", "again"))
    # Given two jobs of a web app that read one upload in a place of its own, and one that reads another job's
    (Path(platform.storage_url) / "exams").mkdir()
    shared = Path(platform.storage_url) / "exams" / "a.xlsx"
    shutil.copyfile(platform.folder / "a.xlsx", shared)
    for job_id in (first, second):
        platform.execute('UPDATE "AiValidationJob" SET "fileUrl" = \'exams/a.xlsx\' WHERE "id" = :id', id=job_id)
    upload = platform.job(again)["fileUrl"]
    platform.execute(
        'UPDATE "AiValidationJob" SET "fileUrl" = :url WHERE "id" = :id', url=upload, id=made.jobs["failed"]
    )
    # When rows are deleted by SQL, one with all of its user's
    platform.execute('DELETE FROM "AiValidationJob" WHERE "id" IN (:first, :again)', first=first, again=again)
    tidy = UploadCleaner(Database(platform.engine), storage, orphan_s=3600)
    tidy.run_once()
    assert {first, again} <= files(platform)  # not yet: whoever deletes a row may put it back
    platform.execute('UPDATE "AiValidationTombstone" SET "createdAt" = "createdAt" - interval \'2 hours\'')
    tidy.run_once()
    results = {path.name for path in (Path(platform.storage_url) / "results").iterdir()}
    assert results.isdisjoint({first, again})
    assert shared.exists()
    assert storage.exists(upload)
    # When the others go too, then so do their files
    platform.execute('DELETE FROM "User" WHERE "id" = \'prof\'')
    made.retention.forget(second)
    made.retention.tidy(older_than_s=0)
    assert files(platform) - {again} == set()
    assert not shared.exists()
    assert not storage.exists(upload)


def test_a_file_comes_in_again_after_its_job_was_forgotten(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a job whose workbook somebody pasted into another file, without our mark
    llm.configure(truth=KNOWN)
    path = write_file(tmp_path / "a.xlsx", FIRST)
    retention = Retention(Database(platform.engine), Storage(platform.storage_url), straggle_s=150)
    with sending(platform) as send:
        job_id = send(path, applyCorrections=True)
        book = openpyxl.load_workbook(platform.job(job_id)["outputUrl"].removeprefix("file://"))
        columns = {cell.value: cell.column for cell in book["qcm"][1]}
        pasted: list[Any] = [
            tuple(book["qcm"].cell(n, columns[name]).value or "" for name in PASTED) for n in range(2, len(FIRST) + 2)
        ]
        assert ("Sans clé ?", "BE") in [row[:2] for row in pasted]
        before = platform.rows('SELECT * FROM "Question" ORDER BY "id"')
        asked = sum(llm.stats()["byStatus"].values())
        # When the job is forgotten and the same file comes in again
        retention.forget(job_id)
        again = send(path, applyCorrections=True)
        # Then its questions are found, nothing is paid again, and nothing was written
        assert sum(llm.stats()["byStatus"].values()) == asked
        assert outcomes(platform, again)["Confirmée ?"] == "confirmed"
        assert platform.rows('SELECT * FROM "Question" ORDER BY "id"') == before
        # And what was pasted is known for ours, though no row tells it any more
        retention.forget(again)
        back = send(write_file(tmp_path / "pasted.xlsx", pasted))
    found = outcomes(platform, back)
    assert found["Sans clé ?"] != "confirmed"
    assert found["Fausse clé ?"] != "confirmed"
    after = {row["questionText"]: row for row in platform.rows('SELECT * FROM "Question"')}
    for row in before:
        now = after[row["questionText"]]
        assert (now["correctAnswer"], now["isValidated"]) == (row["correctAnswer"], row["isValidated"])
    assert check_invariants(platform.engine, grace_s=0) == []


# -- the commands ------------------------------------------------------------------------------------------------------


@pytest.fixture
def medq(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], copy: Callable[[], Copy]) -> Medq:
    made = copy()
    return Medq(made.platform, made.platform.folder, monkeypatch, capsys)


def test_the_commands_say_what_went_and_what_stays(medq: Medq, world: World) -> None:
    platform, jobs = medq.platform, world.jobs
    age(platform, jobs["first"], 401)
    assert "Would remove what ended before" in medq("prune", "--dry-run").stdout
    assert medq.json("prune", "--dry-run", "--keep-days", "500")["jobs"] == 0
    done = medq("prune")
    assert "1 job (5 rows, " in done.stdout
    assert "Stay: the questions, what people decided" in done.stdout
    # And a job that was pruned is known no more: it can neither run again nor be forgotten
    for command in ("retry", "forget", "status"):
        assert "There is no job" in medq(command, jobs["first"], code=1).stderr
    assert "Removed job" in medq("forget", jobs["second"][:12]).stdout
    assert medq.json("jobs")


def test_a_users_jobs_go_when_that_is_meant(medq: Medq, world: World) -> None:
    platform = medq.platform
    assert "Add --yes if you mean it" in medq("forget", "--user", PROF, code=2).stderr
    assert "no user" in medq("forget", "--user", "nobody@medq.com", "--yes", code=1).stderr
    assert "Give either" in medq("forget", code=2).stderr
    done = medq("forget", "--user", PROF, "--yes")
    assert "Removed of prof@medq.com: 2 jobs" in done.stdout
    assert "1 decision of this user stay" in done.stdout
    assert platform.value('SELECT count(*) FROM "AiValidationDecision" WHERE "userId" IS NULL') == 1
    assert {row["id"] for row in platform.rows('SELECT "id" FROM "AiValidationJob"')} == {
        world.jobs["first"],
        world.jobs["second"],
    }
    assert platform.value('SELECT count(*) FROM "User" WHERE "id" = \'prof\'') == 1


def test_the_doctor_looks_at_what_is_open_or_new_and_at_everything_when_told(medq: Medq, world: World) -> None:
    platform = medq.platform
    job_id = world.jobs["first"]
    assert medq("doctor", "--invariants").code == 0
    # Given an old job whose figures are wrong
    age(platform, job_id, 3)
    with platform.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql(
            'UPDATE "AiValidationJob" SET "fixedCount" = 4711 WHERE "createdAt" < now() - interval \'1 day\''
        )
    assert medq("doctor", "--invariants").code == 0
    assert f"job {job_id}" in medq("doctor", "--invariants", "--whole", code=1).stdout
    # And one that ended today is looked at always
    age(platform, job_id, -3)
    assert f"job {job_id}" in medq("doctor", "--invariants", code=1).stdout
