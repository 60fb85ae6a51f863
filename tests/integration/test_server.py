"""The server around the worker: compose's settings, the monitoring queries, and what of a question reaches its log."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from tests.support.compose import COMPOSE, server_settings
from tests.support.real_servers import VERSIONS, RealServer, explain_absence, open_server
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from worker.cli import call
from worker.db.engine import connect, copy_rows
from worker.db.monitoring import QUERIES, find_log_risks, read_query, risks_of, run_queries
from worker.db.schema import upgrade
from worker.embedded import embedded_programs

ROOT = Path(__file__).resolve().parents[2]
SECRET = "la valvulopathie mitrale du patient Zorglub"


@pytest.fixture(scope="module")
def compose_server() -> Iterator[RealServer]:
    """A server with the settings of docker-compose.yml."""
    if reason := explain_absence(18):
        pytest.skip(f"no PostgreSQL 18 here: {reason}")
    with open_server(18, *(f"{name} = '{value}'" for name, value in server_settings().items())) as server:
        server.execute((ROOT / "schema/monitoring/extension.sql").read_text())
        yield server


def test_composes_servers_take_their_settings_and_are_found_healthy(compose_server: RealServer) -> None:
    with psycopg.connect(compose_server.url()) as connection:
        for name, value in server_settings().items():
            (found,) = connection.execute("SELECT current_setting(%s)", (name,)).fetchone() or ("",)
            assert found.lower() in (value.lower(), {"1000": "1s"}.get(value)), name
    mounted = [volume for volume in COMPOSE["services"]["postgres"]["volumes"] if volume.startswith("./")]
    assert [volume.split(":")[0] for volume in mounted] == ["./schema/monitoring/extension.sql"]
    (check,) = COMPOSE["services"]["postgres"]["healthcheck"]["test"][1:]
    found = subprocess.run(
        ["sh", "-c", check.replace("-h 127.0.0.1", f"-h 127.0.0.1 -p {compose_server.port}")],
        env={**os.environ, "PATH": f"{next(iter(embedded_programs()), '')}:{os.environ['PATH']}"},
        timeout=30,
        check=False,
    )
    assert found.returncode == 0


# -- the log -----------------------------------------------------------------------------------------------------------


def make_database(server: RealServer, name: str) -> str:
    """A migrated database that belongs to a plain role; its URL."""
    server.execute(f"CREATE ROLE {name} LOGIN", f"CREATE DATABASE {name} OWNER {name}")
    upgrade(server.url(name, name).replace("postgresql://", "postgresql+psycopg://"))
    return server.url(name, name)


def refused_row(connection: sa.Connection) -> None:
    connection.execute(
        sa.text("""
            INSERT INTO "Question" ("id", "type", "questionText", "optionA", "optionB", "correctAnswer", "explanation",
                "level", "semester", "specialtyId", "updatedAt")
            VALUES ('q', 'qcm', :secret, 'a', 'b', 'Z', '', 'DCEM1', 'S1', 'spec1', now())
        """),
        {"secret": SECRET},
    )


def name_that_is_taken(connection: sa.Connection) -> None:
    for number in (1, 2):
        connection.execute(
            sa.text(f'INSERT INTO "Specialty" ("id", "name", "updatedAt") VALUES (\'s{number}\', :secret, now())'),
            {"secret": SECRET},
        )


def json_that_is_none(connection: sa.Connection) -> None:
    connection.execute(sa.text("SELECT CAST(:secret AS jsonb)"), {"secret": f'{{"a" "{SECRET}'})


def time_out(connection: sa.Connection) -> None:
    connection.execute(sa.text("SET LOCAL statement_timeout = 100"))
    connection.execute(sa.text("SELECT CAST(:secret AS text), pg_sleep(60)"), {"secret": SECRET})


def copy_that_is_ended(connection: sa.Connection) -> None:
    """As when a server is stopped while a job is read."""
    connection.execute(sa.text("SET LOCAL statement_timeout = 100"))
    connection.execute(sa.text("CREATE TABLE copied (n int, text text)"))
    end = time.monotonic() + 2

    def rows() -> Iterator[tuple[int, str]]:
        while time.monotonic() < end:
            yield 1, SECRET
            time.sleep(0.0001)

    copy_rows(connection, "copied", {"n": "int4", "text": "text"}, rows())


QUOTED_IN_DETAIL = (refused_row, name_that_is_taken, json_that_is_none)
NOT_QUOTED = (time_out, copy_that_is_ended)


@contextmanager
def opened(url: str) -> Iterator[sa.Engine]:
    """The worker's own connections."""
    engine = connect(url)
    yield engine
    engine.dispose()


