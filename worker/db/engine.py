"""Connections to PostgreSQL, and the one way to run a transaction: short, retried when the fault is the server's."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import psycopg
import sqlalchemy as sa
import tenacity
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from worker.db import sessions
from worker.db.server_states import AWAY, BUSY, Remedy, ServerState, find_state
from worker.db.sessions import THROUGH_POOLER, Session
from worker.logging import get_logger
from worker.system.urls import Address, read_address, session_url

T = TypeVar("T")
log = get_logger()

# The limit that a transaction gets after the database's own cut it short: each of ours still ends.
MORE_TIME = sa.text("SELECT set_config('statement_timeout', '15min', true), set_config('lock_timeout', '30s', true)")


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

    @sa.event.listens_for(engine, "handle_error")
    def renew(context: sa.engine.ExceptionContext) -> None:
        # No session that leads to such a server, or was opened before this one, is used again.
        if _is_to_be_renewed(context.original_exception):
            context.is_disconnect = True

    return engine


def reading(engine: sa.Engine) -> sa.Engine:
    """The same connections, for single statements that change nothing: no BEGIN and no ROLLBACK goes with them."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def open_connection(address: Address, *, name: str, standstill_s: float | None = None) -> Session:
    """A connection for a pool: in transactions of the driver, or, through a declared pooler, of our own."""
    connection = sessions.open_session(address, name=name, standstill_s=standstill_s)
    if not address.is_pooled:
        connection.autocommit = False
    return connection


def _through_pooler() -> dict[str, Any]:
    """The driver begins no transaction: `_begins` does, in one round trip with the settings of a session."""
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
    """What pg_stat_activity shows from now on. It is a round trip to the server: a dead line is noticed."""
    connection.execute("SELECT set_config('application_name', %s, false)", (name,))


def server_state(error: BaseException) -> ServerState | None:
    """What this error says of the server; None when the statement, or whoever wrote it, is at fault."""
    if isinstance(error, PoolTimeoutError):
        return BUSY
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return None
    is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if cause.sqlstate is None:  # no server said it: there was none, or no connection to it
        return AWAY if is_lost or isinstance(cause, psycopg.OperationalError) else None
    return find_state(cause.sqlstate) or (AWAY if is_lost else None)


def is_infrastructure_fault(error: BaseException) -> bool:
    """True when the database, not the statement, is at fault: waiting and trying again can mend it."""
    return server_state(error) is not None


def is_lock_timeout(error: BaseException) -> bool:
    """True when somebody else kept a lock for longer than this transaction would wait for it."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == "55P03"


def _is_to_be_renewed(error: BaseException) -> bool:
    state = server_state(error)
    return state is not None and state.remedy is Remedy.RENEW


class Health(Protocol):
    """Who learns what transactions wait for: `worker.db.server_health.ServerHealth`."""

    def met(self, state: ServerState) -> None:
        """A transaction of the calling thread met this state, and waits."""

    def passed(self) -> None:
        """What it waited for is over."""


class Database:
    """Runs short transactions. Every function given to it is idempotent, so that a lost COMMIT reply is harmless."""

    def __init__(
        self,
        engine: sa.Engine,
        *,
        patience_s: float = 60,
        sleep: Callable[[float], None] = time.sleep,
        health: Health | None = None,
        longest_pause_s: float = 2,
    ) -> None:
        """`patience_s`: for how long a server that is at fault is waited for, unless a transaction says otherwise.

        `longest_pause_s`: between two tries.
        """
        self.engine = engine
        # Through a pooler no statement goes alone: the settings that a session would have had go before it.
        is_pooled = engine.get_execution_options().get(THROUGH_POOLER, False)
        self._single = None if is_pooled else engine.execution_options(isolation_level="AUTOCOMMIT")
        self._patience_s = patience_s
        self._sleep = sleep
        self._health = health
        self._longest_pause_s = longest_pause_s

    def transact(
        self,
        work: Callable[[sa.Connection], T],
        *,
        patience_s: float | None = None,
        single: bool = False,
        give_up: Callable[[], bool] = lambda: False,
    ) -> T:
        """Run `work` in one transaction and commit; again, with backoff and jitter, while the server is at fault.

        `single`: the work is one statement, a transaction by itself: BEGIN and COMMIT, two round trips, are saved.
        `give_up`: looked at between two tries. What is at fault is told by `worker.db.server_states` alone.
        """
        once = self._alone if single and self._single is not None else self._once
        try:
            return once(work)
        except (DBAPIError, PoolTimeoutError) as error:
            state = server_state(error)
            if state is None:
                raise
            self._note(state, tries=1)
        self._sleep(random.uniform(0, 0.05))  # noqa: S311 (jitter, not a secret)
        # The first try needs none of this, and is all there is on a good day.
        return self._persist(work, state, self._patience_s if patience_s is None else patience_s, give_up)

    def _persist(
        self, work: Callable[[sa.Connection], T], met: ServerState, patience_s: float, give_up: Callable[[], bool]
    ) -> T:
        wants_time = met.remedy is Remedy.LONGER

        def again() -> T:
            nonlocal met, wants_time
            try:
                return self._once(work, more_time=wants_time)
            except (DBAPIError, PoolTimeoutError) as error:
                if found := server_state(error):
                    met, wants_time = found, wants_time or found.remedy is Remedy.LONGER
                raise

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_infrastructure_fault),
            stop=lambda state: give_up() or (state.seconds_since_start or 0) >= patience_s,
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=self._longest_pause_s),
            sleep=self._sleep,
            before_sleep=lambda state: self._note(met, tries=1 + state.attempt_number),
            reraise=True,
        )
        is_waiting = False
        try:
            result: T = retrying(again)
        except BaseException as error:
            # Given up by this transaction; what it met is still there, and the next one goes on waiting for it.
            is_waiting = is_infrastructure_fault(error) and not met.is_conflict
            raise
        finally:
            if self._health is not None and not is_waiting:
                self._health.passed()
        return result

    def _note(self, state: ServerState, *, tries: int) -> None:
        if self._health is not None:
            self._health.met(state)
        if tries & (tries - 1) == 0:  # the first, and ever fewer of those that follow
            log.warning("database_retry", state=state.code, tries=tries)

    def _once(self, work: Callable[[sa.Connection], T], *, more_time: bool = False) -> T:
        with self.engine.begin() as connection:
            if more_time:
                connection.execute(MORE_TIME)
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
        is_lost = bool(driver.closed) or _is_to_be_renewed(error)
        if is_lost:
            connection.invalidate(error)
        wrapped = DBAPIError.instance(
            f'COPY "{table}"', None, error, psycopg.Error, connection_invalidated=is_lost, dialect=connection.dialect
        )
        raise wrapped from error
