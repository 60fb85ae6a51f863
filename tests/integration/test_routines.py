"""The database's functions and triggers are those of schema/functions, and an upgrade makes what differs."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from schema.config import head_revision
from schema.routines import differing_routines, present_routines, read_routines
from schema.scripts import Created, created_by
from worker.db.schema import check, downgrade, upgrade

NEVER_FIRES = (
    'CREATE OR REPLACE TRIGGER medq_job_inserted_trigger AFTER INSERT ON "AiValidationJob"'
    " FOR EACH ROW WHEN (false) EXECUTE FUNCTION medq_job_inserted()"
)


@pytest.fixture
def engine(database_url: str) -> sa.Engine:
    return sa.create_engine(database_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")


def written_when(engine: sa.Engine) -> list[tuple[str, str]]:
    """The transactions that wrote each function and trigger last."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT proname, xmin FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
            " UNION ALL SELECT tgname, xmin FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
        )
        return [(name, writer) for name, writer in rows]


def test_after_an_upgrade_every_function_and_trigger_is_that_of_its_one_file(engine: sa.Engine) -> None:
    files = read_routines()
    made = [created for statements in files.values() for created in filter(None, map(created_by, statements))]

    with engine.connect() as connection:
        assert differing_routines(connection) == []
        assert sorted(present_routines(connection)) == sorted(made)
    assert sorted(files) == sorted(name for kind, name in made if kind == "function")
    for name, statements in files.items():
        assert [made for made in map(created_by, statements) if made and made.kind == "function"] == [
            Created("function", name)
        ]


def test_what_was_changed_or_dropped_is_made_anew_and_nothing_else(engine: sa.Engine, database_url: str) -> None:
    # Given a function that says something else, a trigger that fires never, and one that is gone
    with engine.connect() as connection:
        for change in (
            "CREATE OR REPLACE FUNCTION medq_new_id() RETURNS TEXT AS $$ SELECT 'x'; $$ LANGUAGE sql VOLATILE",
            NEVER_FIRES,
            'DROP TRIGGER medq_job_status_trigger ON "AiValidationJob"',
        ):
            connection.exec_driver_sql(change)
        changed = ["medq_job_inserted_trigger", "medq_job_status_trigger", "medq_new_id"]
        assert sorted(made.name for made in differing_routines(connection)) == changed
    found = "\n".join(check(database_url))
    assert "The function medq_new_id is not the one of schema/functions." in found
    assert "The database lacks the trigger medq_job_status_trigger." in found

    # When the schema is upgraded, then these three are as their files say, and no other was written
    before = written_when(engine)
    assert upgrade(database_url) == head_revision()
    assert check(database_url) == []
    assert {name for name, _ in set(written_when(engine)) ^ set(before)} == set(changed)

    # And once more changes nothing
    before = written_when(engine)
    upgrade(database_url)
    assert written_when(engine) == before


def test_another_schema_on_the_search_path_is_no_difference(empty_database_url: str) -> None:
    # Given a platform that keeps its tables in a schema with a name that must be quoted
    url = sa.make_url(empty_database_url)
    with sa.create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql('CREATE SCHEMA "my App"')
        connection.exec_driver_sql(f'ALTER DATABASE "{url.database}" SET search_path = "my App"')

    # When it is upgraded twice, then all is there
    upgrade(empty_database_url)
    upgrade(empty_database_url)
    assert check(empty_database_url) == []
    downgrade(empty_database_url, "base")
