"""What a database holds as a whole, by its catalogue: its schema, tables, extensions and size. No row is read."""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa

from worker.db.statements import load_statements

SQL = load_statements(__file__)
_FIRST_NAME = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",\s]+))')


@dataclass(frozen=True, slots=True)
class Contents:
    """`schema` is the one that DATABASE_URL names, whether it exists yet or not; `server` the major version."""

    database: str
    schema: str
    server: int
    size_bytes: int
    tables: int  # tables and views of `schema`
    schemas: frozenset[str]
    elsewhere: tuple[str, ...]  # other schemas that hold tables
    extensions: frozenset[str]
    needed_extensions: tuple[str, ...]


def read_contents(engine: sa.Engine) -> Contents:
    """Ask the catalogue; any role may."""
    with engine.connect() as connection:
        database, search_path, current, server, size = connection.execute(SQL["read_facts"]).one()
        tables = {row[0]: row[1] for row in connection.execute(SQL["count_tables"])}
        extensions = {row[0]: row[1] for row in connection.execute(SQL["find_extensions"])}
        schemas = frozenset(connection.scalars(SQL["read_schemas"]))
    schema = current or first_name(search_path)
    return Contents(
        database=database,
        schema=schema,
        server=server,
        size_bytes=size,
        tables=tables.get(schema, 0),
        schemas=schemas,
        elsewhere=tuple(name for name in tables if name != schema),
        extensions=frozenset(extensions),
        needed_extensions=tuple(name for name, needed in extensions.items() if needed),
    )


def first_name(search_path: str) -> str:
    """The first schema of a search path that does not exist yet; `public` where it names only the role's own."""
    found = _FIRST_NAME.match(search_path)
    quoted, plain = found.groups() if found else (None, None)
    name = quoted.replace('""', '"') if quoted is not None else (plain or "")
    return name if name and name != "$user" else "public"


def analyse_tables(engine: sa.Engine) -> None:
    """Have the planner's figures made anew, of every table that this role may; others are passed over with a notice."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
