"""A claimed task is done by the handler of its kind; what that raises says what becomes of the task and its job."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from worker.errors import JobFailed, ProviderRefused, ProviderUnavailable, StorageUnavailable
from worker.jobs import job_store
from worker.jobs.analyse import Analyse
from worker.jobs.claim import Claim, Claimed, Handlers, Loaded, NotLoaded, Unloadable, claim_next
from worker.jobs.context import Context
from worker.jobs.failures import fail_task, postpone_for_provider, postpone_for_storage
from worker.jobs.finish import Finish
from worker.jobs.prepare import Prepare
from worker.logging import get_logger
from worker.queue.leases import Lease

log = get_logger()


@dataclass(frozen=True)
class TaskRunner:
    """Claims tasks and runs each to its end, in whichever thread calls it."""

    context: Context

    @cached_property
    def handlers(self) -> Handlers:
        """How each kind of task is done."""
        return {"prepare": Prepare(self.context), "analyse": Analyse(self.context), "finish": Finish(self.context)}

    def claim(self, connection: sa.Connection, claim: Claim) -> Claimed | None:
        """Take the fairest ready task, and what it needs of the rows; None when nothing is ready. See `claim_next`."""
        return claim_next(connection, claim, self.handlers)

    def run(self, claimed: Claimed, lease: Lease) -> None:
        """Do one claimed task to its end. Raises `LeaseLost` or `Stopping` when somebody else must go on with it."""
        task = claimed.task
        if claimed.job_status == "queued":
            self.context.database.transact(lambda c: job_store.begin_job(c, task))
        try:
            if task.kind != "finish":  # which asks nothing more of the row than what it has written
                task.job.check()
            self.handlers[task.kind].run(self._work(claimed), lease)
        except JobFailed as error:
            fail_task(self.context, task, str(error))
        except ProviderRefused as error:
            log.warning("provider_refused", code=error.code)
            fail_task(self.context, task, str(error))
        except ProviderUnavailable as error:
            postpone_for_provider(self.context, task, error)
        except StorageUnavailable as error:
            postpone_for_storage(self.context, task, error)

    def _work(self, claimed: Claimed) -> Any:
        """What was read with the claim. Raises what was met then."""
        task = claimed.task
        match claimed.work:
            case Loaded(work):
                return work
            case Unloadable(error):
                raise error
            case NotLoaded():
                return self.context.database.transact(lambda c: self.handlers[task.kind].load(c, task))
