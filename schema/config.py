"""How Alembic is set up, in Python: there is no alembic.ini. Nothing here connects to a database."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

MIGRATIONS = Path(__file__).parent / "migrations"
MONITORING = Path(__file__).parent / "monitoring"
PRISMA_SCHEMA = Path(__file__).parent / "prisma" / "schema.prisma"


def alembic_config(url: str) -> Config:
    """Make Alembic's configuration for the database at `url`, in SQLAlchemy's spelling.

    To run on a connection of your own, set `config.attributes["connection"]`: it must not be in a transaction.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def head_revision() -> str:
    """Return the newest revision that this installation knows."""
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    assert head is not None  # noqa: S101 (the revisions are part of the package)
    return head
