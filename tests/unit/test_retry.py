"""The retry layer against a hand-written endpoint and ledger: what is sent, what is paid, what is taken again."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest

from worker.errors import ContentRefused, LeaseLost, ProviderRefused, ProviderUnavailable, SizeRefused, Stopping
from worker.llm.calls import AskedQuestion, CheckedReply, Reply, Request, Usage
from worker.llm.events import Recalled
from worker.llm.progress import MAX_REPLIES, MAX_SIZES, Answers, Bounds, Progress
from worker.llm.retry import Dialogue, ask, recall
from worker.llm.sizes import Capacity
from worker.questions.answers import Look, Refusal
from worker.questions.question import Question

QUESTION = Question(type="qroc", specialty="s", course="c", level="DCEM2", semester="S1", text="?")
Answerer = Callable[[Request], Sequence[str]]  # the keys that it answers acceptably; may raise


@dataclass(frozen=True)
class FakeStored:
    question_keys: tuple[str, ...]
    raw: str | None
    is_own: bool
    code: str | None = None
    is_content: bool = False
    is_lost: bool = False


class Cut(Exception):
    """The reply ends after these items, closed; the rest is missing. `tokens` that it took: its ceiling, else."""

    def __init__(self, *item_ids: str, tokens: int | None = None) -> None:
        self.item_ids = item_ids
        self.tokens = tokens


@dataclass
class FakeWorld:
    """An endpoint that answers what `answer` says, and a ledger in memory."""

    answer: Answerer
    stored: list[FakeStored] = field(default_factory=list)
    sent: list[list[str]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    retries: list[bool] = field(default_factory=list)
    ceilings: list[int] = field(default_factory=list)
    most: int = 16_000  # the largest ceiling
    per_question: int = 1_000  # tokens of the ceiling
    needed: int = 0  # tokens that a question is known to take
    stop_after: int = 10_000
    streak: int = 0
    is_admitted: bool = False
    waiting: set[str] = field(default_factory=set)  # keys that a batch asks already
    deferred: list[list[str]] = field(default_factory=list)  # the keys of each call that is left to a batch
    in_flight: list[list[FakeStored]] = field(default_factory=list)  # what others are told while we wait for them

    def dialogue(self) -> Dialogue:
        return Dialogue(composer=self, permit=self, ledger=self, check=self.check, sleep=self.slept.append)

    def recall(self, item_ids: Sequence[str]) -> list[Request]:
        return [self.compose(item_ids)] if item_ids else []

    def is_current(self, request: Request) -> bool:
        return request.capacity == Capacity(most=self.most)

    def probe(self, refused: Request) -> Request:
        return replace(refused, questions=())

    def judge_refusal(self, request: Request, probe: Callable[[], None]) -> bool:
        try:
            probe()
        except ContentRefused:
            return True
        return False

    def compose(self, item_ids: Sequence[str], cut_at: int = 0) -> Request:
        questions = tuple(
            AskedQuestion(id=f"q{n}", item_id=i, question=QUESTION, letters={}, key=f"key-{i}")
            for n, i in enumerate(item_ids, start=1)
        )
        ceiling = min(self.most, max(self.per_question * len(item_ids), 3 * cut_at))
        return Request(
            purpose="analyse",
            model="m",
            body={"max_completion_tokens": ceiling},
            hash="-".join(item_ids),
            questions=questions,
            capacity=Capacity(most=self.most),
            fits=ceiling >= self.needed * len(item_ids),
        )

    def check(self, raw: str, request: Request) -> CheckedReply:
        good = json.loads(raw)
        code = "truncated" if "cut" in good else "content_refused" if "refused" in good else "missing"
        code = next((mark for mark in ("empty", "illegible") if mark in good), code)
        look = Look(None, "a", None, "e", {}, 0.9, "m")
        return CheckedReply(
            looks={q.item_id: look for q in request.questions if q.id in good},
            refusals={q.item_id: Refusal(code, "") for q in request.questions if q.id not in good},
            usage=Usage(completion_tokens=int(good[good.index("cut") + 1]) if "cut" in good else 0),
        )

    def send(self, request: Request) -> Reply:
        self.sent.append([q.item_id for q in request.questions])
        self.ceilings.append(request.ceiling)
        marks: list[str] = []
        try:
            answered = self.answer(request)
        except Cut as cut:
            tokens = request.ceiling if cut.tokens is None else cut.tokens
            answered, marks = cut.item_ids, ["cut", str(tokens)]
        ids = [q.id for q in request.questions if q.item_id in answered] + marks
        if "refused" in answered:
            ids = ["refused"]
        ids = next(([mark] for mark in ("empty", "illegible") if mark in answered), ids)
        self.streak = self.streak + 1 if "illegible" in ids else 0
        reply = Reply(raw=json.dumps(ids), model="m", usage=Usage(), provider_request_id=None)
        return replace(reply, is_legible=not self.streak, illegible_in_a_row=self.streak)

    @contextmanager
    def admitted(self, request: Request) -> Iterator[None]:
        if len(self.sent) >= self.stop_after:
            raise Stopping("asked to stop")
        self.is_admitted = True
        try:
            yield
        finally:
            self.is_admitted = False

    def find(self, keys: Sequence[str]) -> Sequence[FakeStored]:
        return [s for s in self.stored if set(s.question_keys) & set(keys)]

    def begin(self, request: Request, *, is_retry: bool) -> str | None:
        if self.in_flight:
            self.stored.extend(self.in_flight.pop(0))
            return None
        assert self.is_admitted
        self.log.append("begin")
        self.retries.append(is_retry)
        self.pending = tuple(q.key for q in request.questions)
        return f"call-{len(self.log)}"

    def defer(self, request: Request, *, is_retry: bool) -> Collection[str] | None:
        if self.in_flight:
            self.stored.extend(self.in_flight.pop(0))
            return None
        keys = [q.key for q in request.questions]
        if self.waiting & set(keys):
            return self.waiting
        self.deferred.append(keys)
        self.retries.append(is_retry)
        return keys

    def succeed(self, call_id: str, request: Request, reply: Reply) -> None:
        assert not self.is_admitted, "the next call waits while this reply is stored"
        self.log.append("succeed")
        self.stored.append(FakeStored(self.pending, reply.raw, is_own=True))

    def fail(self, call_id: str, request: Request, *, kind: str, code: str, message: str) -> None:
        self.log.append(f"fail:{kind}:{code}")


def bounds(*, attempts: int = 4, per_call: int = 5, transport: int | None = None, deferred: bool = False) -> Bounds:
    return Bounds(attempts, per_call, transport or attempts, is_deferred=deferred)


def ask_all(world: FakeWorld, items: str, given: Bounds, replies_used: Mapping[str, int] | None = None) -> Answers:
    """As a task does: first what the ledger holds, then calls."""
    dialogue = world.dialogue()
    return ask(Progress.begin(items, given, replies_used).after(Recalled(recall(items, dialogue))), dialogue)


def run(world: FakeWorld, items: str, *, attempts: int = 4, per_call: int = 5) -> Answers:
    return ask_all(world, items, bounds(attempts=attempts, per_call=per_call))


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


def test_an_empty_reply_is_a_passing_fault_that_is_paid() -> None:
    # Given a model that writes nothing, three times
    replies = iter([["empty"]] * 3)
    world = FakeWorld(lambda request: next(replies, None) or everything(request))
    # When two questions are asked with an only attempt each, and the transport may fail four times
    answers = ask_all(world, "ab", bounds(attempts=1, transport=4))
    # Then the same batch is sent again after a growing wait, and every reply counts
    assert set(answers.looks) == set("ab")
    assert world.sent == [["a", "b"]] * 4
    assert len(world.slept) == 3
    assert world.log == ["begin", "succeed"] * 4
    assert answers.replies_used == {"a": 4, "b": 4}


def test_a_model_that_never_writes_anything_is_left_and_bounded() -> None:
    world = FakeWorld(lambda _: ["empty"])
    with pytest.raises(ProviderUnavailable):
        run(world, "a", attempts=4)
    assert len(world.sent) == 4
    # And however often the task comes back, it stops at twelve
    with pytest.raises(ProviderUnavailable):
        run(world, "a", attempts=4)
    answers = run(world, "a", attempts=4)
    assert len(world.sent) == MAX_REPLIES
    assert answers.refusals["a"].code == "empty"


def test_a_reply_that_cannot_be_read_is_asked_again_and_is_paid() -> None:
    # Given an endpoint whose first reply is no completion
    replies = iter([["illegible"]])
    world = FakeWorld(lambda request: next(replies, None) or everything(request))
    answers = run(world, "abc")
    # Then the same call is made again after a short wait, and both are in the ledger
    assert set(answers.looks) == set("abc")
    assert world.sent == [list("abc")] * 2
    assert world.log == ["begin", "succeed"] * 2
    assert world.retries == [False, True]
    assert len(world.slept) == 1
    assert answers.replies_used == dict.fromkeys("abc", 2)


def test_a_question_whose_replies_can_never_be_read_is_the_only_one_that_fails() -> None:
    # Given a question that a gateway between us and the model does not like
    world = FakeWorld(
        lambda request: ["illegible"] if "b" in {q.item_id for q in request.questions} else everything(request)
    )
    answers = run(world, "abc", attempts=4)
    # Then it is found, within twice its attempts: the others prove that the endpoint can answer
    assert set(answers.looks) == {"a", "c"}
    assert answers.refusals["b"].code == "illegible"
    assert sum("b" in sent for sent in world.sent) == 8
    assert [len(sent) for sent in world.sent if "b" in sent] == [3, 3, *[1] * 6]


@pytest.mark.parametrize(("asked", "attempts"), [("a", 4), ("abcdefghij", 4), ("abc", 12)])
def test_an_endpoint_that_always_answers_so_ends_the_job_with_eight_calls(asked: str, attempts: int) -> None:
    world = FakeWorld(lambda _: ["illegible"])
    with pytest.raises(ProviderRefused, match="sous une forme illisible"):
        run(world, asked, attempts=attempts)
    assert world.log == [*["begin", "succeed"] * 8, "fail:refused:illegible"]


def test_a_question_that_may_be_asked_once_is_asked_twice_when_nothing_can_be_read() -> None:
    world = FakeWorld(lambda _: ["illegible"])
    assert run(world, "a", attempts=1).refusals["a"].code == "illegible"
    assert len(world.sent) == 2


def test_the_reply_of_a_call_that_nobody_waits_for_is_unknown() -> None:
    def lost(_: Request) -> Sequence[str]:
        raise LeaseLost("task")

    world = FakeWorld(lost)
    with pytest.raises(LeaseLost):
        run(world, "a")
    assert world.log == ["begin", "fail:unknown:unknown"]


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
    assert world.sent == [list("abc"), ["a", "b"], ["c"], ["a"], ["b"]]


def test_a_refusal_in_the_reply_is_bisected_down_to_the_question_that_causes_it() -> None:
    # Given a model that writes a refusal whenever f is among the questions
    world = FakeWorld(lambda r: ["refused"] if "f" in everything(r) else everything(r))
    # When eight questions are asked together, with two attempts each
    answers = run(world, "abcdefgh", attempts=2, per_call=8)
    # Then f alone is refused, after halves of the batch and never after each question alone
    assert set(answers.looks) == set("abcdegh")
    assert answers.refusals["f"].code == "content_refused"
    assert [len(call) for call in world.sent] == [8, 4, 4, 2, 2, 1, 1, 1]


def test_a_cut_reply_is_split_keeps_what_is_closed_and_is_never_asked_at_the_same_size() -> None:
    # Given replies that have room for one result only
    def answer(request: Request) -> Sequence[str]:
        if len(request.questions) > 1:
            raise Cut(everything(request)[0])
        return everything(request)

    world = FakeWorld(answer)
    # When five questions are asked together
    answers = run(world, "abcde", attempts=1)
    # Then each is answered, in ever smaller calls, although a single attempt is allowed
    assert set(answers.looks) == set("abcde")
    assert world.sent == [list("abcde"), ["b", "c", "d"], ["e"], ["c", "d"], ["d"]]


def test_a_single_question_cut_at_its_ceiling_is_asked_with_larger_ones_while_there_are() -> None:
    def answer(_: Request) -> Sequence[str]:
        raise Cut

    world = FakeWorld(answer)
    answers = run(world, "a")
    assert answers.refusals["a"].code == "truncated"
    assert world.ceilings == [1_000, 3_000, 9_000, 16_000]


def test_a_cut_reply_found_after_a_crash_is_not_asked_at_the_same_size() -> None:
    world = FakeWorld(
        everything, stored=[FakeStored(("key-a", "key-b", "key-c"), '["q1", "cut", "3000"]', is_own=True)]
    )
    answers = run(world, "abc")
    assert set(answers.looks) == set("abc")
    assert world.sent == [["b", "c"]]


def test_no_question_costs_more_than_twelve_replies_whatever_happens() -> None:
    # Given a model that fails in another way at every call
    calls = iter(range(10_000))

    def answer(request: Request) -> Sequence[str]:
        match next(calls) % 5:
            case 0:
                raise Cut
            case 1:
                return ["refused"]
            case 2:
                raise ProviderUnavailable("slow", code="timeout" if next(calls) % 2 else "connection_lost")
            case 3:
                return ["empty"]
        return []

    world = FakeWorld(answer)
    # When eight questions are asked, with more attempts than any job may have, after three replies to another look
    answers = ask_all(world, "abcdefgh", bounds(attempts=50, per_call=8), dict.fromkeys("abcdefgh", 3))
    # Then each was in nine calls at most
    assert answers.looks == {}
    for item_id in "abcdefgh":
        assert sum(item_id in call for call in world.sent) <= MAX_REPLIES - 3
        assert answers.replies_used[item_id] <= MAX_REPLIES


def test_calls_of_this_run_without_a_reply_count_after_a_crash() -> None:
    # Given eleven calls about a that this run may have paid for without seeing a reply, and one refused with b
    lost = [FakeStored(("key-a",), None, is_own=True, code="unknown") for _ in range(10)]
    refused = FakeStored(("key-a", "key-b"), None, is_own=True, code="content_filter", is_content=True)
    world = FakeWorld(everything, stored=[*lost, refused])
    # When both are asked again
    answers = run(world, "ab")
    # Then each goes alone, and a for the last time
    assert set(answers.looks) == {"a", "b"}
    assert world.sent == [["a"], ["b"]]
    assert answers.replies_used["a"] == MAX_REPLIES


def test_what_another_worker_is_asking_right_now_is_waited_for_and_not_paid_twice() -> None:
    # Given another process that asks a and b, and is told
    world = FakeWorld(everything, in_flight=[[], [FakeStored(("key-b", "key-a"), '["q1", "q2"]', is_own=False)]])
    # When a, b and c are asked here
    answers = run(world, "abc")
    # Then only c is paid for
    assert set(answers.looks) == {"a", "b", "c"}
    assert world.sent == [["c"]]
    assert len(world.slept) == 2


def test_a_task_that_knows_of_an_outage_tries_once() -> None:
    def answer(_: Request) -> Sequence[str]:
        raise ProviderUnavailable("500", code="server_error")

    world = FakeWorld(answer)
    with pytest.raises(ProviderUnavailable):
        ask_all(world, "a", bounds(transport=1))
    assert world.sent == [["a"]]
    assert world.slept == []


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


def test_a_second_look_is_no_retry_of_the_first() -> None:
    # Given an item whose first look cost two replies
    world = FakeWorld(everything)
    # When it is asked for the second look
    ask_all(world, "a", bounds(per_call=1), {"a": 2})
    # Then that is a first call
    assert world.retries == [False]


# -- batch mode --------------------------------------------------------------------------------------------------------


def run_deferred(world: FakeWorld, items: str, *, attempts: int = 4) -> Answers:
    return ask_all(world, items, bounds(attempts=attempts, deferred=True))


def test_in_batch_mode_everything_is_left_to_a_batch_and_nothing_is_sent() -> None:
    world = FakeWorld(everything)
    answers = run_deferred(world, "abcdefg")
    assert answers.deferred == set("abcdefg")
    assert [sorted(keys) for keys in world.deferred] == [
        [f"key-{i}" for i in "abcde"],
        ["key-f", "key-g"],
    ]
    assert world.sent == []
    assert answers.looks == {}


def test_what_is_stored_is_used_and_only_the_rest_waits() -> None:
    # Given an answer to a, a useless one to b
    stored = [FakeStored(("key-a", "key-b"), '["q1"]', is_own=True)]
    world = FakeWorld(everything, stored=stored)
    answers = run_deferred(world, "abc")
    # Then a is done, b is asked again alone, c with whoever is asked for the first time
    assert set(answers.looks) == {"a"}
    assert sorted(map(sorted, world.deferred)) == [["key-b"], ["key-c"]]
    assert sorted(world.retries) == [False, True]


def test_what_another_batch_asks_is_waited_for_and_not_asked() -> None:
    world = FakeWorld(everything, waiting={"key-b", "key-z"})
    answers = run_deferred(world, "abc")
    assert answers.deferred == set("abc")
    assert [sorted(keys) for keys in world.deferred] == [["key-a", "key-c"]]


def test_a_reply_that_comes_while_the_intent_is_written_is_used() -> None:
    world = FakeWorld(everything, in_flight=[[], [FakeStored(("key-a",), '["q1"]', is_own=False)]])
    answers = run_deferred(world, "a")
    assert set(answers.looks) == {"a"}
    assert (answers.deferred, world.deferred) == (set(), [])


def test_a_question_whose_lines_come_to_nothing_is_given_up_after_so_many_in_a_row() -> None:
    # Given lines of this run that expired, for b after an answer that was useless
    lost = FakeStored(("key-a",), None, is_own=True, code="batch_expired", is_lost=True)
    lost_b = replace(lost, question_keys=("key-b",))
    useless = FakeStored(("key-b",), "[]", is_own=True)
    world = FakeWorld(everything, stored=[lost, lost_b, lost_b, useless, lost_b, lost])
    answers = run_deferred(world, "ab", attempts=2)
    # Then they cost no generation; a is given up, b is asked again
    assert answers.refusals["a"].code == "batch_expired"
    assert answers.deferred == {"b"}
    assert answers.replies_used == {"a": 0, "b": 1}


# -- sizes, and refusals that concern every call -----------------------------------------------------------------------


def test_a_question_alone_is_not_asked_again_where_there_is_no_larger_ceiling() -> None:
    def answer(_: Request) -> Sequence[str]:
        raise Cut

    world = FakeWorld(answer, most=1_000)
    answers = run(world, "a", attempts=4)
    assert answers.refusals["a"].code == "truncated"
    assert world.ceilings == [1_000]


def test_a_reply_cut_far_below_its_ceiling_is_one_attempt_of_several() -> None:
    cuts = iter([Cut(tokens=120), Cut(tokens=70), Cut(tokens=300)])

    def answer(request: Request) -> Sequence[str]:
        if cut := next(cuts, None):
            raise cut
        return everything(request)

    world = FakeWorld(answer)
    assert set(run(world, "a", attempts=4).looks) == {"a"}
    assert world.ceilings == [1_000] * 4
    # And four in a row are enough
    always = FakeWorld(lambda _: (_ for _ in ()).throw(Cut(tokens=120)))
    assert run(always, "a", attempts=4).refusals["a"].code == "truncated"
    assert len(always.sent) == 4


def test_what_is_known_not_to_fit_is_split_before_it_is_sent() -> None:
    # Given replies of which no more than two are known to fit
    world = FakeWorld(everything, needed=6_000, most=13_000)
    world.per_question = 6_500
    answers = run(world, "abcde")
    assert set(answers.looks) == set("abcde")
    assert max(map(len, world.sent)) == 2


def test_a_size_that_is_refused_is_composed_anew_and_costs_the_items_nothing() -> None:
    # Given an endpoint that takes ceilings of 2,000 at most, and says so
    def answer(request: Request) -> Sequence[str]:
        if request.ceiling > 2_000:
            world.most = 2_000
            raise SizeRefused("too large", code="ceiling_too_large", most=2_000)
        return everything(request)

    world = FakeWorld(answer)
    answers = run(world, "abcde", attempts=1)
    assert set(answers.looks) == set("abcde")
    assert world.ceilings == [5_000, 2_000]
    assert answers.replies_used == dict.fromkeys("abcde", 1)
    assert world.log == ["begin", "fail:size:ceiling_too_large", "begin", "succeed"]


def test_a_size_that_nothing_mends_is_asked_in_halves_and_then_left() -> None:
    def answer(request: Request) -> Sequence[str]:
        if "b" in everything(request):
            raise SizeRefused("too long", code="context_too_long")
        return everything(request)

    world = FakeWorld(answer)
    answers = run(world, "abcd")
    assert set(answers.looks) == set("acd")
    assert answers.refusals["b"].code == "context_too_long"


def test_an_endpoint_that_always_finds_another_size_too_large_is_left() -> None:
    def answer(_: Request) -> Sequence[str]:
        world.most -= 1
        raise SizeRefused("too large", code="ceiling_too_large", most=world.most)

    world = FakeWorld(answer, most=900)
    answers = run(world, "ab")
    assert answers.looks == {}
    assert len(world.sent) <= MAX_SIZES + 4


DOUBT = ProviderRefused("Le fournisseur refuse tous les appels.", code="request_refused")


def doubtful(request: Request) -> Sequence[str]:
    raise ContentRefused("400", code="bad_request", otherwise=DOUBT)


def test_a_refusal_that_a_probe_meets_too_concerns_every_call() -> None:
    world = FakeWorld(doubtful)
    with pytest.raises(ProviderRefused, match="refuse tous les appels"):
        run(world, "abcde")
    # The batch, and the probe that asks for nobody
    assert world.sent == [list("abcde"), []]
    assert world.log == ["begin", "begin", "fail:content:bad_request", "fail:refused:request_refused"]


def test_a_refusal_that_a_probe_does_not_meet_is_the_contents() -> None:
    def answer(request: Request) -> Sequence[str]:
        return doubtful(request) if "b" in everything(request) else everything(request)

    world = FakeWorld(answer)
    answers = run(world, "abc")
    assert set(answers.looks) == {"a", "c"}
    assert answers.refusals["b"].code == "bad_request"
    assert [call for call in world.sent if call] == [list("abc"), ["a", "b"], ["c"], ["a"], ["b"]]
    assert answers.replies_used["c"] == 2


def test_a_probe_that_finds_nobody_leaves_the_question_open() -> None:
    def answer(request: Request) -> Sequence[str]:
        if not request.questions:
            raise ProviderUnavailable("500", code="server_error")
        return doubtful(request)

    world = FakeWorld(answer)
    with pytest.raises(ProviderUnavailable):
        run(world, "a", attempts=1)
    assert world.log[-1] == "fail:unavailable:bad_request"
