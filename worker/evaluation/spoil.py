"""Which known keys and answers an evaluation spoils or leaves out, and with what. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from worker.evaluation.figures import GivenKey
from worker.questions.short_answers import is_other_answer

TRIES = 50  # answers of other questions that are looked at for one that is surely another


@dataclass(frozen=True, slots=True)
class Spoiling:
    """The share of keys that get a wrong one, and that of keys left out; together at most 1.

    The shares are exact, rounded up, and fall on the same questions for the same seed.
    """

    wrong: float = 0.05
    left_out: float = 0.05
    seed: int = 0

    def draw(self, count: int) -> tuple[set[int], set[int], random.Random]:
        """Of `count` questions the places of the wrong and of the left out, and what goes on drawing."""
        rng = random.Random(self.seed)  # noqa: S311 (a sample, not a secret)
        order = list(range(count))
        rng.shuffle(order)
        wrongs = -(-count * round(self.wrong * 10_000) // 10_000)
        outs = -(-count * round(self.left_out * 10_000) // 10_000)
        return set(order[:wrongs]), set(order[wrongs : wrongs + outs]), rng


def spoil_keys(questions: Sequence[tuple[str, Sequence[str]]], spoiling: Spoiling) -> list[GivenKey]:
    """For each (key, letters of its options): what it is uploaded with.

    A wrong key has one letter more or less than the right one, as slips of a keyboard have; where only one letter is
    right, another one.
    """
    spoiled, silent, rng = spoiling.draw(len(questions))
    given: list[GivenKey] = []
    for position, (truth, letters) in enumerate(questions):
        if position in silent:
            given.append(GivenKey(truth, None))
        else:
            given.append(GivenKey(truth, _spoil(truth, letters, rng) if position in spoiled else truth))
    return given


def spoil_answers(answers: Sequence[str], spoiling: Spoiling) -> list[GivenKey]:
    """The same for short answers: a wrong one is that of another question, which surely says something else.

    Where no other question has such an answer, the right one stays: a doubt is no spoiled answer.
    """
    spoiled, silent, rng = spoiling.draw(len(answers))
    given: list[GivenKey] = []
    for position, truth in enumerate(answers):
        if position in silent:
            given.append(GivenKey(truth, None))
        else:
            given.append(GivenKey(truth, _other_answer(truth, answers, rng) if position in spoiled else truth))
    return given


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
