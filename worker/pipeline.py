"""The line on one page: parse → plan → batch → ask → judge → publish → report.

With `upkeep`, the only place that begins a transaction. A model is never called inside one.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from models import new_id, utc_now
from worker import faults
from worker.adapters import calls, items, jobs, questions, tasks
from worker.adapters.db import Database, copy_rows
from worker.adapters.files import Storage
from worker.adapters.prices import Prices
from worker.adapters.sheets import read_sheets
from worker.adapters.workbook import write_workbook
from worker.errors import JobFailed, ProviderRefused, ProviderUnavailable
from worker.faults import Point
from worker.gateway import Gateway
from worker.leases import Lease
from worker.log import get_logger
from worker.retrieval import Retrieval
from worker.settings import Settings
from worker.shapes import sentences
from worker.shapes.answers import PUBLISHED, Conclusion, Look, Purpose
from worker.shapes.calls import Endpoint, Reply, Request
from worker.shapes.items import PendingItem, PlannedItem, question_id
from worker.shapes.jobs import JobConfig, Task, TaskKind
from worker.shapes.questions import Finding
from worker.shapes.reports import ReportRow, ReportSummary
from worker.shapes.rules import QuestionRules
from worker.shapes.uploads import LeftOutSheet, ReadSheet
from worker.steps.ask import LONGEST_WAIT_S, Answers, Dialogue, ask
from worker.steps.check import check_reply
from worker.steps.compose import batch_limit, compose_request
from worker.steps.judge import conclude, failed_conclusion, needs_second_look
from worker.steps.parse import parse_upload
from worker.steps.plan import assign_batches, plan_items
from worker.steps.report import build_report

log = get_logger()

# The report goes through the rows once per sheet: so many are kept (some 10 KB each), more are read again.
ROWS_IN_MEMORY = 3_000


@dataclass(frozen=True)
class Batch:
    """What was read with the claim of an analyse task: one transaction instead of three."""

    pending: Sequence[PendingItem]
    requests: Mapping[tuple[str, ...], Request]  # by item ids
    keys: frozenset[str]  # of every question in `requests`
    replies: Sequence[calls.StoredReply]  # all that is stored under `keys`


@dataclass(frozen=True)
class Claimed:
    """A task that is ours. `job_status` is "queued" for the first one of a run."""

    task: Task
    job_status: str
    batch: Batch | None = None


@dataclass(frozen=True)
class Line:
    """Everything a task needs, built once per process by `wiring`."""

    database: Database
    storage: Storage
    gateway: Gateway
    endpoint: Endpoint
    settings: Settings
    prices: Prices
    retrieval: Retrieval | None = None
    directory: questions.Directory = field(default_factory=questions.Directory)

    def claim(self, connection: sa.Connection, *, owner: str, lease_s: float, is_again: bool = False) -> Claimed | None:
        """Take the fairest ready task, and read what it needs in the same transaction; None when nothing is ready."""
        found = tasks.claim_task(connection, owner=owner, lease_s=lease_s, is_again=is_again)
        if found is None:
            return None
        task, job_status = found
        return Claimed(task, job_status, self._read_batch(connection, task) if task.kind == "analyse" else None)

    def _read_batch(self, connection: sa.Connection, task: Task) -> Batch | None:
        """The items of the batch, and what earlier calls answered of them. Composing takes a millisecond, no call.

        None when something is wrong with the batch: the task finds out by itself, and is the one that is blamed.
        """
        try:
            config = JobConfig.parse(task.job.config)
            if config.rag and self.retrieval is not None and self.retrieval.has_courses:
                return None  # what is composed depends on a search, which has no place in this transaction
            pending = items.load_pending(connection, task)
            limit = batch_limit(self.endpoint, config.batch_size or self.settings.batch_size)
            parts = [pending[start : start + limit] for start in range(0, len(pending), limit)]
            requests = {
                tuple(item.id for item in part): self._compose("analyse", part, task, config, self.endpoint)
                for part in parts
            }
        except sa.exc.DBAPIError:
            raise
        except Exception:  # noqa: BLE001 (a claim that failed would be tried for ever; a task that fails is counted)
            return None
        keys = [asked.key for request in requests.values() for asked in request.questions]
        return Batch(pending, requests, frozenset(keys), calls.find_replies(connection, task, keys))

    def run(self, claimed: Claimed, lease: Lease) -> None:
        """Do one claimed task to its end. Raises `LeaseLost` or `Stopping` when somebody else must go on with it."""
        task = claimed.task
        if claimed.job_status == "queued":
            self.database.transact(lambda c: self._begin(c, task))
        try:
            match task.kind:
                case "prepare":
                    self._prepare(task)
                case "analyse":
                    self._analyse(task, lease, claimed.batch)
                case "finish":
                    self._finish(task)
        except JobFailed as error:
            self._fail(task, str(error))
        except ProviderRefused as error:
            log.warning("provider_refused", code=error.code)
            self._fail(task, str(error))
        except ProviderUnavailable as error:
            self._wait_for_provider(task, error)

    @staticmethod
    def _begin(connection: sa.Connection, task: Task) -> None:
        jobs.begin_job(connection, task)
        tasks.release_job(connection, task.job.id)

    # -- prepare: file → rows → items → batches ------------------------------------------------------------------

    def _prepare(self, task: Task) -> None:
        config = JobConfig.parse(task.job.config)
        self._check_prices(config)
        max_bytes = int(self.settings.max_file_mb * 1024 * 1024)
        data = self.storage.read(task.job.file_url or "", max_bytes=max_bytes)
        name = task.job.original_file_name
        sheets = read_sheets(data, name, max_bytes=max_bytes, max_rows=self.settings.max_rows)
        del data  # the largest file must fit into 300 MB with all that follows
        upload = parse_upload(
            sheets, name, default_level=config.default_level, default_semester=config.default_semester
        )
        del sheets
        rules = self.database.transact(questions.read_rules)
        planned = plan_items(upload.rows, validated_by_person=self._validated_by_person, rules=rules)
        limit = batch_limit(self.endpoint, config.batch_size or self.settings.batch_size)
        meter = self.gateway.meter
        batched = assign_batches(
            planned,
            batch_size=limit,
            characters_per_token=meter.characters_per_token,
            reply_share=meter.reply_share,
        )
        notes = {
            "read": [{"name": s.name, "columns": list(s.columns), "rows": s.row_count} for s in upload.read],
            "leftOut": [{"name": s.name, "reason": s.reason} for s in upload.left_out],
        }
        self.database.transact(lambda c: self._store_plan(c, task, batched, notes))
        log.info("prepared", items=len(batched), left_out=len(upload.left_out))

    def _check_prices(self, config: JobConfig) -> None:
        """A budget is no promise for a model whose price nobody knows: say so before anything is spent."""
        if config.max_cost_usd is None or self.endpoint.embedded:
            return
        purposes: tuple[Purpose, ...] = ("analyse", "second_look")
        for model in (self._model(p, config, e) for e in self.gateway.endpoints for p in purposes):
            if self.prices.find(model) is None:
                raise JobFailed(sentences.price_unknown(model))

    def _validated_by_person(self, ids: Sequence[str]) -> set[str]:
        found = self.database.transact(lambda c: questions.find_stored(c, ids))
        return {stored.id for stored in found.values() if stored.by_person}

    @staticmethod
    def _store_plan(connection: sa.Connection, task: Task, planned: Sequence[PlannedItem], notes: Any) -> None:
        tasks.end_task(connection, task, result=json.dumps(notes, ensure_ascii=False))
        now = utc_now()
        batch_count = 1 + max((item.batch for item in planned if item.batch is not None), default=-1)
        task_ids = {batch: new_id() for batch in range(batch_count)}
        copy_rows(
            connection,
            "AiValidationTask",
            {"id": "text", "jobId": "text", "kind": "text", "position": "int4"},
            [(task_ids[batch], task.job.id, "analyse", batch) for batch in range(batch_count)],
        )
        copy_rows(
            connection,
            "AiValidationItem",
            items.ITEM_COLUMNS,
            items.item_rows(
                planned, job_id=task.job.id, item_ids=[new_id() for _ in planned], task_ids=task_ids, now=now
            ),
        )
        items.count_figures(connection, task.job.id, message=sentences.prepared(len(planned)))
        items.ready_finish(connection, task.job.id)
        tasks.notify(connection, task.job.id)
        faults.reached(Point.IN_PREPARE)

    # -- analyse: one batch, one transaction at its end ----------------------------------------------------------

    def _analyse(self, task: Task, lease: Lease, batch: Batch | None) -> None:
        config = JobConfig.parse(task.job.config)
        if task.was_held and (down_s := self._down_for_s(task)) >= self.settings.outage_s:
            raise JobFailed(sentences.outage(down_s))
        pending = batch.pending if batch else self.database.transact(lambda c: items.load_pending(c, task))
        pending, searched = self._add_excerpts(pending, config)
        if any(item.excerpts for item in pending):
            batch = None
        first = self._ask("analyse", pending, task, config, lease, generations={}, batch=batch)
        conclusions: dict[str, Conclusion] = {}
        for item in pending:
            look = first.looks.get(item.id)
            conclusions[item.id] = (
                failed_conclusion(_refused(first, item.id), excerpts_used=bool(item.excerpts))
                if look is None
                else self._conclude(item, look, task, config, lease, generations=first.generations)
            )

        def apply(connection: sa.Connection) -> None:
            self._apply(connection, task, pending, conclusions, searched=searched)

        try:
            self.database.transact(apply)
        except sa.exc.IntegrityError:
            # A course was removed, or a check added, in the seconds since they were read.
            self.directory.forget()
            self.database.transact(apply)
        faults.reached(Point.AFTER_COMMIT, task.kind, task.position)
        log.info("batch_done", items=len(pending))

    def _conclude(
        self,
        item: PendingItem,
        first: Look,
        task: Task,
        config: JobConfig,
        lease: Lease,
        *,
        generations: Mapping[str, int],
    ) -> Conclusion:
        second: Look | None = None
        if needs_second_look(item.question, first):
            answers = self._ask("second_look", [item], task, config, lease, generations=generations)
            second = answers.looks.get(item.id)
            if second is None:
                return failed_conclusion(_refused(answers, item.id), excerpts_used=bool(item.excerpts))
        return conclude(
            item.question,
            first,
            second,
            config=config,
            embedded=self.endpoint.embedded,
            excerpts_used=bool(item.excerpts),
            sources={excerpt.id: excerpt.source or "" for excerpt in item.excerpts},
        )

    def _add_excerpts(self, pending: Sequence[PendingItem], config: JobConfig) -> tuple[Sequence[PendingItem], bool]:
        """The items with what the courses say about them, and whether the search (if any) came through."""
        if not config.rag or self.retrieval is None:
            return pending, True
        found = self.retrieval.find_excerpts(pending)
        if not found.excerpts:
            return pending, not found.failed
        # The embedded model reads 280 tokens a second, and understands none of them.
        most = 1 if self.endpoint.embedded else None
        return [replace(item, excerpts=tuple(found.excerpts.get(item.id, ())[:most])) for item in pending], True

    def _ask(
        self,
        purpose: Purpose,
        pending: Sequence[PendingItem],
        task: Task,
        config: JobConfig,
        lease: Lease,
        *,
        generations: Mapping[str, int],
        batch: Batch | None = None,
    ) -> Answers:
        by_id = {item.id: item for item in pending}
        composed = {(self.endpoint.name, *ids): request for ids, request in batch.requests.items()} if batch else {}

        def compose(endpoint: Endpoint, item_ids: Sequence[str], larger_ceiling: bool) -> Request:
            asked = [by_id[item_id] for item_id in item_ids]
            if larger_ceiling:
                return self._compose(purpose, asked, task, config, endpoint, larger_ceiling=True)
            # What is looked for in the ledger is mostly what is sent next.
            name = (endpoint.name, *item_ids)
            request = composed.get(name) or self._compose(purpose, asked, task, config, endpoint)
            return composed.setdefault(name, request)

        door = self.gateway.open_door(lease.check, lease.sleep)
        dialogue = Dialogue(
            compose=lambda item_ids, larger_ceiling: compose(self.gateway.choose(), item_ids, larger_ceiling),
            recall=lambda item_ids: [compose(endpoint, item_ids, False) for endpoint in self.gateway.endpoints],
            check=check_reply,
            send=door.send,
            ledger=TaskLedger(self.database, task, self.prices, config.max_cost_usd, [batch] if batch else []),
            turn=door.hold_turn,
            sleep=lease.sleep,
        )
        attempts = self.settings.max_attempts if config.max_retries is None else config.max_retries + 1
        limit = batch_limit(self.endpoint, config.batch_size or self.settings.batch_size)
        return ask(
            list(by_id),
            dialogue,
            max_attempts=attempts,
            questions_per_call=limit,
            # While the endpoint is known to be down, a task of the job tries once whether it is back.
            transport_attempts=1 if task.was_held else attempts,
            generations=generations,
        )

    def _compose(
        self,
        purpose: Purpose,
        asked: Sequence[PendingItem],
        task: Task,
        config: JobConfig,
        endpoint: Endpoint,
        *,
        larger_ceiling: bool = False,
    ) -> Request:
        return compose_request(
            purpose,
            [(item.id, item.question, item.excerpts) for item in asked],
            endpoint=endpoint,
            model=self._model(purpose, config, endpoint),
            instructions=task.job.instructions,
            larger_ceiling=larger_ceiling,
        )

    def _model(self, purpose: Purpose, config: JobConfig, endpoint: Endpoint) -> str:
        is_second = purpose == "second_look"
        named = config.review_model if is_second else config.ai_model
        # Another provider may not know the job's model: the operator says which one stands in for it.
        if endpoint.embedded or (endpoint is not self.endpoint and self.settings.fallback_model):
            named = None
        return named or (endpoint.review_model if is_second else endpoint.model)

    def _apply(
        self,
        connection: sa.Connection,
        task: Task,
        pending: Sequence[PendingItem],
        conclusions: Mapping[str, Conclusion],
        *,
        searched: bool,
    ) -> None:
        # The job's row comes last and is held for two statements: all its batches queue for it.
        concluded = publish(connection, pending, conclusions, self.directory)
        tasks.end_task(connection, task)
        if task.was_held:
            tasks.release_job(connection, task.job.id)
        faults.reached(Point.MID_APPLY, task.kind, task.position)
        if not searched:
            finding = Finding("retrieval_failed", sentences.RETRIEVAL_FAILED)
            items.add_finding(connection, [item.id for item in pending], finding)
        if items.conclude_items(connection, task.job.id, concluded):
            tasks.notify(connection, task.job.id)

    # -- finish: rows → workbook → storage -----------------------------------------------------------------------

    def _finish(self, task: Task) -> None:
        url = self.write_report(task.job.id)
        faults.reached(Point.IN_FINISH)
        self.database.transact(lambda c: self._close(c, task, url))
        log.info("job_finished")

    def write_report(self, job_id: str) -> str:
        """Write the job's workbook from its rows into storage, whole or not at all; its URL. For any status."""
        return write_report(self.database, self.storage, job_id, embedded=self.endpoint.embedded)

    def _close(self, connection: sa.Connection, task: Task, url: str) -> None:
        tasks.end_task(connection, task)
        outcomes = items.count_outcomes(connection, task.job.id)
        jobs.close_job(connection, task.job.id, output_url=url, outcomes=outcomes, embedded=self.endpoint.embedded)

    # -- what can go wrong ---------------------------------------------------------------------------------------

    def _fail(self, task: Task, sentence: str) -> None:
        """End the whole job for a cause that no retry mends; what was done stays."""

        def fail(connection: sa.Connection) -> None:
            tasks.end_task(connection, task, status="failed", error=sentence)
            fail_job(connection, task.job.id, sentence, has_items=task.kind == "analyse")

        self.database.transact(fail)

    def _wait_for_provider(self, task: Task, error: ProviderUnavailable) -> None:
        """Hold the job, and give its task back for later; past the outage limit, fail the job (resumable)."""
        down_s = self._down_for_s(task)
        left_s = self.settings.outage_s - down_s
        if left_s <= 0:
            self._fail(task, sentences.outage(down_s))
            return
        # Never before the endpoint's own wish, nor later than the job may wait.
        delay_s = min(max(error.retry_after_s or 0.0, 1.0, min(60.0, down_s / 2)), left_s + 0.1)
        is_busy = error.code == "rate_limited"

        def wait(connection: sa.Connection) -> None:
            tasks.lock_job(connection, task.job.id)
            if not tasks.give_back(connection, task, delay_s=delay_s, error=str(error)):
                return
            # The shared limits pace a job whose endpoint is only busy, unless it asked for a long pause.
            if not is_busy or delay_s > LONGEST_WAIT_S:
                tasks.hold_job(connection, task.job.id, delay_s=delay_s)
            now = calls.read_clock(connection)
            retry_at, until = now + timedelta(seconds=delay_s), now + timedelta(seconds=left_s)
            sentence = sentences.provider_busy(retry_at) if is_busy else sentences.provider_down(retry_at, until)
            jobs.say(connection, task.job.id, sentence)

        log.warning("provider_down", code=error.code, down_s=round(down_s), delay_s=round(delay_s, 1))
        self.database.transact(wait)

    def _down_for_s(self, task: Task) -> float:
        return self.database.transact(lambda c: calls.down_for_s(c, task.job.id))


