"""How far asking about some items has come, and what is asked next: values only, nothing is sent or stored here.

`next_call` says what comes next, `Progress.after` what an event makes of it. What a call came to changes the items in
the same way whether it is lived through or read from the ledger after a crash. `llm/retry` sends, stores and waits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from worker.errors import ProviderUnavailable
from worker.llm.calls import ILLEGIBLE, CheckedReply
from worker.llm.events import (
    AnsweredElsewhere,
    CallCompleted,
    Deferred,
    Event,
    Faulted,
    LostLine,
    Outdated,
    PastCall,
    Recalled,
    RefusedForSize,
    Rejected,
    Replied,
    TooLarge,
    Unanswered,
)
from worker.llm.sizes import NEARLY
from worker.questions.answers import Look, Refusal

# A longer wait is not worth a thread: the task is given back and looked at again later.
LONGEST_WAIT_S = 20.0
SHORTEST_BACKOFF_S = 0.5  # the most that the first wait takes; each further one may take twice as long
# Replies about one question that a run of a job may cost, over both looks and whatever goes wrong.
MAX_REPLIES = 12
# So many replies in a row in which nothing can be read, and the endpoint always answers so.
ILLEGIBLE_IN_A_ROW = 8
# Sizes that an endpoint may refuse before the content counts as what it refuses.
MAX_SIZES = 8


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is tried. `is_deferred`: batch mode, nothing is sent, a batch will ask."""

    max_attempts: int  # results about one item that are not accepted
    questions_per_call: int
    transport_attempts: int  # tries of one call that meets a passing fault; lines of batches that come to nothing
    is_deferred: bool = False


# --- where one item stands --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ItemProgress:
    """What is known of one item, and how it may be asked next."""

    most: int  # questions that its next call may hold
    replies_used: int = 0  # replies that it cost, the first look's included
    asked: int = 0  # calls for this purpose
    tries: int = 0  # results that were not accepted
    illegible: int = 0  # replies in which nothing could be read
    lost: int = 0  # lines of batches that came to nothing, one after another
    cut_at: int = 0  # tokens after which its reply was cut although it came alone: the next one gets more
    is_final: bool = False  # asking again is no use
    is_deferred: bool = False  # a batch will ask
    look: Look | None = None  # what was accepted
    refusal: Refusal | None = None  # why the last result was not

    def is_open(self, bounds: Bounds) -> bool:
        """Whether it is asked again."""
        if self.look is not None or self.is_deferred or self.is_final:
            return False
        return (
            self.lost < bounds.transport_attempts
            and self.tries < bounds.max_attempts
            # What stands between us and the model is seldom a question's fault: it has twice the attempts.
            and self.illegible < min(ILLEGIBLE_IN_A_ROW, 2 * bounds.max_attempts)
            and self.replies_used < MAX_REPLIES
        )

    def after(self, item_id: str, call: PastCall, bounds: Bounds) -> ItemProgress:
        """What is known of it once a call that asked about it came to this."""
        match call:
            case LostLine():
                return replace(self, lost=self.lost + 1, asked=self.asked + 1)._noted(call.refusal)
            case Unanswered():
                return self._counted(call.is_own)._noted(call.refusal)
            case Rejected():
                return self._counted(call.is_own).refused(call.refusal, size=call.size)
            case Replied():
                return self._counted(call.is_own)._told(item_id, call, bounds)

    def refused(self, refusal: Refusal, *, size: int) -> ItemProgress:
        """The endpoint would not take a call of this size: halves, down to the question that is the cause."""
        return replace(self._noted(refusal).shrunk(size), is_final=self.is_final or size == 1)

    def shrunk(self, size: int) -> ItemProgress:
        """It is asked in calls of half this size at most."""
        return replace(self, most=min(self.most, _half(size)))

    def _counted(self, is_own: bool) -> ItemProgress:
        if not is_own:
            return replace(self, lost=0)
        return replace(self, lost=0, replies_used=self.replies_used + 1, asked=self.asked + 1)

    def _noted(self, refusal: Refusal) -> ItemProgress:
        return self if self.look is not None else replace(self, refusal=refusal)

    def _told(self, item_id: str, call: Replied, bounds: Bounds) -> ItemProgress:
        checked = call.checked
        if self.look is not None:
            return self
        if item_id in checked.looks:
            return replace(self, look=checked.looks[item_id], refusal=None)
        if item_id not in checked.refusals:
            return self
        noted = replace(self, refusal=checked.refusals[item_id])
        code = checked.refusals[item_id].code
        if code == "truncated" and call.size == 1:
            return noted._cut(checked.usage.completion_tokens, call)
        return noted._learned(code, call, bounds)

    def _learned(self, code: str, call: Replied, bounds: Bounds) -> ItemProgress:
        """How it is asked again: after a cut reply in halves and never at the same size, after a bad result alone."""
        if code == ILLEGIBLE and not bounds.is_deferred:
            illegible = self.illegible + call.is_own
            # Is one of the questions the cause?
            return replace(self, illegible=illegible, most=1 if illegible > 1 else self.most)
        if code == "truncated" or (code == "content_refused" and call.size > 1):
            return self.shrunk(call.size)
        if call.is_own and (code != "empty" or bounds.is_deferred):  # a passing fault, unless it took a day
            return replace(self, tries=self.tries + 1, most=1)
        return self

    def _cut(self, tokens: int, call: Replied) -> ItemProgress:
        """The reply to it alone was cut after `tokens` (0: the provider does not count).

        At its ceiling it is asked again with a larger one, while there is one. Far below, the fault is the transport's,
        or a server's on a bad day: one more of its attempts.
        """
        ceiling = call.ceiling
        if ceiling is None or (tokens and tokens < NEARLY * ceiling.tokens):
            return replace(self, tries=self.tries + call.is_own, cut_at=max(self.cut_at, tokens))
        is_final = self.is_final or not ceiling.can_grow
        return replace(self, is_final=is_final, cut_at=max(self.cut_at, tokens, ceiling.tokens))


