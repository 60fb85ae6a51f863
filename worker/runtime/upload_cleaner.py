"""About once an hour: uploads that no job came of and files of deleted jobs go; jobs that predate this worker fail."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

from worker.db.engine import Database
from worker.jobs import job_store
from worker.jobs.retention import Retention
from worker.logging import get_logger
from worker.upload.storage import Storage

log = get_logger()

CLEAN_S = 3600.0
ABANDONED_S = 3600.0


@dataclass(frozen=True)
class UploadCleaner:
    """Removes uploads that no job came of (their producer was killed between storing the file and inserting the row),
    and the files of jobs whose rows somebody deleted.

    And fails the jobs that another service began before this one came, once nothing has moved them on for an hour.
    """

    database: Database
    storage: Storage
    orphan_s: float

    def run(self, stopped: threading.Event) -> None:
        """Tidy now and again until `stopped`; a storage that is away is left alone until the next time."""
        while not stopped.wait(min(self.orphan_s, CLEAN_S) * random.uniform(0.5, 1)):  # noqa: S311 (jitter)
            try:
                self.run_once()
            except Exception as error:  # noqa: BLE001 (tidying can wait)
                log.warning("upload_cleaner_failed", error=type(error).__name__)

    def run_once(self) -> None:
        """One round. Safe to run in any number of processes at once."""
        if ended := self.database.transact(lambda c: job_store.end_abandoned(c, untouched_s=ABANDONED_S)):
            log.warning("abandoned_jobs_failed", jobs=len(ended))
        if count := Retention(self.database, self.storage).tidy(older_than_s=self.orphan_s):
            log.info("orphan_files_removed", jobs=count)
        for job_id in self.storage.unsettled_uploads(self.orphan_s):
            if self.database.transact(lambda c, job_id=job_id: job_store.exists(c, job_id)):  # type: ignore[misc]
                self.storage.settle_upload(job_id)
            else:
                self.storage.discard_upload(job_id)
                log.info("orphan_upload_removed", job_id=job_id)
