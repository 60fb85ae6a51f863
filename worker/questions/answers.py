"""What a model said of one question, and what the worker concluded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Purpose = Literal["analyse", "second_look", "explain"]
Verdict = Literal["upholds", "contests"]
Outcome = Literal["confirmed", "corrected", "completed", "contested", "duplicate", "rejected", "failed"]
OUTCOMES: tuple[Outcome, ...] = (
    "confirmed",
    "corrected",
    "completed",
    "contested",
    "duplicate",
    "rejected",
    "failed",
)
SUCCESSES: frozenset[Outcome] = frozenset({"confirmed", "corrected", "completed", "contested"})
FIXES: frozenset[Outcome] = frozenset({"corrected", "completed"})
PUBLISHED = SUCCESSES


@dataclass(frozen=True, slots=True)
class Citation:
    """A verbatim quote of an excerpt that the prompt held."""

    excerpt: str  # "S1"
    quote: str


@dataclass(frozen=True, slots=True)
class Look:
    """One accepted result for one question, its letters already those of the question as uploaded."""

    key: str | None  # QCM: sorted unique letters
    answer: str | None  # QROC: the model's own answer
    verdict: Verdict | None  # QROC with an official answer
    explanation: str
    option_explanations: Mapping[str, str]  # one for each present option of a QCM; {} for a QROC
    confidence: float  # 0–1
    model: str
    citations: tuple[Citation, ...] = ()
    is_contradictory: bool = False  # QCM: its own text names another key as the right one

    def to_json(self, sources: Mapping[str, str], *, with_texts: bool = True) -> dict[str, Any]:
        """A plain dict for jsonb, the place of each quote in words: `sources` names them by their excerpt."""
        said = {
            "key": self.key,
            "answer": self.answer,
            "verdict": self.verdict,
            "confidence": self.confidence,
            "model": self.model,
        }
        if not with_texts:
            return said
        return said | {
            "explanation": self.explanation,
            "option_explanations": self.option_explanations,
            "citations": [{"quote": c.quote, "source": sources.get(c.excerpt)} for c in self.citations],
        }


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a result was not accepted; the question is asked again. `code` is stable, `detail` never holds content."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What one item came to: stored on the item, published as a question, written in the workbook.

    `key`/`answer` are what the question keeps: the official one except for `corrected` and `completed`.
    `proposed` is what the looks gave when that is something else, for a person to decide.
    """

    outcome: Outcome
    reason: str | None = None  # French
    key: str | None = None
    answer: str | None = None
    proposed: str | None = None
    explanation: str | None = None  # the full text for `Question.explanation`
    general_explanation: str | None = None  # the workbook's `explication`
    option_explanations: Mapping[str, str] = field(default_factory=dict)  # the workbook's `explication a…e`
    confidence: float | None = None
    model: str | None = None
    validated: bool = False
    excerpts_used: bool = False  # the prompt held at least one excerpt
    looks: tuple[Mapping[str, Any], ...] = ()  # the accepted looks in their order, as `Look.to_json`

    def to_json(self) -> dict[str, Any]:
        """A plain dict for jsonb."""
        return {name: getattr(self, name) for name in _FIELDS}


_FIELDS = tuple(field.name for field in fields(Conclusion))