def fail_job(connection: sa.Connection, job_id: str, sentence: str, *, has_items: bool) -> None:
    """Fail what is still open, with the cause; the finish task then writes the partial workbook and the status.

    A job without items has nothing to write: it is `failed` at once. The job's row must be locked already.
    """
    if not has_items:
        jobs.fail_now(connection, job_id, sentence)
        return
    tasks.release_job(connection, job_id)
    jobs.fail_open_batches(connection, job_id, sentence)
    items.fail_pending(connection, job_id, reason=sentence)
    items.ready_finish(connection, job_id)
    tasks.notify(connection, job_id)


def bury(connection: sa.Connection, task: Task, *, error: str) -> str | None:
    """Count a death of the task that this process saw; the third one sets it aside. Its new status, None = not ours."""
    tasks.lock_job(connection, task.job.id)
    status = tasks.count_death(connection, task, error=error)
    if status is not None:
        calls.mark_unknown(connection, task.id, attempt=task.attempt)
    if status == "failed":
        quarantine(connection, task.kind, job_id=task.job.id, task_id=task.id)
    return status


def quarantine(connection: sa.Connection, kind: TaskKind, *, job_id: str, task_id: str) -> None:
    """A task that killed its worker too often fails alone: every other batch goes on. The job must be locked."""
    if kind == "analyse":
        items.fail_pending(connection, job_id, reason=sentences.QUARANTINED, task_id=task_id)
        if items.ready_finish(connection, job_id):
            tasks.notify(connection, job_id)
        return
    sentence = sentences.PREPARE_QUARANTINED if kind == "prepare" else sentences.FINISH_QUARANTINED
    fail_job(connection, job_id, sentence, has_items=False)


