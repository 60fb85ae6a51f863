"""Read-only questions that the commands ask of the database: jobs, their figures, outcomes and findings.

Nothing here changes a row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from models import AiValidationItem, AiValidationJob, LlmCall, User
from models.base import UtcTimestamp
from models.reading import MAX_INSTRUCTIONS, MAX_NAME, TOO_LONG, bounded_text, config_text, sane_time
from schema import VERSION_TABLE
from worker.db.sessions import THROUGH_POOLER
from worker.questions.answers import OUTCOMES

OPEN_STATES = frozenset({"queued", "processing"})

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
        return self.status in OPEN_STATES

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
    query = sa.select(*_columns()).order_by(AiValidationJob.created_at.desc(), AiValidationJob.id.desc()).limit(limit)
    if status is not None:
        query = query.where(AiValidationJob.status == status)
    if user_id is not None:
        query = query.where(AiValidationJob.user_id == user_id)
    if name_holds:
        query = query.where(AiValidationJob.original_file_name.icontains(name_holds, autoescape=True))
    if after is not None:
        query = query.where(sa.tuple_(AiValidationJob.created_at, AiValidationJob.id) < sa.tuple_(*after))
    with engine.connect() as connection:
        return [_overview(tuple(row)) for row in connection.execute(query)]


def get_job(engine: sa.Engine, job_id: str) -> JobOverview | None:
    """One job, or None when there is no such id."""
    with engine.connect() as connection:
        row = connection.execute(_job_query(), {"wanted": job_id}).one_or_none()
    return None if row is None else _overview(tuple(row))


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
        found = connection.execute(_states_query(), {"wanted": list(job_ids)})
        return {state.job.id: state for state in map(_state, found)}


def read_changes(engine: sa.Engine, seen: Mapping[str, str | None]) -> dict[str, tuple[str, JobState | None]]:
    """Job id → a word that changes whenever its row does, and the state where that word is not the one `seen`.

    All in one statement, which costs next to nothing while nothing has changed. Without jobs that do not exist.
    """
    with engine.connect() as connection:
        found = connection.execute(_changes_query(), {"ids": list(seen), "words": list(seen.values())})
        rows: list[tuple[Any, ...]] = [tuple(row) for row in found]
    return {job_id: (version, _state(rest) if rest[0] is not None else None) for job_id, version, *rest in rows}


# What is asked all the time is put together once.
@cache
def _job_query() -> sa.Select[Any]:
    return sa.select(*_columns()).where(AiValidationJob.id == sa.bindparam("wanted"))


@cache
def _states_query() -> sa.Select[Any]:
    wanted = sa.bindparam("wanted", type_=ARRAY(sa.Text()))
    return sa.select(*_columns(), *map(sa.literal_column, _STATE)).where(AiValidationJob.id == sa.func.any(wanted))


@cache
def _changes_query() -> sa.Select[Any]:
    known = (
        sa.func.unnest(sa.bindparam("ids", type_=ARRAY(sa.Text())), sa.bindparam("words", type_=ARRAY(sa.Text())))
        .table_valued("id", "word")
        .render_derived()
    )
    present = sa.alias(AiValidationJob.__table__, "present")
    word: sa.ColumnElement[str] = sa.literal_column("present.xmin::text", sa.Text())
    has_changed = sa.and_(AiValidationJob.id == present.c.id, word.is_distinct_from(known.c.word))
    return sa.select(present.c.id, word, *_columns(), *map(sa.literal_column, _STATE)).select_from(
        known.join(present, present.c.id == known.c.id).outerjoin(AiValidationJob, has_changed)
    )


def _state(row: Sequence[Any]) -> JobState:
    *job, found, open_items, cost = row
    outcomes = {outcome: (found or {}).get(outcome, 0) for outcome in ("pending", *OUTCOMES)}
    return JobState(_overview(job), outcomes, open_items, None if cost is None else float(cost))


# A call under way holds the most it can cost, which nobody has paid yet.
_STATE = (
    """(SELECT jsonb_object_agg(s."status", s.n) FROM (SELECT i."status", count(*) AS n FROM "AiValidationItem" i
        WHERE i."jobId" = "AiValidationJob"."id" GROUP BY 1) s)""",
    """(SELECT count(*) FROM "AiValidationOpenItem" o WHERE o."jobId" = "AiValidationJob"."id")""",
    """(SELECT CASE WHEN count(*) = 0 THEN 0 ELSE sum(c."costUsd") END FROM "LlmCall" c
        WHERE c."jobId" = "AiValidationJob"."id" AND c."status" NOT IN ('started', 'waiting'))""",
)


def find_job_ids(engine: sa.Engine, prefix: str) -> list[str]:
    """The ids of the jobs whose id begins so, two at most: none is unknown, two are not one."""
    query = (
        sa.select(AiValidationJob.id)
        .where(AiValidationJob.id.startswith(prefix, autoescape=True))
        .order_by(AiValidationJob.id)
        .limit(2)
    )
    with engine.connect() as connection:
        return list(connection.scalars(query))


def count_outcomes(engine: sa.Engine, job_id: str) -> dict[str, int]:
    """Outcome → rows, every outcome present, `pending` first."""
    query = (
        sa.select(AiValidationItem.status, sa.func.count())
        .where(AiValidationItem.job_id == job_id)
        .group_by(AiValidationItem.status)
    )
    with engine.connect() as connection:
        found = {row[0]: row[1] for row in connection.execute(query)}
    return {outcome: found.get(outcome, 0) for outcome in ("pending", *OUTCOMES)}


def read_notes(engine: sa.Engine, job_id: str) -> dict[str, list[dict[str, Any]]]:
    """What of the file was not used: `leftOut` (sheets: name, reason) and `notes` (`Note` as JSON), in French."""
    query = sa.text("""SELECT "result" FROM "AiValidationTask" WHERE "jobId" = :id AND "kind" = 'prepare' LIMIT 1""")
    with engine.connect() as connection:
        found = connection.execute(query, {"id": job_id}).scalar_one_or_none()
    kept = found if isinstance(found, dict) else {}  # somebody may have written something else there
    return {name: kept[name] if isinstance(kept.get(name), list) else [] for name in ("leftOut", "notes")}


def count_findings(engine: sa.Engine, job_id: str) -> list[FindingCount]:
    """What was odd about the rows, the most frequent first."""
    query = sa.text("""
        SELECT finding->>'code' AS code, count(DISTINCT i."id") AS rows,
               (array_agg(finding->>'message' ORDER BY i."position"))[1] AS example
        FROM "AiValidationItem" i,
             jsonb_array_elements(CASE jsonb_typeof(i."findings") WHEN 'array' THEN i."findings" END) AS finding
        WHERE i."jobId" = :id GROUP BY 1 ORDER BY 2 DESC, 1
    """)
    with engine.connect() as connection:
        rows = connection.execute(query, {"id": job_id}).all()
    return [FindingCount(code=row.code, rows=row.rows, example=row.example or "") for row in rows]


def sum_spending(engine: sa.Engine, job_id: str) -> Spending:
    """What the job's model calls came to."""
    with engine.connect() as connection:
        rows: list[tuple[Any, ...]] = [tuple(row) for row in connection.execute(_spending_query(), {"wanted": job_id})]
    lines = [
        ModelSpending(model, calls, failed, prompt, cached, completion, None if cost is None else float(cost))
        for model, calls, failed, prompt, cached, completion, cost, _, _ in rows
    ]
    batch_costs = [float(row[-1]) for row in rows if row[-1] is not None]
    known = [line.cost_usd for line in lines if line.cost_usd is not None]
    return Spending(
        calls=sum(line.calls for line in lines),
        failed_calls=sum(line.failed_calls for line in lines),
        prompt_tokens=sum(line.prompt_tokens for line in lines),
        cached_tokens=sum(line.cached_tokens for line in lines),
        completion_tokens=sum(line.completion_tokens for line in lines),
        cost_usd=sum(known) if known else None,
        batch_calls=sum(row[-2] for row in rows),
        batch_cost_usd=sum(batch_costs) if batch_costs else None,
        by_model=tuple(lines),
    )


