"""One machine that cannot reach the model while another can: it gives its tasks back, and holds up nobody."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform, asked_once
from tests.support.workbooks import knowing, make_workbook
from worker.cli import app
from worker.errors import CutOff, ProviderUnavailable
from worker.jobs.claim import Claim
from worker.jobs.failures import postpone_for_provider
from worker.llm.circuit_breaker import SURE_S, BreakerState
from worker.queue.job import Task
from worker.queue.leases import Lease
from worker.runtime.container import Parts, build_worker
from worker.settings import Settings

THREADS = 4
ENDPOINT = "http://llm.invalid/v1"  # one name for both machines; each has a proxy of its own on the way to it
HELD = """
SELECT count(*) FROM "AiValidationPause" WHERE "until" > timezone('UTC', clock_timestamp())
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
    llm.configure(truth=knowing(200), latency_s=0.2)
    port = closed_port()
    said, held = set(), 0
    warnings: list[str] = []
    for name, value in platform.worker_environment(**way_out(llm.root)).items():
        monkeypatch.setenv(name, value)

    def ask_the_doctor() -> bool:
        # Only while it is known: the books say who was answered lately, and the process tries again meanwhile
        if not warnings and platform.value(CUT_OFF):
            checks = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)["checks"]
            found = [check for check in checks if check["name"] == "workers cut off"]
            warnings.extend(check["finding"] for check in found if check["level"] == "warn")
        return bool(warnings)

    with (
        platform.workers(1, **way_out(llm.root)),
        platform.workers(1, **way_out(f"http://127.0.0.1:{port}")),
    ):
        platform.wait_until(lambda: platform.value("SELECT count(*) FROM pg_stat_activity WHERE "
                            "application_name LIKE 'medq-watch%'") == 2, what="both listen")  # fmt: skip
        # When they work on one job
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 200))
        while (job := platform.job(job_id))["status"] not in ("completed", "failed"):
            said.add(job["message"] or "")
            held += platform.value(HELD)
            ask_the_doctor()
            time.sleep(0.05)
        # Then the job never waits, the row never says that the model is down, and it was asked once for everything
        assert (job["status"], job["successfulAnalyses"]) == ("completed", 200)
        assert held == 0
        assert [sentence for sentence in said if "ne répond pas" in sentence] == []
        assert asked_once(platform)
        # And few calls found out, all of them in the first seconds
        failed = platform.value(FAILED)
        assert 0 < failed <= 4 * (THREADS + 2)
        # And it is said where an operator looks, as long as the way is closed
        platform.wait_until(ask_the_doctor, what="the doctor names it")
        assert socket.gethostname()[:30] in warnings[0]
        # When the way is open again, then that machine works on as before
        with ScriptedLlm.start(port=port, truth=knowing(200), latency_s=0.2) as way:
            platform.enqueue(make_workbook(tmp_path / "b.xlsx", 200, marker="b"))
            platform.wait_until(lambda: way.stats()["received"] > 0, timeout_s=90, what="it calls again")
            platform.wait_until(lambda: not platform.value(CUT_OFF), what="it is one of them again")


def failing_task(platform: Platform, tmp_path: Path) -> tuple[Parts, Task]:
    """A process that holds a task whose calls fail."""
    settings = Settings.model_validate(platform.worker_environment())
    parts = build_worker(settings, stopping=threading.Event())
    runner, lease = parts.executor.runner, Lease("prepare", 1, threading.Event())
    platform.enqueue(make_workbook(tmp_path / "a.xlsx", 20))
    prepare, analyse = None, None
    for _ in range(2):
        prepare, analyse = analyse, runner.context.database.transact(lambda c: runner.claim(c, Claim("h:1:p:1", 60)))
        if prepare is None and analyse is not None:
            runner.run(analyse, lease)
    assert analyse is not None
    runner.context.process_breaker.failed()
    return parts, analyse.task


def note_reply_to_another(platform: Platform, task: Task) -> None:
    platform.execute(
        """
        INSERT INTO "LlmCall" ("id", "jobId", "attempt", "purpose", "requestHash", "questionKeys", "model", "endpoint",
                               "status", "questionCount", "response", "completedAt")
        VALUES (md5(random()::text), :job, 1, 'analyse', 'h', '{}', 'm', :endpoint, 'succeeded', 1, '{}',
                timezone('UTC', clock_timestamp()))
        """,
        job=task.job.id,
        endpoint=platform.llm_url,
    )


