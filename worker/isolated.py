"""A process that runs one task and nothing else: `python -m worker.isolated`, started by `worker.isolation`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

import structlog

from worker import faults
from worker.adapters.db import is_infrastructure_fault
from worker.errors import LeaseLost, Stopping
from worker.faults import Point
from worker.isolation import Ending, read_order
from worker.leases import Lease
from worker.log import configure_logging, get_logger
from worker.pipeline import Claimed
from worker.settings import Settings
from worker.shapes.jobs import Task
from worker.wiring import build_line

log = get_logger()

ORPHANED = 23


def run(task: Task, job_status: str, settings: Settings) -> int:
    """Run the task to its end; the exit code that says how it ended."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stopping.set())
    lease = Lease(task.id, task.attempt, stopping)
    line = build_line(settings, pool_size=2)
    faults.reached(Point.AFTER_CLAIM, task.kind, task.position)
    try:
        line.run(Claimed(task, job_status), lease)
    except LeaseLost:
        return Ending.LOST
    except Stopping:
        return Ending.STOPPING
    except Exception as error:
        if is_infrastructure_fault(error):
            return Ending.INTERRUPTED
        log.error("task_crashed", exc_info=error)
        return 1
    return Ending.DONE


def main() -> None:
    """Entry point of the isolated process."""
    configure_logging()
    with suppress(OSError):  # if memory runs out, this process is the one to go
        Path("/proc/self/oom_score_adj").write_text("1000")
    task, job_status = read_order(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    with structlog.contextvars.bound_contextvars(
        job_id=task.job.id, task_id=task.id, attempt=task.attempt, kind=task.kind
    ):
        code = run(task, job_status, Settings.load())
    sys.stderr.flush()
    os._exit(code)


def _end_with_parent() -> None:
    """Our parent renews the lease: without it the task is not ours."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(ORPHANED)


if __name__ == "__main__":
    main()
