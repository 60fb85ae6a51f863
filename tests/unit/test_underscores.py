"""Underscores that a page of TeX draws, and short lines that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pdfs import Placed, make_placed_pdf
from worker.courses.chunk import chunk_document
from worker.courses.extract import extract_document
from worker.courses.extract.underscores import write_underscores

# "set" is 14.45 points wide in this font and size, and TeX's underscore 3, with 0.6 on both sides.
BEGIN, END, SIZE = 40.0, 54.45, 10
BODY = (
    "La fonction change l'état de la sortie, et rend sa valeur dès",
    "que celle-ci est stable, deux fois par seconde.",
)


def read(lines: list[Placed], drawn: bytes, font: bytes = b"CMR10") -> str:
    body: list[Placed] = [(40, 760 - 13 * number, SIZE, line, True) for number, line in enumerate(BODY)]
    pdf = make_placed_pdf([[*body, *lines]], drawn=drawn).replace(b"/Helvetica-Bold", b"/" + font.ljust(14))
    return "\n".join(chunk.text for chunk in chunk_document(extract_document(Path("a.pdf"), pdf))).split("\n")[-1]


def rule(left: float, bottom: float = 700.0, width: float = 3.0) -> bytes:
    return b"%.2f %.2f %.2f 0.4 re f\n" % (left, bottom, width)


def words(*placed: tuple[float, str]) -> list[Placed]:
    return [(left, 700, SIZE, text, True) for left, text in placed]


@pytest.mark.parametrize(
    ("second", "rules", "told"),
    [
        (58.65, [55.05], "set_state"),
        (62.25, [55.05, 58.65], "set__state"),
        (62.25, [58.65], "set _state"),
        (65.85, [58.65, 62.25], "set __state"),
        (62.25, [55.05], "set_ state"),
    ],
)
def test_underscores_stand_where_they_are_drawn(second: float, rules: list[float], told: str) -> None:
    assert read(words((BEGIN, "set"), (second, "state")), b"".join(map(rule, rules))) == told


def test_several_of_one_line_keep_their_places() -> None:
    lines = words((BEGIN, "set"), (58.65, "set"), (58.65 + 14.45 + 4.2, "state(11, 1)"))
    assert read(lines, rule(55.05) + rule(58.65 + 15.05)) == "set_set_state(11, 1)"


@pytest.mark.parametrize(
    "drawn",
    [
        b"",
        rule(55.05, bottom=697.5),  # a line under the words
        rule(55.05, bottom=702.5),  # a minus, or the line of a fraction
        rule(55.05, width=0.8),
        rule(45.0, width=8.0),  # below a letter
        rule(55.05) + rule(58.65) + rule(62.25) + rule(65.85),  # to be filled in
    ],
)
def test_other_short_lines_are_no_underscores(drawn: bytes) -> None:
    assert read(words((BEGIN, "set"), (58.65, "state")), drawn) == "set state"


def test_a_font_that_has_the_sign_draws_none() -> None:
    assert read(words((BEGIN, "set"), (58.65, "state")), rule(55.05), b"Arial") == "set state"


def test_icons_of_private_signs_are_no_underscores() -> None:
    assert "_" not in write_underscores("".join(map(chr, range(0xE000, 0xF900))))
