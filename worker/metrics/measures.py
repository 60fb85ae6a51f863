"""What operators watch, read from the rows: gauges as they stand, and what only grows, counted once.

What only grows is counted from a first look at everything; later looks read what ended in the minutes before them, so
that no look after the first costs more with every row there is, and what is pruned meanwhile stays counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

# Seconds. A transaction that takes longer to commit than this after its row was written is not seen again.
OVERLAP_S = 120.0
CALL_BOUNDS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0)
TASK_BOUNDS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)

UTC_NOW = "timezone('UTC', clock_timestamp())"

DECISIONS = sa.text('SELECT "action", count(*) FROM "AiValidationDecision" GROUP BY 1')
OPEN_ITEMS = sa.text('SELECT count(*) FROM "AiValidationOpenItem"')
BATCHES = sa.text('SELECT "status", count(*) FROM "LlmBatch" GROUP BY 1')
QUEUE = sa.text(f"""
SELECT COALESCE(extract(epoch FROM {UTC_NOW} - min(greatest(t."createdAt", t."notBefore"))
                    FILTER (WHERE t."status" = 'ready' AND COALESCE(t."notBefore", '-infinity') <= {UTC_NOW})), 0)
           AS age,
       count(*) FILTER (WHERE t."status" = 'running' AND t."leaseExpiresAt" < {UTC_NOW}) AS expired
FROM "AiValidationTask" t
JOIN "AiValidationJob" j ON j."id" = t."jobId" AND j."status" IN ('queued', 'processing')
WHERE t."status" IN ('ready', 'running')
""")  # noqa: S608
OPEN_STATES = frozenset({"queued", "processing"})
# Once a job has ended its counts stay: it is read again when its row has changed.
STATES = sa.text(
    'SELECT "id", concat("status", "updatedAt", "processedItems") AS state, "status" FROM "AiValidationJob"'
)
ITEMS = sa.text("""
SELECT "jobId", "type" AS kind, "status", count(*) AS number FROM "AiValidationItem"
WHERE "jobId" = ANY(:ids) GROUP BY 1, 2, 3
""")
TASKS = sa.text("""
SELECT "jobId", "kind",
       CASE WHEN "status" = 'failed' AND "deaths" >= 3 THEN 'quarantined' ELSE "status" END AS "status",
       count(*) AS number
FROM "AiValidationTask" WHERE "jobId" = ANY(:ids) GROUP BY 1, 2, 3
""")

# A call or task that ended does not change any more, but for a task that is run again: that is another run.
CALLS_BEFORE = sa.text("""
SELECT "model", "purpose", "status", COALESCE("error" ->> 'code', '') AS code,
       width_bucket(extract(epoch FROM "completedAt" - "createdAt")::float8, CAST(:bounds AS float8[])) AS bucket,
       count(*) AS calls, COALESCE(sum("promptTokens"), 0) AS prompt, COALESCE(sum("cachedTokens"), 0) AS cached,
       COALESCE(sum("completionTokens"), 0) AS completion, COALESCE(sum("costUsd"), 0) AS cost,
       COALESCE(sum(extract(epoch FROM "completedAt" - "createdAt")), 0) AS seconds
FROM "LlmCall" WHERE "status" IN ('succeeded', 'failed') AND "completedAt" <= :until GROUP BY 1, 2, 3, 4, 5
""")
CALLS_SINCE = sa.text("""
SELECT "id", "completedAt" AS "endedAt", "model", "purpose", "status", COALESCE("error" ->> 'code', '') AS code,
       width_bucket(extract(epoch FROM "completedAt" - "createdAt")::float8, CAST(:bounds AS float8[])) AS bucket,
       1 AS calls, COALESCE("promptTokens", 0) AS prompt, COALESCE("cachedTokens", 0) AS cached,
       COALESCE("completionTokens", 0) AS completion, COALESCE("costUsd", 0) AS cost,
       extract(epoch FROM "completedAt" - "createdAt") AS seconds
