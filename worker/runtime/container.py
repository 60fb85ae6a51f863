"""Builds everything once, at boot. The only place that reads settings to choose parts."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis
import sqlalchemy as sa
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.courses.embeddings import EmbeddingClient
from worker.courses.retrieval import Retrieval
from worker.db.engine import Database, connect, is_infrastructure_fault, open_session
from worker.db.server_health import ServerHealth, Waiting, pause_s
from worker.errors import UsageError
from worker.jobs.context import Context
from worker.jobs.task_runner import TaskRunner
from worker.llm import ledger
from worker.llm.batch.api import BatchApi
from worker.llm.calls import Endpoint
from worker.llm.capacities import Capacities
from worker.llm.circuit_breaker import BreakerState, ProcessBreaker, Recovery
from worker.llm.client import LlmClient, resolve_endpoint
from worker.llm.dispatcher import Dispatcher, Upstream
from worker.llm.prices import load_prices
from worker.llm.rate_limit import Limits
from worker.logging import get_logger
from worker.queue import tasks
from worker.queue.leases import Leases
from worker.review.explain import Explainer
from worker.runtime.batch_submitter import BatchSubmitter, Patience
from worker.runtime.broker import WakeUpBroker, make_broker, send_wake_ups, stay_alive
from worker.runtime.executor import Executor
from worker.runtime.heartbeat import Heartbeat
from worker.runtime.listener import Listener, Waker
from worker.runtime.reaper import Reaper
from worker.runtime.sandbox import run_sandboxed
from worker.runtime.upload_cleaner import UploadCleaner
from worker.runtime.watchdog import Watchdog
from worker.settings import Settings
from worker.system.urls import read_address
from worker.upload.storage import Storage

log = get_logger()

EMBEDDED_CALLS = 2  # slots of the embedded model
POOL, LEASE_POOL = 8, 2  # connections for work, and for what keeps it moving
LEAST_PATIENCE_S = 60.0  # with the database, of a task
MESSAGE_AFTER_S = 5.0  # a shorter wait of a process is not shown on rows: it passes by itself
CONNECTIONS_OF_A_PROCESS = POOL + LEASE_POOL + 1  # one listens


@dataclass(frozen=True)
class Parts:
    """One worker process, wired."""

    executor: Executor
    heartbeat: Heartbeat
    listener: Listener
    upload_cleaner: UploadCleaner
    recovery: Recovery
    batch_submitter: BatchSubmitter | None  # none for an endpoint without batches
    broker: WakeUpBroker
    lease_database: Database
    health: ServerHealth  # of the database, as the work sees it
    watchdog: Watchdog
    threads: int

    def release(self) -> None:
        """Give back what this process still holds, so that another takes it at once and no crash is counted."""
        try:
            self.lease_database.transact(self._give_back_all, patience_s=1)
        except Exception as error:
            if not is_infrastructure_fault(error):
                raise
            log.warning("leases_not_given_back", error=type(error).__name__)

    def _give_back_all(self, connection: sa.Connection) -> None:
        # No reply will come for what was asked.
        ledger.mark_unknown(connection, tasks.give_back_all(connection, process=self.executor.owner))

    def close(self) -> None:
        """Drop every connection: for whoever goes on living after the work. A worker process just ends."""
        self.executor.runner.context.dispatcher.close()
        if self.batch_submitter is not None:
            self.batch_submitter.api.client.close()
        self.executor.database.close()
        self.lease_database.close()
        self.broker.close()
        self.broker.client.close()
        self.broker.sender.client.close()


def make_storage(settings: Settings) -> Storage:
    """The storage of uploads and workbooks that these settings name."""
    return Storage(settings.storage_url or str(settings.home / "storage"), settings.allowed_roots)


def _calls_at_once(settings: Settings, endpoint: Endpoint) -> int:
    return min(settings.threads, EMBEDDED_CALLS) if endpoint.embedded else settings.threads


def _spare_threads(calls_at_once: int) -> int:
    """Threads beyond the calls at once: they claim, compose and store while the others wait for a reply."""
    return max(2, calls_at_once // 2)


def build_limits(settings: Settings) -> list[Limits]:
    """The limits of the endpoints that are called, to be looked at; none of the embedded model, which has none."""
    client = _limits_client(settings)
    endpoint = resolve_endpoint(settings, settings.embedded_llm_url or "embedded")
    if endpoint.embedded:
        return []
    found = [Limits(client, endpoint.name, rpm=settings.rpm, tpm=settings.tpm)]
    if settings.has_fallback:
        found.append(Limits(client, resolve_endpoint(settings.for_fallback(), None).name))
    return found


def _limits_client(settings: Settings) -> redis.Redis:
    return redis.Redis.from_url(
        settings.redis_url or "",
        # Redis away must cost a call next to nothing: the process then goes on within its own share.
        socket_timeout=1,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
        **stay_alive(settings.redis_url or ""),
    )


def build_dispatcher(settings: Settings, endpoint: Endpoint, process_breaker: ProcessBreaker) -> Dispatcher:
    """The dispatcher of the endpoint and of its fallback, if any. The operator's limits are the first's."""
    limits_redis = _limits_client(settings)

    def upstream(endpoint: Endpoint, settings: Settings, rpm: int | None, tpm: int | None) -> Upstream:
        limits = Limits(limits_redis, endpoint.name, rpm=rpm, tpm=tpm, processes=settings.processes)
        client = LlmClient(endpoint, settings)
        capacities = Capacities(limits_redis, endpoint.name, most=settings.max_completion_tokens)

        def close() -> None:
            client.close()
            limits_redis.close()

        return Upstream(endpoint, client.complete, limits, capacities=capacities, ping=client.ping, close=close)

    upstreams = [upstream(endpoint, settings, settings.rpm, settings.tpm)]
    if settings.has_fallback:
        second = settings.for_fallback()
        stand_in = resolve_endpoint(second, None)
        if stand_in.name == endpoint.name:
            raise UsageError(
                "OPENAI_FALLBACK_BASE_URL names the endpoint that it should stand in for: set another one."
            )
        upstreams.append(upstream(stand_in, second, None, None))
    slots = threading.Semaphore(_calls_at_once(settings, endpoint))
    return Dispatcher(upstreams, slots=slots, grace_s=settings.grace_s, process_breaker=process_breaker)


def build_context(settings: Settings, *, pool_size: int, owner: str, health: ServerHealth | None = None) -> Context:
    """What a process needs to run tasks; one that neither listens, sweeps nor renews needs no more.

    `owner` names the process, as its leases do, so that its sessions are known should it freeze.
    """
    endpoint = resolve_endpoint(settings, settings.embedded_llm_url)
    engine = connect(
        settings.database_url or "",
        pool_size=pool_size,
        name=tasks.session_name(owner),
        standstill_s=_standstill_s(settings),
    )
    # Work waits for a server that is at fault as long as it would for a model.
    database = Database(engine, patience_s=max(LEAST_PATIENCE_S, settings.outage_s), health=health)
    embedder = EmbeddingClient(settings) if settings.embedding_model else None
    breaker = ProcessBreaker()
    return Context(
        database=database,
        storage=make_storage(settings),
        dispatcher=build_dispatcher(settings, endpoint, breaker),
        process_breaker=breaker,
        endpoint=endpoint,
        settings=settings,
        prices=load_prices(settings.prices),
        retrieval=Retrieval(database, embedder),
    )


def _waited_for(*waits: Waiting | None) -> str | None:
    """The SQLSTATE that is waited for longest, once it is worth saying."""
    long = [waiting for waiting in waits if waiting is not None and waiting.for_s >= MESSAGE_AFTER_S]
    return max(long, key=lambda waiting: waiting.for_s).state.code if long else None


def _standstill_s(settings: Settings) -> float:
    return max(5.0, settings.lease_s)


@contextmanager
def build_explainer(settings: Settings, engine: sa.Engine) -> Iterator[Explainer]:
    """What explains decisions to students, for a command or a page; closed afterwards."""
    endpoint = resolve_endpoint(settings, settings.embedded_llm_url)
    dispatcher = build_dispatcher(settings, endpoint, ProcessBreaker())
    try:
        yield Explainer(Database(engine), dispatcher, endpoint, load_prices(settings.prices))
    finally:
        dispatcher.close()


def can_explain(settings: Settings) -> bool:
    """Whether a model is configured that could explain what a person kept. The embedded one never does."""
    return not resolve_endpoint(settings, "embedded").embedded


def explain_decided(settings: Settings, engine: sa.Engine, item_ids: Iterable[str]) -> int:
    """Have the model explain what was settled about these rows and nobody has explained; how many questions it was."""
    if not can_explain(settings):
        return 0
    with build_explainer(settings, engine) as explainer:
        return sum(explainer.explain(item_id) for item_id in item_ids)


def build_batch_submitter(settings: Settings, context: Context) -> BatchSubmitter | None:
    """Who carries waiting calls to the endpoint's Batch API; nobody where the embedded model answers."""
    if context.endpoint.embedded:
        return None
    client = LlmClient(context.endpoint, settings)
    breaker = context.process_breaker
    path = "/chat/completions" if settings.azure_endpoint else "/v1/chat/completions"
    return BatchSubmitter(
        database=context.database,
        api=BatchApi(client.client, client.translate, path, transfer_s=3 * settings.call_timeout_s),
        endpoint=context.endpoint.name,
        prices=context.prices,
        learn=context.dispatcher.upstreams[0].capacities.narrow,
        patience=Patience(
            poll_s=settings.batch_poll_s,
            hold_s=settings.lease_s,
            # As long as a file may be under way.
            begin_s=3 * settings.call_timeout_s + settings.lease_s,
            outage_s=settings.outage_s,
        ),
        may_call=lambda: breaker.state is BreakerState.CLOSED,
    )


