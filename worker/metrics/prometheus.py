"""Prometheus metrics of the whole line, read from the rows: workers open no port.

No id, no user and no text stands in a label. Needs the extra `web`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import TypeVar

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from models.states import JOB_STATUSES
from worker.jobs import queries
from worker.llm.rate_limit import Limits, LimitState
from worker.logging import describe, get_logger
from worker.metrics.measures import Histogram, Measures, Standing
from worker.questions.answers import OUTCOMES

log = get_logger()

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_AGE_S = 15.0
FRESH_S = 600.0  # beyond which a look may read so much that a scrape is not to wait for it

Key = TypeVar("Key", bound=tuple[str, ...])  # one value for each label


class Exporter(Collector):
    """Metrics of one database; at most one look at it in `max_age_s`, whoever asks. Shared by threads."""

    def __init__(
        self,
        engine: sa.Engine,
        limits: Sequence[Limits] = (),
        *,
        max_age_s: float = MAX_AGE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._max_age_s = max_age_s
        self._clock = clock
        self._measures = Measures(engine)
        self._lock = threading.Lock()
        self._text = b""
        self._looked_at: float | None = None
        self._starting = threading.Lock()
        self._ahead: threading.Thread | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def render(self) -> bytes:
        """The metrics in Prometheus' text format (`CONTENT_TYPE`). Raises what the database raises."""
        with self._lock:
            now = self._clock()
            if self._looked_at is None or now - self._looked_at >= self._max_age_s:
                self._text = generate_latest(self._registry)
                self._looked_at = now
            return self._text

    @property
    def is_fresh(self) -> bool:
        """Whether `render` reads no more than what has ended since a look not long ago."""
        return self._looked_at is not None and self._clock() - self._looked_at < FRESH_S

    def read_ahead(self, wait_s: float) -> bool:
        """Read in a thread of its own, unless one does already, and wait for it so long; whether it is fresh now.

        The first time, it reads every row there is.
        """
        with self._starting:
            if self._ahead is None or not self._ahead.is_alive():
                self._ahead = threading.Thread(target=self._render_quietly, name="metrics", daemon=True)
                self._ahead.start()
        self._ahead.join(wait_s)
        return self.is_fresh

    def _render_quietly(self) -> None:
        try:
            self.render()
        except Exception as error:  # noqa: BLE001 (a database that is away: whoever asks is told, and looks again)
            log.warning("metrics_not_read", error=describe(error))

    def describe(self) -> Iterator[Metric]:
        """Nothing: to be registered, no look at the database is needed."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Every metric, of one look at the rows."""
        standing = self._measures.read_standing()
        yield _gauge(
            "medq_build_info", "Version of the project; always 1.", {(version("medq-worker"),): 1}, ["version"]
        )
        yield from _standing_metrics(standing)
        yield from self._process_metrics()
        yield from self._limit_metrics()
        yield from self._grown_metrics(standing)

    def _process_metrics(self) -> Iterator[Metric]:
        count = queries.count_workers(self._engine)
        if count is not None:  # through a pooler nobody can count them
            yield _gauge("medq_worker_processes", "Worker processes at work on this database.", {(): count}, [])

    def _limit_metrics(self) -> Iterator[Metric]:
        states: dict[str, LimitState] = {}
        for limits in self._limits:
            state = limits.read_state()
            if state is not None:
                states[limits.endpoint] = state
        pauses = {(endpoint,): state.pause_s for endpoint, state in states.items()}
        yield _gauge("medq_llm_pause_seconds", "Seconds that calls are paused for.", pauses, ["endpoint"])
        rates = {
            (endpoint, kind): value
            for endpoint, state in states.items()
            for kind, value in (("requests", state.requests), ("tokens", state.tokens))
            if value
        }
        help_text = "Calls and tokens a minute that are allowed now, where a limit is known."
        yield _gauge("medq_llm_rate_limit_per_minute", help_text, rates, ["endpoint", "kind"])

    def _grown_metrics(self, standing: Standing) -> Iterator[Metric]:
        grown = self._measures.grown
        yield _counter("medq_llm_calls", "Model calls that ended.", grown.calls, ["model", "purpose", "status", "code"])
        yield _counter("medq_llm_tokens", "Tokens of those calls.", grown.tokens, ["model", "type"])
        costs = {(model,): cost for model, cost in grown.cost_usd.items()}
        yield _counter("medq_llm_cost_usd", "What they cost, where a price is known.", costs, ["model"])
        decisions = {(action,): number for action, number in standing.decisions.items()}
        yield _counter("medq_decisions", "Decisions of people.", decisions, ["action"])
        yield _histogram("medq_llm_call_duration_seconds", "From intent to reply.", grown.call_s, ["model", "purpose"])
        waits = {(kind,): histogram for kind, histogram in grown.task_wait_s.items()}
        yield _histogram("medq_task_wait_seconds", "From ready to begun.", waits, ["kind"])
        times = {(kind,): histogram for kind, histogram in grown.task_s.items()}
        yield _histogram("medq_task_duration_seconds", "From begun to ended.", times, ["kind"])


def _standing_metrics(standing: Standing) -> Iterator[Metric]:
    jobs = {(state,): standing.jobs.get(state, 0) for state in JOB_STATUSES}
    yield _gauge("medq_jobs", "Jobs by status.", jobs, ["status"])
    yield _gauge("medq_tasks", "Tasks by kind and status.", standing.tasks, ["kind", "status"])
    age = {(): standing.oldest_ready_s}
    yield _gauge("medq_oldest_ready_task_age_seconds", "For how long the oldest task waits that could run.", age, [])
    expired = {(): standing.expired_leases}
    yield _gauge("medq_expired_leases", "Running tasks whose worker is gone, until the sweep.", expired, [])
    quarantined = {(): standing.quarantined}
    yield _gauge("medq_quarantined_tasks", "Tasks given up after they ended their worker three times.", quarantined, [])
    items = {key: number for key, number in standing.items.items() if key[1] in ("pending", *OUTCOMES)}
    yield _gauge("medq_items", "Rows of uploads by type and status.", items, ["type", "status"])
    yield _gauge("medq_items_to_review", "Rows that wait for a person.", {(): standing.open_items}, [])
    batches = {(status,): number for status, number in standing.batches.items()}
    yield _gauge("medq_llm_batches", "Batches at the provider by status.", batches, ["status"])


def _gauge(name: str, text: str, values: Mapping[Key, float], labels: Sequence[str]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _counter(name: str, text: str, values: Mapping[Key, float], labels: Sequence[str]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _histogram(name: str, text: str, values: Mapping[Key, Histogram], labels: Sequence[str]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    for key, histogram in sorted(values.items()):
        below, buckets = 0, []
        for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
            below += count
            buckets.append((bound, below))
        family.add_metric(key, buckets, sum_value=histogram.total_s)
    return family
