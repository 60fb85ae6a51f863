"""Batch mode on real parts: half price, and nothing paid twice whatever dies or comes back."""

from __future__ import annotations

import json
import threading
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import openpyxl
import pytest

from tests.support.commands import run_medq
from tests.support.probes import heard
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import PRICES, Platform, asked_once
from tests.support.workbooks import knowing, make_workbook
from worker.jobs.invariants import check_invariants
from worker.messages import row_reasons
from worker.runtime.container import build_worker
from worker.settings import Settings

QUESTIONS = 12


@pytest.fixture
def batched(platform: Platform, tmp_path: Path) -> Platform:
    """A platform that knows the scripted model's price and looks at batches often."""
    path = tmp_path / "prices.toml"
    path.write_text(PRICES)
    platform.environment |= {
        "MEDQ_PRICES": str(path),
        "MEDQ_BATCH_POLL_SECONDS": "0.2",
        "MEDQ_SWEEP_SECONDS": "0.3",
        "MEDQ_CALL_TIMEOUT_SECONDS": "1",
        "MEDQ_LEASE_SECONDS": "2",
        "MEDQ_THREADS": "4",
    }
    return platform


def start_job(platform: Platform, path: Path, **config: Any) -> str:
    return platform.enqueue(path, config={"batchApi": True, **config})


def wait_for_states(platform: Platform, llm: ScriptedLlm, count: int) -> None:
    """So many batches are begun at the provider, and the row says what is waited for."""
    platform.wait_until(lambda: llm.stats()["batches"]["begun"] >= count, what=f"{count} batches begun")


def paid_twice(llm: ScriptedLlm) -> list[Any]:
    """Questions that the provider answered, and billed, more than once for the same purpose."""
    paid = [
        (call["purpose"], question) for call in llm.calls() if call["status"] == 200 for question in call["questions"]
    ]
    return [question for question, times in Counter(paid).items() if times > 1]


def check_done(platform: Platform, llm: ScriptedLlm, job: dict[str, Any], count: int = QUESTIONS) -> None:
    assert (job["status"], job["processedItems"], job["successfulAnalyses"]) == ("completed", count, count), job
    assert platform.value("SELECT count(*) FROM \"LlmCall\" WHERE \"status\" IN ('waiting', 'started')") == 0
    # (a batch submitter that was killed while it read a batch leaves the end of it to another, and the tasks do not
    # wait)
    is_open = "SELECT count(*) FROM \"LlmBatch\" WHERE \"status\" IN ('waiting', 'submitted')"
    platform.wait_until(lambda: platform.value(is_open) == 0, what="every batch ended")
    assert check_invariants(platform.engine, grace_s=0) == []


