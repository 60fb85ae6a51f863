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

from models.states import OPEN_JOB
from worker.db.statements import load_statements

SQL = load_statements(__file__)
# Seconds. A transaction that takes longer to commit than this after its row was written is not seen again.
OVERLAP_S = 120.0
CALL_BOUNDS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0)
TASK_BOUNDS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)

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

    def read_standing(self) -> Standing:
        """Everything as it stands now; `grown` has what was added to it."""
        with self._engine.connect() as connection:
            now = connection.scalar(SQL["read_now"])
            self._grow(connection, now - timedelta(seconds=OVERLAP_S))
            jobs = self._count_jobs(connection)
            items, tasks = (dict(sums) for sums in self._sums)
            queue = connection.execute(SQL["read_queue"]).one()
            return Standing(
                jobs=jobs,
                tasks=tasks,
                items=items,
                open_items=connection.scalar(SQL["count_open_items"]) or 0,
                quarantined=sum(number for (_, status), number in tasks.items() if status == "quarantined"),
                oldest_ready_s=max(0.0, float(queue.age)),
                expired_leases=queue.expired,
                batches={row[0]: row[1] for row in connection.execute(SQL["count_batches"])},
                decisions={row[0]: row[1] for row in connection.execute(SQL["count_decisions"])},
            )

    def _grow(self, connection: sa.Connection, until: datetime) -> None:
        calls = {"bounds": list(CALL_BOUNDS)}
        tasks = {"bounds": list(TASK_BOUNDS)}
        if self._until is None:
            for row in connection.execute(SQL["sum_removed_calls"]).mappings():
                self.grown.add_calls(row)
            for row in connection.execute(SQL["sum_calls"], calls | {"until": until}).mappings():
                self.grown.add_calls(row)
                self.grown.add_call_times(row)
            for row in connection.execute(SQL["sum_tasks"], tasks | {"until": until}).mappings():
                self.grown.add_tasks(row)
            self._until = until
        since = self._until
        for row in self._unseen(connection.execute(SQL["read_calls"], calls | {"until": since}).mappings()):
            self.grown.add_calls(row)
            self.grown.add_call_times(row)
        for row in self._unseen(connection.execute(SQL["read_tasks"], tasks | {"until": since}).mappings()):
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
        states = {job_id: (state, status) for job_id, state, status in connection.execute(SQL["read_states"])}
        changed = [
            job_id
            for job_id, (state, status) in states.items()
            if status in OPEN_JOB or self._states.get(job_id) != state
        ]
        for old in (self._counts.keys() - states.keys()) | (self._counts.keys() & set(changed)):
            for sums, counts in zip(self._sums, self._counts.pop(old), strict=True):
                sums.subtract(counts)
        for job_id in changed:
            self._counts[job_id] = Counter(), Counter()
        for place, statement in enumerate((SQL["count_items"], SQL["count_tasks"])):
            for row in connection.execute(statement, {"ids": changed}):
                self._counts[row.jobId][place][row.kind, row.status] = row.number
                self._sums[place][row.kind, row.status] += row.number
        self._states = {job_id: state for job_id, (state, _) in states.items()}
        return Counter(status for _, status in states.values())
