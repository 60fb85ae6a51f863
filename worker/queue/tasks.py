"""The task queue in PostgreSQL: claim, lease, renew, give back, sweep. What a task does is not here.

Nothing else in Python writes "AiValidationTask": each change of a task is one of the functions below. In the database
schema/functions does: it adds the first task of a job and its last one, cancels, resumes and mends.

Times are the database's clock only. Every write shows the task's fencing token (id, attempt, owner); a worker that
lost its lease changes 0 rows. Locks are always taken in the order job → task → items, as the triggers do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from worker.db.statements import load_statements
from worker.errors import LeaseLost
from worker.queue.job import Job, Task, TaskKind

SQL = load_statements(__file__)

CHANNEL = "medq_task"
CUT_OFF_SESSION = "medq-watch cut off "  # the same of one that cannot reach the LLM; host and pid follow
WAITING_SESSION = "medq-watch waits "  # the same of one that waits for the server; SQLSTATE, host and pid follow
LISTENING_SESSION = "medq-watch"  # what pg_stat_activity shows of the session with which a worker process listens
MAX_CRASHES = 3  # of which the last was seen: the task alone in a process, which died
MAX_LOSSES = 30  # workers that vanished with it, whatever took them: operators may kill often


@dataclass(frozen=True, slots=True)
class ExpiredTask:
    """A task whose owner let its lease run out."""

    id: str
    job_id: str
    kind: TaskKind
    attempt: int
    deaths: int  # before this one
    owner: str


def session_name(owner: str) -> str:
    """What pg_stat_activity shows for the connections of the process that made this claim, or is this `owner`."""
    return f"medq-worker {':'.join(owner.split(':')[1:3])}"


def listening_session(owner: str, *, is_cut_off: bool, waits_for: str | None = None) -> str:
    """What pg_stat_activity shows for the session with which this process listens. `waits_for`: a SQLSTATE, or None."""
    host, pid = owner.split(":")[:2]
    if waits_for is not None:
        return f"{WAITING_SESSION}{waits_for} {host[:30]}:{pid}"
    return f"{CUT_OFF_SESSION}{host[:30]}:{pid}" if is_cut_off else LISTENING_SESSION


def claim_task(
    connection: sa.Connection, *, owner: str, lease_s: float, is_again: bool = False
) -> tuple[Task, str] | None:
    """Take the fairest ready task, with its job's status; None when nothing is ready.

    `owner` names this one claim (`host:pid:process:number`). `is_again`: it was tried before and its end was not
    heard of, so what it took then is looked for first.
    """
    # Protection: looking for one's own claim after a COMMIT of unknown end
    row = connection.execute(SQL["find_taken"], {"owner": owner}).mappings().one_or_none() if is_again else None
    if row is None:
        row = connection.execute(SQL["claim"], {"owner": owner, "lease_s": lease_s}).mappings().one_or_none()
    if row is None:
        return None
    job = _read_job(connection, row)
    task = Task(
        id=row["id"],
        job=job,
        kind=row["kind"],
        position=row["position"],
        attempt=row["attempt"],
        owner=owner,
        deaths=row["deaths"],
        was_held=row["was_held"],
    )
    return task, row["job_status"]


def _read_job(connection: sa.Connection, row: sa.RowMapping) -> Job:
    found = row
    if row["is_odd"] or (row["is_configured"] and row["config_text"] is None):
        # Its row is there: the task that was claimed with it refers to it.
        found = connection.execute(SQL["read_odd_job"], {"job_id": row["job_id"]}).mappings().one()
    return Job(
        id=row["job_id"],
        user_id=row["userId"],
        file_name=found["file_name"],
        original_file_name=found["original_file_name"],
        file_url=found["file_url"],
        instructions=found["instructions"],
        config_text=found["config_text"],
    )


def lock_job(connection: sa.Connection, job_id: str, *, wait_s: float | None = None) -> str | None:
    """Lock the job's row for figures and status; its status, or None when it was deleted.

    With `wait_s` no lock of this transaction is waited for longer: see `db.is_lock_timeout`.
    """
    if wait_s is not None:
        connection.execute(SQL["bound_lock_wait"], {"wait_ms": str(int(wait_s * 1000))})
    status: str | None = connection.execute(SQL["lock_job"], {"job_id": job_id}).scalar_one_or_none()
    return status


def end_task(
    connection: sa.Connection,
    task: Task,
    *,
    status: str = "done",
    error: str | None = None,
    result: str | None = None,
) -> None:
    """Lock the job, then end the task. Raises `LeaseLost` when either is no longer ours to write."""
    parameters = {"job_id": task.job.id, "status": status, "error": error, "result": result}
    ended = connection.execute(SQL["end"], {**task.token, **parameters})
    if ended.rowcount != 1:
        raise LeaseLost(task.id)


def give_back(connection: sa.Connection, task: Task, *, delay_s: float = 0, error: str | None = None) -> bool:
    """Make the task ready again, after `delay_s`. It counts as nothing: no crash, no LLM attempt."""
    done = connection.execute(SQL["give_back"], {**task.token, "delay_s": delay_s, "error": error})
    return done.rowcount == 1


def add_batches(connection: sa.Connection, job_id: str, task_ids: Sequence[str]) -> None:
    """Make one ready task for each batch of questions, in this order."""
    connection.execute(SQL["add_batches"], {"job_id": job_id, "task_ids": list(task_ids)})


def ready_finish(connection: sa.Connection, job_id: str) -> bool:
    """Make the finish task when no batch is open any more; True when it was made.

    The outcomes of a batch do the same in their one statement: see `item_store.conclude_items`.
    """
    return bool(connection.execute(SQL["ready_finish"], {"job_id": job_id}).scalar_one())


def fail_batches(connection: sa.Connection, job_id: str, *, error: str) -> None:
    """End every batch of the job that is open. The job's row must be locked already."""
    connection.execute(SQL["fail_batches"], {"job_id": job_id, "error": error})


