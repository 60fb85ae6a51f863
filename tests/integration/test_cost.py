"""Money on real parts: what each call cost, what a job may cost, and that nothing is paid twice."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.support.commands import run_medq
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import PRICES, Platform, asked_once
from tests.support.workbooks import knowing, make_workbook
from worker.llm import ledger
from worker.queue.job import Job, Task
from worker.runtime.supervisor import Workers


@pytest.fixture
def priced(platform: Platform, tmp_path: Path) -> Platform:
    """A platform that knows the price of the scripted model."""
    path = tmp_path / "prices.toml"
    path.write_text(PRICES)
    platform.environment["MEDQ_PRICES"] = str(path)
    return platform


def kill_one(workers: Workers) -> bool:
    """SIGKILL to a process that lives; whether one did."""
    for pid in workers.pids():
        with suppress(ProcessLookupError):  # it ended a moment ago
            os.kill(pid, signal.SIGKILL)
            return True
    return False


@pytest.mark.parametrize(("code", "is_lost"), [("timeout", False), ("connection_lost", False), ("batch_expired", True)])
def test_a_call_that_may_be_paid_for_counts_for_whoever_takes_over(
    priced: Platform, llm: ScriptedLlm, tmp_path: Path, code: str, is_lost: bool
) -> None:
    # Given a task of which a call brought no reply
    with priced.workers(1):
        job_id = priced.enqueue(make_workbook(tmp_path / "a.xlsx", 1))
        priced.wait_for_job(job_id)
    (row, *_) = priced.rows('SELECT "id", "taskId", "attempt", "questionKeys" FROM "LlmCall" ORDER BY "createdAt"')
    if is_lost:
        priced.execute(
            """INSERT INTO "LlmBatch" ("id", "jobId", "endpoint", "model", "requestCount", "nextLookAt", "createdAt")
               VALUES ('b', :job_id, 'e', 'scripted', 1, now(), now())""",
            job_id=job_id,
        )
    priced.execute(
        """UPDATE "LlmCall" SET "status" = 'failed', "response" = NULL, "batchId" = :batch,
           "error" = jsonb_build_object('kind', 'unavailable', 'code', CAST(:code AS text)) WHERE "id" = :id""",
        id=row["id"],
        code=code,
        batch="b" if is_lost else None,
    )
    task = Task(row["taskId"], Job(job_id, "", "", "", None, None, None), "analyse", 0, row["attempt"] + 1, "b:2:y:1")
    with priced.engine.connect() as connection:
        (found,) = ledger.find_replies(connection, task, row["questionKeys"])
    # Then the next owner knows: it is one of the question's calls, unless it was a line of a batch that nobody asked
    assert (found.code, found.raw, found.is_lost, found.is_own) == (code, None, is_lost, True)


def test_every_reply_has_its_cost_also_one_that_is_useless(priced: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    # Given a model that writes nonsense, at 10, 1 and 100 dollars per million tokens
    llm.configure(garbage=1.0)
    with priced.workers(1, MEDQ_MAX_ATTEMPTS="2"):
        job_id = priced.enqueue(make_workbook(tmp_path / "a.xlsx", 3))
        job = priced.wait_for_job(job_id)
    # Then the job fails, and its calls have cost what their tokens cost
    assert job["status"] == "failed"
    rows = priced.rows('SELECT * FROM "LlmCall"')
    assert len(rows) == 4  # the batch, then each question alone
    for row in rows:
        fresh = row["promptTokens"] - row["cachedTokens"]
        dollars = Decimal(10 * fresh + row["cachedTokens"] + 100 * row["completionTokens"]) / 1_000_000
        assert row["costUsd"] == dollars > 0
    # And status and workbook show the sum
    total = sum(row["costUsd"] for row in rows)
    shown = json.loads(run_medq(priced, "status", job_id, "--json"))["llmCalls"]
    assert shown["costUsd"] == pytest.approx(float(total))
    assert [(line["model"], line["calls"]) for line in shown["byModel"]] == [("scripted", 4)]
    assert summary_of(job)["Coût"] == pytest.approx(float(total))


def summary_of(job: dict[str, Any]) -> dict[str, Any]:
    book = openpyxl.load_workbook(job["outputUrl"].removeprefix("file://"))
    return {str(line[0]): line[1] for line in book["Résumé"].iter_rows(values_only=True)}


def test_a_budget_is_never_exceeded_by_two_processes_and_can_be_raised(
    priced: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a job whose calls cost about six cents each and may cost 1.5 dollars, and a budget of 3 dollars
    llm.configure(latency_s=0.05, truth=knowing(300))
    with priced.workers(2, MEDQ_THREADS="4"):
        job_id = priced.enqueue(make_workbook(tmp_path / "a.xlsx", 300), config={"maxCostUsd": 3})
        job = priced.wait_for_job(job_id)
        # Then it stops before the budget is passed, and names the amount
        assert job["status"] == "failed"
        assert "3,00 $" in job["errorMessage"]
        spent = priced.value('SELECT sum("costUsd") FROM "LlmCall"')
        assert Decimal(1) < spent <= 3
        assert 0 < job["successfulAnalyses"] < 300
        assert priced.value('SELECT count(*) FROM "LlmCall" WHERE "status" = \'started\'') == 0
        # When the admin raises it and puts the job back
        priced.execute('UPDATE "AiValidationJob" SET "config" = \'{"maxCostUsd": 50}\', "status" = \'queued\'')
        priced.wait_until(lambda: priced.job(job_id)["status"] != "queued", what="picked up again")
        job = priced.wait_for_job(job_id)
    # Then it is done, and nothing was paid twice
    assert (job["status"], job["successfulAnalyses"]) == ("completed", 300)
    assert asked_once(priced)


def test_a_call_that_a_dead_worker_left_counts_at_its_ceiling(
    priced: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a worker killed with one call in flight
    llm.configure(hold=True)
    with priced.workers(1, MEDQ_THREADS="1") as workers:
        job_id = priced.enqueue(make_workbook(tmp_path / "a.xlsx", 5), config={"maxCostUsd": 100})
        priced.wait_until(lambda: llm.stats()["inFlight"] == 1, what="a call in flight")
        ceiling = priced.value('SELECT "ceilingUsd" FROM "LlmCall"')
        assert priced.value('SELECT "costUsd" FROM "LlmCall"') is None
        os.kill(workers.pids()[0], signal.SIGKILL)
        llm.configure(hold=False)
        job = priced.wait_for_job(job_id)
    # Then the job is done, and the lost call stands in the books at the most it can have cost
    assert job["status"] == "completed"
    (lost,) = priced.rows("SELECT * FROM \"LlmCall\" WHERE \"error\" ->> 'code' = 'unknown'")
    assert lost["costUsd"] == ceiling > 0


def test_a_budget_is_kept_by_what_the_provider_counted_whoever_is_killed(
    priced: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given three processes, a budget that is too small, and replies of which one in five is nonsense
    llm.configure(latency_s=0.1, garbage=0.2, truth=knowing(1000))
    with priced.workers(3, MEDQ_THREADS="2") as workers:
        job_id = priced.enqueue(make_workbook(tmp_path / "a.xlsx", 1000), config={"maxCostUsd": 15})
        # When a process is killed again and again in the middle of its calls, each lost at 1.5 dollars
        for killed in range(3):
            priced.wait_until(lambda n=killed: llm.stats()["replied"] > 5 * n, what="some calls")  # type: ignore[misc]
            priced.wait_until(lambda: kill_one(workers), what="a process to kill")
        job = priced.wait_for_job(job_id)
    # Then the provider was never owed more than the budget, nor more than the books say
    assert job["status"] == "failed"
    assert "15,00 $" in job["errorMessage"]
    counted = llm.stats()["tokens"]
    owed = Decimal(10 * counted["prompt_tokens"] + 100 * counted["completion_tokens"]) / 1_000_000
    booked = priced.value('SELECT sum("costUsd") FROM "LlmCall"')
    cached = Decimal(9) * priced.value('SELECT sum("cachedTokens") FROM "LlmCall"') / 1_000_000
    assert Decimal(1) < owed - cached <= booked <= 15


def test_an_empty_reply_is_waited_for_and_paid(priced: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    # Given a model that writes nothing in half of its replies
    llm.configure(empty=0.5, truth=knowing(30))
    with priced.workers(1, MEDQ_THREADS="2"):
        job = priced.wait_for_job(priced.enqueue(make_workbook(tmp_path / "a.xlsx", 30)))
    # Then every question is answered, in batches as before, and the empty replies are in the books
    assert (job["status"], job["successfulAnalyses"]) == ("completed", 30)
    rows = priced.rows('SELECT * FROM "LlmCall" WHERE "completionTokens" = 0')
    assert rows
    assert all(row["status"] == "succeeded" and row["costUsd"] > 0 and row["questionCount"] == 5 for row in rows)


def test_a_budget_without_a_known_price_fails_before_anything_is_spent(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    with platform.workers(1):
        job = platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "a.xlsx", 3), config={"maxCostUsd": 1}))
    assert job["status"] == "failed"
    assert "« scripted »" in job["errorMessage"]
    assert llm.stats()["received"] == 0


def test_the_same_file_in_two_jobs_at_once_is_paid_once(platform: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    # Given two processes and one file, uploaded twice in different batches
    llm.configure(latency_s=0.3, truth=knowing(40))
    path = make_workbook(tmp_path / "a.xlsx", 40)
    with platform.workers(2, MEDQ_THREADS="4"):
        jobs = [platform.enqueue(path), platform.enqueue(path, config={"batchSize": 4})]
        ended = [platform.wait_for_job(job_id) for job_id in jobs]
    # Then both jobs are done and no question was paid for twice
    assert [(job["status"], job["successfulAnalyses"]) for job in ended] == [("completed", 40)] * 2
    assert asked_once(platform)


def test_an_in_flight_duplicate_whose_worker_died_is_waited_for_no_longer_than_its_lease(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a worker killed while it asked the questions of a file
    llm.configure(hold=True, truth=knowing(5))
    path = make_workbook(tmp_path / "a.xlsx", 5)
    with platform.workers(1, MEDQ_THREADS="1") as workers:
        first = platform.enqueue(path)
        platform.wait_until(lambda: llm.stats()["inFlight"] == 1, what="a call in flight")
        os.kill(workers.pids()[0], signal.SIGKILL)
        # When the same file comes again
        second = platform.enqueue(path)
        llm.configure(hold=False)
        jobs = [platform.wait_for_job(job_id) for job_id in (first, second)]
    # Then both are done, and only the lost call was paid for in vain
    assert [(job["status"], job["successfulAnalyses"]) for job in jobs] == [("completed", 5)] * 2
    assert llm.stats()["received"] == 2
    assert asked_once(platform)


def test_changing_anything_that_shapes_an_answer_asks_again(priced: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    # Given a file that went through once
    llm.configure(truth=knowing(5))
    path = make_workbook(tmp_path / "a.xlsx", 5)
    with priced.workers(1):
        priced.wait_for_job(priced.enqueue(path))
        seen = llm.stats()["received"]
        # When it comes again as it was, nothing is asked
        assert priced.wait_for_job(priced.enqueue(path))["status"] == "completed"
        assert llm.stats()["received"] == seen
        # And when the model or the instructions are others, it is
        for options in ({"config": {"aiModel": "other"}}, {"instructions": "Insister sur les doses."}):
            assert priced.wait_for_job(priced.enqueue(path, **options))["status"] == "completed"
            assert llm.stats()["received"] == seen + 1
            seen += 1
