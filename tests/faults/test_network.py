"""Machines cut off by a network that drops packets: nothing is lost or doubled, and only the machine itself is held up.

Hosts live in network namespaces; elsewhere these tests are skipped, with what is missing.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.network import Host, Network, NetworkSite, find_missing, open_network
from tests.faults.record import record
from tests.support.harness import (
    LONG,
    Jobs,
    Watcher,
    check_at_rest,
    check_nothing_counted,
    check_nothing_lost,
    open_calls,
    promise,
    read_books,
)
from tests.support.nursery import Nursery
from tests.support.surroundings import Platform
from tests.support.workbooks import make_workbook

MISSING = find_missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=MISSING or "")
THREADS = 2
SERVICES, WAYS = ("postgresql", "redis", "llm"), ("both", "to", "from")
# Both ends of a session drop it within: 10 s idle, then unanswered for 20.
GONE_S = 30
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE client_addr = CAST(:address AS inet)"
CUT_OFF = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'medq-watch cut off %'"
HELD = """
SELECT count(*) FROM "AiValidationPause" WHERE "until" > timezone('UTC', clock_timestamp())
"""
HOLDERS = """
SELECT DISTINCT split_part("leaseOwner", ':', 2)::int AS pid FROM "AiValidationTask" WHERE "status" = 'running'
"""


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """The server's machine, with everything on it."""
    with open_network() as made:
        yield made


@pytest.fixture
def site(network: Network, tmp_path: Path) -> Iterator[NetworkSite]:
    """A platform of this test's own on it."""
    with network.open_site(tmp_path) as made:
        yield made


def start_worker(nursery: Nursery, network: Network, site: NetworkSite, host: Host, **environment: str) -> int:
    """A real worker process on that host."""
    settings = {
        "MEDQ_THREADS": str(THREADS),
        "MEDQ_LEASE_SECONDS": "6",
        "MEDQ_CALL_TIMEOUT_SECONDS": "20",
        **environment,
    }
    return nursery.start(site.worker_environment(**(network.environment(site) | settings)), namespace=host.namespace)


def wait_for_sessions(site: Platform, hosts: list[Host]) -> None:
    def listens(host: Host) -> bool:
        return bool(site.value(f"{SESSIONS} AND application_name LIKE 'medq-watch%'", address=host.address))

    site.wait_until(lambda: all(map(listens, hosts)), timeout_s=90, what="every host listens")


def knowing(marker: str, count: int) -> dict[str, list[str]]:
    """What a model must know to confirm every question of a workbook: one call a batch, no second look."""
    return {
        f"Concernant le tableau numéro {n} {marker} :": [f"Proposition {c} du numéro {n} {marker}" for c in "AC"]
        for n in range(1, count + 1)
    }


