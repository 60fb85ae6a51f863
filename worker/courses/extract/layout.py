"""What stands where on a printed page, into lines in reading order: columns, tables, paragraphs, edges.

A page's own order is kept where its places do not speak against it: most programs write in the order of reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from worker.courses.document import Line
from worker.courses.extract.columns import move_edges, order_by_columns
from worker.courses.extract.rows import Row, Span, join_printed, make_row
from worker.courses.extract.tables import find_tables, is_head

PARAGRAPH_PITCH = 1.25  # of the usual distance between lines
_ENDS = (".", "!", "?", ":", ";", "…", "»")


def arrange(printed: Sequence[Sequence[Span]]) -> Iterator[Line]:
    """Lines in reading order, an empty one between paragraphs. `Line.size` is a height in points here."""
    ordered = move_edges(order_by_columns(join_printed(printed)))
    rows = find_tables([make_row(spans) for spans in ordered])
    pitch = _usual_pitch(rows)
    right = max((row.right for row in rows), default=0.0)
    before: Row | None = None
    for number, row in enumerate(rows):
        if before is not None and _begins_paragraph(before, row, pitch, right):
            yield Line("")
        starts = row.is_table and not (before is not None and before.is_table)
        yield Line(
            (" | " if row.is_table else " ").join(row.cells),
            size=row.size,
            is_bold=row.is_bold,
            is_row=row.is_table,
            is_head=starts and is_head(rows, number),
            foot=round(row.bottom, 1),
        )
        before = row


def _usual_pitch(rows: Sequence[Row]) -> float:
    """The distance between lines that follow one another."""
    steps = [a.bottom - b.bottom for a, b in pairwise(rows) if 0 < a.bottom - b.bottom < 3 * a.height]
    return median(steps) if steps else 0.0


def _begins_paragraph(before: Row, row: Row, pitch: float, right: float) -> bool:
    if before.is_table or row.is_table:
        return not (before.is_table and row.is_table)
    step = before.bottom - row.bottom
    if step <= -0.5 * row.height or step > PARAGRAPH_PITCH * pitch:
        return step > 0.5 * row.height or step < 0
    # Letters of another size or weight begin a heading, or the text below one, unless they stand in a full line.
    full = before.right > right - 0.05 * (right - before.left) and step < 1.1 * pitch
    if not full and (row.is_bold != before.is_bold or not 0.89 < row.size / before.size < 1.12):
        return True
    ended = before.cells[-1].endswith(_ENDS)
    indent = abs(row.left - before.left) > 0.8 * row.height
    short = before.right < right - 0.2 * (right - before.left)
    return ended and (indent or short)