def test_a_job_goes_through_batches_round_by_round_at_half_price(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a model that is wrong about some questions at the first look
    llm.configure(truth=knowing(QUESTIONS), accuracy=0.6, seed=5, batch_shuffle=True)
    path = make_workbook(tmp_path / "a.xlsx", QUESTIONS)
    with batched.workers(2):
        job = batched.wait_for_job(start_job(batched, path))
        # Then everything is done in two rounds, one batch each, and no call was made beside them
        check_done(batched, llm, job)
        figures = llm.stats()["batches"]
        assert figures["begun"] == 2
        assert figures["lines"][0] == 3  # batches of five
        assert {call.get("batch") for call in llm.calls()} == {"batch_000001", "batch_000002"}
        assert Counter(call["purpose"] for call in llm.calls())["second_look"] == figures["lines"][1] > 0
        assert paid_twice(llm) == []
        assert asked_once(batched)
        # And each call cost half of what its tokens cost
        for row in batched.rows('SELECT * FROM "LlmCall"'):
            fresh = row["promptTokens"] - row["cachedTokens"]
            dollars = Decimal(10 * fresh + row["cachedTokens"] + 100 * row["completionTokens"]) / 1_000_000
            assert 0 <= row["costUsd"] - dollars / 2 <= Decimal("0.000001")
            assert row["request"] is None
        # And status and workbook say so
        spent = float(batched.value('SELECT sum("costUsd") FROM "LlmCall"'))
        shown = json.loads(run_medq(batched, "status", job["id"], "--json"))
        assert shown["config"]["batchApi"] is True
        assert shown["llmCalls"]["batchCalls"] == len(llm.calls()) == shown["llmCalls"]["calls"]
        assert shown["llmCalls"]["batchCostUsd"] == pytest.approx(spent)
        assert "batch" in run_medq(batched, "status", job["id"])
        summary = openpyxl.load_workbook(job["outputUrl"].removeprefix("file://"))["Résumé"]
        lines = {row[0]: row[1] for row in summary.iter_rows(values_only=True)}
        assert lines["dont par lots différés"] == len(llm.calls())
        # And the result is that of direct calls, and a second run asks nothing
        direct = batched.wait_for_job(batched.enqueue(path))
        again = batched.wait_for_job(start_job(batched, path))
    assert len(llm.calls()) == sum(figures["lines"])
    for other in (direct, again):
        assert (other["status"], other["processedItems"]) == ("completed", QUESTIONS)
        assert batched.outcomes(other["id"]) == batched.outcomes(job["id"])


# -- crashes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "point",
    [
        "in_park",
        "in_collect",
        "file_uploaded",
        "batch_begun",
        "batch_submitted",
        "lines_stored",
        "in_batch_end",
    ],
)
def test_a_worker_killed_at_any_step_pays_nothing_twice(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path, point: str
) -> None:
    # Given a worker that kills itself there, and another that takes over
    llm.configure(truth=knowing(QUESTIONS), accuracy=0.6, seed=5)
    job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS))
    with batched.workers(1, MEDQ_FAULTS=f"{point}:kill") as workers:
        first = workers.pids()
        batched.wait_until(lambda: workers.pids() != first, what="the kill")
    with batched.workers(1):
        job = batched.wait_for_job(job_id)
        # Then the job is done, and the provider was paid once for each question and look
        check_done(batched, llm, job)
    assert paid_twice(llm) == []
    assert llm.stats()["batches"]["begun"] == 2


def test_a_batch_whose_maker_never_heard_of_it_is_found_and_not_begun_again(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a provider that begins the batch and whose reply gets lost
    llm.configure(truth=knowing(QUESTIONS), batch_lost_creates=1)
    with batched.workers(2):
        job = batched.wait_for_job(start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS)))
    check_done(batched, llm, job)
    figures = llm.stats()["batches"]
    assert figures["begun"] == 1
    assert "list" in figures["requests"]
    assert figures["requests"].count("upload") == 1
    assert paid_twice(llm) == []


def begin_another(llm: ScriptedLlm) -> None:
    """A batch of somebody else with the same key."""
    client = openai.OpenAI(base_url=llm.url, api_key="test")
    file = client.files.create(file=("other.jsonl", b"", "application/jsonl"), purpose="batch")
    client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")


def test_a_lost_batch_is_found_whatever_the_time_zone_of_the_machine(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a machine west of Greenwich, for which the database's times look like the future
    llm.configure(truth=knowing(QUESTIONS), batch_lost_creates=1, batch_hold=True)
    with batched.workers(1, TZ="America/Cayenne", MEDQ_BATCH_POLL_SECONDS="3"):
        job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS))
        # When somebody else begins a batch meanwhile, which is the newer one in the list
        wait_for_states(batched, llm, 1)
        begin_another(llm)
        batched.wait_until(lambda: batched.value('SELECT "status" FROM "LlmBatch"') == "submitted", what="found")
        llm.configure(batch_hold=False)
        check_done(batched, llm, batched.wait_for_job(job_id))
    # Then ours was found all the same
    assert llm.stats()["batches"]["lines"] == [3, 0]


def test_a_batch_submitter_that_froze_before_it_began_stops_its_own_batch(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a batch submitter that freezes just before it begins a batch, for longer than anybody waits for it
    llm.configure(truth=knowing(QUESTIONS), batch_hold=True, batch_cancel_share=0.0)
    job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS))
    with batched.workers(1, MEDQ_FAULTS="batch_begins:sleep=9"):
        batched.wait_until(lambda: "upload" in llm.stats()["batches"]["requests"], what="the upload")
        # When another begins it, and the first one wakes
        with batched.workers(1):
            wait_for_states(batched, llm, 2)
            states = ["in_progress", "cancelled"]
            batched.wait_until(lambda: llm.stats()["batches"]["states"] == states, what="one of the two stopped")
            llm.configure(batch_hold=False)
            check_done(batched, llm, batched.wait_for_job(job_id))
    # Then one of them was done
    assert llm.stats()["batches"]["states"] == ["completed", "cancelled"]
    assert paid_twice(llm) == []


