"""One call to a model: what is sent, what comes back, before either is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.shapes.answers import Purpose
from worker.shapes.questions import Question


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who answers. Holds no secret, so that it may be hashed and logged."""

    name: str  # base URL without credentials; part of an answer's idempotency key
    model: str
    review_model: str
    embedded: bool = False  # the small model of the extra `local`: real, useless at medicine, never validates


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """One question inside a request.

    `id` is its id on the wire ("q1"). `letters` maps each wire letter to the uploaded one (identity in a first
    look, a permutation in a second). `key` is the idempotency key of the answer: 64 hex digits over everything
    that shapes it (endpoint, model, purpose, prompt version, schema, parameters, instructions, content).
    """

    id: str
    item_id: str
    question: Question
    letters: Mapping[str, str]
    key: str
    excerpt_count: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One Chat Completions call, ready to send.

    `body` is the JSON body; `hash` 64 hex digits over it and the endpoint.
    """

    purpose: Purpose
    model: str
    body: Mapping[str, Any]
    hash: str
    questions: tuple[AskedQuestion, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call as the provider counted them; 0 when it did not say."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What the endpoint sent, verbatim. `raw` is the body's text: stored before anything reads it."""

    raw: str
    model: str
    usage: Usage
    provider_request_id: str | None
