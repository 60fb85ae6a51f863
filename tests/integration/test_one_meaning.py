"""Revision 022: what stood in another column's place is moved to its own, and back."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from worker.db.schema import check, downgrade, upgrade
from worker.jobs.invariants import check_invariants

JOBS = {"held": "processing", "refused": "processing", "away": "processing", "ended": "failed"}
BEFORE = """
INSERT INTO "AiValidationJob" ("id", "fileName", "originalFileName", "fileSize", "userId", "createdAt", "updatedAt")
    SELECT id, 'f', 'f', 1, 'admin1', now(), now() FROM unnest(CAST(:jobs AS text[])) id;
UPDATE "AiValidationTask" SET "status" = 'done', "completedAt" = now(), "result" = '{"read": []}'
    WHERE "jobId" <> 'away';
UPDATE "AiValidationTask" SET "notBefore" = '2030-01-01 10:00' WHERE "jobId" IN ('held', 'ended');
UPDATE "AiValidationTask" SET "notBefore" = '2030-01-02 10:00', "errorMessage" = 'Refus.' WHERE "jobId" = 'refused';
UPDATE "AiValidationTask" SET "result" = '{"storageAway": [1893492000, 1893492060]}' WHERE "jobId" = 'away';
INSERT INTO "AiValidationTask" ("id", "jobId", "kind", "position", "notBefore")
    SELECT id || 1, id, 'analyse', 0, '2030-01-03 10:00' FROM unnest(CAST(:jobs AS text[])) id WHERE id <> 'away';
UPDATE "AiValidationTask" SET "status" = 'cancelled' WHERE "jobId" = 'ended' AND "kind" = 'analyse';
INSERT INTO "LlmCall" ("id", "attempt", "purpose", "requestHash", "model", "endpoint", "questionCount",
                       "status", "costUsd")
    SELECT id, 1, 'analyse', 'h', 'm', 'e', 1, status, cost
    FROM (VALUES ('c1', 'started', 2), ('c2', 'waiting', 3), ('c3', 'succeeded', 4), ('c4', 'started', NULL))
         AS made(id, status, cost);
UPDATE "LlmCall" SET "response" = '{}', "completedAt" = now() WHERE "status" = 'succeeded';
INSERT INTO "LlmBatch" ("id", "endpoint", "model", "status", "requestCount", "error")
    VALUES ('b1', 'e', 'm', 'submitted', 1, '{"kind": "unavailable", "code": "begun_again", "message": "x"}'),
           ('b2', 'e', 'm', 'submitted', 1, '{"kind": "unavailable", "code": "timeout", "message": "x"}');
"""
TASKS = 'SELECT "jobId", "kind", "notBefore", "errorMessage", "result" FROM "AiValidationTask" ORDER BY 1, 2'
CALLS = 'SELECT "id", "status", "costUsd" FROM "LlmCall" ORDER BY 1'
BATCHES = 'SELECT "id", "status", "error" ->> \'code\' FROM "LlmBatch" ORDER BY 1'


class Site:
    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = sa.create_engine(url, poolclass=NullPool)

    def execute(self, script: str, **parameters: Any) -> None:
        with self.engine.begin() as connection:
            for statement in filter(str.strip, script.split(";")):
                given = {name: value for name, value in parameters.items() if f":{name}" in statement}
                connection.execute(sa.text(statement), given)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]


@pytest.fixture
def site(empty_database_url: str) -> Site:
    """At the revision before, with a row of everything that is to be moved."""
    upgrade(empty_database_url, "021")
    site = Site(empty_database_url)
    site.execute(BEFORE, jobs=list(JOBS))
    for job, status in JOBS.items():
        site.execute(f'UPDATE "AiValidationJob" SET "status" = \'{status}\' WHERE "id" = \'{job}\'')
    return site


def test_each_thing_is_moved_to_its_own_place_and_back(site: Site) -> None:
    tasks, calls, batches = site.rows(TASKS), site.rows(CALLS), site.rows(BATCHES)
    upgrade(site.url)
    assert check(site.url) == []
    # Then pauses of jobs that go on are pauses, and what a task waits for by itself stays with it
    assert site.rows('SELECT "jobId", "reason", "until"::text FROM "AiValidationPause" ORDER BY 1') == [
        ("away", "storage", "2030-01-01 10:01:00"),
        ("held", "provider", "2030-01-01 10:00:00"),
        ("refused", "provider", "2030-01-02 10:00:00"),
    ]
    assert site.rows(
        'SELECT DISTINCT "kind", "notBefore"::text, "errorMessage" FROM "AiValidationTask" ORDER BY 1'
    ) == [("analyse", "2030-01-03 10:00:00", None), ("prepare", None, None)]
    assert site.rows('SELECT "result" FROM "AiValidationTask" WHERE "jobId" = \'away\'') == [(None,)]
    assert site.rows('SELECT "id", "ceilingUsd"::int, "costUsd"::int FROM "LlmCall" ORDER BY 1') == [
        ("c1", 2, None),
        ("c2", 3, None),
        ("c3", None, 4),
        ("c4", None, None),
    ]
    assert site.rows(BATCHES) == [("b1", "resubmitted", None), ("b2", "submitted", "timeout")]
    assert [v for v in check_invariants(site.engine, grace_s=1e9) if v.invariant in ("paused", "calls")] == []

    # When it is taken back, then everything stands where older workers look for it, but for what no run needs any more
    downgrade(site.url, "021")
    gone: list[Any] = [("ended", "prepare", None, None, {"read": []})]
    kept = [row if row[0] != "refused" or row[1] != "prepare" else (*row[:3], None, row[4]) for row in tasks]
    assert site.rows(TASKS) == [gone[0] if (row[0], row[1]) == ("ended", "prepare") else row for row in kept]
    assert site.rows(CALLS) == calls
    assert site.rows(BATCHES) == batches

    # And once more
    upgrade(site.url)
    assert check(site.url) == []
