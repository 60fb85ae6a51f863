"""The platform's questions and clinical cases. Every write can be repeated safely."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from worker.db.ids import derive_ids
from worker.messages import published_text
from worker.questions.places import Place
from worker.questions.question import Question, fold_text
from worker.text.markup import without_markup

NOW = "timezone('UTC', clock_timestamp())"

# None, which the table refuses, once the place is no longer what it was when it was read: renamed, moved or gone.
FILED_UNDER = """
    CASE WHEN r.course_id IS NULL THEN r.specialty_id ELSE (
        SELECT s."id" FROM "Course" c JOIN "Specialty" s ON s."id" = c."specialtyId"
        WHERE c."id" = r.course_id AND c."name" = r.course AND s."id" = r.specialty_id AND s."name" = r.specialty) END
"""

# A question stays where it is; what it lost (its course or its case was removed) it is given again, in its specialty.
UPSERT = sa.text(f"""
INSERT INTO "Question" AS q ("id", "type", "questionText", "optionA", "optionB", "optionC", "optionD", "optionE",
    "correctAnswer", "answer", "explanation", "level", "semester", "specialtyId", "courseId", "clinicalCaseId",
    "difficulty", "isValidated", "validatedAt", "createdAt", "updatedAt")
SELECT r.id, r.type, r.text, r.a, r.b, r.c, r.d, r.e, r.key, r.answer, r.explanation, r.level, r.semester,
       {FILED_UNDER}, r.course_id, r.case_id, COALESCE(r.difficulty, 1), r.validated,
       CASE WHEN r.validated THEN {NOW} END, {NOW}, {NOW}
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id text, type text, text text, a text, b text, c text, d text,
    e text, key text, answer text, explanation text, level text, semester text, specialty_id text, specialty text,
    course_id text, course text, case_id text, difficulty int, validated boolean)
ORDER BY r.id
ON CONFLICT ("id") DO UPDATE SET
    -- What is validated stays as it is, whoever comes later.
    ("correctAnswer", "answer", "explanation", "level", "semester", "difficulty", "isValidated", "validatedAt") = (
        SELECT kept.* FROM (SELECT q."correctAnswer", q."answer", q."explanation", q."level", q."semester",
                                   q."difficulty", q."isValidated", q."validatedAt" WHERE q."isValidated"
                            UNION ALL
                            SELECT EXCLUDED."correctAnswer", EXCLUDED."answer", EXCLUDED."explanation",
                                   EXCLUDED."level", EXCLUDED."semester", EXCLUDED."difficulty",
                                   EXCLUDED."isValidated", EXCLUDED."validatedAt" WHERE NOT q."isValidated") kept),
    "updatedAt" = EXCLUDED."updatedAt",
    "courseId" = CASE WHEN q."specialtyId" = EXCLUDED."specialtyId"
        THEN COALESCE(q."courseId", EXCLUDED."courseId") ELSE q."courseId" END,
    "clinicalCaseId" = CASE WHEN q."specialtyId" = EXCLUDED."specialtyId"
        THEN COALESCE(q."clinicalCaseId", EXCLUDED."clinicalCaseId") ELSE q."clinicalCaseId" END
WHERE q."validatedBy" IS NULL AND q."id" <> ALL(CAST(:new_ids AS text[]))
  AND (NOT q."isValidated"
       AND (q."correctAnswer", q."answer", q."explanation", q."level", q."semester", q."difficulty", q."isValidated")
           IS DISTINCT FROM
           (EXCLUDED."correctAnswer", EXCLUDED."answer", EXCLUDED."explanation", EXCLUDED."level",
            EXCLUDED."semester", EXCLUDED."difficulty", EXCLUDED."isValidated")
       OR (q."specialtyId" = EXCLUDED."specialtyId"
           AND (q."courseId" IS NULL AND EXCLUDED."courseId" IS NOT NULL
                OR q."clinicalCaseId" IS NULL AND EXCLUDED."clinicalCaseId" IS NOT NULL)))
RETURNING q."id"
""")  # noqa: S608 (constants of this file)

# The cases that are there already stay as they are, whoever wrote them.
INSERT_CASES = sa.text(f"""
INSERT INTO "ClinicalCase" ("id", "title", "description", "specialtyId", "updatedAt")
SELECT r.id, r.title, r.text, r.specialty_id, {NOW}
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id text, title text, text text, specialty_id text)
ORDER BY r.id
ON CONFLICT DO NOTHING
""")  # noqa: S608
CASES = sa.text('SELECT "id", "specialtyId" FROM "ClinicalCase" WHERE "id" = ANY(:ids)')

STORED = """
SELECT "id", COALESCE("correctAnswer", "answer"), "isValidated", "validatedBy" IS NOT NULL, "specialtyId",
       "courseId" IS NOT NULL AND ("clinicalCaseId" IS NOT NULL OR "type" NOT LIKE 'cas%')
FROM "Question" WHERE "id" = ANY(:ids) ORDER BY "id"
"""


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
    statement = sa.text(STORED + (" FOR UPDATE" if lock else ""))
    rows = connection.execute(statement, {"ids": list(ids)}).all()
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
    if not new_ids <= set(connection.execute(UPSERT, parameters).scalars()):
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
        connection.execute(INSERT_CASES, {"rows": json.dumps(rows, ensure_ascii=False)})
        there = {row[0]: row[1] for row in connection.execute(CASES, {"ids": list(ids.values())})}
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
