"""What years of jobs cost: the same work beside an empty database and beside one that has grown.

`python -m bench.grown [--items N] [--calls N] [--rounds N] [--write]`. Both databases lie on one server; each measure
goes to and fro between them, so that the machine's hour is the same for both. How figures are shown is in
`bench.document`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import sqlalchemy as sa

from bench import document
from bench.document import Figure, Result
from bench.fill import MEMBERS, add_large_job, fill, open_jobs
from bench.meters import CpuMeter
from bench.site import Site, open_ground, open_site
from tests.support.uploads import write_csv, write_truth
from worker.db.engine import Database, connect
from worker.jobs import invariants, queries
from worker.jobs.retention import Retention
from worker.llm import ledger
from worker.llm.batch import batches
from worker.metrics.prometheus import Exporter
from worker.questions import history_store
from worker.queue import tasks
from worker.queue.job import Job, Task
from worker.review import decision_store
from worker.upload.storage import Storage

MOST = 1.1  # times what it takes beside nothing
OWNER = "bench:1:2:3"
BY_MEASURE = 0.4  # seconds that one reading takes at least, so that chance weighs little

Work = Callable[[sa.Connection], object]


def claim(connection: sa.Connection) -> object:
    """The fairest of some hundred ready tasks."""
    return tasks.claim_task(connection, owner=OWNER, lease_s=30)


def sweep(connection: sa.Connection) -> object:
    """Everything that an idle worker's sweep asks."""
    tasks.mend_orphans(connection)
    ledger.mark_orphans(connection, older_than_s=150)
    batches.is_any_due(connection, endpoint="bench", stranded_s=3600)
    return tasks.find_expired(connection, lease_s=30)


def look_up(connection: sa.Connection) -> object:
    """The stored replies to five questions that nobody asked before."""
    task = Task("none", Job("open-1", "u", "f", "f", None, None, None), "analyse", 0, 1, OWNER)
    return ledger.find_replies(connection, task, [f"unknown {n}" for n in range(5)])


def list_jobs(connection: sa.Connection) -> object:
    """`medq jobs`."""
    return queries.list_jobs(connection.engine)


def show_job(connection: sa.Connection) -> object:
    """`medq status`, by the first characters of the id."""
    (job_id,) = queries.find_job_ids(connection.engine, "open-01")
    queries.get_job(connection.engine, job_id)
    queries.count_outcomes(connection.engine, job_id)
    queries.count_findings(connection.engine, job_id)
    return queries.sum_spending(connection.engine, job_id)


def find_standing(connection: sa.Connection) -> object:
    """What is stored under a hundred contents that are new, and what came before with them."""
    hashes = [f"new {n}" for n in range(100)]
    connection.execute(history_store.SQL["find_questions"], {"ids": hashes}).all()
    return history_store.find_earlier(connection, hashes=hashes, texts=hashes, ids=hashes)


def find_item(connection: sa.Connection) -> object:
    """One row by its id, as each decision of a returned workbook is found."""
    return decision_store.find_items(connection, "open-01-item-001")


STATEMENTS: dict[str, Work] = {
    "claim": claim,
    "sweep of an idle worker": sweep,
    "replies to five new questions": look_up,
    "what came before with 100 new rows": find_standing,
    "`medq jobs`": list_jobs,
    "`medq status`": show_job,
    "one row by its id": find_item,
}


