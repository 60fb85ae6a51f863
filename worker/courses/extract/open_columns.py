"""Columns of tables without lines down: what no word stands between."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worker.courses.extract.grids import MOST_COLUMNS
from worker.courses.extract.open_cells import CHANNEL, SPACE, PrintedCells, Word, is_at
from worker.courses.extract.open_edges import shared_edges

MOST_SPANNING = 1 / 3  # of the lines below the head: those that go over several columns


@dataclass(slots=True)
class Columns:
    """From where to where the words of each column stand."""

    lefts: list[float]
    rights: list[float]

    def of(self, chunk: Word) -> tuple[int, int]:
        """The first and the last column that a stretch of words stands in, or in between of which it does."""
        first = bisect_right(self.rights, chunk.left)
        last = bisect_left(self.lefts, chunk.right) - 1
        most = len(self.lefts) - 1
        return min(first, last, most) if last >= 0 else 0, max(min(first, most), last)


def find_columns(head: Sequence[PrintedCells], body: Sequence[PrintedCells]) -> Columns | None:
    """What no word stands between, but those of lines that are one stretch of words, and of heads over other heads."""
    cut = [line for line in body if len(line.chunks) > 1]
    height = max(line.height for line in (*head, *body))
    stretches = _covered(head[-1:], cut, height)
    for line in head[-2::-1]:
        below = head[head.index(line) + 1 :]
        stretches = _with_heads(stretches, line, below, height)
    columns = Columns([left for left, _ in stretches], [right for _, right in stretches])
    alone = [line for line in body if len(line.chunks) == 1]
    spanning = sum(is_spanning(line, columns) for line in alone)
    if not 1 < len(stretches) <= MOST_COLUMNS or not cut or spanning > max(1, MOST_SPANNING * len(body)):
        return None
    for line in alone:
        if not is_spanning(line, columns):
            at, _ = columns.of(line.chunks[0])
            columns.lefts[at] = min(columns.lefts[at], line.chunks[0].left)
            columns.rights[at] = max(columns.rights[at], line.chunks[0].right)
    return _with_names(columns, head, cut)


def _covered(head: Sequence[PrintedCells], body: Sequence[PrintedCells], height: float) -> list[tuple[float, float]]:
    """From where to where words stand in some of these lines, without gaps as wide as one between columns."""
    chunks = ((chunk.left, chunk.right) for line in (*head, *body) for chunk in line.chunks)
    return _united(chunks, height, shared_edges((*head, *body)))


def _united(
    stretches: Iterator[tuple[float, float]], height: float, edges: Sequence[float] = ()
) -> list[tuple[float, float]]:
    """Stretches without gaps between; `edges`: where a narrow one is a gap."""
    united: list[tuple[float, float]] = []
    for left, right in sorted(stretches):
        least = SPACE if is_at(edges, left) else CHANNEL
        if united and left - united[-1][1] < least * height:
            united[-1] = united[-1][0], max(united[-1][1], right)
        else:
            united.append((left, right))
    return united


def _with_heads(
    stretches: list[tuple[float, float]], line: PrintedCells, below: Sequence[PrintedCells], height: float
) -> list[tuple[float, float]]:
    """Columns with a line of the head over others: a head that stands over several columns, each of which has a head of
    its own below, says nothing of where they are."""
    lower = [chunk for one in below for chunk in one.chunks]
    chunks = []
    for chunk in line.chunks:
        over = [(left, right) for left, right in stretches if chunk.left < right and chunk.right > left]
        # One that stands near the next column, beyond its own, is over both.
        near = CHANNEL * height if len(over) == 1 and chunk.right > over[0][1] else 0.0
        under = [(left, right) for left, right in stretches if chunk.left < right and chunk.right + near > left]
        beside = not under and stretches[0][1] < chunk.left and chunk.right < stretches[-1][0]
        is_over = (len(under) > 1 or beside) and all(
            any(one.left < right and one.right > left for one in lower) for left, right in under
        )
        if not is_over:
            chunks.append((chunk.left, chunk.right))
    return _united(iter([*stretches, *chunks]), height)


def _with_names(columns: Columns, head: Sequence[PrintedCells], body: Sequence[PrintedCells]) -> Columns | None:
    """Columns; those without a head are of the one before, unless several lines have words in both."""
    kept = Columns(columns.lefts[:1], columns.rights[:1])
    for left, right in zip(columns.lefts[1:], columns.rights[1:], strict=True):
        is_named = any(chunk.left < right and chunk.right > left for line in head for chunk in line.chunks)
        if is_named or sum(_stand_in(line, (left, right)) for line in body) > 2:
            kept.lefts.append(left)
            kept.rights.append(right)
        else:
            kept.rights[-1] = right
    return kept if len(kept.lefts) > 1 else None


def _stand_in(line: PrintedCells, column: tuple[float, float]) -> bool:
    return any(chunk.left < column[1] and chunk.right > column[0] for chunk in line.chunks)


def is_spanning(line: PrintedCells, columns: Columns) -> bool:
    """Whether a line is one stretch of words over several columns."""
    if len(line.chunks) > 1:
        return False
    first, last = columns.of(line.chunks[0])
    return first != last
