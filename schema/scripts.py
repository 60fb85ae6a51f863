"""The numbered SQL files: reading them, running them, and the names of what they create."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, text

from schema.online import run_online

SQL = Path(__file__).parent / "sql"
CREATED = re.compile(
    r'^(?:ALTER TABLE "?\w+"? ADD|CREATE(?: OR REPLACE)?(?: UNIQUE)?)\s+'
    r"(CONSTRAINT|TABLE|INDEX|FUNCTION|TRIGGER|VIEW)\s+(?:CONCURRENTLY\s+)?(?:IF NOT EXISTS\s+)?"
    r'"?(\w+)"?',
    re.MULTILINE,
)
# A comment, a quoted text or name, a body between dollars, an end; a comment within a body is of the body.
TOKENS = re.compile(r"""--[^\n]*|'[^']*'|"[^"]*"|(\$\w*\$).*?\1|;|[^-'"$;]+|.""", re.DOTALL)


NAME = re.compile(r"\w+")


class Created(NamedTuple):
    """Something a SQL file creates: its kind in lower case ("table", "trigger", …) and its name."""

    kind: str
    name: str


def read_sql(name: str) -> str:
    """Read one numbered file ("001_up")."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def split_statements(sql: str) -> list[str]:
    """Split SQL into its statements, without the comments between them; what is quoted (a function's body) is whole."""
    statements: list[str] = []
    parts: list[str] = []
    for token in TOKENS.finditer(sql):
        if token[0] == ";":
            statements.append("".join(parts).strip())
            parts = []
        elif not token[0].startswith("--"):
            parts.append(token[0])
    return [statement for statement in [*statements, "".join(parts).strip()] if statement]


def created_by(statement: str) -> Created | None:
    """Say what one statement creates, if that has a name."""
    found = CREATED.match(statement)
    return Created(found[1].lower(), found[2]) if found else None


def created_objects(*names: str) -> list[Created]:
    """List what the named files create, in order and without repetition."""
    found = (Created(kind.lower(), what) for name in names for kind, what in CREATED.findall(read_sql(name)))
    return list(dict.fromkeys(found))


def up_scripts() -> list[str]:
    """Name the files that build the database, in order."""
    return sorted(path.stem for path in SQL.glob("[0-9]*.sql") if not path.stem.endswith("_down"))


def run_script(connection: Connection, name: str) -> None:
    """Run one file statement by statement, each its own transaction. Needs autocommit, and statements that may be run
    a second time: a revision that was cut off begins again at its first one."""
    for statement in _wanted_statements(connection, name):
        run_online(connection, statement)


def run_in_batches(connection: Connection, name: str) -> None:
    """Run each statement of one file until it changes no further row: for what fills in rows that are there.

    Each finds by itself what is still to do, and takes only some of it at once (`LIMIT`).
    """
    for statement in split_statements(read_sql(name)):
        while run_online(connection, statement):
            pass


def run_whole(connection: Connection, name: str) -> None:
    """Run one file in one transaction. For tables that nobody uses yet, and for what goes down."""
    run_online(connection, *_wanted_statements(connection, name))


def _wanted_statements(connection: Connection, name: str) -> list[str]:
    # What a platform has otherwise under a name of the specification is its own, and stays (see adopted.py).
    kept = kept_names(connection)
    return [statement for statement in split_statements(read_sql(name)) if kept.isdisjoint(NAME.findall(statement))]


def kept_names(connection: Connection) -> set[str]:
    """List what a platform made otherwise than the specification says: none of it is replaced."""
    if not connection.scalar(text("SELECT to_regclass('medq_adopted') IS NOT NULL")):
        return set()
    return set(connection.scalars(text('SELECT "name" FROM medq_adopted WHERE "differs"')))


def present_objects(connection: Connection) -> set[Created]:
    """List what the current schema holds, in the kinds of `created_objects`. Half-built indexes do not count."""
    return {Created(kind, name) for kind, name in connection.execute(text(read_sql("present_objects")))}
