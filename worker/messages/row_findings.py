"""What is odd about one row of a file: a finding, where it stays; a refusal, where nothing can be made of it.

`cell` is a cell's text as a sentence quotes it, already cut where it is long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from worker.messages.phrases import some_columns

# -- its type and its question

NO_TEXT = "Le texte de la question manque. L'écrire, puis renvoyer la ligne."


def unknown_type(cell: str) -> str:
    """Refused. `cell`: of the column of types; "" for an empty one."""
    written = f"« {cell} »" if cell else "vide"
    return (
        f"Type de question inconnu ({written}) : qcm, qroc, cas_qcm ou cas_qroc attendu. Le corriger, puis renvoyer la "
        "ligne."
    )


# -- its options


def too_few_options(options: int) -> str:
    """Refused: a QCM with one option, or none."""
    have = "n'en a aucune" if not options else "en a une seule"
    return (
        f"Un QCM demande au moins deux options : cette ligne {have}. Ajouter celles qui manquent, puis renvoyer la "
        "ligne."
    )


def too_many_options(options: int, excess: Mapping[str, str]) -> str:
    """Refused. `excess`: letter and text of those past the fifth."""
    shown = ", ".join(f"{letter} « {text} »" for letter, text in excess.items())
    return (
        f"Cette ligne a {options} options, cinq au plus sont possibles (A à E) ; en trop : {shown}. "
        "Réduire la question à cinq options, ou la partager en deux, puis renvoyer la ligne."
    )


def equal_options(first: str, letter: str) -> str:
    """Two letters whose options have one text."""
    return f"Les options {first} et {letter} ont le même texte : corriger l'une des deux."


def placeholder_option(letter: str, option: str) -> str:
    """`nan`, `-`: no option."""
    return f"Option {letter} de remplissage, non retenue : « {option} ». L'écrire, ou vider la cellule."


def other_labels(options: Mapping[str, str]) -> str:
    """Options that began with the label of another letter, by their own letter."""
    shown = ", ".join(f"{letter} « {option[:40]} »" for letter, option in options.items())
    return f"Étiquette d'une autre lettre dans l'option, retirée : {shown}."


# -- its case

NO_CASE_TEXT = (
    "Le texte du cas clinique manque, sur cette ligne et sur les autres lignes du même cas. L'écrire sur l'une "
    "d'elles, puis renvoyer les lignes du cas."
)


def case_text_ignored(question_type: str) -> str:
    """A question without a case beside a case's text."""
    return f"Texte du cas ignoré : la question est de type {question_type}, sans cas clinique."


def case_text_inherited(case: str) -> str:
    """`case`: its number as written."""
    return f"Texte du cas repris des autres lignes du cas {case}."


# -- its specialty and course

SPECIALTY, COURSE = "La matière", "Le cours"
NO_NAMES = "La matière et le cours manquent : l'un des deux au moins est nécessaire. L'écrire, puis renvoyer la ligne."
FROM_OTHER_ROWS = "reprise des autres lignes du même cours"
FROM_COURSE = "remplacée par le cours"
COURSE_FROM_SPECIALTY = "Cours absent : la matière est retenue comme cours."
ABSENT = {"matiere": "Matière absente", "cours": "Cours absent"}  # by canonical header


def name_too_long(column: str, cell: str, length: int, longest: int) -> str:
    """Refused. `column`: `SPECIALTY` or `COURSE`; lengths in characters."""
    return (
        f"{column} « {cell} » fait {length} caractères : un nom en a {longest} au plus. "
        "Vérifier que les colonnes de cette ligne ne sont pas décalées, donner un nom plus court, "
        "puis renvoyer la ligne."
    )


def specialty_inherited(specialty: str, origin: str) -> str:
    """`origin`: `FROM_OTHER_ROWS` or `FROM_COURSE`."""
    return f"Matière absente : {origin} (« {specialty} »)."


def specialty_configured(specialty: str) -> str:
    """The job's own."""
    return f"Matière absente : « {specialty} », celle de la configuration de la tâche."


def course_configured(course: str) -> str:
    """The job's own."""
    return f"Cours absent : « {course} », celui de la configuration de la tâche."


def filled_down(header: str, name: str, row_number: int) -> str:
    """The name stands in a row above. `header`: a key of `ABSENT`."""
    return f"{ABSENT[header]} : « {name} » repris de la ligne {row_number}."


# -- its level and semester

LEVEL_OF_COURSE = "repris des autres lignes du même cours"
LEVEL_OF_SPECIALTY = "repris des autres lignes de la même matière"
LEVEL_OF_SOURCE = "repris de la source"
LEVEL_OF_FILE = "repris du nom du fichier"
LEVEL_CONFIGURED = "celui de la configuration de la tâche"
NO_LEVEL = "Niveau manquant : "
NO_LEVEL_ELSEWHERE = (
    "il n'est ni sur la ligne, ni sur les autres lignes du même cours ou de la même matière, "
    "ni dans la source, ni dans le nom du fichier. Ajouter une colonne « niveau » (PCEM1 à DCEM4), "
    "ou donner « defaultLevel » dans la configuration de la tâche."
)


def level_inherited(level: str, origin: str) -> str:
    """`origin`: of the words above."""
    return f"Niveau absent : « {level} », {origin}."


def level_not_recognised(cell: str, level: str, origin: str) -> str:
    """The cell names none; `level` is taken instead."""
    return f"« {cell} » n'est pas un niveau : « {level} » est retenu, {origin}."


