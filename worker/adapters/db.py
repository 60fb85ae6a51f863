"""Connections to PostgreSQL, and the one way to run a transaction: short, retried when the fault is the server's."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
import tenacity
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from worker import sessions
from worker.log import get_logger
from worker.sessions import THROUGH_POOLER, Session
from worker.urls import Address, read_address, session_url

T = TypeVar("T")
log = get_logger()

# Serialisation failure, deadlock, lock not available: the same transaction may well pass the next time.
RETRYABLE_STATES = frozenset({"40001", "40P01", "55P03"})
# Server starting, stopping, out of connections, or the session killed by an operator.
INFRASTRUCTURE_STATES = frozenset(
    # 25P03: the server ended a transaction that stood still, because this process did.
    {"57P01", "57P02", "57P03", "53300", "08000", "08003", "08006", "08001", "08004", "25P03"}
)


def sqlalchemy_url(url: str) -> str:
    """A Prisma or libpq URL in SQLAlchemy's spelling, for psycopg, with the time-outs of a session."""
    return "postgresql+psycopg" + session_url(url).removeprefix("postgresql")


def connect(url: str, *, pool_size: int = 8, name: str = "medq", standstill_s: float | None = None) -> sa.Engine:
    """An engine with a hard cap of `pool_size` connections. `name` is what pg_stat_activity shows.

    With `standstill_s` the server ends a transaction in which nothing is asked of it for so long: a process that froze
    in the middle of one would hold its locks, and everybody else, until it thaws.
    """
    address = read_address(url)
    engine = sa.create_engine(
        "postgresql+psycopg://",
        creator=lambda: open_connection(address, name=name, standstill_s=standstill_s),
        pool_size=pool_size,
        max_overflow=0,
        # What a statement carried is content: an error names the statement alone.
        hide_parameters=True,
        pool_timeout=30,
        # The connection used last has its statements prepared; those that a quiet time needs stay few.
        pool_use_lifo=True,
        **_through_pooler() if address.is_pooled else {},
    )
    if address.is_pooled:
        sa.event.listen(engine, "begin", _begins(address, standstill_s=standstill_s))
    return engine


def open_connection(address: Address, *, name: str, standstill_s: float | None = None) -> Session:
    """A connection for a pool: in transactions of the driver, or, through a declared pooler, of our own."""
    connection = sessions.open_session(address, name=name, standstill_s=standstill_s)
    if not address.is_pooled:
        connection.autocommit = False
    return connection


def _through_pooler() -> dict[str, Any]:
    """The driver begins no transaction: `_begins` does, in one journey with what a session would have been told."""
    return {"isolation_level": "AUTOCOMMIT", "execution_options": {THROUGH_POOLER: True}}


def _begins(address: Address, *, standstill_s: float | None) -> Callable[[sa.Connection], None]:
    settings = sessions.transaction_settings(address, standstill_s=standstill_s)
    alone, after_begin = ("; ".join(parts).replace("%", "%%") for parts in (["BEGIN", *settings], settings))

    def begin(connection: sa.Connection) -> None:
        driver: Any = connection.connection.driver_connection
        # With an isolation level of its own the driver begins after all.
        connection.exec_driver_sql(alone if driver.autocommit else after_begin)

    return begin


def open_session(url: str, *, name: str, unanswered_s: float | None = None) -> Session:
    """One connection outside any pool, in autocommit: see `sessions.open_session`."""
    return sessions.open_session(read_address(url), name=name, unanswered_s=unanswered_s)


def name_session(connection: Session, name: str) -> None:
    """What pg_stat_activity shows from now on. It is a journey to the server and back: a dead line is noticed."""
    connection.execute("SELECT set_config('application_name', %s, false)", (name,))


def is_infrastructure_fault(error: BaseException) -> bool:
    """True when the database, not the statement, is at fault: waiting and trying again can mend it."""
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return (
        error.connection_invalidated
        or state in RETRYABLE_STATES
        or state in INFRASTRUCTURE_STATES
        or (isinstance(error, OperationalError) and state is None)
    )


def is_lock_timeout(error: BaseException) -> bool:
    """True when somebody else kept a lock for longer than this transaction would wait for it."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == "55P03"


class Database:
    """Runs short transactions. Every function given to it is idempotent, so that a lost COMMIT reply is harmless."""

    def __init__(
        self, engine: sa.Engine, *, patience_s: float = 60, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.engine = engine
        # Through a pooler no statement is alone: what a session would have been told goes before it.
        is_pooled = engine.get_execution_options().get(THROUGH_POOLER, False)
        self._single = None if is_pooled else engine.execution_options(isolation_level="AUTOCOMMIT")
        self._patience_s = patience_s
        self._sleep = sleep

    def transact(
        self, work: Callable[[sa.Connection], T], *, patience_s: float | None = None, single: bool = False
    ) -> T:
        """Run `work` in one transaction and commit; again, with backoff and jitter, while the server is at fault.

        `single`: the work is one statement, which is a transaction by itself: BEGIN and COMMIT are two journeys saved.
        """
        once = self._alone if single and self._single is not None else self._once
        try:
            return once(work)
        except (DBAPIError, PoolTimeoutError) as error:
            if not is_infrastructure_fault(error):
                raise
            log.warning("database_retry", tries=1)
            self._sleep(random.uniform(0, 0.05))  # noqa: S311 (jitter, not a secret)
        # The first try needs none of this, and is all there is on a good day.
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_infrastructure_fault),
            stop=tenacity.stop_after_delay(self._patience_s if patience_s is None else patience_s),
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=2),
            sleep=self._sleep,
            before_sleep=lambda state: log.warning("database_retry", tries=state.attempt_number),
            reraise=True,
        )
        result: T = retrying(once, work)
        return result

    def _once(self, work: Callable[[sa.Connection], T]) -> T:
        with self.engine.begin() as connection:
            return work(connection)

    def _alone(self, work: Callable[[sa.Connection], T]) -> T:
        assert self._single is not None  # noqa: S101 (`transact` asks)
        with self._single.connect() as connection:
            return work(connection)

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def copy_rows(connection: sa.Connection, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert many rows by COPY, inside the caller's transaction. `columns`: name → PostgreSQL type, in row order."""
    quoted = ", ".join(f'"{column}"' for column in columns)
    # Of rows sent as text the server quotes the one it is at, in its log, whenever it is stopped or told to stop.
    statement = f'COPY "{table}" ({quoted}) FROM STDIN (FORMAT binary)'
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(list(columns.values()))
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        # The driver's own way, around SQLAlchemy: its faults are told apart and retried like any other's.
        is_lost = bool(driver.closed)
        if is_lost:
            connection.invalidate(error)
        wrapped = DBAPIError.instance(
            f'COPY "{table}"', None, error, psycopg.Error, connection_invalidated=is_lost, dialect=connection.dialect
        )
        raise wrapped from error