def build_recovery(context: Context, lease_database: Database, listener: Listener) -> Recovery:
    """Who finds out that this process can call again."""
    endpoints = [endpoint.name for endpoint in context.dispatcher.endpoints]
    return Recovery(
        breaker=context.process_breaker,
        is_reached=context.dispatcher.is_reached,
        is_answered=lambda within_s: lease_database.transact(
            lambda c: ledger.is_answered(c, endpoints, within_s=within_s), patience_s=0
        ),
        wake=listener.wake_for_ready,
    )


@dataclass(frozen=True)
class _Frame:
    """What the parts of one process share."""

    settings: Settings
    owner: str  # names the process, as its leases do
    threads: int
    context: Context
    leases: Leases
    lease_database: Database  # its own connections: leases are renewed even when every other one is busy
    health: ServerHealth  # of the database, as the work sees it
    lease_health: ServerHealth
    watchdog: Watchdog

    @property
    def session(self) -> str:
        """What pg_stat_activity shows for the session with which the process listens."""
        waits_for = _waited_for(self.health.longest(), self.lease_health.longest())
        return tasks.listening_session(
            self.owner, is_cut_off=self.context.process_breaker.is_cut_off, waits_for=waits_for
        )

    def alive(self, name: str) -> Callable[[], None]:
        """What a part calls whenever it goes round."""
        return lambda: self.watchdog.beat(name)


