"""One worker process: `python -m worker.runtime.worker_main`, started and restarted by the supervisor."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType

import dramatiq
import psycopg

from worker import tracing
from worker.db.engine import open_session
from worker.errors import UsageError
from worker.logging import configure_logging, describe, get_logger, log_uncaught
from worker.runtime.actors import declare_actors
from worker.runtime.container import Parts, build_worker
from worker.runtime.executor import Executor
from worker.runtime.preflight import check_settings
from worker.settings import Settings
from worker.system.python_child import LONGEST_CAUSE, WORKS, WRONG_SETTINGS
from worker.system.standard_streams import protect_standard_streams
from worker.upload import reading

log = get_logger()

WEDGED = 70  # exit code of a process whose own threads have stopped
WATCH_S = 0.5
LEAVING_S = 5.0  # for threads that have nothing in hand
STUCK_S = 900.0  # beyond one call, with a database that is well: what it waits for there has no end


def run(settings: Settings, stopping: threading.Event, hurry: threading.Event) -> int:
    """Work until SIGTERM, SIGINT, or until the supervisor is gone (`stopping`); the exit code.

    Asked once, calls in flight may end within the grace; asked twice (`hurry`), everything is given back at once.
    """
    _stop_with_parent(stopping)
    parts = build_worker(settings, stopping=stopping)
    declare_actors(parts.broker, parts.executor)
    _spare_garbage_collection()
    # Leases are renewed until the last thread has let go, so the heartbeat has a stop of its own.
    finished = threading.Event()
    worker = _start_dramatiq(parts)
    batch_submitter = _start_parts(parts, stopping, finished)
    reading.keep_ready()
    log.info("worker_started", threads=parts.threads, model=parts.executor.runner.context.endpoint.model)
    _tell_supervisor()
    while not stopping.wait(WATCH_S):
        if cause := _find_wedge(worker, parts, settings):
            # Nothing is given back: what holds a thread for so long may well be the task, and is counted as its doing.
            log.error("worker_wedged", cause=cause)
            return WEDGED
    log.info("worker_stopping", grace_s=settings.grace_s)
    parts.broker.wake(leaving=True)
    stop = _start("stop", partial(_stop_work, worker, parts.executor, batch_submitter, grace_s=settings.grace_s))
    while stop.is_alive() and not hurry.is_set():
        stop.join(0.1)
    finished.set()
    parts.release()
    log.info("worker_stopped")
    return 0


def _spare_garbage_collection() -> None:
    """What is loaded by now stays for good, and every reply brings thousands of small objects: fewer collections, and
    none of them looks at the modules again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


def _start_dramatiq(parts: Parts) -> dramatiq.Worker:
    worker = dramatiq.Worker(parts.broker, worker_threads=parts.threads, worker_timeout=1000)
    # A wake-up that waits behind a busy thread here would be missing to an idle one elsewhere.
    worker.queue_prefetch = parts.threads
    worker.start()
    return worker


def _start_parts(parts: Parts, stopping: threading.Event, finished: threading.Event) -> threading.Thread | None:
    """Everything that runs beside the tasks; the batch submitter's thread, where there is one."""
    _start("heartbeat", lambda: parts.heartbeat.run(finished))
    _start("listener", lambda: parts.listener.run(stopping))
    _start("upload cleaner", lambda: parts.upload_cleaner.run(stopping))
    _start("recovery", lambda: parts.recovery.run(stopping))
    if parts.batch_submitter is None:
        return None
    return _start("batch submitter", partial(parts.batch_submitter.run, stopping))


def _stop_work(
    worker: dramatiq.Worker, executor: Executor, batch_submitter: threading.Thread | None, *, grace_s: float
) -> None:
    """Let calls in flight and the batch submitter's present step end, for as long as the grace allows."""
    until = time.monotonic() + grace_s
    # Those that no wake-up brought are none of Dramatiq's; and its own may wait for Redis, with nothing in hand.
    executor.wait_until_idle(grace_s)
    try:
        worker.stop(timeout=int(1000 * max(0.0, min(LEAVING_S, until - time.monotonic()))))
    except Exception as error:  # noqa: BLE001 (a Redis that takes no wake-up back: it carried no work)
        log.warning("wake_ups_left", error=type(error).__name__)
    if batch_submitter is not None:
        # Where it is cut off another one goes on, but only when the time that it may take has passed.
        batch_submitter.join(max(0.0, until - time.monotonic()))


def _find_wedge(worker: dramatiq.Worker, parts: Parts, settings: Settings) -> str | None:
    """What in this process has stopped going round, or None. Looked at from inside: a health check sees no threads."""
    threads = [*worker.workers, *worker.consumers.values()]
    if dead := sum(1 for thread in threads if not thread.is_alive()):
        return f"{dead} threads ended"
    if silent := parts.watchdog.silent(max(settings.wedged_s, 2 * settings.lease_s)):
        return f"silent: {', '.join(silent)}"
    if min(parts.executor.leases.untouched_s(), parts.health.well_for_s()) > settings.call_timeout_s + STUCK_S:
        return "a task is stuck"
    return None


def _tell_supervisor() -> None:
    """One byte on standard output: this process got as far as working, so that a later crash is no failed start."""
    _say(WORKS)


def _say(words: bytes) -> None:
    if os.environ.get("MEDQ_SUPERVISED") == "1":
        with suppress(OSError):
            os.write(1, words[:LONGEST_CAUSE])


def _start(name: str, work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def _stop_on_signals(stopping: threading.Event, hurry: threading.Event) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            hurry.set()
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _stop_with_parent(stopping: threading.Event) -> None:
    """The supervisor holds the other end of our standard input: its end of file means that it is gone."""
    if os.environ.get("MEDQ_SUPERVISED") != "1":
        return

    def wait_for_end_of_file() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        stopping.set()

    _start("parent", wait_for_end_of_file)


def main() -> None:
    """Entry point of a child process."""
    # First of all: one that is told to stop while it starts leaves in order as well.
    stopping, hurry = threading.Event(), threading.Event()
    _stop_on_signals(stopping, hurry)
    protect_standard_streams()
    os.umask(0o077)
    configure_logging()
    log_uncaught()
    code = _start_and_run(stopping, hurry)
    tracing.flush()
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    # A hard exit: threads that still wait for a model past the grace must not hold the process back.
    os._exit(code)


def _start_and_run(stopping: threading.Event, hurry: threading.Event) -> int:
    """The exit code; why it cannot start goes to the supervisor, which need not read logs."""
    try:
        settings = Settings.load()
        tracing.configure(settings.otlp_endpoint, service="medq-worker")
        check_settings(settings)
        _try_address(settings.database_url or "")
        return run(settings, stopping, hurry)
    except UsageError as error:
        log.error("worker_settings_wrong", cause=str(error))
        _say(str(error).encode())
        return WRONG_SETTINGS
    except Exception as error:
        log.error("worker_failed", exc_info=error)
        _say(describe(error).encode())
        return 1


def _try_address(url: str) -> None:
    """Refuse a pooler that was not declared, before anything works through it. A database that is away comes later."""
    with suppress(psycopg.Error):
        open_session(url, name="medq-start").close()


if __name__ == "__main__":
    main()
