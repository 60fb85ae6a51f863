"""The messages that triggers write, set as French is: one apostrophe, a space that does not break before a colon."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "015"
down_revision = "014"


def upgrade() -> None:
    """Change two texts; nothing else of the functions that hold them."""
    run_script(op.get_bind(), "015_up")


def downgrade() -> None:
    """Put them back."""
    run_whole(op.get_bind(), "015_down")
