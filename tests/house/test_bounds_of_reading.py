"""The bounds of models/reading.py are those that stand in the statements that read what other programs fill."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models.reading import MAX_CONFIG, MAX_INSTRUCTIONS, MAX_NAME, TOO_LONG
from worker.db.statements import read_statements

WORKER = Path(__file__).resolve().parents[2] / "worker"
STATEMENTS = dict(read_statements(WORKER / "queue" / "tasks.sql"))
READERS = (
    STATEMENTS["read_odd_job"],
    *(
        text
        for text in dict(read_statements(WORKER / "jobs" / "queries.sql")).values()
        if 'left(j."instructions"' in text
    ),
)


def test_every_reader_of_instructions_is_looked_at() -> None:
    found = [
        text for path in WORKER.rglob("*.sql") for _, text in read_statements(path) if 'left(j."instructions"' in text
    ]

    assert sorted(found) == sorted(READERS)


@pytest.mark.parametrize("statement", READERS, ids=range(len(READERS)))
@pytest.mark.parametrize(
    ("column", "most"),
    [
        ("fileName", MAX_NAME),
        ("originalFileName", MAX_NAME),
        ("fileUrl", MAX_NAME),
        ("instructions", MAX_INSTRUCTIONS),
    ],
)
def test_a_text_arrives_with_one_character_more_than_its_bound_at_most(column: str, most: int, statement: str) -> None:
    statement = " ".join(statement.split())
    # UTF-8 takes four bytes for a character at most; of what is longer still only blanks arrive, unread
    assert f"""pg_column_size(j."{column}") > {4 * most} THEN repeat(' ', {most + 1})""" in statement
    assert f"""left(j."{column}", {most + 1})""" in statement


def test_a_configuration_beyond_its_bound_arrives_as_a_mark() -> None:
    sizes = set(
        re.findall(r"(?:pg_column_size\([^()]*\)|length\(read.text\)) (?:>|<=) (\d+)", STATEMENTS["read_odd_job"])
    )

    assert {str(MAX_CONFIG // 4), str(MAX_CONFIG)} <= sizes
    assert f"""'"{TOO_LONG}"'""" in STATEMENTS["read_odd_job"]
    assert f"""pg_column_size(j."config") <= {MAX_CONFIG // 4}""" in STATEMENTS["claim"]