def no_level(cell: str) -> str:
    """Refused. `cell`: "" for an empty one."""
    return f"Niveau inconnu (« {cell} ») : {NO_LEVEL_ELSEWHERE}" if cell else f"{NO_LEVEL}{NO_LEVEL_ELSEWHERE}"


def semester_not_recognised(cell: str, semester: str) -> str:
    """The cell names none; `semester` is taken instead."""
    return f"« {cell} » n'est pas un semestre : « {semester} » est retenu."


# -- its official key

CASE_KEY_IN_DOUBT = (
    "Clé d'une autre ligne du même cas non retenue : le numéro de cette question n'est pas sûr. L'écrire sur cette "
    "ligne."
)


def key_of_doubtful_letter(cell: str) -> str:
    """One of its letters is one option's column and another one's label."""
    return f"Clé « {cell} » non retenue : l'option de cette lettre porte l'étiquette d'une autre. Corriger l'étiquette."


def conflicting_keys(cells: Sequence[tuple[str, str]]) -> str:
    """`cells`: each with its column's header."""
    listed = _under_headers(cells)
    return f"Clés différentes dans plusieurs colonnes, aucune n'est retenue : {listed}. N'en laisser qu'une."


def _under_headers(cells: Sequence[tuple[str, str]]) -> str:
    return " ; ".join(f"« {cell} » ({header})" for cell, header in cells)


def key_from_case(letters: str) -> str:
    """Another row of the case gives it."""
    return f"Clé « {letters} » reprise d'une autre ligne du même cas."


def letters_without_option(cell: str, letters: str) -> str:
    """A key names options that are not there."""
    plural = "des options absentes" if len(letters) > 1 else "une option absente"
    return (
        f"Clé « {cell} » non retenue : elle désigne {plural} ({', '.join(letters)}). Corriger la clé, ou ajouter "
        "l'option."
    )


def ambiguous_key(cell: str, letters: str) -> str:
    """A key is also the text of the options of these letters."""
    named = " et ".join(letters)
    several = len(letters) > 1
    why = f"c'est le texte des options {named}" if several else f"c'est aussi le texte de l'option {named}"
    return f"Clé « {cell} » non retenue : {why}, plusieurs lectures sont possibles. Écrire la clé en lettres (A, BD)."


def unreadable_key(cell: str) -> str:
    """It is there and says no letters."""
    return f"Clé illisible, non retenue : « {cell} ». L'écrire en lettres (A, BD)."


# -- its official answer


def placeholder_answer(cell: str) -> str:
    """`aaa`, `test`: no answer."""
    return f"Réponse de remplissage, non retenue : « {cell} ». L'écrire, ou vider la cellule."


def conflicting_answers(cells: Sequence[tuple[str, str]]) -> str:
    """`cells`: each with its column's header."""
    return (
        f"Réponses différentes dans plusieurs colonnes, aucune n'est retenue : {_under_headers(cells)}. N'en laisser "
        "qu'une, ou nommer « explication » la colonne qui commente."
    )


def lone_answer(cell: tuple[str, str]) -> str:
    """A `Réponse 2` speaks, and the column that it stands beside does not. `cell`: with its column's header."""
    return (
        f"Réponse non retenue, car la colonne des réponses ne dit rien : {_under_headers([cell])}. L'y écrire si c'est "
        "la réponse officielle."
    )


def letters_beside_options(cell: str, question_type: str) -> str:
    """Refused: a QCM's key where a short answer is due, and there are options."""
    return (
        f"La réponse « {cell} » est une clé de QCM et cette ligne a des options, mais elle est de type "
        f"{question_type} : lui donner le type qcm (ou cas_qcm), ou écrire la réponse en toutes lettres."
    )


def letters_beside_unread(cell: str, question_type: str, columns: Sequence[str]) -> str:
    """Refused: a QCM's key where a short answer is due, and cells of these columns are not read."""
    return (
        f"La réponse « {cell} » n'est qu'une clé de QCM, et cette ligne, de type {question_type}, a des "
        f"cellules non lues ({some_columns(columns)}) : si ce sont des options, nommer leurs colonnes « option a », "
        "« option b »… et donner à la ligne le type qcm ; sinon, écrire la réponse en toutes lettres."
    )


# -- its cells


def cell_error(column: str, cell: str, formula: str) -> str:
    """`formula`: of the cell; "" where it is not known."""
    message = f"Cellule en erreur dans la colonne « {column} » : « {cell} », comptée comme vide."
    if formula:
        message += f" Elle contient {formula} ; un texte qui commence par un signe se tape après une apostrophe."
    return message


def cell_date(column: str, cell: str) -> str:
    """A key or an option that a spreadsheet made a date of."""
    return (
        f"La colonne « {column} » contient une date (« {cell} ») : un tableur change en date une "
        "saisie comme 1-2. Vérifier ce qui était écrit."
    )


def number_format_unknown(column: str, cell: str) -> str:
    """A key or an option whose number is shown nobody knows how."""
    return (
        f"La colonne « {column} » contient un nombre (« {cell} ») dont le format n'est pas connu : "
        "un pourcentage ou une unité peut manquer. L'écrire en texte."
    )


def formula_without_value(column: str, formula: str) -> str:
    """The file does not hold what it comes to."""
    return f"La colonne « {column} » contient une formule sans valeur enregistrée : {formula}"
