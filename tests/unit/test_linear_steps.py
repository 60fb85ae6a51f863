"""Where a quadratic expression was replaced by a scanner or by another expression: it still reads the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.courses.extract.markdown import read_markdown
from worker.questions.letters import named_letters
from worker.upload.parsing.values import _without_hidden, read_semester

MARKUP = st.lists(
    st.sampled_from(["<!--", "-->", "<script", "<STYLE", ">", "</script>", "</style >", "<", "a", " ", "\n", "--"]),
    max_size=14,
).map("".join)


@given(MARKUP)
def test_comments_scripts_and_styles_are_left_out_as_an_expression_did_it(text: str) -> None:
    was = re.compile(r"<!--.*?-->|<(script|style)\b[^>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL | re.ASCII)
    assert _without_hidden(text) == was.sub("", text)


@pytest.mark.parametrize("text", ["1er semestre", "1ere semestre", "2e semestre", "2eme semestre", "2nd semestre"])
def test_semesters_are_read_in_every_form(text: str) -> None:
    assert read_semester(text) == f"S{text[0]}"


@pytest.mark.parametrize(
    ("line", "heading"), [("# Titre", "Titre"), ("## Titre ##", "Titre"), ("# C#", "C#"), ("# a # b", "a # b")]
)
def test_headings_lose_the_signs_around_them(line: str, heading: str) -> None:
    (page,) = read_markdown(line.encode()).pages
    assert [(found.text, found.is_heading) for found in page.lines] == [(heading, True)]


@pytest.mark.parametrize(
    ("line", "is_left_out"), [("| --- | :--: |", True), ("---|---", True), ("| ---", False), ("a | --- |", False)]
)
def test_the_rule_of_a_table_is_left_out(line: str, is_left_out: bool) -> None:
    (page,) = read_markdown(f"x\n\n{line}".encode()).pages
    assert (len([found for found in page.lines if found.text.strip()]) == 1) == is_left_out


def test_letters_are_named_over_any_number_of_spaces() -> None:
    assert named_letters("les propositions   exactes  sont   les   A ,  C  et D.") == frozenset("ACD")
    assert named_letters("Vu. A  et  C  sont   exactes.") == frozenset("AC")
