"""What is a chat completion and what is not, whatever an endpoint sends in its place. Nothing raises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.scripted_forms import events
from worker.llm.calls import MOST_TOKENS, Usage
from worker.llm.wire import MAX_NAME, describe_illegible, read_completion
from worker.text.characters import storable


def completion(content: object = "{}", finish: str = "stop", **others: Any) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content}}
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    return {"id": "c", "model": "m", "choices": [choice], "usage": usage, **others}


def stream(*data: str, end: str = "\n\n") -> str:
    return "".join(f"data: {each}{end}" for each in data)


@given(st.text(max_size=300), st.integers(1, 60), st.sampled_from(["\n\n", "\r\n\r\n"]))
def test_a_stream_says_what_the_same_completion_says_whole(content: str, size: int, end: str) -> None:
    whole = completion(content)
    assert read_completion(stream(*events(whole, size=size), end=end)) == read_completion(json.dumps(whole))


def test_comments_between_events_and_a_last_one_without_its_blank_line_are_no_matter() -> None:
    parts = list(events(completion("abc", "length")))
    raw = ": busy\n\n" + "\n: busy\n".join(f"event: message\nid: 1\ndata: {part}\n" for part in parts)
    read = read_completion(raw.removesuffix("\n"))
    assert read is not None
    assert (read.content, read.finish_reason) == ("abc", "length")


def test_a_message_sent_whole_in_one_event_is_read() -> None:
    assert read_completion(stream(json.dumps(completion("abc")))) == read_completion(json.dumps(completion("abc")))


def test_a_stream_that_ends_before_its_end_was_cut() -> None:
    parts = list(events(completion("x" * 200)))
    read = read_completion(stream(*parts[:4]))
    assert read is not None
    assert (read.content, read.finish_reason) == ("x" * 120, "length")


@pytest.mark.parametrize("part", ["{half", "[]", '{"error": {"message": "away"}}', "\ufffd"])
def test_a_stream_of_which_a_part_cannot_be_read_is_none(part: str) -> None:
    parts = list(events(completion("x" * 200)))
    parts[2] = part
    assert read_completion(stream(*parts)) is None


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("", "une réponse vide"),
        ("  <html>", "une page HTML"),
        ('{"error": {"code": 502}}', "un message d'erreur"),
        ('{"choices": [], "error": "away"}', "un message d'erreur"),
        ('{"results": []}', "un JSON d'une autre forme"),
        ("[]", "un texte qui n'est pas du JSON"),
        ("data: {half", "un flux d'événements incomplet"),
        ('{"choices": [{"message"', "un texte qui n'est pas du JSON"),
        ("[larger than 5 bytes]\n{}", "une réponse démesurée"),
        ("[content-encoding br]\n", "une réponse compressée d'une façon inconnue"),
    ],
)
def test_what_is_none_is_named(raw: str, words: str) -> None:
    assert read_completion(raw) is None
    assert describe_illegible(raw) == words


@pytest.mark.parametrize("count", [2**31 - 1, MOST_TOKENS + 1, -1, "7", 7.5, True, [], 10**30])
def test_usage_that_cannot_be_is_not_believed(count: object) -> None:
    for name in ("prompt_tokens", "completion_tokens"):
        usage = {"prompt_tokens": 7, "completion_tokens": 3, name: count}
        assert Usage.read(usage) == Usage()
    # What is only said of the cache changes nothing but the discount
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": count}}
    assert Usage.read(usage) == Usage(7, 0, 3)


def test_a_name_is_what_a_database_takes() -> None:
    read = read_completion(json.dumps(completion(model="m\x00\ud800" + "x" * 5000)))
    assert read is not None
    assert read.model == ("m" + "x" * 5000)[:MAX_NAME]
    assert storable("a\x00\udfffb") == "ab"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "delta", "content", "error", "usage"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.text(max_size=200) | ANYTHING.map(json.dumps))
def test_whatever_comes_is_a_completion_or_none_and_never_raises(raw: str) -> None:
    for text in (raw, stream(raw), stream(raw, "[DONE]")):
        if read_completion(text) is None:
            assert describe_illegible(text)
