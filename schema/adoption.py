"""Taking over a database that the platform made: what it lacks of revision 001 is added, and nothing else is touched.

No row is changed. Rules that rows break are added all the same, for rows written from now on: see rules.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import sqlalchemy as sa
from alembic.util import CommandError
from psycopg.errors import UniqueViolation

from schema.adopted import (
    begin_record,
    has_record,
    read_present,
    read_seed,
    seed_routines,
    seed_statements,
    seed_tables,
)
from schema.catalogue import Catalogue, Part
from schema.online import run_online
from schema.scripts import created_by, created_objects, up_scripts

# The specification's strict checks refuse three keys of four. Revision 004 adds the wider ones: meanwhile neither
# stands, and nothing that the platform writes is refused for a moment.
WIDENED = frozenset({"Question_correct_answer_check", "Question_qcm_fields_check"})
# What a column may be instead of what the specification says, by the first word of its type.
ALIKE = {
    "text": ("text", "character varying", "character", "citext"),
    "integer": ("integer", "bigint", "smallint"),
    "timestamp": ("timestamp",),
    "numeric": ("numeric", "double precision"),
    "boolean": ("boolean",),
    "jsonb": ("jsonb",),
}
OBJECTS = sa.text("""
    SELECT relname::text, relkind::text, pg_get_userbyid(relowner)::text, pg_has_role(relowner, 'USAGE')
    FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relname = ANY (:names)
""")
MAY_CREATE = sa.text(
    "SELECT has_schema_privilege(current_schema(), 'CREATE'), current_schema()::text, current_user::text"
)
# Prisma's `db push` drops what its schema does not name. Functions and triggers are seen to elsewhere: see routines.py.
MENDED = frozenset({"check", "foreign key", "index", "partial index"})
HAS_ROWS = 'SELECT EXISTS (SELECT FROM "{}")'


def is_there(connection: sa.Connection) -> bool:
    """Whether the database holds any of the specification's tables."""
    return bool(connection.execute(OBJECTS, {"names": seed_tables()}).all())


def check_obstacles(connection: sa.Connection) -> None:
    """Raise `CommandError` with everything that stands in the way of the first upgrade, before anything is changed."""
    obstacles = [*_find_missing_rights(connection)]
    if is_there(connection) and not has_record(connection):
        obstacles += _find_obstacles(connection, read_present(connection), read_seed(connection))
    if obstacles:
        raise CommandError("The database cannot be taken over yet:\n- " + "\n- ".join(obstacles))


def adopt(connection: sa.Connection) -> list[str]:
    """Complete the platform's tables; return in sentences what was done. Begins again where it was cut off."""
    present, seed = read_present(connection), read_seed(connection)
    begin_record(connection, present, [part for part in present.keys() & seed.keys() if _differs(part, present, seed)])
    return _add(connection, _missing(connection, present, seed))


def mend(connection: sa.Connection) -> list[str]:
    """Add again the indexes and rules of the platform's tables that somebody dropped since; say which."""
    present, seed = read_present(connection), read_seed(connection)
    return _add(connection, [one for one in _missing(connection, present, seed) if one[0].kind in MENDED])


def _add(connection: sa.Connection, additions: Iterable[tuple[Part, str]]) -> list[str]:
    notes = []
    for part, statement in additions:
        try:
            run_online(connection, statement)
        except UniqueViolation as error:
            run_online(connection, f'DROP INDEX CONCURRENTLY IF EXISTS "{part.name}"')
            notes.append(f"{_name(part)} could not be added: {error.diag.message_detail}")
        else:
            notes.append(f"{_name(part)} was added.")
    return notes


def _find_missing_rights(connection: sa.Connection) -> Iterator[str]:
    may_create, schema, role = connection.execute(MAY_CREATE).one()
    if not may_create:
        yield f'the role "{role}" may not create tables: GRANT CREATE ON SCHEMA "{schema}" TO "{role}"'
    for name, _, owner, is_owner in connection.execute(OBJECTS, {"names": seed_tables()}):
        if not is_owner:
            yield f'"{name}" is owned by "{owner}": GRANT "{owner}" TO "{role}", or upgrade as that role'


def _find_obstacles(connection: sa.Connection, present: Catalogue, seed: Catalogue) -> Iterator[str]:
    ours = [name for kind, name in created_objects(*up_scripts()) if kind in ("table", "view")]
    seeded = {*seed_tables(), *(part.name for part in seed_routines())}
    for name, kind, *_ in connection.execute(OBJECTS, {"names": ours}):
        if name not in seeded:
            yield f'"{name}" is a name of the worker\'s own, and there is one already: rename or remove it'
        elif kind not in "rv":
            yield f'"{name}" is no ordinary table'
    for part in sorted(seed.keys() & present.keys()):
        if part.kind == "column" and not _is_alike(present[part], seed[part]):
            yield f'"{part.table}"."{part.name}" is {present[part]}, and has to be {seed[part]}'
    for part in sorted(seed.keys() - present.keys()):
        if part.kind == "primary key" and Part(part.table, "table", part.table) in present:
            yield f'"{part.table}" has no primary key "{part.name}"'


def _is_alike(found: str, wanted: str) -> bool:
    return found.startswith(ALIKE[re.split(r"[ (]", wanted, maxsplit=1)[0]])


def _differs(part: Part, present: Catalogue, seed: Catalogue) -> bool:
    return part.kind in ("check", "view", "function") and present[part].split() != seed[part].split()


def _missing(connection: sa.Connection, present: Catalogue, seed: Catalogue) -> Iterator[tuple[Part, str]]:
    """What is to be run, in an order in which each finds what it needs."""
    tables = {made.name: s for s in seed_statements() if (made := created_by(s)) and made.kind == "table"}
    whole = {part for part, text in present.items() if not text.endswith(" INVALID")}
    lacking = [part for part in seed if part not in whole and part.name not in WIDENED]
    new = {part.table for part in lacking if part.kind == "table"}
    for name in (name for name in tables if name in new):
        yield Part(name, "table", name), tables[name]
    for part in lacking:
        if part.kind == "column" and part.table not in new:
            has_rows = connection.exec_driver_sql(HAS_ROWS.format(part.table)).scalar()
            definition = seed[part].replace(" NOT NULL", "") if has_rows and "DEFAULT" not in seed[part] else seed[part]
            yield part, f'ALTER TABLE "{part.table}" ADD COLUMN IF NOT EXISTS "{part.name}" {definition}'
    for part in lacking:
        if part.kind in ("check", "foreign key"):
            yield part, f'ALTER TABLE "{part.table}" ADD CONSTRAINT "{part.name}" {seed[part]} NOT VALID'
        elif part.kind in ("index", "partial index"):
            yield part, re.sub("INDEX", "INDEX CONCURRENTLY IF NOT EXISTS", seed[part], count=1)
    for part, statement in seed_routines().items():
        if part in lacking:
            yield part, statement


def _name(part: Part) -> str:
    return f'The {part.kind} "{part.name}"' + (f' of "{part.table}"' if part.table and part.kind != "table" else "")
