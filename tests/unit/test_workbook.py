"""The workbook as a file: reopened with two readers, as other programs and the next upload will."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from worker.questions.answers import OUTCOMES, Conclusion
from worker.questions.row_marks import RowMark
from worker.questions.sheets import LeftOutSheet
from worker.report.build import build_report
from worker.report.content import (
    CellStyle,
    ReportCell,
    ReportColumn,
    ReportRow,
    ReportSheet,
    ReportSummary,
    StyledCell,
    source_of,
)
from worker.report.xlsx_writer import MAX_UTF16_UNITS, fit_text, write_workbook
from worker.text.characters import clean_text
from worker.upload.parsing import parse_upload
from worker.upload.reading import read_sheets


def written(*rows: Sequence[ReportCell], name: str = "qcm", widths: Sequence[int] = (20, 60)) -> bytes:
    """One sheet with two columns, as a file."""
    columns = tuple(ReportColumn(f"colonne {index}", width) for index, width in enumerate(widths))
    target = io.BytesIO()
    write_workbook([ReportSheet(name, columns, rows)], target)
    return target.getvalue()


def opened(data: bytes, sheet: str = "qcm") -> Any:
    return openpyxl.load_workbook(io.BytesIO(data))[sheet]


def calamine_rows(data: bytes, sheet: str = "qcm") -> list[list[Any]]:
    with CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
        return workbook.get_sheet_by_name(sheet).to_python()


# -- text stays text -----------------------------------------------------------------------------------------------

TRICKY = [
    "=1+1",
    '=HYPERLINK("http://x","y")',
    "=cmd|'/c calc'!A0",
    "+33 6",
    "-",
    "- liste\n- suite",
    "@SUM(A1)",
    "'=1",
    "\t=1",
    "12",
    "1e5",
    "TRUE",
    "2024-01-01",
    "http://example.org/a b",
    "<r>x</r>",
    "<r><t>& < ></t></r>",
    "&amp; <b>gras</b> ]]>",
    "  espaces autour  ",
    "ligne 1\nligne 2\n",
    "élève — « œdème » ≥ 5 µg 😀",
    "_x000a_",
]


def test_any_text_comes_back_as_that_text() -> None:
    rows: list[list[ReportCell]] = [[text, StyledCell(text, "changed")] for text in TRICKY]
    data = written(*rows)

    assert calamine_rows(data)[1:] == [[text, text] for text in TRICKY]
    cells = [cell for row in opened(data).iter_rows(min_row=2) for cell in row]
    assert {cell.data_type for cell in cells} == {"s"}
    assert not any(cell.hyperlink for cell in cells)
    # openpyxl does not undo Excel's own escape of `_x000a_`
    assert [cell.value for cell in cells[::2]][:-1] == TRICKY[:-1]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x"])
def test_excel_keeps_a_formula_look_alike_as_text_when_it_is_edited(text: str) -> None:
    cells = opened(written([text, StyledCell(text, "changed")]))[2]

    assert all(cell.quotePrefix for cell in cells)


def test_a_heading_is_text_too() -> None:
    target = io.BytesIO()
    write_workbook([ReportSheet("qcm", (ReportColumn("=A2", 10),), [["x"]])], target)

    assert opened(target.getvalue())["A1"].data_type == "s"


@given(st.lists(st.text(alphabet=st.characters(codec=None), max_size=60), max_size=20))
@settings(max_examples=10)
def test_whatever_the_texts_the_file_opens_and_loses_only_what_it_cannot_hold(texts: list[str]) -> None:
    data = written(*([text, "témoin"] for text in texts))

    assert calamine_rows(data)[1:] == [[clean_text(text), "témoin"] for text in texts]


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [("a\x00b\x07c", "abc"), ("a\ud800b", "ab"), ("a\r\nb\rc", "a\nb\nc"), ("\ufffeé\uffff", "é"), ("a\tb", "a\tb")],
)
def test_what_a_workbook_cannot_hold_is_removed(given_text: str, kept: str) -> None:
    assert calamine_rows(written([given_text, "x"]))[1][0] == kept


# -- long text -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["a", "é", "漢", "😀"])
def test_a_text_that_excel_cannot_hold_says_how_much_is_missing(letter: str) -> None:
    text = letter * 40_000

    cut = opened(written([text, "x"]))["A2"].value

    assert len(cut.encode("utf-16-le")) // 2 <= MAX_UTF16_UNITS
    match = re.fullmatch(rf"({letter}+)… \[suite\u00a0: (\d+) caractères coupés par Excel\]", cut)
    assert match
    assert len(match[1]) + int(match[2]) == 40_000


def test_a_text_at_the_limit_is_whole() -> None:
    assert fit_text("é" * MAX_UTF16_UNITS) == "é" * MAX_UTF16_UNITS
    assert fit_text("é" * (MAX_UTF16_UNITS + 1)) != "é" * (MAX_UTF16_UNITS + 1)
    assert opened(written(["é" * MAX_UTF16_UNITS, "x"]))["A2"].value == "é" * MAX_UTF16_UNITS


# -- look ----------------------------------------------------------------------------------------------------------


def test_the_header_is_frozen_filtered_and_wide_enough_and_text_wraps() -> None:
    sheet = opened(written(["a", "b"], ["c", "d"]))

    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:B3"
    assert sheet.column_dimensions["A"].width == pytest.approx(20, abs=1)
    assert sheet.column_dimensions["B"].width == pytest.approx(60, abs=1)
    assert sheet["B1"].font.bold
    assert sheet["B2"].alignment.wrap_text
    assert sheet["B2"].alignment.vertical == "top"


def test_a_row_is_high_enough_for_its_wrapped_text() -> None:
    sheet = opened(written(["court", "x"], ["mot " * 50, "x"], ["a\nb\nc", "x"], ["x" * 30_000, "x"]))

    heights = [sheet.row_dimensions[row].height for row in range(2, 6)]
    assert heights[0] in (None, 15)
    assert heights[1] >= 10 * 15
    assert heights[2] == 3 * 15
    assert 300 < heights[3] <= 409


def test_a_sheet_without_rows_is_a_header() -> None:
    data = written()

    assert calamine_rows(data) == [["colonne 0", "colonne 1"]]
    assert opened(data).auto_filter.ref == "A1:B1"


def test_a_changed_cell_is_coloured_and_its_note_holds_the_old_value() -> None:
    sheet = opened(written([StyledCell("ABE", "changed", "Valeur d'origine : <C> & é\x00"), "b"]))

    assert sheet["A2"].comment.text == "Valeur d'origine : <C> & é"
    assert sheet["A2"].fill.fgColor.rgb == "FFFFF2CC"
    assert sheet["B2"].comment is None
    assert sheet["B2"].fill.fgColor.rgb != "FFFFF2CC"


def test_past_so_many_notes_a_changed_cell_keeps_its_colour_only() -> None:
    target = io.BytesIO()
    rows = [[StyledCell("x", "changed", "note")]] * 3

    write_workbook([ReportSheet("qcm", (ReportColumn("a", 10),), rows)], target, max_notes=2)

    cells = [opened(target.getvalue()).cell(row, 1) for row in (2, 3, 4)]
    assert [cell.comment is not None for cell in cells] == [True, True, False]
    assert {cell.fill.fgColor.rgb for cell in cells} == {"FFFFF2CC"}


def test_every_outcome_has_its_own_colour() -> None:
    statuses: tuple[CellStyle, ...] = ("pending", *OUTCOMES)
    rows: list[list[ReportCell]] = [[StyledCell(status, status), ""] for status in statuses]
    data = written(*rows)

    sheet = opened(data)
    colours = {sheet.cell(row, 1).fill.fgColor.rgb for row in range(2, 10)}
    assert len(colours) == 8


def test_numbers_are_numbers() -> None:
    sheet = opened(written([StyledCell(0.93, "ratio"), StyledCell(1234, "count")]))

    assert (sheet["A2"].value, sheet["A2"].number_format) == (0.93, "0 %")
    assert (sheet["B2"].value, sheet["B2"].number_format) == (1234, "#,##0")


# -- the file ------------------------------------------------------------------------------------------------------


def test_a_path_is_written_as_a_stream_is(tmp_path: Path) -> None:
    write_workbook([ReportSheet("qcm", (ReportColumn("a", 10),), [["x"]])], tmp_path / "a.xlsx")

    assert calamine_rows((tmp_path / "a.xlsx").read_bytes()) == [["a"], ["x"]]


def test_rows_that_fail_leave_nothing_written(tmp_path: Path) -> None:
    def rows() -> Iterator[list[ReportCell]]:
        yield ["x"]
        raise ConnectionError("the database went away")

    target = tmp_path / "a.xlsx"
    with pytest.raises(ConnectionError):
        write_workbook([ReportSheet("qcm", (ReportColumn("a", 10),), rows())], target)
    assert not target.exists()


def test_no_macro_no_link_no_formula_is_ever_in_the_file() -> None:
    rows: list[list[ReportCell]] = [[text, StyledCell(text, "changed", text)] for text in TRICKY]
    data = written(*rows)

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        names = archive.namelist()
    assert "<f>" not in sheet
    assert "<hyperlink" not in sheet
    assert not any("vbaProject" in name or "externalLink" in name for name in names)


# -- the whole report, and its return as an upload -----------------------------------------------------------------


def a_report() -> bytes:
    """Five rows of three types, as a partial job leaves them."""
    common = {"matiere": "pediatrie 2*", "cours": "Testicule", "niveau": "Dcem2", "source": "(Tunis 2024, [Niveau 3])"}
    qcm = {**common, "texte de la question": "L'épispadias :", "option a": "=1", "option b": "Rare", "auteur": "@x"}
    case = {**qcm, "texte du cas": "Un garçon de 3 ans.", "cas n": "5", "question n": "1"}
    corrected = Conclusion("corrected", key="AB", confidence=0.9, option_explanations={"A": "Oui.", "B": "Oui."})
    rows = [
        ReportRow("QCM DCEM 2", 2, "qcm", {**qcm, "reponse": "A"}, "confirmed"),
        ReportRow(
            "QCM DCEM 2",
            3,
            "qcm",
            {**qcm, "reponse": "B", "option b": "Fréquent"},
            "corrected",
            result=corrected.to_json(),
            item_id="c3",
            version="0" * 16,
        ),
        ReportRow(
            "QCM DCEM 2", 9, "qcm", {**qcm, "reponse": "E", "option a": ""}, "rejected", "Une seule proposition."
        ),
        ReportRow("cas", 2, "cas_qcm", {**case, "reponse": "B, A."}, "pending"),
        ReportRow(
            "qroc",
            2,
            "qroc",
            {**common, "texte de la question": "Quoi ?", "reponse": "Rien"},
            "contested",
            item_id="c9",
            version="1" * 16,
        ),
    ]
    summary = ReportSummary(
        "a.xlsx", "cancelled", left_out=(LeftOutSheet("Notes", "Nom inconnu."),), embedded_model=True
    )
    target = io.BytesIO()
    write_workbook(build_report(source_of(rows), summary), target)
    return target.getvalue()


def test_the_report_opens_in_both_readers_with_the_same_content() -> None:
    data = a_report()

    workbook = openpyxl.load_workbook(io.BytesIO(data))
    names = ["qcm", "qroc", "cas_qcm", "À revoir", "Erreurs", "Résumé"]
    assert workbook.sheetnames == names
    for name in names:
        by_openpyxl = [["" if v is None else v for v in row] for row in workbook[name].iter_rows(values_only=True)]
        assert by_openpyxl == calamine_rows(data, name)
    assert [len(calamine_rows(data, name)) - 1 for name in names[:5]] == [3, 1, 1, 2, 1]


def test_decisions_are_chosen_from_a_list_and_the_marks_are_out_of_sight() -> None:
    book = openpyxl.load_workbook(io.BytesIO(a_report()))
    sheet = book["À revoir"]

    headers = {cell.value: cell for cell in sheet[1]}
    (rule,) = sheet.data_validations.dataValidation
    column = headers["décision"].column_letter
    assert str(rule.sqref) == f"{column}2:{column}3"
    assert (rule.type, rule.formula1) == ("list", '"garder,accepter,modifier,écarter"')
    assert sheet.freeze_panes == "C2"
    assert sheet.auto_filter.ref == f"A1:{headers['medq'].column_letter}3"
    assert (sheet.page_setup.orientation, sheet.page_setup.fitToHeight) == ("landscape", 0)
    assert sheet.sheet_properties.pageSetUpPr.fitToPage
    assert sheet.print_title_rows == "$1:$1"
    for name in ("À revoir", "qcm", "qroc"):
        hidden = [cell.value for cell in book[name][1] if book[name].column_dimensions[cell.column_letter].hidden]
        assert hidden == ["medq"]


def test_the_report_can_be_uploaded_again() -> None:
    # Given a report read as an upload is
    data = a_report()
    upload = parse_upload(
        read_sheets(data, "a-corrige.xlsx", max_bytes=10**7, max_rows=100),
        "a-corrige.xlsx",
        default_level=None,
        default_semester=None,
    )

    # Then only the question sheets were read, each row once, with the corrected key and no column of ours
    assert [(row.type, row.cells["reponse"]) for row in upload.rows] == [
        ("qcm", "A"),
        ("qcm", "AB"),
        ("qcm", "E"),
        ("qroc", "Rien"),
        ("cas_qcm", "B, A."),
    ]
    assert [sheet.name for sheet in upload.left_out] == ["À revoir", "Erreurs", "Résumé"]
    assert all(row.cells["source"] == "(Tunis 2024, [Niveau 3])" for row in upload.rows)
    assert {"statut", "raison", "confiance", "medq"}.isdisjoint(upload.rows[0].cells)
    assert [note.label for note in upload.notes if "auteur" not in note.label] == []
    # And each row that had an item is known again
    marks = [RowMark.parse(row.mark) for row in upload.rows]
    assert [mark and (mark.item_id, mark.outcome) for mark in marks] == [
        None,
        ("c3", "corrected"),
        None,
        ("c9", "contested"),
        None,
    ]
    assert marks[1] is not None
    assert marks[1].has_value("AB")
    assert [marks[1].wrote(f"explication {c}", "Oui.") for c in "abc"] == [True, True, False]
    assert upload.rows[0].cells["option a"] == "=1"
    assert upload.rows[0].cells["auteur"] == "@x"
