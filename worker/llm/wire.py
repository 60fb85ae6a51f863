"""What an endpoint sent as a chat completion, read: one reader for calls, lines of batches and stored replies.

What the model wrote in it is judged elsewhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.llm.calls import Usage
from worker.messages import provider_faults
from worker.text.characters import storable

MAX_NAME = 200  # characters of a model's name
MAX_ILLEGIBLE = 2**18  # characters kept of a reply that cannot be read
LONGEST_INT = 18  # digits: no number of a reply has more, and Python refuses to read 4,301
_EVENT_FIELDS = ("data:", "event:", "id:", "retry:", ":")


@dataclass(frozen=True, slots=True)
class Completion:
    """The first choice. `content` is None when it is no text, "" when nothing is written.

    `finish_reason` is "length" also for an event stream that broke off. `model` is "" when it is not said.
    """

    content: str | None = ""
    reasoning: str = ""  # what some servers send instead of the content, or beside it
    refusal: str | None = None
    finish_reason: str | None = None
    model: str = ""
    usage: Usage = field(default_factory=Usage)


def read_completion(raw: str) -> Completion | None:
    """The completion in an HTTP body; None when there is none: another JSON, HTML, an error, half a document.

    Takes a stream of server-sent events too, which some servers send unasked. Never raises; linear in `raw`.
    """
    envelope = parse_json(raw)
    if envelope is None and raw.lstrip()[:6].startswith(_EVENT_FIELDS):
        envelope = _assemble(raw)
    if not isinstance(envelope, Mapping):
        return None
    choices = envelope.get("choices")
    if not isinstance(choices, list) or (not choices and envelope.get("error")):
        return None
    choice = _mapping(choices[0]) if choices else {}
    message = _mapping(choice.get("message"))
    is_ambiguous = any(isinstance(part, Ambiguous) for part in (envelope, choice, message))
    return Completion(
        # Of two replies in one nobody knows which is meant.
        content=None if is_ambiguous else _text(message.get("content")),
        reasoning=_text(message.get("reasoning_content")) or _text(message.get("reasoning")) or "",
        refusal=_string(message.get("refusal")),
        finish_reason=_string(choice.get("finish_reason")),
        model=storable(_string(envelope.get("model")) or "").strip()[:MAX_NAME],
        usage=Usage.read(envelope.get("usage")),
    )


def describe_illegible(raw: str) -> str:
    """In French, what stands where a completion should: for the sentence that the admin reads."""
    start = raw.lstrip()[:200].casefold()
    if not start:
        return provider_faults.INSTEAD_NOTHING
    if start.startswith(TOO_LARGE):
        return provider_faults.INSTEAD_TOO_LARGE
    if start.startswith(ENCODED):
        return provider_faults.INSTEAD_ENCODED
    if start.startswith("<"):
        return provider_faults.INSTEAD_PAGE
    if isinstance(parsed := parse_json(raw), Mapping):
        return provider_faults.INSTEAD_ERROR if parsed.get("error") else provider_faults.INSTEAD_OTHER_JSON
    return provider_faults.INSTEAD_EVENTS if start.startswith(_EVENT_FIELDS) else provider_faults.INSTEAD_TEXT


# How a reply begins in the ledger that was not taken whole: no JSON, so that nothing takes it for a completion.
TOO_LARGE, ENCODED = "[larger than ", "[content-encoding "


class Ambiguous(dict[str, Any]):
    """A JSON object that gives one name two different values: nobody can tell which of them is meant."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs) and any(value[name] is not given and value[name] != given for name, given in pairs):
        return Ambiguous(value)
    return value


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= LONGEST_INT else math.inf


DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_object, parse_int=_integer)


def parse_json(text: str) -> object:
    """JSON, or None, for depth bombs too. Raw control characters pass; numbers beyond measure are infinite."""
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


def _assemble(stream: str) -> Mapping[str, Any] | None:
    """A stream of events as the one completion that its parts make; None when a part of it cannot be read."""
    found: dict[str, Any] = {}
    texts: dict[str, list[str]] = {}
    finish: str | None = None
    is_whole = False
    for data in _events(stream):
        if data == "[DONE]":
            is_whole = True
            break
        event = parse_json(data)
        if not isinstance(event, Mapping) or event.get("error"):
            return None
        found |= {name: event[name] for name in ("model", "usage") if event.get(name)}
        choice = _first_choice(event)
        # In parts, or (some gateways) whole.
        for name, text in (_mapping(choice.get("delta")) or _mapping(choice.get("message"))).items():
            if isinstance(text := _text(text), str) and name != "role":
                texts.setdefault(name, []).append(text)
        finish = _string(choice.get("finish_reason")) or finish
    if not texts and finish is None:
        return None
    message = {name: "".join(parts) for name, parts in texts.items()}
    finish = finish or ("stop" if is_whole else "length")
    return {**found, "choices": [{"message": message, "finish_reason": finish}]}


def _events(stream: str) -> Iterator[str]:
    """The data of each event. Lines end with LF or CRLF; what is no data is left out."""
    data: list[str] = []
    for ended in stream.split("\n"):
        line = ended.removesuffix("\r")
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield "\n".join(data).strip()
            data = []
    if data:
        yield "\n".join(data).strip()


def _first_choice(event: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, Mapping) and choice.get("index") in (0, None):
            return choice
    return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _text(content: object) -> str | None:
    """The text of a message, which some servers send in parts; "" for none, None for what is no text."""
    if isinstance(content, list):
        parts = (_mapping(part).get("text") for part in content)
        return "".join(part for part in parts if isinstance(part, str))
    return "" if content is None else _string(content)
