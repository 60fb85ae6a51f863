"""Carries waiting calls to the provider's Batch API, and what it answers back to the ledger.

Any number of batch submitters may run: a batch is in the hands of one, and a dead one's is taken over. Each step is
written down before the next, so that after a crash at any point nothing is begun, and so paid, twice.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from typing import IO
from urllib.parse import urlsplit

import sqlalchemy as sa

from models import new_id
from worker import failpoints
from worker.db.engine import Database
from worker.errors import ContentRefused, LeaseLost, MedqError, ProviderRefused, ProviderUnavailable, SizeRefused
from worker.failpoints import Point
from worker.jobs import job_store
from worker.jobs.analyse import set_waiting_message
from worker.jobs.failures import fail_job
from worker.llm import ledger
from worker.llm.batch import batches
from worker.llm.batch.api import BatchApi
from worker.llm.batch.lines import cut_batches, read_lines, read_reply, write_line
from worker.llm.batch.provider_batch import HeldBatch, ProviderBatch, ResultLine
from worker.llm.calls import ILLEGIBLE, Reply, Request
from worker.llm.prices import Prices
from worker.logging import get_logger
from worker.messages import job_causes, job_progress, provider_faults
from worker.queue import tasks

log = get_logger()

LINES_AT_ONCE = 200  # results stored in one transaction
MAX_DOWNLOADS = 3  # of a result file that lacks lines
LONGEST_DELAY_S = 3600.0  # whatever the provider wishes
SLOWEST_POLLS = 10  # times the usual interval, for a batch that takes long
TOO_MANY_TOKENS = "token_limit_exceeded"  # the provider's queue is full: smaller batches, a little later
WAKE_S = 1.0  # how soon a batch submitter that sleeps notices that it should end


@dataclass(frozen=True)
class Patience:
    """How long each thing is waited for, in seconds."""

    poll_s: float  # between two polls of a batch
    hold_s: float  # a batch in one batch submitter's hands, until another may take it over
    begin_s: float  # the same, while the request is under way that makes it cost money
    outage_s: float  # a provider that is down, while it has nothing of the job


@dataclass(frozen=True)
class BatchSubmitter:
    """One process's batch submitter. It works when `due` is set, which the sweep does."""

    database: Database
    api: BatchApi
    endpoint: str
    prices: Prices
    patience: Patience
    learn: Callable[[Request, SizeRefused], object] = lambda _request, _error: None  # what the model takes
    due: threading.Event = field(default_factory=threading.Event)
    may_call: Callable[[], bool] = lambda: True  # this process can reach the endpoint, as far as is known

    def run(self, stopped: threading.Event) -> None:
        """Wait until something is due, and do it, until `stopped`."""
        while not stopped.is_set():
            if not self.due.wait(WAKE_S):
                continue
            if not self.may_call():
                stopped.wait(WAKE_S)
                continue
            self.due.clear()
            try:
                self.run_once(stopped)
            except Exception as error:
                log.warning("batch_submitter_failed", error=type(error).__name__, exc_info=error)

    def is_due(self, connection: sa.Connection) -> bool:
        """Whether a batch submitter has anything to do: for the sweep, in a transaction of its own."""
        return batches.is_any_due(connection, endpoint=self.endpoint, stranded_s=self.patience.outage_s)

    def run_once(self, stopped: threading.Event) -> None:
        """Collect every round that is over, then deal with every batch whose time has come."""
        for job_id in self.database.transact(self._tidy):
            try:
                self.database.transact(lambda c, job_id=job_id: self._collect(c, job_id))  # type: ignore[misc]
            except Exception as error:
                # One job's round must not keep every other batch from being looked after.
                log.warning("round_not_collected", job_id=job_id, error=type(error).__name__, exc_info=error)
        while not stopped.is_set():
            batch = self.database.transact(self._take)
            if batch is None:
                return
            try:
                self._deal_with(batch)
            except LeaseLost:
                log.info("batch_lost", batch_id=batch.id)

    def _take(self, connection: sa.Connection) -> HeldBatch | None:
        stranded_s = self.patience.outage_s
        return batches.take_batch(
            connection, endpoint=self.endpoint, hold_s=self.patience.hold_s, stranded_s=stranded_s
        )

    def _tidy(self, connection: sa.Connection) -> Sequence[str]:
        batches.drop_unsent(connection, endpoint=self.endpoint, stranded_s=self.patience.outage_s)
        _release(connection)
        return batches.find_rounds(connection, endpoint=self.endpoint)

    # -- a round becomes batches -----------------------------------------------------------------------------------

    def _collect(self, connection: sa.Connection, job_id: str) -> None:
        # The job's row is the lock: one batch submitter collects a round.
        tasks.lock_job(connection, job_id)
        waiting = batches.find_uncollected(connection, job_id, endpoint=self.endpoint)
        for part in cut_batches(waiting) if waiting else ():
            batches.make_batch(connection, job_id, part, batch_id=new_id(), endpoint=self.endpoint)
        if waiting:
            set_waiting_message(connection, job_id)
            log.info("round_collected", job_id=job_id, calls=len(waiting))
        failpoints.reached(Point.IN_COLLECT)

    # -- one batch -------------------------------------------------------------------------------------------------

    def _deal_with(self, batch: HeldBatch) -> None:
        if batch.is_stranded:
            was_begun = batch.input_file_id is not None
            found = ProviderBatch("", is_over=True, status="expired")
            self._end(batch, found, code="unknown" if was_begun else "batch_expired")
            return
        try:
            if batch.status == "waiting":
                self._submit(batch)
            else:
                self._poll_batch(batch)
        except ProviderUnavailable as error:
            self._put_off(batch, error)
        except (ProviderRefused, ContentRefused) as error:
            if batch.status == "waiting":
                self._give_up(batch, error)
                return
            # A key that was changed, say: what is under way stays, and is asked about for as long as it may take.
            self._put_off(batch, ProviderUnavailable(str(error), code=error.code))

    def _submit(self, batch: HeldBatch) -> None:
        """Begin the batch, or find out that it has begun already."""
        # With a file, somebody got far enough to have begun it without hearing so.
        found = self._find_begun(batch) if batch.input_file_id is not None else None
        is_again = found is None and batch.input_file_id is not None
        if found is None and not batch.is_wanted:
            self._end(batch, ProviderBatch("", is_over=True, status="cancelled"), code="batch_cancelled")
            return
        if found is None:
            found = self._begin(batch)
            failpoints.reached(Point.BATCH_BEGUN)
        if not self.database.transact(lambda c: self._note_submitted(c, batch, found, is_again=is_again)):
            # This batch submitter stood still for so long that another began the batch too: one of them is enough.
            self._stop_doubles(batch, [found])
            return
        log.info("batch_submitted", batch_id=batch.id, job_id=batch.job_id, calls=batch.request_count)
        failpoints.reached(Point.BATCH_SUBMITTED)

    def _find_begun(self, batch: HeldBatch) -> ProviderBatch | None:
        try:
            return next(iter(self._find_all(batch)), None)
        except (ProviderRefused, ContentRefused) as error:
            # Whoever cannot be asked may have it under way all the same: it is neither free nor over.
            raise ProviderUnavailable(str(error), code=error.code) from error

    def _find_all(self, batch: HeldBatch) -> Sequence[ProviderBatch]:
        return self.api.find_all(batch.id, batch.input_file_id, since=batch.created_at, model=batch.model)

    def _begin(self, batch: HeldBatch) -> ProviderBatch:
        file_id = batch.input_file_id
        if file_id is None:
            file_id, is_ready = self._upload(batch)
        else:
            is_ready = self.api.is_ready(file_id, model=batch.model)
        if not is_ready:
            raise ProviderUnavailable("the provider still reads the file", code="file_not_ready")
        self._keep(batch)
        failpoints.reached(Point.BATCH_BEGINS)
        return self.api.create(file_id, key=batch.id, model=batch.model)

    def _stop_doubles(self, batch: HeldBatch, doubles: Sequence[ProviderBatch]) -> None:
        for double in doubles:
            log.warning("batch_begun_twice", batch_id=batch.id, double=double.id)
            with suppress(MedqError):
                self.api.cancel(double.id, model=batch.model)

    def _keep(self, batch: HeldBatch) -> None:
        """Keep the batch in hand for a request that may take long: nobody else makes it meanwhile."""
        self.database.transact(lambda c: batches.keep_batch(c, batch, hold_s=self.patience.begin_s))

    def _upload(self, batch: HeldBatch) -> tuple[str, bool]:
        """The provider's file, and whether a batch can be begun from it by now."""
        with tempfile.TemporaryFile() as file:
            self._keep(batch)  # up to 190 MB are read and written
            self.database.transact(lambda c: self._write_lines(c, batch, file))
            file.seek(0)
            self._keep(batch)
            file_id, is_ready = self.api.upload(file, name=f"{batch.id}.jsonl", model=batch.model)
        failpoints.reached(Point.FILE_UPLOADED)
        self.database.transact(lambda c: batches.note_file(c, batch, file_id))
        return file_id, is_ready

    def _write_lines(self, connection: sa.Connection, batch: HeldBatch, file: IO[bytes]) -> None:
        file.seek(0)
        file.truncate()
        for call_id, body in batches.stream_bodies(connection, batch):
            file.write(write_line(call_id, body, path=self.api.path))

    def _note_submitted(
        self, connection: sa.Connection, batch: HeldBatch, found: ProviderBatch, *, is_again: bool
    ) -> bool:
        status = tasks.lock_job(connection, batch.job_id) if batch.job_id else None
        delay_s = self.patience.poll_s
        is_kept = batches.note_submitted(connection, batch, found, delay_s=delay_s, is_again=is_again)
        if is_kept and batch.job_id is not None and status == "processing":
            set_waiting_message(connection, batch.job_id)
        return is_kept

    def _poll_batch(self, batch: HeldBatch) -> None:
        """See how far the provider is; fetch what there is when it is done."""
        batch_id = batch.provider_batch_id or ""
        found = self.api.retrieve(batch_id, model=batch.model)
        if batch.status == "resubmitted":
            # Begun again after a try whose end nobody heard of: that one may have come through later.
            batch = self._make_single(batch, is_over=found.is_over)
        if found.is_over:
            self._fetch(batch, found)
            return
        if not batch.is_wanted and not found.is_stopping:
            self._cancel(batch, batch_id)
        usual_s = self.patience.poll_s
        delay_s = min(max(usual_s, batch.age_s / 10), SLOWEST_POLLS * usual_s)
        self._postpone_or_write_off(batch, delay_s)

    def _make_single(self, batch: HeldBatch, *, is_over: bool) -> HeldBatch:
        """Cancel the batch's doubles. What is over is fetched whether they can be listed or not: it is paid for."""
        try:
            found = self._find_all(batch)
        except MedqError as error:
            if not is_over:
                raise
            log.warning("doubles_not_listed", batch_id=batch.id, error=str(error))
            return batch
        self._stop_doubles(batch, [double for double in found if double.id != batch.provider_batch_id])
        return self.database.transact(lambda c: batches.note_single(c, batch))

    def _cancel(self, batch: HeldBatch, batch_id: str) -> None:
        with suppress(ProviderRefused, ContentRefused):  # the best that can be done
            self.api.cancel(batch_id, model=batch.model)
        log.info("batch_cancelled", batch_id=batch.id)

    def _postpone_or_write_off(self, batch: HeldBatch, delay_s: float, *, error: str | None = None) -> None:
        if batch.overdue_s > self.patience.outage_s:
            # Long after the provider's own promise: nobody knows what was answered, and paid.
            self._end(batch, ProviderBatch("", is_over=True, status="expired"), code="unknown")
            return
        self.database.transact(lambda c: batches.postpone(c, batch, delay_s=delay_s, error=error))

    # -- what came back --------------------------------------------------------------------------------------------

    def _fetch(self, batch: HeldBatch, found: ProviderBatch) -> None:
        """Store every line of the result files, then end the batch; again later when lines are missing."""
        if batch.is_wanted and found.status == "failed" and TOO_MANY_TOKENS in found.codes and self._split(batch):
            return
        refusals: list[str] = []
        for file_id in filter(None, (found.output_file_id, found.error_file_id)):
            refusals += self._store_file(batch, file_id)
        self.database.transact(lambda c: batches.note_download(c, batch, found))
        missing = self.database.transact(lambda c: batches.count_waiting(c, batch))
        if missing > _expected_missing(batch, found) and batch.downloads + 1 < MAX_DOWNLOADS:
            log.warning("batch_incomplete", batch_id=batch.id, missing=missing)
            self._postpone_or_write_off(batch, self.patience.poll_s)
            return
        code = {
            "completed": "unknown",  # a line that is in neither file may have been paid for
            "failed": next(iter(found.codes), "batch_failed"),
        }.get(found.status, f"batch_{found.status}")
        self._end(batch, found, code=code, refusal=next(iter(refusals), None))
        files = filter(None, (batch.input_file_id, found.output_file_id, found.error_file_id))
        with suppress(MedqError):
            self.api.discard(files, model=batch.model)

    def _store_file(self, batch: HeldBatch, file_id: str) -> list[str]:
        """Store each line of one result file; the sentences of refusals that no retry mends."""
        refusals: list[str] = []
        with tempfile.TemporaryFile() as file:
            self._keep(batch)
            self.api.download(file_id, file, model=batch.model)
            file.seek(0)
            for lines in _in_parts(read_lines(file), LINES_AT_ONCE):
                refusals += self.database.transact(lambda c, lines=lines: self._store_lines(c, batch, lines))  # type: ignore[misc]
                failpoints.reached(Point.LINES_STORED)
        return refusals

    def _store_lines(self, connection: sa.Connection, batch: HeldBatch, lines: Sequence[ResultLine]) -> list[str]:
        batches.keep_batch(connection, batch, hold_s=self.patience.begin_s)
        found = batches.find_lines(connection, batch, [line.call_id for line in lines])
        replies: dict[str, tuple[Reply, Decimal | None]] = {}
        refusals: list[str] = []
        for line in lines:
            call = found.pop(line.call_id, None)  # the first line of a call counts
            if call is None:
                continue
            reply = read_reply(line, model=call.model)
            if reply is not None:
                replies[line.call_id] = (reply, self.prices.line_cost_usd(call.model, reply))
            else:
                refusals += self._fail_line(connection, call, line)
        ledger.succeed_calls(connection, replies)
        return refusals

    def _fail_line(self, connection: sa.Connection, call: batches.BatchLine, line: ResultLine) -> list[str]:
        """Store why a line brought nothing; the sentence when no call will ever pass."""
        error = _explain(self.api, call, line)
        free = self.prices.refused_line_usd(call.model, 0)  # nothing, where the price is known
        if isinstance(error, SizeRefused) and (body := batches.read_body(connection, call.call_id)):
            self.learn(Request("analyse", call.model, body, "", (), self.endpoint), error)
        # What another ceiling mends is asked again as it was, with that one.
        is_mended = isinstance(error, SizeRefused) and error.code.startswith("ceiling")
        is_content = isinstance(error, ContentRefused) and not is_mended
        kind = "content" if is_content else "refused" if isinstance(error, ProviderRefused) else "unavailable"
        ledger.fail_call(
            connection,
            call.call_id,
            kind=kind,
            code=error.code,
            message=str(error),
            cost_usd=self.prices.refused_line_usd(call.model, call.size) if is_content else free,
        )
        return [str(error)] if isinstance(error, ProviderRefused) else []

    def _split(self, batch: HeldBatch) -> bool:
        """The provider's queue has no room: later again when others of ours fill it, else halves. False: one call."""

        def work(connection: sa.Connection) -> bool:
            is_queue_ours = batches.is_other_submitted(connection, batch, endpoint=self.endpoint)
            waiting = batches.list_waiting(connection, batch)
            if len(waiting) < 2 and not is_queue_ours:
                return False
            batches.end_batch(connection, batch, status="failed", answered=0, code=TOO_MANY_TOKENS)
            middle = len(waiting) if is_queue_ours else (len(waiting) + 1) // 2
            for part in filter(None, (waiting[:middle], waiting[middle:])):
                batches.make_batch(
                    connection,
                    batch.job_id,
                    part,
                    batch_id=new_id(),
                    endpoint=self.endpoint,
                    delay_s=SLOWEST_POLLS * self.patience.poll_s,
                )

            return True

        is_split = self.database.transact(work)
        if is_split:
            log.warning("batch_split", batch_id=batch.id, calls=batch.request_count)
        return is_split

    # -- its end ---------------------------------------------------------------------------------------------------

    def _end(self, batch: HeldBatch, found: ProviderBatch, *, code: str, refusal: str | None = None) -> None:
        """Close the batch and what no line came for; then its job goes on, or fails."""

        def work(connection: sa.Connection) -> None:
            status = tasks.lock_job(connection, batch.job_id) if batch.job_id else None
            tasks.lock_waiting(connection, batch.id)
            answered = batches.count_answered(connection, batch)
            before = batches.answered_before(connection, batch) if batch.job_id else None
            batches.end_batch(connection, batch, status=found.status, answered=answered, code=code)
            is_unknown = code == "unknown"
            kind = "unknown" if is_unknown else "unavailable"
            batches.fail_rest(connection, batch, kind=kind, code=code, is_free=not is_unknown)
            cause = refusal
            if cause is None and found.status == "failed":
                cause = provider_faults.batch_refused(self._host(), code)
            if cause is None and answered == 0 and before == 0:
                cause = provider_faults.BATCH_UNANSWERED
            if batch.job_id and status == "processing" and cause is not None:
                fail_job(connection, batch.job_id, cause, has_items=True)
            _release(connection)
            failpoints.reached(Point.IN_BATCH_END)

        self.database.transact(work)
        log.info("batch_ended", batch_id=batch.id, job_id=batch.job_id, status=found.status)

    def _give_up(self, batch: HeldBatch, error: ProviderRefused | ContentRefused) -> None:
        """The provider takes no batches from us, or not this one."""
        is_own_sentence = error.code in ("unauthorised", "insufficient_quota")
        refusal = str(error) if is_own_sentence else provider_faults.batch_refused(self._host(), error.code)
        log.warning("batch_refused", batch_id=batch.id, code=error.code)
        self._end(batch, ProviderBatch("", is_over=True, status="failed"), code=error.code, refusal=refusal)

    def _put_off(self, batch: HeldBatch, error: ProviderUnavailable) -> None:
        """Deal with the batch later: its provider is away. One that it has not got yet makes its job wait, too."""
        # A batch that may have begun is not begun again before the provider has had the time to list it.
        soon_s = max(1.0, batch.down_s / 2) if batch.input_file_id is None else self.patience.poll_s
        delay_s = max(min(error.retry_after_s or 0.0, LONGEST_DELAY_S), min(self.patience.poll_s, soon_s))
        log.warning("batch_waits_for_provider", batch_id=batch.id, code=error.code, delay_s=round(delay_s, 1))
        if batch.status != "waiting" or not batch.is_wanted:
            self._postpone_or_write_off(batch, delay_s, error=error.code)
            return
        self.database.transact(lambda c: self._postpone_down(c, batch, error, delay_s=delay_s))

    def _postpone_down(
        self, connection: sa.Connection, batch: HeldBatch, error: ProviderUnavailable, *, delay_s: float
    ) -> None:
        status = tasks.lock_job(connection, batch.job_id) if batch.job_id else None
        left_s = self.patience.outage_s - batch.down_s
        is_given_up = left_s <= 0 and status == "processing"
        # The batch stays open: it may have begun without our hearing of it, and is then found and stopped.
        batches.postpone(connection, batch, delay_s=delay_s, error=None if is_given_up else error.code)
        if batch.job_id is None or status != "processing":
            return
        if is_given_up:
            fail_job(connection, batch.job_id, job_causes.outage(batch.down_s), has_items=True)
            return
        now = ledger.read_clock(connection)
        retry_at, until = now + timedelta(seconds=delay_s), now + timedelta(seconds=max(left_s, delay_s))
        is_busy = error.code in ("rate_limited", "file_not_ready")
        job_store.set_message(
            connection,
            batch.job_id,
            job_progress.provider_busy(retry_at)
            if is_busy
            else job_progress.provider_down(retry_at, until, is_illegible=error.code == ILLEGIBLE),
        )

    def _host(self) -> str:
        return urlsplit(self.endpoint).hostname or "?"


def _release(connection: sa.Connection) -> None:
    for job_id in tasks.release_waiting(connection):
        tasks.notify(connection, job_id)


def _expected_missing(batch: HeldBatch, found: ProviderBatch) -> int:
    """Lines that are in no file by the provider's own account."""
    if found.status == "completed":
        return 0
    if found.answered is None or found.failed is None:
        return batch.request_count
    return max(0, batch.request_count - found.answered - found.failed)


def _explain(
    api: BatchApi, call: batches.BatchLine, line: ResultLine
) -> ProviderUnavailable | ProviderRefused | ContentRefused:
    if line.status == 0:
        return ProviderUnavailable("the batch brought no reply", code=line.code or "no_response")
    return api.explain(line.status, line.raw, model=call.model)


def _in_parts(lines: Iterator[ResultLine], size: int) -> Iterator[list[ResultLine]]:
    while part := list(islice(lines, size)):
        yield part
