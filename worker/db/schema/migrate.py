"""Moving a database between revisions, one process at a time. What the revisions do is in schema/."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy.pool import NullPool

from schema import VERSION_TABLE
from schema.adoption import check_obstacles, mend
from schema.config import alembic_config, head_revision
from schema.routines import apply_routines
from schema.rules import validate_rules
from schema.version import move_version
from worker.db.sessions import Session, open_session
from worker.errors import UsageError
from worker.logging import get_logger
from worker.system.urls import past_pooler, read_address

# "medq" in ASCII: one lock per database, shared by nobody else.
LOCK_KEY = 0x6D656471
LOCK_POLL_S = 0.2

log = get_logger()


def _log_note(sentence: str) -> None:
    log.warning("schema_note", message=sentence)


def upgrade(
    url: str, revision: str = "head", *, patience_s: float = 600, say: Callable[[str], object] = _log_note
) -> str | None:
    """Bring the database at `url` (SQLAlchemy's spelling) up to `revision`; return the revision it is at then.

    Runs while the platform does: no reader or writer queues behind it for longer than a moment. At the newest
    revision, functions and triggers become what their files say, and what somebody dropped of the platform's indexes
    and rules is added again. Does nothing else when the database is there or past it. Waits up to `patience_s` for
    another process that is migrating, and for whoever keeps a table locked. Raises `UsageError` when that is not
    enough (what was done stays done), for an unknown revision, or, before anything is changed, with what is in the way
    of a takeover. `say` is told what was added, and which rows break which rule.
    """

    def run(connection: sa.Connection, config: Config) -> None:
        connection.info["say"] = say
        before = read_revision(connection)
        if before is None:
            check_obstacles(connection)
        elif before == head_revision():
            for note in mend(connection):
                say(note)
        command.upgrade(config, revision)
        if read_revision(connection) == head_revision():
            apply_routines(connection)
        for broken in validate_rules(connection):
            say(str(broken))

    # Each statement is a transaction of its own: none of them keeps a lock while another one waits.
    return _migrate(url, run, patience_s, autocommit=True)


def downgrade(url: str, revision: str, *, patience_s: float = 600) -> str | None:
    """Take the database back to `revision` ("base" drops everything); return the revision it is at then.

    Each revision is one transaction. Waits and raises as `upgrade` does.
    """
    return _migrate(url, lambda _, config: command.downgrade(config, revision), patience_s, autocommit=False)


def current_revision(url: str) -> str | None:
    """Return the revision the database is at; None when this project never migrated it."""
    with connected(url) as connection:
        return read_revision(connection)


def read_revision(connection: sa.Connection) -> str | None:
    """Return the revision that `connection`'s database is at."""
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    """Open one connection that is really closed afterwards, and with it what the session holds."""
    address = read_address(past_pooler(url))

    def open_connection() -> Session:
        connection = open_session(address, name="medq-schema")
        connection.autocommit = False
        return connection

    engine = sa.create_engine(
        "postgresql+psycopg://", creator=open_connection, poolclass=NullPool, hide_parameters=True
    )
    with engine.connect() as connection:
        yield connection


def _migrate(
    url: str, run: Callable[[sa.Connection, Config], None], patience_s: float, *, autocommit: bool
) -> str | None:
    with connected(url) as connection:
        if autocommit:
            connection.execution_options(isolation_level="AUTOCOMMIT")
        _wait_for_lock(connection, patience_s)
        _log_warnings(connection)
        # An index is built for as long as it takes, whatever this role's other statements may.
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.commit()
        connection.info.update(patience_s=patience_s, say_waiting=lambda why: log.warning("schema_waits", message=why))
        config = alembic_config(url)
        config.attributes["connection"] = connection
        try:
            move_version(connection)
            connection.commit()
            run(connection, config)
        except CommandError as error:
            raise UsageError(str(error)) from None
        return read_revision(connection)


def _wait_for_lock(connection: sa.Connection, patience_s: float) -> None:
    # Asked again and again, never waited for inside the server: an index built concurrently by the holder waits for
    # every statement that is running, and would wait for the one that waits for it.
    deadline = time.monotonic() + patience_s
    while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(LOCK_KEY))):
        connection.rollback()
        if time.monotonic() > deadline:
            raise UsageError("Another process has been migrating this database for a long time. Try again later.")
        time.sleep(LOCK_POLL_S)
    connection.commit()


def _log_warnings(connection: sa.Connection) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 (an open connection has one)
    driver.add_notice_handler(
        lambda notice: (
            notice.severity_nonlocalized == "WARNING" and log.warning("schema_warning", message=notice.message_primary)
        )
    )
