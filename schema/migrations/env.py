"""Alembic's entry: runs revisions on the connection it is given, each in its own transaction."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from schema import VERSION_TABLE


def run(connection: Connection) -> None:
    """Run what Alembic was asked for."""
    context.configure(connection=connection, transaction_per_migration=True, version_table=VERSION_TABLE)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    engine = create_engine(
        context.config.get_main_option("sqlalchemy.url") or "", poolclass=NullPool, hide_parameters=True
    )
    with engine.connect() as opened:
        run(opened)
