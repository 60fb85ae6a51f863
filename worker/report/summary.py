"""`Résumé`: what the job came to, what of the file was not read, and how the workbook is sent back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from worker.questions.answers import OUTCOMES
from worker.report.cells import status_cell
from worker.report.content import ReportCell, ReportColumn, ReportSheet, ReportSummary, StyledCell
from worker.text.french import typeset

SUMMARY_SHEET = "Résumé"

FIGURES = {
    "totalItems": ("Questions", "lignes non vides lues dans les feuilles reconnues"),
    "processedItems": ("Questions traitées", "lignes qui ont un statut définitif"),
    "successfulAnalyses": ("Analyses réussies", "confirmées, corrigées, complétées et contestées, avec leurs doublons"),
    "failedAnalyses": ("Analyses en échec", "refusées et sans analyse acceptable, avec leurs doublons"),
    "fixedCount": ("Réponses corrigées ou complétées", "la cellule « reponse » a changé : à relire"),
    "ragAppliedCount": ("Avec extraits de cours", "questions analysées à l'aide d'au moins un extrait de cours"),
    "retryAttempts": ("Appels répétés", "appels au modèle au-delà du premier pour les mêmes questions"),
}
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
JOB_STATUSES = {
    "queued": "en attente",
    "processing": "en cours",
    "completed": "terminée",
    "failed": "en échec",
    "cancelled": "annulée",
}
SENDING_BACK = {
    "Trancher": (
        "dans la feuille À revoir, choisir une décision par ligne : « garder » la réponse officielle, « accepter » "
        "celle de l'analyse, « modifier » (écrire alors la réponse retenue), « écarter » la question. Enregistrer le "
        "classeur et le remettre à l'administrateur, qui le fait lire par « medq decisions ». La question est alors "
        "validée au nom de la personne."
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
EMBEDDED_WARNING = (
    "Modèle de démonstration : ses réponses n'ont aucune valeur médicale et rien de ce qu'il dit n'est validé."
)


@dataclass
class Scan:
    """What one pass over the rows tells: how many of what, and which columns each type needs."""

    counts: Counter[str] = field(default_factory=Counter)  # by type
    statuses: Counter[str] = field(default_factory=Counter)
    sheets: Counter[str] = field(default_factory=Counter)  # rows by uploaded sheet, in order of appearance
    open_rows: int = 0  # that wait for a person
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)  # type → the upload's own columns


# -- Résumé --------------------------------------------------------------------------------------------------------

_SummaryRow = tuple[ReportCell, ReportCell, ReportCell]


def summary_sheet(summary: ReportSummary, scan: Scan) -> ReportSheet:
    columns = (ReportColumn("élément", 34), ReportColumn("valeur", 30), ReportColumn("signification", 95))
    rows = [
        *_job_rows(summary, scan),
        *_figure_rows(summary.figures, scan.open_rows),
        *_status_rows(scan),
        *_sheet_rows(summary, scan),
        *_model_rows(summary),
        *_legend_rows(),
    ]
    return ReportSheet(SUMMARY_SHEET, columns, rows, filtered=False)


def _title(text: str) -> _SummaryRow:
    return (StyledCell(text, "title"), StyledCell("", "title"), StyledCell("", "title"))


def _job_rows(summary: ReportSummary, scan: Scan) -> Iterator[_SummaryRow]:
    yield _title("Vérification")
    yield ("Fichier", summary.file_name, "")
    yield ("État", _state(summary, scan), summary.error_message or "")
    if summary.instructions:
        yield ("Consignes", "", summary.instructions)
    if summary.embedded_model:
        yield (StyledCell("Attention", "warning"), "", StyledCell(typeset(EMBEDDED_WARNING), "warning"))


def _state(summary: ReportSummary, scan: Scan) -> str:
    """The last workbook is written just before the job's row says that it ended."""
    if summary.status == "processing" and not scan.statuses["pending"]:
        return JOB_STATUSES["failed" if summary.error_message else "completed"]
    return JOB_STATUSES.get(summary.status, summary.status)


