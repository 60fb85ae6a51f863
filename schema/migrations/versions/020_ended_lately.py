"""Indexes of what ended lately, for metrics."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "020"
down_revision = "019"


def upgrade() -> None:
    """Add the indexes."""
    run_script(op.get_bind(), "020_up")


def downgrade() -> None:
    """Drop them."""
    run_whole(op.get_bind(), "020_down")
