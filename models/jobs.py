"""Validation jobs: the row that admins watch, its tasks, its items, and every call paid for them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Index, Numeric, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Count, Id, created_at_column, reference, updated_at_column, utc_now
from models.states import BATCH_STATUSES, CALL_STATUSES, JOB_STATUSES, PAUSE_REASONS, TASK_STATUSES, is_one_of


class AiValidationJob(Base):
    """One uploaded file. Its figures equal its items' counts at every commit; `progress` is in percent."""

    __tablename__ = "AiValidationJob"
    __table_args__ = (
        CheckConstraint('"progress" >= 0 AND "progress" <= 100', name="AiValidationJob_progress_check"),
        CheckConstraint(
            is_one_of("status", JOB_STATUSES),
            name="AiValidationJob_status_check",
        ),
        Index("AiValidationJob_status_createdAt_idx", "status", text('"createdAt" DESC')),
        Index("AiValidationJob_userId_status_idx", "userId", "status"),
    )

    id: Mapped[Id]
    file_name: Mapped[str] = mapped_column("fileName")
    original_file_name: Mapped[str] = mapped_column("originalFileName")
    file_size: Mapped[int] = mapped_column("fileSize", doc="bytes")
    file_url: Mapped[str | None] = mapped_column("fileUrl")
    output_url: Mapped[str | None] = mapped_column("outputUrl")
    status: Mapped[str] = mapped_column(default="queued", server_default=text("'queued'"), index=True)
    progress: Mapped[int] = mapped_column(default=0, server_default=text("0"), index=True)
    message: Mapped[str | None]
    error_message: Mapped[str | None] = mapped_column("errorMessage")
    total_items: Mapped[Count | None] = mapped_column("totalItems")
    processed_items: Mapped[Count | None] = mapped_column("processedItems")
    current_batch: Mapped[int | None] = mapped_column("currentBatch", default=1, server_default=text("1"))
    total_batches: Mapped[int | None] = mapped_column("totalBatches", default=1, server_default=text("1"))
    rag_applied_count: Mapped[Count | None] = mapped_column("ragAppliedCount")
    fixed_count: Mapped[Count | None] = mapped_column("fixedCount")
    successful_analyses: Mapped[Count | None] = mapped_column("successfulAnalyses")
    failed_analyses: Mapped[Count | None] = mapped_column("failedAnalyses")
    retry_attempts: Mapped[Count | None] = mapped_column("retryAttempts")
    created_at: Mapped[datetime] = created_at_column(index=True)
    started_at: Mapped[datetime | None] = mapped_column("startedAt")
    completed_at: Mapped[datetime | None] = mapped_column("completedAt")
    updated_at: Mapped[datetime] = updated_at_column()
    user_id: Mapped[str] = mapped_column("userId", reference("User.id", "CASCADE"), index=True)
    instructions: Mapped[str | None]
    config: Mapped[dict[str, Any] | None]


class AiValidationTask(Base):
    """One piece of a job's work: prepare, one batch, or finish. `attempt` is the fence, raised at each claim.

    `waiting` is nobody's: it becomes `ready` when none of the calls in `waits_for` waits any more.
    """

    __tablename__ = "AiValidationTask"
    __table_args__ = (
        CheckConstraint("\"kind\" IN ('prepare', 'analyse', 'finish')", name="AiValidationTask_kind_check"),
        CheckConstraint(
            is_one_of("status", TASK_STATUSES),
            name="AiValidationTask_status_check",
        ),
        CheckConstraint(
            '("status" = \'running\') = ("leaseOwner" IS NOT NULL)'
            ' AND ("status" = \'running\') = ("leaseExpiresAt" IS NOT NULL)',
            name="AiValidationTask_lease_check",
        ),
        Index("AiValidationTask_jobId_kind_position_key", "jobId", "kind", "position", unique=True),
        Index(
            "AiValidationTask_completedAt_idx",
            "completedAt",
            postgresql_using="brin",
            postgresql_with={"autosummarize": "on"},
            postgresql_where=text('"completedAt" IS NOT NULL'),
        ),
        Index("AiValidationTask_ready_idx", "jobId", "position", postgresql_where=text("\"status\" = 'ready'")),
        Index("AiValidationTask_lease_idx", "leaseExpiresAt", postgresql_where=text("\"status\" = 'running'")),
        Index("AiValidationTask_running_idx", "jobId", postgresql_where=text("\"status\" = 'running'")),
        Index("AiValidationTask_waiting_idx", "jobId", postgresql_where=text("\"status\" = 'waiting'")),
    )

    id: Mapped[Id]
    job_id: Mapped[str] = mapped_column("jobId", reference("AiValidationJob.id", "CASCADE", one="job", back="tasks"))
    kind: Mapped[str]
    position: Mapped[int]
    status: Mapped[str] = mapped_column(default="ready", server_default=text("'ready'"))
    attempt: Mapped[Count]
    deaths: Mapped[Count]
    lease_owner: Mapped[str | None] = mapped_column("leaseOwner")
    lease_expires_at: Mapped[datetime | None] = mapped_column("leaseExpiresAt")
    not_before: Mapped[datetime | None] = mapped_column("notBefore")
    error_message: Mapped[str | None] = mapped_column("errorMessage")
    result: Mapped[dict[str, Any] | None]
    waits_for: Mapped[list[str]] = mapped_column(
        "waitsFor", ARRAY(Text), default=list, server_default=text("'{}'::text[]")
    )
    created_at: Mapped[datetime] = created_at_column()
    started_at: Mapped[datetime | None] = mapped_column("startedAt")
    completed_at: Mapped[datetime | None] = mapped_column("completedAt")


