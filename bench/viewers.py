"""What watching costs: a job alone, and the same with 200 people who watch it and 50 programs that ask for it.

`python -m bench.viewers [--write]`. `medq serve` is a process of its own. Viewers and programs are sockets of one loop
in another, which gives way to all others: in the field they are machines of their own. Who opens pages is a third. Run
it on a quiet machine with two cores: everything shares them. Bounds: the job at most 1.1 times as long, a page within
50 ms for 95 of 100, two queries a second for all viewers.

CPU per event, page and answer is measured beside it, with nothing else at work: it means the same on any day.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import multiprocessing
import os
import queue
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from bench import document
from bench.document import Figure, Result
from bench.meters import CpuMeter, Usage, count_transactions
from bench.site import ADMIN, Site, open_ground, open_site
from tests.support.probes import cpu_s
from tests.support.uploads import write_csv, write_truth

TOKEN = "bench-token-0123456789"  # noqa: S105
HEADERS = {"Authorization": f"Bearer {TOKEN}", "X-Medq-User": ADMIN}
VIEWERS, PROGRAMS, ASK_EVERY_S, PAGE_EVERY_S = 200, 50, 2.0, 0.25
CHANGES_A_S, SETTLE_S, LONGEST_S, ALONE_S, TIMES = 4, 5.0, 90.0, 20.0, 200


@dataclass(frozen=True)
class Web:
    """`medq serve` on a site."""

    url: str
    pid: int

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        found = urlsplit(self.url)
        return found.hostname or "", found.port or 80


@contextmanager
def serve(site: Site) -> Iterator[Web]:
    """`medq serve` on this site while the block runs."""
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
            yield Web(line.split("Serving on ")[1].strip().rstrip("."), web.pid)
        finally:
            web.terminate()


def get(web: Web, path: str) -> tuple[int, float]:
    """The status, and the milliseconds from the connection to the last byte."""
    started = time.perf_counter()
    connection = http.client.HTTPConnection(*web.address, timeout=30)
    try:
        connection.request("GET", path, headers=HEADERS)
        answer = connection.getresponse()
        answer.read()
        return answer.status, 1000 * (time.perf_counter() - started)
    finally:
        connection.close()


def asking(path: str) -> bytes:
    """A request as it is sent."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in HEADERS.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@dataclass
class Seen:
    """What a crowd saw."""

    events: int = 0
    faults: int = 0
    answers_ms: list[float] = field(default_factory=list)
    cpu_s: float = 0.0

    def __add__(self, other: Seen) -> Seen:
        return Seen(self.events + other.events, self.faults + other.faults, self.answers_ms + other.answers_ms,
                    self.cpu_s + other.cpu_s)  # fmt: skip


class Viewer(asyncio.Protocol):
    """One stream; its events are counted and not read."""

    def __init__(self, path: str, seen: Seen) -> None:
        self._path, self._seen = path, seen
        self._has_answer = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(asking(self._path))

    def data_received(self, data: bytes) -> None:
        """Count."""
        if not self._has_answer:
            self._has_answer = True
            self._seen.faults += not data.startswith(b"HTTP/1.1 200")
        self._seen.events += data.count(b"event: job\n")


async def ask_again_and_again(web: Web, path: str, seen: Seen, *, after_s: float) -> None:
    """A program, every two seconds over one connection. Programs are not in step with one another."""
    await asyncio.sleep(after_s)
    reader, writer = await asyncio.open_connection(*web.address)
    while True:
        started = time.perf_counter()
        writer.write(asking(path))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
        seen.answers_ms.append(1000 * (time.perf_counter() - started))
        seen.faults += not head.startswith(b"http/1.1 200")
        await asyncio.sleep(ASK_EVERY_S)


@dataclass(frozen=True)
class Watched:
    """A job, and how many programs ask for it."""

    web: Web
    job_id: str
    programs: int = PROGRAMS


