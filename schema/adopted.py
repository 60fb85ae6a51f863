"""What stood in the database before this project came: a record of it, so that nothing of it is ever taken away.

The record's table is described in sql/adopted.sql. In a database that began empty it holds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

import sqlalchemy as sa

from schema.catalogue import Catalogue, Part, read_as_written, read_tables
from schema.online import driver_of, run_online
from schema.scripts import created_by, read_sql, split_statements

RECORD_TABLE = read_sql("adopted")
RECORD = sa.text("""
    INSERT INTO medq_adopted ("kind", "table", "name", "differs") VALUES (:kind, :table, :name, :differs)
    ON CONFLICT DO NOTHING
""")
RECORD_JOBS = """
    INSERT INTO medq_adopted ("kind", "table", "name")
    SELECT 'job', 'AiValidationJob', j."id" FROM "AiValidationJob" j
    WHERE NOT EXISTS (SELECT FROM "AiValidationTask" t WHERE t."jobId" = j."id")
"""
RECORDED = sa.text('SELECT "table", "kind", "name" FROM medq_adopted WHERE "kind" <> \'job\'')
# Functions by what they do, triggers by being there.
ROUTINES = sa.text("""
    SELECT '', 'function', proname::text, prosrc
    FROM pg_proc WHERE pronamespace = to_regnamespace(quote_ident(current_schema())) AND proname = ANY (:names)
    UNION ALL
    SELECT relname::text, 'trigger', tgname::text, ''
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND tgname = ANY (:names) AND NOT tgisinternal
""")
BODY = re.compile(r"\$\$(.*)\$\$", re.DOTALL)
ON_TABLE = re.compile(r'\bON "(\w+)"')
# In this order nothing that is still there needs what goes.
DROPS = {
    "view": 'DROP VIEW "{name}"',
    "trigger": 'DROP TRIGGER "{name}" ON "{table}"',
    "function": 'DROP FUNCTION "{name}"()',
    "foreign key": 'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"',
    "check": 'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"',
    "partial index": 'DROP INDEX "{name}"',
    "index": 'DROP INDEX "{name}"',
    "column": 'ALTER TABLE "{table}" DROP COLUMN "{name}"',
    "table": 'DROP TABLE "{name}"',
}


def seed_statements() -> list[str]:
    """What revision 001 runs on an empty database."""
    return [statement for name in ("001_up", "001_concurrently") for statement in split_statements(read_sql(name))]


def seed_tables() -> list[str]:
    """The specification's ten tables."""
    return [made.name for made in map(created_by, seed_statements()) if made and made.kind == "table"]


def seed_routines() -> dict[Part, str]:
    """The specification's functions, triggers and views: the statement that makes each."""
    routines = {}
    for statement in seed_statements():
        made = created_by(statement)
        if made and made.kind in ("view", "function", "trigger"):
            table = ON_TABLE.search(statement) if made.kind == "trigger" else None
            routines[Part(table[1] if table else "", made.kind, made.name)] = statement
    return routines


def read_seed(connection: sa.Connection) -> Catalogue:
    """Read what revision 001 makes, spelled by PostgreSQL. Functions are their bodies, triggers nothing but there."""
    routines = seed_routines()
    statements = [s.replace(" CONCURRENTLY", "") for s in seed_statements() if s not in routines.values()]
    views = {part: statement for part, statement in routines.items() if part.kind == "view"}
    found = read_as_written(connection, [*statements, *views.values()], [*seed_tables(), *(v.name for v in views)])
    for part, statement in routines.items():
        if part.kind != "view":
            body = BODY.search(statement) if part.kind == "function" else None
            found[part] = body[1] if body else ""
    return found


def read_present(connection: sa.Connection) -> Catalogue:
    """Read what is there under the names of revision 001 and of whatever the platform added to those tables."""
    routines = [part.name for part in seed_routines()]
    rows = connection.execute(ROUTINES, {"names": routines})
    return read_tables(connection, [*seed_tables(), *routines]) | {Part(*row[:3]): row[3] for row in rows}


def begin_record(connection: sa.Connection, parts: Iterable[Part] = (), differing: Collection[Part] = ()) -> None:
    """Make the record with what is there, at once. One that is there stays: what is found now may be ours."""
    rows = [{**part._asdict(), "differs": part in differing} for part in parts]
    with driver_of(connection).transaction():
        if not has_record(connection):
            connection.exec_driver_sql(RECORD_TABLE)
            if rows:
                connection.execute(RECORD, rows)


def has_record(connection: sa.Connection) -> bool:
    """Whether this project has begun to work on this database."""
    return connection.scalar(sa.text("SELECT to_regclass('medq_adopted') IS NOT NULL")) is True


def recorded(connection: sa.Connection) -> set[Part]:
    """Read what was there before; nothing in a database that began empty."""
    return {Part(*row) for row in connection.execute(RECORDED)} if has_record(connection) else set()


def take_back(connection: sa.Connection) -> None:
    """Drop what revision 001 added to a database that was adopted, and only that; then the record itself."""
    present, kept = read_present(connection), recorded(connection)
    made = [part for part in read_seed(connection) if part in present and part not in kept]
    lost = {part.table for part in made if part.kind == "table"}
    drops = [
        pattern.format(table=part.table, name=part.name)
        for kind, pattern in DROPS.items()
        for part in made
        if part.kind == kind and not (kind in ("check", "partial index", "index", "column") and part.table in lost)
    ]
    run_online(connection, *drops, "DROP TABLE medq_adopted")
