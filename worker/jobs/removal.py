"""Takes old or unwanted jobs out of the database whole, and keeps what outlives them: totals, decisions, provenance.

A job goes in one transaction with its tasks, items and calls, or stays as it is: nothing in between would be true of
its row. Its own row is locked first, as everywhere, and only of jobs that have ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from worker.db.statements import load_statements

SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class Removed:
    """What went, or would go. `open_items`: of `items`, those that waited for a person."""

    jobs: int = 0
    items: int = 0
    open_items: int = 0
    calls: int = 0
    unlinked_calls: int = 0  # of jobs that were deleted before

    def __add__(self, other: Removed) -> Removed:
        """Both together."""
        return Removed(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A job whose row is gone, and where its files may lie still."""

    job_id: str
    urls: tuple[str, ...]


def find_cut_off(connection: sa.Connection, *, keep_days: int) -> datetime:
    """The moment (UTC) before which everything is old, by the database's clock."""
    before: datetime = connection.execute(SQL["find_cut_off"], {"days": keep_days}).scalar_one()
    return before


def find_old_jobs(connection: sa.Connection, *, before: datetime) -> list[str]:
    """The jobs that ended, and that nobody touched since; the oldest first."""
    return list(connection.execute(SQL["find_old_jobs"], {"before": before}).scalars())


def count_old(connection: sa.Connection, *, before: datetime) -> Removed:
    """What would go."""
    return Removed(*connection.execute(SQL["count_old"], {"before": before}).one())


def remove_old_job(connection: sa.Connection, job_id: str, *, before: datetime) -> Removed | None:
    """Remove one job with all its calls; None when somebody has it in hand, or it is old no more."""
    parameters = {"job_id": job_id, "before": before}
    if connection.execute(SQL["lock_old_job"], parameters).one_or_none() is None:
        return None
    return _remove(connection, job_id, before=before, with_replies=True)


def lock_job(connection: sa.Connection, job_id: str) -> str | None:
    """Lock the job to remove it; its status, None when it is gone."""
    status: str | None = connection.execute(SQL["lock_job"], {"job_id": job_id}).scalar_one_or_none()
    return status


def count_under_way(connection: sa.Connection, job_id: str) -> int:
    """How many calls of the job have not come back."""
    return int(connection.execute(SQL["count_under_way"], {"job_id": job_id}).scalar_one())


def remove_job(connection: sa.Connection, job_id: str, *, with_replies: bool) -> Removed:
    """Remove a locked job that has ended. Replies on which a stored question rests stay, unless `with_replies`."""
    return _remove(connection, job_id, before=None, with_replies=with_replies)


def _remove(connection: sa.Connection, job_id: str, *, before: datetime | None, with_replies: bool) -> Removed:
    items, open_items = connection.execute(SQL["count_items"], {"job_id": job_id}).one()
    which = {"job_id": job_id, "before": before, "with_replies": with_replies}
    removed_calls = connection.execute(SQL["remove_calls_of_job"], which).scalar_one()
    connection.execute(SQL["say_by_worker"])
    connection.execute(SQL["delete_items"], {"job_id": job_id})
    connection.execute(SQL["delete_job"], {"job_id": job_id})
    return Removed(1, items, open_items, removed_calls)


def remove_unlinked_calls(connection: sa.Connection, *, before: datetime) -> int:
    """Remove some of the old calls whose job was deleted earlier; how many, 0 when none is left."""
    return int(connection.execute(SQL["remove_unlinked_calls"], {"before": before}).scalar_one())


def remove_batches(connection: sa.Connection, *, before: datetime) -> int:
    """Remove the old batches of which no call is left; how many."""
    return connection.execute(SQL["remove_batches"], {"before": before}).rowcount


def find_tombstones(
    connection: sa.Connection, *, older_than_s: float = 0, job_ids: Sequence[str] | None = None
) -> list[Tombstone]:
    """Removed jobs whose files may be there still: of these ids, or those that were deleted longer ago than that."""
    if job_ids is None:
        rows = connection.execute(SQL["find_tombstones"], {"older_than_s": older_than_s}).all()
    else:
        rows = connection.execute(SQL["find_tombstones_of"], {"job_ids": list(job_ids)}).all()
    return [Tombstone(row[0], tuple(url for url in row[1:] if url)) for row in rows]


def forget_tombstone(connection: sa.Connection, job_id: str) -> None:
    """Its files are gone, or the job is there again."""
    connection.execute(SQL["forget_tombstone"], {"job_id": job_id})


def is_named(connection: sa.Connection, part: str) -> bool:
    """Whether the address of some job's upload or workbook holds this."""
    return bool(connection.execute(SQL["is_named"], {"part": part}).scalar_one())


def find_user(connection: sa.Connection, user: str) -> tuple[str, str] | None:
    """Id and e-mail of the user with this e-mail or id, whoever it is; None when there is none."""
    row = connection.execute(SQL["find_user"], {"user": user}).first()
    return None if row is None else (row[0], row[1])


def find_jobs_of(connection: sa.Connection, user_id: str) -> list[tuple[str, str]]:
    """Id and status of every job of this user, the oldest first."""
    return [(row[0], row[1]) for row in connection.execute(SQL["find_jobs_of"], {"user_id": user_id})]


def unname_decisions(connection: sa.Connection, user_id: str) -> int:
    """Take the name off what this user decided; how many decisions stay without it."""
    return connection.execute(SQL["unname_decisions"], {"user_id": user_id}).rowcount
