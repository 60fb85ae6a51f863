"""An index of the calls that are open, for the sweep."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "009"
down_revision = "008"


def upgrade() -> None:
    """Add the index."""
    run_script(op.get_bind(), "009_up")


def downgrade() -> None:
    """Drop it."""
    run_whole(op.get_bind(), "009_down")