def park(connection: sa.Connection, task: Task, call_ids: Sequence[str]) -> None:
    """Put the task down until none of these calls waits any more; with none it is ready again.

    Raises `LeaseLost` when the task is no longer this worker's.
    """
    if connection.execute(SQL["park"], {**task.token, "call_ids": list(call_ids)}).rowcount != 1:
        raise LeaseLost(task.id)


def lock_waiting(connection: sa.Connection, batch_id: str) -> None:
    """Lock the tasks that wait for a call of this provider's batch, whoever else is about to release them.

    Only a look taken afterwards sees every batch that has ended.
    """
    connection.execute(SQL["lock_waiting"], {"batch_id": batch_id})


def release_waiting(connection: sa.Connection) -> set[str]:
    """Make ready every task that waits for nothing any more; the jobs they are of."""
    return set(connection.execute(SQL["release_waiting"]).scalars())


def give_back_all(connection: sa.Connection, *, process: str) -> dict[str, int]:
    """Make ready whatever this process still holds when it leaves; the tasks, with their attempts."""
    return {row[0]: row[1] for row in connection.execute(SQL["give_back_all"], {"process": process})}


def count_crash(connection: sa.Connection, task: Task, *, error: str) -> str | None:
    """Count a crash that its worker saw: ready again, a little later each time, or `failed` after the third.

    The new status; None when the task is no longer this owner's.
    """
    status = "failed" if task.deaths + 1 >= MAX_CRASHES else "ready"
    delay_s = 1.0 * 4**task.deaths
    done = connection.execute(SQL["count_crash"], {**task.token, "status": status, "error": error, "delay_s": delay_s})
    return status if done.rowcount == 1 else None


def is_owned(connection: sa.Connection, task: Task) -> bool:
    """Tell whether the task is still this owner's."""
    return connection.execute(SQL["is_owned"], task.token).one_or_none() is not None


def renew_leases(connection: sa.Connection, held: Mapping[str, int], *, process: str, lease_s: float) -> set[str]:
    """Renew every lease of one process in one statement; the ids that are still its own (the rest are lost)."""
    parameters = {"ids": list(held), "attempts": list(held.values()), "process": process, "lease_s": lease_s}
    return set(connection.execute(SQL["renew"], parameters).scalars())


def find_expired(connection: sa.Connection, *, lease_s: float) -> Sequence[ExpiredTask]:
    """The tasks whose lease ran out, by the database's clock."""
    rows = connection.execute(SQL["find_expired"], {"lease_s": lease_s}).all()
    return [ExpiredTask(id=r[0], job_id=r[1], kind=r[2], attempt=r[3], deaths=r[4], owner=r[5]) for r in rows]


def could_have_renewed(
    connection: sa.Connection, expired: Sequence[ExpiredTask], *, lease_s: float, pause_s: float, grace_s: float
) -> set[str]:
    """The ids of those tasks whose owner, were it alive, would have renewed: the server took writes of others.

    Where a renewal fails it is tried again after `pause_s` at most, and comes through within `grace_s` once it can.
    """
    parameters = {"ids": [task.id for task in expired], "lease_s": lease_s, "pause_s": pause_s, "grace_s": grace_s}
    return set(connection.execute(SQL["could_have_renewed"], parameters).scalars())


def try_to_write(connection: sa.Connection, expired: Sequence[ExpiredTask]) -> bool:
    """Write where the owners of these tasks would, and change nothing; whether anything was written."""
    return connection.execute(SQL["try_to_write"], {"ids": [task.id for task in expired]}).rowcount > 0


def end_standstill(connection: sa.Connection, expired: Sequence[ExpiredTask], *, lease_s: float) -> int:
    """End what the owners of these tasks have left open in the database for longer than a lease; how many sessions."""
    sessions = sorted({session_name(task.owner) for task in expired})
    return int(connection.execute(SQL["end_standstill"], {"sessions": sessions, "lease_s": lease_s}).scalar_one())


def return_expired(connection: sa.Connection, task: ExpiredTask, *, error: str | None) -> str | None:
    """Count a worker that vanished; the new status, None when the task moved on.

    Ready again: who pulled the plug is not known, and the next worker watches a task closely that lost two. Only a
    task that takes whole machines down with it is `failed` here, after the thirtieth.
    """
    status = "failed" if task.deaths + 1 >= MAX_LOSSES else "ready"
    parameters: dict[str, Any] = {"id": task.id, "attempt": task.attempt, "status": status, "error": error}
    return status if connection.execute(SQL["return_expired"], parameters).rowcount == 1 else None


def count_ready(connection: sa.Connection, *, most: int) -> int:
    """How many tasks could be claimed now, up to `most`."""
    return int(connection.execute(SQL["count_ready"], {"most": most}).scalar_one())


def mend_orphans(connection: sa.Connection) -> int:
    """Give every open job without an open task the one it lacks; how many were given."""
    return int(connection.execute(SQL["mend_orphans"]).scalar_one())


def notify(connection: sa.Connection, job_id: str) -> None:
    """Wake at commit: something of this job became ready."""
    connection.execute(SQL["notify"], {"channel": CHANNEL, "job": job_id})


def count_open_batches(connection: sa.Connection, job_id: str) -> int:
    """How many batches of the job have not ended."""
    return int(connection.execute(SQL["count_open_batches"], {"job_id": job_id}).scalar_one())
