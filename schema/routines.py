"""The database's functions and triggers as they are today: one file each, made anew at an upgrade where they differ.

A file of functions/ holds one function, `CREATE OR REPLACE`, with the triggers that call it, and is named like it. What
it replaces under another name, it drops first. A trigger's function is for the trigger alone: EXECUTE is taken from
PUBLIC. Revisions after 015 hold no function on their way up; on the way down they put back what was before.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from schema.online import driver_of, run_online
from schema.scripts import Created, created_by, kept_names, split_statements

FUNCTIONS = Path(__file__).parent / "functions"
# A function may call one that is made after it.
UNCHECKED = "SET LOCAL check_function_bodies = off"
# What `FROM CURRENT` gives a function: the tables' schema alone, and last what a caller may put into his temporary one.
FIXED_PATH = "SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true)"

DEFINITIONS = """
    SELECT 'function', proname::text,
        CASE WHEN prorettype = 'trigger'::regtype AND has_function_privilege('public', pg_proc.oid, 'EXECUTE')
             THEN 'public ' ELSE '' END || pg_get_functiondef(pg_proc.oid)
    FROM pg_proc
    WHERE pronamespace = %(namespace)s AND prokind = 'f'
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    UNION ALL
    SELECT 'trigger', tgname::text, pg_get_triggerdef(pg_trigger.oid)
    FROM pg_trigger
    JOIN pg_class ON pg_class.oid = tgrelid AND relnamespace = %(namespace)s
    WHERE NOT tgisinternal AND tgenabled <> 'D'
"""

Definitions = dict[Created, str]


def read_routines() -> dict[str, list[str]]:
    """Read the statements of each file, by its name."""
    return {path.stem: split_statements(path.read_text(encoding="utf-8")) for path in sorted(FUNCTIONS.glob("*.sql"))}


def differing_routines(connection: sa.Connection) -> list[Created]:
    """List the functions and triggers that the current schema lacks, or has otherwise than their file says."""
    found, expected = present_routines(connection), expected_routines(connection)
    return [made for made, definition in expected.items() if found.get(made) != definition]


def apply_routines(connection: sa.Connection) -> None:
    """Make what differs, and only that: the functions in one transaction, then each that has a new trigger with it.

    A function and its triggers fit together: where a platform has one of them otherwise, all of its are left alone.
    """
    kept = kept_names(connection)
    differing = set(differing_routines(connection))
    functions, with_triggers = [], []
    for statements in read_routines().values():
        of_file = set(filter(None, map(created_by, statements)))
        made = differing & of_file if kept.isdisjoint(one.name for one in of_file) else set()
        wanted = [
            part
            for one in statements
            if made and ((new := created_by(one)) is None or new in made)
            for part in _with_rights(one)
        ]
        if any(one.kind == "trigger" for one in made):
            with_triggers.append(wanted)
        else:
            functions += wanted
    for group in filter(None, (functions, *with_triggers)):
        run_online(connection, UNCHECKED, FIXED_PATH, *group)


def close_to_public(schema: str) -> str:
    """SQL that takes EXECUTE on the triggers' functions from PUBLIC again, where rights were not brought along."""
    names = ", ".join(f"'{name}'" for name in read_routines())
    return f"""
DO $close$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN SELECT p.oid FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                   WHERE n.nspname = '{schema.replace("'", "''")}' AND p.prorettype = 'trigger'::regtype
                     AND p.proname IN ({names})
    LOOP
        EXECUTE 'REVOKE EXECUTE ON FUNCTION ' || routine || ' FROM PUBLIC';
    END LOOP;
END
$close$;
"""  # noqa: S608 (names of files of ours, and a name that is quoted)


def present_routines(connection: sa.Connection) -> Definitions:
    """Read the functions and triggers of the current schema, spelled by PostgreSQL, without the schema's name."""
    driver = driver_of(connection)
    schema = driver.execute("SELECT oid, quote_ident(nspname) FROM pg_namespace WHERE nspname = current_schema()")
    namespace, name = schema.fetchone()
    return _read(driver, namespace, re.escape(name))


def expected_routines(connection: sa.Connection) -> Definitions:
    """What the files would make, spelled by PostgreSQL: made in the session's temporary schema, and rolled back.

    Only so both sides of a comparison are spelled alike. Nothing is left behind, and nobody waits for it.
    """
    driver = driver_of(connection)
    statements = [statement for file in read_routines().values() for statement in file if created_by(statement)]
    with driver.transaction(force_rollback=True):
        driver.execute(UNCHECKED)
        driver.execute(FIXED_PATH)
        (schema,) = driver.execute("SELECT quote_ident(current_schema())").fetchone()
        for statement in sorted(statements, key=created_by):  # type: ignore[arg-type]
            _make_temporary(driver, schema, statement)
        (namespace,) = driver.execute("SELECT pg_my_temp_schema()").fetchone()
        made = _read(driver, namespace, r"pg_temp(?:_\d+)?")
    return {one: made.get(one, "") for one in filter(None, map(created_by, statements))}


def _make_temporary(driver: Any, schema: str, statement: str) -> None:
    # A trigger needs its table beside it: one like it, without rows. Where that is missing, so is the trigger.
    for table in re.findall(r'\bON ("\w+")', statement) if statement.startswith("CREATE OR REPLACE TRIGGER") else ():
        if driver.execute("SELECT to_regclass(%s) IS NULL", (f"{schema}.{table}",)).fetchone()[0]:
            return
        if driver.execute("SELECT to_regclass(%s) IS NULL", (f"pg_temp.{table}",)).fetchone()[0]:
            driver.execute(f"CREATE TEMPORARY TABLE {table} (LIKE {schema}.{table})")
        statement = statement.replace(f"ON {table}", f"ON pg_temp.{table}", 1)
    for part in _with_rights(statement):
        driver.execute(re.sub(r"\bFUNCTION (?=\w+\()", "FUNCTION pg_temp.", part, count=1))


def _with_rights(statement: str) -> list[str]:
    """A trigger's function with the statement that takes it from everybody else: it may run with its owner's rights."""
    found = re.match(r"CREATE OR REPLACE FUNCTION (\w+)\(\)\s+RETURNS TRIGGER\b", statement)
    return [statement, *([f"REVOKE EXECUTE ON FUNCTION {found[1]}() FROM PUBLIC"] if found else [])]


def _read(driver: Any, namespace: int, schema: str) -> Definitions:
    # The schema's name goes, but from a function's body nothing: what stands there was written, not spelled.
    prefix = re.compile(rf'(?<![\w"]){schema}\.')
    found: dict[Created, list[str]] = {}
    for kind, name, text in driver.execute(DEFINITIONS, {"namespace": namespace}):
        head, start, body = text.partition("\nAS $")
        found.setdefault(Created(kind, name), []).append(prefix.sub("", head) + start + body)
    return {made: "\n".join(sorted(texts)) for made, texts in found.items()}
