"""The revisions, up and down, and what `check` sees. Triggers on jobs have their own file."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import sqlalchemy.orm
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from models import Base, ClinicalCase, Question
from schema.catalogue import read_tables
from schema.config import head_revision
from schema.scripts import created_objects, up_scripts
from worker.db.schema import check, current_revision, downgrade, upgrade
from worker.db.schema.migrate import LOCK_KEY
from worker.errors import UsageError

SPECIFIED = Path(__file__).parents[1] / "data" / "specification.sql"
SPECIFICATION = Path(__file__).parents[3] / "shared" / "seed" / "database-schema.md"  # where the former is from
TABLES = [
    "User",
    "Specialty",
    "Course",
    "ClinicalCase",
    "Question",
    "AiValidationJob",
    "Session",
    "SessionQuestion",
    "UserSession",
    "UserQuestionAnswer",
]
ROUTINES = """
    SELECT 'function', proname::text, pg_get_functiondef(oid)
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'trigger', tgname::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT 'view', relname::text, pg_get_viewdef(oid)
    FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace
"""


class Database:
    """Runs statements on one database; every statement is its own transaction."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = sa.create_engine(url, poolclass=NullPool)

    def execute(self, statement: str, **parameters: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), parameters)

    def rows(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement), parameters)]

    def run_script(self, statements: list[str]) -> None:
        with self.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.autocommit = True
            for statement in statements:
                driver.execute(statement)

    def catalogue(self, tables: list[str]) -> dict[Any, str]:
        with self.engine.connect() as connection:
            parts: dict[Any, str] = dict(read_tables(connection, tables))
            for kind, name, text in connection.execute(sa.text(ROUTINES)):
                parts[kind, name] = " ".join(text.split())
            return parts

    def add_question(self, **values: Any) -> None:
        """Insert a QCM about hearts, with whatever is given otherwise."""
        row = {"id": "q", "type": "qcm", "questionText": "Laquelle ?", "explanation": "A — oui.", "level": "DCEM2"}
        row |= {"semester": "S1", "specialtyId": "spec1", "correctAnswer": "A"}
        row |= {f"option{letter}": f"Option {letter}" for letter in "ABCDE"}
        row |= values
        columns = ", ".join(f'"{name}"' for name in row)
        self.execute(
            f'INSERT INTO "Question" ({columns}, "updatedAt") VALUES ({", ".join(":" + name for name in row)}, now())',
            **row,
        )


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


@pytest.fixture
def empty(empty_database_url: str) -> Database:
    return Database(empty_database_url)


def specified_statements() -> list[str]:
    """The specification's own statements, which share nothing with this project's SQL files."""
    _, *statements = SPECIFIED.read_text(encoding="utf-8").split("-- ----\n")
    return statements


# Revisions


def test_the_statements_are_those_of_the_specification_as_it_is_now() -> None:
    if not SPECIFICATION.exists():
        pytest.skip("the specification itself is not on this machine; its statements are, in tests/data")
    given: list[str] = []
    for block in re.findall(r"```sql\n(.*?)```", SPECIFICATION.read_text(encoding="utf-8"), flags=re.DOTALL):
        if "CONCURRENTLY" in block:
            given += [part for part in block.split(";") if "CREATE INDEX" in part]
        elif re.search(r"^(CREATE|ALTER)", block, flags=re.MULTILINE):
            given.append(block)

    assert [statement.strip() for statement in specified_statements()] == [statement.strip() for statement in given]


def test_revision_001_is_the_specification(empty: Database, create_database: Callable[..., str], url_of: Any) -> None:
    specified = Database(url_of(create_database()))
    specified.run_script(specified_statements())
    upgrade(empty.url, "001")

    expected, found = specified.catalogue(TABLES), empty.catalogue(TABLES)
    assert found == expected
    assert len([part for part in expected if part[1] == "table"]) == 10
    kinds = [part[0] for part in expected if len(part) == 2]
    assert (kinds.count("function"), kinds.count("trigger"), kinds.count("view")) == (3, 3, 2)


