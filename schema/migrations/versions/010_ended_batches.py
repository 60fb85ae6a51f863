"""A cancelled batch does not count as one that ended."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "010"
down_revision = "009"


def upgrade() -> None:
    """Replace the function that counts."""
    run_script(op.get_bind(), "010_up")


def downgrade() -> None:
    """Count as before."""
    run_whole(op.get_bind(), "010_down")
