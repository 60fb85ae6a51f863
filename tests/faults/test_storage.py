"""Files and rows are in two places: producers killed between them, a disk that is full, a workbook half written."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import openpyxl

from tests.faults.record import record
from tests.support.harness import LONG, Jobs, Watcher, check_at_rest, check_nothing_lost
from tests.support.nursery import Nursery
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import ADMIN, Platform
from tests.support.workbooks import make_workbook
from worker.failpoints import Point
from worker.messages import job_causes

PRODUCER_POINTS = (Point.ANNOUNCED, Point.STORED, Point.INSERTED, Point.ENQUEUED)


def files_in(storage: Path) -> set[str]:
    return {str(path.relative_to(storage)) for path in storage.rglob("*") if path.is_file()}


def test_t13_producers_killed_while_they_store_and_insert(
    platform: Platform, llm: ScriptedLlm, nursery: Nursery, rng: random.Random
) -> None:
    # Given producers, each of which is killed at a named point, or after any few milliseconds
    kills = 100 if LONG else 40
    environment = platform.worker_environment()
    killed = 0
    for number in range(kills):
        path = make_workbook(platform.folder / f"p{number}.xlsx", 2, f"producteur {number}")
        order = {"path": str(path), "user": ADMIN}
        if number % 2:
            point = rng.choice(PRODUCER_POINTS)
            pid = nursery.start({**environment, "MEDQ_FAULTS": f"{point}:kill"}, enqueue=order)
        else:
            pid = nursery.start(environment, enqueue=order)
            time.sleep(rng.uniform(0, 0.06))
            nursery.signal(pid, signal.SIGKILL)
        killed += nursery.wait_for_end(pid) == -signal.SIGKILL
    assert killed >= kills // 2, "the producers were not killed"
    ids = [row["id"] for row in platform.rows('SELECT "id" FROM "AiValidationJob"')]
    strays = len(files_in(Path(platform.storage_url))) - len(ids)
    # When workers run, and tidy what is older than a second
    with Watcher(platform.database_url):
        nursery.start(platform.worker_environment(MEDQ_THREADS="4", MEDQ_STRAY_SECONDS="1"))
        jobs = Jobs(platform, questions=2, ids=ids)
        jobs.wait_for_all()
        storage = Path(platform.storage_url)

        def is_tidy() -> bool:
            return {name.split("/")[1] for name in files_in(storage)} == set(ids)

        platform.wait_until(is_tidy, timeout_s=30, what="no stray file")
        nursery.stop_all()
    # Then there is no job, or a job that completed; and no file without one
    check_nothing_lost(platform, ids, 2)
    assert 0 < len(ids) < kills
    assert strays > 0, "no file was ever without a job: the fault was not there"
    record("T13", producers=kills, killed=killed, jobs=len(ids), strays_removed=strays, strays_left=0)


def test_t16_the_upload_vanished(platform: Platform, nursery: Nursery) -> None:
    jobs = Jobs(platform)
    job_id = jobs.add()
    upload = Path(platform.job(job_id)["fileUrl"].removeprefix("file://"))
    content = upload.read_bytes()
    upload.unlink()
    nursery.start(platform.worker_environment(MEDQ_THREADS="2"))
    jobs.wait_for_all()
    job = platform.job(job_id)
    assert (job["status"], job["outputUrl"]) == ("failed", None)
    assert "introuvable" in job["errorMessage"]
    # When it is there again and the job is put back
    upload.write_bytes(content)
    put_back(platform, job_id)
    jobs.wait_for_all()
    nursery.stop_all()
    check_nothing_lost(platform, jobs.ids, jobs.questions)
    record("T16 upload vanished", failed=1, resumed=1)


def put_back(platform: Platform, job_id: str) -> None:
    platform.execute('UPDATE "AiValidationJob" SET "status" = \'queued\' WHERE "id" = :id', id=job_id)


def test_t16_the_disk_is_full(platform: Platform, llm: ScriptedLlm, nursery: Nursery) -> None:
    # Given a worker whose files cannot grow beyond four kilobytes
    jobs = Jobs(platform)
    with Watcher(platform.database_url):
        job_id = jobs.add()
        pid = nursery.start(platform.worker_environment(MEDQ_THREADS="2"), largest_file=4096)
        jobs.wait_for_all()
        # Then the job failed with the cause, its questions are there, and nothing half written is
        job = platform.job(job_id)
        assert (job["status"], job["outputUrl"], job["errorMessage"]) == ("failed", None, job_causes.STORAGE_FULL)
        assert job["processedItems"] == jobs.questions
        assert platform.value('SELECT count(*) FROM "Question"') == jobs.questions
        assert not [name for name in files_in(Path(platform.storage_url)) if name.startswith("results/")]
        nursery.signal(pid, signal.SIGTERM)
        nursery.wait_for_end(pid)
        # And it is done once there is room, without another call
        received = llm.stats()["received"]
        put_back(platform, job_id)
        nursery.start(platform.worker_environment(MEDQ_THREADS="2"))
        jobs.wait_for_all()
        nursery.stop_all()
    assert llm.stats()["received"] == received
    check_nothing_lost(platform, jobs.ids, jobs.questions)
    record("T16 disk full", failed=1, resumed=1, calls_paid_again=0)


def test_t16_killed_while_the_workbook_is_written(platform: Platform, llm: ScriptedLlm, nursery: Nursery) -> None:
    jobs = Jobs(platform)
    with Watcher(platform.database_url):
        job_id = jobs.add()
        pid = nursery.start(platform.worker_environment(MEDQ_THREADS="2", MEDQ_FAULTS="in_finish:kill"))
        assert nursery.wait_for_end(pid, 60) == -signal.SIGKILL
        # Then the row names no workbook while none was handed over
        assert platform.job(job_id)["outputUrl"] is None
        nursery.start(platform.worker_environment(MEDQ_THREADS="2"))
        jobs.wait_for_all()
        nursery.stop_all()
    # And the one that it names at last is whole
    book = openpyxl.load_workbook(platform.job(job_id)["outputUrl"].removeprefix("file://"))
    assert book["qcm"].max_row == jobs.questions + 1
    check_at_rest(platform)
    record("T16 killed in finish", workbook_whole=1)
