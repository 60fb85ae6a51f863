"""Lines of a batch file: cut into files that a provider takes, written, and read back. Nothing is sent here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from worker.shapes.batches import ResultLine, WaitingCall
from worker.shapes.calls import Reply, Usage

# What OpenAI and Azure take at most in one file; a line also holds some 120 bytes around its body.
MAX_LINES = 50_000
MAX_BYTES = 190 * 2**20
LINE_FRAME = 200


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


def read_lines(lines: Iterable[bytes]) -> Iterator[ResultLine]:
    """What each line of an output or error file says. A line that is no result, or only half of one, is left out."""
    for line in lines:
        try:
            value = json.loads(line, strict=False)
        except (ValueError, RecursionError):
            continue
        result = _read(value) if isinstance(value, dict) else None
        if result is not None:
            yield result


def read_reply(line: ResultLine, *, model: str) -> Reply | None:
    """The completion in a line, as if a call had brought it; None when it holds none. `model`: the one asked for."""
    if line.status != 200:
        return None
    try:
        body = json.loads(line.raw, strict=False)
    except (ValueError, RecursionError):
        return None
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices:
        return None
    named = body.get("model")
    return Reply(
        raw=line.raw,
        model=_storable(named) if isinstance(named, str) and named else model,
        usage=Usage.read(body.get("usage")),
        provider_request_id=line.request_id,
    )


def _read(value: Mapping[str, Any]) -> ResultLine | None:
    call_id, response, error = value.get("custom_id"), value.get("response"), value.get("error")
    if not isinstance(call_id, str):
        return None
    call_id = _storable(call_id)
    if isinstance(response, Mapping) and isinstance(response.get("status_code"), int):
        request_id = response.get("request_id")
        return ResultLine(
            call_id=call_id,
            status=response["status_code"],
            raw=_dump(response.get("body")),
            request_id=_storable(request_id) if isinstance(request_id, str) else None,
        )
    code = error.get("code") if isinstance(error, Mapping) else None
    return ResultLine(
        call_id=call_id, status=0, raw="", code=_storable(code)[:60] if isinstance(code, str) else "no_response"
    )


def _storable(text: str) -> str:
    """What a database takes: one line with a NUL or half a character would hold up all the others."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


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
