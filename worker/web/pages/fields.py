"""What a job's page says while the job goes on: the same texts whether a page is loaded or updated."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from worker.jobs.queries import JobState
from worker.messages import page_words
from worker.messages.status_words import JOB_WORDS
from worker.text.french import NO_BREAK
from worker.web.pages.render import dollars, number


def live_fields(state: JobState, now: datetime | None = None) -> dict[str, str]:
    """Name of a field → its text. `progres` is a number of percent."""
    job = state.job
    left_s = state.seconds_left(now or datetime.now(UTC))
    fields = {
        "etat": JOB_WORDS[job.status],
        "progres": str(job.progress),
        "pourcent": f"{job.progress}{NO_BREAK}%",
        "message": job.message or "",
        "cause": job.error_message or "",
        "lignes": page_words.rows_done(number(job.processed_items), number(job.total_items))
        if job.total_items
        else page_words.ROWS_NOT_COUNTED,
        "reste": page_words.TIME_UNKNOWN if left_s is None else page_words.time_left(left_s),
        "cout": dollars(state.cost_usd),
        "ouvertes": number(state.open_items),
    }
    return fields | {f"issue-{name}": number(rows) for name, rows in state.outcomes.items()}


def write_fields(state: JobState) -> str:
    """What an event says of a job to a page, as JSON."""
    return json.dumps({"id": state.job.id, "status": state.job.status, "fields": live_fields(state)})
