"""What a SQLSTATE says of the database's server rather than of the statement: one table, and what follows from each.

Whoever runs into one of these is not to blame. It is waited for, and tried again; nothing is counted against a task.
What is not here is the statement's own doing, `XX000` as well: a server reports its bugs so, and what meets one will
meet it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from worker.messages import database_states as french


class Remedy(StrEnum):
    """How the transaction is tried again."""

    AGAIN = "again"  # a little later, as it was
    RENEW = "renew"  # a little later over a new session: this one ended, or leads to a server that will not do
    LONGER = "longer"  # with more time: a limit of the database cut it short


@dataclass(frozen=True, slots=True)
class ServerState:
    """A class of SQLSTATEs (two characters) or one of them (five).

    `meaning` goes on in English after "The database", `french` after « La base de données ».
    `is_conflict`: with another transaction, in a server that is otherwise well.
    """

    code: str
    meaning: str
    french: str
    remedy: Remedy = Remedy.AGAIN
    is_conflict: bool = False


AWAY = ServerState("08", "does not answer", french.AWAY, Remedy.RENEW)
BUSY = ServerState("pool", "answers too slowly: every connection is in use", french.BUSY)
_POOLER = (
    "is behind a pooler that gives one client's statements to another",
    french.POOLED,
)
_DAMAGED = ("reports damaged files", french.DAMAGED)
_FULL_DISK = ("has no room left on its disk", french.DISK_FULL)
_LIMITED = ("has reached a limit of its configuration", french.LIMITED)
_STOPPED = ("is being stopped or started", french.STOPPED)
_SYSTEM = ("has trouble with its disk or its system", french.SYSTEM_FAULT)

STATES = (
    AWAY,  # and 08P01: what a pooler says that has no server, or mixed two clients up
    # Protection: knowing that a server which is read-only is no fault of the task
    ServerState("25006", "is read-only", french.READ_ONLY, Remedy.RENEW),  # perhaps a standby by now
    ServerState("25P03", "ended a transaction that stood still", french.CONNECTION_CUT, Remedy.RENEW),
    ServerState("25P04", "ended a transaction for its length", french.TRANSACTION_CUT, Remedy.RENEW),
    ServerState("26000", *_POOLER, Remedy.RENEW),
    ServerState("42P05", *_POOLER, Remedy.RENEW),
    ServerState("40001", "had two transactions in conflict", french.IN_CONFLICT, is_conflict=True),
    ServerState("40003", "did not say whether a statement came through", french.AWAY, Remedy.RENEW),
    ServerState("40P01", "ended a deadlock", french.IN_CONFLICT, is_conflict=True),
    ServerState("53", "lacks resources", french.SHORT_OF_RESOURCES),
    ServerState("53100", *_FULL_DISK),
    ServerState("53200", "is out of memory", french.OUT_OF_MEMORY),
    ServerState("53300", "has no connection left", french.NO_CONNECTION_LEFT, Remedy.RENEW),
    ServerState("53400", *_LIMITED),
    ServerState("55P03", "has the rows locked by somebody else", french.LOCKED,
                Remedy.LONGER, is_conflict=True),
    ServerState("57", *_STOPPED, Remedy.RENEW),
    ServerState("57014", "cuts statements short (statement_timeout)", french.STATEMENT_CUT,
                Remedy.LONGER),
    ServerState("58", *_SYSTEM),
    ServerState("XX001", *_DAMAGED),
    ServerState("XX002", *_DAMAGED),
)  # fmt: skip

_BY_CODE = {state.code: state for state in STATES}


def find_state(sqlstate: str) -> ServerState | None:
    """What this SQLSTATE says of the server; None when it speaks of the statement."""
    return _BY_CODE.get(sqlstate) or _BY_CODE.get(sqlstate[:2])
