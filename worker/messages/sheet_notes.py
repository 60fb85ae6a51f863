"""What of a file was read otherwise than it looks, or not at all: sheets, columns, rows, letters.

Each of them has a sentence, for the workbook and the page, and most a label of few words, for the job's own sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from worker.messages.phrases import count, number_list, some_columns

# -- sheets that are left out

LEFT_RESULT = "Feuille de résultats d'une correction précédente : elle n'est pas relue."
LEFT_UNWANTED = "La configuration de la tâche demande de ne pas la lire."
LEFT_EMPTY = "Feuille vide."
LEFT_HIDDEN = "Feuille masquée : elle n'est pas lue. Pour qu'elle le soit, l'afficher, puis renvoyer le fichier."
LEFT_UNKNOWN = (
    "Son nom n'indique pas de type de question (qcm, qroc, cas_qcm, cas_qroc) "
    "et elle n'a pas de colonne « type » qui en donne un. La renommer, ou lui donner un type dans la configuration de "
    "la tâche (« sheets »)."
)

# -- sheets that cannot be read: what is missing, all of it at once

QUESTION_TEXT = "« texte de la question »"
SPECIALTY_OR_COURSE = "« matiere » ou « cours »"
TWO_OPTIONS = "« option a » et « option b »"
CASE_TEXT = "« texte du cas »"
NEEDED = (
    "Il faut « matiere » ou « cours », « texte de la question » et « reponse » ; pour un QCM « option a », "
    "« option b »… ; pour un cas clinique « texte du cas ». Renommer ces colonnes dans le fichier, puis le renvoyer, "
    "ou dire dans la configuration de la tâche ce que celles du fichier contiennent (« columns ») et quelle matière "
    "manque (« defaultSpecialty »)."
)


OPTIONS_ARE_TRUTHS = (
    "les colonnes d'options ne contiennent que des valeurs comme vrai et faux, ce ne sont pas des options"
)


def columns_missing(missing: Sequence[str]) -> str:
    """`missing`: of the words above. A fault: a sentence without a capital, for `sheet_refused`."""
    return f"il manque {'la colonne' if len(missing) == 1 else 'les colonnes'} {', '.join(missing)}"


def only_letters(answers: Sequence[str]) -> str:
    """A fault: answers that are keys, and no options."""
    return f"les réponses ne sont que des lettres ({some_columns(answers)}), et aucune colonne d'options n'est reconnue"


def options_not_separable(column: str) -> str:
    """A fault: all options stand in one cell."""
    return (
        f"les options de la colonne {some_columns([column])} ne peuvent pas être séparées (chacune sur sa "
        "ligne, avec sa lettre : « A. … », « B. … », ou chacune dans sa colonne)"
    )


def unknown_columns(columns: Sequence[str]) -> str:
    """A fault: filled columns that may be options."""
    words = ("une colonne remplie n'est pas reconnue", "des colonnes remplies ne sont pas reconnues")
    return f"{words[len(columns) > 1]} ({some_columns(columns)}), alors qu'aucune colonne d'options ne l'est"


def in_file(name: str) -> str:
    """Where a fault is, of a file without sheets."""
    return f"Dans le fichier « {name} »"


def in_sheet(name: str) -> str:
    """Where a fault is."""
    return f"Dans la feuille « {name} »"


def sheet_refused(where: str, faults: Sequence[str], header_row: int, header: Sequence[str]) -> str:
    """The whole refusal of one sheet or file. `where`: of `in_file` or `in_sheet`; `header`: its filled cells."""
    return (
        f"{where}, {' ; '.join(faults)}. En-tête lu à la ligne {header_row}, "
        f"{count(len(header), 'colonne trouvée', 'colonnes trouvées')} : {some_columns(header)}. {NEEDED}"
    )


def more_sheets_refused(more: int) -> str:
    """Added to the refusals that are shown."""
    return f"De même pour {count(more, 'autre feuille', 'autres feuilles')}."


# -- columns that are not read

HEADER_CHARACTERS = 60
OTHER_OPTIONS = "D'autres colonnes contiennent déjà les options."
NO_KEY_BESIDE = "Des options ou des réponses : aucune colonne de clé à côté ne le dit."
NO_KEYS_IN_IT = "Elle compte les réponses : les clés sont dans une autre colonne."
UNWANTED = "La configuration de la tâche demande de ne pas la lire."
MAPPED_ELSEWHERE = "La configuration de la tâche nomme une autre colonne pour ce qu'elle contient."
TRUTH_VALUES = "Elle ne contient que des valeurs comme vrai et faux, ce ne sont pas des options."
NO_KEY_COLUMN_LABEL = "aucune colonne de clé"


def unread_column(sheet: str, header: str, cells: int, reason: str | None) -> str:
    """`cells` of it are not empty; `reason`: of the sentences above."""
    cells_word = count(cells, "cellule remplie", "cellules remplies")
    message = f"{_of_sheet(sheet)}la colonne « {_short_header(header)} » n'est pas lue ({cells_word})."
    return f"{message} {reason}" if reason else message


def unread_column_label(header: str, cells: int) -> str:
    """Of `unread_column`."""
    return f"colonne « {_short_header(header)} » non lue ({count(cells, 'cellule')})"


def no_key_column(sheet: str, questions: int) -> str:
    """A sheet of QCM without official keys."""
    return (
        f"{_of_sheet(sheet)}aucune colonne de clé n'est reconnue ; {count(questions, 'QCM', 'QCM')} sans clé "
        "officielle. S'il y en a une, la nommer « reponse »."
    )


def _short_header(header: str) -> str:
    return header if len(header) <= HEADER_CHARACTERS else header[:HEADER_CHARACTERS] + "…"


# -- rows that are no questions: their names, and what became of them

HIDDEN_ROWS, HIDDEN_ROWS_ARE = ("ligne masquée lue", "lignes masquées lues"), "comme les autres"
REPEATED_HEADERS, REPEATED_HEADERS_ARE = ("en-tête répété", "en-têtes répétés"), "pas une question"
ROWS_WITHOUT_QUESTION = ("ligne sans question", "lignes sans question")
ROWS_WITHOUT_QUESTION_ARE = "rien d'autre qu'un numéro ou un titre"
TITLE_ROWS = ("ligne de titre", "lignes de titre")


def title_rows_are(first: str) -> str:
    """`first`: the first cell of them."""
    return f"non lues : elles précèdent l'en-tête (« {first[:60]} »…)"


def rows(sheet: str, label: str, numbers: Sequence[int], why: str) -> str:
    """`label`: how many of which; `why`: what became of them."""
    return f"{_of_sheet(sheet)}{label} ({_row_list(numbers)}), {why}."


def _row_list(numbers: Sequence[int]) -> str:
    return f"{'ligne' if len(numbers) == 1 else 'lignes'} {number_list(numbers)}"


def above_header(sheet: str, given: Mapping[str, str], numbers: Sequence[int]) -> str:
    """`given`: canonical header and value of what a title block says; `numbers`: its rows."""
    return (
        f"{_of_sheet(sheet)}{_given(given)}, lu au-dessus de l'en-tête ({_row_list(numbers)}), "
        "vaut pour toutes les lignes qui ne disent pas autre chose."
    )


def above_header_label(given: Mapping[str, str]) -> str:
    """Of `above_header`."""
    return f"{_given(given)} lu au-dessus de l'en-tête"


def _given(given: Mapping[str, str]) -> str:
    return ", ".join(f"{name} « {value} »" for name, value in given.items())


# -- the sheet as a whole

RENAMED_SHEET_LABEL = "feuille renommée"


def renamed_sheet(title: str) -> str:
    """`title`: what it is called now."""
    return f"Une feuille est appelée « {title} » ici : son nom est trop long, ou une autre feuille porte le même."


def decisions_not_taken(sheet: str, number: int) -> str:
    """Said of an upload that holds decisions."""
    held = count(number, "décision y est inscrite et n'a", "décisions y sont inscrites et n'ont")
    taken = "pas été enregistrée" if number < 2 else "pas été enregistrées"
    return (
        f"{_of_sheet(sheet)}{held} {taken} par cet envoi. Pour qu'elles le soient, envoyer ce même classeur sur la "
        "page de sa tâche, ou le faire lire par « medq decisions »."
    )


def decisions_not_taken_label(number: int) -> str:
    """Of `decisions_not_taken`."""
    return count(number, "décision non enregistrée", "décisions non enregistrées")


def of_file(message: str, sheet: str | None) -> str:
    """A note of this module as it is said of a file without sheets."""
    rest = message.removeprefix(_of_sheet(sheet))
    return rest[:1].upper() + rest[1:]


def _of_sheet(sheet: str | None) -> str:
    return f"Feuille « {sheet} » : "


# -- letters


def guessed_encoding(encoding: str) -> str:
    """No encoding of French."""
    return (
        f"Le fichier n'est ni en UTF-8 ni dans un encodage du français : il a été lu comme « {encoding} ». "
        "Vérifier les textes, ou le renvoyer comme « CSV UTF-8 »."
    )


def guessed_encoding_label(encoding: str) -> str:
    """Of `guessed_encoding`."""
    return f"encodage deviné ({encoding})"


def unreadable_characters(lost: int) -> str:
    """Bytes that are no letters."""
    return (
        f"{unreadable_characters_label(lost)} dans le fichier, « \ufffd » à leur place : les corriger, ou renvoyer le "
        "fichier comme « CSV UTF-8 »."
    )


def unreadable_characters_label(lost: int) -> str:
    """Of `unreadable_characters`."""
    return count(lost, "caractère illisible", "caractères illisibles")


def repaired_letters(repaired: int) -> str:
    """Letters that had been encoded twice."""
    return f"{repaired_letters_label(repaired)} (« Ã© » pour « é »)."


def repaired_letters_label(repaired: int) -> str:
    """Of `repaired_letters`."""
    return count(repaired, "lettre mal encodée réparée", "lettres mal encodées réparées")
