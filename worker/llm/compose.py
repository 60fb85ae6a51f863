"""Questions into one Chat Completions request: messages, schema, idempotency keys. It sends nothing."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

from worker.llm.calls import AskedQuestion, Endpoint, Request
from worker.llm.prompts import Prompt, load_prompt
from worker.llm.sizes import UNKNOWN, Capacity, reply_ceiling
from worker.questions.answers import Purpose
from worker.questions.excerpt import Excerpt
from worker.questions.letters import may_name_letters
from worker.questions.question import LETTERS, Question

Item = tuple[str, Question, Sequence[Excerpt]]
HARMLESS = Question(
    type="qroc",
    specialty="",
    course="",
    level="",
    semester="",
    text="Quel organe pompe le sang dans le corps humain ?",
)

EMBEDDED_TEXT = {"type": "string", "pattern": "^[A-ZÉÀ][A-Za-zÀ-ÖØ-öø-ÿ ,'-]{24,44}[.]$"}
EMBEDDED_PARAMETERS = {"temperature": 0.2, "frequency_penalty": 0.4}
EMBEDDED_MAX_TOKENS = 700


def compose_request(
    purpose: Purpose,
    items: Sequence[Item],
    *,
    endpoint: Endpoint,
    model: str,
    instructions: str | None,
    capacity: Capacity = UNKNOWN,
    cut_at: int = 0,
) -> Request:
    """One call for these (item id, question, excerpts), in the wire format of the contract.

    A QCM is always asked blind. A second look holds one question, its options in another order, and under other letters
    where nothing in the question may speak of a letter; `AskedQuestion.letters` leads back. `capacity`: what the model
    takes and writes, as far as it is known; `cut_at`: the tokens after which the reply to one question was cut although
    it came alone. Raises `ValueError` for no item, or more than the purpose or the endpoint can take.
    """
    if not items or (len(items) > 1 and (purpose != "analyse" or endpoint.embedded)):
        raise ValueError(f"{len(items)} questions in one {purpose} call")
    instructions = (instructions or "").strip() or None
    wired = [_wire_question(purpose, question, excerpts) for _, question, excerpts in items]
    body = _body(purpose, wired, endpoint=endpoint, model=model, instructions=instructions)
    base, fits = _set_ceiling(body, wired, endpoint, capacity, cut_at)
    shared = _shared_digest(purpose, endpoint, model, instructions)
    asked = tuple(
        AskedQuestion(
            id=f"q{number}",
            item_id=item_id,
            question=question,
            letters=_letters(purpose, question),
            key=_key(shared, wire, endpoint),
            excerpt_count=len(excerpts),
            excerpts=tuple(excerpts),
        )
        for number, ((item_id, question, excerpts), wire) in enumerate(zip(items, wired, strict=True), start=1)
    )
    return Request(
        purpose=purpose,
        model=model,
        body=body,
        hash=_digest({"keys": [question.key for question in asked]}),
        questions=asked,
        endpoint=endpoint.name,
        embedded=endpoint.embedded,
        shared=shared,
        capacity=capacity,
        base=base,
        fits=fits,
    )


def compose_probe(refused: Request, *, endpoint: Endpoint, instructions: str | None) -> Request:
    """The least call of a kind that was refused: all that such calls have in common, and one harmless question.

    It asks on nobody's behalf, so that its reply answers no question.
    """
    request = compose_request(
        refused.purpose,
        [("", HARMLESS, ())],
        endpoint=endpoint,
        model=refused.model,
        instructions=instructions,
        capacity=refused.capacity,
    )
    return replace(request, questions=(), hash=_digest({"probe": refused.hash}))


def question_key(
    purpose: Purpose,
    question: Question,
    excerpts: Sequence[Excerpt],
    *,
    endpoint: Endpoint,
    model: str,
    instructions: str | None,
) -> str:
    """The idempotency key of one answer: 64 hex digits over everything that shapes it.

    Neither its siblings in a batch nor its id on the wire are part of it, so that an answer paid for in a batch of
    five is found again when the question is asked alone. The official key of a QCM never reaches the model, and
    so is not part of it either.
    """
    wire = _wire_question(purpose, question, excerpts)
    shared = _shared_digest(purpose, endpoint, model, (instructions or "").strip() or None)
    return _key(shared, wire, endpoint)


def batch_limit(endpoint: Endpoint, batch_size: int) -> int:
    """Questions that one analyse call may hold: one for the embedded model, which loses count beyond that."""
    return 1 if endpoint.embedded else batch_size


def permute_letters(letters: Sequence[str], seed: str) -> dict[str, str]:
    """Wire letter → uploaded letter: contiguous from A, another order than uploaded, the same for the same seed.

    Of all orders, those where no option keeps its place, then those where none keeps its letter, then those that
    move the options furthest; the seed chooses among them. One option alone cannot move.
    """
    orders = _furthest_orders(tuple(sorted(letters)))
    order = random.Random(seed).choice(orders)  # noqa: S311 - an order, not a secret
    return dict(zip(LETTERS, order, strict=False))


@cache
def _furthest_orders(letters: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    def closeness(order: tuple[str, ...]) -> tuple[int, int, int]:
        places = [letters.index(letter) for letter in order]
        kept_places = sum(place == index for index, place in enumerate(places))
        kept_letters = sum(letter == wire for letter, wire in zip(order, LETTERS, strict=False))
        moved = sum(abs(place - index) for index, place in enumerate(places))
        return kept_places, kept_letters, -moved

    ranked = [(closeness(order), order) for order in itertools.permutations(letters)]
    best = min(rank for rank, _ in ranked)
    return tuple(order for rank, order in ranked if rank == best)


def _letters(purpose: Purpose, question: Question) -> Mapping[str, str]:
    if not question.is_qcm:
        return {}
    if purpose == "second_look":
        letters = permute_letters(tuple(question.options), question.content_hash())
        # No text is ever rewritten: where one may speak of a letter, the options only change places.
        return {letter: letter for letter in letters.values()} if _speaks_of_letters(question) else letters
    return {letter: letter for letter in sorted(question.options)}


def _speaks_of_letters(question: Question) -> bool:
    return any(map(may_name_letters, (question.case_text or "", question.text, *question.options.values())))


def _wire_question(purpose: Purpose, question: Question, excerpts: Sequence[Excerpt]) -> dict[str, Any]:
    """What the model reads of one question, without the id it has in this call."""
    letters = _letters(purpose, question)
    return {
        "type": question.type,
        "case": question.case_text,
        "text": question.text,
        "options": {wire: question.options[letter] for wire, letter in letters.items()},
        # Shown a wrong key with authority, models follow it: a QCM is always answered blind. Only what a person has
        # decided already is shown, to be explained.
        "officialAnswer": question.official if purpose == "explain" or not question.is_qcm else None,
        "excerpts": [{"id": excerpt.id, "text": excerpt.text} for excerpt in excerpts],
    }


def _body(
    purpose: Purpose,
    wired: Sequence[Mapping[str, Any]],
    *,
    endpoint: Endpoint,
    model: str,
    instructions: str | None,
) -> dict[str, Any]:
    document = {
        "task": purpose,
        "instructions": instructions,
        "questions": [{"id": f"q{number}", **wire} for number, wire in enumerate(wired, start=1)],
    }
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": _prompt(purpose, endpoint).text},
            {"role": "user", "content": json.dumps(document, ensure_ascii=False, separators=(",", ":"))},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "analyses",
                "strict": True,
                "schema": _embedded_schema(wired[0]) if endpoint.embedded else HOSTED_SCHEMA,
            },
        },
        **(EMBEDDED_PARAMETERS if endpoint.embedded else {}),
    }


def _prompt(purpose: Purpose, endpoint: Endpoint) -> Prompt:
    # The embedded model reads 280 tokens a second: the full message would cost more than the answer.
    return load_prompt("embedded" if endpoint.embedded else purpose)


def _identity(endpoint: Endpoint) -> str:
    # The embedded server has another port at each start and is the same model all the same.
    return "embedded" if endpoint.embedded else endpoint.name


def _set_ceiling(
    body: dict[str, Any], wired: Sequence[Mapping[str, Any]], endpoint: Endpoint, capacity: Capacity, cut_at: int
) -> tuple[int, bool]:
    """Bound the whole reply. What to expect of it (see `reply_ceiling`), and whether that has room.

    Beside it no parameter for a hosted model, not even a temperature: the current ones refuse it.
    """
    if endpoint.embedded:
        body["max_completion_tokens"] = EMBEDDED_MAX_TOKENS
        return 0, True
    content = sum(len(json.dumps(wire, ensure_ascii=False)) for wire in wired)
    options = sum(len(wire["options"]) for wire in wired)
    base = reply_ceiling(questions=len(wired), options=options, characters=content)
    prompt = sum(len(message["content"]) for message in body["messages"])
    body[capacity.parameter] = capacity.ceiling(base, prompt_characters=prompt, cut_at=cut_at)
    return base, capacity.fits(base, prompt_characters=prompt)


def _key(shared: str, wire: Mapping[str, Any], endpoint: Endpoint) -> str:
    return _digest(
        {"shared": shared, "schema": _embedded_schema(wire) if endpoint.embedded else None, "question": wire}
    )


@lru_cache(maxsize=64)
def _shared_digest(purpose: Purpose, endpoint: Endpoint, model: str, instructions: str | None) -> str:
    """What shapes the answer to every question of a job alike: some kilobytes, not to be read for each question."""
    return _digest(
        {
            "endpoint": _identity(endpoint),
            "model": model,
            "purpose": purpose,
            "prompt": _prompt(purpose, endpoint).version,
            "schema": None if endpoint.embedded else HOSTED_SCHEMA,
            "parameters": EMBEDDED_PARAMETERS if endpoint.embedded else {},
            "instructions": instructions,
        }
    )


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Strict mode wants every property required and no other."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": dict(properties),
    }


_TEXT_OR_NULL = {"anyOf": [{"type": "string"}, {"type": "null"}]}
_VERDICT_OR_NULL = {"anyOf": [{"type": "string", "enum": ["upholds", "contests"]}, {"type": "null"}]}

# One schema for every batch size: it is part of the prefix that providers cache. Models write properties in this
# order, so the explanations come first: the letters follow from the reasoning instead of being defended by it.
HOSTED_SCHEMA: Mapping[str, Any] = _closed(
    {
        "results": {
            "type": "array",
            "items": _closed(
                {
                    "id": {"type": "string"},
                    "optionExplanations": _closed(dict.fromkeys(LETTERS, _TEXT_OR_NULL)),
                    "explanation": {"type": "string"},
                    "correctAnswers": {"type": "array", "items": {"type": "string", "enum": list(LETTERS)}},
                    "answer": _TEXT_OR_NULL,
                    "verdict": _VERDICT_OR_NULL,
                    "confidence": {"type": "number"},
                    "citations": {
                        "type": "array",
                        "items": _closed({"excerpt": {"type": "string"}, "quote": {"type": "string"}}),
                    },
                }
            ),
        }
    }
)


def _embedded_schema(wire: Mapping[str, Any]) -> dict[str, Any]:
    """The same result, fenced in for a model that would otherwise write on without end."""
    letters = list(wire["options"])
    nothing = {"type": "null"}
    if letters:
        answers: dict[str, Any] = {
            "type": "array",
            "items": {"type": "string", "enum": letters},
            "minItems": 1,
            "maxItems": len(letters),
        }
        answer: dict[str, Any] = nothing
    else:
        answers = {"type": "array", "items": {"type": "string", "enum": list(LETTERS)}, "maxItems": 0}
        answer = {"type": "string", "pattern": "^[A-ZÉÀ][A-Za-zÀ-ÖØ-öø-ÿ0-9 ,'-]{2,49}$"}
    result = _closed(
        {
            "id": {"type": "string", "enum": ["q1"]},
            "optionExplanations": _closed(dict.fromkeys(letters, EMBEDDED_TEXT)),
            "explanation": EMBEDDED_TEXT,
            "correctAnswers": answers,
            "answer": answer,
            "verdict": {"type": "string", "enum": ["upholds", "contests"]} if wire["officialAnswer"] else nothing,
            "confidence": {"type": "number", "enum": [0.2, 0.4, 0.6, 0.8]},
            "citations": {
                "type": "array",
                "items": _closed({"excerpt": {"type": "string"}, "quote": EMBEDDED_TEXT}),
                "maxItems": 0,
            },
        }
    )
    return _closed({"results": {"type": "array", "items": result, "minItems": 1, "maxItems": 1}})