def test_up_down_up_ends_where_it_began(empty: Database) -> None:
    assert upgrade(empty.url) == head_revision()
    names = [name for kind, name in created_objects(*up_scripts()) if kind == "table"]
    first = empty.catalogue(names)

    assert downgrade(empty.url, "base") is None
    assert empty.catalogue(names) == {}
    assert upgrade(empty.url) == head_revision()

    assert empty.catalogue(names) == first


def test_each_revision_goes_down_to_what_was_before(empty: Database) -> None:
    before = {}
    for revision in ("001", "002", "003", "004", "005", "006", "007", "008", "009", "010", "011"):
        before[revision] = empty.catalogue([*TABLES, "AiValidationTask", "AiValidationItem", "LlmCall", "LlmBatch"])
        upgrade(empty.url, revision)
    for revision, below in (
        ("011", "010"),
        ("010", "009"),
        ("009", "008"),
        ("008", "007"),
        ("007", "006"),
        ("006", "005"),
        ("005", "004"),
        ("004", "003"),
        ("003", "002"),
        ("002", "001"),
    ):
        downgrade(empty.url, below)
        assert (
            empty.catalogue([*TABLES, "AiValidationTask", "AiValidationItem", "LlmCall", "LlmBatch"])
            == before[revision]
        )


def test_upgrading_twice_or_to_an_older_revision_changes_nothing(database: Database) -> None:
    assert upgrade(database.url) == head_revision()
    assert upgrade(database.url, "001") == head_revision()


def test_an_unknown_revision_is_one_sentence(database: Database) -> None:
    with pytest.raises(UsageError, match="999"):
        upgrade(database.url, "999")


def test_processes_that_start_at_once_migrate_once(empty: Database) -> None:
    with ThreadPoolExecutor(3) as pool:
        revisions = list(pool.map(upgrade, [empty.url] * 3))

    assert revisions == [head_revision()] * 3
    assert check(empty.url) == []


def test_a_second_process_does_not_wait_for_ever(empty: Database) -> None:
    with empty.engine.connect() as other:
        other.execute(sa.select(sa.func.pg_advisory_lock(LOCK_KEY)))
        with pytest.raises(UsageError, match="Another process"):
            upgrade(empty.url, patience_s=0)


def test_a_database_made_by_the_platform_is_taken_over(empty: Database) -> None:
    # Given the specification's tables with a job waiting, one concurrent index half built, and no revision
    empty.run_script(specified_statements())
    empty.execute(
        'INSERT INTO "User" ("id", "email", "updatedAt") VALUES (\'u\', \'u@example.org\', now());'
        'INSERT INTO "AiValidationJob" ("id", "userId", "fileName", "originalFileName", "fileSize", "updatedAt")'
        " VALUES ('j', 'u', 'f.xlsx', 'f.xlsx', 1, now())"
    )
    empty.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"AiValidationJob_userId_status_idx\"'::regclass"
    )

    # When it is upgraded, then nothing is lost, the index is whole, and the job gets its first task
    upgrade(empty.url)
    assert check(empty.url) == []
    assert empty.rows('SELECT "jobId", "kind", "status" FROM "AiValidationTask"') == [("j", "prepare", "ready")]


# 002: first rows


def test_seed_rows_have_accents_and_nobody_can_sign_in(database: Database) -> None:
    names = database.rows('SELECT "name", "description" FROM "Specialty" ORDER BY "id"')
    assert [name for name, _ in names] == ["Cardiologie", "Neurologie", "Pneumologie", "Gastroentérologie"]
    assert names[0][1] == "Spécialité médicale qui traite les troubles du cœur"
    assert names[1][1] == "Spécialité médicale qui traite les troubles du système nerveux"
    assert database.rows('SELECT "email", "role", "password" FROM "User"') == [("admin@medq.com", "admin", None)]


