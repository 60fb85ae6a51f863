"""Embedded PostgreSQL and Redis for a machine that has none: started when needed, shared, stopped by the last user.

Only what DATABASE_URL or REDIS_URL does not name is started. Connecting to what was started is other rooms' work.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.embedded import postgres, redis
from worker.embedded.caretaker import start_caretaker
from worker.embedded.home import Home
from worker.embedded.postgres import embedded_programs
from worker.system.urls import libpq_url, passwordless_url

if TYPE_CHECKING:
    from worker.settings import Settings

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Services:
    """Where the database and the broker are. `embedded` names those of this machine: "postgresql", "redis"."""

    database_url: str
    redis_url: str
    embedded: frozenset[str]


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service as `medq services status` shows it. `url` is None when an embedded one does not run."""

    name: str
    embedded: bool
    url: str | None


def _silent(_line: str) -> None:
    return None


@contextmanager
def open_services(settings: Settings, *, say: Say = _silent) -> Iterator[Services]:
    """Start what is not configured, yield the URLs, and stop at exit what no other process uses.

    Any number of processes may share one MEDQ_HOME. Raises `UsageError` when the extra `local` is needed and
    missing, or a service does not start. `say` gets one English line per step that takes a moment.
    """
    if settings.database_url and settings.redis_url:
        yield Services(settings.database_url, settings.redis_url, frozenset())
        return
    home = Home(settings.home)
    with home.shared(on_last=lambda: _stop_unless_pinned(home)) as start:
        with start:
            services = _ensure(settings, home, say)
        start_caretaker(home)
        yield services


def start_services(settings: Settings, *, say: Say = _silent) -> Services:
    """Start what is not configured and leave it running until `stop_services`. Idempotent."""
    if settings.database_url and settings.redis_url:
        return Services(settings.database_url, settings.redis_url, frozenset())
    home = Home(settings.home)
    with home.exclusive():
        services = _ensure(settings, home, say)
        home.pin()
    return services


@dataclass(frozen=True, slots=True)
class Stopping:
    """What `stop_services` came to: the servers that it stopped, and the processes that still use them (0: unknown)."""

    stopped: tuple[str, ...] = ()
    users: tuple[int, ...] = ()


def stop_services(settings: Settings) -> Stopping:
    """Undo `start_services`, and wait until what it stops is gone. With `users`, the last of them stops the servers."""
    home = Home(settings.home)
    if not home.exists():
        return Stopping()
    with home.exclusive():
        home.unpin()
        if home.in_use():
            return Stopping(users=tuple(home.users()) or (0,))
        return Stopping(stopped=stop_unused(home))


def services_status(settings: Settings) -> tuple[ServiceStatus, ServiceStatus]:
    """Look, start nothing: PostgreSQL, then Redis."""
    home = Home(settings.home)
    database_url, redis_url = settings.database_url, settings.redis_url
    return (
        ServiceStatus("postgresql", not database_url, database_url or postgres.running_url(home)),
        ServiceStatus("redis", not redis_url, redis_url or redis.running_url(home)),
    )


def has_database(settings: Settings) -> bool:
    """Whether an embedded database was created under MEDQ_HOME, running or not."""
    return postgres.exists(Home(settings.home))


def psql_command(database_url: str, *, password: bool = True) -> list[str]:
    """The command line that opens `database_url` in psql: the machine's own psql, else the embedded one's.

    Without `password` psql asks for it: that of a database which is not ours belongs in no terminal's history.
    """
    embedded = postgres.find_binaries()
    psql = "psql" if shutil.which("psql") or embedded is None else str(embedded / "psql")
    if not password:
        return [psql, passwordless_url(database_url)]
    # psql refuses Prisma's own parameters and SQLAlchemy's scheme; a URL that it takes as it is stays short.
    plain = database_url.startswith("postgresql://") and "?" not in database_url
    return [psql, database_url if plain else libpq_url(database_url)]


def _ensure(settings: Settings, home: Home, say: Say) -> Services:
    embedded = set()
    database_url, redis_url = settings.database_url, settings.redis_url
    if not database_url:
        database_url = postgres.ensure_running(home, say)
        embedded.add("postgresql")
    if not redis_url:
        redis_url = redis.ensure_running(home, say)
        embedded.add("redis")
    return Services(database_url, redis_url, frozenset(embedded))


def _stop_unless_pinned(home: Home) -> None:
    if not home.is_pinned():
        stop_unused(home)


def stop_unused(home: Home) -> tuple[str, ...]:
    """Stop all, and name those that ran. One that does not end keeps no other from being stopped.

    Hold `home.exclusive`.
    """
    try:
        redis_ran = redis.stop(home)
    finally:
        postgres_ran = postgres.stop(home)
    return tuple(name for name, ran in ((postgres.NAME, postgres_ran), (redis.NAME, redis_ran)) if ran)


__all__ = [
    "ServiceStatus",
    "Services",
    "Stopping",
    "embedded_programs",
    "has_database",
    "open_services",
    "psql_command",
    "services_status",
    "start_services",
    "stop_services",
    "stop_unused",
]