def as_web_app(url: str) -> sa.Engine:
    """Connections that ask nothing of the server, as those of others."""
    return sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.NullPool)


def run_all(engine: sa.Engine, *ways: Callable[[sa.Connection], None]) -> None:
    for way in ways:
        with pytest.raises(sa.exc.DBAPIError), engine.begin() as connection:
            way(connection)


def quotes(server: RealServer) -> list[str]:
    return [line for line in server.log().splitlines() if "Zorglub" in line]


def test_under_composes_settings_no_question_reaches_the_log(
    compose_server: RealServer, redis_url: str, llm: ScriptedLlm, tmp_path: Path
) -> None:
    url = make_database(compose_server, "quiet")
    # Given a job with a question
    file = tmp_path / "questions.csv"
    file.write_text(
        "matiere;cours;question n;texte de la question;option a;option b;reponse;niveau;semestre\n"
        f"Cardiologie;HTA;1;{SECRET} ?;140/90 mmHg;100/60 mmHg;A;DCEM2;S1\n",
        encoding="utf-8",
    )
    platform = Platform(url, redis_url, tmp_path, llm.url)

    # When it is worked on, and statements with its text fail in the worker's sessions and in a web app's
    job = platform.enqueue(file, instructions=SECRET)
    with platform.workers():
        assert platform.wait_for_job(job)["status"] == "completed"
    for engine in (platform.engine, as_web_app(url)):
        run_all(engine, *QUOTED_IN_DETAIL, *NOT_QUOTED)
    with platform.engine.connect() as connection:
        assert connection.execute(sa.text('SELECT count(*) FROM "Question"')).scalar() == 1
        connection.execute(sa.text("SELECT CAST(:secret AS text), pg_sleep(1.1)"), {"secret": SECRET})

    # Then the log has these statements, and no word of the question
    log = compose_server.log()
    assert "pg_sleep(1.1)" in log
    assert "Question_correct_answer_check" in log
    assert "canceling statement due to statement timeout" in log
    assert quotes(compose_server) == []
    # And nothing that the newest server warns of
    assert [line for line in log.splitlines() if "WARNING:" in line] == []
    assert find_log_risks(platform.engine) == []
    platform.engine.dispose()


def test_what_a_plain_role_keeps_out_of_any_servers_log_and_what_it_cannot() -> None:
    # Given a server that logs values of statements that fail, and DETAIL
    if reason := explain_absence(14):
        pytest.skip(f"no PostgreSQL 14 here: {reason}")
    with open_server(14, "log_parameter_max_length_on_error = -1") as server:
        url = make_database(server, "loud")

        with opened(url) as engine:
            # Then the worker's sessions leave nothing of a statement that was ended
            run_all(engine, *NOT_QUOTED)
            assert quotes(server) == []
            # What a constraint refuses is quoted in DETAIL or CONTEXT, and nowhere else
            run_all(engine, *QUOTED_IN_DETAIL)
            assert quotes(server)
            assert all(re.search(r"\] (DETAIL|CONTEXT):", line) for line in quotes(server))
            assert [risk.advice for risk in find_log_risks(engine)] == ["log_error_verbosity = terse"]
        # And sessions of others are as loud as the server lets them
        before = quotes(server)
        run_all(as_web_app(url), time_out)
        assert len(quotes(server)) > len(before)


