"""Ask a model about questions until each has an acceptable answer or its attempts are used up.

This is the one retry layer. It decides what to send next from what the ledger holds, so that a crash at any point
loses at most the calls in flight: a stored reply is never paid for again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import tenacity

from worker.errors import ContentRefused, ProviderRefused, ProviderUnavailable
from worker.shapes.answers import Look, Refusal
from worker.shapes.calls import Reply, Request

# A longer wait is not worth a thread: the task is given back and looked at again later.
LONGEST_WAIT_S = 20.0


class Stored(Protocol):
    """A reply of an earlier call; `question_keys` are in the order of the wire ids q1, q2, …"""

    @property
    def question_keys(self) -> tuple[str, ...]: ...
    @property
    def raw(self) -> str: ...
    @property
    def is_own(self) -> bool: ...


class Ledger(Protocol):
    """Where calls are written down. Every method is one short transaction."""

    def find(self, keys: Sequence[str]) -> Sequence[Stored]:
        """Stored replies that answer at least one of these keys, oldest first."""

    def begin(self, request: Request, *, is_retry: bool) -> str:
        """Write the intent, return the call's id. Raises `LeaseLost` when this worker may not call any more."""

    def succeed(self, call_id: str, reply: Reply) -> None:
        """Store the reply as it came."""

    def fail(self, call_id: str, *, kind: str, code: str, message: str) -> None:
        """Store why there is none."""


@dataclass(frozen=True, slots=True)
class Answers:
    """By item id: the accepted look, or why the last result was not accepted."""

    looks: dict[str, Look] = field(default_factory=dict)
    refusals: dict[str, Refusal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """How to speak with the model; every part is a function so that tests and other endpoints can stand in."""

    compose: Callable[[Sequence[str]], Request]  # item ids → request
    check: Callable[[str, Request], tuple[Mapping[str, Look], Mapping[str, Refusal]]]  # raw reply → by item id
    send: Callable[[Request], Reply]
    ledger: Ledger
    before_call: Callable[[], None]  # raises when no further call may begin
    sleep: Callable[[float], None]


def ask(item_ids: Sequence[str], dialogue: Dialogue, *, max_attempts: int, questions_per_call: int) -> Answers:
    """Ask about every item: together first, then alone what was not answered acceptably.

    `max_attempts` bounds the replies about one item. Raises `ProviderUnavailable` when the endpoint stays away,
    `ProviderRefused` when it will never answer, `LeaseLost` or `Stopping` when this worker must not go on.
    """
    answers = Answers()
    tries: Counter[str] = Counter()
    final: set[str] = set()  # refused by the endpoint's own rules: asking again is no use
    _recall(item_ids, dialogue, answers, tries, questions_per_call)
    while True:
        open_items = [i for i in item_ids if i not in answers.looks and i not in final and tries[i] < max_attempts]
        if not open_items:
            return answers
        for group in _group(open_items, tries, questions_per_call):
            is_retry = any(tries[item_id] for item_id in group)
            tries.update(group)
            try:
                reply, request = _call(group, dialogue, max_attempts=max_attempts, is_retry=is_retry)
            except ContentRefused as error:
                answers.refusals.update({item_id: Refusal(code=error.code, detail=str(error)) for item_id in group})
                if len(group) == 1:
                    final.update(group)
                continue
            _take(*dialogue.check(reply.raw, request), answers, group)


def _group(open_items: Sequence[str], tries: Counter[str], most: int) -> Iterable[list[str]]:
    fresh = [item_id for item_id in open_items if not tries[item_id]]
    yield from (fresh[start : start + most] for start in range(0, len(fresh), most))
    yield from ([item_id] for item_id in open_items if item_id not in set(fresh))


def _call(group: Sequence[str], dialogue: Dialogue, *, max_attempts: int, is_retry: bool) -> tuple[Reply, Request]:
    request = dialogue.compose(group)
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_worth_waiting),
        stop=tenacity.stop_after_attempt(max_attempts),
        wait=_wait,
        sleep=dialogue.sleep,
        reraise=True,
    )
    for attempt in retrying:
        with attempt:
            again = is_retry or attempt.retry_state.attempt_number > 1
            return _call_once(request, dialogue, is_retry=again), request
    raise AssertionError("tenacity either returns or raises")  # pragma: no cover


def _call_once(request: Request, dialogue: Dialogue, *, is_retry: bool) -> Reply:
    dialogue.before_call()
    call_id = dialogue.ledger.begin(request, is_retry=is_retry)
    try:
        reply = dialogue.send(request)
    except ProviderUnavailable as error:
        dialogue.ledger.fail(call_id, kind="unavailable", code=error.code, message=str(error))
        raise
    except ProviderRefused as error:
        dialogue.ledger.fail(call_id, kind="refused", code=error.code, message=str(error))
        raise
    except ContentRefused as error:
        dialogue.ledger.fail(call_id, kind="content", code=error.code, message=str(error))
        raise
    dialogue.ledger.succeed(call_id, reply)
    return reply


def _is_worth_waiting(error: BaseException) -> bool:
    return isinstance(error, ProviderUnavailable) and (error.retry_after_s or 0) <= LONGEST_WAIT_S


_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT_S)


def _wait(state: tenacity.RetryCallState) -> float:
    """Exponential with full jitter, and never before the provider's own `Retry-After`."""
    error = state.outcome.exception() if state.outcome else None
    wished_s = error.retry_after_s if isinstance(error, ProviderUnavailable) else None
    return max(_backoff(state), wished_s or 0.0)


def _recall(item_ids: Sequence[str], dialogue: Dialogue, answers: Answers, tries: Counter[str], most: int) -> None:
    """Take what stored replies answer already; count this run's own that did not."""
    requests = [dialogue.compose(item_ids[start : start + most]) for start in range(0, len(item_ids), most)]
    asked = [question for request in requests for question in request.questions]
    if not asked:
        return
    for stored in dialogue.ledger.find([question.key for question in asked]):
        wire_ids = {key: f"q{number}" for number, key in enumerate(stored.question_keys, start=1)}
        there = tuple(replace(q, id=wire_ids[q.key]) for q in asked if q.key in wire_ids)
        checked = dialogue.check(stored.raw, replace(requests[0], questions=there))
        there_ids = [question.item_id for question in there]
        _take(*checked, answers, there_ids)
        if stored.is_own:
            tries.update(item_id for item_id in there_ids if item_id not in answers.looks)


def _take(looks: Mapping[str, Look], refusals: Mapping[str, Refusal], answers: Answers, asked: Sequence[str]) -> None:
    for item_id in asked:
        if item_id in answers.looks:
            continue
        if item_id in looks:
            answers.looks[item_id] = looks[item_id]
            answers.refusals.pop(item_id, None)
        elif item_id in refusals:
            answers.refusals[item_id] = refusals[item_id]