class AiValidationPause(Base):
    """Why nobody works on a job for a while; one at most, which goes with the run.

    `since`: from when on the job has met nothing but this. `message` is the sentence of a refusal.
    """

    __tablename__ = "AiValidationPause"
    __table_args__ = (CheckConstraint(is_one_of("reason", PAUSE_REASONS), name="AiValidationPause_reason_check"),)

    job_id: Mapped[str] = mapped_column(
        "jobId", reference("AiValidationJob.id", "CASCADE", back="pause"), primary_key=True
    )
    reason: Mapped[str]
    since: Mapped[datetime] = mapped_column(default=utc_now, server_default=text("CURRENT_TIMESTAMP"))
    until: Mapped[datetime]
    message: Mapped[str | None]


class AiValidationItem(Base):
    """One non-empty row of the upload, from `original` (as read) to its outcome. `position` orders the whole file.

    `text_hash` is that of the general explanation which an analysis wrote: by it the text is known when it comes back.
    """

    __tablename__ = "AiValidationItem"
    __table_args__ = (
        CheckConstraint("\"type\" IN ('qcm', 'qroc', 'cas_qcm', 'cas_qroc')", name="AiValidationItem_type_check"),
        CheckConstraint(
            "\"status\" IN ('pending', 'confirmed', 'corrected', 'completed', 'contested', 'duplicate', 'rejected',"
            " 'failed')",
            name="AiValidationItem_status_check",
        ),
        Index("AiValidationItem_jobId_sheet_rowNumber_key", "jobId", "sheet", "rowNumber", unique=True),
        Index("AiValidationItem_jobId_position_idx", "jobId", "position"),
        Index(
            "AiValidationItem_duplicateOfId_idx",
            "duplicateOfId",
            postgresql_where=text('"duplicateOfId" IS NOT NULL'),
        ),
        Index("AiValidationItem_textHash_idx", "textHash", postgresql_where=text('"textHash" IS NOT NULL')),
        Index(
            "AiValidationItem_open_idx",
            "jobId",
            "position",
            postgresql_where=text(
                "\"status\" IN ('contested', 'completed', 'corrected', 'failed') AND \"question\" IS NOT NULL"
            ),
        ),
    )

    id: Mapped[Id]
    job_id: Mapped[str] = mapped_column("jobId", reference("AiValidationJob.id", "CASCADE", back="items"))
    task_id: Mapped[str | None] = mapped_column(
        "taskId", reference("AiValidationTask.id", "SET NULL", back="items"), index=True
    )
    sheet: Mapped[str]
    row_number: Mapped[int] = mapped_column("rowNumber")
    position: Mapped[int]
    type: Mapped[str]
    original: Mapped[dict[str, Any]] = mapped_column(doc="canonical header → text as uploaded")
    question: Mapped[dict[str, Any] | None]
    content_hash: Mapped[str | None] = mapped_column("contentHash", index=True)
    duplicate_of_id: Mapped[str | None] = mapped_column(
        "duplicateOfId", reference("AiValidationItem.id", "SET NULL", back="duplicates")
    )
    status: Mapped[str] = mapped_column(default="pending", server_default=text("'pending'"))
    result: Mapped[dict[str, Any] | None]
    reason: Mapped[str | None] = mapped_column(doc="French")
    findings: Mapped[list[dict[str, Any]]] = mapped_column(default=list, server_default=text("'[]'::jsonb"))
    text_hash: Mapped[str | None] = mapped_column("textHash")
    rag_applied: Mapped[bool] = mapped_column("ragApplied", default=False, server_default=text("false"))
    question_id: Mapped[str | None] = mapped_column(
        "questionId", reference("Question.id", "SET NULL", one="writtenQuestion"), index=True
    )
    created_at: Mapped[datetime] = created_at_column()
    updated_at: Mapped[datetime] = updated_at_column()


