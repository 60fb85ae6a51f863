"""What a file would be as a job, read as `prepare` reads it: no database, no model, no cost.

How it is shown is in `cli.check`; an API may send `FileCheck.to_json`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Any

from worker.errors import JobFailed, UsageError
from worker.llm.calls import Endpoint, Usage
from worker.llm.client import resolve_endpoint
from worker.llm.compose import batch_limit
from worker.llm.prices import Prices
from worker.llm.prompts import load_prompt
from worker.llm.reply_schema import HOSTED_SCHEMA
from worker.llm.sizes import REPLY_SHARE, prompt_tokens, reply_ceiling
from worker.messages import file_refusals, job_causes, provider_faults
from worker.questions.answers import Purpose
from worker.questions.item import PlannedItem
from worker.questions.question import Finding, ParsedRow, Question
from worker.questions.rules import QuestionRules
from worker.questions.sheets import Note, RawSheet, ReadColumn, ReadSheet
from worker.queue.job import JobConfig
from worker.settings import DEFAULT_MODEL, Settings
from worker.upload.parsing import Inspection, Proposal, inspect_upload
from worker.upload.plan import assign_batches, plan_items
from worker.upload.reading import read_sheets

PURPOSES: tuple[Purpose, ...] = ("analyse", "second_look")
ROWS_SHOWN = 50  # of one reason, in the document
REASONS_SHOWN = 200
FRAME = 200  # characters of JSON around one question

Place = tuple[str, int]  # sheet, row number
ReadSheets = Callable[..., list[RawSheet]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Calls and money that a job would take: the least, and the most as long as nothing has to be asked again.

    The least has a second look for every question without an official answer, the most one for every question. Tokens
    are estimated from characters, without excerpts of courses. `None`: the price of a model is not known.
    """

    questions: int
    calls: tuple[int, int]
    cost_usd: tuple[Decimal, Decimal] | None
    model: str
    review_model: str
    is_assumed: bool = False  # no model is configured here

    def to_json(self) -> dict[str, Any]:
        """Plain values; money as numbers."""
        cost = None if self.cost_usd is None else {"least": float(self.cost_usd[0]), "most": float(self.cost_usd[1])}
        return {
            "questions": self.questions,
            "calls": {"least": self.calls[0], "most": self.calls[1]},
            "costUsd": cost,
            "model": self.model,
            "reviewModel": self.review_model,
            "modelIsAssumed": self.is_assumed,
        }


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What a job of this file would meet. `failure` is the sentence of its `errorMessage`, None when it would run."""

    file_name: str
    failure: str | None
    found: Inspection | None = None  # None for bytes that are no sheets, and for a config that means nothing
    items: Sequence[PlannedItem] = ()
    estimate: Estimate | None = None
    proposal: Proposal = field(default_factory=dict)

    @property
    def rows(self) -> Sequence[ParsedRow]:
        """Every row, read or refused, in the file's order."""
        upload = self.found.upload if self.found else None
        return upload.rows if upload else ()

    def by_reason(self, outcome: str) -> dict[str, list[Place]]:
        """The rows that would have this outcome before any call, by the reason that they would give."""
        reasons: dict[str, list[Place]] = defaultdict(list)
        for item in self.items:
            if item.outcome == outcome:
                reasons[item.reason or ""].append((item.row.sheet, item.row.row_number))
        return reasons

    def repeats(self) -> list[tuple[Place, Place]]:
        """Rows with the content of another one, and the row that is analysed for both."""
        pairs = ((item, self.items[item.duplicate_of]) for item in self.items if item.duplicate_of is not None)
        return [(_place(item), _place(chosen)) for item, chosen in pairs]

    def findings(self) -> list[tuple[str, int, Place, Finding]]:
        """Of each code: how many there are, and the first with its row; the most frequent first."""
        counts: Counter[str] = Counter()
        first: dict[str, tuple[Place, Finding]] = {}
        for row in self.rows:
            for finding in row.findings:
                counts[finding.code] += 1
                first.setdefault(finding.code, ((row.sheet, row.row_number), finding))
        return [(code, number, *first[code]) for code, number in counts.most_common()]

    def types(self, sheet: str) -> Counter[str]:
        """How many rows of each type a sheet has."""
        return Counter(row.type for row in self.rows if row.sheet == sheet)

    def to_json(self) -> dict[str, Any]:
        """The document of `medq check --json`; lists of rows are bounded, their counts are whole."""
        found = self.found
        outcomes = Counter(item.outcome or "pending" for item in self.items)
        return {
            "file": self.file_name,
            "wouldFail": self.failure is not None,
            "errorMessage": self.failure,
            "rows": len(self.rows),
            "sheets": [self._sheet(sheet) for sheet in found.found] if found else [],
            "leftOut": [{"name": s.name, "reason": s.reason} for s in found.left_out] if found else [],
            "notes": [_note(note) for note in found.notes] if found else [],
            "questions": [_question(row) for row in self.rows],
            "refused": {"rows": outcomes["rejected"], "reasons": _reasons(self.by_reason("rejected"))},
            "conflicts": {"rows": outcomes["contested"], "reasons": _reasons(self.by_reason("contested"))},
            "repeats": [{**_row(row), "sameAs": _row(chosen)} for row, chosen in islice(self.repeats(), REASONS_SHOWN)],
            "findings": [
                {"code": code, "count": number, "example": {**_row(place), "message": finding.message}}
                for code, number, place, finding in self.findings()
            ],
            "proposal": self.proposal,
            "estimate": None if self.estimate is None else self.estimate.to_json(),
        }

    def _sheet(self, sheet: ReadSheet) -> dict[str, Any]:
        left_out = {s.name for s in self.found.left_out} if self.found else set()
        return {
            "name": sheet.name,
            "isRead": sheet.name not in left_out,
            "types": dict(self.types(sheet.name)),
            "headerRow": sheet.header_row,
            "rows": sheet.row_count,
            "columns": [_column(column) for column in sheet.details],
        }


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file as somebody would send it, and the config of its job."""

    data: bytes
    name: str
    config: object = None


def check_file(file: Uploaded, settings: Settings, prices: Prices, *, read: ReadSheets = read_sheets) -> FileCheck:
    """Read a file as a job with its config would.

    Whatever the file is, the answer is a `FileCheck`; when the reader is killed, `ReaderKilled` is raised.
    """
    try:
        wanted = JobConfig.parse(file.config)
        failure = _refusal(wanted, settings, prices)
    except JobFailed as error:
        return FileCheck(file.name, str(error))
    max_bytes = settings.max_file_bytes
    if len(file.data) > max_bytes:
        return FileCheck(file.name, failure or file_refusals.too_large(max_bytes))
    try:
        sheets = read(file.data, file.name, max_bytes=max_bytes, max_rows=settings.max_rows)
        found = inspect_upload(sheets, file.name, wanted)
    except JobFailed as error:
        return FileCheck(file.name, failure or str(error))
    items: Sequence[PlannedItem] = ()
    estimate = None
    if found.upload is not None:
        items = plan_items(found.upload.rows, rules=QuestionRules())
        estimate = _estimate(items, wanted, settings, prices)
    failure = failure or found.failure or _nothing_left(items)
    return FileCheck(file.name, failure, found, items, estimate, found.proposal())


def _nothing_left(items: Sequence[PlannedItem]) -> str | None:
    """What `finish` says of a job whose rows are all refused."""
    reasons = {item.reason for item in items}
    if not items or any(item.outcome != "rejected" for item in items):
        return None
    return job_causes.no_success(reasons)


# -- models, calls and money ---------------------------------------------------------------------------------------


def model_of(purpose: Purpose, config: JobConfig, endpoint: Endpoint, *, stands_in: bool) -> str:
    """Which model a call asks for. `stands_in`: another provider, for which the operator named a model of its own."""
    is_second = purpose == "second_look"
    named = config.review_model if is_second else config.ai_model
    # Another provider may not know the job's model: the operator says which one stands in for it.
    if endpoint.embedded or stands_in:
        named = None
    return named or (endpoint.review_model if is_second else endpoint.model)


def unknown_price(config: JobConfig, models: Sequence[str], prices: Prices) -> str | None:
    """A budget is no promise for a model whose price nobody knows: the sentence that says so."""
    if config.max_cost_usd is None:
        return None
    return next((job_causes.price_unknown(model) for model in models if prices.find(model) is None), None)


def _endpoints(settings: Settings) -> list[Endpoint]:
    """As a worker with these settings would have them; the embedded model's where none is configured."""
    try:
        main = resolve_endpoint(settings, "embedded")
        return [main, resolve_endpoint(settings.for_fallback(), None)] if settings.has_fallback else [main]
    except UsageError:  # half configured: no worker would start, and nothing is asked here
        model = settings.azure_deployment or settings.model or DEFAULT_MODEL
        return [Endpoint("", model, settings.review_model or model)]


