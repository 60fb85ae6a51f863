"""The state of the database's server is no fault of a task: nothing is lost, paid twice or counted for it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.clusters import (
    Cluster,
    crowded,
    full_disk,
    locked,
    open_cluster,
    open_standby,
    set_to,
    why_no_mount,
)
from tests.faults.record import record
from tests.support.harness import (
    LONG,
    Jobs,
    Watcher,
    check_at_rest,
    check_nothing_counted,
    check_nothing_lost,
    ledger_of,
    open_calls,
    read_books,
)
from tests.support.nursery import Nursery
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from worker.embedded import Services

FAULT_S, LEASE_S, QUESTIONS = (25.0, 6.0, 150) if LONG else (3.5, 3.0, 40)
ALL_JOBS = 'SELECT 1 FROM "AiValidationJob" FOR NO KEY UPDATE'

Spoil = Callable[[Cluster], AbstractContextManager[None]]
FAULTS: dict[str, tuple[str, Spoil]] = {
    "read-only": ("25006", lambda cluster: set_to(cluster, "default_transaction_read_only", "on")),
    "statement_timeout": ("57014", lambda cluster: set_to(cluster, "statement_timeout", "1ms")),
    "lock_timeout": ("55P03", lambda cluster: locked(cluster, ALL_JOBS)),
    "connections used up": ("08", crowded),
    "disk full": ("53100", full_disk),
}


@dataclass
class Town:
    """A server that can be spoilt, the platform on it, and two workers that live through it all."""

    cluster: Cluster
    site: Platform
    llm: ScriptedLlm
    nursery: Nursery
    jobs: Jobs


@contextmanager
def open_town(cluster: Cluster, redis_url: str, folder: Path, url: str | None = None) -> Iterator[Town]:
    with ScriptedLlm.start(ledger=folder / "ledger.jsonl") as llm, Nursery(folder / "workers.log") as nursery:
        llm.configure(latency_s=0.3)
        site = Platform(url or cluster.url(), redis_url, folder, llm.url)
        site.execute("""INSERT INTO "User" ("id", "email", "role", "updatedAt")
                        VALUES ('admin', 'admin@medq.com', 'admin', now()) ON CONFLICT DO NOTHING""")
        for _ in range(2):
            nursery.start(site.worker_environment(MEDQ_THREADS="2", MEDQ_LEASE_SECONDS=str(LEASE_S)))
        yield Town(cluster, site, llm, nursery, Jobs(site, questions=QUESTIONS, prefix="état"))
        assert len(nursery.living) == 2, "a worker did not survive its server"
        nursery.stop_all()
        site.engine.dispose()


@pytest.fixture(scope="module")
def town(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    has_disk = why_no_mount() is None
    with open_cluster(small_disk=has_disk) as cluster, ExitStack() as stack:
        yield stack.enter_context(open_town(cluster, services.redis_url, tmp_path_factory.mktemp("state")))


def go_through(town: Town, spoil: Callable[[], AbstractContextManager[None]]) -> dict[str, object]:
    """One job, and the fault in its middle; what came of it."""
    site = town.site
    before = town.llm.stats()["received"]
    with Watcher(site.database_url) as watcher:
        job_id = town.jobs.add()
        site.wait_until(lambda: site.job(job_id)["processedItems"] > 0, what="the job is under way")
        with spoil():
            time.sleep(FAULT_S)
        site.engine.dispose()
        back = time.monotonic()
        town.jobs.wait_for_all(timeout_s=120)
        after_s = time.monotonic() - back
        site.wait_until(lambda: not open_calls(site), timeout_s=30, what="every call closed")
    check_nothing_lost(site, town.jobs.ids, QUESTIONS)
    check_nothing_counted(site)
    check_at_rest(site)
    books = read_books(site, ledger_of(town.llm))
    assert (books.extra, books.unknown, books.paid) == (0, 0, books.stored)
    return {
        "for_s": FAULT_S,
        "questions": QUESTIONS,
        "calls": town.llm.stats()["received"] - before,
        "deaths_counted": 0,
        "lost": 0,
        "doubled": 0,
        "extra_paid": 0,
        "snapshots": watcher.looks,
        "left_after_s": round(after_s, 1),
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_in_trouble_costs_nothing(town: Town, fault: str) -> None:
    if fault == "lock_timeout" and not LONG:
        pytest.skip("waiting for a lock was no fault of a task before: MEDQ_FAULT_LONG=1")
    if fault == "disk full" and (reason := why_no_mount()):
        pytest.skip(reason)
    code, spoil = FAULTS[fault]
    counted = go_through(town, lambda: spoil(town.cluster))
    # Then the fault was there
    met = [event for event in town.nursery.events() if event.get("event") == "database_retry"]
    assert code in {event.get("state") for event in met}
    record(f"server {fault}", **counted)


def test_another_server_takes_over(services: Services, tmp_path: Path) -> None:
    # Given a primary, its standby, and workers that know both
    with open_cluster() as primary, open_standby(primary) as standby:
        both = f"postgresql://medq@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/medq"

        @contextmanager
        def fail_over() -> Iterator[None]:
            # When the first goes at once, and the second takes over somewhat later
            primary.stop(signal.SIGQUIT)
            yield
            standby.execute("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
            standby.promote()

        with open_town(primary, services.redis_url, tmp_path, both) as town:
            counted = go_through(town, fail_over)
            assert standby.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^medq-'")[0][0] > 2
    record("server failover", **counted)
