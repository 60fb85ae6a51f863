"""Printed lines and the stretches they are made of: what stands side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from worker.courses.extract.signs import lower_digits, raise_digits

CELL_GAP = 1.0  # of a line's height
HIGHEST = 0.7  # of a line's letters: how far above its foot the box of a raised sign begins at most
MOST_RAISED = 3  # characters of an exponent or a charge
SMALL, LIFTED = 0.7, 0.15  # of the height of what follows: an exponent, and how far above its foot it stands
SUNK = 0.02  # of that height: how far the box of an index goes below that of its letter
LETTER_GAP = 0.12  # so near, the next letter belongs to the same word
_FIGURES, _POWER = re.compile(r"\d{1,2}"), re.compile(r"[-−–]\d{1,2}")
_CHARGE = re.compile(r"\d?[+−–-]")  # of an ion
_BASE, _POWERED = re.compile(r"[\w)\]|»›”.]\s?$"), re.compile(r"[\w)\]|]$")


class Span(NamedTuple):
    """A stretch of a printed line without a wide gap in it."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    is_bold: bool = False
    size: float = 0.0  # of its letters in points; 0 where only its box is known
    cells: tuple[Span, ...] = ()  # of a whole row of a ruled table
    is_typed: bool = False  # in letters of one width, in a document whose text is not
    leads_bold: bool = False  # the first of a line that begins in bold and does not end so
    is_rest: bool = False  # of a row of a ruled table: of the one that the page before ends with
    is_head: bool = False  # of such a row: it stands above the first line of the table, which parts its head

    @property
    def height(self) -> float:
        return self.top - self.bottom


class Row(NamedTuple):
    """Spans side by side: one printed line, or the cells of a table's row, each of some lines."""

    cells: tuple[str, ...]
    lefts: tuple[float, ...]  # of the cells
    rights: tuple[float, ...]
    left: float
    right: float
    bottom: float
    top: float
    height: float  # of a letter
    is_bold: bool
    size: float
    is_table: bool = False
    is_typed: bool = False
    leads_bold: bool = False  # it begins in bold, and does not end so
    is_rest: bool = False  # of a table's row that the page before ends with
    is_head: bool = False  # of a table's row: a line parts it from those below


def join_printed(printed: Sequence[Sequence[Span]]) -> list[list[Span]]:
    """Lines that go on at the same height, as after an exponent or the mark of a note, are one."""
    lines: list[list[Span]] = []
    for spans in printed:
        before = lines[-1][-1] if lines else None
        first = spans[0]
        if (
            before is not None
            and not (before.cells or first.cells)
            and (
                abs(lines[-1][0].bottom - first.bottom) < 0.3 * first.height
                or is_beside(before, first)
                or _is_raised(lines[-1][0], first)
            )
            and -0.2 < (first.left - before.right) / first.height < CELL_GAP
        ):
            lines[-1] += spans
        else:
            lines.append(list(spans))
    return lines


def is_beside(before: Span, first: Span) -> bool:
    """Whether what begins with the raised mark of a note stands in the line before it."""
    shared = min(before.top, first.top) - max(before.bottom, first.bottom)
    return shared > 0.5 * min(before.height, first.height)


def _is_raised(line: Span, first: Span) -> bool:
    """Whether a small sign stands above the foot of a line, as the charge of an ion does over its figure."""
    above = first.bottom - line.bottom
    return len(first.text) <= MOST_RAISED and first.size < 0.85 * line.size and 0 < above < HIGHEST * line.size


def _is_exponent(before: Span, span: Span) -> bool:
    """Whether a stretch is small and stands higher than the one after it."""
    return before.height < SMALL * span.height and before.bottom - span.bottom > LIFTED * span.height


def _is_mark_before(mark: Span, word: Span) -> bool:
    """Whether a line begins with the raised mark of a note or of an author's address: `¹Service de neurologie`."""
    is_near = -0.2 < (word.left - mark.right) / word.height < LETTER_GAP * 2
    return is_near and _FIGURES.fullmatch(mark.text) is not None and word.text[0].isalpha() and _is_exponent(mark, word)


def first_word(row: Row) -> float:
    """How wide the first word of a line is, with the space before it."""
    text = row.cells[0]
    length = len(text.split(" ", 1)[0]) + 1
    return (row.rights[0] - row.left) * length / max(len(text), 1)


def _may_be_exponent(text: str, span: Span, before: Span) -> bool:
    """Whether a stretch is a figure above the line behind a word, a bracket or the end of a sentence; the upper part of
    a fraction stands behind a sign, if at all. Only what has an exponent has a negative one."""
    is_figure = _FIGURES.fullmatch(span.text) is not None and _BASE.search(text) is not None
    is_power = _POWER.fullmatch(span.text) is not None and _POWERED.search(text) is not None
    is_charge = _CHARGE.fullmatch(span.text) is not None and text[-1].isalnum()
    return (is_figure or is_power or is_charge) and _is_raised(before, span)


def _is_index(text: str, span: Span, before: Span) -> bool:
    """Whether a stretch is a small figure below the foot of the letter that it stands at: `CO₂`."""
    if not (span.text.isdigit() and len(span.text) <= MOST_RAISED and text[-1].isalpha()):
        return False
    is_near = span.left - before.right < LETTER_GAP * before.height
    return is_near and span.size < 0.9 * before.size and span.bottom < before.bottom - SUNK * before.height


def make_row(spans: Sequence[Span]) -> Row:
    """One printed line; spans that stand near one another are one cell."""
    if spans[0].cells:
        return _ruled_row(spans[0])
    leads = len(spans) > 1 and _is_mark_before(spans[0], spans[1])
    first = raise_digits(spans[0].text) if leads else spans[0].text
    parts, lefts, rights = [[first]], [spans[0].left], [spans[0].right]
    for before, span in pairwise(spans):
        gap = span.left - before.right
        height = span.height if _is_exponent(before, span) else before.height
        if -before.height < gap < CELL_GAP * height:
            text = span.text
            if _may_be_exponent(parts[-1][-1], span, before):
                text = raise_digits(text)
            elif _is_index(parts[-1][-1], span, before):
                text = lower_digits(text)
            parts[-1].append((" " if gap > LETTER_GAP * before.height else "") + text)
            rights[-1] = span.right
        else:
            parts.append([span.text])
            lefts.append(span.left)
            rights.append(span.right)
    widest = max(spans, key=lambda span: len(span.text))
    return Row(
        tuple("".join(cell) for cell in parts),
        tuple(lefts),
        tuple(rights),
        min(span.left for span in spans),
        max(span.right for span in spans),
        spans[0].bottom,
        max(span.top for span in spans),
        widest.height,
        all(span.is_bold for span in spans),
        widest.size or widest.height,
        is_typed=all(span.is_typed for span in spans),
        leads_bold=spans[0].leads_bold,
    )


def _ruled_row(row: Span) -> Row:
    """A row of a ruled table; one that is a single cell from side to side is a row as well."""
    lefts = tuple(cell.left for cell in row.cells)
    return Row(
        tuple(cell.text for cell in row.cells),
        lefts,
        (*lefts[1:], row.right),
        row.left,
        row.right,
        row.bottom,
        row.top,
        row.height,
        row.is_bold,
        row.size,
        is_table=True,
        is_rest=row.is_rest,
        is_head=row.is_head,
    )
