"""Ask a model about questions until each has an acceptable answer or its attempts are used up.

This is the one retry layer. What is asked next is decided in `llm/progress`, from what the ledger holds, so that a
crash at any point loses at most the calls in flight: a stored reply is never paid for again. Here calls are sent and
stored, and waits are waited.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from worker.errors import (
    MAY_BE_PAID,
    ContentRefused,
    LeaseLost,
    MedqError,
    ProviderRefused,
    ProviderUnavailable,
    SizeRefused,
)
from worker.llm.calls import ILLEGIBLE, AskedQuestion, CheckedReply, Reply, Request
from worker.llm.events import (
    AnsweredElsewhere,
    CallCompleted,
    Ceiling,
    Deferred,
    Event,
    Faulted,
    LostLine,
    Outdated,
    PastCall,
    RefusedForSize,
    Rejected,
    Replied,
    TooLarge,
    Unanswered,
)
from worker.llm.progress import (
    ILLEGIBLE_IN_A_ROW,
    LONGEST_WAIT_S,
    Answers,
    Call,
    Done,
    GiveUp,
    Pause,
    Progress,
    next_call,
)
from worker.llm.wire import describe_illegible
from worker.messages import provider_faults
from worker.questions.answers import Refusal

# While another worker asks the same question, its reply is looked for this often.
IN_FLIGHT_POLL_S = 0.5

T = TypeVar("T")
Check = Callable[[str, Request], CheckedReply]


class Stored(Protocol):
    """An earlier call; `question_keys` are in the order of the wire ids q1, q2, …

    `raw` is its reply, None when there was none: then `code` says why ("timeout", "content_filter", "unknown", …).
    """

    @property
    def question_keys(self) -> tuple[str, ...]: ...
    @property
    def raw(self) -> str | None: ...
    @property
    def code(self) -> str | None: ...
    @property
    def is_content(self) -> bool: ...  # no reply because of the content: some question of it is the cause
    @property
    def is_own(self) -> bool: ...  # of this run of this job
    @property
    def is_lost(self) -> bool: ...  # a line of a batch that came to nothing: it is asked again, a few times


class Ledger(Protocol):
    """Where calls are written down. Every method is one short transaction."""

    def find(self, keys: Sequence[str]) -> Sequence[Stored]:
        """Calls about at least one of these keys, oldest first: replies of any job, and what this run may have paid."""

    def begin(self, request: Request, *, is_retry: bool) -> str | None:
        """Write the intent, return the call's id; None when another worker asks the same, or has just had the reply.

        Raises `LeaseLost` when this worker may not call any more, `JobFailed` when the job's budget is spent.
        """

    def defer(self, request: Request, *, is_retry: bool) -> Collection[str] | None:
        """In batch mode, instead of a call: see to it that a batch will ask. The keys that wait for one now.

        None when there may be a reply by now. Raises as `begin` does.
        """

    def succeed(self, call_id: str, request: Request, reply: Reply) -> None:
        """Store the reply as it came."""

    def fail(self, call_id: str, request: Request, *, kind: str, code: str, message: str) -> None:
        """Store why there is none."""


class Composer(Protocol):
    """Makes requests about items."""

    def compose(self, item_ids: Sequence[str], cut_at: int) -> Request:
        """One call, for the endpoint that is up. `cut_at`: where the reply to the one item was cut, or 0."""

    def recall(self, item_ids: Sequence[str]) -> Sequence[Request]:
        """The requests that may have been sent about them: to each endpoint, in calls as large as it takes."""

    def probe(self, refused: Request) -> Request:
        """The least call of the same kind."""

    def is_current(self, request: Request) -> bool:
        """Whether nothing was learned about sizes since it was composed: else it is composed anew."""


class Permit(Protocol):
    """Leave to send a call, and the sending: `dispatcher.Permit`."""

    def admitted(self, request: Request) -> AbstractContextManager[None]:
        """Waits until the block may send it; raises when no further call may begin."""

    def send(self, request: Request) -> Reply:
        """Send it once."""

    def judge_refusal(self, request: Request, probe: Callable[[], None]) -> bool:
        """Whether a call that was just refused would be whatever it holds, found out by a probe if nobody knows."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """How to speak with the model; tests and other endpoints can stand in for every part."""

    composer: Composer
    permit: Permit
    ledger: Ledger
    check: Check
    sleep: Callable[[float], None]


def ask(progress: Progress, dialogue: Dialogue) -> Answers:
    """Ask about every item: together first, then in smaller calls or alone what was not answered acceptably.

    `progress`: with what the ledger held at the beginning, see `recall`. Raises `ProviderUnavailable` when the endpoint
    stays away, `ProviderRefused` when it will never answer, `LeaseLost` or `Stopping` when this worker must not go on,
    `JobFailed` when the budget is spent.
    """
    talk = _Talk(dialogue, progress)
    while not isinstance(step := next_call(talk.progress), Done):
        if isinstance(step, GiveUp):
            raise step.fault
        talk.make(step)
    return talk.progress.answers()


def recall(item_ids: Sequence[str], dialogue: Dialogue) -> list[PastCall]:
    """What the ledger holds about these items."""
    requests = dialogue.composer.recall(item_ids)
    return list(read_stored(dialogue.ledger.find(keys_of(requests)), requests, dialogue.check))


def keys_of(requests: Sequence[Request]) -> list[str]:
    """The idempotency key of every question in these requests."""
    return [asked.key for request in requests for asked in request.questions]


def read_stored(stored: Sequence[Stored], requests: Sequence[Request], check: Check) -> Iterator[PastCall]:
    """What each of these calls came to, for what the requests ask about."""
    asked = [question for request in requests for question in request.questions]
    for call in stored:
        wire_ids = {key: f"q{number}" for number, key in enumerate(call.question_keys, start=1)}
        there = tuple(replace(q, id=wire_ids[q.key]) for q in asked if q.key in wire_ids)
        yield _past_call(call, there, lambda raw, about: check(raw, replace(requests[0], questions=about)))


def _past_call(
    call: Stored, there: tuple[AskedQuestion, ...], read: Callable[[str, tuple[AskedQuestion, ...]], CheckedReply]
) -> PastCall:
    item_ids, size = tuple(question.item_id for question in there), len(call.question_keys)
    if call.is_lost:
        return LostLine(item_ids, Refusal(call.code or "unknown", ""))
    if call.raw is not None:
        return Replied(item_ids, read(call.raw, there), size, is_own=call.is_own)
    if call.is_content:
        return Rejected(item_ids, Refusal(call.code or "content_filter", ""), size, is_own=call.is_own)
    return Unanswered(item_ids, Refusal(call.code or "unknown", ""), is_own=call.is_own)


@dataclass(frozen=True, slots=True)
class _Sending:
    """One call whose intent is written."""

    id: str
    request: Request
    item_ids: tuple[str, ...]


@dataclass(slots=True)
class _Talk:
    """Carries the progress through what happens."""

    dialogue: Dialogue
    progress: Progress

    def note(self, event: Event) -> None:
        self.progress = self.progress.after(event)

    def make(self, call: Call) -> None:
        """Make one call, and note what came of it."""
        dialogue = self.dialogue
        if call.pause is not None:
            dialogue.sleep(_draw_s(call.pause))
        try:
            request = dialogue.composer.compose(call.item_ids, call.cut_at)
            if not request.fits and len(call.item_ids) > 1:
                self.note(TooLarge())
            elif self.progress.bounds.is_deferred:
                self._defer(call, request)
            else:
                self._call(call, request)
        except ProviderUnavailable as fault:
            self.note(Faulted(fault))

    def _defer(self, call: Call, request: Request) -> None:
        """Leave the call, or a part of it, to a batch; what is not left to one is looked at again."""
        ledger = self.dialogue.ledger
        waiting = self._wait_for_others(call, lambda: ledger.defer(request, is_retry=call.is_retry))
        if waiting is not None:
            self.note(Deferred({question.item_id for question in request.questions if question.key in waiting}))

    def _call(self, call: Call, request: Request) -> None:
        dialogue = self.dialogue
        with dialogue.permit.admitted(request):
            if not dialogue.composer.is_current(request):
                self.note(Outdated())  # composed anew, and split if need be
                return
            # The turn is kept meanwhile: to ask for another at every poll would use up the shared limits.
            call_id = self._wait_for_others(call, lambda: dialogue.ledger.begin(request, is_retry=call.is_retry))
            if call_id is None:
                return
            sending = _Sending(call_id, request, call.item_ids)
            sent = self._send(sending)
        match sent:
            case Reply():
                self._take(sending, sent)
            case ContentRefused():
                self._judge(sending, sent)
            case _:
                self.note(sent)

    def _wait_for_others(self, call: Call, begin: Callable[[], T | None]) -> T | None:
        """What `begin` gives once nobody else asks the same; None when others were told what the call was to ask."""
        while (begun := begin()) is None:
            self.dialogue.sleep(IN_FLIGHT_POLL_S)
            self.note(AnsweredElsewhere(recall(call.item_ids, self.dialogue)))
            if next_call(self.progress) != call:
                return None
        return begun

    def _send(self, sending: _Sending) -> Reply | ContentRefused | Event:
        """Send it once; the reply, or what happened instead. That is stored by now, but for a refusal in doubt."""
        try:
            return self.dialogue.permit.send(sending.request)
        except ProviderUnavailable as error:
            self._fail(sending, "unavailable", error.code, str(error))
            if error.code not in MAY_BE_PAID:
                return Faulted(error)
            return CallCompleted(Unanswered(sending.item_ids, Refusal(error.code, str(error))), error)
        except LeaseLost:
            self._fail(sending, "unknown", "unknown", "Nobody waits for the reply any more.")
            raise
        except ProviderRefused as error:
            self._fail(sending, "refused", error.code, str(error))
            raise
        except SizeRefused as error:
            self._fail(sending, "size", error.code, str(error))
            is_mended = not self.dialogue.composer.is_current(sending.request)
            return RefusedForSize(Refusal(error.code, str(error)), is_mended=is_mended)
        except ContentRefused as error:
            return self._reject(sending, error) if error.otherwise is None else error

    def _reject(self, sending: _Sending, error: ContentRefused) -> Event:
        self._fail(sending, "content", error.code, str(error))
        return CallCompleted(Rejected(sending.item_ids, Refusal(error.code, str(error)), size=len(sending.item_ids)))

    def _fail(self, sending: _Sending, kind: str, code: str, message: str) -> None:
        self.dialogue.ledger.fail(sending.id, sending.request, kind=kind, code=code, message=message)

    def _take(self, sending: _Sending, reply: Reply) -> None:
        request = sending.request
        self.dialogue.ledger.succeed(sending.id, request, reply)
        checked = self.dialogue.check(reply.raw, request)
        ceiling = Ceiling(request.ceiling, request.can_grow)
        self.note(CallCompleted(Replied(sending.item_ids, checked, size=len(sending.item_ids), ceiling=ceiling)))
        if not reply.is_legible:
            self._meet_illegible(sending, reply)

    def _meet_illegible(self, sending: _Sending, reply: Reply) -> None:
        """Nothing in the reply could be read: on a little later, unless the endpoint always answers so.

        Raises `ProviderRefused` then: whatever else is asked, nothing would come of it, and all of it would be paid.
        """
        if reply.illegible_in_a_row >= ILLEGIBLE_IN_A_ROW:
            host = urlsplit(sending.request.endpoint).hostname or "?"
            sentence = provider_faults.illegible(host, describe_illegible(reply.raw))
            self._fail(sending, "refused", ILLEGIBLE, sentence)
            raise ProviderRefused(sentence, code=ILLEGIBLE)
        longest_s = min(LONGEST_WAIT_S, reply.illegible_in_a_row)
        self.dialogue.sleep(random.uniform(0.1, longest_s))  # noqa: S311 (jitter, not a secret)

    def _judge(self, sending: _Sending, error: ContentRefused) -> None:
        """Find out whether a call was refused for its content or whatever it holds: then nobody is to blame for it.

        The turn of the call is given back by now: the probe takes one of its own.
        """
        try:
            is_every_call = self.dialogue.permit.judge_refusal(sending.request, lambda: self._probe(sending.request))
        except MedqError:
            self._fail(sending, "unavailable", error.code, str(error))
            raise
        if not is_every_call or error.otherwise is None:
            self.note(self._reject(sending, error))
            return
        self._fail(sending, "refused", error.otherwise.code, str(error.otherwise))
        raise error.otherwise from error

    def _probe(self, refused: Request) -> None:
        """Send the least call of the same kind. It is in the ledger like any other; its reply answers nobody."""
        dialogue, ledger = self.dialogue, self.dialogue.ledger
        probe = dialogue.composer.probe(refused)
        with dialogue.permit.admitted(probe):
            while (call_id := ledger.begin(probe, is_retry=False)) is None:
                dialogue.sleep(IN_FLIGHT_POLL_S)  # the budget is reserved by calls under way
            sending = _Sending(call_id, probe, ())
            try:
                reply = dialogue.permit.send(probe)
            except LeaseLost:
                self._fail(sending, "unknown", "unknown", "Nobody waits for the reply.")
                raise
            except (ProviderUnavailable, ContentRefused, ProviderRefused) as error:
                kind = {ProviderUnavailable: "unavailable", ProviderRefused: "refused"}.get(type(error), "content")
                self._fail(sending, kind, error.code, str(error))
                raise
        ledger.succeed(call_id, probe, reply)


def _draw_s(pause: Pause) -> float:
    """Full jitter, and never before the provider's own `Retry-After`."""
    return max(random.uniform(0, pause.longest_s), pause.wished_s)  # noqa: S311 (jitter, not a secret)
