"""What a job says of how far it is comes from one function, whichever statement changes its figures."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_whole

revision = "017"
down_revision = "016"


def upgrade() -> None:
    """The function is in functions/."""


def downgrade() -> None:
    """Take it away: older workers write the text themselves."""
    run_whole(op.get_bind(), "017_down")
