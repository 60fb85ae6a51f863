"""`medq backup` and `medq restore` with PostgreSQL's own programs: all of it comes back, or nothing changes."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from tests.support.real_servers import VERSIONS, RealServer
from tests.support.surroundings import Platform
from worker.backups.programs import find_programs
from worker.cli import call
from worker.db.engine import sqlalchemy_url
from worker.db.schema import check, upgrade
from worker.embedded import Services
from worker.system.urls import libpq_url

ROOT = Path(__file__).resolve().parents[2]
QUESTIONS = ROOT / "examples/questions.xlsx"

pytestmark = pytest.mark.skipif(not find_programs(), reason="pg_dump is not installed")


@dataclass
class Done:
    code: int
    stdout: str
    stderr: str

    @property
    def files(self) -> list[Path]:
        return [Path(line.rsplit("  ", 1)[0]) for line in self.stdout.splitlines()]


@dataclass
class Medq:
    """Calls `medq` in a folder of its own, against the database that each call names."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: object, url: str, code: int = 0, **environment: str) -> Done:
        self.capsys.readouterr()
        with self.monkeypatch.context() as context:
            context.chdir(self.folder)
            for name, value in {"DATABASE_URL": url, "MEDQ_HOME": "home", **environment}.items():
                context.setenv(name, value)
            found = call([str(argument) for argument in arguments])
        printed = self.capsys.readouterr()
        assert found == code, (arguments, printed.out, printed.err)
        assert "Traceback" not in printed.err
        return Done(found, printed.out, printed.err)


@pytest.fixture
def medq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Medq:
    folder = tmp_path / "here"
    folder.mkdir()
    return Medq(folder, monkeypatch, capsys)


