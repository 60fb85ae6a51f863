"""What the numbered SQL may say: a function stands in its own file, as it is today."""

from __future__ import annotations

from schema.scripts import created_by, read_sql, split_statements, up_scripts

# Up to this one, revisions hold the functions as they were.
LAST_WITH_FUNCTIONS = "015_up"
LATER = [name for name in up_scripts() if name > LAST_WITH_FUNCTIONS]


def test_a_later_revision_holds_no_function_and_no_trigger() -> None:
    made = [(name, created_by(statement)) for name in LATER for statement in split_statements(read_sql(name))]

    assert [(name, one) for name, one in made if one and one.kind in ("function", "trigger")] == []


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
