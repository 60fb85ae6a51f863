"""Lines of batch files: how calls are cut into files, and what is read back from any bytes a provider sends."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.llm.batch.lines import LINE_FRAME, cut_batches, read_lines, read_reply, write_line
from worker.llm.batch.provider_batch import ResultLine, WaitingCall
from worker.llm.calls import Usage


def file_of(*lines: bytes) -> io.BytesIO:
    return io.BytesIO(b"\n".join(line.removesuffix(b"\n") for line in lines) + b"\n")


CALLS = st.lists(
    st.builds(WaitingCall, id=st.uuids().map(str), model=st.sampled_from("abc"), size=st.integers(0, 5_000)),
    max_size=60,
)


@given(CALLS, st.integers(1, 20), st.integers(1_000, 20_000))
def test_every_call_is_in_one_batch_of_its_model_and_no_batch_is_too_large(
    calls: list[WaitingCall], max_lines: int, max_bytes: int
) -> None:
    parts = cut_batches(calls, max_lines=max_lines, max_bytes=max_bytes)

    assert sorted(call.id for part in parts for call in part) == sorted(call.id for call in calls)
    for part in parts:
        assert len({call.model for call in part}) == 1
        assert len(part) <= max_lines
        assert len(part) == 1 or sum(call.size + LINE_FRAME for call in part) <= max_bytes


def test_a_round_that_fits_is_one_batch_for_each_model() -> None:
    calls = [WaitingCall(str(n), "ab"[n % 2], 100) for n in range(10)]

    assert [len(part) for part in cut_batches(calls)] == [5, 5]


def test_a_line_is_what_the_provider_wants_and_no_longer_than_counted() -> None:
    body = json.dumps({"model": "m", "messages": [{"content": "Œdème\naigu"}]}, ensure_ascii=False)
    line = write_line("c" * 25, body, path="/v1/chat/completions")

    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "custom_id": "c" * 25,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": json.loads(body),
    }
    assert len(line) <= len(body.encode()) + LINE_FRAME


def result(custom_id: object, response: object, error: object = None) -> bytes:
    return json.dumps({"custom_id": custom_id, "response": response, "error": error}).encode() + b"\n"


def test_a_reply_an_error_and_a_line_that_was_not_done_are_told_apart() -> None:
    lines = [
        result("a", {"status_code": 200, "request_id": "r", "body": {"choices": [{}]}}),
        result("b", {"status_code": 400, "body": {"error": {"code": "content_filter"}}}),
        result("c", None, {"code": "batch_expired"}),
        result("d", None),
    ]

    assert list(read_lines(file_of(*lines))) == [
        ResultLine("a", 200, '{"choices": [{}]}', request_id="r"),
        ResultLine("b", 400, '{"error": {"code": "content_filter"}}'),
        ResultLine("c", 0, "", code="batch_expired"),
        ResultLine("d", 0, "", code="no_response"),
    ]


def test_what_is_no_line_or_half_a_line_is_left_out() -> None:
    whole = result("a", {"status_code": 200, "body": {}})
    lines = [whole[:-20], b"", b"[]", b"null", b"\xff\xfe", result(7, None), result(None, None), b"[" * 100_000, whole]

    assert [line.call_id for line in read_lines(file_of(*lines))] == ["a"]


@given(st.binary(max_size=200))
def test_any_bytes_are_lines_or_nothing(line: bytes) -> None:
    assert len(list(read_lines(io.BytesIO(line.replace(b"\n", b""))))) <= 1


def test_half_characters_and_nul_stay_the_escapes_that_they_came_as() -> None:
    line = b'{"custom_id": "a", "response": {"status_code": 200, "body": {"t": "\\ud800 \\u0000 \\u00e9"}}}'
    (read,) = read_lines(io.BytesIO(line))

    assert read.raw.encode()  # fits into the database
    assert "\x00" not in read.raw
    assert json.loads(read.raw) == {"t": "\ud800 \x00 é"}


def test_a_reply_counts_its_tokens_and_names_its_model() -> None:
    body = {"model": "m-2026", "choices": [{}], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    reply = read_reply(ResultLine("a", 200, json.dumps(body), request_id="r"), model="m")

    assert reply is not None
    assert (reply.raw, reply.model, reply.provider_request_id) == (json.dumps(body), "m-2026", "r")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (7, 3)
    assert read_reply(ResultLine("a", 500, json.dumps(body)), model="m") is None


@pytest.mark.parametrize("raw", ["", "null", "{}", '{"choices": 1}', "<html>", '{"error": {"code": 1}, "choices": []}'])
def test_what_came_instead_of_a_completion_is_kept_all_the_same(raw: str) -> None:
    reply = read_reply(ResultLine("a", 200, raw), model="m")

    assert reply is not None
    assert (reply.raw, reply.is_legible, reply.model, reply.usage) == (raw, False, "m", Usage())


def test_a_line_without_end_is_a_reply_that_cannot_be_read_and_takes_no_memory() -> None:
    # Given a line of ten times what a line may have, between two of the usual size
    long = b'{"id": "r", "custom_id": "b", "response": {"body": "' + b"x" * 10_000 + b'"}}'
    whole = result("a", {"status_code": 200, "body": {"choices": [{}]}})
    last = result("c", {"status_code": 200, "body": {"choices": [{}]}})
    file = file_of(whole, long, last)
    # When the file is read, then the call is known, and no more than the bound is in hand at once
    lines = list(read_lines(file, most_bytes=1_000))
    assert [line.call_id for line in lines] == ["a", "b", "c"]
    assert len(lines[1].raw) <= 1_100
    reply = read_reply(lines[1], model="m")
    assert reply is not None
    assert not reply.is_legible