FROM "LlmCall" WHERE "status" IN ('succeeded', 'failed') AND "completedAt" > :until
""")
LEDGER = sa.text("""
SELECT "model", "purpose", "status", "code", sum("calls") AS calls, sum("promptTokens") AS prompt,
       sum("cachedTokens") AS cached, sum("completionTokens") AS completion, COALESCE(sum("costUsd"), 0) AS cost
FROM "LlmTotal" WHERE "status" IN ('succeeded', 'failed') GROUP BY 1, 2, 3, 4
""")
TASK_TIMES = """
extract(epoch FROM "startedAt" - greatest("createdAt", "notBefore")) AS waited,
extract(epoch FROM "completedAt" - "startedAt") AS took
"""
TASKS_BEFORE = sa.text(f"""
SELECT "kind", width_bucket(waited::float8, CAST(:bounds AS float8[])) AS wait_bucket,
       width_bucket(took::float8, CAST(:bounds AS float8[])) AS bucket,
       count(*) AS tasks, sum(waited) AS waited, sum(took) AS took
FROM (SELECT "kind", {TASK_TIMES} FROM "AiValidationTask"
      WHERE "status" IN ('done', 'failed') AND "startedAt" IS NOT NULL AND "completedAt" <= :until) t GROUP BY 1, 2, 3
""")  # noqa: S608
TASKS_SINCE = sa.text(f"""
SELECT "id", "completedAt", "completedAt" AS "endedAt", "kind",
       width_bucket(waited::float8, CAST(:bounds AS float8[])) AS wait_bucket,
       width_bucket(took::float8, CAST(:bounds AS float8[])) AS bucket, 1 AS tasks, waited, took
FROM (SELECT "id", "completedAt", "kind", {TASK_TIMES} FROM "AiValidationTask"
      WHERE "status" IN ('done', 'failed') AND "startedAt" IS NOT NULL AND "completedAt" > :until) t
""")  # noqa: S608


# Of one job: items by type and status, tasks by kind and status.
Counts = tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]


@dataclass(slots=True)
class Histogram:
    """How many seconds things took. `counts[i]` is below `bounds[i]`, the last one above them all."""

    bounds: Sequence[float]
    counts: list[int] = field(init=False)
    total_s: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, bucket: int, number: int, seconds: float) -> None:
        """`bucket` as PostgreSQL's width_bucket gives it: 0 is below the first bound."""
        self.counts[bucket] += number
        self.total_s += max(0.0, seconds)


