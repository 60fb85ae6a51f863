"""What a model is worth, as teachers read it: French tables, and the list of what was missed as a file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from worker.cli.output import out, say, tell
from worker.errors import UsageError
from worker.messages import model_worth as words
from worker.questions.proportions import Interval, join_smallest, share, wilson

if TYPE_CHECKING:
    from rich.table import Table

    from worker.evaluation.acceptance_figures import Acceptance, AcceptanceCounts
    from worker.evaluation.figures import GivenLook, Missed, Scores, ShortScores, SpecialtyCounts

MISSED_SHOWN = 20
TEXT_SHOWN = 60  # characters of a question on the screen


def show_scores(scores: Scores, file: Path, missed: Path | None) -> None:
    """Print what `medq eval FILE` measured."""
    count = scores.questions + (scores.short_answers.questions if scores.short_answers else 0)
    figures = table(words.file_title(file.name, count), (), show_header=False)
    for row in (*_lines(scores), *_short_lines(scores.short_answers), *_cost_lines(scores)):
        figures.add_row(*row)
    bins = table(words.CALIBRATION, words.CALIBRATION_HEADERS)
    for line in scores.calibration:
        said, right = percent(line.confidence), with_interval(line.accuracy, line.interval)
        bins.add_row(bin_name(line.low, line.high), str(line.count), said, right)
    specialties = table(words.BY_SPECIALTY, words.SPECIALTY_HEADERS)
    for one in join_smallest(scores.specialties, _join_specialties):
        caught = of(one.spoiled_contested, one.spoiled)
        specialties.add_row(one.name or "–", str(one.questions), of(one.right, one.looked), caught)
    for each in (figures, bins, specialties):
        out().print(each)
    tell(words.ABOUT_INTERVALS)
    _show_missed(scores.missed, missed)


def _lines(s: Scores) -> Iterator[tuple[str, str]]:
    if not s.questions:
        return
    yield words.LOOK_RIGHT, with_interval(s.exact_match, s.intervals.get("exact_match"))
    yield words.LOOK_HAMMING, percent(s.hamming)
    yield words.SPOILED_CONTESTED, of(s.spoiled_contested, s.spoiled)
    yield words.CONTESTS_RIGHT, of(s.spoiled_contested, s.contests)
    yield words.DAMAGED, str(s.damaged)
    yield words.COMPLETED, of(s.completed, s.left_out)
    yield words.COMPLETED_RIGHT, with_interval(s.completed_right, s.intervals.get("completed_right"))


def _short_lines(s: ShortScores | None) -> Iterator[tuple[str, str]]:
    if s is None:
        return
    yield words.SHORT_JUDGED_RIGHT, of(s.judged_right, s.judged)
    yield words.SHORT_SPOILED_CONTESTED, of(s.spoiled_contested, s.spoiled)
    yield words.SHORT_CONTESTS_RIGHT, of(s.spoiled_contested, s.contests)
    yield words.SHORT_DAMAGED, str(s.damaged)
    yield words.SHORT_COMPLETED, of(s.completed, s.left_out)
    yield words.SHORT_COMPLETED_RIGHT, of(s.completed_right, s.completed)
    yield words.SHORT_TO_JUDGE, str(s.completed_to_judge)


def _cost_lines(s: Scores) -> Iterator[tuple[str, str]]:
    per_question = s.cost_usd_per_question
    yield words.CALLS_PER_QUESTION, decimal(s.calls_per_question, 2)
    yield words.SENT_PER_QUESTION, decimal(s.asked_per_question, 2)
    yield words.COST_PER_QUESTION, words.UNKNOWN if per_question is None else f"{decimal(per_question, 5)} $"
    yield words.COST, words.UNKNOWN if s.cost_usd is None else f"{decimal(s.cost_usd, 4)} $"
    yield words.STATUSES, ", ".join(words.outcomes(name, count) for name, count in s.outcomes.items())


def _join_specialties(lines: Sequence[SpecialtyCounts]) -> SpecialtyCounts:
    return type(lines[0]).total(lines, words.OTHERS)


# -- what was missed ---------------------------------------------------------------------------------------------------


def _show_missed(missed: Sequence[Missed], path: Path | None) -> None:
    if not missed:
        tell(words.NOTHING_MISSED)
        return
    listed = table(words.missed_title(len(missed)), words.MISSED_SHOWN_HEADERS, justify="left")
    for one in missed[:MISSED_SHOWN]:
        looks = " · ".join(map(_look, one.looks)) or "–"
        given = "–" if one.given is None else one.given
        listed.add_row(one.sheet, str(one.row), shorten(one.text), one.known, given, looks, words.WHY_WORDS[one.why])
    out().print(listed)
    if len(missed) > MISSED_SHOWN and path is None:
        tell(words.more_missed(len(missed) - MISSED_SHOWN))


def _look(look: GivenLook) -> str:
    verdict = f", {words.VERDICT_WORDS[look.verdict]}" if look.verdict else ""
    return f"{shorten(look.value)} ({percent(look.confidence, 0)}{verdict})"


def shorten(text: str) -> str:
    return text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 1] + "…"


def check_missed(path: Path | None) -> None:
    """Raise `UsageError` when no file can be written there, before a call is paid."""
    if path is None:
        return
    try:
        with path.open("a"):
            pass
    except OSError as error:
        raise UsageError(f"--missed {path}: it cannot be written ({error.strerror}). Give another file.") from None


def write_missed(missed: Iterable[Missed], path: Path) -> None:
    """All that was missed as CSV, in the form in which a French spreadsheet opens it."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(words.MISSED_HEADERS)
        writer.writerows(map(_missed_cells, missed))
    say(words.missed_written(path))


