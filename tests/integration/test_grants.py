"""Under exactly the rights that `medq schema grants` prints: enough for everything, and each of them needed."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool
from typer.testing import CliRunner

import worker
from models import Base
from schema.routines import read_routines
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import ADMIN, Platform
from tests.support.workbooks import knowing, make_workbook
from worker import enqueue
from worker.cli import app, explain
from worker.db.schema import rights, upgrade
from worker.db.schema.rights import Place, Right
from worker.embedded import Services
from worker.errors import UsageError

PID = os.getpid()
OWNER, WORKER, WEB = (f"medq_test_{PID}_{part}" for part in ("owner", "worker", "web"))


@dataclass(frozen=True)
class Ground:
    """A platform that a plain role owns and migrated, where nobody else may do anything yet."""

    database: str
    url: str  # the administrator's

    @property
    def place(self) -> Place:
        return Place(self.database, "public")

    def url_of(self, role: str) -> str:
        return sa.make_url(self.url).set(username=role, password="test").render_as_string(hide_password=False)

    @contextmanager
    def connection(self, role: str) -> Iterator[sa.Connection]:
        engine = sa.create_engine(self.url_of(role) if role else self.url, poolclass=NullPool)
        with engine.connect() as connection:
            yield connection

    def execute(self, role: str, *statements: str) -> None:
        with self.connection(role) as connection:
            for statement in statements:
                connection.exec_driver_sql(statement.replace("%", "%%"))
            connection.commit()


@pytest.fixture(scope="module")
def ground(services: Services, create_database: Callable[..., str], url_of: Callable[[str], str]) -> Iterator[Ground]:
    name = create_database()
    found = Ground(name, url_of(name))
    roles = [f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'test'" for role in (OWNER, WORKER, WEB)]
    # What PUBLIC may is taken back: what is not granted is not allowed.
    found.execute(
        "",
        *roles,
        f'ALTER DATABASE "{name}" OWNER TO "{OWNER}"',
        f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC',
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        f'ALTER SCHEMA public OWNER TO "{OWNER}"',  # as it is from PostgreSQL 15 on for who owns the database
    )
    upgrade(found.url_of(OWNER))
    found.execute(OWNER, "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC")
    yield found
    for role in (WORKER, WEB, OWNER):
        found.execute("", f'DROP OWNED BY "{role}" CASCADE')
    found.execute("", f'ALTER DATABASE "{name}" OWNER TO CURRENT_USER')
    found.execute("", *(f'DROP ROLE "{role}"' for role in (WORKER, WEB, OWNER)))


def granted(ground: Ground, role: str) -> list[Right]:
    """The rights of a role, as they are printed for it."""
    of = rights.worker_rights if role == WORKER else rights.web_rights
    return list(of(ground.place))


def statements_of(ground: Ground, wanted: Sequence[Right], role: str) -> list[str]:
    with ground.connection(OWNER) as connection:
        return rights.print_grants(connection, wanted, role, ground.place)


# -- every statement ---------------------------------------------------------------------------------------------------


def without_values(statement: str) -> str:
    """With NULL for what it is given."""
    return re.sub(r"(?<![:\w\\]):([a-z_]\w*)|%\(\w+\)s", "NULL", statement).replace("\\:", ":")


# Made where they are used.
DYNAMIC = (
    *(without_values(sql) for sql in enqueue.SQL.values()),
    'INSERT INTO "AiValidationItem" DEFAULT VALUES',  # by COPY
    'INSERT INTO "AiValidationTask" DEFAULT VALUES',
    "SELECT medq_by_worker()",  # of a row that is there
    "SELECT medq_new_id()",  # by medq_ready_finish
)
# What these need is made when a server can.
OF_EXTENSIONS = r'"CourseVector"|similarity\('


def every_statement() -> Iterator[str]:
    """Each statement that stands in a module, with NULL for what it is given."""
    for found in pkgutil.walk_packages(worker.__path__, "worker."):
        if found.name.startswith(("worker.db.schema", "worker.cli", "worker.backups")):
            continue
        constants = list(vars(importlib.import_module(found.name)).values())
        for constant in constants:
            if isinstance(constant, dict | tuple):
                constants += constant.values() if isinstance(constant, dict) else constant
            elif isinstance(constant, sa.TextClause) and not re.search(OF_EXTENSIONS, constant.text):
                # With NULL for how long a recovery takes there is nothing left to ask
                yield without_values(constant.text.replace(":grace_s", "1"))


# What a web app asks, as the README shows it.
WEB_STATEMENTS = (
    'SELECT "id" FROM "User" WHERE "email" = NULL',
    without_values(enqueue.SQL["insert_job"]),
    'SELECT * FROM "AiValidationJob" WHERE "id" = NULL',
    """UPDATE "AiValidationJob" SET "status" = 'cancelled', "updatedAt" = now() WHERE "id" = NULL""",
    """UPDATE "AiValidationJob" SET "status" = 'queued', "config" = NULL, "instructions" = NULL WHERE "id" = NULL""",
    'DELETE FROM "AiValidationJob" WHERE "id" = NULL',
    'SELECT * FROM "AiValidationItem"',
    'SELECT * FROM "AiValidationOpenItem"',
    'SELECT * FROM "AiValidationDecision"',
)


def test_the_printed_rights_are_enough_for_every_statement_and_each_is_needed(ground: Ground) -> None:
    for role, statements in ((WORKER, [*DYNAMIC, *every_statement()]), (WEB, list(WEB_STATEMENTS))):
        ground.execute(OWNER, *statements_of(ground, granted(ground, role), role))
        with ground.connection("") as connection:
            assert refused(connection, role, statements) is None
            connection.rollback()
            needless = []
            for right in apart(granted(ground, role)):
                revoke = str.replace(statements_of(ground, [right], role)[0], "GRANT", "REVOKE", 1)
                connection.exec_driver_sql(re.sub(r" TO (?=\S+;$)", " FROM ", revoke))
                if not refused(connection, role, by_name(right, statements)):
                    needless.append(right)
                connection.rollback()
            assert rights.describe(needless) == "", role
        ground.execute("", f'REVOKE CONNECT ON DATABASE "{ground.database}" FROM "{role}"')
        with pytest.raises(sa.exc.OperationalError, match="permission denied for database"), ground.connection(role):
            pass
        ground.execute(OWNER, *statements_of(ground, granted(ground, role), role))


def test_a_web_app_makes_no_task_by_a_function_of_the_workers(ground: Ground) -> None:
    # Where functions are everybody's, as PostgreSQL makes them
    may = "EXECUTE ON FUNCTION medq_ready_finish(TEXT), medq_task_is_open(TEXT)"
    ground.execute(OWNER, *statements_of(ground, granted(ground, WEB), WEB), f"GRANT {may} TO {WEB}")
    with (
        ground.connection(WEB) as connection,
        pytest.raises(sa.exc.ProgrammingError, match=r'permission denied for table "?AiValidationTask'),
    ):
        connection.exec_driver_sql("SELECT medq_ready_finish('a job that is being read')")
    ground.execute(OWNER, f"REVOKE {may} FROM {WEB}")


def apart(granted: Sequence[Right]) -> Iterator[Right]:
    """Each right by itself, of several columns each one; whether it may connect is seen otherwise."""
    for right in granted:
        if right.kind == "database" or right.name == "CourseVector":
            continue
        yield from (replace(right, columns=(column,)) for column in right.columns) if right.columns else (right,)


def by_name(right: Right, statements: Sequence[str]) -> list[str]:
    return [s for s in statements if right.kind == "schema" or right.name in s]


def refused(connection: sa.Connection, role: str, statements: Sequence[str]) -> str | None:
    """The first of these statements that the role may not run, in the present transaction."""
    connection.exec_driver_sql(f'SET LOCAL ROLE "{role}"')
    for statement in statements:
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(f"EXPLAIN {statement}".replace("%", "%%"))
        except sa.exc.ProgrammingError as error:
            if isinstance(error.orig, psycopg.errors.InsufficientPrivilege | psycopg.errors.UndefinedTable):
                return f"{error.orig}: {statement}"
            raise
    return None


def test_every_table_is_in_the_table_of_rights(ground: Ground) -> None:
    known = {right.name for right in granted(ground, WORKER)}

    # Those of the platform with which a worker has nothing to do.
    assert Base.metadata.tables.keys() - known == {"Session", "UserSession"}


# -- a whole job -------------------------------------------------------------------------------------------------------

# The README's own.
INSERTED = """
    INSERT INTO "AiValidationJob" ("id", "fileName", "originalFileName", "fileSize", "fileUrl", "userId", "updatedAt")
    SELECT :id, 'exam.xlsx', 'exam.xlsx', 11833, 'uploads/exam.xlsx', "id", timezone('UTC', now())
    FROM "User" WHERE "email" = 'admin@medq.com'
