"""Columns that other programs fill, read so that no value of theirs can fail a statement or flood its reader.

What a column holds is judged by whoever uses it; here it is only made to arrive. Expressions of SQL, `{table}` aside
without parameters.
"""

from __future__ import annotations

MAX_CONFIG = 65_536  # characters; and of the stored, compressed value a quarter of it
TOO_LONG = "…"  # what arrives, as a JSON string, instead of a configuration beyond that
MAX_INSTRUCTIONS = 100_000  # characters
MAX_NAME = 10_000
SHORT = 8_000  # bytes as stored

# Numbers of a jsonb may have 130,000 digits in twelve bytes, and its levels go as deep as the server's stack: neither
# can be read by everybody, or by anybody in good time. No option needs either.
_READABLE = """NOT {value} @? '$.**{{8}}' AND NOT {value} @? '$.** ? (@ > 1e300 || @ < -1e300)'"""
_PLAIN = 1_000  # bytes that are stored uncompressed: a configuration of these is looked at in no time


def plain_config(table: str) -> str:
    """`config` as JSON text where it is an object as most are; NULL where it is not: see `config_text`."""
    config = f'{table}."config"'
    return f"""(CASE WHEN pg_column_size({config}) <= {_PLAIN} AND pg_column_compression({config}) IS NULL
          AND jsonb_typeof({config}) = 'object' AND {_READABLE.format(value=config)} THEN {config}::text END)"""


def config_text(table: str) -> str:
    """`config` as JSON text of at most `MAX_CONFIG` characters, whatever it is.

    An option that nobody can read arrives as `[]`, which is right for none; so does what is no object at all.
    """
    config = f'{table}."config"'
    whole, part = _READABLE.format(value=config), _READABLE.format(value="option.value")
    return f"""(CASE
    WHEN {config} IS NULL THEN NULL
    WHEN pg_column_size({config}) > {MAX_CONFIG // 4} THEN '"{TOO_LONG}"'
    WHEN jsonb_typeof({config}) = 'null' THEN NULL
    WHEN jsonb_typeof({config}) <> 'object' THEN '[]'
    WHEN pg_column_size({config} || '{{}}') > {MAX_CONFIG} THEN '"{TOO_LONG}"'
    ELSE (SELECT CASE WHEN length(read.text) <= {MAX_CONFIG} THEN read.text ELSE '"{TOO_LONG}"' END
          FROM (SELECT CASE WHEN {whole} THEN {config}::text ELSE (
                    SELECT jsonb_object_agg(option.key, CASE WHEN {part} THEN option.value ELSE '[]' END)::text
                    FROM jsonb_each({config}) option) END AS text
                OFFSET 0) read)
    END)"""  # noqa: S608 (names of ours)


def priority(table: str) -> str:
    """`priority` of `config` as a number of any size; 0 when it is none, or in a configuration that is too long."""
    config = f'{table}."config"'
    return f"""(CASE WHEN pg_column_size({config}) <= {MAX_CONFIG // 4}
          AND jsonb_typeof({config} -> 'priority') = 'number' THEN ({config} -> 'priority')::numeric ELSE 0 END)"""


def bounded_text(column: str, most: int) -> str:
    """A text column, or `most` + 1 characters when it holds more; of a very long one only blanks."""
    return f"""(CASE WHEN pg_column_size({column}) > {4 * most} THEN repeat(' ', {most + 1})
          ELSE left({column}, {most + 1}) END)"""


def short_text(column: str) -> str:
    """A text column where it is as short as most are; NULL where it is longer: see `is_long`."""
    return f"CASE WHEN pg_column_size({column}) <= {SHORT} THEN {column} END"


def is_long(*columns: str) -> str:
    """Whether one of these is longer than `short_text` gives it."""
    return f"GREATEST({', '.join(f'pg_column_size({column})' for column in columns)}) > {SHORT}"


def sane_time(column: str) -> str:
    """A time of the years 1 to 9999, for PostgreSQL knows others, and infinity."""
    return f"""(CASE WHEN {column} < '0001-01-01' THEN '0001-01-01'::timestamp
          WHEN {column} > '9999-12-31' THEN '9999-12-31'::timestamp ELSE {column} END)"""
