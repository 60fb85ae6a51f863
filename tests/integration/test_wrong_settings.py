"""Workers that cannot start: their commands end with the cause instead of starting them for ever. Real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.surroundings import Platform
from worker.errors import MedqError, UsageError, WorkersFailed
from worker.runtime.supervisor import Workers

ROOT = Path(__file__).resolve().parents[2]
MEDQ = Path(sys.executable).with_name("medq")


def medq(platform: Platform, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(MEDQ), *arguments],
        env={**os.environ, **platform.worker_environment(**environment)},
        cwd=platform.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_every_command_names_a_wrong_setting_alike(platform: Platform) -> None:
    said = set()
    file = str(ROOT / "examples/questions.xlsx")
    for arguments in (["worker"], ["run", file], ["enqueue", file, "--user", "admin@medq.com"], ["doctor"]):
        ended = medq(platform, *arguments, MEDQ_PRICES="/nonexistent")
        said.add((ended.returncode, ended.stdout, ended.stderr))

    ((code, out, err),) = said
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("medq: MEDQ_PRICES: /nonexistent cannot be used")


def ending(workers: Workers) -> MedqError:
    """What they end with, and none of them is left."""
    workers.start()
    deadline = time.monotonic() + 60
    while workers.failure is None and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(MedqError) as raised:
        workers.raise_failure()
    assert workers.pids() == []
    return raised.value


def test_a_setting_that_only_the_process_finds_wrong_ends_the_supervisor_at_once(platform: Platform) -> None:
    workers = Workers(2, platform.worker_environment(MEDQ_PRICES="/nonexistent"), grace_s=1)

    error = ending(workers)

    assert isinstance(error, UsageError)
    assert str(error).startswith("MEDQ_PRICES: /nonexistent cannot be used")


@pytest.mark.parametrize("log", [True, False])
def test_a_process_that_ends_during_its_start_again_and_again_does_too(
    platform: Platform, tmp_path: Path, log: bool
) -> None:
    # Given a package that breaks as soon as a worker is imported
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "dramatiq.py").write_text("raise RuntimeError('broken installation')")
    log_path = tmp_path / "worker.log" if log else None
    workers = Workers(1, platform.worker_environment(PYTHONPATH=str(tmp_path / "broken")), grace_s=1, log_path=log_path)

    error = ending(workers)

    assert isinstance(error, WorkersFailed)
    assert str(error).startswith("A worker process ended 3 times during its start: ")
    assert ("broken installation" if log else "exit code 1") in str(error)


def test_the_commands_end_with_the_cause(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "dramatiq.py").write_text("raise RuntimeError('broken installation')")
    environment = {"PYTHONPATH": str(tmp_path / "broken")}

    run = medq(platform, "run", str(ROOT / "examples/questions.xlsx"), **environment)
    worker = medq(platform, "worker", **environment)

    assert (run.returncode, worker.returncode) == (1, 1)
    assert "RuntimeError: broken installation. Its log is" in run.stderr.splitlines()[-1]
    assert worker.stderr.splitlines()[-1].startswith("medq: A worker process ended 3 times during its start: ")


def test_one_that_is_killed_while_it_starts_is_started_again(platform: Platform) -> None:
    # Given processes that somebody kills five times before they work
    workers = Workers(1, platform.worker_environment(), grace_s=1)
    workers.start()
    killed: set[int] = set()
    try:
        while len(killed) < 4:
            for pid in workers.pids():
                if pid not in killed:
                    os.kill(pid, 9)
                    killed.add(pid)
            time.sleep(0.05)
        # Then that says nothing about whether they could start
        assert workers.failure is None
    finally:
        workers.stop()
