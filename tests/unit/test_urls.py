"""A DATABASE_URL as Prisma accepts it must open the same database here, and its password must stay unseen."""

from __future__ import annotations

import traceback
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.dialects import registry
from sqlalchemy.engine import Dialect

from worker.errors import UsageError
from worker.system.keepalive import LIBPQ, POSTGRESQL
from worker.system.urls import DISCREET, libpq_url, passwordless_url, read_address, safe_url, session_url

PSYCOPG: type[Dialect] = registry.load("postgresql.psycopg")
PASSWORD = "s3cr3t-Ünïq"


def opened_by_libpq(url: str) -> dict[str, str]:
    """What libpq itself would connect to."""
    return {name: str(value) for name, value in conninfo_to_dict(libpq_url(url)).items()}


def opened_by_sqlalchemy(url: str) -> dict[str, str]:
    """What SQLAlchemy would hand to psycopg."""
    parsed = sa.make_url("postgresql+psycopg" + libpq_url(url).removeprefix("postgresql"))
    dialect: Dialect = PSYCOPG()
    _, options = dialect.create_connect_args(parsed)
    return {name: str(value) for name, value in options.items()}


def assert_opens(url: str, **expected: str) -> None:
    """Both readers of the URL agree on every part, and on nothing more."""
    everything = {"options": "-ctimezone=UTC", **expected}
    assert opened_by_libpq(url) == everything
    assert opened_by_sqlalchemy(url) == everything


def test_a_url_as_prisma_writes_it() -> None:
    assert_opens(
        "postgresql://medq:pw@db.example:5432/platform?schema=public",
        user="medq",
        password="pw",
        host="db.example",
        port="5432",
        dbname="platform",
        options='-csearch_path="public" -ctimezone=UTC',
    )


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "PostgreSQL"])
def test_every_spelling_of_the_scheme(scheme: str) -> None:
    assert_opens(f"{scheme}://u@h/d", user="u", host="h", dbname="d")


@pytest.mark.parametrize(
    "parameter",
    [
        "connection_limit=5",
        "pool_timeout=20",
        "pgbouncer=false",
        "socket_timeout=5",
        "statement_cache_size=0",
        "max_idle_connection_lifetime=60",
        "sslaccept=strict",
    ],
)
def test_parameters_of_prismas_engine_are_not_handed_to_libpq(parameter: str) -> None:
    # libpq refuses a parameter that it does not know: the worker would not start.
    assert_opens(f"postgresql://u@h/d?{parameter}&sslmode=require", user="u", host="h", dbname="d", sslmode="require")


def test_parameters_that_both_know_are_kept() -> None:
    assert_opens(
        "postgresql://u@h/d?connect_timeout=10&application_name=web%20app",
        user="u",
        host="h",
        dbname="d",
        connect_timeout="10",
        application_name="web app",
    )


def test_the_operators_own_options_are_kept_beside_ours() -> None:
    url = "postgresql://u@h/d?options=-c%20statement_timeout%3D5s&schema=exams"

    options = opened_by_libpq(url)["options"]

    assert options == '-c statement_timeout=5s -csearch_path="exams" -ctimezone=UTC'


@pytest.mark.parametrize(
    ("schema", "search_path"),
    [
        ("Exams", '-csearch_path="Exams"'),  # unquoted, PostgreSQL would look into "exams"
        ("my%20schema", r'-csearch_path="my\ schema"'),
        ("a%22b", '-csearch_path="a""b"'),
        ("x%5Cy", r'-csearch_path="x\\y"'),
    ],
)
def test_a_schema_is_looked_up_by_its_exact_name(schema: str, search_path: str) -> None:
    assert opened_by_libpq(f"postgresql://u@h/d?schema={schema}")["options"] == f"{search_path} -ctimezone=UTC"


def test_a_schema_cannot_smuggle_in_other_options() -> None:
    options = opened_by_libpq("postgresql://u@h/d?schema=x%20-crole%3Dpostgres")["options"]

    assert options == r'-csearch_path="x\ -crole=postgres" -ctimezone=UTC', "one blank unescaped would begin an option"


# -- passwords ---------------------------------------------------------------------------------------------------------


def test_a_percent_encoded_password() -> None:
    assert_opens("postgresql://u:p%40%23%2F%3A%25%2B@h/d", user="u", password="p@#/:%+", host="h", dbname="d")


def test_an_at_sign_in_a_password_as_prisma_lets_it_stand() -> None:
    assert_opens("postgresql://u:p@ss:w+rd@h:5432/d", user="u", password="p@ss:w+rd", host="h", port="5432", dbname="d")


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#/?[]%"), min_size=1))
@settings(max_examples=100)
def test_any_password_without_reserved_signs_arrives_whole(password: str) -> None:
    opened = opened_by_libpq(f"postgresql://u:{password}@h:5432/d")

    assert (opened["user"], opened["password"], opened["host"]) == ("u", password, "h")


