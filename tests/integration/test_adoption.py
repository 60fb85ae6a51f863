"""A database that a platform made and uses: taken over without a row lost or changed, and given back whole."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import psycopg
import pytest
import sqlalchemy as sa
from psycopg.errors import CheckViolation
from sqlalchemy.pool import NullPool

from schema.config import head_revision
from tests.support import platforms
from tests.support.platforms import REFUSED_KEYS, STATUSES
from tests.support.real_servers import VERSIONS, RealServer
from worker.db.schema import check, current_revision, downgrade, upgrade
from worker.errors import UsageError
from worker.jobs import job_store
from worker.jobs.commands import cancel_job, retry_job
from worker.jobs.invariants import check_invariants
from worker.jobs.queries import find_begun_before

numbers = itertools.count(1)


def alchemy(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def value(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        return (connection.execute(query).fetchone() or (None,))[0]


@pytest.fixture
def new_database(real_server: Callable[[int], RealServer]) -> Callable[..., tuple[str, str]]:
    """Makes a database of a plain role on a server of a version; gives the URL of its owner and that of the member."""

    def make(major: int) -> tuple[str, str]:
        server, name = real_server(major), f"adopted_{next(numbers)}"
        server.execute(
            f"CREATE ROLE {name}_web LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE",
            f"CREATE ROLE {name}_worker LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE",
            f"GRANT {name}_web TO {name}_worker",
            f"CREATE DATABASE {name} OWNER {name}_web",
        )
        server.execute(f"ALTER SCHEMA public OWNER TO {name}_web", database=name)
        return server.url(name, f"{name}_web"), server.url(name, f"{name}_worker")

    return make


@pytest.fixture
def empty(empty_database_url: str) -> str:
    return empty_database_url.replace("+psycopg", "").partition("?")[0]


@pytest.fixture
def platform_url(empty: str) -> str:
    """A platform on the embedded server."""
    platforms.build(empty)
    return empty


# Taken over


@pytest.mark.parametrize(("major", "role"), [(14, "member"), (15, "owner"), (18, "member")])
def test_a_platform_is_taken_over_without_a_row_changed(
    major: int, role: str, new_database: Callable[..., tuple[str, str]]
) -> None:
    # Given what Prisma makes of the specification's models, with rows, and a plain role
    owner, member = new_database(major)
    platforms.build(owner)
    rows, parts = platforms.read_rows(owner), platforms.read_parts(owner)

    # When it is upgraded
    said: list[str] = []
    used = alchemy(owner if role == "owner" else member)
    assert upgrade(used, say=said.append) == head_revision()

    # Then every row is as it was, nobody was added, and whatever was there is there as it was
    assert platforms.read_rows(owner) == rows
    assert parts - platforms.read_parts(owner) == set()
    assert check(used) == []

    # And the rows that break a rule are counted and shown; the rule binds what is written from now on
    (about_keys,) = [line for line in said if "Question_correct_answer_check" in line]
    assert f'{len(REFUSED_KEYS)} rows break it in "Question"' in about_keys
    assert "qcm4 has \"correctAnswer\" 'A, C'" in about_keys
    with pytest.raises(CheckViolation, match="Question_correct_answer_check"):
        execute(owner, 'UPDATE "Question" SET "correctAnswer" = \'A C\' WHERE "id" = \'qcm0\'')
    execute(owner, 'UPDATE "Question" SET "correctAnswer" = \'AC\' WHERE "id" = \'qcm0\'')


def test_rules_are_held_whole_once_the_rows_were_corrected(platform_url: str) -> None:
    upgrade(alchemy(platform_url), say=str)
    unvalidated = "SELECT count(*) FROM pg_constraint WHERE NOT convalidated"
    assert value(platform_url, unvalidated) == 1

    execute(platform_url, 'UPDATE "Question" SET "correctAnswer" = \'A\' WHERE "id" >= \'qcm4\' AND "type" = \'qcm\'')
    said: list[str] = []
    upgrade(alchemy(platform_url), say=said.append)

    assert said == []
    assert value(platform_url, unvalidated) == 0


def test_an_empty_platform_gets_no_user_either(empty: str) -> None:
    platforms.build(empty, rows=False)
    upgrade(alchemy(empty), say=str)

    assert all(not rows for rows in platforms.read_rows(empty).values())
    assert check(alchemy(empty)) == []


def test_whatever_is_missing_is_added_and_what_was_dropped_since_again(platform_url: str) -> None:
    execute(
        platform_url,
        'DROP TABLE "UserQuestionAnswer", "UserSession"',
        'ALTER TABLE "AiValidationJob" DROP "instructions", DROP "ragAppliedCount", DROP "config"',
        'ALTER TABLE "Question" DROP "courseId"',
        'ALTER TABLE "ClinicalCase" DROP CONSTRAINT "ClinicalCase_specialtyId_fkey"',
        'DROP INDEX "Course_name_specialtyId_key", "Question_difficulty_idx"',
    )
    upgrade(alchemy(platform_url), say=str)
    assert check(alchemy(platform_url)) == []

    execute(
        platform_url,
        'DROP INDEX "AiValidationJob_userId_status_idx", "UserSession_user_completed_idx"',
        'ALTER TABLE "User" DROP CONSTRAINT "User_role_check"',
    )
    said: list[str] = []
    upgrade(alchemy(platform_url), say=said.append)
    assert check(alchemy(platform_url)) == []
    assert sum("was added" in line for line in said) == 3


def test_a_column_that_rows_cannot_fill_is_added_without_its_demand(platform_url: str) -> None:
    execute(platform_url, 'ALTER TABLE "Question" DROP "semester"')
    upgrade(alchemy(platform_url), say=str)

    assert any('column "semester"' in line for line in check(alchemy(platform_url)))


def test_an_upgrade_cut_off_anywhere_goes_on_where_it_was(platform_url: str) -> None:
    # Given a trigger on DDL that lets one more statement pass each time, then cuts the upgrade off
    rows, parts = platforms.read_rows(platform_url), platforms.read_parts(platform_url)
    with psycopg.connect(platform_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA fault; CREATE SEQUENCE fault.passed; CREATE TABLE fault.most (n int)")
        connection.execute("INSERT INTO fault.most VALUES (0)")
        connection.execute(
            "CREATE FUNCTION fault.cut() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF nextval('fault.passed') > (SELECT n FROM fault.most) THEN RAISE EXCEPTION 'cut off'; END IF; END $$"
        )
        connection.execute("CREATE EVENT TRIGGER cut ON ddl_command_end EXECUTE FUNCTION fault.cut()")
        cuts = 0
        while True:
            try:
                upgrade(alchemy(platform_url), say=str)
                break
            except psycopg.errors.RaiseException:
                cuts += 1
                connection.execute("SELECT setval('fault.passed', 1)")
                connection.execute("UPDATE fault.most SET n = n + 3 + n / 4")
        connection.execute("DROP EVENT TRIGGER cut; DROP SCHEMA fault CASCADE")
    assert cuts > 5

    # Then it is whole, and what was the platform's is still known as that
    assert check(alchemy(platform_url)) == []
    downgrade(alchemy(platform_url), "base")
    assert platforms.read_rows(platform_url) == rows
    assert parts - platforms.read_parts(platform_url) == set()


# Not taken over: said before anything is changed

OBSTACLES = [
    ('CREATE TABLE "LlmCall" ("id" INT)', 'LlmCall" is a name of the worker'),
    (
        'ALTER TABLE "AiValidationJob" ALTER "config" TYPE TEXT USING "config"::text',
        '"AiValidationJob"."config" is text, and has to be jsonb',
    ),
    (
        """CREATE TYPE role AS ENUM ('admin', 'user');
        ALTER TABLE "User" ALTER "role" DROP DEFAULT, ALTER "role" TYPE role USING "role"::role""",
        '"User"."role" is role',
    ),
    ('ALTER TABLE "UserQuestionAnswer" DROP CONSTRAINT "UserQuestionAnswer_pkey"', "no primary key"),
    (
        'DROP TABLE "SessionQuestion"; CREATE MATERIALIZED VIEW "SessionQuestion" AS SELECT 1',
        '"SessionQuestion" is no ordinary table',
    ),
]


def test_everything_in_the_way_is_named_before_anything_is_changed(platform_url: str) -> None:
    for statement, _ in OBSTACLES:
        execute(platform_url, statement)
    parts = platforms.read_parts(platform_url)

    with pytest.raises(UsageError) as refusal:
        upgrade(alchemy(platform_url))
    for _, sentence in OBSTACLES:
        assert sentence in str(refusal.value)
    assert platforms.read_parts(platform_url) == parts


def test_a_role_without_the_rights_is_told_which(
    real_server: Callable[[int], RealServer], new_database: Callable[..., tuple[str, str]]
) -> None:
    owner, _ = new_database(15)
    platforms.build(owner)
    server, name = real_server(15), owner.rpartition("/")[2]
    server.execute(f"CREATE ROLE {name}_stranger LOGIN")

    with pytest.raises(UsageError) as refusal:
        upgrade(alchemy(server.url(name, f"{name}_stranger")))
    assert f'GRANT CREATE ON SCHEMA "public" TO "{name}_stranger"' in str(refusal.value)
    assert f'"Question" is owned by "{name}_web": GRANT "{name}_web" TO "{name}_stranger"' in str(refusal.value)


# What differs is the platform's own


def test_what_the_platform_made_otherwise_is_left_as_it_is(platform_url: str) -> None:
    # Given a function, a view and a check of its own under the specification's names
    execute(
        platform_url,
        "CREATE FUNCTION update_session_question_count() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RETURN NULL; END $$",
        'CREATE VIEW user_performance AS SELECT "id" AS "userId", 1 AS mine FROM "User"',
        'ALTER TABLE "Question" ADD CONSTRAINT "Question_correct_answer_check" CHECK ("correctAnswer" <> \'Z\')',
    )
    parts = platforms.read_parts(platform_url)

    for _ in range(2):
        upgrade(alchemy(platform_url), say=str)
        assert parts - platforms.read_parts(platform_url) == set()
        downgrade(alchemy(platform_url), "base")
        assert platforms.read_parts(platform_url) == parts | {
            part for part in platforms.read_parts(platform_url) if part.startswith("medq_version")
        }


# Given back


@pytest.mark.parametrize("revision", ["base", "003"])
def test_going_back_leaves_everything_that_was_there(platform_url: str, revision: str) -> None:
    # Given a platform that lacks a column and a table
    execute(platform_url, 'ALTER TABLE "Question" DROP "difficulty"', 'DROP TABLE "SessionQuestion"')
    rows, parts = platforms.read_rows(platform_url), platforms.read_parts(platform_url)
    upgrade(alchemy(platform_url), say=str)

    # When it goes back, then what was there is there, and at the end nothing else
    downgrade(alchemy(platform_url), revision)
    assert parts - platforms.read_parts(platform_url) == set()
    if revision == "base":
        assert platforms.read_rows(platform_url) == rows
        assert {
            part for part in platforms.read_parts(platform_url) - parts if not part.startswith("medq_version")
        } == set()

    upgrade(alchemy(platform_url), say=str)
    assert check(alchemy(platform_url)) == []


# Jobs of before


def test_jobs_of_before_are_known_and_left_alone(platform_url: str) -> None:
    upgrade(alchemy(platform_url), say=str)
    engine = sa.create_engine(alchemy(platform_url), poolclass=NullPool)
    assert check_invariants(engine) == []
    assert find_begun_before(engine) == ["processing"]

    # Whoever began one may go on with it and end it
    execute(platform_url, 'UPDATE "AiValidationJob" SET "processedItems" = 90 WHERE "id" = \'processing\'')
    execute(
        platform_url,
        'UPDATE "AiValidationJob" SET "status" = \'completed\', "progress" = 100 WHERE "id" = \'processing\'',
    )
    assert check_invariants(engine) == []

    # Only what waited is the worker's, and begins from nothing when a worker takes it
    assert value(platform_url, 'SELECT string_agg("jobId", \',\') FROM "AiValidationTask"') == "queued"
    begin = 'UPDATE "AiValidationJob" SET "status" = \'processing\' WHERE "id" = \'queued\' AND medq_by_worker()'
    execute(platform_url, begin)
    assert value(platform_url, 'SELECT "totalItems" FROM "AiValidationJob" WHERE "id" = \'queued\'') == 0
    assert check_invariants(engine) == []


@pytest.mark.parametrize("status", [status for status in STATUSES if status != "queued"])
def test_a_job_of_before_is_queued_again_by_its_row(platform_url: str, status: str) -> None:
    upgrade(alchemy(platform_url), say=str)
    execute(platform_url, f'UPDATE "AiValidationJob" SET "status" = \'queued\' WHERE "id" = \'{status}\'')

    # Then it is a job as any other
    assert value(platform_url, f'SELECT "kind" FROM "AiValidationTask" WHERE "jobId" = \'{status}\'') == "prepare"
    assert check_invariants(sa.create_engine(alchemy(platform_url), poolclass=NullPool)) == []
    with pytest.raises(CheckViolation):
        execute(platform_url, f'UPDATE "AiValidationJob" SET "status" = \'completed\' WHERE "id" = \'{status}\'')


def test_a_job_that_nobody_moves_on_fails_after_an_hour_and_can_be_queued(platform_url: str) -> None:
    # Given one that an old worker is still at, and one that was left behind
    execute(
        platform_url,
        'INSERT INTO "AiValidationJob" SELECT (jsonb_populate_record(j, \'{"id": "alive"}\')).* FROM'
        ' "AiValidationJob" j WHERE "id" = \'processing\'',
        'UPDATE "AiValidationJob" SET "updatedAt" = timezone(\'UTC\', now()) WHERE "id" = \'alive\'',
    )
    upgrade(alchemy(platform_url), say=str)
    engine = sa.create_engine(alchemy(platform_url), poolclass=NullPool)

    with engine.begin() as connection:
        assert job_store.end_abandoned(connection, untouched_s=3600) == ["processing"]
        assert job_store.end_abandoned(connection, untouched_s=3600) == []
    said = str(value(platform_url, 'SELECT "errorMessage" FROM "AiValidationJob" WHERE "id" = \'processing\''))
    assert "remettre en file d'attente" in said
    assert check_invariants(engine) == []

    # And both can be taken in hand by command
    assert retry_job(engine, "processing")
    assert retry_job(engine, "alive")
    assert not retry_job(engine, "alive")
    assert cancel_job(engine, "alive")


# The version table


def test_a_platforms_own_alembic_is_undisturbed(platform_url: str) -> None:
    for own in ("002", "015"):
        execute(
            platform_url,
            "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL"
            " CONSTRAINT alembic_version_pkc PRIMARY KEY)",
            "DELETE FROM alembic_version",
            f"INSERT INTO alembic_version VALUES ('{own}')",
        )
        assert upgrade(alchemy(platform_url), say=str) == head_revision()
        assert value(platform_url, "SELECT version_num FROM alembic_version") == own
        downgrade(alchemy(platform_url), "base")
        assert value(platform_url, "SELECT version_num FROM alembic_version") == own


@pytest.mark.parametrize("revision", ["001", "004", "005", "016"])
def test_a_database_of_before_takes_its_revision_along(empty: str, revision: str) -> None:
    # Given a database as earlier versions left it, with a job that was done, and one from before there were tasks
    upgrade(alchemy(empty), revision)
    execute(
        empty,
        "ALTER TABLE medq_version RENAME TO alembic_version",
        "ALTER TABLE alembic_version RENAME CONSTRAINT medq_version_pkc TO alembic_version_pkc",
        "DROP TABLE medq_adopted",
    )
    assert current_revision(alchemy(empty)) is None

    assert upgrade(alchemy(empty), say=str) == head_revision()
    assert check(alchemy(empty)) == []
    moved = value(empty, "SELECT to_regclass('alembic_version') IS NULL")
    assert moved is (revision not in ("001", "004"))

    # And as nobody knows who made the platform's tables, none of them is ever dropped
    downgrade(alchemy(empty), "base")
    assert value(empty, 'SELECT count(*) FROM "User"') is not None


# check


def test_check_tolerates_what_the_platform_added(platform_url: str) -> None:
    upgrade(alchemy(platform_url), say=str)
    execute(
        platform_url,
        'CREATE TABLE "Report" ("id" TEXT PRIMARY KEY, "userId" TEXT REFERENCES "User"("id"))',
        'ALTER TABLE "Question" ADD "imageUrl" TEXT, ADD "views" INTEGER NOT NULL DEFAULT 0, ADD "serial" BIGSERIAL',
        'ALTER TABLE "Question" ADD "number" INTEGER GENERATED ALWAYS AS IDENTITY',
        'CREATE INDEX "Question_imageUrl_idx" ON "Question"("imageUrl")',
        'CREATE INDEX "Question_hard_idx" ON "Question"("difficulty") WHERE "difficulty" > 3',
        'ALTER TABLE "User" ADD CONSTRAINT "User_email_check" CHECK ("email" LIKE \'%@%\')',
        'ALTER TABLE "UserSession" ADD "device" TEXT',
    )
    assert check(alchemy(platform_url)) == []


def test_check_names_a_column_that_the_worker_could_not_fill(platform_url: str) -> None:
    upgrade(alchemy(platform_url), say=str)
    execute(platform_url, 'ALTER TABLE "ClinicalCase" ADD "ward" TEXT NOT NULL DEFAULT \'x\'')
    execute(platform_url, 'ALTER TABLE "ClinicalCase" ALTER "ward" DROP DEFAULT')

    (sentence,) = check(alchemy(platform_url))
    assert 'the column "ward" of "ClinicalCase" must be filled' in sentence


def test_check_finds_no_difference_on_the_oldest_version(new_database: Callable[..., tuple[str, str]]) -> None:
    owner, _ = new_database(min(VERSIONS))
    upgrade(alchemy(owner))

    assert check(alchemy(owner)) == []
