"""What processes, PostgreSQL and Redis have used: read from /proc and from the servers' own counters."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from bench.site import Site
from tests.support.probes import TICKS, cpu_s, read_stat


def _server_cpu_s(site: Site) -> float:
    """CPU of PostgreSQL: the postmaster's children that live now, and those that have ended."""
    postmaster = int((Path(site.value("SHOW data_directory")) / "postmaster.pid").read_text().split()[0])
    children = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()]
    own = read_stat(postmaster)
    ended = (int(own[13]) + int(own[14])) / TICKS if own else 0.0
    return ended + sum(cpu_s(pid) for pid in children if (s := read_stat(pid)) and int(s[1]) == postmaster)


def _machine_busy_s() -> float:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(int(fields[i]) for i in (0, 1, 2, 5, 6)) / TICKS


def busy_share(seconds: float) -> float:
    """Of the machine's cores, what anybody uses in the next `seconds`."""
    before = _machine_busy_s()
    time.sleep(seconds)
    return (_machine_busy_s() - before) / (seconds * (os.cpu_count() or 1))


@dataclass(frozen=True)
class Usage:
    """Seconds of CPU by who used them; `others_s` is everything on the machine that is no part of the bench."""

    wall_s: float
    workers_s: float
    server_s: float
    model_s: float
    others_s: float

    @property
    def others_share(self) -> float:
        """Of the machine's cores, what others used meanwhile: 0 on a quiet machine."""
        return max(0.0, self.others_s) / (self.wall_s * (os.cpu_count() or 1)) if self.wall_s else 0.0


class CpuMeter:
    """Reads at its making, and at `read`: what was used between."""

    def __init__(self, site: Site, pids: list[int]) -> None:
        self._site, self._pids = site, pids
        self._at, self._before = time.monotonic(), self._now()

    def read(self) -> Usage:
        """What was used since."""
        wall_s = time.monotonic() - self._at
        workers, server, model, own, machine = (
            after - before for after, before in zip(self._now(), self._before, strict=True)
        )
        return Usage(wall_s, workers, server, model, machine - workers - server - model - own)

    def workers_s(self) -> float:
        """Seconds of CPU that the workers have used in their life."""
        return sum(cpu_s(pid) for pid in self._pids)

    def _now(self) -> tuple[float, ...]:
        workers = self.workers_s()
        model = cpu_s(self._site.llm.pid)
        return workers, _server_cpu_s(self._site), model, time.process_time(), _machine_busy_s()


def count_transactions(engine: sa.Engine) -> int:
    """Transactions of this database so far. Sessions report theirs when they end, or some seconds into an idle time."""
    query = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
    with engine.connect() as connection:
        return int(connection.execute(sa.text(query)).scalar_one())
