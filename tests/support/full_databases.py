"""Databases full of rows, of a platform and of an older version of ours, for upgrades to be tried and measured on."""

from __future__ import annotations

import psycopg
import sqlalchemy as sa

from tests.support import platforms
from worker.db.schema import upgrade

PLATFORM = (
    """INSERT INTO "User" ("id", "email", "updatedAt") VALUES ('u', 'u@example.org', now())""",
    """INSERT INTO "Specialty" ("id", "name", "updatedAt") VALUES ('s', 'Rhumatologie', now())""",
    """INSERT INTO "Question" ("id", "type", "questionText", "optionA", "optionB", "optionC", "optionD", "optionE",
           "correctAnswer", "explanation", "level", "semester", "specialtyId", "updatedAt")
       SELECT 'q' || n, 'qcm', repeat('Laquelle ? ', 20), 'a', 'b', 'c', 'd', 'e', 'A', repeat('A — oui. ', 30),
           'DCEM2', 'S1', 's', now()
       FROM generate_series(1, %(questions)s) n""",
    """INSERT INTO "AiValidationJob" ("id", "userId", "fileName", "originalFileName", "fileSize", "status", "updatedAt")
       SELECT 'j' || n, 'u', 'f.xlsx', 'f.xlsx', 1, 'completed', now() FROM generate_series(1, 500) n""",
)
OURS = (
    """INSERT INTO "AiValidationTask" ("id", "jobId", "kind", "position", "status")
       SELECT 't' || n, 'j' || n, 'analyse', 1, 'done' FROM generate_series(1, 500) n""",
    """INSERT INTO "AiValidationItem" ("id", "jobId", "taskId", "sheet", "rowNumber", "position", "type", "original",
           "question", "contentHash", "status", "questionId", "updatedAt")
       SELECT 'i' || n, 'j' || (1 + n %% 500), 't' || (1 + n %% 500), 'qcm', n, n, 'qcm', '{}', '{}', md5(n::text),
           'confirmed', 'q' || n, now()
       FROM generate_series(1, %(questions)s) n""",
    """INSERT INTO "LlmCall" ("id", "jobId", "taskId", "attempt", "purpose", "requestHash", "questionKeys", "model",
           "endpoint", "status", "questionCount", "response")
       SELECT 'c' || n, 'j' || (1 + n %% 500), 't' || (1 + n %% 500), 1, 'analyse', md5(n::text), ARRAY[md5(n::text)],
           'm', 'e', 'succeeded', 1, repeat('{"answer": "A"} ', 20)
       FROM generate_series(1, %(calls)s) n""",
)


def address_of(url: str) -> str:
    """As libpq reads it."""
    return sa.make_url(url).set(drivername="postgresql", query={}).render_as_string(hide_password=False)


def build_platform(url: str) -> None:
    """As Prisma makes it: everything that Prisma cannot make is added by the upgrade."""
    platforms.build(address_of(url), rows=False)


def build_ours(url: str) -> None:
    """As an older version left it."""
    upgrade(url, "008")


def fill(address: str, *statements: str, questions: int, calls: int) -> None:
    """Run the statements, with so many questions and calls."""
    with psycopg.connect(address) as connection:
        for statement in statements:
            connection.execute(statement, {"questions": questions, "calls": calls})
