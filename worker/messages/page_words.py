"""What the pages say that their templates (`worker/web/templates`) do not: texts that depend on what happened."""

from __future__ import annotations

from collections.abc import Mapping

from worker.messages.phrases import duration

# -- a job

ROWS_NOT_COUNTED = "à lire"
TIME_UNKNOWN = "–"
PRICE_UNKNOWN = "tarif inconnu"


def rows_done(done: str, total: str) -> str:
    """`12 sur 40`, of numbers as the page writes them."""
    return f"{done} sur {total}"


def time_left(seconds: float) -> str:
    """`environ 5 min`."""
    return f"environ {duration(seconds)}".replace(" ", "\u00a0")


# -- À trancher

OFFICIAL_ANSWER = "Réponse officielle"
DECISION_DONE: Mapping[str, str] = {
    "keep": "La réponse officielle est gardée.",
    "accept": "La réponse de l'analyse est acceptée.",
    "edit": "La réponse est modifiée.",
    "discard": "La question est écartée.",
    "undo": "La décision est annulée : la question est de nouveau ouverte.",
}


def look(number: int) -> str:
    """Heads what an analysis says: `Analyse 1`."""
    return f"Analyse {number}"