@dataclass(slots=True)
class Grown:
    """What only grows."""

    calls: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)  # model, purpose, status, code
    tokens: Counter[tuple[str, str]] = field(default_factory=Counter)  # model, type
    cost_usd: dict[str, float] = field(default_factory=dict)
    call_s: dict[tuple[str, str], Histogram] = field(default_factory=dict)  # model, purpose
    task_wait_s: dict[str, Histogram] = field(default_factory=dict)  # kind
    task_s: dict[str, Histogram] = field(default_factory=dict)

    def add_calls(self, row: sa.RowMapping) -> None:
        """A row of calls that are alike."""
        model = row["model"]
        self.calls[model, row["purpose"], row["status"], row["code"]] += row["calls"]
        for kind in ("prompt", "cached", "completion"):
            self.tokens[model, kind] += row[kind]
        self.cost_usd[model] = self.cost_usd.get(model, 0.0) + float(row["cost"])

    def add_call_times(self, row: sa.RowMapping) -> None:
        """How long they took, where that is known."""
        histogram = self.call_s.setdefault((row["model"], row["purpose"]), Histogram(CALL_BOUNDS))
        histogram.add(row["bucket"], row["calls"], float(row["seconds"]))

    def add_tasks(self, row: sa.RowMapping) -> None:
        """A row of tasks that are alike."""
        waits = self.task_wait_s.setdefault(row["kind"], Histogram(TASK_BOUNDS))
        waits.add(row["wait_bucket"], row["tasks"], float(row["waited"]))
        times = self.task_s.setdefault(row["kind"], Histogram(TASK_BOUNDS))
        times.add(row["bucket"], row["tasks"], float(row["took"]))


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands at one moment, all of one snapshot."""

    jobs: Mapping[str, int]
    tasks: Mapping[tuple[str, str], int]  # kind, status
    items: Mapping[tuple[str, str], int]  # type, status
    open_items: int
    quarantined: int
    oldest_ready_s: float
    expired_leases: int
    batches: Mapping[str, int]
    decisions: Mapping[str, int]


class Measures:
    """Looks at one database again and again. Not to be shared by threads."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine.execution_options(isolation_level="REPEATABLE READ")
        self.grown = Grown()
        self._until: datetime | None = None
        self._seen: dict[Any, datetime] = {}  # calls and task runs that ended within the overlap
        self._states: dict[str, str] = {}  # job → as it was when its items and tasks were counted
        self._counts: dict[str, Counts] = {}
        self._sums: Counts = (Counter(), Counter())  # of all jobs

    def look(self) -> Standing:
        """Everything as it stands now; `grown` has what was added to it."""
        with self._engine.connect() as connection:
            now = connection.scalar(sa.text(f"SELECT {UTC_NOW}"))
            self._grow(connection, now - timedelta(seconds=OVERLAP_S))
            jobs = self._count_jobs(connection)
            items, tasks = (dict(sums) for sums in self._sums)
            queue = connection.execute(QUEUE).one()
            return Standing(
                jobs=jobs,
                tasks=tasks,
                items=items,
                open_items=connection.scalar(OPEN_ITEMS) or 0,
                quarantined=sum(number for (_, status), number in tasks.items() if status == "quarantined"),
                oldest_ready_s=max(0.0, float(queue.age)),
                expired_leases=queue.expired,
                batches={row[0]: row[1] for row in connection.execute(BATCHES)},
                decisions={row[0]: row[1] for row in connection.execute(DECISIONS)},
            )

    def _grow(self, connection: sa.Connection, until: datetime) -> None:
        calls = {"bounds": list(CALL_BOUNDS)}
        tasks = {"bounds": list(TASK_BOUNDS)}
        if self._until is None:
            for row in connection.execute(LEDGER).mappings():
                self.grown.add_calls(row)
            for row in connection.execute(CALLS_BEFORE, calls | {"until": until}).mappings():
                self.grown.add_calls(row)
                self.grown.add_call_times(row)
            for row in connection.execute(TASKS_BEFORE, tasks | {"until": until}).mappings():
                self.grown.add_tasks(row)
            self._until = until
        since = self._until
        for row in self._unseen(connection.execute(CALLS_SINCE, calls | {"until": since}).mappings()):
            self.grown.add_calls(row)
            self.grown.add_call_times(row)
        for row in self._unseen(connection.execute(TASKS_SINCE, tasks | {"until": since}).mappings()):
            self.grown.add_tasks(row)
        self._until = until
        self._seen = {key: at for key, at in self._seen.items() if at > until}

    def _unseen(self, rows: Iterable[sa.RowMapping]) -> list[sa.RowMapping]:
        found = []
        for row in rows:
            key = (row["id"], row.get("completedAt"))
            if key not in self._seen:
                self._seen[key] = row["endedAt"]
                found.append(row)
        return found

    def _count_jobs(self, connection: sa.Connection) -> Mapping[str, int]:
        states = {job_id: (state, status) for job_id, state, status in connection.execute(STATES)}
        changed = [
            job_id
            for job_id, (state, status) in states.items()
            if status in OPEN_STATES or self._states.get(job_id) != state
        ]
        for old in (self._counts.keys() - states.keys()) | (self._counts.keys() & set(changed)):
            for sums, counts in zip(self._sums, self._counts.pop(old), strict=True):
                sums.subtract(counts)
        for job_id in changed:
            self._counts[job_id] = Counter(), Counter()
        for place, statement in enumerate((ITEMS, TASKS)):
            for row in connection.execute(statement, {"ids": changed}):
                self._counts[row.jobId][place][row.kind, row.status] = row.number
                self._sums[place][row.kind, row.status] += row.number
        self._states = {job_id: state for job_id, (state, _) in states.items()}
        return Counter(status for _, status in states.values())
