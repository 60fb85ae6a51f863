"""Why a file is not read at all: it is not there, too large, no spreadsheet, or holds no question. And what to do."""

from __future__ import annotations

from collections.abc import Sequence

from worker.messages.phrases import megabytes, some_names

# -- in storage

NO_ADDRESS = "La tâche n'indique aucun fichier à lire (fileUrl est vide) : le renseigner, puis relancer la tâche."
ADDRESS_NOT_ALLOWED = (
    "L'adresse du fichier (fileUrl) n'est pas autorisée : il doit se trouver dans l'espace de stockage du service. "
    "L'y déposer, corriger l'adresse, puis relancer la tâche."
)
UPLOAD_MISSING = "Le fichier téléversé est introuvable dans l'espace de stockage : l'envoyer de nouveau."
FILE_MISSING = "Le fichier est introuvable dans l'espace de stockage : le demander de nouveau, il sera réécrit."
NO_RIGHT_TO_READ = (
    "Le service n'a pas le droit de lire ce fichier dans l'espace de stockage : corriger les droits, puis relancer la "
    "tâche."
)

# -- its size

EMPTY = "Le fichier est vide : le vérifier, puis le renvoyer."


def too_large(max_bytes: int) -> str:
    """An upload that is not taken."""
    return f"Le fichier dépasse la taille maximale de {megabytes(max_bytes)} Mo : le partager en plusieurs fichiers."


def larger_than_read(size: int, max_bytes: int) -> str:
    """A stored file that is not read. Both in bytes."""
    return (
        f"Le fichier est trop volumineux : {megabytes(size)} Mo pour {megabytes(max_bytes)} Mo au plus. Le partager en "
        "plusieurs fichiers."
    )


def too_large_unzipped(max_bytes: int) -> str:
    """A workbook that holds more than it may, once it is unzipped."""
    return (
        f"Le fichier est trop volumineux une fois décompressé : {megabytes(max_bytes)} Mo au plus. Le partager en "
        "plusieurs fichiers."
    )


def too_many_rows(max_rows: int) -> str:
    """`max_rows`: of all sheets."""
    return f"Le fichier contient plus de {max_rows} lignes : le partager en plusieurs fichiers."


def too_many_columns(sheet: str, width: int, max_columns: int) -> str:
    """Of one sheet."""
    return (
        f"La feuille « {sheet[:40]} » compte {width} colonnes, {max_columns} au plus sont lues : supprimer celles "
        "qui n'ont rien à voir avec les questions."
    )


def extent_too_large(rows: int, columns: int) -> str:
    """Cells far from all others."""
    return (
        f"Une feuille du classeur s'étend sur {rows} lignes et {columns} colonnes, presque toutes vides : "
        "supprimer les cellules éloignées des questions."
    )


# -- its format

CORRUPT = (
    "Le classeur est endommagé ou illisible : l'ouvrir dans un tableur, l'enregistrer à nouveau, puis le renvoyer."
)
PROTECTED = "Le classeur est protégé par un mot de passe : retirer cette protection, puis le renvoyer."
ZIP_BOMB = (
    "Le fichier compressé est anormal (contenu démesuré) : il n'a pas été ouvert. L'enregistrer à nouveau dans un "
    "tableur, puis le renvoyer."
)
UNKNOWN_ENCODING = (
    "L'encodage du fichier n'est pas reconnu : les lettres accentuées ne se lisent pas. Dans un tableur, "
    "l'enregistrer comme classeur (.xlsx) ou comme « CSV UTF-8 », puis le renvoyer."
)
_SEND_INSTEAD = "envoyer un classeur (.xlsx, .xls, .xlsb, .ods) ou un fichier .csv."

PDF = "un PDF"
IMAGE = "une image"
RTF = "un document texte (RTF)"
ARCHIVE = "une archive"
ZIP_ARCHIVE = "une archive ZIP"
PROGRAM = "un programme"
MARKUP = "une page web ou un document XML"
WORD = "un document Word"
POWERPOINT = "une présentation PowerPoint"
OPEN_DOCUMENT = "un document OpenDocument"


def not_a_spreadsheet(what: str | None = None) -> str:
    """`what` it is: one of the above; None where nobody knows."""
    if what is None:
        return f"Le fichier n'est pas un tableur reconnu : {_SEND_INSTEAD}"
    return f"Le fichier est {what}, pas un tableur : {_SEND_INSTEAD}"


def open_quote(line: int) -> str:
    """Of a CSV."""
    return f"Un guillemet ouvert à la ligne {line} n'est jamais fermé : corriger le fichier CSV."


# -- its sheets

ONLY_HEADERS = (
    "Le fichier ne contient aucune question : les feuilles reconnues n'ont que leur en-tête. Ajouter les questions, "
    "puis le renvoyer."
)
NO_ROW_BELOW_A_HEADER = (
    "Le fichier ne contient aucune question : aucune feuille n'a de ligne sous son en-tête. Ajouter les questions, "
    "puis le renvoyer."
)


def no_sheet_of_questions(sheets: Sequence[str]) -> str:
    """`sheets`: the names of those there are."""
    return (
        "Aucune feuille de questions reconnue : une feuille doit s'appeler qcm, qroc, cas_qcm ou cas_qroc, "
        f"ou avoir une colonne « type » (trouvé : {some_names(sheets)})."
    )
