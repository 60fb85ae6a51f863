"""What the roles of a worker and of a web app may do in the database: one table, printed as GRANTs and looked after.

A privilege stands here when a statement of that role needs it; triggers run with their owner's rights and need none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import sqlalchemy as sa

from schema import VERSION_TABLE
from worker.db.statements import load_statements

SQL = load_statements(__file__)

Kind = Literal["database", "schema", "table", "function"]

# What is read of a user: never the password.
USER_COLUMNS = ("id", "email", "name", "role", "isActive", "createdAt")
# What of a job the web app changes: its status, and with what it is resumed. Figures are the worker's.
JOB_COLUMNS = ("status", "instructions", "config", "updatedAt")

WORKER: Mapping[str, str] = {
    "AiValidationJob": "SELECT, INSERT, UPDATE, DELETE",
    "AiValidationPause": "SELECT, INSERT, UPDATE, DELETE",
    "AiValidationTask": "SELECT, INSERT, UPDATE",
    "AiValidationItem": "SELECT, INSERT, UPDATE, DELETE",
    "AiValidationDecision": "SELECT, INSERT",
    "AiValidationOpenItem": "SELECT",
    "AiValidationProvenance": "SELECT",
    "AiValidationTombstone": "SELECT, DELETE",
    "LlmCall": "SELECT, INSERT, UPDATE, DELETE",
    "LlmBatch": "SELECT, INSERT, UPDATE, DELETE",
    "LlmTotal": "SELECT, INSERT, UPDATE",
    "Question": "SELECT, INSERT, UPDATE, DELETE",
    "ClinicalCase": "SELECT, INSERT",
    "Course": "SELECT, INSERT",
    "Specialty": "SELECT, INSERT",
    "SessionQuestion": "SELECT",
    "UserQuestionAnswer": "SELECT",
    "CourseDocument": "SELECT, INSERT, UPDATE, DELETE",
    "CourseChunk": "SELECT, INSERT, UPDATE",
    "CourseTerm": "SELECT, INSERT, UPDATE, DELETE",
    "CourseVector": "SELECT, INSERT, DELETE",
    "medq_adopted": "SELECT",
    VERSION_TABLE: "SELECT",
}
WORKER_FUNCTIONS = (
    "medq_by_worker",
    "medq_mend_job",
    "medq_batch_is_open",
    "medq_call_is_open",
    "medq_is_fix",
    "medq_is_success",
    "medq_job_is_open",
    "medq_progress_percent",
    "medq_new_id",
    "medq_ready_finish",
    "medq_task_is_done",
    "medq_task_is_open",
    "medq_fold",
    "medq_job_figures",
    "medq_now",
    "medq_progress_message",
    "medq_add_course_vectors",
)
# What a web app does with its own tables is the platform's; this is what it needs for jobs.
WEB: Mapping[str, str] = {
    "AiValidationJob": "SELECT, INSERT, DELETE",
    "AiValidationItem": "SELECT",
    "AiValidationOpenItem": "SELECT",
    "AiValidationDecision": "SELECT",
}
# What triggers do with the rights of their owner, whoever set them off.
TRIGGERS: Mapping[str, str] = {
    "AiValidationJob": "SELECT, UPDATE",
    "AiValidationPause": "SELECT, DELETE",
    "AiValidationTask": "SELECT, INSERT, UPDATE, DELETE",
    "AiValidationItem": "SELECT, UPDATE",
    "AiValidationProvenance": "SELECT, INSERT, UPDATE",
    "AiValidationTombstone": "SELECT, INSERT, UPDATE",
    "LlmCall": "SELECT",
    "medq_adopted": "SELECT, DELETE",
}


@dataclass(frozen=True, slots=True)
class Right:
    """One privilege on one object; `columns` where less than the whole table will do."""

    privilege: str
    kind: Kind
    name: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """The database and the schema that a connection leads to, whether it may look into them or not."""

    database: str
    schema: str


def read_place(connection: sa.Connection) -> Place:
    """Where unqualified names of this connection lead."""
    row = connection.execute(SQL["read_place"]).one()
    return Place(row[0], row[1])


def worker_rights(place: Place) -> tuple[Right, ...]:
    """Every right that a worker's role needs, the commands of an operator among what it does."""
    return (
        Right("CONNECT", "database", place.database),
        Right("USAGE", "schema", place.schema),
        *_of_tables(WORKER),
        Right("SELECT", "table", "User", USER_COLUMNS),
        Right("UPDATE", "table", "AiValidationDecision", ("userId",)),  # a name is taken off what was decided
        *(Right("EXECUTE", "function", name) for name in WORKER_FUNCTIONS),
    )


