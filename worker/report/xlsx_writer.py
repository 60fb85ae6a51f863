"""Sheets of cells become an .xlsx file, row by row. What the cells say is decided by the report, not here.

Text stays text whatever it looks like: an uploaded `=cmd()` is never a formula.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from xml.sax.saxutils import escape

from worker.messages import workbook_words
from worker.report.content import CellStyle, ReportCell, ReportSheet
from worker.text.characters import clean_text

MAX_UTF16_UNITS = 32_767  # of one cell; Excel counts as UTF-16 does
SHORT = MAX_UTF16_UNITS // 2  # characters that fit whatever they are
FORMULA_SIGNS = ("=", "+", "-", "@")
SPECIAL_SIGNS = (*FORMULA_SIGNS, "<")
LINE_POINTS, MAX_LINES = 15, 27  # Excel's rows end at 409 points
NOTE_AUTHOR = "medq"
MAX_NOTES = 20_000  # of a workbook: they stay in memory until its end (about 1.5 kB each), and Excel opens slowly
NOTE_WIDTH_PX, NOTE_LINE_PX, NOTE_LINE_CHARACTERS = 320, 16, 55


_BASE: Mapping[str, Any] = {"text_wrap": True, "valign": "top"}
_STYLES: Mapping[CellStyle, Mapping[str, Any]] = {
    "text": {},
    "changed": {"bg_color": "#FFF2CC"},
    "count": {"num_format": "#,##0", "align": "left"},
    "ratio": {"num_format": "0 %", "align": "left"},
    "cost": {"num_format": '0.0000 "$"', "align": "left"},
    "entry": {"bg_color": "#FFFDF0", "border": 1, "border_color": "#BFBFBF"},
    "title": {"bold": True, "bg_color": "#D9E1F2"},
    "warning": {"bold": True, "font_color": "#9C0006", "bg_color": "#FFC7CE"},
    "pending": {"bg_color": "#EDEDED", "font_color": "#595959"},
    "confirmed": {"bg_color": "#C6EFCE", "font_color": "#006100"},
    "corrected": {"bg_color": "#FFE699", "font_color": "#7F6000"},
    "completed": {"bg_color": "#DDEBF7", "font_color": "#1F4E78"},
    "contested": {"bg_color": "#F8CBAD", "font_color": "#833C0B"},
    "duplicate": {"bg_color": "#E4DFEC", "font_color": "#403151"},
    "rejected": {"bg_color": "#FFC7CE", "font_color": "#9C0006"},
    "failed": {"bg_color": "#FF9999", "font_color": "#660000"},
}
_RULE: Mapping[str, Any] = {"bottom": 1, "bottom_color": "#BFBFBF"}
_HEADER: Mapping[str, Any] = {**_BASE, "bold": True, "bottom": 1, "bg_color": "#D9D9D9"}
_ADDED_HEADER: Mapping[str, Any] = {**_HEADER, "bg_color": "#BDD7EE"}


def write_workbook(sheets: Iterable[ReportSheet], target: BinaryIO | Path, *, max_notes: int = MAX_NOTES) -> None:
    """Write the sheets in order; `target` is opened or written only once the whole workbook is ready.

    Rows are consumed one at a time and go to a temporary file: memory does not grow with them. Past `max_notes`
    notes a changed cell keeps its colour only. Raises whatever the rows raise; nothing is written then.
    """
    # XlsxWriter, not openpyxl: 50,000 × 20 cells with 20,000 notes took 10 s and 44 MB against 24 s and 138 MB,
    # and it alone can tell Excel not to flag every number kept as text.
    import xlsxwriter

    with tempfile.TemporaryDirectory(prefix="medq-workbook-") as folder:
        path = Path(folder) / "workbook.xlsx"
        options = {"constant_memory": True, "tmpdir": folder, "use_zip64": True}
        try:
            with xlsxwriter.Workbook(path, options) as workbook:
                book = _Book(workbook, max_notes)
                for sheet in sheets:
                    _write_sheet(workbook.add_worksheet(sheet.name), sheet, book)
        except xlsxwriter.exceptions.FileCreateError as error:
            # The fault of the disk itself, by which a caller tells a full one from one that is away.
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None
        if isinstance(target, Path):
            shutil.copyfile(path, target)
        else:
            with path.open("rb") as source:
                shutil.copyfileobj(source, target)


class _Book:
    """What the sheets of a workbook share: formats, each made when first needed, and the notes still allowed."""

    def __init__(self, workbook: Any, max_notes: int) -> None:
        self._workbook = workbook
        self.notes_left = max_notes
        self._made: dict[tuple[CellStyle, bool, bool], Any] = {}
        self.is_ruled = False  # a line under every row
        self.header = workbook.add_format(_HEADER)
        self.added_header = workbook.add_format(_ADDED_HEADER)

    def get(self, style: CellStyle, *, quoted: bool = False) -> Any:
        """`quoted` keeps the cell a text when somebody edits it in Excel."""
        found = self._made.get((style, quoted, self.is_ruled))
        if found is None:
            rule = _RULE if self.is_ruled else {}
            found = self._workbook.add_format({**_BASE, **rule, **_STYLES[style]})
            found.set_quote_prefix(quoted)
            self._made[style, quoted, self.is_ruled] = found
        return found


def _write_sheet(worksheet: Any, sheet: ReportSheet, book: _Book) -> None:
    worksheet.freeze_panes(1, sheet.frozen_columns)
    book.is_ruled = sheet.fits_page
    if sheet.fits_page:
        _set_print(worksheet)
    worksheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
    # A hidden column asks for no room.
    widths = [MAX_UTF16_UNITS if column.is_hidden else column.width for column in sheet.columns]
    _set_height(worksheet, 0, [column.header for column in sheet.columns], widths)
    for index, column in enumerate(sheet.columns):
        worksheet.set_column(index, index, column.width, None, {"hidden": True} if column.is_hidden else None)
        heading = book.added_header if column.added else book.header
        worksheet.write_string(0, index, _written(fit_text(clean_text(column.header))), heading)
    last = 0
    for last, cells in enumerate(sheet.rows, start=1):
        _set_height(worksheet, last, cells, widths)
        _write_row(worksheet, last, cells, book)
    for index, column in enumerate(sheet.columns):
        if column.choices and last:
            _offer_choices(worksheet, index, last, column.choices)
    if sheet.filtered and sheet.columns:
        worksheet.autofilter(0, 0, last, len(sheet.columns) - 1)


def _set_print(worksheet: Any) -> None:
    """Across an A4 page, as many pages as it takes, the header on each."""
    worksheet.set_landscape()
    worksheet.set_paper(9)
    worksheet.fit_to_pages(1, 0)
    worksheet.set_margins(left=0.3, right=0.3, top=0.4, bottom=0.4)
    worksheet.repeat_rows(0)


def _offer_choices(worksheet: Any, column: int, last: int, choices: Sequence[str]) -> None:
    """A list to choose from; any other word is refused by the spreadsheet itself, as long as it is kept there."""
    rule = {
        "validate": "list",
        "source": list(choices),
        "error_title": workbook_words.UNKNOWN_DECISION,
        "error_message": workbook_words.choose_from(", ".join(choices)),
    }
    worksheet.data_validation(1, column, last, column, rule)


def _set_height(worksheet: Any, row: int, cells: Sequence[ReportCell], widths: Sequence[int]) -> None:
    """Room for all wrapped text: Excel finds it by itself, LibreOffice and previews lay the rows over each other."""
    lines = 1
    for cell, width in zip(cells, widths, strict=True):
        value = cell if isinstance(cell, str) else cell.value
        if isinstance(value, str) and (len(value) > width or "\n" in value):
            lines = max(lines, _line_count(value, width))
    if lines > 1:
        worksheet.set_row(row, LINE_POINTS * min(lines, MAX_LINES))


def _line_count(text: str, width: int) -> int:
    if len(text) > width * MAX_LINES:
        return MAX_LINES
    # Words do not fill a line to its end; letters are narrower than the digits that widths are counted in.
    return sum(1 + len(line) // width for line in text.split("\n"))


def _write_row(worksheet: Any, row: int, cells: Sequence[ReportCell], book: _Book) -> None:
    plain, is_ruled = book.get("text"), book.is_ruled
    for index, cell in enumerate(cells):
        if isinstance(cell, str) and cell.isprintable() and len(cell) <= SHORT and not cell.startswith(SPECIAL_SIGNS):
            if cell:  # nine cells of ten: nothing to clean, to cut or to quote
                worksheet.write_string(row, index, cell, plain)
            elif is_ruled:
                worksheet.write_blank(row, index, None, plain)
        else:
            _write_cell(worksheet, row, index, cell, book)


def _write_cell(worksheet: Any, row: int, column: int, cell: ReportCell, book: _Book) -> None:
    value, style, note = (cell, "text", None) if isinstance(cell, str) else (cell.value, cell.style, cell.note)
    if isinstance(value, str):
        text = fit_text(clean_text(value))
        cell_format = book.get(style, quoted=text.startswith(FORMULA_SIGNS))
        if text:
            worksheet.write_string(row, column, _written(text), cell_format)
        else:
            worksheet.write_blank(row, column, None, cell_format)
    else:
        worksheet.write_number(row, column, value, book.get(style))
    if note and book.notes_left:
        book.notes_left -= 1
        _write_note(worksheet, row, column, clean_text(note))


def _write_note(worksheet: Any, row: int, column: int, note: str) -> None:
    lines = sum(1 + len(line) // NOTE_LINE_CHARACTERS for line in note.split("\n"))
    size = {"width": NOTE_WIDTH_PX, "height": NOTE_LINE_PX * (lines + 1)}
    worksheet.write_comment(row, column, fit_text(note), {"author": NOTE_AUTHOR, **size})


def fit_text(text: str) -> str:
    """The text when Excel takes it whole; else what fits, ending with how many characters are missing."""
    if len(text) <= SHORT or _units(text) <= MAX_UTF16_UNITS:
        return text
    # Room for the longest ending first; the real one is not longer.
    room = MAX_UTF16_UNITS - _units(workbook_words.cut_off(len(text)))
    kept = text.encode("utf-16-le")[: 2 * room].decode("utf-16-le", errors="ignore")
    return kept + workbook_words.cut_off(len(text) - len(kept))


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _written(text: str) -> str:
    """XlsxWriter writes a text between <r> and </r> as markup, unescaped: hand it real markup then."""
    if text.startswith("<r>") and text.endswith("</r>"):
        return f'<r><t xml:space="preserve">{escape(text)}</t></r>'
    return text
