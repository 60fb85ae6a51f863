"""The platform's own tables: specialties, courses, clinical cases, questions. Every write can be repeated safely."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from worker.shapes.questions import Question, fold_name, fold_text
from worker.shapes.rules import QuestionRules

NOW = "timezone('UTC', clock_timestamp())"

CHECKS = sa.text("""
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = to_regclass('"Question"') AND contype = 'c'
""")

UPSERT = sa.text(f"""
INSERT INTO "Question" AS q ("id", "type", "questionText", "optionA", "optionB", "optionC", "optionD", "optionE",
    "correctAnswer", "answer", "explanation", "level", "semester", "specialtyId", "courseId", "clinicalCaseId",
    "difficulty", "isValidated", "validatedAt", "createdAt", "updatedAt")
SELECT r.id, r.type, r.text, r.a, r.b, r.c, r.d, r.e, r.key, r.answer, r.explanation, r.level, r.semester,
       r.specialty_id, r.course_id, r.case_id, COALESCE(r.difficulty, 1), r.validated,
       CASE WHEN r.validated THEN {NOW} END, {NOW}, {NOW}
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id text, type text, text text, a text, b text, c text, d text,
    e text, key text, answer text, explanation text, level text, semester text, specialty_id text, course_id text,
    case_id text, difficulty int, validated boolean)
ORDER BY r.id
ON CONFLICT ("id") DO UPDATE SET
    "correctAnswer" = EXCLUDED."correctAnswer", "answer" = EXCLUDED."answer", "explanation" = EXCLUDED."explanation",
    "level" = EXCLUDED."level", "semester" = EXCLUDED."semester", "difficulty" = EXCLUDED."difficulty",
    "isValidated" = EXCLUDED."isValidated", "updatedAt" = EXCLUDED."updatedAt",
    "validatedAt" = CASE WHEN EXCLUDED."isValidated" THEN COALESCE(q."validatedAt", EXCLUDED."validatedAt") END
WHERE q."validatedBy" IS NULL
  AND (q."correctAnswer", q."answer", q."explanation", q."level", q."semester", q."difficulty", q."isValidated")
      IS DISTINCT FROM
      (EXCLUDED."correctAnswer", EXCLUDED."answer", EXCLUDED."explanation", EXCLUDED."level", EXCLUDED."semester",
       EXCLUDED."difficulty", EXCLUDED."isValidated")
""")  # noqa: S608 (constants of this file)

SPECIALTIES = sa.text('SELECT "name", "id" FROM "Specialty" ORDER BY "createdAt" DESC, "id"')
COURSES = sa.text(
    'SELECT "specialtyId", "name", "id" FROM "Course" WHERE "specialtyId" = ANY(:ids) ORDER BY "createdAt" DESC, "id"'
)
DIRECTORY_S = 10.0

INSERT_SPECIALTY = sa.text(f"""
INSERT INTO "Specialty" ("id", "name", "updatedAt") VALUES (:id, :name, {NOW}) ON CONFLICT DO NOTHING
""")  # noqa: S608
INSERT_COURSE = sa.text(f"""
INSERT INTO "Course" ("id", "name", "specialtyId", "updatedAt") VALUES (:id, :name, :specialty_id, {NOW})
ON CONFLICT DO NOTHING
""")  # noqa: S608
INSERT_CASE = sa.text(f"""
INSERT INTO "ClinicalCase" ("id", "title", "description", "specialtyId", "updatedAt")
VALUES (:id, :title, :text, :specialty_id, {NOW}) ON CONFLICT DO NOTHING
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class StoredQuestion:
    """What the platform holds already under a question's id."""

    id: str
    official: str | None
    is_validated: bool
    by_person: bool


@dataclass(frozen=True, slots=True)
class Publication:
    """One question to write, with the key or answer it keeps."""

    id: str
    question: Question
    key: str | None
    answer: str | None
    explanation: str
    validated: bool


class Directory:
    """What the platform's checks, specialties and courses were a few seconds ago; shared by the threads of a process.

    They hardly change, and every batch needs them. What has changed meanwhile fails on the database's own constraints:
    then `forget`, and write again. Only committed rows are kept: `find_…` is called before its transaction writes any.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._read_at = -math.inf
        self._rules: QuestionRules | None = None
        self._specialties: dict[str, str] = {}
        self._courses: dict[str, dict[str, str]] = {}  # specialty id → folded name → id

    def forget(self) -> None:
        """Read everything anew."""
        self._read_at = -math.inf

    def find_rules(self, connection: sa.Connection) -> QuestionRules:
        """Which strict checks the database holds."""
        self._expire()
        rules = self._rules or read_rules(connection)
        self._rules = rules
        return rules

    def find_specialties(self, connection: sa.Connection, wanted: Iterable[str]) -> dict[str, str]:
        """Folded name → id of all that exist; read when one that is `wanted` is not known."""
        self._expire()
        known = self._specialties
        if not known.keys() >= set(wanted):
            known = self._specialties = _read_specialties(connection)
        return known

    def find_courses(self, connection: sa.Connection, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """(specialty id, folded name) → id, of every course in the specialties that are `wanted`."""
        self._expire()
        unknown = {place[0] for place in wanted if place[1] not in self._courses.get(place[0], {})}
        if unknown:
            read = _read_courses(connection, sorted(unknown))
            fresh: dict[str, dict[str, str]] = {specialty_id: {} for specialty_id in unknown}
            for (specialty_id, name), course_id in read.items():
                fresh[specialty_id][name] = course_id
            self._courses = self._courses | fresh
        courses = self._courses
        specialties = {specialty_id for specialty_id, _ in wanted}
        return {(s, name): row_id for s in specialties for name, row_id in courses.get(s, {}).items()}

    def _expire(self) -> None:
        if self._clock() - self._read_at > DIRECTORY_S:
            self._read_at = self._clock()
            self._rules, self._specialties, self._courses = None, {}, {}


def read_rules(connection: sa.Connection) -> QuestionRules:
    """Which strict checks of the seed this database still holds."""
    checks = {row[0]: row[1] for row in connection.execute(CHECKS)}
    return QuestionRules(
        single_letter_keys="ARRAY['A'" in checks.get("Question_correct_answer_check", ""),
        five_options="num_nonnulls" not in checks.get("Question_qcm_fields_check", "num_nonnulls"),
    )


def find_stored(connection: sa.Connection, ids: Sequence[str], *, lock: bool = False) -> dict[str, StoredQuestion]:
    """The questions that exist under these ids; locked in the order of their ids when they are to be written."""
    statement = sa.text(
        'SELECT "id", COALESCE("correctAnswer", "answer"), "isValidated", "validatedBy" IS NOT NULL '
        'FROM "Question" WHERE "id" = ANY(:ids) ORDER BY "id"' + (" FOR UPDATE" if lock else "")
    )
    rows = connection.execute(statement, {"ids": list(ids)}).all()
    return {r[0]: StoredQuestion(id=r[0], official=r[1], is_validated=r[2], by_person=r[3]) for r in rows}


def write_questions(connection: sa.Connection, publications: Sequence[Publication], directory: Directory) -> None:
    """Insert or update these questions with their specialty, course and case. A person's validation is untouched."""
    if not publications:
        return
    places = _Places(connection, [p.question for p in publications], directory)
    rows = [_row(publication, places) for publication in publications]
    connection.execute(UPSERT, {"rows": json.dumps(rows, ensure_ascii=False)})


