"""Uploads of a real shape and our own sample, against an independent reading that uses nothing of the parser."""

from __future__ import annotations

import csv
import io
from functools import cache
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.support.real_shapes import KINDS_OF_UPLOAD, provide
from worker.messages.row_findings import too_few_options
from worker.questions.question import ParsedUpload, Question
from worker.upload.parsing import parse_upload
from worker.upload.reading import read_sheets

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "examples" / "questions.xlsx"


def parse(data: bytes, name: str) -> ParsedUpload:
    sheets = read_sheets(data, name, max_bytes=50_000_000, max_rows=100_000)
    return parse_upload(sheets, name, default_level=None, default_semester=None)


@pytest.fixture(scope="module", params=KINDS_OF_UPLOAD)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return provide(request.param, tmp_path_factory.mktemp("upload"))


@pytest.fixture(scope="module")
def upload(path: Path) -> ParsedUpload:
    return parse(path.read_bytes(), path.name)


@cache
def read_again(path: Path) -> list[tuple[str, int, dict[str, Any]]]:
    """(sheet, row number, header as written → value) of each row, by another library."""
    book = openpyxl.load_workbook(path, data_only=True)
    rows = []
    for sheet in book:
        header = [cell.value for cell in sheet[1]]
        for number, values in enumerate(sheet.iter_rows(min_row=2, values_only=True), start=2):
            if any(value is not None and str(value).strip() for value in values):
                rows.append((sheet.title, number, dict(zip(header, values, strict=True))))
    return rows


def questions(upload: ParsedUpload) -> list[Question]:
    assert all(row.question for row in upload.rows)
    return [row.question for row in upload.rows if row.question]


def test_every_row_of_a_real_shape_is_a_question_once_and_in_order(path: Path, upload: ParsedUpload) -> None:
    assert [(sheet.name, sheet.row_count) for sheet in upload.read] == [
        ("qcm", 49), ("qroc", 49), ("cas_qcm", 49), ("cas_qroc", 49),
    ]  # fmt: skip
    there = [(name, number) for name, number, _ in read_again(path)]
    assert [(row.sheet, row.row_number) for row in upload.rows] == there
    assert all(row.type == row.sheet and row.rejection is None for row in upload.rows)
    assert len(questions(upload)) == 196
    assert upload.left_out == ()


def test_no_key_of_a_real_shape_is_misread(path: Path, upload: ParsedUpload) -> None:
    expected = []
    for name, _, values in read_again(path):
        if name.endswith("qcm"):
            cell = str(values["reponse"] or "")
            letters = cell.replace(",", "").replace(".", "").replace(" ", "")
            expected.append("".join(sorted(letters)) if letters and set(letters) <= set("ABCDE") else None)
    read = [question.official_key for question in questions(upload) if question.is_qcm]

    assert len(expected) == 98
    assert read == expected
    assert sum(key is None for key in expected) == 6
    assert not [f for row in upload.rows for f in row.findings if f.column == "reponse"]


def test_no_answer_of_a_real_shape_is_changed(path: Path, upload: ParsedUpload) -> None:
    expected = [str(values["reponse"]).strip() for name, _, values in read_again(path) if name.endswith("qroc")]
    read = [question.official_answer for question in questions(upload) if not question.is_qcm]

    assert read == [None if answer == "Pas de réponse." else answer for answer in expected]
    assert read.count(None) == 4


def test_texts_options_and_sources_of_a_real_shape_are_whole(path: Path, upload: ParsedUpload) -> None:
    for row, (_, _, values) in zip(upload.rows, read_again(path), strict=True):
        question = row.question
        assert question is not None
        assert row.cells["source"] == values["source"]
        text = values.get("texte de la question") or values.get("texte de question")
        assert question.text == str(text).strip()
        for letter in "ABCDE" if question.is_qcm else "":
            assert question.options.get(letter, "") == str(values[f"option {letter}"] or "").strip()
        if "cas" in row.sheet:
            assert question.case_text == str(values["texte du cas"]).strip()


def test_level_semester_specialty_and_cases_of_a_real_shape(upload: ParsedUpload) -> None:
    read = questions(upload)

    assert {question.level for question in read} == {"DCEM2"}
    assert {question.semester for question in read} == {"Non précisé"}
    assert all([f.code for f in row.findings] == ["semester_not_recognised"] for row in upload.rows)
    assert {question.specialty for question in read} == {"pediatrie 2", "Nephrologie"}
    assert len({question.case_text for question in read if question.case_text}) == 34
    assert sum(question.case_text is not None for question in read) == 98
    assert {question.difficulty for question in read} == {1, 2, 3}


def test_the_placeholders_of_a_real_shape_are_no_explanations(path: Path, upload: ParsedUpload) -> None:
    cells = [value for _, _, values in read_again(path) for value in values.values() if value == "aaa"]

    assert len(cells) == 245
    assert not [question for question in questions(upload) if question.option_explanations]


def test_a_real_shape_saved_again_without_formula_values_reads_the_same(path: Path, upload: ParsedUpload) -> None:
    # Given the file as a library writes it: `=B2` chained 48 deep, no value stored
    book = openpyxl.load_workbook(path)
    buffer = io.BytesIO()
    book.save(buffer)
    assert openpyxl.load_workbook(io.BytesIO(buffer.getvalue()), data_only=True)["qcm"]["B50"].value is None

    # Then nothing is lost
    assert parse(buffer.getvalue(), path.name) == upload


@pytest.mark.parametrize(("encoding", "delimiter"), [("utf-8-sig", ";"), ("utf-8", ","), ("utf-16", "\t")])
def test_a_sheet_of_a_real_shape_as_csv_reads_the_same(
    path: Path, upload: ParsedUpload, encoding: str, delimiter: str
) -> None:
    text = io.StringIO(newline="")
    sheet = openpyxl.load_workbook(path, data_only=True)["cas_qcm"]
    csv.writer(text, delimiter=delimiter).writerows(sheet.iter_rows(values_only=True))

    read = parse(text.getvalue().encode(encoding), "DCEM2 - cas_qcm.csv")

    assert questions(read) == [question for question in questions(upload) if question.type == "cas_qcm"]


def test_the_sample_shows_its_faults() -> None:
    upload = parse(SAMPLE.read_bytes(), SAMPLE.name)
    shown = [
        (row.type, row.question.official if row.question else row.rejection, [finding.code for finding in row.findings])
        for row in upload.rows
    ]

    assert shown == [
        ("qcm", "AC", []),
        ("qcm", "A", ["semester_not_recognised"]),
        ("qcm", None, ["level_inherited"]),
        ("qcm", "AC", []),
        ("qcm", too_few_options(1), []),
        ("qroc", "Treponema pallidum", []),
        ("qroc", "N-acétylcystéine", []),
        ("cas_qcm", "A", []),
        ("cas_qcm", "AB", ["case_text_inherited"]),
        ("cas_qroc", "Acidocétose diabétique", []),
    ]
    assert "explication e" in upload.read[0].columns
    hashes = [row.question.content_hash() for row in upload.rows if row.question]
    assert len(hashes) - len(set(hashes)) == 1
