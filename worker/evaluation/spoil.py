"""Which known keys and answers an evaluation spoils or leaves out, and with what. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence

from worker.evaluation.figures import GivenKey
from worker.questions.short_answers import is_other_answer

TRIES = 50  # answers of other questions that are looked at for one that is surely another


def spoil_keys(
    questions: Sequence[tuple[str, Sequence[str]]], *, wrong: float, left_out: float, seed: int
) -> list[GivenKey]:
    """For each (key, letters of its options): the share `wrong` with another key, the share `left_out` without one.

    The shares are exact, rounded up, and fall on the same questions for the same seed. A wrong key has one letter more
    or less than the right one, as slips of a keyboard have; where only one letter is right, another one.
    """
    rng = random.Random(seed)  # noqa: S311 (a sample, not a secret)
    spoiled, silent = _draw(len(questions), wrong, left_out, rng)
    given: list[GivenKey] = []
    for position, (truth, letters) in enumerate(questions):
        if position in silent:
            given.append(GivenKey(truth, None))
        else:
            given.append(GivenKey(truth, _spoil(truth, letters, rng) if position in spoiled else truth))
    return given


def spoil_answers(answers: Sequence[str], *, wrong: float, left_out: float, seed: int) -> list[GivenKey]:
    """The same for short answers: a wrong one is that of another question, which surely says something else.

    Where no other question has such an answer, the right one stays: a doubt is no spoiled answer.
    """
    rng = random.Random(seed)  # noqa: S311
    spoiled, silent = _draw(len(answers), wrong, left_out, rng)
    given: list[GivenKey] = []
    for position, truth in enumerate(answers):
        if position in silent:
            given.append(GivenKey(truth, None))
        else:
            given.append(GivenKey(truth, _other_answer(truth, answers, rng) if position in spoiled else truth))
    return given


def _draw(count: int, wrong: float, left_out: float, rng: random.Random) -> tuple[set[int], set[int]]:
    order = list(range(count))
    rng.shuffle(order)
    wrongs = -(-count * round(wrong * 10_000) // 10_000)
    outs = -(-count * round(left_out * 10_000) // 10_000)
    return set(order[:wrongs]), set(order[wrongs : wrongs + outs])


def _spoil(truth: str, letters: Sequence[str], rng: random.Random) -> str:
    if len(truth) == 1:
        return rng.choice([letter for letter in letters if letter != truth])
    changed = set(truth) ^ {rng.choice(list(letters))}
    return "".join(sorted(changed))


def _other_answer(truth: str, answers: Sequence[str], rng: random.Random) -> str:
    for other in rng.sample(answers, min(TRIES, len(answers))):
        if is_other_answer(truth, other):
            return other
    return truth
