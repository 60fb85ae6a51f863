"""The numbers that Word draws before the paragraphs of its lists, and before headings: kept apart from their words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from docx.oxml import parse_xml

from worker.courses.extract.enumerators import Kind, read_number, write_number
from worker.courses.extract.office_text import W

_KINDS: Mapping[str, Kind] = {
    "decimal": "decimal",
    "decimalZero": "decimal",
    "lowerLetter": "lower letter",
    "upperLetter": "upper letter",
    "lowerRoman": "lower roman",
    "upperRoman": "upper roman",
}
MOST_LEVELS, LONGEST_TEXT = 9, 40  # characters of what stands before a paragraph
MOST_BASES = 20  # of a style; one that is made from itself is a damaged one
_PLACE = re.compile(r"%([1-9])")


class _Level(NamedTuple):
    """How the numbers of one level are written: `text` has `%1` for that of the first one. No kind: a bullet."""

    kind: Kind | None
    text: str
    start: int


_NONE = _Level(None, "", 1)


class _List(NamedTuple):
    """A list: by whose counts it is counted, how its levels are written, and where some of them begin anew."""

    abstract: str
    levels: Mapping[int, _Level]
    starts: Mapping[int, int]


class _Place(NamedTuple):
    """Of which list and level a paragraph is."""

    number: str
    level: int


class WordLists:
    """The lists of one document, counted paragraph by paragraph as they are read."""

    def __init__(self, document: Any) -> None:
        self._lists: dict[str, _List] = {}
        self._of_level_style: dict[tuple[str, str], int] = {}  # by abstract list and style
        self._styles = {style.style_id: style for style in document.styles}
        self._counts: dict[str, dict[int, int]] = {}  # by abstract list: of each level, how far it is
        self._begun: set[tuple[str, int]] = set()  # lists and levels that have begun anew
        for link in document.part.rels.values():
            if link.reltype.endswith("/numbering") and not link.is_external:
                self._read(parse_xml(link.target_part.blob))

    def _read(self, numbering: Any) -> None:
        abstracts: dict[str, dict[int, _Level]] = {}
        for abstract in numbering.iter(W + "abstractNum"):
            name = abstract.get(W + "abstractNumId", "")
            abstracts[name] = _read_levels(abstract)
            for told in abstract.iter(W + "lvl"):
                if (style := _value(told, "pStyle")) is not None:
                    self._of_level_style[name, style] = read_number(told.get(W + "ilvl"), 0)
        for one in numbering.iter(W + "num"):
            starts = {
                read_number(changed.get(W + "ilvl"), 0): read_number(start, 1)
                for changed in one.iter(W + "lvlOverride")
                if (start := _value(changed, "startOverride")) is not None
            }
            name = _value(one, "abstractNumId") or ""
            levels = abstracts.get(name, {}) | _read_levels(one)  # a list may write some of its levels otherwise
            self._lists[one.get(W + "numId", "")] = _List(name, levels, starts)

    def is_numbered(self, paragraph: Any) -> bool:
        """Whether a number stands before a paragraph."""
        place = self._place_of(paragraph)
        return place is not None and self._level_of(place).kind is not None

    def next_mark(self, paragraph: Any) -> str:
        """What stands before a paragraph (`2.`, `c)`, `I-`), which is counted; nothing before most."""
        place = self._place_of(paragraph)
        if place is None or (level := self._level_of(place)).kind is None:
            return ""
        one = self._lists[place.number]
        counts = self._counts.setdefault(one.abstract, {})
        begins_anew = place.level in one.starts and place not in self._begun
        self._begun.add((place.number, place.level))
        before = one.starts[place.level] - 1 if begins_anew else counts.get(place.level, level.start - 1)
        counts[place.level] = before + 1
        for deeper in range(place.level + 1, MOST_LEVELS):
            counts.pop(deeper, None)
        text = _PLACE.sub(lambda found: self._written(one, int(found[1]) - 1), level.text)
        return text.strip()[:LONGEST_TEXT]

    def _written(self, one: _List, level: int) -> str:
        of = one.levels.get(level, _NONE)
        number = self._counts[one.abstract].setdefault(level, of.start)
        return write_number(number, of.kind or "decimal")

    def _level_of(self, place: _Place) -> _Level:
        one = self._lists.get(place.number)
        return one.levels.get(place.level, _NONE) if one is not None else _NONE

    def _place_of(self, paragraph: Any) -> _Place | None:
        """By the paragraph itself, else by its style or one that this is made from."""
        own = paragraph.find(W + "pPr")
        number, level = _told(own)
        name = _value(own, "pStyle") if own is not None else None
        style = self._styles.get(name) if name is not None else None
        for _ in range(MOST_BASES):
            if style is None or number is not None:
                break
            number, of_style = _told(style.element.find(W + "pPr"))
            level = of_style if level is None else level
            if number is not None and level is None and number in self._lists:
                level = self._of_level_style.get((self._lists[number].abstract, style.style_id))
            style = getattr(style, "base_style", None)
        if number is None or number == "0":  # which takes a paragraph out of its style's list
            return None
        return _Place(number, level or 0)


def _read_levels(told: Any) -> dict[int, _Level]:
    return {read_number(level.get(W + "ilvl"), 0): _read_level(level) for level in told.iter(W + "lvl")}


def _read_level(told: Any) -> _Level:
    kind = _KINDS.get(_value(told, "numFmt") or "")
    text = (_value(told, "lvlText") or "")[:LONGEST_TEXT]
    return _Level(kind, text, read_number(_value(told, "start"), 1))


def _told(properties: Any) -> tuple[str | None, int | None]:
    """The list and the level that the properties of a paragraph or a style tell."""
    list_of = properties.find(W + "numPr") if properties is not None else None
    if list_of is None:
        return None, None
    level = _value(list_of, "ilvl")
    return _value(list_of, "numId"), None if level is None else min(read_number(level, 0), MOST_LEVELS - 1)


def _value(element: Any, name: str) -> str | None:
    child = element.find(W + name)
    told: str | None = None if child is None else child.get(W + "val")
    return told
