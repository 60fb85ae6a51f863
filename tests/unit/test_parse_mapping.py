"""What a job's `columns`, `sheets` and defaults say of a file's names: sure, and named when they fit nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import JobFailed
from worker.questions.question import ParsedUpload
from worker.questions.sheets import RawSheet
from worker.queue.job import JobConfig
from worker.upload.parsing import read_questions

STRANGE = ("Domaine", "Stem", "P1", "P2", "P3", "Good", "Observations")
COLUMNS: dict[str, object] = {
    "domaine": "matiere",
    "STEM": "texte de la question",
    "P1": "option a",
    "p2": "Option B",
    "P3": "option c",
    "Good": "Réponse",
    "Observations": None,
}
ROW = ("Cardiologie", "Lequel bat ?", "Rate", "Cœur", "Rein", "B", "revoir")


def grid(name: str, *rows: tuple[str, ...], hidden: bool = False) -> RawSheet:
    width = max(map(len, rows))
    padded = [(*row, *[""] * (width - len(row))) for row in rows]
    return RawSheet(name, tuple(enumerate(padded, start=1)), is_hidden=hidden)


def read(*sheets: RawSheet, name: str = "x.xlsx", **config: object) -> ParsedUpload:
    return read_questions(sheets, name, JobConfig.parse({"defaultLevel": "DCEM2", **config}))


def sentence(*sheets: RawSheet, **config: Any) -> str:
    with pytest.raises(JobFailed) as raised:
        read(*sheets, **config)
    return str(raised.value)


def test_headers_that_nobody_knows_are_read_as_the_config_names_them() -> None:
    upload = read(grid("qcm", STRANGE, ROW), columns=COLUMNS)

    (row,) = upload.rows
    assert row.question is not None
    assert (row.question.specialty, row.question.text) == ("Cardiologie", "Lequel bat ?")
    assert dict(row.question.options) == {"A": "Rate", "B": "Cœur", "C": "Rein"}
    assert row.question.official_key == "B"
    assert row.cells["Observations"] == "revoir", "kept in the output"
    became = {column.header: column.became for column in upload.read[0].details}
    assert became["Good"] == "reponse"
    assert became["Observations"] is None


def test_a_column_that_is_unread_on_purpose_is_no_complaint() -> None:
    upload = read(grid("qcm", STRANGE, ROW), columns=COLUMNS)

    assert upload.notes == ()
    assert upload.read[0].unread == ()
    (unread,) = [column for column in upload.read[0].details if column.became is None]
    assert unread.reason is not None
    assert "configuration" in unread.reason


def test_mapped_headers_count_in_finding_the_header_row_also_of_a_csv() -> None:
    rows = [("Examen blanc de cardiologie", "session 2"), ("", ""), STRANGE, ROW]
    upload = read(grid("banque", *[row for row in rows if any(row)]), name="banque.csv", columns=COLUMNS)

    assert upload.read[0].header_row == 2
    assert [row.question and row.question.official_key for row in upload.rows] == ["B"]


def test_what_is_mapped_wins_over_what_the_words_say() -> None:
    header = ("matiere", "question", "option a", "option b", "reponse", "Corrigé officiel")
    row = ("P", "Où ?", "un", "deux", "A", "B")
    upload = read(grid("qcm", header, row), columns={"Corrigé officiel": "reponse"})

    question = upload.rows[0].question
    assert question is not None
    assert question.official_key == "B"
    (unread,) = upload.read[0].unread
    assert (unread.header, unread.filled) == ("reponse", 1)
    assert any("« reponse »" in note.message or "« reponse (2) »" in note.message for note in upload.notes)


def test_a_second_text_beside_a_mapped_one_is_kept() -> None:
    header = ("matiere", "Énoncé", "Consigne", "option a", "option b", "reponse")
    row = ("P", "Un homme de 60 ans tousse.", "Que faites-vous ?", "un", "deux", "A")
    question = read(grid("qcm", header, row), columns={"Consigne": "texte de la question"}).rows[0].question

    assert question is not None
    assert question.text == "Un homme de 60 ans tousse.\n\nQue faites-vous ?"


def test_a_mapped_name_may_stand_in_a_title_block() -> None:
    sheet = grid("qroc", ("Domaine : Cardiologie", ""), ("question", "reponse"), ("Où ?", "Là"))
    question = read(sheet, columns={"Domaine": "matiere"}).rows[0].question

    assert question is not None
    assert question.specialty == "Cardiologie"


def test_nameless_columns_are_mapped_by_what_they_are_called() -> None:
    header = ("matiere", "question", "option a", "option b", "")
    upload = read(grid("qcm", header, ("P", "Où ?", "un", "deux", "B")), columns={"Colonne E": "reponse"})

    assert [row.question and row.question.official_key for row in upload.rows] == ["B"]


def test_a_column_may_give_the_types() -> None:
    header = ("matiere", "question", "reponse", "Nature")
    upload = read(grid("Feuil1", header, ("P", "Où ?", "Là", "qroc")), columns={"Nature": "type"})

    assert [row.type for row in upload.rows] == ["qroc"]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            {"columns": {"Good": "bonne réponse juste"}},
            ("« columns »", "« Good »", "« bonne réponse juste »", "rappel"),
        ),
        ({"columns": {"Corigé": "reponse"}}, ("« columns »", "« Corigé »", "« Stem »", "Écrire le nom")),
        ({"columns": {"Good": "reponse", "good ": "rappel"}}, ("« columns »", "deux fois")),
        ({"columns": {" ": "reponse"}}, ("« columns »", "vide")),
        ({"sheets": {"qcm": "mcq"}}, ("« sheets »", "« mcq »", "cas_qroc")),
        ({"sheets": {"Feuil9": "qcm"}}, ("« sheets »", "« Feuil9 »", "« qcm »", "feuille")),
        ({"columns": {"Good": 3}}, ("« columns.Good »", "texte attendu")),
        ({"columns": ["Good"]}, ("« columns »",)),
        ({"defaultSpecialty": " * "}, ("« defaultSpecialty »",)),
    ],
)
def test_a_name_or_a_meaning_that_is_none_is_named(config: dict[str, object], words: tuple[str, ...]) -> None:
    found = sentence(grid("qcm", STRANGE, ROW), **config)

    assert all(word in found for word in words), found


def test_sheets_get_their_type_and_are_left_out_on_purpose() -> None:
    header = ("matiere", "question", "option a", "option b", "reponse")
    rows = (header, ("P", "Où ?", "un", "deux", "B"))
    upload = read(
        grid("Banque n° 1", *rows),
        grid("qcm ancien", *rows),
        grid("Archives", *rows, hidden=True),
        sheets={"banque N°1": "qcm", "QCM ancien": None, "archives": "qcm"},
    )

    assert [(row.sheet, row.type) for row in upload.rows] == [("Banque n° 1", "qcm"), ("Archives", "qcm")]
    assert [sheet.name for sheet in upload.left_out] == ["qcm ancien"]
    assert "configuration" in upload.left_out[0].reason


def test_a_mapped_type_is_the_sheets_whatever_its_columns_show() -> None:
    header = ("matiere", "question", "reponse", "Type")
    upload = read(grid("banque", header, ("P", "Où ?", "Là", "qcm")), name="banque.csv", sheets={"banque": "qroc"})

    assert [row.type for row in upload.rows] == ["qroc"]


def test_a_file_without_specialty_and_course_is_read_with_the_jobs_own() -> None:
    sheet = grid("qroc", ("question", "reponse"), ("Où ?", "Là"))
    assert "« matiere »" in sentence(sheet)

    upload = read(sheet, defaultSpecialty="Cardiologie", defaultCourse="Hypertension")

    (row,) = upload.rows
    assert row.question is not None
    assert (row.question.specialty, row.question.course) == ("Cardiologie", "Hypertension")
    assert [finding.code for finding in row.findings[:2]] == ["specialty_inherited", "course_inherited"]
    assert all("configuration" in finding.message for finding in row.findings[:2])


def test_defaults_are_for_rows_that_give_none() -> None:
    header = ("matiere", "cours", "question", "reponse")
    rows = (("Pneumologie", "", "a ?", "x"), ("", "Asthme", "b ?", "x"), ("PNEUMOLOGIE", "BPCO", "c ?", "x"))
    upload = read(
        grid("qroc", header, *rows),
        defaultSpecialty="pneumologie",
        defaultCourse="Divers",
    )

    names = [(row.question.specialty, row.question.course) for row in upload.rows if row.question]
    assert names == [("Pneumologie", "Divers"), ("Pneumologie", "Asthme"), ("Pneumologie", "BPCO")]


HEADERS = st.sampled_from(
    ["reponse", "Réponse", "Bonne réponse", "question", "Énoncé", "option a", "Choix 1", "Choix 2", "X", "Y", "correct"]
)
MEANINGS = st.sampled_from([None, "option a", "option b", "option c", "reponse", "texte de la question", "rappel"])


@given(st.lists(HEADERS, min_size=4, max_size=8, unique=True), st.data())
def test_whatever_is_mapped_no_column_is_read_as_anything_else(headers: list[str], data: st.DataObject) -> None:
    folded = {header.casefold().replace("é", "e"): header for header in headers}
    headers = list(folded.values())
    columns = {header: data.draw(MEANINGS) for header in headers if data.draw(st.booleans())}
    row = tuple(f"cellule {index}" for index in range(len(headers)))
    try:
        upload = read(grid("qcm", ("matiere", *headers), ("P", *row)), columns=columns)
    except JobFailed as error:
        assert "Configuration" not in str(error)  # noqa: PT017
        return

    became = {column.header: column.became for column in upload.read[0].details}
    assert {header: became[header] for header in columns} == columns
    named = {meaning for meaning in columns.values() if meaning}
    guessed = [name for header, name in became.items() if header not in columns]
    # Beside a mapped text, one that tells the story before it asks is kept.
    assert not (named - {"texte de la question"}) & set(guessed)
