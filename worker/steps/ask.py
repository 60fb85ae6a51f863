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

from worker.errors import MAY_BE_PAID, ContentRefused, LeaseLost, ProviderRefused, ProviderUnavailable
from worker.shapes import sentences
from worker.shapes.answers import Look, Refusal
from worker.shapes.calls import ILLEGIBLE, CheckedReply, Reply, Request
from worker.shapes.completions import describe_illegible

# A longer wait is not worth a thread: the task is given back and looked at again later.
LONGEST_WAIT_S = 20.0
# While another worker asks the same question, its reply is looked for this often.
TWIN_WAIT_S = 0.5
# Replies about one question that a run of a job may cost, over both looks and whatever goes wrong.
MAX_GENERATIONS = 12
# So many replies in a row in which nothing can be read, and the endpoint always answers so.
ILLEGIBLE_IN_A_ROW = 8


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
    generations: dict[str, int] = field(default_factory=dict)
    deferred: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """How to speak with the model; every part is a function so that tests and other endpoints can stand in."""

    compose: Callable[[Sequence[str], bool], Request]  # (item ids, with a larger ceiling) → request
    recall: Callable[[Sequence[str]], Sequence[Request]]  # item ids → a request for each endpoint that may have replied
    check: Callable[[str, Request], CheckedReply]
    send: Callable[[Request], Reply]
    ledger: Ledger
    turn: Callable[[Request], AbstractContextManager[None]]  # waits for it; raises when no further call may begin
    sleep: Callable[[float], None]
    is_deferred: bool = False  # batch mode: nothing is sent, a batch will ask


def ask(
    item_ids: Sequence[str],
    dialogue: Dialogue,
    *,
    max_attempts: int,
    questions_per_call: int,
    transport_attempts: int | None = None,
    generations: Mapping[str, int] | None = None,
) -> Answers:
    """Ask about every item: together first, then in smaller calls or alone what was not answered acceptably.

    `max_attempts` bounds the results about one item that are not accepted, and the tries of one call that meets a
    passing fault (`transport_attempts` where given). `generations`: replies that each item has cost already.
    Raises `ProviderUnavailable` when the endpoint stays away, `ProviderRefused` when it will never answer, `LeaseLost`
    or `Stopping` when this worker must not go on, `JobFailed` when the budget is spent.
    """
    before = generations or {}
    talk = _Talk(
        dialogue,
        states={i: _State(most=questions_per_call, generations=before.get(i, 0)) for i in item_ids},
        max_attempts=max_attempts,
        transport_attempts=transport_attempts or max_attempts,
        questions_per_call=questions_per_call,
    )
    talk.recall(item_ids)
    while groups := list(talk.groups()):
        for group in groups:
            talk.ask_group(group)
    talk.answers.generations.update({item_id: state.generations for item_id, state in talk.states.items()})
    return talk.answers


@dataclass(slots=True)
class _State:
    """Where one item stands."""

    most: int  # questions that its next call may hold
    generations: int = 0  # replies that it cost, the first look's included
    asked: int = 0  # calls for this purpose
    tries: int = 0  # results that were not accepted
    illegible: int = 0  # replies in which nothing could be read
    lost: int = 0  # lines of batches that came to nothing, one after another
    roomier: bool = False  # alone, its reply was cut: one more try with a larger ceiling
    is_final: bool = False  # asking again is no use