def build_worker(settings: Settings, *, stopping: threading.Event) -> Parts:
    """Wire one process. DATABASE_URL and REDIS_URL must be set by now (the commands fill in the embedded ones)."""
    frame = _build_frame(settings, stopping)
    context = frame.context
    executor = Executor(
        runner=TaskRunner(context),
        database=context.database,
        leases=frame.leases,
        owner=frame.owner,
        lease_s=settings.lease_s,
        threads=frame.threads,
        stopping=stopping,
        run_sandboxed=run_sandboxed,
    )
    broker = make_broker(settings.redis_url or "")
    broker.on_poll = lambda queue_name: frame.watchdog.beat(f"consumer of {queue_name}")
    batch_submitter = build_batch_submitter(settings, context)
    waker = Waker(lambda times: send_wake_ups(broker, times), work=executor.drain_apart, begun=executor.begun)
    listener = _build_listener(frame, executor, waker, _build_reaper(frame, batch_submitter))
    return Parts(
        executor=executor,
        heartbeat=_build_heartbeat(frame),
        listener=listener,
        upload_cleaner=UploadCleaner(database=frame.lease_database, storage=context.storage, orphan_s=settings.stray_s),
        recovery=build_recovery(context, frame.lease_database, listener),
        batch_submitter=batch_submitter,
        broker=broker,
        lease_database=frame.lease_database,
        health=frame.health,
        watchdog=frame.watchdog,
        threads=frame.threads,
    )


def _build_frame(settings: Settings, stopping: threading.Event) -> _Frame:
    endpoint = resolve_endpoint(settings, settings.embedded_llm_url)
    calls_at_once = _calls_at_once(settings, endpoint)
    threads = calls_at_once + _spare_threads(calls_at_once)
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    health, lease_health = ServerHealth(), ServerHealth()
    context = build_context(settings, pool_size=min(POOL, threads + 1), owner=owner, health=health)
    engine = connect(
        settings.database_url or "",
        pool_size=LEASE_POOL,
        name="medq-leases",
        standstill_s=_standstill_s(settings),
    )
    lease_database = Database(engine, health=lease_health, longest_pause_s=pause_s(settings.lease_s))
    return _Frame(
        settings=settings,
        owner=owner,
        threads=threads,
        context=context,
        leases=Leases(stopping),
        lease_database=lease_database,
        health=health,
        lease_health=lease_health,
        watchdog=Watchdog(),
    )


def _build_heartbeat(frame: _Frame) -> Heartbeat:
    return Heartbeat(
        database=frame.lease_database,
        leases=frame.leases,
        owner=frame.owner,
        lease_s=frame.settings.lease_s,
        alive=frame.alive("heartbeat"),
        health=frame.lease_health,
        waiting=frame.health.longest,
    )


def _build_reaper(frame: _Frame, batch_submitter: BatchSubmitter | None) -> Reaper:
    return Reaper(
        database=frame.lease_database,
        lease_s=frame.settings.lease_s,
        call_timeout_s=frame.settings.call_timeout_s,
        batch_submitter=batch_submitter,
        alive=frame.alive("listener"),
        health=frame.lease_health,
    )


def _build_listener(frame: _Frame, executor: Executor, waker: Waker, reaper: Reaper) -> Listener:
    database_url = frame.settings.database_url or ""
    return Listener(
        database=frame.lease_database,
        reaper=reaper,
        database_url=database_url,
        sweep_s=frame.settings.sweep_s,
        idle_threads=executor.idle_threads,
        waker=waker,
        alive=frame.alive("listener"),
        name=lambda: frame.session,
        listen=None if read_address(database_url).is_pooled else open_session,
    )
