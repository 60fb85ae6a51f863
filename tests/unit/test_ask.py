"""The retry layer against a hand-written endpoint and ledger: what is sent, what is paid, what is taken again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from worker.errors import ContentRefused, ProviderRefused, ProviderUnavailable, Stopping
from worker.shapes.answers import Look, Refusal
from worker.shapes.calls import AskedQuestion, Reply, Request, Usage
from worker.shapes.questions import Question
from worker.steps.ask import Answers, Dialogue, ask

QUESTION = Question(type="qroc", specialty="s", course="c", level="DCEM2", semester="S1", text="?")
Answerer = Callable[[Request], Sequence[str]]  # the keys that it answers acceptably; may raise


@dataclass(frozen=True)
class FakeStored:
    question_keys: tuple[str, ...]
    raw: str
    is_own: bool


@dataclass
class FakeWorld:
    """An endpoint that answers what `answer` says, and a ledger in memory."""

    answer: Answerer
    stored: list[FakeStored] = field(default_factory=list)
    sent: list[list[str]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    retries: list[bool] = field(default_factory=list)
    stop_after: int = 10_000

    def dialogue(self) -> Dialogue:
        return Dialogue(self.compose, self.check, self.send, self, self.before_call, self.slept.append)

    def compose(self, item_ids: Sequence[str]) -> Request:
        questions = tuple(
            AskedQuestion(id=f"q{n}", item_id=i, question=QUESTION, letters={}, key=f"key-{i}")
            for n, i in enumerate(item_ids, start=1)
        )
        return Request(purpose="analyse", model="m", body={}, hash="-".join(item_ids), questions=questions)

    def check(self, raw: str, request: Request) -> tuple[Mapping[str, Look], Mapping[str, Refusal]]:
        good = json.loads(raw)
        look = Look(None, "a", None, "e", {}, 0.9, "m")
        return (
            {q.item_id: look for q in request.questions if q.id in good},
            {q.item_id: Refusal("missing", "") for q in request.questions if q.id not in good},
        )

    def send(self, request: Request) -> Reply:
        self.sent.append([q.item_id for q in request.questions])
        answered = self.answer(request)
        ids = [q.id for q in request.questions if q.item_id in answered]
        return Reply(raw=json.dumps(ids), model="m", usage=Usage(), provider_request_id=None)

    def before_call(self) -> None:
        if len(self.sent) >= self.stop_after:
            raise Stopping("asked to stop")

    def find(self, keys: Sequence[str]) -> Sequence[FakeStored]:
        return [s for s in self.stored if set(s.question_keys) & set(keys)]

    def begin(self, request: Request, *, is_retry: bool) -> str:
        self.log.append("begin")
        self.retries.append(is_retry)
        self.pending = tuple(q.key for q in request.questions)
        return f"call-{len(self.log)}"

    def succeed(self, call_id: str, reply: Reply) -> None:
        self.log.append("succeed")
        self.stored.append(FakeStored(self.pending, reply.raw, is_own=True))

    def fail(self, call_id: str, *, kind: str, code: str, message: str) -> None:
        self.log.append(f"fail:{kind}:{code}")


def run(world: FakeWorld, items: str, *, attempts: int = 4, per_call: int = 5) -> Answers:
    return ask(list(items), world.dialogue(), max_attempts=attempts, questions_per_call=per_call)


def everything(request: Request) -> Sequence[str]:
    return [q.item_id for q in request.questions]


def test_one_call_answers_the_whole_batch() -> None:
    world = FakeWorld(everything)
    answers = run(world, "abcde")
    assert set(answers.looks) == set("abcde")
    assert world.sent == [list("abcde")]
    assert world.log == ["begin", "succeed"]
    assert world.retries == [False]


def test_a_batch_is_cut_at_what_the_endpoint_takes() -> None:
    world = FakeWorld(everything)
    run(world, "abcde", per_call=2)
    assert world.sent == [["a", "b"], ["c", "d"], ["e"]]


def test_a_missing_answer_is_asked_again_alone_and_the_good_ones_are_not() -> None:
    # Given an endpoint that leaves out c when it comes with others
    world = FakeWorld(lambda r: [q.item_id for q in r.questions if q.item_id != "c" or len(r.questions) == 1])
    # When the batch is asked
    answers = run(world, "abcde")
    # Then c alone is paid for twice
    assert set(answers.looks) == set("abcde")
    assert world.sent == [list("abcde"), ["c"]]
    assert world.retries == [False, True]
    assert answers.refusals == {}


def test_attempts_are_bounded_per_item() -> None:
    world = FakeWorld(lambda r: [i for i in everything(r) if i != "b"])
    answers = run(world, "ab", attempts=3)
    assert set(answers.looks) == {"a"}
    assert answers.refusals["b"].code == "missing"
    assert world.sent == [["a", "b"], ["b"], ["b"]]


def test_a_stored_reply_is_used_instead_of_a_call() -> None:
    # Given a reply to a and b, stored before a crash
    world = FakeWorld(everything, stored=[FakeStored(("key-b", "key-a"), '["q1", "q2"]', is_own=True)])
    # When the same batch is asked again
    answers = run(world, "ab")
    # Then nothing is sent
    assert set(answers.looks) == {"a", "b"}
    assert world.sent == []


def test_a_stored_reply_counts_as_an_attempt_of_its_run_only() -> None:
    # Given three useless replies about a: one of this run, two of an earlier job
    useless = [FakeStored(("key-a",), "[]", is_own=own) for own in (False, False, True)]
    world = FakeWorld(lambda _: [], stored=useless)
    # When a is asked with four attempts
    run(world, "a", attempts=4)
    # Then three are left
    assert world.sent == [["a"]] * 3


def test_a_stored_reply_of_another_batch_serves_its_question() -> None:
    world = FakeWorld(everything, stored=[FakeStored(("key-z", "key-b"), '["q2"]', is_own=False)])
    answers = run(world, "abc")
    assert set(answers.looks) == {"a", "b", "c"}
    assert world.sent == [["a", "c"]]


def test_a_passing_fault_is_waited_for_and_uses_up_no_attempt() -> None:
    faults = iter([ProviderUnavailable("500", code="server_error"), ProviderUnavailable("t", code="timeout")])

    def answer(request: Request) -> Sequence[str]:
        if fault := next(faults, None):
            raise fault
        return everything(request)

    world = FakeWorld(answer)
    answers = run(world, "a", attempts=3)
    assert set(answers.looks) == {"a"}
    assert world.log == [
        "begin", "fail:unavailable:server_error", "begin", "fail:unavailable:timeout", "begin", "succeed",
    ]  # fmt: skip
    assert world.retries == [False, True, True]
    assert len(world.slept) == 2


def test_retry_after_is_the_shortest_wait() -> None:
    faults = iter([ProviderUnavailable("429", code="rate_limited", retry_after_s=7.5)])

    def answer(request: Request) -> Sequence[str]:
        if fault := next(faults, None):
            raise fault
        return everything(request)

    world = FakeWorld(answer)
    run(world, "a")
    assert world.slept[0] >= 7.5


def test_a_long_retry_after_frees_the_thread() -> None:
    def answer(_: Request) -> Sequence[str]:
        raise ProviderUnavailable("429", code="rate_limited", retry_after_s=300)

    world = FakeWorld(answer)
    with pytest.raises(ProviderUnavailable) as raised:
        run(world, "a")
    assert raised.value.retry_after_s == 300
    assert len(world.sent) == 1
    assert world.slept == []


def test_an_endpoint_that_stays_down_is_left_after_the_attempts() -> None:
    def answer(_: Request) -> Sequence[str]:
        raise ProviderUnavailable("500", code="server_error")

    world = FakeWorld(answer)
    with pytest.raises(ProviderUnavailable):
        run(world, "abc", attempts=4)
    assert world.sent == [list("abc")] * 4


def test_a_refusing_endpoint_is_called_once() -> None:
    def answer(_: Request) -> Sequence[str]:
        raise ProviderRefused("Clé refusée.", code="unauthorised")

    world = FakeWorld(answer)
    with pytest.raises(ProviderRefused):
        run(world, "abc")
    assert len(world.sent) == 1
    assert world.log == ["begin", "fail:refused:unauthorised"]


def test_refused_content_is_found_by_asking_alone_and_never_asked_a_third_time() -> None:
    def answer(request: Request) -> Sequence[str]:
        if "b" in everything(request):
            raise ContentRefused("filtered", code="content_filter")
        return everything(request)

    world = FakeWorld(answer)
    answers = run(world, "abc")
    assert set(answers.looks) == {"a", "c"}
    assert answers.refusals["b"].code == "content_filter"
    assert world.sent == [list("abc"), ["a"], ["b"], ["c"]]


def test_no_call_begins_once_the_process_stops() -> None:
    world = FakeWorld(lambda _: [], stop_after=1)
    with pytest.raises(Stopping):
        run(world, "a")
    assert world.sent == [["a"]]
    assert world.log == ["begin", "succeed"]


def test_nothing_to_ask_sends_nothing() -> None:
    world = FakeWorld(everything)
    assert run(world, "") == Answers()
    assert world.log == []
