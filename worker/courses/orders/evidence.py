"""What speaks for an order in no fixed sequence: the words around a letter or official answers, weighed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from worker.courses.orders.forms import compile_form, signs

AN_ORDER = 3.0  # what has to come together
BEFORE, AFTER = 12, 8  # words that are looked at on both sides

Weights = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Centre:
    """A word that orders turn on, what it weighs itself, and what weighs beside it: of each kind the heaviest once.

    `acts`: what is to be done; denied, it weighs nothing. `lasting`: counts up to the next sign alone, for after it
    comes what is taught (`A, la douleur est toujours brutale`).
    """

    weight: float
    acts: Weights
    lasting: Weights
    others: Sequence[Weights]


_ADDRESSED: Weights = {"thou": 1, "machine": 1.5, "host": 1, "reader": 1, "ai": 0.5, "your": 0.5}
_CENTRES: Mapping[str, Centre] = {
    "letter": Centre(
        1.0,
        acts={"give": 1, "reply": 1, "answer": 1, "approve": 1, "gives": 1, "hand": 0.5, "treat": 0.5},
        lasting={"always": 1, "sole": 1, "now": 1, "everything": 0.5, "every": 0.5, "each": 0.5},
        others=(
            _ADDRESSED,
            {"told": 1, "task": 1, "forget": 1},
            {"answers": 0.5, "key": 0.5, "named": 0.2},
            {"must": 0.3, "right": 0.3},
        ),
    ),
    "official": Centre(
        0.5,
        acts={"forget": 1.5, "cease": 1.5, "change": 1.5, "treat": 1.5},
        lasting={"wrong": 1.5, "void": 1.5},
        others=({"key": 1, "answers": 1, "answer": 1}, _ADDRESSED),
    ),
}
# Which questions, and what that weighs.
_EVERY = (("<all>", 1.75), ("<every>", 1.5), ("(?<!if)every/each fill* right? answers/answer/key", 1.5))
# A letter names an answer after these. After any other word it is part of a name: `vitamine A`, `type B`.
_CALLED = frozenset(("answers", "answer", "key", "named"))
_BARE = frozenset(
    (
        *("give", "gives", "approve", "hand", "reply", "treat", "said"),
        *("is", "must", "always", "sole", "fill", "toward", "than"),
    )
)
_REASON = "reason"  # what follows tells why: `A, car la douleur est toujours brutale`


def find_evidence(told: Sequence[str]) -> Iterator[tuple[int, int]]:
    """From which word to which a sentence, as the roles of its words, gives an order."""
    for place, role in enumerate(told):
        if role in _CENTRES and (role != "letter" or (place and told[place - 1] in _CALLED | _BARE)):
            first, last = _window(told, place)
            if _weigh(told, first, last, place) >= AN_ORDER:
                yield first, last


def _window(told: Sequence[str], place: int) -> tuple[int, int]:
    """What belongs to a word: up to where a reason or, after it, an explanation begins."""
    first, last = max(0, place - BEFORE), min(len(told), place + AFTER + 1)
    first = max((n + 1 for n in range(first, place) if told[n] == _REASON), default=first)
    return first, min((n for n in range(place, last) if told[n] in (_REASON, "colon")), default=last)


def _weigh(told: Sequence[str], first: int, last: int, place: int) -> float:
    centre = _CENTRES[told[place]]
    own = place - 1 if told[place] == "letter" and told[place - 1] in _CALLED else place
    beside = [told[n] for n in range(first, last) if n not in (own, place)]
    if _is_numbered(beside):
        return 0.0
    acts = [told[n] for n in range(first, last) if not _is_denied(told, n)]
    near = [told[n] for n in range(first, _next_sign(told, place, last))]
    lasting = _heaviest(near, centre.lasting)
    if told[place] == "letter":
        lasting = max(lasting, _weigh_questions(told[first:last])) or 0.5 * ("question" in beside)
    found = centre.weight + lasting + _heaviest(acts, centre.acts) + sum(_heaviest(beside, o) for o in centre.others)
    return found - (told[last : last + 1] == [_REASON]) - 0.5 * ("if" in beside)


def _heaviest(roles: Sequence[str], weights: Weights) -> float:
    return max((weights.get(role, 0.0) for role in roles), default=0.0)


def _weigh_questions(told: Sequence[str]) -> float:
    marked = "".join(signs()[role] for role in told)
    return max((weight for form, weight in _EVERY if compile_form(form).search(marked)), default=0.0)


def _is_denied(told: Sequence[str], n: int) -> bool:
    """`Il ne faut pas répondre A.`"""
    before = told[max(0, n - 2) : n]
    return "not" in before and before[-1] not in ("stop", "colon")


def _is_numbered(roles: Sequence[str]) -> bool:
    """`À la question 3, cochez A`: one question, of an exercise."""
    return any(role == "question" and following in ("figure", "one") for role, following in pairwise(roles))


def _next_sign(told: Sequence[str], place: int, last: int) -> int:
    return next((n for n in range(place + 1, last) if told[n] in ("stop", "colon")), last)
