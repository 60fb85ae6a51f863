"""What the commands work on: the settings with every address filled in, and a database whose schema fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.cli.output import program, say
from worker.db.engine import connect, sqlalchemy_url
from worker.embedded import Services, has_database, open_services
from worker.errors import UsageError
from worker.jobs.queries import find_revision
from worker.runtime.preflight import check_settings
from worker.settings import Settings

if TYPE_CHECKING:
    import sqlalchemy as sa

    from worker.upload.storage import Storage

NOT_STARTED = "redis://not-started"


@dataclass(frozen=True)
class Site:
    """`settings` holds both URLs, whoever gave them; `engine` is for short queries of a command."""

    settings: Settings
    services: Services
    engine: sa.Engine

    @property
    def storage(self) -> Storage:
        """Where uploads and workbooks live."""
        from worker.runtime.container import make_storage  # slow to import: it knows every part

        return make_storage(self.settings)

    def environment(self) -> dict[str, str]:
        """What child processes must see on top of this process's own environment."""
        return {
            "DATABASE_URL": self.services.database_url,
            "REDIS_URL": self.services.redis_url,
            "MEDQ_HOME": str(self.settings.home.absolute()),
            "MEDQ_STORAGE_URL": self.settings.storage_url or str(self.settings.home.absolute() / "storage"),
        }


def load_settings() -> Settings:
    """The settings, tried as far as that is possible without asking anybody. Raises `UsageError` for a wrong one."""
    settings = Settings.load()
    check_settings(settings)
    return settings


@contextmanager
def open_site(*, broker: bool = False, create: bool = False, check_schema: bool = True) -> Iterator[Site]:
    """Open what a command needs. `broker`: Redis too. `create`: make the embedded database when there is none.

    The schema of an embedded database is brought up to date; that of a configured one is only looked at.
    """
    settings = load_settings()
    # Waking a sleeping database takes a tenth of a second: only making one is worth a line.
    tell = say if create else _silent
    if not create and not settings.database_url and not has_database(settings):
        raise UsageError(
            f"There is no database yet: set DATABASE_URL, or let `{program()} run FILE` create the embedded one "
            f"under {settings.home} (MEDQ_HOME)."
        )
    wanted = settings if broker or settings.redis_url else settings.model_copy(update={"redis_url": NOT_STARTED})
    with open_services(wanted, say=tell) as services:
        found = settings.model_copy(update={"database_url": services.database_url, "redis_url": services.redis_url})
        engine = connect(services.database_url, pool_size=4, name="medq-command")
        try:
            if check_schema:
                ensure_schema(engine, services, tell)
            yield Site(settings=found, services=services, engine=engine)
        finally:
            engine.dispose()


def _silent(_line: str) -> None:
    return None


def ensure_schema(engine: sa.Engine, services: Services, tell: Callable[[str], None]) -> None:
    """Bring an embedded database to the newest revision; refuse to work on a configured one that is behind."""
    from schema.config import head_revision

    revision, head = find_revision(engine), head_revision()
    if revision == head:
        return
    if "postgresql" in services.embedded:
        tell("Bringing the embedded database's schema up to date…")
        from worker.db.schema import upgrade

        upgrade(sqlalchemy_url(services.database_url))
        return
    if revision is None:
        _check_schema_usage(engine)
    raise UsageError(
        f"The database is at revision {revision or 'none'} and this worker needs {head}. "
        f"Run `{program()} schema upgrade` (or, if the database is newer, update medq-worker)."
    )


def _check_schema_usage(engine: sa.Engine) -> None:
    """Raise `UsageError` where this role may not look into the schema: there nothing is missing, it is not seen."""
    from worker.db.schema import rights

    with engine.connect() as connection:
        place, role = rights.read_place(connection), rights.current_role(connection)
        if not rights.find_missing(connection, [rights.Right("USAGE", "schema", place.schema)], role, place):
            return
    raise UsageError(
        f'{role} may not look into the schema "{place.schema}". As the owner of the tables run what '
        f"`{program()} schema grants --worker {role}` prints."
    )
