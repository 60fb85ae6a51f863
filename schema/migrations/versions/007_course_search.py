"""Full-text search over course passages, with trigrams and vectors where the server has their extensions."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "007"
down_revision = "006"


def upgrade() -> None:
    """Add the columns, the vocabulary and the functions that add what needs an extension."""
    run_script(op.get_bind(), "007_up")


def downgrade() -> None:
    """Drop them; documents and passages stay, unsearchable until they are ingested again."""
    run_whole(op.get_bind(), "007_down")
