"""What must hold in every snapshot of the database, as SQL: for `medq doctor --invariants` and for the fault suite.

Each query gives the rows that break its invariant: a job's id (or NULL) and what is wrong. Nothing is mended here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from worker.db.statements import load_statements

SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class Invariant:
    """A promise: its name, a plain sentence, and the query that finds what breaks it.

    `at_rest`: holds only while workers run undisturbed; between a fault and its recovery it may be broken.
    """

    name: str
    sentence: str
    sql: sa.TextClause
    at_rest: bool = False


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken invariant: which, of which job, and how."""

    invariant: str
    job_id: str | None
    detail: str


CONSERVATION = Invariant(
    "conservation",
    "Every question row that was read is one item; items are pending or have one outcome, and none vanishes.",
    SQL["conservation"],
)

FIGURES = Invariant(
    "figures",
    "The figures on the job's row equal the counts of its items, batches and calls.",
    SQL["figures"],
)

MESSAGE = Invariant(
    "message",
    "What the job's message says of its questions is what its figures say.",
    SQL["message"],
)

ONE_OUTCOME = Invariant(
    "one outcome",
    "An item has one accepted outcome with its result, and no two items of a job were accepted for the same content.",
    SQL["one_outcome"],
)

ONE_QUESTION = Invariant(
    "one question",
    "No two questions that the worker wrote have the same content.",
    SQL["one_question"],
)

PROGRESS = Invariant(
    "progress",
    "Progress is 0 until the file is read, 1 to 99 while rows are worked on, and 100 exactly when completed.",
    SQL["progress"],
)

TERMINAL = Invariant(
    "terminal",
    "A job is completed, failed or cancelled if and only if it has no open task.",
    SQL["terminal"],
)

ONE_FINISH = Invariant(
    "one finish",
    "A completed job has one finish task, done, and a workbook; no job has two, and none before its batches ended.",
    SQL["one_finish"],
)

CALLS = Invariant(
    "calls",
    "A reply that is in the ledger has its text, a failed call its cause, and what is under way has cost nothing yet.",
    SQL["calls"],
)

NO_OPEN_CALL = Invariant(
    "no forgotten call",
    "No call stays open when the task that made it no longer runs.",
    SQL["no_forgotten_call"],
    at_rest=True,
)

PAUSED = Invariant(
    "paused",
    "Only a job that is being worked on is paused; a call refused just as its job was cancelled may leave its pause.",
    SQL["paused"],
)

WAITING = Invariant(
    "waiting",
    "A task waits only for calls that wait, or whose batch is being read; a call that waits is in no batch that ended.",
    SQL["waiting"],
)

NO_EXPIRED_LEASE = Invariant(
    "no expired lease",
    "No task stays with a worker that let its lease run out.",
    SQL["no_expired_lease"],
    at_rest=True,
)

ONLY_A_PERSON_SETTLES = Invariant(
    "only a person settles",
    "A validated question has a person's decision, or a blind look that gives the key which a person's file states.",
    SQL["only_a_person_settles"],
)

INVARIANTS = (
    CONSERVATION,
    FIGURES,
    MESSAGE,
    ONE_OUTCOME,
    ONE_QUESTION,
    PROGRESS,
    TERMINAL,
    ONE_FINISH,
    CALLS,
    NO_OPEN_CALL,
    PAUSED,
    WAITING,
    NO_EXPIRED_LEASE,
    ONLY_A_PERSON_SETTLES,
)


def find_violations(
    connection: sa.Connection,
    invariants: Sequence[Invariant] = INVARIANTS,
    *,
    grace_s: float = 60,
    job_ids: Sequence[str] | None = None,
) -> list[Violation]:
    """Everything that is broken in one snapshot. `grace_s`: how long a recovery may take before it counts.

    `job_ids`: look only at these jobs, their questions, and open calls: it costs little however many others there are.
    The connection must be in a REPEATABLE READ transaction when the queries are to see the same moment.
    """
    wanted = {"grace_s": grace_s, "job_ids": None if job_ids is None else list(job_ids)}
    return [
        Violation(invariant.name, row[0], row[1])
        for invariant in invariants
        for row in connection.execute(invariant.sql, wanted)
    ]


def check_invariants(
    engine: sa.Engine,
    invariants: Sequence[Invariant] = INVARIANTS,
    *,
    grace_s: float = 60,
    job_ids: Sequence[str] | None = None,
    within_s: float | None = None,
) -> list[Violation]:
    """Everything that is broken now, read in one snapshot of its own.

    `within_s`: only of jobs that are open, or ended within so many seconds.
    """
    with engine.execution_options(isolation_level="REPEATABLE READ").connect() as connection:
        if within_s is not None:
            job_ids = list(connection.execute(SQL["stirring"], {"within_s": within_s}).scalars())
        return find_violations(connection, invariants, grace_s=grace_s, job_ids=job_ids)
