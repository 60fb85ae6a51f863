"""Fixtures of the fault suite: the servers of the integration tests, short leases, worker processes by the dozen."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import choose_seed
from tests.faults.nursery import Nursery
from tests.integration.conftest import create_database, database_url, redis_url, services, template, url_of

__all__ = ["create_database", "database_url", "redis_url", "services", "template", "url_of"]


@pytest.fixture
def seed() -> int:
    """Printed by every run; MEDQ_FAULT_SEED gives one again."""
    return choose_seed()


@pytest.fixture
def rng(seed: int) -> random.Random:
    """All chance of a run."""
    return random.Random(seed)


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    """Starts worker processes quickly, and ends what is left of them."""
    with Nursery(tmp_path / "workers.log") as made:
        yield made
