"""Fixtures of the fault suite: the servers of the integration tests, short leases, worker processes by the dozen."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.record import VARIABLE, record
from tests.faults.servers import Servers, open_servers
from tests.support.harness import LONG
from tests.support.nursery import Nursery
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform


@pytest.fixture(autouse=True)
def seed() -> int:
    """Of the whole run: its header shows it, and so does each test that fails."""
    chosen = os.environ["MEDQ_FAULT_SEED"]
    print(f"MEDQ_FAULT_SEED={chosen}")
    return int(chosen)


@pytest.fixture
def rng(seed: int) -> random.Random:
    """All chance of a run."""
    return random.Random(seed)


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    """Starts worker processes quickly, and ends what is left of them."""
    with Nursery(tmp_path / "workers.log") as made:
        yield made


@pytest.fixture
def servers() -> Iterator[Servers]:
    """Servers that this test may kill."""
    with open_servers() as own:
        yield own


@pytest.fixture
def site(servers: Servers, llm: ScriptedLlm, tmp_path: Path) -> Iterator[Platform]:
    """The platform on those servers."""
    made = Platform(servers.urls.database_url, servers.urls.redis_url, tmp_path, llm.url)
    yield made
    made.engine.dispose()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What the run was as a whole stands in its record too."""
    if not os.environ.get(VARIABLE) or hasattr(terminalreporter.config, "workerinput"):
        return
    counts = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error")}
    record(
        "run",
        length="long" if LONG else "short",
        seed=int(os.environ["MEDQ_FAULT_SEED"]),
        cores=os.cpu_count(),
        seconds=round(time.time() - terminalreporter._session_start.time),
        passed=counts["passed"],
        failed=counts["failed"] + counts["error"],
    )
