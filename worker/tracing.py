"""Traces: one span for each task and one for each model call, off unless an OTLP endpoint is named.

A span holds ids, names of models, numbers and codes; never a message, a question or the words of an error. The names
of the GenAI conventions, which are still in development, stand here alone. Needs the extra `otel`. Like the log it is
set up once in a process and used from anywhere in it.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import urlsplit

from worker.errors import MedqError
from worker.logging import describe, get_logger

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext, SpanKind

log = get_logger()

FLUSH_S = 2.0  # at the end of a process: what the collector has not taken by then is not waited for
QUEUE = 8192  # spans that wait while the collector is away; the oldest are dropped first
AZURE = ".openai.azure.com"
LONGEST_NAME = 100  # characters
_NO_NAME = re.compile(r"[^\w.:/@+-]+", re.ASCII)

Value = str | int


class Span(Protocol):
    """What is added to a span while it is open."""

    def set_attribute(self, key: str, value: Value, /) -> None: ...


class _NoSpan:
    def set_attribute(self, _key: str, _value: Value, /) -> None:
        """Nothing: traces are off."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Nothing."""


NO_SPAN = _NoSpan()
_exporting: _Exporting | None = None
# Within which span this thread is.
_around: ContextVar[SpanContext | None] = ContextVar("medq_span", default=None)


def configure(endpoint: str | None, *, service: str) -> None:
    """Send spans to `endpoint` (OTLP over HTTP, the path is added) from now on; None: there are none.

    The other standard variables (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, `OTEL_RESOURCE_ATTRIBUTES`,
    `OTEL_SDK_DISABLED` …) are read by the library. No trace is worth a job: what cannot be set up is logged, and off.
    """
    global _exporting  # noqa: PLW0603
    if endpoint is None or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return
    if (protocol := os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")) != "http/protobuf":
        log.warning("traces_off", cause=f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol[:40]}: only http/protobuf is spoken")
        return
    try:
        _exporting = _Exporting(f"{endpoint.rstrip('/')}/v1/traces", service)
    except ImportError:
        log.warning("traces_off", cause="the extra `otel` is not installed: pip install 'medq-worker[otel]'")
    except Exception as error:  # noqa: BLE001 (a variable that the library cannot read)
        log.warning("traces_off", cause=describe(error))


class _Exporting:
    """What spans are made of and where they go.

    The library's own spans look at every attribute under a lock, for limits that ours never reach, and keep them in
    what its exporter walks slowly: nearly twice the CPU of a batch's spans. So spans are made here, as its interface of
    exporters asks for them; the library samples, batches, encodes and sends them.
    """

    def __init__(self, url: str, service: str) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import Decision
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        name = os.environ.get("OTEL_SERVICE_NAME") or service
        resource = Resource.create({SERVICE_NAME: name})
        # Not the global one: no library of ours shall add spans of its own, which could hold anything.
        self.provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self.processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=url), max_queue_size=QUEUE)
        self.provider.add_span_processor(self.processor)
        self._sampler, self._ids = self.provider.sampler, self.provider.id_generator
        self._finish = partial(ReadableSpan, resource=resource, instrumentation_scope=InstrumentationScope("medq"))
        self._trace, self._sampled = trace, Decision.RECORD_AND_SAMPLE

    def open(self, name: str, attributes: dict[str, Value], *, is_call: bool = False) -> _Open:
        """A span that begins where the block begins."""
        kind = self._trace.SpanKind.CLIENT if is_call else self._trace.SpanKind.CONSUMER
        return _Open(self, name, kind, attributes)

    def begin(self, span: _Open, parent: SpanContext | None) -> SpanContext:
        """Its ids; whether a trace is sampled is decided with its first span."""
        if parent is not None:
            return self._trace.SpanContext(parent.trace_id, self._ids.generate_span_id(), False, parent.trace_flags)
        trace_id = self._ids.generate_trace_id()
        sampling = self._sampler.should_sample(None, trace_id, span.name, span.kind, span.attributes)
        flags = self._trace.TraceFlags(int(sampling.decision is self._sampled))
        return self._trace.SpanContext(trace_id, self._ids.generate_span_id(), False, flags)

    def end(self, span: _Open, context: SpanContext, parent: SpanContext | None, *, failed: bool) -> None:
        """Hand it on, if its trace is sampled."""
        if not context.trace_flags.sampled:
            return
        status = self._trace.Status(self._trace.StatusCode.ERROR if failed else self._trace.StatusCode.UNSET)
        self.processor.on_end(
            self._finish(
                span.name, context, parent, attributes=span.attributes, kind=span.kind, status=status,
                start_time=span.began_ns, end_time=time.time_ns(),
            )
        )  # fmt: skip


