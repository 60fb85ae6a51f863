"""Every connection to PostgreSQL or Redis has the time-outs of both its ends: each is opened where they are known."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Who opens what, and why there. Whatever is embedded listens on loopback, where no packet is dropped.
OPENERS = {
    ("worker/db/engine.py", "create_engine"): "every pool",
    ("worker/db/sessions.py", "psycopg.connect"): "every session, in a pool or alone",
    ("worker/db/schema/migrate.py", "create_engine"): "given a session of `worker.db.sessions`",
    ("worker/evaluation/run.py", "create_engine"): "given `sqlalchemy_url`",
    ("worker/embedded/postgres.py", "psycopg.connect"): "the embedded server, on loopback",
    ("worker/runtime/broker.py", "Redis.from_url"): "wake-ups",
    ("worker/runtime/container.py", "Redis.from_url"): "limits",
    ("worker/embedded/redis.py", "Redis.from_url"): "the embedded server, on loopback",
    ("schema/migrations/env.py", "create_engine"): "alembic's own command line",
}


def opened_in(path: Path) -> set[tuple[str, str]]:
    """The calls of a file that open a connection, or a pool of them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            for opener in ("psycopg.connect", "create_engine", "Redis.from_url"):
                if called == opener or called.endswith(f".{opener}"):
                    found.add((str(path.relative_to(ROOT)), opener))
    return found


def test_connections_are_opened_only_where_their_time_outs_are_known() -> None:
    files = [path for room in ("worker", "schema", "models") for path in (ROOT / room).rglob("*.py")]

    assert set().union(*map(opened_in, files)) == set(OPENERS)
