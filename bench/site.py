"""A whole platform for one bench: PostgreSQL, Redis, the scripted model, worker processes. It measures nothing itself.

Everything is of our own making and ends with the block that opened it; no service of the machine is touched.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
import sqlalchemy as sa

from tests.support.scripted_llm import ScriptedLlm
from worker.db.engine import connect, sqlalchemy_url
from worker.db.schema import upgrade
from worker.embedded import Services, open_services
from worker.enqueue import enqueue_job
from worker.runtime.supervisor import Workers
from worker.settings import Settings
from worker.system.urls import libpq_url

ADMIN = "admin@medq.com"


@dataclass(frozen=True)
class Site:
    """One database, one Redis, one model endpoint, and the folder that holds uploads and workbooks."""

    services: Services
    database_url: str
    engine: sa.Engine
    llm: ScriptedLlm
    folder: Path

    @contextmanager
    def workers(self, processes: int, threads: int, **environment: str) -> Iterator[Workers]:
        """Worker processes that are up and listening while the block runs."""
        workers = Workers(
            count=processes,
            environment={
                "DATABASE_URL": self.database_url,
                "REDIS_URL": self.services.redis_url,
                "MEDQ_HOME": str(self.folder / "home"),
                "MEDQ_STORAGE_URL": str(self.folder / "storage"),
                "OPENAI_API_KEY": "bench",
                "OPENAI_BASE_URL": self.llm.url,
                "MEDQ_MODEL": "scripted",
                "MEDQ_THREADS": str(threads),
                **environment,
            },
            grace_s=5,
            log_path=self.folder / "worker.log",
        )
        workers.start()
        try:
            self.wait_until(lambda: self._listening() >= processes, what="the workers listen")
            yield workers
        finally:
            workers.stop()

    def _listening(self) -> int:
        return int(
            self.value(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'medq-watch'"
            )
        )

    def enqueue(self, path: Path, **config: Any) -> str:
        """Create a job for this file; its id."""
        return enqueue_job(
            path,
            user=ADMIN,
            config=config or None,
            database_url=self.database_url,
            storage_url=str(self.folder / "storage"),
        )

    def wait_for_job(self, job_id: str, *, timeout_s: float = 900) -> Mapping[str, Any]:
        """The job's row once it has ended, and as `polls` how many queries that took. Raises `RuntimeError` unless it
        is `completed`.
        """
        query = 'SELECT "status" FROM "AiValidationJob" WHERE "id" = :id'
        polls = 1

        def has_ended() -> bool:
            nonlocal polls
            polls += 1
            return self.value(query, id=job_id) in ("completed", "failed", "cancelled")

        self.wait_until(has_ended, timeout_s=timeout_s, what=f"job {job_id} ended")
        row = self.row('SELECT * FROM "AiValidationJob" WHERE "id" = :id', id=job_id)
        if row["status"] != "completed":
            raise RuntimeError(f"the job is {row['status']}: {row['errorMessage']}")
        return {**row, "polls": polls}

    def row(self, statement: str, **parameters: Any) -> Mapping[str, Any]:
        """The one row of a query."""
        with self.engine.connect() as connection:
            return dict(connection.execute(sa.text(statement), parameters).mappings().one())

    def value(self, statement: str, **parameters: Any) -> Any:
        """The one value of a query."""
        (value,) = self.row(statement, **parameters).values()
        return value

    def wait_until(self, condition: Callable[[], bool], *, timeout_s: float = 60, what: str) -> None:
        """Look ten times a second: a bench must not take the CPU that it measures."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what}: not within {timeout_s:.0f} s")
            time.sleep(0.1)

    def redis(self) -> redis.Redis:
        """A client of the broker."""
        return redis.Redis.from_url(self.services.redis_url)


@contextmanager
def open_ground() -> Iterator[tuple[Services, Path]]:
    """PostgreSQL and Redis in a temporary folder, for all benches of one run."""
    with tempfile.TemporaryDirectory(prefix="medq-bench-") as home:
        nothing = dict.fromkeys(("DATABASE_URL", "REDIS_URL"))
        with open_services(Settings.model_validate({"MEDQ_HOME": home, **nothing})) as services:
            upgrade(sqlalchemy_url(services.database_url))
            yield services, Path(home)


@contextmanager
def open_site(services: Services, folder: Path, name: str, **script: Any) -> Iterator[Site]:
    """A database of this bench's own, an empty Redis, and a model that follows `script`."""
    server = sa.make_url(sqlalchemy_url(services.database_url))
    database = f"bench_{os.getpid()}_{name}"
    maintenance = sa.create_engine(
        server.set(database="postgres"), poolclass=sa.pool.NullPool, isolation_level="AUTOCOMMIT"
    )
    with maintenance.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{database}" TEMPLATE "{server.database}"')
    # SQLAlchemy writes a space as `+`, which libpq does not read.
    url = libpq_url(server.set(drivername="postgresql", database=database).render_as_string(hide_password=False))
    engine = connect(url, pool_size=4, name="bench")
    try:
        with redis.Redis.from_url(services.redis_url) as client:
            client.flushall()
        with ScriptedLlm.start(**script) as llm:
            yield Site(services, url, engine, llm, folder / name)
    finally:
        engine.dispose()
        with maintenance.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
