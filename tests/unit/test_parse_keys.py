"""Official keys and answers: every shape met, and the rule that a doubtful key is no key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.questions.question import ParsedRow
from worker.questions.sheets import RawSheet
from worker.upload.parsing import parse_upload

FIVE = {f"option {letter}": f"choix {letter}" for letter in "abcde"}
BASE = {"matiere": "P", "niveau": "DCEM2", "texte de la question": "Que faire ?"}


def rows(kind: str, *values: Mapping[str, str]) -> tuple[ParsedRow, ...]:
    header = list(dict.fromkeys(key for row in values for key in row))
    body = [(number, tuple(row.get(key, "") for key in header)) for number, row in enumerate(values, start=2)]
    sheet = RawSheet(kind, ((1, tuple(header)), *body))
    return parse_upload([sheet], "x.xlsx", default_level=None, default_semester=None).rows


def qcm(key: str, options: Mapping[str, str] = FIVE) -> tuple[str | None, list[str]]:
    """The official key and the findings' codes of one QCM."""
    (row,) = rows("qcm", {**BASE, **options, "reponse": key})
    assert row.question is not None
    return row.question.official_key, [finding.code for finding in row.findings]


def qroc(answer: str) -> str | None:
    (row,) = rows("qroc", {**BASE, "reponse": answer})
    assert row.question is not None
    return row.question.official_answer


@pytest.mark.parametrize(
    ("cell", "key"),
    [
        ("C", "C"), ("E.", "E"), ("ABE", "ABE"), ("BEC", "BCE"), ("CE.", "CE"), ("B, E", "BE"), ("B, E.", "BE"),
        ("A, B, C, D.", "ABCD"), ("A,B", "AB"), ("A;C", "AC"), ("A / C", "AC"), ("A-B", "AB"), ("A - C - E", "ACE"),
        ("A et C", "AC"), ("A, B et C.", "ABC"), ("(ABD)", "ABD"), (" b ", "B"), ("abe", "ABE"), ("A\nC", "AC"),
        ("AAB", "AB"), ("A+C", "AC"), ("réponse : ABE", "ABE"), ("Réponses: A, C", "AC"), ("Rép. D", "D"),
        ("ＡＢ", "AB"), ("<p>A, B</p>", "AB"), ("A\xa0B", "AB"),
    ],
)  # fmt: skip
def test_keys_are_sorted_unique_letters(cell: str, key: str) -> None:
    assert qcm(cell) == (key, [])


@pytest.mark.parametrize(
    "cell",
    ["", " ", "?", "-", ".", "??", "…", "Pas de reponse", "Pas de réponse.", "PAS DE RÉPONSE", "pas de reponses",
     "Pas de Réponse ", "Aucune réponse.", "sans réponse", "n/a"],
)  # fmt: skip
def test_no_official_answer_is_never_letters(cell: str) -> None:
    assert qcm(cell) == (None, [])


@pytest.mark.parametrize(
    "cell",
    ["B/Diamètre = 15mm, B/sous l'action de LH, C/ovulation", "A ou B", "toutes", "Décalage", "1, 3", "1AB, 2E",
     "Pas de réponse D", "A (sauf si fièvre)", "A?", "B-E", "A à C", "Réponse", "É", "a, b et le reste", "Bad"],
)  # fmt: skip
def test_anything_else_is_unreadable_and_quoted(cell: str) -> None:
    (row,) = rows("qcm", {**BASE, **FIVE, "reponse": cell})

    assert row.question is not None
    assert row.question.official_key is None
    assert [(f.code, f.message, f.column) for f in row.findings] == [
        ("unreadable_key", f"Clé illisible, non retenue : « {cell} ». L'écrire en lettres (A, BD).", "reponse")
    ]


def test_a_letter_past_the_options_spoils_the_whole_key() -> None:
    (row,) = rows("qcm", {**BASE, **FIVE, "reponse": "B, C, D, E, F"})

    assert row.question is not None
    assert row.question.official_key is None
    assert [(f.code, f.message) for f in row.findings] == [
        (
            "letter_without_option",
            (
                "Clé « B, C, D, E, F » non retenue : elle désigne une option absente (F). Corriger la clé, ou ajouter "
                "l'option."
            ),
        )
    ]


def test_a_letter_of_a_blank_option_spoils_the_whole_key() -> None:
    options = {**FIVE, "option b": " ", "option e": ""}

    assert qcm("ABE", options) == (None, ["letter_without_option"])
    assert qcm("CDA", options) == ("ACD", [])


@given(
    st.text(max_size=30) | st.text(alphabet="ABCDEFabcdef ,;./-et123()?", max_size=12),
    st.sets(st.sampled_from("abcde"), min_size=2),
)
def test_any_key_cell_is_letters_of_present_options_or_nothing(cell: str, letters: set[str]) -> None:
    key, _ = qcm(cell, {f"option {letter}": "x" + letter for letter in sorted(letters)})

    assert key is None or (key and key == "".join(sorted(set(key))) and set(key.lower()) <= letters)


# Keys of a whole case