@cache
def _spending_query() -> sa.Executable:
    is_over = LlmCall.status.not_in(("started", "waiting"))
    return (
        sa.select(
            LlmCall.model,
            sa.func.count(),
            sa.func.count().filter(LlmCall.status == "failed"),
            *(
                sa.func.coalesce(sa.func.sum(column), 0)
                for column in (LlmCall.prompt_tokens, LlmCall.cached_tokens, LlmCall.completion_tokens)
            ),
            # A call under way holds the most it can cost, which nobody has paid yet.
            sa.func.sum(LlmCall.cost_usd).filter(is_over),
            sa.func.count(LlmCall.batch_id),
            sa.func.sum(LlmCall.cost_usd).filter(is_over, LlmCall.batch_id.is_not(None)),
        )
        .where(LlmCall.job_id == sa.bindparam("wanted"))
        .group_by(LlmCall.model)
        .order_by(sa.func.count().desc(), LlmCall.model)
    )


def find_default_user(engine: sa.Engine) -> str | None:
    """The e-mail of the oldest active admin, for whom `medq run` works unless told otherwise."""
    query = (
        sa.select(User.email)
        .where(sa.func.lower(User.role) == "admin", User.is_active)
        .order_by(User.created_at, User.id)
        .limit(1)
    )
    with engine.connect() as connection:
        email: str | None = connection.scalar(query)
    return email


