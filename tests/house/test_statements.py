"""SQL stands in .sql files: every statement whole, named, commented and used; see decision 40."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.db.statements import read_statements

ROOT = Path(__file__).resolve().parents[2] / "worker"
FILES = sorted(ROOT.rglob("*.sql"))
TEXTS = {f"{path.stem}.{name}": " ".join(text.split()) for path in FILES for name, text in read_statements(path)}
QUOTED = re.compile(r"'(?:[^']|'')*'")
KEYWORDS = "SELECT|INSERT|UPDATE|DELETE|WITH|VALUES|COPY|BEGIN|SHOW|CREATE|DROP|LISTEN|ANALYZE"
BEGINS = re.compile(rf"\s*(?:(?:{KEYWORDS})\b(?!,|$)|SET [\w ]+(?:=|TO\b))")
# Statements that no file can hold: they name a database, a table or a channel, or are said to a session.
IN_PYTHON = {
    "cli/runs.py": "what a person is told to ask",
    "db/engine.py": "settings of a session, COPY",
    "db/sessions.py": "settings of a session",
    "embedded/postgres.py": "CREATE DATABASE",
    "db/schema/migrate.py": "settings of a session",
    "evaluation/run.py": "CREATE DATABASE",
    "jobs/finish.py": "settings of a session",
    "runtime/listener.py": "LISTEN",
}
# What stands in several statements must be the same in all of them: how it begins and ends, and how often it is there.
COPIES = {
    "what a repeat of a row says of itself": ("SET \"status\" = 'duplicate'", "END END", 2),
    "calls that are removed and added to the totals": (
        'RETURNING c."createdAt", c."model"',
        "SELECT count(*) FROM gone",
        2,
    ),
    "a job's row, read so that it hides no other": ('j."id", (CASE WHEN pg_column_size(j."fileName")', "AS config", 4),
    "what of a job changes while it goes on": ("(SELECT jsonb_object_agg(s.", "AS cost_usd", 2),
    "a job that is ours": ("NOT EXISTS (SELECT FROM medq_adopted", '= j."id")', 4),
    "an item as a person decides on it": ('SELECT i."id", i."jobId" AS job_id', '|| left(i."contentHash", 24))', 3),
    "what a person saw of an item": ("left(md5(", ")), 16)", 5),
    "a stored question as it is compared": ('SELECT q."id", q."type"', 'c."id" = q."courseId"', 2),
    "a stored question as it is judged": ('SELECT "id", COALESCE("correctAnswer"', 'ORDER BY "id"', 2),
    "a configuration, whatever it is": ('WHEN j."config" IS NULL THEN NULL', "OFFSET 0) read) END)", 5),
    "a job's row as a task needs it": ('j."id" AS job_id, j."userId"', 'j."status" AS job_status', 2),
    "a job that is paused": (
        'EXISTS (SELECT 1 FROM "AiValidationPause" p WHERE p."jobId" = j."id" AND p."until"',
        "clock_timestamp()))",
        2,
    ),
    "a task that is still its owner's": ('WHERE "id" = :id AND "attempt" = :attempt AND "leaseOwner"', "'running'", 5),
    "a job that wants batches": ('AND medq_job_is_open(j."status") AND j."config"', "'true')", 6),
    "a batch to be looked at": ('medq_batch_is_open(b."status") AND (b."nextLookAt"', "secs => :stranded_s)", 2),
    "a call that nobody sends": ('c."status" = \'waiting\' AND c."batchId" IS NULL AND (', "secs => :stranded_s)))", 2),
    "a round that is over": ('SELECT DISTINCT "jobId" FROM "LlmCall"', "IN ('ready', 'running'))", 3),
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def strings(path: Path) -> Iterator[str]:
    """Every literal of a module that is no docstring; of an f-string, what stands in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def used_names(path: Path) -> set[str]:
    """What a module takes from its file: every text within the brackets of SQL[…]."""
    taken = (
        node.slice
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "SQL"
    )
    parts = (part for wanted in taken for part in ast.walk(wanted))
    return {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_module_uses_the_statements_of_its_file_and_no_others(path: Path) -> None:
    names = [name for name, _ in read_statements(path)]

    assert len(names) == len(set(names))
    assert used_names(path.with_suffix(".py")) == set(names)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_statement_is_whole_and_says_what_it_does(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    parts = re.split(r"^-- name: \w+\n", text, flags=re.MULTILINE)

    assert [part for part in parts if not part.startswith("-- ")] == []
    assert [line for line in text.splitlines() if len(line) > 120 or line != line.rstrip()] == []
    # No name is misspelled, which would make one statement of two
    assert len(re.findall(r"^ *--+ *name *:", text, re.MULTILINE | re.IGNORECASE)) == len(parts) - 1
    for name, statement in read_statements(path):
        bare = QUOTED.sub("''", statement)
        assert ";" not in bare, name
        assert set(re.findall(r"\{\w*\}", bare)) <= {"{dimensions}"}, name  # of a type, which no parameter can give


def test_no_statement_stands_in_python() -> None:
    found = {name_of(path) for path in ROOT.rglob("*.py") if any(map(BEGINS.match, strings(path)))}

    assert found == IN_PYTHON.keys()


@pytest.mark.parametrize("what", COPIES)
def test_what_stands_in_several_statements_is_the_same_in_all(what: str) -> None:
    begin, end, number = COPIES[what]
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}")
    found = [copy for text in TEXTS.values() for copy in pattern.findall(text)]

    assert len(found) == sum(text.count(begin) for text in TEXTS.values()) == number
    assert len(set(found)) == 1
