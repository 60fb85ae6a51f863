"""Whose task is claimed next: the user's with the fewest running ones, then the job's, then priority, then age."""

from __future__ import annotations

import itertools
from collections import Counter

from tests.support.surroundings import Platform
from worker.db.engine import Database
from worker.queue import tasks
from worker.queue.job import Task

numbers = itertools.count(1)


def add_user(site: Platform, user_id: str) -> None:
    site.execute(
        'INSERT INTO "User" ("id", "email", "role", "updatedAt") VALUES (:id, :id, \'admin\', now())', id=user_id
    )


def add_jobs(site: Platform, user_id: str, count: int, *, batches: int = 2, priority: int = 0) -> list[str]:
    """Jobs that are read already, with so many batches ready."""
    ids = [f"job{next(numbers):05}" for _ in range(count)]
    site.execute(
        'INSERT INTO "AiValidationJob" ("id", "fileName", "originalFileName", "fileSize", "userId", "config", '
        "\"createdAt\", \"updatedAt\") SELECT id, 'f', 'f', 1, :user, jsonb_build_object('priority', "
        "CAST(:priority AS int)), now() - interval '1 day' + n * interval '1 s', now() "
        "FROM unnest(CAST(:ids AS text[])) WITH ORDINALITY AS made(id, n)",
        ids=ids,
        user=user_id,
        priority=priority,
    )
    site.execute(
        'UPDATE "AiValidationTask" SET "status" = \'done\', "completedAt" = now() WHERE "jobId" = ANY(:ids)', ids=ids
    )
    site.execute(
        'INSERT INTO "AiValidationTask" ("id", "jobId", "kind", "position") SELECT id || n, id, \'analyse\', n '
        "FROM unnest(CAST(:ids AS text[])) id, generate_series(1, :batches) n",
        ids=ids,
        batches=batches,
    )
    return ids


def claim(site: Platform) -> Task | None:
    found = Database(site.engine).transact(lambda c: tasks.claim_task(c, owner=f"h:1:x:{next(numbers)}", lease_s=30))
    return found[0] if found else None


def test_users_take_turns_however_many_jobs_they_have(platform: Platform) -> None:
    # Given four hundred jobs of one user, then one of a second, then one of a third, which is urgent
    for user in ("many", "second", "third"):
        add_user(platform, user)
    add_jobs(platform, "many", 400)
    add_jobs(platform, "second", 1, batches=9)
    add_jobs(platform, "third", 1, batches=9, priority=5)
    # When threads take one task after the other
    taken = [claim(platform) for _ in range(15)]
    # Then each has as many at any time, the urgent one first among equals, then the oldest
    users = [task.job.user_id for task in taken if task is not None]
    assert users[:3] == ["third", "many", "second"]
    assert all(set(users[n : n + 3]) == {"many", "second", "third"} for n in range(0, 15, 3))


def test_jobs_of_one_user_take_turns(platform: Platform) -> None:
    add_user(platform, "one")
    ids = add_jobs(platform, "one", 3, batches=5)

    taken = Counter(task.job.id for _ in range(9) if (task := claim(platform)) is not None)

    assert taken == dict.fromkeys(ids, 3)


def test_jobs_that_have_nothing_ready_are_passed_over(platform: Platform) -> None:
    # Given a user with little to do, whose jobs are all at their last batch or held, and one with much
    add_user(platform, "little")
    add_user(platform, "much")
    ending, *later = add_jobs(platform, "little", 3, batches=1)
    platform.execute(
        'DELETE FROM "AiValidationTask" WHERE medq_by_worker() AND "jobId" = :id AND "kind" = \'analyse\'', id=ending
    )
    platform.execute(
        'UPDATE "AiValidationTask" SET "notBefore" = now() + interval \'1 hour\' WHERE "jobId" = ANY(:ids)',
        ids=later,
    )
    add_jobs(platform, "much", 2, batches=2)

    taken = [task.job.user_id for _ in range(6) if (task := claim(platform)) is not None]

    assert taken == ["much"] * 4