def find_revision(engine: sa.Engine) -> str | None:
    """The revision of the schema in this database; None when `medq schema upgrade` never ran."""
    with engine.connect() as connection:
        if not connection.scalar(sa.text(f"SELECT to_regclass('{VERSION_TABLE}') IS NOT NULL")):
            return None
        revision: str | None = connection.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
    return revision


def find_begun_before(engine: sa.Engine) -> list[str]:
    """Ids of the jobs in `processing` that somebody began before this project came, and that have no task."""
    query = sa.text("""
        SELECT j."id" FROM "AiValidationJob" j JOIN medq_adopted a ON a."kind" = 'job' AND a."name" = j."id"
        WHERE j."status" = 'processing' ORDER BY j."createdAt", j."id"
    """)
    with engine.connect() as connection:
        return list(connection.scalars(query))


def count_workers(engine: sa.Engine) -> int | None:
    """Worker processes at work on this database right now: each keeps one connection that listens for jobs.

    None where they cannot be counted: through a pooler none listens.
    """
    if engine.get_execution_options().get(THROUGH_POOLER):
        return None
    query = sa.text("""
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'medq-watch%'
    """)
    with engine.connect() as connection:
        return int(connection.scalar(query) or 0)


def waited_s(engine: sa.Engine) -> float:
    """For how many seconds the oldest task that could be done has been there while nobody does anything; else 0."""
    query = sa.text("""
        SELECT extract(epoch FROM timezone('UTC', clock_timestamp()) - min(t."createdAt")) FROM "AiValidationTask" t
        JOIN "AiValidationJob" j ON j."id" = t."jobId" AND j."status" IN ('queued', 'processing')
        WHERE t."status" = 'ready' AND (t."notBefore" IS NULL OR t."notBefore" <= timezone('UTC', clock_timestamp()))
          AND NOT EXISTS (SELECT 1 FROM "AiValidationTask" r WHERE r."status" = 'running'
                          AND r."leaseExpiresAt" > timezone('UTC', clock_timestamp()))
    """)
    with engine.connect() as connection:
        return float(connection.scalar(query) or 0)


