"""Writes `questions.xlsx`, the small upload that `make run` takes: correct medicine, and faults a reader can see."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from openpyxl import Workbook

COMMON = ["Matière", "Niveau", "Semestre", "Cours"]
OPTIONS = [
    "Option A", "Explication A", "Option B", "Explication B", "Option C", "Explication C",
    "Option D", "Explication D", "option E", "Eplication E",
]  # fmt: skip

INFARCTION = (
    "Un homme de 60 ans, fumeur, a depuis une heure une douleur thoracique constrictive qui irradie au bras gauche. "
    "L'ECG montre un sus-décalage du segment ST de V1 à V4."
)
KETOACIDOSIS = (
    "Une femme de 25 ans a depuis trois semaines une polyurie, une polydipsie et un amaigrissement. "
    "La glycémie est à 4 g/L, la cétonurie à +++."
)


def _options(*texts: str, explanation: str | None = None) -> list[str | None]:
    """Five options and their explanations, in pairs; absent ones empty."""
    cells: list[str | None] = []
    for index in range(5):
        present = index < len(texts)
        cells += [texts[index] if present else None, explanation if present else None]
    return cells


HYPOTHYROIDISM = _options("Frilosité", "Amaigrissement", "Bradycardie", "Tremblements", "Diarrhée")

SHEETS: dict[str, list[list[object]]] = {
    "QCM": [
        [*COMMON, "Question n°", "Source", "Texte de la question", *OPTIONS, "Réponse", "Rappel"],
        # The key is unsorted, with a full stop: read as AC.
        ["Endocrinologie", "Dcem2", "S1", "Hypothyroïdie", 1, "(Tunis 2024, [Niveau 1])",
         "Quels signes évoquent une hypothyroïdie ?", *HYPOTHYROIDISM, "CA.", None],
        # The key is wrong (insulin is B); the explanations are placeholders; the semester is none.
        ["endocrinologie*", "DCEM 2", "Endocrinologie", "Pancréas endocrine", 2, "([niveau1])",
         "Quelle hormone abaisse la glycémie ?",
         *_options("Glucagon", "Insuline", "Cortisol", "Adrénaline", explanation="aaa"), "A",
         "Le glucagon, le cortisol et l'adrénaline sont hyperglycémiants."],
        # No official answer, and no level: the other rows of the course give it.
        ["Endocrinologie", None, "S1", "Pancréas endocrine", 3, "(Tunis 2023, [Niveau 2])",
         "Quelles cellules des îlots de Langerhans sécrètent l'insuline ?",
         *_options("Alpha", "Bêta", "Delta", "PP"), "Pas de réponse", None],
        # The first question again.
        ["Endocrinologie", "Dcem2", "S1", "Hypothyroïdie", 4, "(Tunis 2022, [Niveau 1])",
         "Quels signes évoquent une hypothyroïdie ?", *HYPOTHYROIDISM, "AC", None],
        # One option only: refused.
        ["Endocrinologie", "Dcem2", "S1", "Hypothyroïdie", 5, None,
         "Quel dosage demander en premier devant une suspicion d'hypothyroïdie ?", *_options("TSH"), "A", None],
    ],
    "QROC": [
        [*COMMON, "Question n°", "Source", "Texte de la question", "Réponse"],
        ["Infectiologie", "Dcem2", "S2", "Syphilis", 1, "(Juin 2018, [Niveau 1])",
         "Quel est l'agent de la syphilis ?", "Treponema pallidum"],
        ["Toxicologie", "Dcem2", "S2", "Intoxication au paracétamol", 1, "(Mai 2018, [Niveau 2])",
         "Quel est l'antidote du paracétamol ?", "Réponse : N-acétylcystéine"],
    ],
    "Cas clinique QCM": [
        [*COMMON, "Cas n°", "Source", "Texte du cas", "Question n°", "Texte de question", *OPTIONS, "Réponse"],
        ["Cardiologie", "Dcem2", "S1", "Syndrome coronarien aigu", 1, "(Tunis 2024, [niveau2])", INFARCTION, 1,
         "Quel est le diagnostic le plus probable ?",
         *_options("Infarctus antérieur", "Péricardite aiguë", "Embolie pulmonaire"), "A"],
        # The case's text is missing: the row above has it.
        ["Cardiologie", "Dcem2", "S1", "Syndrome coronarien aigu", 1, "(Tunis 2024, [niveau2])", None, 2,
         "Que faire sans attendre ?",
         *_options("Donner de l'aspirine", "Demander une coronarographie", "Attendre la troponine",
                   "Faire une épreuve d'effort"), "A, B."],
    ],
    "Cas clinique QROC": [
        [*COMMON, "Cas n°", "Source", "Texte du cas", "Question n°", "Texte de question", "Réponse"],
        ["Endocrinologie", "Dcem2", "S1", "Diabète", 1, "(Mars 2004, [Niveau 1])", KETOACIDOSIS, 1,
         "Quel est le diagnostic ?", "Acidocétose diabétique"],
    ],
}  # fmt: skip


def write_questions(path: Path) -> None:
    """Write the workbook; a fixed date keeps its properties the same at each run."""
    book = Workbook()
    book.remove(book.active)
    book.properties.created = book.properties.modified = datetime(2026, 1, 1)  # noqa: DTZ001 the file format has no zone
    for name, rows in SHEETS.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        sheet.freeze_panes = "A2"
    book.save(path)


if __name__ == "__main__":
    write_questions(Path(__file__).with_name("questions.xlsx"))