def _row(publication: Publication, places: _Places) -> dict[str, Any]:
    question = publication.question
    specialty_id, course_id = places.course(question)
    return {
        "id": publication.id,
        "type": question.type,
        "text": question.text,
        **{letter.lower(): question.options.get(letter) for letter in "ABCDE"},
        "key": publication.key,
        "answer": publication.answer,
        "explanation": publication.explanation,
        "level": question.level,
        "semester": question.semester,
        "specialty_id": specialty_id,
        "course_id": course_id,
        "case_id": places.case(question) if question.case_text else None,
        "difficulty": question.difficulty,
        "validated": publication.validated,
    }


class _Places:
    """Specialties, courses and cases of one transaction: found by their folded names, made where missing.

    Ids of new rows are derived from their content, so two workers that make the same one make one row. Rows are
    made in the order of their ids, so two transactions never wait for each other in a circle.
    """

    def __init__(self, connection: sa.Connection, questions: Iterable[Question], directory: Directory) -> None:
        self._connection = connection
        self._directory = directory
        wanted = list(questions)
        self._specialties = self._find_specialties(wanted)
        self._courses = self._find_courses(wanted)
        self._make_cases(wanted)

    def course(self, question: Question) -> tuple[str, str]:
        """The ids of the question's specialty and course."""
        specialty_id = self._specialties[fold_name(question.specialty)]
        return specialty_id, self._courses[(specialty_id, fold_name(question.course))]

    def case(self, question: Question) -> str:
        """The id of the question's clinical case."""
        return self._case_id(self._specialties[fold_name(question.specialty)], question.case_text or "")

    def _find_specialties(self, questions: Sequence[Question]) -> dict[str, str]:
        wanted = {fold_name(q.specialty): q.specialty for q in reversed(questions)}
        found = self._directory.find_specialties(self._connection, wanted)
        missing = sorted(("s" + _digest(key), wanted[key]) for key in wanted if key not in found)
        for new_id, name in missing:
            self._connection.execute(INSERT_SPECIALTY, {"id": new_id, "name": name})
        return _read_specialties(self._connection) if missing else found

    def _find_courses(self, questions: Sequence[Question]) -> dict[tuple[str, str], str]:
        wanted = {
            (self._specialties[fold_name(q.specialty)], fold_name(q.course)): q.course for q in reversed(questions)
        }
        specialties = sorted({specialty_id for specialty_id, _ in wanted})
        found = self._directory.find_courses(self._connection, wanted)
        missing = sorted(("c" + _digest(*place), place[0], wanted[place]) for place in wanted if place not in found)
        for new_id, specialty_id, name in missing:
            self._connection.execute(INSERT_COURSE, {"id": new_id, "specialty_id": specialty_id, "name": name})
        return _read_courses(self._connection, specialties) if missing else found

    def _make_cases(self, questions: Sequence[Question]) -> None:
        cases: dict[str, dict[str, str]] = {}
        for question in questions:
            if not question.case_text:
                continue
            specialty_id = self._specialties[fold_name(question.specialty)]
            case_id = self._case_id(specialty_id, question.case_text)
            title = " ".join(f"Cas clinique {question.case_number or ''}".split()) + f" — {question.course}"
            cases.setdefault(
                case_id,
                {"id": case_id, "title": title, "text": question.case_text, "specialty_id": specialty_id},
            )
        for case_id in sorted(cases):
            self._connection.execute(INSERT_CASE, cases[case_id])

    @staticmethod
    def _case_id(specialty_id: str, text: str) -> str:
        return "k" + _digest(specialty_id, fold_text(text))


def _read_specialties(connection: sa.Connection) -> dict[str, str]:
    rows = connection.execute(SPECIALTIES)
    return {fold_name(name): row_id for name, row_id in rows}


def _read_courses(connection: sa.Connection, specialties: Sequence[str]) -> dict[tuple[str, str], str]:
    rows = connection.execute(COURSES, {"ids": list(specialties)})
    return {(specialty_id, fold_name(name)): row_id for specialty_id, name, row_id in rows}


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:24]
