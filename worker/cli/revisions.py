"""Moves a database between the schema's revisions, one process at a time. Printing is the commands' work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from worker.adapters.db import connect, sqlalchemy_url
from worker.errors import UsageError

if TYPE_CHECKING:
    from alembic.config import Config

ADVISORY_LOCK = 0x6D656471  # "medq": two processes migrating at once would both start from the same revision


def upgrade_schema(database_url: str, revision: str) -> None:
    """Upgrade to `revision` ("head", "001"); nothing happens when the database is there or beyond.

    Raises `UsageError` when there is no such revision.
    """
    from alembic import command

    with _configured(database_url, revision) as config:
        command.upgrade(config, revision)


def downgrade_schema(database_url: str, revision: str) -> None:
    """Downgrade to `revision` ("base", "001"). Raises `UsageError` when there is no such revision."""
    from alembic import command

    with _configured(database_url, revision) as config:
        command.downgrade(config, revision)


@contextmanager
def _configured(database_url: str, revision: str) -> Iterator[Config]:
    import sqlalchemy as sa
    from alembic.util import CommandError

    from schema.config import alembic_config

    engine = connect(database_url, pool_size=1, name="medq-schema")
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
            yield alembic_config(sqlalchemy_url(database_url))
    except CommandError as error:
        raise UsageError(f"Revision {revision!r}: {error}. `medq schema check` names the newest one.") from None
    finally:
        engine.dispose()
