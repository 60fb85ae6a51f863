"""Shapes of strangers' files: which headers are options and keys, which cells are keys, and what is refused."""

from __future__ import annotations

import csv
import io

import pytest

from worker.errors import JobFailed
from worker.questions.question import ParsedUpload
from worker.upload.parsing import parse_upload
from worker.upload.parsing.vocabulary import meaning_of
from worker.upload.reading.reading import read_here

ABCD = "un;deux;trois;quatre"


def read(text: str, name: str = "banque.csv", **more: tuple[str, ...]) -> ParsedUpload:
    """A CSV whose rows lack what is the same everywhere: specialty and level."""
    rows = list(csv.reader(io.StringIO(text.strip()), delimiter=";"))
    full = [["matiere", "niveau", *rows[0]], *(["Cardio", "DCEM2", *row] for row in rows[1:])]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";").writerows(full)
    sheets = read_here(out.getvalue().encode(), name, max_bytes=1_000_000, max_rows=1_000)
    return parse_upload(sheets, name, default_level=None, default_semester=None, known_levels=more.get("levels", ()))


def keys(upload: ParsedUpload) -> list[str | None]:
    """Of each row the official key; `!` where a finding says why there is none, `refusée` where the row is."""
    found: list[str | None] = []
    for row in upload.rows:
        if row.question is None:
            found.append("refusée")
        elif row.question.official is None and any(f.column == "reponse" for f in row.findings):
            assert row.question.unread_official
            found.append("!")
        else:
            found.append(row.question.official)
    return found


# Headers of options and keys: the same four options and the key B D everywhere

OPTION_HEADERS = [
    "reponseA;reponseB;reponseC;reponseD",
    "réponse 1;réponse 2;réponse 3;réponse 4",
    "Rép A;Rép B;Rép C;Rép D",
    "Item A;Item B;Item C;Item D",
    "item1;item2;item3;item4",
    "Choix 1;Choix 2;Choix 3;Choix 4",
    "choixA;choixB;choixC;choixD",
    "Prop A;Prop B;Prop C;Prop D",
    "prop. 1;prop. 2;prop. 3;prop. 4",
    "proposition1;proposition2;proposition3;proposition4",
    "Proposition n°1;Proposition n°2;Proposition n°3;Proposition n°4",
    "choice a;choice b;choice c;choice d",
    "Answer 1;Answer 2;Answer 3;Answer 4",
    "answer_a;answer_b;answer_c;answer_d",
    "optionA;optionB;optionC;optionD",
    "Options 1;Options 2;Options 3;Options 4",
    "opa;opb;opc;opd",
    "A;B;C;D",
    "Alternative A;Alternative B;Alternative C;Alternative D",
    ";".join(f"Answer {number} - max 75 characters" for number in range(1, 5)),
    "Option A (obligatoire);Option B (obligatoire);Option C;Option D (facultatif)",
    "Choix;Choix;Choix;Choix",
    "Propositions;;;",
    "option0;option1;option2;option3",
]
KEY_HEADERS = [
    "Réponse correcte",
    "reponse_correcte",
    "bonne_reponse",
    "Bonne(s) réponse(s)",
    "BONNES REPONSES",
    "Réponses justes",
    "Réponse exacte",
    "Réponse(s) exacte(s)",
    "Réponse attendue",
    "Réponse officielle",
    "Corrigé",
    "Clé",
    "Clé de correction",
    "Rép.",
    "rep",
    "Réponse",
    "réponse(s)",
    "Réponses",
    "Correct Answer",
    "correct_answers",
    "correct",
    "Answer",
    "Key",
    "Answer key",
    "Proposition(s) exacte(s)",
    "Choix correct",
    "Bonne option",
    "Correct answer(s) - choose at least one",
    "Réponse correcte (lettre)",
    "Correction",
    "Explication",
    "explanation",
    "Réponse corecte",
]


