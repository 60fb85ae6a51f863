"""The platform's schema exactly as its specification gives it.

A database that holds the platform's tables already is taken over when nothing is missing, and refused with the names
of what is missing otherwise. That also mends an upgrade cut off between the tables and the concurrent indexes, which
cannot share a transaction.
"""

from __future__ import annotations

from alembic import op
from alembic.util import CommandError

from schema.scripts import created_objects, present_objects, run_script, run_whole

revision = "001"
down_revision = None


def upgrade() -> None:
    """Build the schema, or take over one that is complete."""
    wanted = created_objects("001_up")
    present = present_objects(op.get_bind())
    if not present.intersection(wanted):
        run_whole(op.get_bind(), "001_up")
    elif missing := [f"{kind} {name}" for kind, name in wanted if (kind, name) not in present]:
        raise CommandError(
            "The database holds a part of the platform's tables, without: " + ", ".join(missing) + ". "
            "Complete it from schema/sql/001_up.sql, or give an empty database."
        )
    run_script(op.get_bind(), "001_concurrently")


def downgrade() -> None:
    """Drop everything, data included."""
    run_whole(op.get_bind(), "001_down")
