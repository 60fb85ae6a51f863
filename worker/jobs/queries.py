"""Read-only questions that the commands ask of the database: jobs, their figures, outcomes and findings.

Nothing here changes a row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from models.reading import TOO_LONG
from models.states import OPEN_JOB
from worker.db.sessions import THROUGH_POOLER
from worker.db.statements import load_statements
from worker.questions.answers import OUTCOMES

TIMES = ("created_at", "started_at", "completed_at", "updated_at")

SQL = load_statements(__file__)

# What each figure of the job's row means, in the order a person wants them.
FIGURES: dict[str, str] = {
    "totalItems": "question rows found in the file",
    "processedItems": "rows that have an outcome",
    "successfulAnalyses": "rows analysed (confirmed, corrected, completed, contested)",
    "failedAnalyses": "rows without an analysis (rejected, failed)",
    "fixedCount": "rows whose key or answer was corrected or completed",
    "ragAppliedCount": "rows whose prompt held at least one course excerpt",
    "retryAttempts": "model calls beyond the first for the same rows",
    "currentBatch": "batches that ended (1 at least)",
    "totalBatches": "batches",
}


COUNTS = (
    "total_items",
    "processed_items",
    "successful_analyses",
    "failed_analyses",
    "fixed_count",
    "rag_applied_count",
    "retry_attempts",
    "current_batch",
    "total_batches",
)


@dataclass(frozen=True, slots=True)
class JobOverview:
    """One job's row. Names are the row's own columns in snake_case; times are UTC."""

    id: str
    file_name: str
    original_file_name: str
    file_size: int
    file_url: str | None
    output_url: str | None
    status: str
    progress: int
    message: str | None
    error_message: str | None
    total_items: int
    processed_items: int
    current_batch: int
    total_batches: int
    rag_applied_count: int
    fixed_count: int
    successful_analyses: int
    failed_analyses: int
    retry_attempts: int
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime
    user_id: str
    instructions: str | None
    config: Any  # an option that nobody can read is []

    @property
    def is_open(self) -> bool:
        """Whether a worker still has, or will have, something to do for it."""
        return self.status in OPEN_JOB

    def to_json(self) -> dict[str, Any]:
        """The row under the names of its columns, times in ISO 8601."""
        return {_camel(name): _plain(value) for name, value in asdict(self).items()}

    def figures(self) -> dict[str, int]:
        """The figures of `FIGURES`, in that order."""
        row = self.to_json()
        return {name: row[name] for name in FIGURES}


@dataclass(frozen=True, slots=True)
class FindingCount:
    """How many rows of a job have this finding, and its French sentence on the first of them."""

    code: str
    rows: int
    example: str


@dataclass(frozen=True, slots=True)
class ModelSpending:
    """Calls of a job to one model. `cost_usd` is None when its price is not known."""

    model: str
    calls: int
    failed_calls: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Spending:
    """Model calls of a job. `cost_usd` is None when no price is known; it holds what is known otherwise.

    A call that may have been billed though no reply came counts at the most it can have cost.
    """

    calls: int
    failed_calls: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_usd: float | None
    batch_calls: int = 0  # of `calls`, those that went through the provider's Batch API
    batch_cost_usd: float | None = None
    by_model: tuple[ModelSpending, ...] = ()  # most calls first

    @property
    def unpriced_models(self) -> tuple[str, ...]:
        """Models that were called and have no known price."""
        return tuple(line.model for line in self.by_model if line.cost_usd is None)


def list_jobs(
    engine: sa.Engine,
    *,
    limit: int = 20,
    status: str | None = None,
    user_id: str | None = None,
    name_holds: str | None = None,
    after: tuple[datetime, str] | None = None,
) -> list[JobOverview]:
    """The newest jobs first, at most `limit`; only those in `status`, of a user, with a text in their file's name.

    `after`: `createdAt` and id of the last job that was seen; those that follow it.
    """
    at, job_id = after or (None, None)
    wanted = {
        "limit": limit,
        "status": status,
        "user_id": user_id,
        "name_holds": name_holds or None,
        "after_at": None if at is None else at.astimezone(UTC).replace(tzinfo=None),
        "after_id": job_id,
    }
    with engine.connect() as connection:
        return [_overview(row) for row in connection.execute(SQL["list_jobs"], wanted).mappings()]


def get_job(engine: sa.Engine, job_id: str) -> JobOverview | None:
    """One job, or None when there is no such id."""
    with engine.connect() as connection:
        row = connection.execute(SQL["get_job"], {"id": job_id}).mappings().one_or_none()
    return None if row is None else _overview(row)


@dataclass(frozen=True, slots=True)
class JobState:
    """Everything of a job that changes while it goes on, read in one snapshot.

    `cost_usd`: what is known of it; None where no price is.
    """

    job: JobOverview
    outcomes: dict[str, int]  # every outcome present, `pending` first
    open_items: int
    cost_usd: float | None

    def seconds_left(self, now: datetime) -> float | None:
        """How long the rest takes at the pace until now; None where there is no pace to speak of."""
        job = self.job
        if job.status != "processing" or job.started_at is None or not job.processed_items:
            return None
        elapsed_s = max(0.0, (now - job.started_at).total_seconds())
        return elapsed_s / job.processed_items * max(0, job.total_items - job.processed_items)


def read_states(engine: sa.Engine, job_ids: Sequence[str]) -> dict[str, JobState]:
    """The states of these jobs, all in one statement; without those that do not exist."""
    with engine.connect() as connection:
        rows = connection.execute(SQL["read_states"], {"ids": list(job_ids)}).mappings()
        return {row["id"]: _state(row) for row in rows}


def read_changes(engine: sa.Engine, seen: Mapping[str, str | None]) -> dict[str, tuple[str, JobState | None]]:
    """Job id → a word that changes whenever its row does, and the state where that word is not the one `seen`.

    All in one statement, which costs next to nothing while nothing has changed. Without jobs that do not exist.
    """
    with engine.connect() as connection:
        rows = connection.execute(SQL["read_changes"], {"ids": list(seen), "words": list(seen.values())}).mappings()
        return {row["present_id"]: (row["word"], None if row["id"] is None else _state(row)) for row in rows}


def _state(row: sa.RowMapping) -> JobState:
    found, cost = row["outcomes"] or {}, row["cost_usd"]
    outcomes = {outcome: found.get(outcome, 0) for outcome in ("pending", *OUTCOMES)}
    return JobState(_overview(row), outcomes, row["open_items"], None if cost is None else float(cost))


def find_job_ids(engine: sa.Engine, prefix: str) -> list[str]:
    """The ids of the jobs whose id begins so, two at most: none is unknown, two are not one."""
    with engine.connect() as connection:
        return list(connection.scalars(SQL["find_job_ids"], {"prefix": prefix}))


def count_outcomes(engine: sa.Engine, job_id: str) -> dict[str, int]:
    """Outcome → rows, every outcome present, `pending` first."""
    with engine.connect() as connection:
        found = {row[0]: row[1] for row in connection.execute(SQL["count_outcomes"], {"id": job_id})}
    return {outcome: found.get(outcome, 0) for outcome in ("pending", *OUTCOMES)}


def read_notes(engine: sa.Engine, job_id: str) -> dict[str, list[dict[str, Any]]]:
    """What of the file was not used: `leftOut` (sheets: name, reason) and `notes` (`Note` as JSON), in French."""
    with engine.connect() as connection:
        found = connection.execute(SQL["read_notes"], {"id": job_id}).scalar_one_or_none()
    kept = found if isinstance(found, dict) else {}  # somebody may have written something else there
    return {name: kept[name] if isinstance(kept.get(name), list) else [] for name in ("leftOut", "notes")}


def count_findings(engine: sa.Engine, job_id: str) -> list[FindingCount]:
    """What was odd about the rows, the most frequent first."""
    with engine.connect() as connection:
        rows = connection.execute(SQL["count_findings"], {"id": job_id}).all()
    return [FindingCount(code=row.code, rows=row.rows, example=row.example or "") for row in rows]


def sum_spending(engine: sa.Engine, job_id: str) -> Spending:
    """What the job's model calls came to."""
    with engine.connect() as connection:
        rows = connection.execute(SQL["sum_spending"], {"id": job_id}).all()
    lines = [
        ModelSpending(
            model=row.model,
            calls=row.calls,
            failed_calls=row.failed_calls,
            prompt_tokens=row.prompt_tokens,
            cached_tokens=row.cached_tokens,
            completion_tokens=row.completion_tokens,
            cost_usd=None if row.cost_usd is None else float(row.cost_usd),
        )
        for row in rows
    ]
    batch_costs = [float(row.batch_cost_usd) for row in rows if row.batch_cost_usd is not None]
    known = [line.cost_usd for line in lines if line.cost_usd is not None]
    return Spending(
        calls=sum(line.calls for line in lines),
        failed_calls=sum(line.failed_calls for line in lines),
        prompt_tokens=sum(line.prompt_tokens for line in lines),
        cached_tokens=sum(line.cached_tokens for line in lines),
        completion_tokens=sum(line.completion_tokens for line in lines),
        cost_usd=sum(known) if known else None,
        batch_calls=sum(row.batch_calls for row in rows),
        batch_cost_usd=sum(batch_costs) if batch_costs else None,
        by_model=tuple(lines),
    )


