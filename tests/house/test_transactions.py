"""Who begins a transaction: the rooms that put rules and stores together, and nobody beneath them."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "worker"
BEGIN = {"evaluation", "runtime", "jobs", "review", "courses", "db"}  # db is where it is done


def begins(path: Path) -> bool:
    """Whether a module calls `….transact(…)`, or begins one at a connection or an engine."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    named = [(call.func.attr, call.args) for call in calls if isinstance(call.func, ast.Attribute)]
    return any(name == "transact" or (name in ("begin", "begin_nested") and not args) for name, args in named)


def test_only_rooms_that_put_others_together_begin_a_transaction() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in ROOT.rglob("*.py") if begins(path)}
    assert found == BEGIN
