"""What is open, what counts and how far a job is: the database's functions say what Python says."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from models import states
from worker.questions.answers import FIXES, OUTCOMES, SUCCESSES

CASES = [
    ("medq_job_is_open", states.JOB_STATUSES, states.OPEN_JOB),
    ("medq_task_is_open", states.TASK_STATUSES, states.OPEN_TASK),
    ("medq_task_is_done", states.TASK_STATUSES, {"done", "failed"}),
    ("medq_call_is_open", states.CALL_STATUSES, states.OPEN_CALL),
    ("medq_batch_is_open", states.BATCH_STATUSES, states.OPEN_BATCH),
    ("medq_is_success", OUTCOMES, SUCCESSES),
    ("medq_is_fix", OUTCOMES, FIXES),
]


@pytest.fixture
def engine(database_url: str) -> sa.Engine:
    return sa.create_engine(database_url, poolclass=NullPool)


def test_python_and_sql_say_the_same_of_every_state(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        for function, all_states, wanted in CASES:
            found = connection.execute(
                sa.text(f"SELECT state FROM unnest(CAST(:states AS text[])) state WHERE {function}(state)"),
                {"states": list(all_states)},
            ).scalars()
            assert set(found) == set(wanted), function


def test_the_planner_puts_the_list_in_the_place_of_the_call(engine: sa.Engine) -> None:
    """A claim costs what it did: a function that was called would hide the index of what is open."""
    with engine.connect() as connection:
        for function, *_ in CASES:
            plan = connection.execute(sa.text(f'EXPLAIN VERBOSE SELECT {function}("status") FROM "AiValidationJob"'))
            assert function not in "\n".join(plan.scalars())


@pytest.mark.parametrize(
    ("processed", "total", "percent"),
    [(0, 0, 1), (0, 10, 1), (1, 1000, 1), (5, 10, 50), (10, 10, 99), (999, 1000, 99), (2, 3, 66)],
)
def test_a_job_that_is_worked_on_is_between_1_and_99(
    engine: sa.Engine, processed: int, total: int, percent: int
) -> None:
    statement = sa.text("SELECT medq_progress_percent(:processed, :total)")
    with engine.connect() as connection:
        assert connection.execute(statement, {"processed": processed, "total": total}).scalar() == percent
