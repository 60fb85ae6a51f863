"""The forms in which a provider's 200 may come other than as a completion in plain JSON. What it says is not made here.

Each takes the request and the JSON of the completion, and answers. Those without end stop when nobody listens.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from aiohttp import web

DRIP_S = 0.2
BOMB_BYTES = 400 * 2**20
BLOCK = b" " * 2**16
_GZIP, _RAW = zlib.MAX_WBITS | 16, -zlib.MAX_WBITS
_GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"

Form = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


def _plain(change: Callable[[dict[str, Any]], object], content_type: str = "application/json") -> Form:
    """The completion with something changed; `change` returns what is sent instead, or None for what it changed."""

    async def answer(_: web.Request, reply: bytes) -> web.StreamResponse:
        completion = json.loads(reply)
        instead = change(completion)
        body = instead if isinstance(instead, bytes) else json.dumps(instead or completion).encode()
        return web.Response(body=body, headers={"content-type": content_type})

    return answer


def _message(**changes: Callable[[str], object]) -> Form:
    """The completion whose message has other fields, made of its content."""

    def change(completion: dict[str, Any]) -> None:
        message = completion["choices"][0]["message"]
        content = message["content"]
        message.update({name: make(content) for name, make in changes.items()})

    return _plain(change)


def _usage(**counts: object) -> Form:
    return _plain(lambda completion: completion["usage"].update(counts))


def events(completion: dict[str, Any], *, size: int = 40) -> Iterator[str]:
    """The events of the same completion, streamed."""
    choice = completion["choices"][0]
    head = {"id": completion["id"], "object": "chat.completion.chunk", "model": completion["model"]}
    content = choice["message"]["content"] or ""
    deltas = [
        {"role": "assistant", "content": ""},
        *({"content": content[at : at + size]} for at in range(0, len(content), size)),
    ]
    for delta in deltas:
        yield json.dumps({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}, ensure_ascii=False)
    yield json.dumps({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    yield json.dumps({**head, "choices": [], "usage": completion["usage"]})
    yield "[DONE]"


def _streamed(share: float = 1.0) -> Form:
    def change(completion: dict[str, Any]) -> bytes:
        parts = list(events(completion))
        sent = parts[: int(len(parts) * share)]
        return b": keep-alive\n\n" + "".join(f"data: {part}\r\n\r\n" for part in sent).encode()

    return _plain(change, "text/event-stream")


async def _drip(request: web.Request, _: bytes) -> web.StreamResponse:
    """Whitespace now and then, as gateways send it lest a connection seem idle, and never a reply."""
    response = web.StreamResponse(headers={"content-type": "application/json"})
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(DRIP_S)


async def _slow_headers(request: web.Request, _: bytes) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 200 OK\r\n")
    while not request.transport.is_closing():
        request.transport.write(b"x-more: to come\r\n")
        await asyncio.sleep(DRIP_S)
    raise ConnectionResetError


def _blocks(blocks: Callable[[], Iterator[bytes]], **headers: str) -> Form:
    async def answer(request: web.Request, _: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "application/json", **headers})
        await response.prepare(request)
        for block in blocks():
            await response.write(block)
        return response

    return answer


def _large() -> Iterator[bytes]:
    yield b'{"choices": [{"message": {"content": "'
    for _ in range(BOMB_BYTES // len(BLOCK)):
        yield BLOCK


def _bomb(head: bytes) -> Callable[[], Iterator[bytes]]:
    """A thousand times as large once it is inflated: one block, again and again."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, _RAW)
    block = deflate.compress(b" " * 2**20) + deflate.flush(zlib.Z_FULL_FLUSH)

    def blocks() -> Iterator[bytes]:
        yield head
        for _ in range(BOMB_BYTES // 2**20):
            yield block

    return blocks


def _compressed(encoding: str, wbits: int) -> Form:
    async def answer(_: web.Request, reply: bytes) -> web.StreamResponse:
        deflate = zlib.compressobj(9, zlib.DEFLATED, wbits)
        body = deflate.compress(reply) + deflate.flush()
        return web.Response(body=body, headers={"content-type": "application/json", "content-encoding": encoding})

    return answer


_HTML = b"<!doctype html><html><body>Please sign in to the network.</body></html>"
_ERROR = {"error": {"message": "upstream failed", "type": "server_error", "code": 502}}

FORMS: dict[str, Form] = {
    # A completion, in another form: read.
    "events": _streamed(),
    "charset base64": _plain(lambda _: None, "application/json; charset=base64"),
    "charset unknown": _plain(lambda _: None, "application/json; charset=klingon"),
    "odd model name": _plain(lambda completion: completion.update(model="m\x00\ud800n")),
    "usage huge": _usage(prompt_tokens=2**31 - 1, completion_tokens=2**31 - 1),
    "usage negative": _usage(prompt_tokens=-5),
    "usage text": _usage(prompt_tokens="many", completion_tokens="few"),
    "reasoning_content": _message(reasoning_content=str, content=lambda _: None),
    "reasoning": _message(reasoning=str, content=lambda _: ""),
    "think": _message(content=lambda text: f'<think>Perhaps {{"results": []}}?</think>\n<think>No.</think>\n{text}'),
    "think unclosed": _message(content=lambda text: f'<think>Perhaps {{"results": []}}? {text}'),
    "think unopened": _message(content=lambda text: f'Perhaps {{"results": []}}? </think>\n\n{text}'),
    "gzip": _compressed("gzip", _GZIP),
    "deflate": _compressed("deflate", zlib.MAX_WBITS),
    "deflate raw": _compressed("deflate", _RAW),
    # The beginning of one.
    "events cut": _streamed(0.7),
    # None at all.
    "html": _plain(lambda _: _HTML, "text/html; charset=utf-8"),
    "error": _plain(lambda _: _ERROR),
    "nothing": _plain(lambda _: b"", "application/json"),
    "null": _plain(lambda _: b"null"),
    "half": _plain(lambda completion: json.dumps(completion).encode()[:-30]),
    "brotli": _compressed("br", _GZIP),
    "gzip broken": _compressed("gzip", _RAW),
    # Too much of it, or without end.
    "gzip bomb": _blocks(_bomb(_GZIP_HEAD), **{"content-encoding": "gzip"}),
    "deflate bomb": _blocks(_bomb(b""), **{"content-encoding": "deflate"}),
    "large": _blocks(_large),
    "drip": _drip,
    "slow headers": _slow_headers,
}


async def answer(form: str, request: web.Request, reply: bytes) -> web.StreamResponse:
    """Answer in this form, which may take for ever. Raises `KeyError` for an unknown one."""
    try:
        return await FORMS[form](request, reply)
    except ConnectionError:
        return web.Response(status=499)  # nobody listens any more
