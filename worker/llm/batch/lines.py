"""Lines of a batch file: cut into files that a provider takes, written, and read back. Nothing is sent here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import IO, Any

from worker.llm.batch.provider_batch import ResultLine, WaitingCall
from worker.llm.calls import Reply, Usage
from worker.llm.wire import MAX_ILLEGIBLE, TOO_LARGE, parse_json, read_completion
from worker.text.characters import storable

# What OpenAI and Azure take at most in one file; a line also holds some 120 bytes around its body.
MAX_LINES = 50_000
MAX_BYTES = 190 * 2**20
LINE_FRAME = 200
MAX_LINE = 8 * 2**20  # bytes of one result, as of one reply to a call
KEPT_OF_TOO_LONG = 2**16
_CUSTOM_ID = re.compile(rb'"custom_id"\s{0,4}:\s{0,4}"([^"\\]{1,100})"')


def cut_batches(
    calls: Sequence[WaitingCall], *, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES
) -> list[list[WaitingCall]]:
    """Calls in their order, as few batches as possible: one model in each, and never more than a provider takes."""
    batches: list[list[WaitingCall]] = []
    for _, alike in groupby(sorted(calls, key=lambda call: call.model), key=lambda call: call.model):
        size = 0
        batch: list[WaitingCall] = []
        for call in alike:
            line = call.size + LINE_FRAME
            if batch and (len(batch) >= max_lines or size + line > max_bytes):
                batches.append(batch)
                batch, size = [], 0
            batch.append(call)
            size += line
        batches.append(batch)
    return batches


def write_line(call_id: str, body: str, *, path: str) -> bytes:
    """One line of an input file; `body` is JSON without line breaks."""
    line = f'{{"custom_id":{json.dumps(call_id)},"method":"POST","url":{json.dumps(path)},"body":{body}}}\n'
    return line.encode("utf-8", "replace")


def read_lines(file: IO[bytes], *, most_bytes: int = MAX_LINE) -> Iterator[ResultLine]:
    """What each line of an output or error file says. A line that is no result, or only half of one, is left out.

    Of a line that is longer than `most_bytes` no more is held in memory: it is a reply that cannot be read.
    """
    while line := file.readline(most_bytes):
        if len(line) >= most_bytes and not line.endswith(b"\n"):
            _skip_line(file, most_bytes)
            result = _read_too_long(line, most_bytes)
        else:
            value = parse_json(line.decode("utf-8", "backslashreplace"))
            result = _read(value) if isinstance(value, dict) else None
        if result is not None:
            yield result


def read_reply(line: ResultLine, *, model: str) -> Reply | None:
    """What a line brought, as if a call had; None when it was refused. `model`: the one asked for."""
    if line.status != 200:
        return None
    completion = read_completion(line.raw)
    return Reply(
        raw=line.raw if completion else line.raw[:MAX_ILLEGIBLE],
        model=(completion and completion.model) or model,
        usage=completion.usage if completion else Usage(),
        provider_request_id=line.request_id,
        is_legible=completion is not None,
    )


def _skip_line(file: IO[bytes], most_bytes: int) -> None:
    while (rest := file.readline(most_bytes)) and not rest.endswith(b"\n"):
        pass


def _read_too_long(line: bytes, most_bytes: int) -> ResultLine | None:
    named = _CUSTOM_ID.search(line[:1000])
    if named is None:
        return None
    head = storable(line[:KEPT_OF_TOO_LONG].decode("utf-8", "backslashreplace"))
    return ResultLine(
        call_id=storable(named[1].decode("utf-8", "replace")), status=200, raw=f"{TOO_LARGE}{most_bytes} bytes]\n{head}"
    )


def _read(value: Mapping[str, Any]) -> ResultLine | None:
    call_id, response, error = value.get("custom_id"), value.get("response"), value.get("error")
    if not isinstance(call_id, str):
        return None
    call_id = storable(call_id)
    if isinstance(response, Mapping) and isinstance(response.get("status_code"), int):
        request_id = response.get("request_id")
        return ResultLine(
            call_id=call_id,
            status=response["status_code"],
            raw=_dump(response.get("body")),
            request_id=storable(request_id) if isinstance(request_id, str) else None,
        )
    code = error.get("code") if isinstance(error, Mapping) else None
    return ResultLine(
        call_id=call_id, status=0, raw="", code=storable(code)[:60] if isinstance(code, str) else "no_response"
    )


def _dump(body: object) -> str:
    text = json.dumps(body, ensure_ascii=False)
    # Half characters, which UTF-8 cannot say, stay the escapes that they came as.
    return text if _is_utf8(text) else json.dumps(body)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