"""


@dataclass(frozen=True)
class Roles:
    """A platform whose web app and whose workers have the printed rights, and no other."""

    ground: Ground
    platform: Platform
    folder: Path

    def as_web(self, statement: str, **parameters: str) -> int:
        with self.ground.connection(WEB) as connection:
            done = connection.execute(sa.text(statement), parameters)
            connection.commit()
            return done.rowcount

    def medq(self, *arguments: str, role: str = WORKER) -> str:
        """What a command printed that is called under the rights of a role."""
        environment = self.platform.worker_environment(DATABASE_URL=self.ground.url_of(role))
        with pytest.MonkeyPatch.context() as context:
            context.chdir(self.folder)
            for name, value in environment.items():
                context.setenv(name, value)
            done = CliRunner().invoke(app, list(arguments))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output


@pytest.fixture
def roles(ground: Ground, redis_url: str, llm: ScriptedLlm, tmp_path: Path) -> Iterator[Roles]:
    found = Roles(ground, Platform(ground.url, redis_url, tmp_path, llm.url), tmp_path)
    printed = found.medq("schema", "grants", "--worker", WORKER, "--web", WEB, role=OWNER)
    ground.execute(OWNER, *printed.splitlines())
    yield found
    found.platform.engine.dispose()


@pytest.mark.skipif(
    "SECURITY DEFINER" not in read_routines()["medq_job_inserted"][0], reason="triggers run with the caller's rights"
)
def test_a_whole_job_under_exactly_the_printed_rights(roles: Roles, llm: ScriptedLlm) -> None:
    platform = roles.platform
    # Given a web app that stored an upload, with a key that the model contests
    llm.configure(truth={**knowing(6), **knowing(1, key="BD")})
    (roles.folder / "storage/uploads").mkdir(parents=True)
    make_workbook(roles.folder / "storage/uploads/exam.xlsx", 6)
    (roles.folder / "cours.md").write_text("# Urgences\n\nLe tableau numéro 3 est décrit ici.\n", encoding="utf-8")
    roles.medq("ingest", "cours.md", "--level", "DCEM2", "--specialty", "Pédiatrie")

    # When it inserts jobs as the README shows, cancels one and resumes it
    assert roles.as_web(INSERTED, id="first") == 1
    assert roles.as_web(INSERTED, id="second") == 1
    cancel = """UPDATE "AiValidationJob" SET "status" = 'cancelled', "updatedAt" = now() WHERE "id" = :id"""
    assert roles.as_web(cancel, id="second") == 1
    with platform.workers(1, DATABASE_URL=roles.ground.url_of(WORKER)):
        assert platform.wait_for_job("first")["status"] == "completed"
        assert roles.as_web(cancel.replace("cancelled", "queued"), id="second") == 1
        assert platform.wait_for_job("second")["status"] == "completed"
        assert "rights" not in roles.medq("doctor")

    # Then a person decides what is open, and what she takes back is undone
    (contested,) = platform.rows(
        """SELECT * FROM "AiValidationItem" WHERE "status" = 'contested' AND "jobId" = 'first'"""
    )
    for action in ("accept", "undo", "keep"):
        roles.medq("decide", contested["id"], action, "--user", ADMIN)
    assert platform.value('SELECT count(*) FROM "AiValidationDecision"') == 3
    assert "broken" not in roles.medq("doctor", "--invariants")
    assert roles.as_web('DELETE FROM "AiValidationJob" WHERE "id" = :id', id="second") == 1


@pytest.mark.parametrize(
    "statement",
    [
        """UPDATE "AiValidationJob" SET "processedItems" = 0""",
        'SELECT "password" FROM "User"',
        'UPDATE "AiValidationItem" SET "reason" = NULL',
        'SELECT * FROM "LlmCall"',
        'DELETE FROM "AiValidationTask"',
    ],
)
def test_a_web_app_may_no_more_than_it_needs(roles: Roles, statement: str) -> None:
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        roles.as_web(statement)


def test_the_doctor_names_a_missing_right_and_what_to_run(roles: Roles) -> None:
    roles.ground.execute(
        OWNER,
        f'REVOKE SELECT, UPDATE ON "Question" FROM "{WORKER}"',
        f'REVOKE SELECT ("role") ON "User" FROM "{WORKER}"',
        f'REVOKE EXECUTE ON FUNCTION medq_fold FROM "{WORKER}"',
    )
    told = roles.medq("doctor")
    assert (
        f'fail  rights: {WORKER} lacks SELECT, UPDATE on "Question"; SELECT on "User" '
        '(id, email, name, role, isActive, createdAt); EXECUTE on function "medq_fold" → '
    ) in told
    assert f"`medq schema grants --worker {WORKER}` prints" in told
    # And so with no right at all, where nothing can be read
    roles.ground.execute(OWNER, f'REVOKE USAGE ON SCHEMA public FROM "{WORKER}"')
    assert f'fail  rights: {WORKER} lacks USAGE on schema "public"; ' in roles.medq("doctor")
    with pytest.raises(UsageError, match='may not look into the schema "public"'):
        roles.medq("jobs")


def test_a_command_that_lacks_a_right_says_who_names_it(roles: Roles, capsys: pytest.CaptureFixture[str]) -> None:
    roles.ground.execute(OWNER, f'REVOKE SELECT ON "AiValidationJob" FROM "{WORKER}"')
    with pytest.raises(sa.exc.ProgrammingError) as raised:
        roles.medq("jobs")
    assert explain(raised.value) == 1
    assert (
        "permission denied for table AiValidationJob). `medq doctor` names all that it lacks" in capsys.readouterr().err
    )


def test_the_doctor_names_an_owner_of_triggers_who_may_not_what_they_do(roles: Roles) -> None:
    roles.ground.execute(
        "",
        f'GRANT CREATE ON SCHEMA public TO "{WEB}"',
        f'ALTER FUNCTION medq_job_inserted OWNER TO "{WEB}"',
        "ALTER FUNCTION medq_job_inserted SECURITY DEFINER",
    )
    told = roles.medq("doctor")
    assert (
        f'fail  rights: triggers run with the rights of {WEB}, who lacks UPDATE on "AiValidationJob"; '
        'SELECT, DELETE on "AiValidationPause"; SELECT, INSERT, UPDATE, DELETE on "AiValidationTask"; '
        'UPDATE on "AiValidationItem"; '
    ) in told
    roles.ground.execute("", f'ALTER FUNCTION medq_job_inserted OWNER TO "{OWNER}"')