def find_cut_off(engine: sa.Engine) -> list[str]:
    """Host and pid of the worker processes that cannot reach the LLM while others can."""
    query = sa.text("""
        SELECT substr(application_name, length(:name) + 1) FROM pg_stat_activity
        WHERE datname = current_database() AND starts_with(application_name, :name) ORDER BY 1
    """)
    with engine.connect() as connection:
        return list(connection.scalars(query, {"name": "medq-watch cut off "}))


def find_waiting(engine: sa.Engine) -> dict[str, list[str]]:
    """SQLSTATE → host and pid of the worker processes that wait for the server because of it."""
    query = sa.text("""
        SELECT split_part(rest, ' ', 1) AS state, split_part(rest, ' ', 2) AS place
        FROM (SELECT substr(application_name, length(:name) + 1) AS rest FROM pg_stat_activity
              WHERE datname = current_database() AND starts_with(application_name, :name)) waiting ORDER BY 1, 2
    """)
    found: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for state, place in connection.execute(query, {"name": "medq-watch waits "}):
            found.setdefault(state, []).append(place)
    return found


def try_to_write(engine: sa.Engine) -> None:
    """Write a call of some size, and take it back. Raises what the server says when it takes no writes."""
    statement = sa.text("""
        INSERT INTO "LlmCall" ("id", "attempt", "purpose", "requestHash", "questionKeys", "model", "endpoint", "status",
                               "questionCount", "response", "createdAt")
        SELECT 'medq doctor ' || gen_random_uuid(), 0, 'explain', 'medq doctor', '{}', 'medq doctor', 'medq doctor',
               'succeeded', 0, string_agg(md5(random()::text), ''), timezone('UTC', clock_timestamp())
        FROM generate_series(1, 1000)
    """)
    with engine.connect() as connection:  # never committed
        connection.execute(statement)


def read_limits(engine: sa.Engine) -> dict[str, int]:
    """`statement_timeout` and `lock_timeout` in milliseconds (0: none), `max_connections`, and how many are `free`."""
    query = sa.text("""
        SELECT name, setting::bigint FROM pg_settings
        WHERE name IN ('statement_timeout', 'lock_timeout', 'max_connections')
        UNION ALL
        SELECT 'free', sum(CASE WHEN name = 'max_connections' THEN setting::bigint ELSE -setting::bigint END)
               - (SELECT sum(numbackends) FROM pg_stat_database)
        FROM pg_settings WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')
    """)
    with engine.connect() as connection:
        return {name: int(value) for name, value in connection.execute(query)}


def server_version(engine: sa.Engine) -> int:
    """The server's major version."""
    with engine.connect() as connection:
        return int(connection.scalar(sa.text("SHOW server_version_num")) or 0) // 10_000


def _columns() -> Sequence[sa.ColumnElement[Any]]:
    """Every column, so read that no row can hide the others: see `models.reading`."""
    times = ("created_at", "started_at", "completed_at", "updated_at")
    expressions: dict[str, str] = {name: sane_time(_column(name)) for name in times}
    for name in ("file_name", "original_file_name", "file_url", "output_url", "message", "error_message"):
        expressions[name] = bounded_text(_column(name), MAX_NAME)
    expressions["instructions"] = bounded_text(_column("instructions"), MAX_INSTRUCTIONS)
    expressions["config"] = config_text('"AiValidationJob"')
    return [
        sa.literal_column(expressions[name], UtcTimestamp() if name in times else sa.Text()).label(name)
        if name in expressions
        else getattr(AiValidationJob, name)
        for name in JobOverview.__dataclass_fields__
    ]


def _column(name: str) -> str:
    return f'"AiValidationJob"."{_camel(name)}"'


def _overview(row: Sequence[Any]) -> JobOverview:
    values = dict(zip(JobOverview.__dataclass_fields__, row, strict=True))
    config = None if values["config"] is None else json.loads(values["config"])
    # These columns allow NULL, which other programs may have left there.
    counts = {name: values[name] or 0 for name in COUNTS}
    return JobOverview(**values | counts | {"config": "too long" if config == TOO_LONG else config})


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return float(value) if isinstance(value, Decimal) else value