def _missed_cells(one: Missed) -> list[str]:
    status = words.outcome_of_missed(one.outcome)
    cells = [one.sheet, str(one.row), one.type, one.specialty, one.text, one.known, one.given or "", status]
    cells.append(words.WHY_WORDS[one.why])
    for look in one.looks:
        verdict = words.VERDICT_WORDS[look.verdict] if look.verdict else ""
        cells += [look.value, verdict, "" if look.confidence is None else decimal(look.confidence, 2)]
    cells += [""] * (len(words.MISSED_HEADERS) - len(cells))
    return [inert(cell) for cell in cells]


def inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


# -- what people decided -----------------------------------------------------------------------------------------------


def show_acceptance(acceptance: Acceptance) -> None:
    """Print what `medq eval --from-decisions` counted."""
    whole = acceptance.whole
    if whole.settled + whole.discarded:
        _show_fates(acceptance)
    else:
        tell(words.NOTHING_DECIDED)
    if acceptance.failed:
        tell(words.decided_without_look(acceptance.failed))
    if acceptance.without_contest:
        tell(words.decided_without_contest(acceptance.without_contest))


def _show_fates(acceptance: Acceptance) -> None:
    out().print(_fates(words.FATES_TITLE, [(words.IN_ALL, acceptance.whole)]))
    for kind, title_of_kind in words.BY_KIND.items():
        lines = join_smallest(acceptance.by[kind], lambda rest: rest[0].total(rest, words.OTHERS))
        named: Mapping[str, str] = words.LINE_WORDS if kind in ("type", "outcome", "looks") else {}
        out().print(_fates(title_of_kind, [(named.get(line.name, line.name), line) for line in lines]))
    bins = table(words.BY_CONFIDENCE, words.CONFIDENCE_HEADERS)
    for one in acceptance.bins:
        accepted = of(one.accepted, one.count)
        bins.add_row(bin_name(one.low, one.high), str(one.count), percent(one.confidence), accepted)
    out().print(bins)
    tell(words.ABOUT_INTERVALS)


def _fates(title: str, lines: Sequence[tuple[str, AcceptanceCounts]]) -> Table:
    made = table(title, ("", *words.FATES))
    for name, line in lines:
        shares = (of(part, line.settled) for part in (line.accepted, line.kept, line.edited))
        made.add_row(name, str(line.settled), *shares, str(line.to_judge), str(line.discarded))
    return made


# -- French figures ----------------------------------------------------------------------------------------------------


def table(title: str, headings: Sequence[str], *, justify: str = "right", show_header: bool = True) -> Table:
    """A table with its title on the left; all columns but the first one at the right, unless said otherwise."""
    from rich.table import Table

    made = Table(title=title, title_justify="left", show_header=show_header)
    for position, heading in enumerate(headings or ("", "")):
        made.add_column(heading, justify="right" if position and justify == "right" else "left")
    return made


def decimal(number: float, places: int) -> str:
    """`0,125`: a French number."""
    return f"{number:.{places}f}".replace(".", ",")


def percent(part: float | None, places: int = 1) -> str:
    """`61,1 %`; a dash for None."""
    return "–" if part is None else f"{decimal(100 * part, places)} %"


def with_interval(part: float | None, interval: Interval | None) -> str:
    """`61,1 % (38,6–79,7)`."""
    if interval is None:
        return percent(part)
    low, high = (decimal(100 * end, 1) for end in interval)
    return f"{percent(part)} ({low}–{high})"


def of(part: int, whole: int) -> str:
    """`11 sur 18 : 61,1 % (38,6–79,7)`."""
    return words.share_of(part, whole, with_interval(share(part, whole), wilson(part, whole)) if whole else None)


def bin_name(low: float, high: float) -> str:
    """`0,90–0,95`."""
    return f"{decimal(low, 2)}–{decimal(high, 2)}"
