"""What passages are made of: headings, sentences and rows of tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A heading, a sentence or a row, and what stood between it and the piece before.

    `last_page`: where a sentence ends that goes over a page's end. `head`: what names the columns of a row.
    `is_part`: it goes on within the sentence of the piece before.
    """

    text: str
    page: int | None
    is_heading: bool = False
    joint: str = " "
    last_page: int | None = None
    is_row: bool = False
    head: str | None = None
    is_repeated: bool = False
    is_part: bool = False
