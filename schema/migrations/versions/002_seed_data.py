"""The first specialties and an admin without a password. The specification's own rows could not be inserted."""

from __future__ import annotations

from alembic import op

from schema.adopted import recorded
from schema.scripts import run_script, run_whole

revision = "002"
down_revision = "001"


def upgrade() -> None:
    """Add them to an empty platform; one that was there before has its own."""
    if not recorded(op.get_bind()):
        run_script(op.get_bind(), "002_up")


def downgrade() -> None:
    """Take back the rows that nothing refers to."""
    if not recorded(op.get_bind()):
        run_whole(op.get_bind(), "002_down")