def find_default_user(engine: sa.Engine) -> str | None:
    """The e-mail of the oldest active admin, for whom `medq run` works unless told otherwise."""
    with engine.connect() as connection:
        email: str | None = connection.scalar(SQL["find_default_user"])
    return email


def find_revision(engine: sa.Engine) -> str | None:
    """The revision of the schema in this database; None when `medq schema upgrade` never ran."""
    with engine.connect() as connection:
        if not connection.scalar(SQL["has_revision"]):
            return None
        revision: str | None = connection.scalar(SQL["find_revision"])
    return revision


def find_begun_before(engine: sa.Engine) -> list[str]:
    """Ids of the jobs in `processing` that predate this worker and have no task."""
    with engine.connect() as connection:
        return list(connection.scalars(SQL["find_begun_before"]))


def count_workers(engine: sa.Engine) -> int | None:
    """Worker processes at work on this database right now: each keeps one connection that listens for jobs.

    None where they cannot be counted: through a pooler none listens.
    """
    if engine.get_execution_options().get(THROUGH_POOLER):
        return None
    with engine.connect() as connection:
        return int(connection.scalar(SQL["count_workers"]) or 0)


def waited_s(engine: sa.Engine) -> float:
    """For how many seconds the oldest task that could be done has been there while nobody does anything; else 0."""
    with engine.connect() as connection:
        return float(connection.scalar(SQL["waited_s"]) or 0)


