"""The Batch API of the scripted server: files, batches, and every way in which they come back."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

# (the line's body) → status, reply's body, and what the ledger says of the call
Answer = Callable[[bytes], tuple[int, bytes, dict[str, Any]]]


@dataclass
class Made:
    """One batch: what was sent, and where it stands."""

    id: str
    input_file_id: str
    path: str
    metadata: Mapping[str, str]
    created_at: float
    lines: list[dict[str, Any]]
    status: str = "in_progress"
    ended_at: float | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)


class Batches:
    """Files and batches in memory. A line that is answered is a paid call, in the ledger before anyone sees it."""

    def __init__(
        self, script: Callable[[], Any], answer: Answer, write: Callable[[dict[str, Any]], Awaitable[None]]
    ) -> None:
        self._script, self._answer, self._write = script, answer, write
        self.files: dict[str, bytes] = {}
        self.made: dict[str, Made] = {}
        self.downloads = 0
        self.requests: list[str] = []
        self._lock = asyncio.Lock()

    def add_routes(self, app: web.Application) -> None:
        """OpenAI's paths and Azure's."""
        for root in ("/v1", "/openai"):
            app.router.add_post(f"{root}/files", self.upload)
            app.router.add_get(f"{root}/files/{{id}}", self.describe)
            app.router.add_get(f"{root}/files/{{id}}/content", self.download)
            app.router.add_delete(f"{root}/files/{{id}}", self.discard)
            app.router.add_post(f"{root}/batches", self.create)
            app.router.add_get(f"{root}/batches", self.list)
            app.router.add_get(f"{root}/batches/{{id}}", self.retrieve)
            app.router.add_post(f"{root}/batches/{{id}}/cancel", self.cancel)

    def figures(self) -> dict[str, Any]:
        """What tests count: batches begun, their states, the lines of each, every request."""
        return {
            "begun": len(self.made),
            "states": [made.status for made in self.made.values()],
            "lines": [len(made.lines) for made in self.made.values()],
            "models": [sorted({line["body"]["model"] for line in made.lines}) for made in self.made.values()],
            "paths": [made.path for made in self.made.values()],
            "requests": self.requests,
            "files": len(self.files),
        }

    def _refuse(self, what: str) -> web.Response | None:
        self.requests.append(what)
        script = self._script()
        if script.batch_status == 200 or (script.batch_refuses and what not in script.batch_refuses):
            return None
        code = script.batch_error_code
        error = {"message": "as the script says", "type": code, "code": code, "param": None}
        return web.json_response({"error": error}, status=script.batch_status)

    async def upload(self, request: web.Request) -> web.Response:
        """A multipart form with `purpose` and `file`."""
        form = await request.post()
        if refusal := self._refuse("upload"):
            return refusal
        sent = form["file"]
        assert form["purpose"] == "batch"
        assert isinstance(sent, web.FileField)
        file_id = self._keep(sent.file.read())
        return self._file(file_id)

    async def describe(self, request: web.Request) -> web.Response:
        """Whether a file was read by now: Azure takes its time."""
        if refusal := self._refuse("file"):
            return refusal
        return self._file(request.match_info["id"])

    def _file(self, file_id: str) -> web.Response:
        script = self._script()
        status = "pending" if script.batch_pending_files else "processed"
        script.batch_pending_files -= bool(script.batch_pending_files)
        return web.json_response({"id": file_id, "object": "file", "purpose": "batch", "status": status})

    async def download(self, request: web.Request) -> web.Response:
        """The content; cut in the middle for as long as the script says."""
        if refusal := self._refuse("download"):
            return refusal
        content = self.files.get(request.match_info["id"])
        if content is None:
            return web.json_response({"error": {"message": "no such file", "code": None}}, status=404)
        script = self._script()
        if script.batch_cut_downloads:
            script.batch_cut_downloads -= 1
            content = content[: len(content) * 2 // 3]
        return web.Response(body=content, content_type="application/octet-stream")

    async def discard(self, request: web.Request) -> web.Response:
        """Forget a file."""
        self.requests.append("discard")
        self.files.pop(request.match_info["id"], None)
        return web.json_response({"id": request.match_info["id"], "object": "file", "deleted": True})

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Begin a batch; the reply may get lost, the batch does not."""
        sent = await request.json()
        if refusal := self._refuse("create"):
            return refusal
        content = self.files.get(sent["input_file_id"])
        if content is None:
            return web.json_response({"error": {"message": "no such file", "code": None}}, status=400)
        lines = [json.loads(line) for line in content.splitlines()]
        assert all(line["method"] == "POST" and line["url"] == sent["endpoint"] for line in lines)
        assert sent["completion_window"] == "24h"
        made = Made(
            id=f"batch_{len(self.made) + 1:06}",
            input_file_id=sent["input_file_id"],
            path=sent["endpoint"],
            metadata=sent.get("metadata") or {},
            created_at=time.time(),
            lines=lines,
        )
        self.made[made.id] = made
        if self._script().batch_lost_creates:
            self._script().batch_lost_creates -= 1
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.json_response(_describe(made))

    async def list(self, request: web.Request) -> web.Response:
        """Newest first, in pages."""
        if refusal := self._refuse("list"):
            return refusal
        await self._settle_all()
        script = self._script()
        newest = [] if script.batch_hidden_lists else list(reversed(self.made.values()))
        script.batch_hidden_lists -= bool(script.batch_hidden_lists)
        after = request.query.get("after")
        start = 1 + next((n for n, made in enumerate(newest) if made.id == after), -1) if after else 0
        limit = int(request.query.get("limit", 20))
        page = newest[start : start + limit]
        return web.json_response(
            {
                "object": "list",
                "data": [_describe(made) for made in page],
                "first_id": page[0].id if page else None,
                "last_id": page[-1].id if page else None,
                "has_more": start + limit < len(newest),
            }
        )

    async def retrieve(self, request: web.Request) -> web.Response:
        """Where a batch stands."""
        if refusal := self._refuse("retrieve"):
            return refusal
        await asyncio.sleep(self._script().batch_latency_s)
        await self._settle_all()
        made = self.made.get(request.match_info["id"])
        if made is None:
            return web.json_response({"error": {"message": "no such batch", "code": None}}, status=404)
        return web.json_response(_describe(made))

    async def cancel(self, request: web.Request) -> web.Response:
        """End a batch early: the first half of its lines is answered already."""
        if refusal := self._refuse("cancel"):
            return refusal
        await asyncio.sleep(self._script().batch_latency_s)
        made = self.made[request.match_info["id"]]
        async with self._lock:
            if made.status == "in_progress":
                await self._end(made, "cancelled", share=self._script().batch_cancel_share)
        return web.json_response(_describe(made))

    async def _settle_all(self) -> None:
        script = self._script()
        async with self._lock:
            for made in list(self.made.values()):
                is_due = time.time() >= made.created_at + script.batch_s and not script.batch_hold
                if made.status == "in_progress" and is_due:
                    if script.batch_fail:
                        made.status, made.ended_at = "failed", time.time()
                        made.errors = [{"code": script.batch_fail, "message": "as the script says"}]
                    else:
                        await self._end(made, "expired" if script.batch_expire else "completed")

    async def _end(self, made: Made, status: str, *, share: float = 1.0) -> None:
        script = self._script()
        rng = random.Random(f"{script.seed} {made.id}")
        outputs: list[bytes] = []
        errors: list[bytes] = []
        for number, line in enumerate(made.lines):
            chance = rng.random()
            if number >= share * len(made.lines):
                errors.append(_error_line(line["custom_id"], "batch_cancelled"))
            elif chance < script.batch_expire:
                errors.append(_error_line(line["custom_id"], "batch_expired"))
            elif chance < script.batch_expire + script.batch_line_errors:
                body = {"error": {"message": "as the script says", "code": script.batch_line_code, "param": None}}
                errors.append(_line(line["custom_id"], script.batch_line_status, body))
            else:
                status_code, reply, call = self._answer(json.dumps(line["body"], ensure_ascii=False).encode())
                await self._write({**call, "batch": made.id, "status": status_code, "receivedAt": made.created_at})
                target = outputs if status_code == 200 else errors
                target.append(
                    _line(line["custom_id"], status_code, json.loads(reply), request_id=f"req-{call['call']}")
                )
        made.counts = {"total": len(made.lines), "completed": len(outputs), "failed": len(errors)}
        outputs = [line for line in outputs if rng.random() >= script.batch_drop]
        if script.batch_shuffle:
            rng.shuffle(outputs)
            rng.shuffle(errors)
        if script.batch_duplicates:
            outputs += [_spoil(line) for line in outputs if rng.random() < script.batch_duplicates]
        if script.batch_unknown_lines:
            outputs.insert(0, _line("c" + "0" * 24, 200, {"choices": [], "usage": {"prompt_tokens": 10**6}}))
            outputs.append(b"not json\n")
            outputs.append(
                b'{"custom_id":"\\u0000\\ud800","response":{"status_code":200,"request_id":"\\u0000","body":{}}}\n'
            )
        made.output_file_id = self._keep(b"".join(outputs)) if outputs else None
        made.error_file_id = self._keep(b"".join(errors)) if errors else None
        made.status, made.ended_at = status, time.time()

    def _keep(self, content: bytes) -> str:
        file_id = f"file-{hashlib.sha256(content).hexdigest()[:12]}-{self.downloads}"
        self.downloads += 1
        self.files[file_id] = content
        return file_id


