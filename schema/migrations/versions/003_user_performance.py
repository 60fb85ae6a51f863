"""Sums of `user_performance` that were multiplied by a join are right. Same columns."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "003"
down_revision = "002"


def upgrade() -> None:
    """Replace the view."""
    run_script(op.get_bind(), "003_up")


def downgrade() -> None:
    """Put the specification's view back."""
    run_whole(op.get_bind(), "003_down")
