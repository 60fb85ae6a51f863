"""The numbered SQL files: reading them, running them, and the names of what they create."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, text

SQL = Path(__file__).parent / "sql"
CREATED = re.compile(
    r'^(?:ALTER TABLE "?\w+"? ADD|CREATE(?: OR REPLACE)?(?: UNIQUE)?)\s+'
    r"(CONSTRAINT|TABLE|INDEX|FUNCTION|TRIGGER|VIEW)\s+(?:CONCURRENTLY\s+)?(?:IF NOT EXISTS\s+)?"
    r'"?(\w+)"?',
    re.MULTILINE,
)


class Created(NamedTuple):
    """Something a SQL file creates: its kind in lower case ("table", "trigger", …) and its name."""

    kind: str
    name: str


def read_sql(name: str) -> str:
    """Read one numbered file ("001_up")."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def split_statements(sql: str) -> list[str]:
    """Split SQL without function bodies into its statements."""
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]


def created_objects(*names: str) -> list[Created]:
    """List what the named files create, in order and without repetition."""
    found = (Created(kind.lower(), what) for name in names for kind, what in CREATED.findall(read_sql(name)))
    return list(dict.fromkeys(found))


def up_scripts() -> list[str]:
    """Name the files that build the database, in order."""
    return sorted(path.stem for path in SQL.glob("[0-9]*.sql") if not path.stem.endswith("_down"))


def run_script(connection: Connection, name: str) -> None:
    """Run one file whole, in the connection's transaction.

    The driver is called without parameters, so that a `%` is only a `%` and one call may hold many statements.
    """
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 (an open connection has one)
    driver.execute(read_sql(name))


def run_statements(connection: Connection, name: str) -> None:
    """Run one file statement by statement: for what refuses to run in a transaction. Needs autocommit."""
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 (an open connection has one)
    for statement in split_statements(read_sql(name)):
        driver.execute(statement)


def present_objects(connection: Connection) -> set[Created]:
    """List what the current schema holds, in the kinds of `created_objects`. Half-built indexes do not count."""
    return {Created(kind, name) for kind, name in connection.execute(text(read_sql("present_objects")))}


def invalid_indexes(connection: Connection) -> list[str]:
    """List the indexes that a concurrent build left behind half done."""
    return list(connection.scalars(text(read_sql("invalid_indexes"))))
