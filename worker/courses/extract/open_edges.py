"""Edges at which the cells of a table without lines down begin, and its lines cut there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from worker.courses.extract.open_cells import ALIGNED, PrintedCells, make_line


def cut_at_edges(head: Sequence[PrintedCells], lines: Sequence[PrintedCells]) -> list[PrintedCells]:
    """Lines of a table, cut where others begin a cell at the same edge, if in each line that goes over that edge a word
    begins there: a cell that its words fill stands as near to the next one as words do."""
    edges = [edge for edge in shared_edges((*head, *lines)) if all(_is_clear(line, edge) for line in lines)]
    return [make_line(list(line.words), edges) for line in lines] if edges else list(lines)


def shared_edges(lines: Sequence[PrintedCells]) -> list[float]:
    """Where the stretches of several lines begin, but the first ones."""
    lefts = sorted(chunk.left for line in lines for chunk in line.chunks[1:])
    edges: list[float] = []
    for left, after in pairwise(lefts):
        if after - left < ALIGNED and not (edges and left - edges[-1] < ALIGNED):
            edges.append(left)
    return edges


def _is_clear(line: PrintedCells, edge: float) -> bool:
    """Whether no stretch of words goes over an edge, but one of which a word begins there."""
    if all(chunk.left > edge - ALIGNED or chunk.right < edge for chunk in line.chunks):
        return True
    return any(abs(word.left - edge) < ALIGNED for word in line.words)