class _Open:
    """A span while its block runs, within that of the block around it."""

    __slots__ = ("_context", "_exporting", "_parent", "_token", "attributes", "began_ns", "kind", "name")

    _context: SpanContext | None

    def __init__(self, exporting: _Exporting, name: str, kind: SpanKind, attributes: dict[str, Value]) -> None:
        self._exporting, self.name, self.kind, self.attributes = exporting, name, kind, attributes

    def set_attribute(self, key: str, value: Value, /) -> None:
        """One more."""
        self.attributes[key] = value

    def __enter__(self) -> Self:
        self._parent, self._context = _around.get(), None
        with suppress(Exception):  # a sampler of the operator's own: no trace is worth a call
            self._context = self._exporting.begin(self, self._parent)
        self._token = _around.set(self._context)
        self.began_ns = time.time_ns()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _where: object) -> None:
        _around.reset(self._token)
        if self._context is None:
            return
        failed = isinstance(error, Exception)
        if failed:
            # Its words may quote an upload.
            code = getattr(error, "code", None) if isinstance(error, MedqError) else None
            self.attributes["error.type"] = _name(str(code or type(error).__qualname__))
        with suppress(Exception):  # the work is done, and may be paid for
            self._exporting.end(self, self._context, self._parent, failed=failed)


def flush() -> None:
    """Send what is left, for `FLUSH_S` at most; afterwards there are no spans any more."""
    global _exporting
    exporting, _exporting = _exporting, None
    if exporting is not None:
        sender = threading.Thread(target=_shut_down, args=(exporting,), name="traces", daemon=True)
        sender.start()
        sender.join(FLUSH_S)


def _shut_down(exporting: _Exporting) -> None:
    with suppress(Exception):  # the process ends anyway
        exporting.provider.shutdown()


def task_span(kind: str, *, job_id: str, task_id: str, attempt: int) -> AbstractContextManager[Span]:
    """One attempt at a task. How it ended is added as `medq.task.end`: done, lost, given_back, crashed."""
    if _exporting is None:
        return NO_SPAN
    attributes: dict[str, Value] = {
        "medq.job.id": job_id, "medq.task.id": task_id, "medq.task.kind": kind, "medq.task.attempt": attempt,
    }  # fmt: skip
    return _exporting.open(f"task {kind}", attributes)


def call_span(
    model: str, *, purpose: str, endpoint: str, questions: int, max_tokens: int
) -> AbstractContextManager[Span]:
    """One call to a model, within its task; see `add_reply`."""
    if _exporting is None:
        return NO_SPAN
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": model,
        "medq.call.purpose": purpose,
        "medq.call.questions": questions,
        **_server(endpoint),
    }
    if max_tokens:
        attributes["gen_ai.request.max_tokens"] = max_tokens
    return _exporting.open(f"chat {model}", attributes, is_call=True)


def _name(text: str) -> str:
    """Of what others call something, no more than a name: nobody's sentence."""
    return _NO_NAME.sub("?", text)[:LONGEST_NAME]


def add_reply(span: Span, *, model: str, prompt: int, cached: int, completion: int) -> None:
    """The model that replied as it calls itself, and the tokens that it counted."""
    if span is NO_SPAN:
        return
    span.set_attribute("gen_ai.response.model", _name(model))
    span.set_attribute("gen_ai.usage.input_tokens", prompt)
    span.set_attribute("gen_ai.usage.output_tokens", completion)
    if cached:
        span.set_attribute("gen_ai.usage.cache_read.input_tokens", cached)


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
