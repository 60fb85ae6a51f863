"""What operators look at over all jobs: the queue, what models cost by day, what people decided. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

DAYS = 30

TASKS = sa.text('SELECT "kind", "status", count(*) AS n FROM "AiValidationTask" GROUP BY 1, 2 ORDER BY 1, 2')
JOBS = sa.text('SELECT "status", count(*) AS n FROM "AiValidationJob" GROUP BY 1')
COSTS = sa.text("""
SELECT (c."createdAt" AT TIME ZONE 'UTC' AT TIME ZONE :zone)::date AS day, c."model", count(*) AS calls,
       count(*) FILTER (WHERE c."status" = 'failed') AS failed_calls,
       COALESCE(sum(c."promptTokens"), 0) AS prompt_tokens, COALESCE(sum(c."completionTokens"), 0) AS completion_tokens,
       sum(c."costUsd") FILTER (WHERE c."status" NOT IN ('started', 'waiting')) AS cost_usd
FROM "LlmCall" c WHERE c."createdAt" >= timezone('UTC', now()) - make_interval(days => :days)
GROUP BY 1, 2 ORDER BY 1 DESC, 2
""")
DECISIONS = sa.text('SELECT "action", count(*) AS n FROM "AiValidationDecision" GROUP BY 1')


@dataclass(frozen=True, slots=True)
class DayCost:
    """Calls of one model on one day of the platform's time. `cost_usd` is None when no price is known."""

    day: date
    model: str
    calls: int
    failed_calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Usage:
    """The whole at one moment."""

    jobs: dict[str, int]  # status → jobs
    tasks: dict[str, dict[str, int]]  # kind → status → tasks
    costs: tuple[DayCost, ...]  # of the last `DAYS` days, the latest first
    decisions: dict[str, int]  # action → decisions


def read_usage(engine: sa.Engine, *, zone: str) -> Usage:
    """Read it in one snapshot; days begin at midnight in `zone`."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        tasks: dict[str, dict[str, int]] = {}
        for kind, status, number in connection.execute(TASKS):
            tasks.setdefault(kind, {})[status] = number
        jobs = {row.status: row.n for row in connection.execute(JOBS)}
        costs = tuple(
            DayCost(**{**row, "cost_usd": None if row["cost_usd"] is None else float(row["cost_usd"])})
            for row in connection.execute(COSTS, {"days": DAYS, "zone": zone}).mappings()
        )
        decisions = {row.action: row.n for row in connection.execute(DECISIONS)}
    return Usage(jobs, tasks, costs, decisions)
