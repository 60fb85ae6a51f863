"""Standard output as shells give it: ASCII, closed, full, or read no further. Commands as real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.surroundings import Platform

ROOT = Path(__file__).resolve().parents[2]
MEDQ = Path(sys.executable).with_name("medq")
NAME = "Évaluation [/é] \x1b]0;title\x07\x1b[2J\nforged line \u202e.xlsx"


@pytest.fixture
def job(platform: Platform) -> str:
    """A job whose file has a name that steers terminals, and reads as markup."""
    with (ROOT / "examples/questions.xlsx").open("rb") as file:
        job_id = platform.enqueue(file, file_name="questions.xlsx")  # type: ignore[arg-type]
    platform.execute(
        'UPDATE "AiValidationJob" SET "originalFileName" = :name, "message" = :name WHERE "id" = :id',
        name=NAME,
        id=job_id,
    )
    return job_id


def shell(platform: Platform, line: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **platform.worker_environment(), **more, "MEDQ": str(MEDQ)}
    return subprocess.run(
        ["bash", "-c", line], env=environment, cwd=platform.folder, capture_output=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("command", "is_terminal"), [("status {job}", False), ("jobs", True), ("status {job} --json", False)]
)
def test_no_name_steers_a_terminal(platform: Platform, job: str, command: str, is_terminal: bool) -> None:
    line = f"{MEDQ} {command.format(job=job)}"
    line = f"script -qec '{line}' /dev/null" if is_terminal else line
    ended = shell(platform, line, NO_COLOR="1", TERM="dumb", COLUMNS="300")

    text = ended.stdout.decode()
    assert ended.returncode == 0, ended.stderr
    assert "valuation" in text
    assert not set(text) & set("\x07\x9b\u202e")
    assert "\x1b]0" not in text
    assert "\x1b[2J" not in text
    assert "\nforged" not in text
    if "--json" in command:
        assert json.loads(text)["originalFileName"] == NAME


def test_ascii_is_no_failure(platform: Platform, job: str) -> None:
    assert shell(platform, '"$MEDQ" jobs', LANG="C", LC_ALL="C", PYTHONUTF8="0").returncode == 0
    document = shell(platform, f'"$MEDQ" status {job} --json', PYTHONIOENCODING="ascii")
    assert json.loads(document.stdout)["originalFileName"] == NAME


ENDS = [
    ('"$MEDQ" status {job} | true; exit ${{PIPESTATUS[0]}}', 0, b""),
    ('"$MEDQ" status {job} >&- 2>&- <&-', 0, b""),
    ('"$MEDQ" status nobody 2>/dev/full', 1, b""),
    ('"$MEDQ" status {job} >/dev/full', 1, b"medq: Standard output cannot be written (No space left on device)."),
    ('"$MEDQ" --help | true; exit ${{PIPESTATUS[0]}}', 0, b""),
]


def test_a_closed_or_full_end_is_no_failure(platform: Platform, job: str) -> None:
    for line, code, words in ENDS:
        ended = shell(platform, line.format(job=job))

        assert (ended.returncode, ended.stderr[: len(words)]) == (code, words), (line, ended.stderr)
        assert ended.stderr.count(b"\n") <= 1, (line, ended.stderr)
        assert words or ended.stderr == b"", line


def test_a_worker_works_without_them(platform: Platform, job: str) -> None:
    environment = {**os.environ, **platform.worker_environment(), "MEDQ": str(MEDQ)}
    worker = subprocess.Popen(
        ["bash", "-c", 'exec "$MEDQ" worker <&- >&- 2>/dev/full'],
        env=environment,
        cwd=platform.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert platform.wait_for_job(job)["status"] == "completed"
    finally:
        worker.terminate()
        assert worker.wait(30) == 0
