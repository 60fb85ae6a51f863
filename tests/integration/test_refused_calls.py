"""Refusals that concern every call, in the shapes of several providers, and those that concern one question alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.provider_record import record
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from tests.support.workbooks import knowing, make_workbook

THREADS = 4
CLOUDFLARE = "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head><body>x</body></html>"
MISTRAL = {"object": "error", "message": {"detail": [{"loc": ["body", "stream"], "msg": "Extra inputs"}]}}
ANTHROPIC = {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}}
GEMINI = [{"error": {"code": 400, "message": "API key not valid.", "details": [{"reason": "API_KEY_INVALID"}]}}]


def in_books(platform: Platform) -> dict[str, Any]:
    (figures,) = platform.rows(
        'SELECT count(*) AS calls, count(*) FILTER (WHERE "status" = \'succeeded\') AS stored FROM "LlmCall"'
    )
    return figures


@pytest.mark.parametrize(
    ("fault", "refusal"),
    [
        ("422 of Mistral: a parameter is unknown", (422, json.dumps(MISTRAL), "(paramètre « stream »)")),
        ("400 of Anthropic: credit balance is too low", (400, json.dumps(ANTHROPIC), "quota")),
        ("400 of Gemini, a list: API key not valid", (400, json.dumps(GEMINI), "refuse la clé d'accès")),
        ("403 of a CDN, a web page", (403, CLOUDFLARE, "pare-feu devant 127.0.0.1")),
        ("400 in plain text, for every content", (400, "Bad Request", "refuse tous les appels")),
        ("451", (451, "", "depuis ce pays")),
    ],
)
def test_a_refusal_of_every_call_ends_the_job_within_the_calls_in_flight_and_blames_no_question(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path, fault: str, refusal: tuple[int, str, str]
) -> None:
    status, body, words = refusal
    # Given a job of forty batches, some done, and four calls in flight
    llm.configure(latency_s=0.2, truth=knowing(200))
    with platform.workers(1, MEDQ_THREADS=str(THREADS)):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 200))
        platform.wait_until(lambda: platform.job(job_id)["processedItems"] > 0, what="first batch")
        # When the provider begins to refuse whatever it is asked
        llm.configure(status=status, error_body=body)
        job = platform.wait_for_job(job_id)
    # Then the calls in flight find out, and one probe where that was in doubt
    assert job["status"] == "failed"
    assert words in job["errorMessage"]
    refused = llm.stats()["byStatus"][str(status)]
    assert 1 <= refused <= THREADS + 1
    blamed = platform.rows('SELECT DISTINCT "reason" FROM "AiValidationItem" WHERE "status" = \'failed\'')
    assert [row["reason"] for row in blamed] == [job["errorMessage"]]
    books, received = in_books(platform), llm.stats()["received"]
    assert books["calls"] == received
    assert books["stored"] == received - refused
    record(f"{fault}, from the middle of a job on", calls=refused, paid=0, stored=0, sentence=job["errorMessage"])


def test_a_question_that_alone_is_refused_is_found_by_halves_and_the_others_are_answered(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a provider that refuses one question of forty, and does not say why
    llm.configure(truth=knowing(40), status=400, error_body="Bad Request", error_if="numéro 7 ")
    with platform.workers(1, MEDQ_THREADS="1"):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 40))
        job = platform.wait_for_job(job_id)
    # Then that one has no analysis, and its batch alone was asked in parts
    assert (job["status"], job["successfulAnalyses"], job["failedAnalyses"]) == ("completed", 39, 1)
    (failed,) = platform.rows('SELECT "rowNumber", "reason" FROM "AiValidationItem" WHERE "status" = \'failed\'')
    assert failed["rowNumber"] == 8
    assert "question refusée par le fournisseur" in failed["reason"]
    stats, books = llm.stats(), in_books(platform)
    assert stats["byStatus"]["400"] <= 4  # five, three, two or one, one
    assert books["calls"] == stats["received"]
    assert books["stored"] == stats["byStatus"]["200"]
    assert job["retryAttempts"] <= 6
    record(
        "400 in plain text, for one question of forty",
        calls=stats["received"],
        paid=books["stored"],
        stored=books["stored"],
        sentence=failed["reason"],
    )


def test_instructions_that_are_refused_end_the_job_and_blame_no_question(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given instructions that the provider minds, whatever the question
    llm.configure(truth=knowing(40), status=400, error_body="Bad Request", error_if="interdit")
    with platform.workers(1, MEDQ_THREADS=str(THREADS)):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 40), instructions="Un mot interdit.")
        job = platform.wait_for_job(job_id)
        assert job["status"] == "failed"
        assert "refuse tous les appels" in job["errorMessage"]
        assert llm.stats()["received"] <= THREADS + 1
        # And a job without them goes through
        job = platform.wait_for_job(platform.enqueue(make_workbook(tmp_path / "b.xlsx", 40)))
    assert (job["status"], job["successfulAnalyses"]) == ("completed", 40)