def _figure_rows(figures: Mapping[str, int], open_rows: int) -> Iterator[_SummaryRow]:
    yield _title("Chiffres")
    yield ("À trancher", StyledCell(open_rows, "count"), "lignes de la feuille À revoir, qui attendent une personne")
    for name, (label, meaning) in FIGURES.items():
        if name in figures:
            yield (label, StyledCell(figures[name], "count"), typeset(meaning))


def _status_rows(scan: Scan) -> Iterator[_SummaryRow]:
    yield _title("Statuts")
    for status in (*OUTCOMES, "pending"):
        label, meaning = STATUSES[status]
        yield (status_cell(status), StyledCell(scan.statuses[status], "count"), typeset(f"{label} : {meaning}"))


def _sheet_rows(summary: ReportSummary, scan: Scan) -> Iterator[_SummaryRow]:
    yield _title("Feuilles du fichier")
    for name in dict.fromkeys([*(sheet.name for sheet in summary.sheets), *scan.sheets]):
        yield (name, StyledCell(scan.sheets[name], "count"), "lignes lues")
    for sheet in summary.left_out:
        yield (sheet.name, "non lue", sheet.reason)
    if summary.notes:
        yield _title("Ce qui n'a pas été utilisé, ou l'a été autrement")
    for note in summary.notes:
        yield (note.sheet or "", StyledCell(note.count, "count"), note.message)


def _model_rows(summary: ReportSummary) -> Iterator[_SummaryRow]:
    yield _title("Modèle et coût")
    yield ("Modèle", summary.model or "aucun appel", "première analyse, sans voir la réponse officielle d'un QCM")
    if summary.review_model:
        yield ("Modèle de relecture", summary.review_model, "seconde analyse, options dans un autre ordre")
    yield ("Appels", StyledCell(summary.calls, "count"), "demandes envoyées au modèle, échecs compris")
    if summary.batch_calls:
        cost = summary.batch_cost_usd
        priced = "" if cost is None else f", {float(cost):.4f} $".replace(".", ",")
        yield ("dont par lots différés", StyledCell(summary.batch_calls, "count"), f"à demi-tarif{priced}")
    cached = f"dont {_spaced(summary.cached_tokens)} relus dans le cache du fournisseur"
    yield ("Jetons envoyés", StyledCell(summary.prompt_tokens, "count"), cached)
    yield ("Jetons reçus", StyledCell(summary.completion_tokens, "count"), "")
    if summary.cost_usd is None:
        yield ("Coût", "inconnu", "le tarif du modèle n'est pas connu du service")
        return
    yield ("Coût", StyledCell(float(summary.cost_usd), "cost"), "en dollars, d'après les jetons comptés")
    for model, cost in summary.cost_by_model.items() if len(summary.cost_by_model) > 1 else ():
        value: ReportCell = "inconnu" if cost is None else StyledCell(float(cost), "cost")
        yield (f"dont {model}", value, "le tarif de ce modèle n'est pas connu" if cost is None else "")


def _legend_rows() -> Iterator[_SummaryRow]:
    yield _title("Lire ce classeur")
    changed = StyledCell("cellule de cette couleur", "changed")
    meaning = "remplie ou corrigée par l'analyse ; le texte d'origine, s'il y en avait un, est en note"
    yield (changed, "", typeset(meaning))
    yield ("ligne", "", "numéro de la ligne dans le fichier envoyé, non dans ce classeur")
    yield ("réponse proposée", "", "ce que donne l'analyse quand ce n'est pas la réponse officielle")
    yield ("confiance", "", typeset("celle que le modèle déclare, de 0 à 100 %"))
    yield _title("Renvoyer ce classeur")
    for label, meaning in SENDING_BACK.items():
        yield (label, "", typeset(meaning))


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")
