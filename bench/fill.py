"""Fills a database with years of jobs that ended, and with some that are open. Nothing is measured here."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from bench.site import Site
from tests.support.uploads import COURSES

ITEMS_OF_A_JOB, BATCH, DAYS = 500, 5, 400
CONTENTS = 10  # files come in again: of so many rows one is new
MEMBERS = "open-%"  # ids of the jobs that are open

# What a row of an upload is as read, as understood, and as answered: about 1.6 kB, as of the real files.
ORIGINAL = """jsonb_build_object('matiere', 'Pédiatrie', 'cours', 'Urgences', 'niveau', 'DCEM2', 'semestre', 'S1',
    'texte de la question', 'Concernant la prise en charge du dossier numéro ' || n || ', lesquelles sont exactes ?',
    'option a', 'La fréquence augmente avec l''âge gestationnel ' || n, 'option b', 'Le diagnostic est clinique ' || n,
    'option c', 'L''échographie est inutile ' || n, 'option d', 'Une réhydratation orale suffit ' || n,
    'option e', 'Une hospitalisation s''impose ' || n, 'reponse', 'BD')"""
QUESTION = """jsonb_build_object('type', 'qcm', 'text', 'Concernant la prise en charge du dossier numéro ' || n,
    'options', jsonb_build_object('A', 'La fréquence augmente ' || n, 'B', 'Le diagnostic est clinique ' || n,
        'C', 'L''échographie est inutile ' || n, 'D', 'Une réhydratation orale suffit ' || n),
    'official_key', 'BD', 'specialty', 'Pédiatrie', 'course', 'Urgences', 'level', 'DCEM2', 'semester', 'S1',
    'option_explanations', '{}'::jsonb, 'explanation', NULL, 'official_answer', NULL)"""
RESULT = """jsonb_build_object('key', 'BD', 'confidence', 0.93, 'model', 'scripted', 'looks', jsonb_build_array(
    jsonb_build_object('key', 'BD', 'confidence', 0.93, 'explanation', repeat('Le diagnostic repose sur ' || n, 8))),
    'general_explanation', repeat('Le diagnostic repose sur ' || n, 8))"""
HASH = "encode(sha256(convert_to('content ' || {n}, 'UTF8')), 'hex')"
KEYS = (
    """ARRAY(SELECT encode(sha256(convert_to('key ' || n || ' ' || k, 'UTF8')), 'hex') FROM generate_series(1, 5) k)"""
)
WHEN = f"timezone('UTC', now())::timestamp(3) - make_interval(secs => {DAYS} * 86400.0 * (:jobs - job) / :jobs + 3600)"

# Questions are filed in 200 courses, those of `tests.support.uploads` among them: a new file is compared with them.
QUESTIONS = f"""
INSERT INTO "Specialty" ("id", "name", "updatedAt") VALUES ('pediatrie', 'Pédiatrie', now()) ON CONFLICT DO NOTHING;
INSERT INTO "Course" ("id", "name", "specialtyId", "updatedAt")
SELECT 'course-' || n, COALESCE((CAST(:courses AS text[]))[n + 1], 'Cours ' || n), s."id", now()
FROM generate_series(0, 199) n, "Specialty" s WHERE s."name" = 'Pédiatrie';
INSERT INTO "Question" ("id", "type", "questionText", "optionA", "optionB", "correctAnswer", "explanation", "level",
    "semester", "specialtyId", "courseId", "isValidated", "updatedAt")
SELECT 'q' || left({HASH.format(n="n")}, 24), 'qcm', 'Concernant la prise en charge du dossier numéro ' || n,
       'La fréquence augmente ' || n, 'Le diagnostic est clinique ' || n, 'AB',
       repeat('Le diagnostic repose sur ' || n, 8), 'DCEM2', 'S1', s."id", 'course-' || n % 200, true,
       timezone('UTC', now())
FROM generate_series(0, :items / {CONTENTS} - 1) n, "Specialty" s WHERE s."name" = 'Pédiatrie';
"""  # noqa: S608 (constants of this file)


def _ended_jobs(name: str, size: int) -> str:
    """Jobs of `size` rows that ended, with everything of theirs."""
    batches = size // BATCH
    return f"""
INSERT INTO "AiValidationJob" ("id", "fileName", "originalFileName", "fileSize", "fileUrl", "outputUrl", "status",
    "progress", "totalItems", "processedItems", "successfulAnalyses", "currentBatch", "totalBatches", "createdAt",
    "startedAt", "completedAt", "updatedAt", "userId", "message")
SELECT '{name}-' || job, 'f.xlsx', 'f.xlsx', 1, 'uploads/f', 'results/f', 'completed', 100, {size}, {size}, {size},
       {batches}, {batches}, {WHEN}, {WHEN}, {WHEN}, {WHEN}, (SELECT "id" FROM "User" LIMIT 1), 'Terminé.'
FROM generate_series(1, :jobs) job;

INSERT INTO "AiValidationTask" ("id", "jobId", "kind", "position", "status", "result", "createdAt", "completedAt")
SELECT '{name}-' || kind || '-' || job || '-' || position, '{name}-' || job, kind, position, 'done',
       CASE kind WHEN 'prepare' THEN '{{"read": [{{"rows": {size}}}]}}'::jsonb END, {WHEN}, {WHEN}
