"""Batch mode: batches at the provider, calls that wait for one, tasks that wait for those."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "011"
down_revision = "010"


def upgrade() -> None:
    """Add the table, the columns and the two states."""
    run_script(op.get_bind(), "011_up")


def downgrade() -> None:
    """Take them away; what waited is ready again."""
    run_whole(op.get_bind(), "011_down")