def test_seed_rows_leave_what_the_platform_has(empty: Database) -> None:
    # Given a platform that has its own Cardiologie and its own admin
    upgrade(empty.url, "001")
    empty.execute('INSERT INTO "Specialty" ("id", "name", "updatedAt") VALUES (\'mine\', \'Cardiologie\', now())')
    empty.execute(
        'INSERT INTO "User" ("id", "email", "password", "updatedAt") VALUES (\'me\', \'admin@medq.com\', \'x\', now())'
    )

    # When the first rows are added and taken back, then both are untouched
    upgrade(empty.url, "002")
    downgrade(empty.url, "001")
    assert empty.rows('SELECT "id", "name" FROM "Specialty"') == [("mine", "Cardiologie")]
    assert empty.rows('SELECT "id", "password" FROM "User"') == [("me", "x")]


def test_seed_rows_in_use_stay_when_they_are_taken_back(empty: Database) -> None:
    upgrade(empty.url, "002")
    empty.execute(
        'INSERT INTO "Course" ("id", "name", "specialtyId", "updatedAt") VALUES (\'c\', \'Angor\', \'spec1\', now())'
    )
    downgrade(empty.url, "001")

    assert empty.rows('SELECT "name" FROM "Specialty"') == [("Cardiologie",)]
    assert empty.rows('SELECT "name" FROM "Course"') == [("Angor",)]


# 003: the view


def test_user_performance_counts_each_session_and_answer_once(database: Database) -> None:
    # Given one student with two sessions and three answers, and one with none
    add_student_with_sessions(database)

    # When the view is read, then nothing is multiplied
    rows = database.rows(
        'SELECT "sessionsCompleted", "questionsAnswered", "averageScore", "totalTimeSpent", "correctAnswers",'
        ' "incorrectAnswers" FROM user_performance WHERE "userId" = \'s\''
    )
    assert rows == [(2, 3, 30, 150, 2, 1)]
    nobody = database.rows(
        'SELECT "sessionsCompleted", "questionsAnswered", "totalTimeSpent" FROM user_performance'
        " WHERE \"userId\" = 'admin1'"
    )
    assert nobody == [(0, 0, None)]


def test_the_specified_view_multiplied(database: Database) -> None:
    add_student_with_sessions(database)
    downgrade(database.url, "002")

    rows = database.rows('SELECT "totalTimeSpent", "correctAnswers" FROM user_performance WHERE "userId" = \'s\'')
    assert rows == [(450, 4)]


def add_student_with_sessions(database: Database) -> None:
    database.execute('INSERT INTO "User" ("id", "email", "updatedAt") VALUES (\'s\', \'s@example.org\', now())')
    database.execute(
        'INSERT INTO "Session" ("id", "name", "niveau", "semestre", "specialtyId", "updatedAt")'
        " VALUES ('x', 'Examen', 'DCEM2', 'S1', 'spec1', now())"
    )
    for number, (score, seconds) in enumerate(((20, 50), (40, 100))):
        database.execute(
            'INSERT INTO "UserSession" ("id", "userId", "sessionId", "score", "timeSpent", "updatedAt")'
            " VALUES (:id, 's', 'x', :score, :seconds, now())",
            id=f"us{number}",
            score=score,
            seconds=seconds,
        )
    for number, right in enumerate((True, True, False)):
        database.add_question(id=f"q{number}")
        database.execute(
            'INSERT INTO "UserQuestionAnswer" ("id", "userId", "questionId", "isCorrect") VALUES (:id, \'s\', :q, :r)',
            id=f"a{number}",
            q=f"q{number}",
            r=right,
        )


# 004: answer keys


@pytest.mark.parametrize(
    ("revision", "accepted"), [("003", []), ("004", ["ABE", "ABCDE", "CE"])], ids=["strict", "widened"]
)
def test_keys_of_several_letters(empty: Database, revision: str, accepted: list[str]) -> None:
    upgrade(empty.url, revision)
    empty.add_question(id="one letter", correctAnswer="C")
    for key in ("ABE", "ABCDE", "CE"):
        if key in accepted:
            empty.add_question(id=key, correctAnswer=key)
        else:
            with pytest.raises(IntegrityError, match="Question_correct_answer_check"):
                empty.add_question(id=key, correctAnswer=key)


