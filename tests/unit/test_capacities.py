"""What is learned of a model's sizes: bounds are kept, every refusal narrows, and learning ends."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import SizeRefused
from worker.llm.calls import Request, Usage
from worker.llm.capacities import TOLD_S, Capacities
from worker.llm.sizes import LEAST_CEILING, REPLY_SHARE, Capacity

tokens = st.integers(1, 40_000)


def request(capacities: Capacities, base: int, characters: int = 3_000) -> Request:
    capacity = capacities.of("m")
    body = {
        "messages": [{"role": "user", "content": "x" * characters}],
        capacity.parameter: capacity.ceiling(base, prompt_characters=characters),
    }
    return Request("analyse", "m", body, "h", (), capacity=capacity, base=base)


@given(
    most=st.integers(LEAST_CEILING, 100_000),
    share=st.floats(REPLY_SHARE, 20),
    whole=st.none() | st.integers(LEAST_CEILING, 100_000),
    base=tokens,
    characters=st.integers(0, 100_000),
    cut_at=st.integers(0, 100_000),
)
def test_a_ceiling_never_exceeds_what_is_known(  # noqa: PLR0917
    most: int, share: float, whole: int | None, base: int, characters: int, cut_at: int
) -> None:
    capacity = Capacity(most=most, share=share, whole=whole)
    ceiling = capacity.ceiling(base, prompt_characters=characters, cut_at=cut_at)
    assert LEAST_CEILING <= ceiling <= max(LEAST_CEILING, capacity.largest(characters))
    assert ceiling <= most


_refusals = st.builds(
    SizeRefused,
    st.just("no"),
    code=st.sampled_from(["ceiling_too_large", "context_too_long", "request_too_large"]),
    most=st.none() | st.integers(-5, 50_000),
    limit=st.none() | st.integers(-5, 50_000),
) | st.builds(
    SizeRefused,
    st.just("no"),
    code=st.just("ceiling_unknown"),
    parameter=st.sampled_from(["max_tokens", "max_completion_tokens"]),
)


@given(st.lists(_refusals, min_size=1, max_size=60), tokens)
def test_every_refusal_makes_calls_smaller_or_changes_the_name_once(refusals: list[SizeRefused], base: int) -> None:
    capacities = Capacities(None, "e")
    names = [capacities.of("m").parameter]
    for refusal in refusals:
        before = capacities.of("m")
        is_new = capacities.narrow(request(capacities, base), refusal)
        after = capacities.of("m")
        assert is_new == (after != before)
        assert after.most <= before.most
        assert after.whole is None or before.whole is None or after.whole <= before.whole
        names += [after.parameter] if after.parameter != names[-1] else []
    assert len(names) <= 3


def test_twelve_questions_worth_of_thinking_are_known_after_one_reply() -> None:
    capacities = Capacities(None, "e")
    five, three = request(capacities, 12_300), request(capacities, 8_000)
    assert capacities.of("m").fits(five.base, prompt_characters=0)
    # Given a reply to five questions that was cut at its ceiling
    capacities.learn(five, Usage(completion_tokens=five.ceiling))
    assert not capacities.is_current(five)
    # Then five are too many from now on, and three have all the room that there is
    assert not capacities.of("m").fits(five.base, prompt_characters=0)
    assert request(capacities, three.base).ceiling == 16_384
    capacities.learn(request(capacities, three.base), Usage(completion_tokens=12_750))
    assert capacities.of("m").fits(three.base, prompt_characters=0)


def test_replies_of_the_usual_length_change_nothing() -> None:
    capacities = Capacities(None, "e")
    asked = request(capacities, 12_000)
    for taken in (900, 3_000, 5_900, 2_000, 0):
        capacities.learn(asked, Usage(completion_tokens=taken))
    assert capacities.is_current(asked)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        '{"share": "x", "at": 0}',
        '{"share": NaN, "at": 0, "most": null, "whole": null, "parameter": "max_tokens"}',
        '{"share": 1, "at": 1e999, "most": 1e999, "whole": null, "parameter": "max_tokens"}',
    ],
)
def test_what_redis_holds_harms_nobody(value: str) -> None:
    capacities = Capacities(None, "e", now=lambda: 1000.0)
    capacities._adopt("m", value, 1000.0)
    adopted = capacities.of("m")
    assert REPLY_SHARE <= adopted.share <= 20
    assert LEAST_CEILING <= adopted.most <= 16_384


def test_what_a_provider_said_is_believed_for_a_day() -> None:
    told = json.dumps({"share": 1.5, "most": 4096, "whole": 9000, "parameter": "max_tokens", "at": 0.0})
    capacities = Capacities(None, "e")
    capacities._adopt("m", told, TOLD_S - 1)
    assert capacities.of("m") == Capacity(most=4096, share=1.5, whole=9000, parameter="max_tokens")
    capacities._adopt("m", told, TOLD_S + 1)
    assert capacities.of("m") == Capacity(share=1.5)
