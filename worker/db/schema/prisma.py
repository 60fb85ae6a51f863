"""Reads schema.prisma into SQLAlchemy tables, the way Prisma would create them. Knows the part of its language in use.

Left out because Prisma's language has no words for them: checks, partial indexes, views, functions and triggers.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

# A string is kept, for what looks like a comment inside it is none.
COMMENT = re.compile(r'("[^"]*")|//.*$')
MODEL = re.compile(r"^model\s+(\w+)\s*\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r'^(\w+)\s+(\w+(?:\("\w+"\))?)(\[\]|\?)?\s*(.*)$')
BLOCK = re.compile(r"^@@(id|unique|index)\(\[(.*?)\](?:,\s*type:\s*(\w+))?(?:,\s*map:\s*\"(\w+)\")?\)$")
RELATION = re.compile(
    r'@relation\((?:"(\w+)",?\s*)?(?:fields:\s*\[(\w+)\],\s*references:\s*\[(\w+)\],\s*onDelete:\s*(\w+))?\)'
)
DEFAULT = re.compile(r'@default\((".*?"|\w+\(\)|\[\]|[\w.]+)\)')
DECIMAL = re.compile(r"@db\.Decimal\((\d+),\s*(\d+)\)")
TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "String": sa.Text(),
    "Int": sa.Integer(),
    "BigInt": sa.BigInteger(),
    "Boolean": sa.Boolean(),
    "DateTime": postgresql.TIMESTAMP(precision=3),
    "Json": postgresql.JSONB(),
    "Decimal": sa.Numeric(65, 30),
    'Unsupported("tsvector")': postgresql.TSVECTOR(),
}
ACTIONS = {"Cascade": "CASCADE", "SetNull": "SET NULL", "Restrict": "RESTRICT", "NoAction": "NO ACTION"}


class PrismaSyntaxError(ValueError):
    """The file holds something that this reader does not know; the message quotes the line."""


@dataclass(frozen=True, slots=True)
class Relation:
    """One side of a relation: the field, its target model, and its name ("" when it has none)."""

    model: str
    field: str
    target: str
    name: str
    owns_key: bool


def read_prisma(text: str) -> sa.MetaData:
    """Turn the file's models into tables. A model marked `@@ignore` is nobody's business and left out.

    Raises `PrismaSyntaxError` for a line it cannot read, and for a relation that has only one side (Prisma refuses
    the file then).
    """
    models = {name: lines for name, body in MODEL.findall(text) if "@@ignore" not in (lines := _lines(body))}
    metadata = sa.MetaData()
    relations: list[Relation] = []
    for name, lines in models.items():
        relations += _read_model(metadata, name, lines, models.keys())
    _check_both_sides(relations)
    return metadata


def _lines(body: str) -> list[str]:
    without_comments = (COMMENT.sub(lambda found: found[1] or "", line).strip() for line in body.splitlines())
    return [line for line in without_comments if line]


def _read_model(metadata: sa.MetaData, name: str, lines: list[str], models: Collection[str]) -> list[Relation]:
    table = sa.Table(name, metadata)
    relations = []
    for line in lines:
        if line.startswith("@@"):
            _add_index(table, line)
            continue
        found = FIELD.match(line)
        if found is None:
            raise PrismaSyntaxError(f"model {name}: cannot read {line!r}")
        field, type_name, suffix, attributes = found.groups(default="")
        if type_name in models:
            relations.append(_add_relation(table, field, type_name, attributes))
        elif type_name in TYPES:
            _add_column(table, field, type_name, suffix, attributes)
        else:
            raise PrismaSyntaxError(f"model {name}: {field} has the unknown type {type_name}")
    return relations


def _add_column(table: sa.Table, field: str, type_name: str, suffix: str, attributes: str) -> None:
    decimal = DECIMAL.search(attributes)
    type_ = sa.Numeric(int(decimal[1]), int(decimal[2])) if decimal else TYPES[type_name]
    if "@db.Date" in attributes:
        type_ = sa.Date()
    column: sa.Column[Any] = sa.Column(
        field,
        sa.ARRAY(type_) if suffix == "[]" else type_,
        nullable=suffix == "?",
        server_default=_default(type_name, attributes),
    )
    table.append_column(column)
    if "@id" in attributes:
        table.append_constraint(sa.PrimaryKeyConstraint(field, name=f"{table.name}_pkey"))
    if "@unique" in attributes:
        sa.Index(f"{table.name}_{field}_key", column, unique=True)


def _default(type_name: str, attributes: str) -> sa.TextClause | None:
    """The default that the database holds. Ids and `@updatedAt` are made by Prisma's client: the database has none."""
    found = DEFAULT.search(attributes)
    if found is None or found[1] == "cuid()":
        return None
    value = found[1]
    if value == "now()":
        return sa.text("CURRENT_TIMESTAMP")
    if value == "[]":
        return sa.text("'{}'")
    if value.startswith('"'):
        value = "'" + value[1:-1].replace("'", "''") + "'"
    return sa.text(value + ("::jsonb" if type_name == "Json" else ""))


def _add_relation(table: sa.Table, field: str, target: str, attributes: str) -> Relation:
    found = RELATION.search(attributes)
    name, column, referred, on_delete = found.groups(default="") if found else ("", "", "", "")
    if column:
        table.append_constraint(
            sa.ForeignKeyConstraint(
                [column],
                [f"{target}.{referred}"],
                name=f"{table.name}_{column}_fkey",
                ondelete=ACTIONS[on_delete],
                onupdate="CASCADE",  # Prisma's default
            )
        )
    return Relation(table.name, field, target, name, owns_key=bool(column))


def _add_index(table: sa.Table, line: str) -> None:
    found = BLOCK.match(line)
    if found is None:
        raise PrismaSyntaxError(f"model {table.name}: cannot read {line!r}")
    kind, listed, method, mapped = found.groups(default="")
    parts = [part.strip() for part in listed.split(",")]
    names = [part.partition("(")[0] for part in parts]
    ordered = [
        sa.desc(table.c[n]) if "sort: Desc" in part else table.c[n] for n, part in zip(names, parts, strict=True)
    ]
    if kind == "id":
        table.append_constraint(sa.PrimaryKeyConstraint(*names, name=f"{table.name}_pkey"))
        return
    suffix = "key" if kind == "unique" else "idx"
    name = mapped or f"{table.name}_{'_'.join(names)}_{suffix}"
    sa.Index(name, *ordered, unique=kind == "unique", postgresql_using=method.lower() or None)


def _check_both_sides(relations: list[Relation]) -> None:
    for side in relations:
        opposite = [
            other
            for other in relations
            if (other.model, other.target, other.name) == (side.target, side.model, side.name)
            and other.owns_key != side.owns_key
        ]
        if len(opposite) != 1:
            raise PrismaSyntaxError(
                f"model {side.model}: the relation {side.field} has {len(opposite)} opposite fields in {side.target}"
            )