async def watch(watched: Watched, ready: Any, stop: Any) -> Seen:
    """Viewers of a job and programs that ask for it, until told to stop."""
    web, programs = watched.web, watched.programs
    seen = Seen()
    loop = asyncio.get_running_loop()
    path = f"/api/v1/jobs/{watched.job_id}"
    streams = []
    for _ in range(VIEWERS):
        streams.append(await loop.create_connection(lambda: Viewer(f"{path}/events", seen), *web.address))
    asked = [
        asyncio.create_task(ask_again_and_again(web, path, seen, after_s=ASK_EVERY_S * number / max(1, programs)))
        for number in range(programs)
    ]
    while not seen.events:
        await asyncio.sleep(0.1)
    ready.set()
    while not stop.is_set():
        await asyncio.sleep(0.1)
    seen.faults += sum(one.done() for one in asked)
    for one in asked:
        one.cancel()
    for transport, _ in streams:
        seen.faults += transport.is_closing()
        transport.abort()
    return seen


def crowd(watched: Watched, ready: Any, stop: Any, told: Any) -> None:
    """Entry of the crowd's process."""
    os.nice(10)
    seen = asyncio.run(watch(watched, ready, stop))
    seen.cpu_s = time.process_time()
    told.put(seen)


def open_pages(watched: Watched, ready: Any, stop: Any, told: Any) -> None:
    """Entry of the process of one who opens pages again and again."""
    seen = Seen()
    ready.set()
    while not stop.wait(PAGE_EVERY_S):
        for path in ("/", f"/taches/{watched.job_id}"):
            status, took_ms = get(watched.web, path)
            seen.answers_ms.append(took_ms)
            seen.faults += status != 200
    seen.cpu_s = time.process_time()
    told.put(seen)


@contextmanager
def company(watched: Watched, *entries: Callable[..., None]) -> Iterator[list[Seen]]:
    """Processes that look on while the block runs, all of them from its beginning; what each saw is there after it."""
    context = multiprocessing.get_context("spawn")
    stop, found = context.Event(), list[Seen]()
    queues = [context.Queue() for _ in entries]
    ready = [context.Event() for _ in entries]
    processes = [
        context.Process(target=entry, args=(watched, event, stop, told), daemon=True)
        for entry, event, told in zip(entries, ready, queues, strict=True)
    ]
    for process in processes:
        process.start()
    try:
        if not all(event.wait(120) for event in ready):
            raise RuntimeError("the viewers are not there within 120 s")
        yield found
    finally:
        stop.set()
        with suppress(queue.Empty):
            found += [told.get(timeout=60) for told in queues]
        for process in processes:
            process.join(30)


@dataclass
class Run:
    """A job and who watched it: seconds, CPU by who used it, what was seen."""

    took_s: float
    cpu_s: dict[str, float]
    crowd: Seen
    pages: Seen
    others_share: float


def run_job(site: Site, web: Web, count: int, start: int, *, is_watched: bool) -> Run:
    """A job of other questions each time, from its first claim to its end. Viewers are there before it begins.

    Pages are opened as long as it goes on, and no longer.
    """
    site.llm.configure(latency_s=1.0, truth=write_truth(count, start=start))
    site.folder.mkdir(parents=True, exist_ok=True)
    job_id = site.enqueue(write_csv(site.folder / f"{start} - qcm.csv", count, start=start))
    watched = Watched(web, job_id)
    with company(watched, *(crowd,) * is_watched) as viewers, site.workers(1, 16) as workers:
        meter, before_s = CpuMeter(site, [*workers.pids(), web.pid]), cpu_s(web.pid)
        with company(watched, *(open_pages,) * is_watched) as readers:
            job = site.wait_for_job(job_id)
            usage, web_s = meter.read(), cpu_s(web.pid) - before_s
    crowd_seen, pages_seen = [*viewers, *readers] or [Seen(), Seen()]
    used = {"medq serve": web_s, "the worker": usage.workers_s - web_s, "PostgreSQL": usage.server_s}
    used = {name: seconds / usage.wall_s for name, seconds in used.items()}
    took_s = (job["completedAt"] - job["startedAt"]).total_seconds()
    return Run(took_s, used, crowd_seen, pages_seen, _others_share(usage, crowd_seen + pages_seen))


def _others_share(usage: Usage, seen: Seen) -> float:
    """Of the machine, what is no part of this bench; who looks on is one."""
    return replace(usage, others_s=usage.others_s - seen.cpu_s).others_share