@pytest.mark.parametrize("header", OPTION_HEADERS)
def test_option_headers(header: str) -> None:
    upload = read(f"question;{header};Bonne réponse\nQuoi ?;{ABCD};BD")

    (row,) = upload.rows
    assert row.question is not None
    assert dict(row.question.options) == {"A": "un", "B": "deux", "C": "trois", "D": "quatre"}
    assert keys(upload) == ["BD"]
    assert not upload.read[0].unread


@pytest.mark.parametrize("header", KEY_HEADERS)
def test_key_headers(header: str) -> None:
    upload = read(f"question;choix 1;choix 2;choix 3;choix 4;{header}\nQuoi ?;{ABCD};BD\nEt ?;{ABCD};A, C")

    assert keys(upload) == ["BD", "AC"]
    assert not upload.read[0].unread


@pytest.mark.parametrize(
    "header",
    [
        "Votre réponse",
        "Réponse (étudiant)",
        "Réponse de l'étudiant",
        "Réponse incorrecte",
        "Mauvaise réponse",
        "Nombre de réponses",
        "number_correct_answers",
        "Ma réponse",
        "Réponse fausse",
        "Note",
        "Points",
    ],
)
def test_what_is_no_key_is_said_and_not_read(header: str) -> None:
    upload = read(f"question;option a;option b;option c;option d;{header}\nQuoi ?;{ABCD};B")

    assert keys(upload) == [None]
    assert header in [column.header for column in upload.read[0].unread]
    assert "no_key_column" in [note.code for note in upload.notes]


@pytest.mark.parametrize(
    "header",
    [
        "reponse1",
        "reponse 2",
        "reponse f",
        "option",
        "matiere1",
        "cours2",
        "niveau 2",
        "question 2",
        "jours",
        "item 12",
    ],
)
def test_a_typo_never_bridges_a_number_or_a_short_word(header: str) -> None:
    assert meaning_of(header).kind not in ("canonical", "key")


# Several columns that could be keys


@pytest.mark.parametrize(
    ("header", "cells", "right"),
    [
        ("Réponses;Bonne réponse", ["2;AB", "1;C"], ["AB", "C"]),  # a count
        ("Réponses;Bonne réponse", ["4;AB", "4;C"], ["AB", "C"]),  # of the options
        ("Réponse;Bonne réponse", ["B;A"], ["!"]),
        ("Réponse;Bonne réponse", ["A, C;AC", "B;"], ["AC", "B"]),
        ("Réponse;Bonne réponse", ["AC;A"], ["!"]),
        ("Réponse;Bonne réponse", ["voir le cours;A", ";BC"], ["!", "BC"]),  # it says something else
        ("Réponse;Bonne réponse", ["Pas de réponse;A", "B;B"], ["!", "B"]),
        ("answer;answer_idx;Bonne réponse", ["deux;B;B"], ["B"]),
        ("Bonne réponse 1;Bonne réponse 2", ["A;C"], ["!"]),
        ("Bonne réponse;Bonne réponse 2", ["A;C", "B;"], ["!", "B"]),
        ("Réponse;Réponse 2", ["A;C"], ["!"]),
        ("Réponse;Correction", ["AB;C"], ["AB"]),
        ("Correction;Explication", ["AB;C"], [None]),  # which of them?
        ("Correction", ["AB", "La bonne est C."], [None, None]),
        ("Réponse;reponse 1", ["AE;un"], ["!"]),  # letters without an option are a key all the same
        ("Réponses", ["2", "1"], ["!", "!"]),  # how many, or which?
        ("vrai a;vrai b;vrai c;vrai d", ["V;F;V;F"], [None]),
    ],
)
def test_several_columns_that_could_hold_the_key(header: str, cells: list[str], right: list[str | None]) -> None:
    rows = "\n".join(f"Question {index} ?;{ABCD};{cell}" for index, cell in enumerate(cells))

    assert keys(read(f"question;option a;option b;option c;option d;{header}\n{rows}")) == right


