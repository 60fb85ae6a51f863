"""Decisions: what people settle, and the view of what is open."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "012"
down_revision = "011"


def upgrade() -> None:
    """Add the table, its indexes and the view."""
    run_script(op.get_bind(), "012_up")


def downgrade() -> None:
    """Take them away: what was decided is forgotten, the questions stay as they are."""
    run_whole(op.get_bind(), "012_down")
