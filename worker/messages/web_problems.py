"""Why a request of the page or the API was refused, and what to do: a problem page, or `detail` of problem+json."""

from __future__ import annotations

from collections.abc import Sequence

# -- who asks

NOT_YOU = (
    "L'accès est fermé : se présenter par le lien que « medq serve » affiche, par la plateforme, ou avec le jeton et "
    "l'en-tête « X-Medq-User »."
)
NO_RIGHT = "Ce compte n'a pas le droit de faire cela : le demander à un administrateur."
METRICS_LATER = "Les mesures sont en cours de lecture : les redemander dans un instant."
LINK_SPENT = "Ce lien a déjà servi ou n'est plus valable : relancer « medq serve » pour en obtenir un autre."
PAGE_EXPIRED = "Cette page a expiré : la recharger, puis recommencer."

# -- what is asked for

NO_SUCH_JOB = "Cette tâche n'existe pas, ou n'existe plus : la chercher dans la liste des tâches."
NO_SUCH_PAGE = "Il n'y a rien à cette adresse : revenir à la liste des tâches."
WRONG_METHOD = "Cette adresse ne prend pas cette sorte de demande : voir la description de l'API."
WRONG_HOST = "Ce nom d'hôte n'est pas celui de ce service : utiliser l'adresse que « medq serve » affiche."
NOT_READABLE = "La demande n'est pas lisible : la corriger, puis l'envoyer de nouveau."
TOO_LARGE = "L'envoi est trop volumineux : le réduire, puis l'envoyer de nouveau."
WRONG_CURSOR = "Le curseur « cursor » n'est pas lisible : reprendre la liste à son début."
NO_FILE = "Aucun fichier n'est joint : choisir un classeur ou un fichier CSV, puis l'envoyer."


def wrong_values(names: Sequence[str]) -> str:
    """`names`: of fields of the request."""
    shown = ", ".join(f"« {name[:80]} »" for name in names)
    return f"Une valeur de la demande n'est pas valable ({shown}) : la corriger, puis l'envoyer de nouveau."


# -- the state of a job or a row

OTHER_REQUEST = (
    "Cette clé « Idempotency-Key » a déjà servi à un autre envoi : en choisir une nouvelle, ou renvoyer le même "
    "fichier avec les mêmes consignes et la même configuration."
)
NOT_CANCELLED = "Cette tâche est déjà terminée : il n'y a rien à arrêter."
NOT_RESUMED = "Il ne reste rien à refaire dans cette tâche : pour vérifier le fichier de nouveau, l'envoyer de nouveau."
STILL_OPEN = (
    "Cette tâche, ou un de ses appels au modèle, est en cours : l'arrêter, attendre quelques minutes, puis la "
    "supprimer."
)
ONLY_EDIT_TYPES = (
    "Une réponse ou une explication n'accompagne que l'action « edit » : la laisser vide, ou choisir « edit »."
)

# -- the service

DATABASE_AWAY = "La base de données ne répond pas : réessayer dans un instant. Rien n'est perdu."
STORAGE_AWAY = "L'espace de stockage des fichiers ne répond pas : réessayer dans un instant. Rien n'est perdu."
READER_KILLED = "La lecture du fichier a été interrompue faute de mémoire : réessayer dans un instant."
UNEXPECTED = "Une erreur inattendue s'est produite : réessayer, puis prévenir l'exploitant en lui indiquant l'heure."