class Busy:
    """Keeps jobs open until the block ends, then waits for all of them."""

    def __init__(self, site: Platform, *, questions: int = 20, at_once: int = 3) -> None:
        self.site, self.jobs, self._at_once = site, Jobs(site, questions=questions), at_once

    def go_on(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.jobs.open() < self._at_once:
                self.jobs.add()
            time.sleep(0.2)

    def until_it_works(self, pids: set[int], timeout_s: float = 120) -> float:
        """Seconds until each of these processes has held a task."""
        began, waiting = time.monotonic(), set(pids)
        while waiting:
            assert time.monotonic() - began < timeout_s, f"{waiting} do not work again"
            self.go_on(0.2)
            waiting -= {row["pid"] for row in self.site.rows(HOLDERS)}
        return time.monotonic() - began


@pytest.mark.parametrize("seconds", [20, 90, 300] if LONG else [5])
@pytest.mark.timeout(1200)
def test_every_line_of_a_machine_is_cut_in_every_way(
    seconds: int, network: Network, site: NetworkSite, nursery: Nursery, tmp_path: Path
) -> None:
    # Given a healthy host, and one for each line that can be cut and each way to cut it
    ways = [(what, way) for what, way in itertools.product(SERVICES, WAYS) if LONG or way == "from"]
    healthy, *cut = [network.add_host() for _ in range(1 + len(ways))]
    pids = {start_worker(nursery, network, site, host) for host in (healthy, *cut)}
    wait_for_sessions(site, [healthy, *cut])
    site.llm.configure(latency_s=1.0)
    busy = Busy(site, at_once=3 if LONG else 2)
    with Watcher(site.database_url) as watcher:
        busy.until_it_works(pids)
        # When all of them are cut at once
        for host, (what, way) in zip(cut, ways, strict=True):
            host.cut(what, way)  # type: ignore[arg-type]
        busy.go_on(seconds)
        lost = [host for host, (what, _) in zip(cut, ways, strict=True) if what == "postgresql"]
        left = sum(site.value(SESSIONS, address=host.address) for host in lost)
        # Then PostgreSQL has forgotten those that it cannot hear
        assert seconds < GONE_S or left == 0
        for host in cut:
            host.heal()
        # And when the lines are whole again, every machine works again, by itself
        resumed_s = busy.until_it_works(pids)
        busy.jobs.wait_for_all(timeout_s=180)
        assert len(nursery.living) == len(pids), "a worker did not survive a cut"
        site.wait_until(lambda: not open_calls(site), timeout_s=60, what="every call closed")
        nursery.stop_all()
    check_nothing_lost(site, busy.jobs.ids, busy.jobs.questions)
    check_at_rest(site)
    books = read_books(site, tmp_path / "ledger.jsonl")
    # What was in flight when the line was cut may be paid again, and nothing else
    assert books.extra <= len(cut) * (THREADS + 1) * 2
    promise(resumed_s, 60)
    record(
        f"network cut {seconds} s",
        hosts=len(pids),
        lines_cut=len(ways),
        jobs=len(busy.jobs.ids),
        calls=books.paid,
        unknown=books.unknown,
        lost=0,
        doubled=0,
        extra_paid=books.extra,
        snapshots=watcher.looks,
        resumed_s=round(resumed_s, 1),
    )


def test_one_of_two_machines_without_the_model_holds_up_nobody(
    network: Network, site: NetworkSite, nursery: Nursery, tmp_path: Path
) -> None:
    # Given a host alone, and how long a job takes there
    threads = 4
    batches = 184 if LONG else 32
    healthy, *sick = [network.add_host() for _ in range(4 if LONG else 2)]
    start_worker(nursery, network, site, healthy, MEDQ_THREADS=str(threads))
    wait_for_sessions(site, [healthy])
    names = ("seul", "avec 1", "avec 3")
    latency_s = 1.0 if LONG else 0.75
    site.llm.configure(
        latency_s=latency_s, truth={k: v for name in names for k, v in knowing(name, 5 * batches).items()}
    )
    held, said = 0, set[str]()

    def take(name: str) -> float:
        nonlocal held
        path = make_workbook(tmp_path / f"{name}.xlsx", 5 * batches, name)
        began = time.monotonic()
        job_id = site.enqueue(path)
        while site.job(job_id)["status"] not in ("completed", "failed"):
            said.add(site.job(job_id)["message"] or "")
            held += site.value(HELD)
            time.sleep(0.05)
        assert site.job(job_id)["successfulAnalyses"] == 5 * batches
        return time.monotonic() - began

    with Watcher(site.database_url) as watcher:
        alone_s = take("seul")
        # When there is another one whose connections to the model are reset, then more of them
        ratios, failed = [], []
        for number in (1, len(sick))[: 2 if LONG else 1]:
            hosts = sick[:number]
            for host in hosts[len(nursery.living) - 1 :]:
                host.reset("llm")
                start_worker(nursery, network, site, host, MEDQ_THREADS=str(threads))
            wait_for_sessions(site, hosts)
            before = site.value('SELECT count(*) FROM "LlmCall" WHERE "status" = \'failed\'')
            ratios.append(take(f"avec {number}") / alone_s)
            failed.append(site.value('SELECT count(*) FROM "LlmCall" WHERE "status" = \'failed\'') - before)
            # Then the job takes as long as before, is never held, and the row never says that the model is down
            assert ratios[-1] < 1.15
            assert failed[-1] <= number * 4 * (threads + 2)
            assert site.value(CUT_OFF) == number
        assert held == 0
        assert [sentence for sentence in said if "ne répond pas" in sentence] == []
        # And when the way is open again, they work as before
        for host in sick:
            host.heal()
        busy = Busy(site)
        resumed_s = busy.until_it_works(nursery.living)
        busy.jobs.wait_for_all()
        nursery.stop_all()
    check_nothing_counted(site)
    check_at_rest(site)
    books = read_books(site, tmp_path / "ledger.jsonl")
    assert (books.extra, books.unknown) == (0, 0)
    record(
        "network no model",
        job_alone_s=round(alone_s, 1),
        ratio_with_one=round(ratios[0], 2),
        failed_calls_with_one=failed[0],
        **({"ratio_with_three": round(ratios[1], 2), "failed_calls_with_three": failed[1]} if LONG else {}),
        calls=books.paid,
        lost=0,
        doubled=0,
        extra_paid=0,
        snapshots=watcher.looks,
        resumed_s=round(resumed_s, 1),
    )


def test_a_forgotten_line_of_the_listening_session_costs_a_sweep(
    network: Network, site: NetworkSite, nursery: Nursery
) -> None:
    # Given a machine that listens
    host = network.add_host()
    start_worker(nursery, network, site, host)
    wait_for_sessions(site, [host])
    listening = f"{SESSIONS} AND application_name = 'medq-watch' AND client_port <> :port"
    port = site.value(
        "SELECT client_port FROM pg_stat_activity "
        "WHERE client_addr = CAST(:address AS inet) AND application_name = 'medq-watch'",
        address=host.address,
    )
    # When something in between forgets the line on which it does
    host.forget(port)
    began = time.monotonic()
    # Then it listens on another one soon, long before keepalive would have noticed
    site.wait_until(lambda: site.value(listening, address=host.address, port=port) > 0, what="it listens again")
    resumed_s = time.monotonic() - began
    promise(resumed_s, 5)
    nursery.stop_all()
    record("network forgotten line", sweep_s=1, resumed_s=round(resumed_s, 1))


@pytest.mark.skipif(not LONG, reason="half a minute until both ends have noticed: MEDQ_FAULT_LONG=1")
def test_the_database_fails_over_to_another_address(
    network: Network, site: NetworkSite, nursery: Nursery, tmp_path: Path
) -> None:
    # Given two machines that know two addresses of the database
    hosts = [network.add_host() for _ in range(2)]
    environment = network.environment(site, both_addresses=True)
    for host in hosts:
        start_worker(nursery, network, site, host, **environment)
    wait_for_sessions(site, hosts)
    site.llm.configure(latency_s=0.5)
    busy = Busy(site)
    with Watcher(site.database_url) as watcher:
        busy.go_on(5)
        # When nothing that is sent to the first arrives any more
        network.lose_first_address()
        began = time.monotonic()
        busy.go_on(1)
        done = site.value('SELECT count(*) FROM "LlmCall" WHERE "status" = \'succeeded\'')
        resumed_s = busy.until_it_works(nursery.living)
        site.wait_until(
            lambda: site.value('SELECT count(*) FROM "LlmCall" WHERE "status" = \'succeeded\'') > done,
            what="work goes on",
        )
        resumed_s = time.monotonic() - began
        busy.jobs.wait_for_all(timeout_s=180)
        assert len(nursery.living) == 2
        site.wait_until(lambda: not open_calls(site), timeout_s=60, what="every call closed")
        nursery.stop_all()
    check_nothing_lost(site, busy.jobs.ids, busy.jobs.questions)
    check_at_rest(site)
    books = read_books(site, tmp_path / "ledger.jsonl")
    assert books.extra <= len(hosts) * (THREADS + 1)
    record(
        "network failover",
        jobs=len(busy.jobs.ids),
        calls=books.paid,
        lost=0,
        doubled=0,
        extra_paid=books.extra,
        snapshots=watcher.looks,
        resumed_s=round(resumed_s, 1),
    )


@pytest.mark.skipif(not LONG, reason="machines come and go for two minutes: MEDQ_FAULT_LONG=1")
def test_machines_that_vanish_one_after_another_leave_room_for_those_that_come(
    nursery: Nursery, tmp_path: Path
) -> None:
    # Given six machines and a server with PostgreSQL's own default of 100 connections
    with open_network(max_connections=100) as network, network.open_site(tmp_path) as site:
        hosts = [network.add_host() for _ in range(6)]
        pids = [start_worker(nursery, network, site, host, MEDQ_THREADS="16") for host in hosts]
        wait_for_sessions(site, hosts)
        site.llm.configure(latency_s=1.0)
        busy = Busy(site, questions=40, at_once=6)
        most = 0
        with Watcher(site.database_url) as watcher:
            busy.go_on(10)
            # When each in turn has its plug pulled, and another takes its place
            for old, pid in zip(list(hosts), pids, strict=True):
                old.vanish()
                nursery.signal(pid, 9)
                new = network.add_host()
                hosts.append(new)
                start_worker(nursery, network, site, new, MEDQ_THREADS="16")
                for _ in range(20):
                    busy.go_on(1)
                    most = max(most, site.value("SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL"))
            wait_for_sessions(site, hosts[6:])
            busy.jobs.wait_for_all(timeout_s=180)
            site.wait_until(
                lambda: not any(site.value(SESSIONS, address=host.address) for host in hosts[:6]),
                timeout_s=GONE_S * 2,
                what="nothing of the old machines is left",
            )
            site.wait_until(lambda: not open_calls(site), timeout_s=60, what="every call closed")
            nursery.stop_all()
        log = (network.servers.home / "postgresql/server.log").read_text()
        # Then nobody was refused
        assert log.count("too many clients") == 0
        check_nothing_lost(site, busy.jobs.ids, busy.jobs.questions)
        check_at_rest(site)
        books = read_books(site, tmp_path / "ledger.jsonl")
        assert books.extra <= books.unknown
    record(
        "network machines replaced",
        machines=12,
        most_connections=most,
        refused=0,
        jobs=len(busy.jobs.ids),
        calls=books.paid,
        unknown=books.unknown,
        lost=0,
        doubled=0,
        extra_paid=books.extra,
        snapshots=watcher.looks,
    )