DOWN = ProviderUnavailable("away", code="connection")
WAITS_S = """
SELECT "status", COALESCE(EXTRACT(EPOCH FROM "notBefore" - timezone('UTC', clock_timestamp())), 0)::float AS wait_s
FROM "AiValidationTask" WHERE "id" = :id
"""


def test_whose_fault_it_is_is_read_from_the_books(platform: Platform, tmp_path: Path) -> None:
    parts, task = failing_task(platform, tmp_path)
    context = parts.executor.runner.context
    breaker = context.process_breaker
    # When another process had a reply since, then this one is cut off, and the task is anybody's at once
    note_reply_to_another(platform, task)
    with pytest.raises(CutOff):
        postpone_for_provider(context, task, DOWN)
    assert (breaker.state, platform.value(HELD)) == (BreakerState.OPEN, 0)
    # When its trial fails as well, then that task waits: it may be what is the matter
    breaker.try_again()
    assert breaker.try_acquire()
    breaker.failed()
    postpone_for_provider(context, task, DOWN)
    assert (breaker.state, platform.value(HELD)) == (BreakerState.OPEN, 0)
    (row,) = platform.rows(WAITS_S, id=task.id)
    assert row["status"] == "ready"
    assert row["wait_s"] > 0
    parts.close()


def test_a_fault_beside_replies_of_the_same_process_holds_up_its_task_alone(platform: Platform, tmp_path: Path) -> None:
    parts, task = failing_task(platform, tmp_path)
    context = parts.executor.runner.context
    answering = threading.Thread(target=context.process_breaker.answered)
    answering.start()
    answering.join()
    postpone_for_provider(context, task, DOWN)
    assert (context.process_breaker.state, platform.value(HELD)) == (BreakerState.CLOSED, 0)
    (row,) = platform.rows(WAITS_S, id=task.id)
    assert row["wait_s"] > 0
    parts.close()


def test_before_others_can_have_had_a_reply_nobody_is_held_up(platform: Platform, tmp_path: Path) -> None:
    # Given a task whose tries are used up in less time than a call takes
    parts, task = failing_task(platform, tmp_path)
    breaker = parts.executor.runner.context.process_breaker
    with pytest.raises(CutOff):
        postpone_for_provider(parts.executor.runner.context, task, DOWN)
    # Then this process pauses, its job does not, and it is not called cut off yet
    assert (breaker.state, platform.value(HELD), breaker.is_cut_off) == (BreakerState.OPEN, 0, False)
    parts.close()


@pytest.mark.parametrize("code", ["connection", "rate_limited"])
def test_when_nobody_had_a_reply_it_is_an_outage(platform: Platform, tmp_path: Path, code: str) -> None:
    parts, task = failing_task(platform, tmp_path)
    context = parts.executor.runner.context
    context.process_breaker.clock = lambda: time.monotonic() + SURE_S
    postpone_for_provider(context, task, ProviderUnavailable("away", code=code, retry_after_s=90))
    assert (context.process_breaker.state, platform.value(HELD)) == (BreakerState.CLOSED, 1)
    parts.close()


def test_when_nobody_is_answered_the_job_waits_and_says_so(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given two processes that are answered
    llm.configure(truth=knowing(200), latency_s=0.2)
    with platform.workers(2, **way_out(llm.root)):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 200))
        platform.wait_until(lambda: platform.job(job_id)["processedItems"] > 20, what="some batches")
        # When the model fails for all of them
        llm.configure(status=503)
        platform.wait_until(
            lambda: "ne répond pas" in platform.job(job_id)["message"], timeout_s=40, what="the sentence"
        )
        # Then one hold stands for all, and few calls look whether it is back
        held = llm.stats()["byStatus"]["503"]
        platform.wait_until(lambda: llm.stats()["byStatus"]["503"] > held, what="a call that looks whether it is back")
        assert llm.stats()["byStatus"]["503"] < 2 * (2 * 6 * 4)  # of forty batches with four tries each it would be 160
        llm.configure(status=200)
        assert platform.wait_for_job(job_id)["successfulAnalyses"] == 200
    assert asked_once(platform)
