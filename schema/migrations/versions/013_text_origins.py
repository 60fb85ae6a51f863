"""What is known of texts: those that the worker wrote, and those that people rewrote."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "013"
down_revision = "012"


def upgrade() -> None:
    """Add the column, the function and their indexes."""
    run_script(op.get_bind(), "013_up")


def downgrade() -> None:
    """Take them away."""
    run_whole(op.get_bind(), "013_down")
