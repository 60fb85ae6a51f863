"""Runs statements on a database that people are using: nobody queues behind one of them for longer than a moment.

A statement that does not get its locks within `LOCK_TIMEOUT_S` lets everybody past, waits until who holds them is gone,
and tries again. What the statements are is in sql/.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import sqlalchemy as sa
import tenacity
from alembic.util import CommandError
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy.exc import SQLAlchemyError

# For so long at most a reader or a writer stands behind a statement that waits for a strong lock.
LOCK_TIMEOUT_S = 0.5
PATIENCE_S = 600.0
LONGEST_PAUSE_S = 5.0
# Who blocks a statement is asked while it waits: from the first moment on in which it cannot be a mere delay.
LOOK_AFTER_S = 0.1
LOOK_EVERY_S = 1.0

CONCURRENT = re.compile(r"(?:CREATE|DROP)(?: UNIQUE)? INDEX CONCURRENTLY\b")
BUILT = re.compile(r'CREATE(?: UNIQUE)? INDEX CONCURRENTLY IF NOT EXISTS "(\w+)"')
LOCKING = re.compile(r"(?:ALTER|CREATE|DROP)(?: OR REPLACE| UNIQUE)? (?:TABLE|TRIGGER|INDEX)\b")
LOCKED = re.compile(r'\b(?:ALTER TABLE(?: IF EXISTS)?|REFERENCES|ON)\s+("\w+")')
ADDED = re.compile(r'ALTER TABLE ("\w+")\s+ADD CONSTRAINT "(\w+)"')

BLOCKERS = sa.text("""
    SELECT blocking.pid, coalesce(own.virtualtransaction, ''),
        coalesce(nullif(activity.application_name, ''), activity.backend_type, 'no name'),
        coalesce(activity.state, ''), extract(epoch FROM clock_timestamp() - activity.xact_start)::float8
    FROM (SELECT DISTINCT unnest(pg_blocking_pids(:pid)) AS pid) AS blocking
    LEFT JOIN pg_stat_activity AS activity ON activity.pid = blocking.pid
    LEFT JOIN pg_locks AS own ON own.pid = blocking.pid AND own.locktype = 'virtualxid' AND own.mode = 'ExclusiveLock'
    ORDER BY 5 DESC NULLS LAST
""")
STILL_THERE = sa.text("""
    SELECT EXISTS (
        SELECT FROM pg_locks
        JOIN unnest(CAST(:pids AS int[]), CAST(:transactions AS text[])) AS known (pid, transaction)
            ON known.pid = pg_locks.pid AND transaction = virtualtransaction
        WHERE locktype = 'virtualxid' AND mode = 'ExclusiveLock')
""")
# Conflicts with no reader and no writer, and makes the server send an autovacuum away, which takes it a second.
WEAK_LOCKS = sa.text("""
    SELECT format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', named)
    FROM unnest(CAST(:names AS text[])) AS named
    JOIN pg_class ON pg_class.oid = to_regclass(named) AND relkind = 'r'
    WHERE has_table_privilege(pg_class.oid, 'UPDATE, DELETE, TRUNCATE')
""")
HAS_CONSTRAINT = sa.text(
    "SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass(:table) AND conname = :name)"
)
IS_INVALID = sa.text("SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid)")


class Blocker(NamedTuple):
    """A session that holds what a statement waits for: its transaction, its name, what it does, how many seconds."""

    pid: int
    transaction: str
    application: str
    state: str
    seconds: float | None

    def __str__(self) -> str:
        if self.pid == 0:
            return "a prepared transaction (see pg_prepared_xacts)"
        known = [self.application, self.state, "" if self.seconds is None else f"for {self.seconds:.0f} s"]
        return f"session {self.pid} ({', '.join(part for part in known if part)})"


def run_online(connection: sa.Connection, *statements: str) -> int:
    """Run `statements` in one transaction, again until they have their locks. A concurrent one runs alone, in none.

    Returns how many rows the last of them changed.
    Raises `CommandError`, naming the table and who holds it, when that lasts for `connection.info["patience_s"]`.
    """
    if not statements or (len(statements) == 1 and _is_done(connection, statements[0])):
        return 0
    patience_s = connection.info.get("patience_s", PATIENCE_S)
    blockers: list[Blocker] = []

    def attempt() -> int:
        if _still_there(connection, blockers):
            raise LockNotAvailable
        with _watching(connection, blockers):
            if any(map(CONCURRENT.match, statements)):
                return _run_concurrently(connection, statements, patience_s)
            return _run_together(connection, statements, patience_s)

    def say_once(state: tenacity.RetryCallState) -> None:
        if state.attempt_number == 1 and (say := connection.info.get("say_waiting")):
            say(f"{_held(statements, blockers)}: waiting, at most {patience_s:.0f} s.")

    try:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((LockNotAvailable, DeadlockDetected)),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=LONGEST_PAUSE_S),
            stop=tenacity.stop_after_delay(patience_s),
            before_sleep=say_once,
        )(attempt)
    except tenacity.RetryError as error:
        raise CommandError(
            f"{_held(statements, blockers)}: nothing could be changed there for {patience_s:.0f} s. Let that session "
            f"end, or end it{_remedy(blockers)}, then run the same again: what was done stays done."
        ) from error


def driver_of(connection: sa.Connection) -> Any:
    """The driver's own connection: called without parameters, so that a `%` is only a `%`."""
    return connection.connection.driver_connection