def measure_alone(site: Site, web: Web) -> list[Figure]:
    """A job that changes four times a second, 200 viewers, and nobody else: what they ask of the database, and CPU.

    Nobody works: each change is a transaction of this bench, and what the server counts beyond those is the viewers'.
    """
    job_id = site.enqueue(write_csv(site.folder / "900000 - qcm.csv", 5, start=900_000))
    change = sa.text('UPDATE "AiValidationJob" SET "updatedAt" = timezone(\'UTC\', clock_timestamp()) WHERE "id" = :id')
    with company(Watched(web, job_id, programs=0), crowd) as found:
        _wait_until_calm(site)  # until all are there, and sessions have told the server what they did
        changes, started, cpu_before = 1, time.monotonic(), cpu_s(web.pid)
        before = count_transactions(site.engine)
        while (took_s := time.monotonic() - started) < ALONE_S:
            with site.engine.begin() as connection:
                connection.execute(change, {"id": job_id})
            changes += 1
            time.sleep(1 / CHANGES_A_S)
        used_s = cpu_s(web.pid) - cpu_before
        asked = count_transactions(site.engine) - before - changes
    (seen,) = found
    if seen.faults or seen.events < VIEWERS * ALONE_S / 2:
        raise RuntimeError(f"the viewers saw {seen.events} events, and {seen.faults} of them no stream")
    return [
        Figure(f"queries for {VIEWERS} viewers", asked / took_s, "/s", 2.0),
        Figure("CPU of `medq serve` per event", 1000 * used_s / (took_s * VIEWERS), "ms"),
        *(_cpu_per_answer(web, name, path.format(job_id)) for name, path in PATHS.items()),
    ]


def _wait_until_calm(site: Site) -> None:
    before = 0
    deadline = time.monotonic() + LONGEST_S
    while (now := count_transactions(site.engine)) - before > 2 * SETTLE_S and time.monotonic() < deadline:
        before = now
        time.sleep(SETTLE_S)


PATHS = {
    "answer to a program": "/api/v1/jobs/{}",
    "page of the jobs": "/",
    "page of a job": "/taches/{}",
    "page À trancher": "/a-trancher",
}


def _cpu_per_answer(web: Web, name: str, path: str) -> Figure:
    before_s = cpu_s(web.pid)
    for _ in range(TIMES):
        get(web, path)
    return Figure(f"CPU of `medq serve` per {name}", 1000 * (cpu_s(web.pid) - before_s) / TIMES, "ms")


def measure(site: Site, count: int, rounds: int) -> Result:
    """In turns, alone and watched; then what it costs when nothing else is at work."""
    alone, watched = list[Run](), list[Run]()
    with serve(site) as web:
        for number in range(rounds):
            alone.append(run_job(site, web, count, 2 * number * count, is_watched=False))
            watched.append(run_job(site, web, count, (2 * number + 1) * count, is_watched=True))
        costs = measure_alone(site, web)
    base = statistics.median(run.took_s for run in alone)
    others = statistics.mean(run.others_share for run in (*alone, *watched))
    crowds = [run.crowd for run in watched]
    figures = [
        Figure(f"a job of {count} questions, nobody watches", base, "s"),
        Figure(f"with {VIEWERS} viewers and {PROGRAMS} programs", statistics.median(run.took_s for run in watched), "s",
               1.1 * base, base),
        *_percentiles("a page meanwhile", [ms for run in watched for ms in run.pages.answers_ms], 50.0),
        *_percentiles("an answer to a program", [ms for seen in crowds for ms in seen.answers_ms], None),
        Figure("answers that were not 200", float(sum(r.crowd.faults + r.pages.faults for r in watched)), "", 0.5),
        Figure("events that arrived", float(sum(seen.events for seen in crowds)), ""),
        *(Figure(f"CPU of {name}", 100 * statistics.mean(run.cpu_s[name] for run in watched), "% of a core",
                 None, 100 * statistics.mean(run.cpu_s[name] for run in alone)) for name in watched[0].cpu_s),
        Figure("CPU of viewers and programs, start included", statistics.mean(r.crowd.cpu_s for r in watched), "s"),
        *costs,
    ]  # fmt: skip
    return Result(f"{VIEWERS} viewers of one job and {PROGRAMS} programs", others, figures)


def _percentiles(name: str, took_ms: list[float], most: float | None) -> list[Figure]:
    cut = statistics.quantiles(took_ms, n=100)
    return [Figure(f"{name}, p{share}", cut[share - 1], "ms", most if share == 95 else None) for share in (50, 95, 99)]


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
