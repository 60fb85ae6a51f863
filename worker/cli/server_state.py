"""`medq doctor` on the state of the database's server: does it take writes, is there room, who waits for what?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from worker.cli.check_result import Check

if TYPE_CHECKING:
    from worker.cli.site import Site

FEW_CONNECTIONS = 11  # a worker process needs so many
SHORT_MS = 10_000
REMEDIES = {
    "25006": "wait for the end of the maintenance, or name the primary in DATABASE_URL (several hosts may stand in it)",
    "53100": "make room on the server's disk",
    "53200": "give the server memory, or lower its work_mem and max_connections",
    "53300": "raise max_connections, or lower MEDQ_PROCESSES",
    "57014": "raise statement_timeout for the worker's role",
    "55P03": "find who holds the lock: pg_stat_activity, pg_blocking_pids()",
    "26000": "declare the pooler: ?pgbouncer=true in DATABASE_URL",
    "42P05": "declare the pooler: ?pgbouncer=true in DATABASE_URL",
}
GOES_ON = "workers go on by themselves"


def check_server(site: Site) -> Iterator[Check]:
    """A row can be written; no limit is so low that ordinary work meets it; what worker processes wait for."""
    yield _check_writes(site)
    yield from _check_limits(site)
    yield from _check_waiting(site)


def _check_writes(site: Site) -> Check:
    from sqlalchemy.exc import DBAPIError

    from worker.db.engine import server_state
    from worker.jobs import queries

    try:
        queries.try_to_write(site.engine)
    except DBAPIError as error:
        state = server_state(error)
        if state is None:
            raise
        finding = f"the database {state.meaning} ({_first_line(error.orig)})"
        return Check("database writes", "fail", finding, f"{REMEDIES.get(state.code, 'look at the server')}; {GOES_ON}")
    return Check("database writes", "ok", "taken")


def _check_limits(site: Site) -> Iterator[Check]:
    from worker.jobs import queries

    limits = queries.read_limits(site.engine)
    for name in ("statement_timeout", "lock_timeout"):
        if 0 < limits[name] < SHORT_MS:
            finding = f"{name} is {limits[name]} ms: what takes longer is done twice, the second time with more"
            yield Check("database limits", "warn", finding, f"ALTER ROLE … SET {name} = '{SHORT_MS // 1000}s', or more")
    if limits["free"] < FEW_CONNECTIONS:
        finding = f"{limits['free']} connections left of {limits['max_connections']}"
        yield Check("database limits", "warn", finding, "raise max_connections, or lower MEDQ_PROCESSES")


def _check_waiting(site: Site) -> Iterator[Check]:
    from worker.db.server_states import STATES
    from worker.jobs import queries

    meanings = {state.code: state.meaning for state in STATES}
    for code, places in queries.find_waiting(site.engine).items():
        finding = f"{', '.join(places)}: the database {meanings.get(code, 'cannot do what they ask')} (SQLSTATE {code})"
        yield Check("workers waiting", "warn", finding, f"{REMEDIES.get(code, 'look at the server')}; {GOES_ON}")


def _first_line(error: object) -> str:
    return str(error).strip().split("\n", 1)[0]