class AiValidationDecision(Base):
    """What a person decided about one question; never changed, never removed: `undo` takes the last one back.

    `shown` is what the person saw (official, both looks, outcome, model), `previous` the question before, as JSON of
    its row (None: there was none). Every row of the same content, in any job, is settled with it.
    """

    __tablename__ = "AiValidationDecision"
    __table_args__ = (
        CheckConstraint(
            "\"action\" IN ('accept', 'keep', 'edit', 'discard', 'undo')", name="AiValidationDecision_action_check"
        ),
        CheckConstraint(
            "\"source\" IN ('page', 'api', 'command', 'workbook')", name="AiValidationDecision_source_check"
        ),
        Index("AiValidationDecision_contentHash_createdAt_idx", "contentHash", "createdAt"),
    )

    id: Mapped[Id]
    item_id: Mapped[str | None] = mapped_column(
        "itemId", reference("AiValidationItem.id", "SET NULL", back="decisions"), index=True
    )
    question_id: Mapped[str | None] = mapped_column("questionId", reference("Question.id", "SET NULL"), index=True)
    content_hash: Mapped[str] = mapped_column("contentHash")
    action: Mapped[str]
    key: Mapped[str | None]
    answer: Mapped[str | None]
    explanation: Mapped[str | None]
    comment: Mapped[str | None]
    user_id: Mapped[str | None] = mapped_column("userId", reference("User.id", "SET NULL"), index=True)
    source: Mapped[str]
    shown: Mapped[dict[str, Any]]
    previous: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = created_at_column()


class LlmCall(Base):
    """One call to a model, written before it is made. It outlives its job: what was paid stays in the ledger.

    `response` is the body verbatim, as text because jsonb refuses `\\u0000`. `questionKeys` are the idempotency
    keys of the questions asked. A call in batch mode is `waiting` until its line came back, and `request` is its body.
    `ceilingUsd` is the most it may cost, `costUsd` what it did, once it has ended; both None where no price is known.
    """

    __tablename__ = "LlmCall"
    __table_args__ = (
        CheckConstraint("\"purpose\" IN ('analyse', 'second_look', 'explain')", name="LlmCall_purpose_check"),
        CheckConstraint(is_one_of("status", CALL_STATUSES), name="LlmCall_status_check"),
        Index(
            "LlmCall_questionKeys_idx",
            "questionKeys",
            postgresql_using="gin",
            postgresql_where=text("\"status\" = 'succeeded'"),
        ),
        Index(
            "LlmCall_completedAt_idx",
            "completedAt",
            postgresql_using="brin",
            postgresql_with={"autosummarize": "on"},
            postgresql_where=text('"completedAt" IS NOT NULL'),
        ),
        Index("LlmCall_retry_idx", "jobId", postgresql_where=text('"isRetry"')),
        Index("LlmCall_started_idx", "createdAt", postgresql_where=text("\"status\" = 'started'")),
        Index(
            "LlmCall_uncollected_idx",
            "jobId",
            postgresql_where=text('"status" = \'waiting\' AND "batchId" IS NULL'),
        ),
        Index(
            "LlmCall_waiting_idx",
            "questionKeys",
            postgresql_using="gin",
            postgresql_where=text("\"status\" = 'waiting'"),
        ),
    )

    id: Mapped[Id]
    job_id: Mapped[str | None] = mapped_column(
        "jobId", reference("AiValidationJob.id", "SET NULL", back="calls"), index=True
    )
    task_id: Mapped[str | None] = mapped_column(
        "taskId", reference("AiValidationTask.id", "SET NULL", back="calls"), index=True
    )
    attempt: Mapped[int]
    purpose: Mapped[str]
    request_hash: Mapped[str] = mapped_column("requestHash", index=True)
    question_keys: Mapped[list[str]] = mapped_column(
        "questionKeys", ARRAY(Text), default=list, server_default=text("'{}'::text[]")
    )
    model: Mapped[str]
    endpoint: Mapped[str]
    status: Mapped[str]
    is_retry: Mapped[bool] = mapped_column("isRetry", default=False, server_default=text("false"))
    question_count: Mapped[int] = mapped_column("questionCount")
    prompt_tokens: Mapped[int | None] = mapped_column("promptTokens")
    cached_tokens: Mapped[int | None] = mapped_column("cachedTokens")
    completion_tokens: Mapped[int | None] = mapped_column("completionTokens")
    ceiling_usd: Mapped[Decimal | None] = mapped_column("ceilingUsd", Numeric(12, 6))
    cost_usd: Mapped[Decimal | None] = mapped_column("costUsd", Numeric(12, 6))
    provider_request_id: Mapped[str | None] = mapped_column("providerRequestId")
    batch_id: Mapped[str | None] = mapped_column(
        "batchId", reference("LlmBatch.id", "SET NULL", one="llmBatch", back="calls"), index=True
    )
    request: Mapped[str | None]
    response: Mapped[str | None]
    error: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = created_at_column()
    completed_at: Mapped[datetime | None] = mapped_column("completedAt")


