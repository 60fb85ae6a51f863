"""What PostgreSQL's own catalogue says of tables, spelled by PostgreSQL, so that equal things are equal texts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa


class Part(NamedTuple):
    """A part of a table: its kind ("column", "index", "partial index", "check", …) and its name."""

    table: str
    kind: str
    name: str


Catalogue = dict[Part, str]

# A temporary schema is spelled with its number by servers before 15.
TEMPORARY = r"\bpg_temp(?:_\d+)?\."
# Whether older rows were looked at is no property of a rule: see `medq doctor`.
NOT_VALID = re.compile(r" NOT VALID$")

PARTS = sa.text("""
    WITH wanted AS (
        SELECT oid, relname::text AS name FROM pg_class
        WHERE relnamespace = :namespace AND relkind = 'r' AND relname = ANY (:names)
    )
    SELECT name, 'table', name, 'present' FROM wanted
    UNION ALL
    SELECT wanted.name, 'column', attname::text,
        format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
        || CASE WHEN attidentity <> '' THEN ' IDENTITY' ELSE '' END
        || coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid), '')
    FROM wanted
    JOIN pg_attribute ON attrelid = wanted.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    UNION ALL
    SELECT wanted.name,
        CASE contype WHEN 'p' THEN 'primary key' WHEN 'f' THEN 'foreign key' WHEN 'c' THEN 'check'
            ELSE 'constraint' END,
        conname::text, pg_get_constraintdef(pg_constraint.oid)
    FROM wanted
    JOIN pg_constraint ON conrelid = wanted.oid AND contype IN ('p', 'f', 'c', 'u', 'x')
    UNION ALL
    SELECT '', 'view', relname::text, pg_get_viewdef(oid)
    FROM pg_class WHERE relkind = 'v' AND relnamespace = :namespace AND relname = ANY (:names)
    UNION ALL
    SELECT wanted.name, CASE WHEN indpred IS NULL THEN 'index' ELSE 'partial index' END, relname::text,
        pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END
    FROM wanted
    JOIN pg_index ON indrelid = wanted.oid AND NOT indisprimary
    JOIN pg_class ON pg_class.oid = indexrelid
""")


def read_tables(connection: sa.Connection, names: Collection[str]) -> Catalogue:
    """Read the named tables of the current schema."""
    namespace = connection.execute(
        sa.text("SELECT oid, quote_ident(nspname) FROM pg_namespace WHERE nspname = current_schema()")
    ).one()
    return _read(connection, namespace[0], re.escape(f"{namespace[1]}."), names)


def read_as_written(connection: sa.Connection, statements: Iterable[str], names: Collection[str]) -> Catalogue:
    """Read the named tables as `statements` would make them: in the temporary schema, and rolled back."""
    driver: Any = connection.connection.driver_connection
    with driver.transaction(force_rollback=True):
        driver.execute("SET LOCAL search_path = pg_temp")
        for statement in statements:
            driver.execute(statement)
        (namespace,) = driver.execute("SELECT pg_my_temp_schema()").fetchone()
        return _read(connection, namespace, TEMPORARY, names)


def read_as_created(connection: sa.Connection, metadata: sa.MetaData) -> Catalogue:
    """Read what `metadata` would create: it is created as temporary tables and rolled back.

    Only so does PostgreSQL spell both sides of a comparison. Nothing is left behind, nothing is locked.
    """
    with connection.begin_nested() as attempt:
        in_temp = connection.execution_options(schema_translate_map={None: "pg_temp"})
        metadata.create_all(in_temp, checkfirst=False)
        namespace = connection.scalar(sa.text("SELECT pg_my_temp_schema()"))
        found = _read(connection, namespace, TEMPORARY, metadata.tables.keys())
        attempt.rollback()
        return found


def _read(connection: sa.Connection, namespace: int, prefix: str, names: Collection[str]) -> Catalogue:
    rows = connection.execute(PARTS, {"namespace": namespace, "names": sorted(names)})
    return {Part(table, kind, name): NOT_VALID.sub("", re.sub(prefix, "", text)) for table, kind, name, text in rows}
