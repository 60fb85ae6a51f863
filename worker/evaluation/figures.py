"""What a model was asked on questions whose answers are known, what it gave, and the figures that came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from worker.questions.answers import Outcome, Verdict
from worker.questions.proportions import Interval, share, wilson
from worker.questions.question import QuestionType

# Why a question is in the list of what was missed, gravest first.
Why = Literal[
    "damaged",  # a right key or answer was stored otherwise
    "spoiled_confirmed",  # a wrong one got through
    "completed_wrong",
    "to_judge",  # a short answer that is neither surely the known one nor surely another
    "right_contested",  # a false alarm
    "no_look",  # no accepted analysis
    "not_completed",  # left out, and no two analyses agreed
    "look_wrong",  # the first look; the outcome is right all the same
]
WHYS: tuple[Why, ...] = (
    "damaged",
    "spoiled_confirmed",
    "completed_wrong",
    "to_judge",
    "right_contested",
    "no_look",
    "not_completed",
    "look_wrong",
)


@dataclass(frozen=True, slots=True)
class GivenKey:
    """The key or answer that a question is uploaded with. `truth` is the known one; `given` None = left out."""

    truth: str
    given: str | None

    @property
    def is_spoiled(self) -> bool:
        """Uploaded with a wrong key."""
        return self.given is not None and self.given != self.truth


@dataclass(frozen=True, slots=True)
class Asked:
    """The question itself, where somebody finds it again: sheet and row of the file that was given."""

    type: QuestionType = "qcm"
    specialty: str = ""
    sheet: str = ""
    row: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """What one question came to. `first` and `second` are the keys (QROC: answers) of the looks, None where there was
    none; `kept` is the one that its question was stored with, None when none was.
    """

    key: GivenKey
    outcome: Outcome | None
    first: str | None = None
    second: str | None = None
    kept: str | None = None
    proposed: str | None = None
    confidence: float | None = None  # of the first look
    second_confidence: float | None = None
    verdict: Verdict | None = None  # of the first look, on a QROC's answer as given
    second_verdict: Verdict | None = None
    asked: Asked = Asked()

    @property
    def is_qcm(self) -> bool:
        """Has a key of letters."""
        return self.asked.type in ("qcm", "cas_qcm")


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
    interval: Interval | None = None  # of `accuracy`


@dataclass(frozen=True, slots=True)
class GivenLook:
    """One look at a question that was missed."""

    value: str
    verdict: Verdict | None
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Missed:
    """A question of the list of what was missed; `text` is its beginning."""

    sheet: str
    row: int
    type: QuestionType
    specialty: str
    text: str
    known: str
    given: str | None
    outcome: Outcome | None
    why: Why
    looks: tuple[GivenLook, ...]


@dataclass(frozen=True, slots=True)
class SpecialtyCounts:
    """One specialty, both kinds of questions. A first look is right when it gives the known key, judges the given
    answer rightly, or (no answer given) surely says the known one.
    """

    name: str
    questions: int
    looked: int
    right: int
    spoiled: int
    spoiled_contested: int
    contests: int

    def to_json(self) -> dict[str, Any]:
        """A plain dict, with the shares and their intervals."""
        return {
            **asdict(self),
            "accuracy": share(self.right, self.looked),
            "accuracy_interval": wilson(self.right, self.looked),
            "recall": share(self.spoiled_contested, self.spoiled),
            "recall_interval": wilson(self.spoiled_contested, self.spoiled),
        }

    @classmethod
    def total(cls, lines: Sequence[SpecialtyCounts], name: str) -> SpecialtyCounts:
        """Several specialties as one line."""
        counts = ("questions", "looked", "right", "spoiled", "spoiled_contested", "contests")
        return cls(name, *(sum(getattr(line, count) for line in lines) for count in counts))


@dataclass(frozen=True, slots=True)
class ShortScores:
    """Short-answer questions (QROC): what the first look says of an answer whose truth is known."""

    questions: int
    judged: int  # an answer was given, and the first look upholds or contests it
    judged_right: int
    verdict_right: float | None
    spoiled: int
    spoiled_contested: int
    recall: float | None
    contests: int
    precision: float | None
    damaged: int
    left_out: int
    completed: int
    completed_right: int  # surely say the known answer
    completed_wrong: int  # surely say something else
    completed_to_judge: int  # neither: a person has to look
    completed_right_share: float | None


@dataclass(frozen=True, slots=True)
class Scores:
    """Shares are 0–1, None where there is nothing to divide by. Multiple-choice questions, unless said otherwise."""

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
    calls: int  # of the whole job, short-answer questions included; so is all that follows
    calls_per_question: float
    asked_per_question: float
    cost_usd: float | None
    cost_usd_per_question: float | None
    outcomes: dict[str, int]
    calibration: tuple[Bin, ...] = field(default_factory=tuple)  # multiple-choice questions
    intervals: Mapping[str, Interval | None] = field(default_factory=dict)  # of the shares, by their names
    short_answers: ShortScores | None = None  # None: the file has none
    specialties: tuple[SpecialtyCounts, ...] = ()  # largest first
    missed: tuple[Missed, ...] = ()  # gravest first

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return asdict(self) | {"specialties": [line.to_json() for line in self.specialties]}
