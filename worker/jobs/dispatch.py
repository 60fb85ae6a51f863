"""The line on one page: parse → plan → batch → ask → judge → publish → report. Each step has a room of its own."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from worker.errors import JobFailed, ProviderRefused, ProviderUnavailable, StorageUnavailable
from worker.jobs import job_store
from worker.jobs.analyse import analyse
from worker.jobs.claim import Claimed, claim_next
from worker.jobs.context import Context
from worker.jobs.failures import fail_task, wait_for_provider, wait_for_storage
from worker.jobs.finish import finish
from worker.jobs.prepare import prepare
from worker.logging import get_logger
from worker.queue.leases import Lease

log = get_logger()


@dataclass(frozen=True)
class TaskDispatch(Context):
    """What a thread holds: it claims a task, and does it to its end."""

    def claim(
        self, connection: sa.Connection, *, owner: str, lease_s: float, is_again: bool = False, bare: bool = False
    ) -> Claimed | None:
        """Take the fairest ready task, and read what it needs in the same transaction; None when nothing is ready.

        `bare`: nothing is read with it, for when that is what fails.
        """
        return claim_next(self, connection, owner=owner, lease_s=lease_s, is_again=is_again, bare=bare)

    def run(self, claimed: Claimed, lease: Lease) -> None:
        """Do one claimed task to its end. Raises `LeaseLost` or `Stopping` when somebody else must go on with it."""
        task = claimed.task
        if claimed.job_status == "queued":
            self.database.transact(lambda c: job_store.begin_job(c, task))
        try:
            if task.kind != "finish":  # which asks nothing more of the row than what it has written
                task.job.check()
            match task.kind:
                case "prepare":
                    prepare(self, task)
                case "analyse":
                    analyse(self, task, lease, claimed.batch)
                case "finish":
                    finish(self, task)
        except JobFailed as error:
            fail_task(self, task, str(error))
        except ProviderRefused as error:
            log.warning("provider_refused", code=error.code)
            fail_task(self, task, str(error))
        except ProviderUnavailable as error:
            wait_for_provider(self, task, error)
        except StorageUnavailable as error:
            wait_for_storage(self, task, error)
