"""The platform's questions and clinical cases. Every write can be repeated safely."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from worker.db.ids import derive_ids
from worker.db.statements import load_statements
from worker.messages import published_text
from worker.questions.places import Place
from worker.questions.question import Question, fold_text
from worker.text.markup import without_markup

SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class StoredQuestion:
    """What the platform holds already under a question's id."""

    id: str
    official: str | None
    is_validated: bool
    by_person: bool
    specialty_id: str
    is_filed: bool  # has its course, and its clinical case where it belongs to one


@dataclass(frozen=True, slots=True)
class Publication:
    """One question to write, with the key or answer it keeps."""

    id: str
    question: Question
    key: str | None
    answer: str | None
    explanation: str
    validated: bool
    specialty_id: str
    place: Place | None  # None: it stays where it is, in this specialty
    is_new: bool = False  # no question stood under this id when it was looked for


class QuestionAppeared(Exception):
    """Somebody wrote a question with the same content since it was looked for: look again, and judge anew."""


def find_stored(connection: sa.Connection, ids: Sequence[str], *, lock: bool = False) -> dict[str, StoredQuestion]:
    """The questions that exist under these ids; locked in the order of their ids when they are to be written."""
    rows = connection.execute(SQL["lock_stored" if lock else "find_stored"], {"ids": list(ids)}).all()
    return {r[0]: StoredQuestion(*r) for r in rows}


def write_questions(connection: sa.Connection, publications: Sequence[Publication]) -> None:
    """Insert or update these questions, with their cases. A person's validation is untouched.

    A place that is no longer what it was when it was read fails on a constraint: nothing is filed under another name.
    Raises `QuestionAppeared` when one that was to be new is there by now: it may be another file's, with another key.
    """
    if not publications:
        return
    cases = _make_cases(connection, [p for p in publications if p.place and p.question.case_text])
    rows = [_row(publication, cases.get(publication.id)) for publication in publications]
    new_ids = {publication.id for publication in publications if publication.is_new}
    parameters = {"rows": json.dumps(rows, ensure_ascii=False), "new_ids": sorted(new_ids)}
    if not new_ids <= set(connection.execute(SQL["write_questions"], parameters).scalars()):
        raise QuestionAppeared


def _row(publication: Publication, case_id: str | None) -> dict[str, Any]:
    question, place = publication.question, publication.place
    return {
        "id": publication.id,
        "type": question.type,
        "text": without_markup(question.text),
        **{letter.lower(): _published(question.options.get(letter)) for letter in "ABCDE"},
        "key": publication.key,
        "answer": _published(publication.answer),
        "explanation": without_markup(publication.explanation),
        "level": question.level,
        "semester": question.semester,
        "specialty_id": publication.specialty_id,
        "specialty": place.specialty if place else None,
        "course_id": place.course_id if place else None,
        "course": place.course if place else None,
        "case_id": case_id,
        "difficulty": question.difficulty,
        "validated": publication.validated,
    }


def _published(text: str | None) -> str | None:
    return None if text is None else without_markup(text)


def _make_cases(connection: sa.Connection, publications: Sequence[Publication]) -> dict[str, str]:
    """Question id → the id of its clinical case, made where it is missing.

    A case is its text in its specialty: one that somebody corrected stays that case, one that was moved to another
    specialty is followed by a new one. In the order of the ids, so that nobody waits in a circle.
    """
    open_cases = {(p.specialty_id, fold_text(p.question.case_text or "")): p for p in reversed(publications)}
    tries = {case: derive_ids("k", *case) for case in open_cases}
    found: dict[tuple[str, str], str] = {}
    while open_cases:
        ids = {case: next(tries[case]) for case in open_cases}
        rows = [_case_row(ids[case], publication) for case, publication in open_cases.items()]
        connection.execute(SQL["insert_cases"], {"rows": json.dumps(rows, ensure_ascii=False)})
        there = {row[0]: row[1] for row in connection.execute(SQL["read_cases"], {"ids": list(ids.values())})}
        found |= {case: case_id for case, case_id in ids.items() if there.get(case_id) == case[0]}
        open_cases = {case: publication for case, publication in open_cases.items() if case not in found}
    return {p.id: found[(p.specialty_id, fold_text(p.question.case_text or ""))] for p in publications}


def _case_row(case_id: str, publication: Publication) -> dict[str, Any]:
    question = publication.question
    return {
        "id": case_id,
        "title": published_text.case_title(question.case_number, question.course),
        "text": _published(question.case_text),
        "specialty_id": publication.specialty_id,
    }
