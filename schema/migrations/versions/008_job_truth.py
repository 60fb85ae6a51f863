"""The job's row tells the truth whoever writes it: no step back within a run, repeated calls counted as they begin."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "008"
down_revision = "007"


def upgrade() -> None:
    """Add the triggers."""
    run_script(op.get_bind(), "008_up")


def downgrade() -> None:
    """Drop them."""
    run_whole(op.get_bind(), "008_down")
