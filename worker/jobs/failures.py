"""What can go wrong: a job that fails, a provider that is away, a task that takes its workers down with it."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from worker.errors import CutOff, ProviderUnavailable, StorageUnavailable
from worker.jobs import job_store
from worker.jobs.context import Context
from worker.llm import ledger
from worker.llm.circuit_breaker import BreakerState
from worker.llm.progress import LONGEST_WAIT_S
from worker.logging import get_logger
from worker.messages import job_causes, job_progress, row_reasons
from worker.questions import item_store
from worker.queue import pauses, tasks
from worker.queue.job import Task, TaskKind
from worker.text.french import typeset

log = get_logger()

AWAY_GAP_S = 900.0  # after the end of a pause; longer than a worker's own troubles

# What may be this machine's own trouble: its line, its proxy, its names. The rest is the endpoint's word.
MAY_BE_OURS = frozenset(("connection", "connection_lost", "timeout", "server_error", "fallback_refused"))
SLOW_RPM = 10.0  # an endpoint that allows fewer requests a minute makes a job last: the row says so


def fail_task(context: Context, task: Task, sentence: str) -> None:
    """End the whole job for a cause that no retry mends; what was done stays."""

    def fail(connection: sa.Connection) -> None:
        tasks.end_task(connection, task, status="failed", error=sentence)
        fail_job(connection, task.job.id, sentence, has_items=task.kind == "analyse")

    context.database.transact(fail)


def postpone_for_provider(context: Context, task: Task, error: ProviderUnavailable) -> None:
    """Pause the job, and give its task back for later; past the outage limit, fail the job (resumable).

    The job waits only while nobody is answered. Raises `CutOff` when others are and this process is not; where this
    very process is, the task alone waits.
    """
    down_s = down_for_s(context, task)
    left_s = context.settings.outage_s - down_s
    if left_s <= 0:
        fail_task(context, task, job_causes.outage(down_s))
        return
    if (error.retry_after_s or 0.0) > left_s:
        fail_task(
            context, task, job_causes.pause_too_long(timedelta(seconds=error.retry_after_s or 0.0) + _now(context))
        )
        return
    # Never before the endpoint's own wish, nor later than the job may wait.
    delay_s = min(max(error.retry_after_s or 0.0, 1.0, min(60.0, down_s / 2)), left_s + 0.1)
    if error.code in MAY_BE_OURS and _trip_if_ours(context, error):
        # Whoever is answered otherwise takes the task for what is the matter: it waits, and nothing else.
        context.database.transact(lambda c: tasks.give_back(c, task, delay_s=delay_s, error=str(error)))
        return
    is_busy = error.code == "rate_limited"

    def wait(connection: sa.Connection) -> None:
        tasks.lock_job(connection, task.job.id)
        if not tasks.give_back(connection, task, delay_s=delay_s, error=str(error)):
            return
        # The shared limits pace a job whose endpoint is only busy, unless it asked for a long pause.
        if not is_busy or delay_s > LONGEST_WAIT_S:
            pauses.pause_job(connection, task.job.id, reason="provider", delay_s=delay_s)
        now = ledger.read_clock(connection)
        retry_at, until = now + timedelta(seconds=delay_s), now + timedelta(seconds=left_s)
        sentence = job_progress.provider_busy(retry_at) if is_busy else job_progress.provider_down(retry_at, until)
        job_store.set_message(connection, task.job.id, sentence)

    log.warning("provider_down", code=error.code, down_s=round(down_s), delay_s=round(delay_s, 1))
    context.database.transact(wait)


def postpone_for_storage(context: Context, task: Task, error: StorageUnavailable) -> None:
    """Give the task back for later; past the outage limit, fail the job (resumable). No crash is counted."""

    def wait(connection: sa.Connection) -> float | None:
        tasks.lock_job(connection, task.job.id)
        if not tasks.is_owned(connection, task):
            return None
        away_s = pauses.pause_job(connection, task.job.id, reason="storage", delay_s=0, gap_s=AWAY_GAP_S) or 0.0
        left_s = context.settings.outage_s - away_s
        if left_s <= 0:
            return away_s
        delay_s = min(max(1.0, min(60.0, away_s / 2)), left_s + 0.1)
        pauses.pause_job(connection, task.job.id, reason="storage", delay_s=delay_s, gap_s=AWAY_GAP_S)
        tasks.give_back(connection, task, delay_s=delay_s, error=str(error))
        now = ledger.read_clock(connection)
        until = now + timedelta(seconds=left_s)
        job_store.set_message(
            connection, task.job.id, job_progress.storage_away(now + timedelta(seconds=delay_s), until)
        )
        return None

    log.warning("storage_away", error=str(error))
    away_s = context.database.transact(wait)
    if away_s is not None:
        fail_task(context, task, job_causes.storage_outage(away_s))


def _trip_if_ours(context: Context, error: ProviderUnavailable) -> bool:
    """Open this process's breaker where the fault is its own. False in an outage, where nobody is answered.

    True when the fault is this process's, or the task's alone: the task waits. Raises `CutOff` when the task should be
    somebody else's at once.
    """
    breaker = context.process_breaker
    breaker.check()  # known already
    if breaker.give_up_call():
        log.warning("call_failed", code=error.code)
        return True
    endpoints = [endpoint.name for endpoint in context.dispatcher.endpoints]
    look_back_s = breaker.look_back_s()
    is_other_answered = context.database.transact(lambda c: ledger.is_answered(c, endpoints, within_s=look_back_s))
    if not is_other_answered and breaker.is_sure():
        return False
    was_trial = breaker.state is BreakerState.HALF_OPEN
    pause_s = breaker.trip(is_other_answered=is_other_answered)
    log.warning("cut_off" if is_other_answered else "calls_fail", code=error.code, pause_s=round(pause_s, 1))
    if not was_trial:
        raise CutOff(str(error))
    return True


def _now(context: Context) -> datetime:
    return context.database.transact(ledger.read_clock)


def set_slow_message(context: Context, connection: sa.Connection, job_id: str) -> None:
    """Tell the admin when the endpoint allows so few calls that the job takes long. The job must be locked already."""
    reported_rpm = context.dispatcher.reported_rpm
    if reported_rpm and reported_rpm < SLOW_RPM:
        open_batches = tasks.count_open_batches(connection, job_id)
        if open_batches:
            job_store.set_message(
                connection, job_id, job_progress.provider_slow(reported_rpm, 60 * open_batches / reported_rpm)
            )


def down_for_s(context: Context, task: Task) -> float:
    """For how many seconds the job has met nothing but a provider that is down."""
    return context.database.transact(lambda c: ledger.down_for_s(c, task.job.id))


def fail_job(connection: sa.Connection, job_id: str, sentence: str, *, has_items: bool) -> None:
    """Fail what is still open, with the cause; the finish task then writes the partial workbook and the status.

    A job without items has nothing to write: it is `failed` at once. The job's row must be locked already.
    """
    if not has_items:
        job_store.fail_now(connection, job_id, sentence)
        return
    pauses.end_pause(connection, job_id)
    tasks.fail_batches(connection, job_id, error=typeset(sentence))
    job_store.set_cause(connection, job_id, sentence)
    item_store.fail_pending(connection, job_id, reason=sentence)
    tasks.ready_finish(connection, job_id)
    tasks.notify(connection, job_id)


def record_crash(connection: sa.Connection, task: Task, *, error: str) -> str | None:
    """Count a crash of the task that this process saw; the third quarantines it. Its new status, None = not ours."""
    tasks.lock_job(connection, task.job.id)
    status = tasks.count_crash(connection, task, error=error)
    if status is not None:
        ledger.mark_unknown(connection, {task.id: task.attempt})
    if status == "failed":
        quarantine(connection, task.kind, job_id=task.job.id, task_id=task.id)
    return status


def quarantine(connection: sa.Connection, kind: TaskKind, *, job_id: str, task_id: str) -> None:
    """A task that killed its worker too often fails alone: every other batch goes on. The job must be locked."""
    if kind == "analyse":
        item_store.fail_pending(connection, job_id, reason=row_reasons.QUARANTINED, task_id=task_id)
        if tasks.ready_finish(connection, job_id):
            tasks.notify(connection, job_id)
        return
    sentence = job_causes.PREPARE_QUARANTINED if kind == "prepare" else job_causes.FINISH_QUARANTINED
    fail_job(connection, job_id, sentence, has_items=False)
