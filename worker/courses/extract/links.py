"""Links of a PDF's page, and how much of a line leads elsewhere."""

from __future__ import annotations

import ctypes
from collections import defaultdict
from collections.abc import Mapping, Sequence

import pypdfium2
import pypdfium2.raw as pdfium

from worker.courses.extract.rows import Row

BAND, MOST_BANDS = 8, 40  # points, so that each line asks for those near it alone; a link over half a page is no line's
LONGEST = 60  # characters of a cell
Links = Mapping[int, Sequence[tuple[float, float, float, float]]]  # by bands: left, right, bottom, top in points


def read_links(page: pypdfium2.PdfPage) -> Links:
    """Where links stand; none of a page that is shown turned."""
    if page.get_rotation():
        return {}
    position, link, rect = ctypes.c_int(0), pdfium.FPDF_LINK(), pdfium.FS_RECTF()
    at, one, box, raw = ctypes.byref(position), ctypes.byref(link), ctypes.byref(rect), page.raw
    found: dict[int, list[tuple[float, float, float, float]]] = defaultdict(list)
    while pdfium.FPDFLink_Enumerate(raw, at, one):
        if pdfium.FPDFLink_GetAnnotRect(link, box):
            left, top, right, bottom = rect.left, rect.top, rect.right, rect.bottom
            lowest, highest = int(bottom) // BAND, int(top) // BAND
            for band in range(lowest, min(highest, lowest + MOST_BANDS) + 1):
                found[band].append((left, right, bottom, top))
    return found


def linked_share(row: Row, links: Links) -> float:
    """How much of a row's width stands in links, from 0 to 1; of a full line of text nobody asks."""
    middle = (row.bottom + row.top) / 2
    near = links.get(int(middle) // BAND)
    if near is None or len(row.cells[0]) > LONGEST:
        return 0.0
    at_height = [(left, right) for left, right, bottom, top in near if bottom <= middle <= top]
    width = linked = 0.0
    for left, right in zip(row.lefts, row.rights, strict=True):
        width += right - left
        linked += sum(max(0.0, min(right, end) - max(left, begin)) for begin, end in at_height)
    return min(1.0, linked / width) if width > 0 else 0.0
