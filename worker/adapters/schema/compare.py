"""Compares the database with the models, with the Prisma schema and with what the revisions create."""

from __future__ import annotations

import sqlalchemy as sa

from models import Base
from schema.config import PRISMA_SCHEMA, head_revision
from schema.routines import differing_routines
from schema.scripts import created_objects, present_objects, up_scripts
from worker.adapters.schema.catalogue import Catalogue, Part, read_as_created, read_tables
from worker.adapters.schema.migrate import connected, read_revision
from worker.adapters.schema.prisma import PrismaSyntaxError, read_prisma

# Prisma's language has no words for these.
UNKNOWN_TO_PRISMA = frozenset({"check", "partial index"})
# Made only where the server has the extension it needs, so neither its presence nor its absence is a difference.
OPTIONAL = frozenset({"CourseTerm_term_trgm_idx"})


def check(url: str, *, models: sa.MetaData = Base.metadata, prisma: str | None = None) -> list[str]:
    """List the differences between database, models and Prisma schema in plain sentences; empty when they are equal.

    `url` is in SQLAlchemy's spelling, `prisma` the text of a Prisma schema (the project's own by default). Tables that
    neither side knows are not looked at: the platform may have its own. A database at another revision gets the one
    sentence that says so.
    """
    with connected(url) as connection:
        revision, head = read_revision(connection), head_revision()
        if revision != head:
            return [f"The database is at revision {revision or 'none'}, this version needs {head}: upgrade it."]
        return [
            *_compare_with_models(connection, models),
            *_compare_with_prisma(connection, models, prisma or PRISMA_SCHEMA.read_text(encoding="utf-8")),
            *_missing_objects(connection),
        ]


def _compare_with_models(connection: sa.Connection, models: sa.MetaData) -> list[str]:
    expected = read_as_created(connection, models)
    return list_differences(expected, read_tables(connection, models.tables.keys()), "models/")


def _compare_with_prisma(connection: sa.Connection, models: sa.MetaData, text: str) -> list[str]:
    try:
        described = read_prisma(text)
    except PrismaSyntaxError as error:
        return [f"The Prisma schema cannot be read: {error}."]
    expected = read_as_created(connection, described)
    found = read_tables(connection, {*models.tables, *described.tables})
    seen = {part: text for part, text in found.items() if part.kind not in UNKNOWN_TO_PRISMA}
    return list_differences(expected, seen, "schema.prisma")


def _missing_objects(connection: sa.Connection) -> list[str]:
    present = present_objects(connection)
    views = [made for made in created_objects(*up_scripts()) if made.kind == "view"]
    differing = differing_routines(connection)
    return [
        f"The database lacks the {made.kind} {made.name}." for made in (*views, *differing) if made not in present
    ] + [f"The {made.kind} {made.name} is not the one of schema/functions." for made in differing if made in present]


def list_differences(expected: Catalogue, found: Catalogue, source: str) -> list[str]:
    """Put the differences of two catalogues into sentences; `source` names where the expected one is from.

    A table that only one side has is one sentence, not one for each of its parts.
    """
    tables = {part.table for part in expected.keys() & found.keys() if part.kind == "table"}
    sentences = []
    for part in sorted(expected.keys() | found.keys()):
        if part.name in OPTIONAL:
            continue
        if part.kind != "table" and part.table not in tables:
            continue
        if part not in found:
            sentences.append(f"The database lacks {_name(part)}, which is in {source}: {expected[part]}.")
        elif part not in expected:
            sentences.append(f"The database has {_name(part)}, not in {source}: {found[part]}.")
        elif found[part] != expected[part]:
            sentences.append(
                f"Different for {_name(part)}: in the database {found[part]}, in {source} {expected[part]}."
            )
    return sentences


def _name(part: Part) -> str:
    return f'the table "{part.name}"' if part.kind == "table" else f'the {part.kind} "{part.name}" of "{part.table}"'