FROM generate_series(1, :jobs) job, (
    SELECT 'analyse' AS kind, position FROM generate_series(0, {batches - 1}) position
    UNION ALL VALUES ('prepare', 0), ('finish', 0)) task;

INSERT INTO "AiValidationItem" ("id", "jobId", "taskId", "sheet", "rowNumber", "position", "type", "original",
    "question", "contentHash", "status", "result", "questionId", "textHash", "createdAt", "updatedAt")
SELECT '{name}-item-' || number, '{name}-' || job, '{name}-analyse-' || job || '-' || position / {BATCH}, 'qcm',
       position + 2, position, 'qcm', {ORIGINAL}, {QUESTION}, {HASH.format(n="n")}, 'confirmed', {RESULT},
       'q' || left({HASH.format(n="n")}, 24), md5(n::text), {WHEN}, {WHEN}
FROM (SELECT number, number / {size} + 1 AS job, number % {size} AS position, number % :contents AS n
      FROM generate_series(0, :items - 1) number) numbered;

INSERT INTO "LlmCall" ("id", "jobId", "taskId", "attempt", "purpose", "requestHash", "questionKeys", "model",
    "endpoint", "status", "questionCount", "promptTokens", "cachedTokens", "completionTokens", "costUsd", "response",
    "createdAt", "completedAt")
SELECT '{name}-call-' || n, '{name}-' || job, '{name}-analyse-' || job || '-' || position, 1, 'analyse',
       md5('request ' || n), {KEYS}, 'scripted', 'bench', 'succeeded', {BATCH}, 1500, 900, 700, 0.001234,
       '{{"results": "' || repeat('Le diagnostic repose sur ' || md5(n::text), 40) || '"}}', {WHEN}, {WHEN}
FROM (SELECT n, n * :jobs / :calls + 1 AS job, n % {batches} AS position
      FROM generate_series(0::bigint, :calls - 1) n) numbered;
"""  # noqa: S608


# The same in both databases: what a claim has to choose from.
OPEN = f"""
INSERT INTO "User" ("id", "email", "updatedAt") SELECT 'user-' || n, n || '@bench', now() FROM generate_series(1, 5) n;
INSERT INTO "AiValidationJob" ("id", "fileName", "originalFileName", "fileSize", "status", "progress", "totalItems",
    "totalBatches", "startedAt", "updatedAt", "userId")
SELECT 'open-' || to_char(job, 'FM00'), 'f.xlsx', 'f.xlsx', 1, 'processing', 1, 250, 50, timezone('UTC', now()),
       timezone('UTC', now()), 'user-' || (job % 5 + 1)
FROM generate_series(1, 20) job;
INSERT INTO "AiValidationTask" ("id", "jobId", "kind", "position", "status", "result")
SELECT 'open-' || kind || job || '-' || position, 'open-' || to_char(job, 'FM00'), kind, position,
       CASE kind WHEN 'prepare' THEN 'done' ELSE 'ready' END,
       CASE kind WHEN 'prepare' THEN '{{"read": [{{"rows": 250}}]}}'::jsonb END
FROM generate_series(1, 20) job, (
    SELECT 'analyse' AS kind, position FROM generate_series(0, 49) position UNION ALL VALUES ('prepare', 0)) task;
INSERT INTO "AiValidationItem" ("id", "jobId", "taskId", "sheet", "rowNumber", "position", "type", "original",
    "question", "contentHash", "updatedAt")
SELECT 'open-' || to_char(job, 'FM00') || '-item-' || to_char(position, 'FM000'), 'open-' || to_char(job, 'FM00'),
       'open-analyse' || job || '-' || position / {BATCH}, 'qcm', position + 2, position, 'qcm', {ORIGINAL}, {QUESTION},
       {HASH.format(n="'open ' || n")}, timezone('UTC', now())
FROM (SELECT job, position, job * 1000 + position AS n
      FROM generate_series(1, 20) job, generate_series(0, 249) position) numbered;
"""  # noqa: S608


def fill(site: Site, *, items: int, call_count: int) -> None:
    """Years of jobs of 500 rows each, all of them whole: every invariant holds. It takes some minutes."""
    numbers = {"items": items, "contents": items // CONTENTS, "calls": call_count, "jobs": items // ITEMS_OF_A_JOB}
    _run(site, QUESTIONS, courses=list(COURSES), items=items)
    _run(site, _ended_jobs("job", ITEMS_OF_A_JOB), **numbers)


def add_large_job(site: Site, size: int) -> str:
    """One more that ended, of the largest size there is; its id."""
    _run(site, _ended_jobs("large", size), items=size, contents=size, calls=size // BATCH, jobs=1)
    return "large-1"


def open_jobs(site: Site) -> None:
    """20 jobs of 5 users, 50 batches each; nobody works on them."""
    _run(site, OPEN)


def _run(site: Site, script: str, **values: Any) -> None:
    """Each statement by itself, without triggers and references: the rows fit together as they are written."""
    with site.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("SET session_replication_role = replica")
        connection.exec_driver_sql("SET synchronous_commit = off")
        for statement in script.split(";\n"):
            if statement.strip():
                used = {name: value for name, value in values.items() if f":{name}" in statement}
                connection.execute(sa.text(statement), used)
        connection.exec_driver_sql("RESET ALL")
        connection.exec_driver_sql("VACUUM (ANALYZE)")
        connection.exec_driver_sql("CHECKPOINT")
