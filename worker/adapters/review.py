"""What waits for a person over all jobs, in the order in which she goes through it: the surest analyses first."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

# One order for everybody, so that `next` and `previous` mean the same wherever one stands.
PLACE = """(COALESCE(-(i."result" ->> 'confidence')::float8, 1), i."id")"""
FILTER = """(CAST(:job_id AS text) IS NULL OR o."jobId" = :job_id)
  AND (CAST(:specialty AS text) IS NULL OR o."specialty" = :specialty)"""
HERE = f"""(SELECT {PLACE[1:-1]} FROM "AiValidationItem" i WHERE i."id" = :item_id)"""  # noqa: S608 (constants)
STEP = """
SELECT o."id" FROM "AiValidationOpenItem" o WHERE {filter}
  AND (CAST(:item_id AS text) IS NULL OR (COALESCE(-o."confidence", 1), o."id") {sign} {here})
ORDER BY COALESCE(-o."confidence", 1) {way}, o."id" {way} LIMIT 1
"""
NEXT = sa.text(STEP.format(filter=FILTER, sign=">", here=HERE, way="ASC"))
PREVIOUS = sa.text(STEP.format(filter=FILTER, sign="<", here=HERE, way="DESC"))
COUNTS = sa.text("""
SELECT COALESCE(o."specialty", '') AS specialty, count(*) AS n FROM "AiValidationOpenItem" o
WHERE (CAST(:job_id AS text) IS NULL OR o."jobId" = :job_id) AND o."id" IS DISTINCT FROM :settled GROUP BY 1 ORDER BY 1
""")


@dataclass(frozen=True, slots=True)
class Queue:
    """What is open, by specialty, and where it goes on from one row. A step is None where there is none."""

    by_specialty: dict[str, int]
    next: str | None
    previous: str | None


def read_queue(
    engine: sa.Engine, *, job_id: str | None, specialty: str | None, item_id: str | None, settled: str | None = None
) -> Queue:
    """The queue of a job, or of all; of a specialty, or of all. `item_id` is where one stands, None at its beginning.

    After the last row it goes on with the first. `settled` is a row that is not counted any more.
    """
    wanted = {"job_id": job_id, "specialty": specialty, "item_id": item_id}
    with engine.connect() as connection:
        counts = connection.execute(COUNTS, {"job_id": job_id, "settled": settled})
        by_specialty = {row.specialty: int(row.n) for row in counts}
        following = connection.execute(NEXT, wanted).scalar_one_or_none()
        if following is None and item_id is not None:
            following = connection.execute(NEXT, {**wanted, "item_id": None}).scalar_one_or_none()
        before = None if item_id is None else connection.execute(PREVIOUS, wanted).scalar_one_or_none()
    return Queue(by_specialty, None if following == item_id else following, before)
