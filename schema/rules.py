"""Checks and keys that were added without looking at older rows: looking at them now, naming those that break one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from psycopg.errors import CheckViolation, ForeignKeyViolation

from schema.online import run_online
from schema.scripts import created_objects, up_scripts

EXAMPLES = 5
LONGEST_VALUE = 24

UNVALIDATED = sa.text("""
    SELECT relname::text, conname::text, confrelid = 0 AS is_check, pg_get_expr(conbin, conrelid) AS expression,
        ARRAY(SELECT attname::text FROM unnest(conkey) AS key
              JOIN pg_attribute ON attrelid = conrelid AND attnum = key ORDER BY attnum) AS columns,
        confrelid::regclass::text AS referred,
        (SELECT attname::text FROM pg_attribute WHERE attrelid = confrelid AND attnum = confkey[1]) AS referred_column
    FROM pg_constraint
    JOIN pg_class ON pg_class.oid = conrelid
    WHERE NOT convalidated AND contype IN ('c', 'f') AND conname = ANY (:names)
        AND relnamespace = to_regnamespace(quote_ident(current_schema()))
    ORDER BY 1, 2
""")


class BrokenRule(NamedTuple):
    """A rule that so many older `rows` break. It binds what is written from now on. `examples`: id, and what it has."""

    table: str
    name: str
    rows: int
    examples: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        shown = "; ".join(f"{row} has {value}" for row, value in self.examples)
        more = f" and {self.rows - len(self.examples)} more" if self.rows > len(self.examples) else ""
        rows = f'{self.rows} row{" breaks" if self.rows == 1 else "s break"} it in "{self.table}"'
        return f'The rule "{self.name}" holds for what is written from now on; {rows}: {shown}{more}.'


def find_unvalidated(connection: sa.Connection) -> Sequence[sa.Row[Any]]:
    """Rules of ours that older rows were not held to."""
    names = [name for kind, name in created_objects(*up_scripts()) if kind == "constraint"]
    return connection.execute(UNVALIDATED, {"names": names}).all()


def validate_rules(connection: sa.Connection) -> list[BrokenRule]:
    """Hold older rows to the rules that were added without: those that some break stay as they are, and are returned.

    Readers and writers go on meanwhile.
    """
    broken = []
    for rule in find_unvalidated(connection):
        try:
            run_online(connection, f'ALTER TABLE "{rule.relname}" VALIDATE CONSTRAINT "{rule.conname}"')
        except (CheckViolation, ForeignKeyViolation):
            broken.append(_describe(connection, rule))
    return broken


def _describe(connection: sa.Connection, rule: sa.Row[Any]) -> BrokenRule:
    if rule.is_check:
        condition = f"NOT ({rule.expression})"
    else:
        (column,) = rule.columns
        referred = f'SELECT FROM {rule.referred} AS r WHERE r."{rule.referred_column}" = t."{column}"'
        condition = f't."{column}" IS NOT NULL AND NOT EXISTS ({referred})'
    values = ", ".join(f'left(t."{column}"::text, {LONGEST_VALUE + 1})' for column in rule.columns)
    query = f"""SELECT count(*) OVER (), t."id", {values} FROM "{rule.relname}" AS t WHERE {condition}
        ORDER BY t."id" LIMIT {EXAMPLES}"""  # noqa: S608 (names and rules of the database's own catalogue)
    rows = connection.exec_driver_sql(query.replace("%", "%%")).all()
    examples = tuple((row[1], _show(rule.columns, row[2:])) for row in rows)
    return BrokenRule(rule.relname, rule.conname, rows[0][0] if rows else 0, examples)


def _show(columns: Sequence[str], values: Sequence[str | None]) -> str:
    # A long value is a text of the platform's: which one is wrong is seen without it.
    shown = [
        f'"{column}" {"empty" if value is None else repr(value)}'
        for column, value in zip(columns, values, strict=True)
        if value is None or len(value) <= LONGEST_VALUE
    ]
    return ", ".join(shown)
