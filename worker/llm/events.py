"""What can happen while items are asked about: what calls came to, and what else. Values only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from worker.errors import ProviderUnavailable
from worker.llm.calls import CheckedReply
from worker.questions.answers import Refusal

# --- what a call came to, for the items that it asked about -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Tokens that a reply could take, and whether the next one could be given more."""

    tokens: int
    can_grow: bool


@dataclass(frozen=True, slots=True)
class Replied:
    """There is a reply. `is_own`: it is of this run of this job, and counts; `ceiling`: None for an earlier call."""

    item_ids: tuple[str, ...]
    checked: CheckedReply
    size: int  # questions of the call
    is_own: bool = True
    ceiling: Ceiling | None = None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """There is no reply, and yet one may have been written that is paid for."""

    item_ids: tuple[str, ...]
    refusal: Refusal
    is_own: bool = True


@dataclass(frozen=True, slots=True)
class Rejected:
    """The endpoint would not take this content: some question of it is the cause."""

    item_ids: tuple[str, ...]
    refusal: Refusal
    size: int  # questions of the call
    is_own: bool = True


@dataclass(frozen=True, slots=True)
class LostLine:
    """A line of a batch came to nothing: it cost nothing, and is asked again, a few times."""

    item_ids: tuple[str, ...]
    refusal: Refusal


PastCall = Replied | Unanswered | Rejected | LostLine


# --- what happens while items are asked about -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recalled:
    """What the ledger held before anything was asked, oldest first."""

    calls: Sequence[PastCall]


@dataclass(frozen=True, slots=True)
class AnsweredElsewhere:
    """What the ledger holds while the next call waits for another worker's: its answers are taken, nothing counts."""

    calls: Sequence[PastCall]


@dataclass(frozen=True, slots=True)
class CallCompleted:
    """The next call was sent and came to this. `fault`: why there is no reply, when that may pass."""

    call: PastCall
    fault: ProviderUnavailable | None = None


@dataclass(frozen=True, slots=True)
class Faulted:
    """The next call met a fault that may pass, and cost its items nothing."""

    fault: ProviderUnavailable


@dataclass(frozen=True, slots=True)
class RefusedForSize:
    """The next call was refused for its size, which cost nothing. `is_mended`: it would be composed otherwise now."""

    refusal: Refusal
    is_mended: bool


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The reply to the next call is known not to fit: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Outdated:
    """While the next call waited for its turn something was learned about sizes: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """A batch will ask about these items of the next call."""

    item_ids: Collection[str]


Event = Recalled | AnsweredElsewhere | CallCompleted | Faulted | RefusedForSize | TooLarge | Outdated | Deferred
