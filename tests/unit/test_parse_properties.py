"""Whatever the headers and the cells: a stored key is the one that the file states, and a QCM is never a QROC."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from worker.errors import JobFailed
from worker.questions.question import LETTERS, ParsedRow, ParsedUpload, fold_text
from worker.questions.sheets import RawSheet
from worker.upload.parsing import parse_upload

WORDS = ["un", "deux", "A", "B", "C", "AB", "O", "2", "3", "Foie", "Rein droit", "CBC", "Vrai", "Faux", "-", ""]
OPTION_WORDS = ["option", "reponse", "Item", "choix", "Prop", "proposition", "answer", "Choice", ""]
KEY_WORDS = [
    "reponse",
    "Bonne réponse",
    "Réponse correcte",
    "Corrigé",
    "Clé",
    "answer",
    "Correction",
    "Réponses",
    "Rép.",
]
OTHER_WORDS = ["Remarque", "Alpha", "Note", "reponse1", "Réponse 2", "Titre", "", "auteur", "Points", "Statut 2"]
KEYS = [
    "A",
    "B",
    "AC",
    "b",
    "A, C",
    "A/C",
    "AB | AC",
    "1;3",
    "2",
    "0",
    "A+ B-",
    "A-C",
    "Foie",
    "un",
    "AB",
    "CBC",
    "B. deux",
    "?",
    "",
]
cells = st.sampled_from(WORDS) | st.text(alphabet="ABCDEabcde12 ,;/-Xé", max_size=6)
key_cells = st.sampled_from(KEYS) | st.text(alphabet="ABCDEFabc ,;/|-+()et123", max_size=8)


@st.composite
def headers(draw: st.DrawFn) -> list[str]:
    """Columns in any order: some of options, of one family or of two, some keys, some that nobody knows."""
    found = ["matiere", "niveau", draw(st.sampled_from(["question", "Énoncé", "texte de la question"]))]
    for word in draw(st.lists(st.sampled_from(OPTION_WORDS), max_size=2, unique=True)):
        marks = draw(st.sampled_from(["ABCDE", "abc", "1234", "AB", "ABCDEFG", "012"]))
        joint = draw(st.sampled_from(["", " ", "_"]))
        found += [f"{word}{joint}{mark}" if word else mark for mark in marks]
    found += draw(st.lists(st.sampled_from(KEY_WORDS), max_size=2, unique=True))
    found += draw(st.lists(st.sampled_from(OTHER_WORDS), max_size=2, unique=True))
    return draw(st.permutations(found))


@st.composite
def sheets(draw: st.DrawFn) -> RawSheet:
    header = draw(headers())
    rows: list[tuple[int, tuple[str, ...]]] = [(1, tuple(header))]
    for number in range(2, 2 + draw(st.integers(1, 3))):
        fixed = {"matiere": "Cardio", "niveau": "DCEM2"}
        rows.append((number, tuple(fixed.get(name) or draw(_cell(name, number)) for name in header)))
    return RawSheet(draw(st.sampled_from(["banque", "qcm", "qroc", "Feuil1"])), tuple(rows))


def _cell(header: str, number: int) -> st.SearchStrategy[str]:
    if header in ("question", "Énoncé", "texte de la question"):
        return st.just(f"Que dire du cas numéro {number} ?")
    return key_cells if header in KEY_WORDS else cells


def parse(sheet: RawSheet) -> ParsedUpload | None:
    try:
        return parse_upload([sheet], f"{sheet.name}.csv", default_level=None, default_semester=None)
    except JobFailed:
        return None


def states(cell: str, options: Mapping[str, str], key: str) -> bool:
    """An independent reading: does this cell, all of it, say this key and can it say it?"""
    text = fold_text(cell).strip(" .;,")
    if [letter for letter, option in options.items() if fold_text(option).strip(" .;,") == text] == [key]:
        return True
    parts = [part for part in re.split(r"[\s,;|&+\-–.()]+|\bet\b", text) if part]
    if parts and all(re.fullmatch("[a-j]+", part) for part in parts):
        return set("".join(parts).upper()) == set(key) or _signs(text) == key
    if parts and all(part.isdecimal() for part in parts):
        one_based = "".join(sorted({LETTERS[int(part) - 1] for part in parts if 0 < int(part) <= 5}))
        zero_based = "".join(sorted({LETTERS[int(part)] for part in parts if int(part) < 5}))
        return key in (one_based, zero_based)
    texts = re.split(r"[\n;|,]", text)
    named = {letter for part in texts for letter, option in options.items() if fold_text(option) in part}
    return set(key) <= named


def _signs(text: str) -> str:
    return "".join(sorted(letter.upper() for letter, sign in re.findall(r"([a-j])\s*([+-])", text) if sign == "+"))


@given(sheets())
@settings(max_examples=300)
def test_a_stored_key_is_what_a_key_cell_of_the_row_states_for_its_options(sheet: RawSheet) -> None:
    upload = parse(sheet)
    assume(upload is not None and any(row.question and row.question.is_qcm for row in upload.rows))
    assert upload is not None
    header = sheet.rows[0][1]
    raw = dict(sheet.rows)
    for row in upload.rows:
        if row.question is None or not row.question.is_qcm:
            continue
        stated = [raw[row.row_number][place] for place, name in enumerate(header) if _may_be_key(name)]
        if row.question.official_key is None:
            _assert_said(row, [cell for cell in stated if cell.strip()])
        else:
            assert any(states(cell, row.question.options, row.question.official_key) for cell in stated)


def _may_be_key(name: str) -> bool:
    return name in KEY_WORDS or name == "Réponse 2"


def _assert_said(row: ParsedRow, stated: list[str]) -> None:
    """No key: nothing was stated, or it was said, or the column was not taken for one of keys."""
    key = row.cells.get("reponse", "")
    assert not re.search(r"\w", key) or any(finding.column == "reponse" for finding in row.findings), (key, stated)


@given(sheets())
@settings(max_examples=300)
@example(
    RawSheet(
        "banque", ((1, ("matiere", "niveau", "question", "Alpha", "Clé")), (2, ("C", "DCEM2", "Quoi ?", "x", "AC")))
    )
)
@example(
    RawSheet(
        "banque",
        ((1, ("matiere", "niveau", "question", "reponse1", "reponse")), (2, ("C", "DCEM2", "Quoi ?", "e", "E"))),
    )
)
def test_no_short_answer_is_letters_while_other_cells_of_its_row_were_not_read(sheet: RawSheet) -> None:
    upload = parse(sheet)
    if upload is None:
        return
    (read,) = upload.read
    unread = {column.header for column in read.unread}
    header = sheet.rows[0][1]
    raw = dict(sheet.rows)
    for row in upload.rows:
        question = row.question
        if question is None or question.is_qcm or question.official_answer is None:
            continue
        if re.fullmatch(r"[A-J]{1,10}|[a-j]{1,10}", question.official_answer):
            named = zip(header, raw[row.row_number], strict=True)
            same = ("", question.official_answer.casefold())  # two columns that give one answer agree
            assert not [cell for name, cell in named if name in unread and cell.strip().casefold() not in same]
