"""From a job's rows and figures to the sheets of its corrected workbook, one row at a time.

What a cell says, its style and its note are decided here; how they are written to a file is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from worker.shapes.answers import FIXES, OUTCOMES, SUCCESSES
from worker.shapes.questions import QUESTION_TYPES, Finding, QuestionType, fold_name
from worker.shapes.reports import (
    CellStyle,
    ReportCell,
    ReportColumn,
    ReportRow,
    ReportSheet,
    ReportSummary,
    StyledCell,
)

RowSource = Callable[[], Iterable[ReportRow]]

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

STATUS_HEADERS = ("statut", "raison", "reponse d'origine", "reponse proposee", "confiance")
PLACE_HEADERS = ("sheet", "ligne")

REVIEW_SHEET, ERRORS_SHEET, SUMMARY_SHEET = "À revoir", "Erreurs", "Résumé"
REVIEWED = frozenset({"contested", "completed", "corrected"})
ERRORS = frozenset({"rejected", "failed"})

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
    "reponse d'origine": 24,
    "reponse proposee": 24,
    "confiance": 11,
    "sheet": 14,
    "ligne": 8,
    **dict.fromkeys(OPTION_HEADERS, 30),
    **dict.fromkeys(EXPLANATION_HEADERS, 36),
}
UNKNOWN_WIDTH = 20

NOT_PROCESSED = "Non traitée"
NOTE_CHARACTERS = 500  # a note is a glance; `reponse d'origine` has the whole text

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
EMBEDDED_WARNING = (
    "Modèle de démonstration : ses réponses n'ont aucune valeur médicale et rien de ce qu'il dit n'est validé."
)


def build_report(rows: RowSource, summary: ReportSummary) -> Iterator[ReportSheet]:
    """The workbook's sheets, in order: one per question type that has rows, À revoir, Erreurs, Résumé.

    `rows()` gives every row of the job in the order of the upload; it is called once to look at the whole and
    once for each sheet, so that no more than one row is held at a time. Every row appears once in its type's sheet.
    """
    scan = _scan(rows(), summary)
    for question_type in QUESTION_TYPES:
        if scan.counts[question_type]:
            yield _type_sheet(question_type, rows, scan)
    yield _extract_sheet(REVIEW_SHEET, REVIEWED, rows, scan)
    yield _extract_sheet(ERRORS_SHEET, ERRORS, rows, scan)
    yield _summary_sheet(summary, scan)


# -- what columns there are ----------------------------------------------------------------------------------------


@dataclass
class _Scan:
    """What one pass over the rows tells: how many of what, and which columns each type needs."""

    counts: Counter[str] = field(default_factory=Counter)  # by type
    statuses: Counter[str] = field(default_factory=Counter)
    sheets: Counter[str] = field(default_factory=Counter)  # rows by uploaded sheet, in order of appearance
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)  # type → the upload's own columns


def _scan(rows: Iterable[ReportRow], summary: ReportSummary) -> _Scan:
    scan = _Scan()
    uploaded = {sheet.name: sheet.columns for sheet in summary.sheets}
    filled: dict[str, dict[str, None]] = {}  # type → headers with a value, in order of appearance
    declared: dict[str, dict[str, None]] = {}  # type → headers of the sheets its rows come from, in upload order
    for row in rows:
        scan.counts[row.type] += 1
        scan.statuses[row.status] += 1
        scan.sheets[row.sheet] += 1
        declared.setdefault(row.type, {}).update(dict.fromkeys(uploaded.get(row.sheet, ())))
        filled.setdefault(row.type, {}).update((header, None) for header, text in row.cells.items() if text)
    for name, headers in filled.items():
        scan.columns[name] = _columns_of(cast(QuestionType, name), list(declared[name]), headers)
    return scan


def _columns_of(question_type: QuestionType, declared: Sequence[str], filled: Collection[str]) -> tuple[str, ...]:
    """Canonical columns that make sense for the type or hold something, then the unknown ones in upload order."""
    canonical = [h for h in CANONICAL_HEADERS if h in filled or _makes_sense(h, question_type)]
    unknown = [h for h in dict.fromkeys([*declared, *filled]) if h not in CANONICAL_HEADERS and not _is_own_column(h)]
    return (*canonical, *unknown)


def _makes_sense(header: str, question_type: QuestionType) -> bool:
    if header in CASE_ONLY:
        return question_type in ("cas_qcm", "cas_qroc")
    if header in QCM_ONLY:
        return question_type in ("qcm", "cas_qcm")
    return True


_OWN_COLUMNS = frozenset(fold_name(header) for header in STATUS_HEADERS)


def _is_own_column(header: str) -> bool:
    """A status column of an earlier report that came back in an upload: written anew, never twice."""
    return fold_name(header) in _OWN_COLUMNS


def _column(header: str) -> ReportColumn:
    added = header in STATUS_HEADERS or header in PLACE_HEADERS
    return ReportColumn(header, WIDTHS.get(header, UNKNOWN_WIDTH), added)


# -- the sheets ----------------------------------------------------------------------------------------------------


def _type_sheet(question_type: QuestionType, rows: RowSource, scan: _Scan) -> ReportSheet:
    headers = (*scan.columns[question_type], *STATUS_HEADERS)

    def cells() -> Iterator[Sequence[ReportCell]]:
        for row in rows():
            if row.type == question_type:
                yield _row_cells(row, headers)

    return ReportSheet(question_type, tuple(_column(header) for header in headers), cells())


def _extract_sheet(name: str, statuses: Collection[str], rows: RowSource, scan: _Scan) -> ReportSheet:
    """The rows of some statuses, of all types, with where each came from and what became of it first."""
    used = dict.fromkeys(header for columns in scan.columns.values() for header in columns)
    canonical = [header for header in CANONICAL_HEADERS if header in used]
    unknown = [header for header in used if header not in CANONICAL_HEADERS and fold_name(header) not in PLACE_HEADERS]
    headers = (*PLACE_HEADERS, *STATUS_HEADERS, *canonical, *unknown)

    def cells() -> Iterator[Sequence[ReportCell]]:
        for row in rows():
            if row.status in statuses:
                yield _row_cells(row, headers)

    return ReportSheet(name, tuple(_column(header) for header in headers), cells())


# -- one row -------------------------------------------------------------------------------------------------------


def _row_cells(row: ReportRow, headers: Sequence[str]) -> list[ReportCell]:
    cells: dict[str, ReportCell] = {**row.cells, **_changed_cells(row), **_status_cells(row)}
    if headers[: len(PLACE_HEADERS)] == PLACE_HEADERS:
        cells |= {"sheet": row.sheet, "ligne": StyledCell(row.row_number, "count")}
    return [cells.get(header, "") for header in headers]


def _changed_cells(row: ReportRow) -> dict[str, ReportCell]:
    """What the worker put into the upload's own columns."""
    result = row.result or {}
    changed: dict[str, ReportCell] = {}
    answer = _kept_answer(row)
    before = row.cells.get("reponse", "")
    if row.status in FIXES and answer and answer != before:
        changed["reponse"] = StyledCell(answer, "changed", _note(before or "(vide)"))
    if row.status not in SUCCESSES:
        return changed
    texts = {"explication": result.get("general_explanation")}
    for letter, text in (result.get("option_explanations") or {}).items():
        texts[f"explication {letter.lower()}"] = text
    for header, text in texts.items():
        before = row.cells.get(header, "")
        if text and text != before and not _is_human(row, header):
            # An empty cell that was filled says so by its colour alone: notes by the hundred thousand choke Excel.
            changed[header] = StyledCell(text, "changed", _note(before) if before.strip() else None)
    return changed