@pytest.mark.parametrize("sign", "#/?[")
@pytest.mark.parametrize("start", ["", "12", "ab"])
def test_a_reserved_sign_left_raw_in_a_password_is_explained_not_misread(sign: str, start: str) -> None:
    # Else libpq would be sent to the host "u", and part of the password into its error.
    with pytest.raises(UsageError, match="percent-encoded") as raised:
        libpq_url(f"postgresql://u:{start}{sign}{PASSWORD}@h/d")

    assert PASSWORD not in "".join(traceback.format_exception(raised.value)), "nor in what it came from"


# -- sockets and defaults ----------------------------------------------------------------------------------------------


def test_a_unix_socket_in_the_query() -> None:
    # As Prisma writes it, with a host that does not count, and as the embedded PostgreSQL does, with none.
    assert_opens(
        "postgresql://u:pw@localhost/d?host=/var/run/postgresql",
        user="u",
        password="pw",
        host="/var/run/postgresql",
        dbname="d",
    )
    assert_opens("postgresql://postgres:@/postgres?host=/srv/pg", user="postgres", host="/srv/pg", dbname="postgres")


def test_a_unix_socket_without_a_user() -> None:
    assert_opens("postgresql:///d?host=/var/run/postgresql", host="/var/run/postgresql", dbname="d")


def test_a_unix_socket_in_place_of_the_host() -> None:
    assert_opens(
        "postgresql://u:pw@%2Fvar%2Frun%2Fpostgresql:6543/d",
        user="u",
        password="pw",
        host="/var/run/postgresql",
        port="6543",
        dbname="d",
    )


def test_an_ipv6_address() -> None:
    assert_opens("postgresql://u@[::1]:5433/d", user="u", host="::1", port="5433", dbname="d")


def test_times_mean_utc_whatever_the_server_says() -> None:
    assert opened_by_libpq("postgresql://u@h/d")["options"] == "-ctimezone=UTC"


# -- what is not a PostgreSQL URL --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "named"),
    [
        (f"mysql://u:{PASSWORD}@h/d", "mysql"),
        (f"redis://:{PASSWORD}@h/0", "redis"),
        (f"host=h password={PASSWORD}", "nothing"),
        ("", "nothing"),
        ("localhost:5432/d", "localhost"),
    ],
)
def test_another_address_is_refused_with_what_to_do(url: str, named: str) -> None:
    with pytest.raises(UsageError, match="DATABASE_URL must begin with postgresql://") as raised:
        libpq_url(url)

    assert f"(it begins with {named})" in str(raised.value)
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("url", ["postgresql://u@[::1/d", "postgresql://u@h:port/d", "postgresql://u@h:99999/d"])
def test_a_broken_address_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(UsageError, match="DATABASE_URL cannot be read"):
        libpq_url(url)


# -- for logs and messages ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql://u:{PASSWORD}@h:5432/d?schema=x", "postgresql://u:***@h:5432/d?schema=x"),
        (f"redis://:{PASSWORD}@h:6379/0", "redis://:***@h:6379/0"),
        (
            f"postgresql://h/d?user=u&password={PASSWORD}&sslmode=require",
            "postgresql://h/d?user=u&password=***&sslmode=require",
        ),
        (f"redis://h:6379/0?password=a@{PASSWORD}", "redis://h:6379/0?password=***"),
        (f"host=h password={PASSWORD} dbname=d", "host=h password=*** dbname=d"),
        ("postgresql://u@h/d?schema=x", "postgresql://u@h/d?schema=x"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("unix:///tmp/redis.sock?db=1", "unix:///tmp/redis.sock?db=1"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert safe_url(url) == shown


@pytest.mark.parametrize("sign", "@#/?[:%")
def test_a_password_with_raw_signs_is_not_shown_in_part(sign: str) -> None:
    shown = safe_url(f"postgresql://u:ab12{sign}{PASSWORD}@h/d")

    assert shown == "postgresql://u:***@h/d"


# -- sessions ----------------------------------------------------------------------------------------------------------


def test_of_several_hosts_the_first_that_takes_writes_is_used_unless_the_address_says_otherwise() -> None:
    both = {"user": "u", "host": "first,second", "port": "5432,6432", "dbname": "d"}
    assert_opens(
        "postgresql://u:p%40@first:5432,second:6432/d?target_session_attrs=any",
        password="p@",
        target_session_attrs="any",
        **both,
    )
    for url in ("postgresql://u@first,second:6432/d", "postgresql://u@/d?host=first,second&port=5432,6432"):
        assert_opens(url, target_session_attrs="read-write", **both)


@pytest.mark.parametrize("hosts", ["first:5432,second:x", "first:99999,second"])
def test_a_port_of_several_hosts_that_is_none_is_refused(hosts: str) -> None:
    with pytest.raises(UsageError):
        libpq_url(f"postgresql://u@{hosts}/d")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%40%23@h:5432/d?schema=Exams",
        "postgresql://u@%2Fvar%2Frun%2Fpostgresql/d",
        "postgresql://u@first:5432,second:6432/d",
        "postgresql+psycopg://u@h/d?options=-c%20statement_timeout%3D5s",
    ],
)
def test_a_session_has_the_time_outs_of_both_its_ends(url: str) -> None:
    plain, session = conninfo_to_dict(libpq_url(url)), conninfo_to_dict(session_url(url))

    assert {name: session[name] for name in LIBPQ} == LIBPQ
    said = str(session["options"]).split(" -c")
    assert set(POSTGRESQL.items()) <= {tuple(option.split("=")) for option in said if option.count("=") == 1}
    # And everything else is as it was
    assert str(session["options"]).startswith(str(plain["options"]))
    assert {name: session[name] for name in plain if name != "options"} == {
        name: plain[name] for name in plain if name != "options"
    }


