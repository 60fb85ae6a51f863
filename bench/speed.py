"""How fast the worker is, against the scripted model on this machine: `python -m bench.speed [NAME…] [--write]`.

Each measure gives figures with the bound computed in the same run. `--write` puts them into docs/performance.md.
How they are shown is in `bench.document`.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from bench import document
from bench.document import Figure, Result
from bench.meters import CpuMeter, Usage, busy_share, count_transactions
from bench.site import Site, open_ground, open_site
from tests.support.probes import memory_mb
from tests.support.uploads import write_csv, write_truth
from worker.embedded import Services

BATCH = 5
DISTURBED = 0.15  # of the machine, used by others
SPAN = """
SELECT EXTRACT(EPOCH FROM max(t."completedAt") - min(t."startedAt"))::float8 AS analysis_s,
       EXTRACT(EPOCH FROM j."completedAt" - j."createdAt")::float8 AS total_s, count(*) AS batches
FROM "AiValidationTask" t JOIN "AiValidationJob" j ON j."id" = t."jobId"
WHERE t."jobId" = :id AND t."kind" = 'analyse' GROUP BY j."id"
"""
PHASE = """
SELECT j."status" NOT IN ('queued', 'processing') AS ended,
       (SELECT count(*) FROM "AiValidationTask" t WHERE t."jobId" = j."id"
        AND (t."kind" = 'finish' OR (t."kind" = 'prepare' AND t."status" = 'done'))) AS phase
FROM "AiValidationJob" j WHERE j."id" = :id
"""
TOOK = """
SELECT EXTRACT(EPOCH FROM "completedAt" - "startedAt")::float8 FROM "AiValidationTask"
WHERE "jobId" = :id AND "kind" = :kind
"""


@dataclass(frozen=True)
class Run:
    """One job from its row to its workbook."""

    analysis_s: float  # from the claim of the first batch to the last commit
    total_s: float  # from the job's row to `completed`
    batches: int
    usage: Usage
    transactions: int
    analysis_cpu_s: float  # of the workers, between prepare and workbook
    stats: Mapping[str, Any]  # of the scripted model


def run_job(site: Site, count: int, *, processes: int, threads: int, latency_s: float, **environment: str) -> Run:
    """Put `count` questions through `processes` × `threads`; the model knows every key, so each is asked once."""
    site.llm.configure(latency_s=latency_s, truth=write_truth(count))
    site.folder.mkdir(parents=True, exist_ok=True)
    path = write_csv(site.folder / f"{count} - qcm.csv", count)
    before = count_transactions(site.engine)
    with site.workers(processes, threads, **environment) as workers:
        meter = CpuMeter(site, workers.pids())
        job_id = site.enqueue(path)
        phases = Phases(site, job_id, meter)
        site.wait_until(phases.look, timeout_s=900, what="the job ended")
        site.wait_for_job(job_id)
        usage, polls = meter.read(), 5 + phases.polls
        stats = site.llm.stats()
    span = site.row(SPAN, id=job_id)
    # The workers are gone, and with them every session that had not yet reported.
    transactions = count_transactions(site.engine) - before - polls
    return Run(span["analysis_s"], span["total_s"], span["batches"], usage, transactions, phases.cpu_s, stats)


class Phases:
    """Looks at a job until it has ended; reads the workers' CPU where prepare ends and where the workbook begins."""

    def __init__(self, site: Site, job_id: str, meter: CpuMeter) -> None:
        self._site, self._job_id, self._meter = site, job_id, meter
        self._marks: list[float] = []
        self.polls = 0

    def look(self) -> bool:
        """Whether the job has ended."""
        self.polls += 1
        row = self._site.row(PHASE, id=self._job_id)
        if row["phase"] > len(self._marks):
            self._marks += [self._meter.workers_s()] * (row["phase"] - len(self._marks))
        return bool(row["ended"])

    @property
    def cpu_s(self) -> float:
        """Seconds of the workers' CPU between the two marks."""
        return self._marks[1] - self._marks[0]


