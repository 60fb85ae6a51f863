"""Fixtures of the integration and fault suites: real PostgreSQL and Redis, the scripted model, the platform around it.

MEDQ_TEST_DATABASE_URL and MEDQ_TEST_REDIS_URL name servers of your own (the role must be allowed to create databases,
the Redis database is emptied); MEDQ_TEST_POSTGRESQL=14 starts a server of that version. Without them the embedded ones
run in a temporary folder; each test has a fresh migrated database.
"""

from __future__ import annotations

import itertools
import os
import random
import secrets
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from sqlalchemy.pool import NullPool

from tests.support import leftovers, zygote
from tests.support.real_servers import RealServer, explain_absence, open_server
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from worker.db.engine import sqlalchemy_url
from worker.db.schema import upgrade
from worker.embedded import Services, open_services
from worker.settings import Settings

SEED = "MEDQ_FAULT_SEED"
PREFIX = f"medq_test_{os.getpid()}"
numbers = itertools.count(1)

# How long an example takes says how busy the machine is. What must not be slow is held by tests that count work.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    """Choose what other processes take over, before they are started: the run's seed, and that Ctrl-C is heard."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in whatever a shell starts in its background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.setdefault(SEED, str(random.SystemRandom().randrange(2**32)))
    if not hasattr(config, "workerinput"):  # of several processes the first one, from which all descend
        leftovers.adopt_orphans()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes begins first: at the end it would run on alone."""
    items.sort(key=lambda item: item.get_closest_marker("takes_minutes") is None)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run fails when something that it started still lives at its end."""
    zygote.close()
    if hasattr(session.config, "workerinput"):
        return
    left = leftovers.wait_for_the_last()
    leftovers.end(left)
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if left and reporter is not None:
        lines = "\n".join(map(str, left))
        reporter.stats.setdefault("error", []).append(
            pytest.CollectReport("left behind", "failed", f"The run left processes behind:\n{lines}", None)
        )
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_report_header() -> str:
    """So that the choices of any run can be had again."""
    return f"{SEED}={os.environ[SEED]}"


@pytest.fixture(scope="session")
def real_server() -> Iterator[Callable[[int], RealServer]]:
    """Gives a running PostgreSQL of a version (14, 15, 18), one for the whole session; skips where it cannot be had."""
    started: dict[int, RealServer] = {}
    with ExitStack() as stack:

        def give(major: int) -> RealServer:
            if reason := explain_absence(major):
                pytest.skip(f"no PostgreSQL {major} here: {reason}")
            if major not in started:
                started[major] = stack.enter_context(open_server(major))
            return started[major]

        yield give


@pytest.fixture(scope="session")
def given_database_url(real_server: Callable[[int], RealServer]) -> str | None:
    """The server to test on, when somebody chose one."""
    if version := os.environ.get("MEDQ_TEST_POSTGRESQL"):
        if reason := explain_absence(int(version)):  # it was asked for: skipping everything would look like success
            pytest.exit(f"MEDQ_TEST_POSTGRESQL={version}: {reason}", returncode=1)
        # As at the embedded one, there is a password that no output may show
        server = real_server(int(version))
        server.execute(f"CREATE ROLE medq LOGIN SUPERUSER PASSWORD '{(password := secrets.token_hex(16))}'")
        return server.url(role=f"medq:{password}")
    return os.environ.get("MEDQ_TEST_DATABASE_URL")


@pytest.fixture(scope="session")
def services(given_database_url: str | None) -> Iterator[Services]:
    """The two servers, stopped after the last test when they are embedded."""
    # Not under pytest's own folder: as root the server runs as somebody else, and every pytest that starts on the
    # machine shuts that folder to others, under a running server too.
    with tempfile.TemporaryDirectory(prefix="medq-test-") as home:
        settings = Settings.model_validate(
            {
                "MEDQ_HOME": home,
                "DATABASE_URL": given_database_url,
                "REDIS_URL": os.environ.get("MEDQ_TEST_REDIS_URL"),
            }
        )
        with open_services(settings) as found:
            if given_database_url is None:
                spare_the_disk(found)
            yield found


def spare_the_disk(services: Services) -> None:
    """No test ends the machine, so nothing has to outlive that: each dropped database would wait for the whole disk."""
    engine = sa.create_engine(sqlalchemy_url(services.database_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("ALTER SYSTEM SET fsync = off")
        connection.exec_driver_sql("SELECT pg_reload_conf()")


@pytest.fixture
def redis_url(services: Services) -> str:
    """An empty Redis."""
    with redis.Redis.from_url(services.redis_url) as client:
        client.flushdb()
    return services.redis_url


@pytest.fixture(scope="session")
def create_database(services: Services) -> Iterator[Callable[..., str]]:
    """Makes a database, empty or a copy of another one, and returns its name."""
    engine = sa.create_engine(sqlalchemy_url(services.database_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    made = []

    def create(template: str | None = None) -> str:
        name = f"{PREFIX}_{next(numbers)}"
        with engine.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        made.append(name)
        return name

    yield create
    with engine.connect() as connection:
        for name in made:
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def url_of(services: Services) -> Callable[[str], str]:
    """Gives the SQLAlchemy URL of a database by its name."""
    server = sa.make_url(sqlalchemy_url(services.database_url))
    return lambda name: server.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def template(create_database: Callable[..., str], url_of: Callable[[str], str]) -> str:
    """The name of a database at the newest revision. Nobody connects to it: it is only copied."""
    name = create_database()
    upgrade(url_of(name))
    return name


@pytest.fixture
def database_url(
    services: Services, create_database: Callable[..., str], url_of: Callable[[str], str], template: str
) -> Iterator[str]:
    """A fresh database at the newest revision, dropped afterwards."""
    with dropped_afterwards(services, create_database(template)) as name:
        yield url_of(name)


@pytest.fixture
def empty_database_url(
    services: Services, create_database: Callable[..., str], url_of: Callable[[str], str]
) -> Iterator[str]:
    """A fresh database with nothing in it, dropped afterwards."""
    with dropped_afterwards(services, create_database()) as name:
        yield url_of(name)


@contextmanager
def dropped_afterwards(services: Services, name: str) -> Iterator[str]:
    """Drop the database whoever is still connected."""
    yield name
    engine = sa.create_engine(sqlalchemy_url(services.database_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def llm(tmp_path: Path) -> Iterator[ScriptedLlm]:
    """A scripted model endpoint, fresh, with its ledger."""
    with ScriptedLlm.start(ledger=tmp_path / "ledger.jsonl", popen=zygote.popen) as server:
        yield server


@pytest.fixture
def platform(database_url: str, redis_url: str, llm: ScriptedLlm, tmp_path: Path) -> Iterator[Platform]:
    """PostgreSQL, Redis, storage and model around the workers that a test starts."""
    site = Platform(database_url, redis_url, tmp_path, llm.url)
    yield site
    site.engine.dispose()