def test_each_setting_that_brings_values_into_the_log_is_named() -> None:
    quiet = {"log_parameter_max_length": "0", "log_error_verbosity": "terse", "log_statement": "mod"}
    assert risks_of(quiet) == []
    for change in (
        {"log_parameter_max_length": "-1"},
        {"log_parameter_max_length": "-1", "log_statement": "none", "log_min_duration_statement": "0"},
        {"log_parameter_max_length": "64", "log_statement": "none", "log_transaction_sample_rate": "0.1"},
        {"log_parameter_max_length_on_error": "-1"},
        {"log_error_verbosity": "verbose"},
        {"auto_explain.log_min_duration": "0"},
    ):
        assert len(risks_of(quiet | change)) == 1, change
    assert risks_of(quiet | {"log_parameter_max_length": "-1", "log_statement": "ddl"}) == []


# -- monitoring --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("major", VERSIONS)
def test_every_monitoring_query_runs_on_every_version(major: int, real_server: Callable[[int], RealServer]) -> None:
    # Given a platform in a schema of its own, for a plain role, on a server without pg_stat_statements
    server, name = real_server(major), f"watched_{major}"
    server.execute(f"CREATE ROLE {name} LOGIN", f"CREATE DATABASE {name} OWNER {name}")
    url = server.url(name, name) + "?schema=App"
    server.execute(
        'CREATE SCHEMA "App"', 'CREATE TABLE "App"."Odd ""name" (n int PRIMARY KEY)', database=name, role=name
    )

    with opened(url) as engine:
        connections, queries, sizes, indexes = run_queries(engine)

    assert sum(row[1] for row in connections.rows) >= 1
    assert "shared_preload_libraries" in (queries.missing or "")
    assert [row[:2] for row in sizes.rows] == [("App", 'Odd "name')]
    assert [row[1:3] for row in indexes.rows] == [('Odd "name', 'Odd "name_pkey')]


def test_doctor_shows_how_the_server_does(
    compose_server: RealServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # Given pg_stat_statements in a schema that the worker does not look into, and a query of a question
    server = compose_server
    server.execute("CREATE DATABASE shown")
    server.execute(
        "CREATE SCHEMA extensions",
        "CREATE EXTENSION pg_stat_statements SCHEMA extensions",
        "CREATE SCHEMA app",
        "CREATE TABLE app.t (text text)",
        database="shown",
    )
    url = server.url("shown") + "?schema=app"
    with opened(url) as engine, engine.begin() as connection:
        # The slowest query of all, however busy the machine is
        connection.execute(sa.text("INSERT INTO t VALUES (:secret || pg_sleep(1)::text)"), {"secret": SECRET})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", url)

    def printed(*arguments: str) -> str:
        capsys.readouterr()
        assert call(["doctor", "--database", *arguments]) == 0
        return capsys.readouterr().out

    shown, document = printed(), json.loads(printed("--json"))

    assert all(read_query(name).partition("\n")[0][3:] in shown for name in QUERIES)
    assert "INSERT INTO t VALUES" in shown
    assert "ok    server log" in shown
    assert set(document) == {*QUERIES, "missing", "serverLog"}
    assert {"state": "active", "connections": 1} in document["connections"]
    assert document["missing"] == {}
    assert [row["table"] for row in document["table_sizes"]] == ["t"]
    assert any("INSERT INTO t" in row["query"] for row in document["slow_queries"])
    assert "Zorglub" not in shown
    # Where the server was started without the library, that is what is said
    server.execute("DROP EXTENSION pg_stat_statements")
    monkeypatch.setenv("DATABASE_URL", server.url("postgres"))
    assert "CREATE EXTENSION pg_stat_statements" in printed()
