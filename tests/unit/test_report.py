"""The report: which row goes where, what its cells say. Files are not written here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.messages.headers import CANONICAL_HEADERS
from worker.messages.published_text import EMBEDDED_WARNING
from worker.questions.answers import OUTCOMES, Conclusion, Outcome
from worker.questions.decision import DECISION_WORDS, OPEN_OUTCOMES
from worker.questions.question import QUESTION_TYPES, Finding, Question, QuestionType
from worker.questions.sheets import LeftOutSheet, Note, ReadSheet
from worker.report.build import build_report
from worker.report.columns import STATUS_HEADERS
from worker.report.content import ReportCell, ReportRow, ReportSummary, RowSelection, StyledCell, source_of

Sheet = list[dict[str, ReportCell]]


def report(rows: Iterable[ReportRow], **summary: Any) -> dict[str, Sheet]:
    """Every sheet of the report, in order: its rows as header → cell."""
    kept = list(rows)
    summary = {"file_name": "a.xlsx", "status": "completed", **summary}
    sheets = {}
    for sheet in build_report(source_of(kept), ReportSummary(**summary)):
        headers = [column.header for column in sheet.columns]
        assert len(set(headers)) == len(headers)
        sheets[sheet.name] = [dict(zip(headers, cells, strict=True)) for cells in sheet.rows]
    return sheets


def headers_of(name: str, rows: list[ReportRow], **summary: Any) -> list[str]:
    made = build_report(source_of(rows), ReportSummary("a.xlsx", "completed", **summary))
    return next([column.header for column in sheet.columns] for sheet in made if sheet.name == name)


def value(cell: ReportCell) -> str | int | float:
    return cell.value if isinstance(cell, StyledCell) else cell


def a_row(
    number: int = 2,
    *,
    kind: QuestionType = "qcm",
    status: str = "confirmed",
    cells: Mapping[str, str] | None = None,
    **rest: Any,
) -> ReportRow:
    if status in OPEN_OUTCOMES:
        rest = {"item_id": f"c{number}", "version": "0123456789abcdef", **rest}
    return ReportRow(rest.pop("sheet", kind), number, kind, cells or {"reponse": "A"}, status, **rest)


def concluded(outcome: Outcome, **fields: Any) -> dict[str, Any]:
    return Conclusion(outcome=outcome, **fields).to_json()


# -- which sheets, which rows --------------------------------------------------------------------------------------


def test_sheets_come_in_a_fixed_order_and_only_types_with_rows_have_one() -> None:
    rows = [a_row(2, kind="cas_qroc"), a_row(3, kind="qcm")]

    assert list(report(rows)) == ["qcm", "cas_qroc", "À revoir", "Erreurs", "Résumé"]


def test_a_job_without_rows_still_has_its_report() -> None:
    sheets = report([])

    assert list(sheets) == ["À revoir", "Erreurs", "Résumé"]
    assert sheets["À revoir"] == sheets["Erreurs"] == []


def test_two_sheets_of_one_type_become_one_in_input_order() -> None:
    rows = [
        a_row(number, sheet=sheet, cells={"question n": f"{sheet} {number}"})
        for sheet in ("QCM 1", "QCM 2")
        for number in (2, 5)
    ]

    assert [row["question n"] for row in report(rows)["qcm"]] == ["QCM 1 2", "QCM 1 5", "QCM 2 2", "QCM 2 5"]


@given(st.lists(st.tuples(st.sampled_from(QUESTION_TYPES), st.sampled_from(["pending", *OUTCOMES])), max_size=40))
@settings(max_examples=50)
def test_every_row_appears_once_and_in_order(made: list[tuple[QuestionType, str]]) -> None:
    rows = [
        a_row(number, kind=kind, status=status, cells={"question n": str(number)})
        for number, (kind, status) in enumerate(made, start=2)
    ]

    sheets = report(rows)

    for kind in QUESTION_TYPES:
        expected = [row.cells["question n"] for row in rows if row.type == kind]
        assert [row["question n"] for row in sheets.get(kind, [])] == expected
    for name, statuses in (("À revoir", OPEN_OUTCOMES), ("Erreurs", {"rejected", "failed"})):
        listed = [row.row_number for row in rows if row.status in statuses]
        assert [value(row["ligne"]) for row in sheets[name]] == listed


def test_rows_are_made_one_at_a_time() -> None:
    # Given a source that counts what was taken from it
    taken = 0

    def source(_selection: RowSelection) -> Iterator[ReportRow]:
        nonlocal taken
        for number in range(2, 1002):
            taken += 1
            yield a_row(number)

    sheets = build_report(source, ReportSummary("a.xlsx", "completed"))
    first = next(sheets)
    taken_by_scan = taken

    # When one row is asked for
    next(iter(first.rows))

    # Then one row more was taken
    assert (taken_by_scan, taken) == (1000, 1001)


def test_errors_and_reviews_name_the_uploaded_sheet_and_line() -> None:
    rows = [
        a_row(7, sheet="QCM DCEM 2", status="rejected", reason="Niveau manquant."),
        a_row(9, sheet="QCM DCEM 2", status="contested", result=concluded("contested", proposed="ACE")),
    ]

    sheets = report(rows)

    assert list(sheets["Erreurs"][0])[:2] == ["feuille", "ligne"]
    assert (sheets["Erreurs"][0]["feuille"], value(sheets["Erreurs"][0]["ligne"])) == ("QCM DCEM 2", 7)
    assert sheets["Erreurs"][0]["raison"] == "Niveau manquant."
    assert (sheets["À revoir"][0]["feuille"], value(sheets["À revoir"][0]["ligne"])) == ("QCM DCEM 2", 9)


# -- À revoir ------------------------------------------------------------------------------------------------------


def a_question(**fields: Any) -> Question:
    known = {"specialty": "Pédiatrie", "course": "Testicule", "level": "DCEM2", "semester": "S1", "text": "Que faire ?"}
    return Question(**{"type": "qcm", "options": {"A": "Rien", "C": "Opérer"}, **known, **fields})


def test_what_is_open_stands_on_one_screen_with_all_that_a_decision_needs() -> None:
    looks: list[dict[str, Any]] = [
        {
            "key": "C",
            "answer": None,
            "verdict": None,
            "confidence": 0.93,
            "explanation": "Car.",
            "option_explanations": {},
        },
        {"key": "AC", "answer": None, "verdict": None, "confidence": 0.5, "explanation": "", "option_explanations": {}},
    ]
    question = a_question(type="cas_qcm", case_text="Un garçon de 3 ans.", official_key="A")
    row = a_row(7, status="contested", reason="Raison.", result={"looks": looks}, question=question, official="A")

    made = build_report(source_of([row]), ReportSummary("a.xlsx", "completed"))
    sheet = next(sheet for sheet in made if sheet.name == "À revoir")
    (cells,) = sheet.rows

    shown = {column.header: value(cell) for column, cell in zip(sheet.columns, cells, strict=True)}
    assert shown["question"] == "Que faire ?\n\nCas\u00a0: Un garçon de 3 ans."
    assert shown["options"] == "A. Rien\nC. Opérer"
    assert [shown[name] for name in ("réponse officielle", "analyse 1", "analyse 2")] == [
        "A",
        "C (93\u00a0%)",
        "AC (50\u00a0%)",
    ]
    assert (shown["statut"], shown["raison"]) == ("contestée", "Raison.")
    assert shown["medq"] == "medq1:c7:0123456789abcdef"
    visible = [column for column in sheet.columns if not column.is_hidden]
    assert [column.header for column in sheet.columns if column.is_hidden] == ["medq"]
    # A character of width is 7 pixels in Calibri 11 and a column's edges 5; row numbers and the scroll bar take 48.
    assert sum(7 * column.width + 5 for column in visible) + 48 <= 1366
    assert next(column.choices for column in visible if column.header == "décision") == tuple(DECISION_WORDS)
    assert [column.header for column in visible][-4:] == [
        "décision",
        "réponse retenue",
        "explication retenue",
        "commentaire",
    ]


def test_a_short_answer_that_is_upheld_or_missing_says_so() -> None:
    looks = [
        {"key": None, "answer": None, "verdict": "upholds", "confidence": 0.9},
        {"key": None, "answer": "Hernie", "verdict": "contests", "confidence": 0.4},
    ]
    rows = [
        a_row(
            2, kind="qroc", status="contested", result={"looks": looks}, question=a_question(type="qroc", options={})
        ),
        a_row(3, kind="qroc", status="failed", question=a_question(type="qroc", options={})),
    ]

    sheet = report(rows)["À revoir"]

    assert [value(sheet[0][name]) for name in ("analyse 1", "analyse 2")] == [
        "d'accord (90\u00a0%)",
        "Hernie (40\u00a0%)",
    ]
    assert [sheet[1][name] for name in ("réponse officielle", "analyse 1", "analyse 2")] == ["aucune", "", ""]


def test_what_a_person_has_settled_is_not_open() -> None:
    assert report([a_row(status="contested", version=None)])["À revoir"] == []


# -- columns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "absent"),
    [
        ("qcm", {"cas n", "texte du cas"}),
        ("qroc", {"cas n", "texte du cas", "option a", "option e", "explication a", "explication e"}),
        ("cas_qcm", set()),
        ("cas_qroc", {"option a", "option e", "explication a", "explication e"}),
    ],
)
def test_a_sheet_has_the_columns_of_its_type_in_the_canonical_order(kind: QuestionType, absent: set[str]) -> None:
    headers = headers_of(kind, [a_row(kind=kind)])

    assert absent.isdisjoint(headers)
    assert headers[-6:] == [*STATUS_HEADERS, "medq"]
    assert headers[:-6] == [header for header in CANONICAL_HEADERS if header in headers]
    assert {"matiere", "reponse", "explication", "rappel", "semestre"} <= set(headers)


def test_a_column_that_holds_something_is_kept_even_where_it_makes_no_sense() -> None:
    rows = [a_row(kind="qroc", cells={"option b": "text", "option c": ""})]

    headers = headers_of("qroc", rows)

    assert "option b" in headers
    assert "option c" not in headers


def test_unknown_columns_follow_in_the_order_of_the_upload() -> None:
    # Given cells in no order, as jsonb gives them back, and the sheets' own columns
    cells = {"z": "1", "auteur": "2", "=x": "3", "matiere": "m"}
    sheets = (ReadSheet("s1", ("z", "matiere", "auteur"), 1), ReadSheet("s2", ("=x", "auteur"), 1))
    rows = [a_row(2, sheet="s1", cells=cells), a_row(2, sheet="s2", cells={"=x": "4"})]

    headers = headers_of("qcm", rows, sheets=sheets)

    assert headers[-9:-6] == ["z", "auteur", "=x"]


def test_the_columns_of_an_earlier_report_are_not_doubled() -> None:
    rows = [
        a_row(
            cells={
                "Statut": "confirmed",
                "reponse d'origine": "B",
                "Réponse proposée": "C",
                "reponse": "A",
                "Medq": "?",
            }
        )
    ]

    headers = headers_of("qcm", rows)

    added = [h for h in headers if h.lower().startswith(("statut", "rép", "reponse d", "reponse p", "medq"))]
    assert added == ["statut", "réponse d'origine", "réponse proposée", "medq"]


def test_an_uploaded_sheet_column_does_not_hide_where_an_error_is() -> None:
    rows = [a_row(4, sheet="questions", status="failed", cells={"feuille": "qcm", "reponse": "A"})]

    sheets = report(rows)

    assert sheets["qcm"][0]["feuille"] == "qcm"
    assert sheets["Erreurs"][0]["feuille"] == "questions"


# -- cells ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["confirmed", "contested", "duplicate", "rejected", "failed", "pending"])
def test_uploaded_cells_stay_as_they_are_unless_corrected(status: str) -> None:
    cells = {
        "reponse": " BEC. ",
        "source": "(Tunis 2024, [Niveau 3])",
        "semestre": "Pediatrie ",
        "rappel": "  a\n\n b ",
    }
    result = {"key": "A", "proposed": "A", "option_explanations": {}, "confidence": 0.9}

    row = report([a_row(status=status, cells=cells, result=result, official="BCE")])["qcm"][0]

    assert {header: row[header] for header in cells} == cells
    assert row["réponse d'origine"] == " BEC. "


@pytest.mark.parametrize(
    ("outcome", "before", "note"),
    [
        ("corrected", "C", "Valeur d'origine\u00a0: C"),
        ("completed", "?", "Valeur d'origine\u00a0: ?"),
        ("completed", "", "Valeur d'origine\u00a0: (vide)"),
    ],
)
def test_a_new_key_is_coloured_and_its_note_holds_the_old_one(outcome: Outcome, before: str, note: str) -> None:
    rows = [a_row(status=outcome, cells={"reponse": before}, result=concluded(outcome, key="ABE", confidence=0.93))]

    row = report(rows)["qcm"][0]

    assert row["reponse"] == StyledCell("ABE", "changed", note)
    assert row["réponse d'origine"] == before
    assert row["réponse proposée"] == "ABE"
    assert row["confiance"] == StyledCell(0.93, "ratio")
    assert row["statut"] == StyledCell({"corrected": "corrigée", "completed": "complétée"}[outcome], outcome)


def test_a_new_open_answer_is_written_too() -> None:
    result = concluded("completed", answer="Hernie inguinale")

    row = report([a_row(kind="qroc", status="completed", cells={"reponse": "Pas de réponse."}, result=result)])["qroc"][
        0
    ]

    assert row["reponse"] == StyledCell("Hernie inguinale", "changed", "Valeur d'origine\u00a0: Pas de réponse.")


def test_the_answer_that_a_case_row_owes_to_another_row_is_shown_as_its_origin() -> None:
    row = report([a_row(kind="cas_qcm", cells={"reponse": ""}, official="E")])["cas_qcm"][0]

    assert (row["reponse"], row["réponse d'origine"]) == ("", "E")


def test_missing_and_placeholder_explanations_are_filled_and_a_persons_stay() -> None:
    # Given a placeholder, an empty cell and two texts of a person
    cells = {
        "explication": "De la main d'un enseignant",
        "explication a": "aaa",
        "explication b": "",
        "explication c": "Vu",
    }
    result = concluded(
        "confirmed",
        general_explanation="modèle",
        option_explanations={"A": "Texte A", "B": "Texte B", "C": "Texte C"},
    )
    human = frozenset({"explication", "explication c"})

    row = report([a_row(cells=cells, result=result, human_explanations=human)])["qcm"][0]

    assert row["explication"] == "De la main d'un enseignant"
    assert row["explication a"] == StyledCell("Texte A", "changed", "Valeur d'origine\u00a0: aaa")
    assert row["explication b"] == StyledCell("Texte B", "changed")
    assert row["explication c"] == "Vu"


def test_no_uploaded_explanation_is_replaced_when_it_is_not_known_who_wrote_it() -> None:
    result = concluded("confirmed", option_explanations={"A": "Texte A", "B": "Texte B"})

    row = report([a_row(cells={"explication a": "aaa", "explication b": " "}, result=result)])["qcm"][0]

    assert row["explication a"] == "aaa"
    assert value(row["explication b"]) == "Texte B"


@pytest.mark.parametrize("status", ["rejected", "failed", "duplicate", "pending"])
def test_no_explanation_is_written_under_a_row_that_has_no_analysis(status: str) -> None:
    result = {"general_explanation": "x", "option_explanations": {"A": "x"}}

    row = report([a_row(status=status, result=result)])["qcm"][0]

    assert (row["explication"], row["explication a"]) == ("", "")


def test_a_note_stays_small() -> None:
    result = concluded("corrected", answer="court")

    row = report([a_row(kind="qroc", status="corrected", cells={"reponse": "x" * 5000}, result=result)])["qroc"][0]

    assert isinstance(row["reponse"], StyledCell)
    assert len(row["reponse"].note or "") < 600
    assert row["réponse d'origine"] == "x" * 5000


def test_the_reason_and_the_findings_are_listed_once_each() -> None:
    findings = (Finding("a", "Semestre non reconnu."), Finding("b", "Clé illisible : « F »."), Finding("c", "Raison."))

    row = report([a_row(reason="Raison.", findings=findings)])["qcm"][0]

    assert row["raison"] == "Raison.\nSemestre non reconnu.\nClé illisible : « F »."


def test_what_a_partial_job_did_not_reach_says_so() -> None:
    rows = [a_row(2), a_row(3, status="pending", findings=(Finding("a", "Image ignorée."),))]

    sheets = report(rows, status="cancelled")

    assert value(sheets["qcm"][1]["statut"]) == "non traitée"
    assert sheets["qcm"][1]["raison"] == "Non traitée\nImage ignorée."
    assert figure(sheets, "non traitée") == 1
    assert figure(sheets, "État") == "annulée"


# -- Résumé --------------------------------------------------------------------------------------------------------


def figure(sheets: dict[str, Sheet], label: str) -> str | int | float:
    return next(value(row["valeur"]) for row in sheets["Résumé"] if value(row["élément"]) == label)


def texts(sheets: dict[str, Sheet]) -> str:
    return "\n".join(str(value(cell)) for row in sheets["Résumé"] for cell in row.values())


def test_the_summary_tells_figures_sheets_model_and_cost() -> None:
    rows = [a_row(2), a_row(3), a_row(4, status="failed"), a_row(2, kind="qroc", sheet="QROC", status="contested")]
    figures = {"totalItems": 4, "processedItems": 4, "successfulAnalyses": 3, "failedAnalyses": 1, "retryAttempts": 2}

    sheets = report(
        rows,
        figures=figures,
        sheets=(ReadSheet("qcm", ("reponse",), 3), ReadSheet("QROC", ("reponse",), 1)),
        left_out=(LeftOutSheet("Notes", "Son nom n'indique pas de type de question."),),
        notes=(Note("unread_column", "La colonne « Auteur » n'est pas lue.", "colonne « Auteur »", 3, "qcm"),),
        model="gpt-x",
        review_model="gpt-y",
        calls=7,
        prompt_tokens=12_345,
        cached_tokens=2_000,
        cost_usd=Decimal("0.0123"),
        instructions="Programme tunisien",
    )

    assert figure(sheets, "Questions") == 4
    words = ["confirmée", "corrigée", "complétée", "contestée", "en double", "refusée", "en échec"]
    assert [figure(sheets, word) for word in words] == [2, 0, 0, 1, 0, 0, 1]
    assert figure(sheets, "À trancher") == 2
    assert (figure(sheets, "qcm"), figure(sheets, "QROC"), figure(sheets, "Notes")) == (3, 1, "non lue")
    assert (figure(sheets, "Modèle"), figure(sheets, "Modèle de relecture")) == ("gpt-x", "gpt-y")
    assert (figure(sheets, "Appels"), figure(sheets, "Coût")) == (7, 0.0123)
    assert "Son nom n'indique pas de type" in texts(sheets)
    assert "Programme tunisien" in texts(sheets)
    assert EMBEDDED_WARNING not in texts(sheets)


def test_the_summary_says_when_the_demonstration_model_answered() -> None:
    assert EMBEDDED_WARNING in texts(report([a_row()], embedded_model=True)).replace("\u00a0", " ")


def test_an_unknown_cost_is_not_nought() -> None:
    assert figure(report([a_row()]), "Coût") == "inconnu"


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        ("processing", None, "terminée"),
        ("processing", "Clé refusée.", "en échec"),
        ("failed", "Clé refusée.", "en échec"),
    ],
)
def test_the_last_workbook_does_not_call_its_job_unfinished(status: str, error: str | None, said: str) -> None:
    sheets = report([a_row()], status=status, error_message=error)

    assert figure(sheets, "État") == said
    assert error is None or error in texts(sheets)


# -- from stored items ---------------------------------------------------------------------------------------------


def test_a_stored_item_knows_its_official_answer_and_which_explanations_a_person_wrote() -> None:
    question = Question(
        type="qcm",
        specialty="Pédiatrie",
        course="Testicule",
        level="DCEM2",
        semester="S1",
        text="?",
        options={"A": "x", "B": "y"},
        official_key="AB",
        explanation="De la main d'un enseignant",
        option_explanations={"B": "Vu"},
    )

    row = stored(question.to_json())

    assert row.official == "AB"
    assert row.human_explanations == frozenset({"explication", "explication b"})
    assert row.findings == (Finding("code", "Message.", None),)
    assert stored(None).official is None


def stored(question: dict[str, Any] | None) -> ReportRow:
    make: Callable[..., ReportRow] = ReportRow.from_stored
    return make(
        sheet="qcm",
        row_number=2,
        type="qcm",
        cells={},
        status="confirmed",
        reason=None,
        findings=[{"code": "code", "message": "Message.", "column": None}],
        result=None,
        question=question,
    )
