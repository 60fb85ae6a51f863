"""A task that two workers died with runs in a process of its own: its third crash is then surely its own doing.

This is the side of the worker that waits; what runs over there is `worker.runtime.sandbox_main`.
"""

from __future__ import annotations

import json
import signal
import subprocess
from dataclasses import asdict
from enum import IntEnum
from typing import Any

from worker.errors import Interrupted, LeaseLost, Stopping
from worker.logging import get_logger
from worker.queue.job import Job, Task
from worker.queue.leases import Lease
from worker.system.python_child import child_environment, python_command

log = get_logger()

POLL_S = 0.1


class Ending(IntEnum):
    """The exit code of a sandbox that ended in order. Any other is a crash."""

    DONE = 0
    LOST = 20
    STOPPING = 21
    INTERRUPTED = 22


class SandboxCrash(Exception):
    """The process that ran nothing but this task died, or the task failed in it."""


def run_sandboxed(task: Task, job_status: str, lease: Lease) -> None:
    """Run one claimed task in a new process and wait for it. Should this process be killed, that one goes on.

    Raises `LeaseLost`, `Stopping` or `Interrupted` as the task itself would, `SandboxCrash` for everything else.
    """
    child = subprocess.Popen(
        python_command("-m", "worker.runtime.sandbox_main"),
        stdin=subprocess.PIPE,
        env=child_environment(MEDQ_SUPERVISED="0"),
        start_new_session=True,
    )
    log.info("task_sandboxed", child=child.pid, deaths=task.deaths)
    try:
        _hand_over(child, task, job_status)
        code = _wait(child, lease)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    if code == -signal.SIGTERM:  # stopped before its handlers were there: not the task's doing
        code = Ending.STOPPING
    match code:
        case Ending.DONE:
            return
        case Ending.LOST:
            raise LeaseLost(task.id)
        case Ending.STOPPING:
            raise Stopping(task.id)
        case Ending.INTERRUPTED:
            raise Interrupted(task.id)
    cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    raise SandboxCrash(cause)


def read_order(line: str) -> tuple[Task, str]:
    """The task and its job's status, as `run_sandboxed` handed them over."""
    order: dict[str, Any] = json.loads(line)
    task = order["task"]
    return Task(**{**task, "job": Job(**task["job"])}), order["job_status"]


def _hand_over(child: subprocess.Popen[bytes], task: Task, job_status: str) -> None:
    if child.stdin is None:
        raise SandboxCrash("no standard input")
    try:
        child.stdin.write(json.dumps({"task": asdict(task), "job_status": job_status}).encode() + b"\n")
        child.stdin.close()
    except BrokenPipeError:
        log.warning("sandbox_unheard", child=child.pid)


def _wait(child: subprocess.Popen[bytes], lease: Lease) -> int:
    was_told = False
    while True:
        try:
            return child.wait(POLL_S)
        except subprocess.TimeoutExpired:
            lease.touch()
            if lease.lost.is_set():
                raise LeaseLost(lease.task_id) from None
            if lease.stopping.is_set() and not was_told:
                child.terminate()
                was_told = True
