"""What is published with a question beside what file, model and person wrote: students read it."""

from __future__ import annotations

from worker.text.french import NO_BREAK

EXPLANATION_MISSING = "Explication à rédiger."
EXPLAINED_BY_MODEL = "Explication rédigée par un modèle d'IA pour la réponse retenue, non relue :"
# Of the embedded model: on the job's row, in the workbook, on every page, and above whatever it explains.
EMBEDDED_WARNING = "Modèle de démonstration : ce qu'il dit n'a aucune valeur médicale, et rien n'en est validé."
NO_SEMESTER = "Non précisé"  # of a question whose file gives none


def analysis(explanation: str) -> str:
    """What the model explains beside a person's explanation of another key."""
    return f"Analyse{NO_BREAK}: {explanation}"


def reminder(text: str) -> str:
    """`Rappel : …`, the text byte for byte."""
    return f"Rappel{NO_BREAK}: {text}"


def image(link: str) -> str:
    """`Image : …`, the link as uploaded."""
    return f"Image{NO_BREAK}: {link}"


def source(place: str, quote: str) -> str:
    """`Source : place : « … »`; the quote stands between its guillemets."""
    return f"Source{NO_BREAK}: {place}{NO_BREAK}: {quote}"


def quoted(words: str) -> str:
    """`« … »`."""
    return f"«{NO_BREAK}{words}{NO_BREAK}»"


def case_title(number: str | None, course: str) -> str:
    """What a clinical case is called that has no title."""
    return " ".join(f"Cas clinique {number or ''}".split()) + f" — {course}"
