"""No test depends on how fast the machine is: none sleeps in the hope that nothing happens, none asserts about a clock.

A bounded wait for something is fine: a loop that sleeps until it is so, or fails. How long a fault lasts is the test's
own choice; each such sleep is named below with its reason.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
CLOCKS = {"monotonic", "perf_counter", "time", "monotonic_ns", "perf_counter_ns", "time_ns"}
# Place → why time has to pass there
PASSES = {
    "faults/servers.py: _send: time.sleep(0.02)": "the rest of a long reply",
    "faults/test_infrastructure.py: test_t4_redis_killed_emptied_and_frozen: time.sleep(2)": "Redis is away so long",
    "faults/test_infrastructure.py: test_t6_postgresql_stopped_at_once_and_started: time.sleep(rng.uniform(0.1, 2))": (
        "PostgreSQL is away so long"
    ),
    "faults/test_operators.py: test_t11_jobs_and_their_user_deleted_mid_run: time.sleep(rng.uniform(0, 1))": (
        "a moment by chance"
    ),
    "faults/test_server_state.py: go_through: time.sleep(FAULT_S)": "the fault lasts so long",
    "faults/test_storage.py: test_t13_producers_killed_while_they_store_and_insert: time.sleep(rng.uniform(0, 0.06))": (
        "a moment by chance"
    ),
    "support/harness.py: done: time.monotonic() - self._last_kill < 60": "the end of a wait for kills",
    "support/scripted_batches.py: retrieve: asyncio.sleep(self._script().batch_latency_s)": "a provider takes so long",
    "support/scripted_batches.py: cancel: asyncio.sleep(self._script().batch_latency_s)": "a provider takes so long",
    "support/scripted_llm.py: complete: asyncio.sleep(script.latency_s)": "a model takes so long",
}

Scope = ast.FunctionDef | ast.AsyncFunctionDef


def find_time(path: str, source: str) -> Iterator[str]:
    """`path: function: what` for each sleep outside a loop that waits, and each assertion about a clock."""
    for scope in (node for node in ast.walk(ast.parse(source)) if isinstance(node, Scope)):
        timed = _timed_names(scope)
        waiting = {id(inner) for node in _own(scope) if isinstance(node, ast.While) for inner in ast.walk(node)}
        for node in _own(scope):
            if isinstance(node, ast.Call) and _sleeps(node) and id(node) not in waiting:
                yield f"{path}: {scope.name}: {ast.unparse(node)}"
            elif isinstance(node, ast.Assert) and id(node) not in waiting and _is_about_time(node.test, timed):
                yield f"{path}: {scope.name}: {ast.unparse(node.test)}"


def _own(scope: Scope) -> Iterator[ast.AST]:
    """What stands in a function itself, not in those within it."""
    open_: list[ast.AST] = list(scope.body)
    while open_:
        node = open_.pop()
        yield node
        if not isinstance(node, Scope):
            open_ += ast.iter_child_nodes(node)


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _sleeps(call: ast.Call) -> bool:
    return ast.unparse(call.func) in ("sleep", "time.sleep", "asyncio.sleep")


def _reads_clock(node: ast.AST) -> bool:
    calls = (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))
    return any(_called(c) in CLOCKS and not c.args and not isinstance(c.func, ast.Name) for c in calls)


def _timed_names(scope: Scope) -> set[str]:
    """The function's variables that hold a time, or what was counted from one."""
    found: set[str] = set()
    for node in _own(scope):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value and _reads_clock(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            named = [one for target in targets for one in (target.elts if isinstance(target, ast.Tuple) else [target])]
            found |= {one.id for one in named if isinstance(one, ast.Name)}
    return found


def _is_about_time(test: ast.AST, timed: set[str]) -> bool:
    names = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
    return _reads_clock(test) or bool(names & timed)


def test_no_test_sleeps_in_hope_and_none_asserts_what_a_clock_shows() -> None:
    paths = sorted(TESTS.rglob("*.py"))
    found = [one for path in paths for one in find_time(str(path.relative_to(TESTS)), path.read_text("utf-8"))]
    assert [one for one in found if one not in PASSES] == []
    assert [one for one in PASSES if one not in found] == [], "these are gone: take them out"


@pytest.mark.parametrize(
    "line",
    [
        "time.sleep(2)",
        "await_it = [asyncio.sleep(0.1)]",
        "began = time.monotonic(); work(); assert time.monotonic() - began < 3",
        "began = time.time(); took = time.time() - began; assert took < 3",
        "for _ in range(3): time.sleep(0.1)",
    ],
)
def test_it_would_be_found(line: str) -> None:
    assert list(find_time("a.py", f"def test_it():\n    {line}\n"))


@pytest.mark.parametrize(
    "lines",
    [
        "    while not is_so(): time.sleep(0.1)",
        "    until = time.monotonic() + 9\n    while not is_so():\n        assert time.monotonic() < until\n",
        "    until = time.monotonic() + 9\n    assert is_so()",
    ],
)
def test_a_bounded_wait_is_not(lines: str) -> None:
    assert list(find_time("a.py", f"def test_it():\n{lines}\n")) == []
