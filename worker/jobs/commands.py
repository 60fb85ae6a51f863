"""What an operator may ask of a job: stop it, run it again. The row's triggers do the work; any client could ask so."""

from __future__ import annotations

import sqlalchemy as sa

from worker.db.statements import load_statements

SQL = load_statements(__file__)


def cancel_job(engine: sa.Engine, job_id: str) -> bool:
    """Cancel a job that is queued or at work; False when it is neither."""
    with engine.begin() as connection:
        return connection.execute(SQL["cancel_job"], {"id": job_id}).rowcount == 1


def retry_job(engine: sa.Engine, job_id: str) -> bool:
    """Queue a failed or cancelled job, or one with failed rows, again; False when nothing is left to do."""
    with engine.begin() as connection:
        return connection.execute(SQL["retry_job"], {"id": job_id}).rowcount == 1
