"""What a database holds as a whole, by its catalogue: its schema, tables, extensions and size. No row is read."""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa

_FIRST_NAME = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",\s]+))')

_FACTS = sa.text("""
    SELECT current_database(), current_setting('search_path'), current_schema(),
        current_setting('server_version_num')::int / 10000, pg_database_size(current_database())
""")
_TABLES = sa.text("""
    SELECT nspname, count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm') AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
        AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
    GROUP BY 1 ORDER BY 1
""")
# An extension is needed when something that is no part of one (a column's type, an index's operators, a default) rests
# on what it brought.
_EXTENSIONS = sa.text("""
    SELECT extname, EXISTS (
        SELECT FROM pg_depend part JOIN pg_depend user_of_it
            ON user_of_it.refclassid = part.classid AND user_of_it.refobjid = part.objid
            AND user_of_it.deptype IN ('n', 'a')
        WHERE part.refclassid = 'pg_extension'::regclass AND part.refobjid = pg_extension.oid AND part.deptype = 'e'
            AND NOT EXISTS (
                SELECT FROM pg_depend own WHERE own.classid = user_of_it.classid AND own.objid = user_of_it.objid
                    AND own.deptype = 'e')
    )
    FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1
""")


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
        database, search_path, current, server, size = connection.execute(_FACTS).one()
        tables = {row[0]: row[1] for row in connection.execute(_TABLES)}
        extensions = {row[0]: row[1] for row in connection.execute(_EXTENSIONS)}
        schemas = frozenset(connection.scalars(sa.text("SELECT nspname FROM pg_namespace")))
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