def test_a_batch_that_shows_up_after_it_was_begun_again_is_stopped(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a batch whose maker heard nothing of it, and that is in no list yet when it is looked for
    llm.configure(
        truth=knowing(QUESTIONS), batch_lost_creates=1, batch_hidden_lists=1, batch_hold=True, batch_cancel_share=0.0
    )
    with batched.workers(1):
        job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS))
        states = ["cancelled", "in_progress"]
        batched.wait_until(lambda: llm.stats()["batches"]["states"] == states, what="the double stopped")
        llm.configure(batch_hold=False)
        check_done(batched, llm, batched.wait_for_job(job_id))
    assert llm.stats()["batches"]["begun"] == 2
    assert paid_twice(llm) == []


def test_a_file_that_is_still_read_is_waited_for(batched: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    llm.configure(truth=knowing(QUESTIONS), batch_pending_files=3)
    with batched.workers(1):
        job = batched.wait_for_job(start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS)))
    check_done(batched, llm, job)
    requests = llm.stats()["batches"]["requests"]
    assert (requests.count("upload"), requests.count("file"), requests.count("create")) == (1, 3, 1)


def test_a_job_waits_on_its_rows_alone_and_goes_on_after_a_restart(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a batch that takes its time
    llm.configure(truth=knowing(QUESTIONS), batch_hold=True)
    with batched.workers(1):
        job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS))
        wait_for_states(batched, llm, 1)
        batched.wait_until(lambda: batched.value('SELECT "status" FROM "LlmBatch"') == "submitted", what="submitted")
        # Then nobody holds anything for it, no crash is counted, and the row says until when it waits
        assert batched.rows(
            'SELECT DISTINCT "status", "deaths", "leaseOwner" FROM "AiValidationTask" WHERE "kind" = \'analyse\''
        ) == [{"status": "waiting", "deaths": 0, "leaseOwner": None}]
        job = batched.job(job_id)
        assert job["status"] == "processing"
        assert "attendent le lot différé" in job["message"]
        assert "au plus tard le" in job["message"]
        assert check_invariants(batched.engine, grace_s=0) == []
    # When no worker lives any more, the batch ends, and another worker comes
    llm.configure(batch_hold=False)
    with batched.workers(1):
        job = batched.wait_for_job(job_id)
    check_done(batched, llm, job)
    assert llm.stats()["batches"]["begun"] == 1


# -- what comes back ---------------------------------------------------------------------------------------------------


def test_lines_in_any_order_twice_unknown_or_half_written_do_no_harm(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(
        truth=knowing(QUESTIONS),
        batch_shuffle=True,
        batch_duplicates=1.0,
        batch_unknown_lines=True,
        batch_cut_downloads=1,
    )
    with batched.workers(1):
        job = batched.wait_for_job(start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS)))
    # Then each answer is at its question, the first line of each counts, and nothing was asked again
    check_done(batched, llm, job)
    assert batched.outcomes(job["id"]) == {"confirmed": QUESTIONS}
    assert llm.stats()["batches"]["begun"] == 1
    assert job["retryAttempts"] == 0


def test_what_expired_is_asked_again_and_only_that(batched: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    # Given a batch of which a part is done when its day is over
    llm.configure(truth=knowing(60), batch_expire=0.5)
    with batched.workers(1):
        job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", 60))
        batched.wait_until(lambda: "expired" in llm.stats()["batches"]["states"], what="expired")
        llm.configure(batch_expire=0.0)
        job = batched.wait_for_job(job_id)
    check_done(batched, llm, job, 60)
    assert paid_twice(llm) == []
    assert 0 < llm.stats()["batches"]["lines"][1] < 12
    # And a line that expired cost nothing
    expired = batched.rows('SELECT "costUsd" FROM "LlmCall" WHERE "error" ->> \'code\' = \'batch_expired\'')
    assert expired
    assert all(row["costUsd"] == 0 for row in expired)


def test_two_batches_without_an_answer_end_the_job_and_it_can_be_resumed(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(truth=knowing(QUESTIONS), batch_expire=1.0)
    with batched.workers(1):
        job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS))
        job = batched.wait_for_job(job_id)
        assert (job["status"], job["processedItems"]) == ("failed", QUESTIONS)
        assert "sans aucune réponse" in job["errorMessage"]
        assert llm.stats()["batches"]["begun"] == 2
        assert check_invariants(batched.engine, grace_s=0) == []
        # When the provider has time again
        llm.configure(batch_expire=0.0)
        batched.execute('UPDATE "AiValidationJob" SET "status" = \'queued\' WHERE "id" = :id', id=job_id)
        batched.wait_until(lambda: batched.job(job_id)["status"] == "processing", what="resumed")
        check_done(batched, llm, batched.wait_for_job(job_id))


