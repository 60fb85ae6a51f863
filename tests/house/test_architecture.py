"""docs/architecture.md against the tree: every path is there, every room and layer is named, every word is used."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
MOST_WORDS = 20
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def table(title: str) -> list[list[str]]:
    """The rows of the section's table, without its header."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


PLACES = [
    (subject, path) for subject, places in table("Where does X live") for path in re.findall(r"`([^`]+)`", places)
]
WORDS = [row[0] for row in table("Words")]


@pytest.mark.parametrize(("subject", "path"), PLACES)
def test_what_is_looked_for_is_there(subject: str, path: str) -> None:
    pattern = path.replace("…", "*").rstrip("/")  # below worker/, unless it begins with another folder of the project
    assert list((ROOT / "worker").glob(pattern)) or list(ROOT.glob(pattern)), subject


def test_the_words_are_few() -> None:
    assert 0 < len(WORDS) <= MOST_WORDS


@pytest.mark.parametrize("word", WORDS)
def test_every_word_is_one_of_the_code(word: str) -> None:
    spelled = re.compile(
        rf"(?<![^\W_]){re.escape(word)}".replace(r"\ ", "[ _-]").replace(r"\-", "[ _-]"), re.IGNORECASE
    )
    paths = [path for path in (ROOT / "worker").rglob("*.*") if path.suffix in (".py", ".sql")]
    assert any(spelled.search(path.read_text(encoding="utf-8")) for path in paths)


def test_every_room_is_named() -> None:
    tree = section("Rooms").partition("```\n")[2].partition("```")[0]
    named = set(re.findall(r"\b([a-z_]+)/", tree)) | set(re.findall(r"\b([a-z_]+\.py)\b", tree))
    there = {path.name for path in (ROOT / "worker").iterdir() if (path / "__init__.py").exists()}
    loose = {path.name for path in (ROOT / "worker").glob("*.py") if path.name != "__init__.py"}
    assert there | loose <= named


def test_the_order_of_the_rooms_is_the_one_that_is_held() -> None:
    (rooms,) = [contract["layers"] for contract in CONTRACTS if contract.get("containers") == ["worker"]]
    written = section("Rooms").partition("Imports point down only: ")[2].partition(".\n")[0].replace("\n", " ")
    assert [sorted(layer.split(", ")) for layer in written.split(" → ")] == [sorted(r.split(" | ")) for r in rooms]


def test_every_room_says_in_which_order_its_modules_import_each_other() -> None:
    held = {c for contract in CONTRACTS if contract.get("exhaustive") for c in contract.get("containers", [])}
    folders = [path.parent for path in (ROOT / "worker").rglob("__init__.py")]
    wanted = {
        ".".join(folder.relative_to(ROOT).parts)
        for folder in folders
        if sum(1 for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()) > 2
    }
    assert wanted - held == set()
