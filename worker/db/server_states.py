"""What a SQLSTATE says of the database's server rather than of the statement: one table, and what follows from each.

Whoever runs into one of these is not to blame. It is waited for, and tried again; nothing is counted against a task.
What is not here is the statement's own doing, `XX000` as well: a server reports its bugs so, and what meets one will
meet it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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


AWAY = ServerState("08", "does not answer", "ne répond pas", Remedy.RENEW)
BUSY = ServerState("pool", "answers too slowly: every connection is in use", "répond trop lentement")
_POOLER = (
    "is behind a pooler that gives one client's statements to another",
    "est derrière un répartiteur de connexions (pgbouncer) mal déclaré",
)
_DAMAGED = ("reports damaged files", "signale des fichiers endommagés")
_FULL_DISK = ("has no room left on its disk", "n'a plus de place sur son disque")
_LIMITED = ("has reached a limit of its configuration", "a atteint une limite de sa configuration")
_STOPPED = ("is being stopped or started", "est en cours d'arrêt ou de démarrage")
_SYSTEM = ("has trouble with its disk or its system", "rencontre une panne de disque ou de système")

STATES = (
    AWAY,  # and 08P01: what a pooler says that has no server, or mixed two clients up
    # Protection: knowing that a server which is read-only is no fault of the task
    ServerState("25006", "is read-only", "est en lecture seule", Remedy.RENEW),  # perhaps a standby by now
    ServerState("25P03", "ended a transaction that stood still", "a coupé la connexion", Remedy.RENEW),
    ServerState("25P04", "ended a transaction for its length", "interrompt les transactions longues", Remedy.RENEW),
    ServerState("26000", *_POOLER, Remedy.RENEW),
    ServerState("42P05", *_POOLER, Remedy.RENEW),
    ServerState("40001", "had two transactions in conflict", "traite trop de demandes à la fois", is_conflict=True),
    ServerState("40003", "did not say whether a statement came through", "ne répond pas", Remedy.RENEW),
    ServerState("40P01", "ended a deadlock", "traite trop de demandes à la fois", is_conflict=True),
    ServerState("53", "lacks resources", "manque de ressources"),
    ServerState("53100", *_FULL_DISK),
    ServerState("53200", "is out of memory", "n'a plus de mémoire"),
    ServerState("53300", "has no connection left", "n'a plus de connexion libre", Remedy.RENEW),
    ServerState("53400", *_LIMITED),
    ServerState("55P03", "has the rows locked by somebody else", "est verrouillée par une autre opération",
                Remedy.LONGER, is_conflict=True),
    ServerState("57", *_STOPPED, Remedy.RENEW),
    ServerState("57014", "cuts statements short (statement_timeout)", "interrompt les requêtes avant leur fin",
                Remedy.LONGER),
    ServerState("58", *_SYSTEM),
    ServerState("XX001", *_DAMAGED),
    ServerState("XX002", *_DAMAGED),
)  # fmt: skip

_BY_CODE = {state.code: state for state in STATES}


def find_state(sqlstate: str) -> ServerState | None:
    """What this SQLSTATE says of the server; None when it speaks of the statement."""
    return _BY_CODE.get(sqlstate) or _BY_CODE.get(sqlstate[:2])
