"""What a model is worth, measured on known keys: which keys to spoil, and what looks and outcomes came to. Pure."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from worker.shapes.answers import Outcome

BIN_EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class GivenKey:
    """The key that a question is uploaded with. `truth` is the known one; `given` None = left out."""

    truth: str
    given: str | None

    @property
    def is_spoiled(self) -> bool:
        """Uploaded with a wrong key."""
        return self.given is not None and self.given != self.truth


@dataclass(frozen=True, slots=True)
class Answered:
    """What one question came to. `first` and `second` are the keys of the blind looks, None where there was none;
    `kept` is the key that its question was stored with, None when none was.
    """

    key: GivenKey
    outcome: Outcome | None
    first: str | None = None
    second: str | None = None
    kept: str | None = None
    proposed: str | None = None
    confidence: float | None = None  # of the first look


@dataclass(frozen=True, slots=True)
class Spent:
    """What the job's calls came to. `asked` counts each question once per call that held it."""

    calls: int
    asked: int
    cost_usd: float | None  # None = no price is known


@dataclass(frozen=True, slots=True)
class Bin:
    """First looks whose confidence is at least `low` and below `high`."""

    low: float
    high: float
    count: int
    confidence: float  # mean
    accuracy: float  # share of exact matches


@dataclass(frozen=True, slots=True)
class Scores:
    """Shares are 0–1, None where there is nothing to divide by."""

    questions: int
    looked: int  # with an accepted first look
    exact_match: float | None
    hamming: float | None  # mean of |given ∩ true| / |given ∪ true|, as FrenchMedMCQA defines it
    spoiled: int
    spoiled_contested: int
    recall: float | None  # of the spoiled keys, those contested (or corrected)
    contests: int
    precision: float | None  # of the contests, those against a spoiled key
    damaged: int  # right official keys that were stored otherwise
    left_out: int
    completed: int
    completed_right: float | None
    calls: int
    calls_per_question: float
    asked_per_question: float
    cost_usd: float | None
    cost_usd_per_question: float | None
    outcomes: dict[str, int]
    calibration: tuple[Bin, ...] = field(default_factory=tuple)

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return asdict(self)


def spoil_keys(
    questions: Sequence[tuple[str, Sequence[str]]], *, wrong: float, left_out: float, seed: int
) -> list[GivenKey]:
    """For each (key, letters of its options): the share `wrong` with another key, the share `left_out` without one.

    The shares are exact, rounded up, and fall on the same questions for the same seed. A wrong key has one letter more
    or less than the right one, as slips of a keyboard have; where only one letter is right, another one.
    """
    rng = random.Random(seed)  # noqa: S311 (a sample, not a secret)
    order = list(range(len(questions)))
    rng.shuffle(order)
    wrongs = -(-len(order) * round(wrong * 10_000) // 10_000)
    outs = -(-len(order) * round(left_out * 10_000) // 10_000)
    spoiled, silent = set(order[:wrongs]), set(order[wrongs : wrongs + outs])
    given: list[GivenKey] = []
    for position, (truth, letters) in enumerate(questions):
        if position in silent:
            given.append(GivenKey(truth, None))
        else:
            given.append(GivenKey(truth, _spoil(truth, letters, rng) if position in spoiled else truth))
    return given


def _spoil(truth: str, letters: Sequence[str], rng: random.Random) -> str:
    if len(truth) == 1:
        return rng.choice([letter for letter in letters if letter != truth])
    changed = set(truth) ^ {rng.choice(list(letters))}
    return "".join(sorted(changed))


def score(answered: Sequence[Answered], spent: Spent) -> Scores:
    """Measure a finished job."""
    looked = [a for a in answered if a.first is not None]
    spoiled = [a for a in answered if a.key.is_spoiled]
    contests = [a for a in answered if a.outcome in ("contested", "corrected")]
    caught = [a for a in contests if a.key.is_spoiled]
    silent = [a for a in answered if a.key.given is None]
    completed = [a for a in silent if a.outcome == "completed"]
    count = len(answered)
    return Scores(
        questions=count,
        looked=len(looked),
        exact_match=_share(sum(a.first == a.key.truth for a in looked), len(looked)),
        hamming=_share(sum(_overlap(a.first or "", a.key.truth) for a in looked), len(looked)),
        spoiled=len(spoiled),
        spoiled_contested=len(caught),
        recall=_share(len(caught), len(spoiled)),
        contests=len(contests),
        precision=_share(len(caught), len(contests)),
        damaged=sum(_is_damaged(a) for a in answered),
        left_out=len(silent),
        completed=len(completed),
        completed_right=_share(sum(a.kept == a.key.truth for a in completed), len(completed)),
        calls=spent.calls,
        calls_per_question=spent.calls / max(1, count),
        asked_per_question=spent.asked / max(1, count),
        cost_usd=spent.cost_usd,
        cost_usd_per_question=None if spent.cost_usd is None else spent.cost_usd / max(1, count),
        outcomes=dict(Counter(a.outcome or "pending" for a in answered).most_common()),
        calibration=_calibrate(looked),
    )


def _is_damaged(answered: Answered) -> bool:
    key = answered.key
    return key.given == key.truth and answered.kept is not None and answered.kept != key.truth


def _overlap(given: str, truth: str) -> float:
    return len(set(given) & set(truth)) / len(set(given) | set(truth))


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def _calibrate(looked: Sequence[Answered]) -> tuple[Bin, ...]:
    bins = []
    for low, high in zip(BIN_EDGES, (*BIN_EDGES[1:], 1.0), strict=True):
        inside = [a for a in looked if low <= (a.confidence or 0) and ((a.confidence or 0) < high or high == 1.0)]
        if inside:
            mean = sum(a.confidence or 0 for a in inside) / len(inside)
            right = sum(a.first == a.key.truth for a in inside) / len(inside)
            bins.append(Bin(low, high, len(inside), mean, right))
    return tuple(bins)
