"""The French sentences that admins read on the job row. Constants and small builders, one place for all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from worker.text.local_time import day_and_hour, hour

VALIDATED_BY_PERSON = "Question déjà enregistrée et validée par une personne : elle n'a pas été modifiée."
REWRITTEN_BY_PERSON = (
    "Cette question est enregistrée, et son énoncé ou ses propositions ont été modifiés sur la plateforme : elle n'a "
    "pas été touchée."
)
NO_SUCCESS = "Aucune question n'a pu être analysée : voir la colonne « raison » du classeur corrigé."
NO_SUCCESS_ONE_CAUSE = "Aucune question n'a pu être analysée, pour une même cause sur toutes les lignes : "
QUARANTINED = "Ce lot a interrompu le service trois fois de suite ; il a été mis à l'écart."
PREPARE_QUARANTINED = (
    "La lecture du fichier a interrompu le service trois fois de suite. Vérifier le fichier, puis relancer la tâche."
)
FINISH_QUARANTINED = (
    "L'écriture du classeur corrigé a interrompu le service trois fois de suite. Les questions sont enregistrées ; "
    "relancer la tâche pour écrire le classeur."
)
BEGUN_BEFORE = (
    "Cette tâche avait été commencée avant l'installation du service, et rien ne l'a fait avancer depuis une heure : "
    "la remettre en file d'attente pour la traiter."
)
BATCH_GONE = (
    "Le lot de cette question a été retiré de la base avant l'analyse : relancer la tâche pour analyser la question."
)
RETRIEVAL_FAILED = "La recherche dans les cours a échoué : la question a été analysée sans extrait."
STORAGE_FULL = (
    "L'espace de stockage est plein : le classeur corrigé n'a pas pu être écrit. Les questions sont enregistrées ; "
    "faire de la place, puis relancer la tâche."
)
STORAGE_REFUSED = (
    "Le service n'a pas le droit d'écrire dans l'espace de stockage. Les questions sont enregistrées ; corriger les "
    "droits, puis relancer la tâche pour écrire le classeur."
)
EMBEDDED = "Modèle de démonstration : ses réponses ne valent rien, aucune question n'est validée."

BATCH_EMBEDDED = (
    "Le modèle de démonstration ne traite pas de lots différés : retirer « batchApi » de la configuration de la tâche, "
    "puis la relancer."
)
BATCH_UNANSWERED = (
    "Deux lots différés de suite sont revenus du fournisseur sans aucune réponse. Retirer « batchApi » de la "
    "configuration de la tâche ou attendre, puis relancer la tâche : les réponses déjà obtenues seront réutilisées."
)

NAMES_SHOWN = 5

# -- decisions

EXPLANATION_MISSING = "Explication à rédiger."
EXPLAINED_BY_MODEL = "Explication rédigée par un modèle d'IA pour la réponse retenue, non relue :"
NOTHING_TO_KEEP = (
    "Le fichier ne donne pas de réponse officielle : il n'y a rien à garder. Accepter l'analyse, ou modifier la "
    "réponse."
)
NOTHING_TO_ACCEPT = (
    "Aucune analyse n'a donné de réponse : il n'y a rien à accepter. Garder la réponse officielle, ou la modifier."
)
ANSWER_WANTED = "Cette question est rédactionnelle : donner la réponse à retenir."
ANSWER_NOT_KEY = "Cette question est rédactionnelle : donner une réponse, et non une clé de lettres."
NOTHING_TO_UNDO = "Aucune décision n'est à annuler sur cette question."
NOT_OPEN = "Cette question n'attend pas de décision."
QUESTION_CHANGED = (
    "Cette question a changé depuis qu'elle a été affichée : relire son état actuel, puis décider de nouveau."
)
QUESTION_REWRITTEN = (
    "L'énoncé ou les propositions de cette question ont été modifiés sur la plateforme depuis l'analyse : la trancher "
    "là-bas, ou envoyer de nouveau le fichier."
)
NO_SUCH_ITEM = "Cette question n'existe plus : sa tâche a été supprimée."

ROW_OF_ANOTHER_JOB = "Cette ligne vient du classeur d'une autre tâche : l'envoyer sur la page de cette tâche-là."
NOT_A_REVIEW = (
    "Ce classeur n'a pas de feuille « À revoir » avec une colonne « décision » : envoyer le classeur corrigé d'une "
    "tâche, tel qu'il a été téléchargé, avec les décisions inscrites."
)
NO_WORKBOOK = "Aucune ligne du fichier n'est encore lue : il n'y a pas de classeur à télécharger."

ROW_NOT_KNOWN = (
    "La colonne masquée « medq » ne dit plus de quelle question il s'agit : reprendre le classeur tel qu'il a été "
    "téléchargé, et y inscrire la décision."
)

OUTCOME_WORDS = {
    "confirmed": ("confirmée", "confirmées"),
    "corrected": ("corrigée", "corrigées"),
    "completed": ("complétée", "complétées"),
    "contested": ("contestée", "contestées"),
    "duplicate": ("en double", "en double"),
    "rejected": ("refusée", "refusées"),
    "failed": ("en échec", "en échec"),
}

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
    "prompt_leak": "explication qui cite les consignes",
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


def count(number: int, singular: str, plural: str | None = None) -> str:
    """`1 question`, `2 questions`, `0 question` (French: plural from two on)."""
    return f"{number} {singular if number < 2 else plural or singular + 's'}"


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
        sentence += f" {'Feuille non lue' if len(left_out) == 1 else 'Feuilles non lues'} : {_some(left_out)}."
    if labels:
        sentence += f" À savoir : {_some(labels)} (détail dans la feuille « Résumé » du classeur corrigé)."
    return f"{sentence} {EMBEDDED}" if embedded else sentence


def some_names(names: Sequence[str]) -> str:
    """« a », « b » et 3 autres."""
    return _some([f"« {name} »" for name in names])


def _some(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = len(names) - NAMES_SHOWN
    shown = ", ".join(names[:NAMES_SHOWN])
    return shown if more <= 0 else f"{shown} et {count(more, 'autre')}"


def refused(code: str | None) -> str:
    """Why an item is `failed`: the last refusal, in words."""
    cause = "aucune réponse" if code is None else REFUSAL_WORDS.get(code, "réponse non conforme")
    return f"Aucune analyse acceptable après plusieurs essais ({cause})."


def provider_down(retry_at: datetime, until: datetime, *, is_illegible: bool = False) -> str:
    """Said while the job waits for the endpoint. Times are UTC. `is_illegible`: it answers, but not what it should."""
    what = "répond sous une forme illisible" if is_illegible else "ne répond pas"
    return (
        f"Le service d'IA {what} : nouvel essai à {hour(retry_at)}, attente jusqu'à {hour(until)} "
        "au plus tard. Rien n'est perdu."
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


def storage_outage(down_s: float) -> str:
    """The cause of a job that waited for the storage as long as it may."""
    return (
        f"L'espace de stockage des fichiers est resté indisponible pendant {duration(down_s)}. Relancer la tâche quand "
        "il répond : ce qui est fait est gardé."
    )


def provider_busy(retry_at: datetime) -> str:
    """Said while the endpoint wants the job to pause. Times are UTC."""
    return f"Le service d'IA limite le débit : reprise à {hour(retry_at)}. Rien n'est perdu."


def provider_slow(requests: float, left_s: float) -> str:
    """Said while the endpoint allows a few `requests` a minute; `left_s`: what the open batches take at that pace."""
    calls = "un appel" if requests == 1 else f"{requests:g} appels".replace(".", ",")
    return (
        f"Le fournisseur du modèle n'autorise que {calls} par minute : la tâche durera encore environ "
        f"{duration(left_s)}. Rien n'est perdu."
    )


def pause_too_long(until: datetime) -> str:
    """The cause of a job whose provider wants a longer pause than a job may wait. Times are UTC."""
    return (
        f"Le fournisseur du modèle demande d'attendre jusqu'au {day_and_hour(until)}, plus longtemps qu'une "
        "tâche ne peut attendre. Relancer la tâche après cette heure : les réponses déjà obtenues seront réutilisées."
    )


def batch_waits(calls: int, until: datetime) -> str:
    """Said while the provider's batch is under way. Times are UTC."""
    return (
        f"Les questions attendent le lot différé du fournisseur ({count(calls, 'appel')} à demi-tarif) : réponses au "
        f"plus tard le {day_and_hour(until)}. Rien n'est perdu."
    )