def test_content_that_is_refused_is_halved_down_to_its_question(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(batch_line_errors=1.0, batch_line_status=400, batch_line_code="content_filter")
    with batched.workers(1):
        job = batched.wait_for_job(start_job(batched, make_workbook(tmp_path / "a.xlsx", 4)))
    assert (job["status"], job["failedAnalyses"]) == ("failed", 4)
    assert llm.stats()["batches"]["lines"] == [1, 2, 4]
    reasons = {row["reason"] for row in batched.rows('SELECT "reason" FROM "AiValidationItem"')}
    assert reasons == {row_reasons.refused("content_filter")}
    assert check_invariants(batched.engine, grace_s=0) == []


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limit_exceeded"), (500, None)])
def test_lines_that_met_a_passing_fault_travel_again(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path, status: int, code: str | None
) -> None:
    llm.configure(truth=knowing(30), batch_line_errors=0.5, batch_line_status=status, batch_line_code=code)
    with batched.workers(1):
        job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", 30))
        batched.wait_until(lambda: llm.stats()["batches"]["states"][:1] == ["completed"], what="the first round")
        llm.configure(batch_line_errors=0.0)
        job = batched.wait_for_job(job_id)
    check_done(batched, llm, job, 30)
    assert paid_twice(llm) == []


def test_an_answer_that_is_in_no_file_keeps_its_ceiling_and_is_asked_again(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(truth=knowing(30), batch_drop=0.5)
    with batched.workers(1):
        job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", 30))
        batched.wait_until(lambda: llm.stats()["batches"]["begun"] == 2, what="the second round")
        llm.configure(batch_drop=0.0)
        job = batched.wait_for_job(job_id)
    check_done(batched, llm, job, 30)
    lost = batched.rows('SELECT "costUsd" FROM "LlmCall" WHERE "status" = \'failed\'')
    assert lost
    assert all(row["costUsd"] > 0 for row in lost)


# -- cancelled, deleted, resumed ---------------------------------------------------------------------------------------


def test_a_cancelled_job_stops_its_batch_and_keeps_what_was_answered(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a batch under way
    llm.configure(truth=knowing(60), batch_hold=True)
    with batched.workers(1):
        job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", 60))
        wait_for_states(batched, llm, 1)
        # When the job is cancelled
        batched.execute('UPDATE "AiValidationJob" SET "status" = \'cancelled\' WHERE "id" = :id', id=job_id)
        row = batched.job(job_id)
        batched.wait_until(lambda: batched.value('SELECT "status" FROM "LlmBatch"') == "cancelled", what="stopped")
        # Then what was answered is in the ledger, and the job's row is as it was
        assert batched.value('SELECT count(*) FROM "LlmCall" WHERE "status" = \'succeeded\'') == 6
        assert batched.job(job_id) == row
        assert check_invariants(batched.engine, grace_s=0) == []
        # And when it is resumed, only the rest is asked
        llm.configure(batch_hold=False)
        batched.execute('UPDATE "AiValidationJob" SET "status" = \'queued\' WHERE "id" = :id', id=job_id)
        batched.wait_until(lambda: batched.job(job_id)["status"] == "processing", what="resumed")
        job = batched.wait_for_job(job_id)
    check_done(batched, llm, job, 60)
    assert llm.stats()["batches"]["lines"] == [12, 6]
    assert paid_twice(llm) == []


def test_a_job_resumed_while_its_batch_is_under_way_waits_for_that_one(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a batch under way, and no worker that could have told the provider to stop
    llm.configure(truth=knowing(QUESTIONS), batch_hold=True)
    with batched.workers(1):
        job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS))
        batched.wait_until(
            lambda: batched.rows('SELECT "status" FROM "LlmBatch"') == [{"status": "submitted"}], what="submitted"
        )
    for status in ("cancelled", "queued"):
        batched.execute('UPDATE "AiValidationJob" SET "status" = :status WHERE "id" = :id', id=job_id, status=status)
    with batched.workers(1):
        batched.wait_until(
            lambda: batched.value('SELECT count(*) FROM "AiValidationTask" WHERE "status" = \'waiting\'') == 3,
            what="parked again",
        )
        llm.configure(batch_hold=False)
        job = batched.wait_for_job(job_id)
    check_done(batched, llm, job)
    assert llm.stats()["batches"]["begun"] == 1


def test_a_cancelled_job_stops_its_batch_however_many_batch_submitters_see_it(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a batch under way, and three processes
    llm.configure(truth=knowing(60), batch_hold=True, batch_latency_s=0.3)
    with batched.workers(3):
        job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", 60))
        batched.wait_until(
            lambda: batched.rows('SELECT "status" FROM "LlmBatch"') == [{"status": "submitted"}], what="submitted"
        )
        before = batched.value('SELECT "attempt" FROM "LlmBatch"')
        # When the job is cancelled
        batched.execute('UPDATE "AiValidationJob" SET "status" = \'cancelled\' WHERE "id" = :id', id=job_id)
        batched.wait_until(lambda: batched.value('SELECT "status" FROM "LlmBatch"') == "cancelled", what="stopped")
    # Then one tells the provider, and none takes the batch out of another's hands
    assert llm.stats()["batches"]["requests"].count("cancel") == 1
    assert batched.value('SELECT "attempt" FROM "LlmBatch"') <= before + 40


def test_a_job_set_to_direct_calls_does_not_go_on_paying_for_its_batch(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a batch under way, and a job that was cancelled and resumed without the option before any worker looked
    llm.configure(truth=knowing(QUESTIONS), batch_hold=True, batch_cancel_share=0.0)
    with batched.workers(1):
        job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS))
        batched.wait_until(
            lambda: batched.rows('SELECT "status" FROM "LlmBatch"') == [{"status": "submitted"}], what="submitted"
        )
    batched.execute('UPDATE "AiValidationJob" SET "status" = \'cancelled\' WHERE "id" = :id', id=job_id)
    batched.execute('UPDATE "AiValidationJob" SET "config" = \'{}\', "status" = \'queued\' WHERE "id" = :id', id=job_id)
    llm.configure(hold=True)
    with batched.workers(1, MEDQ_CALL_TIMEOUT_SECONDS="60"):
        # Then the batch is stopped while the questions are asked directly
        batched.wait_until(lambda: batched.value('SELECT "status" FROM "LlmBatch"') == "cancelled", what="stopped")
        assert batched.job(job_id)["status"] == "processing"
        llm.configure(hold=False)
        check_done(batched, llm, batched.wait_for_job(job_id))
    assert llm.stats()["batches"]["states"] == ["cancelled"]
    assert paid_twice(llm) == []


def test_a_deleted_job_leaves_its_answers_for_the_next(batched: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    llm.configure(truth=knowing(60), batch_hold=True)
    path = make_workbook(tmp_path / "a.xlsx", 60)
    with batched.workers(1):
        job_id = start_job(batched, path)
        wait_for_states(batched, llm, 1)
        batched.execute('DELETE FROM "AiValidationJob" WHERE "id" = :id', id=job_id)
        batched.wait_until(lambda: batched.value('SELECT "status" FROM "LlmBatch"') == "cancelled", what="stopped")
        llm.configure(batch_hold=False)
        job = batched.wait_for_job(start_job(batched, path))
    check_done(batched, llm, job, 60)
    assert llm.stats()["batches"]["lines"] == [12, 6]
    assert paid_twice(llm) == []


def test_two_jobs_with_the_same_questions_wait_for_one_batch(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(truth=knowing(QUESTIONS), batch_hold=True)
    path = make_workbook(tmp_path / "a.xlsx", QUESTIONS)
    with batched.workers(1):
        first = start_job(batched, path)
        wait_for_states(batched, llm, 1)
        second = start_job(batched, path)
        batched.wait_until(
            lambda: batched.value('SELECT count(*) FROM "AiValidationTask" WHERE "status" = \'waiting\'') == 6,
            what="both wait",
        )
        # (each row says for what)
        for job_id in (first, second):
            assert "attendent le lot différé du fournisseur (3 appels" in batched.job(job_id)["message"]
        llm.configure(batch_hold=False)
        jobs = [batched.wait_for_job(job_id) for job_id in (first, second)]
    for job in jobs:
        check_done(batched, llm, job)
    assert llm.stats()["batches"]["begun"] == 1


# -- money -------------------------------------------------------------------------------------------------------------


def test_a_budget_is_kept_by_asking_in_more_rounds(batched: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    # Given a budget that holds the most which a third of the calls can cost, and more than all of them will
    llm.configure(truth=knowing(30))
    with batched.workers(2):
        job = batched.wait_for_job(start_job(batched, make_workbook(tmp_path / "a.xlsx", 30), maxCostUsd=1.5))
    check_done(batched, llm, job, 30)
    assert batched.value('SELECT sum("costUsd") FROM "LlmCall"') <= Decimal("1.5")
    assert llm.stats()["batches"]["begun"] > 1
    assert paid_twice(llm) == []


def test_a_budget_without_room_for_one_call_asks_nothing(batched: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    with batched.workers(1):
        job = batched.wait_for_job(start_job(batched, make_workbook(tmp_path / "a.xlsx", 5), maxCostUsd=0.01))
    assert job["status"] == "failed"
    assert "Le budget de la tâche" in job["errorMessage"]
    assert llm.stats()["batches"]["begun"] == 0


def test_on_azure_the_lines_name_the_deployment_and_its_own_path(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a deployment on Azure (the server refuses lines for another path than the batch's)
    llm.configure(truth=knowing(QUESTIONS))
    azure = {
        "AZURE_OPENAI_ENDPOINT": llm.root,
        "AZURE_OPENAI_API_KEY": "test",
        "AZURE_OPENAI_CHAT_DEPLOYMENT": "scripted",
    }
    with batched.workers(1, **azure):
        job = batched.wait_for_job(start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS)))
    check_done(batched, llm, job)
    figures = llm.stats()["batches"]
    assert (figures["paths"], figures["models"]) == (["/chat/completions"], [["scripted"]])


# -- a provider that will not, or cannot -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [
        (404, None, "retirer « batchApi »"),
        (400, "unsupported", "retirer « batchApi »"),
        (401, "invalid_api_key", "refuse la clé d'accès"),
        (429, "insufficient_quota", "quota"),
    ],
)
def test_a_provider_that_takes_no_batches_ends_the_job_with_what_to_do(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path, refusal: tuple[int, str | None, str]
) -> None:
    status, code, words = refusal
    llm.configure(truth=knowing(QUESTIONS), batch_status=status, batch_error_code=code)
    with batched.workers(1):
        job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS))
        job = batched.wait_for_job(job_id)
        assert job["status"] == "failed"
        assert words in job["errorMessage"]
        assert batched.value('SELECT sum("costUsd") FROM "LlmCall"') == 0
        assert check_invariants(batched.engine, grace_s=0) == []
        # And without the option it goes on at once
        batched.execute(
            'UPDATE "AiValidationJob" SET "config" = \'{}\', "status" = \'queued\' WHERE "id" = :id', id=job_id
        )
        batched.wait_until(lambda: batched.job(job_id)["status"] == "processing", what="resumed")
        check_done(batched, llm, batched.wait_for_job(job_id))


def test_the_demonstration_model_takes_no_batches(batched: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    embedded = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": "", "MEDQ_EMBEDDED_LLM_URL": llm.url}
    with batched.workers(1, **embedded):
        job = batched.wait_for_job(start_job(batched, make_workbook(tmp_path / "a.xlsx", 5)))
    assert job["status"] == "failed"
    assert "retirer « batchApi »" in job["errorMessage"]
    assert llm.stats()["received"] == 0


def test_a_batch_that_fails_whole_ends_the_job_and_says_why(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(batch_fail="invalid_deployment_type")
    with batched.workers(1):
        job = batched.wait_for_job(start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS)))
    assert job["status"] == "failed"
    assert "invalid_deployment_type" in job["errorMessage"]
    assert llm.stats()["batches"]["begun"] == 1
    assert check_invariants(batched.engine, grace_s=0) == []


def test_a_provider_whose_queue_is_full_gets_halves(batched: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    llm.configure(truth=knowing(QUESTIONS), batch_fail="token_limit_exceeded")
    with batched.workers(1):
        job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS))
        batched.wait_until(lambda: "failed" in llm.stats()["batches"]["states"], what="the refusal")
        llm.configure(batch_fail=None)
        job = batched.wait_for_job(job_id)
    check_done(batched, llm, job)
    assert llm.stats()["batches"]["lines"] == [3, 2, 1]


def test_a_queue_that_is_full_of_ones_own_batches_is_waited_for(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given another batch of ours at the provider, whose queue takes no more
    llm.configure(truth=knowing(QUESTIONS), batch_fail="token_limit_exceeded")
    batched.execute(
        'INSERT INTO "LlmBatch" ("id", "endpoint", "model", "status", "requestCount", "nextLookAt", "cancelledAt") '
        "VALUES ('c1', :endpoint, 'scripted', 'submitted', 1, now() + interval '2 days', now())",
        endpoint=batched.llm_url,
    )
    with batched.workers(1):
        job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS))
        batched.wait_until(lambda: "failed" in llm.stats()["batches"]["states"], what="the refusal")
        llm.configure(batch_fail=None)
        job = batched.wait_for_job(job_id)
    # Then nothing is cut, and the same batch is begun once more
    assert (job["status"], job["successfulAnalyses"]) == ("completed", QUESTIONS)
    assert llm.stats()["batches"]["lines"] == [3, 3]


