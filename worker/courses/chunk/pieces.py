"""What passages are made of: headings, sentences and rows of tables."""

from __future__ import annotations

import re
from dataclasses import dataclass

BULLET = re.compile(r"\s*(?:[•▪◦●‣·–—►▶▸➢➤❖✓✔■◆◼-]\s|\d{1,2}[.)]\s)")
ENUMERATOR = re.compile(r"[\[(]?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)°\]]+|[•▪◦●‣·–—-]")
# By which a PDF, and print, mark a word that goes on in the next line.
MARKS = re.compile(r"[\ufffe\x02\u00ad]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A heading, a sentence or a row, and what stood between it and the piece before.

    `last_page`: where a sentence ends that goes over a page's end. `head`: what names the columns of a row.
    `is_part`: it goes on within the sentence of the piece before. `is_own`: by its place on the page it does not.
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
    is_own: bool = False
