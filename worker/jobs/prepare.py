"""prepare: file → rows → items → batches."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from models import new_id, utc_now
from worker import failpoints
from worker.db.engine import copy_rows
from worker.errors import JobFailed
from worker.failpoints import Point
from worker.jobs.context import Context
from worker.logging import get_logger
from worker.messages import job_progress
from worker.questions import history_store, item_store, place_store
from worker.questions.history import EarlierItem, Standing, Trace, text_hash
from worker.questions.item import PlannedItem
from worker.questions.question import ParsedRow, ParsedUpload, Question
from worker.questions.row_marks import RowMark
from worker.questions.sheets import ReadSheet
from worker.queue import pauses, tasks
from worker.queue.job import JobConfig, Task
from worker.queue.leases import Lease
from worker.review.provenance import is_explained, restore_row
from worker.text.french import typeset, typeset_fields
from worker.upload.check import PURPOSES, unknown_price
from worker.upload.parsing import read_questions
from worker.upload.plan import assign_batches, plan_items
from worker.upload.reading import read_sheets

log = get_logger()

ROWS_AT_ONCE = 500  # whose earlier rows, with all that was said of them, are in memory


@dataclass(frozen=True)
class Prepare:
    """The handler of a job's first task. All that it needs of the rows came with the task; the rest is in the file."""

    context: Context

    def load(self, _connection: sa.Connection, task: Task) -> Task:
        """The task itself."""
        return task

    def run(self, task: Task, _lease: Lease) -> None:
        """Read the file, and store its items and batches. Raises `JobFailed` for a file or config that is no use."""
        prepare(self.context, task)


def prepare(context: Context, task: Task) -> None:
    """Read the file, and store its items and batches. Raises `JobFailed` for a file or config that is no use."""
    config = JobConfig.parse(task.job.config)
    _check_prices(context, config)
    context.check_batch_mode(config)
    max_bytes = context.settings.max_file_bytes
    data = context.storage.read(task.job.file_url or "", max_bytes=max_bytes)
    name = task.job.original_file_name
    sheets = read_sheets(data, name, max_bytes=max_bytes, max_rows=context.settings.max_rows)
    del data  # the largest file must fit into 300 MB with all that follows
    upload = read_questions(sheets, name, config, known_levels=context.database.transact(place_store.read_levels))
    del sheets
    notes = {
        "read": [_sheet_note(sheet) for sheet in upload.read],
        "leftOut": [{"name": s.name, "reason": typeset(s.reason)} for s in upload.left_out],
        "notes": [typeset_fields(asdict(note), "message", "label") for note in upload.notes],
    }
    batched = _plan(context, upload, config)
    try:
        context.database.transact(lambda c: _store_plan(c, task, batched, notes))
    except sa.exc.IntegrityError:
        # A question that a person had validated was removed since it was found.
        batched = _plan(context, upload, config)
        context.database.transact(lambda c: _store_plan(c, task, batched, notes))
    log.info("prepared", items=len(batched), left_out=len(upload.left_out))


def _plan(context: Context, upload: ParsedUpload, config: JobConfig) -> list[PlannedItem]:
    rules = context.database.transact(place_store.read_rules)
    rows, returns = _take_out_ours(context, upload.rows)
    planned = plan_items(rows, rules=rules, standing=lambda found: _standing(context, found), returns=returns)
    meter = context.dispatcher.meter
    return assign_batches(
        planned,
        batch_size=context.questions_per_call(config),
        characters_per_token=meter.characters_per_token,
        capacity=context.dispatcher.expected(context.endpoint, context.model("analyse", config, context.endpoint)),
    )


def _sheet_note(sheet: ReadSheet) -> dict[str, Any]:
    unread = [
        {"header": column.header, "filled": column.filled, "reason": typeset(column.reason)} for column in sheet.unread
    ]
    return {
        "name": sheet.name,
        "columns": list(sheet.columns),
        "rows": sheet.row_count,
        "headerRow": sheet.header_row,
        "unread": unread,
    }


def _check_prices(context: Context, config: JobConfig) -> None:
    """Say that a price is unknown before anything is spent."""
    if context.endpoint.embedded:
        return
    models = [context.model(purpose, config, e) for e in context.dispatcher.endpoints for purpose in PURPOSES]
    if refusal := unknown_price(config, models, context.prices):
        raise JobFailed(refusal)