def batch_refused(host: str, code: str) -> str:
    """The cause of a job whose provider takes no batches, or not this one."""
    return (
        f"Le fournisseur du modèle ({host}) refuse les lots différés (code « {code} ») : retirer « batchApi » de la "
        "configuration de la tâche, ou utiliser un modèle ou un déploiement qui les accepte, puis relancer la tâche."
    )


def outage(down_s: float) -> str:
    """The cause of a job that waited as long as it may."""
    return (
        f"Le service d'IA est resté indisponible pendant {duration(down_s)}. Relancer la tâche quand il répond : "
        "les réponses déjà obtenues seront réutilisées."
    )


def illegible(host: str, instead: str) -> str:
    """The cause of a job whose provider answers, never with a completion. `instead`: what comes, with its article."""
    return (
        f"Le fournisseur du modèle ({host}) répond sous une forme illisible ({instead} au lieu d'une réponse du "
        "modèle) : vérifier son adresse et ce qui se trouve entre lui et le service, puis relancer la tâche."
    )


def redirected(host: str, target: str | None) -> str:
    """The cause of a job whose provider's address leads elsewhere."""
    where = f" vers {target}" if target else ""
    return (
        f"L'adresse du fournisseur du modèle ({host}) renvoie{where} : la clé n'y est pas envoyée. Corriger l'adresse "
        "(OPENAI_BASE_URL ou AZURE_OPENAI_ENDPOINT), puis relancer la tâche."
    )


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


