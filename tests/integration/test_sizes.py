"""What a model takes and writes is learned once, kept for every process, and begun with. Real parts, scripted sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.provider_record import record
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform, asked_once
from tests.support.workbooks import knowing, make_workbook

CALLS = """
SELECT count(*) AS calls, count(*) FILTER (WHERE "status" = 'succeeded') AS stored,
       COALESCE(sum("completionTokens"), 0) AS written, COALESCE(sum("promptTokens"), 0) AS read,
       count(*) FILTER (WHERE "error" ->> 'kind' = 'size') AS sizes
FROM "LlmCall"
"""


def note(platform: Platform, llm: ScriptedLlm, fault: str, job: dict[str, Any]) -> dict[str, Any]:
    """The figures of the books, which must be the server's own, into the record."""
    (figures,) = platform.rows(CALLS)
    stats = llm.stats()
    assert figures["calls"] == stats["received"]
    assert figures["stored"] == stats["byStatus"].get("200", 0)
    record(
        fault, calls=figures["calls"], paid=figures["stored"], stored=figures["stored"], sentence=job["errorMessage"]
    )
    return figures


def test_replies_that_need_more_than_their_ceiling_cost_hardly_more_than_they_need(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a model that thinks for so long that twelve questions take 51,000 tokens, and shows nothing when it is cut
    llm.configure(truth=knowing(12), tokens_per_question=4_250)
    with platform.workers(1, MEDQ_THREADS="1"):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 12))
        job = platform.wait_for_job(job_id)
        # Then the first reply is cut, and all that follows knows
        assert (job["status"], job["successfulAnalyses"]) == ("completed", 12)
        figures = note(platform, llm, "reasoning eats the ceiling: 12 questions that need 51,000 tokens", job)
        assert 51_000 < figures["written"] <= 70_000, figures
        # And another process begins there
        platform.execute('TRUNCATE "LlmCall"')
    with platform.workers(1, MEDQ_THREADS="4"):
        job_id = platform.enqueue(make_workbook(tmp_path / "b.xlsx", 12, marker="bis"))
        job = platform.wait_for_job(job_id)
    assert (job["status"], job["successfulAnalyses"]) == ("completed", 12)
    (figures,) = platform.rows('SELECT sum("completionTokens") AS written FROM "LlmCall" WHERE "purpose" = \'analyse\'')
    assert figures["written"] == 51_000


@pytest.mark.parametrize(
    ("fault", "script"),
    [
        ("400: the ceiling is too large, at most 4,096", {"largest_ceiling": 4096}),
        ("422: `max_completion_tokens` is unknown", {"ceiling_name": "max_tokens"}),
        ("400: prompt and ceiling exceed a window of 9,000", {"window": 9_000}),
        ("429: request too large for 9,000 tokens a minute", {"largest_request": 9_000}),
    ],
)
def test_what_a_provider_says_it_takes_is_asked_once(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path, fault: str, script: dict[str, Any]
) -> None:
    # Given a provider that does not take what is sent first
    llm.configure(truth=knowing(20), **script)
    with platform.workers(1, MEDQ_THREADS="1"):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 20))
        job = platform.wait_for_job(job_id)
        # Then one call finds out, for nothing, and nothing is asked twice
        assert (job["status"], job["successfulAnalyses"]) == ("completed", 20)
        figures = note(platform, llm, fault, job)
        assert figures["sizes"] == 1, figures
        assert asked_once(platform)
    # And after a restart the first call is right at once
    before = llm.stats()["byStatus"]
    with platform.workers(1, MEDQ_THREADS="4"):
        llm.configure(truth=knowing(10, marker="bis"))
        job = platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "b.xlsx", 10, marker="bis")))
    assert (job["status"], job["successfulAnalyses"]) == ("completed", 10)
    after = llm.stats()["byStatus"]
    assert {k: v for k, v in after.items() if k != "200"} == {k: v for k, v in before.items() if k != "200"}


def test_a_single_question_that_is_cut_twice_is_asked_with_a_larger_ceiling_yet(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given questions of which each alone takes nearly all that a reply may
    llm.configure(truth=knowing(2), tokens_per_question=16_000)
    with platform.workers(1, MEDQ_THREADS="1"):
        job = platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "a.xlsx", 2)))
    assert (job["status"], job["successfulAnalyses"]) == ("completed", 2)


def test_the_operators_bound_is_never_exceeded(platform: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    llm.configure(truth=knowing(4), tokens_per_question=9_000)
    with platform.workers(1, MEDQ_THREADS="1", MEDQ_MAX_COMPLETION_TOKENS="6000"):
        job = platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "a.xlsx", 4)))
    # Then every question is cut at it, and says so
    assert job["failedAnalyses"] == 4
    assert platform.value('SELECT max("completionTokens") FROM "LlmCall"') == 6_000
    assert "réponse coupée" in platform.rows('SELECT "reason" FROM "AiValidationItem" LIMIT 1')[0]["reason"]


def test_one_reply_in_twenty_that_is_cut_far_below_its_ceiling_fails_no_question(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(truth=knowing(312), truncate=0.05, seed=9)
    with platform.workers(1, MEDQ_THREADS="8"):
        job = platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "a.xlsx", 312)))
    assert (job["status"], job["successfulAnalyses"], job["failedAnalyses"]) == ("completed", 312, 0)
    note(platform, llm, "one reply in twenty is cut far below its ceiling: 312 questions", job)


@pytest.mark.parametrize("script", [{"ceiling_name": "max_tokens"}, {"largest_ceiling": 4096}])
def test_a_batch_whose_lines_are_refused_for_their_ceiling_is_sent_anew_with_another(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path, script: dict[str, Any]
) -> None:
    # Given a job in batch mode, and a provider that does not take the ceiling of its calls
    llm.configure(truth=knowing(10), **script)
    with platform.workers(1, MEDQ_BATCH_POLL_SECONDS="0.3", MEDQ_SWEEP_SECONDS="0.3"):
        job = platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "a.xlsx", 10), config={"batchApi": True}))
    # Then the next batch is right, and no question is to blame
    assert (job["status"], job["successfulAnalyses"]) == ("completed", 10)
    assert platform.value('SELECT count(*) FROM "LlmBatch"') == 2
