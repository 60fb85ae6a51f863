"""Taking the fairest ready task, and reading what its work needs with it: one transaction.

How tasks of a kind are done is their handler's: `load` reads in the claim's transaction, `run` works outside of any.
Whatever rows hold, no claim fails for it: what `load` meets is part of the work, and raised where the task is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from worker.db.engine import is_infrastructure_fault
from worker.queue import tasks
from worker.queue.job import Task, TaskKind
from worker.queue.leases import Lease

W = TypeVar("W")


class Handler(Protocol[W]):
    """How tasks of one kind are done."""

    def load(self, connection: sa.Connection, task: Task) -> W:
        """What the work needs of the rows; it changes nothing. Raises for what they hold."""

    def run(self, work: W, lease: Lease) -> None:
        """Do the task to its end. Raises `LeaseLost` or `Stopping` when somebody else must go on with it."""


Handlers = Mapping[TaskKind, Handler[Any]]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the handler read."""

    work: Any


@dataclass(frozen=True, slots=True)
class Unloadable:
    """Reading failed for what rows hold. Whoever runs the task meets the error, so that the task is to blame."""

    error: Exception


@dataclass(frozen=True, slots=True)
class NotLoaded:
    """Nothing was read: who runs the task reads."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One request for a task. `owner` names it: `host:pid:process:number`.

    `is_again`: it was made before, and nobody heard how it ended. `unloadable`: tasks, by id, whose reading has failed.
    """

    owner: str
    lease_s: float
    is_again: bool = False
    unloadable: Mapping[str, Exception] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A task that is ours. `job_status` is "queued" for the first one of a run."""

    task: Task
    job_status: str
    work: Loaded | Unloadable | NotLoaded


class LoadFailed(Exception):
    """Reading for this task failed for what rows hold, and the claim's transaction is undone with it."""

    def __init__(self, task_id: str, error: Exception) -> None:
        super().__init__(task_id)
        self.task_id = task_id
        self.error = error


def runs_alone(task: Task) -> bool:
    """Whether two workers died with it: its next crash must surely be its own doing."""
    return task.deaths >= tasks.MAX_CRASHES - 1


def claim_next(connection: sa.Connection, claim: Claim, handlers: Handlers) -> Claimed | None:
    """Take the fairest ready task, and read what it needs in the same transaction; None when nothing is ready.

    Raises `LoadFailed` when that cannot be read: made once more with the task in `unloadable`, the claim stands. (A
    savepoint would keep it the first time, for two round trips per claim.)
    """
    found = tasks.claim_task(connection, owner=claim.owner, lease_s=claim.lease_s, is_again=claim.is_again)
    if found is None:
        return None
    task, job_status = found
    if error := claim.unloadable.get(task.id):
        return Claimed(task, job_status, Unloadable(error))
    if runs_alone(task):  # what is read may be what they died of
        return Claimed(task, job_status, NotLoaded())
    try:
        return Claimed(task, job_status, Loaded(handlers[task.kind].load(connection, task)))
    except Exception as error:
        if is_infrastructure_fault(error):
            raise
        raise LoadFailed(task.id, error) from error
