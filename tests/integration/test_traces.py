"""Spans of tasks and calls, as a collector receives them: nothing of a question is in them, none are made unasked."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support.otlp_collector import collecting
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from tests.support.uploads import write_csv, write_truth
from worker import tracing
from worker.errors import ProviderUnavailable


def test_each_task_and_each_call_is_one_span_that_tells_nothing_of_a_question(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a job with second looks, and instructions
    truth = write_truth(20)
    llm.configure(truth={stem: options[:1] for stem, options in truth.items()})
    file = write_csv(tmp_path / "secret name - qcm.csv", 20)
    with collecting() as collector:
        with platform.workers(1, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="200"):
            job_id = platform.enqueue(file, instructions="Consigne confidentielle")
            platform.wait_for_job(job_id)
        spans = collector.spans()  # what was left was sent when the worker stopped
        raw = b"".join(collector.raw).decode("utf-8", "replace")
    tasks = [span for span in spans if span.name.startswith("task ")]
    calls = [span for span in spans if span.name.startswith("chat ")]

    # Then they are the rows'
    rows = platform.rows('SELECT "id", "kind", "attempt" FROM "AiValidationTask"')
    assert {(s.attributes["medq.task.id"], s.name, s.attributes["medq.task.attempt"]) for s in tasks} == {
        (row["id"], f"task {row['kind']}", row["attempt"]) for row in rows
    }
    assert {s.attributes["medq.task.end"] for s in tasks} == {"done"}
    written = platform.rows('SELECT "purpose", "model", "promptTokens", "completionTokens" FROM "LlmCall"')
    assert Counter(
        (s.attributes["medq.call.purpose"], s.attributes["gen_ai.request.model"],
         s.attributes["gen_ai.usage.input_tokens"], s.attributes["gen_ai.usage.output_tokens"]) for s in calls
    ) == Counter(tuple(row.values()) for row in written)  # fmt: skip
    assert {s.attributes["medq.call.purpose"] for s in calls} == {"analyse", "second_look"}
    assert {s.parent for s in calls} <= {s.id for s in tasks if s.name == "task analyse"}
    assert set(collector.paths) == {"/v1/traces"}
    # And no word of the upload, of the instructions, of a reply, and no key
    words = {"secret name", "confidentielle", "Bearer", "OPENAI", file.name}
    for item in platform.rows('SELECT "original", "result" FROM "AiValidationItem"'):
        words |= {str(text) for text in item["original"].values() if len(str(text)) > 6}
    words -= {word for word in words if word in json.dumps({"a": "scripted"})}
    assert len(words) > 100
    assert [word for word in words if word in raw] == []
    known = {"medq.job.id", "medq.task.id", "medq.task.kind", "medq.task.attempt", "medq.task.end",
             "medq.call.purpose", "medq.call.questions", "gen_ai.operation.name", "gen_ai.provider.name",
             "gen_ai.request.model", "gen_ai.request.max_tokens", "gen_ai.response.model",
             "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cache_read.input_tokens",
             "server.address", "server.port", "error.type"}  # fmt: skip
    assert {name for span in spans for name in span.attributes} <= known


def test_a_collector_that_is_away_costs_neither_the_job_nor_the_end_of_the_worker(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(truth=write_truth(10))
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes whoever comes, and answers nobody
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with platform.workers(
            1, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_TIMEOUT="600", OTEL_BSP_SCHEDULE_DELAY="100"
        ) as workers:
            job_id = platform.enqueue(write_csv(tmp_path / "a - qcm.csv", 10))
            assert platform.wait_for_job(job_id)["status"] == "completed"
            (worker,) = [child.process for child in workers._children]
            workers.stop()
    # What the collector would take for ever is not waited for: the worker left by itself
    assert worker is not None
    assert worker.returncode == 0


class Foreign(Exception):
    code = "Quelle est la clé ? ABE"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ProviderUnavailable("Quelle est la clé ? ABE", code="rate_limited"), "rate_limited"),
        (Foreign("Quelle est la clé ? ABE"), "Foreign"),
    ],
)
def test_a_call_that_fails_says_its_code_and_none_of_its_words(error: Exception, told: str) -> None:
    with collecting() as collector:
        tracing.configure(collector.url, service="essai")
        try:
            with (
                pytest.raises(type(error)),
                tracing.task_span("analyse", job_id="j", task_id="t", attempt=1),
                tracing.call_span(
                    "m", purpose="analyse", endpoint="https://x.openai.azure.com/a", questions=5, max_tokens=0
                ),
            ):
                raise error
        finally:
            tracing.flush()
        call, _task = collector.spans()
    assert call.is_error
    assert call.attributes["error.type"] == told
    assert (call.attributes["gen_ai.provider.name"], call.attributes["server.port"]) == ("azure.ai.openai", 443)
    assert b"ABE" not in b"".join(collector.raw)


@pytest.mark.parametrize("part", ["begin", "end"])
def test_a_span_that_cannot_be_made_costs_no_call(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_given: object, **_more: object) -> None:
        raise RuntimeError(part)

    with collecting() as collector:
        tracing.configure(collector.url, service="essai")
        monkeypatch.setattr(f"worker.tracing._Exporting.{part}", broken)
        with tracing.call_span("m", purpose="analyse", endpoint="https://a", questions=5, max_tokens=0) as call:
            tracing.add_reply(call, model="m", prompt=1, cached=0, completion=1)
        tracing.flush()


def test_a_model_that_calls_itself_by_a_sentence_is_told_as_a_name() -> None:
    with collecting() as collector:
        tracing.configure(collector.url, service="essai")
        with tracing.call_span("m", purpose="analyse", endpoint="https://a", questions=5, max_tokens=0) as call:
            tracing.add_reply(call, model="Quelle clé\ud800 ?" * 40, prompt=1, cached=0, completion=1)
        tracing.flush()
        (told,) = collector.spans()
    assert str(told.attributes["gen_ai.response.model"]).startswith("Quelle?cl?")
    assert len(str(told.attributes["gen_ai.response.model"])) == 100


@pytest.mark.parametrize(
    ("protocol", "endpoint"), [("grpc", "http://127.0.0.1:4317"), ("http/protobuf", "http://[half:4318")]
)
def test_what_cannot_be_set_up_is_logged_and_off(protocol: str, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    tracing.configure(endpoint, service="essai")
    with tracing.task_span("analyse", job_id="j", task_id="t", attempt=1) as span:
        span.set_attribute("a", 1)
    tracing.flush()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OTEL_TRACES_SAMPLER", "always_on", 2),
        ("OTEL_TRACES_SAMPLER", "always_off", 0),
        ("OTEL_SDK_DISABLED", "true", 0),
    ],
)
def test_what_is_sampled_is_the_librarys_to_say_and_whole_traces_at_a_time(
    name: str, value: str, told: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with collecting() as collector:
        tracing.configure(collector.url, service="essai")
        with tracing.task_span("analyse", job_id="j", task_id="t", attempt=1) as task:
            with tracing.call_span("m", purpose="analyse", endpoint="https://a", questions=5, max_tokens=0) as call:
                tracing.add_reply(call, model="m", prompt=1, cached=0, completion=1)
            task.set_attribute("medq.task.end", "done")
        tracing.flush()
        spans = collector.spans()
    assert len(spans) == told
    if told:
        call_told, task_told = spans
        assert call_told.parent == task_told.id
        assert task_told.attributes["medq.task.end"] == "done"


def test_off_nothing_is_loaded_that_sends() -> None:
    # (redis-py loads the library's metrics by itself, where they are installed)
    loaded = "any(n.startswith('opentelemetry.exporter') for n in sys.modules)"
    code = f"import sys, worker.runtime.worker_main; sys.exit({loaded})"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
