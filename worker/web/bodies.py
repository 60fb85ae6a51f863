"""What the API takes and gives, as its OpenAPI document describes it. Names are camelCase, times are UTC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from models.states import JobStatus
from worker.jobs.queries import FindingCount, JobOverview, JobState, Spending
from worker.jobs.usage import Usage
from worker.questions.decision import Action, Decided, Source
from worker.review.decision_store import ItemView
from worker.review.returned_workbook import TakenIn

ItemStatus = Literal[
    "pending", "confirmed", "corrected", "completed", "contested", "duplicate", "rejected", "failed"
]  # fmt: skip


def _storable(text: str) -> str:
    """A text that a database takes. Raises `ValueError` for NUL and halves of characters."""
    if "\x00" in text:
        raise ValueError("holds a NUL character")
    text.encode()  # UnicodeEncodeError is a ValueError
    return text


def _in_utc(moment: datetime) -> datetime:
    """Columns hold UTC without saying so, and a browser would take that for its own time."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Text = Annotated[str, AfterValidator(_storable)]
Moment = Annotated[datetime, AfterValidator(_in_utc)]


class Body(BaseModel):
    """What all share."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class Problem(Body):
    """RFC 9457. `detail` is a French sentence that says what to do."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def component(body: type[Body]) -> dict[str, str]:
    """Where the OpenAPI document describes it."""
    return {"$ref": f"#/components/schemas/{body.__name__}"}


class Job(Body):
    """One row of "AiValidationJob": its figures equal its items' counts. `hasWorkbook`: a corrected one is stored."""

    id: str
    file_name: str
    original_file_name: str
    file_size: int
    has_workbook: bool
    status: JobStatus
    progress: int = Field(ge=0, le=100)
    message: str | None
    error_message: str | None
    total_items: int
    processed_items: int
    current_batch: int
    total_batches: int
    rag_applied_count: int
    fixed_count: int
    successful_analyses: int
    failed_analyses: int
    retry_attempts: int
    created_at: Moment
    started_at: Moment | None
    completed_at: Moment | None
    updated_at: Moment
    user_id: str
    instructions: str | None
    config: Any

    @classmethod
    def of(cls, job: JobOverview) -> Self:
        """The row without the addresses of its files, which may name a bucket."""
        return cls(**_row(job))


class LiveJob(Job):
    """A job with everything that changes while it goes on. `costUsd` is null when no price is known."""

    outcomes: dict[str, int]
    open_items: int
    cost_usd: float | None
    seconds_left: int | None

    @classmethod
    def of_state(cls, state: JobState) -> Self:
        """As read in one snapshot."""
        left_s = state.seconds_left(datetime.now(UTC))
        return cls(
            **_row(state.job),
            outcomes=state.outcomes,
            open_items=state.open_items,
            cost_usd=state.cost_usd,
            seconds_left=None if left_s is None else round(left_s),
        )


def _row(job: JobOverview) -> dict[str, Any]:
    return asdict(job) | {"has_workbook": job.output_url is not None}


class JobFinding(Body):
    """Something odd about the file's rows. `example` is French."""

    code: str
    rows: int
    example: str


class LeftOut(Body):
    """A sheet that was not read, and why, in French."""

    name: str
    reason: str


class FileNote(Body):
    """Something of the file that was not used, or not as it is written there; French."""

    code: str
    message: str
    label: str
    count: int = 0
    sheet: str | None = None


class ModelCost(Body):
    """Calls of a job to one model."""

    model: str
    calls: int
    failed_calls: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_usd: float | None


class JobCost(Body):
    """Calls of a job. `costUsd` is null when no price is known."""

    calls: int
    failed_calls: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_usd: float | None
    batch_calls: int
    batch_cost_usd: float | None
    by_model: list[ModelCost]


class JobDetail(LiveJob):
    """Everything about one job."""

    findings: list[JobFinding]
    left_out: list[LeftOut]
    notes: list[FileNote]
    llm_calls: JobCost

    @classmethod
    def of_whole(
        cls,
        state: JobState,
        findings: Iterable[FindingCount],
        notes: Mapping[str, Sequence[Mapping[str, Any]]],
        spending: Spending,
    ) -> Self:
        """The state, and what is read once."""
        return cls(
            **LiveJob.of_state(state).model_dump(),
            findings=[JobFinding(**asdict(finding)) for finding in findings],
            left_out=[LeftOut(**sheet) for sheet in notes["leftOut"]],
            notes=[FileNote(**note) for note in notes["notes"]],
            llm_calls=JobCost(**asdict(spending)),
        )


class JobPage(Body):
    """The newest first. `next` continues the list; null at its end."""

    jobs: list[Job]
    next: str | None


class Quote(Body):
    """Words of a course that an analysis leans on."""

    quote: str
    source: str | None = None


