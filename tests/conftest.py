"""Fixtures shared by the integration and fault suites: the scripted model, and the platform around a worker.

The fault suite runs one test after the other, beside everything else: both wait more than they compute.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.scripted_llm import ScriptedLlm
from surroundings import Platform

FAULTS = Path(__file__).parent / "faults"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the fault suite in one process, whose machine the kills of its own tests do not load twice."""
    for item in items:
        if item.path.is_relative_to(FAULTS):
            item.add_marker(pytest.mark.xdist_group("faults"))


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
