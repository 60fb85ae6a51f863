"""Batch mode in PostgreSQL: calls that wait for a provider's batch, tasks that wait for those calls, the batches.

A batch is taken in hand until "nextLookAt" and changed only by whoever shows its attempt. What a line brought is paid
for and so is stored whoever brings it, once. Locks are taken in the order job → batch → calls → tasks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from models.states import BatchStatus
from worker.db.statements import load_statements
from worker.errors import LeaseLost
from worker.llm.batch.provider_batch import HeldBatch, ProviderBatch, WaitingCall

SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A call of a batch for which a line came: the model asked for, and the size of its body in bytes."""

    call_id: str
    model: str
    size: int


# -- calls that wait, and tasks that wait for them -----------------------------------------------------------------


def find_waiting(connection: sa.Connection, keys: Sequence[str]) -> dict[str, frozenset[str]]:
    """Calls that wait for an answer to one of these questions, of any job: id → their keys."""
    rows = connection.execute(SQL["find_waiting"], {"keys": list(keys)}).all()
    return {row[0]: frozenset(row[1]) for row in rows}


def newest_waiting(connection: sa.Connection, job_id: str) -> str | None:
    """The job's call that waits and was written last; None when none waits."""
    found: str | None = connection.execute(SQL["find_newest_waiting"], {"job_id": job_id}).scalar_one_or_none()
    return found


def hold_waiting(connection: sa.Connection, call_ids: Sequence[str]) -> list[str]:
    """Those of these calls that wait still: they go on waiting until the end of the transaction."""
    return list(connection.execute(SQL["hold_waiting"], {"ids": list(call_ids)}).scalars())


# -- rounds: from waiting calls to batches ---------------------------------------------------------------------------


def is_any_due(connection: sa.Connection, *, endpoint: str, stranded_s: float) -> bool:
    """Whether anything is to be done about batches now. Costs nothing while none is open."""
    return bool(connection.execute(SQL["is_any_due"], {"endpoint": endpoint, "stranded_s": stranded_s}).scalar_one())


def drop_unsent(connection: sa.Connection, *, endpoint: str, stranded_s: float) -> int:
    """Close waiting calls that nobody will send; how many."""
    return connection.execute(SQL["drop_unsent"], {"endpoint": endpoint, "stranded_s": stranded_s}).rowcount


def find_rounds(connection: sa.Connection, *, endpoint: str) -> list[str]:
    """Jobs whose calls can be collected: nobody adds to them in this round."""
    return list(connection.execute(SQL["find_rounds"], {"endpoint": endpoint}).scalars())


def find_uncollected(connection: sa.Connection, job_id: str, *, endpoint: str) -> list[WaitingCall]:
    """The calls of the job's round, locked; none when it is not over after all. The job must be locked already."""
    rows = connection.execute(SQL["find_uncollected"], {"job_id": job_id, "endpoint": endpoint}).all()
    return [WaitingCall(id=row[0], model=row[1], size=row[2] or 0) for row in rows]


def make_batch(
    connection: sa.Connection,
    job_id: str | None,
    calls: Sequence[WaitingCall],
    *,
    batch_id: str,
    endpoint: str,
    delay_s: float = 0,
) -> None:
    """Write the intent of one batch and put these calls, all of one model, into it."""
    parameters: dict[str, Any] = {"id": batch_id, "job_id": job_id, "endpoint": endpoint, "model": calls[0].model}
    parameters |= {"count": len(calls), "call_ids": [call.id for call in calls], "delay_s": delay_s}
    connection.execute(SQL["make_batch"], parameters)


def is_round_over(connection: sa.Connection, job_id: str) -> bool:
    """Whether no task of the job can add to the round: none is ready or running."""
    return bool(connection.execute(SQL["is_round_over"], {"id": job_id}).scalar_one())


def read_promise(connection: sa.Connection, job_id: str) -> tuple[int, datetime]:
    """For how many calls the job's tasks wait (its own, and other jobs' about the same questions), and until when at
    most (UTC) as the provider promised, or a day from now.
    """
    count, until = connection.execute(SQL["read_promise"], {"job_id": job_id}).one()
    return count, until


# -- one batch, in one worker's hands --------------------------------------------------------------------------------


def take_batch(connection: sa.Connection, *, endpoint: str, hold_s: float, stranded_s: float) -> HeldBatch | None:
    """Take in hand the batch that waits longest to be looked at; nobody else does for `hold_s`. None: nothing to do."""
    parameters = {"endpoint": endpoint, "hold_s": hold_s, "stranded_s": stranded_s}
    row = connection.execute(SQL["take"], parameters).mappings().one_or_none()
    if row is None:
        return None
    return HeldBatch(
        id=row["id"],
        attempt=row["attempt"],
        job_id=row["jobId"],
        model=row["model"],
        status=row["status"],
        request_count=row["requestCount"],
        created_at=row["createdAt"].replace(tzinfo=UTC),
        input_file_id=row["inputFileId"],
        provider_batch_id=row["providerBatchId"],
        downloads=row["downloads"],
        down_s=float(row["down_s"]),
        age_s=float(row["age_s"]),
        overdue_s=float(row["overdue_s"]),
        is_wanted=row["is_wanted"],
        is_stranded=row["is_stranded"],
    )


def keep_batch(connection: sa.Connection, batch: HeldBatch, *, hold_s: float) -> None:
    """Keep the batch in hand for `hold_s` more. Raises `LeaseLost` when another worker has it."""
    _change(connection, batch, SQL["keep"], hold_s=hold_s)


def note_file(connection: sa.Connection, batch: HeldBatch, file_id: str) -> None:
    """Remember the uploaded file: from here on the batch may have been begun."""
    _change(connection, batch, SQL["note_file"], file=file_id)


