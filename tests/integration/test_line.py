"""The whole line on real parts: upload → rows → batches → model → questions → corrected workbook."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa

from tests.support.real_shapes import KINDS_OF_UPLOAD, provide
from tests.support.scripted_llm import ScriptedLlm, truth_key
from tests.support.surroundings import ADMIN, Platform, asked_once
from tests.support.workbooks import knowing, make_workbook

# -- an independent reading of the file: openpyxl and its own rules, none of the parser's ------------------------


def read_rows(path: Path) -> list[dict[str, str]]:
    values = openpyxl.load_workbook(path, data_only=True)
    rows: list[dict[str, str]] = []
    for sheet in values:
        grid = [[("" if v is None else str(v)) for v in line] for line in sheet.iter_rows(values_only=True)]
        names = [name.strip().lower().replace("texte de question", "texte de la question") for name in grid[0]]
        for number, line in enumerate(grid[1:], start=2):
            if any(cell.strip() for cell in line):
                row = {name: cell for name, cell in zip(names, line, strict=True) if name}
                rows.append({"sheet": sheet.title, "row": str(number), **row})
    return rows


def expected_key(row: dict[str, str]) -> str | None:
    """The official key of a QCM row: capital letters between signs, or none."""
    text = row["reponse"].strip()
    if not re.fullmatch(r"[A-E](?:[ ,]*[A-E])*\s*\.?", text):
        return None
    letters = sorted(set(re.findall("[A-E]", text)))
    return "".join(letters) if all(row[f"option {letter.lower()}"].strip() for letter in letters) else None


@pytest.mark.parametrize("kind", KINDS_OF_UPLOAD)
def test_the_real_upload_goes_through_and_no_key_is_touched(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path, kind: str
) -> None:
    # Given a workbook as they really are, and a model that is wrong about one question in ten at each look
    upload = provide(kind, tmp_path)
    rows = read_rows(upload)
    truth: dict[str, Any] = {}
    for row in rows:
        if key := expected_key(row) if "qcm" in row["sheet"] else None:
            options = {letter: row[f"option {letter.lower()}"].strip() for letter in "ABCDE"}
            known = truth_key(
                row["texte de la question"].strip(),
                row.get("texte du cas", "").strip() or None,
                [text for text in options.values() if text],
            )
            truth[known] = [options[letter] for letter in key]
    # And about one question it is sure of another key
    mistaken = next(known for known, texts in truth.items() if len(texts) < 3)
    truth[mistaken] = [text for text in mistaken.split("\n")[2:] if text not in map(str.casefold, truth[mistaken])][:3]
    llm.configure(truth=truth, accuracy=0.9, seed=7)

    # When it is uploaded
    with platform.workers(1):
        job_id = platform.enqueue(upload)
        job = platform.wait_for_job(job_id)

        # Then the row tells the truth
        assert job["status"] == "completed", job["errorMessage"]
        assert (job["totalItems"], job["processedItems"], job["progress"]) == (196, 196, 100)
        outcomes = platform.outcomes(job_id)
        assert sum(outcomes.values()) == 196
        assert job["fixedCount"] == outcomes.get("corrected", 0) + outcomes.get("completed", 0)
        assert job["successfulAnalyses"] + job["failedAnalyses"] == 196
        assert outcomes["confirmed"] > 60
        assert outcomes["contested"] > 0

        # And every question keeps its official key, its level, its text
        items = {
            (i["sheet"], str(i["rowNumber"])): i
            for i in platform.rows(
                'SELECT i.*, q."correctAnswer", q."level", q."explanation", q."isValidated" FROM "AiValidationItem" i '
                'LEFT JOIN "Question" q ON q."id" = i."questionId" WHERE i."jobId" = :id',
                id=job_id,
            )
        }
        assert len(items) == len(rows) == 196
        keyed = 0
        for row in rows:
            item = items[(row["sheet"], row["row"])]
            assert item["original"]["source"] == row["source"]
            if "qcm" in row["sheet"]:
                key = expected_key(row)
                assert item["question"]["official_key"] == key, (row["sheet"], row["row"])
                if key is not None:
                    keyed += 1
                    assert item["status"] in ("confirmed", "contested"), item["reason"]
                    assert item["correctAnswer"] == key
            if item["questionId"]:
                assert item["level"] == "DCEM2"
                assert (item["status"] == "confirmed") == item["isValidated"]
                if item["status"] == "contested":
                    assert item["explanation"].startswith("L'analyse donne") or "donne" in item["explanation"][:80]
        assert keyed == sum(expected_key(row) is not None for row in rows if "qcm" in row["sheet"])
        assert platform.value('SELECT count(*) FROM "ClinicalCase"') == 34
        assert platform.value('SELECT count(*) FROM "Specialty" WHERE "name" ILIKE :n', n="p%diatrie%") == 1

        check_workbook(job["outputUrl"], rows)

        # And a second run of the same file adds no question and asks nothing
        questions, calls = platform.value('SELECT count(*) FROM "Question"'), llm.stats()["received"]
        second = platform.wait_for_job(platform.enqueue(upload))
        assert second["status"] == "completed"
        assert platform.value('SELECT count(*) FROM "Question"') == questions
        assert llm.stats()["received"] == calls


def check_workbook(url: str, rows: list[dict[str, str]]) -> None:
    """Every input row exactly once, in order, `source` verbatim, and the status columns filled."""
    book = openpyxl.load_workbook(url.removeprefix("file://"))
    assert book.sheetnames == ["qcm", "qroc", "cas_qcm", "cas_qroc", "À revoir", "Erreurs", "Résumé"]
    for name in ("qcm", "qroc", "cas_qcm", "cas_qroc"):
        lines = [["" if v is None else str(v) for v in line] for line in book[name].iter_rows(values_only=True)]
        column = {header: place for place, header in enumerate(lines[0])}
        expected = [row for row in rows if row["sheet"] == name]
        assert len(lines) - 1 == len(expected) == 49
        for line, row in zip(lines[1:], expected, strict=True):
            assert line[column["source"]] == row["source"]
            assert line[column["texte de la question"]] == row["texte de la question"]
            assert line[column["réponse d'origine"]] == row["reponse"]
            assert line[column["statut"]] in ("confirmée", "contestée", "complétée", "en échec")
            if line[column["statut"]] in ("confirmée", "contestée"):
                assert line[column["reponse"]] == row["reponse"]


# -- a provider that only fails ----------------------------------------------------------------------------------------


def test_a_provider_that_is_down_fails_the_job_and_invents_nothing(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given an endpoint that answers 500 to everything
    llm.configure(status=500)
    # When a file as they really are is uploaded, with four seconds of patience
    with platform.workers(1, MEDQ_OUTAGE_SECONDS="4"):
        job_id = platform.enqueue(provide("our upload", tmp_path))
        job = platform.wait_for_job(job_id)
        # Then the job says so, and nothing was made up
        assert job["status"] == "failed"
        assert "indisponible" in job["errorMessage"]
        assert (job["failedAnalyses"], job["successfulAnalyses"], job["fixedCount"]) == (196, 0, 0)
        assert platform.outcomes(job_id) == {"failed": 196}
        assert job["progress"] < 100
        assert platform.value('SELECT count(*) FROM "Question"') == 0
        assert platform.value('SELECT count(*) FROM "ClinicalCase"') == 0
        assert (
            platform.value('SELECT count(*) FROM "AiValidationItem" WHERE "result" ->> \'explanation\' IS NOT NULL')
            == 0
        )
        # And the partial workbook can be had
        book = openpyxl.load_workbook(job["outputUrl"].removeprefix("file://"))
        assert book["Erreurs"].max_row == 197

        # When the provider is back and the admin puts the row to `queued` again
        llm.configure(status=200)
        platform.execute('UPDATE "AiValidationJob" SET "status" = \'queued\' WHERE "id" = :id', id=job_id)
        platform.wait_until(lambda: platform.job(job_id)["status"] != "queued", what="picked up again")
        job = platform.wait_for_job(job_id)
        # Then it is done
        assert (job["status"], job["failedAnalyses"], job["errorMessage"]) == ("completed", 0, None)


def test_a_wrong_api_key_fails_at_once_with_a_sentence(platform: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    llm.configure(status=401)
    with platform.workers(1, MEDQ_THREADS="4"):
        job = platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "a.xlsx", 100)))
    assert job["status"] == "failed"
    assert "clé" in job["errorMessage"].lower()
    assert llm.stats()["received"] <= 4 + 1
    assert platform.value('SELECT count(*) FROM "Question"') == 0


# -- the row alone -----------------------------------------------------------------------------------------------------


def insert_by_sql(platform: Platform, job_id: str, file_url: str) -> None:
    platform.execute(
        'INSERT INTO "AiValidationJob" ("id", "fileName", "originalFileName", "fileSize", "fileUrl", "userId", '
        '"updatedAt") SELECT :id, \'a.xlsx\', \'a.xlsx\', 1, :url, "id", now() FROM "User" WHERE "email" = :email',
        id=job_id,
        url=file_url,
        email=ADMIN,
    )


def test_a_job_inserted_with_plain_sql_is_picked_up_and_done(platform: Platform, tmp_path: Path) -> None:
    storage = Path(platform.storage_url)
    storage.mkdir(parents=True)
    make_workbook(storage / "a.xlsx", 6)
    with platform.workers(1, MEDQ_SWEEP_SECONDS="3600") as workers:  # nobody looks: what is inserted has to be heard of
        platform.wait_until(lambda: is_listening(platform), what="worker listening")
        insert_by_sql(platform, "job1", "a.xlsx")
        job = platform.wait_for_job("job1")
        assert len(workers.pids()) == 1
    assert job["status"] == "completed"


def is_listening(platform: Platform) -> bool:
    return bool(platform.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'medq-watch'"))


def test_a_job_cancelled_with_plain_sql_stops(platform: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    # Given a job of 40 batches, under way
    llm.configure(latency_s=0.5)
    with platform.workers(1, MEDQ_THREADS="4"):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 200))
        platform.wait_until(lambda: platform.job(job_id)["processedItems"] > 0, what="first batch")
        # When its row is cancelled
        platform.execute('UPDATE "AiValidationJob" SET "status" = \'cancelled\' WHERE "id" = :id', id=job_id)
        cancelled_at = datetime.now(UTC).replace(tzinfo=None)
        frozen = platform.job(job_id)
        questions = platform.value('SELECT count(*) FROM "Question"')
        # And those who worked on it go on with another one, to its end
        sample = make_workbook(tmp_path / "b.xlsx", 20, marker="suivante")
        assert platform.wait_for_job(platform.enqueue(sample))["status"] == "completed"
        platform.wait_until(lambda: llm.stats()["inFlight"] == 0, what="no call in flight")
        # Then no call began for it afterwards, nothing was written, and the status stays
        late = platform.rows(
            'SELECT "createdAt" FROM "LlmCall" WHERE "createdAt" > :at AND "jobId" = :id', at=cancelled_at, id=job_id
        )
        assert late == []
        job = platform.job(job_id)
        assert job["status"] == "cancelled"
        assert job["processedItems"] == frozen["processedItems"] < 200
        assert job["message"].startswith("Annulé")
        assert platform.value('SELECT count(*) FROM "Question"') == questions + 20
        assert platform.outcomes(job_id)["pending"] == 200 - frozen["processedItems"]

        # When it is put back, it goes on, and no stored answer is paid for again
        llm.configure(latency_s=0.0)
        platform.execute('UPDATE "AiValidationJob" SET "status" = \'queued\' WHERE "id" = :id', id=job_id)
        platform.wait_until(lambda: platform.job(job_id)["status"] != "queued", what="picked up again")
        job = platform.wait_for_job(job_id)
    assert (job["status"], job["processedItems"]) == ("completed", 200)
    assert asked_once(platform)


# -- several workers, and none -----------------------------------------------------------------------------------------


def test_two_workers_analyse_each_item_once(platform: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    llm.configure(latency_s=0.05, truth=knowing(150))
    with platform.workers(2, MEDQ_THREADS="4"):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 150))
        job = platform.wait_for_job(job_id)
    assert job["status"] == "completed"
    assert platform.outcomes(job_id) == {"confirmed": 150}
    assert llm.stats()["received"] == 30
    assert asked_once(platform)
    owners = platform.value('SELECT max("attempt") FROM "AiValidationTask"')
    assert owners == 1


def test_a_process_makes_as_many_calls_at_once_as_it_may_and_no_more(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a process of four calls at once, and a model that keeps its replies back
    llm.configure(hold=True)
    running = 'SELECT count(*) FROM "AiValidationTask" WHERE "status" = \'running\''
    with platform.workers(1, MEDQ_THREADS="4"):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 100))
        # When further threads have claimed what comes next
        platform.wait_until(lambda: platform.value(running) > 4, what="more tasks than calls")
        platform.wait_until(lambda: llm.stats()["inFlight"] == 4, what="four calls")
        llm.configure(hold=False, latency_s=0.05)
        assert platform.wait_for_job(job_id)["status"] == "completed"
    # Then there were four calls at once at most
    assert llm.stats()["maxInFlight"] == 4


def test_a_job_whose_row_is_locked_holds_up_nobody_but_itself(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a process with as many calls under way as it has connections, about a course that is known
    llm.configure(truth=knowing(50))
    stored = 'SELECT count(*) FROM "LlmCall" WHERE "jobId" = :id AND "status" = \'succeeded\''
    with platform.workers(1, MEDQ_THREADS="8"):
        platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "first.xlsx", 5, marker="first")))
        llm.configure(hold=True)
        held = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 50))
        platform.wait_until(lambda: llm.stats()["inFlight"] == 8, what="eight calls")
        # When all return while somebody has locked their job
        with platform.engine.begin() as connection:
            lock = sa.text('SELECT FROM "AiValidationJob" WHERE "id" = :id FOR NO KEY UPDATE')
            connection.execute(lock, {"id": held})
            llm.configure(hold=False)
            platform.wait_until(lambda: platform.value(stored, id=held) == 10, what="ten replies")
            # Then another job goes on
            other = platform.enqueue(make_workbook(tmp_path / "b.xlsx", 5, marker="b"))
            assert platform.wait_for_job(other)["status"] == "completed"
            assert platform.job(held)["processedItems"] == 0
        # And so does this one, afterwards
        assert platform.wait_for_job(held)["status"] == "completed"


def test_a_killed_worker_loses_nothing_and_pays_only_calls_in_flight_again(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a worker with four calls in flight, some batches done
    llm.configure(latency_s=0.4, truth=knowing(150))
    with platform.workers(1, MEDQ_THREADS="4") as workers:
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 150))
        platform.wait_until(lambda: platform.job(job_id)["processedItems"] > 0, what="first batch")
        platform.wait_until(lambda: llm.stats()["inFlight"] == 4, what="four calls in flight")
        # When its process is killed; the supervisor starts another
        (pid,) = workers.pids()
        kill(pid)
        job = platform.wait_for_job(job_id)
        assert workers.pids() != [pid]
    # Then the job is done: nothing lost, nothing doubled, at most the calls in flight paid again
    assert job["status"] == "completed"
    assert platform.outcomes(job_id) == {"confirmed": 150}
    assert platform.value('SELECT count(*) FROM "Question"') == 150
    assert 30 <= llm.stats()["received"] <= 30 + 4
    unknown = platform.value(
        "SELECT count(*) FROM \"LlmCall\" WHERE \"status\" = 'failed' AND \"error\" ->> 'code' = 'unknown'"
    )
    assert 1 <= unknown <= 4
    assert platform.value('SELECT count(*) FROM "LlmCall" WHERE "status" = \'started\'') == 0


def kill(pid: int) -> None:
    import os
    import signal

    os.kill(pid, signal.SIGKILL)


def test_work_waits_for_a_worker_to_come(platform: Platform, tmp_path: Path) -> None:
    # Given a job enqueued while no worker runs, and Redis that never heard of it
    job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 3))
    assert platform.job(job_id)["status"] == "queued"
    # When a worker starts
    with platform.workers(1):
        job = platform.wait_for_job(job_id)
    # Then it is done
    assert job["status"] == "completed"


# -- what is refused, and what is kept ---------------------------------------------------------------------------------


@pytest.fixture
def bad_files(tmp_path: Path) -> dict[str, Path]:
    files = {
        "empty.xlsx": b"",
        "garbage.xlsx": b"\x00\x01\x02 not a workbook",
        "page.csv": b"un,deux\n1,2\n",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return {name: tmp_path / name for name in files}


def test_bad_files_fail_with_a_sentence_and_write_nothing(platform: Platform, bad_files: dict[str, Path]) -> None:
    with platform.workers(1):
        jobs = {name: platform.enqueue(path) for name, path in bad_files.items()}
        ended = {name: platform.wait_for_job(job_id) for name, job_id in jobs.items()}
    for name, job in ended.items():
        assert job["status"] == "failed", name
        assert job["errorMessage"].endswith("."), name
        assert job["totalItems"] == 0, name
    assert platform.value('SELECT count(*) FROM "AiValidationItem"') == 0
    assert platform.value('SELECT count(*) FROM "LlmCall"') == 0


def test_one_cause_of_all_rows_is_the_jobs_error_and_a_level_is_one_of_the_platforms(
    platform: Platform, tmp_path: Path
) -> None:
    text = "matiere;niveau;question;option a;option b;reponse\nP;{0};Quoi ?;un;deux;A\nP;{0};Et ?;un;deux;B\n"
    for name, level in (("facile", "Facile"), ("dcem2", "DCEM2"), ("sixieme", "6e année")):
        (tmp_path / f"{name}.csv").write_text(text.format(level))
    with platform.workers(1):
        refused = platform.wait_for_job(platform.enqueue(tmp_path / "facile.csv"))
        platform.wait_for_job(platform.enqueue(tmp_path / "dcem2.csv"))
        platform.execute('UPDATE "Question" SET "level" = \'6e année\'')
        known = platform.wait_for_job(platform.enqueue(tmp_path / "sixieme.csv"))
    assert refused["status"] == "failed"
    assert "même cause" in refused["errorMessage"]
    assert "Niveau inconnu (« Facile »)" in refused["errorMessage"]
    assert "defaultLevel" in refused["errorMessage"]
    assert known["status"] == "completed"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "../../etc/passwd", "http://127.0.0.1:1/x.xlsx", "/etc/passwd"])
def test_a_file_outside_storage_is_never_opened(platform: Platform, url: str) -> None:
    with platform.workers(1):
        insert_by_sql(platform, "job1", url)
        job = platform.wait_for_job("job1")
    assert job["status"] == "failed"
    assert "root:" not in str(job)


def test_a_wrong_config_names_the_option(platform: Platform, tmp_path: Path) -> None:
    with platform.workers(1):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 1), config={"batchSize": "cinq"})
        job = platform.wait_for_job(job_id)
    assert job["status"] == "failed"
    assert "batchSize" in job["errorMessage"]


def test_a_question_that_a_person_validated_is_never_changed(platform: Platform, tmp_path: Path) -> None:
    # Given an imported file of which a person validated one question
    path = make_workbook(tmp_path / "a.xlsx", 5)
    with platform.workers(1):
        platform.wait_for_job(platform.enqueue(path))
        chosen = platform.value('SELECT min("id") FROM "Question"')
        platform.execute(
            'UPDATE "Question" SET "validatedBy" = u."id", "explanation" = \'Relu.\' FROM "User" u '
            'WHERE u."email" = :email AND "Question"."id" = :id',
            email=ADMIN,
            id=chosen,
        )
        before = platform.rows('SELECT * FROM "Question" WHERE "id" = :id', id=chosen)
        # When the file comes again with other keys
        again = make_workbook(tmp_path / "b.xlsx", 5, key="BD")
        job_id = platform.enqueue(again)
        job = platform.wait_for_job(job_id)
    # Then that question is as the person left it
    assert job["status"] == "completed"
    assert platform.rows('SELECT * FROM "Question" WHERE "id" = :id', id=chosen) == before
    assert platform.outcomes(job_id)["duplicate"] == 1
    assert platform.value('SELECT count(*) FROM "Question"') == 5


def test_a_person_who_validates_while_the_model_thinks_is_respected_and_the_figures_stay_true(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given an imported question, and a file that holds it three times, under analysis by another model
    first = make_workbook(tmp_path / "a.xlsx", 1)
    book = openpyxl.load_workbook(first)
    sheet = book["qcm"]
    row = [cell.value for cell in sheet[2]]
    sheet.append(row)
    sheet.append(row)
    book.save(tmp_path / "b.xlsx")
    with platform.workers(1):
        platform.wait_for_job(platform.enqueue(first))
        llm.configure(hold=True)
        job_id = platform.enqueue(tmp_path / "b.xlsx", config={"aiModel": "another"})
        platform.wait_until(lambda: llm.stats()["inFlight"] == 1, what="a call in flight")
        # When a person validates that question before the reply comes
        platform.execute(
            'UPDATE "Question" SET "validatedBy" = u."id", "explanation" = \'Relu.\' FROM "User" u '
            'WHERE u."email" = :email',
            email=ADMIN,
        )
        llm.configure(hold=False)
        job = platform.wait_for_job(job_id)
    # Then all three rows point to it, untouched, and the row's figures are those that its items give
    assert platform.outcomes(job_id) == {"duplicate": 3}
    assert platform.value('SELECT "explanation" FROM "Question"') == "Relu."
    (counted,) = platform.rows("SELECT * FROM medq_job_figures(:id)", id=job_id)
    assert {name: job[name] for name in counted} == counted
    assert (job["status"], job["successfulAnalyses"], job["failedAnalyses"]) == ("completed", 3, 0)


def test_one_row_added_to_an_imported_file_adds_one_question(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(truth=knowing(21))
    with platform.workers(1):
        platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "a.xlsx", 20)))
        asked = llm.stats()["questions"]
        platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "b.xlsx", 21)))
    assert platform.value('SELECT count(*) FROM "Question"') == 21
    assert llm.stats()["questions"] == asked + 1


def test_instructions_reach_the_model_and_a_corrected_key_needs_the_job_to_say_so(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a model sure of BD where the file says AC
    llm.configure(truth=knowing(4, key="BD"))
    path = make_workbook(tmp_path / "a.xlsx", 4)
    with platform.workers(1):
        contested = platform.enqueue(path, instructions="Insister sur la sémiologie.")
        platform.wait_for_job(contested)
        assert platform.outcomes(contested) == {"contested": 4}
        assert {r["correctAnswer"] for r in platform.rows('SELECT "correctAnswer" FROM "Question"')} == {"AC"}
        # When the job allows corrections
        corrected = platform.enqueue(path, config={"applyCorrections": True})
        job = platform.wait_for_job(corrected)
    # Then, and only then, the key is replaced, and the row says so
    assert platform.outcomes(corrected) == {"corrected": 4}
    assert job["fixedCount"] == 4
    rows = platform.rows('SELECT "correctAnswer", "isValidated" FROM "Question"')
    assert {(r["correctAnswer"], r["isValidated"]) for r in rows} == {("BD", False)}
    (call,) = [c for c in llm.calls() if c["purpose"] == "analyse"][:1]
    assert call["status"] == 200
