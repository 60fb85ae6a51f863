"""Connections to PostgreSQL and Redis as both ends see them: time-outs, and how many a process holds."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from tests.support.workbooks import make_workbook
from worker.db.engine import connect, open_session, sqlalchemy_url
from worker.runtime.broker import redis_client
from worker.runtime.container import CONNECTIONS_OF_A_PROCESS
from worker.system.keepalive import POSTGRESQL
from worker.system.transport import BoundedClient

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def pooled(url: str) -> Iterator[psycopg.Connection]:
    engine = connect(url, pool_size=1, standstill_s=30)
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        yield driver
    engine.dispose()


@contextmanager
def migrating(url: str) -> Iterator[psycopg.Connection]:
    engine = sa.create_engine(sqlalchemy_url(url))
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        yield driver
    engine.dispose()


@pytest.mark.parametrize("opened", [pooled, migrating, lambda url: open_session(url, name="test")])
def test_both_ends_of_a_session_notice_that_the_other_is_gone(
    database_url: str, opened: Callable[[str], psycopg.Connection]
) -> None:
    with opened(database_url) as connection:
        said = {name: connection.execute(f"SHOW {name}").fetchone() for name in POSTGRESQL}
        ours = socket.socket(fileno=socket.dup(connection.fileno()))
    with ours:
        assert said == {
            "tcp_keepalives_idle": ("10",),
            "tcp_keepalives_interval": ("5",),
            "tcp_keepalives_count": ("3",),
            "tcp_user_timeout": ("20000",),
        }
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000


def test_a_session_that_waits_for_a_lock_looks_after_its_client(database_url: str) -> None:
    with pooled(database_url) as pool, open_session(database_url, name="test", unanswered_s=3) as alone:
        for connection in (pool, alone):
            assert connection.execute("SHOW client_connection_check_interval").fetchone() == ("10s",)
        with socket.socket(fileno=socket.dup(alone.fileno())) as ours:
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 3_000


def test_a_connection_to_redis_notices_that_the_server_is_gone(redis_url: str) -> None:
    with redis_client(redis_url) as client:
        client.ping()
        connection = client.connection_pool.get_connection()
        ours = connection._sock
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
        client.connection_pool.release(connection)


def test_a_connection_to_the_model_notices_that_it_is_gone(llm: ScriptedLlm) -> None:
    with BoundedClient(5) as client:
        reply = client.send(client.build_request("GET", f"{llm.url}/models"), stream=True)
        ours = reply.extensions["network_stream"].get_extra_info("socket")
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000
        reply.close()


def test_a_process_holds_as_many_connections_as_the_documents_say(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a process with as much to do as it can
    count = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'medq-%' AND datname = current_database()"
    )
    most = 0
    with platform.workers(1, MEDQ_THREADS="32"):
        job_ids = [platform.enqueue(make_workbook(tmp_path / f"{n}.xlsx", 200)) for n in range(3)]

        def look() -> bool:
            nonlocal most
            most = max(most, platform.value(count))
            return all(platform.job(job_id)["status"] == "completed" for job_id in job_ids)

        platform.wait_until(look, what="the jobs completed")
    # Then it holds no more connections than it says, and uses what it has
    assert CONNECTIONS_OF_A_PROCESS - 3 <= most <= CONNECTIONS_OF_A_PROCESS
    # And the documents say the same
    for page in ("README.md", "docs/operations.md"):
        words = re.search(r"process holds at most (\d+)\s+connections", (ROOT / page).read_text(encoding="utf-8"))
        assert words is not None, page
        assert int(words[1]) == CONNECTIONS_OF_A_PROCESS, page
