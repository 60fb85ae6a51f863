"""What the scripted server takes and writes: ceilings, windows, names of parameters, replies of a stated length."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

NAMES = ("max_completion_tokens", "max_tokens")


class Sizes(Protocol):
    """The part of a script that is about sizes."""

    ceiling_name: str | None
    largest_ceiling: int | None
    window: int | None
    largest_request: int | None
    tokens_per_question: int
    reasoning_first: bool


def ceiling_of(sent: Mapping[str, Any]) -> int:
    """The tokens that a reply may take."""
    return next((int(sent[name]) for name in NAMES if name in sent), 1 << 30)


def refuse_size(script: Sizes, sent: Mapping[str, Any], body: bytes) -> tuple[int, bytes] | None:
    """Status and body of a refusal as providers write it; None when the request is taken."""
    prompt, ceiling = len(body) // 4, ceiling_of(sent)
    name = next((n for n in NAMES if n in sent), NAMES[0])
    if script.ceiling_name is not None and name != script.ceiling_name:
        detail = {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}
        return 422, json.dumps({"object": "error", "message": {"detail": [{**detail, "input": ceiling}]}}).encode()
    if script.largest_ceiling is not None and ceiling > script.largest_ceiling:
        return 400, _error(
            f"max_tokens is too large: {ceiling}. This model supports at most {script.largest_ceiling} completion "
            f"tokens, whereas you provided {ceiling}."
        )
    if script.window is not None and prompt + ceiling > script.window:
        return 400, _error(
            f"This model's maximum context length is {script.window} tokens. However, you requested {prompt + ceiling} "
            f"tokens ({prompt} in the messages, {ceiling} in the completion).",
            code="context_length_exceeded",
        )
    if script.largest_request is not None and prompt + ceiling > script.largest_request:
        return 429, _error(
            f"Request too large for m on tokens per min (TPM): Limit {script.largest_request}, Requested "
            f"{prompt + ceiling}. The input or output tokens must be reduced in order to run successfully.",
            code="rate_limit_exceeded",
        )
    return None


def resize(script: Sizes, completion: dict[str, Any], *, questions: int, ceiling: int) -> None:
    """Give the reply the length that the script says, and cut it at its ceiling."""
    if not script.tokens_per_question:
        return
    needed = script.tokens_per_question * questions
    usage, (choice,) = completion["usage"], completion["choices"]
    taken = min(needed, ceiling)
    reasoning = taken * 4 // 5 if needed <= ceiling else taken
    if needed > ceiling:
        content = choice["message"]["content"] or ""
        # Thinking comes first: of a reply that is cut nothing may be written yet.
        kept = 0 if script.reasoning_first else len(content) * ceiling // needed
        choice["message"]["content"], choice["finish_reason"] = content[:kept], "length"
    usage |= {
        "completion_tokens": taken,
        "total_tokens": usage["prompt_tokens"] + taken,
        "completion_tokens_details": {"reasoning_tokens": reasoning if script.reasoning_first else 0},
    }


def _error(message: str, *, code: str | None = None) -> bytes:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error", "code": code}}).encode()