def bound_s(batches: int, at_once: int, latency_s: float) -> float:
    """No worker can be faster: that many calls at once, each as slow as the model."""
    return math.ceil(batches / at_once) * latency_s


def measure_waves(site: Site) -> Result:
    """3,000 questions, 0.5 s a call, 64 at once."""
    run = run_job(site, 3000, processes=2, threads=32, latency_s=0.5)
    bound = bound_s(run.batches, 64, 0.5)
    return Result(
        "3,000 questions, 5 a call, 0.5 s a call, 64 at once (2 processes)",
        run.usage.others_share,
        [
            Figure("first claim to last commit", run.analysis_s, "s", 1.15 * bound, bound),
            Figure("enqueued to completed, workbook included", run.total_s, "s", 8.0, bound),
            Figure("CPU of the workers", run.usage.workers_s, "s"),
            Figure("CPU of PostgreSQL", run.usage.server_s, "s"),
            Figure("CPU of the scripted model", run.usage.model_s, "s"),
        ],
    )


def measure_ten(site: Site) -> Result:
    """857 questions, 0.1 s a call, 10 at once."""
    run = run_job(site, 857, processes=2, threads=5, latency_s=0.1)
    bound = bound_s(run.batches, 10, 0.1)
    return Result(
        "857 questions, 0.1 s a call, 10 at once (2 processes)",
        run.usage.others_share,
        [
            Figure("first claim to last commit", run.analysis_s, "s", 2.2, bound),
            Figure("enqueued to completed, workbook included", run.total_s, "s", None, bound),
        ],
    )


def measure_zero(site: Site) -> Result:
    """A model that takes no time: what is left is the worker."""
    # What start, prepare, workbook and the end of every thread take comes once per job, however long it is. Sweeps come
    # by the clock, not by the batch, so there is but the first of each process.
    quiet = partial(run_job, processes=2, threads=4, latency_s=0.0, MEDQ_SWEEP_SECONDS="600")
    small = quiet(site, 500)
    _forget(site)
    run = quiet(site, 3000)
    more = run.batches - small.batches
    per_batch = 1000 / run.batches
    return Result(
        "3,000 questions, no latency (2 processes of 4 threads)",
        run.usage.others_share,
        [
            Figure("batches a second", run.batches / run.analysis_s, "/s", 50, more_is_better=True),
            Figure("worker CPU per batch", 1000 * (run.analysis_cpu_s - small.analysis_cpu_s) / more, "ms", 10),
            Figure("worker CPU per batch, prepare and workbook included", run.usage.workers_s * per_batch, "ms"),
            Figure("PostgreSQL CPU per batch", run.usage.server_s * per_batch, "ms"),
            Figure("scripted model CPU per batch", run.usage.model_s * per_batch, "ms"),
            Figure("transactions per batch", (run.transactions - small.transactions) / more, "", 4),
        ],
    )


def measure_rates(site: Site) -> Result:
    """600 requests a minute enforced, 4 processes; then the limit configured twice too high."""
    figures, shares = [], []
    for name, rpm, tell, most in (
        ("limit configured as it is", 600, True, 0.01),
        ("configured twice too high, headers sent", 1200, True, 0.02),
        ("configured twice too high, no headers", 1200, False, 0.05),
    ):
        site.redis().flushall()
        site.llm.configure(rpm=600, tell_rpm=tell)
        before = site.llm.stats()["byStatus"]
        # Other questions for each: what was answered before is never asked again.
        _forget(site)
        run = run_job(site, 1500, processes=4, threads=8, latency_s=0.1, MEDQ_RPM=str(rpm))
        after = run.stats["byStatus"]
        refused, answered = (after.get(s, 0) - before.get(s, 0) for s in ("429", "200"))
        bound = (answered - 10) / 10 + 0.1
        figures.append(Figure(f"{name}: 429s", 100 * refused / (refused + answered), "%", 100 * most))
        figures.append(Figure(f"{name}: wall", run.analysis_s, "s", 1.05 * bound, bound))
        shares.append(run.usage.others_share)
    site.llm.configure(rpm=None)
    return Result("1,500 questions, 600 requests a minute enforced, 4 processes", max(shares), figures)


