"""Formula cells of an .xlsx whose value the file does not hold, and the plain references among them.

The reading library gives stored values only; a workbook saved again by a program that does not calculate has none.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from worker.upload.reading.extent import column_number, parse_xml

Place = tuple[int, int]  # row from 1, column from 0

_HAS_FORMULA = re.compile(rb"<(?:[\w.-]+:)?f[\s/>]")
_REFERENCE = re.compile(r"\$?[A-Z]{1,3}\$?[1-9]\d{0,6}", re.IGNORECASE)
_CELL = re.compile(r"([A-Za-z]{1,3})(\d{1,7})")


@dataclass(frozen=True, slots=True)
class Formulas:
    """The formulas without a stored value of one sheet: text without `=`, and what a plain reference points to."""

    texts: Mapping[Place, str]
    targets: Mapping[Place, Place]


def find_missing_values(parts: Mapping[str, bytes]) -> dict[str, Formulas]:
    """Sheet name → its formulas without a value; sheets that have none are absent. Only .xlsx and .xlsm."""
    found = {}
    for name, part in sheet_parts(parts).items():
        xml = parts.get(part, b"")
        if (b"<f" in xml or b":f" in xml) and _HAS_FORMULA.search(xml):
            formulas = _scan(xml, name)
            if formulas.texts:
                found[name] = formulas
    return found


def sheet_parts(parts: Mapping[str, bytes]) -> dict[str, str]:
    """Sheet name → name of its XML part, through the workbook's relations."""
    book = next((name for name in parts if name.endswith("workbook.xml")), None)
    if book is None:
        return {}
    folder = posixpath.dirname(book)
    targets: dict[str, str] = {}
    sheets: list[tuple[str, str]] = []

    def relation(name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] == "Relationship":
            targets[attributes.get("Id", "")] = attributes.get("Target", "")

    def sheet(name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] == "sheet":
            relation_id = next((value for key, value in attributes.items() if key.endswith(":id")), "")
            sheets.append((attributes.get("name", ""), relation_id))

    parse_xml(parts.get(f"{folder}/_rels/workbook.xml.rels", b"<none/>"), start=relation)
    parse_xml(parts[book], start=sheet)
    return {name: _part_name(folder, targets[key]) for name, key in sheets if key in targets}


def _part_name(folder: str, target: str) -> str:
    return target.removeprefix("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))


@dataclass(slots=True)
class _Scan:
    """Gathers the formula cells of one sheet while its XML goes by."""

    prefixes: tuple[str, ...]  # ways to name the sheet itself in front of a reference
    texts: dict[Place, str] = field(default_factory=dict)
    shared: dict[str, tuple[Place, str]] = field(default_factory=dict)
    origins: dict[Place, Place] = field(default_factory=dict)  # where a shared formula was written
    place: Place = (0, 0)
    cell_type: str = ""
    reading: str = ""
    has_formula: bool = False
    shared_id: str | None = None
    formula: str = ""
    value: str | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(":")[2]
        self.reading = kind
        if kind == "c":
            match = _CELL.fullmatch(attributes.get("r", ""))
            self.place = (int(match[2]), column_number(match[1]) - 1) if match else (0, 0)
            self.cell_type = attributes.get("t", "n")
            self.has_formula, self.formula, self.value = False, "", None
        elif kind == "f":
            self.has_formula = True
            self.shared_id = attributes.get("si") if attributes.get("t") == "shared" else None
        elif kind in ("v", "t"):
            self.value = self.value or ""

    def text(self, text: str) -> None:
        if self.reading == "f":
            self.formula += text
        elif self.reading in ("v", "t"):
            self.value = (self.value or "") + text

    def end(self, name: str) -> None:
        self.reading = ""
        if name.rpartition(":")[2] != "c" or not self.has_formula or not self.place[0]:
            return
        origin = self.place
        if self.shared_id is not None:
            if self.formula:
                self.shared[self.shared_id] = (self.place, self.formula)
            origin, self.formula = self.shared.get(self.shared_id, (self.place, self.formula))
        # A stored text result may be the empty string; an error is no value.
        stored = self.value is not None if self.cell_type == "str" else bool(self.value) and self.cell_type != "e"
        if not stored:
            self.texts[self.place] = self.formula
            self.origins[self.place] = origin


def _scan(xml: bytes, sheet_name: str) -> Formulas:
    quoted = sheet_name.replace("'", "''")
    scan = _Scan(prefixes=(f"{sheet_name}!", f"'{quoted}'!"))
    parse_xml(xml, start=scan.start, end=scan.end, text=scan.text)
    targets = {}
    for place, formula in scan.texts.items():
        target = _target(formula, scan.prefixes, place, scan.origins[place])
        if target is not None:
            targets[place] = target
    return Formulas(scan.texts, targets)


def _target(formula: str, prefixes: tuple[str, ...], place: Place, origin: Place) -> Place | None:
    """The cell that a formula such as `B2` or `$B$2` gives; a shared one moves with the cell, `$` parts do not."""
    # openpyxl knows the grammar; loaded only for the rare file that was saved without its values.
    from openpyxl.formula import Tokenizer
    from openpyxl.formula.tokenizer import TokenizerError
    from openpyxl.formula.translate import Translator, TranslatorError
    from openpyxl.utils import coordinate_to_tuple

    try:
        moved = Translator(f"={formula}", origin=_coordinate(origin)).translate_formula(_coordinate(place))
        operands = [token for token in Tokenizer(moved).items if token.type != "WHITE-SPACE"]
    except (TokenizerError, TranslatorError, ValueError):
        return None
    if operands and operands[0].value == "+":
        operands = operands[1:]
    if len(operands) != 1 or operands[0].subtype != "RANGE":
        return None
    reference = operands[0].value
    for prefix in prefixes:
        reference = reference.removeprefix(prefix)
    if not _REFERENCE.fullmatch(reference):
        return None
    row, column = coordinate_to_tuple(reference.replace("$", "").upper())
    return (row, column - 1)


def _coordinate(place: Place) -> str:
    from openpyxl.utils import get_column_letter

    return f"{get_column_letter(place[1] + 1)}{place[0]}"


def resolve_references(
    formulas: Formulas, grid: Mapping[int, Sequence[str]]
) -> tuple[dict[Place, str], dict[Place, str]]:
    """Values of the cells that plain references lead to, and `=formula` of those that stay without one.

    Chains may be of any length; a circle has no value.
    """
    values: dict[Place, str | None] = {}
    for place in formulas.texts:
        chain: list[Place] = []
        walked: set[Place] = set()
        value: str | None = None
        current: Place | None = place
        while current is not None:
            if current in values:
                value = values[current]
                break
            if current not in formulas.texts:
                cells = grid.get(current[0], ())
                value = cells[current[1]] if current[1] < len(cells) else ""
                break
            if current in walked:
                break
            chain.append(current)
            walked.add(current)
            current = formulas.targets.get(current)
        values.update(dict.fromkeys(chain, value))
    resolved = {place: value for place, value in values.items() if value is not None}
    return resolved, {place: "=" + formulas.texts[place] for place, value in values.items() if value is None}
