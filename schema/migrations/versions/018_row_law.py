"""The law of a job's row, the owner's rights for triggers, and the specification's triggers made right.

All of it stands in schema/functions, which an upgrade to the newest revision makes.
"""

from __future__ import annotations

from alembic import op

from schema.scripts import run_whole

revision = "018"
down_revision = "017"


def upgrade() -> None:
    """Nothing by itself: a worker that relies on these functions finds them from this revision on."""


def downgrade() -> None:
    """Put the functions and triggers of before back."""
    run_whole(op.get_bind(), "018_down")
