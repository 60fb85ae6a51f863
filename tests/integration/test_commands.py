"""The commands as an operator types them, on real PostgreSQL and Redis, with a scripted model.

Short ones run inside this process, which spares a second of imports each; what starts workers runs as a process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
import xlsxwriter

from tests.support.commands import Medq
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import ADMIN, Platform
from worker.jobs.queries import count_workers
from worker.system.urls import libpq_url
from worker.upload.reading.reading import read_here

CSV = """matiere;cours;question n;texte de la question;option a;option b;reponse;niveau;semestre
Cardiologie;HTA;1;Quelle valeur définit l'HTA ?;140/90 mmHg;100/60 mmHg;A;DCEM2;S1
Cardiologie;HTA;2;Quel traitement en première intention ?;Un IEC;Aucun;A;DCEM2;S1
Cardiologie;HTA;3;;Oui;Non;A;DCEM2;S1
"""


@pytest.fixture
def medq(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Medq:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "questions - qcm.csv").write_text(CSV, encoding="utf-8")
    return Medq(platform, folder, monkeypatch, capsys)


def enqueue(medq: Medq) -> str:
    return medq("enqueue", "questions - qcm.csv", "--user", ADMIN).stdout.strip()


def test_run_takes_a_file_through_the_whole_line(medq: Medq) -> None:
    # Given an address as Prisma writes it
    prisma = libpq_url(medq.platform.database_url) + "&schema=public&connection_limit=5"
    done = medq.finish(medq.start("run", "questions - qcm.csv", "-o", "out", DATABASE_URL=prisma))

    (job,) = medq.json("jobs")
    assert job["status"] == "completed"
    assert f"job {job['id']} · completed · 100 %" in done.stdout
    assert "1 rejected" in done.stdout
    assert f"medq status {job['id']}" in done.stdout
    assert "questions - qcm.csv: completed, 100 %" in done.stderr
    assert "embedded" not in done.stderr
    (workbook,) = (medq.folder / "out").iterdir()
    assert workbook.name == "questions - qcm-corrige.xlsx"
    assert f"Copied to: {workbook.relative_to(medq.folder)}" in done.stdout
    # The line for psql works as it is printed, and holds no password
    (line,) = [line.strip() for line in done.stdout.splitlines() if "psql" in line]
    password = sa.make_url(medq.platform.database_url).password or ""
    assert password not in line
    environment = {**os.environ, "PGPASSWORD": password}
    shown = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert "(3 rows)" in shown.stdout, shown.stderr


def test_what_of_a_file_was_not_used_is_said_on_the_row_in_the_workbook_and_by_status(medq: Medq) -> None:
    # Given a workbook with a column that nobody reads, a hidden row and a hidden sheet
    header = ("matiere", "niveau", "question", "option a", "option b", "reponse", "Auteur")
    with xlsxwriter.Workbook(medq.folder / "x.xlsx") as book:
        for name in ("qcm", "ancien"):
            sheet = book.add_worksheet(name)
            for row, cells in enumerate(
                [header, *(("P", "DCEM2", f"Q{n} ?", "un", "deux", "A", "Dr X") for n in "12")]
            ):
                sheet.write_row(row, 0, cells)
        book.get_worksheet_by_name("qcm").set_row(2, None, None, {"hidden": True})
        book.get_worksheet_by_name("ancien").hide()

    medq.finish(medq.start("run", "x.xlsx", "-o", "out"))

    (job,) = medq.json("jobs")
    assert "Feuille non lue : ancien. À savoir : 1 ligne masquée lue, colonne « Auteur » non lue" in job["message"]
    described = medq.json("status", job["id"])
    assert [sheet["name"] for sheet in described["leftOut"]] == ["ancien"]
    assert [(note["code"], note["count"]) for note in described["notes"]] == [("hidden_rows", 1), ("unread_column", 2)]
    shown = medq("status", job["id"]).stdout
    summary = read_here((medq.folder / "out" / "x-corrige.xlsx").read_bytes(), "x", max_bytes=10**7, max_rows=10**3)[-1]
    said = "\n".join(cell for _, cells in summary.rows for cell in cells)
    for text in (shown, said):
        assert "Feuille masquée" in text
        assert "la colonne « Auteur » n'est pas lue (2 cellules remplies)" in " ".join(text.split())


def test_run_of_a_file_that_cannot_be_read_fails_with_the_sentence_of_the_row(medq: Medq) -> None:
    (medq.folder / "broken.xlsx").write_bytes(b"not a workbook")
    failed = medq.finish(medq.start("run", "broken.xlsx"), code=1)
    (job,) = medq.json("jobs")
    assert job["status"] == "failed"
    assert job["errorMessage"]
    assert job["errorMessage"] in failed.stdout


def test_interrupted_run_leaves_a_job_that_a_worker_finishes(medq: Medq, llm: ScriptedLlm) -> None:
    # Given a run whose model takes its time
    llm.configure(hold=True)
    process = medq.start("run", "questions - qcm.csv", MEDQ_GRACE_SECONDS="0")
    platform = medq.platform
    platform.wait_until(lambda: bool(llm.stats()["received"]), what="a call began")

    # When it is interrupted
    process.send_signal(signal.SIGINT)
    interrupted = medq.finish(process, code=130)

    # Then it says so, and a worker goes on
    (job,) = medq.json("jobs")
    assert job["id"] in interrupted.stderr
    assert job["status"] == "processing"
    llm.configure(hold=False)
    with platform.workers():
        assert platform.wait_for_job(job["id"])["status"] == "completed"


def test_enqueue_prints_the_id_and_says_when_nobody_works(medq: Medq) -> None:
    done = medq("enqueue", "questions - qcm.csv", "--user", ADMIN, "--config", '{"batchSize": 1}')
    job_id = done.stdout.strip()
    assert "No worker is at work" in done.stderr
    job = medq.json("status", job_id)
    assert job["status"] == "queued"
    assert job["config"] == {"batchSize": 1}
    assert job["originalFileName"] == "questions - qcm.csv"


def test_enqueue_for_nobody_is_wrong_usage(medq: Medq) -> None:
    failed = medq("enqueue", "questions - qcm.csv", "--user", "nobody@example.org", code=2)
    assert "nobody@example.org" in failed.stderr
    assert medq.json("jobs") == []


def test_cancel_and_retry_may_be_asked_twice(medq: Medq) -> None:
    job_id = enqueue(medq)
    assert "is cancelled" in medq("cancel", job_id).stdout
    assert "cancelled already" in medq("cancel", job_id).stdout
    assert medq.json("status", job_id)["status"] == "cancelled"

    assert "queued again" in medq("retry", job_id).stdout
    assert "nothing to do again" in medq("retry", job_id).stdout
    assert medq.json("status", job_id)["status"] == "queued"


def test_watch_follows_to_the_end_and_download_brings_the_workbook(medq: Medq) -> None:
    job_id = enqueue(medq)
    with medq.platform.workers():
        job = medq.json("status", job_id, "--watch")
    assert job["status"] == "completed"
    assert job["outcomes"]["pending"] == 0
    assert sum(job["outcomes"].values()) == job["totalItems"] == 3
    assert job["llmCalls"]["calls"] >= 1

    for _again in range(2):
        printed = medq("download", job_id).stdout.strip()
        assert (medq.folder / printed).read_bytes()[:2] == b"PK"
    medq("download", job_id, "-o", "deep/er/name.xlsx")
    assert (medq.folder / "deep/er/name.xlsx").exists()


def test_download_of_a_job_cancelled_half_way_holds_what_is_done(medq: Medq, llm: ScriptedLlm) -> None:
    # Given a job that is prepared, and cancelled before any reply
    llm.configure(hold=True)
    job_id = enqueue(medq)
    with medq.platform.workers(MEDQ_GRACE_SECONDS="0"):
        medq.platform.wait_until(lambda: bool(llm.stats()["received"]), what="a call began")
        medq("cancel", job_id)

    # When its workbook is asked for, then there is one, though the row has none
    path = medq.folder / medq("download", job_id).stdout.strip()
    assert path.read_bytes()[:2] == b"PK"
    assert medq.json("status", job_id)["outputUrl"] is None


def test_download_before_anything_was_read_is_one_sentence(medq: Medq) -> None:
    failed = medq("download", enqueue(medq), code=1)
    assert "no row yet" in failed.stderr


def test_an_unknown_job_is_one_sentence(medq: Medq) -> None:
    for command in ("status", "cancel", "retry", "download"):
        failed = medq(command, "cnowhere", code=1)
        assert failed.stdout == ""
        assert failed.stderr.startswith("medq: There is no job 'cnowhere'.")


def test_doctor_finds_this_platform_well_once_somebody_works(medq: Medq) -> None:
    # Given nobody at work, then jobs would not be done
    report = medq.json("doctor", code=1)
    levels = {check["name"]: check["level"] for check in report["checks"]}
    assert report["ok"] is False
    assert levels == {
        "database": "ok",
        "schema": "ok",
        "workers": "fail",
        "database writes": "ok",
        "redis": "ok",
        "storage": "ok",
        "llm": levels["llm"],
    }

    with medq.platform.workers():
        medq.platform.wait_until(lambda: bool(count_workers(medq.platform.engine)), what="the worker is seen")
        report = medq.json("doctor")
    assert report["ok"] is True
    assert {check["name"]: check["level"] for check in report["checks"]} == {**levels, "workers": "ok"}


def test_doctor_names_each_part_that_is_down(medq: Medq) -> None:
    report = medq.json(
        "doctor",
        code=1,
        DATABASE_URL="postgresql://medq@127.0.0.1:1/medq",
        REDIS_URL="redis://127.0.0.1:1",
        MEDQ_STORAGE_URL="/proc/nowhere",
        OPENAI_BASE_URL="http://127.0.0.1:1/v1",
    )
    assert {c["name"]: c["level"] for c in report["checks"]} == dict.fromkeys(
        ("database", "redis", "storage", "llm"), "fail"
    )
    assert all(check["finding"] for check in report["checks"])


def test_a_database_that_is_behind_is_not_migrated_silently(
    medq: Medq, create_database: Callable[..., str], url_of: Callable[[str], str]
) -> None:
    # Given somebody's database at the exact seed
    medq.platform.engine.dispose()
    url = url_of(create_database())
    assert "went from an empty schema to 001" in medq("schema", "upgrade", "001", DATABASE_URL=url).stdout

    # When a command needs more, then it says what to do, and changes nothing
    failed = medq("jobs", code=2, DATABASE_URL=url)
    assert "at revision 001" in failed.stderr
    assert "schema upgrade" in failed.stderr
    assert medq("schema", "check", code=1, DATABASE_URL=url).stdout

    # When asked to, then it migrates, once
    assert "went from 001" in medq("schema", "upgrade", DATABASE_URL=url).stdout
    assert "already" in medq("schema", "upgrade", DATABASE_URL=url).stdout
    assert medq.json("schema", "check", DATABASE_URL=url)["differences"] == []
    assert medq.json("jobs", DATABASE_URL=url) == []


def test_a_wrong_variable_is_named(medq: Medq) -> None:
    assert "MEDQ_THREADS" in medq("jobs", code=2, MEDQ_THREADS="many").stderr


def test_without_any_database_reading_commands_create_none(medq: Medq) -> None:
    failed = medq("jobs", code=2, DATABASE_URL="", REDIS_URL="", MEDQ_HOME="empty")
    assert "There is no database yet" in failed.stderr
    assert not (medq.folder / "empty").exists()


def test_a_worker_leaves_in_order_when_told_to(medq: Medq) -> None:
    process = medq.start("worker", MEDQ_PROCESSES="2")
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'medq-watch'"
    medq.platform.wait_until(
        lambda: medq.platform.value(query + " AND datname = current_database()") == 2, what="two processes listen"
    )
    process.terminate()
    medq.finish(process)


def test_help_loads_nothing_heavy() -> None:
    heavy = ["alembic", "openai", "psycopg", "pydantic", "redis", "rich", "sqlalchemy"]
    code = f"import sys, worker.cli; print([m for m in {heavy} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
