"""How the cells of an .ods look: beside each value the file holds the text that its author saw."""

from __future__ import annotations

from collections.abc import Mapping

from worker.upload.reading.display import SheetView
from worker.upload.reading.extent import parse_xml

VALUES = frozenset({"float", "percentage", "currency", "date", "time"})
HIDDEN = frozenset({"collapse", "filter"})
LONGEST_REPEAT = 1_000  # a value that is repeated more often is no text of a question
MAX_SHOWN = 2_000_000  # cells


def find_ods_views(parts: Mapping[str, bytes]) -> dict[str, SheetView]:
    """Sheet name → what it shows. Only .ods."""
    xml = parts.get("content.xml")
    if xml is None:
        return {}
    walk = _Walk()
    parse_xml(xml, start=walk.start, end=walk.end, text=walk.text)
    return walk.views


class _Walk:
    """Follows tables, rows, cells and their paragraphs."""

    def __init__(self) -> None:
        self.views: dict[str, SheetView] = {}
        self.view = SheetView()
        self.row = self.column = self.row_repeat = self.repeat = 1
        self.kind = ""
        self.paragraphs: list[str] = []
        self.depth = 0  # of annotations, whose text is not the cell's
        self.left = MAX_SHOWN

    def start(self, name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(":")[2]
        if kind == "table":
            self.view = self.views.setdefault(attributes.get("table:name", ""), SheetView())
            self.row = 1
        elif kind == "table-row":
            self.column = 0
            self.row_repeat = _number(attributes, "table:number-rows-repeated")
            if attributes.get("table:visibility") in HIDDEN:
                last = self.row + min(self.row_repeat, LONGEST_REPEAT)
                self.view.hidden_rows.update(range(self.row, last))
        elif kind in ("table-cell", "covered-table-cell"):
            self.repeat = _number(attributes, "table:number-columns-repeated")
            self.kind = attributes.get("office:value-type", attributes.get("calcext:value-type", ""))
            self.paragraphs = []
            span = _number(attributes, "table:number-rows-spanned")
            if span > 1:
                self.view.merged.append((self.column, self.row, self.row + span - 1))
        elif kind == "annotation":
            self.depth += 1
        elif kind == "p" and not self.depth:
            self.paragraphs.append("")

    def text(self, text: str) -> None:
        if self.paragraphs and not self.depth:
            self.paragraphs[-1] += text

    def end(self, name: str) -> None:
        kind = name.rpartition(":")[2]
        if kind in ("table-cell", "covered-table-cell"):
            self._end_cell()
            self.column += self.repeat
        elif kind == "table-row":
            self.row += self.row_repeat
        elif kind == "annotation":
            self.depth -= 1

    def _end_cell(self) -> None:
        shown = "\n".join(self.paragraphs).strip()
        self.paragraphs = []
        if self.kind not in VALUES or not shown.strip("#") or max(self.repeat, self.row_repeat) > LONGEST_REPEAT:
            return  # `###` is a number in a column that is too narrow
        self.left -= self.repeat * self.row_repeat
        if self.left < 0:
            return
        for row in range(self.row, self.row + self.row_repeat):
            for column in range(self.column, self.column + self.repeat):
                self.view.show(row, column, shown)
                if self.kind == "date":
                    self.view.dates.setdefault(column, []).append(row)


def _number(attributes: Mapping[str, str], name: str) -> int:
    text = attributes.get(name, "1")
    return int(text[:9]) if text.isdecimal() else 1
