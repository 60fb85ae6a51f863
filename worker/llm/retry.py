"""Ask a model about questions until each has an acceptable answer or its attempts are used up.

This is the one retry layer. It decides what to send next from what the ledger holds, so that a crash at any point
loses at most the calls in flight: a stored reply is never paid for again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import urlsplit

import tenacity

from worker.errors import (
    MAY_BE_PAID,
    ContentRefused,
    LeaseLost,
    MedqError,
    ProviderRefused,
    ProviderUnavailable,
    SizeRefused,
)
from worker.llm.calls import ILLEGIBLE, CheckedReply, Reply, Request
from worker.llm.sizes import NEARLY
from worker.llm.wire import describe_illegible
from worker.messages import provider_faults
from worker.questions.answers import Look, Refusal

# A longer wait is not worth a thread: the task is given back and looked at again later.
LONGEST_WAIT_S = 20.0
# While another worker asks the same question, its reply is looked for this often.
IN_FLIGHT_WAIT_S = 0.5
# Replies about one question that a run of a job may cost, over both looks and whatever goes wrong.
MAX_REPLIES = 12
# So many replies in a row in which nothing can be read, and the endpoint always answers so.
ILLEGIBLE_IN_A_ROW = 8
# Sizes that an endpoint may refuse before the content counts as what it refuses.
MAX_SIZES = 8


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
        """Write the intent, return the call's id; None when another worker asks, or has just been told, the same.

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


@dataclass(frozen=True, slots=True)
class Answers:
    """By item id: the accepted look, or why the last result was not accepted; and the replies each one took.

    `deferred`: nothing is known yet, a batch will ask.
    """

    looks: dict[str, Look] = field(default_factory=dict)
    refusals: dict[str, Refusal] = field(default_factory=dict)
    replies_used: dict[str, int] = field(default_factory=dict)
    deferred: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """How to speak with the model; every part is a function so that tests and other endpoints can stand in."""

    compose: Callable[[Sequence[str], int], Request]  # (item ids, where the reply to the one was cut, or 0) → request
    recall: Callable[[Sequence[str]], Sequence[Request]]  # item ids → a request for each endpoint that may have replied
    check: Callable[[str, Request], CheckedReply]
    send: Callable[[Request], Reply]
    ledger: Ledger
    admitted: Callable[[Request], AbstractContextManager[None]]  # waits for it; raises when no further call may begin
    sleep: Callable[[float], None]
    is_deferred: bool = False  # batch mode: nothing is sent, a batch will ask
    # Whether nothing was learned about sizes since a request was composed: else it is composed anew.
    is_current: Callable[[Request], bool] = lambda _request: True
    probe: Callable[[Request], Request] = lambda refused: refused  # the least call of the same kind
    # Whether a call that was just refused would be whatever it holds, found out by a probe where nobody knows.
    is_every_call: Callable[[Request, Callable[[], None]], bool] = lambda _request, _probe: False


def ask(
    item_ids: Sequence[str],
    dialogue: Dialogue,
    *,
    max_attempts: int,
    questions_per_call: int,
    transport_attempts: int | None = None,
    replies_used: Mapping[str, int] | None = None,
) -> Answers:
    """Ask about every item: together first, then in smaller calls or alone what was not answered acceptably.

    `max_attempts` bounds the results about one item that are not accepted, and the tries of one call that meets a
    passing fault (`transport_attempts` where given). `replies_used`: replies that each item has cost already.
    Raises `ProviderUnavailable` when the endpoint stays away, `ProviderRefused` when it will never answer, `LeaseLost`
    or `Stopping` when this worker must not go on, `JobFailed` when the budget is spent.
    """
    before = replies_used or {}
    talk = _Talk(
        dialogue,
        states={i: _State(most=questions_per_call, replies_used=before.get(i, 0)) for i in item_ids},
        max_attempts=max_attempts,
        transport_attempts=transport_attempts or max_attempts,
        questions_per_call=questions_per_call,
    )
    talk.recall(item_ids)
    while groups := list(talk.groups()):
        for group in groups:
            talk.ask_group(group)
    talk.answers.replies_used.update({item_id: state.replies_used for item_id, state in talk.states.items()})
    return talk.answers