def web_rights(place: Place) -> tuple[Right, ...]:
    """Every right that a web app's role needs to create, follow, cancel, resume and delete jobs."""
    return (
        Right("CONNECT", "database", place.database),
        Right("USAGE", "schema", place.schema),
        *_of_tables(WEB),
        Right("UPDATE", "table", "AiValidationJob", JOB_COLUMNS),
        Right("SELECT", "table", "User", ("id", "email")),
    )


def _of_tables(table: Mapping[str, str]) -> Iterator[Right]:
    for name, privileges in table.items():
        yield from (Right(privilege, "table", name) for privilege in privileges.split(", "))


def print_grants(connection: sa.Connection, rights: Sequence[Right], role: str, place: Place) -> list[str]:
    """The GRANT statements of these rights, one for each object, for the objects that are there."""
    present = _read_present(connection, place.schema)
    lines = []
    for (kind, name, columns), same in groupby(rights, key=lambda right: (right.kind, right.name, right.columns)):
        if kind in ("table", "function") and name not in present:
            continue
        listed = f" ({', '.join(map(_quote, columns))})" if columns else ""
        privileges = ", ".join(f"{right.privilege}{listed}" for right in same)
        is_within = kind in ("table", "function")
        target = f"{_quote(place.schema)}.{_quote(name)}{present[name]}" if is_within else _quote(name)
        lines.append(f"GRANT {privileges} ON {kind.upper()} {target} TO {_quote(role)};")
    return lines


def _read_present(connection: sa.Connection, schema: str) -> dict[str, str]:
    """The tables and views of the schema, and its functions with their arguments: what can be granted."""
    return {row[0]: row[1] for row in connection.execute(SQL["read_present"], {"schema": schema})}


def current_role(connection: sa.Connection) -> str:
    """Whose rights this connection has."""
    return str(connection.execute(SQL["current_role"]).scalar_one())


def find_missing(connection: sa.Connection, rights: Sequence[Right], role: str, place: Place) -> list[Right]:
    """Which of these a role lacks; an object that is not there is not missed."""
    return [right for right in rights if connection.scalar(HAS[right.kind], _parameters(right, role, place)) is False]


def find_weak_owners(connection: sa.Connection, place: Place) -> dict[str, list[Right]]:
    """Owners of triggers' functions → what they lack of the rights with which these run."""
    wanted = tuple(_of_tables(TRIGGERS))
    owners = connection.scalars(SQL["find_owners"], {"schema": place.schema}).all()
    found = {owner: find_missing(connection, wanted, owner, place) for owner in owners}
    return {owner: missing for owner, missing in found.items() if missing}


def describe(missing: Sequence[Right]) -> str:
    """What is missing, object by object: `SELECT, INSERT on "Question"`."""
    found = groupby(missing, key=lambda right: (right.kind, right.name, right.columns))
    return "; ".join(
        f"{', '.join(right.privilege for right in same)} on {'' if kind == 'table' else f'{kind} '}{_quote(name)}"
        + (f" ({', '.join(columns)})" if columns else "")
        for (kind, name, columns), same in found
    )


HAS = {
    "database": SQL["may_use_database"],
    "schema": SQL["may_use_schema"],
    "table": SQL["may_use_table"],
    "function": SQL["may_use_function"],
}


def _parameters(right: Right, role: str, place: Place) -> dict[str, object]:
    asked = {"role": role, "privilege": right.privilege, "name": right.name, "schema": place.schema}
    return {**asked, "columns": list(right.columns)}


def _quote(name: str) -> str:
    quoted = name.replace('"', '""')
    return f'"{quoted}"'