def note_submitted(
    connection: sa.Connection, batch: HeldBatch, found: ProviderBatch, *, delay_s: float, is_again: bool
) -> bool:
    """Remember the provider's batch, and look at it again after `delay_s`; False when another one is known already.

    Not fenced, for it costs money: of two that were begun the first one told is kept, whoever tells. `is_again`: it was
    not the first try to begin it.
    """
    parameters = {
        "id": batch.id,
        "found": found.id,
        "expires": found.expires_at.replace(tzinfo=None) if found.expires_at else None,
        "delay_s": delay_s,
        "status": "resubmitted" if is_again else "submitted",
    }
    return connection.execute(SQL["note_submitted"], parameters).rowcount == 1


def note_single(connection: sa.Connection, batch: HeldBatch) -> HeldBatch:
    """Remember that doubles of a batch that was begun again have been looked for; the batch as it is now."""
    _change(connection, batch, SQL["note_single"])
    return replace(batch, status="submitted")


def is_other_submitted(connection: sa.Connection, batch: HeldBatch, *, endpoint: str) -> bool:
    """Whether the endpoint has another batch for the same model under way, as far as the ledger knows."""
    parameters = {"id": batch.id, "endpoint": endpoint, "model": batch.model}
    return bool(connection.execute(SQL["is_other_submitted"], parameters).scalar_one())


def note_download(connection: sa.Connection, batch: HeldBatch, found: ProviderBatch) -> None:
    """Remember where the results are, and that they were fetched once more."""
    _change(connection, batch, SQL["note_download"], output=found.output_file_id, errors=found.error_file_id)


def postpone(connection: sa.Connection, batch: HeldBatch, *, delay_s: float, error: str | None = None) -> None:
    """Let go of the batch and look again after `delay_s`. `error`: the provider could not be asked."""
    if error is None:
        _change(connection, batch, SQL["postpone"], delay_s=delay_s)
    else:
        stored = _error("unavailable", error, "The provider could not be asked.")
        _change(connection, batch, SQL["postpone_unasked"], delay_s=delay_s, error=stored)


def stream_bodies(connection: sa.Connection, batch: HeldBatch) -> Iterator[tuple[str, str]]:
    """The calls of the batch that still wait: id and body as JSON text, a few hundred in memory at a time."""
    for row in connection.execute(SQL["list_bodies"].execution_options(yield_per=200), {"id": batch.id}):
        yield row[0], row[1]


def list_waiting(connection: sa.Connection, batch: HeldBatch) -> list[WaitingCall]:
    """The calls of the batch that still wait, in its order."""
    rows = connection.execute(SQL["list_waiting"], {"id": batch.id}).all()
    return [WaitingCall(id=row[0], model=row[1], size=row[2] or 0) for row in rows]


def find_lines(connection: sa.Connection, batch: HeldBatch, call_ids: Sequence[str]) -> dict[str, BatchLine]:
    """Which of these ids are calls of this batch that still wait, locked: not what is unknown, or came twice."""
    rows = connection.execute(SQL["find_lines"], {"id": batch.id, "ids": list(call_ids)}).all()
    return {row[0]: BatchLine(call_id=row[0], model=row[1], size=row[2] or 0) for row in rows}


def count_waiting(connection: sa.Connection, batch: HeldBatch) -> int:
    """How many calls of the batch still wait for their line."""
    return int(connection.execute(SQL["count_waiting"], {"id": batch.id}).scalar_one())


def fail_rest(connection: sa.Connection, batch: HeldBatch, *, kind: str, code: str, is_free: bool) -> int:
    """Close the calls for which no line came; how many."""
    error = _error(kind, code, "No line of the batch came for this call.")
    return connection.execute(SQL["fail_rest"], {"id": batch.id, "error": error, "is_free": is_free}).rowcount


def end_batch(
    connection: sa.Connection, batch: HeldBatch, *, status: BatchStatus, answered: int, code: str | None = None
) -> None:
    """Close the batch. Raises `LeaseLost` when another worker has it."""
    error = None if code is None else _error("refused", code, "The provider did not do this batch.")
    ended = connection.execute(SQL["end"], {**_held(batch), "status": status, "answered": answered, "error": error})
    if ended.rowcount != 1:
        raise LeaseLost(batch.id)


def answered_before(connection: sa.Connection, batch: HeldBatch) -> int | None:
    """How many answers the batch before this one brought to the job's run; None when it is the first."""
    parameters = {"job_id": batch.job_id, "id": batch.id}
    answered: int | None = connection.execute(SQL["answered_before"], parameters).scalar_one()
    return answered


def count_answered(connection: sa.Connection, batch: HeldBatch) -> int:
    """How many lines of the batch the model dealt with, be it by refusing their content."""
    return int(connection.execute(SQL["count_answered"], {"id": batch.id}).scalar_one())


def _change(connection: sa.Connection, batch: HeldBatch, statement: sa.TextClause, **parameters: Any) -> None:
    changed = connection.execute(statement, {**_held(batch), **parameters})
    if changed.rowcount != 1:
        raise LeaseLost(batch.id)


def _held(batch: HeldBatch) -> dict[str, Any]:
    return {"id": batch.id, "attempt": batch.attempt, "held": batch.status}


def _error(kind: str, code: str, message: str) -> str:
    return json.dumps({"kind": kind, "code": code, "message": message[:500]}, ensure_ascii=False)


def read_body(connection: sa.Connection, call_id: str) -> dict[str, Any] | None:
    """The body of a call that is still open; None when it is not."""
    text = connection.execute(SQL["read_body"], {"id": call_id}).scalar_one_or_none()
    return None if text is None else json.loads(text)