def _standing(context: Context, contents: Mapping[str, Question]) -> Mapping[str, Standing]:
    return context.database.transact(lambda c: history_store.find_standing(c, contents))


def _take_out_ours(
    context: Context, rows: Sequence[ParsedRow]
) -> tuple[Sequence[ParsedRow], Mapping[int, EarlierItem]]:
    """The rows as people left them, and (by position) the earlier row whose outcome one has again."""
    restored: list[ParsedRow] = []
    returns: dict[int, EarlierItem] = {}
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        earlier = _find_earlier(context, some)
        for position, row in enumerate(some, start=start):
            found = restore_row(row, *earlier(row))
            restored.append(found.row)
            if found.returns:
                returns[position] = found.returns
    return restored, returns


Before = tuple[Sequence[EarlierItem], Sequence[Trace]]


def _find_earlier(context: Context, rows: Sequence[ParsedRow]) -> Callable[[ParsedRow], Before]:
    """What came before with the content of each of these, with the same explanation, or under the id of its mark."""
    shown = [r for r in rows if r.question and (r.mark or is_explained(r.question))]
    questions = [row.question for row in shown if row.question]
    if not questions:
        return lambda _row: ((), ())
    hashes = {question.content_hash() for question in questions}
    texts = {text_hash(question.explanation) for question in questions if question.explanation}
    ids = {mark.item_id for row in shown if (mark := RowMark.parse(row.mark))}
    found = context.database.transact(lambda c: history_store.find_earlier(c, hashes=hashes, texts=texts, ids=ids))
    traces = _find_traces(context, hashes, texts)
    by_id = {item.id: item for item in found}
    by_content: dict[str, list[EarlierItem]] = defaultdict(list)
    by_text: dict[str, list[EarlierItem]] = defaultdict(list)
    for item in found:
        by_content[item.content_hash].append(item)
        if text := item.result.get("general_explanation"):
            by_text[text_hash(text)].append(item)

    def earlier(row: ParsedRow) -> Before:
        if (question := row.question) is None:
            return (), ()
        mark = RowMark.parse(row.mark)
        marked = [by_id[mark.item_id]] if mark and mark.item_id in by_id else []
        same_text = by_text[text_hash(question.explanation)] if question.explanation else []
        items = {e.id: e for e in [*marked, *by_content[question.content_hash()], *same_text]}
        return list(items.values()), traces(question)

    return earlier


def _find_traces(context: Context, hashes: set[str], texts: set[str]) -> Callable[[Question], Sequence[Trace]]:
    """The same of rows that were removed since."""
    found = context.database.transact(lambda c: history_store.find_traces(c, hashes=hashes, texts=texts))
    by_content: dict[str, list[Trace]] = defaultdict(list)
    by_text: dict[str, list[Trace]] = defaultdict(list)
    for trace in found:
        by_content[trace.content_hash].append(trace)
        by_text[trace.text_hash or ""].append(trace)

    def traces(question: Question) -> Sequence[Trace]:
        same_text = by_text[text_hash(question.explanation)] if question.explanation else []
        return [*by_content[question.content_hash()], *same_text]

    return traces


def _store_plan(connection: sa.Connection, task: Task, planned: Sequence[PlannedItem], notes: Any) -> None:
    tasks.end_task(connection, task, result=json.dumps(notes, ensure_ascii=False))
    pauses.end_pause(connection, task.job.id)  # the storage has answered: what finish may meet begins at zero
    now = utc_now().replace(tzinfo=None)  # a `timestamp`, and all of them are UTC
    batch_count = 1 + max((item.batch for item in planned if item.batch is not None), default=-1)
    task_ids = [new_id() for _ in range(batch_count)]
    tasks.add_batches(connection, task.job.id, task_ids)
    copy_rows(
        connection,
        "AiValidationItem",
        item_store.ITEM_COLUMNS,
        item_store.item_rows(
            planned, job_id=task.job.id, item_ids=[new_id() for _ in planned], task_ids=task_ids, now=now
        ),
    )
    item_store.count_figures(connection, task.job.id, message=job_progress.prepared(len(planned)))
    tasks.ready_finish(connection, task.job.id)
    tasks.notify(connection, task.job.id)
    failpoints.reached(Point.IN_PREPARE)
