"""The headers of a sheet of questions: read in uploads under these and other words, written in every workbook.

They are part of the contract with whoever fills a file in: without accents, and never changed.
"""

from __future__ import annotations

SPECIALTY, COURSE = "matiere", "cours"
QUESTION_NUMBER, CASE_NUMBER = "question n", "cas n"
SOURCE = "source"
CASE_TEXT, QUESTION_TEXT = "texte du cas", "texte de la question"
OPTION_HEADERS = tuple(f"option {letter}" for letter in "abcde")
ANSWER, EXPLANATION = "reponse", "explication"
EXPLANATION_HEADERS = tuple(f"{EXPLANATION} {letter}" for letter in "abcde")
REMINDER, IMAGE = "rappel", "image"
LEVEL, SEMESTER = "niveau", "semestre"

CANONICAL_HEADERS = (
    *(SPECIALTY, COURSE, QUESTION_NUMBER, CASE_NUMBER, SOURCE, CASE_TEXT, QUESTION_TEXT),
    *OPTION_HEADERS,
    *(ANSWER, EXPLANATION, *EXPLANATION_HEADERS, REMINDER, IMAGE, LEVEL, SEMESTER),
)  # as the workbook orders them
