"""How well courses are searched, as teachers read it: a French table, and the list of what was missed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.cli.output import out, say, tell
from worker.cli.worth import MISSED_SHOWN, inert, shorten, table, with_interval
from worker.courses.recall import RECALLED
from worker.messages import course_recall, model_worth

if TYPE_CHECKING:
    from rich.table import Table

    from worker.courses.ingest import IngestedFile
    from worker.courses.recall import AskedCourses, CourseRecall, System


SYSTEMS: tuple[System, ...] = ("worker", "ranking", "bm25")


def remark(file: IngestedFile) -> None:
    """What a person should know of a document that was read."""
    if file.reason:
        say(f"{str(file.path).encode(errors='replace').decode()}: {file.reason}.")


def show_recall(recall: CourseRecall, file: Path, missed: Path | None) -> None:
    """Print what `medq eval --courses` measured."""
    read = {"documents": recall.documents, "pages": recall.pages, "passages": recall.passages}
    tell(course_recall.asked(file.name, len(recall.asked), **read))
    out().print(_figures(recall))
    tell(model_worth.ABOUT_INTERVALS)
    tell(course_recall.ABOUT_FOREIGN)
    tell(course_recall.search_time(recall.search_ms))
    if unread := [one.question.row for one in recall.asked if not one.is_read]:
        tell(course_recall.passages_not_read(unread))
    _show_missed(recall, missed)


def _figures(recall: CourseRecall) -> Table:
    made = table(course_recall.FIGURES_TITLE, course_recall.figures_headers(RECALLED))
    for kind in recall.kinds:
        for system in SYSTEMS:
            figures = recall.figures(system, kind)
            shares, intervals = figures.to_json(), figures.intervals()
            cells = [with_interval(shares[key], intervals[key]) for key in ("recall_at_5", "mrr", "foreign_share")]
            name, asked = course_recall.SYSTEM_WORDS[system], f"{figures.known} + {figures.foreign}"
            made.add_row(course_recall.KIND_WORDS[kind], name, asked, *cells)
    return made


def _show_missed(recall: CourseRecall, path: Path | None) -> None:
    if not recall.missed:
        tell(model_worth.NOTHING_MISSED)
        return
    listed = table(model_worth.missed_title(len(recall.missed)), course_recall.MISSED_HEADERS, justify="left")
    for one in recall.missed[:MISSED_SHOWN]:
        row, kind, text, *rest = _cells(one)
        listed.add_row(row, kind, shorten(text), *rest)
    out().print(listed)
    if len(recall.missed) > MISSED_SHOWN and path is None:
        tell(course_recall.more_missed(len(recall.missed) - MISSED_SHOWN))


def write_missed(recall: CourseRecall, path: Path) -> None:
    """All that was missed as CSV, in the form in which a French spreadsheet opens it."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(course_recall.MISSED_HEADERS)
        writer.writerows([inert(cell) for cell in _cells(one)] for one in recall.missed)
    say(model_worth.missed_written(path))


def _cells(one: AskedCourses) -> list[str]:
    question, plain = one.question.question, one.by_system["bm25"].rank
    kind = course_recall.KIND_WORDS["qcm" if question.is_qcm else "qroc"]
    rank = "" if one.question.is_foreign else "–" if plain is None else str(plain)
    return [str(one.question.row), kind, question.text, _why(one), rank]


def _why(one: AskedCourses) -> str:
    if one.question.is_foreign:
        return course_recall.FOREIGN_EXCERPT
    if not one.is_read:
        return course_recall.PASSAGE_NOT_READ
    if one.by_system["ranking"].rank is not None:
        return course_recall.FOUND_NOT_SHOWN
    return course_recall.NOT_FOUND if one.by_system["worker"].shown else course_recall.NO_EXCERPT


def describe_recall(recall: CourseRecall) -> dict[str, Any]:
    """The one JSON document: figures by kind and search, and what was missed."""
    return {
        "documents": recall.documents,
        "pages": recall.pages,
        "passages": recall.passages,
        "refused": recall.refused,
        "search_ms": round(recall.search_ms, 1),
        "figures": {
            kind: {system: recall.figures(system, kind).to_json() for system in SYSTEMS} for kind in recall.kinds
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
