"""How the server does: the specification's monitoring queries, and what its log may quote. Nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from schema.config import MONITORING
from worker.db.statements import load_statements

SQL = load_statements(__file__)

# In the order of the specification. The texts are files, which docs/operations.md shows too.
QUERIES = ("connections", "slow_queries", "table_sizes", "index_usage")
STATEMENTS = "slow_queries"
NOT_PRELOADED = "55000"  # object_not_in_prerequisite_state


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What one query gave: `title` and `columns` are its own; `missing` says why there is nothing, and what to do."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    missing: str | None = None


def read_query(name: str) -> str:
    """The text of one query, with its title as its first line."""
    return (MONITORING / f"{name}.sql").read_text(encoding="utf-8")


def run_queries(engine: sa.Engine) -> list[QueryResult]:
    """Run the four. What the server lacks for one of them is said in its place."""
    return [_run(engine, name) for name in QUERIES]


def _run(engine: sa.Engine, name: str) -> QueryResult:
    text = read_query(name)
    title = text.partition("\n")[0].removeprefix("--").strip()
    with engine.connect() as connection:
        if name == STATEMENTS and (missing := _prepare_statements(connection)):
            return QueryResult(name, title, (), (), missing)
        try:
            found = connection.exec_driver_sql(text)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != NOT_PRELOADED:
                raise
            return QueryResult(
                name, title, (), (), f"pg_stat_statements was not loaded when the server started. {_PRELOAD}"
            )
        return QueryResult(name, title, tuple(found.keys()), tuple(tuple(row) for row in found))


_PRELOAD = (
    "Set shared_preload_libraries = 'pg_stat_statements' in postgresql.conf (the provider's console, where there is "
    "one), restart the server, and run CREATE EXTENSION pg_stat_statements in this database as an administrator"
)


def _prepare_statements(connection: sa.Connection) -> str | None:
    """Make the extension's view visible for this transaction, whatever schema it is in; None, or what is missing."""
    schema = connection.scalar(SQL["find_statements_schema"])
    if schema is None:
        return f"pg_stat_statements is not in this database. {_PRELOAD}"
    connection.execute(SQL["look_into_schema"], {"schema": schema})
    return None


@dataclass(frozen=True, slots=True)
class LogRisk:
    """A setting of the server that lets its log quote questions, and what closes it."""

    finding: str
    advice: str


def find_log_risks(engine: sa.Engine) -> list[LogRisk]:
    """What of this server's settings may bring text of questions into its log, as this session sees them."""
    with engine.connect() as connection:
        found = {row[0]: row[1] for row in connection.execute(SQL["read_log_settings"])}
    return risks_of(found)


def risks_of(settings: dict[str, str]) -> list[LogRisk]:
    """Which of these settings, as pg_settings gives them, may bring text of questions into the server's log."""
    risks = []
    if settings.get("log_parameter_max_length") != "0" and (why := _logs_statements(settings)):
        risks.append(LogRisk(f"statements are logged with their values ({why})", "log_parameter_max_length = 0"))
    if settings.get("log_parameter_max_length_on_error", "0") != "0":
        risks.append(
            LogRisk("statements that fail are logged with their values", "log_parameter_max_length_on_error = 0")
        )
    if settings.get("log_error_verbosity") != "terse":
        risks.append(
            LogRisk("a row that a constraint refuses is quoted in the line DETAIL", "log_error_verbosity = terse")
        )
    if settings.get("auto_explain.log_min_duration", "-1") != "-1":
        risks.append(
            LogRisk("auto_explain logs plans, and a plan may hold values", "auto_explain.log_min_duration = -1")
        )
    return risks


def _logs_statements(settings: dict[str, str]) -> str | None:
    if (level := settings.get("log_statement", "none")) in ("mod", "all"):
        return f"log_statement = {level}"
    for name in ("log_min_duration_statement", "log_min_duration_sample"):
        if settings.get(name, "-1") != "-1":
            return f"{name} = {settings[name]}"
    return "log_transaction_sample_rate" if float(settings.get("log_transaction_sample_rate", "0")) > 0 else None
