"""Where the questions of a sheet stand: titles above, headers of two rows, headers again, blocks, rows of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from worker.errors import JobFailed
from worker.messages.row_findings import NO_TEXT
from worker.questions.question import ParsedUpload, Question
from worker.questions.sheets import RawSheet
from worker.upload.parsing import parse_upload

HEADER = ("matiere", "niveau", "question", "option a", "option b", "option c", "reponse")
ROW = ("Cardiologie", "DCEM2", "Quel nerf ?", "un", "deux", "trois", "A")


def grid(name: str, *rows: Sequence[str], first: int = 1) -> RawSheet:
    width = max(map(len, rows), default=0)
    padded = [(*row, *[""] * (width - len(row))) for row in rows]
    return RawSheet(name, tuple((n, row) for n, row in enumerate(padded, start=first) if any(row)))


def parse(*sheets: RawSheet, file_name: str = "x.xlsx", level: str | None = None) -> ParsedUpload:
    return parse_upload(sheets, file_name, default_level=level, default_semester=None)


def only(upload: ParsedUpload) -> Question:
    (row,) = upload.rows
    assert row.question is not None, row.rejection
    return row.question


def noted(upload: ParsedUpload) -> list[tuple[str, int]]:
    return [(note.code, note.count) for note in upload.notes]


# Above the header


@pytest.mark.parametrize("lines", [1, 3, 11, 25])
def test_a_page_of_instructions_above_the_header_is_passed_over_and_said(lines: int) -> None:
    upload = parse(grid("qcm", *[(f"Consigne {n}",) for n in range(lines)], HEADER, ROW))

    assert only(upload).options == {"A": "un", "B": "deux", "C": "trois"}
    assert upload.read[0].header_row == lines + 1
    assert noted(upload) == [("title_rows", lines)]
    assert "« Consigne 0 »" in upload.notes[0].message


@pytest.mark.parametrize(
    "block",
    [
        [("Matière", "Cardiologie", "Niveau", "DCEM2")],
        [("Matière :", "Cardiologie"), ("Niveau :", "DCEM2")],
        [("Matière : Cardiologie",), ("Niveau : DCEM2",)],
        [("Matière : Cardiologie", "", "Niveau = DCEM2")],
        [("matiere", "", "Cardiologie"), (), ("niveau", "DCEM2")],
        [("Banque de QCM",), ("Matière", "Cardiologie", "", "Niveau", "DCEM2")],
    ],
)
def test_what_a_title_block_says_counts_for_every_row(block: list[Sequence[str]]) -> None:
    upload = parse(grid("qcm", *block, HEADER[2:], ROW[2:]))

    question = only(upload)
    assert (question.specialty, question.level, question.official_key) == ("Cardiologie", "DCEM2", "A")
    assert "title_block" in dict(noted(upload))


def test_a_row_says_more_than_its_title_block() -> None:
    upload = parse(grid("qcm", ("Niveau", "DCEM1"), HEADER, ROW, (*ROW[:1], "", "Autre ?", *ROW[3:])))

    assert [row.question and row.question.level for row in upload.rows] == ["DCEM2", "DCEM1"]


@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        (("matiere", "niveau", "question", "Propositions", "", "", "reponse"), ("", "", "", "A", "B", "C", "")),
        (("matiere", "niveau", "question", "Choix", "", "", "reponse"), ("", "", "", "1", "2", "3", "")),
        ((*HEADER[:3], "OPTIONS", "", "", "reponse"), (*HEADER[:3], "a", "b", "c", "reponse")),
        (("Classement", "", "Contenu", "", "", "", ""), HEADER),
        (("", "", "", "Propositions", "", "", "Corrigé"), ("matiere", "niveau", "question", "A", "B", "C", "reponse")),
        (("matiere", "niveau", "question", "Option", "Option", "Option", "reponse"), ("", "", "", "A", "B", "C", "")),
    ],
)  # fmt: skip
def test_a_header_of_two_rows_is_read_as_one(upper: Sequence[str], lower: Sequence[str]) -> None:
    upload = parse(grid("qcm", upper, lower, ROW))

    question = only(upload)
    assert (question.text, question.official_key) == ("Quel nerf ?", "A")
    assert question.options == {"A": "un", "B": "deux", "C": "trois"}
    assert upload.read[0].header_row == 2


def test_two_groups_of_one_letter_each_keep_their_meaning() -> None:
    upload = parse(
        grid(
            "qcm",
            ("matiere", "niveau", "question", "Propositions", "", "Explications", "", "reponse"),
            ("", "", "", "A", "B", "A", "B", ""),
            ("Cardiologie", "DCEM2", "Quel nerf ?", "un", "deux", "parce que un", "pas deux", "A"),
        )
    )

    assert only(upload).options == {"A": "un", "B": "deux"}
    assert only(upload).option_explanations == {"A": "parce que un", "B": "pas deux"}


def test_the_first_question_is_never_taken_for_a_second_header_row() -> None:
    upload = parse(grid("qcm", HEADER, ("C", "DCEM2", "Quelle vitamine ?", "A", "B", "C", "A"), ROW))

    assert [row.row_number for row in upload.rows] == [2, 3]


# Among the questions


@pytest.mark.parametrize("again", [HEADER, tuple(name.upper() for name in HEADER), (*HEADER[:4], "", "", "reponse")])
def test_a_header_that_comes_again_is_no_question_and_said(again: Sequence[str]) -> None:
    upload = parse(grid("qcm", HEADER, ROW, again, (*ROW[:2], "Autre ?", *ROW[3:])))

    assert [row.row_number for row in upload.rows] == [2, 4]
    assert noted(upload) == [("repeated_header", 1)]
    assert "(ligne 3)" in upload.notes[0].message


@pytest.mark.parametrize(
    "empty", [("2",), ("Q2",), ("3.",), ("n° 4",), ("2", "Cardiologie", "DCEM2"), ("", "Chapitre 2")]
)
def test_a_row_with_nothing_but_a_number_or_a_title_is_no_question(empty: Sequence[str]) -> None:
    header = ("question n", *HEADER)
    upload = parse(grid("qcm", header, ("1", *ROW), empty, ("9", *ROW[:2], "Autre ?", *ROW[3:]), empty))

    assert [row.row_number for row in upload.rows] == [2, 4]
    assert noted(upload) == [("row_without_question", 2)]
    assert "(lignes 3, 5)" in upload.notes[0].message


def test_a_row_that_lost_its_question_is_still_refused() -> None:
    upload = parse(grid("qcm", HEADER, ROW, ("Cardiologie", "DCEM2", "", "12", "13", "14", "A")))

    assert upload.rows[1].rejection == NO_TEXT


def courses(upload: ParsedUpload) -> list[str | None]:
    return [row.question.course if row.question else None for row in upload.rows]


def block(*names: tuple[str, str]) -> RawSheet:
    rows = [(m, c, "DCEM2", f"Question {n} ?", "un", "deux", "A") for n, (m, c) in enumerate(names)]
    return grid("qcm", ("matiere", "cours", "niveau", "question", "option a", "option b", "reponse"), *rows)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([("Cardio", "HTA"), ("Cardio", ""), ("Cardio", "Péricardite")], ["HTA", "HTA", "Péricardite"]),
        ([("Cardio", "HTA"), ("", ""), ("", "")], ["HTA", "HTA", "HTA"]),
        ([("Cardio", "HTA"), ("", ""), ("Pneumo", "Asthme"), ("", "")], ["HTA", "HTA", "Asthme", "Asthme"]),
        # whoever writes a name twice fills every row, and a gap is a gap
        ([("Cardio", "HTA"), ("Cardio", "HTA"), ("Cardio", "")], ["HTA", "HTA", "Cardio"]),
        ([("Cardio", ""), ("Cardio", "HTA"), ("Cardio", "")], ["Cardio", "HTA", "Cardio"]),
        # a course is not carried into another specialty
        ([("Cardio", "HTA"), ("Cardio", ""), ("Pneumo", ""), ("Pneumo", "Asthme")], ["HTA", "HTA", "Pneumo", "Asthme"]),
    ],
)  # fmt: skip
def test_a_course_on_the_first_row_of_a_block_counts_for_the_block(
    names: list[tuple[str, str]], expected: list[str]
) -> None:
    upload = parse(block(*names))

    assert courses(upload) == expected
    # and whatever was not written on the row is a finding
    for row, (_, written) in zip(upload.rows, names, strict=True):
        codes = {finding.code for finding in row.findings}
        assert bool(codes & {"filled_down", "course_missing"}) == (not written)


# Sheets


def test_a_hidden_sheet_is_left_out_and_hidden_rows_are_read_and_both_are_said() -> None:
    shown = replace(grid("qcm", HEADER, ROW, (*ROW[:2], "Masquée ?", *ROW[3:])), hidden_rows=frozenset({3}))
    upload = parse(shown, replace(grid("qcm ancien", HEADER, ROW), is_hidden=True))

    assert [row.row_number for row in upload.rows] == [2, 3]
    assert [(left.name, left.reason.partition(" :")[0]) for left in upload.left_out] == [
        ("qcm ancien", "Feuille masquée")
    ]
    assert noted(upload) == [("hidden_rows", 1)]
    assert upload.notes[0].label == "1 ligne masquée lue"


def test_a_draft_sheet_is_left_out_and_does_not_stop_the_others() -> None:
    upload = parse(grid("qcm", HEADER, ROW), grid("QCM brouillon", ("a faire", "qui"), ("relire", "moi")))

    assert len(upload.rows) == 1
    assert [left.name for left in upload.left_out] == ["QCM brouillon"]
    assert "il manque les colonnes" in upload.left_out[0].reason


def test_faults_of_several_sheets_are_told_at_once_when_none_can_be_read() -> None:
    with pytest.raises(JobFailed) as caught:
        parse(grid("qcm", ("a", "zz"), ("1", "2")), grid("qroc", ("question", "zz"), ("1", "2")))

    assert "« qcm »" in str(caught.value)
    assert "« qroc »" in str(caught.value)


@pytest.mark.parametrize("name", ["Feuil1", "Sheet1", "Cardiologie", "Feuille de calcul 1"])
def test_a_sheet_of_any_name_with_the_columns_of_questions_is_read(name: str) -> None:
    upload = parse(grid(name, HEADER, ROW), grid("Notes", ("à faire",), ("relire",)))

    assert only(upload).type == "qcm"
    assert [left.name for left in upload.left_out] == ["Notes"]
