"""What a provider does to a job: fatal refusals, outages, long pauses, a stand-in. Real parts, scripted replies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.probes import memory_mb
from tests.support.provider_record import record
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform, asked_once
from tests.support.workbooks import knowing, make_workbook

THREADS = 4


NAMES = {
    "{'cut_connection': 1.0}": "whose connection breaks at once",
    "{'empty': 1.0}": "in which nothing is written",
    "{'latency_s': 3.0}": "later than the time-out",
    "{'form': 'drip'}": "of keep-alive whitespace without end",
    "{'form': 'slow headers'}": "of headers without end",
}


def measure(platform: Platform, fault: str, sentence: str | None, *, job_id: str | None = None) -> None:
    """Keep what the fault cost by now: all calls, or those of one job."""
    statement = 'SELECT "jobId", "response" IS NOT NULL AS stored, "error" ->> \'code\' AS code FROM "LlmCall"'
    calls = [call for call in platform.rows(statement) if job_id in (None, call["jobId"])]
    stored = sum(call["stored"] for call in calls)
    may_be_paid = sum(call["code"] in ("timeout", "connection_lost", "unknown") for call in calls)
    record(fault, calls=len(calls), paid=stored + may_be_paid, stored=stored, sentence=sentence)


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
        held = llm.stats()["byStatus"]["503"]
        platform.wait_until(lambda: llm.stats()["byStatus"]["503"] > held, what="a call that looks whether it is back")
        # Then the row says so and until when, no attempt is used up, and few calls find out whether it is back
        assert re.search(r"nouvel essai à \d\d:\d\d, attente jusqu'à \d\d:\d\d au plus tard", message)
        assert platform.job(job_id)["status"] == "processing"
        assert llm.stats()["byStatus"]["503"] < 60  # forty batches with four tries each would be 160
        # When the provider is back
        llm.configure(status=200)
        job = platform.wait_for_job(job_id)
    # Then nothing is missing and nothing was paid twice
    assert (job["status"], job["successfulAnalyses"]) == ("completed", 200)
    assert asked_once(platform)


@pytest.mark.parametrize(
    "script", [{"cut_connection": 1.0}, {"empty": 1.0}, {"latency_s": 3.0}, {"form": "drip"}, {"form": "slow headers"}]
)
def test_a_passing_fault_of_any_kind_is_waited_out(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path, script: dict[str, Any]
) -> None:
    # Given a provider that breaks connections, writes nothing, is too slow, or sends a byte now and then for ever
    llm.configure(truth=knowing(20), **script)
    with platform.workers(1, MEDQ_THREADS=str(THREADS), MEDQ_CALL_TIMEOUT_SECONDS="1"):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 20))
        platform.wait_until(lambda: "ne répond pas" in (platform.job(job_id)["message"] or ""), what="the message")
        assert platform.job(job_id)["status"] == "processing"
        measure(platform, "a reply " + NAMES[str(script)], platform.job(job_id)["message"])
        # When it is well again, then nothing is missing
        llm.configure(cut_connection=0.0, empty=0.0, latency_s=0.0, form=None)
        job = platform.wait_for_job(job_id)
    assert (job["status"], job["successfulAnalyses"]) == ("completed", 20)


def test_a_long_retry_after_is_kept_by_the_whole_job(platform: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    # Given a provider that asks for 130 seconds
    llm.configure(status=429, error_code="rate_limit_exceeded", retry_after_s=130)
    with platform.workers(1, MEDQ_THREADS=str(THREADS)):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 100))
        platform.wait_until(lambda: "limite le débit" in (platform.job(job_id)["message"] or ""), what="the message")
        # And the worker goes on with other work, that needs no call
        refused = platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "b.xlsx", 0)))
        assert refused["status"] == "failed"
        # Then nobody calls meanwhile, and the task waits on its row
        assert llm.stats()["received"] <= THREADS
        # For as long as was asked, from the refusal on
        kept_s = platform.value(
            'SELECT EXTRACT(EPOCH FROM max(t."notBefore") - max(c."createdAt")) '
            'FROM "AiValidationTask" t, "LlmCall" c WHERE t."kind" = \'analyse\''
        )
        assert kept_s >= 130
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
            'INSERT INTO "AiValidationPause" ("jobId", "reason", "until")'
            " VALUES (:id, 'provider', timezone('UTC', now()) + interval '1 hour')",
            id=job_id,
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


# --- 200s in other forms ----------------------------------------------------------------------------------------

READ = {
    "events": "a completion sent as a stream of events, unasked",
    "charset base64": "`charset=base64`",
    "charset unknown": "a charset that does not exist",
    "odd model name": "a model's name with NUL and half a character",
    "usage huge": "usage of 2³¹−1 tokens",
    "usage negative": "usage below zero",
    "usage text": "usage in words",
    "reasoning_content": "the answer in `reasoning_content`, `content` null",
    "reasoning": "the answer in `reasoning`, `content` empty",
    "think": "`<think>` before the answer, twice, with a draft",
    "think unclosed": "`<think>` that is never closed",
    "think unopened": "`</think>` that was never opened",
    "gzip": "gzip, unasked",
}
ILLEGIBLE = {
    "html": ("a page of HTML", "une page HTML"),
    "error": ("an error's body", "un message d'erreur"),
    "nothing": ("an empty body", "une réponse vide"),
    "half": ("half a JSON document", "un texte qui n'est pas du JSON"),
    "brotli": ("a compression that nobody asked for", "compressée d'une façon inconnue"),
    "gzip bomb": ("400 MB in 400 kB of gzip", "une réponse démesurée"),
    "large": ("400 MB of plain text", "une réponse démesurée"),
}


def test_a_completion_in_any_form_is_read_paid_once_and_kept(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    with platform.workers(1, MEDQ_THREADS=str(THREADS)):
        for form, fault in READ.items():
            # Given a provider that sends what was asked for in a form of its own
            llm.configure(form=form, truth=knowing(10, marker=form))
            job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 10, marker=form))
            job = platform.wait_for_job(job_id)
            # Then every question is answered by its first call
            assert (job["status"], job["successfulAnalyses"], job["retryAttempts"]) == ("completed", 10, 0), form
            measure(platform, f"200: {fault}", job["message"], job_id=job_id)
    assert platform.value('SELECT count(*) FROM "LlmCall" WHERE "response" IS NULL') == 0
    assert llm.stats()["received"] == platform.value('SELECT count(*) FROM "LlmCall"') == 2 * len(READ)


def test_a_provider_that_never_sends_a_completion_ends_the_job_soon_and_what_it_sent_is_kept(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    with platform.workers(1, MEDQ_THREADS=str(THREADS)) as workers:
        for form, (fault, words) in ILLEGIBLE.items():
            # Given a job that goes well, and another one when something stands between us and the model
            llm.configure(form=None, truth=knowing(100, marker=form))
            platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "a.xlsx", 5, marker="well" + form)))
            before = llm.stats()["received"]
            llm.configure(form=form)
            job_id = platform.enqueue(make_workbook(tmp_path / "b.xlsx", 100, marker=form))
            job = platform.wait_for_job(job_id)
            # Then it ends within a few calls and the calls in flight, with a sentence, and each reply is in the ledger
            assert job["status"] == "failed", form
            assert "répond sous une forme illisible" in job["errorMessage"]
            assert words in job["errorMessage"]
            calls = llm.stats()["received"] - before
            assert calls <= 8 + THREADS
            kept = platform.rows(
                'SELECT "response" FROM "LlmCall" WHERE "jobId" = :id AND "status" = \'succeeded\'', id=job_id
            )
            assert len(kept) == calls
            assert all(len(call["response"]) < 2**18 for call in kept)
            measure(platform, f"200: {fault}", job["errorMessage"], job_id=job_id)
        # And whatever came, the process stayed as small as it was
        assert max(memory_mb(pid, peak=True) for pid in workers.pids()) < 300
        # When the way is free again and the job is put back, it is done
        llm.configure(form=None)
        platform.execute('UPDATE "AiValidationJob" SET "status" = \'queued\' WHERE "id" = :id', id=job_id)
        platform.wait_until(lambda: platform.job(job_id)["status"] != "queued", what="picked up again")
        job = platform.wait_for_job(job_id)
    assert (job["status"], job["successfulAnalyses"]) == ("completed", 100)


def test_replies_that_cannot_be_read_now_and_then_cost_their_calls_and_no_question(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a gateway that answers a fifth of the calls itself
    llm.configure(form="html", form_probability=0.2, truth=knowing(100), seed=5)
    with platform.workers(1, MEDQ_THREADS=str(THREADS)):
        job = platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "a.xlsx", 100)))
    assert (job["status"], job["successfulAnalyses"]) == ("completed", 100)
    assert llm.stats()["received"] == platform.value('SELECT count("response") FROM "LlmCall"') > 20
    measure(platform, "200: a page of HTML for one call in five", job["message"])


def test_a_job_that_is_cancelled_leaves_its_slots_although_its_replies_never_end(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a job that holds every slot with replies that drip for ten minutes
    llm.configure(form="drip", truth=knowing(10))
    with platform.workers(1, MEDQ_THREADS="2", MEDQ_CALL_TIMEOUT_SECONDS="600"):
        slow = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 20, marker="slow"))
        platform.wait_until(lambda: llm.stats()["inFlight"] == 2, what="both slots taken")
        # When it is cancelled, then another one has them, long before the time-out
        llm.configure(form=None)
        platform.execute('UPDATE "AiValidationJob" SET "status" = \'cancelled\' WHERE "id" = :id', id=slow)
        job = platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "b.xlsx", 10)))
        assert (job["status"], job["successfulAnalyses"]) == ("completed", 10)
        # And after the grace nobody reads them any more, which is in the ledger
        platform.wait_until(lambda: llm.stats()["inFlight"] == 0, what="the connections dropped")
        ends = 'SELECT "error" ->> \'code\' AS code FROM "LlmCall" WHERE "jobId" = :id'
        platform.wait_until(
            lambda: platform.rows(ends, id=slow) == [{"code": "unknown"}] * 2, what="the calls closed as unknown"
        )


# --- where it is, and how fast ----------------------------------------------------------------------------------


def test_a_redirect_to_another_origin_ends_the_job_and_the_key_stays_here(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    with ScriptedLlm.start() as stranger:
        llm.configure(redirect_status=307, redirect_to=f"{stranger.root}/moved/chat/completions")
        with platform.workers(1, MEDQ_THREADS=str(THREADS)):
            job = platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "a.xlsx", 100)))
        assert stranger.stats()["received"] == 0
    assert job["status"] == "failed"
    assert "la clé n'y est pas envoyée" in job["errorMessage"]
    assert llm.stats()["redirected"] <= THREADS + 1
    measure(platform, "307 to another origin", job["errorMessage"])


def test_a_provider_that_allows_a_few_calls_a_minute_is_named_with_what_it_means(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(headers={"x-ratelimit-limit-requests": "3"}, truth=knowing(100))
    with platform.workers(1, MEDQ_THREADS="2"):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 100))
        platform.wait_until(
            lambda: "3 appels par minute" in (platform.job(job_id)["message"] or ""), what="the message"
        )
        platform.wait_until(lambda: platform.job(job_id)["processedItems"] >= 5, what="a batch")
        message = platform.job(job_id)["message"]
    assert re.search(r"3 appels par minute : la tâche durera encore environ \d min", message)
    measure(platform, "`x-ratelimit-limit-requests: 3`", message)


def test_a_pause_that_no_job_can_wait_for_is_said_at_once(platform: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    llm.configure(status=429, error_code="rate_limit_exceeded", retry_after_s=86_400)
    with platform.workers(1, MEDQ_THREADS=str(THREADS)):
        job = platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "a.xlsx", 100)))
    assert job["status"] == "failed"
    assert "demande d'attendre jusqu'au" in job["errorMessage"]
    assert llm.stats()["received"] <= THREADS
    measure(platform, "429 with `Retry-After` of a day", job["errorMessage"])
