"""Whatever text comes from outside, the time that it takes grows with its length, not with the square of it.

Every regular expression of the worker is found and tried over strings that are made to be hard for it. CPU time is
compared with a bound that is ten times what a linear expression takes and a tenth of what a quadratic one does.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import worker
from tests.house.adversaries import make_adversaries
from tests.house.growth import find_growth

METHODS = ("search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer")


def find_modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages(worker.__path__, "worker."):
        yield importlib.import_module(found.name)


def find_compiled(holder: object) -> Iterator[tuple[str, re.Pattern[Any]]]:
    """(name, pattern) of all that a module or class holds, in its containers too."""
    for name, value in vars(holder).items():
        values = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else [value]
        for one in values:
            if isinstance(one, re.Pattern):
                yield name, one
            elif isinstance(one, type) and one.__module__ == getattr(holder, "__name__", ""):
                yield from find_compiled(one)


def find_inline(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls of `re.sub(…)` and the like, which take the expression itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == "re" and node.func.attr in METHODS:
                yield node


def find_uses(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(name, method) of every call of a method of a pattern that has a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            owner = node.value
            if isinstance(owner, (ast.Name, ast.Attribute)):
                yield owner.id if isinstance(owner, ast.Name) else owner.attr, node.attr


def collect() -> dict[tuple[str, str], re.Pattern[Any]]:
    """(where and how it is used) → pattern, of the whole worker."""
    found: dict[tuple[str, str], re.Pattern[Any]] = {}
    modules = list(find_modules())
    trees = {module: ast.parse(Path(module.__file__).read_text("utf-8")) for module in modules}
    everywhere = [use for tree in trees.values() for use in find_uses(tree)]
    for module, tree in trees.items():
        for name, pattern in find_compiled(module):
            uses = find_uses(tree) if name.startswith("_") else everywhere
            for method in {method for used, method in uses if used == name} or {"search"}:
                found[(f"{module.__name__}.{name}", method)] = pattern
        for call in find_inline(tree):
            place = f"{module.__name__}:{call.lineno}"
            assert isinstance(call.args[0], ast.Constant), f"{place}: compile it where the module begins"
            flags = [k.value for k in call.keywords if k.arg == "flags"]
            value = eval(ast.unparse(flags[0]), {"re": re}) if flags else 0  # noqa: S307 (our own source)
            found[(place, call.func.attr)] = re.compile(call.args[0].value, value)  # type: ignore[attr-defined]
    return found


PATTERNS = collect()


def run(pattern: re.Pattern[Any], method: str, text: str) -> Callable[[], object]:
    subject: Any = text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text
    if method in ("sub", "subn"):
        return lambda: getattr(pattern, method)(subject[:0], subject)
    if method == "finditer":
        return lambda: sum(1 for _ in pattern.finditer(subject))
    return lambda: getattr(pattern, method)(subject)


@pytest.mark.parametrize("use", sorted(PATTERNS), ids=" ".join)
def test_every_regular_expression_is_linear(use: tuple[str, str]) -> None:
    pattern, method = PATTERNS[use], use[1]
    for what, make in make_adversaries(pattern).items():
        growth = find_growth(make, lambda text: run(pattern, method, text))
        assert not growth, f"{pattern.pattern!r} {method} of {what}: {growth}"


@pytest.mark.parametrize(
    ("text", "method"),
    [(r"\s+$", "search"), (r"<!--.*?-->", "sub"), (r"(a+)+b", "match"), (r"niveau\s*:?\s*[1-5]", "search")],
)
def test_an_expression_that_is_not_would_be_found(text: str, method: str) -> None:
    pattern = re.compile(text, re.DOTALL)
    makers = make_adversaries(pattern).values()
    assert any(find_growth(make, lambda subject: run(pattern, method, subject)) for make in makers)