def test_what_is_no_key_is_refused(database: Database) -> None:
    for key in ("", "BA", "AAB", "F", "A,B", "abe", "A\n", " A"):
        with pytest.raises(IntegrityError, match="Question_correct_answer_check"):
            database.add_question(correctAnswer=key)


def test_options_may_be_fewer_but_the_key_must_be_on_them(database: Database) -> None:
    absent = dict.fromkeys(("optionB", "optionD", "optionE"))
    database.add_question(id="two options", correctAnswer="AC", **absent)

    for wrong in ({"correctAnswer": "AB", **absent}, {"correctAnswer": None}, {"optionC": None, **absent}):
        with pytest.raises(IntegrityError, match="Question_qcm_fields_check"):
            database.add_question(**wrong)


def test_the_strict_checks_come_back_without_touching_questions(database: Database) -> None:
    # Given a question that they would refuse
    database.add_question(id="several", correctAnswer="ABE")

    # When they come back, then it is there as it was, and only new ones are refused
    downgrade(database.url, "003")
    assert database.rows('SELECT "correctAnswer" FROM "Question"') == [("ABE",)]
    with pytest.raises(IntegrityError, match="Question_correct_answer_check"):
        database.add_question(id="another", correctAnswer="ABE")
    validated = database.rows(
        "SELECT conname::text, convalidated FROM pg_constraint WHERE conname LIKE 'Question_%c%_check' ORDER BY 1"
    )
    assert ("Question_correct_answer_check", False) in validated
    assert ("Question_qcm_fields_check", True) in validated

    # And the way up again is open
    upgrade(database.url)
    assert check(database.url) == []


# check


def test_check_finds_nothing_after_an_upgrade(database: Database) -> None:
    assert check(database.url) == []
    assert current_revision(database.url) == head_revision()


def test_check_leaves_nothing_behind_and_ignores_the_platforms_own_tables(database: Database) -> None:
    database.execute('CREATE TABLE "Report" ("id" TEXT PRIMARY KEY)')

    assert check(database.url) == []
    assert database.rows("SELECT relname FROM pg_class WHERE relnamespace::regnamespace::text LIKE 'pg_temp%'") == []


CHANGES = [
    ('ALTER TABLE "LlmCall" ADD "note" TEXT', 'the column "note" of "LlmCall"'),
    ('ALTER TABLE "Question" ALTER "level" DROP NOT NULL', 'the column "level" of "Question"'),
    ('ALTER TABLE "User" ALTER "role" SET DEFAULT \'admin\'', 'the column "role" of "User"'),
    ('ALTER TABLE "User" ALTER "lastLoginAt" TYPE TIMESTAMP(6)', 'the column "lastLoginAt" of "User"'),
    ('ALTER TABLE "User" DROP CONSTRAINT "User_role_check"', 'the check "User_role_check"'),
    ('DROP INDEX "AiValidationTask_ready_idx"', 'the partial index "AiValidationTask_ready_idx"'),
    ('DROP INDEX "Specialty_name_key"', 'the index "Specialty_name_key"'),
    ('ALTER TABLE "Course" DROP CONSTRAINT "Course_specialtyId_fkey"', 'foreign key "Course_specialtyId_fkey"'),
    ('DROP TABLE "CourseChunk"', 'lacks the table "CourseChunk"'),
    ('DROP TRIGGER medq_job_status_trigger ON "AiValidationJob"', "lacks the trigger medq_job_status_trigger"),
    (
        'ALTER TABLE "AiValidationJob" DISABLE TRIGGER medq_job_inserted_trigger',
        "lacks the trigger medq_job_inserted_trigger",
    ),
    ("DROP VIEW user_performance", "lacks the view user_performance"),
    ("DROP FUNCTION medq_job_figures CASCADE", "lacks the function medq_job_figures"),
]


