"""Which errors speak of the server: the one table, and the one way to run a transaction that reads it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from worker.db.engine import Database, is_infrastructure_fault, server_state
from worker.db.server_health import FORGOTTEN_S, SHOW_ALIVE_S, ServerHealth
from worker.db.server_states import AWAY, BUSY, STATES, Remedy, find_state

OF_THE_SERVER = [
    *("08000", "08003", "08006", "08P01", "25006", "25P03", "25P04", "26000", "42P05", "40001", "40003", "40P01"),
    *("53000", "53100", "53200", "53300", "53400", "55P03", "57000", "57014", "57P01", "57P02", "57P03", "57P05"),
    *("58000", "58030", "58P01", "XX001", "XX002"),
]
OF_THE_STATEMENT = [
    "22001",
    "22P02",
    "23505",
    "23514",
    "25P02",
    "40002",
    "42501",
    "42P01",
    "54000",
    "55000",
    "P0001",
    "XX000",
]


def wrapped(error: psycopg.Error, *, is_lost: bool = False) -> DBAPIError:
    return DBAPIError("SELECT 1", None, error, connection_invalidated=is_lost)


def error_of(sqlstate: str) -> psycopg.Error:
    kind = type("Raised", (psycopg.DatabaseError,), {"sqlstate": sqlstate})
    error: psycopg.Error = kind("said by the server")
    return error


@pytest.mark.parametrize("sqlstate", OF_THE_SERVER)
def test_a_state_of_the_server_is_nobodys_fault(sqlstate: str) -> None:
    assert is_infrastructure_fault(wrapped(error_of(sqlstate)))
    assert is_infrastructure_fault(error_of(sqlstate))


@pytest.mark.parametrize("sqlstate", OF_THE_STATEMENT)
def test_what_the_statement_did_is_no_state_of_the_server(sqlstate: str) -> None:
    assert not is_infrastructure_fault(wrapped(error_of(sqlstate)))


def test_no_server_and_no_place_in_the_pool_are_states_too() -> None:
    assert server_state(wrapped(psycopg.OperationalError("connection refused"))) is AWAY
    assert server_state(wrapped(psycopg.InterfaceError("the connection is closed"), is_lost=True)) is AWAY
    assert server_state(PoolTimeoutError()) is BUSY
    assert server_state(wrapped(psycopg.InterfaceError("wrong use"))) is None
    assert server_state(ValueError()) is None


def test_every_state_stands_once_and_can_be_said() -> None:
    assert len({state.code for state in STATES}) == len(STATES)
    for state in STATES:
        assert len(state.code) in (2, 5)
        assert find_state(state.code.ljust(5, "0")) is state
        assert state.meaning
        assert state.french


class Server:
    """Fails as it is told, then works; notes the statements that it was sent."""

    def __init__(self, *sqlstates: str) -> None:
        self.sqlstates = list(sqlstates)
        self.statements: list[str] = []

    def begin(self) -> Any:
        return self

    def connect(self) -> Any:
        return self

    def get_execution_options(self) -> dict[str, object]:
        return {}

    def execution_options(self, **_options: object) -> Any:
        return self

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def execute(self, statement: object) -> None:
        self.statements.append(str(statement))

    def work(self, _connection: sa.Connection) -> str:
        if self.sqlstates:
            raise wrapped(error_of(self.sqlstates.pop(0)))
        return "done"


def database_of(server: Server, **options: Any) -> Database:
    return Database(server, sleep=lambda _s: None, **options)  # type: ignore[arg-type]


def test_it_is_waited_for_and_done() -> None:
    server, health = Server("53100", "25006", "57P01"), ServerHealth()
    assert database_of(server, health=health).transact(server.work, single=True) == "done"
    assert server.statements == []
    assert health.longest() is None


def test_what_was_cut_short_gets_more_time_from_then_on() -> None:
    server = Server("53100", "57014", "53100")
    assert database_of(server).transact(server.work) == "done"
    assert ["statement_timeout" in statement for statement in server.statements] == [True, True]


def test_what_the_statement_did_is_raised_at_once_and_after_a_wait() -> None:
    for states in (["23505"], ["53100", "23505"]):
        server = Server(*states)
        with pytest.raises(DBAPIError):
            database_of(server).transact(server.work)
        assert server.sqlstates == []


def test_who_gives_up_is_told_why_and_what_is_waited_for_stays_known() -> None:
    server, health = Server(*["53100"] * 50), ServerHealth()
    with pytest.raises(DBAPIError):
        database_of(server, health=health).transact(server.work, give_up=lambda: len(server.sqlstates) < 45)
    waiting = health.longest()
    assert waiting is not None
    assert waiting.state.code == "53100"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_server_is_sound_once_it_took_writes_for_as_long_as_an_owner_needs() -> None:
    clock = Clock()
    health = ServerHealth(clock)
    assert not health.is_sound(30), "nothing is known yet"
    health.wrote(within_s=30)
    assert not health.is_sound(30)
    clock.now += SHOW_ALIVE_S
    health.wrote(within_s=30)
    assert health.is_sound(30)
    # When it takes none for a moment
    health.met(find_state("53100") or AWAY)
    health.passed()
    assert not health.is_sound(30)
    health.wrote(within_s=30)
    clock.now += SHOW_ALIVE_S - 1
    assert not health.is_sound(30)
    clock.now += 1
    assert health.is_sound(30)
    # And what was long ago says nothing
    clock.now += 30
    assert not health.is_sound(30)


def test_a_conflict_says_nothing_of_the_server() -> None:
    clock = Clock()
    health = ServerHealth(clock)
    health.wrote(within_s=30)
    clock.now += SHOW_ALIVE_S
    conflict = find_state("40P01")
    assert conflict is not None
    assert conflict.remedy is Remedy.AGAIN
    health.met(conflict)
    assert health.is_sound(30)
    assert health.well_for_s() > 10**6


def test_the_longest_wait_is_known_and_what_nobody_waits_for_any_more_is_forgotten() -> None:
    clock = Clock()
    health = ServerHealth(clock)
    health.met(AWAY)
    clock.now += 5
    health.met(find_state("25006") or AWAY)
    waiting = health.longest()
    assert waiting is not None
    assert (waiting.state.code, waiting.for_s) == ("25006", 5)
    assert health.well_for_s() == 0
    clock.now += FORGOTTEN_S + 1
    assert health.longest() is None
    # And a wait after a long pause begins anew
    health.met(AWAY)
    waiting = health.longest()
    assert waiting is not None
    assert waiting.for_s == 0
