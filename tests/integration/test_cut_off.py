"""One machine that cannot reach the model while another can: it gives its tasks back, and holds up nobody."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest
from test_line import asked_once, knowing, make_workbook
from typer.testing import CliRunner

from bench.scripted_llm import ScriptedLlm
from surroundings import Platform
from worker.cli import app

THREADS = 4
ENDPOINT = "http://llm.invalid/v1"  # one name for both machines; each has a proxy of its own on the way to it
HELD = """
SELECT count(*) FROM "AiValidationTask" WHERE "kind" = 'prepare' AND "notBefore" > timezone('UTC', clock_timestamp())
"""
CUT_OFF = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'medq-watch cut off %'"
FAILED = 'SELECT count(*) FROM "LlmCall" WHERE "status" = \'failed\''


def way_out(proxy: str) -> dict[str, str]:
    return {"OPENAI_BASE_URL": ENDPOINT, "HTTP_PROXY": proxy, "NO_PROXY": "", "MEDQ_THREADS": str(THREADS)}


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_process_that_cannot_call_leaves_the_work_to_those_that_can(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given two machines, one with a way to the model and one whose way is closed
    llm.configure(truth=knowing(400), latency_s=0.2)
    port = closed_port()
    said, held = set(), 0
    with (
        platform.workers(1, **way_out(llm.root)),
        platform.workers(1, **way_out(f"http://127.0.0.1:{port}")),
    ):
        platform.wait_until(lambda: platform.value("SELECT count(*) FROM pg_stat_activity WHERE "
                            "application_name LIKE 'medq-watch%'") == 2, what="both listen")  # fmt: skip
        # When they work on one job
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 400))
        seen_by_doctor = []
        while (job := platform.job(job_id))["status"] not in ("completed", "failed"):
            said.add(job["message"] or "")
            held += platform.value(HELD)
            if platform.value(CUT_OFF) and not seen_by_doctor:
                for name, value in platform.worker_environment(**way_out(llm.root)).items():
                    monkeypatch.setenv(name, value)
                checks = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)["checks"]
                seen_by_doctor = [check for check in checks if check["name"] == "workers cut off"]
            time.sleep(0.05)
        # Then the job never waits, the row never says that the model is down, and it was asked once for everything
        assert (job["status"], job["successfulAnalyses"]) == ("completed", 400)
        assert held == 0
        assert [sentence for sentence in said if "ne répond pas" in sentence] == []
        assert asked_once(platform)
        # And few calls found out, all of them in the first seconds
        failed = platform.value(FAILED)
        assert 0 < failed <= 4 * THREADS
        # And it is said where an operator looks
        assert [check["level"] for check in seen_by_doctor] == ["warn"]
        assert socket.gethostname()[:30] in seen_by_doctor[0]["finding"]
        # When the way is open again, then that machine works on as before
        with ScriptedLlm.start(port=port, truth=knowing(400), latency_s=0.2) as way:
            platform.enqueue(make_workbook(tmp_path / "b.xlsx", 400, marker="b"))
            platform.wait_until(lambda: way.stats()["received"] > 0, timeout_s=90, what="it calls again")
            platform.wait_until(lambda: not platform.value(CUT_OFF), what="it is one of them again")


def test_when_nobody_is_answered_the_job_waits_and_says_so(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given two processes that are answered
    llm.configure(truth=knowing(400), latency_s=0.2)
    with platform.workers(2, **way_out(llm.root)):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 400))
        platform.wait_until(lambda: platform.job(job_id)["processedItems"] > 20, what="some batches")
        # When the model fails for all of them
        llm.configure(status=503)
        platform.wait_until(
            lambda: "ne répond pas" in platform.job(job_id)["message"], timeout_s=40, what="the sentence"
        )
        # Then one hold stands for all, and few calls look whether it is back
        time.sleep(5)
        assert llm.stats()["byStatus"]["503"] < 2 * (
            2 * 6 * 4
        )  # of eighty batches with four tries each it would be 320
        llm.configure(status=200)
        assert platform.wait_for_job(job_id)["successfulAnalyses"] == 400
    assert asked_once(platform)
