"""What an operator may ask of a job: stop it, run it again. The row's triggers do the work; any client could ask so."""

from __future__ import annotations

import sqlalchemy as sa

# Conditions stand in the statement, so that asking twice, or while a worker finishes the job, changes nothing.
CANCEL = sa.text("""
UPDATE "AiValidationJob" SET "status" = 'cancelled', "updatedAt" = timezone('UTC', clock_timestamp())
WHERE "id" = :id AND "status" IN ('queued', 'processing')
""")
RETRY = sa.text("""
UPDATE "AiValidationJob" SET "status" = 'queued', "updatedAt" = timezone('UTC', clock_timestamp())
WHERE "id" = :id AND ("status" IN ('failed', 'cancelled') OR ("status" = 'completed' AND "failedAnalyses" > 0)
    -- One that somebody else began before this project came, and that nobody works on any more.
    OR ("status" = 'processing' AND EXISTS (SELECT FROM medq_adopted WHERE "kind" = 'job' AND "name" = :id)))
""")


def cancel_job(engine: sa.Engine, job_id: str) -> bool:
    """Cancel a job that is queued or at work; False when it is neither."""
    with engine.begin() as connection:
        return connection.execute(CANCEL, {"id": job_id}).rowcount == 1


def retry_job(engine: sa.Engine, job_id: str) -> bool:
    """Queue a failed or cancelled job, or one with failed rows, again; False when nothing is left to do."""
    with engine.begin() as connection:
        return connection.execute(RETRY, {"id": job_id}).rowcount == 1