class LlmTotal(Base):
    """What removed calls came to, so that no total of the ledger changes. One row per day (UTC) and kind.

    `code` says why there was no reply (empty where there was one). Costs are None where no price was known.
    """

    __tablename__ = "LlmTotal"

    day: Mapped[date] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(primary_key=True)
    endpoint: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    calls: Mapped[int] = mapped_column(BigInteger)
    retries: Mapped[int] = mapped_column(BigInteger)
    batch_calls: Mapped[int] = mapped_column("batchCalls", BigInteger)
    questions: Mapped[int] = mapped_column(BigInteger)
    prompt_tokens: Mapped[int] = mapped_column("promptTokens", BigInteger)
    cached_tokens: Mapped[int] = mapped_column("cachedTokens", BigInteger)
    completion_tokens: Mapped[int] = mapped_column("completionTokens", BigInteger)
    cost_usd: Mapped[Decimal | None] = mapped_column("costUsd", Numeric(18, 6))
    batch_cost_usd: Mapped[Decimal | None] = mapped_column("batchCostUsd", Numeric(18, 6))


class AiValidationProvenance(Base):
    """What a removed item told of its question's key and text: whose they are stays known. Each fact is one row.

    `official` is the key or answer that the file gave, `value` the one that the item came to, `text_hash` that of the
    general explanation which the analysis wrote; `has_text`: the file brought an explanation of its own.
    """

    __tablename__ = "AiValidationProvenance"

    id: Mapped[Id]
    content_hash: Mapped[str] = mapped_column("contentHash", index=True)
    question_id: Mapped[str | None] = mapped_column("questionId", index=True)
    status: Mapped[str]
    official: Mapped[str | None]
    value: Mapped[str | None]
    text_hash: Mapped[str | None] = mapped_column("textHash", index=True)
    has_text: Mapped[bool] = mapped_column("hasText")
    created_at: Mapped[datetime] = mapped_column("createdAt")


class AiValidationTombstone(Base):
    """A job whose row is gone and whose files are not yet. A trigger writes it, whoever deletes the job."""

    __tablename__ = "AiValidationTombstone"

    job_id: Mapped[str] = mapped_column("jobId", primary_key=True)
    file_url: Mapped[str | None] = mapped_column("fileUrl")
    output_url: Mapped[str | None] = mapped_column("outputUrl")
    created_at: Mapped[datetime] = created_at_column()


class LlmBatch(Base):
    """Calls that travel together through a provider's Batch API. Its id is the key that the provider's batch carries.

    `attempt` is the fence, raised by every worker that takes the batch in hand, which it keeps until `next_look_at`.
    `resubmitted` is `submitted` after a try whose end nobody heard of: a double of it has not been looked for yet.
    """

    __tablename__ = "LlmBatch"
    __table_args__ = (
        CheckConstraint(
            is_one_of("status", BATCH_STATUSES),
            name="LlmBatch_status_check",
        ),
        Index(
            "LlmBatch_open_idx",
            "nextLookAt",
            postgresql_where=text("\"status\" IN ('waiting', 'submitted', 'resubmitted')"),
        ),
    )

    id: Mapped[Id]
    job_id: Mapped[str | None] = mapped_column(
        "jobId", reference("AiValidationJob.id", "SET NULL", back="llmBatches"), index=True
    )
    endpoint: Mapped[str]
    model: Mapped[str]
    status: Mapped[str] = mapped_column(default="waiting", server_default=text("'waiting'"))
    attempt: Mapped[Count]
    next_look_at: Mapped[datetime] = mapped_column(
        "nextLookAt", default=utc_now, server_default=text("CURRENT_TIMESTAMP")
    )
    provider_batch_id: Mapped[str | None] = mapped_column("providerBatchId")
    input_file_id: Mapped[str | None] = mapped_column("inputFileId")
    output_file_id: Mapped[str | None] = mapped_column("outputFileId")
    error_file_id: Mapped[str | None] = mapped_column("errorFileId")
    request_count: Mapped[int] = mapped_column("requestCount")
    answered_count: Mapped[Count] = mapped_column("answeredCount")
    downloads: Mapped[Count]
    error: Mapped[dict[str, Any] | None]
    down_since: Mapped[datetime | None] = mapped_column("downSince")
    created_at: Mapped[datetime] = created_at_column()
    submitted_at: Mapped[datetime | None] = mapped_column("submittedAt")
    expires_at: Mapped[datetime | None] = mapped_column("expiresAt")
    cancelled_at: Mapped[datetime | None] = mapped_column("cancelledAt")
    completed_at: Mapped[datetime | None] = mapped_column("completedAt")
