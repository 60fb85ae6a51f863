"""The body of a provider's refusal, read once for every shape that providers write. What it means is in `refusals`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MAX_BODY = 20_000  # characters that are looked at: whole requests come back in some
MAX_NODES = 400
MAX_WORDS = 4_000

_SAID = frozenset(("message", "msg", "detail", "details", "error", "error_message", "description", "title", "reason"))
_CODED = frozenset(("code", "type", "status", "reason", "error_type", "error_code"))
_PLACED = frozenset(("param", "loc", "field", "location", "property"))
# What was sent, said back: it is an upload's text, and proves nothing.
_ECHOED = frozenset(("input", "body", "ctx", "value", "prompt", "messages", "url"))
# What our requests hold: a name in a message counts only when it can be one of these.
_SENT = frozenset(
    (
        *("model", "messages", "response_format", "json_schema", "schema", "strict", "stream", "additionalproperties"),
        *("max_completion_tokens", "max_tokens", "temperature", "frequency_penalty"),
    )
)
_PAGE = re.compile(r"\s*(?:<!doctype html|<html|<head|<\?xml)", re.IGNORECASE)
# A dict of Python in a message, as older vLLM writes it: 'loc': ('body', 'max_completion_tokens')
_PYTHON_LOC = re.compile(r"'loc': ?\(([^()]{1,200})\)")
_NAMED = re.compile(
    r"(?:unsupported parameter|unknown parameter|unrecognized request arguments? supplied|unknown name|unknown field"
    r"|unexpected (?:keyword|field)|unrecognized (?:key|field|parameter)s?|invalid parameter)[^\w]{1,6}(\w{2,60})"
)


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What a body says. `words`: its messages; `codes`; both lower case. `params`: dotted paths, "body." left out.

    `is_page`: a web page, so somebody else than the model's server has answered.
    """

    words: str = ""
    codes: frozenset[str] = frozenset()
    params: tuple[str, ...] = ()
    is_page: bool = False


def read_error_body(text: str) -> ErrorBody:
    """Read OpenAI's, Azure's, FastAPI's, Mistral's, Gemini's, Anthropic's, vLLM's and any other's; never raises."""
    text = text[:MAX_BODY]
    if _PAGE.match(text):
        return ErrorBody(words=_plain(text), is_page=True)
    value = _parse(text)
    if value is None:
        value = {"message": text}
    elif isinstance(value, str):
        value = {"message": value}
    words: list[str] = []
    codes: set[str] = set()
    params: list[str] = []
    for name, found in _walk(value):
        if name in _PLACED and (path := _path(found)):
            params.append(path)
        if isinstance(found, str):
            if name in _SAID:
                words.append(found)
            if name in _CODED:
                codes.add(found.casefold())
    said = " ".join(words).casefold()[:MAX_WORDS]
    params += [_path(re.findall(r"\w+", loc)) for loc in _PYTHON_LOC.findall(said)]
    params += [name for name in _NAMED.findall(said) if name in _SENT]
    return ErrorBody(words=said, codes=frozenset(codes), params=tuple(dict.fromkeys(filter(None, params))))


def _walk(value: object) -> Iterator[tuple[str, object]]:
    """Every named value, at any depth, outer ones first; a string that holds JSON of its own is opened."""
    left: list[tuple[str, object]] = [("error", value)]
    for _ in range(MAX_NODES):
        if not left:
            return
        name, node = left.pop(0)
        if name in _ECHOED:
            continue
        yield name, node
        if isinstance(node, str) and node.lstrip()[:1] in ("{", "["):
            node = _parse(node)
        if isinstance(node, Mapping):
            left += [(str(key).casefold(), item) for key, item in list(node.items())[:50]]
        elif isinstance(node, list):
            left += [(name, item) for item in node[:50]]


def _path(found: object) -> str:
    """`["body", "messages", 0, "content"]`, or a dotted name, as "messages.0.content"."""
    if isinstance(found, str):
        found = re.findall(r"\w+", found)
    if not isinstance(found, list) or not all(isinstance(part, str | int) for part in found):
        return ""
    parts = [str(part) for part in found[:6]]
    return ".".join(parts[1:] if parts[:1] == ["body"] else parts)[:120]


def _parse(text: str) -> object:
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _plain(page: str) -> str:
    return " ".join(re.sub(r"<[^<>]{0,500}>", " ", page).split()).casefold()[:MAX_WORDS]
