"""Why a job failed: its row's `errorMessage`, with what to do next. What is wrong with a file is in `file_refusals`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from worker.messages.phrases import dollars, duration
from worker.text.local_time import day_and_hour

# -- its questions


def no_success(reasons: Collection[str | None]) -> str:
    """No row was analysed. `reasons`: of all of them, each once; a single one is the cause of all."""
    one = next(iter(reasons)) if len(reasons) == 1 else None
    if not one:
        return "Aucune question n'a pu être analysée : voir la colonne « raison » du classeur corrigé."
    return f"Aucune question n'a pu être analysée, pour une même cause sur toutes les lignes : {one}"


NO_WORKBOOK = (
    "Aucune ligne du fichier n'est encore lue : il n'y a pas de classeur à télécharger. Attendre la fin de la lecture, "
    "ou voir pourquoi elle a échoué."
)


def rows_gone(there: int, read: int) -> str:
    """Said when the rows that were read and those in the database are not the same any more."""
    return (
        f"Des lignes de cette tâche ont été retirées ou ajoutées dans la base ({there} au lieu de {read}) : envoyer de "
        "nouveau le fichier dans une nouvelle tâche. Les réponses déjà obtenues seront réutilisées."
    )


# -- the service itself

PREPARE_QUARANTINED = (
    "La lecture du fichier a interrompu le service à plusieurs reprises. Vérifier le fichier, puis relancer la tâche."
)
FINISH_QUARANTINED = (
    "L'écriture du classeur corrigé a interrompu le service à plusieurs reprises. Les questions sont enregistrées ; "
    "relancer la tâche pour écrire le classeur."
)
BEGUN_BEFORE = (
    "Cette tâche avait été commencée avant l'installation du service, et rien ne l'a fait avancer depuis une heure : "
    "la remettre en file d'attente pour la traiter."
)

# -- the storage of its files

STORAGE_FULL = (
    "L'espace de stockage est plein : le classeur corrigé n'a pas pu être écrit. Les questions sont enregistrées ; "
    "faire de la place, puis relancer la tâche."
)
STORAGE_REFUSED = (
    "Le service n'a pas le droit d'écrire dans l'espace de stockage. Les questions sont enregistrées ; corriger les "
    "droits, puis relancer la tâche pour écrire le classeur."
)


def storage_outage(down_s: float) -> str:
    """The cause of a job that waited for the storage as long as it may."""
    return (
        f"L'espace de stockage des fichiers est resté indisponible pendant {duration(down_s)}. Relancer la tâche quand "
        "il répond : ce qui est fait est gardé."
    )


# -- what it may cost


def budget_spent(spent_usd: Decimal, max_usd: float) -> str:
    """The cause of a job that would have cost more than its `maxCostUsd`."""
    return (
        f"Le budget de la tâche ({dollars(max_usd)}) est atteint : {dollars(spent_usd)} dépensés, et le prochain appel "
        "pourrait le dépasser. Augmenter « maxCostUsd », puis relancer la tâche : les réponses déjà obtenues seront "
        "réutilisées."
    )


def price_unknown(model: str) -> str:
    """The cause of a job with a budget whose model has no known price."""
    return (
        f"Le tarif du modèle « {model} » n'est pas connu : le plafond « maxCostUsd » ne peut pas être garanti. "
        "Ajouter ce modèle au fichier des tarifs (MEDQ_PRICES) ou retirer le plafond, puis relancer la tâche."
    )


# -- the model's provider is away


def outage(down_s: float) -> str:
    """The cause of a job that waited as long as it may."""
    return (
        f"Le service d'IA est resté indisponible pendant {duration(down_s)}. Relancer la tâche quand il répond : "
        "les réponses déjà obtenues seront réutilisées."
    )


def pause_too_long(until: datetime) -> str:
    """The cause of a job whose provider wants a longer pause than a job may wait. Times are UTC."""
    return (
        f"Le fournisseur du modèle demande d'attendre jusqu'au {day_and_hour(until)}, plus longtemps qu'une "
        "tâche ne peut attendre. Relancer la tâche après cette heure : les réponses déjà obtenues seront réutilisées."
    )
