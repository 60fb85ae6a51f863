"""Writes schema.prisma from the models, so that a table is described once: `make prisma`.

What the models do not hold (views, and the tables that keep our version) is in the template. Checks, partial indexes,
those with an operator class, functions and triggers are left out: Prisma's language has no words for them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from models import Base, new_id
from models.base import UtcTimestamp
from schema.config import PRISMA_SCHEMA
from schema.scripts import created_objects, up_scripts

TEMPLATE = PRISMA_SCHEMA.with_suffix(".prisma.in")
PLACE = "// models\n"
ACTIONS = {"CASCADE": "Cascade", "SET NULL": "SetNull", "RESTRICT": "Restrict", "NO ACTION": "NoAction"}
TYPES: Sequence[tuple[type[Any], str]] = (
    (UtcTimestamp, "DateTime"),
    (postgresql.TSVECTOR, 'Unsupported("tsvector")'),
    (postgresql.JSONB, "Json"),
    (sa.Numeric, "Decimal"),
    (sa.Date, "DateTime"),
    (sa.BigInteger, "BigInt"),
    (sa.Integer, "Int"),
    (sa.Boolean, "Boolean"),
    (sa.Text, "String"),
)
DEFAULTS = {"CURRENT_TIMESTAMP": "now()", "'{}'::text[]": "[]", "'[]'::jsonb": '"[]"'}
_LISTED = re.compile(r'"(\w+)" IN \((.*)\)', re.DOTALL)
_DESCENDING = re.compile(r'"(\w+)" DESC')

Line = tuple[str, ...]  # name, type, attributes, remark


def write_prisma(base: type[Any] = Base, template: str | None = None) -> str:
    """The whole file. Raises `ValueError` for what it has no words for."""
    made = {name: place for place, (kind, name) in enumerate(created_objects(*up_scripts())) if kind == "table"}
    tables = sorted(base.metadata.tables.values(), key=lambda table: made.get(table.name, len(made)))
    texts = {mapper.local_table.name: inspect.getdoc(mapper.class_) or "" for mapper in base.registry.mappers}
    models = "\n".join(_model(table, texts[table.name], tables) for table in tables)
    return (template or TEMPLATE.read_text(encoding="utf-8")).replace(PLACE, models)


def _model(table: sa.Table, text: str, tables: Sequence[sa.Table]) -> str:
    documented = "".join(f"/// {line}\n" for line in text.partition("\n\n")[0].splitlines())
    blocks = [
        _aligned(_column(table, column) for column in table.columns),
        _aligned([*_owned(table), *_owning(table, tables)]),
        [f"  {line}" for line in _block_attributes(table)],
    ]
    body = "\n\n".join("\n".join(block) for block in blocks if block)
    return f"{documented}model {table.name} {{\n{body}\n}}\n"


def _aligned(lines: Iterable[Line]) -> list[str]:
    """As `prisma format` lays them out."""
    rows = list(lines)
    names, types = (max((len(row[place]) for row in rows), default=0) for place in (0, 1))
    return [
        f"  {name:{names}} {type_:{types}} {attributes}".rstrip() + (f" // {remark}" if remark else "")
        for name, type_, attributes, remark in rows
    ]


# --- columns ----------------------------------------------------------------------------------------------------


def _column(table: sa.Table, column: sa.Column[Any]) -> Line:
    type_: Any = column.type
    if isinstance(type_, sa.ARRAY):
        kind = _type(type_.item_type) + "[]"
    else:
        kind = _type(type_) + ("?" if column.nullable else "")
    return column.name, kind, _attributes(table, column), _remark(table, column)


def _type(type_: Any) -> str:
    for known, name in TYPES:
        if isinstance(type_, known):
            return name
    raise ValueError(f"no Prisma type for {type_!r}")


def _attributes(table: sa.Table, column: sa.Column[Any]) -> str:
    found = []
    if list(table.primary_key.columns) == [column]:
        found.append("@id")
    if _is_unique(table, column):
        found.append("@unique")
    made = column.default.arg if isinstance(column.default, sa.ColumnDefault) else None
    if getattr(made, "__wrapped__", None) is new_id:
        found.append("@default(cuid())")
    elif column.onupdate is not None:
        found.append("@updatedAt")
    elif isinstance(column.server_default, sa.DefaultClause):
        found.append(f"@default({_default(str(column.server_default.arg))})")
    if isinstance(column.type, sa.Numeric):
        found.append(f"@db.Decimal({column.type.precision}, {column.type.scale})")
    elif isinstance(column.type, sa.Date):
        found.append("@db.Date")
    return " ".join(found)


def _default(sql: str) -> str:
    return DEFAULTS.get(sql) or (f'"{sql[1:-1]}"' if sql.startswith("'") else sql)


def _remark(table: sa.Table, column: sa.Column[Any]) -> str:
    """What a column says of itself; else the values that its check allows."""
    if column.doc:
        return column.doc
    checks = (c for c in table.constraints if isinstance(c, sa.CheckConstraint))
    listed = (_LISTED.fullmatch(str(check.sqltext)) for check in checks)
    return next((found[2] for found in listed if found and found[1] == column.name), "")


# --- relations --------------------------------------------------------------------------------------------------


def _owned(table: sa.Table) -> Iterator[Line]:
    """The side with the key. Its field is named after the column, where the model does not name it."""
    for key in _keys(table):
        column, target = key.parent, key.column.table.name
        name = key.info.get("one") or column.name.removesuffix("Id")
        given = [f'"{found}"'] if (found := _relation_name(key)) else []
        action = ACTIONS[key.ondelete or "NO ACTION"]
        given += [f"fields: [{column.name}]", f"references: [{key.column.name}]", f"onDelete: {action}"]
        yield name, target + ("?" if column.nullable else ""), f"@relation({', '.join(given)})", ""


def _owning(table: sa.Table, tables: Sequence[sa.Table]) -> Iterator[Line]:
    """The other sides of the keys that lead here, named after the table that holds them, or as the model says."""
    for other in tables:
        for key in _keys(other):
            if key.column.table is table:
                name = _relation_name(key)
                kind = other.name + ("?" if _is_alone(key) else "[]")
                yield _back(key), kind, f'@relation("{name}")' if name else "", ""


def _keys(table: sa.Table) -> list[sa.ForeignKey]:
    return [key for column in table.columns for key in column.foreign_keys]


def _back(key: sa.ForeignKey) -> str:
    name = key.parent.table.name
    return key.info.get("back") or name[0].lower() + name[1:] + ("" if _is_alone(key) else "s")


def _is_alone(key: sa.ForeignKey) -> bool:
    """Whether no two rows can have the same key."""
    table, column = key.parent.table, key.parent
    return list(table.primary_key.columns) == [column] or _is_unique(table, column)


def _is_unique(table: sa.Table, column: sa.Column[Any]) -> bool:
    return any(index.unique and list(index.columns) == [column] for index in _plain_indexes(table))


def _relation_name(key: sa.ForeignKey) -> str:
    """Only where two tables, or one with itself, have several: else Prisma sees which sides belong together."""
    table, target = key.parent.table, key.column.table
    between = [k for t in {table, target} for k in _keys(t) if {k.parent.table, k.column.table} == {table, target}]
    back = _back(key)
    return back[0].upper() + back[1:] if len(between) > 1 or table is target else ""


# --- keys and indexes -------------------------------------------------------------------------------------------


def _block_attributes(table: sa.Table) -> Iterator[str]:
    if len(table.primary_key.columns) > 1:
        yield f"@@id([{', '.join(table.primary_key.columns.keys())}])"
    for index in _plain_indexes(table):
        if index.unique and len(index.expressions) == 1:
            continue  # said at its column
        fields = [_field(expression) for expression in index.expressions]
        kind, suffix = ("unique", "key") if index.unique else ("index", "idx")
        usual = "_".join([table.name, *(field.partition("(")[0] for field in fields), suffix])
        using = index.dialect_options["postgresql"]["using"]
        given = [f"[{', '.join(fields)}]"]
        given += [f"type: {using.capitalize()}"] if using else []
        given += [f'map: "{index.name}"'] if index.name != usual else []
        yield f"@@{kind}({', '.join(given)})"


def _plain_indexes(table: sa.Table) -> list[sa.Index]:
    places = {column.name: place for place, column in enumerate(table.columns)}
    options = [(i, i.dialect_options["postgresql"]) for i in table.indexes]
    plain = [i for i, said in options if said["where"] is None and not said["ops"]]
    return sorted(plain, key=lambda i: (not i.unique, [places[_field(e).partition("(")[0]] for e in i.expressions]))


def _field(expression: Any) -> str:
    if isinstance(expression, sa.Column):
        return expression.name
    found = _DESCENDING.fullmatch(str(expression))
    if found is None:
        raise ValueError(f"no Prisma index of {expression}")
    return f"{found[1]}(sort: Desc)"


if __name__ == "__main__":
    PRISMA_SCHEMA.write_text(write_prisma(), encoding="utf-8")