def publish(
    connection: sa.Connection,
    pending: Sequence[PendingItem],
    conclusions: Mapping[str, Conclusion],
    directory: questions.Directory,
) -> list[items.Concluded]:
    """Write the questions that deserve it, and say of each item where its question is.

    What a person validated is never changed, nor is a validated question's key by an answer that is not validated.
    """
    rules = directory.find_rules(connection)
    ids = {item.id: question_id(item.content_hash) for item in pending}
    wanted = [ids[item.id] for item in pending if conclusions[item.id].outcome in PUBLISHED]
    stored = questions.find_stored(connection, wanted, lock=True)
    concluded: list[items.Concluded] = []
    publications: list[questions.Publication] = []
    for item in pending:
        conclusion = _settle(item, conclusions[item.id], stored.get(ids[item.id]), rules)
        there = stored.get(ids[item.id])
        if conclusion.outcome in PUBLISHED and not _must_stay(there, conclusion):
            publications.append(
                questions.Publication(
                    id=ids[item.id],
                    question=item.question,
                    key=conclusion.key,
                    answer=conclusion.answer,
                    explanation=conclusion.explanation or "",
                    validated=conclusion.validated,
                )
            )
        has_question = conclusion.outcome in PUBLISHED or conclusion.outcome == "duplicate"
        concluded.append(items.Concluded(item.id, conclusion, ids[item.id] if has_question else None))
    questions.write_questions(connection, publications, directory)
    return concluded