def _is_human(row: ReportRow, header: str) -> bool:
    if row.human_explanations is None:
        return bool(row.cells.get(header, "").strip())
    return header in row.human_explanations


def _kept_answer(row: ReportRow) -> str:
    result = row.result or {}
    return result.get("key") or result.get("answer") or ""


def _note(before: str) -> str:
    text = before if len(before) <= NOTE_CHARACTERS else before[:NOTE_CHARACTERS] + "…"
    return f"Valeur d'origine : {text}"


def _status_cells(row: ReportRow) -> dict[str, ReportCell]:
    result = row.result or {}
    confidence = result.get("confidence")
    return {
        "statut": StyledCell(row.status, cast(CellStyle, row.status) if row.status in STATUSES else "text"),
        "raison": _reason(row.reason or (NOT_PROCESSED if row.status == "pending" else None), row.findings),
        # A case's first row may hold the answers of several questions: then the cell is empty, the answer is not.
        "reponse d'origine": row.cells.get("reponse", "") or row.official or "",
        "reponse proposee": result.get("proposed") or (_kept_answer(row) if row.status in FIXES else ""),
        "confiance": "" if confidence is None else StyledCell(float(confidence), "ratio"),
    }


def _reason(reason: str | None, findings: Sequence[Finding]) -> str:
    """The reason and each finding on a line of its own, none twice."""
    return "\n".join(dict.fromkeys(filter(None, [reason, *(finding.message for finding in findings)])))


