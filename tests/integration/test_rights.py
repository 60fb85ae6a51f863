"""A web app's role that may do no more than write jobs: triggers do the rest with their owner's rights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from worker.db.schema import check, upgrade
from worker.jobs.invariants import check_invariants
from worker.system.urls import libpq_url

PASSWORD = "only-of-this-test"
ROLES = ("medq_test_web", "medq_test_stranger")
INSERT = (
    'INSERT INTO {schema}."AiValidationJob" ("id", "userId", "fileName", "originalFileName", "fileSize", "updatedAt") '
    "VALUES ('j', 'admin1', 'f', 'f', 1, now())"
)
MOVE = 'UPDATE {schema}."AiValidationJob" SET "status" = \'{status}\''


@dataclass
class Database:
    """One database with its tables in `schema`, and who connects to it."""

    url: str
    schema: str

    def connect(self, role: str | None = None, **options: Any) -> psycopg.Connection:
        url = sa.make_url(self.url)
        if role is not None:
            url = url.set(username=role, password=PASSWORD)
        address = libpq_url(url.render_as_string(hide_password=False).replace("+psycopg", ""))
        return psycopg.connect(address, autocommit=True, **options)

    def rows(self, statement: str) -> list[Any]:
        with self.connect() as owner:
            owner.execute(f"SET search_path = {self.schema}")
            return owner.execute(statement).fetchall()


@pytest.fixture(params=["public", '"my App"'])
def database(request: pytest.FixtureRequest, empty_database_url: str) -> Iterator[Database]:
    """The tables in this schema; a web app that may write jobs, and a stranger that may make things beside them."""
    schema, url = request.param, sa.make_url(empty_database_url)
    found = Database(empty_database_url, schema)
    with found.connect() as owner:
        if schema != "public":
            owner.execute(f"CREATE SCHEMA {schema}")
            owner.execute(f'ALTER DATABASE "{url.database}" SET search_path = {schema}')
        upgrade(empty_database_url)
        for role in ROLES:
            owner.execute(f"DROP ROLE IF EXISTS {role}")
            owner.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
            owner.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
            owner.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}."AiValidationJob" TO {role}')
        owner.execute(f"GRANT CREATE ON SCHEMA {schema} TO medq_test_stranger")
        owner.execute(f'GRANT TEMPORARY ON DATABASE "{url.database}" TO medq_test_stranger')
    yield found
    with found.connect() as owner:
        for role in ROLES:
            owner.execute(f"DROP OWNED BY {role} CASCADE")
            owner.execute(f"DROP ROLE {role}")


def test_a_web_app_needs_no_right_on_the_added_tables(database: Database) -> None:
    schema = database.schema
    with database.connect("medq_test_web", options="-c search_path=pg_catalog") as web:
        # When it inserts, stops and resumes a job, whatever its own search path
        web.execute(INSERT.format(schema=schema))
        web.execute(MOVE.format(schema=schema, status="cancelled"))
        web.execute(MOVE.format(schema=schema, status="queued"))
        # Then it is refused everything else
        for refused in (
            f'SELECT * FROM {schema}."AiValidationTask"',
            f'DELETE FROM {schema}."AiValidationItem"',
            f'UPDATE {schema}."LlmCall" SET "costUsd" = 0',
            f'SELECT * FROM {schema}."User"',
            f"SELECT {schema}.medq_resume_tasks('j')",
            f'CREATE TRIGGER t AFTER INSERT ON {schema}."User" EXECUTE FUNCTION {schema}.medq_job_inserted()',
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                web.execute(refused)
    # And the task is there
    assert database.rows('SELECT "kind", "status" FROM "AiValidationTask"') == [("prepare", "ready")]
    assert check(database.url) == []
    engine = sa.create_engine(database.url, poolclass=NullPool)
    assert check_invariants(engine) == []


# What a caller may put where a function with its owner's rights could take it for the server's own.
TRAP = "$$ BEGIN PERFORM set_config('medq.trapped', current_user, false); RETURN {value}; END $$ LANGUAGE plpgsql"
FUNCTIONS = [
    "pg_notify(a text, b varchar) RETURNS void",
    "pg_notify(a varchar, b text) RETURNS void",
    "format(a text, b int, c int) RETURNS text",
    "current_setting(a varchar, b boolean) RETURNS text",
    "replace(a text, b varchar, c varchar) RETURNS text",
    "substr(a text, b bigint, c bigint) RETURNS text",
    "timezone(a varchar, b timestamptz) RETURNS timestamp",
    "round(a numeric, b bigint) RETURNS numeric",
    "unnest(a text[]) RETURNS text",
    "medq_add_task(a varchar, b varchar) RETURNS void",
    "arrays(a text[], b text[]) RETURNS text[]",
    "times(a int, b numeric) RETURNS numeric",
    "times_int(a numeric, b int) RETURNS numeric",
    "field(a jsonb, b jsonb) RETURNS jsonb",
    "equal(a text[], b text[]) RETURNS boolean",
    "equal_text(a text, b varchar) RETURNS boolean",
]
OPERATORS = [
    ("||", "text[]", "text[]", "arrays"), ("*", "int", "numeric", "times"), ("/", "numeric", "int", "times_int"),
    ("->", "jsonb", "jsonb", "field"), ("=", "text[]", "text[]", "equal"), ("=", "text", "varchar", "equal_text"),
]  # fmt: skip
AGGREGATES = ["array_agg(text)", "count(text)", "count(boolean)"]


def test_nothing_of_a_callers_runs_with_the_owners_rights(database: Database) -> None:
    schema = database.schema
    with database.connect("medq_test_stranger") as stranger:
        # Given a stranger that makes tables, functions and operators of the names that the triggers use
        stranger.execute(f"SET search_path = {schema}")
        for table in ("AiValidationTask", "AiValidationItem", "LlmCall", "UserSession"):
            stranger.execute(f'CREATE TEMPORARY TABLE "{table}" ("id" text, "jobId" text, "kind" text, "status" text)')
        for function in FUNCTIONS:
            value = "" if "void" in function else "NULL"
            stranger.execute(f"CREATE FUNCTION {function} AS {TRAP.format(value=value)}")
        for name, left, right, function in OPERATORS:
            stranger.execute(f"CREATE OPERATOR {name} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = {function})")
        stranger.execute(
            "CREATE FUNCTION state(a int, b anyelement) RETURNS int AS "
            "$$ BEGIN PERFORM set_config('medq.trapped', current_user, false); RETURN 1; END $$ LANGUAGE plpgsql"
        )
        for aggregate in AGGREGATES:
            stranger.execute(f"CREATE AGGREGATE {aggregate} (SFUNC = state, STYPE = int)")
        # When it does what it may
        stranger.execute(INSERT.format(schema=schema))
        stranger.execute(MOVE.format(schema=schema, status="cancelled"))
        stranger.execute(MOVE.format(schema=schema, status="queued"))
        stranger.execute(f'DELETE FROM {schema}."AiValidationJob"')
        stranger.execute(INSERT.format(schema=schema))
        # Then nothing of its own was run, nor written to
        assert stranger.execute("SELECT current_setting('medq.trapped', true)").fetchone() in ((None,), ("",))
        assert stranger.execute('SELECT count(*) FROM pg_temp."AiValidationTask"').fetchone() == (0,)
        # Nor may it have a function of ours run on a table of its own
        stranger.execute(f'CREATE TABLE {schema}.mine ("id" text, "status" text)')
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            stranger.execute(
                f"CREATE TRIGGER mine AFTER INSERT ON {schema}.mine FOR EACH ROW "
                f"EXECUTE FUNCTION {schema}.medq_job_inserted()"
            )
    assert database.rows('SELECT "kind", "status" FROM "AiValidationTask"') == [("prepare", "ready")]
