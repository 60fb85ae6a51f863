"""One call to a model: what is sent, what comes back, before either is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from worker.llm.sizes import UNKNOWN, Capacity
from worker.questions.answers import Look, Purpose, Refusal
from worker.questions.excerpt import Excerpt
from worker.questions.question import Question

MOST_TOKENS = 10_000_000  # no call counts more: what says so is not believed
ILLEGIBLE = "illegible"  # the code of a reply that is no completion at all: nothing in it could be read


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
    excerpts: tuple[Excerpt, ...] = ()  # what a citation is checked against


@dataclass(frozen=True, slots=True)
class Request:
    """One Chat Completions call, ready to send.

    `body` is the JSON body; `hash` 64 hex digits over what is asked, whatever the ceiling of its reply.
    """

    purpose: Purpose
    model: str
    body: Mapping[str, Any]
    hash: str
    questions: tuple[AskedQuestion, ...]
    endpoint: str = ""  # name of the endpoint that it is composed for
    embedded: bool = False  # bounded strings of a toy model: checked less severely
    shared: str = ""  # digest of all that it has in common with every other call of its kind: all but the questions
    capacity: Capacity = UNKNOWN  # for which it was composed
    base: int = 0  # what `reply_ceiling` gives for these questions
    fits: bool = True  # whether the reply that is to be expected has room

    @property
    def prompt_characters(self) -> int:
        """Characters of all messages."""
        return sum(len(message["content"]) for message in self.body.get("messages", ()))

    @property
    def can_grow(self) -> bool:
        """Whether a reply that was cut could have a larger ceiling."""
        return self.ceiling < self.capacity.largest(self.prompt_characters)

    @property
    def ceiling_parameter(self) -> str:
        """The name under which the ceiling of the reply is sent: not every server knows the current one."""
        return "max_tokens" if "max_tokens" in self.body else "max_completion_tokens"

    @property
    def ceiling(self) -> int:
        """Tokens that the reply may take at most, reasoning included; 0 when nothing is said of it."""
        return int(self.body.get(self.ceiling_parameter, 0))


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call as the provider counted them; 0 when it did not say."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0

    @classmethod
    def read(cls, data: object) -> Self:
        """From the `usage` object of a reply. Where a count is no plausible number, nothing of it is believed."""
        usage = data if isinstance(data, Mapping) else {}
        details = usage.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, Mapping) else 0
        prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
        if prompt is None or completion is None:
            return cls()
        thought = usage.get("completion_tokens_details")
        reasoning = _count(thought.get("reasoning_tokens")) if isinstance(thought, Mapping) else 0
        # Some leave the thinking out of the completion, and bill it: the total tells.
        if reasoning and _count(usage.get("total_tokens")) == prompt + completion + reasoning:
            completion += reasoning
        return cls(prompt_tokens=prompt, cached_tokens=_count(cached) or 0, completion_tokens=completion)


def _count(value: object) -> int | None:
    """A count of tokens, 0 where none is given; None for what cannot be one."""
    if value is None:
        return 0
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= MOST_TOKENS else None  # type: ignore[operator, return-value]


@dataclass(frozen=True, slots=True)
class Allowance:
    """Requests and tokens per minute that an endpoint says it allows; None where it does not."""

    requests: float | None = None
    tokens: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What the endpoint sent, verbatim. `raw` is the body's text: stored before anything judges it.

    Where no completion can be read in it (`is_legible`), `illegible_in_a_row` such replies have come without another
    one in between; of such a one only a bounded beginning is kept.
    """

    raw: str
    model: str
    usage: Usage
    provider_request_id: str | None
    allowance: Allowance | None = None
    is_legible: bool = True
    illegible_in_a_row: int = 0


@dataclass(frozen=True, slots=True)
class CheckedReply:
    """A reply once read: every asked item is in exactly one of `looks` and `refusals`, by item id.

    Codes of refusals that concern the whole reply: "truncated" where it was cut (the token limit, or half a JSON),
    "content_refused" where the model would not answer at all.
    """

    looks: Mapping[str, Look] = field(default_factory=dict)
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    usage: Usage = Usage()
