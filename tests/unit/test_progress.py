"""What is asked next, as a table: progress and event → progress; progress → next call. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.errors import ProviderUnavailable
from worker.llm.calls import CheckedReply, Usage
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
    Recalled,
    RefusedForSize,
    Rejected,
    Replied,
    TooLarge,
    Unanswered,
)
from worker.llm.progress import (
    ILLEGIBLE_IN_A_ROW,
    LONGEST_WAIT_S,
    MAX_REPLIES,
    MAX_SIZES,
    Bounds,
    Call,
    Done,
    GiveUp,
    ItemProgress,
    Pause,
    Progress,
    next_call,
)
from worker.questions.answers import Look, Refusal

BOUNDS = Bounds(max_attempts=4, questions_per_call=5, transport_attempts=3)
DEFERRED = replace(BOUNDS, is_deferred=True)
LOOK = Look(None, "a", None, "e", {}, 0.9, "m")
DOWN = ProviderUnavailable("500", code="server_error")
SLOW = ProviderUnavailable("slow", code="timeout")
BUSY = ProviderUnavailable("429", code="rate_limited", retry_after_s=7.5)
AWAY = ProviderUnavailable("429", code="rate_limited", retry_after_s=300)
FILTERED = Refusal("content_filter", "")
TOO_LONG = Refusal("context_too_long", "")
AMPLE = Ceiling(1_000, can_grow=True)


def replied(
    asked: str,
    good: str = "",
    *,
    code: str = "missing",
    size: int = 0,
    tokens: int = 0,
    own: bool = True,
    ceiling: Ceiling | None = AMPLE,
) -> Replied:
    """A reply that answers `good` of what was asked; the rest is refused with the code."""
    checked = CheckedReply(
        looks=dict.fromkeys(good, LOOK),
        refusals={i: Refusal(code, "") for i in asked if i not in good},
        usage=Usage(completion_tokens=tokens),
    )
    return Replied(tuple(asked), checked, size or len(asked), is_own=own, ceiling=ceiling)


def completed(asked: str, good: str = "", **given: Any) -> CallCompleted:
    return CallCompleted(replied(asked, good, **given))


def filtered(asked: str, size: int = 0) -> Rejected:
    return Rejected(tuple(asked), FILTERED, size or len(asked))


def slow(asked: str) -> Unanswered:
    return Unanswered(tuple(asked), Refusal("timeout", ""))


def lost(asked: str) -> LostLine:
    return LostLine(tuple(asked), Refusal("batch_expired", ""))


def live(events: Iterable[Event], items: str = "abc", bounds: Bounds = BOUNDS, used: int = 0) -> Progress:
    progress = Progress.begin(items, bounds, dict.fromkeys(items, used))
    for event in events:
        progress = progress.after(event)
    return progress


def call(items: str, *, cut_at: int = 0, retry: bool = False, pause: Pause | None = None) -> Call:
    return Call(tuple(items), cut_at=cut_at, is_retry=retry, pause=pause)


AGAIN = {"replies_used": 1, "asked": 1}  # what one reply leaves behind
DONE = Done()


@dataclass(frozen=True)
class Case:
    """After these events, what is next, and where items stand: the fields that are not as at the beginning."""

    what: str
    events: Sequence[Event]
    then: Call | GiveUp | Done
    stand: dict[str, dict[str, Any]]
    items: str = "abc"
    bounds: Bounds = BOUNDS
    used: int = 0


def looked(**more: Any) -> dict[str, Any]:
    return {**AGAIN, "look": LOOK, **more}


def refused(code: str, **more: Any) -> dict[str, Any]:
    return {**AGAIN, "refusal": Refusal(code, ""), **more}


LIVED = [
    Case("nothing was asked", [], call("abc"), {}),
    Case("no items", [], DONE, {}, items=""),
    Case("more than a call may hold", [], call("abcde"), {}, items="abcdefg"),
    Case("all are answered", [completed("abc", "abc")], DONE, dict.fromkeys("abc", looked())),
    Case(
        "one is missing: it is asked alone",
        [completed("abc", "ab")],
        call("c", retry=True),
        {**dict.fromkeys("ab", looked()), "c": refused("missing", tries=1, most=1)},
    ),
    Case(
        "the round is asked to its end before a smaller one",
        [completed("abcde", "abcd")],
        call("fg"),
        {**dict.fromkeys("abcd", looked()), "e": refused("missing", tries=1, most=1)},
        items="abcdefg",
    ),
    Case(
        "results that are never accepted use up the attempts",
        [completed("abc", "bc"), *[completed("a")] * 3],
        DONE,
        {
            "a": {"replies_used": 4, "asked": 4, "tries": 4, "most": 1, "refusal": Refusal("missing", "")},
            **dict.fromkeys("bc", looked()),
        },
    ),
    # -- faults that pass
    Case("a fault that passes", [Faulted(DOWN)], call("abc", retry=True, pause=Pause(0.5)), {}),
    Case("a second one", [Faulted(DOWN)] * 2, call("abc", retry=True, pause=Pause(1.0)), {}),
    Case("a third one", [Faulted(DOWN)] * 3, GiveUp(DOWN), {}),
    Case("the provider's wish", [Faulted(BUSY)], call("abc", retry=True, pause=Pause(0.5, 7.5)), {}),
    Case("a wish that is too long", [Faulted(AWAY)], GiveUp(AWAY), {}),
    Case(
        "a time-out may be paid for, and counts",
        [CallCompleted(slow("abc"), SLOW)],
        call("abc", retry=True, pause=Pause(0.5)),
        dict.fromkeys("abc", refused("timeout")),
    ),
    Case(
        "an outage ends no question, but one that has cost its replies",
        [CallCompleted(slow("abc"), SLOW)],
        DONE,
        dict.fromkeys("abc", refused("timeout", replies_used=MAX_REPLIES)),
        used=MAX_REPLIES - 1,
    ),
    Case(
        "a model that wrote nothing: a passing fault that is paid",
        [completed("abc", code="empty")],
        call("abc", retry=True, pause=Pause(0.5)),
        dict.fromkeys("abc", refused("empty")),
    ),
    Case(
        "faults are counted anew with the next call",
        [Faulted(DOWN), Faulted(DOWN), completed("abcde", "abcde"), Faulted(DOWN)],
        call("fg", retry=True, pause=Pause(0.5)),
        dict.fromkeys("abcde", looked()),
        items="abcdefg",
    ),
    # -- replies of which little or nothing can be used
    Case(
        "a cut reply: halves of what is left",
        [completed("abcde", "a", code="truncated")],
        call("bcd", retry=True),
        {"a": looked(), **dict.fromkeys("bcde", refused("truncated", most=3))},
        items="abcde",
    ),
    Case(
        "a refusal in the reply: halves",
        [completed("abcd", code="content_refused")],
        call("ab", retry=True),
        dict.fromkeys("abcd", refused("content_refused", most=2)),
        items="abcd",
    ),
    Case(
        "a refusal about one question: one of its attempts",
        [completed("a", code="content_refused")],
        call("a", retry=True),
        {"a": refused("content_refused", tries=1, most=1)},
        items="a",
    ),
    Case(
        "nothing can be read: once more together",
        [completed("abc", code="illegible")],
        call("abc", retry=True),
        dict.fromkeys("abc", refused("illegible", illegible=1)),
    ),
    Case(
        "nothing can be read twice: each alone",
        [completed("abc", code="illegible")] * 2,
        call("a", retry=True),
        dict.fromkeys("abc", refused("illegible", illegible=2, most=1, replies_used=2, asked=2)),
    ),
    Case(
        "nothing can ever be read",
        [completed("a", code="illegible")] * ILLEGIBLE_IN_A_ROW,
        DONE,
        {"a": refused("illegible", illegible=8, most=1, replies_used=8, asked=8)},
        items="a",
    ),
    Case(
        "cut alone at its ceiling: a larger one",
        [completed("a", code="truncated", tokens=990)],
        call("a", cut_at=1_000, retry=True),
        {"a": refused("truncated", cut_at=1_000)},
        items="a",
    ),
    Case(
        "cut alone where there is no larger one",
        [completed("a", code="truncated", ceiling=Ceiling(1_000, can_grow=False))],
        DONE,
        {"a": refused("truncated", cut_at=1_000, is_final=True)},
        items="a",
    ),
    Case(
        "cut alone far below its ceiling: one of its attempts",
        [completed("a", code="truncated", tokens=120)],
        call("a", cut_at=120, retry=True),
        {"a": refused("truncated", cut_at=120, tries=1)},
        items="a",
    ),
    # -- content and sizes
    Case(
        "content that is refused: halves",
        [CallCompleted(filtered("abc"))],
        call("ab", retry=True),
        dict.fromkeys("abc", refused("content_filter", most=2)),
    ),
    Case(
        "content of one question that is refused: for good",
        [CallCompleted(filtered("a"))],
        DONE,
        {"a": refused("content_filter", most=1, is_final=True)},
        items="a",
    ),
    Case("a size that is composed otherwise now", [RefusedForSize(TOO_LONG, is_mended=True)], call("abc"), {}),
    Case(
        "a size that nothing mends: halves, and it costs nothing",
        [RefusedForSize(TOO_LONG, is_mended=False)],
        call("ab"),
        {i: {"most": 2, "refusal": TOO_LONG} for i in "abc"},
    ),
    Case(
        "another size at every try",
        [RefusedForSize(TOO_LONG, is_mended=True)] * (MAX_SIZES + 1),
        call("ab"),
        {i: {"most": 2, "refusal": TOO_LONG} for i in "abc"},
    ),
    Case("known not to fit", [TooLarge()], call("ab"), {i: {"most": 2} for i in "abc"}),
    Case("composed for what is known no more", [Outdated()], call("abc"), {}),
    # -- what others are told
    Case("others are told nothing yet", [AnsweredElsewhere([])], call("abc"), {}),
    Case(
        "others are told of one: the rest is asked in the next round",
        [AnsweredElsewhere([replied("ab", "a", own=False)])],
        call("fg"),
        {"a": {"look": LOOK}, "b": {"refusal": Refusal("missing", "")}},
        items="abcdefg",
    ),
    Case(
        "what this run has tried is not counted again",
        [completed("abc", "bc"), AnsweredElsewhere([replied("abc", "bc")])],
        call("a", retry=True),
        {"a": refused("missing", tries=1, most=1), **dict.fromkeys("bc", looked())},
    ),
    # -- batch mode
    Case("a batch asks", [Deferred("abc")], DONE, {i: {"is_deferred": True} for i in "abc"}, bounds=DEFERRED),
    Case(
        "a batch asks about some",
        [Deferred("b")],
        call("ac"),
        {"b": {"is_deferred": True}},
        bounds=DEFERRED,
    ),
]

RECALLED = [
    Case("nothing is stored", [Recalled([])], call("abc"), {}),
    Case(
        "all are answered, by another job",
        [Recalled([replied("ab", "ab", own=False), replied("c", "c", size=4, own=False)])],
        DONE,
        {i: {"look": LOOK} for i in "abc"},
    ),
    Case(
        "useless replies count in their own run only",
        [Recalled([replied("a", own=False), replied("a", own=False), replied("a")])],
        call("bc"),
        {"a": refused("missing", tries=1, most=1)},
    ),
    Case(
        "of a cut reply to three two are asked together",
        [Recalled([replied("abc", "a", code="truncated", ceiling=None)])],
        call("bc", retry=True),
        {"a": looked(), **dict.fromkeys("bc", refused("truncated", most=2))},
    ),
    Case(
        "cut alone, at a ceiling that nobody remembers: one of its attempts",
        [Recalled([replied("a", code="truncated", tokens=900, ceiling=None)])],
        call("a", cut_at=900, retry=True),
        {"a": refused("truncated", cut_at=900, tries=1)},
        items="a",
    ),
    Case(
        "calls whose reply nobody saw",
        [Recalled([slow("a")] * (MAX_REPLIES - 1) + [filtered("a", size=2)])],
        DONE,
        {"a": refused("content_filter", most=1, replies_used=MAX_REPLIES, asked=MAX_REPLIES)},
        items="a",
    ),
    Case(
        "lines that come to nothing, one after another",
        [Recalled([lost("a"), replied("a", own=False), lost("a")])],
        call("a", retry=True),
        {"a": {"lost": 1, "asked": 2, "refusal": Refusal("batch_expired", "")}},
        items="a",
        bounds=DEFERRED,
    ),
    Case(
        "so many of them in a row end it",
        [Recalled([lost("a")] * DEFERRED.transport_attempts)],
        DONE,
        {"a": {"lost": 3, "asked": 3, "refusal": Refusal("batch_expired", "")}},
        items="a",
        bounds=DEFERRED,
    ),
    Case(
        "in a batch an empty or unreadable reply took a day: one of its attempts",
        [Recalled([replied("a", code="empty"), replied("a", code="illegible")])],
        call("a", retry=True),
        {"a": refused("illegible", tries=2, most=1, replies_used=2, asked=2)},
        items="a",
        bounds=DEFERRED,
    ),
]


@pytest.mark.parametrize("case", [*LIVED, *RECALLED], ids=lambda case: case.what)
def test_what_an_event_makes_of_it_and_what_is_next(case: Case) -> None:
    progress = live(case.events, case.items, case.bounds, case.used)
    assert next_call(progress) == case.then
    begun = ItemProgress(case.bounds.questions_per_call, case.used)
    for item_id in case.items:
        assert progress.items[item_id] == replace(begun, **case.stand.get(item_id, {})), item_id


def test_a_pause_grows_to_the_longest_that_is_worth_a_thread() -> None:
    bounds = replace(BOUNDS, transport_attempts=12)
    calls = [next_call(live([Faulted(DOWN)] * faults, bounds=bounds)) for faults in range(1, 9)]
    pauses = [call.pause for call in calls if isinstance(call, Call)]
    assert [pause and pause.longest_s for pause in pauses] == [0.5, 1, 2, 4, 8, 16, LONGEST_WAIT_S, LONGEST_WAIT_S]


# -- laws --------------------------------------------------------------------------------------------------------------

tried = settings(max_examples=60)
CODES = ("missing", "empty", "illegible", "truncated", "content_refused", "unreadable")


@st.composite
def events(draw: st.DrawFn, progress: Progress, asked: tuple[str, ...]) -> Event:
    """What may come of a call: what changes a question is in the ledger, what is not changes none."""
    ids = "".join(asked)
    kinds = ["replied", "replied", "replied", "filtered", "slow", "down", "outdated"]
    if progress.sizes_refused < MAX_SIZES:  # of the one beyond, the ledger does not say that it was the last
        kinds.append("size")
    match draw(st.sampled_from(kinds)):
        case "replied":
            code = draw(st.sampled_from(CODES))
            whole = code in ("empty", "illegible", "content_refused")
            good = "" if whole else "".join(i for i in ids if draw(st.booleans()))
            # At which ceiling one question was cut the ledger does not say.
            return completed(ids, good, code=code, tokens=draw(st.sampled_from([0, 100])), ceiling=None)
        case "filtered":
            return CallCompleted(filtered(ids))
        case "slow":
            return CallCompleted(slow(ids), SLOW)
        case "down":
            return Faulted(DOWN)
        case "size":
            return RefusedForSize(TOO_LONG, is_mended=True)
    return Outdated()


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[Progress, list[PastCall]]]:
    """Each progress of one life, with what the ledger holds by then."""
    bounds = Bounds(draw(st.sampled_from([1, 2, 4, 12])), draw(st.integers(1, 6)), draw(st.sampled_from([1, 3, 6])))
    progress = Progress.begin("abcdefgh"[: draw(st.integers(1, 8))], bounds)
    rows: list[PastCall] = []
    seen = [(progress, list(rows))]
    while isinstance(step := next_call(progress), Call) and len(seen) < 50:
        event = draw(events(progress, step.item_ids))
        progress = progress.after(event)
        rows += [event.call] if isinstance(event, CallCompleted) else []
        seen.append((progress, list(rows)))
    return seen


@tried
@given(lives())
def test_who_reads_the_ledger_after_a_crash_stands_where_the_crashed_one_stood(
    seen: list[tuple[Progress, list[PastCall]]],
) -> None:
    for lived, rows in seen:
        again = Progress.begin(lived.items, lived.bounds).after(Recalled(rows))
        assert again.items == lived.items


@tried
@given(lives())
def test_the_next_call_holds_open_questions_only_and_no_more_than_each_of_them_allows(
    seen: list[tuple[Progress, list[PastCall]]],
) -> None:
    for progress, _ in seen:
        in_round = [item_id for group in progress.round for item_id in group]
        assert len(in_round) == len(set(in_round))
        for group in progress.round:
            assert all(progress.items[i].is_open(progress.bounds) for i in group)
            assert len(group) <= min(progress.items[i].most for i in group)
        is_left = any(item.is_open(progress.bounds) for item in progress.items.values())
        assert isinstance(next_call(progress), Done) is not is_left or isinstance(next_call(progress), GiveUp)


@tried
@given(lives())
def test_no_question_costs_more_replies_than_it_may(seen: list[tuple[Progress, list[PastCall]]]) -> None:
    progress, rows = seen[-1]
    for item_id, item in progress.items.items():
        assert sum(item_id in row.item_ids for row in rows) == item.replies_used <= MAX_REPLIES


@tried
@given(lives())
def test_a_progress_that_was_left_behind_is_what_it_was(seen: list[tuple[Progress, list[PastCall]]]) -> None:
    for progress, rows in seen:
        items = dict(progress.items)
        progress.after(Recalled(rows))
        if isinstance(next_call(progress), Call):
            progress.after(TooLarge())
        assert progress.items == items


@tried
@given(lives())
def test_what_others_are_told_changes_nothing_of_what_was_tried(seen: list[tuple[Progress, list[PastCall]]]) -> None:
    for progress, rows in seen:
        if not isinstance(next_call(progress), Call):
            continue
        told = progress.after(AnsweredElsewhere([replied("".join(progress.items), "a"), *rows]))
        for item_id, item in progress.items.items():
            assert replace(told.items[item_id], look=item.look, refusal=item.refusal) == item