def _forget(site: Site) -> None:
    """Forget what was answered and stored, so that the same file is asked about again."""
    with site.engine.begin() as connection:
        connection.exec_driver_sql('TRUNCATE "LlmCall", "AiValidationJob", "Question" CASCADE')


def measure_memory(site: Site, count: int = 50_000) -> Result:
    """A file of 50,000 rows: 10,000 batches through 2 processes."""
    site.llm.configure(latency_s=0.0, truth=write_truth(count))
    site.folder.mkdir(parents=True, exist_ok=True)
    path = write_csv(site.folder / "big - qcm.csv", count)
    with site.workers(2, 4) as workers:
        meter = CpuMeter(site, workers.pids())
        job_id = site.enqueue(path)
        ended = 'SELECT "currentBatch" FROM "AiValidationJob" WHERE "id" = :id'
        settled = count // BATCH // 10
        site.wait_until(lambda: site.value(ended, id=job_id) >= settled, timeout_s=900, what="a tenth of the batches")
        early = [memory_mb(pid) for pid in workers.pids()]
        finishing = 'SELECT count(*) FROM "AiValidationTask" WHERE "jobId" = :id AND "kind" = \'finish\''
        site.wait_until(lambda: site.value(finishing, id=job_id) > 0, timeout_s=1800, what="all batches")
        late = [memory_mb(pid) for pid in workers.pids()]
        site.wait_for_job(job_id)
        peaks = [memory_mb(pid, peak=True) for pid in workers.pids()]
        usage = meter.read()
    prepare_s, finish_s = (site.value(TOOK, id=job_id, kind=kind) for kind in ("prepare", "finish"))
    growth = max(b - a for a, b in zip(early, late, strict=True))
    return Result(
        f"a file of {count:,} rows (2 processes)",
        usage.others_share,
        [
            Figure("prepare", count / prepare_s, "rows/s", 10_000, more_is_better=True),
            Figure("workbook written", count / finish_s, "rows/s", more_is_better=True),
            Figure("highest memory of a process, prepare and workbook included", max(peaks), "MB", 300),
            Figure(f"growth between batch {settled:,} and {count // BATCH:,}", growth, "MB", 20),
            Figure(
                "batches a second", count / BATCH / site.row(SPAN, id=job_id)["analysis_s"], "/s", more_is_better=True
            ),
        ],
    )


def measure_idle(site: Site, window_s: float = 40) -> Result:
    """A worker with nothing to do."""
    with site.workers(1, 16) as workers:
        time.sleep(15)  # sessions report what they did within ten seconds of an idle time
        client = site.redis()
        commands, transactions = _commands(client), count_transactions(site.engine)
        meter = CpuMeter(site, workers.pids())
        time.sleep(window_s)
        usage = meter.read()
        own = 2  # the second reading's INFO, and the first reading's transaction
        commands, transactions = _commands(client) - commands, count_transactions(site.engine) - transactions
    return Result(
        "an idle worker (1 process of 16 threads)",
        usage.others_share,
        [
            Figure("Redis commands, those inside scripts included", (commands - own) / window_s, "/s", 3),
            Figure("PostgreSQL transactions", (transactions - own) / window_s, "/s", 0.5),
            Figure("CPU", 100 * usage.workers_s / window_s, "% of a core"),
        ],
    )


def _commands(client: Any) -> int:
    return sum(int(line["calls"]) for line in client.info("commandstats").values())


