"""Reading uploads: any bytes become sheets of clean text, or one French sentence."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from xml.etree import ElementTree

import openpyxl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.errors import JobFailed
from worker.questions.sheets import RawSheet
from worker.system import reader_process
from worker.system.reader_process import SpareReader, start_reader
from worker.upload.reading import ReaderKilled, child, read_sheets
from worker.upload.reading.reading import read_here

HEADER = ["matiere", "niveau", "texte de la question", "reponse"]


def read(
    data: bytes, name: str = "questions.xlsx", *, max_bytes: int = 20_000_000, max_rows: int = 1000
) -> list[RawSheet]:
    return read_here(data, name, max_bytes=max_bytes, max_rows=max_rows)


def cells(sheet: RawSheet) -> list[list[str]]:
    return [list(row) for _, row in sheet.rows]


def failure(data: bytes, name: str = "questions.xlsx", **limits: int) -> str:
    with pytest.raises(JobFailed) as caught:
        read(data, name, **limits)
    return str(caught.value)


# Files made by hand, smallest that a spreadsheet would open.


def xlsx(sheets: Mapping[str, Mapping[str, object]]) -> bytes:
    """A workbook from sheet name → cell address → value."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, values in sheets.items():
        sheet = book.create_sheet(name)
        for address, value in values.items():
            sheet[address] = value
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def table(rows: Sequence[Sequence[object]]) -> dict[str, object]:
    """Cell addresses of a table that starts at A1."""
    return {f"{chr(65 + x)}{y}": value for y, row in enumerate(rows, start=1) for x, value in enumerate(row)}


