"""Who begins a transaction: the rooms that put rules and stores together, and nobody beneath them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "worker"
BEGIN = {"evaluation", "runtime", "jobs", "review", "courses", "db"}  # db is where it is done


def begins(source: str) -> bool:
    """Whether a module calls `….transact(…)`, or begins one at a connection or an engine."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [(call.func.attr, call.args) for call in calls if isinstance(call.func, ast.Attribute)]
    return any(name == "transact" or (name in ("begin", "begin_nested") and not args) for name, args in named)


def test_only_rooms_that_put_others_together_begin_a_transaction() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in ROOT.rglob("*.py") if begins(path.read_text("utf-8"))}
    assert found == BEGIN


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ("database.transact(lambda c: store(c))", True),
        ("def f(engine):\n    with engine.begin() as connection:\n        pass", True),
        ("with connection.begin_nested():\n    pass", True),
        ("def store(connection):\n    connection.execute(sql)", False),
        ("limits.begin(job)", False),
    ],
)
def test_whoever_begins_one_would_be_found(source: str, is_found: bool) -> None:
    assert begins(source) is is_found
