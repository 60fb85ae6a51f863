"""French as it is set: spaces that do not break, one apostrophe, no word of the trade."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.messages import row_reasons
from worker.text.french import NO_BREAK, typeset

ROOT = Path(__file__).resolve().parents[2]


def plain(text: str) -> str:
    return text.replace(NO_BREAK, " ")


@pytest.mark.parametrize(
    ("written", "set_"),
    [
        ("Terminé : 5 questions ; lesquelles ? 93 % !", "Terminé_: 5 questions_; lesquelles_? 93_%_!"),
        ("Le fichier « a ?.xlsx » (à 100 %).", "Le fichier «_a ?.xlsx_» (à 100_%)."),
        ("« x : y », « z »", "«_x : y_», «_z_»"),
        ("Feuille « qcm » : lue.", "Feuille «_qcm_»_: lue."),
        ("https://x/y?a=b %d 12:30 a:b", "https://x/y?a=b %d 12:30 a:b"),
        ("", ""),
    ],
)
def test_spaces_before_signs_and_inside_guillemets_do_not_break(written: str, set_: str) -> None:
    assert typeset(written) == set_.replace("_", NO_BREAK)


def test_nothing_stays_nothing() -> None:
    assert typeset(None) is None


@given(st.text(alphabet="ab :;!?%«».\u00a0", max_size=40))
def test_nothing_but_spaces_changes_and_a_second_time_nothing(text: str) -> None:
    once = typeset(text)

    assert plain(once).replace(" ", "") == plain(text).replace(" ", "")
    assert typeset(once) == once


@given(st.text(alphabet="ab :;!?%.", max_size=20).filter(lambda text: text == text.strip()))
def test_what_is_quoted_is_not_touched(quoted: str) -> None:
    assert f"«{NO_BREAK}{quoted}{NO_BREAK}»" in typeset(f"Le fichier « {quoted} » : lu.")


def literals(path: Path) -> list[str]:
    """Every text of a module that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs)
    return [node.value for node in found if isinstance(node.value, str)]


# What tells apostrophes apart must name them all.
READERS = {
    "history.py",
    "quotes.py",
    "letters.py",
    "flow.py",
    "paragraphs.py",
    "halves.py",
    "pieces.py",
    "headings.py",
    "short_answers.py",
    "validate.py",
    "encodings.py",
    "text.py",
}


def test_sentences_have_one_apostrophe() -> None:
    for path in sorted((ROOT / "worker").rglob("*.py")):
        if path.name not in READERS:
            assert [text for text in literals(path) if "’" in text] == [], path


def test_no_sentence_for_admins_speaks_of_a_worker() -> None:
    for path in sorted((ROOT / "worker/messages").glob("*.py")):
        assert [text for text in literals(path) if " " in text and "worker" in text.casefold()] == [], path
    assert "service" in row_reasons.QUARANTINED
