"""How well courses are searched, as teachers read it: a French table, and the list of what was missed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.cli.output import out, say, tell
from worker.cli.worth import ABOUT_INTERVALS, MISSED_SHOWN, inert, shorten, table, with_interval
from worker.courses.recall import RECALLED

if TYPE_CHECKING:
    from rich.table import Table

    from worker.courses.ingest import IngestedFile
    from worker.courses.recall import AskedCourses, CourseRecall, Kind, System

SYSTEM_WORDS: dict[System, str] = {
    "worker": "recherche de l'application",
    "ranking": "la même, sans seuil",
    "bm25": "BM25 simple (snowball)",
}
KIND_WORDS: dict[Kind, str] = {"qcm": "QCM", "qroc": "QROC", "all": "ensemble"}
MISSED_HEADERS = ("ligne", "type", "question", "motif", "rang avec BM25 simple")


def remark(file: IngestedFile) -> None:
    """What a person should know of a document that was read."""
    if file.reason:
        say(f"{str(file.path).encode(errors='replace').decode()}: {file.reason}.")


def show_recall(recall: CourseRecall, file: Path, missed: Path | None) -> None:
    """Print what `medq eval --courses` measured."""
    counted = ((recall.documents, "document"), (recall.pages, "page"), (recall.passages, "passage"))
    read = ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for count, word in counted)
    tell(f"{file.name} : {len(recall.asked)} question{'s posées' if len(recall.asked) > 1 else ' posée'} à {read}.")
    out().print(_figures(recall))
    tell(ABOUT_INTERVALS)
    tell("Hors sujet : questions dont le sujet n'est dans aucun cours, et qui reçoivent pourtant un extrait.")
    tell(f"Recherche d'un lot de cinq questions : {recall.search_ms:.0f} ms en moyenne.")
    if unread := [one.question.row for one in recall.asked if not one.is_read]:
        rows = ", ".join(map(str, unread))
        tell(f"Passage attendu absent des documents tels qu'ils ont été lus, compté comme non trouvé : lignes {rows}.")
    _show_missed(recall, missed)


def _figures(recall: CourseRecall) -> Table:
    headings = ("", "recherche", "questions", f"trouvées parmi {RECALLED}", "rang réciproque (MRR)", "hors sujet")
    made = table("Passages retrouvés", headings)
    for kind in recall.kinds:
        for system, name in SYSTEM_WORDS.items():
            figures = recall.figures(system, kind)
            shares, intervals = figures.to_json(), figures.intervals()
            cells = [with_interval(shares[key], intervals[key]) for key in ("recall_at_5", "mrr", "foreign_share")]
            made.add_row(KIND_WORDS[kind], name, f"{figures.known} + {figures.foreign}", *cells)
    return made


def _show_missed(recall: CourseRecall, path: Path | None) -> None:
    if not recall.missed:
        tell("Rien n'a été manqué.")
        return
    listed = table(f"Ce qui a été manqué : {len(recall.missed)}", MISSED_HEADERS, justify="left")
    for one in recall.missed[:MISSED_SHOWN]:
        row, kind, text, *rest = _cells(one)
        listed.add_row(row, kind, shorten(text), *rest)
    out().print(listed)
    if len(recall.missed) > MISSED_SHOWN and path is None:
        rest_count = len(recall.missed) - MISSED_SHOWN
        tell(f"… et {rest_count} de plus : `--missed FICHIER.csv` ou `--json` donne la liste entière.")


def write_missed(recall: CourseRecall, path: Path) -> None:
    """All that was missed as CSV, in the form in which a French spreadsheet opens it."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(MISSED_HEADERS)
        writer.writerows([inert(cell) for cell in _cells(one)] for one in recall.missed)
    say(f"Liste de ce qui a été manqué : {path}")


def _cells(one: AskedCourses) -> list[str]:
    question, plain = one.question.question, one.by_system["bm25"].rank
    kind = KIND_WORDS["qcm" if question.is_qcm else "qroc"]
    rank = "" if one.question.is_foreign else "–" if plain is None else str(plain)
    return [str(one.question.row), kind, question.text, _why(one), rank]


def _why(one: AskedCourses) -> str:
    if one.question.is_foreign:
        return "extrait hors sujet"
    if not one.is_read:
        return "passage absent des documents lus"
    if one.by_system["ranking"].rank is not None:
        return "trouvé, mais non montré"
    return "non trouvé" if one.by_system["worker"].shown else "aucun extrait"


def describe_recall(recall: CourseRecall) -> dict[str, Any]:
    """The one JSON document: figures by kind and search, and what was missed."""
    return {
        "documents": recall.documents,
        "pages": recall.pages,
        "passages": recall.passages,
        "refused": recall.refused,
        "search_ms": round(recall.search_ms, 1),
        "figures": {
            kind: {system: recall.figures(system, kind).to_json() for system in SYSTEM_WORDS} for kind in recall.kinds
        },
        "missed": [
            {
                "row": one.question.row,
                "type": one.question.question.type,
                "question": one.question.question.text,
                "foreign": one.question.is_foreign,
                "passage_read": one.is_read,
                "ranks": {system: given.rank for system, given in one.by_system.items()},
                "shown": one.by_system["worker"].shown,
            }
            for one in recall.missed
        ],
    }