@pytest.mark.parametrize(
    ("header", "row", "right"),
    [
        ("reponse", "HTA", "HTA"),
        ("reponse;Bonne réponse", "HTA;Diabète", "!"),
        ("reponse;Bonne réponse", "HTA;réponse : hta", "HTA"),
        ("reponse;Bonne réponse", "HTA;", "HTA"),
        ("reponse;Bonne réponse", ";HTA", "HTA"),
        ("reponse;Bonne réponse", "HTA;Pas de réponse", "!"),
        ("reponse;Bonne réponse", "Pas de réponse;HTA", "!"),
        ("reponse;Bonne réponse", "Pas de réponse;?", None),
        ("reponse;Bonne réponse", "Pas de réponse;pas de reponse.", None),
        ("reponse;Bonne réponse", "test;HTA", "!"),
        ("reponse;Bonne réponse", "#REF!;HTA", "!"),
        ("reponse;Bonne réponse", "#REF!;test", "!"),
        ("reponse;Bonne réponse", "HTA.;hta", "HTA."),
        ("reponse;Bonne réponse", "1,5;1.5", "1,5"),
        ("reponse;Bonne réponse", "1,5 mg;15 mg", "!"),
        ("reponse;Bonne réponse", "Pas de fièvre;Fièvre", "!"),
        ("reponse;Corrigé", "VIH;Le virus de l'immunodéficience humaine, un rétrovirus", "!"),
        ("reponse;Réponse 2", ";SIDA", "!"),
        ("reponse;Réponse 2", "VIH;SIDA", "!"),
        ("reponse;Bonne réponse;Remarque", "VIH;B;vu", "!"),  # two answers, not a QCM that nobody recognised
        ("reponse;reponse", "HTA;Diabète", "!"),
        ("reponse;Corrigé;answer", "HTA;HTA;Diabète", "!"),
    ],
)
def test_answers_of_several_columns_that_differ_are_none(header: str, row: str, right: str | None) -> None:
    assert keys(read(f"question;{header}\nQuestion ?;{row}")) == [right]


# Key cells against the options and the rest of their column


@pytest.mark.parametrize(
    ("rows", "right"),
    [
        (["Rate;Foie;Rein;Os;Foie", "Rate;Foie;Rein;Os;rein."], ["B", "C"]),
        (["Rate;Foie;Rein;Os;B. Foie", "Rate;Foie;Rein;Os;B) Rein"], ["B", "!"]),
        (["Rate;Foie;Rein;Os;Foie, Rein", "Rate;Foie;Rein;Os;A. Rate | D. Os"], ["BC", "AD"]),
        (["Rate;Foie;Rate;Os;Rate"], ["!"]),
        (["O;A;B;AB;AB", "CBC;ECG;EEG;IRM;CBC", "A;C;D;E;C"], ["D", "A", "B"]),
        (["Rate;Foie;Rein;Os;B", "O;A;B;AB;AB", "A;C;D;E;C", "O;A;B;AB;D"], ["B", "!", "!", "D"]),
        (["C;O;AB;Os;A-C"], ["!"]),  # the option A, which is « C », or from A to C?
        (["A;B;C;D;B"], ["B"]),  # both readings say the same
        (["Foie;Rein;Rate;Os;Foie", "Rate;Rein;Os;Foie;Rein", "NFS (CBC);ECG;EEG;IRM;CBC"], ["A", "B", "!"]),
        (["un;deux;trois;quatre;1", "un;deux;trois;quatre;2;"], ["A", "B"]),
        (["un;deux;trois;quatre;0", "un;deux;trois;quatre;2"], ["!", "!"]),
        (["un;deux;trois;quatre;7", "un;deux;trois;quatre;2"], ["!", "!"]),
        (["un;deux;trois;quatre;A", "un;deux;trois;quatre;2"], ["A", "!"]),
        (["un;deux;;quatre;2"], ["!"]),  # the second, or the one numbered 2?
        (["un;deux;trois;quatre;2", "un;deux;trois;quatre;1,3"], ["B", "AC"]),
        (["un;deux;trois;quatre;1,3"], ["!"]),
        (["un;deux;trois;quatre;13"], ["!"]),
        (["2;4;6;8;2", "1;3;5;7;3"], ["A", "B"]),
        (["2;4;6;8;2", "un;deux;trois;quatre;3"], ["!", "C"]),
        (["Vrai;Faux;;;Vrai", "Vrai;Faux;;;Faux"], ["A", "B"]),
        (["un;deux;trois;Aucune réponse;Aucune réponse"], ["!"]),
        (["un;deux;trois;quatre;aaa", "un;deux;trois;quatre;?"], ["!", None]),
        (["un;deux;trois;quatre;E"], ["!"]),
        (["un;deux;trois;quatre;A+ B- C+"], ["!"]),
        (["un;deux;trois;quatre;A+ B- C+ D-"], ["AC"]),
    ],
)
def test_key_cells(rows: list[str], right: list[str | None]) -> None:
    body = "\n".join(f"Question {index} ?;{row}" for index, row in enumerate(rows))

    assert keys(read(f"question;option a;option b;option c;option d;reponse\n{body}")) == right


