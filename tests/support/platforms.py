"""A platform that was there before the worker: its tables as Prisma Migrate makes them, with rows of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

PRISMA_SQL = Path(__file__).parents[1] / "data" / "platform.sql"
TABLES = (
    "User",
    "Specialty",
    "Course",
    "ClinicalCase",
    "Question",
    "AiValidationJob",
    "Session",
    "SessionQuestion",
    "UserSession",
    "UserQuestionAnswer",
)
STATUSES = ("queued", "processing", "completed", "failed", "cancelled")
# As schools write them: the first four are keys as they are stored, the others are not.
KEYS = ("A", "ABE", "CE", "ABCDE", "A, C", "ace", "B A", "a;d", "BA", "")
REFUSED_KEYS = KEYS[4:]

ROWS = """
INSERT INTO "User" ("id", "email", "password", "role", "isActive", "emailVerified", "updatedAt") VALUES
    ('prof', 'prof@fac.example', 'hash', 'admin', true, true, '2024-01-05'),
    ('etudiant', 'etudiant@fac.example', 'hash', 'user', true, true, '2024-01-05');
INSERT INTO "Specialty" ("id", "name", "updatedAt") VALUES ('cardio', 'Cardiologie', '2024-01-05');
INSERT INTO "Course" ("id", "name", "specialtyId", "updatedAt") VALUES ('angor', 'Angor', 'cardio', '2024-01-05');
INSERT INTO "ClinicalCase" ("id", "title", "description", "specialtyId", "updatedAt")
    VALUES ('cas', 'Cas 1', 'Un homme de 60 ans.', 'cardio', '2024-01-05');
INSERT INTO "Question" ("id", "type", "questionText", "answer", "explanation", "level", "semester", "specialtyId",
    "updatedAt") VALUES ('qroc', 'qroc', 'Dose ?', '5 mg', '', 'DCEM2', 'S1', 'cardio', '2024-01-05');
INSERT INTO "Session" ("id", "name", "niveau", "semestre", "specialtyId", "questionCount", "updatedAt")
    VALUES ('examen', 'Examen', 'DCEM2', 'S1', 'cardio', 7, '2024-01-05');
INSERT INTO "SessionQuestion" ("id", "sessionId", "questionId", "order") VALUES ('sq', 'examen', 'qroc', 1);
INSERT INTO "UserSession" ("id", "userId", "sessionId", "status", "score", "completedAt", "updatedAt")
    VALUES ('us', 'etudiant', 'examen', 'completed', 12.5, '2024-02-01', '2024-02-01');
INSERT INTO "UserQuestionAnswer" ("id", "userId", "questionId", "userSessionId", "isCorrect")
    VALUES ('a', 'etudiant', 'qroc', 'us', true);
"""
QUESTION = """
INSERT INTO "Question" ("id", "type", "questionText", "optionA", "optionB", "optionC", "optionD", "optionE",
    "correctAnswer", "explanation", "level", "semester", "specialtyId", "courseId", "updatedAt")
VALUES (%s, 'qcm', %s, 'un', 'deux', 'trois', 'quatre', 'cinq', %s, 'Voir le cours.', 'DCEM2', 'S1', 'cardio', 'angor',
    '2024-01-05')
"""
JOB = """
INSERT INTO "AiValidationJob" ("id", "fileName", "originalFileName", "fileSize", "status", "progress", "totalItems",
    "processedItems", "successfulAnalyses", "outputUrl", "createdAt", "updatedAt", "userId")
VALUES (%s, 'f.xlsx', 'f.xlsx', 1, %s, %s, 200, %s, %s, %s, '2024-03-01', '2024-03-01', 'prof')
"""
PARTS = """
SELECT relname || '.' || attname || ' ' || format_type(atttypid, atttypmod) || attnotnull::text
    || coalesce(pg_get_expr(adbin, adrelid), '')
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'i')
UNION ALL
SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
UNION ALL
SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
UNION ALL
SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT relname || pg_get_viewdef(oid) FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace
"""


def build(url: str, *, rows: bool = True) -> None:
    """Make the platform's tables, and rows in each of them."""
    with psycopg.connect(url) as connection:
        connection.execute(PRISMA_SQL.read_text(encoding="utf-8"))
        if not rows:
            return
        connection.execute(ROWS)
        for number, key in enumerate(KEYS):
            connection.execute(QUESTION, (f"qcm{number}", f"Question {number} ?", key))
        for status in STATUSES:
            is_done = status == "completed"
            figures = (100, 200, 200, "https://old.example/f.xlsx") if is_done else (40, 80, 80, None)
            connection.execute(JOB, (status, status, *(figures if status != "queued" else (0, 0, 0, None))))


def read_rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the platform's tables, with the columns that Prisma made."""
    with psycopg.connect(url) as connection:
        return {
            table: connection.execute(f'SELECT to_jsonb(t) FROM "{table}" t ORDER BY "id"').fetchall()
            for table in TABLES
            if connection.execute("SELECT to_regclass(%s)", (f'"{table}"',)).fetchone() != (None,)
        }


def read_parts(url: str) -> set[str]:
    """Columns, indexes, rules, functions, triggers and views, as the server spells them."""
    with psycopg.connect(url) as connection:
        return {text for (text,) in connection.execute(PARTS)}
