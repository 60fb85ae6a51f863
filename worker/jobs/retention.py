"""What is old, or no longer wanted, goes: `medq prune` and `medq forget`. Each job in one short transaction, its files
after it; whoever is killed in between leaves a tombstone, by which the next one goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from models.states import OPEN_JOB
from worker.db.engine import Database
from worker.errors import JobFailed, MedqError
from worker.jobs import job_store, removal
from worker.jobs.removal import Removed, Tombstone
from worker.llm import ledger
from worker.logging import get_logger
from worker.upload.storage import Storage, safe_id

log = get_logger()

Told = Callable[[Removed], None]


class StillRunning(MedqError):
    """The job is not over: it is not removed."""


@dataclass(frozen=True)
class Retention:
    """Removes jobs and their files. `straggle_s`: how long a reply may be on its way to a job that was cancelled."""

    database: Database
    storage: Storage
    straggle_s: float = 0

    def cut_off(self, keep_days: int) -> datetime:
        """The moment (UTC) before which everything is old."""
        return self.database.transact(lambda c: removal.find_cut_off(c, keep_days=keep_days))

    def preview(self, before: datetime) -> Removed:
        """What `prune` would remove."""
        return self.database.transact(lambda c: removal.count_old(c, before=before))

    def prune(self, before: datetime, told: Told = lambda _so_far: None) -> Removed:
        """Remove what is older than that; what was removed. `told` is called after each step with how far it is.

        Stopped at any moment, what it did is done, and it goes on when called again. Any number may run at once.
        """
        done = Removed()
        for job_id in self.database.transact(lambda c: removal.find_old_jobs(c, before=before)):
            gone = self.database.transact(lambda c, job_id=job_id: removal.remove_old_job(c, job_id, before=before))  # type: ignore[misc]
            if gone is not None:
                self.remove_files([job_id])
                done += gone
                told(done)
        while count := self.database.transact(lambda c: removal.remove_unlinked_calls(c, before=before)):
            done += Removed(unlinked_calls=count)
            told(done)
        self.database.transact(lambda c: removal.remove_batches(c, before=before))
        return done

    def forget(self, job_id: str, *, with_replies: bool = False) -> Removed:
        """Remove this job and its files, whatever its age. Raises `StillRunning` for one that is not over."""
        gone = self.database.transact(lambda c: self._forget(c, job_id, with_replies=with_replies))
        self.remove_files([job_id])
        return gone

    def _forget(self, connection: sa.Connection, job_id: str, *, with_replies: bool) -> Removed:
        status = removal.lock_job(connection, job_id)
        if status is None:
            return Removed()
        if status in OPEN_JOB:
            raise StillRunning(f"Job {job_id} is {status}: cancel it first.")
        ledger.mark_orphans(connection, older_than_s=self.straggle_s)
        if count := removal.count_under_way(connection, job_id):
            raise StillRunning(
                f"Job {job_id} is {status}, and {count} of its calls are under way still: "
                f"try again in {self.straggle_s:.0f} s at most."
            )
        return removal.remove_job(connection, job_id, with_replies=with_replies)

    def forget_user(self, user_id: str, *, with_replies: bool = False) -> tuple[Removed, int]:
        """Remove every job of this user; what went, and how many decisions stay, now without a name.

        Raises `StillRunning` before anything is removed when one of them is not over.
        """
        found = self.database.transact(lambda c: removal.find_jobs_of(c, user_id))
        if running := [job_id for job_id, status in found if status in OPEN_JOB]:
            raise StillRunning(f"{len(running)} of the jobs are not over: cancel {', '.join(running)} first.")
        done = Removed()
        for job_id, _ in found:
            done += self.forget(job_id, with_replies=with_replies)
        return done, self.database.transact(lambda c: removal.unname_decisions(c, user_id))

    def remove_files(self, job_ids: Sequence[str]) -> int:
        """Remove the files of these jobs, which must be gone; of how many. The rest is the workers' to tidy."""
        return self._remove_files(self.database.transact(lambda c: removal.find_tombstones(c, job_ids=job_ids)))

    def tidy(self, *, older_than_s: float) -> int:
        """Remove the files of jobs that anybody deleted longer ago than that; of how many."""
        found = self.database.transact(lambda c: removal.find_tombstones(c, older_than_s=older_than_s))
        return self._remove_files(found)

    def _remove_files(self, tombstones: Sequence[Tombstone]) -> int:
        done = 0
        for tombstone in tombstones:
            try:
                done += self._settle(tombstone)
            except Exception as error:  # noqa: BLE001 (each storage has its own)
                # It is away, or takes no removal: the tombstone stays, and it is tried again.
                log.warning("files_kept", job_id=tombstone.job_id, error=type(error).__name__)
        return done

    def _settle(self, tombstone: Tombstone) -> bool:
        """Remove one job's files, but for what another job names: a web app may have several read one upload."""
        job_id = tombstone.job_id
        is_there = self.database.transact(lambda c: job_store.exists(c, job_id))
        if not is_there:
            is_shared = self.database.transact(lambda c: removal.is_named(c, f"uploads/{safe_id(job_id)}/"))
            self.storage.discard_job(job_id, keep_upload=is_shared)
            for url in tombstone.urls:
                if not self.database.transact(lambda c, url=url: removal.is_named(c, url)):  # type: ignore[misc]
                    with suppress(JobFailed):  # not in our storage: it is somebody else's
                        self.storage.remove(url)
        self.database.transact(lambda c: removal.forget_tombstone(c, job_id))
        return not is_there
