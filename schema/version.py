"""Where a database's revision stands: in a table of this project's own, beside whatever a platform's Alembic has."""

from __future__ import annotations

import sqlalchemy as sa

from schema import VERSION_TABLE
from schema.adopted import RECORD_JOBS, begin_record, read_present
from schema.online import driver_of, run_online
from schema.scripts import created_objects, present_objects, up_scripts

OLD_TABLE = "alembic_version"
REVISIONS_WITHOUT_TASKS = ("001", "002", "003", "004")
EXISTS = sa.text("SELECT to_regclass(:name) IS NOT NULL")
# In a database at one of these, the common table of Alembic may hold a revision of ours: later ones never stood there.
OLD_REVISIONS = frozenset(f"{number:03}" for number in range(1, 17))


def move_version(connection: sa.Connection) -> None:
    """Take the revision along from Alembic's common table, where this project kept it at first.

    A platform's own Alembic may use that table, and even name its revisions like ours: it is ours when everything is
    there that ours make, and only with our tasks in the database is it taken away. Who made the platform's tables is
    not known then: none of them will ever be dropped.
    """
    if connection.scalar(EXISTS, {"name": VERSION_TABLE}) or not connection.scalar(EXISTS, {"name": OLD_TABLE}):
        return
    revisions = connection.scalars(sa.text("SELECT version_num FROM alembic_version")).all()
    if len(revisions) != 1 or revisions[0] not in OLD_REVISIONS or not _is_complete(connection, revisions[0]):
        return
    if revisions[0] in REVISIONS_WITHOUT_TASKS:
        moves = [
            f"CREATE TABLE {VERSION_TABLE} (LIKE {OLD_TABLE} INCLUDING DEFAULTS)",
            f"ALTER TABLE {VERSION_TABLE} ADD CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num)",
            f"INSERT INTO {VERSION_TABLE} SELECT version_num FROM {OLD_TABLE}",  # noqa: S608 (constants)
        ]
    else:
        moves = [
            f"ALTER TABLE {OLD_TABLE} RENAME TO {VERSION_TABLE}",
            f"ALTER TABLE {VERSION_TABLE} RENAME CONSTRAINT {OLD_TABLE}_pkc TO {VERSION_TABLE}_pkc",
            RECORD_JOBS,
        ]
    with driver_of(connection).transaction():
        begin_record(connection, read_present(connection))
        run_online(connection, *moves)


def _is_complete(connection: sa.Connection, revision: str) -> bool:
    names = [name for name in up_scripts() if name[:3] <= ("001" if revision in REVISIONS_WITHOUT_TASKS else revision)]
    wanted = [made for made in created_objects(*names) if revision in REVISIONS_WITHOUT_TASKS or made.kind == "table"]
    return present_objects(connection).issuperset(wanted)
