"""Each column says one thing: pauses of jobs, what a call may cost at most, a batch that was begun again."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_in_batches, run_script, run_whole

revision = "022"
down_revision = "021"


def upgrade() -> None:
    """Add the table, the column and the state, and move into them what stood elsewhere."""
    run_script(op.get_bind(), "022_up")
    run_in_batches(op.get_bind(), "022_moves")


def downgrade() -> None:
    """Put everything back where older workers look for it."""
    run_whole(op.get_bind(), "022_down")
