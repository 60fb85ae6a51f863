"""Cells that hold something else than what a person wrote, and what stands in an option beside the option."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from worker.questions.question import ParsedRow
from worker.questions.sheets import RawSheet
from worker.upload.parsing import parse_upload

LETTERS = "ABCDE"


def read(
    options: Sequence[str],
    key: str = "A",
    *,
    dates: Mapping[int, Sequence[int]] | None = None,
    unformatted: Mapping[int, Sequence[int]] | None = None,
    unresolved: Mapping[tuple[int, int], str] | None = None,
) -> ParsedRow:
    """One QCM; its options stand in the columns from 3 on, and its key behind them."""
    header = ("matiere", "niveau", "question", *(f"option {x}" for x in LETTERS[: len(options)].lower()), "reponse")
    row = ("P", "DCEM2", "Que faire ?", *options, key)
    sheet = RawSheet("qcm", ((1, header), (2, row)), unresolved or {}, dates=dates or {}, unformatted=unformatted or {})
    return parse_upload([sheet], "x.xlsx", default_level=None, default_semester=None).rows[0]


def codes(row: ParsedRow) -> list[str]:
    return [finding.code for finding in row.findings]


def options(row: ParsedRow) -> Mapping[str, str]:
    assert row.question is not None, row.rejection
    return row.question.options


def key(row: ParsedRow) -> str | None:
    assert row.question is not None, row.rejection
    return row.question.official_key


# Errors and dates


@pytest.mark.parametrize("error", ["#N/A", "#NAME?", "#NOM?", "#DIV/0!", "#VALEUR!", "#REF!"])
def test_an_option_in_error_is_absent_and_said_and_its_cell_is_kept(error: str) -> None:
    row = read(["un", "deux", error], "B")

    assert (options(row), key(row)) == ({"A": "un", "B": "deux"}, "B")
    assert codes(row) == ["cell_error"]
    assert f"Cellule en erreur dans la colonne « option c » : « {error} »" in row.findings[0].message
    assert row.cells["option c"] == error


def test_a_key_on_an_option_in_error_is_no_key() -> None:
    row = read(["#NAME?", "deux", "trois"], "A")

    assert key(row) is None
    assert codes(row) == ["cell_error", "letter_without_option"]


def test_an_error_says_the_formula_that_stands_behind_it() -> None:
    row = read(["un", "deux", "#NAME?"], unresolved={(2, 5): "=-Dyspnée"})

    assert codes(row) == ["cell_error"]
    assert "=-Dyspnée" in row.findings[0].message


@pytest.mark.parametrize("error", ["#N/A", "#NOM?"])
def test_a_key_in_error_could_not_be_read_and_the_row_says_so(error: str) -> None:
    row = read(["un", "deux"], error)

    assert row.question is not None
    assert (row.question.official_key, row.question.unread_official) == (None, error)
    assert codes(row) == ["cell_error", "unreadable_key"]


def test_a_text_that_begins_with_a_cross_is_no_error() -> None:
    row = read(["#1", "# deux", "#NA positive"], "C")

    assert (options(row), codes(row)) == ({"A": "#1", "B": "# deux", "C": "#NA positive"}, [])


def test_a_date_in_an_option_is_a_finding_that_quotes_it() -> None:
    row = read(["01-févr", "deux"], "B", dates={3: [2]})

    assert (options(row)["A"], key(row)) == ("01-févr", "B")
    assert [f.code for f in row.findings if "« 01-févr »" in f.message] == ["cell_date"]


def test_a_date_is_no_key_also_where_an_option_has_its_text() -> None:
    row = read(["01-févr", "deux"], "01-févr", dates={5: [2]})

    assert row.question is not None
    assert (row.question.official_key, row.question.unread_official) == (None, "01-févr")
    assert codes(row) == ["cell_date", "unreadable_key"]


def test_a_date_may_be_the_answer_of_a_short_question() -> None:
    sheet = RawSheet(
        "qroc",
        ((1, ("matiere", "niveau", "question", "reponse")), (2, ("P", "DCEM2", "Quand ?", "01/05/1921"))),
        dates={3: [2]},
    )
    row = parse_upload([sheet], "x.xlsx", default_level=None, default_semester=None).rows[0]

    assert row.question is not None
    assert row.question.official_answer == "01/05/1921"
    assert codes(row) == ["cell_date"]


def test_a_number_whose_format_is_not_known_is_a_finding() -> None:
    assert codes(read(["0,05", "deux"], "B", unformatted={3: [2]})) == ["number_format_unknown"]
    assert codes(read(["0,05", "deux"], "B", unformatted={0: [2]})) == []


# Fillers


@pytest.mark.parametrize("filler", ["nan", "NaN", "-", "/", "n/a", "--", "…", "null"])
def test_a_filler_is_no_option(filler: str) -> None:
    row = read(["Spinal", "Optique", filler, filler, filler])

    assert (options(row), key(row)) == ({"A": "Spinal", "B": "Optique"}, "A")
    assert codes(row) == ["placeholder_option"] * 3


@pytest.mark.parametrize("written", [["+", "-"], ["-", "0", "+"], ["Na", "K", "Cl"], ["Aucune", "0"], ["None", "NA"]])
def test_signs_and_short_words_that_are_options_stay(written: list[str]) -> None:
    assert list(options(read(written)).values()) == written


# Labels


@pytest.mark.parametrize("label", ["{})", "{}.", "{} -", "({})", "{}/", "{} :"])
def test_an_options_own_letter_is_taken_off(label: str) -> None:
    texts = ["Rate", "Foie", "Rein", "Cœur"]
    row = read([f"{label.format(letter)} {text}" for letter, text in zip(LETTERS, texts, strict=False)], "BD")

    assert (list(options(row).values()), key(row), codes(row)) == (texts, "BD", [])
    assert row.cells["option a"] == f"{label.format('A')} Rate"


def test_numbers_in_order_are_labels_too() -> None:
    assert list(options(read(["1. Rate", "2. Foie", "3. Rein"])).values()) == ["Rate", "Foie", "Rein"]


@pytest.mark.parametrize(
    "written",
    [
        ["A. baumannii", "B. cereus"], ["P. aeruginosa", "E. coli", "K. pneumoniae"],
        ["Rate", "B. cereus", "C. difficile"],
        ["A", "B", "AB"], ["1.5 mg", "2.5 mg"], ["C3", "C4"], ["A : rien", "Autre"], ["B) et C)", "A) seul", "rien"],
    ],
)  # fmt: skip
def test_what_only_looks_like_a_label_stays(written: list[str]) -> None:
    row = read(written)
    assert list(options(row).values()) == written
    assert codes(row) == []


def test_the_label_of_another_option_is_a_doubt_and_is_not_shown() -> None:
    row = read(["B. un", "A. deux", "C. trois"], "A")

    assert row.question is not None
    assert options(row) == {"A": "un", "B": "deux", "C": "trois"}
    assert (key(row), row.question.unread_official) == (None, "A")
    assert codes(row) == ["label_of_another_option", "ambiguous_key"]
    # a letter that is the same both ways is no doubt
    assert key(read(["B. un", "A. deux", "C. trois"], "C")) == "C"