def zipped(entries: Mapping[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def replaced(workbook: bytes, part: str, change: Mapping[str, str]) -> bytes:
    """The workbook with texts of one of its parts replaced."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    # One spelling of the XML, whichever library wrote it.
    text = ElementTree.canonicalize(bytes(entries[part]).decode())
    for old, new in change.items():
        assert old in text, f"{old} is not in {part}"
        text = text.replace(old, new)
    return zipped({**entries, part: text})


def ods(table_xml: str) -> bytes:
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": "<manifest/>",
            "content.xml": (
                '<?xml version="1.0"?><office:document-content '
                'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
                'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
                'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>'
                f"{table_xml}</office:spreadsheet></office:body></office:document-content>"
            ),
        }
    )


def ods_cell(text: str, attributes: str = "") -> str:
    return f'<table:table-cell office:value-type="string" {attributes}><text:p>{text}</text:p></table:table-cell>'


def ole(stream_name: str, stream: bytes) -> bytes:
    """A compound file of 512-byte sectors with one stream: table of sectors, directory, stream."""
    stream = stream.ljust(4096, b"\0")
    stream += b"\0" * (-len(stream) % 512)
    count = len(stream) // 512
    chain = [0xFFFFFFFD, 0xFFFFFFFE, *range(3, count + 2), 0xFFFFFFFE]
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack("<I", 0) + b"\xff" * 108 * 4

    def entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
        field = (name + "\0").encode("utf-16-le")
        return (
            field.ljust(64, b"\0")
            + struct.pack("<HBBIII", len(field), kind, 1, 0xFFFFFFFF, 0xFFFFFFFF, child)
            + bytes(36)
            + struct.pack("<IQ", start, size)
        )

    directory = entry("Root Entry", 5, 1, 0xFFFFFFFE, 0) + entry(stream_name, 2, 0xFFFFFFFF, 2, len(stream))
    fat = b"".join(struct.pack("<I", link) for link in chain).ljust(512, b"\xff")
    return header[:512] + fat + directory.ljust(512, b"\0") + stream


def xls(name: str, rows: Sequence[Sequence[str | float]], *, locked: bool = False) -> bytes:
    """A BIFF8 workbook with one sheet."""

    def record(kind: int, body: bytes) -> bytes:
        return struct.pack("<HH", kind, len(body)) + body

    begin = struct.pack("<HHHHII", 0x0600, 5, 0, 0, 0, 0)
    lock = record(0x002F, struct.pack("<HHHH", 1, 1, 1, 1) + bytes(48)) if locked else b""
    sheet_name = struct.pack("<BB", len(name), 1) + name.encode("utf-16-le")
    head_size = len(record(0x0809, begin) + lock + record(0x0085, bytes(6) + sheet_name) + record(0x000A, b""))
    book = record(0x0809, begin) + lock
    book += record(0x0085, struct.pack("<IBB", head_size, 0, 0) + sheet_name) + record(0x000A, b"")
    book += record(0x0809, struct.pack("<HHHHII", 0x0600, 0x10, 0, 0, 0, 0))
    for y, row in enumerate(rows):
        for x, value in enumerate(row):
            place = struct.pack("<HHH", y, x, 0)
            if isinstance(value, str):
                book += record(0x0204, place + struct.pack("<HB", len(value), 1) + value.encode("utf-16-le"))
            else:
                book += record(0x0203, place + struct.pack("<d", value))
    return ole("Workbook", book + record(0x000A, b""))


def xlsb(name: str, rows: Mapping[int, Mapping[int, str | float]]) -> bytes:
    """A binary workbook with one sheet: row from 0 → column from 0 → value."""

    def record(kind: int, body: bytes = b"") -> bytes:
        number = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
        size = len(body)
        length = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
        return number + length + body

    def wide(text: str) -> bytes:
        return struct.pack("<I", len(text)) + text.encode("utf-16-le")

    book = record(131) + record(143) + record(156, struct.pack("<II", 0, 1) + wide("rId1") + wide(name))
    sheet = record(129) + record(148, struct.pack("<IIII", min(rows), max(rows), 0, 3)) + record(145)
    for y, row in rows.items():
        sheet += record(0, struct.pack("<I", y) + bytes(13))
        for x, value in row.items():
            place = struct.pack("<II", x, 0)
            sheet += (
                record(6, place + wide(value))
                if isinstance(value, str)
                else record(5, place + struct.pack("<d", value))
            )
    return zipped(
        {
            "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
            "xl/_rels/workbook.bin.rels": (
                '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
                '<Relationship Id="rId1" Target="worksheets/sheet1.bin" '
                'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"/></Relationships>'
            ),
            "xl/workbook.bin": book + record(144) + record(132),
            "xl/worksheets/sheet1.bin": sheet + record(146) + record(130),
        }
    )


# Workbooks


def test_an_xlsx_gives_its_sheets_in_order_as_text() -> None:
    data = xlsx({"qcm": table([HEADER, ["péd", "Dcem2", "Où ?", "A"]]), "qroc": table([HEADER])})

    first, second = read(data)

    assert (first.name, second.name) == ("qcm", "qroc")
    assert first.rows == ((1, tuple(HEADER)), (2, ("péd", "Dcem2", "Où ?", "A")))
    assert second.rows == ((1, tuple(HEADER)),)


def test_an_xls_is_read() -> None:
    (sheet,) = read(xls("cas_qcm", [["matière", "question n"], ["péd", 1.0]]), "old.xls")

    assert sheet.name == "cas_qcm"
    assert cells(sheet) == [["matière", "question n"], ["péd", "1"]]


def test_an_xlsb_is_read() -> None:
    (sheet,) = read(xlsb("qcm", {0: {0: "matière", 1: "question n"}, 2: {0: "péd", 1: 2.0}}), "binary.xlsb")

    assert sheet.rows == ((1, ("matière", "question n")), (3, ("péd", "2")))


def test_an_ods_is_read() -> None:
    row = "<table:table-row>{}</table:table-row>"
    data = ods(f'<table:table table:name="qroc">{row.format(ods_cell("matière") + ods_cell("réponse"))}'
               f'{row.format(ods_cell("péd") + ods_cell("Ovaire"))}</table:table>')  # fmt: skip

    (sheet,) = read(data, "open.ods")

    assert (sheet.name, cells(sheet)) == ("qroc", [["matière", "réponse"], ["péd", "Ovaire"]])


def test_the_content_decides_not_the_extension() -> None:
    data = xlsx({"qcm": table([["matiere"]])})

    assert read(data, "questions.csv")[0].name == "qcm"
    assert cells(read(b"matiere;niveau\nped;DCEM2\n", "export.xlsx")[0]) == [["matiere", "niveau"], ["ped", "DCEM2"]]


def test_values_become_the_text_a_reader_sees() -> None:
    data = xlsx(
        {
            "qcm": {
                "A1": 1.0,
                "A2": 1.5,
                "A3": date(2024, 6, 1),
                "A4": datetime(2024, 6, 1, 14, 30),  # noqa: DTZ001 spreadsheets have no zone
                "A5": True,
                "A6": False,
                "A7": time(14, 30),
                "A8": -3,
                "A9": 0,
            }
        }
    )

    assert [row[0] for row in cells(read(data)[0])] == [
        "1", "1,5", "2024-06-01", "2024-06-01 14:30:00", "VRAI", "FAUX", "14:30:00", "-3", "0",
    ]  # fmt: skip


def test_text_is_cleaned_and_nothing_else_is_touched() -> None:
    # Given cells as Excel, Windows and careless exports write them
    data = b'a;b\n"un\r\ndeux\rtrois";x\x00y\x07z\n  bord  ;un_x000D_\tdeux\n'

    # When read, line breaks are one kind, control characters gone, spaces at the ends kept
    assert cells(read(data, "x.csv")[0])[1:] == [["un\ndeux\ntrois", "xyz"], ["  bord  ", "un\n\tdeux"]]


def test_escaped_line_breaks_of_a_workbook_are_line_breaks() -> None:
    data = replaced(xlsx({"qcm": {"A1": "un§deux"}}), "xl/worksheets/sheet1.xml", {"un§deux": "un_x000D_\ndeux"})

    assert cells(read(data)[0]) == [["un\ndeux"]]


def test_blank_rows_and_empty_trailing_columns_are_dropped_and_row_numbers_stay() -> None:
    # Given a sheet that begins at C4, with a row of spaces and a far empty-looking cell
    data = xlsx({"qcm": {"C4": "matiere", "D4": "niveau", "C5": "  ", "C9": "ped", "Q9": " \n "}})

    (sheet,) = read(data)

    assert sheet.rows == ((4, ("", "", "matiere", "niveau")), (9, ("", "", "ped", "")))


def test_2226_blank_rows_count_for_nothing() -> None:
    data = xlsx({"qcm": {"A1": "matiere", "A2": "ped", "A2300": "fin"}})

    (sheet,) = read(data, max_rows=2)

    assert [number for number, _ in sheet.rows] == [1, 2, 2300]


def test_a_chart_sheet_is_an_empty_sheet() -> None:
    book = openpyxl.Workbook()
    book.active.title = "qcm"
    book.active["A1"] = "matiere"
    book.create_chartsheet("graphique")
    buffer = io.BytesIO()
    book.save(buffer)

    assert [(sheet.name, len(sheet.rows)) for sheet in read(buffer.getvalue())] == [("qcm", 1), ("graphique", 0)]


# Formulas


def test_a_stored_value_is_used() -> None:
    data = replaced(
        xlsx({"qcm": {"A1": "niveau", "A2": "=UPPER(B9)"}}),
        "xl/worksheets/sheet1.xml",
        {'<c r="A2"><f>UPPER(B9)</f><v></v></c>': '<c r="A2" t="str"><f>UPPER(B9)</f><v>DCEM2</v></c>'},
    )

    (sheet,) = read(data)

    assert cells(sheet) == [["niveau"], ["DCEM2"]]
    assert sheet.unresolved == {}


def test_references_chained_far_deeper_than_48_are_resolved_without_a_stored_value() -> None:
    chain = {f"B{row}": f"=B{row - 1}" for row in range(3, 900)}
    data = xlsx({"qcm": {"B1": "niveau", "B2": "Dcem2", **chain}})

    (sheet,) = read(data)

    assert len(sheet.rows) == 899
    assert {row[1] for _, row in sheet.rows[1:]} == {"Dcem2"}
    assert sheet.unresolved == {}


@pytest.mark.parametrize("formula", ["=$A$2", "=A$2", "=+A2", "=a2", "='qcm'!A2", "=qcm!$A$2"])
def test_every_way_to_write_a_plain_reference(formula: str) -> None:
    (sheet,) = read(xlsx({"qcm": {"A1": "niveau", "A2": "Dcem2", "C7": formula, "A7": "x"}}))

    assert dict(sheet.rows)[7] == ("x", "", "Dcem2")


def test_a_shared_formula_moves_with_its_cell() -> None:
    data = replaced(
        xlsx(
            {
                "qcm": {
                    "A1": "x",
                    "B1": "un",
                    "A2": "y",
                    "B2": "deux",
                    "A3": "z",
                    "C1": "=B1",
                    "C2": "=B2",
                    "C3": "=$B$1",
                }
            }
        ),
        "xl/worksheets/sheet1.xml",
        {
            "<f>B1</f>": '<f t="shared" ref="C1:C3" si="0">B1</f>',
            "<f>B2</f>": '<f t="shared" si="0"/>',
        },
    )

    assert [row[2] for row in cells(read(data)[0])] == ["un", "deux", "un"]


def test_other_formulas_without_a_value_and_circles_are_told() -> None:
    data = xlsx(
        {
            "qcm": {
                "A1": "niveau",
                "B2": "a",
                "A2": "=VLOOKUP(B2,Z1:Z9,1)",
                "B3": "b",
                "A3": "=A4",
                "B4": "c",
                "A4": "=A3",
            }
        }
    )

    (sheet,) = read(data)

    assert [row[0] for row in cells(sheet)] == ["niveau", "", "", ""]
    assert sheet.unresolved == {(2, 0): "=VLOOKUP(B2,Z1:Z9,1)", (3, 0): "=A4", (4, 0): "=A3"}


def test_a_stored_empty_text_is_a_value_and_a_stored_error_is_none() -> None:
    data = replaced(
        xlsx({"qcm": {"A1": "x", "B1": "niveau", "A2": "y", "B2": "=UPPER(C2)", "A3": "z", "B3": "=LOWER(C3)"}}),
        "xl/worksheets/sheet1.xml",
        {
            '<c r="B2"><f>UPPER(C2)</f><v></v></c>': '<c r="B2" t="str"><f>UPPER(C2)</f><v></v></c>',
            '<c r="B3"><f>LOWER(C3)</f><v></v></c>': '<c r="B3" t="e"><f>LOWER(C3)</f><v>#REF!</v></c>',
        },
    )

    assert read(data)[0].unresolved == {(3, 1): "=LOWER(C3)"}


# CSV

TEXT = "matière;niveau;texte\npédiatrie;DCEM2;où est le thème, à 38,5 °C ?\nçà;là;forêt — œdème\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_csv_is_decoded_right(encoding: str) -> None:
    (sheet,) = read(TEXT.encode(encoding), "Cours 3 - qcm.csv")

    assert sheet.name == "Cours 3 - qcm"
    assert cells(sheet) == [line.split(";") for line in TEXT.splitlines()]


def test_utf16_without_a_mark_is_decoded_right() -> None:
    assert cells(read(TEXT.encode("utf-16-le"), "x.csv")[0])[0] == ["matière", "niveau", "texte"]


@pytest.mark.parametrize("encoding", ["mac_roman", "cp850"])
def test_excel_exports_for_macintosh_and_msdos_are_decoded_right(encoding: str) -> None:
    text = "matière;niveau\npédiatrie;là où ça naît\n"

    assert cells(read(text.encode(encoding), "x.csv")[0])[1] == ["pédiatrie", "là où ça naît"]


def test_an_encoding_that_is_not_french_is_guessed() -> None:
    text = "вопрос;ответ\n" + "Какой гормон снижает уровень глюкозы в крови?;инсулин\n" * 5

    assert cells(read(text.encode("cp1251"), "x.csv")[0])[1][1] == "инсулин"


def test_one_stray_byte_does_not_spoil_a_utf8_file() -> None:
    data = TEXT.encode() + b"r\xe9nal;" + "thème;été\n".encode()

    assert cells(read(data, "x.csv")[0])[-1] == ["rénal", "thème", "été"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found_and_quoted_line_breaks_are_kept(delimiter: str) -> None:
    quoted = '"Une question; avec, tout\tcela\net une suite"'
    data = f"matiere|niveau|texte|reponse\nped|DCEM2|{quoted}|A\n\n\nped|DCEM2|courte|B\n".replace("|", delimiter)

    (sheet,) = read(data.encode(), "x.csv")

    assert sheet.rows == (
        (1, ("matiere", "niveau", "texte", "reponse")),
        (2, ("ped", "DCEM2", "Une question; avec, tout\tcela\net une suite", "A")),
        (6, ("ped", "DCEM2", "courte", "B")),
    )


def test_decimal_commas_do_not_make_a_comma_file() -> None:
    data = "matiere;texte;reponse\nped;Entre 1,5 et 2,5, ou 3,5, ou 4,5, ou 5,5 g/L, que faire ?;A, B, C, D, E\n"

    assert len(read(data.encode(), "x.csv")[0].rows[1][1]) == 3


def test_a_title_line_and_excels_separator_line_do_not_hide_the_delimiter() -> None:
    titled = "Questions, année 2024\nmatiere;niveau;texte\nped;DCEM2;où\nped;DCEM2;quand\n"

    assert cells(read(titled.encode(), "x.csv")[0])[1] == ["matiere", "niveau", "texte"]
    assert read(b"sep=;\nmatiere;niveau\nped;DCEM2\n", "x.csv")[0].rows[0] == (2, ("matiere", "niveau"))


def test_line_breaks_of_every_kind_end_a_record() -> None:
    for line_break in ("\n", "\r\n", "\r"):
        data = line_break.join(["matiere;niveau", "ped;DCEM2", ""])
        assert [number for number, _ in read(data.encode(), "x.csv")[0].rows] == [1, 2]


def test_a_long_cell_is_never_cut() -> None:
    long = "é" * 200_000

    assert read(f"texte;b\n{long};c\n".encode(), "x.csv")[0].rows[1][1][0] == long


def test_a_quote_that_is_never_closed_is_told_with_its_line() -> None:
    message = failure(b'a;b\nc;d\ne;"f\ng;h\ni;j\n', "x.csv")

    assert message == "Un guillemet ouvert à la ligne 3 n'est jamais fermé : corriger le fichier CSV."


# Bad files

DOCX = zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": "<document/>"})
ODT = zipped({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": "<x/>"})
NESTED = zipped({"questions.xlsx": xlsx({"qcm": {"A1": "matiere"}})})
ENCRYPTED_ODS = zipped(
    {
        "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
        "content.xml": "\x01\x02",
        "META-INF/manifest.xml": '<manifest:encryption-data manifest:checksum="x"/>',
    }
)


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"", "x.xlsx", "est vide"),
        (b" \n\n ", "x.csv", "est vide"),
        (b"\xef\xbb\xbf", "x.csv", "est vide"),
        (b"n'importe quoi", "x.xlsx", "n'est pas un tableur reconnu"),
        (bytes(range(256)) * 9, "x.xlsx", "n'est pas un tableur reconnu"),
        (bytes(range(1, 256)) * 9, "x.csv", "n'est pas un tableur reconnu"),
        (DOCX, "x.docx", "un document Word"),
        (DOCX, "x.xlsx", "un document Word"),
        (ole("WordDocument", b""), "x.doc", "un document Word"),
        (b"%PDF-1.7\n%\xe2\xe3\n", "x.pdf", "un PDF"),
        (b"\x89PNG\r\n\x1a\n\0\0", "x.xlsx", "une image"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "x.jpg", "une image"),
        (b"\x1f\x8b\x08\0", "x.csv.gz", "une archive"),
        (b"<!DOCTYPE html><html><table>", "x.xls", "une page web"),
        (NESTED, "x.zip", "une archive ZIP"),
        (ODT, "x.odt", "un document OpenDocument"),
        (ole("EncryptedPackage", b""), "x.xlsx", "mot de passe"),
        (xls("qcm", [["a"]], locked=True), "x.xls", "mot de passe"),
        (ENCRYPTED_ODS, "x.ods", "mot de passe"),
        (xlsx({"qcm": {"A1": "a"}})[:3000], "x.xlsx", "endommagé"),
        (b"PK\x03\x04", "x.xlsx", "endommagé"),
        (zipped({"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook"}), "x.xlsx", "endommagé"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "x.xls", "endommagé"),
        (xls("qcm", [["a"]])[:900], "x.xls", "endommagé"),
    ],
)  # fmt: skip
def test_a_bad_file_fails_with_one_french_sentence(data: bytes, name: str, words: str) -> None:
    message = failure(data, name)

    assert words in message
    assert message.endswith(".")
    assert "\n" not in message


def test_an_upload_above_the_limit_is_refused() -> None:
    assert failure(b"a;b\n" * 1000, "x.csv", max_bytes=1000) == (
        "Le fichier est trop volumineux : 0,004 Mo pour 0,001 Mo au plus. Le partager en plusieurs fichiers."
    )


def test_a_workbook_above_the_limit_once_unzipped_is_refused() -> None:
    data = xlsx({"qcm": {f"A{row}": "é" * 30_000 for row in range(1, 9)}})
    assert len(data) < 50_000

    assert "une fois décompressé" in failure(data, max_bytes=100_000)


def test_a_zip_bomb_is_refused() -> None:
    bomb = zipped({"[Content_Types].xml": "<Types/>", "xl/workbook.xml": b"\0" * 15_000_000})

    assert "démesuré" in failure(bomb)


def test_a_zip_bomb_that_lies_about_its_size_is_refused() -> None:
    # Given a part of 5 MB whose headers say 10 bytes
    data = bytearray(zipped({"[Content_Types].xml": "<Types/>", "xl/workbook.xml": b"\0" * 5_000_000}))
    size = struct.pack("<I", 5_000_000)
    while (place := data.find(size)) >= 0:
        data[place : place + 4] = struct.pack("<I", 10)

    # Then it is inflated within the limit only
    assert "une fois décompressé" in failure(bytes(data), max_bytes=1_000_000)


def test_too_many_parts_and_overlapping_parts_are_refused() -> None:
    many = zipped({"xl/workbook.xml": "", **{f"xl/{n}": "" for n in range(5001)}})
    assert "démesuré" in failure(many)

    # Given eight directory entries that all point to the first part's bytes
    noise = zlib.compress(bytes(range(256)) * 8)
    data = zipped({"xl/workbook.xml": noise, **{f"xl/part{n}.xml": "" for n in range(8)}})
    place, first = data.index(b"PK\x01\x02"), b""
    directory = bytearray(data[place:])
    position = 0
    while directory[position : position + 4] == b"PK\x01\x02":
        first = first or bytes(directory[position + 10 : position + 28])
        directory[position + 10 : position + 28] = first
        directory[position + 42 : position + 46] = bytes(4)
        position += 46 + struct.unpack_from("<H", directory, position + 28)[0]
    assert "démesuré" in failure(data[:place] + bytes(directory))


@pytest.mark.parametrize(
    "data",
    [
        xlsx({"qcm": {"A1": "a", "XFD1048576": "b"}}),
        replaced(xlsx({"qcm": {"A1": "a", "B9": "b"}}), "xl/worksheets/sheet1.xml", {'r="B9"': "r = 'XFD1048576'"}),
        xlsb("qcm", {0: {0: "a"}, 1_048_575: {16_383: "b"}}),
        ods(
            '<table:table table:name="qcm"><table:table-row table:number-rows-repeated="1000000">'
            + ods_cell("a", 'table:number-columns-repeated="16000"')
            + "</table:table-row></table:table>"
        ),
    ],
)
def test_two_far_cells_do_not_make_a_table_of_billions(data: bytes) -> None:
    assert "presque toutes vides" in failure(data)


def test_the_empty_rest_of_an_ods_sheet_counts_for_nothing() -> None:
    empty = '<table:table-cell table:number-columns-repeated="16384"/>'
    data = ods(
        f'<table:table table:name="qcm"><table:table-row>{ods_cell("matiere")}{empty}</table:table-row>'
        f'<table:table-row table:number-rows-repeated="1048575">{empty}</table:table-row></table:table>'
    )

    assert cells(read(data, "x.ods")[0]) == [["matiere"]]


def test_more_columns_than_any_question_has_are_refused() -> None:
    line = ";".join(f"c{n}" for n in range(1001))
    assert "1001 colonnes" in failure(f"{line}\n{line}".encode(), "x.csv")
    assert len(read(f"{line};{';' * 5000}\n".encode().replace(b"c1000", b""), "x.csv")[0].rows[0][1]) == 1000


def test_too_many_rows_fail_and_headers_do_not_count() -> None:
    rows = [["texte"], *[[f"q{n}"] for n in range(10)]]
    data = xlsx({"qcm": table(rows), "qroc": table(rows)})

    assert len(read(data, max_rows=20)) == 2
    assert failure(data, max_rows=19) == "Le fichier contient plus de 19 lignes : le partager en plusieurs fichiers."
    assert "plus de 9 lignes" in failure("\n".join(row[0] + ";x" for row in rows).encode(), "x.csv", max_rows=9)


# Files made to end the process that reads them: it asks for more memory than there is, and that aborts.

SHEET = "xl/worksheets/sheet1.xml"
PLAIN = xlsx({"qcm": {"A1": "a", "B9": "b"}})


def elsewhere(workbook: bytes) -> bytes:
    """The same sheet under a name that says nothing of sheets."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    parts["xl/data.xml"] = parts.pop(SHEET)
    relations = parts["xl/_rels/workbook.xml.rels"].replace(b"worksheets/sheet1.xml", b"data.xml")
    return zipped({**parts, "xl/_rels/workbook.xml.rels": relations})


def one_text_in_many_cells() -> bytes:
    """A million letters, stored once and shown five thousand times."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        sheet = book.add_worksheet("qcm")
        sheet.write_column(0, 0, ["Question", *["b"] * 5000])
    data = replaced(buffer.getvalue(), "xl/sharedStrings.xml", {"<t>b</t>": f"<t>{'b' * 1_000_000}</t>"})
    assert len(data) < 100_000
    return data


KILLERS = {
    # A cell in column 65,535 of a format that has 256.
    "xls, far cell": xls("qcm", [["a"], [1.0]]).replace(
        struct.pack("<HHHHH", 0x0203, 14, 1, 0, 0), b"\x03\x02\x0e\0\xff\xff\xff\xff\0\0"
    ),
    "xlsx, row of ten digits": replaced(PLAIN, SHEET, {'r="B9"': 'r="B3999999999"'}),
    "xlsx, padded row": replaced(PLAIN, SHEET, {'r="B9"': 'r="B000999999999"'}),
    "xlsx, no such column": replaced(PLAIN, SHEET, {'r="B9"': 'r="ZZZZZZ9"'}),
    "xlsx, hidden sheet": elsewhere(replaced(PLAIN, SHEET, {'r="B9"': 'r="XFD1048576"'})),
    "xlsx, one long text in many cells": one_text_in_many_cells(),
    "ods, blanks by the thousand million": ods(
        '<table:table table:name="q"><table:table-row><table:table-cell office:value-type="string">'
        '<text:p>a<text:s text:c="+900000000"/>b</text:p></table:table-cell></table:table-row></table:table>'
    ),
}


@pytest.mark.parametrize("name", KILLERS)
def test_a_file_that_kills_its_reader_fails_the_job_only(name: str) -> None:
    with pytest.raises(JobFailed, match=r"endommagé|volumineux"):
        read_sheets(KILLERS[name], f"x.{name.split(',', maxsplit=1)[0]}", max_bytes=50_000_000, max_rows=100_000)


def test_what_the_child_reads_arrives_whole() -> None:
    workbook = xlsx(
        {
            "qcm": {"A1": "niveau\n\t«é»", "B2": "=UPPER(C2)", "C2": "=B2", "E9": "\U0001f9e0"},
            "Feuille 'vide'": {},
        }
    )
    for data, name in ((workbook, "x.xlsx"), (TEXT.encode(), "x.csv"), (xls("qcm", [["a", 1.5]]), "x.xls")):
        assert read_sheets(data, name, max_bytes=20_000_000, max_rows=1000) == read(data, name)


def test_what_the_child_refuses_is_refused_in_its_words() -> None:
    with pytest.raises(JobFailed) as caught:
        read_sheets(b"%PDF-1.7", "x.pdf", max_bytes=20_000_000, max_rows=1000)
    assert str(caught.value) == failure(b"%PDF-1.7", "x.pdf")


def test_a_child_that_is_killed_from_outside_says_nothing_about_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def start_and_kill(module: str) -> subprocess.Popen[bytes]:
        started = start_reader(module)
        started.kill()
        return started

    monkeypatch.setattr(reader_process, "start_reader", start_and_kill)
    with pytest.raises(ReaderKilled):
        read_sheets(TEXT.encode(), "x.csv", max_bytes=20_000_000, max_rows=1000)


def test_the_child_that_reads_what_strangers_wrote_is_given_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("DATABASE_URL", "postgresql://medq:secret@db/medq")
    started = start_reader(child.__name__)
    try:
        # Until it has become another program, what is read there is that of this process.
        ours = Path("/proc/self/cmdline").read_bytes()
        while Path(f"/proc/{started.pid}/cmdline").read_bytes() in (ours, b""):
            assert started.poll() is None
        held = Path(f"/proc/{started.pid}/environ").read_bytes()
        assert b"PYTHONPATH=" in held
        assert b"secret" not in held
    finally:
        started.kill()
        started.communicate()


def test_a_reader_in_waiting_is_taken_once_and_another_one_when_it_died() -> None:
    spare = SpareReader(child.__name__)
    used = [spare.take()]
    spare.refill()
    used.append(spare.take())  # nobody asked for one in waiting: started just now
    spare.keep_ready()
    waiting = spare._spare
    used.append(spare.take())
    assert used[-1] is waiting
    spare.refill()
    dead = spare._spare
    assert dead is not None
    dead.kill()
    dead.communicate()
    used.append(spare.take())
    assert used[-1] is not dead
    assert len({started.pid for started in used}) == 4
    for started in used:
        assert started.communicate(timeout=60)[0] == b""  # without an order it ends by itself


# Whatever the bytes

WORKBOOKS = [
    xlsx({"qcm": {"A1": "matière", "B2": "=A1", "C3": 1.5}}),
    xlsb("qcm", {0: {0: "a"}, 2: {1: 2.0}}),
    ods(f'<table:table table:name="q"><table:table-row>{ods_cell("a")}</table:table-row></table:table>'),
    TEXT.encode(),
]


def check_any(data: bytes, name: str) -> None:
    with contextlib.suppress(JobFailed):
        sheets = read(data, name)
        assert all(isinstance(cell, str) for sheet in sheets for _, row in sheet.rows for cell in row)


@given(st.binary(max_size=400), st.sampled_from(["x.csv", "x.xlsx", "x"]))
@settings(max_examples=60)
def test_any_bytes_are_sheets_or_a_sentence(data: bytes, name: str) -> None:
    check_any(data, name)


@given(st.sampled_from(WORKBOOKS), st.lists(st.tuples(st.integers(0, 12_000), st.integers(0, 255)), max_size=6))
@settings(max_examples=60)
def test_any_damage_to_a_workbook_is_sheets_or_a_sentence(workbook: bytes, damage: list[tuple[int, int]]) -> None:
    data = bytearray(workbook)
    for place, byte in damage:
        data[place % len(data)] = byte
    check_any(bytes(data), "x.xlsx")