@dataclass(slots=True)
class _State:
    """Where one item stands."""

    most: int  # questions that its next call may hold
    replies_used: int = 0  # replies that it cost, the first look's included
    asked: int = 0  # calls for this purpose
    tries: int = 0  # results that were not accepted
    illegible: int = 0  # replies in which nothing could be read
    lost: int = 0  # lines of batches that came to nothing, one after another
    cut_at: int = 0  # tokens after which its reply was cut although it came alone: the next one gets more
    is_final: bool = False  # asking again is no use


@dataclass(slots=True)
class _Talk:
    dialogue: Dialogue
    states: dict[str, _State]
    max_attempts: int
    transport_attempts: int
    questions_per_call: int
    answers: Answers = field(default_factory=Answers)
    sizes_refused: int = 0

    def groups(self) -> Iterator[list[str]]:
        """What is still open, in calls as large as each item allows."""
        open_items = [item_id for item_id in self.states if self._is_open(item_id)]
        for most in sorted({self.states[item_id].most for item_id in open_items}, reverse=True):
            alike = [item_id for item_id in open_items if self.states[item_id].most == most]
            yield from (alike[start : start + most] for start in range(0, len(alike), most))

    def _is_open(self, item_id: str) -> bool:
        state = self.states[item_id]
        if item_id in self.answers.looks or item_id in self.answers.deferred or state.is_final:
            return False
        return (
            state.lost < self.transport_attempts
            and state.tries < self.max_attempts
            # What stands between us and the model is seldom a question's fault: it has twice the attempts.
            and state.illegible < min(ILLEGIBLE_IN_A_ROW, 2 * self.max_attempts)
            and state.replies_used < MAX_REPLIES
        )

    def recall(self, item_ids: Sequence[str]) -> None:
        """Take what stored replies answer already, and learn from the calls of this run that came to nothing."""
        most = self.questions_per_call
        parts = [item_ids[start : start + most] for start in range(0, len(item_ids), most)]
        requests = [request for part in parts for request in self.dialogue.recall(part)]
        asked = [question for request in requests for question in request.questions]
        if not asked:
            return
        for stored in self.dialogue.ledger.find([question.key for question in asked]):
            wire_ids = {key: f"q{number}" for number, key in enumerate(stored.question_keys, start=1)}
            there = tuple(replace(q, id=wire_ids[q.key]) for q in asked if q.key in wire_ids)
            there_ids = [question.item_id for question in there]
            self._lose(there_ids, is_lost=stored.is_lost)
            if stored.is_lost:
                self._note(there_ids, Refusal(stored.code or "unknown", ""))
                continue
            if stored.is_own:
                self._count(there_ids)
            if stored.raw is not None:
                checked = self.dialogue.check(stored.raw, replace(requests[0], questions=there))
                self._take(checked, there_ids, size=len(stored.question_keys), counts=stored.is_own)
            elif stored.is_content:
                self._refuse(there_ids, Refusal(stored.code or "content_filter", ""), size=len(stored.question_keys))
            else:
                self._note(there_ids, Refusal(stored.code or "unknown", ""))

    def ask_group(self, group: Sequence[str]) -> None:
        """One call about these items, and what follows from it."""
        if self.dialogue.is_deferred:
            self._defer(group)
            return
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_worth_waiting),
            stop=tenacity.stop_after_attempt(self.transport_attempts),
            wait=_wait,
            sleep=self.dialogue.sleep,
            reraise=True,
        )
        for attempt in retrying:
            with attempt:
                self._call(group, is_retry=attempt.retry_state.attempt_number > 1)

    def _compose(self, group: Sequence[str]) -> Request | None:
        """One call about these items; None when its reply would not fit: they are asked in halves."""
        request = self.dialogue.compose(group, max(self.states[item_id].cut_at for item_id in group))
        if request.fits or len(group) == 1:
            return request
        self._shrink(group, len(group))
        return None

    def _defer(self, group: Sequence[str]) -> None:
        """Leave the group, or a part of it, to a batch; what is not left to one is looked at again."""
        request = self._compose(group)
        if request is None:
            return
        is_retry = any(self.states[item_id].asked for item_id in group)
        waiting = self.dialogue.ledger.defer(request, is_retry=is_retry)
        while waiting is None:
            self.dialogue.sleep(IN_FLIGHT_WAIT_S)
            self._recall_others(group)
            if not all(map(self._is_open, group)):
                return
            waiting = self.dialogue.ledger.defer(request, is_retry=is_retry)
        self.answers.deferred.update(question.item_id for question in request.questions if question.key in waiting)

    def _call(self, group: Sequence[str], *, is_retry: bool) -> None:
        dialogue = self.dialogue
        request = self._compose(group)
        if request is None:
            return
        is_retry = is_retry or any(self.states[item_id].asked for item_id in group)
        try:
            with dialogue.admitted(request):
                if not dialogue.is_current(request):
                    return  # while it waited for its turn: composed anew, and split if need be
                call_id = self._begin(group, request, is_retry=is_retry)
                reply = self._send(group, request, call_id) if call_id is not None else None
        except _Doubt as doubt:
            self._judge(group, request, doubt)
            return
        if call_id is None or reply is None:
            return
        dialogue.ledger.succeed(call_id, request, reply)
        self._count(group)
        checked = dialogue.check(reply.raw, request)
        self._take(checked, group, size=len(group), counts=True, request=request)
        if not reply.is_legible:
            self._meet_illegible(request, reply, call_id)
            return
        is_empty = not checked.looks and all(refusal.code == "empty" for refusal in checked.refusals.values())
        if is_empty and not self._is_used_up(group):
            raise ProviderUnavailable("the model wrote nothing", code="empty_reply")

    def _meet_illegible(self, request: Request, reply: Reply, call_id: str) -> None:
        """Nothing in the reply could be read: again a little later, unless the endpoint always answers so.

        Raises `ProviderRefused` then: whatever else is asked, nothing would come of it, and all of it would be paid.
        """
        if reply.illegible_in_a_row >= ILLEGIBLE_IN_A_ROW:
            host = urlsplit(request.endpoint).hostname or "?"
            sentence = provider_faults.illegible(host, describe_illegible(reply.raw))
            self.dialogue.ledger.fail(call_id, request, kind="refused", code=ILLEGIBLE, message=sentence)
            raise ProviderRefused(sentence, code=ILLEGIBLE)
        self.dialogue.sleep(random.uniform(0.1, min(LONGEST_WAIT_S, reply.illegible_in_a_row)))  # noqa: S311 (jitter)

    def _begin(self, group: Sequence[str], request: Request, *, is_retry: bool) -> str | None:
        """Write the intent; None when others were told meanwhile what this group was to ask."""
        ledger = self.dialogue.ledger
        call_id = ledger.begin(request, is_retry=is_retry)
        while call_id is None:
            # The turn is kept meanwhile: to ask for another at every look would use up the shared limits.
            self.dialogue.sleep(IN_FLIGHT_WAIT_S)
            self._recall_others(group)
            if not all(map(self._is_open, group)):
                return None
            call_id = ledger.begin(request, is_retry=is_retry)
        return call_id

    def _send(self, group: Sequence[str], request: Request, call_id: str) -> Reply | None:
        """Send the request once; None when there is no reply and the group must not wait for one."""
        ledger = self.dialogue.ledger
        try:
            return self.dialogue.send(request)
        except ProviderUnavailable as error:
            ledger.fail(call_id, request, kind="unavailable", code=error.code, message=str(error))
            if error.code in MAY_BE_PAID:
                self._count(group)
                self._note(group, Refusal(error.code, str(error)))
                if self._is_used_up(group):
                    return None  # no outage stops at one question: this one goes without an answer, the others go on
            raise
        except LeaseLost:
            ledger.fail(
                call_id, request, kind="unknown", code="unknown", message="Nobody waits for the reply any more."
            )
            raise
        except ProviderRefused as error:
            ledger.fail(call_id, request, kind="refused", code=error.code, message=str(error))
            raise
        except SizeRefused as error:
            ledger.fail(call_id, request, kind="size", code=error.code, message=str(error))
            self.sizes_refused += 1
            if self.dialogue.is_current(request) or self.sizes_refused > MAX_SIZES:
                self._refuse(group, Refusal(error.code, str(error)), size=len(group))  # nothing else to be tried
            return None
        except ContentRefused as error:
            if error.otherwise is not None:
                raise _Doubt(call_id, error, error.otherwise) from error
            self._refuse_content(group, request, call_id, error)
            return None

    def _refuse_content(self, group: Sequence[str], request: Request, call_id: str, error: ContentRefused) -> None:
        self.dialogue.ledger.fail(call_id, request, kind="content", code=error.code, message=str(error))
        self._count(group)
        self._refuse(group, Refusal(error.code, str(error)), size=len(group))

    def _judge(self, group: Sequence[str], request: Request, doubt: _Doubt) -> None:
        """Find out whether a call was refused for its content or whatever it holds: then nobody is to blame for it."""
        ledger, error = self.dialogue.ledger, doubt.error
        try:
            is_every_call = self.dialogue.is_every_call(request, lambda: self._probe(request))
        except MedqError:
            ledger.fail(doubt.call_id, request, kind="unavailable", code=error.code, message=str(error))
            raise
        if not is_every_call:
            self._refuse_content(group, request, doubt.call_id, error)
            return
        refused = doubt.otherwise
        ledger.fail(doubt.call_id, request, kind="refused", code=refused.code, message=str(refused))
        raise refused from error

    def _probe(self, refused: Request) -> None:
        """Send the least call of the same kind. It is in the ledger like any other; its reply answers nobody."""
        dialogue, ledger = self.dialogue, self.dialogue.ledger
        probe = dialogue.probe(refused)
        with dialogue.admitted(probe):
            while (call_id := ledger.begin(probe, is_retry=False)) is None:
                dialogue.sleep(IN_FLIGHT_WAIT_S)  # the budget is reserved by calls under way
            try:
                reply = dialogue.send(probe)
            except LeaseLost:
                ledger.fail(call_id, probe, kind="unknown", code="unknown", message="Nobody waits for the reply.")
                raise
            except (ProviderUnavailable, ContentRefused, ProviderRefused) as error:
                kind = {ProviderUnavailable: "unavailable", ProviderRefused: "refused"}.get(type(error), "content")
                ledger.fail(call_id, probe, kind=kind, code=error.code, message=str(error))
                raise
        ledger.succeed(call_id, probe, reply)

    def _recall_others(self, group: Sequence[str]) -> None:
        """What another worker was told meanwhile; what this run has tried is known already."""
        known = {item_id: replace(self.states[item_id]) for item_id in group}
        self.recall(group)
        self.states.update(known)

    def _is_used_up(self, group: Sequence[str]) -> bool:
        return any(self.states[item_id].replies_used >= MAX_REPLIES for item_id in group)

    def _count(self, item_ids: Sequence[str]) -> None:
        for item_id in item_ids:
            self.states[item_id].replies_used += 1
            self.states[item_id].asked += 1

    def _lose(self, item_ids: Sequence[str], *, is_lost: bool) -> None:
        for item_id in item_ids:
            state = self.states[item_id]
            state.lost = state.lost + 1 if is_lost else 0
            state.asked += is_lost

    def _note(self, item_ids: Sequence[str], refusal: Refusal) -> None:
        self.answers.refusals.update({item_id: refusal for item_id in item_ids if item_id not in self.answers.looks})

    def _refuse(self, item_ids: Sequence[str], refusal: Refusal, *, size: int) -> None:
        """The endpoint would not take this content: halves, down to the question that is the cause."""
        self._note(item_ids, refusal)
        for item_id in item_ids:
            self.states[item_id].is_final |= size == 1
        self._shrink(item_ids, size)

    def _shrink(self, item_ids: Sequence[str], size: int) -> None:
        """Ask these in calls of half this size at most."""
        for item_id in item_ids:
            self.states[item_id].most = min(self.states[item_id].most, _half(size))

    def _take(
        self,
        checked: CheckedReply,
        item_ids: Sequence[str],
        *,
        size: int,
        counts: bool,
        request: Request | None = None,
    ) -> None:
        """What a reply says of these items. `request`: what was sent, if known; `counts`: it is of this run."""
        for item_id in item_ids:
            if item_id in self.answers.looks:
                continue
            if item_id in checked.looks:
                self.answers.looks[item_id] = checked.looks[item_id]
                self.answers.refusals.pop(item_id, None)
            elif item_id in checked.refusals:
                self.answers.refusals[item_id] = checked.refusals[item_id]
                state, code = self.states[item_id], checked.refusals[item_id].code
                if code == "truncated" and size == 1:
                    _note_cut(state, checked.usage.completion_tokens, request, counts=counts)
                else:
                    self._learn(state, code, size=size, counts=counts)

    def _learn(self, state: _State, code: str, *, size: int, counts: bool) -> None:
        """How an item is asked again: a cut reply in halves and never at the same size, a bad result alone."""
        if code == ILLEGIBLE and not self.dialogue.is_deferred:
            state.illegible += counts
            state.most = 1 if state.illegible > 1 else state.most  # is one of the questions the cause?
        elif code == "truncated" or (code == "content_refused" and size > 1):
            state.most = min(state.most, _half(size))
        elif counts and (code != "empty" or self.dialogue.is_deferred):  # a passing fault, unless it took a day
            state.tries += 1
            state.most = 1


