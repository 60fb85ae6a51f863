"""Opens sessions of PostgreSQL and finds out what they lead through. What is asked in them is not here.

A connection pooler in transaction mode gives each transaction another session. Where DATABASE_URL declares one
(`?pgbouncer=true`), nothing is left behind in a session: no prepared statement, no setting; what a session would be
told goes with BEGIN. One that was not declared is found out before anything is told to a session, and refused.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from worker.errors import UsageError
from worker.system.urls import Address

Session = psycopg.Connection[Any]

THROUGH_POOLER = "through_pooler"  # the option of an engine whose connections lead through a declared pooler
CLIENT_CHECK_MS = 10_000
# What is asked once is asked for every batch: prepared at its second time instead of psycopg's sixth.
PREPARED_AT = 1
ROUNDS = 5  # of looking whose session a pooler gives: others use it too
# Wrong here, unknown to an old server, or only to be said at the start: the session does without.
NOT_TO_BE_SET = (
    psycopg.errors.InvalidParameterValue,
    psycopg.errors.UndefinedObject,
    psycopg.errors.CantChangeRuntimeParam,
    psycopg.errors.FeatureNotSupported,
)

UNDECLARED = (
    "DATABASE_URL leads through a connection pooler that gives every transaction another session (PgBouncer's "
    "transaction mode), and does not say so: settings and prepared statements of this worker would reach other "
    "programs. Add pgbouncer=true to DATABASE_URL (…?schema=public&pgbouncer=true), or give the address of PostgreSQL "
    "itself."
)
NO_OPTIONS = (
    "DATABASE_URL leads through a connection pooler that refuses its options ({cause}). Take `options` out of it and "
    "set them for the role instead (ALTER ROLE … SET …), or add pgbouncer=true to it, or give the address of "
    "PostgreSQL itself."
)
# Of the sentences in which poolers refuse start-up options: PgBouncer, RDS Proxy.
OPTIONS_REFUSED = ("unsupported startup parameter", "command-line options")


def open_session(
    address: Address, *, name: str, standstill_s: float | None = None, unanswered_s: float | None = None
) -> Session:
    """One connection in autocommit with the settings of `address`; through a pooler `begin_statement` sets them.

    With `standstill_s` the server ends a transaction in which nothing is asked of it for so long. With `unanswered_s`
    the connection ends when what was sent to the server is not acknowledged for so long. Raises `UsageError` for a
    pooler that was not declared.
    """
    connection = _connect(address, name=name, unanswered_s=unanswered_s)
    if address.is_pooled:
        return connection
    try:
        own = {**address.settings, **_standstill(standstill_s)}
        if not _tell(connection, own, unless_pooled=True):
            if _shares_sessions(connection, address, name=name):
                raise UsageError(UNDECLARED)
            # What was said at the start need not have gone through.
            _tell(connection, {**address.options, **own}, unless_pooled=False)
    except BaseException:
        connection.close()
        raise
    connection.prepare_threshold = PREPARED_AT
    return connection


def begin_statement(address: Address, *, standstill_s: float | None = None) -> str:
    """What begins a transaction, in one round trip: through a declared pooler it brings its settings along."""
    return "; ".join(["BEGIN", *transaction_settings(address, standstill_s=standstill_s)])


def transaction_settings(address: Address, *, standstill_s: float | None = None) -> list[str]:
    """The statements that give the present transaction its settings; none where the session has them."""
    if not address.is_pooled:
        return []
    settings = {**address.options, **address.settings, **_standstill(standstill_s)}
    calls = (f"set_config({_literal(name)}, {_literal(value)}, true)" for name, value in settings.items())
    # Another program may have left its own search path behind.
    first = [] if "search_path" in settings else ["SET LOCAL search_path TO DEFAULT"]
    return [*first, f"SELECT {', '.join(calls)}"]


def leads_through_pooler(connection: Session) -> bool:
    """Whether the session at the other end is not the one that was connected to: poolers make up its number."""
    return _server_of(connection) != connection.info.backend_pid


def _connect(address: Address, *, name: str, unanswered_s: float | None) -> Session:
    more: dict[str, Any] = {} if unanswered_s is None else {"tcp_user_timeout": int(unanswered_s * 1000)}
    try:
        return psycopg.connect(address.url, autocommit=True, application_name=name, prepare_threshold=None, **more)
    except psycopg.OperationalError as error:
        cause = str(error).strip().rpartition("\n")[2]
        if any(words in cause for words in OPTIONS_REFUSED):
            raise UsageError(NO_OPTIONS.format(cause=cause.rpartition("FATAL:")[2].strip())) from None
        raise


def _standstill(standstill_s: float | None) -> dict[str, str]:
    return {} if standstill_s is None else {"idle_in_transaction_session_timeout": str(int(standstill_s * 1000))}


def _tell(connection: Session, settings: dict[str, str], *, unless_pooled: bool) -> bool:
    """Set what holds for the whole session, in one round trip; False behind a pooler, where nothing was set."""
    # A server looks after its client only between two statements: one that waits for a lock would wait, and keep the
    # locks it has, for a client that is long gone. Some platforms cannot, and say so.
    wanted = {**settings, "client_connection_check_interval": str(CLIENT_CHECK_MS)}
    try:
        return _set(connection, wanted, unless_pooled=unless_pooled)
    except NOT_TO_BE_SET:
        return _set(connection, settings, unless_pooled=unless_pooled)


def _set(connection: Session, settings: dict[str, str], *, unless_pooled: bool) -> bool:
    calls = ", ".join("set_config(%s, %s, false)" for _ in settings)
    values: list[Any] = [part for pair in settings.items() for part in pair]
    if not unless_pooled:
        connection.execute(f"SELECT {calls}", values)
        return True
    found = connection.execute(
        f"SELECT {calls} WHERE pg_backend_pid() = %s",
        [*values, connection.info.backend_pid],
    )
    return found.fetchone() is not None


def _shares_sessions(first: Session, address: Address, *, name: str) -> bool:
    """Whether the pooler gives a session to one transaction of ours and then to another's."""
    with _connect(address, name=name, unanswered_s=None) as second:
        own, others = {_server_of(first)}, set[int]()
        for _ in range(ROUNDS):
            second.execute("BEGIN")
            others.add(_server_of(second))
            # Asked before the first asks again, which would wait for ever for the only session that there is.
            if len(others) > 1 or own & others:
                return True
            own.add(_server_of(first))
            second.execute("ROLLBACK")
            if len(own) > 1:
                return True
    return False


def _server_of(connection: Session) -> int:
    (pid,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
    return int(pid)


def _literal(value: str) -> str:
    return sql.Literal(value).as_string(None)