@pytest.mark.parametrize(
    "cell",
    [
        "A/C",
        "A (C)",
        "AB | AC",
        "ABCD - B",
        "A e C",
        "A-C, E",
        "A, C-E",
        "B-E",
        "A-",
        "A à C",
        "VFVF",
        "Tout sauf B",
        "АС",
        "AB-CD",
        "A, AB",
        "A+B-C",
        "AAA",
        "A:V B:F",
    ],
)
def test_doubts_are_no_keys(cell: str) -> None:
    upload = read(f"question;option a;option b;option c;option d;option e;reponse\nQuoi ?;{ABCD};cinq;{cell}")

    assert keys(upload) == ["!"]
    (row,) = upload.rows
    assert f"« {cell} »" in row.findings[-1].message


# Keys of a whole case


@pytest.mark.parametrize(
    ("numbers", "cell", "right"),
    [
        (["Cas 2 - Q1", "Cas 2 - Q2"], "1AB, 2C", ["AB", "C"]),
        (["2.1", "2.2"], "1AB, 2C", ["AB", "C"]),
        (["Q1", "Q2"], "1AB, 2C", ["AB", "C"]),
        (["4", "5"], "1AB, 2C", ["AB", "C"]),  # numbered through the file, the key anew
        (["4", "5"], "4AB, 5C", ["AB", "C"]),
        (["2", "3"], "1AB, 2C", ["!", "!"]),  # 2: the first or the second of the case?
        (["2", "3"], "2AB, 3C", ["AB", "C"]),
        (["3.1", "3.2"], "1AB, 2C", ["!", "!"]),  # of another case
        (["1", "1"], "1AB, 2C", ["!", "!"]),
        (["", ""], "1AB, 2C", ["AB", "C"]),
        (["", ""], "1AB, 2C, 3D", ["!", "!"]),  # one row is missing, and which?
        (["a", "b"], "1AB, 2C", ["!", "!"]),
        (["2", "1"], "1AB, 2C", ["C", "AB"]),
    ],
)
def test_the_number_in_a_case_is_sure_or_not_used(numbers: list[str], cell: str, right: list[str]) -> None:
    rows = "\n".join(f"{number};2;Un homme de 40 ans.;Question {i} ?;{ABCD};{cell}" for i, number in enumerate(numbers))
    header = "question n;cas n;texte du cas;question;option a;option b;option c;option d;reponse"

    assert keys(read(f"{header}\n{rows}")) == right


# Texts