@dataclass(slots=True)
class _Talk:
    dialogue: Dialogue
    states: dict[str, _State]
    max_attempts: int
    transport_attempts: int
    questions_per_call: int
    answers: Answers = field(default_factory=Answers)

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
            and state.generations < MAX_GENERATIONS
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
        larger = any(self.states[item_id].roomier for item_id in group)
        if self.dialogue.is_deferred:
            self._defer(group, larger=larger)
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
                self._call(group, larger=larger, is_retry=attempt.retry_state.attempt_number > 1)

    def _defer(self, group: Sequence[str], *, larger: bool) -> None:
        """Leave the group, or a part of it, to a batch; what is not left to one is looked at again."""
        request = self.dialogue.compose(group, larger)
        is_retry = any(self.states[item_id].asked for item_id in group)
        waiting = self.dialogue.ledger.defer(request, is_retry=is_retry)
        while waiting is None:
            self.dialogue.sleep(TWIN_WAIT_S)
            self._recall_others(group)
            if not all(map(self._is_open, group)):
                return
            waiting = self.dialogue.ledger.defer(request, is_retry=is_retry)
        self.answers.deferred.update(question.item_id for question in request.questions if question.key in waiting)

    def _call(self, group: Sequence[str], *, larger: bool, is_retry: bool) -> None:
        dialogue = self.dialogue
        request = dialogue.compose(group, larger)
        is_retry = is_retry or any(self.states[item_id].asked for item_id in group)
        with dialogue.turn(request):
            call_id = self._begin(group, request, is_retry=is_retry)
            reply = self._send(group, request, call_id) if call_id is not None else None
        if call_id is None or reply is None:
            return
        dialogue.ledger.succeed(call_id, request, reply)
        self._count(group)
        checked = dialogue.check(reply.raw, request)
        self._take(checked, group, size=len(group), counts=True)
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
            sentence = sentences.illegible(host, describe_illegible(reply.raw))
            self.dialogue.ledger.fail(call_id, request, kind="refused", code=ILLEGIBLE, message=sentence)
            raise ProviderRefused(sentence, code=ILLEGIBLE)
        self.dialogue.sleep(random.uniform(0.1, min(LONGEST_WAIT_S, reply.illegible_in_a_row)))  # noqa: S311 (jitter)

    def _begin(self, group: Sequence[str], request: Request, *, is_retry: bool) -> str | None:
        """Write the intent; None when others were told meanwhile what this group was to ask."""
        ledger = self.dialogue.ledger
        call_id = ledger.begin(request, is_retry=is_retry)
        while call_id is None:
            # The turn is kept meanwhile: to ask for another at every look would use up the shared limits.
            self.dialogue.sleep(TWIN_WAIT_S)
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
        except ContentRefused as error:
            ledger.fail(call_id, request, kind="content", code=error.code, message=str(error))
            self._count(group)
            self._refuse(group, Refusal(error.code, str(error)), size=len(group))
            return None

    def _recall_others(self, group: Sequence[str]) -> None:
        """What another worker was told meanwhile; what this run has tried is known already."""
        known = {item_id: replace(self.states[item_id]) for item_id in group}
        self.recall(group)
        self.states.update(known)

    def _is_used_up(self, group: Sequence[str]) -> bool:
        return any(self.states[item_id].generations >= MAX_GENERATIONS for item_id in group)

    def _count(self, item_ids: Sequence[str]) -> None:
        for item_id in item_ids:
            self.states[item_id].generations += 1
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
            state = self.states[item_id]
            state.is_final = state.is_final or size == 1
            state.most = min(state.most, _half(size))

    def _take(self, checked: CheckedReply, item_ids: Sequence[str], *, size: int, counts: bool) -> None:
        for item_id in item_ids:
            if item_id in self.answers.looks:
                continue
            if item_id in checked.looks:
                self.answers.looks[item_id] = checked.looks[item_id]
                self.answers.refusals.pop(item_id, None)
            elif item_id in checked.refusals:
                self.answers.refusals[item_id] = checked.refusals[item_id]
                self._learn(self.states[item_id], checked.refusals[item_id].code, size=size, counts=counts)

    def _learn(self, state: _State, code: str, *, size: int, counts: bool) -> None:
        """How an item is asked again: a cut reply in halves and never at the same size, a bad result alone."""
        if code == "truncated":
            state.is_final = state.is_final or (state.roomier and counts)
            state.roomier = state.roomier or size == 1
            state.most = min(state.most, _half(size))
        elif code == ILLEGIBLE and not self.dialogue.is_deferred:
            state.illegible += counts
            state.most = 1 if state.illegible > 1 else state.most  # is one of the questions the cause?
        elif code == "content_refused" and size > 1:
            state.most = min(state.most, _half(size))
        elif counts and (code != "empty" or self.dialogue.is_deferred):  # a passing fault, unless it took a day
            state.tries += 1
            state.most = 1


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
