"""Questions into one Chat Completions request: messages, schema, idempotency keys. It sends nothing."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from worker.llm.calls import AskedQuestion, Endpoint, Request
from worker.llm.prompts import Prompt, load_prompt
from worker.llm.reply_schema import HOSTED_SCHEMA, embedded_schema
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

EMBEDDED_PARAMETERS = {"temperature": 0.2, "frequency_penalty": 0.4}
EMBEDDED_MAX_TOKENS = 700


@dataclass(frozen=True, slots=True)
class Frame:
    """What shapes a call besides its questions: who answers, with which model, and what the job's author asks for.

    `capacity`: what the model takes and writes, as far as it is known.
    """

    endpoint: Endpoint
    model: str
    instructions: str | None = None
    capacity: Capacity = UNKNOWN

    @property
    def told(self) -> str | None:
        """The instructions as they are sent: none where they are blank."""
        return (self.instructions or "").strip() or None


def compose_request(purpose: Purpose, items: Sequence[Item], frame: Frame, *, cut_at: int = 0) -> Request:
    """One call for these (item id, question, excerpts), in the wire format of the contract.

    A QCM is always asked blind. A second look holds one question, its options in another order, and under other letters
    where nothing in the question may speak of a letter; `AskedQuestion.letters` leads back. `cut_at`: the tokens after
    which the reply to one question was cut although it came alone. Raises `ValueError` for no item, or more than the
    purpose or the endpoint can take.
    """
    endpoint = frame.endpoint
    if not items or (len(items) > 1 and (purpose != "analyse" or endpoint.embedded)):
        raise ValueError(f"{len(items)} questions in one {purpose} call")
    wired = [_wire_question(purpose, question, excerpts) for _, question, excerpts in items]
    body = _body(purpose, wired, frame)
    base, fits = _set_ceiling(body, wired, frame, cut_at)
    shared = _shared_digest(purpose, endpoint, frame.model, frame.told)
    asked = tuple(
        _ask(f"q{number}", item, _letters(purpose, item[1]), _key(shared, wire, endpoint))
        for number, (item, wire) in enumerate(zip(items, wired, strict=True), start=1)
    )
    return Request(
        purpose=purpose,
        model=frame.model,
        body=body,
        hash=_digest({"keys": [question.key for question in asked]}),
        questions=asked,
        endpoint=endpoint.name,
        embedded=endpoint.embedded,
        shared=shared,
        capacity=frame.capacity,
        base=base,
        fits=fits,
    )


def _ask(wire_id: str, item: Item, letters: Mapping[str, str], key: str) -> AskedQuestion:
    item_id, question, excerpts = item
    return AskedQuestion(
        id=wire_id,
        item_id=item_id,
        question=question,
        letters=letters,
        key=key,
        excerpts=tuple(excerpts),
    )


def compose_probe(refused: Request, *, endpoint: Endpoint, instructions: str | None) -> Request:
    """The least call of a kind that was refused: all that such calls have in common, and one harmless question.

    It asks on nobody's behalf, so that its reply answers no question.
    """
    frame = Frame(endpoint, refused.model, instructions, refused.capacity)
    request = compose_request(refused.purpose, [("", HARMLESS, ())], frame)
    return replace(request, questions=(), hash=_digest({"probe": refused.hash}))


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


def _body(purpose: Purpose, wired: Sequence[Mapping[str, Any]], frame: Frame) -> dict[str, Any]:
    endpoint = frame.endpoint
    document = {
        "task": purpose,
        "instructions": frame.told,
        "questions": [{"id": f"q{number}", **wire} for number, wire in enumerate(wired, start=1)],
    }
    return {
        "model": frame.model,
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
    body: dict[str, Any], wired: Sequence[Mapping[str, Any]], frame: Frame, cut_at: int
) -> tuple[int, bool]:
    """Bound the whole reply. What to expect of it (see `reply_ceiling`), and whether that has room.

    Beside it no parameter for a hosted model, not even a temperature: the current ones refuse it.
    """
    capacity = frame.capacity
    if frame.endpoint.embedded:
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


def _embedded_schema(wire: Mapping[str, Any]) -> Mapping[str, Any]:
    return embedded_schema(tuple(wire["options"]), judges=bool(wire["officialAnswer"]))


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
