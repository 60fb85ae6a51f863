"""What waits for a person over all jobs, in the order in which she goes through it: the surest analyses first."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

# What waits is read once: each row of it costs more than everything that is asked of the rows afterwards. One order for
# everybody, so that `next` and `previous` mean the same wherever one stands, also on a row that is settled by now.
QUEUE = sa.text("""
WITH waiting AS MATERIALIZED (
  SELECT o."id", COALESCE(-o."confidence", 1) AS place, COALESCE(o."specialty", '') AS specialty
  FROM "AiValidationOpenItem" o WHERE CAST(:job_id AS text) IS NULL OR o."jobId" = :job_id
), line AS (
  SELECT w."id", w.place FROM waiting w WHERE CAST(:specialty AS text) IS NULL OR w.specialty = :specialty
), first AS (
  SELECT l."id" FROM line l ORDER BY l.place, l."id" LIMIT 1
), here AS (
  SELECT i."id", COALESCE(-(i."result" ->> 'confidence')::float8, 1) AS place FROM "AiValidationItem" i
  WHERE i."id" = COALESCE(CAST(:item_id AS text), (SELECT f."id" FROM first f))
)
SELECT (SELECT f."id" FROM first f) AS first,
  (SELECT l."id" FROM line l, here h WHERE (l.place, l."id") > (h.place, h."id")
   ORDER BY l.place, l."id" LIMIT 1) AS following,
  (SELECT l."id" FROM line l, here h WHERE (l.place, l."id") < (h.place, h."id")
   ORDER BY l.place DESC, l."id" DESC LIMIT 1) AS before,
  (SELECT json_agg(json_build_array(c.specialty, c.n) ORDER BY c.specialty) FROM (
     SELECT w.specialty, count(*) AS n FROM waiting w WHERE w."id" IS DISTINCT FROM :settled GROUP BY 1) c) AS counts
""")


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
        found = connection.execute(QUEUE, wanted).one()
    here = item_id or found.first
    following = found.following or found.first
    return Queue(
        by_specialty=dict(found.counts or ()),
        here=here,
        next=None if following == here else following,
        previous=found.before,
    )
