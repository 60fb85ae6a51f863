"""Cells as the person saw them: formats, errors, merged cells, hidden rows and sheets of a workbook."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import date
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from worker.questions.sheets import RawSheet
from worker.upload.reading import read_sheets
from worker.upload.reading.calamine_reader import _marking
from worker.upload.reading.display import SheetView
from worker.upload.reading.reading import read_here


def read(data: bytes) -> list[RawSheet]:
    return read_here(data, "x.xlsx", max_bytes=20_000_000, max_rows=1000)


def by_openpyxl(fill: Callable[[Any], None]) -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "qcm"
    fill(book.active)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def by_xlsxwriter(fill: Callable[[Any, Any], None], options: dict[str, Any] | None = None) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, options or {}) as book:
        fill(book, book.add_worksheet("qcm"))
    return buffer.getvalue()


def test_numbers_are_read_as_their_format_shows_them_whichever_program_wrote_them() -> None:
    formats = {"A": (0.05, "0%"), "B": (3.5, '0.0" mmol/L"'), "C": (7, "000"), "D": (1234.5, "#,##0.00"), "E": (2, "@")}

    def one(sheet: Any) -> None:
        for column, (value, code) in formats.items():
            sheet[f"{column}1"] = value
            sheet[f"{column}1"].number_format = code

    def other(book: Any, sheet: Any) -> None:
        for column, (value, code) in formats.items():
            sheet.write_number(f"{column}1", value, book.add_format({"num_format": code}))

    expected = ("5 %", "3,5 mmol/L", "007", "1 234,50", "2")
    assert [read(data)[0].rows for data in (by_openpyxl(one), by_xlsxwriter(other))] == [((1, expected),)] * 2


def test_a_formula_with_a_stored_value_is_shown_in_its_format_too() -> None:
    def fill(book: Any, sheet: Any) -> None:
        sheet.write_formula("A1", "=1/4", book.add_format({"num_format": "0%"}), 0.25)
        sheet.write_formula("B1", "=2/0", None, "#DIV/0!")

    (sheet,) = read(by_xlsxwriter(fill))
    assert sheet.rows == ((1, ("25 %", "#DIV/0!")),)
    assert sheet.unresolved == {(1, 1): "=2/0"}


def test_dates_are_marked_and_shown_as_the_cell_shows_them() -> None:
    def fill(book: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ["question", "option a"])
        sheet.write_datetime("B2", date(2025, 2, 1), book.add_format({"num_format": "d-mmm"}))
        sheet.write_datetime("B4", date(2025, 3, 1), book.add_format({"num_format": 14}))
        sheet.write("B5", "1-2")

    (sheet,) = read(by_xlsxwriter(fill))
    assert [row[1] for _, row in sheet.rows] == ["option a", "1-févr", "01/03/2025", "1-2"]
    assert sheet.dates == {1: [2, 4]}


def test_days_of_an_old_macintosh_begin_in_1904() -> None:
    def fill(book: Any, sheet: Any) -> None:
        sheet.write_datetime("A1", date(2025, 2, 1), book.add_format({"num_format": "dd/mm/yyyy"}))

    assert read(by_xlsxwriter(fill, {"date_1904": True}))[0].rows == ((1, ("01/02/2025",)),)


def test_a_format_that_is_not_known_is_marked_and_so_is_one_that_hides_its_number() -> None:
    def fill(book: Any, sheet: Any) -> None:
        sheet.write_number("A1", 45689, book.add_format({"num_format": "[$-401]d mmm"}))
        sheet.write_number("B1", 12.5, book.add_format({"num_format": ";;;"}))

    (sheet,) = read(by_xlsxwriter(fill))
    assert sheet.rows == ((1, ("2025-02-01", "12,5")),)
    assert sheet.unformatted == {0: [1], 1: [1]}


def test_a_merged_cell_gives_its_value_to_all_its_rows_and_not_to_its_columns() -> None:
    def fill(book: Any, sheet: Any) -> None:
        sheet.write_row(0, 1, ["matiere", "cours", "question"])
        for row in range(1, 6):
            sheet.write(row, 3, f"Q{row}")
        sheet.merge_range("B2:B6", "Cardiologie")
        sheet.merge_range("C2:C3", "HTA")
        sheet.merge_range("C5:C6", "Péricardite")
        sheet.merge_range("A8:D8", "Titre")

    (sheet,) = read(by_xlsxwriter(fill))
    assert [row[1:3] for _, row in sheet.rows[1:6]] == [
        ("Cardiologie", "HTA"), ("Cardiologie", "HTA"), ("Cardiologie", ""),
        ("Cardiologie", "Péricardite"), ("Cardiologie", "Péricardite"),
    ]  # fmt: skip
    assert sheet.rows[6] == (8, ("Titre", "", "", ""))


def test_a_merged_cell_of_many_rows_makes_no_rows() -> None:
    def fill(book: Any, sheet: Any) -> None:
        sheet.write("B2", "x")
        sheet.merge_range("A1:A50000", "tout")

    assert read(by_xlsxwriter(fill))[0].rows == ((1, ("tout", "")), (2, ("tout", "x")))


def test_error_cells_hold_the_error_also_alone_in_their_row() -> None:
    def fill(sheet: Any) -> None:
        sheet["A1"] = "x"
        sheet["B3"] = "#N/A"
        sheet["B3"].data_type = "e"

    assert read(by_openpyxl(fill))[0].rows == ((1, ("x", "")), (3, ("", "#N/A")))


def test_hidden_rows_and_sheets_are_told_through_the_child() -> None:
    def fill(book: Any, sheet: Any) -> None:
        for row in range(4):
            sheet.write(row, 0, f"r{row}")
        sheet.set_row(2, None, None, {"hidden": True})
        sheet.set_column("C:C", None, None, {"hidden": True})
        sheet.write_datetime("B2", date(2025, 2, 1), book.add_format({"num_format": "d-mmm"}))
        book.add_worksheet("caché").hide()
        book.add_worksheet("très caché").very_hidden()

    data = by_xlsxwriter(fill)
    sheets = read_sheets(data, "x.xlsx", max_bytes=20_000_000, max_rows=1000)

    assert [(sheet.name, sheet.is_hidden) for sheet in sheets] == [
        ("qcm", False),
        ("caché", True),
        ("très caché", True),
    ]
    assert sheets[0].hidden_rows == {3}
    assert {column: list(rows) for column, rows in sheets[0].dates.items()} == {1: [2]}
    assert sheets[0].rows == read(data)[0].rows


def ods_cell(kind: str, text: str, more: str = "") -> str:
    return f'<table:table-cell office:value-type="{kind}" {more}><text:p>{text}</text:p></table:table-cell>'


ODS = (
    '<office:document-content xmlns:office="o" xmlns:table="t" xmlns:text="x"><office:body><office:spreadsheet>'
    '<table:table table:name="qcm"><table:table-row>'
    + ods_cell("string", "taux")
    + ods_cell("string", "HTA", 'table:number-rows-spanned="3"')
    + '</table:table-row><table:table-row table:visibility="filter">'
    '<table:table-cell office:value-type="percentage" office:value="0.05">'
    "<office:annotation><text:p>note</text:p></office:annotation><text:p>5 %</text:p></table:table-cell>"
    "<table:covered-table-cell/>"
    + ods_cell("float", "3,5 mmol/L", 'office:value="3.5" table:number-columns-repeated="2"')
    + "</table:table-row><table:table-row>"
    + ods_cell("date", "01 févr.", 'office:date-value="2025-02-01"')
    + "<table:covered-table-cell/>"
    + ods_cell("float", "###", 'office:value="7"')
    + "</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"
)


def test_an_ods_is_read_as_its_author_saw_it() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", ODS)
    (sheet,) = read_here(buffer.getvalue(), "x.ods", max_bytes=20_000_000, max_rows=1000)

    assert [cells for _, cells in sheet.rows] == [
        ("taux", "HTA", "", ""),
        ("5 %", "HTA", "3,5 mmol/L", "3,5 mmol/L"),
        ("01 févr.", "HTA", "7", ""),
    ]
    assert (set(sheet.hidden_rows), dict(sheet.dates)) == ({2}, {0: [3]})


def test_where_no_format_is_told_what_may_have_looked_otherwise_is_marked() -> None:
    values: list[list[Any]] = [["a", 0.05, 3.5], ["b", date(2025, 2, 1), 1.0]]
    view = SheetView()

    assert list(_marking(iter(values), view, 2)) == values
    assert (view.dates, view.unformatted) == ({3: [2]}, {3: [1]})


@pytest.mark.parametrize("spaces", [0, 200_000])
def test_what_is_written_to_be_slow_is_not(spaces: int) -> None:
    from worker.upload.reading.display import find_views

    room = b" " * spaces
    sheet = (
        b'<worksheet><sheetData><row hidden="1"><c r="A1" s="1"' + room + b">" + room + b"<f>" + room + b"</f>" + room
        + b"<v" + room + b"x>1</v></c><c r='B1' t=\"e\"" + b"<c" * (spaces // 2) + b"</row></sheetData>"
        + b'<mergeCell ref="A1' + room + b'"/></worksheet>'
    )  # fmt: skip
    parts = {
        "xl/workbook.xml": b'<workbook xmlns:r="r"><sheet name="qcm" r:id="i"/></workbook>',
        "xl/_rels/workbook.xml.rels": b'<Relationships><Relationship Id="i" Target="s.xml"/></Relationships>',
        "xl/s.xml": sheet,
        "xl/styles.xml": b'<styleSheet><cellXfs><xf numFmtId="0"/><xf numFmtId="9"/></cellXfs></styleSheet>',
    }
    assert list(find_views(parts)) == ["qcm"]
