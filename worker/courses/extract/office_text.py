"""The words of Word's and PowerPoint's paragraphs.

The libraries open the packages and know styles and slides; the text is taken from the elements themselves, for theirs
leaves out what stands in content controls, tracked insertions, smart tags, text boxes, footnotes, symbols and formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from worker.courses.extract.office_math import OFFICE, read_office_math
from worker.courses.extract.signs import lower_digits, raise_digits, read_symbol

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_M = f"{{{OFFICE}}}"

# What was deleted, what only describes, and the second copy of what older programs cannot show.
UNREAD = frozenset((*(W + n for n in ("del", "moveFrom", "pPr", "rPr", "instrText", "rt", "sdtPr")), MC + "Fallback"))
_BREAKS = {W + "tab": "\t", W + "br": "\n", W + "cr": "\n", W + "noBreakHyphen": "-", A + "br": "\n"}


def read_runs(element: Any) -> Iterator[str]:
    """The text of a paragraph or a part of one; text boxes are blocks of their own."""
    for child in element:
        tag = child.tag
        if tag == _M + "oMath":
            yield read_office_math(child)
        elif tag in (W + "t", _M + "t", A + "t"):
            yield _raised(child, child.text or "")
        elif tag == W + "sym":
            yield read_symbol(int(child.get(W + "char", "20"), 16), child.get(W + "font", ""))
        elif tag in _BREAKS:
            yield _BREAKS[tag]
        elif tag not in UNREAD and tag != W + "txbxContent" and not _is_vanished(child):
            yield from read_runs(child)


def _is_vanished(run: Any) -> bool:
    """Text that Word does not show."""
    mark = run.find(f"{W}rPr/{W}vanish") if run.tag == W + "r" else None
    return mark is not None and mark.get(W + "val", "1") not in ("0", "false", "off")


def _raised(text_element: Any, text: str) -> str:
    run = text_element.getparent()
    raised = run.find(f"{W}rPr/{W}vertAlign")
    place = raised.get(W + "val") if raised is not None else None
    properties = run.find(A + "rPr")
    baseline = _baseline(properties) if properties is not None else 0
    if place == "superscript" or baseline > 0:
        return raise_digits(text)
    return lower_digits(text) if place == "subscript" or baseline < 0 else text


def _baseline(properties: Any) -> int:
    told = properties.get("baseline", "0").rstrip("%")
    return int(told) if told.lstrip("-").isdigit() else 0
