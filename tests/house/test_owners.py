"""One owner per idea: who writes a table, where the open states are listed, and what has been spent."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import states
from schema.routines import FUNCTIONS

ROOT = Path(__file__).resolve().parents[2]
WORKER = ROOT / "worker"
WRITES = r'(?:INSERT INTO|UPDATE|DELETE FROM)\s+"{table}"'
OWNERS = {
    "AiValidationTask": {"queue/tasks"},
    "AiValidationPause": {"queue/pauses"},
}
LISTED = re.compile(r"[(\[{]((?:\s*['\"][a-z]+['\"]\s*,)+\s*['\"][a-z]+['\"]\s*,?\s*)[)\]}]")
OPEN = (states.OPEN_JOB, states.OPEN_TASK, states.OPEN_CALL, states.OPEN_BATCH)
ENDED = (frozenset(states.JOB_STATUSES) - states.OPEN_JOB, frozenset(states.CALL_STATUSES) - states.OPEN_CALL)
# A trigger's WHEN is read before there is a function to call.
SAYS_SO = re.compile(r"medq_(\w+_is_open|call_costs)")


def of_worker() -> Iterator[tuple[str, str]]:
    """The worker's Python and SQL, by their place."""
    for path in sorted([*WORKER.rglob("*.py"), *WORKER.rglob("*.sql")]):
        yield path.relative_to(WORKER).as_posix(), path.read_text(encoding="utf-8")


def sources() -> Iterator[tuple[str, str]]:
    """The same, and the database's functions but for those that say what is open."""
    yield from of_worker()
    for path in sorted(FUNCTIONS.glob("*.sql")):
        if not SAYS_SO.fullmatch(path.stem):
            yield f"schema/{path.name}", path.read_text(encoding="utf-8")


def copies_into(source: str, table: str) -> bool:
    """Whether rows are brought into the table by COPY."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return any(
        getattr(call.func, "id", getattr(call.func, "attr", "")) == "copy_rows"
        and any(isinstance(given, ast.Constant) and given.value == table for given in call.args)
        for call in calls
    )


@pytest.mark.parametrize("table", OWNERS)
def test_one_module_writes_a_table(table: str) -> None:
    """The database's own functions, which belong to the schema, write it too: nothing else does."""
    pattern = re.compile(WRITES.format(table=table))
    found = {
        place.rpartition(".")[0]
        for place, text in of_worker()
        if pattern.search(text) or (place.endswith(".py") and copies_into(text, table))
    }
    assert found == OWNERS[table]


def lists(text: str) -> Iterator[frozenset[str]]:
    """Every list of quoted words."""
    for found in LISTED.finditer(text):
        yield frozenset(re.findall(r"['\"]([a-z]+)['\"]", found[1]))


def test_which_states_are_open_is_said_once() -> None:
    again = [(place, sorted(one)) for place, text in sources() for one in lists(text) if one in {*OPEN, *ENDED}]
    assert again == [], "ask models.states, in SQL medq_…_is_open"


def test_a_list_of_states_is_found_however_it_is_written() -> None:
    wanted = frozenset({"queued", "processing"})
    for text in ("x IN ('queued', 'processing')", "{'processing',\n 'queued'}", '("queued", "processing")'):
        assert wanted in list(lists(text))


def test_which_characters_are_control_is_said_once() -> None:
    """A class of a regular expression that begins with the control characters stands where the rules do."""
    ranges = re.compile(r"\\x00(\\x01)?(-|\\x03-)\\x0[0-9a-f]")
    assert {place for place, text in sources() if ranges.search(text)} == {"text/characters.py"}


def test_what_was_spent_is_what_stands_in_its_column() -> None:
    """A call under way has cost nothing yet: whoever sums costs leaves nothing out by its status."""
    filtered = re.compile(r'sum\((?:\w+\.)?"costUsd"\)\s*FILTER\s*\(WHERE[^)]*"status"')
    assert [place for place, text in sources() if filtered.search(text)] == []
