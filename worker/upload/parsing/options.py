"""The options of a row, under the letters of their columns."""

from __future__ import annotations

import re
from collections.abc import Mapping

from worker.questions.question import LETTERS
from worker.upload.parsing.headers import Columns
from worker.upload.parsing.values import plain_text

OPTION_COLUMNS = {letter: f"option {letter.lower()}" for letter in LETTERS}
_LABELLED = re.compile(r"(?:\A|[\n;|])[ \t]*+\(?([A-Ja-j])[ \t]*+[.):\-–—][ \t]*+(?=\S)")


def read_options(cells: Mapping[str, str], columns: Columns) -> dict[str, str]:
    """Letter → option of those that are there; a gap stays a gap, a sixth option keeps its letter."""
    if columns.all_options is not None:
        return split_options(plain_text(cells.get(columns.all_options, "")))
    places = (*columns.options, *columns.extra_options) if columns.extra_options else columns.options
    return {letter: option for letter, key in places if (text := cells[key]) and (option := plain_text(text))}


def split_options(cell: str) -> dict[str, str]:
    """`A. Rate` and `B. Foie` on lines of one cell; {} unless every part has its label, in order from A."""
    found = list(_LABELLED.finditer(cell))
    if len(found) < 2 or found[0].start() != 0:
        return {}
    ends = [match.start() for match in found[1:]] + [len(cell)]
    texts = [cell[match.end() : end].strip() for match, end in zip(found, ends, strict=True)]
    letters = [match[1].upper() for match in found]
    in_order = letters == [chr(ord("A") + index) for index in range(len(letters))]
    return dict(zip(letters, texts, strict=True)) if in_order and all(texts) else {}
