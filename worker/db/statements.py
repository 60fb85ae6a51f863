"""Statements of SQL by name, from the .sql file beside a module. What they are for is known to other rooms.

A file opens with a comment of what it holds. Each statement follows a line `-- name: …` and comments of what it does,
stands there whole, with its parameters as `:name`, and ends with a semicolon.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlalchemy as sa

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)(?![:\w])")  # as SQLAlchemy finds them
_COMMENT = re.compile(r"^ *--.*\n?", re.MULTILINE)


def load_statements(module: str) -> Mapping[str, sa.TextClause]:
    """The statements of a module, given as its `__file__`, ready to be executed by their names."""
    import sqlalchemy as sa

    return {name: sa.text(text) for name, text in _named(module)}


def load_driver_statements(module: str) -> Mapping[str, str]:
    """The same for psycopg itself, where SQLAlchemy would take longest to import."""
    return {name: _PARAMETER.sub(r"%(\1)s", text.replace("%", "%%")) for name, text in _named(module)}


def _named(module: str) -> Iterator[tuple[str, str]]:
    """Each is sent with the name of its file and its own: so a DBA knows it in pg_stat_statements and the log."""
    path = Path(module).with_suffix(".sql")
    for name, text in read_statements(path):
        yield name, f"/* {path.name} {name} */ {text}"


def read_statements(path: Path) -> Iterator[tuple[str, str]]:
    """Names and texts of a file in its order, without comments and semicolons."""
    _, *parts = _NAME.split(path.read_text(encoding="utf-8"))
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        yield name, _COMMENT.sub("", text).strip().removesuffix(";")
