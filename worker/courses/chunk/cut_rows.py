"""Rows of tables that the end of a page cuts in two: cell by cell they are one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest

from worker.courses.chunk.halves import glue_text
from worker.courses.chunk.pieces import Piece
from worker.courses.chunk.words import Spelling
from worker.courses.signs import join_cell

_PARTED = re.compile(r"(?:^|(?<=\s))\|(?=\s|$)")


def join_rows(paragraphs: Iterable[Sequence[Piece]], spelling: Spelling) -> list[list[Piece]]:
    """Paragraphs, with what is the rest of a row, by its place, in the cells of the row that stands before it."""
    found: list[list[Piece]] = []
    for paragraph in paragraphs:
        first = paragraph[0]
        before = found[-1][-1] if found and first.is_rest else None
        if before is not None and before.is_row and before.page != first.page:
            found[-1][-1] = _joined(before, first, spelling)
            if len(paragraph) > 1:
                found.append(list(paragraph[1:]))
        else:
            found.append(list(paragraph))
    return found


def _joined(row: Piece, rest: Piece, spelling: Spelling) -> Piece:
    cells = (
        _glued(above.strip(), below.strip(), spelling)
        for above, below in zip_longest(_PARTED.split(row.text), _PARTED.split(rest.text), fillvalue="")
    )
    return replace(row, text=" ".join(" | ".join(cells).split()), last_page=rest.last_page or rest.page)


def _glued(above: str, below: str, spelling: Spelling) -> str:
    if not above or not below:
        return above or below
    glued = glue_text(above, below, spelling)
    return "".join(glued) if glued else join_cell(above, below)
