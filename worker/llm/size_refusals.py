"""Refusals that another size, or another name of the ceiling, mends: what the provider says it takes."""

from __future__ import annotations

import re

from worker.errors import SizeRefused
from worker.llm.error_bodies import ErrorBody

CEILING_NAMES = ("max_completion_tokens", "max_tokens")

_CONTEXT_CODES = frozenset(("context_length_exceeded", "string_above_max_length", "exceed_context_size_error"))
_CONTEXT_WORDS = re.compile(
    r"context (?:length|size|window|limit)|maximum context|too many tokens|prompt is too long|input token count"
    r"|`?inputs`? tokens \+|input is too long"
)
_TOO_LARGE = re.compile(r"request (?:is )?too large|tokens per min")
_CEILING = re.compile(r"max_?(?:completion|output|new)?_?tokens|(?:completion|output) tokens")
_UNKNOWN = re.compile(
    r"unsupported parameter|unknown|unrecogni[sz]ed|not supported|extra (?:inputs|fields)|extra_forbidden"
    r"|not permitted|unexpected|instead"
)
_IN_DIGITS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_LIMITS = tuple(
    re.compile(pattern)
    for pattern in (
        r"maximum context length (?:is|of) (\d+)",
        r"limit:? (\d+),? requested",
        r"must be <= ?(\d+)",
        r"> ?(\d+) maximum",
        r"\+ ?\d+ ?> ?(\d+)",
        r"tokens allowed \((\d+)\)",
        r"context (?:size|window|limit|length)[^\d]{1,20}(\d+)",
    )
)
_CEILINGS = tuple(
    re.compile(pattern)
    for pattern in (
        r"at most (\d+)",
        r"\d ?> ?(\d+)",
        r"\[\d+, ?(\d+)\]",
        r"(?:less than or equal to|<=|up to|maximum(?: value| allowed)?(?: of| is|:)?)[^\d]{1,20}(\d+)",
        r"to (\d+) \(inclusive\)",
    )
)
_EXCLUSIVE = (re.compile(r"to (\d+) \(exclusive\)"), re.compile(r"\[\d+, ?(\d+)\)"))
LEAST_CEILING = 16


def read_size_refusal(
    status: int, told: ErrorBody, *, ceiling: int | None, parameter: str | None
) -> SizeRefused | None:
    """What a refusal says of sizes; None when it is about something else. `ceiling`, `parameter`: what was sent."""
    if status not in (400, 413, 422, 429):
        return None
    words = _IN_DIGITS.sub("", told.words)
    refusal = _read_whole(status, told, words)
    if refusal is not None or status == 429:
        return refusal
    named = [param for param in told.params if param in CEILING_NAMES]
    if not named and not _CEILING.search(words):
        return None
    beyond = _find(_EXCLUSIVE, words)
    most = _find(_CEILINGS, words) if beyond is None else beyond - 1
    if most is not None and most >= LEAST_CEILING and (ceiling is None or most < ceiling):
        return SizeRefused("the reply may not be so long", code="ceiling_too_large", most=most)
    if not named and not _UNKNOWN.search(words):
        return None
    refused = parameter or named[0] if named else parameter or CEILING_NAMES[0]
    other = CEILING_NAMES[0] if refused == CEILING_NAMES[1] else CEILING_NAMES[1]
    return SizeRefused("the ceiling has another name here", code="ceiling_unknown", parameter=other)


def _read_whole(status: int, told: ErrorBody, words: str) -> SizeRefused | None:
    """Prompt and reply together: the model's window, or what a minute's limit lets through at once."""
    if told.codes & _CONTEXT_CODES or _CONTEXT_WORDS.search(words):
        return SizeRefused(
            "the request is too long for the model", code="context_too_long", limit=_find(_LIMITS, words)
        )
    if _TOO_LARGE.search(words) and (status != 429 or "too large" in words):
        return SizeRefused(
            "the request is too large for the limit per minute", code="request_too_large", limit=_find(_LIMITS, words)
        )
    return SizeRefused("the request is too large", code="context_too_long") if status == 413 else None


def _find(patterns: tuple[re.Pattern[str], ...], words: str) -> int | None:
    found = (match for pattern in patterns if (match := pattern.search(words)))
    match = next(found, None)
    return None if match is None or len(match[1]) > 9 else int(match[1])