def _refusal(config: JobConfig, settings: Settings, prices: Prices) -> str | None:
    """Why a job with this config would fail whatever its file holds."""
    main, *others = _endpoints(settings)
    if main.embedded:
        return provider_faults.BATCH_EMBEDDED if config.batch_api else None
    stands_in = bool(settings.fallback_model)
    models = [model_of(p, config, main, stands_in=False) for p in PURPOSES]
    models += [model_of(p, config, e, stands_in=stands_in) for e in others for p in PURPOSES]
    return unknown_price(config, models, prices)


def _estimate(items: Sequence[PlannedItem], config: JobConfig, settings: Settings, prices: Prices) -> Estimate:
    endpoint = _endpoints(settings)[0]
    is_assumed = endpoint.embedded
    if is_assumed:
        name = settings.model or DEFAULT_MODEL
        endpoint = Endpoint("", name, settings.review_model or name)
    batched = assign_batches(items, batch_size=batch_limit(endpoint, config.batch_size or settings.batch_size))
    asked = [(item.batch, item.row.question) for item in batched if item.batch is not None and item.row.question]
    batches = len({batch for batch, _ in asked})
    first, second = (model_of(purpose, config, endpoint, stands_in=False) for purpose in PURPOSES)
    needed = [question for _, question in asked if question.official is None]
    every = [question for _, question in asked]
    cost = None
    if (price := prices.find(first)) and (review := prices.find(second)):
        begun = price.cost_usd(_usage("analyse", every, batches))
        least, most = (begun + review.cost_usd(_usage("second_look", some, len(some))) for some in (needed, every))
        share = prices.batch_share if config.batch_api else Decimal(1)
        cost = (least * share, most * share)
    return Estimate(len(asked), (batches + len(needed), batches + len(asked)), cost, first, second, is_assumed)


