"""Sheets become tables of drafts: which sheets count, what their columns are, each row's type. Values come later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from worker.errors import JobFailed
from worker.shapes.questions import LETTERS, Finding, QuestionType
from worker.shapes.uploads import LeftOutSheet, Note, RawSheet, ReadColumn, ReadSheet
from worker.steps.parse.headers import Columns
from worker.steps.parse.layout import QUESTION, find_layout
from worker.steps.parse.names import is_result_sheet, type_named
from worker.steps.parse.unused import Body, rows_note, unread_columns

OPTION_COLUMNS = tuple(f"option {letter}" for letter in LETTERS.lower())

LEFT_RESULT = "Feuille de résultats d'une correction précédente : elle n'est pas relue."
LEFT_EMPTY = "Feuille vide."
LEFT_HIDDEN = "Feuille masquée : elle n'est pas lue. Pour qu'elle le soit, affichez-la, puis renvoyez le fichier."
LEFT_UNKNOWN = (
    "Son nom n'indique pas de type de question (qcm, qroc, cas_qcm, cas_qroc) "
    "et elle n'a pas de colonne « type » qui en donne un."
)


@dataclass(slots=True)
class Draft:
    """One non-empty row on its way to a `ParsedRow`; `type_problem` when its type cell names no type."""

    table: int
    sheet: str
    row_number: int
    type: QuestionType
    cells: dict[str, str]
    type_problem: str | None = None
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the rows of a sheet get their type."""

    type: QuestionType | None  # the sheet's own; None = by columns
    by_cell: bool  # a type column counts
    by_columns: bool = False  # a CSV whose name tells nothing


@dataclass(slots=True)
class Tables:
    """What the sheets of a file hold together: drafts of all rows in order, sheets read and left out, notes."""

    drafts: list[Draft] = field(default_factory=list)
    read: list[ReadSheet] = field(default_factory=list)
    left_out: list[LeftOutSheet] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # of sheets that are meant to be read and cannot be


def read_tables(sheets: Sequence[RawSheet], file_name: str) -> Tables:
    """Read all sheets. Raise `JobFailed` when no question can come of them."""
    stem = PurePosixPath(file_name.replace("\\", "/")).stem
    tables = Tables()
    drafts, read = tables.drafts, tables.read
    for sheet in sheets:
        only_sheet = len(sheets) == 1 and sheet.name == stem
        reason = LEFT_HIDDEN if sheet.is_hidden else _read_table(sheet, only_sheet, tables)
        if reason:
            tables.left_out.append(LeftOutSheet(sheet.name, reason))
    if tables.faults and not drafts:
        raise JobFailed(" ".join(tables.faults))
    if not read and not any(len(sheet.rows) > 1 for sheet in sheets):
        raise JobFailed("Le fichier ne contient aucune question : aucune feuille n'a de ligne sous son en-tête.")
    if not read:
        names = ", ".join(f"« {sheet.name} »" for sheet in sheets)
        raise JobFailed(
            "Aucune feuille de questions reconnue : une feuille doit s'appeler qcm, qroc, cas_qcm ou cas_qroc, "
            f"ou avoir une colonne « type » (trouvé : {names})."
        )
    if not drafts:
        raise JobFailed("Le fichier ne contient aucune question : les feuilles reconnues n'ont que leur en-tête.")
    return tables


def _read_table(sheet: RawSheet, only_sheet: bool, tables: Tables) -> str | None:
    """Add one sheet's drafts; or give the French reason why it is left out."""
    drafts, read = tables.drafts, tables.read
    named = type_named(sheet.name)
    if named is None and is_result_sheet(sheet.name) and not only_sheet:
        return LEFT_RESULT
    if not sheet.rows:
        if named is None:
            return LEFT_EMPTY
        read.append(ReadSheet(sheet.name, (), 0))
        return None
    layout = find_layout(sheet)
    columns, body = layout.columns, layout.body
    kind = _kind_of(named, columns, body, only_sheet)
    if kind is None:
        return LEFT_UNKNOWN if body else LEFT_EMPTY
    missing = _missing_columns(sheet.name, kind, columns) if body else None
    if missing:
        tables.faults.append(missing)
        return missing
    with_options = _has_options(columns, body) if kind.by_columns or kind.by_cell else False
    findings = _cell_findings(sheet, columns, layout.findings)
    for number, row in body:
        cells = columns.cells(row)
        for name, value in layout.given.items():
            if not cells.get(name, "").strip():
                cells[name] = value
        draft = Draft(len(read), sheet.name, number, "qcm", cells, findings=findings.get(number, []))
        _set_type(draft, kind, row[columns.type_place] if columns.type_place is not None else "", with_options)
        drafts.append(draft)
    details = tuple(_column_details(layout.header, columns, body))
    read.append(ReadSheet(sheet.name, columns.keys, len(body), layout.header_row, details))
    tables.notes += [*sheet.notes, *layout.notes, *_hidden_rows(sheet, body), *unread_columns(read[-1], columns, body)]
    return None


