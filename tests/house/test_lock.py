"""requirements.lock: what it must hold so that any machine can install from it, wherever it gets its packages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def fold(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_names_no_address() -> None:
    assert re.findall(r"\S*(?:://|--index|--find-links)\S*", LOCK) == []


def test_every_package_has_one_version_and_a_hash() -> None:
    entries = re.split(r"\n(?=\S)", LOCK.strip())

    assert [entry.split("\n")[0] for entry in entries if not re.match(r"[\w.-]+(\[[\w,-]+\])?==[\w.]+", entry)] == []
    assert [entry.split("\n")[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [
        *project["project"]["dependencies"],
        *(line for extra in project["project"]["optional-dependencies"].values() for line in extra),
        *project["dependency-groups"]["dev"],
    ]
    locked = {fold(name) for name in re.findall(r"^([\w.-]+)", LOCK, re.MULTILINE)}

    assert {fold(re.match(r"[\w.-]+", line)[0]) for line in wanted} - locked == set()  # type: ignore[index]


def test_what_installs_has_one_version_too() -> None:
    makefile, dockerfile = ((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "Dockerfile"))
    (version,) = re.findall(r"^UV_VERSION := (\d+\.\d+\.\d+)", makefile, re.MULTILINE)

    assert "uv==$(UV_VERSION)" in makefile
    assert f"uv=={version}" in dockerfile
    assert re.findall(r"pip install .*\buv\b(?!==)", makefile + dockerfile) == []
