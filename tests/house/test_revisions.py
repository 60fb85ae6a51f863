"""What the numbered SQL may say: nothing that holds up a platform at noon, and no function, which has its own file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import pytest

from schema.scripts import SQL, created_by, created_objects, read_sql, split_statements, up_scripts

# The specification's own tables are made where there are none; up to 015 functions stand in revisions, as they were.
FIRST, LAST_WITH_FUNCTIONS = "001", "015"
SAME_FOR_EVERY_ROW = r"(?:'|-?\d|TRUE|FALSE|NULL|CURRENT_TIMESTAMP|NOW\(\))"
COLUMN = r'.*\bADD (?:COLUMN )?(?:IF NOT EXISTS )?"[^,]*'

# Where a table is named that may hold rows.
HOLDS_UP = {
    r"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)": "stops writers until the index is built: CONCURRENTLY",
    r"REINDEX (?!.*\bCONCURRENTLY)": "stops writers: CONCURRENTLY",
    r".*\bADD (CONSTRAINT \S+ )?(CHECK|FOREIGN KEY)(?!.*\bNOT VALID)": "reads every row under its lock: NOT VALID",
    r".*\bNOT VALID\b.*\bVALIDATE\b": "reads every row under its lock: VALIDATE in a statement of its own",
    r".*\bADD (CONSTRAINT \S+ )?(UNIQUE|PRIMARY KEY|EXCLUDE)\b(?!.*\bUSING INDEX)": "builds an index under its lock",
    r".*\bALTER (COLUMN )?\S+ (SET DATA )?TYPE\b": "writes the table anew",
    r".*\bSET NOT NULL\b": "reads every row under its lock: a check first, NOT VALID and validated",
    rf"{COLUMN}\bDEFAULT (?!{SAME_FOR_EVERY_ROW})": "writes the table anew: a default that is the same for every row",
    rf"{COLUMN}\b(GENERATED|\w*SERIAL)\b": "writes the table anew",
    rf"{COLUMN}\b(REFERENCES|UNIQUE|PRIMARY KEY|CHECK)\b": "reads every row under its lock: a constraint of its own",
    r".*\bSET (TABLESPACE|LOGGED|UNLOGGED)\b": "writes the table anew",
    r"CREATE TABLE .*\bREFERENCES\b": "locks several tables at once: each key in a statement of its own, NOT VALID",
    r"(LOCK|VACUUM FULL|CLUSTER|TRUNCATE|REFRESH MATERIALIZED)\b": "keeps everybody out",
    r"(UPDATE|DELETE)\b(?!.*\bLIMIT\b)": "locks every row at once: in a file for run_in_batches, with LIMIT",
}
# Of any table: a revision that was cut off begins again at its first statement.
NOT_TWICE = {
    r"DROP INDEX (?!CONCURRENTLY)": "waits with a lock that stops readers: CONCURRENTLY",
    r"CREATE TABLE (?!IF NOT EXISTS)": "IF NOT EXISTS",
    r"CREATE (UNIQUE )?INDEX (CONCURRENTLY )?(?!IF NOT EXISTS|CONCURRENTLY)": "IF NOT EXISTS",
    r"CREATE (VIEW|FUNCTION|TRIGGER)": "OR REPLACE",
    r".*\bADD (COLUMN )?\"": "ADD COLUMN IF NOT EXISTS",
    r".*\bDROP (CONSTRAINT|COLUMN|TABLE|INDEX|VIEW|FUNCTION|TRIGGER) (CONCURRENTLY )?(?!IF EXISTS|CONCURRENTLY)": (
        "IF EXISTS"
    ),
    r'ALTER TABLE "\w+" ADD CONSTRAINT .*,.*\b(ADD|DROP|ALTER)\b (?!.*\bNOT VALID$)': "one step in a statement",
}


def find_dangers(sql: str, older: Collection[str]) -> Iterator[tuple[str, str]]:
    """Say of each statement what is dangerous in it; `older` are the tables that were there before."""
    for statement in split_statements(sql):
        line = " ".join(statement.split())
        named = re.findall(
            r'\b(?:TABLE|EXISTS|ON|UPDATE|FROM|JOIN|INTO|REFERENCES|CLUSTER|TRUNCATE|FULL) "(\w+)"', line
        )
        rules = HOLDS_UP | NOT_TWICE if set(named) & set(older) else NOT_TWICE
        made = created_by(statement)
        if made and made.kind in ("function", "trigger", "view"):
            rules = {r"CREATE (VIEW|FUNCTION|TRIGGER)": "OR REPLACE"}
        yield from ((line[:120], why) for pattern, why in rules.items() if re.match(pattern, line, re.IGNORECASE))


def tables_before(revision: str) -> set[str]:
    made = created_objects(*(name for name in up_scripts() if name[:3] < revision))
    return {name for kind, name in made if kind == "table"}


@pytest.mark.parametrize("script", [name for name in up_scripts() if name[:3] > FIRST])
def test_no_statement_of_a_revision_holds_up_a_platform(script: str) -> None:
    assert list(find_dangers(read_sql(script), tables_before(script[:3]))) == []


@pytest.mark.parametrize(
    "statement",
    [
        'CREATE INDEX IF NOT EXISTS "i" ON "Question"("level")',
        'CREATE UNIQUE INDEX IF NOT EXISTS "i" ON "Question"("level")',
        'CREATE INDEX CONCURRENTLY "i" ON "Question"("level")',
        'DROP INDEX CONCURRENTLY "Question_level_idx"',
        'DROP INDEX IF EXISTS "Question_level_idx"',
        'REINDEX TABLE "Question"',
        'ALTER TABLE "Question" ADD CONSTRAINT "c" CHECK ("difficulty" > 0)',
        'ALTER TABLE "Question" ADD CHECK ("difficulty" > 0)',
        'ALTER TABLE "Question" ADD CONSTRAINT "f" FOREIGN KEY ("level") REFERENCES "Level"("id")',
        'ALTER TABLE "Question" ADD CONSTRAINT "c" CHECK (true) NOT VALID, VALIDATE CONSTRAINT "c"',
        'ALTER TABLE "Question" ADD CONSTRAINT "u" UNIQUE ("questionText")',
        'ALTER TABLE "Question" ADD CONSTRAINT "p" PRIMARY KEY ("questionText")',
        'ALTER TABLE "Question" ALTER COLUMN "difficulty" TYPE BIGINT',
        'ALTER TABLE "Question" ALTER "difficulty" SET DATA TYPE BIGINT',
        'ALTER TABLE "Question" ALTER "difficulty" SET NOT NULL',
        'ALTER TABLE "Question" ADD COLUMN IF NOT EXISTS "k" TEXT DEFAULT gen_random_uuid()',
        'ALTER TABLE "Question" ADD COLUMN IF NOT EXISTS "k" TIMESTAMP(3) NOT NULL DEFAULT clock_timestamp()',
        'ALTER TABLE "Question" ADD COLUMN IF NOT EXISTS "k" BIGSERIAL',
        'ALTER TABLE "Question" ADD COLUMN IF NOT EXISTS "k" INT GENERATED ALWAYS AS ("difficulty" + 1) STORED',
        'ALTER TABLE "Question" ADD COLUMN IF NOT EXISTS "k" TEXT REFERENCES "User"("id")',
        'ALTER TABLE "Question" ADD COLUMN IF NOT EXISTS "k" TEXT UNIQUE',
        'ALTER TABLE "Question" ADD "k" TEXT',
        'ALTER TABLE "Question" ADD COLUMN "k" TEXT',
        'ALTER TABLE "Question" DROP CONSTRAINT "Question_type_check"',
        'ALTER TABLE "Question" SET UNLOGGED',
        'LOCK TABLE "Question"',
        'TRUNCATE "Question"',
        'CLUSTER "Question"',
        'VACUUM FULL "Question"',
        'UPDATE "Question" SET "difficulty" = 1',
        'DELETE FROM "Question" WHERE "difficulty" = 1',
        'CREATE TABLE "New" ("id" TEXT)',
        'CREATE TABLE IF NOT EXISTS "New" ("id" TEXT, FOREIGN KEY ("id") REFERENCES "Question"("id"))',
        "CREATE VIEW v AS SELECT 1",
    ],
)
def test_what_would_hold_up_a_platform_is_found(statement: str) -> None:
    assert list(find_dangers(statement, {"Question"}))


def test_what_holds_up_nobody_is_allowed() -> None:
    sql = """
        CREATE TABLE IF NOT EXISTS "New" ("id" TEXT NOT NULL, CONSTRAINT "New_pkey" PRIMARY KEY ("id"));
        CREATE INDEX IF NOT EXISTS "New_id_idx" ON "New"("id");
        ALTER TABLE "New" ADD CONSTRAINT "k" FOREIGN KEY ("id") REFERENCES "Question"("id") NOT VALID;
        ALTER TABLE "New" VALIDATE CONSTRAINT "k";
        CREATE INDEX CONCURRENTLY IF NOT EXISTS "i" ON "Question"("level") WHERE "level" IS NOT NULL;
        ALTER TABLE "Question" ADD COLUMN IF NOT EXISTS "a" INT NOT NULL DEFAULT 0,
            ADD COLUMN IF NOT EXISTS "b" TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP;
        ALTER TABLE "Question" DROP CONSTRAINT IF EXISTS "c", ADD CONSTRAINT "c" CHECK ("a" > 0) NOT VALID;
        UPDATE "Question" SET "a" = 1 WHERE "id" IN (SELECT "id" FROM "Question" WHERE "a" = 0 LIMIT 5000);
        DROP INDEX CONCURRENTLY IF EXISTS "old";
    """
    assert list(find_dangers(sql, {"Question"})) == []


def test_a_later_revision_holds_no_function_and_no_trigger() -> None:
    later = [name for name in up_scripts() if name[:3] > LAST_WITH_FUNCTIONS]
    made = [(name, created_by(statement)) for name in later for statement in split_statements(read_sql(name))]

    assert [(name, one) for name, one in made if one and one.kind in ("function", "trigger")] == []


def test_a_later_revision_goes_down_from_a_database_that_never_had_its_functions() -> None:
    # They come at the newest revision alone: at one on the way there they are not yet
    later = sorted(path.stem for path in SQL.glob("[0-9]*_down.sql") if path.stem[:3] > LAST_WITH_FUNCTIONS)
    dropped = [(name, line) for name in later for line in re.findall(r"DROP (?:FUNCTION|TRIGGER) .*", read_sql(name))]

    assert [(name, line) for name, line in dropped if " IF EXISTS " not in line] == []


def test_statements_end_where_sql_says() -> None:
    sql = """-- One; with "a quote
        SELECT 'a;b''c', "d;e"; -- and another's
        CREATE FUNCTION f() RETURNS TEXT AS $$ SELECT '$'; -- kept; $$ LANGUAGE sql;
        DO $do$ BEGIN EXECUTE $$SELECT 1;$$; END $do$;
        SELECT 2 - 1"""

    assert split_statements(sql) == [
        "SELECT 'a;b''c', \"d;e\"",
        "CREATE FUNCTION f() RETURNS TEXT AS $$ SELECT '$'; -- kept; $$ LANGUAGE sql",
        "DO $do$ BEGIN EXECUTE $$SELECT 1;$$; END $do$",
        "SELECT 2 - 1",
    ]
