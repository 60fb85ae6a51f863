"""Course documents and their passages, for retrieval."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "006"
down_revision = "005"


def upgrade() -> None:
    """Add the tables."""
    run_script(op.get_bind(), "006_up")


def downgrade() -> None:
    """Drop them."""
    run_whole(op.get_bind(), "006_down")