def _settle(
    item: PendingItem, conclusion: Conclusion, there: questions.StoredQuestion | None, rules: QuestionRules
) -> Conclusion:
    """The conclusion once the platform's own rows and rules are known."""
    if conclusion.outcome not in PUBLISHED:
        return conclusion
    if there and there.by_person:
        return replace(conclusion, outcome="duplicate", reason=sentences.VALIDATED_BY_PERSON, validated=False)
    if refusal := rules.refusal(item.question, conclusion.key):
        return replace(conclusion, outcome="rejected", reason=refusal, validated=False)
    if _must_stay(there, conclusion):
        note = sentences.kept_as_validated(there.official or "" if there else "")
        return replace(conclusion, reason=" ".join(filter(None, [conclusion.reason, note])))
    return conclusion


def _must_stay(there: questions.StoredQuestion | None, conclusion: Conclusion) -> bool:
    """A validated question keeps its key against an answer that is not validated itself."""
    if there is None or not there.is_validated or conclusion.validated:
        return False
    return there.official != (conclusion.key or conclusion.answer)


def write_report(database: Database, storage: Storage, job_id: str, *, embedded: bool) -> str:
    """The corrected workbook of a job, whatever its status; the URL it was stored under.

    Raises `JobFailed` when it cannot be written or stored, `LeaseLost` when the job was deleted.
    """
    # One snapshot: the workbook's sheets and figures agree even while the job goes on.
    engine = database.engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection, _storing():
        # It holds no lock, and nothing is asked of the server while the file is closed and stored.
        connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        job = jobs.read_summary(connection, job_id)
        summary = _summarise(job, embedded=embedded)
        few = (job.row["totalItems"] or 0) <= ROWS_IN_MEMORY
        kept = list(_report_rows(connection, job_id)) if few else None
        sheets = build_report(lambda: kept or _report_rows(connection, job_id), summary)
        return storage.save_result(job_id, summary.file_name, lambda target: write_workbook(sheets, target))