def find_cut_off(engine: sa.Engine) -> list[str]:
    """Host and pid of the worker processes that cannot reach the LLM while others can."""
    with engine.connect() as connection:
        return list(connection.scalars(SQL["find_cut_off"], {"name": "medq-watch cut off "}))


def find_waiting(engine: sa.Engine) -> dict[str, list[str]]:
    """SQLSTATE → host and pid of the worker processes that wait for the server because of it."""
    found: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for state, place in connection.execute(SQL["find_waiting"], {"name": "medq-watch waits "}):
            found.setdefault(state, []).append(place)
    return found


def try_to_write(engine: sa.Engine) -> None:
    """Write a call of some size, and take it back. Raises what the server says when it takes no writes."""
    with engine.connect() as connection:  # never committed
        connection.execute(SQL["try_to_write"])


def read_limits(engine: sa.Engine) -> dict[str, int]:
    """`statement_timeout` and `lock_timeout` in milliseconds (0: none), `max_connections`, and how many are `free`."""
    with engine.connect() as connection:
        return {name: int(value) for name, value in connection.execute(SQL["read_limits"])}


def server_version(engine: sa.Engine) -> int:
    """The server's major version."""
    with engine.connect() as connection:
        return int(connection.scalar(SQL["server_version"]) or 0)


def _overview(row: sa.RowMapping) -> JobOverview:
    values: dict[str, Any] = {name: row[name] for name in JobOverview.__dataclass_fields__}
    config = None if values["config"] is None else json.loads(values["config"])
    # These columns allow NULL, which other programs may have left there.
    counts = {name: values[name] or 0 for name in COUNTS}
    times = {name: values[name].replace(tzinfo=UTC) for name in TIMES if values[name] is not None}
    return JobOverview(**values | counts | times | {"config": "too long" if config == TOO_LONG else config})


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return float(value) if isinstance(value, Decimal) else value
