"""Why nobody works on a job for a while: its provider is down, its storage away, or a call of it was refused for good.

At most one pause stands on a job ("AiValidationPause"). It is over at "until"; its row stays until somebody was
answered again, and goes with the run: a trigger removes it with each change of the job's status.
"""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa

from worker.db.statements import load_statements

SQL = load_statements(__file__)
Reason = Literal["provider", "storage"]

REFUSED_S = 5  # until the job has failed; no longer, lest a crash in between leave it standing


def pause_job(
    connection: sa.Connection, job_id: str, *, reason: Reason, delay_s: float, gap_s: float = 0
) -> float | None:
    """Let nobody claim a task of this job before the delay has passed. The job's row must be locked already.

    For how many seconds the job has met this cause, without a pause of more than `gap_s` in between; None when one of
    its calls has just been refused for good, which stands.
    """
    parameters = {"job_id": job_id, "reason": reason, "delay_s": delay_s, "gap_s": gap_s}
    met_s: float | None = connection.execute(SQL["pause"], parameters).scalar_one_or_none()
    return None if met_s is None else max(0.0, met_s)


def end_pause(connection: sa.Connection, job_id: str) -> None:
    """Forget that the job was paused."""
    connection.execute(SQL["end_pause"], {"job_id": job_id})


def refuse_calls(connection: sa.Connection, call_id: str, message: str) -> None:
    """Keep the job of this call, which was refused for good, from making another one. `message`: for the admin.

    The job is about to fail: until it has, its other tasks are neither claimed nor make a call.
    """
    connection.execute(SQL["refuse"], {"call_id": call_id, "message": message, "refused_s": REFUSED_S})


def read_refusal(connection: sa.Connection, job_id: str) -> str | None:
    """Why the job makes no further call just now; None when it may."""
    message: str | None = connection.execute(SQL["read_refusal"], {"job_id": job_id}).scalar_one_or_none()
    return message
