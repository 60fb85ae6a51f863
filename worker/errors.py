"""What can happen to a job or a command, in a few words. A bad row or a refused answer is data, not an error."""

from __future__ import annotations


class MedqError(Exception):
    """Root of every error that this project raises on purpose."""


class JobFailed(MedqError):
    """No retry mends this. `str(error)` is the French sentence that goes to `errorMessage`."""


class LeaseLost(MedqError):
    """The task belongs to somebody else by now, or its job was cancelled or deleted: stop, write nothing."""


class Stopping(MedqError):
    """This process was told to stop: give the task back as it is, for another worker to go on with."""


class Interrupted(MedqError):
    """The infrastructure failed, not the task: it goes back as it is, and nothing is counted."""


class CutOff(Interrupted):
    """This process cannot reach the LLM while others can: its tasks go back at once, for those others."""


# No reply to these, and yet the model may have written one that is paid for.
MAY_BE_PAID = frozenset(("timeout", "connection_lost"))


class StorageUnavailable(MedqError):
    """A passing fault of the storage of uploads and workbooks: 5xx, refused, time-out, no bucket, expired key."""


class ProviderUnavailable(MedqError):
    """A passing fault of the LLM endpoint: 429, 5xx, time-out, connection. `retry_after_s` is its own wish."""

    def __init__(self, message: str, *, code: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code  # "rate_limited", "server_error", "timeout", "connection", "connection_lost", "empty_reply"
        self.retry_after_s = retry_after_s


class ProviderRefused(MedqError):
    """The endpoint will never accept these calls: key, quota, model, schema. `str(error)` is French, for the admin."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code  # "unauthorised", "insufficient_quota", "model_not_found", "schema_refused", …


class ContentRefused(MedqError):
    """The endpoint will not answer this content (filter or refusal): some question in it is the cause.

    `otherwise`: what it means should the endpoint refuse any other content too; None where it is surely the content.
    """

    def __init__(self, message: str, *, code: str, otherwise: ProviderRefused | None = None) -> None:
        super().__init__(message)
        self.code = code  # "content_filter", "refusal", "bad_request", …
        self.otherwise = otherwise


class SizeRefused(ContentRefused):
    """Not at this size, or not under this name: what the endpoint says it takes, where it says so. It cost nothing.

    `most`: tokens of a reply; `limit`: tokens of prompt and reply together; `parameter`: the other name of the ceiling.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        most: int | None = None,
        limit: int | None = None,
        parameter: str | None = None,
    ) -> None:
        super().__init__(message, code=code)  # "ceiling_too_large", "ceiling_unknown", "context_too_long", …
        self.most = most
        self.limit = limit
        self.parameter = parameter


class DecisionRefused(MedqError):
    """A person's decision that cannot stand. `str(error)` is the French sentence that says why and what to do."""


class DecisionConflict(DecisionRefused):
    """What is decided on is not any more what the person saw: it changed, or somebody else settled it."""


class WorkersFailed(MedqError):
    """No worker process gets as far as working: the cause that the last one gave, and where to read more."""


class UsageError(MedqError):
    """The command was called wrongly, or the machine lacks something: one sentence, and what to do."""