def measure_polls(site: Site, pollers: int = 50) -> Result:
    """Admins who look once a second while a job runs."""
    query = (
        'SELECT "status", "progress", "message", "processedItems", "totalItems" FROM "AiValidationJob" WHERE "id" = %s'
    )
    took: list[float] = []
    stopped = threading.Event()

    def poll(number: int, job_id: str) -> None:
        with psycopg.connect(site.database_url, autocommit=True) as connection:
            stopped.wait(number / pollers)
            while not stopped.is_set():
                started = time.perf_counter()
                connection.execute(query, (job_id,)).fetchone()
                took.append(1000 * (time.perf_counter() - started))
                stopped.wait(1)

    site.llm.configure(latency_s=0.5, truth=write_truth(1500))
    site.folder.mkdir(parents=True, exist_ok=True)
    path = write_csv(site.folder / "polled - qcm.csv", 1500)
    with site.workers(1, 16) as workers:
        meter = CpuMeter(site, workers.pids())
        job_id = site.enqueue(path)
        threads = [threading.Thread(target=poll, args=(n, job_id)) for n in range(pollers)]
        for thread in threads:
            thread.start()
        site.wait_for_job(job_id)
        usage = meter.read()
        stopped.set()
        for thread in threads:
            thread.join()
    p95 = statistics.quantiles(took, n=20)[-1]
    return Result(
        f"{pollers} pollers at 1 Hz while 1,500 questions run (0.5 s a call, 16 at once)",
        usage.others_share,
        [
            Figure("status query, median", statistics.median(took), "ms"),
            Figure("status query, 95th percentile", p95, "ms", 5),
        ],
    )


def measure_sizes(site: Site) -> Result:
    """Jobs of one to ten thousand questions: what each question takes, from enqueued to completed."""
    figures, shares = [], []
    for count in (1, 10, 100, 1_000, 10_000):
        _forget(site)
        run = run_job(site, count, processes=1, threads=16, latency_s=0.1)
        bound = bound_s(run.batches, 16, 0.1)
        figures.append(
            Figure(f"{count:,} questions", 1000 * run.total_s / count, "ms/question", None, 1000 * bound / count)
        )
        shares.append(run.usage.others_share)
    return Result("time per question by size of the job (0.1 s a call, 16 at once)", max(shares), figures)


MEASURES: Mapping[str, Callable[[Site], Result]] = {
    "waves": measure_waves,
    "ten": measure_ten,
    "zero": measure_zero,
    "rates": measure_rates,
    "memory": measure_memory,
    "idle": measure_idle,
    "polls": measure_polls,
    "sizes": measure_sizes,
}


def measure(name: str, services: Services, folder: Path, *, tries: int, patience_s: float) -> Result:
    """Take one measure on a database of its own; again where others disturbed it. The least disturbed one counts."""
    taken: list[Result] = []
    for number in range(1, tries + 1):
        wait_for_quiet(patience_s)
        print(f"measuring: {name} …", file=sys.stderr, flush=True)
        with open_site(services, folder, f"{name}_{number}") as site:
            taken.append(MEASURES[name](site))
        if taken[-1].others_share <= DISTURBED:
            break
    return min(taken, key=lambda result: result.others_share)


def wait_for_quiet(patience_s: float) -> None:
    """Wait, not for ever, until the machine is idle for a few seconds."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and busy_share(3.0) > DISTURBED:
        time.sleep(2)


def main() -> None:
    """Entry of `python -m bench.speed`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", choices=[*MEASURES, []], metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--write", action="store_true", help="put what was measured into docs/performance.md")
    parser.add_argument("--tries", type=int, default=3, help="take a measure again when others disturbed it")
    parser.add_argument("--patience", type=float, default=60, metavar="S", help="wait for a quiet machine before each")
    arguments = parser.parse_args()
    with open_ground() as (services, folder):
        for name in arguments.names or MEASURES:
            result = measure(name, services, folder, tries=arguments.tries, patience_s=arguments.patience)
            document.show(result)
            if arguments.write:
                document.write({name: result})
    print(f"{os.cpu_count()} cores, shared with PostgreSQL, Redis and the scripted model.")


if __name__ == "__main__":
    main()