# -- Résumé --------------------------------------------------------------------------------------------------------

_SummaryRow = tuple[ReportCell, ReportCell, ReportCell]


def _summary_sheet(summary: ReportSummary, scan: _Scan) -> ReportSheet:
    columns = (ReportColumn("élément", 34), ReportColumn("valeur", 30), ReportColumn("signification", 95))
    rows = [
        *_job_rows(summary, scan),
        *_figure_rows(summary.figures),
        *_status_rows(scan),
        *_sheet_rows(summary, scan),
        *_model_rows(summary),
        *_legend_rows(),
    ]
    return ReportSheet(SUMMARY_SHEET, columns, rows, filtered=False)


def _title(text: str) -> _SummaryRow:
    return (StyledCell(text, "title"), StyledCell("", "title"), StyledCell("", "title"))


def _job_rows(summary: ReportSummary, scan: _Scan) -> Iterator[_SummaryRow]:
    yield _title("Vérification")
    yield ("Fichier", summary.file_name, "")
    yield ("État", _state(summary, scan), summary.error_message or "")
    if summary.instructions:
        yield ("Consignes", "", summary.instructions)
    if summary.embedded_model:
        yield (StyledCell("Attention", "warning"), "", StyledCell(EMBEDDED_WARNING, "warning"))


def _state(summary: ReportSummary, scan: _Scan) -> str:
    """The last workbook is written just before the job's row says that it ended."""
    if summary.status == "processing" and not scan.statuses["pending"]:
        return JOB_STATUSES["failed" if summary.error_message else "completed"]
    return JOB_STATUSES.get(summary.status, summary.status)


def _figure_rows(figures: Mapping[str, int]) -> Iterator[_SummaryRow]:
    yield _title("Chiffres")
    for name, (label, meaning) in FIGURES.items():
        if name in figures:
            yield (label, StyledCell(figures[name], "count"), meaning)


def _status_rows(scan: _Scan) -> Iterator[_SummaryRow]:
    yield _title("Statuts")
    for status in (*OUTCOMES, "pending"):
        label, meaning = STATUSES[status]
        style = cast(CellStyle, status)
        yield (StyledCell(status, style), StyledCell(scan.statuses[status], "count"), f"{label} : {meaning}")


def _sheet_rows(summary: ReportSummary, scan: _Scan) -> Iterator[_SummaryRow]:
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
    yield (changed, "", "remplie ou corrigée par l'analyse ; le texte d'origine, s'il y en avait un, est en note")
    yield ("ligne", "", "numéro de la ligne dans le fichier envoyé, non dans ce classeur")
    yield ("reponse proposee", "", "ce que donne l'analyse quand ce n'est pas la réponse officielle")
    yield ("confiance", "", "celle que le modèle déclare, de 0 à 100 %")
    meaning = "possible tel quel : les colonnes ajoutées et les feuilles À revoir, Erreurs et Résumé ne sont pas relues"
    yield ("Nouvel envoi", "", meaning)


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")
