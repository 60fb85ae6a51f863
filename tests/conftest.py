"""Fixtures shared by the integration and fault suites: the scripted model, and the platform around a worker."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.scripted_llm import ScriptedLlm
from real_servers import RealServer, explain_absence, open_server
from surroundings import Platform
from tests import leftovers

SEED = "MEDQ_FAULT_SEED"


def pytest_configure(config: pytest.Config) -> None:
    """Choose the run's seed before other processes are started, which take it over."""
    os.environ.setdefault(SEED, str(random.SystemRandom().randrange(2**32)))
    if not hasattr(config, "workerinput"):  # of several processes the first one, from which all descend
        leftovers.adopt_orphans()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes begins first: at the end it would run on alone."""
    items.sort(key=lambda item: item.get_closest_marker("takes_minutes") is None)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run fails when something that it started still lives at its end."""
    if hasattr(session.config, "workerinput"):
        return
    left = leftovers.wait_for_the_last()
    leftovers.end(left)
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if left and reporter is not None:
        lines = "\n".join(map(str, left))
        reporter.stats.setdefault("error", []).append(
            pytest.CollectReport("left behind", "failed", f"The run left processes behind:\n{lines}", None)
        )
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_report_header() -> str:
    """So that the choices of any run can be had again."""
    return f"{SEED}={os.environ[SEED]}"


@pytest.fixture(scope="session")
def real_server() -> Iterator[Callable[[int], RealServer]]:
    """Gives a running PostgreSQL of a version (14, 15, 18), one for the whole session; skips where it cannot be had."""
    started: dict[int, RealServer] = {}
    with ExitStack() as stack:

        def give(major: int) -> RealServer:
            if reason := explain_absence(major):
                pytest.skip(f"no PostgreSQL {major} here: {reason}")
            if major not in started:
                started[major] = stack.enter_context(open_server(major))
            return started[major]

        yield give


@pytest.fixture
def llm(tmp_path: Path) -> Iterator[ScriptedLlm]:
    """A scripted model endpoint, fresh, with its ledger."""
    with ScriptedLlm.start(ledger=tmp_path / "ledger.jsonl") as server:
        yield server


@pytest.fixture
def platform(database_url: str, redis_url: str, llm: ScriptedLlm, tmp_path: Path) -> Iterator[Platform]:
    """PostgreSQL, Redis, storage and model around the workers that a test starts."""
    site = Platform(database_url, redis_url, tmp_path, llm.url)
    yield site
    site.engine.dispose()
