"""Courses ranked by BM25: the version of the index that a document is in, and its length."""

from __future__ import annotations

from alembic import op

from schema.scripts import run_script, run_whole

revision = "019"
down_revision = "018"


def upgrade() -> None:
    """Add the columns. Documents of before are searched by older workers until `medq courses reindex` was run."""
    run_script(op.get_bind(), "019_up")


def downgrade() -> None:
    """Take the newer stems away; what the older release never indexed is read again by its `medq ingest`."""
    run_whole(op.get_bind(), "019_down")
