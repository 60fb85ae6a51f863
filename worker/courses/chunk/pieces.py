"""What passages are made of: headings, sentences and rows of tables."""

from __future__ import annotations

import re
from dataclasses import dataclass

from worker.courses.signs import BULLETS, DASHES

BULLET = re.compile(rf"\s*(?:[{BULLETS}{DASHES}]\s|\d{{1,2}}[.)]\s)")
ENUMERATOR = re.compile(r"[\[(]?(?:\d{1,3}(?:\.\d{1,3}){0,4}|[A-Za-z]|[ivxIVX]{1,5})(?:[.)°\]]+|/(?=\s|$))|[•▪◦●‣·–—-]")
CAPTION = re.compile(
    r"(?:figure|fig\.|tableau|table|tab\.|schéma|photo)\s*(?:\(?\d|(?-i:[IVX]{1,4}\b)|[–—:-]\s)", re.IGNORECASE
)
LABEL = 0.6  # times the body's letters: of words within a drawing
SMALLER = 0.9  # times the letters of a sentence
# By which a PDF, and print, mark a word that goes on in the next line.
MARKS = re.compile(r"[\ufffe\x02\u00ad]")

# Words that no sentence and no heading ends with, and signs.
_LEADS_ON = re.compile(
    r"(?:^|[\s’'(])(?:[ld][’']|(?:de|du|des|à|au|aux|la|le|les|un|une|et|ou|en|par|pour|sur|sous|dans|avec|sans|chez|que|"
    r"qui|est|sont|entre|son|sa|ses|leur|leurs|ce|cette|ces|plus|moins|[<>≥≤=±+])[’']?)$",
    re.IGNORECASE,
)
_MORE = re.compile(r"(?:plus|moins)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    """A heading, a sentence or a row, and what stood between it and the piece before.

    `last_page`: where a sentence ends that goes over a page's end. `head`: what names the columns of a row.
    `is_part`: it goes on within the sentence of the piece before. `is_own`: by its place on the page it does not.
    `is_typed`: it is a line of a program. `is_rest`: by its place, of the row that the page before ends with.
    `size`: of its letters, as lines tell it; 0 where it is not known.
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
    is_typed: bool = False
    is_rest: bool = False
    size: float = 0.0

    @property
    def is_label(self) -> bool:
        """Whether it is set in letters as small as the words within a drawing."""
        return 0 < self.size < LABEL

    def is_smaller(self, other: Piece) -> bool:
        """Whether it is set in smaller letters than another: what goes on from a sentence is not."""
        return 0 < self.size < SMALLER * other.size


def leads_on(text: str, after: str = "") -> bool:
    """Whether a text breaks off before its next word; `plus` and `moins` may end a sentence, if a capital follows."""
    word = _LEADS_ON.search(text[-12:])
    if word is None or (after[:1].isupper() and _MORE.search(word[0])):
        return False
    return not (len(word[0].strip()) > 1 and word[0].isupper() and not text.isupper())  # `interdit dans les SA`