def cpu_ns(pid: int) -> int:
    """Nanoseconds of CPU that a process has used."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


class Reading:
    """One work against one database: the server's CPU and the wall clock, in milliseconds each time."""

    def __init__(self, site: Site, work: Work) -> None:
        # One connection, so that one backend does all of it.
        self._engine = connect(site.database_url, pool_size=1, name="bench-grown")
        self._connection = self._engine.connect()
        self._is_own = work in (list_jobs, show_job)
        self._pid = int(self._connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
        self._connection.rollback()
        self._work = work
        if self._is_own:  # it takes the engine's one connection itself
            self._connection.close()
        self.times = 1

    def once(self) -> None:
        """Do it, and take it back."""
        self._work(self._connection)
        if not self._is_own:
            self._connection.rollback()

    def read(self) -> tuple[float, float]:
        """Milliseconds of the server's CPU and of the wall clock."""
        started, before = time.perf_counter(), cpu_ns(self._pid)
        for _ in range(self.times):
            self.once()
        wall, used = time.perf_counter() - started, cpu_ns(self._pid) - before
        return used / 1e6 / self.times, 1000 * wall / self.times

    def close(self) -> None:
        """Leave the server."""
        self._connection.close()
        self._engine.dispose()


def compare(name: str, work: Work, empty: Site, grown: Site, rounds: int) -> list[Figure]:
    """The same statements beside nothing and beside much, in turns."""
    readings = [Reading(site, work) for site in (empty, grown)]
    for reading in readings:
        for _ in range(5):  # statements are prepared, pages are read
            reading.once()
        reading.times = max(5, int(1000 * BY_MEASURE / max(reading.read()[1], 0.01)))
    times = min(reading.times for reading in readings)
    for reading in readings:
        reading.times = times
    read = [[reading.read() for reading in readings] for _ in range(rounds)]
    for reading in readings:
        reading.close()
    # A hundred contents are three hundred descents into indexes, each a level deeper where there are millions.
    most = None if work is find_standing else MOST
    return [
        _figure(f"{name}: {what}", [(few[index], many[index]) for few, many in read], "ms", most)
        for index, what in enumerate(("server CPU", "wall"))
    ]


def _figure(name: str, read: Sequence[tuple[float, float]], unit: str, most: float | None = MOST) -> Figure:
    """Beside much, with what it takes beside nothing as the bound."""
    few, many = (statistics.median(values) for values in zip(*read, strict=True))
    return Figure(name, many, unit, most and most * few, few)


def compare_jobs(empty: Site, grown: Site, rounds: int, count: int = 300) -> list[Figure]:
    """A job of 300 questions at zero latency, of other questions each time, in turns."""
    read: list[list[tuple[float, float]]] = []
    for number in range(rounds):
        read.append([run_job(site, count, start=1_000_000 + number * count) for site in (empty, grown)])
    return [
        _figure(f"a job of {count} questions: {what}", [(few[index], many[index]) for few, many in read], "s")
        for index, what in enumerate(("CPU of workers and server", "wall"))
    ]


def run_job(site: Site, count: int, *, start: int) -> tuple[float, float]:
    """Seconds of CPU and of the wall clock."""
    site.llm.configure(latency_s=0.0, truth=write_truth(count, start=start))
    site.folder.mkdir(parents=True, exist_ok=True)
    path = write_csv(site.folder / f"{start} - qcm.csv", count, start=start)
    with site.workers(1, 8) as workers:
        meter = CpuMeter(site, workers.pids())
        job = site.wait_for_job(site.enqueue(path))
        usage = meter.read()
    return usage.workers_s + usage.server_s, (job["completedAt"] - job["createdAt"]).total_seconds()


def measure_invariants(grown: Site) -> list[Figure]:
    """`medq doctor --invariants`, of what is open or new and of everything."""
    found = []
    for name, within_s, most in (("what is open or new", 86_400.0, 3.0), ("everything", None, None)):
        took = []
        for _ in range(3 if within_s else 1):
            started = time.perf_counter()
            broken = invariants.check_invariants(grown.engine, within_s=within_s)
            took.append(time.perf_counter() - started)
            if broken:
                print(f"broken: {broken[:3]}", file=sys.stderr)
        found.append(Figure(f"`medq doctor --invariants`, {name}", statistics.median(took), "s", most))
    return found


def measure_scrape(grown: Site) -> list[Figure]:
    """`/metrics` of a process that has just started, and each time after that, nothing being kept in between."""
    exporter, took = Exporter(grown.engine, max_age_s=0), []
    for _ in range(12):
        started = time.perf_counter()
        exporter.render()
        took.append(1000 * (time.perf_counter() - started))
    return [
        Figure("first scrape of a process", took[0] / 1000, "s"),
        Figure("a scrape after it", statistics.median(took[1:]), "ms", 50.0),
    ]


def measure_removal(grown: Site, keep_days: int = 380, large: int = 100_000) -> list[Figure]:
    """`medq prune` of a twentieth of it, `medq forget` of the largest job there may be; who claims meanwhile."""
    storage = Storage(str(grown.folder / "storage"))
    (grown.folder / "storage").mkdir(parents=True, exist_ok=True)
    retention = Retention(Database(grown.engine), storage)
    rows = 'SELECT count(*) FROM "AiValidationItem"'
    job_id, before = add_large_job(grown, large), grown.value(rows)
    with Claims(grown) as claims:
        started = time.perf_counter()
        retention.prune(retention.cut_off(keep_days))
        took = time.perf_counter() - started
    removed = before - grown.value(rows)
    with Claims(grown) as more:
        started = time.perf_counter()
        retention.forget(job_id)
        forgot = time.perf_counter() - started
    return [
        Figure(f"`medq prune` of {removed:,} rows", removed / took, "rows/s", more_is_better=True),
        Figure("longest claim meanwhile", 1000 * max(claims.took), "ms"),
        Figure(f"`medq forget` of a job of {large:,} rows", forgot, "s"),
        Figure("longest claim meanwhile, again", 1000 * max(more.took), "ms"),
        Figure('sums by day and model (`"LlmDailyTotal"`)', _took(grown), "s"),
    ]


def _took(grown: Site) -> float:
    started = time.perf_counter()
    grown.value('SELECT count(*) FROM (SELECT "day", "model", sum("costUsd") FROM "LlmDailyTotal" GROUP BY 1, 2) days')
    return time.perf_counter() - started


class Claims:
    """Claims a task twenty times a second, and gives it back, while the block runs."""

    def __init__(self, site: Site) -> None:
        self._site, self._stopped = site, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.took: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        with self._site.engine.connect() as connection:
            while True:
                started = time.perf_counter()
                claim(connection)
                connection.rollback()
                self.took.append(time.perf_counter() - started)
                if self._stopped.wait(0.05):
                    return


def measure(empty: Site, grown: Site, *, items: int, call_count: int, rounds: int, jobs: int) -> Sequence[Result]:
    """Everything, with the time that filling took on standard error."""
    started = time.perf_counter()
    fill(grown, items=items, call_count=call_count)
    for site in (empty, grown):
        open_jobs(site)
    print(f"filled in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    meter = CpuMeter(grown, [])
    figures = []
    for name, work in STATEMENTS.items():
        print(f"measuring: {name} …", file=sys.stderr, flush=True)
        figures += compare(name, work, empty, grown, rounds)
        print("; ".join(f"{f.name} {f.value:.3f} ({f.bound:.3f})" for f in figures[-2:]), file=sys.stderr, flush=True)
    figures += [*measure_scrape(grown), *measure_invariants(grown)]
    for site in (empty, grown):
        with site.engine.begin() as connection:
            connection.execute(sa.text('DELETE FROM "AiValidationJob" WHERE "id" LIKE :ids'), {"ids": MEMBERS})
    figures += compare_jobs(empty, grown, jobs)
    figures += measure_removal(grown)  # last: what it leaves is cleaned up behind it for minutes
    usage = meter.read()
    title = f"{items:,} rows of {items // 500:,} jobs and {call_count:,} calls, beside an empty database"
    return [Result(title, usage.others_share, figures)]


def main() -> None:
    """Entry of `python -m bench.grown`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=2_000_000)
    parser.add_argument("--calls", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=11, metavar="N", help="jobs of 300 questions on each side")
    parser.add_argument("--write", action="store_true", help="put what was measured into docs/performance.md")
    arguments = parser.parse_args()
    with open_ground() as (services, folder), ExitStack() as stack:
        empty, grown = (stack.enter_context(open_site(services, folder, name)) for name in ("empty", "grown"))
        (result,) = measure(
            empty,
            grown,
            items=arguments.items,
            call_count=arguments.calls,
            rounds=arguments.rounds,
            jobs=arguments.jobs,
        )
        document.show(result)
        if arguments.write:
            document.write({"grown": result})


if __name__ == "__main__":
    main()
