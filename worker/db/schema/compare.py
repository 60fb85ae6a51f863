"""Compares the database with the models and with what the revisions create."""

from __future__ import annotations

import re
from collections.abc import Collection

import sqlalchemy as sa

from models import Base
from schema.catalogue import Catalogue, Part, read_as_created, read_tables
from schema.config import head_revision
from schema.routines import differing_routines
from schema.scripts import created_objects, present_objects, up_scripts
from worker.db.schema.migrate import connected, read_revision

# Tables of the platform in which the worker writes rows, and how a column reads without which it cannot.
WRITTEN = frozenset({"AiValidationJob", "ClinicalCase", "Course", "Question", "Specialty"})
OBLIGATORY = re.compile(r" NOT NULL$")


def check(url: str, *, models: sa.MetaData = Base.metadata) -> list[str]:
    """List the differences between database and models in plain sentences; empty when they are equal.

    `url` is in SQLAlchemy's spelling. What the models do not know is the platform's own, and no difference: tables, and
    further columns, indexes and rules of the tables that the specification gives, unless the worker could write no row
    for them. A database at another revision gets the one sentence that says so. The Prisma schema is made from the
    models, and so is right when they are.
    """
    with connected(url) as connection:
        revision, head = read_revision(connection), head_revision()
        if revision != head:
            return [f"The database is at revision {revision or 'none'}, this version needs {head}: upgrade it."]
        modelled = read_as_created(connection, models)
        found = read_tables(connection, models.tables.keys())
        own = _find_own_parts(found, modelled)
        ours = {part: text for part, text in found.items() if part not in own}
        return [
            *list_differences(modelled, ours, "models/"),
            *(_obstacle(part) for part in sorted(own) if part.table in WRITTEN and OBLIGATORY.search(found[part])),
            *_missing_objects(connection),
        ]


def _find_own_parts(found: Catalogue, known: Collection[Part]) -> set[Part]:
    """What the platform added to its own tables."""
    platform = {name for kind, name in created_objects("001_up") if kind == "table"}
    return {part for part in found if part.table in platform and part not in known}


def _obstacle(column: Part) -> str:
    return (
        f"The platform's own {_name(column)} must be filled by whoever writes a row, and the worker does not know it: "
        "give it a default, or let it be empty."
    )


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
