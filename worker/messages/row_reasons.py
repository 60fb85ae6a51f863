"""Why a row came to its outcome without an analysis: its `reason`. What analyses come to is in `verdict_reasons`."""

from __future__ import annotations

from collections.abc import Sequence

from worker.messages.phrases import count

# -- it stands already

VALIDATED_BY_PERSON = "Question déjà enregistrée et validée par une personne : elle n'a pas été modifiée."
REWRITTEN_BY_PERSON = (
    "Cette question est enregistrée, et son énoncé ou ses propositions ont été modifiés sur la plateforme : elle n'a "
    "pas été touchée."
)


def validated_by_person(stored: str | None, other: str | None) -> str:
    """Why a row is left alone; `other` is the file's own answer where it is not the one that stands."""
    if other is None or stored is None:
        return VALIDATED_BY_PERSON
    return f"{VALIDATED_BY_PERSON} Elle a « {stored} », ce fichier donne « {other} »."


def kept_as_validated(official: str) -> str:
    """Added to the reason when the platform already holds a validated key that an unvalidated answer may not touch."""
    return f"La question est déjà enregistrée et validée avec « {official} » : elle y reste inchangée."


def already_given(given: str, file_name: str | None) -> str:
    """Why a row without an official answer is left alone: another file gave one for the same question."""
    source = f" du fichier « {file_name} »" if file_name else ""
    return f"Question déjà enregistrée avec la réponse officielle « {given} »{source} ; cette ligne n'en donne aucune."


def other_official(official: str, given: str, stored: str, *, file_name: str | None, job_id: str | None) -> str:
    """Two files give the same question two official answers; both, and where the other one is from."""
    source = f" (fichier « {file_name} », tâche {job_id})" if file_name else ""
    kept = "celle-ci" if given == stored else f"« {stored} »"
    return (
        f"Réponse officielle différente de celle déjà enregistrée pour la même question : ici « {official} », "
        f"là « {given} »{source}. La question garde {kept} jusqu'à ce qu'une personne tranche."
    )


# -- it stands twice in its file


def same_content(row_number: int, sheet: str) -> str:
    """What a repeat of a row says of itself."""
    return f"Même contenu que la ligne {row_number} de la feuille « {sheet} »."


def row_with_answer(row_number: int, sheet: str, official: str | None) -> str:
    """A row of `conflicting_rows`, by its place and its official answer."""
    return f"ligne {row_number} de la feuille « {sheet} » ({official or 'sans réponse'})"


def conflicting_rows(own: str | None, others: Sequence[str], more: int) -> str:
    """Rows of the same content carry different official answers. `others`: of `row_with_answer`; `more`: unnamed."""
    named = [*others, f"et {count(more, 'autre ligne', 'autres lignes')}"] if more else others
    answers = f"ici {own or 'aucune'}, {', '.join(named)}"
    return f"Même contenu, réponse officielle différente : {answers}. Aucune n'a été retenue."


# -- the platform's database would refuse it


def one_letter_keys(key: str) -> str:
    """The database takes keys of one letter."""
    return (
        f"La base n'accepte qu'une seule lettre par clé ; la clé {key} en a {len(key)}. "
        "Demander à l'exploitant d'appliquer « medq schema upgrade », puis relancer la tâche."
    )


def five_options(options: int) -> str:
    """The database takes five options and no fewer."""
    return (
        f"La base exige cinq propositions ; la question en a {options}. "
        "Demander à l'exploitant d'appliquer « medq schema upgrade », puis relancer la tâche."
    )


# -- no analysis came of it

RETRIEVAL_FAILED = "La recherche dans les cours a échoué : la question a été analysée sans extrait."
QUARANTINED = (
    "Ce lot a interrompu le service à plusieurs reprises ; il a été mis à l'écart. Prévenir l'exploitant, puis "
    "relancer la tâche pour analyser la question."
)
BATCH_GONE = (
    "Le lot de cette question a été retiré de la base avant l'analyse : relancer la tâche pour analyser la question."
)
REFUSAL_WORDS = {
    "missing": "question absente des réponses",
    "content_filter": "contenu refusé par le fournisseur",
    "refusal": "le modèle refuse de répondre",
    "content_refused": "le modèle refuse de répondre",
    "truncated": "réponse coupée avant la fin",
    "context_too_long": "question trop longue pour le modèle",
    "bad_request": "question refusée par le fournisseur",
    "timeout": "le modèle n'a pas répondu à temps",
    "connection_lost": "connexion perdue avant la réponse",
    "empty": "réponse vide",
    "batch_expired": "lot différé expiré avant la réponse",
    "batch_cancelled": "lot différé annulé chez le fournisseur",
    "rate_limited": "le fournisseur limite le débit",
    "server_error": "panne du fournisseur",
    "unknown": "appels interrompus avant la réponse",
    "prompt_leak": "explication qui cite les instructions du service",
    "confidence_out_of_range": "confiance hors limites",
    "unreadable": "réponse illisible",
    "illegible": "le fournisseur répond sous une forme illisible",
    "no_answer": "aucune réponse donnée",
    "no_verdict": "aucun avis sur la réponse officielle",
    "ambiguous": "deux valeurs pour un même champ",
    "request_too_large": "question trop longue pour la limite de débit du fournisseur",
    "no_explanation": "explication manquante",
    "placeholder": "explication sans contenu",
    "too_short": "explication sans contenu",
    "unknown_letter": "lettre inexistante",
    "names_letters": "explication qui nomme une proposition par sa lettre",
    "no_letters": "aucune lettre donnée",
    "missing_option_explanation": "explication manquante pour une proposition",
}


def refused(code: str | None) -> str:
    """Why an item is `failed`: the last refusal, in words."""
    cause = "aucune réponse" if code is None else REFUSAL_WORDS.get(code, "réponse non conforme")
    return f"Aucune analyse acceptable ({cause}) : relancer la tâche, ou corriger la question et la renvoyer."
