"""What outlives the rows that are removed: totals of calls, provenance, and where files lie."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "016"
down_revision = "015"


def upgrade() -> None:
    """Add the tables and the view; the triggers that fill them are in functions/."""
    run_script(op.get_bind(), "016_up")


def downgrade() -> None:
    """Take them away: what they held of removed jobs is forgotten."""
    run_whole(op.get_bind(), "016_down")
