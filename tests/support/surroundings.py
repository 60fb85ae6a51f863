"""The platform around the worker, real in every part: PostgreSQL, Redis, worker processes, an HTTP model endpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.support import zygote
from worker.db.engine import connect
from worker.enqueue import enqueue_job
from worker.runtime.supervisor import Workers
from worker.text.french import NO_BREAK

ADMIN = "admin@medq.com"


def plain(value: Any) -> Any:
    """The value with plain spaces in all its texts, as sentences are written in tests."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value.replace(NO_BREAK, " ") if isinstance(value, str) else value


# Of the scripted model and another, in dollars per million tokens; a file for MEDQ_PRICES
PRICES = """
[models."scripted"]
prompt = 10
cached = 1
completion = 100
[models."other"]
prompt = 1
cached = 1
completion = 1
"""

TERMINAL = ("completed", "failed", "cancelled")


@dataclass
class Platform:
    """What a test holds: the database, the storage folder, and how to start workers against them."""

    database_url: str
    redis_url: str
    folder: Path
    llm_url: str
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.engine = connect(self.database_url, pool_size=4, name="test")

    @property
    def storage_url(self) -> str:
        return str(self.folder / "storage")

    def worker_environment(self, **more: str) -> dict[str, str]:
        return {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "MEDQ_HOME": str(self.folder / "home"),
            "MEDQ_STORAGE_URL": self.storage_url,
            "OPENAI_API_KEY": "test",
            "OPENAI_BASE_URL": self.llm_url,
            "MEDQ_MODEL": "scripted",
            "MEDQ_SWEEP_SECONDS": "1",
            "MEDQ_LEASE_SECONDS": "3",
            "MEDQ_GRACE_SECONDS": "5",
            **self.environment,
            **more,
        }

    @contextmanager
    def workers(self, count: int = 1, **environment: str) -> Any:
        """`count` supervised worker processes while the block runs."""
        given = self.worker_environment(**environment)
        workers = Workers(count=count, environment=given, grace_s=5, popen=zygote.popen)
        workers.start()
        try:
            yield workers
        finally:
            workers.stop()

    def enqueue(self, path: Path, **options: Any) -> str:
        return enqueue_job(path, user=ADMIN, database_url=self.database_url, storage_url=self.storage_url, **options)

    def execute(self, statement: str, **parameters: Any) -> int:
        with self.engine.begin() as connection:
            return connection.execute(sa.text(statement), parameters).rowcount

    def rows(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        """What the database holds, sentences with plain spaces; how they are set is looked at in `test_french`."""
        with self.engine.connect() as connection:
            found = connection.execute(sa.text(statement), parameters).mappings()
            return [{name: plain(value) for name, value in row.items()} for row in found]

    def value(self, statement: str, **parameters: Any) -> Any:
        (row,) = self.rows(statement, **parameters)
        (value,) = row.values()
        return value

    def job(self, job_id: str) -> dict[str, Any]:
        (row,) = self.rows('SELECT * FROM "AiValidationJob" WHERE "id" = :id', id=job_id)
        return row

    def outcomes(self, job_id: str) -> dict[str, int]:
        rows = self.rows(
            'SELECT "status", count(*) AS n FROM "AiValidationItem" WHERE "jobId" = :id GROUP BY 1', id=job_id
        )
        return {row["status"]: row["n"] for row in rows}

    def wait_until(self, condition: Callable[[], bool], *, timeout_s: float = 60, what: str = "condition") -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {timeout_s:.0f} s")
            time.sleep(0.05)

    def wait_for_job(self, job_id: str, *, timeout_s: float = 90) -> dict[str, Any]:
        """The job's row once it is terminal, having watched that its figures are right in every snapshot."""
        watch = FigureWatch(self, job_id)
        self.wait_until(watch.look, timeout_s=timeout_s, what=f"job {job_id} ended")
        return self.job(job_id)


SNAPSHOT = """
SELECT j."status", j."progress", j."totalItems", j."processedItems", j."successfulAnalyses", j."failedAnalyses",
       j."fixedCount", count(i.*) AS items, count(i.*) FILTER (WHERE i."status" <> 'pending') AS ended,
       count(i.*) FILTER (WHERE i."status" IN ('confirmed', 'corrected', 'completed', 'contested')) AS succeeded,
       count(i.*) FILTER (WHERE i."status" = 'duplicate') AS duplicates,
       count(i.*) FILTER (WHERE i."status" IN ('rejected', 'failed')) AS unsuccessful,
       count(i.*) FILTER (WHERE i."status" IN ('corrected', 'completed')) AS fixed
FROM "AiValidationJob" j LEFT JOIN "AiValidationItem" i ON i."jobId" = j."id" WHERE j."id" = :id GROUP BY j."id"
"""


@dataclass
class FigureWatch:
    """Reads one job again and again; every snapshot must be consistent, and nothing may go backwards."""

    platform: Platform
    job_id: str
    progress: int = 0
    processed: int = 0

    def look(self) -> bool:
        """Check one snapshot; True once the job is terminal."""
        (now,) = self.platform.rows(SNAPSHOT, id=self.job_id)
        assert now["totalItems"] == now["items"], now
        assert now["processedItems"] == now["ended"], now
        assert now["successfulAnalyses"] + now["failedAnalyses"] == now["processedItems"], now
        assert now["succeeded"] <= now["successfulAnalyses"] <= now["succeeded"] + now["duplicates"], now
        assert now["unsuccessful"] <= now["failedAnalyses"] <= now["unsuccessful"] + now["duplicates"], now
        assert now["fixedCount"] == now["fixed"], now
        assert now["progress"] >= self.progress, now
        assert now["processedItems"] >= self.processed, now
        assert (now["progress"] == 100) == (now["status"] == "completed"), now
        self.progress, self.processed = now["progress"], now["processedItems"]
        return now["status"] in TERMINAL


def truth_of(questions: Sequence[tuple[str, Mapping[str, str], str]]) -> str:
    """The scripted model's knowledge as JSON: question text → texts of the right options."""
    return json.dumps({text: [options[letter] for letter in key] for text, options, key in questions})


def asked_once(platform: Platform) -> bool:
    """No question was paid for twice for the same purpose."""
    twice = platform.rows(
        'SELECT key, "purpose", count(*) FROM "LlmCall", unnest("questionKeys") AS key '
        "WHERE \"status\" = 'succeeded' GROUP BY 1, 2 HAVING count(*) > 1"
    )
    return twice == []
