"""Where a job stands: its row's `message`, while it waits, works, and once it has ended."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from worker.messages.phrases import count, duration, some
from worker.messages.published_text import EMBEDDED_WARNING
from worker.messages.status_words import OUTCOME_WORDS
from worker.text.local_time import day_and_hour, hour

PROCESS_LOST = "Le processus qui faisait cette étape s'est arrêté."  # of a task, in its own row


def prepared(items: int) -> str:
    """Said once the file is read."""
    return f"{count(items, 'question lue', 'questions lues')}, analyse en cours."


def finished(
    outcomes: Mapping[str, int], left_out: Sequence[str], labels: Sequence[str] = (), *, embedded: bool
) -> str:
    """Said when the job is done: how many of each outcome, which sheets were not read, what else was not used."""
    total = sum(outcomes.values())
    if not total:
        sentence = "Terminé : aucune question dans ce fichier."
    else:
        parts = [count(outcomes[name], *words) for name, words in OUTCOME_WORDS.items() if outcomes.get(name)]
        sentence = f"Terminé : {count(total, 'question')} ({', '.join(parts)})."
    if left_out:
        sentence += f" {'Feuille non lue' if len(left_out) == 1 else 'Feuilles non lues'} : {some(left_out)}."
    if labels:
        sentence += f" À savoir : {some(labels)} (détail dans la feuille « Résumé » du classeur corrigé)."
    return f"{sentence} {EMBEDDED_WARNING}" if embedded else sentence


_OPEN = re.compile(r" \d{1,9} à revoir\.")


def with_open(message: str, open_items: int) -> str:
    """The job's last sentence, with how many of its rows wait for a person."""
    head, end, rest = _OPEN.sub("", message).partition(").")
    return f"{head}{end} {open_items} à revoir.{rest}" if open_items and end else f"{head}{end}{rest}"


# -- what it waits for


def provider_down(retry_at: datetime, until: datetime, *, is_illegible: bool = False) -> str:
    """Said while the job waits for the endpoint. Times are UTC. `is_illegible`: it answers, but not what it should."""
    what = "répond sous une forme illisible" if is_illegible else "ne répond pas"
    return (
        f"Le service d'IA {what} : nouvel essai à {hour(retry_at)}, attente jusqu'à {hour(until)} "
        "au plus tard. Rien n'est perdu."
    )


def provider_busy(retry_at: datetime) -> str:
    """Said while the endpoint wants the job to pause. Times are UTC."""
    return f"Le service d'IA limite le débit : reprise à {hour(retry_at)}. Rien n'est perdu."


def provider_slow(requests: float, left_s: float) -> str:
    """Said while the endpoint allows a few `requests` a minute; `left_s`: what the open batches take at that pace."""
    calls = "un appel" if requests == 1 else f"{requests:g} {'appel' if requests < 2 else 'appels'}".replace(".", ",")
    return (
        f"Le fournisseur du modèle n'autorise que {calls} par minute : la tâche durera encore environ "
        f"{duration(left_s)}. Rien n'est perdu."
    )


def batch_waits(calls: int, until: datetime) -> str:
    """Said while the provider's batch is under way. Times are UTC."""
    return (
        f"Les questions attendent le lot différé du fournisseur ({count(calls, 'appel')} à demi-tarif) : réponses au "
        f"plus tard le {day_and_hour(until)}. Rien n'est perdu."
    )


def storage_away(retry_at: datetime, until: datetime) -> str:
    """Said while the job waits for the storage of its files. Times are UTC."""
    return (
        f"L'espace de stockage des fichiers ne répond pas : nouvel essai à {hour(retry_at)}, attente jusqu'à "
        f"{hour(until)} au plus tard. Rien n'est perdu."
    )


def database_waits(cause: str, since: datetime) -> str:
    """Said while the job waits for the database, as far as its row can be written. `cause`: of `ServerState`. UTC."""
    return (
        f"La base de données {cause} depuis {hour(since)} : le service attend et reprend dès que possible. Prévenir "
        "l'exploitant si cela dure. Rien n'est perdu."
    )
