"""The states of jobs, tasks, calls and batches, and which of them are open.

In SQL the functions `medq_…_is_open` say so. Each is defined here and there alone; a test holds both to the same lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

JobStatus = Literal["queued", "processing", "completed", "failed", "cancelled"]
TaskStatus = Literal["ready", "running", "waiting", "done", "failed", "cancelled"]
CallStatus = Literal["waiting", "started", "succeeded", "failed"]
BatchStatus = Literal["waiting", "submitted", "resubmitted", "completed", "expired", "failed", "cancelled"]

JOB_STATUSES: tuple[JobStatus, ...] = get_args(JobStatus)
TASK_STATUSES: tuple[TaskStatus, ...] = get_args(TaskStatus)
CALL_STATUSES: tuple[CallStatus, ...] = get_args(CallStatus)
BATCH_STATUSES: tuple[BatchStatus, ...] = get_args(BatchStatus)

OPEN_JOB: frozenset[JobStatus] = frozenset({"queued", "processing"})
OPEN_TASK: frozenset[TaskStatus] = frozenset({"ready", "running", "waiting"})
OPEN_CALL: frozenset[CallStatus] = frozenset({"waiting", "started"})
OPEN_BATCH: frozenset[BatchStatus] = frozenset({"waiting", "submitted", "resubmitted"})

PAUSE_REASONS = ("provider", "refused", "storage")


def is_one_of(column: str, values: Iterable[str]) -> str:
    """SQL: the column holds one of these, as checks and partial indexes spell it."""
    return f'"{column}" IN ({", ".join(f"{value!r}" for value in values)})'
