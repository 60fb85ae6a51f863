"""What a call may cost is reserved with its intent; what it did cost is known when it has ended, and not before."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from models.states import CALL_STATUSES, OPEN_CALL
from worker.jobs.invariants import check_invariants

ADD = """
INSERT INTO "LlmCall" ("id", "attempt", "purpose", "requestHash", "model", "endpoint", "status", "questionCount",
                       "ceilingUsd", "costUsd", "response", "error", "completedAt")
VALUES (:id, 0, 'analyse', 'h', 'm', 'e', :status, 1, :ceiling, :cost, '{}', '{}', now())
"""
OPEN = [status for status in CALL_STATUSES if status in OPEN_CALL]


@pytest.fixture
def engine(database_url: str) -> sa.Engine:
    return sa.create_engine(database_url, poolclass=NullPool)


def costs(engine: sa.Engine, statement: str, **parameters: Any) -> tuple[Any, Any]:
    with engine.begin() as connection:
        connection.execute(sa.text(statement), parameters)
        row = connection.execute(sa.text('SELECT "ceilingUsd", "costUsd" FROM "LlmCall"')).one()
        return row[0], row[1]


@pytest.mark.parametrize("status", OPEN)
def test_a_call_under_way_has_cost_nothing_yet_whoever_writes_its_intent(engine: sa.Engine, status: str) -> None:
    # As workers before revision 022 do it
    assert costs(engine, ADD, id="c", status=status, ceiling=None, cost=2) == (2, None)
    assert check_invariants(engine, grace_s=3600) == []
    # And what they say of its end is kept
    assert costs(engine, 'UPDATE "LlmCall" SET "status" = \'succeeded\', "costUsd" = COALESCE(1.5, "costUsd")') == (
        2,
        Decimal("1.5"),
    )


ENDS = [
    ("its cost is known", '"status" = \'succeeded\', "costUsd" = 0.5', 2, Decimal("0.5")),
    ("nobody counted its tokens", '"status" = \'succeeded\', "costUsd" = NULL', 2, 2),
    ("nobody saw its end", "\"status\" = 'failed'", 2, 2),
    ("as an older worker leaves it", '"status" = \'failed\', "costUsd" = "costUsd"', 2, 2),
    ("it was free", '"status" = \'failed\', "costUsd" = 0 * "ceilingUsd"', 2, 0),
    ("no price is known", "\"status\" = 'failed'", None, None),
    ("no price is known, and it was free", '"status" = \'failed\', "costUsd" = 0 * "ceilingUsd"', None, None),
]


@pytest.mark.parametrize("status", OPEN)
@pytest.mark.parametrize(("end", "ceiling", "cost"), [end[1:] for end in ENDS], ids=[end[0] for end in ENDS])
def test_what_a_call_costs_when_it_ends(
    engine: sa.Engine, status: str, end: str, ceiling: int | None, cost: Decimal | int | None
) -> None:
    costs(engine, ADD, id="c", status=status, ceiling=ceiling, cost=None)
    assert costs(engine, f'UPDATE "LlmCall" SET {end}') == (ceiling, cost)
