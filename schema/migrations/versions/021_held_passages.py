"""Passages of courses that are kept out of the search until somebody allows them."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "021"
down_revision = "020"


def upgrade() -> None:
    """Add the columns. Documents of before are looked at by `medq courses reindex`."""
    run_script(op.get_bind(), "021_up")


def downgrade() -> None:
    """Drop them. What is held stays out of the search."""
    run_whole(op.get_bind(), "021_down")
