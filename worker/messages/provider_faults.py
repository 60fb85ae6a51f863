"""What is wrong with the model's provider so that no call can succeed: a job's `errorMessage`, and what to correct."""

from __future__ import annotations

# -- batches

BATCH_EMBEDDED = (
    "Le modèle de démonstration ne traite pas de lots différés : retirer « batchApi » de la configuration de la tâche, "
    "puis la relancer."
)
BATCH_UNANSWERED = (
    "Deux lots différés de suite sont revenus du fournisseur sans aucune réponse. Retirer « batchApi » de la "
    "configuration de la tâche ou attendre, puis relancer la tâche : les réponses déjà obtenues seront réutilisées."
)


def batch_refused(host: str, code: str) -> str:
    """The provider takes no batches, or not this one."""
    return (
        f"Le fournisseur du modèle ({host}) refuse les lots différés (code « {code} ») : retirer « batchApi » de la "
        "configuration de la tâche, ou utiliser un modèle ou un déploiement qui les accepte, puis relancer la tâche."
    )


# -- access

QUOTA_SPENT = "Le quota du fournisseur du modèle est épuisé : recharger le compte, puis relancer la tâche."


def place_refused(host: str) -> str:
    """The provider serves no one in this country."""
    return (
        f"Le fournisseur du modèle ({host}) ne répond pas depuis ce pays : en choisir un autre, puis relancer la tâche."
    )


def key_refused(host: str) -> str:
    """The provider does not know the key."""
    return f"Le fournisseur du modèle ({host}) refuse la clé d'accès : la corriger, puis relancer la tâche."


def blocked(host: str, status: int) -> str:
    """A firewall answers with a page. `status`: of HTTP."""
    return (
        f"Un pare-feu devant {host} bloque les appels (HTTP {status}, une page web au lieu d'une réponse) : faire "
        "autoriser l'adresse de ce serveur, ou corriger l'adresse du modèle, puis relancer la tâche."
    )


def model_forbidden(model: str, host: str) -> str:
    """The key has no right to this model."""
    return (
        f"La clé d'accès n'a pas droit au modèle « {model} » chez {host} : changer de clé ou de modèle, puis relancer "
        "la tâche."
    )


def model_not_found(model: str, host: str) -> str:
    """There is no such model at this address."""
    return f"Le modèle « {model} » n'existe pas à l'adresse {host} : corriger l'un ou l'autre, puis relancer la tâche."


def redirected(host: str, target: str | None) -> str:
    """The provider's address leads elsewhere."""
    where = f" vers {target}" if target else ""
    return (
        f"L'adresse du fournisseur du modèle ({host}) renvoie{where} : la clé n'y est pas envoyée. Corriger l'adresse "
        "(OPENAI_BASE_URL ou AZURE_OPENAI_ENDPOINT), puis relancer la tâche."
    )


# -- the request


def no_reply_limit(model: str) -> str:
    """The model takes neither name of the ceiling of a reply."""
    return (
        f"Le modèle « {model} » n'accepte aucune limite de réponse (paramètres « max_completion_tokens » et "
        "« max_tokens ») : en choisir un autre, puis relancer la tâche."
    )


def no_structured_replies(model: str) -> str:
    """The model takes no JSON schema."""
    return (
        f"Le modèle « {model} » n'accepte pas les réponses structurées (JSON Schema) : en choisir un autre, "
        "puis relancer la tâche."
    )


def calls_refused(model: str, host: str, parameter: str | None) -> str:
    """Something that every call has is refused; `parameter` where the provider names it."""
    which = f" (paramètre « {parameter} »)" if parameter else ""
    return f"Le modèle « {model} » refuse les appels{which} chez {host} : en choisir un autre, puis relancer la tâche."


def everything_refused(model: str, host: str, *, status: int, is_page: bool) -> str:
    """Every content is refused and nobody knows why. `status`: of HTTP; `is_page`: a web page answers."""
    what = "une page web répond à la place du modèle" if is_page else f"HTTP {status}"
    return (
        f"Le fournisseur du modèle ({host}) refuse tous les appels, quel qu'en soit le contenu ({what}) : vérifier "
        f"l'adresse et le modèle « {model} », puis relancer la tâche."
    )


# -- the reply

INSTEAD_NOTHING = "une réponse vide"
INSTEAD_TOO_LARGE = "une réponse démesurée"
INSTEAD_ENCODED = "une réponse compressée d'une façon inconnue"
INSTEAD_PAGE = "une page HTML"
INSTEAD_ERROR = "un message d'erreur"
INSTEAD_OTHER_JSON = "un JSON d'une autre forme"
INSTEAD_EVENTS = "un flux d'événements incomplet"
INSTEAD_TEXT = "un texte qui n'est pas du JSON"


def illegible(host: str, instead: str) -> str:
    """The provider answers, never with a completion. `instead`: what comes, one of `INSTEAD_…`."""
    return (
        f"Le fournisseur du modèle ({host}) répond sous une forme illisible ({instead} au lieu d'une réponse du "
        "modèle) : vérifier son adresse et ce qui se trouve entre lui et le service, puis relancer la tâche."
    )
