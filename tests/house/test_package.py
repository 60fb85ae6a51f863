"""What is installed holds every file that the code reads beside itself, not its modules alone."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECLARED: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "setuptools"
]["package-data"]


@pytest.mark.parametrize("package", sorted(DECLARED))
def test_data_files_are_part_of_the_package(package: str) -> None:
    # A checkout has them all; a wheel, and so the image, only what is declared here
    folder = ROOT / package
    files = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    declared = {path for pattern in DECLARED[package] for path in folder.glob(pattern)}

    assert files - declared == set()
