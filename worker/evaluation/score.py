"""What a model is worth, measured on known keys and answers: what looks and outcomes came to. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from worker.evaluation.figures import (
    WHYS,
    Answered,
    Bin,
    GivenLook,
    Missed,
    Scores,
    ShortScores,
    SpecialtyCounts,
    Spent,
    Why,
)
from worker.questions.proportions import Interval, bin_of, share, wilson
from worker.questions.question import fold_name, fold_text
from worker.questions.short_answers import is_other_answer, same_answer
from worker.text.markup import without_markup

BEGINNING = 200  # characters of a question in the list of what was missed


def score(answered: Sequence[Answered], spent: Spent) -> Scores:
    """Measure a finished job."""
    qcm = [a for a in answered if a.is_qcm]
    exact, recall, precision, completed = _exact(qcm), _recall(qcm), _precision(qcm), _completed(qcm)
    short = _score_short([a for a in answered if not a.is_qcm])
    count = max(1, len(answered))
    return Scores(
        questions=len(qcm),
        looked=exact.of,
        exact_match=share(*exact),
        hamming=share(sum(_overlap(a.first, a.key.truth) for a in qcm if a.first is not None), exact.of),
        spoiled=recall.of,
        spoiled_contested=recall.hits,
        recall=share(*recall),
        contests=precision.of,
        precision=share(*precision),
        damaged=sum(_is_damaged(a) for a in qcm),
        left_out=sum(a.key.given is None for a in qcm),
        completed=completed.of,
        completed_right=share(*completed),
        calls=spent.calls,
        calls_per_question=spent.calls / count,
        asked_per_question=spent.asked / count,
        cost_usd=spent.cost_usd,
        cost_usd_per_question=None if spent.cost_usd is None else spent.cost_usd / count,
        outcomes=dict(Counter(a.outcome or "pending" for a in answered).most_common()),
        calibration=_calibrate([a for a in qcm if a.first is not None]),
        intervals={
            "exact_match": wilson(*exact),
            "recall": wilson(*recall),
            "precision": wilson(*precision),
            "completed_right": wilson(*completed),
            **_short_intervals(short),
        },
        short_answers=short,
        specialties=_by_specialty(answered),
        missed=_find_missed(answered),
    )


# --- multiple choice ---------------------------------------------------------------------------------------------


class Counted(NamedTuple):
    """How many, of how many."""

    hits: int
    of: int


def _exact(qcm: Sequence[Answered]) -> Counted:
    """First looks that are the key, letter for letter, of the questions that were looked at."""
    return _count(a.first == a.key.truth for a in qcm if a.first is not None)


def _recall(qcm: Sequence[Answered]) -> Counted:
    """Contested, of the spoiled keys."""
    return _count(_is_contest(a) for a in qcm if a.key.is_spoiled)


def _precision(qcm: Sequence[Answered]) -> Counted:
    """Spoiled, of the contested keys."""
    return _count(a.key.is_spoiled for a in qcm if _is_contest(a))


def _completed(qcm: Sequence[Answered]) -> Counted:
    """Right, of the completed ones among the keys that were left out."""
    return _count(a.kept == a.key.truth for a in qcm if a.key.given is None and a.outcome == "completed")


def _count(found: Iterable[bool]) -> Counted:
    each = list(found)
    return Counted(sum(each), len(each))


def _is_contest(answered: Answered) -> bool:
    return answered.outcome in ("contested", "corrected")


def _is_damaged(answered: Answered) -> bool:
    key = answered.key
    if key.given != key.truth or answered.kept is None:
        return False
    if answered.is_qcm:
        return answered.kept != key.truth
    return _compare(answered.kept, key.truth) != "right"


def _overlap(given: str, truth: str) -> float:
    return len(set(given) & set(truth)) / len(set(given) | set(truth))


def _calibrate(looked: Sequence[Answered]) -> tuple[Bin, ...]:
    bins: dict[Interval, list[Answered]] = defaultdict(list)
    for a in looked:
        bins[bin_of(a.confidence or 0)].append(a)
    calibrated = []
    for (low, high), inside in sorted(bins.items()):
        mean = sum(a.confidence or 0 for a in inside) / len(inside)
        right = sum(a.first == a.key.truth for a in inside)
        calibrated.append(Bin(low, high, len(inside), mean, right / len(inside), wilson(right, len(inside))))
    return tuple(calibrated)


# --- short answers -----------------------------------------------------------------------------------------------


def _score_short(answered: Sequence[Answered]) -> ShortScores | None:
    if not answered:
        return None
    judged = [a for a in answered if a.key.given is not None and a.verdict is not None]
    spoiled = [a for a in answered if a.key.is_spoiled]
    contests = [a for a in answered if _is_contest(a)]
    caught = sum(a.key.is_spoiled for a in contests)
    silent = [a for a in answered if a.key.given is None]
    completed = Counter(_compare(a.kept or "", a.key.truth) for a in silent if a.outcome == "completed")
    judged_right = sum(_is_look_right(a) for a in judged)
    return ShortScores(
        questions=len(answered),
        judged=len(judged),
        judged_right=judged_right,
        verdict_right=share(judged_right, len(judged)),
        spoiled=len(spoiled),
        spoiled_contested=caught,
        recall=share(caught, len(spoiled)),
        contests=len(contests),
        precision=share(caught, len(contests)),
        damaged=sum(_is_damaged(a) for a in answered),
        left_out=len(silent),
        completed=completed.total(),
        completed_right=completed["right"],
        completed_wrong=completed["wrong"],
        completed_to_judge=completed["to_judge"],
        completed_right_share=share(completed["right"], completed.total()),
    )


def _short_intervals(short: ShortScores | None) -> dict[str, Interval | None]:
    if short is None:
        return {}
    return {
        "short_verdict_right": wilson(short.judged_right, short.judged),
        "short_recall": wilson(short.spoiled_contested, short.spoiled),
        "short_precision": wilson(short.spoiled_contested, short.contests),
        "short_completed_right": wilson(short.completed_right, short.completed),
    }


def _compare(given: str, known: str) -> Literal["right", "wrong", "to_judge"]:
    """Whether a short answer surely says the known one, surely another one, or somebody has to judge."""
    one, other = without_markup(given), without_markup(known)
    if fold_text(one) == fold_text(other) or same_answer(one, other):
        return "right"
    return "wrong" if is_other_answer(one, other) else "to_judge"


# --- both --------------------------------------------------------------------------------------------------------


def _is_look_right(answered: Answered) -> bool:
    """Whether the first look is right about what is known. A doubt about a short answer is not."""
    key = answered.key
    if answered.first is None:
        return False
    if answered.is_qcm:
        return answered.first == key.truth
    if key.given is None:
        return _compare(answered.first, key.truth) == "right"
    return answered.verdict is not None and (answered.verdict == "contests") == key.is_spoiled


def _by_specialty(answered: Sequence[Answered]) -> tuple[SpecialtyCounts, ...]:
    groups: dict[str, list[Answered]] = defaultdict(list)
    for a in answered:
        groups[fold_name(a.asked.specialty)].append(a)
    lines = [_count_specialty(inside) for inside in groups.values()]
    return tuple(sorted(lines, key=lambda line: (-line.questions, line.name)))


def _count_specialty(inside: Sequence[Answered]) -> SpecialtyCounts:
    contests = [a for a in inside if _is_contest(a)]
    return SpecialtyCounts(
        name=inside[0].asked.specialty,
        questions=len(inside),
        looked=sum(a.first is not None for a in inside),
        right=sum(_is_look_right(a) for a in inside),
        spoiled=sum(a.key.is_spoiled for a in inside),
        spoiled_contested=sum(a.key.is_spoiled for a in contests),
        contests=len(contests),
    )


def _find_missed(answered: Iterable[Answered]) -> tuple[Missed, ...]:
    missed = [_missed(a, why) for a in answered if (why := _why(a)) is not None]
    return tuple(sorted(missed, key=lambda one: WHYS.index(one.why)))


def _why(answered: Answered) -> Why | None:
    """The gravest thing that can be said of the question; None when nothing was missed."""
    key, outcome = answered.key, answered.outcome
    found: Why | None = None if _is_look_right(answered) else "look_wrong"
    if _is_damaged(answered):
        found = "damaged"
    elif key.given is None and outcome == "completed":
        found = _why_completed(answered)
    elif key.is_spoiled and outcome == "confirmed":
        found = "spoiled_confirmed"
    elif key.given == key.truth and _is_contest(answered):
        found = "right_contested"
    elif answered.first is None:
        found = "no_look"
    elif key.given is None:
        found = "not_completed"
    return found


def _why_completed(answered: Answered) -> Why | None:
    kept, truth = answered.kept or "", answered.key.truth
    if answered.is_qcm:
        return None if kept == truth else "completed_wrong"
    compared = _compare(kept, truth)
    if compared == "right":
        return None
    return "completed_wrong" if compared == "wrong" else "to_judge"


def _missed(answered: Answered, why: Why) -> Missed:
    asked = answered.asked
    looks = (
        (answered.first, answered.verdict, answered.confidence),
        (answered.second, answered.second_verdict, answered.second_confidence),
    )
    text = " ".join(asked.text.split())
    return Missed(
        sheet=asked.sheet,
        row=asked.row,
        type=asked.type,
        specialty=asked.specialty,
        text=text if len(text) <= BEGINNING else text[: BEGINNING - 1] + "…",
        known=answered.key.truth,
        given=answered.key.given,
        outcome=answered.outcome,
        why=why,
        looks=tuple(GivenLook(value, verdict, sure) for value, verdict, sure in looks if value is not None),
    )