def _transaction(connection: sa.Connection) -> AbstractContextManager[Any]:
    # In autocommit a transaction, otherwise a savepoint of the connection's own: going back to it lets locks go too.
    driver = driver_of(connection)
    return driver.transaction() if driver.autocommit else connection.begin_nested()


def _run_together(connection: sa.Connection, statements: Sequence[str], patience_s: float) -> int:
    driver = driver_of(connection)
    with _transaction(connection):
        driver.execute(f"SET LOCAL lock_timeout = {_ms(patience_s)}")
        for (lock,) in connection.execute(WEAK_LOCKS, {"names": _tables(statements)}).all():
            driver.execute(lock)
        driver.execute(f"SET LOCAL lock_timeout = {_ms(LOCK_TIMEOUT_S)}")
        changed = [driver.execute(statement).rowcount for statement in statements]
    return max(0, int(changed[-1]))


def _run_concurrently(connection: sa.Connection, statements: Sequence[str], patience_s: float) -> int:
    # It waits for every transaction that is open, and nobody queues behind it: it may wait for long.
    driver = driver_of(connection)
    driver.execute(f"SET lock_timeout = {_ms(patience_s)}")
    try:
        for statement in statements:
            built = BUILT.match(statement)
            if built and connection.scalar(IS_INVALID, {"name": f'"{built[1]}"'}):
                driver.execute(f'DROP INDEX CONCURRENTLY "{built[1]}"')
            driver.execute(statement)
    finally:
        driver.execute("RESET lock_timeout")
    return 0


def _is_done(connection: sa.Connection, statement: str) -> bool:
    # Whatever else a revision adds can be said with IF NOT EXISTS or OR REPLACE.
    added = ADDED.match(statement)
    return added is not None and connection.scalar(HAS_CONSTRAINT, {"table": added[1], "name": added[2]}) is True


@contextmanager
def _watching(connection: sa.Connection, blockers: list[Blocker]) -> Iterator[None]:
    """Keep in `blockers` who holds up this session meanwhile: asked over a second one, opened only when it waits."""
    pid, done = driver_of(connection).info.backend_pid, threading.Event()
    blockers.clear()

    def look() -> None:
        if done.wait(LOOK_AFTER_S):
            return
        try:
            with connection.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as second:
                while True:
                    found = [Blocker(*row) for row in second.execute(BLOCKERS, {"pid": pid})]
                    blockers[:] = found or blockers
                    if done.wait(LOOK_EVERY_S):
                        return
        except SQLAlchemyError:
            return  # who it is stays unknown; the statement is tried again all the same

    watcher = threading.Thread(target=look, name="medq-blockers", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _still_there(connection: sa.Connection, blockers: Sequence[Blocker]) -> bool:
    # Asked before the table is: as long as one transaction keeps it, no further attempt makes anybody queue.
    known = {"pids": [one.pid for one in blockers], "transactions": [one.transaction for one in blockers]}
    return bool(blockers) and connection.scalar(STILL_THERE, known) is True


def _tables(statements: Sequence[str]) -> list[str]:
    found = (name for statement in statements if LOCKING.match(statement) for name in LOCKED.findall(statement))
    return list(dict.fromkeys(found))


def _held(statements: Sequence[str], blockers: Sequence[Blocker]) -> str:
    tables = _tables(statements)
    what = " and ".join(tables) or "What the revision changes"
    who = " and ".join(map(str, blockers)) or "another session"
    return f"{'The table ' if tables else ''}{what} is held by {who}"


def _remedy(blockers: Sequence[Blocker]) -> str:
    ends = [f"SELECT pg_terminate_backend({one.pid})" for one in blockers if one.pid]
    return f" ({'; '.join(ends)})" if ends else ""


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
