"""Tasks, items and calls of a job, and the triggers that let any client drive a job through its row alone."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "005"
down_revision = "004"


def upgrade() -> None:
    """Add the tables, then the triggers; jobs already waiting get their first task."""
    run_script(op.get_bind(), "005_up")
    run_script(op.get_bind(), "005_triggers")


def downgrade() -> None:
    """Drop them; the job rows stay."""
    run_whole(op.get_bind(), "005_down")
