"""A batch of calls at a provider's Batch API: what was sent, where it stands, and what came back of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from models.states import BatchStatus


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """A call whose intent is written and which no batch has yet. `size` in bytes of UTF-8."""

    id: str
    model: str
    size: int


@dataclass(frozen=True, slots=True)
class HeldBatch:
    """A batch that this worker has taken in hand. `(id, attempt)` is its fencing token."""

    id: str
    attempt: int
    job_id: str | None
    model: str
    status: BatchStatus
    request_count: int
    created_at: datetime
    input_file_id: str | None
    provider_batch_id: str | None
    downloads: int  # how often its results were fetched
    down_s: float  # for how long the provider has not answered about it; 0 when it did
    age_s: float  # since it was submitted, or since it was made
    overdue_s: float  # since the provider promised to be done; negative before
    is_wanted: bool  # its job still goes on
    is_stranded: bool  # it is of another endpoint, whose workers have gone


@dataclass(frozen=True, slots=True)
class ProviderBatch:
    """What the provider says of a batch. `answered` and `failed` are its own counts of lines, None when untold."""

    id: str
    is_over: bool
    status: BatchStatus  # "submitted" while it is not over
    output_file_id: str | None = None
    error_file_id: str | None = None
    expires_at: datetime | None = None
    answered: int | None = None
    failed: int | None = None
    codes: tuple[str, ...] = ()  # why all of it failed
    is_stopping: bool = False  # it was told to stop, and is not over yet


@dataclass(frozen=True, slots=True)
class ResultLine:
    """One line of a result file. `raw` is the reply's body as JSON text; `status` 0 when there is no reply at all."""

    call_id: str
    status: int
    raw: str
    request_id: str | None = None
    code: str | None = None  # of a line without a reply: "batch_expired", "batch_cancelled", …
