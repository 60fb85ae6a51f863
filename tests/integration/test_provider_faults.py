"""What a provider does to a job: fatal refusals, outages, long pauses, a stand-in. Real parts, scripted replies."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from test_line import asked_once, knowing, make_workbook

from bench.scripted_llm import ScriptedLlm
from surroundings import Platform

THREADS = 4


@pytest.mark.parametrize(
    "refusal",
    [
        (401, "invalid_api_key", "clé"),
        (403, "forbidden", "droit"),
        (404, "model_not_found", "n'existe pas"),
        (429, "insufficient_quota", "quota"),
        (400, "model_not_found", "refuse les appels"),
        (400, "invalid_json_schema", "réponses structurées"),
    ],
)
def test_a_refusal_that_no_retry_mends_ends_the_job_within_the_calls_in_flight(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path, refusal: tuple[int, str, str]
) -> None:
    status, code, words = refusal
    # Given a job of forty batches, some done, and four calls in flight
    llm.configure(latency_s=0.2, truth=knowing(200))
    with platform.workers(1, MEDQ_THREADS=str(THREADS)):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 200))
        platform.wait_until(lambda: platform.job(job_id)["processedItems"] > 0, what="first batch")
        # When the provider begins to refuse
        llm.configure(status=status, error_code=code)
        job = platform.wait_for_job(job_id)
    # Then the job fails at once with a sentence, and no thread asked again
    assert job["status"] == "failed"
    assert words in job["errorMessage"]
    assert 1 <= llm.stats()["byStatus"][str(status)] <= THREADS + 1
    assert job["successfulAnalyses"] > 0
    assert job["successfulAnalyses"] + job["failedAnalyses"] == 200


@pytest.mark.parametrize(("processes", "threads"), [(1, 16), (2, 8)])
def test_threads_that_store_or_compose_while_a_call_is_refused_do_not_make_another(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path, processes: int, threads: int
) -> None:
    # Given a job of many batches that two processes, or many threads, work on
    llm.configure(latency_s=0.05, truth=knowing(1000))
    with platform.workers(processes, MEDQ_THREADS=str(threads)):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 1000))
        platform.wait_until(lambda: platform.job(job_id)["processedItems"] > 50, what="some batches")
        # When the key is refused from one moment to the next
        llm.configure(status=401)
        job = platform.wait_for_job(job_id)
        # Then no more calls hear of it than can be under way
        assert job["status"] == "failed"
        assert 1 <= llm.stats()["byStatus"]["401"] <= processes * threads + 1
        # And once the key is mended and the job put back, nothing of that stays
        llm.configure(status=200)
        platform.execute('UPDATE "AiValidationJob" SET "status" = \'queued\' WHERE "id" = :id', id=job_id)
        platform.wait_until(lambda: platform.job(job_id)["status"] != "queued", what="picked up again")
        job = platform.wait_for_job(job_id)
    assert (job["status"], job["successfulAnalyses"]) == ("completed", 1000)


def test_an_outage_is_waited_out_with_few_calls_and_then_everything_goes_on(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a job of forty batches whose provider goes down
    llm.configure(truth=knowing(200), latency_s=0.1)
    with platform.workers(1, MEDQ_THREADS=str(THREADS), MEDQ_OUTAGE_SECONDS="600"):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 200))
        platform.wait_until(lambda: platform.job(job_id)["processedItems"] > 0, what="first batch")
        llm.configure(status=503)
        platform.wait_until(lambda: "ne répond pas" in platform.job(job_id)["message"], what="the message")
        message = platform.job(job_id)["message"]
        time.sleep(10)
        # Then the row says so and until when, no attempt is used up, and few calls find out whether it is back
        assert re.search(r"nouvel essai à \d\d:\d\d:\d\d UTC, attente jusqu'à \d\d:\d\d:\d\d UTC", message)
        assert platform.job(job_id)["status"] == "processing"
        assert llm.stats()["byStatus"]["503"] < 60  # forty batches with four tries each would be 160
        # When the provider is back
        llm.configure(status=200)
        job = platform.wait_for_job(job_id)
    # Then nothing is missing and nothing was paid twice
    assert (job["status"], job["successfulAnalyses"]) == ("completed", 200)
    assert asked_once(platform)


@pytest.mark.parametrize("script", [{"cut_connection": 1.0}, {"empty": 1.0}, {"latency_s": 3.0}])
def test_a_passing_fault_of_any_kind_is_waited_out(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path, script: dict[str, float]
) -> None:
    # Given a provider that breaks connections, writes nothing, or is too slow
    llm.configure(truth=knowing(20), **script)
    with platform.workers(1, MEDQ_THREADS=str(THREADS), MEDQ_CALL_TIMEOUT_SECONDS="1"):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 20))
        platform.wait_until(lambda: "ne répond pas" in (platform.job(job_id)["message"] or ""), what="the message")
        assert platform.job(job_id)["status"] == "processing"
        # When it is well again, then nothing is missing
        llm.configure(cut_connection=0.0, empty=0.0, latency_s=0.0)
        job = platform.wait_for_job(job_id)
    assert (job["status"], job["successfulAnalyses"]) == ("completed", 20)


def test_a_long_retry_after_is_kept_by_the_whole_job(platform: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    # Given a provider that asks for 130 seconds
    llm.configure(status=429, error_code="rate_limit_exceeded", retry_after_s=130)
    with platform.workers(1, MEDQ_THREADS=str(THREADS)):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 100))
        platform.wait_until(lambda: "limite le débit" in (platform.job(job_id)["message"] or ""), what="the message")
        time.sleep(6)
        # Then nobody calls meanwhile, and the task waits on its row
        assert llm.stats()["received"] <= THREADS
        left_s = platform.value(
            "SELECT EXTRACT(EPOCH FROM max(\"notBefore\") - timezone('UTC', clock_timestamp())) "
            'FROM "AiValidationTask" WHERE "kind" = \'analyse\''
        )
        assert 90 < left_s <= 130
        assert platform.job(job_id)["status"] == "processing"


def test_a_job_put_back_by_hand_does_not_wait_for_what_held_it_before(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a job that failed, and that was held for an hour before
    llm.configure(status=401)
    with platform.workers(1):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 10))
        assert platform.wait_for_job(job_id)["status"] == "failed"
        platform.execute(
            "UPDATE \"AiValidationTask\" SET \"notBefore\" = timezone('UTC', now()) + interval '1 hour' "
            "WHERE \"kind\" = 'prepare'"
        )
        # When the cause is mended and the admin puts it back
        llm.configure(status=200)
        platform.execute('UPDATE "AiValidationJob" SET "status" = \'queued\' WHERE "id" = :id', id=job_id)
        platform.wait_until(lambda: platform.job(job_id)["status"] != "queued", what="picked up again")
        # Then it goes on at once
        assert platform.wait_for_job(job_id)["status"] == "completed"


def test_a_stand_in_answers_while_the_first_endpoint_is_down_and_is_named(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given an endpoint that is down, and another with a model of its own
    llm.configure(status=500)
    with ScriptedLlm.start(truth=knowing(30)) as other:
        environment = {"OPENAI_FALLBACK_BASE_URL": other.url, "MEDQ_FALLBACK_MODEL": "stand-in"}
        with platform.workers(1, MEDQ_THREADS="2", **environment):
            path = make_workbook(tmp_path / "a.xlsx", 30)
            job_id = platform.enqueue(path)
            job = platform.wait_for_job(job_id)
            # Then the job is done, and every item and call says who answered
            assert (job["status"], job["successfulAnalyses"]) == ("completed", 30)
            models = platform.rows('SELECT DISTINCT "result" ->> \'model\' AS m FROM "AiValidationItem"')
            assert models == [{"m": "stand-in"}]
            calls = platform.rows('SELECT DISTINCT "endpoint", "model" FROM "LlmCall" WHERE "status" = \'succeeded\'')
            assert calls == [{"endpoint": other.url, "model": "stand-in"}]
            # And a second run finds those answers again
            before = other.stats()["received"] + llm.stats()["received"]
            assert platform.wait_for_job(platform.enqueue(path))["status"] == "completed"
            assert other.stats()["received"] + llm.stats()["received"] == before


def test_cut_replies_are_never_sent_again_at_the_same_size(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a model whose every reply is cut somewhere
    llm.configure(truncate=1.0)
    with platform.workers(1, MEDQ_THREADS="2"):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 10))
        job = platform.wait_for_job(job_id)
    # Then what was closed counts, the rest says why not, and no question cost more than a few replies
    assert job["successfulAnalyses"] + job["failedAnalyses"] == 10
    sizes = platform.rows(
        'SELECT "purpose", key, array_agg("questionCount" ORDER BY "createdAt") AS sizes '
        'FROM "LlmCall", unnest("questionKeys") AS key GROUP BY 1, 2'
    )
    for row in sizes:
        shrinking = [size for size in row["sizes"] if size > 1]
        assert shrinking == sorted(set(shrinking), reverse=True), row
        assert len(row["sizes"]) <= 12


def test_no_question_costs_more_than_twelve_replies_on_a_bad_day(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a model that cuts, refuses, drops and garbles, and as many retries as a job may have
    llm.configure(truncate=0.3, refuse=0.2, drop_results=0.3, garbage=0.3, unknown_letters=0.3, accuracy=0.2, seed=3)
    with platform.workers(1):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 30), config={"maxRetries": 11})
        job = platform.wait_for_job(job_id)
    assert job["processedItems"] == 30
    asked = [question for call in llm.calls() for question in call["questions"]]
    # (a second look shows the options in another order: the server's name of a question is the same)
    most = max(asked.count(question) for question in set(asked))
    assert 3 < most <= 12
