"""Every statement of every .sql file is prepared and planned by a real server: an edit that breaks one fails here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError

from worker.courses import document_store
from worker.db.engine import Database, connect
from worker.db.statements import read_statements

ROOT = Path(__file__).resolve().parents[2] / "worker"
FILES = sorted(ROOT.rglob("*.sql"))
# Names become numbers, one for each, as the server counts them.
NUMBERED: sa.Dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
DIMENSIONS = 3
# What stands in a statement that needs an extension, and how the database is given it where the server can.
EXTENSIONS = ((("CourseVector", "::vector"), lambda c: document_store.add_vectors(c, "some model", DIMENSIONS)),)


@pytest.fixture(scope="module")
def planner(
    create_database: Callable[..., str], url_of: Callable[[str], str], template: str
) -> Iterator[tuple[sa.Connection, frozenset[str]]]:
    """A connection to a database of the newest revision with every extension there is, and what it cannot know."""
    database = Database(connect(url_of(create_database(template))))
    unknown = [words for words, add in EXTENSIONS if not database.transact(add)]
    with database.engine.connect() as connection:
        yield connection, frozenset(word for words in unknown for word in words)
    database.close()


def numbered(statement: str) -> str:
    """With parameters as $1, $2, …"""
    whole = statement.replace("{dimensions}", str(DIMENSIONS))
    return str(sa.text(whole).compile(dialect=NUMBERED)).replace("%%", "%")


def plan(connection: sa.Connection, name: str, statement: str) -> None:
    """No type is told: those of all parameters must follow from the statement, as in psql."""
    connection.exec_driver_sql(f'PREPARE "{name}" AS {numbered(statement)}'.replace("%", "%%"))
    count = "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = :name"
    nothing = ", ".join(["NULL"] * (connection.scalar(sa.text(count), {"name": name}) or 0))
    connection.exec_driver_sql(f'EXPLAIN EXECUTE "{name}"' + (f"({nothing})" if nothing else ""))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_statement_can_be_prepared_and_planned(path: Path, planner: tuple[sa.Connection, frozenset[str]]) -> None:
    connection, unknown = planner
    connection.rollback()
    broken = {}
    for name, statement in read_statements(path):
        try:
            with connection.begin_nested():
                if not any(word in statement for word in unknown):
                    plan(connection, f"{path.stem}.{name}", statement)
        except DBAPIError as error:
            broken[name] = str(error.orig)
    assert broken == {}