def test_what_the_operator_says_of_time_outs_stands() -> None:
    url = "postgresql://u@h/d?connect_timeout=30&options=-c%20tcp_user_timeout%3D7s"

    session = conninfo_to_dict(session_url(url))

    assert session["connect_timeout"] == "30"
    assert str(session["options"]).count("tcp_user_timeout") == 1
    assert "tcp_user_timeout=7s" in str(session["options"])


def test_a_url_made_for_a_session_can_be_made_again() -> None:
    once = session_url("postgresql://u:p%40@h:5432/d?schema=a%20b")

    assert conninfo_to_dict(session_url(once)) | {"options": ""} == conninfo_to_dict(once) | {"options": ""}
    assert session_url(once).count("tcp_user_timeout") == once.count("tcp_user_timeout")


# -- poolers -----------------------------------------------------------------------------------------------------------


def test_through_a_declared_pooler_nothing_is_said_at_the_start() -> None:
    url = "postgresql://u@h:6432/d?schema=Exams&pgbouncer=true&options=-c%20statement_timeout%3D5s%20project%3Dabc"

    address = read_address(url)

    assert address.is_pooled
    # What a server's command line would take goes with each transaction; other words are the pooler's own.
    assert conninfo_to_dict(address.url)["options"] == "project=abc"
    assert address.options == {"statement_timeout": "5s"}
    assert address.settings == {"search_path": '"Exams"', "TimeZone": "UTC", **DISCREET}
    # And other programs, which cannot tell it later, are not promised what would be lost.
    assert conninfo_to_dict(libpq_url("postgresql://u@h/d?schema=app&pgbouncer=true")) == {
        "user": "u",
        "host": "h",
        "dbname": "d",
    }
    with pytest.raises(UsageError, match="address of PostgreSQL itself"):
        session_url(url)


def test_a_session_of_its_own_is_told_everything_once_it_is_open() -> None:
    address = read_address("postgresql+psycopg://u@h/d?schema=app&options=-ctcp_user_timeout%3D60s")

    assert not address.is_pooled
    assert conninfo_to_dict(address.url) == {**LIBPQ, "user": "u", "host": "h", "dbname": "d"} | {
        "options": "-ctcp_user_timeout=60s"
    }
    # What the operator says of a time-out stands.
    assert address.settings == {"search_path": '"app"', "TimeZone": "UTC", **DISCREET} | {
        name: value for name, value in POSTGRESQL.items() if name != "tcp_user_timeout"
    }


@pytest.mark.parametrize(
    ("options", "read"),
    [
        ("-c search_path=a", {"search_path": "a"}),
        ("-csearch_path=a -c  work_mem=64MB", {"search_path": "a", "work_mem": "64MB"}),
        ("--search-path=a", {"search_path": "a"}),
        (r"-csearch_path=a\ b\\c", {"search_path": r"a b\c"}),
        (r"-csearch_path=x\ -crole=postgres", {"search_path": "x -crole=postgres"}),
    ],
)
def test_options_are_read_as_a_server_reads_its_command_line(options: str, read: dict[str, str]) -> None:
    assert read_address(f"postgresql://u@h/d?options={quote(options)}").options == read


@pytest.mark.parametrize("value", ["yes", "1", "session", ""])
def test_a_word_about_the_pooler_that_is_not_understood_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="pgbouncer is true"):
        read_address(f"postgresql://u@h/d?pgbouncer={value}")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:s3cr3t@h:5432/d?schema=app&connection_limit=5",
        "postgresql+psycopg://u:s3cr3t@h/d",
        "postgres://u:s3%40cr3t@h,i:5433/d?sslmode=require",
        "postgresql://h/d?user=u&password=s3cr3t",
        "postgresql://u:s3cr3t@h/d?pgbouncer=true",
    ],
)
def test_a_url_to_be_shown_leads_to_the_same_place_without_the_password(url: str) -> None:
    shown = passwordless_url(url)

    assert "cr3t" not in shown
    expected = opened_by_libpq(url)
    expected.pop("password")
    assert {name: str(value) for name, value in conninfo_to_dict(shown).items()} == expected
