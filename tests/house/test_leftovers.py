"""The guard of the whole suite: a test that leaves a process behind fails its run, whoever its parent was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# A server puts itself into the background, and so is no child of the test any more, nor of what the test called.
CARELESS = """
import subprocess

def test_careless():
    subprocess.run(["sh", "-c", "sh -c '(setsid {command} >/dev/null 2>&1 &)'"], check=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux alone")
def test_a_process_left_behind_fails_the_run(tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    sleeping = f"sleep 97531.{os.getpid()}"  # nobody else's on this machine
    file.write_text(CARELESS.format(command=sleeping))
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "-q"]
    # In one process: of several, too, the first adopts all orphans, and xdist has been seen to wait for ever at its end
    command += ["-p", "tests.conftest", "-p", "no:cacheprovider", "-n", "0", str(file)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MEDQ_TEST_PATIENCE": "0.5"}

    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)

    assert (run.returncode, "1 passed, 1 error" in run.stdout.splitlines()[-1]) == (1, True), run.stdout + run.stderr
    assert sleeping in run.stdout
    assert subprocess.run(["pgrep", "-f", f"^{sleeping}"], check=False, capture_output=True).returncode == 1
