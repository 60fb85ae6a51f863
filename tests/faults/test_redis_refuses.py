"""A Redis that is there and of no use: full, read-only, without rights, with something else under our keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from typer.testing import CliRunner

from tests.faults.record import record
from tests.faults.servers import Servers
from tests.support.harness import LONG, Jobs, check_nothing_counted, check_nothing_lost, promise
from tests.support.nursery import Nursery
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from worker.cli import app
from worker.runtime.listener import UNHEARD_S

Spoil = Callable[[redis.Redis], object]
WEAK = ("on", "resetkeys", "~dramatiq*", "resetchannels", "nocommands", "+@connection", "+@scripting")


def weaken(client: redis.Redis, *rights: str) -> None:
    """From now on everybody who has the password has these rights alone, but for whoever looks after the server."""
    client.execute_command("ACL", "SETUSER", "keeper", "on", "nopass", "~*", "&*", "+@all")  # type: ignore[no-untyped-call]
    client.execute_command("ACL", "SETUSER", "default", *WEAK, *rights)  # type: ignore[no-untyped-call]


def become_replica(client: redis.Redis) -> None:
    client.config_set("replica-serve-stale-data", "yes")
    client.replicaof("127.0.0.1", "1")


def mend(client: redis.Redis) -> None:
    client.execute_command("ACL", "SETUSER", "default", "on", "~*", "&*", "+@all")  # type: ignore[no-untyped-call]
    client.replicaof("NO", "ONE")
    client.config_set("maxmemory", "0")
    client.flushall()


# What is done to Redis, and what `medq doctor` says to do. "unheard": wake-ups are taken, and none is given back.
SPOILT: dict[str, tuple[Spoil, str]] = {
    "full": (lambda client: client.config_set("maxmemory", "1"), "raise its maxmemory"),
    "queue of another type": (lambda client: client.set("dramatiq:medq", "x"), "dramatiq:medq"),
    "unheard": (lambda client: weaken(client, "+zadd", "+hset", "+rpush", "+type"), "its rights"),
    "messages of another type": (lambda client: client.set("dramatiq:medq.msgs", "x"), "dramatiq:medq.msgs"),
    "heartbeats of another type": (lambda client: client.set("dramatiq:__heartbeats__", "x"), "__heartbeats__"),
    "read-only": (become_replica, "name the primary"),
    "without rights": (weaken, "its rights"),
}
WITH_WORKERS = tuple(SPOILT) if LONG else ("queue of another type", "unheard")


@contextmanager
def spoilt(url: str, name: str) -> Iterator[None]:
    with redis.Redis.from_url(url, retry=Retry(NoBackoff(), 1)) as client:
        mend(client)
        spoil, _ = SPOILT[name]
        spoil(client)
    try:
        yield
    finally:
        keeper = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 1))
        keeper.connection_pool.connection_kwargs |= {"username": "keeper", "password": "none"}
        with keeper:
            try:
                mend(keeper)
            except redis.AuthenticationError:  # nobody's rights were taken
                with redis.Redis.from_url(url) as client:
                    mend(client)


def test_new_jobs_are_worked_on_all_the_same(
    site: Platform, servers: Servers, llm: ScriptedLlm, nursery: Nursery
) -> None:
    llm.configure(latency_s=0.05)
    jobs = Jobs(site, questions=10)
    for _ in range(2):
        nursery.start(site.worker_environment(MEDQ_THREADS="4", MEDQ_LEASE_SECONDS="10"))
    # Given workers that have worked, and are idle
    jobs.add()
    jobs.wait_for_all()
    took: dict[str, float] = {}
    for name in WITH_WORKERS:
        with spoilt(servers.urls.redis_url, name):
            # When a job comes
            jobs.add()
            began = time.monotonic()
            # Then it is done
            jobs.wait_for_all()
            took[name] = time.monotonic() - began
    # And also where Redis is gone, and one job after it is back
    servers.kill_redis()
    jobs.add()
    began = time.monotonic()
    jobs.wait_for_all()
    took["gone"] = time.monotonic() - began
    servers.start()
    jobs.add()
    jobs.wait_for_all()
    assert len(nursery.living) == 2
    nursery.stop_all()
    promise(took.pop("unheard"), UNHEARD_S + 5)
    promise(max(took.values()), 5)
    check_nothing_lost(site, jobs.ids, jobs.questions)
    check_nothing_counted(site)
    record(
        "redis refuses",
        ways=len(took) + 1,
        jobs=len(jobs.ids),
        lost=0,
        doubled=0,
        recovery_s=round(max(took.values()), 1),
    )


def ask_doctor(site: Platform, monkeypatch: pytest.MonkeyPatch, **environment: str) -> tuple[int, str]:
    for name, value in site.worker_environment(**environment).items():
        monkeypatch.setenv(name, value)
    told = CliRunner().invoke(app, ["doctor"])
    assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
    return told.exit_code, "\n".join(line for line in told.stdout.splitlines() if "redis" in line)


def test_doctor_says_what_is_wrong_and_what_to_do(
    site: Platform, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, (_, advice) in SPOILT.items():
        with spoilt(servers.urls.redis_url, name):
            code, told = ask_doctor(site, monkeypatch)
        assert code == 1, name
        assert told.startswith("fail  redis: "), (name, told)
        assert advice in told, (name, told)
        assert "each worker looks for jobs by itself" in told
    # And a Redis that is well is left as it was
    with redis.Redis.from_url(servers.urls.redis_url) as client:
        mend(client)
        _, told = ask_doctor(site, monkeypatch)
        assert "fail" not in told
        assert client.keys() == []


def test_doctor_is_right_about_a_user_with_the_rights_of_a_worker_and_no_other(
    site: Platform, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a user that may do what a worker does, and nothing that only an operator needs: no INFO, no CONFIG
    with redis.Redis.from_url(servers.urls.redis_url) as client:
        mend(client)
        rights = ("~dramatiq*", "~medq:*", "+@all", "-@admin", "-info")
        client.execute_command("ACL", "SETUSER", "medq", "on", ">secret", *rights)
        address = servers.urls.redis_url.rpartition("@")[2]
        _, told = ask_doctor(site, monkeypatch, REDIS_URL=f"redis://medq:secret@{address}")
        # Then it is told well, but for what cannot be looked at
        assert "ok    redis: configured" in told
        assert "warn  redis settings: its user may not ask for them (INFO)" in told
        assert "fail" not in told
        # And one that may not share the limits is told so
        client.execute_command("ACL", "SETUSER", "medq", "resetkeys", "~dramatiq*")
        _, told = ask_doctor(site, monkeypatch, REDIS_URL=f"redis://medq:secret@{address}")
        assert "warn  redis limits: cannot be shared" in told
