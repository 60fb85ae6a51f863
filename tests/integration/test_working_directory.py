"""A working directory is nobody's code: files there named like modules are never imported, by no process of ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.surroundings import Platform
from worker.system.python_child import child_environment
from worker.upload.reading import read_sheets

ROOT = Path(__file__).resolve().parents[2]
MEDQ = Path(sys.executable).with_name("medq")
EVERYTHING = """
import importlib, pathlib, pkgutil, sys
import worker, models, schema
for package in (worker, models, schema):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if "migrations" not in found.name:
            importlib.import_module(found.name)
from importlib.metadata import packages_distributions
loaded = {name.partition(".")[0] for name in sys.modules}
print(*sorted(loaded | sys.stdlib_module_names | set(packages_distributions())))
"""
TRAP = """
with open({log!r}, "a") as log:
    log.write(__name__ + "\\n")
raise ImportError("imported from the working directory: " + __name__)
"""


@pytest.fixture(scope="module")
def module_names() -> list[str]:
    """Every name that could be shadowed: of all modules that the worker loads, ours, others' and the library's."""
    found = subprocess.run([sys.executable, "-c", EVERYTHING], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in found.stdout.split() if name.isidentifier() and name != "__main__"]


@pytest.fixture
def caught(tmp_path: Path, module_names: list[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a directory full of traps; the file in which those that were sprung are named."""
    traps, log = tmp_path / "traps", tmp_path / "caught"
    traps.mkdir()
    log.touch()
    for name in module_names:
        (traps / f"{name}.py").write_text(TRAP.format(log=str(log)))
    monkeypatch.chdir(traps)
    return log


def test_a_whole_job_in_a_directory_full_of_traps(platform: Platform, caught: Path) -> None:
    assert len(list(Path.cwd().iterdir())) > 300
    with platform.workers(1):
        job = platform.wait_for_job(platform.enqueue(ROOT / "examples/questions.xlsx"))

    assert (job["status"], caught.read_text()) == ("completed", "")


def test_an_upload_is_read_there_too(caught: Path) -> None:
    data = (ROOT / "examples/questions.xlsx").read_bytes()

    assert read_sheets(data, "questions.xlsx", max_bytes=10**7, max_rows=1000)
    assert caught.read_text() == ""


def test_an_empty_entry_of_the_module_path_brings_it_in_for_no_child(
    platform: Platform, caught: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep + "/nowhere")
    with platform.workers(1):
        job = platform.wait_for_job(platform.enqueue(ROOT / "examples/questions.xlsx"))

    assert (job["status"], caught.read_text()) == ("completed", "")
    assert child_environment()["PYTHONPATH"] == "/nowhere"


@pytest.mark.parametrize("module", ["worker.runtime.sandbox_main", "worker.embedded.llm"])
def test_other_children_there(caught: Path, module: str) -> None:
    from worker.system.python_child import python_command

    ended = subprocess.run(
        python_command("-m", module, *(["--help"] if "embedded" in module else [])),
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (ended.returncode, caught.read_text()) == (0, ""), ended.stderr


@pytest.mark.parametrize("arguments", [["--version"], ["jobs"], ["services", "status"]])
def test_the_command_there(caught: Path, arguments: list[str]) -> None:
    ended = subprocess.run([str(MEDQ), *arguments], capture_output=True, text=True, check=False, timeout=60)

    assert ended.returncode in (0, 2), ended.stderr
    assert caught.read_text() == ""


def test_every_python_is_started_in_one_way() -> None:
    # `sys.executable` anywhere else would be a child that finds its modules in the working directory
    users = [
        str(path.relative_to(ROOT)) for path in (ROOT / "worker").rglob("*.py") if "executable" in path.read_text()
    ]

    assert users == ["worker/system/python_child.py"]
    assert not [path for path in (ROOT / "worker").rglob("*.py") if re.search(r"os\.exec|runpy", path.read_text())]