def read_all(url: str) -> dict[str, list[str]]:
    """Every table of the search path's schema, row by row."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        names = connection.scalars(sa.text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"))
        return {
            name: list(connection.scalars(sa.text(f"SELECT t::text FROM {quoted(name)} t ORDER BY 1")))
            for name in names.all()
        }


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def scalar(url: str, statement: str) -> Any:
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        return connection.exec_driver_sql(statement).scalar()


# -- the whole way -----------------------------------------------------------------------------------------------------


def test_a_database_with_jobs_comes_back_elsewhere_and_its_jobs_go_on_there(
    platform: Platform, medq: Medq, empty_database_url: str
) -> None:
    # Given a job that is done and one that waits, and a table that needs an extension
    platform.execute("SELECT medq_add_course_vectors('model', 3)")
    done = platform.enqueue(QUESTIONS)
    with platform.workers():
        assert platform.wait_for_job(done)["status"] == "completed"
        # A database that workers are at work on is saved, and never replaced
        at_work = medq.folder / medq("backup", "saved at work", url=platform.database_url).files[0]
        refused = medq("restore", "--replace", at_work, url=platform.database_url, code=2)
        assert "Stop them first" in refused.stderr
    waiting = platform.enqueue(QUESTIONS, instructions="Encore.")

    # When the database is saved, and had back in an empty one
    saved = medq("backup", "saved", url=platform.database_url)
    full, structure = (medq.folder / path for path in saved.files)
    restored = medq("restore", full, url=empty_database_url)

    # Then row equals row in every table, and what must hold of it holds
    before, after = read_all(platform.database_url), read_all(empty_database_url)
    assert after == before
    assert len(before["LlmCall"]) > 0
    medq("schema", "check", url=empty_database_url)
    medq("doctor", "--invariants", "--whole", url=empty_database_url)
    assert "medq schema check" in restored.stderr
    assert "uploads and workbooks" in saved.stderr

    # And the jobs go on there: the one that waited, and the one that is asked again
    elsewhere = replace(platform, database_url=empty_database_url)
    elsewhere.execute('UPDATE "AiValidationJob" SET "status" = \'queued\' WHERE "id" = :id', id=done)
    with elsewhere.workers():
        for job in (done, waiting):
            assert elsewhere.wait_for_job(job)["status"] == "completed"
    medq("doctor", "--invariants", "--whole", url=empty_database_url)
    elsewhere.engine.dispose()

    # And the other file holds the structure and no row
    execute(empty_database_url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    medq("restore", structure, url=empty_database_url)
    assert set(map(len, read_all(empty_database_url).values())) == {0}


def test_files_are_readable_by_their_user_alone_and_say_where_they_are(
    database_url: str, medq: Medq, tmp_path: Path
) -> None:
    old = os.umask(0)
    try:
        saved = medq("backup", tmp_path / "a" / "b", url=database_url)
    finally:
        os.umask(old)

    assert [stat.S_IMODE(path.stat().st_mode) for path in saved.files] == [0o600, 0o600]
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == sorted(path.name for path in saved.files)
    assert " MB" in saved.stdout


# -- roles and schemas -------------------------------------------------------------------------------------------------


@pytest.fixture
def plain_url(services: Services, empty_database_url: str) -> Any:
    """A database whose owner is a plain role with a password, reached with a schema of its own."""
    name = sa.make_url(empty_database_url).database
    execute(
        empty_database_url,
        f"CREATE ROLE \"keeper of {name}\" LOGIN PASSWORD 'p@ss/w:rd'",
        f'ALTER DATABASE "{name}" OWNER TO "keeper of {name}"',
    )
    server = sa.make_url(services.database_url)
    user = f"keeper%20of%20{name}:p%40ss%2Fw%3Ard"
    yield f"postgresql://{user}@{server.host}:{server.port}/{name}?schema=App%20one&connection_limit=3"
    execute(empty_database_url, f'REASSIGN OWNED BY "keeper of {name}" TO CURRENT_USER')
    execute(empty_database_url, f'DROP OWNED BY "keeper of {name}"', f'DROP ROLE "keeper of {name}"')


def test_a_plain_role_saves_and_restores_a_schema_of_its_own(
    plain_url: str, empty_database_url: str, medq: Medq
) -> None:
    # Given a platform in the schema "App one", and a table of somebody else's in another
    url = sqlalchemy_url(plain_url)
    execute(url, 'CREATE SCHEMA "App one"', "CREATE SCHEMA other", "CREATE TABLE other.foreign_table (n int)")
    upgrade(url)
    before = read_all(url)

    # When its owner saves it, loses it and restores it
    saved = medq("backup", "saved", url=plain_url)
    execute(url, 'DROP SCHEMA "App one" CASCADE')
    medq("restore", medq.folder / saved.files[0], url=plain_url)

    # Then it is as it was, and what is not in it was said
    assert read_all(url) == before
    medq("schema", "check", url=plain_url)
    assert "other schemas of this database that hold tables (other)" in saved.stderr
    assert "p@ss" not in saved.stderr + saved.stdout


def test_who_may_not_read_every_table_is_told_what_is_missing(plain_url: str, database_url: str, medq: Medq) -> None:
    # Given the same role on a database that is not its own, and a backup of an earlier day
    name = sa.make_url(database_url).database
    url = plain_url.rpartition("/")[0] + f"/{name}"
    (medq.folder / "saved").mkdir()
    old = medq.folder / "saved" / f"medq_full_{name}_20200101_000000.dump"
    old.write_text("kept")

    failed = medq("backup", "saved", url=url, code=1)

    assert "pg_read_all_data" in failed.stderr
    assert list((medq.folder / "saved").iterdir()) == [old]


def test_programs_get_no_password_on_their_command_line(database_url: str, medq: Medq, tmp_path: Path) -> None:
    # Given programs that write down how they were called
    real = find_programs()[-1].folder
    bin_, calls = tmp_path / "bin", tmp_path / "calls"
    bin_.mkdir()
    for name in ("pg_dump", "pg_restore", "psql"):
        (bin_ / name).write_text(f'#!/bin/sh\necho "$0 $*" >> {calls}\nexec {real / name} "$@"\n')
        (bin_ / name).chmod(0o755)
    password = sa.make_url(database_url).password
    assert password

    saved = medq("backup", "saved", url=database_url, PATH=f"{bin_}:{os.environ['PATH']}")
    medq("restore", "--replace", medq.folder / saved.files[0], url=database_url, PATH=f"{bin_}:{os.environ['PATH']}")

    called = calls.read_text()
    assert {Path(line.split()[0]).name for line in called.splitlines()} == {"pg_dump", "pg_restore", "psql"}
    assert "dbname=" in called
    assert password not in called


# -- versions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("major", VERSIONS)
def test_the_newest_programs_restore_what_any_version_of_the_server_holds(
    major: int, real_server: Callable[[int], RealServer], medq: Medq
) -> None:
    # Given a platform of a plain role on a server of this version
    server, role = real_server(major), f"keeper_{major}"
    server.execute(f"CREATE ROLE {role} LOGIN", *(f"CREATE DATABASE {role}{n} OWNER {role}" for n in (1, 2)))
    one, two = (sqlalchemy_url(server.url(f"{role}{n}", role)) for n in (1, 2))
    upgrade(one)

    # When it is saved with programs of its version or the next, and restored with the newest of this machine
    saved = medq("backup", "saved", url=one)
    medq("restore", medq.folder / saved.files[0], url=two)

    # Then all is there, the objects too
    assert read_all(two) == read_all(one)
    assert check(two) == []


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(database_url: str, medq: Medq) -> Path:
    """A backup of a database without jobs."""
    return medq.folder / medq("backup", "saved", url=database_url).files[0]


def test_a_database_that_holds_tables_stays_as_it_is_unless_told_otherwise(
    database_url: str, medq: Medq, saved: Path
) -> None:
    # Given a row that came after the backup, and a table that the backup does not know
    execute(
        database_url,
        "CREATE TABLE theirs (n int)",
        'INSERT INTO "Specialty" ("id", "name", "updatedAt") VALUES (\'new\', \'Nouvelle\', now())',
    )
    before = read_all(database_url)

    refused = medq("restore", saved, url=database_url, code=2)

    assert "--replace" in refused.stderr
    assert read_all(database_url) == before
    # With --replace the backup's tables are what they were, and the other one stays
    medq("restore", "--replace", saved, url=database_url)
    assert not [row for row in read_all(database_url)["Specialty"] if "Nouvelle" in row]
    assert "theirs" in read_all(database_url)
    medq("schema", "check", url=database_url)


def test_what_rests_on_the_tables_to_be_replaced_stops_that_and_nothing_changes(
    database_url: str, medq: Medq, saved: Path
) -> None:
    execute(database_url, 'CREATE TABLE theirs (job text REFERENCES "AiValidationJob"("id"))')
    before = read_all(database_url)

    refused = medq("restore", "--replace", saved, url=database_url, code=1)

    assert "Nothing was changed" in refused.stderr
    assert "empty database" in refused.stderr
    assert read_all(database_url) == before


def test_a_file_that_was_cut_restores_nothing(database_url: str, medq: Medq, empty_database_url: str) -> None:
    # Given rows that do not compress, so that a cut is a cut in the rows
    execute(
        database_url,
        """
        INSERT INTO "LlmCall" ("id", "purpose", "requestHash", "model", "status", "endpoint", "questionCount",
            "attempt", "response")
        SELECT 'c' || n, 'analyse', md5(n::text), 'm', 'succeeded', 'e', 1, 1,
            (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 300) WHERE n > 0)
        FROM generate_series(1, 200) n
        """,
    )
    whole = medq.folder / medq("backup", "saved", url=database_url).files[0]
    cut = medq.folder / "cut.dump"
    for share in (0.3, 0.9, 0.999):
        cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])

        refused = medq("restore", cut, url=empty_database_url, code=1)

        assert "Nothing was changed" in refused.stderr
        assert scalar(empty_database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


def test_what_is_no_backup_of_a_platform_is_refused(
    empty_database_url: str, medq: Medq, create_database: Callable[..., str], url_of: Callable[[str], str]
) -> None:
    (medq.folder / "notes.txt").write_text("not a backup")
    assert "cannot be read" in medq("restore", "notes.txt", url=empty_database_url, code=2).stderr
    assert "is no file" in medq("restore", "nothing", url=empty_database_url, code=2).stderr

    # A database of something else is saved, for it was asked for, and not restored as a platform
    other = url_of(create_database())
    execute(other, "CREATE TABLE notes (n int)")
    saved = medq("backup", "saved", url=other)
    assert "no table of jobs" in saved.stderr
    refused = medq("restore", medq.folder / saved.files[0], url=empty_database_url, code=2)
    assert "no backup of this platform" in refused.stderr


def test_an_empty_database_is_nothing_to_save(empty_database_url: str, medq: Medq) -> None:
    refused = medq("backup", "saved", url=empty_database_url, code=2)

    assert "holds no tables" in refused.stderr
    assert not (medq.folder / "saved").exists()


def test_a_backup_of_one_schema_does_not_go_into_another(empty_database_url: str, medq: Medq, saved: Path) -> None:
    url = empty_database_url.replace("postgresql+psycopg", "postgresql").partition("?")[0] + "?schema=app"
    refused = medq("restore", saved, url=url, code=2)

    assert '"public"' in refused.stderr
    assert "?schema=public" in refused.stderr


# -- whole or absent ---------------------------------------------------------------------------------------------------


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("pg_dump", "said"),
    [
        ("echo 'pg_dump: error: could not write to output file: No space left on device' >&2; exit 1", "Make room"),
        ('REAL "$@"; for a in "$@"; do case $a in --file=*) truncate -s -10 "${a#--file=}";; esac; done', "not whole"),
    ],
)
def test_what_cannot_be_written_whole_leaves_no_file_and_removes_none(
    database_url: str, medq: Medq, tmp_path: Path, pg_dump: str, said: str
) -> None:
    # Given a pg_dump that does not get to its end, and a backup of an earlier day
    real = find_programs()[-1].folder
    name = sa.make_url(database_url).database
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for other in ("pg_restore", "psql"):
        program(bin_, other, f'exec {real / other} "$@"')
    with psycopg.connect(libpq_url(database_url)) as connection:
        major = connection.info.server_version // 10000
    version = f'[ "$1" = --version ] && echo "pg_dump (PostgreSQL) {major}.0" && exit'
    program(bin_, "pg_dump", f"{version}\n{pg_dump.replace('REAL', str(real / 'pg_dump'))}")
    (medq.folder / "saved").mkdir()
    old = medq.folder / "saved" / f"medq_full_{name}_20200101_000000.dump"
    old.write_text("kept")

    failed = medq("backup", "saved", url=database_url, code=1, PATH=f"{bin_}:{os.environ['PATH']}")

    assert said in failed.stderr
    assert list((medq.folder / "saved").iterdir()) == [old]


def test_old_files_of_this_database_go_once_the_new_ones_are_there_and_no_others(database_url: str, medq: Medq) -> None:
    # Given files of ours and others, of all ages
    label = sa.make_url(database_url).database
    folder = medq.folder / "saved"
    folder.mkdir()

    def stamp(days: float) -> str:
        return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y%m%d_%H%M%S")

    old = [f"medq_full_{label}_{stamp(31)}.dump", f"medq_schema_{label}_{stamp(400)}.dump"]
    part = f"medq_full_{label}_{stamp(3)}.dump.part"
    kept = [
        f"medq_full_{label}_{stamp(29)}.dump",
        f"medq_full_another_{stamp(400)}.dump",
        f"medq_full_{label}_{stamp(400)}.dump.gz",
        f"medq_full_{label}_99999999_999999.dump",
        f"medq_notes_{stamp(400)}.dump",
        f"medq_full_{label}_{stamp(0.1)}.dump.part",
    ]
    for name in (*old, part, *kept):
        (folder / name).write_text("")
    os.utime(folder / part, (0, datetime.now(UTC).timestamp() - 3 * 86_400))

    saved = medq("backup", "saved", url=database_url)

    assert {path.name for path in folder.iterdir()} == {*kept, *(path.name for path in saved.files)}
    assert all(name in saved.stderr for name in old)


def test_programs_of_this_machine_are_found_by_the_servers_version(tmp_path: Path) -> None:
    for folder, version in (("new", "18.1"), ("old", "15.2 (Debian 15.2-1)"), ("half", "17.0"), ("other", "16.4")):
        (tmp_path / folder).mkdir()
        for name in ("pg_dump", "pg_restore", "psql"):
            if folder != "half" or name == "pg_dump":
                program(tmp_path / folder, name, f"echo 'pg_dump (PostgreSQL) {version}'")
    shutil.copytree(tmp_path / "other", tmp_path / "twin")

    found = find_programs([tmp_path / name for name in ("new", "half", "old", "other", "twin", "absent")])

    assert [(programs.major, programs.folder.name) for programs in found] == [(15, "old"), (16, "other"), (18, "new")]