# --- where all of them stand ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answers:
    """By item id: the accepted look, or why the last result was not accepted; and the replies each one took.

    `deferred`: nothing is known yet, a batch will ask.
    """

    looks: Mapping[str, Look] = field(default_factory=dict)
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    replies_used: Mapping[str, int] = field(default_factory=dict)
    deferred: Collection[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait at random up to `longest_s`, never shorter than the provider's own `Retry-After`."""

    longest_s: float
    wished_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Call:
    """Ask about these items together. `cut_at`: where the reply to the one was cut, or 0; `pause`: before it."""

    item_ids: tuple[str, ...]
    cut_at: int = 0
    is_retry: bool = False
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The endpoint stays away for longer than is waited for here."""

    fault: ProviderUnavailable


@dataclass(frozen=True, slots=True)
class Done:
    """Every item has its answer, or its attempts are used up, or a batch will ask."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Every item, and the groups in which those that are open are asked in this round; the first is the next call.

    A round is whoever was open at its beginning, in calls as large as each item allowed then.
    """

    bounds: Bounds
    items: Mapping[str, ItemProgress]
    round: tuple[tuple[str, ...], ...] = ()
    sizes_refused: int = 0
    faults: int = 0  # passing faults that the next call has met, one after another
    fault: ProviderUnavailable | None = None  # the last of them

    @classmethod
    def begin(cls, item_ids: Iterable[str], bounds: Bounds, replies_used: Mapping[str, int] | None = None) -> Progress:
        """Nothing was asked yet. `replies_used`: replies that each item has cost already, at another look."""
        used = replies_used or {}
        items = {i: ItemProgress(bounds.questions_per_call, used.get(i, 0)) for i in item_ids}
        return cls(bounds, items)._next_round()

    def after(self, event: Event) -> Progress:
        """The progress once this has happened. All events but `Recalled` are about the next call."""
        match event:
            case Recalled(calls):
                progress = self._learned(calls)._next_round()
            case AnsweredElsewhere(calls):
                progress = self._answered_elsewhere(calls)
            case CallCompleted(call, fault):
                progress = self._learned((call,))._completed(call, fault)
            case Faulted(fault):
                progress = self._faulted(fault)
            case RefusedForSize(refusal, is_mended):
                progress = self._refused_for_size(refusal, is_mended=is_mended)
            case TooLarge():
                group = self.round[0]
                progress = self._changed(group, lambda item: item.shrunk(len(group)))._ended()
            case Outdated():
                progress = self._ended()
            case Deferred(item_ids):
                progress = self._changed(item_ids, lambda item: replace(item, is_deferred=True))._ended()
        return progress

    def answers(self) -> Answers:
        """What is known of every item by now."""
        items = self.items.items()
        return Answers(
            looks={i: item.look for i, item in items if item.look is not None},
            refusals={i: item.refusal for i, item in items if item.refusal is not None},
            replies_used={i: item.replies_used for i, item in items},
            deferred={i for i, item in items if item.is_deferred},
        )

    def _completed(self, call: PastCall, fault: ProviderUnavailable | None) -> Progress:
        if isinstance(call, Replied) and _is_empty(call.checked):
            fault = ProviderUnavailable("the model wrote nothing", code="empty_reply")
        # No outage stops at one question: one that is used up goes without an answer, the others go on.
        is_used_up = any(self.items[i].replies_used >= MAX_REPLIES for i in call.item_ids)
        return self._ended() if fault is None or is_used_up else self._faulted(fault)

    def _refused_for_size(self, refusal: Refusal, *, is_mended: bool) -> Progress:
        counted = replace(self, sizes_refused=self.sizes_refused + 1)
        if is_mended and counted.sizes_refused <= MAX_SIZES:
            return counted._ended()
        group = self.round[0]  # nothing else is to be tried
        return counted._changed(group, lambda item: item.refused(refusal, size=len(group)))._ended()

    def _learned(self, calls: Iterable[PastCall]) -> Progress:
        items = dict(self.items)
        for call in calls:
            for item_id in call.item_ids:
                items[item_id] = items[item_id].after(item_id, call, self.bounds)
        return replace(self, items=items)

    def _answered_elsewhere(self, calls: Iterable[PastCall]) -> Progress:
        """What this run has tried is known already: only answers, and reasons why there are none, are new."""
        learned = self._learned(calls).items
        items = {i: replace(item, look=learned[i].look, refusal=learned[i].refusal) for i, item in self.items.items()}
        progress = replace(self, items=items)
        return progress if all(items[i].is_open(self.bounds) for i in self.round[0]) else progress._ended()

    def _changed(self, item_ids: Iterable[str], change: Callable[[ItemProgress], ItemProgress]) -> Progress:
        return replace(self, items={**self.items, **{i: change(self.items[i]) for i in item_ids}})

    def _faulted(self, fault: ProviderUnavailable) -> Progress:
        return replace(self, faults=self.faults + 1, fault=fault)

    def _ended(self) -> Progress:
        """The next call is over, however: another group is next."""
        rest = replace(self, round=self.round[1:], faults=0, fault=None)
        return rest if rest.round else rest._next_round()

    def _next_round(self) -> Progress:
        return replace(self, round=tuple(self._groups()))

    def _groups(self) -> Iterator[tuple[str, ...]]:
        """What is open, in calls as large as each item allows, the largest first."""
        open_items = {i: item.most for i, item in self.items.items() if item.is_open(self.bounds)}
        for most in sorted(set(open_items.values()), reverse=True):
            alike = [i for i, its_most in open_items.items() if its_most == most]
            yield from (tuple(alike[start : start + most]) for start in range(0, len(alike), most))


def next_call(progress: Progress) -> Call | GiveUp | Done:
    """What is to be done now."""
    fault = progress.fault
    if fault is not None and (
        (fault.retry_after_s or 0.0) > LONGEST_WAIT_S or progress.faults >= progress.bounds.transport_attempts
    ):
        return GiveUp(fault)
    if not progress.round:
        return Done()
    items = [progress.items[item_id] for item_id in progress.round[0]]
    return Call(
        progress.round[0],
        cut_at=max(item.cut_at for item in items),
        is_retry=fault is not None or any(item.asked for item in items),
        pause=None if fault is None else _pause(progress.faults, fault),
    )


def _pause(faults: int, fault: ProviderUnavailable) -> Pause:
    """Exponential with full jitter."""
    return Pause(min(LONGEST_WAIT_S, SHORTEST_BACKOFF_S * 2 ** (faults - 1)), fault.retry_after_s or 0.0)


def _is_empty(checked: CheckedReply) -> bool:
    """Whether the model wrote nothing at all: a passing fault, although it is paid."""
    return not checked.looks and all(refusal.code == "empty" for refusal in checked.refusals.values())


def _half(size: int) -> int:
    return max(1, (size + 1) // 2)