class _Doubt(Exception):
    """A refusal that may concern this content or every call; judged when the turn is given back."""

    def __init__(self, call_id: str, error: ContentRefused, otherwise: ProviderRefused) -> None:
        super().__init__(call_id)
        self.call_id = call_id
        self.error = error
        self.otherwise = otherwise


def _note_cut(state: _State, tokens: int, request: Request | None, *, counts: bool) -> None:
    """The reply to one question alone was cut after `tokens` (0: the provider does not count).

    At its ceiling it is asked again with a larger one, while there is one. Far below, the fault is the transport's, or
    a server's on a bad day: one more of its attempts.
    """
    if request is None or (tokens and tokens < NEARLY * request.ceiling):
        state.tries += counts
        state.cut_at = max(state.cut_at, tokens)
    else:
        state.is_final |= not request.can_grow
        state.cut_at = max(state.cut_at, tokens, request.ceiling)


def _is_worth_waiting(error: BaseException) -> bool:
    return isinstance(error, ProviderUnavailable) and (error.retry_after_s or 0) <= LONGEST_WAIT_S


def _half(size: int) -> int:
    return max(1, (size + 1) // 2)


_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT_S)


def _wait(state: tenacity.RetryCallState) -> float:
    """Exponential with full jitter, and never before the provider's own `Retry-After`."""
    error = state.outcome.exception() if state.outcome else None
    wished_s = error.retry_after_s if isinstance(error, ProviderUnavailable) else None
    return max(_backoff(state), wished_s or 0.0)
