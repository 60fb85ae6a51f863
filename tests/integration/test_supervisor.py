"""The supervisor's own troubles: a child that cannot be started now is started later."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.support.log_capture import events_of
from worker.runtime import supervisor
from worker.runtime.supervisor import Workers


def wait_for_pid(workers: Workers, *, other_than: int | None = None) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := [pid for pid in workers.pids() if pid != other_than]:
            return found[0]
        time.sleep(0.02)
    raise AssertionError("no worker within 60 s")


def test_a_child_that_cannot_be_started_now_is_started_once_that_is_possible(tmp_path: Path) -> None:
    # Given a worker whose log stands in a folder of its own
    folder = tmp_path / "log"
    workers = Workers(count=1, environment={}, grace_s=1, log_path=folder / "worker.log")
    workers.start()
    try:
        pid = wait_for_pid(workers)
        with events_of(supervisor) as told:
            # When it dies while that folder cannot be written to: no room, no right, no such disk
            folder.rename(tmp_path / "elsewhere")
            folder.write_text("in the way")
            os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + 60
            while "worker_not_started" not in [event["event"] for event in told]:
                assert time.monotonic() < deadline, "nobody tried"
                time.sleep(0.02)
            assert workers.pids() == []
            # Then it is started as soon as that is possible again
            folder.unlink()
            assert wait_for_pid(workers, other_than=pid)
    finally:
        workers.stop()
    assert workers.pids() == []
