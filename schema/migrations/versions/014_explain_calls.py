"""A purpose of calls more: to explain what a person decided."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "014"
down_revision = "013"


def upgrade() -> None:
    """Widen the check."""
    run_script(op.get_bind(), "014_up")


def downgrade() -> None:
    """Narrow it again."""
    run_whole(op.get_bind(), "014_down")
