"""What the corrected workbook says beside the rows themselves: its sheets, their columns, `Résumé`."""

from __future__ import annotations

from decimal import Decimal

from worker.text.french import NO_BREAK

# -- sheets

REVIEW_SHEET = "À revoir"
ERRORS_SHEET = "Erreurs"
SUMMARY_SHEET = "Résumé"

# -- columns that are ours

SHEET, ROW = "feuille", "ligne"
STATUS, REASON, CONFIDENCE = "statut", "raison", "confiance"
ORIGINAL_ANSWER, PROPOSED_ANSWER = "réponse d'origine", "réponse proposée"
QUESTION, OPTIONS, OFFICIAL_ANSWER = "question", "options", "réponse officielle"
FIRST_LOOK, SECOND_LOOK = "analyse 1", "analyse 2"
DECISION, ANSWER_TO_KEEP, EXPLANATION_TO_KEEP, COMMENT = (
    *("décision", "réponse retenue", "explication retenue", "commentaire"),
)
KEEP, ACCEPT, EDIT, DISCARD = "garder", "accepter", "modifier", "écarter"  # what is chosen as `DECISION`

# -- cells

NOT_PROCESSED = "Non traitée"
EMPTY_BEFORE = "(vide)"
NO_ANSWER = "aucune"
UPHELD = "d'accord"
UNKNOWN_DECISION = "Décision inconnue"


def case(text: str) -> str:
    """The case below its question."""
    return f"Cas{NO_BREAK}: {text}"


def value_before(text: str) -> str:
    """The note of a changed cell."""
    return f"Valeur d'origine{NO_BREAK}: {text}"


def choose_from(choices: str) -> str:
    """Said by the spreadsheet itself of any other word."""
    return f"Choisir dans la liste{NO_BREAK}: {choices}."


def cut_off(missing: int) -> str:
    """The end of a text that is longer than a cell. `missing`: characters."""
    return f"… [suite{NO_BREAK}: {missing} caractères coupés par Excel]"


# -- Résumé: its columns and the job

ELEMENT, VALUE, MEANING = "élément", "valeur", "signification"

JOB_TITLE, FILE, STATE, INSTRUCTIONS, WARNING = "Vérification", "Fichier", "État", "Consignes", "Attention"

# -- Résumé: figures, each with what it means

FIGURES_TITLE = "Chiffres"
OPEN_ROWS = ("À trancher", "lignes de la feuille À revoir, qui attendent une personne")
FIGURES = {
    "totalItems": ("Questions", "lignes non vides lues dans les feuilles reconnues"),
    "processedItems": ("Questions traitées", "lignes qui ont un statut définitif"),
    "successfulAnalyses": ("Analyses réussies", "confirmées, corrigées, complétées et contestées, avec leurs doublons"),
    "failedAnalyses": ("Analyses en échec", "refusées et sans analyse acceptable, avec leurs doublons"),
    "fixedCount": ("Réponses corrigées ou complétées", "la cellule « reponse » a changé : à relire"),
    "ragAppliedCount": ("Avec extraits de cours", "questions analysées à l'aide d'au moins un extrait de cours"),
    "retryAttempts": ("Appels répétés", "appels au modèle au-delà du premier pour les mêmes questions"),
}

STATUSES_TITLE = "Statuts"
STATUSES = {
    "confirmed": ("confirmées", "l'analyse à l'aveugle donne la réponse officielle"),
    "corrected": (
        "corrigées",
        "deux analyses s'accordent contre la réponse officielle, qui a été remplacée : à relire",
    ),
    "completed": ("complétées", "sans réponse officielle ; deux analyses s'accordent sur celle-ci : à relire"),
    "contested": ("contestées", "l'analyse ne donne pas la réponse officielle, qui est gardée : à trancher"),
    "duplicate": ("en double", "même contenu qu'une autre ligne ou qu'une question déjà validée"),
    "rejected": ("refusées", "la ligne enfreint une règle ; la corriger dans le fichier, puis l'envoyer de nouveau"),
    "failed": ("en échec", "aucune analyse acceptable ; relancer la tâche pour les reprendre"),
    "pending": ("non traitées", "la tâche s'est arrêtée avant elles ; la relancer pour les traiter"),
}