# No room, no right, no such size: a retry in a minute meets the same.
_STORAGE_REFUSALS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM})


@contextmanager
def _storing() -> Iterator[None]:
    """A storage that takes no file fails the job with the cause, resumable; any other fault of it may pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in _STORAGE_REFUSALS:
            raise
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise JobFailed(sentences.STORAGE_FULL if is_full else sentences.STORAGE_REFUSED) from error


def _report_rows(connection: sa.Connection, job_id: str) -> Iterator[ReportRow]:
    for row in items.stream_report_rows(connection, job_id):
        yield ReportRow.from_stored(
            sheet=row["sheet"],
            row_number=row["rowNumber"],
            type=row["type"],
            cells=row["original"],
            status=row["status"],
            reason=row["reason"],
            findings=row["findings"],
            result=row["result"],
            question=row["question"],
        )


def _summarise(job: jobs.JobSummary, *, embedded: bool) -> ReportSummary:
    row, spent = job.row, job.spent
    costs = [line["cost_usd"] for line in spent if line["cost_usd"] is not None]
    return ReportSummary(
        file_name=row["originalFileName"],
        status=row["status"],
        figures={name: row[name] or 0 for name in jobs.FIGURES},
        sheets=tuple(ReadSheet(s["name"], tuple(s["columns"]), s["rows"]) for s in job.notes.get("read", [])),
        left_out=tuple(LeftOutSheet(s["name"], s["reason"]) for s in job.notes.get("leftOut", [])),
        model=next((line["model"] for line in spent if line["purpose"] == "analyse"), None),
        review_model=next((line["model"] for line in spent if line["purpose"] == "second_look"), None),
        calls=sum(line["calls"] for line in spent),
        prompt_tokens=sum(line["prompt_tokens"] for line in spent),
        cached_tokens=sum(line["cached_tokens"] for line in spent),
        completion_tokens=sum(line["completion_tokens"] for line in spent),
        cost_usd=sum(costs) if costs else None,
        cost_by_model=_cost_by_model(spent),
        embedded_model=embedded,
        instructions=row["instructions"],
        error_message=row["errorMessage"],
    )


def _cost_by_model(spent: Sequence[Mapping[str, Any]]) -> dict[str, Decimal | None]:
    costs: dict[str, Decimal | None] = {}
    for line in spent:
        before, cost = costs.get(line["model"]), line["cost_usd"]
        costs[line["model"]] = before if cost is None else (before or 0) + cost
    return costs


def _refused(answers: Answers, item_id: str) -> str:
    refusal = answers.refusals.get(item_id)
    return sentences.refused(refusal.code if refusal else None)


@dataclass(frozen=True)
class TaskLedger:
    """The ledger of one task's calls: each method one transaction."""

    database: Database
    task: Task
    prices: Prices
    max_cost_usd: float | None
    unread: list[Batch] = field(default_factory=list)  # read with the claim, not looked at yet
    _known: set[str] = field(default_factory=set)  # calls whose reply was looked at, or is our own

    def find(self, keys: Sequence[str]) -> Sequence[calls.StoredReply]:
        """See `Ledger.find`."""
        # What was read with the claim is new only once: later, another worker may have been told more.
        batch = self.unread.pop() if self.unread else None
        if batch and batch.keys == set(keys):
            found = batch.replies
        else:
            found = self.database.transact(lambda c: calls.find_replies(c, self.task, keys), single=True)
        self._known.update(stored.id for stored in found)
        return found

    def begin(self, request: Request, *, is_retry: bool) -> str | None:
        """See `Ledger.begin`. Of a job's budget, what the call may cost at most is reserved with the intent."""
        call_id = new_id()
        ceiling_usd = self.prices.ceiling_usd(request)

        def write(connection: sa.Connection) -> bool:
            if calls.is_asked_elsewhere(connection, self.task, request, call_id=call_id, known=list(self._known)):
                return False
            if not self._fits_budget(connection, request, ceiling_usd, call_id=call_id):
                return False
            calls.begin_call(
                connection, self.task, request, call_id=call_id, is_retry=is_retry, ceiling_usd=ceiling_usd
            )
            return True

        if not self.database.transact(write):
            return None
        self._known.add(call_id)
        faults.reached(Point.AFTER_INTENT, self.task.kind, self.task.position)
        return call_id

    def _fits_budget(
        self, connection: sa.Connection, request: Request, ceiling_usd: Decimal | None, *, call_id: str
    ) -> bool:
        """False while calls under way may still leave room; `JobFailed` when there is none and never will be."""
        if self.max_cost_usd is None:
            return True
        if ceiling_usd is None:
            raise JobFailed(sentences.price_unknown(request.model))
        # The job's row is the lock under which every process of every machine reserves.
        tasks.lock_job(connection, self.task.job.id)
        spent_usd, reserved_usd = calls.sum_spent(connection, self.task.job.id, call_id=call_id)
        left_usd = Decimal(str(self.max_cost_usd)) - spent_usd
        if ceiling_usd > left_usd:
            raise JobFailed(sentences.budget_spent(spent_usd, self.max_cost_usd))
        return ceiling_usd + reserved_usd <= left_usd

    def succeed(self, call_id: str, request: Request, reply: Reply) -> None:
        """See `Ledger.succeed`. A paid reply is worth waiting long for a database that is away."""
        cost_usd = self.prices.cost_usd(request, reply)
        self.database.transact(
            lambda c: calls.succeed_call(c, call_id, reply, cost_usd=cost_usd), patience_s=600, single=True
        )
        faults.reached(Point.REPLY_STORED, self.task.kind, self.task.position)

    def fail(self, call_id: str, request: Request, *, kind: str, code: str, message: str) -> None:
        """See `Ledger.fail`. A late reply may be billed whole, a filtered prompt for its reading, the rest is free."""
        priced = self.prices.ceiling_usd(request) is not None
        free = Decimal(0) if priced else None
        cost_usd = self.prices.prompt_ceiling_usd(request) if kind == "content" else free
        self.database.transact(
            lambda c: calls.fail_call(
                c,
                call_id,
                kind=kind,
                code=code,
                message=message,
                cost_usd=cost_usd,
                is_cost_known=code != "timeout",
            )
        )
