"""What a model is worth, as teachers read it: French tables, and the list of what was missed as a file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from worker.cli.output import out, say, tell
from worker.errors import UsageError
from worker.messages.status_words import OUTCOME_WORDS
from worker.questions.proportions import Interval, join_smallest, share, wilson

if TYPE_CHECKING:
    from rich.table import Table

    from worker.evaluation.acceptance_figures import Acceptance, AcceptanceCounts
    from worker.evaluation.figures import GivenLook, Missed, Scores, ShortScores, SpecialtyCounts

MISSED_SHOWN = 20
TEXT_SHOWN = 60  # characters of a question on the screen
OTHERS = "autres"
ABOUT_INTERVALS = "Entre parenthèses : intervalle de confiance à 95 % (Wilson)."
WHY_WORDS = {
    "damaged": "réponse juste abîmée",
    "spoiled_confirmed": "réponse fausse confirmée",
    "completed_wrong": "complétée à tort",
    "to_judge": "à juger",
    "right_contested": "réponse juste contestée",
    "no_look": "sans analyse",
    "not_completed": "non complétée",
    "look_wrong": "première analyse fausse",
}
VERDICT_WORDS = {"upholds": "maintient", "contests": "conteste"}
MISSED_HEADERS = (
    *("feuille", "ligne", "type", "matière", "question", "réponse connue", "réponse donnée", "statut", "motif"),
    *("analyse 1", "avis 1", "confiance 1", "analyse 2", "avis 2", "confiance 2"),
)


def show_scores(scores: Scores, file: Path, missed: Path | None) -> None:
    """Print what `medq eval FILE` measured."""
    count = scores.questions + (scores.short_answers.questions if scores.short_answers else 0)
    figures = table(f"{file.name} : {count} question{'s' if count > 1 else ''}", (), show_header=False)
    for row in (*_lines(scores), *_short_lines(scores.short_answers), *_cost_lines(scores)):
        figures.add_row(*row)
    headings = ("confiance", "questions", "confiance moyenne", "clé exacte")
    bins = table("Calibrage de la première analyse (QCM)", headings)
    for line in scores.calibration:
        said, right = percent(line.confidence), with_interval(line.accuracy, line.interval)
        bins.add_row(bin_name(line.low, line.high), str(line.count), said, right)
    specialties = table("Par matière", ("", "questions", "première analyse juste", "réponses fausses contestées"))
    for one in join_smallest(scores.specialties, _join_specialties):
        caught = of(one.spoiled_contested, one.spoiled)
        specialties.add_row(one.name or "–", str(one.questions), of(one.right, one.looked), caught)
    for each in (figures, bins, specialties):
        out().print(each)
    tell(ABOUT_INTERVALS)
    _show_missed(scores.missed, missed)


def _lines(s: Scores) -> Iterator[tuple[str, str]]:
    if not s.questions:
        return
    yield "Analyse à l'aveugle : clé exacte", with_interval(s.exact_match, s.intervals.get("exact_match"))
    yield "Analyse à l'aveugle : score de Hamming", percent(s.hamming)
    yield "Clés faussées contestées (rappel)", of(s.spoiled_contested, s.spoiled)
    yield "Contestations fondées (précision)", of(s.spoiled_contested, s.contests)
    yield "Clés justes abîmées", str(s.damaged)
    yield "Clés absentes complétées", of(s.completed, s.left_out)
    yield "Clés complétées justes", with_interval(s.completed_right, s.intervals.get("completed_right"))


def _short_lines(s: ShortScores | None) -> Iterator[tuple[str, str]]:
    if s is None:
        return
    yield "QROC : avis juste sur la réponse donnée", of(s.judged_right, s.judged)
    yield "QROC : réponses faussées contestées (rappel)", of(s.spoiled_contested, s.spoiled)
    yield "QROC : contestations fondées (précision)", of(s.spoiled_contested, s.contests)
    yield "QROC : réponses justes abîmées", str(s.damaged)
    yield "QROC : réponses absentes complétées", of(s.completed, s.left_out)
    yield "QROC : réponses complétées justes", of(s.completed_right, s.completed)
    yield "QROC : réponses complétées à juger", str(s.completed_to_judge)


def _cost_lines(s: Scores) -> Iterator[tuple[str, str]]:
    per_question = s.cost_usd_per_question
    yield "Appels par question", decimal(s.calls_per_question, 2)
    yield "Envois par question", decimal(s.asked_per_question, 2)
    yield "Coût par question", "inconnu" if per_question is None else f"{decimal(per_question, 5)} $"
    yield "Coût", "inconnu" if s.cost_usd is None else f"{decimal(s.cost_usd, 4)} $"
    yield "Statuts", ", ".join(_outcome(name, count) for name, count in s.outcomes.items())


def _outcome(name: str, count: int) -> str:
    one, many = OUTCOME_WORDS.get(name, ("non traitée", "non traitées"))
    return f"{count} {one if count < 2 else many}"


def _join_specialties(lines: Sequence[SpecialtyCounts]) -> SpecialtyCounts:
    return type(lines[0]).total(lines, OTHERS)


# -- what was missed ---------------------------------------------------------------------------------------------------


def _show_missed(missed: Sequence[Missed], path: Path | None) -> None:
    if not missed:
        tell("Rien n'a été manqué.")
        return
    headings = ("feuille", "ligne", "question", "connue", "donnée", "analyses", "motif")
    listed = table(f"Ce qui a été manqué : {len(missed)}", headings, justify="left")
    for one in missed[:MISSED_SHOWN]:
        looks = " · ".join(map(_look, one.looks)) or "–"
        given = "–" if one.given is None else one.given
        listed.add_row(one.sheet, str(one.row), shorten(one.text), one.known, given, looks, WHY_WORDS[one.why])
    out().print(listed)
    if len(missed) > MISSED_SHOWN and path is None:
        rest = len(missed) - MISSED_SHOWN
        tell(f"… et {rest} autre{'s' if rest > 1 else ''} : `--missed FICHIER.csv` ou `--json` donne la liste entière.")


def _look(look: GivenLook) -> str:
    verdict = f", {VERDICT_WORDS[look.verdict]}" if look.verdict else ""
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
        writer.writerow(MISSED_HEADERS)
        writer.writerows(map(_missed_cells, missed))
    say(f"Liste de ce qui a été manqué : {path}")


def _missed_cells(one: Missed) -> list[str]:
    status = OUTCOME_WORDS.get(one.outcome or "", ("non traitée", ""))[0]
    cells = [one.sheet, str(one.row), one.type, one.specialty, one.text, one.known, one.given or "", status]
    cells.append(WHY_WORDS[one.why])
    for look in one.looks:
        verdict = VERDICT_WORDS[look.verdict] if look.verdict else ""
        cells += [look.value, verdict, "" if look.confidence is None else decimal(look.confidence, 2)]
    cells += [""] * (len(MISSED_HEADERS) - len(cells))
    return [inert(cell) for cell in cells]


def inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


# -- what people decided -----------------------------------------------------------------------------------------------

KINDS = {
    "model": "Par modèle",
    "type": "Par type de question",
    "specialty": "Par matière",
    "outcome": "Par statut",
    "looks": "Selon l'accord des analyses",
}
LINE_WORDS = {
    "agree": "deux analyses d'accord",
    "differ": "deux analyses différentes",
    "single": "une seule analyse",
    **{name: many for name, (_, many) in OUTCOME_WORDS.items()},
    "qcm": "QCM",
    "qroc": "QROC",
    "cas_qcm": "cas clinique, QCM",
    "cas_qroc": "cas clinique, QROC",
}
FATES = ("tranchées", "analyse acceptée", "réponse officielle gardée", "autre réponse", "à juger", "écartées")


def show_acceptance(acceptance: Acceptance) -> None:
    """Print what `medq eval --from-decisions` counted."""
    whole = acceptance.whole
    if whole.settled + whole.discarded:
        _show_fates(acceptance)
    else:
        tell("Aucune contestation, complétion ou correction n'a encore été tranchée : il n'y a rien à mesurer.")
    if acceptance.failed:
        tell(f"À part, tranchées sans analyse exploitable : {acceptance.failed}.")
    if acceptance.without_contest:
        tell(f"À part, deux fichiers en désaccord sans que l'analyse conteste : {acceptance.without_contest}.")


def _show_fates(acceptance: Acceptance) -> None:
    title = "Ce que les analyses contestent, complètent ou corrigent, et ce qui a été décidé"
    out().print(_fates(title, [("en tout", acceptance.whole)]))
    for kind, title_of_kind in KINDS.items():
        lines = join_smallest(acceptance.by[kind], lambda rest: rest[0].total(rest, OTHERS))
        named = LINE_WORDS if kind in ("type", "outcome", "looks") else {}
        out().print(_fates(title_of_kind, [(named.get(line.name, line.name), line) for line in lines]))
    bins = table("Selon la confiance de l'analyse", ("confiance", "tranchées", "moyenne", "analyse acceptée"))
    for one in acceptance.bins:
        accepted = of(one.accepted, one.count)
        bins.add_row(bin_name(one.low, one.high), str(one.count), percent(one.confidence), accepted)
    out().print(bins)
    tell(ABOUT_INTERVALS)


def _fates(title: str, lines: Sequence[tuple[str, AcceptanceCounts]]) -> Table:
    made = table(title, ("", *FATES))
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
    if not whole:
        return f"{part} sur {whole}"
    return f"{part} sur {whole} : {with_interval(share(part, whole), wilson(part, whole))}"


def bin_name(low: float, high: float) -> str:
    """`0,90–0,95`."""
    return f"{decimal(low, 2)}–{decimal(high, 2)}"
