"""Fixtures shared by the integration and fault suites: the scripted model, and the platform around a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.scripted_llm import ScriptedLlm
from surroundings import Platform


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