def status_means(status: str) -> str:
    """`confirmées : …`; `status` is a key of `STATUSES`."""
    label, meaning = STATUSES[status]
    return f"{label} : {meaning}"


# -- Résumé: what was read

SHEETS_TITLE, ROWS_READ, NOT_READ = "Feuilles du fichier", "lignes lues", "non lue"
NOTES_TITLE = "Ce qui n'a pas été utilisé, ou l'a été autrement"

# -- Résumé: the model and its cost

MODEL_TITLE = "Modèle et coût"
MODEL, MODEL_IS, NO_CALL = "Modèle", "première analyse, sans voir la réponse officielle d'un QCM", "aucun appel"
REVIEW_MODEL, REVIEW_MODEL_IS = "Modèle de relecture", "seconde analyse, options dans un autre ordre"
CALLS, CALLS_ARE = "Appels", "demandes envoyées au modèle, échecs compris"
BATCH_CALLS = "dont par lots différés"
TOKENS_SENT, TOKENS_RECEIVED = "Jetons envoyés", "Jetons reçus"
COST, COST_IS, COST_UNKNOWN = "Coût", "en dollars, d'après les jetons comptés", "inconnu"
PRICE_UNKNOWN = "le tarif du modèle n'est pas connu du service"
PRICE_OF_MODEL_UNKNOWN = "le tarif de ce modèle n'est pas connu"


def batch_calls_cost(cost_usd: Decimal | float | None) -> str:
    """What the calls of batches cost; nothing of it where nobody knows."""
    priced = "" if cost_usd is None else f", {float(cost_usd):.4f} $".replace(".", ",")
    return f"à demi-tarif{priced}"


def tokens_cached(tokens: int) -> str:
    """Of those that were sent."""
    spaced = f"{tokens:,}".replace(",", "\u202f")
    return f"dont {spaced} relus dans le cache du fournisseur"


def cost_of(model: str) -> str:
    """One of several models."""
    return f"dont {model}"


# -- Résumé: how the workbook is read and sent back

LEGEND_TITLE = "Lire ce classeur"
CHANGED_CELL = "cellule de cette couleur"
CHANGED_CELL_IS = "remplie ou corrigée par l'analyse ; le texte d'origine, s'il y en avait un, est en note"
ROW_IS = "numéro de la ligne dans le fichier envoyé, non dans ce classeur"
PROPOSED_ANSWER_IS = "ce que donne l'analyse quand ce n'est pas la réponse officielle"
CONFIDENCE_IS = "celle que le modèle déclare, de 0 à 100 %"

SENDING_BACK_TITLE = "Renvoyer ce classeur"
SENDING_BACK = {
    "Trancher": (
        "dans la feuille À revoir, choisir une décision par ligne : « garder » la réponse officielle, « accepter » "
        "celle de l'analyse, « modifier » (écrire alors la réponse retenue), « écarter » la question. Enregistrer le "
        "classeur et l'envoyer sur la page de la tâche, ou le remettre à l'administrateur, qui le fait lire par « medq "
        "decisions ». La question est alors validée au nom de la personne."
    ),
    "Corriger": (
        "changer le texte, la réponse ou l'explication d'une ligne dans sa feuille, puis envoyer le classeur comme un "
        "nouveau fichier. Ce qu'une personne a changé compte comme sien ; ce que l'analyse avait écrit et qui n'a pas "
        "changé ne compte pas comme une réponse officielle et n'est pas validé."
    ),
    "À savoir": (
        "un envoi comme nouveau fichier ne relit ni les colonnes ajoutées ni les feuilles À revoir, Erreurs et "
        "Résumé : les décisions qui s'y trouvent ne sont pas enregistrées par cet envoi."
    ),
}
