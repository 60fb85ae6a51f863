"""What watching costs: a job alone, and the same with 200 people who watch it and 50 programs that ask for it.

`python -m bench.viewers [--write]`. `medq serve` is a process of its own; viewers and programs are threads of another.
Run it on a quiet machine with two cores: everything shares them. Bounds: the job at most 1.1 times as long, a page
within 50 ms for 95 of 100. One poller for all viewers: `tests/unit/test_web_live.py`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from bench import document
from bench.document import Figure, Result
from bench.meters import CpuMeter
from bench.site import ADMIN, Site, open_ground, open_site
from tests.support.uploads import write_csv, write_truth

TOKEN = "bench-token-0123456789"  # noqa: S105
HEADERS = {"Authorization": f"Bearer {TOKEN}", "X-Medq-User": ADMIN}
VIEWERS, POLLERS, ASK_EVERY_S, PAGE_EVERY_S = 200, 50, 2.0, 0.25


@contextmanager
def serve(site: Site) -> Iterator[str]:
    """The address of `medq serve` on this site."""
    environment = {
        **os.environ,
        "DATABASE_URL": site.database_url,
        "REDIS_URL": site.services.redis_url,
        "MEDQ_STORAGE_URL": str(site.folder / "storage"),
        "MEDQ_HOME": str(site.folder / "home"),
        "MEDQ_WEB_TOKEN": TOKEN,
        "OPENAI_API_KEY": "bench",
        "OPENAI_BASE_URL": site.llm.url,
    }
    command = [sys.executable, "-c", "from worker.cli import main; main()", "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as web:
        assert web.stdout is not None
        line = next(line for line in web.stdout if "Serving on" in line)
        threading.Thread(target=lambda: [None for _ in web.stdout or ()], daemon=True).start()  # its log is not kept
        try:
            yield line.split("Serving on ")[1].strip().rstrip(".")
        finally:
            web.terminate()


def get(url: str, path: str) -> tuple[int, float]:
    """The status, and the milliseconds until the whole answer was there."""
    address = urlsplit(url)
    started = time.perf_counter()
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    try:
        connection.request("GET", path, headers=HEADERS)
        answer = connection.getresponse()
        answer.read()
        return answer.status, 1000 * (time.perf_counter() - started)
    finally:
        connection.close()


class Crowd:
    """Viewers of the job's stream, programs that ask for the job, and one who opens the page again and again."""

    def __init__(self, url: str, job_id: str, stop: Any) -> None:
        self.url, self.job_id, self.stop = url, job_id, stop
        self.events, self.pages, self.faults = 0, list[float](), 0

    def run(self) -> dict[str, Any]:
        """Until told to stop; what they saw."""
        work = [self.view] * VIEWERS + [self.poll] * POLLERS + [self.open_pages]
        threads = [threading.Thread(target=one, daemon=True) for one in work]
        for thread in threads:
            thread.start()
        self.stop.wait()
        threads[-1].join(30)
        return {"events": self.events, "pages": self.pages, "faults": self.faults}

    def view(self) -> None:
        """One stream, whatever comes."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=120)
        connection.request("GET", f"/api/v1/jobs/{self.job_id}/events", headers=HEADERS)
        answer = connection.getresponse()
        while not self.stop.is_set() and (line := answer.readline()):
            self.events += line.startswith(b"data:")

    def poll(self) -> None:
        """One program, every two seconds."""
        while not self.stop.wait(ASK_EVERY_S):
            status, _ = get(self.url, f"/api/v1/jobs/{self.job_id}")
            self.faults += status != 200

    def open_pages(self) -> None:
        """One person's pages, for how long each takes."""
        while not self.stop.wait(PAGE_EVERY_S):
            for path in ("/", f"/taches/{self.job_id}"):
                status, took_ms = get(self.url, path)
                self.pages.append(took_ms)
                self.faults += status != 200


def crowd(url: str, job_id: str, stop: Any, told: Any) -> None:
    """Entry of the crowd's process."""
    told.put(json.dumps(Crowd(url, job_id, stop).run()))


def run_job(site: Site, count: int, start: int, url: str | None) -> tuple[float, dict[str, Any]]:
    """Seconds of a job of other questions each time, and what the crowd saw where there is one."""
    site.llm.configure(latency_s=1.0, truth=write_truth(count, start=start))
    site.folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    stop, told = context.Event(), context.Queue()
    with site.workers(1, 16):
        job_id = site.enqueue(write_csv(site.folder / f"{start} - qcm.csv", count, start=start))
        process = context.Process(target=crowd, args=(url, job_id, stop, told), daemon=True)
        if url is not None:
            process.start()
        job = site.wait_for_job(job_id)
        seen: dict[str, Any] = {}
        if url is not None:
            stop.set()
            seen = json.loads(told.get(timeout=60))
            process.join(30)
    return (job["completedAt"] - job["createdAt"]).total_seconds(), seen


def measure(site: Site, count: int, rounds: int) -> Result:
    """In turns, alone and watched."""
    meter = CpuMeter(site, [])
    alone, watched, pages, faults, events = [], [], [], 0, 0
    with serve(site) as url:
        for number in range(rounds):
            alone.append(run_job(site, count, 2 * number * count, None)[0])
            took, seen = run_job(site, count, (2 * number + 1) * count, url)
            watched.append(took)
            pages += seen["pages"]
            faults += seen["faults"]
            events += seen["events"]
    usage = meter.read()
    base = statistics.median(alone)
    figures = [
        Figure(f"a job of {count} questions, nobody watches", base, "s"),
        Figure(f"with {VIEWERS} viewers and {POLLERS} programs", statistics.median(watched), "s", 1.1 * base, base),
        Figure("a page meanwhile, p95", statistics.quantiles(pages, n=20)[18], "ms", 50.0),
        Figure("answers that were not 200", float(faults), "", 0.5),
        Figure("events that arrived", float(events), ""),
    ]
    return Result(f"{VIEWERS} viewers of one job and {POLLERS} programs", usage.others_share, figures)


def main() -> None:
    """Entry of `python -m bench.viewers`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--questions", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put what was measured into docs/performance.md")
    arguments = parser.parse_args()
    with open_ground() as (services, folder), open_site(services, folder, "viewers") as site:
        result = measure(site, arguments.questions, arguments.rounds)
    document.show(result)
    if arguments.write:
        document.write({"viewers": result})


if __name__ == "__main__":
    main()
