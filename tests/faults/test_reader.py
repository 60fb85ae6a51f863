"""Whatever is uploaded, reading gives questions that hold all cells, or one French sentence; and it always ends."""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.faults.reading import LONGEST_S, MAX_BYTES, MAX_ROWS, Read, damage, read_apart
from tests.faults.record import record
from tests.support.harness import LONG
from worker.errors import JobFailed
from worker.messages.sheet_notes import OPTIONS_ARE_TRUTHS
from worker.questions.question import fold_name
from worker.upload.parsing.evidence import _TRUTH
from worker.upload.reading import read_sheets
from worker.upload.reading.cells import cell_text
from worker.upload.reading.encodings import repair_double

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "questions.xlsx"
EXAMPLES = 1000 if LONG else 60
DAMAGED = 60_000 if LONG else 500
LETTERS = "ABCDE"
# The reader runs in a fork of this process, whose other threads are asleep.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
HEADERS = ["matiere", "cours", "niveau", "texte de la question", *(f"option {x}" for x in LETTERS), "reponse"]
often = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
numbers = st.one_of(st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False))
dates = st.dates(min_value=date(1901, 1, 1), max_value=date(2200, 1, 1))
errors = st.sampled_from(["#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!"])
values = st.one_of(texts, numbers, dates, st.booleans(), errors.map(lambda error: ("error", error)))


def check(read: Read) -> None:
    """Sheets of clean text, or one sentence."""
    assert read.seconds < LONGEST_S
    if read.sentence is not None:
        assert read.sentence.endswith(".")
        assert "\n" not in read.sentence
        assert "Traceback" not in read.sentence
    for sheet in read.sheets:
        for _, cells in sheet.rows:
            for cell in cells:
                assert cell_text(cell) == cell
                cell.encode()  # half a character raises
    if read.upload is not None:
        # Each row of a sheet that was read is there once, and a row without a question says why.
        places = [(row.sheet, row.row_number) for row in read.upload.rows]
        assert len(set(places)) == len(places)
        assert len(places) == sum(sheet.row_count for sheet in read.upload.read)
        assert all(row.question or row.rejection for row in read.upload.rows)


@often
@given(st.binary(max_size=600), st.sampled_from([".csv", ".xlsx", ".xls", ".xlsb", ".ods", ".txt", ""]))
def test_any_bytes(data: bytes, suffix: str) -> None:
    read = read_apart(data, f"x{suffix}")
    assert read.death == 0
    check(read)


