"""The columns of a corrected workbook: their headers, widths, and which of them are ours."""

from __future__ import annotations

from worker.questions.question import fold_name
from worker.questions.row_marks import MARK_HEADER
from worker.report.content import ReportColumn

OPTION_HEADERS = tuple(f"option {letter}" for letter in "abcde")
EXPLANATION_HEADERS = tuple(f"explication {letter}" for letter in "abcde")
CANONICAL_HEADERS = (
    "matiere",
    "cours",
    "question n",
    "cas n",
    "source",
    "texte du cas",
    "texte de la question",
    *OPTION_HEADERS,
    "reponse",
    "explication",
    *EXPLANATION_HEADERS,
    "rappel",
    "image",
    "niveau",
    "semestre",
)
CASE_ONLY = frozenset({"cas n", "texte du cas"})
QCM_ONLY = frozenset({*OPTION_HEADERS, *EXPLANATION_HEADERS})

STATUS_HEADERS = ("statut", "raison", "réponse d'origine", "réponse proposée", "confiance")
PLACE_HEADERS = ("feuille", "ligne")

# On one screen of 1,366 pixels: a character of width is 7 of them in Calibri 11, and 5 go to each column's edges.
REVIEW_WIDTHS = {
    "feuille": 9,
    "ligne": 6,
    "statut": 10,
    "question": 31,
    "options": 27,
    "réponse officielle": 10,
    "analyse 1": 10,
    "analyse 2": 10,
    "raison": 20,
    "décision": 10,
    "réponse retenue": 10,
    "explication retenue": 14,
    "commentaire": 12,
}
DECISION_HEADERS = ("décision", "réponse retenue", "explication retenue", "commentaire")

WIDTHS = {
    "matiere": 18,
    "cours": 26,
    "question n": 10,
    "cas n": 8,
    "source": 22,
    "texte du cas": 70,
    "texte de la question": 50,
    "reponse": 24,
    "explication": 50,
    "rappel": 40,
    "image": 24,
    "niveau": 10,
    "semestre": 14,
    "statut": 13,
    "raison": 45,
    "réponse d'origine": 24,
    "réponse proposée": 24,
    "confiance": 11,
    "feuille": 14,
    "ligne": 8,
    **dict.fromkeys(OPTION_HEADERS, 30),
    **dict.fromkeys(EXPLANATION_HEADERS, 36),
}
UNKNOWN_WIDTH = 20

_OWN_COLUMNS = frozenset(fold_name(header) for header in (*STATUS_HEADERS, MARK_HEADER))


def is_own_column(header: str) -> bool:
    """A status column of an earlier report that came back in an upload: written anew, never twice."""
    return fold_name(header) in _OWN_COLUMNS


def column(header: str) -> ReportColumn:
    """A column of a sheet that repeats the upload's rows."""
    added = header in STATUS_HEADERS or header in PLACE_HEADERS or header == MARK_HEADER
    return ReportColumn(header, WIDTHS.get(header, UNKNOWN_WIDTH), added, is_hidden=header == MARK_HEADER)
