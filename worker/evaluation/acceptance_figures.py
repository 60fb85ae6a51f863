"""How often people took over what an analysis gave: figures of their decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from worker.questions.proportions import Interval, share, wilson

Fate = Literal["accepted", "kept", "edited", "to_judge", "discarded"]
COUNTED: tuple[Fate, ...] = ("accepted", "kept", "edited", "to_judge")


@dataclass(frozen=True, slots=True)
class AcceptanceCounts:
    """What became of the analyses of one kind. `settled` is the sum of all but `discarded`."""

    name: str
    accepted: int  # as given, or typed so
    kept: int  # the official key or answer
    edited: int  # a third one
    to_judge: int  # a short answer, typed: neither surely what the analysis or the file gave nor surely another
    discarded: int

    @property
    def settled(self) -> int:
        """Those that a key or an answer was decided for."""
        return self.accepted + self.kept + self.edited + self.to_judge

    def to_json(self) -> dict[str, Any]:
        """A plain dict, with the shares of `settled` and their intervals."""
        document: dict[str, Any] = {"settled": self.settled, **asdict(self)}
        for fate in COUNTED:
            part = getattr(self, fate)
            document[f"{fate}_share"] = share(part, self.settled)
            document[f"{fate}_interval"] = wilson(part, self.settled)
        return document

    @classmethod
    def total(cls, lines: Sequence[AcceptanceCounts], name: str) -> AcceptanceCounts:
        """Several lines as one."""
        return cls(name, *(sum(getattr(line, fate) for line in lines) for fate in (*COUNTED, "discarded")))


@dataclass(frozen=True, slots=True)
class AgreementBin:
    """Analyses whose confidence is at least `low` and below `high`, and how many of them were accepted."""

    low: float
    high: float
    count: int
    confidence: float  # mean
    accepted: int
    accepted_share: float
    accepted_interval: Interval | None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """All that people settled. The breakdowns hold the same decisions, largest line first."""

    whole: AcceptanceCounts
    by: Mapping[str, tuple[AcceptanceCounts, ...]]  # "model", "type", "specialty", "outcome", "looks"
    bins: tuple[AgreementBin, ...]
    failed: int  # no analysis could be used, a person settled the row all the same: not counted
    without_contest: int  # an official key stood against another file's, not against an analysis: not counted

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        whole = self.whole.to_json()
        del whole["name"]
        return {
            **whole,
            **{f"by_{name}": [line.to_json() for line in lines] for name, lines in self.by.items()},
            "by_confidence": [asdict(line) for line in self.bins],
            "not_counted": {"failed": self.failed, "without_contest": self.without_contest},
        }