def _line(custom_id: str, status: int, body: Mapping[str, Any], *, request_id: str = "req-none") -> bytes:
    response = {"status_code": status, "request_id": request_id, "body": body}
    line = {"id": f"batch_req_{custom_id}", "custom_id": custom_id, "response": response, "error": None}
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _error_line(custom_id: str, code: str) -> bytes:
    error = {"code": code, "message": "This request was not done."}
    line = {"id": f"batch_req_{custom_id}", "custom_id": custom_id, "response": None, "error": error}
    return json.dumps(line).encode() + b"\n"


def _spoil(line: bytes) -> bytes:
    """A second line for the same call that says something else."""
    value = json.loads(line)
    value["response"]["body"]["choices"] = [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "autre chose"}}
    ]
    return json.dumps(value).encode() + b"\n"


def _describe(made: Made) -> dict[str, Any]:
    return {
        "id": made.id,
        "object": "batch",
        "endpoint": made.path,
        "input_file_id": made.input_file_id,
        "completion_window": "24h",
        "status": made.status,
        "output_file_id": made.output_file_id,
        "error_file_id": made.error_file_id,
        "created_at": int(made.created_at),
        "expires_at": int(made.created_at) + 86_400,
        "metadata": dict(made.metadata),
        "request_counts": made.counts or {"total": len(made.lines), "completed": 0, "failed": 0},
        "errors": {"object": "list", "data": made.errors} if made.errors else None,
    }