def _column_details(
    header: Sequence[str], columns: Columns, body: Sequence[tuple[int, tuple[str, ...]]]
) -> Iterator[ReadColumn]:
    """What each column became; of those that nobody reads, how many cells they hold."""
    names = dict(columns.named())
    for place, text in enumerate(header):
        if place == columns.type_place:
            yield ReadColumn(text.strip(), "type")
        elif place in names:
            yield ReadColumn(text.strip(), names[place])
        elif (key := columns.key_at(place)) is not None:
            filled = sum(1 for _, row in body if row[place] and not row[place].isspace())
            yield ReadColumn(text.strip() or key, None, filled)


def _kind_of(
    named: QuestionType | None, columns: Columns, body: Sequence[tuple[int, tuple[str, ...]]], only_sheet: bool
) -> _Kind | None:
    """A named sheet has one type, another a type column; where neither tells it, the columns do.

    A CSV, which has no sheets, is always meant to be read; a sheet of any name is when its columns are those of
    questions.
    """
    place = columns.type_place
    has_types = place is not None and any(type_named(row[place]) for _, row in body)
    if named is not None and not only_sheet:
        return _Kind(named, by_cell=False)
    if has_types:
        return _Kind(named, by_cell=True)
    if named is not None:
        return _Kind(named, by_cell=False)
    meant = columns.names if only_sheet else _are_of_questions(columns)
    return _Kind(None, by_cell=False, by_columns=True) if meant else None


def _are_of_questions(columns: Columns) -> bool:
    """The question, what it is about, and options or an answer."""
    names = columns.names
    answered = "reponse" in names or len(names & set(OPTION_COLUMNS)) >= 2
    return QUESTION in names and bool(names & {"matiere", "cours"}) and answered


def _has_options(columns: Columns, body: Sequence[tuple[int, tuple[str, ...]]]) -> bool:
    """True when at least two option columns hold something."""
    places = [place for key, place in zip(columns.keys, columns.places, strict=True) if key in OPTION_COLUMNS]
    return sum(any(row[place].strip() for _, row in body) for place in places) >= 2


def _set_type(draft: Draft, kind: _Kind, type_cell: str, with_options: bool) -> None:
    if kind.by_cell and (type_cell.strip() or kind.type is None):
        found = type_named(type_cell)
        draft.type = found or _type_by_cells(draft, with_options)
        if found is None:
            draft.type_problem = type_cell.strip()
    elif kind.by_columns:
        draft.type = _type_by_cells(draft, with_options)
    elif kind.type is not None:
        draft.type = kind.type


def _type_by_cells(draft: Draft, with_options: bool) -> QuestionType:
    """Options make a QCM (for the whole sheet: one lost option must not turn a QCM into a QROC), a case a case."""
    in_case = any(draft.cells.get(name, "").strip() for name in ("texte du cas", "cas n"))
    if with_options:
        return "cas_qcm" if in_case else "qcm"
    return "cas_qroc" if in_case else "qroc"


def _missing_columns(sheet: str, kind: _Kind, columns: Columns) -> str | None:
    """A sentence that names the columns without which no row of the sheet can be a question; None when all are there.

    It is the job's when no other sheet holds a question; else this sheet is left out, as a draft among others.
    """
    missing = []
    if QUESTION not in columns.names:
        missing.append("« texte de la question »")
    if not columns.names & {"matiere", "cours"}:
        missing.append("« matiere » ou « cours »")
    if not kind.by_cell and kind.type in ("qcm", "cas_qcm") and len(columns.names & set(OPTION_COLUMNS)) < 2:
        missing.append("« option a » et « option b »")
    if not kind.by_cell and kind.type in ("cas_qcm", "cas_qroc") and "texte du cas" not in columns.names:
        missing.append("« texte du cas »")
    if not missing:
        return None
    columns_word = "la colonne" if len(missing) == 1 else "les colonnes"
    return f"Dans la feuille « {sheet} », il manque {columns_word} {', '.join(missing)}."


def _cell_findings(sheet: RawSheet, columns: Columns, found: dict[int, list[Finding]]) -> dict[int, list[Finding]]:
    """With `found`, a finding on the row for each formula whose value the file does not hold."""
    for (number, place), formula in sorted(sheet.unresolved.items()):
        key = columns.key_at(place)
        if key is not None:
            message = f"La colonne « {key} » contient une formule sans valeur enregistrée : {formula}"
            found.setdefault(number, []).append(Finding("formula_without_value", message, key))
    return found


def _hidden_rows(sheet: RawSheet, body: Body) -> Iterator[Note]:
    hidden = [number for number, _ in body if number in sheet.hidden_rows] if sheet.hidden_rows else []
    if hidden:
        words = ("ligne masquée lue", "lignes masquées lues")
        yield rows_note("hidden_rows", sheet.name, hidden, words, "comme les autres")
