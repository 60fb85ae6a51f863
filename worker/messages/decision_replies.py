"""What a person is told whose decision is not taken, on the page, by the API, the command and the returned workbook."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from worker.messages.phrases import either
from worker.text.local_time import day_and_hour

SOMEBODY = "Quelqu'un"  # whose name is not known any more

# -- the question

NO_SUCH_ITEM = "Cette question n'existe plus : sa tâche a été supprimée."
NOT_OPEN = "Cette question n'attend pas de décision."
QUESTION_CHANGED = (
    "Cette question a changé depuis qu'elle a été affichée : relire son état actuel, puis décider de nouveau."
)
QUESTION_REWRITTEN = (
    "L'énoncé ou les propositions de cette question ont été modifiés sur la plateforme depuis l'analyse : la trancher "
    "là-bas, ou envoyer de nouveau le fichier."
)


def settled_by(name: str, when: datetime) -> str:
    """Somebody else was faster."""
    return f"{name} a déjà tranché cette question le {day_and_hour(when)} : annuler cette décision pour la changer."


def may_not_decide(user: str) -> str:
    """Why this user's decision is not taken."""
    return (
        f"« {user[:80]} » n'est pas un compte actif d'administrateur ou de responsable : il ne peut pas trancher. "
        "Demander ce droit à un administrateur, ou donner l'adresse d'un tel compte."
    )


# -- what was decided

NOTHING_TO_KEEP = (
    "Le fichier ne donne pas de réponse officielle : il n'y a rien à garder. Accepter l'analyse, ou modifier la "
    "réponse."
)
NOTHING_TO_ACCEPT = (
    "Aucune analyse n'a donné de réponse : il n'y a rien à accepter. Garder la réponse officielle, ou la modifier."
)
NOTHING_TO_UNDO = "Aucune décision n'est à annuler sur cette question."
ANSWER_WANTED = "Cette question est rédactionnelle : donner la réponse à retenir."
ANSWER_NOT_KEY = "Cette question est rédactionnelle : donner une réponse, et non une clé de lettres."


def looks_differ(values: Sequence[str]) -> str:
    """Why two analyses cannot be accepted."""
    return (
        f"Les deux analyses ne donnent pas la même réponse ({', '.join(values)}) : modifier la réponse et donner celle "
        "à retenir."
    )


def key_wanted(letters: Sequence[str]) -> str:
    """Asked of a decision that gives no key."""
    return f"Donner la clé à retenir, par exemple « {''.join(letters[:2])} » (propositions : {', '.join(letters)})."


def key_not_understood(typed: str, letters: Sequence[str]) -> str:
    """Why a typed key is none."""
    return (
        f"« {typed[:40]} » n'est pas une clé de cette question : donner une ou plusieurs lettres parmi "
        f"{', '.join(letters)}."
    )


# -- the returned workbook

NOT_A_REVIEW = (
    "Ce classeur n'a pas de feuille « À revoir » avec une colonne « décision » : envoyer le classeur corrigé d'une "
    "tâche, tel qu'il a été téléchargé, avec les décisions inscrites."
)
ROW_OF_ANOTHER_JOB = "Cette ligne vient du classeur d'une autre tâche : l'envoyer sur la page de cette tâche-là."
ROW_NOT_KNOWN = (
    "La colonne masquée « medq » ne dit plus de quelle question il s'agit : reprendre le classeur tel qu'il a été "
    "téléchargé, et y inscrire la décision."
)


def decision_wanted(words: Sequence[str]) -> str:
    """Said of a row of the workbook in which something is typed, but no decision."""
    return f"Aucune décision n'est choisie sur cette ligne : choisir {either(words)}."


def decision_unknown(typed: str, words: Sequence[str]) -> str:
    """Said of a word that is no decision."""
    return f"« {typed[:40]} » n'est pas une décision : choisir {either(words)}."


def only_edit_types(word: str) -> str:
    """Said of an answer or explanation typed beside a decision that takes none."""
    return (
        f"Une réponse ou une explication est écrite à côté de « {word[:40]} », qui n'en prend pas : choisir "
        "« modifier » pour la retenir, ou l'effacer."
    )