@often
@given(st.sampled_from([b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"]), st.binary(max_size=600))
def test_any_bytes_that_begin_as_a_workbook(signature: bytes, data: bytes) -> None:
    check(read_apart(signature + data, "x.xlsx"))


def write(rows: list[list[object]]) -> tuple[bytes, list[list[str]]]:
    """A workbook of these cells, and the text that each must come back as."""
    buffer = io.BytesIO()
    expected: list[list[str]] = []
    with xlsxwriter.Workbook(buffer, {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet("qcm")
        as_date = book.add_format({"num_format": "yyyy-mm-dd"})
        for y, row in enumerate(rows):
            expected.append([])
            for x, value in enumerate(row):
                expected[-1].append(_write_cell(sheet, y, x, value, as_date))
    return buffer.getvalue(), expected


def _write_cell(sheet: xlsxwriter.worksheet.Worksheet, y: int, x: int, value: object, as_date: object) -> str:
    match value:
        case ("error", str(error)):
            sheet.write_formula(y, x, "=1/0", None, error)
            return error  # and the formula is told: see below
        case bool():
            sheet.write_boolean(y, x, value)
            return cell_text(value)
        case int() | float():
            sheet.write_number(y, x, value)
            return cell_text(float(f"{value:.16G}"))  # as the file says it
        case date():
            sheet.write_datetime(y, x, value, as_date)
            return value.isoformat()
        case _:
            sheet.write_string(y, x, str(value))
            return as_read(str(value))


def _is_truth(cell: str) -> bool:
    return not cell.strip() or fold_name(cell) in _TRUTH


def as_read(text: str) -> str:
    """The text of a cell: clean, and with the letters repaired that chance has encoded twice."""
    return repair_double(cell_text(text))[0]


@often
@given(st.lists(st.lists(values, min_size=len(HEADERS), max_size=len(HEADERS)), min_size=1, max_size=6))
@example([["", "", "", "", "", "", "", 0, 0, ""]])  # the cells of options alone, and these say true or false
@example([["", "", "", "Est-ce vrai ?", True, False, True, "", "", "A"]])
def test_any_cell_values_are_kept_and_options_keep_their_letters(rows: list[list[object]]) -> None:
    data, expected = write([list(HEADERS), *rows])
    read = read_apart(data, "x.xlsx")
    assert read.death == 0
    check(read)
    filled = {number: cells for number, cells in enumerate(expected, 1) if any(cell.strip() for cell in cells)}
    # Every row with anything in it, every cell of it, as it was written
    (sheet,) = read.sheets
    assert [number for number, _ in sheet.rows] == list(filled)
    for number, cells in sheet.rows:
        padded = [*cells, *[""] * (len(HEADERS) - len(cells))]
        for got, wanted in zip(padded, filled[number], strict=True):
            assert got == wanted or (not got.strip() and not wanted.strip()) or _is_same_number(got, wanted)
    failing = {(y, x) for y, row in enumerate(rows, 2) for x, value in enumerate(row) if isinstance(value, tuple)}
    assert set(sheet.unresolved) == {place for place in failing if place[0] in filled}
    # And each as a question or a refusal, no option under another letter than its column's
    # (a row with nothing but the names around a question is none, and counted)
    asked = [number for number, cells in filled.items() if number > 1 and any(cell.strip() for cell in cells[3:])]
    # Options that all say true or false are none: that is refused, and said
    are_truths = OPTIONS_ARE_TRUTHS in (read.sentence or "")
    assert not are_truths or all(
        _is_truth(cell) for number in asked if filled[number][3].strip() for cell in filled[number][4:9]
    )
    assert (read.upload is None) == (not asked or are_truths), read.sentence
    if read.upload is None:
        return
    assert [row.row_number for row in read.upload.rows] == asked
    others = sum(note.count for note in read.upload.notes if note.code == "row_without_question")
    assert others == len(filled) - 1 - len(asked)
    for row in read.upload.rows:
        written = dict(zip(LETTERS, filled[row.row_number][4:9], strict=True))
        for letter, option in (row.question.options if row.question else {}).items():
            assert option.strip()
            assert "".join(option.split()) in "".join(written[letter].split())


def _is_same_number(got: str, wanted: str) -> bool:
    try:
        return float(got.replace(",", ".")) == pytest.approx(float(wanted.replace(",", ".")), rel=1e-14)
    except ValueError:
        return False


plain = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters='\ufeff;,|\t"'), max_size=30
)


@often
@given(
    st.lists(st.lists(plain, min_size=4, max_size=4), min_size=1, max_size=6),
    st.sampled_from(";,\t|"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_text_in_any_csv(rows: list[list[str]], delimiter: str, encoding: str, line_break: str) -> None:
    # Given cells with the delimiter, quotes and line breaks in them
    rows = [["matiere", "niveau", "texte", "reponse"], *([*row[:3], f'dit "{row[3]}"{delimiter}\nfin'] for row in rows)]
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator=line_break).writerows(rows)
    text = buffer.getvalue()
    if encoding == "cp1252":
        text = text.encode("cp1252", "ignore").decode("cp1252")
        rows = [[cell.encode("cp1252", "ignore").decode("cp1252") for cell in row] for row in rows]
        if not text.isascii():  # how foreign letters are told from French ones is tested elsewhere
            return
    read = read_apart(text.encode(encoding), "x.csv")
    assert read.death == 0
    check(read)
    assert [list(cells) for _, cells in read.sheets[0].rows] == [[as_read(cell) for cell in row] for row in rows]


@pytest.mark.timeout(2400)
def test_damaged_workbooks(rng: random.Random) -> None:
    # Given good workbooks, each with a few changes inside
    rows: list[list[object]] = [list(HEADERS)]
    rows += [[n, "cours", True, date(2024, 1, 1), *(f"texte {letter}{n}" for letter in "ABCDEF")] for n in range(6)]
    workbooks = [SAMPLE.read_bytes(), write(rows)[0]]
    ended: Counter[str] = Counter()
    for _ in range(DAMAGED):
        data = damage(rng.choice(workbooks), rng)
        read = read_apart(data, "x.xlsx")
        check(read)
        ended["killed" if read.death else "refused" if read.sentence else "read"] += 1
        if read.death:
            # What kills its reader fails the job, and no more. The worker's own reader has less loaded, and may just
            # have room enough where this fork had not.
            with suppress(JobFailed):
                read_sheets(data, "x.xlsx", max_bytes=MAX_BYTES, max_rows=MAX_ROWS)
    assert min(ended["refused"], ended["read"]) > DAMAGED // 10, ended
    record(
        "damaged workbooks",
        files=DAMAGED,
        read=ended["read"],
        refused=ended["refused"],
        readers_killed=ended["killed"],
        workers_killed=0,
    )
