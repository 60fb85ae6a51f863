"""Who imports whom among tests and benches: what they share is in tests/support, and no test module is a library."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def find_imports(source: str) -> Iterator[str]:
    """The modules that a source imports, wherever it does; of `from a import b` both `a` and `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def find_wrong_imports(path: Path, source: str) -> list[str]:
    """`path` from the project's root. What it may not import."""
    return sorted({name for name in find_imports(source) if not _may_import(path, name.split("."))})


def _may_import(path: Path, name: list[str]) -> bool:
    if name[0] == "bench":
        return path.parts[0] == "bench"
    if name[0] != "tests":
        return not name[0].startswith("test_") and name[0] not in ("conftest", "")
    if any(part == "conftest" or part.startswith("test_") for part in name[:3]):
        return False
    is_shared = path.parts[0] == "bench" or path.parts[:2] == ("tests", "support")
    return name == ["tests"] or name[1] == "support" or not is_shared


def find_sources() -> Iterator[Path]:
    for folder in ("bench", "tests"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def test_no_test_module_is_a_library_and_nothing_is_taken_from_benches() -> None:
    paths = [path.relative_to(ROOT) for path in find_sources()]
    wrong = {path: found for path in paths if (found := find_wrong_imports(path, (ROOT / path).read_text("utf-8")))}
    assert wrong == {}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("tests/integration/test_a.py", "from tests.integration.test_b import make"),
        ("tests/integration/test_a.py", "from tests.integration import test_b"),
        ("tests/integration/test_a.py", "import test_b"),
        ("tests/integration/test_a.py", "from .test_b import make"),
        ("tests/faults/conftest.py", "from tests.conftest import llm"),
        ("tests/unit/test_a.py", "from bench.uploads import write_csv"),
        ("tests/support/a.py", "from tests.faults.servers import Servers"),
        ("tests/support/a.py", "def f():\n    import bench.site"),
        ("bench/speed.py", "from tests.faults import record"),
    ],
)
def test_a_wrong_import_would_be_found(path: str, line: str) -> None:
    assert find_wrong_imports(Path(path), line)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("tests/integration/test_a.py", "from tests.support.surroundings import Platform"),
        ("tests/house/test_a.py", "from tests.faults.record import table"),
        ("tests/support/a.py", "from tests.support import platforms"),
        ("bench/speed.py", "from bench.site import Site\nfrom tests.support.uploads import write_csv"),
    ],
)
def test_a_right_import_is_not(path: str, line: str) -> None:
    assert find_wrong_imports(Path(path), line) == []
