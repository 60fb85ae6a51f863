"""Traces: one span for each task and one for each model call, off unless an OTLP endpoint is named.

A span holds ids, names of models, numbers and codes; never a message, a question or the words of an error. The names
of the GenAI conventions, which are still in development, stand here alone. Needs the extra `otel`. Like the log it is
set up once in a process and used from anywhere in it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from worker.logging import describe, get_logger

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

log = get_logger()

FLUSH_S = 2.0  # at the end of a process: what the collector has not taken by then is not waited for
QUEUE = 8192  # spans that wait while the collector is away; the oldest are dropped first
AZURE = ".openai.azure.com"

Value = str | int


class Span(Protocol):
    """What is added to a span while it is open."""

    def set_attribute(self, key: str, value: Value, /) -> None: ...


class _NoSpan:
    def set_attribute(self, _key: str, _value: Value, /) -> None:
        """Nothing: traces are off."""


NO_SPAN = _NoSpan()
_tracer: Tracer | None = None
_provider: TracerProvider | None = None


def configure(endpoint: str | None, *, service: str) -> None:
    """Send spans to `endpoint` (OTLP over HTTP, the path is added) from now on; None: there are none.

    The other standard variables (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, `OTEL_RESOURCE_ATTRIBUTES`,
    `OTEL_SDK_DISABLED` …) are read by the library. No trace is worth a job: what cannot be set up is logged, and off.
    """
    global _tracer, _provider  # noqa: PLW0603
    if endpoint is None:
        return
    if (protocol := os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")) != "http/protobuf":
        log.warning("traces_off", cause=f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol[:40]}: only http/protobuf is spoken")
        return
    try:
        _provider = _build_provider(f"{endpoint.rstrip('/')}/v1/traces", service)
    except ImportError:
        log.warning("traces_off", cause="the extra `otel` is not installed: pip install 'medq-worker[otel]'")
    except Exception as error:  # noqa: BLE001 (a variable that the library cannot read)
        log.warning("traces_off", cause=describe(error))
    else:
        _tracer = _provider.get_tracer("medq")


def _build_provider(url: str, service: str) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = os.environ.get("OTEL_SERVICE_NAME") or service
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=url)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=QUEUE))
    # Not the global one: no library of ours shall add spans of its own, which could hold anything.
    return provider


def flush() -> None:
    """Send what is left, for `FLUSH_S` at most; afterwards there are no spans any more."""
    global _tracer, _provider
    provider, _provider, _tracer = _provider, None, None
    if provider is not None:
        sender = threading.Thread(target=_shut_down, args=(provider,), name="traces", daemon=True)
        sender.start()
        sender.join(FLUSH_S)


def _shut_down(provider: TracerProvider) -> None:
    with suppress(Exception):  # the process ends anyway
        provider.shutdown()


@contextmanager
def task_span(kind: str, *, job_id: str, task_id: str, attempt: int) -> Iterator[Span]:
    """One attempt at a task. How it ended is added as `medq.task.end`: done, lost, given_back, crashed."""
    attributes: Mapping[str, Value] = {
        "medq.job.id": job_id, "medq.task.id": task_id, "medq.task.kind": kind, "medq.task.attempt": attempt,
    }  # fmt: skip
    with _span(f"task {kind}", attributes) as span:
        yield span


@contextmanager
def call_span(model: str, *, purpose: str, endpoint: str, questions: int, max_tokens: int) -> Iterator[Span]:
    """One call to a model, within its task; see `add_reply`."""
    if _tracer is None:
        yield NO_SPAN
        return
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": model,
        "medq.call.purpose": purpose,
        "medq.call.questions": questions,
        **_server(endpoint),
    }
    if max_tokens:
        attributes["gen_ai.request.max_tokens"] = max_tokens
    with _span(f"chat {model}", attributes, is_call=True) as span:
        yield span


def add_reply(span: Span, *, model: str, prompt: int, cached: int, completion: int) -> None:
    """The model that replied as it calls itself, and the tokens that it counted."""
    if span is NO_SPAN:
        return
    span.set_attribute("gen_ai.response.model", model)
    span.set_attribute("gen_ai.usage.input_tokens", prompt)
    span.set_attribute("gen_ai.usage.output_tokens", completion)
    if cached:
        span.set_attribute("gen_ai.usage.cache_read.input_tokens", cached)


@contextmanager
def _span(name: str, attributes: Mapping[str, Value], *, is_call: bool = False) -> Iterator[Span]:
    if _tracer is None:
        yield NO_SPAN
        return
    from opentelemetry.trace import SpanKind, StatusCode

    kind = SpanKind.CLIENT if is_call else SpanKind.CONSUMER
    with _tracer.start_as_current_span(
        name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except Exception as error:
            # Its words may quote an upload.
            span.set_attribute("error.type", str(getattr(error, "code", None) or type(error).__qualname__))
            span.set_status(StatusCode.ERROR)
            raise


@lru_cache(maxsize=16)
def _server(endpoint: str) -> Mapping[str, Value]:
    """Where an endpoint is. Whoever speaks OpenAI's protocol is called so, as the conventions have it."""
    try:
        address = urlsplit(endpoint)
        host, port = address.hostname or "", address.port or (80 if address.scheme == "http" else 443)
    except ValueError:
        return {"gen_ai.provider.name": "openai"}
    provider = "azure.ai.openai" if host.endswith(AZURE) else "openai"
    return {"gen_ai.provider.name": provider, "server.address": host, "server.port": port}