def test_a_provider_that_is_down_is_waited_for(batched: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    # Given a provider that is down when the batch is to be begun
    llm.configure(truth=knowing(QUESTIONS), batch_status=503, batch_hold=True)
    with batched.workers(1, MEDQ_OUTAGE_SECONDS="600"):
        job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS))
        batched.wait_until(lambda: "ne répond pas" in (batched.job(job_id)["message"] or ""), what="the message")
        assert batched.job(job_id)["status"] == "processing"
        llm.configure(batch_status=200)
        wait_for_states(batched, llm, 1)
        job = batched.job(job_id)
        assert job["status"] == "processing"
    # And one that is down while the batch is under way: that is looked for, however long it takes
    llm.configure(batch_status=503)
    with batched.workers(1, MEDQ_OUTAGE_SECONDS="1"):
        seen = len(llm.stats()["batches"]["requests"])
        batched.wait_until(lambda: len(llm.stats()["batches"]["requests"]) >= seen + 5, what="five looks")
        assert batched.job(job_id)["status"] == "processing"
        llm.configure(batch_status=200, batch_hold=False)
        job = batched.wait_for_job(job_id)
    check_done(batched, llm, job)
    assert llm.stats()["batches"]["begun"] == 1


def test_a_provider_that_stays_down_ends_the_job_and_it_can_be_resumed(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(truth=knowing(QUESTIONS), batch_status=503)
    with batched.workers(1, MEDQ_OUTAGE_SECONDS="1"):
        job_id = start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS))
        job = batched.wait_for_job(job_id)
        assert job["status"] == "failed"
        assert "indisponible" in job["errorMessage"]
        llm.configure(batch_status=200)
        batched.execute('UPDATE "AiValidationJob" SET "status" = \'queued\' WHERE "id" = :id', id=job_id)
        batched.wait_until(lambda: batched.job(job_id)["status"] == "processing", what="resumed")
        check_done(batched, llm, batched.wait_for_job(job_id))
    assert paid_twice(llm) == []


# -- what it costs to wait ---------------------------------------------------------------------------------------------


def test_waiting_for_a_batch_costs_no_transaction_beyond_the_sweeps_own(
    batched: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a job that waits for its batch, looked at again in an hour
    llm.configure(batch_hold=True)
    hour = {"MEDQ_BATCH_POLL_SECONDS": "3600"}
    with batched.workers(1, **hour):
        start_job(batched, make_workbook(tmp_path / "a.xlsx", QUESTIONS))
        submitted = 'SELECT count(*) FROM "LlmBatch" WHERE "status" = \'submitted\''
        batched.wait_until(lambda: batched.value(submitted) == 1, what="submitted")
    # When a worker sweeps
    settings = Settings.model_validate(batched.worker_environment(**hour))
    parts = build_worker(settings, stopping=threading.Event())
    begun: list[object] = []
    try:
        with heard("begin", begun.append):
            parts.listener.reaper.run_once()
    finally:
        parts.close()
    # Then that was one transaction, and nothing is due
    assert len(begun) == 1
    assert parts.batch_submitter is not None
    assert not parts.batch_submitter.due.is_set()