def case(*values: tuple[str, str], number: str = "1") -> list[tuple[str | None, list[str]]]:
    """Keys and findings of the rows of one case, from (question number, key cell)."""
    texts = {"cas n": number, "texte du cas": "Un garçon de 3 ans."}
    read = rows("cas_qcm", *({**BASE, **FIVE, **texts, "question n": n, "reponse": key} for n, key in values))
    return [(r.question.official_key if r.question else "?", [f.code for f in r.findings]) for r in read]


@pytest.mark.parametrize(
    "cell",
    [
        "1AB, 2E, 3B",
        "1AB,2E,3B.",
        "1: A, B; 2: E; 3: B",
        "1) AB 2) E 3) B",
        "Q1 AB Q2 E Q3 B",
        "1AB2E3B",
        "1-AB 2-E 3-B",
    ],
)
def test_a_case_key_answers_each_question_of_its_case(cell: str) -> None:
    assert [key for key, _ in case(("1", cell), ("2", cell), ("3", cell))] == ["AB", "E", "B"]


def test_a_case_key_on_one_row_serves_the_rows_without_a_key() -> None:
    assert case(("1", "1AB, 2E, 3B"), ("2", ""), ("3", "Pas de réponse"), ("4", "")) == [
        ("AB", []),
        ("E", ["key_from_case"]),
        (None, []),
        (None, []),
    ]


def test_without_question_numbers_the_order_counts() -> None:
    assert [key for key, _ in case(("", "1AB, 2E"), ("", ""))] == ["AB", "E"]


def test_a_case_key_without_this_question_or_with_two_for_it_is_unreadable() -> None:
    assert case(("4", "1AB, 2E")) == [(None, ["unreadable_key"])]
    assert case(("1", "1AB, 1E")) == [(None, ["unreadable_key"])]
    assert case(("1", "1AF, 2E")) == [(None, ["letter_without_option"])]


def test_a_plain_key_on_a_case_row_is_a_plain_key() -> None:
    assert case(("1", "B, E."), ("2", "C")) == [("BE", []), ("C", [])]


# QROC


@pytest.mark.parametrize(
    ("cell", "answer"),
    [
        ("Ovaire.", "Ovaire."),
        ("réponse : Ovaire", "Ovaire"),
        ("Réponse: Ovaire", "Ovaire"),
        ("Corrigé : Ovaire", "Ovaire"),
        ("Réponse type - Ovaire", "Ovaire"),
        ("Traitement chirurgical : allonger le cordon", "Traitement chirurgical : allonger le cordon"),
        ("Réponse immunitaire : lymphocytes", "Réponse immunitaire : lymphocytes"),
        ("Réponse-dose", "Réponse-dose"),
        ("- un\n- deux", "- un\n- deux"),
        ("Na", "Na"),
        ("Non", "Non"),
        ("> 5", "> 5"),
        ("A", "A"),
    ],
)
def test_answers_lose_a_leading_label_only(cell: str, answer: str) -> None:
    assert qroc(cell) == answer


@pytest.mark.parametrize("cell", ["", "Pas de réponse.", "pas de reponse", "?", "-", "réponse : ?", "Réponse :", "n/a"])
def test_a_qroc_may_have_no_official_answer(cell: str) -> None:
    assert qroc(cell) is None


def test_a_placeholder_is_no_answer_and_a_finding() -> None:
    (row,) = rows("qroc", {**BASE, "reponse": "aaa"})

    assert row.question is not None
    assert row.question.official_answer is None
    assert [finding.code for finding in row.findings] == ["placeholder_answer"]


def test_an_answer_column_with_a_number_speaks_against_a_key_and_never_gives_one() -> None:
    header = ("matiere", "niveau", "question", "option a", "option b", "reponse", "Réponse 2")
    rows = [("P", "DCEM2", f"{said} ?", "un", "deux", *said.split("/")) for said in ("A/", "/B", "?/B", "A/A", "A/B")]
    sheet = RawSheet("qcm", tuple(enumerate((header, *rows), start=1)))
    read = parse_upload([sheet], "x.xlsx", default_level=None, default_semester=None).rows

    assert [row.question and row.question.official_key for row in read] == ["A", None, None, "A", None]
    assert [row.question and row.question.unread_official for row in read] == [None, "B", "B", None, "A / B"]
    assert all(row.findings for row in read if row.question and row.question.official_key is None)


@pytest.mark.parametrize(
    ("cells", "key"),
    [
        ((("1", "C"), ("1", "B")), None),  # each `1` may be A
        ((("1", "C"), ("2", "BD")), "C"),  # the second says that they are counts
        ((("1", "A"),), "A"),  # both say the same
    ],
)
def test_a_one_beside_a_letter_is_a_count_only_where_another_row_says_so(
    cells: Sequence[tuple[str, str]], key: str | None
) -> None:
    header = ("reponse", "niveau", "question", *(f"option{letter}" for letter in "ABCDE"), "reponse1", "matiere")
    options = ("un", "deux", "trois", "quatre", "cinq")
    told = [
        (number, (one, "DCEM2", f"Question {number} ?", *options, other, "Cardio"))
        for number, (one, other) in enumerate(cells, start=2)
    ]

    upload = parse_upload(
        [RawSheet("banque", ((1, header), *told))], "banque.csv", default_level=None, default_semester=None
    )

    question = upload.rows[0].question
    assert question is not None
    assert question.official_key == key
    assert (key is None) == any(finding.code == "conflicting_keys" for finding in upload.rows[0].findings)