def test_a_story_beside_its_question_is_kept_in_every_type() -> None:
    header = "Énoncé;Question;option a;option b;reponse\nUn homme tousse.;Quel examen ?;un;deux;A"

    (by_name,) = read(header, "qcm.csv").rows
    (by_columns,) = read(header).rows

    assert by_name.question is not None
    assert by_columns.question is not None
    assert (by_name.type, by_name.question.text) == ("qcm", "Un homme tousse.\n\nQuel examen ?")
    assert (by_columns.question.case_text, by_columns.question.text) == ("Un homme tousse.", "Quel examen ?")


def test_a_question_column_that_only_counts_is_the_number() -> None:
    upload = read("Question;Énoncé;option a;option b;reponse\n1;Quel organe ?;un;deux;A\nQ2;Quel nerf ?;un;deux;B")

    assert [row.question and row.question.text for row in upload.rows] == ["Quel organe ?", "Quel nerf ?"]


# Types


@pytest.mark.parametrize(
    "text",
    [
        "question;reponse\nQuoi ? A. un B. deux;B\nEt ? A. un B. deux;A, B",
        "question;Alpha;Bêta;reponse\nQuoi ?;un;deux;deux",
        "question;reponse1;reponse2;reponse3\nQuoi ?;un;deux;trois",
        "question;propositions;reponse\nQuoi ?;un ou deux;B",
        "question;options;reponse\nQuoi ?;['un', 'deux'];deux",
        "question;A;B;C;D\nQuoi ?;V;F;V;F\nEt ?;F;F;V;V",
    ],
)
def test_a_qcm_whose_options_are_not_known_is_refused_with_its_columns(text: str) -> None:
    with pytest.raises(JobFailed) as caught:
        read(text)

    message = str(caught.value)
    assert message.startswith("Dans le fichier « banque.csv », ")
    assert "ligne 1" in message
    assert all(f"« {name} »" in message for name in text.split("\n", maxsplit=1)[0].split(";"))
    assert "« option a »" in message


def test_a_short_answer_of_letters_beside_unread_cells_is_refused() -> None:
    upload = read("type;question;Alpha;reponse\nqroc;Quelle vitamine ?;x;C\nqroc;Et ?;;C\nqroc;Quel organe ?;x;Foie")

    assert keys(upload) == ["refusée", "C", "Foie"]
    assert "« Alpha »" in str(upload.rows[0].rejection)


def test_remarks_and_authors_leave_no_doubt_about_a_short_answer() -> None:
    assert keys(read("question;reponse;remarque;auteur;id\nQuoi ?;Foie;ok;Dr X;1")) == ["Foie"]


def test_a_sixth_option_is_refused_and_quoted_where_it_is_filled() -> None:
    upload = read(
        f"question;{';'.join(f'choix {n}' for n in range(1, 8))};clé\nQuoi ?;{ABCD};;;;A\nEt ?;{ABCD};5;6;7;A"
    )

    assert keys(upload) == ["A", "refusée"]
    assert "F « 6 », G « 7 »" in str(upload.rows[1].rejection)


# Levels


@pytest.mark.parametrize(
    ("cell", "level"),
    [
        ("6e année", "6e année"),
        ("6E ANNEE", "6e année"),
        ("dcem 1", "DCEM1"),
        ("Facile", None),
        ("3", None),
        ("PCEM1 / DCEM2", None),
    ],
)
def test_a_level_is_one_of_the_platform(cell: str, level: str | None) -> None:
    sheets = read_here(
        f"matiere;niveau;question;reponse\nP;{cell};Quoi ?;Foie".encode(), "qroc.csv", max_bytes=1000, max_rows=9
    )
    (row,) = parse_upload(
        sheets, "qroc.csv", default_level="PCEM2", default_semester=None, known_levels=["6e année", "DCEM1"]
    ).rows

    assert row.question is not None
    assert row.question.level == (level or "PCEM2")
    assert ("level_not_recognised" in [finding.code for finding in row.findings]) is (level is None)