class ItemLook(Body):
    """What one analysis said, blind. `confidence` 0–1."""

    key: str | None = None
    answer: str | None = None
    verdict: str | None = None
    confidence: float | None = None
    model: str | None = None
    explanation: str | None = None
    option_explanations: dict[str, str | None] = {}
    citations: list[Quote] = []


class ItemQuestion(Body):
    """The row as it was understood. Options keep their letters."""

    type: str
    specialty: str
    course: str
    level: str
    semester: str
    text: str
    options: dict[str, str] = {}
    official_key: str | None = None
    official_answer: str | None = None
    case_number: str | None = None
    case_text: str | None = None
    explanation: str | None = None
    option_explanations: dict[str, str] = {}
    reminder: str | None = None
    image: str | None = None


class ItemFinding(Body):
    """Something odd about a row; `message` is French."""

    code: str
    message: str
    column: str | None = None


class StoredQuestion(Body):
    """What stands on the platform."""

    official: str | None = None
    explanation: str | None = None
    is_active: bool
    is_validated: bool
    validated_by: str | None = None


class StandingDecision(Body):
    """What a person decided and nobody took back."""

    id: str
    action: Action
    key: str | None = None
    answer: str | None = None
    comment: str | None = None
    user_id: str | None = None
    source: Source
    created_at: Moment


class Item(Body):
    """One row of a file. `version` is what a decision shows, so that nobody decides on what has changed since."""

    id: str
    job_id: str
    sheet: str
    row_number: int
    type: str
    status: ItemStatus
    reason: str | None
    findings: list[ItemFinding]
    question: ItemQuestion | None
    looks: list[ItemLook]
    proposed: str | None
    question_id: str | None
    stored: StoredQuestion | None
    is_open: bool
    decision: StandingDecision | None
    version: str
    updated_at: Moment

    @classmethod
    def of(cls, item: ItemView) -> Self:
        """As a person decides on it."""
        result = item.result or {}
        values = {name: getattr(item, name) for name in cls.model_fields if hasattr(item, name)}
        return cls(**values, looks=[ItemLook(**look) for look in result.get("looks") or ()],
                   proposed=result.get("proposed"))  # fmt: skip


class ItemPage(Body):
    """In the order of the file. `next` continues the list; null at its end."""

    items: list[Item]
    next: str | None


class Decision(Body):
    """What a person decides. `key`, `answer` and `explanation` belong to `edit`; `version` is the item's as shown."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    action: Action
    version: Text | None = Field(default=None, max_length=64)
    key: Text | None = Field(default=None, max_length=200)
    answer: Text | None = Field(default=None, max_length=10_000)
    explanation: Text | None = Field(default=None, max_length=200_000)
    comment: Text | None = Field(default=None, max_length=10_000)


class DecisionMade(Body):
    """`isNew` is false when this very decision stood already; `otherItems` of the same content are settled with it."""

    decision_id: str
    question_id: str | None
    is_new: bool
    needs_explanation: bool
    other_items: int
    item: Item | None = None

    @classmethod
    def of(cls, decided: Decided, item: Item | None) -> Self:
        """And the item as it is now."""
        return cls(**{n: getattr(decided, n) for n in cls.model_fields if hasattr(decided, n)}, item=item)


class RowTakenIn(Body):
    """What became of one row of a returned workbook; `reason` is French."""

    sheet: str
    row_number: int
    item_id: str | None
    word: str
    state: Literal["settled", "stands", "refused"]
    reason: str | None


class TakenInWorkbook(Body):
    """What became of a returned workbook."""

    settled: int
    stands: int
    refused: int
    rows: list[RowTakenIn]

    @classmethod
    def of(cls, rows: Sequence[TakenIn]) -> Self:
        """Row by row."""
        told = [RowTakenIn(**{n: getattr(row, n) for n in RowTakenIn.model_fields}) for row in rows]
        return cls(**{s: sum(row.state == s for row in told) for s in ("settled", "stands", "refused")}, rows=told)


class DayOfModel(Body):
    """Calls of one model on one day."""

    day: date
    model: str
    calls: int
    failed_calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None


class EndpointLimits(Body):
    """What all processes keep to at one endpoint, per minute; null: no limit is known."""

    endpoint: str
    requests: float | None
    tokens: float | None
    pause_s: float


class Stats(Body):
    """`workers` is null behind a pooler, where none can be counted; `waitedS`: so long nobody took what is ready."""

    workers: int | None
    waited_s: float
    jobs: dict[str, int]
    tasks: dict[str, dict[str, int]]
    limits: list[EndpointLimits]
    costs: list[DayOfModel]
    decisions: dict[str, int]

    @classmethod
    def of(cls, usage: Usage, *, workers: int | None, waited_s: float, limits: list[EndpointLimits]) -> Self:
        """All of it at one moment."""
        costs = [DayOfModel(**asdict(cost)) for cost in usage.costs]
        return cls(workers=workers, waited_s=waited_s, limits=limits, costs=costs, jobs=usage.jobs, tasks=usage.tasks,
                   decisions=usage.decisions)  # fmt: skip