def dollars(amount: Decimal | float) -> str:
    """`2,00 $`, and as many decimals as a small amount needs to be told from nothing: `0,0042 $`."""
    digits = 2 if amount >= 1 or not amount else 4
    return f"{amount:.{digits}f} $".replace(".", ",")


def validated_by_person(stored: str | None, other: str | None) -> str:
    """Why a row is left alone; `other` is the file's own answer where it is not the one that stands."""
    if other is None or stored is None:
        return VALIDATED_BY_PERSON
    return f"{VALIDATED_BY_PERSON} Elle a « {stored} », ce fichier donne « {other} »."


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


def same_content(row_number: int, sheet: str) -> str:
    """What a repeat of a row says of itself."""
    return f"Même contenu que la ligne {row_number} de la feuille « {sheet} »."


def kept_as_validated(official: str) -> str:
    """Added to the reason when the platform already holds a validated key that an unvalidated answer may not touch."""
    return f"La question est déjà enregistrée et validée avec « {official} » : elle y reste inchangée."


def duration(seconds: float) -> str:
    """`40 s`, `5 min`, `3 h`."""
    if seconds >= 3 * 3600:
        return f"{round(seconds / 3600)} h"
    return f"{round(seconds / 60)} min" if seconds >= 90 else f"{max(1, round(seconds))} s"


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


def settled_by(name: str, when: datetime) -> str:
    """Somebody else was faster."""
    return f"{name} a déjà tranché cette question le {day_and_hour(when)} : annuler cette décision pour la changer."


def may_not_decide(user: str) -> str:
    """Why this user's decision is not taken."""
    return f"« {user[:80]} » n'est pas un compte actif d'administrateur ou de responsable : il ne peut pas trancher."


def decision_wanted(words: Sequence[str]) -> str:
    """Said of a row of the workbook in which something is typed, but no decision."""
    return f"Aucune décision n'est choisie sur cette ligne : choisir {_either(words)}."


def decision_unknown(typed: str, words: Sequence[str]) -> str:
    """Said of a word that is no decision."""
    return f"« {typed[:40]} » n'est pas une décision : choisir {_either(words)}."


def only_edit_types(word: str) -> str:
    """Said of an answer or explanation typed beside a decision that takes none."""
    return (
        f"Une réponse ou une explication est écrite à côté de « {word[:40]} », qui n'en prend pas : choisir "
        "« modifier » pour la retenir, ou l'effacer."
    )


def decisions_not_taken(sheet: str, number: int) -> str:
    """Said of an upload that holds decisions."""
    held = count(number, "décision y est inscrite et n'a", "décisions y sont inscrites et n'ont")
    taken = "pas été enregistrée" if number < 2 else "pas été enregistrées"
    return (
        f"Feuille « {sheet} » : {held} {taken} par cet envoi. Pour qu'elles le soient, faire lire ce même classeur par "
        "« medq decisions »."
    )


def _either(words: Sequence[str]) -> str:
    quoted = [f"« {word} »" for word in words]
    return f"{', '.join(quoted[:-1])} ou {quoted[-1]}"


_OPEN = re.compile(r" \d{1,9} à revoir\.")


def rows_gone(there: int, read: int) -> str:
    """Said when the rows that were read and those in the database are not the same any more."""
    return (
        f"Des lignes de cette tâche ont été retirées ou ajoutées dans la base ({there} au lieu de {read}) : envoyer de "
        "nouveau le fichier dans une nouvelle tâche. Les réponses déjà obtenues seront réutilisées."
    )


def with_open(message: str, open_items: int) -> str:
    """The job's last sentence, with how many of its rows wait for a person."""
    head, end, rest = _OPEN.sub("", message).partition(").")
    return f"{head}{end} {open_items} à revoir.{rest}" if open_items and end else f"{head}{end}{rest}"
