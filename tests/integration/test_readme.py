"""What the README tells to type does what it says there."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def sql_after(words: str) -> str:
    """The first block of SQL after these words."""
    found = re.search(r"^```sql\n(.*?)^```$", README.partition(words)[2], re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def test_a_job_inserted_from_any_time_zone_has_its_times_in_utc(database_url: str) -> None:
    engine = sa.create_engine(database_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("SET TIME ZONE 'Asia/Tokyo'")
        job, status = connection.exec_driver_sql(sql_after("**SQL.**")).one()
        times = connection.execute(
            sa.text('SELECT "createdAt", "updatedAt" FROM "AiValidationJob" WHERE "id" = :id'), {"id": job}
        ).one()

    assert status == "queued"
    now = datetime.now(UTC).replace(tzinfo=None)
    assert all(abs(time - now) < timedelta(minutes=5) for time in times)