def _usage(purpose: Purpose, questions: Sequence[Question], calls: int) -> Usage:
    frame = len(load_prompt(purpose).text) + len(str(HOSTED_SCHEMA))
    characters = options = 0
    for question in questions:
        texts = question.options
        characters += len(question.case_text or "") + len(question.text) + sum(map(len, texts.values())) + FRAME
        options += len(texts)
    reply = reply_ceiling(questions=len(questions), options=options, characters=characters)
    base = reply_ceiling(questions=0, options=0, characters=0)  # of each call, whatever it holds
    completion = (reply + base * (calls - 1)) * REPLY_SHARE if calls else 0
    return Usage(prompt_tokens=prompt_tokens(characters + frame * calls), completion_tokens=int(completion))


# -- the document --------------------------------------------------------------------------------------------------


def _place(item: PlannedItem) -> Place:
    return item.row.sheet, item.row.row_number


def _row(place: Place) -> dict[str, Any]:
    return {"sheet": place[0], "row": place[1]}


def _column(column: ReadColumn) -> dict[str, Any]:
    return {
        "header": column.header,
        "became": column.became,
        "filled": column.filled,
        "reason": column.reason,
        "onPurpose": not column.is_wanted,
    }


def _note(note: Note) -> dict[str, Any]:
    return {"code": note.code, "message": note.message, "label": note.label, "count": note.count, "sheet": note.sheet}


def _reasons(by_reason: Mapping[str, Sequence[Place]]) -> list[dict[str, Any]]:
    return [
        {"reason": reason, "count": len(places), "rows": [_row(place) for place in places[:ROWS_SHOWN]]}
        for reason, places in islice(by_reason.items(), REASONS_SHOWN)
    ]


def _question(row: ParsedRow) -> dict[str, Any]:
    """One row as understood, short: which letters have an option, and the official key or answer."""
    question = row.question
    return {
        "sheet": row.sheet,
        "row": row.row_number,
        "type": row.type,
        "text": question.text if question else None,
        "options": dict(question.options) if question else {},
        "official": question.official if question else None,
        "unreadOfficial": question.unread_official if question else None,
        "findings": [finding.code for finding in row.findings],
        "rejection": row.rejection,
    }
