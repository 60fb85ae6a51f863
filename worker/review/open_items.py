"""What waits for a person over all jobs, in the order in which she goes through it: the surest analyses first."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from worker.db.statements import load_statements

SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class Queue:
    """What is open, by specialty, and where it goes on from one row. A step is None where there is none.

    `here` is where one stands: the row that was named, else the first that waits.
    """

    by_specialty: dict[str, int]
    here: str | None
    next: str | None
    previous: str | None


def read_queue(
    engine: sa.Engine, *, job_id: str | None, specialty: str | None, item_id: str | None, settled: str | None = None
) -> Queue:
    """The queue of a job, or of all; of a specialty, or of all. `item_id` is where one stands, None at its beginning.

    After the last row it goes on with the first. `settled` is a row that is not counted any more.
    """
    wanted = {"job_id": job_id, "specialty": specialty, "item_id": item_id, "settled": settled}
    with engine.connect() as connection:
        found = connection.execute(SQL["read_queue"], wanted).one()
    here = item_id or found.first
    following = found.following or found.first
    return Queue(
        by_specialty=dict(found.counts or ()),
        here=here,
        next=None if following == here else following,
        previous=found.before,
    )