def test_check_reports_each_thing_that_was_changed_in_a_database(database: Database) -> None:
    for change, _ in CHANGES:
        database.execute(change)

    found = check(database.url)
    for change, sentence in CHANGES:
        assert sentence in "\n".join(found), change
    assert len(found) >= len(CHANGES)


def test_check_reports_models_that_were_changed(database: Database) -> None:
    changed = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    for table in Base.metadata.sorted_tables:
        table.to_metadata(changed)
    changed.tables["User"].append_column(sa.Column("nickname", sa.Text()))

    (sentence,) = check(database.url, models=changed)
    assert 'the column "nickname" of "User"' in sentence
    assert "models" in sentence


def test_check_says_which_revision_is_needed(empty: Database) -> None:
    upgrade(empty.url, "003")
    (sentence,) = check(empty.url)
    assert "at revision 003" in sentence
    assert head_revision() in sentence


# Models


def test_models_write_utc_milliseconds_whatever_the_session_says(database: Database) -> None:
    # Given a session in another time zone
    session_url = sa.make_url(database.url).update_query_dict({"options": "-ctimezone=Asia/Tokyo"})
    with sa.orm.Session(sa.create_engine(session_url, poolclass=NullPool)) as session:
        # When a row is written and changed through the models
        case = ClinicalCase(title="Cas clinique 1", description="…", specialty_id="spec1")
        session.add(case)
        session.commit()
        first = case.updated_at
        case.title = "Cas clinique 2"
        session.commit()

        # Then both times are UTC now, to the millisecond, and the second is not before the first
        assert first.tzinfo is not None
        assert first.microsecond % 1000 == 0
        assert case.updated_at >= first
        (age,) = database.rows(
            'SELECT abs(extract(epoch FROM timezone(\'UTC\', now()) - "createdAt")) FROM "ClinicalCase"'
        )
        assert age[0] < 60


def test_models_read_a_question_back_as_written(database: Database) -> None:
    with sa.orm.Session(database.engine) as session:
        written = Question(
            type="qroc",
            question_text="Dose ?",
            answer="5 mg",
            explanation="…",
            level="DCEM2",
            semester="S1",
            specialty_id="spec1",
        )
        session.add(written)
        session.commit()
        moment = written.created_at
        session.expire_all()
        found = session.scalars(sa.select(Question)).one()

        assert (found.answer, found.created_at, found.is_validated) == ("5 mg", moment, False)
        assert re.fullmatch(r"c[0-9a-z]{24}", found.id)


def test_what_search_adds_with_extensions_is_no_difference(database: Database) -> None:
    # Given the vectors of a model of four dimensions, where the server can add them
    add = "medq_add_course_vectors('small', 4)"
    database.execute(f"SELECT {add}")

    # Then it says whether they are there
    ((vectors, has_table),) = database.rows(f"SELECT {add}, to_regclass('\"CourseVector\"') IS NOT NULL")
    assert vectors == has_table

    # And a second call changes nothing, models and database still agree, and all of it goes down
    assert check(database.url) == []
    downgrade(database.url, "006")
    assert database.rows("SELECT to_regclass('\"CourseVector\"')") == [(None,)]


def test_trigrams_of_an_earlier_release_go_and_are_not_made_again(database: Database) -> None:
    # Given a database of before, and an index of the name that trigrams had (the extension itself may be absent)
    downgrade(database.url, "022")
    database.execute('CREATE INDEX "CourseTerm_term_trgm_idx" ON "CourseTerm" ("term")')

    upgrade(database.url)

    # Then an ingest of that release, which asks for them, goes on without
    assert database.rows("SELECT medq_add_course_trigrams()") == [(False,)]
    assert database.rows("""SELECT to_regclass('"CourseTerm_term_trgm_idx"')""") == [(None,)]
    assert check(database.url) == []
