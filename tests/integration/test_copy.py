"""Many rows at once by COPY, which goes around SQLAlchemy: its faults are told apart like any other statement's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from worker.db.engine import Database, connect, copy_rows


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(connect(database_url, pool_size=2))
    found.transact(lambda c: c.execute(sa.text("CREATE TABLE numbers (n int PRIMARY KEY)")))
    yield found
    found.close()


def test_a_session_that_is_ended_in_the_middle_is_begun_again(database: Database, database_url: str) -> None:
    # Given a server that ends the session while the rows are on their way, once
    administrator = sa.create_engine(database_url)
    ended: list[int] = []

    def rows(pid: int) -> Iterator[tuple[int]]:
        for number in range(20_000):
            if number == 10_000 and not ended:
                ended.append(pid)
                with administrator.begin() as other:
                    other.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            yield (number,)

    def copy(connection: sa.Connection) -> None:
        pid = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        copy_rows(connection, "numbers", {"n": "int4"}, rows(pid))

    # When they are copied
    database.transact(copy)
    # Then all are there, once
    assert ended
    assert database.transact(lambda c: c.execute(sa.text("SELECT count(*) FROM numbers")).scalar_one()) == 20_000
    administrator.dispose()


def test_a_row_that_the_table_refuses_is_an_integrity_error(database: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        database.transact(lambda c: copy_rows(c, "numbers", {"n": "int4"}, [(1,), (1,)]))
    database.transact(lambda c: copy_rows(c, "numbers", {"n": "int4"}, [(1,)]))
