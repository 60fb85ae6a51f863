"""A process that runs one task and nothing else: `python -m worker.runtime.sandbox_main`, started by
`worker.runtime.sandbox`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

import structlog

from worker import tracing
from worker.db.engine import is_infrastructure_fault
from worker.errors import Interrupted, LeaseLost, Stopping
from worker.jobs.claim import Claimed, NotLoaded
from worker.jobs.task_runner import TaskRunner
from worker.logging import configure_logging, get_logger, log_uncaught
from worker.queue.job import Task
from worker.queue.leases import Leases
from worker.runtime.container import build_context
from worker.runtime.heartbeat import Heartbeat
from worker.runtime.sandbox import Ending, read_order
from worker.settings import Settings
from worker.system.standard_streams import protect_standard_streams

log = get_logger()


def run(task: Task, job_status: str, settings: Settings) -> int:
    """Run the task to its end; the exit code that says how it ended.

    It renews its own lease: when the worker that started it is killed, the task goes on and is not started anew.
    """
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stopping.set())
    leases = Leases(stopping)
    context = build_context(settings, pool_size=3, owner=task.owner)
    heartbeat = Heartbeat(database=context.database, leases=leases, owner=task.owner, lease_s=settings.lease_s)
    with leases.hold(task.id, task.attempt) as lease:
        threading.Thread(target=heartbeat.run, args=(threading.Event(),), name="heartbeat", daemon=True).start()
        try:
            TaskRunner(context).run(Claimed(task, job_status, NotLoaded()), lease)
        except LeaseLost:
            return Ending.LOST
        except Stopping:
            return Ending.STOPPING
        except Interrupted:
            return Ending.INTERRUPTED
        except Exception as error:
            if is_infrastructure_fault(error):
                return Ending.INTERRUPTED
            log.error("task_crashed", exc_info=error)
            return 1
    return Ending.DONE


def main() -> None:
    """Entry point of the sandbox."""
    protect_standard_streams()
    os.umask(0o077)
    configure_logging()
    log_uncaught()
    with suppress(OSError):  # if memory runs out, this process is the one to go
        Path("/proc/self/oom_score_adj").write_text("1000")
    order = sys.stdin.readline()
    if not order:  # the worker was killed before it could say what to do
        return
    task, job_status = read_order(order)
    with structlog.contextvars.bound_contextvars(
        job_id=task.job.id, task_id=task.id, attempt=task.attempt, kind=task.kind
    ):
        settings = Settings.load()
        tracing.configure(settings.otlp_endpoint, service="medq-worker")
        with tracing.task_span(task.kind, job_id=task.job.id, task_id=task.id, attempt=task.attempt) as span:
            code = run(task, job_status, settings)
            span.set_attribute("medq.task.end", "alone")
    tracing.flush()
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
