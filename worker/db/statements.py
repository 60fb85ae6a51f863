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
_COMMENT = re.compile(r"^ *--.*\n?", re.MULTILINE)


def load_statements(module: str) -> Mapping[str, sa.TextClause]:
    """The statements of a module, given as its `__file__`, ready to be executed by their names.

    Each is sent with the name of its file and its own, by which a DBA knows it in pg_stat_statements, pg_stat_activity
    and the server's log.
    """
    import sqlalchemy as sa

    path = Path(module).with_suffix(".sql")
    return {name: sa.text(f"/* {path.name} {name} */ {text}") for name, text in read_statements(path)}


def read_statements(path: Path) -> Iterator[tuple[str, str]]:
    """Names and texts of a file in its order, without comments and semicolons."""
    _, *parts = _NAME.split(path.read_text(encoding="utf-8"))
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        yield name, _COMMENT.sub("", text).strip().removesuffix(";")
