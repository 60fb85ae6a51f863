"""Indexes of the courses' words by how they begin and end, for misspelled ones; no trigrams any more."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "023"
down_revision = "022"


def upgrade() -> None:
    """Add the two indexes and drop the one that needed an extension."""
    run_script(op.get_bind(), "023_up")


def downgrade() -> None:
    """Drop them; older workers' function makes theirs again."""
    run_whole(op.get_bind(), "023_down")
