"""What a model is worth, learned from what people decided about its contests, completions and corrections. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from worker.evaluation.acceptance_figures import Acceptance, AcceptanceCounts, AgreementBin, Fate
from worker.questions.decision import DecidedContent
from worker.questions.proportions import Interval, bin_of, share, wilson
from worker.questions.question import fold_name, fold_text
from worker.questions.short_answers import is_other_answer, same_answer

OUTCOMES = frozenset({"contested", "completed", "corrected"})
UNKNOWN = "?"

Judged = tuple[DecidedContent, Fate]


def measure_acceptance(decisions: Iterable[DecidedContent]) -> Acceptance:
    """Count what became of the analyses; one decision for each content, the one that stands."""
    judged: list[Judged] = []
    left_out: Counter[str] = Counter()
    for decision in decisions:
        if decision.shown.get("outcome") not in OUTCOMES:
            left_out["failed"] += 1
        elif not _says_something_else(decision.shown):
            left_out["without_contest"] += 1
        else:
            judged.append((decision, _fate(decision)))
    names: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
        "model": _models,
        "type": lambda shown: shown.get("type") or UNKNOWN,
        "specialty": _by_one_spelling(judged),
        "outcome": lambda shown: shown["outcome"],
        "looks": _agreement,
    }
    return Acceptance(
        whole=_count("", judged),
        by={name: _break_down(judged, name_of) for name, name_of in names.items()},
        bins=_bins(judged),
        failed=left_out["failed"],
        without_contest=left_out["without_contest"],
    )


# --- what became of one analysis ---------------------------------------------------------------------------------


def _fate(decision: DecidedContent) -> Fate:
    """What the person did with what the analysis gave.

    A key that she typed is the analysis' when either look gave it, as for the question that it was written on.
    """
    shown, value = decision.shown, decision.value or ""
    if decision.action == "discard":
        return "discarded"
    if decision.action == "accept":
        return "accepted"
    if decision.action == "keep":
        return "kept"
    given = [v for look in _looks(shown) if (v := _value(look))]
    known: list[tuple[str, Fate]] = [*((v, "accepted") for v in given)]
    if official := shown.get("official"):
        known.insert(0, (official, "kept"))
    for other, fate in known:
        if _is_same(shown, value, other):
            return fate
    surely_third = all(_is_qcm(shown) or is_other_answer(value, other) for other, _ in known)
    return "edited" if surely_third else "to_judge"


def _is_same(shown: Mapping[str, Any], value: str, other: str) -> bool:
    if _is_qcm(shown):
        return value == other
    return fold_text(value) == fold_text(other) or same_answer(value, other)


def _says_something_else(shown: Mapping[str, Any]) -> bool:
    """Whether any look speaks against the official key or answer, or gives one where there was none."""
    official = shown.get("official")
    if _is_qcm(shown) or not official:
        return any(_value(look) not in (None, official) for look in _looks(shown))
    return any(look.get("verdict") == "contests" for look in _looks(shown))


def _is_qcm(shown: Mapping[str, Any]) -> bool:
    return shown.get("type") in ("qcm", "cas_qcm")


def _looks(shown: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return shown.get("looks") or ()


def _value(look: Mapping[str, Any]) -> str | None:
    return look.get("key") or look.get("answer")


# --- figures -----------------------------------------------------------------------------------------------------


def _models(shown: Mapping[str, Any]) -> str:
    """Those whose looks the person saw, in their order: `small`, or `small + large`."""
    named = [look["model"] for look in _looks(shown) if look.get("model")]
    return " + ".join(dict.fromkeys(named)) or shown.get("model") or UNKNOWN


def _by_one_spelling(judged: Sequence[Judged]) -> Callable[[Mapping[str, Any]], str]:
    """Names a specialty as the first decision about it does, whatever its spelling."""
    spelled: dict[str, str] = {}
    for decision, _ in judged:
        name = decision.shown.get("specialty") or UNKNOWN
        spelled.setdefault(fold_name(name), name)
    return lambda shown: spelled[fold_name(shown.get("specialty") or UNKNOWN)]


def _agreement(shown: Mapping[str, Any]) -> str:
    values = [value for look in _looks(shown) if (value := _value(look))]
    if len(values) < 2:
        return "single"
    return "agree" if all(_is_same(shown, values[0], other) for other in values[1:]) else "differ"


def _break_down(judged: Sequence[Judged], name_of: Callable[[Mapping[str, Any]], str]) -> tuple[AcceptanceCounts, ...]:
    groups: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        groups[name_of(one[0].shown)].append(one)
    lines = [_count(name, inside) for name, inside in groups.items()]
    return tuple(sorted(lines, key=lambda line: (-line.settled, line.name)))


def _count(name: str, judged: Iterable[Judged]) -> AcceptanceCounts:
    fates = Counter(fate for _, fate in judged)
    return AcceptanceCounts(
        name,
        accepted=fates["accepted"],
        kept=fates["kept"],
        edited=fates["edited"],
        to_judge=fates["to_judge"],
        discarded=fates["discarded"],
    )


def _bins(judged: Sequence[Judged]) -> tuple[AgreementBin, ...]:
    """By the confidence of the less confident look."""
    bins: dict[Interval, list[tuple[float, Fate]]] = defaultdict(list)
    for decision, fate in judged:
        said = [look["confidence"] for look in _looks(decision.shown) if look.get("confidence") is not None]
        if said and fate != "discarded":
            bins[bin_of(min(said))].append((min(said), fate))
    found = []
    for (low, high), inside in sorted(bins.items()):
        accepted, count = sum(fate == "accepted" for _, fate in inside), len(inside)
        mean = sum(confidence for confidence, _ in inside) / count
        found.append(
            AgreementBin(low, high, count, mean, accepted, share(accepted, count) or 0.0, wilson(accepted, count))
        )
    return tuple(found)
