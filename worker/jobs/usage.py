"""What operators look at over all jobs: the queue, what models cost by day, what people decided. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from worker.db.statements import load_statements

SQL = load_statements(__file__)
DAYS = 30


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
        for kind, status, number in connection.execute(SQL["count_tasks"]):
            tasks.setdefault(kind, {})[status] = number
        jobs = {row.status: row.n for row in connection.execute(SQL["count_jobs"])}
        costs = tuple(
            DayCost(**{**row, "cost_usd": None if row["cost_usd"] is None else float(row["cost_usd"])})
            for row in connection.execute(SQL["sum_costs"], {"days": DAYS, "zone": zone}).mappings()
        )
        decisions = {row.action: row.n for row in connection.execute(SQL["count_decisions"])}
    return Usage(jobs, tasks, costs, decisions)
