"""What the hidden column `medq` of a corrected workbook says of its rows: which item each is, and what we wrote there.

On the sheets of questions `medq2:ITEM:OUTCOME:KEY:TEXTS`. KEY is the digest of the cell `reponse` as written, TEXTS
those of the explanations that the worker wrote (`x=1f0c2a9b,a=…`: the general one, then by option). On `À revoir`
`medq1:ITEM:VERSION`, the version of the item as the person sees it.

A digest does not change with spaces, quotation marks and case, which spreadsheets change. Nothing secret is in a mark,
and a forged one gains nothing: it can only make a row count for less. So a check sum (CRC-32) is enough; workbooks of
before it carry `medq1:`, and are known by the texts in them.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from worker.questions.answers import FIXES
from worker.questions.history import loosen

MARK_HEADER = "medq"

_ID = r"[A-Za-z0-9_-]{1,64}"
_DIGEST = r"[0-9a-f]{8}"
_ROW = re.compile(rf"medq2:({_ID}):([a-z]{{1,20}}):({_DIGEST}):((?:[a-ex]={_DIGEST}(?:,(?=[a-ex])|$)){{0,6}})")
_EARLIER_ROW = re.compile(rf"medq1:{_ID}:[a-z]{{1,20}}:{_DIGEST}:[a-ex0-9=,f]{{0,65}}")
_REVIEW = re.compile(rf"medq1:({_ID}):([0-9a-f]{{16}})")


def is_mark(text: str) -> bool:
    """Whether a cell is a mark of either kind, or of a row as it was written before."""
    is_earlier = _EARLIER_ROW.fullmatch(text.strip()) is not None
    return is_earlier or RowMark.parse(text) is not None or ReviewMark.parse(text) is not None


@dataclass(frozen=True, slots=True)
class RowMark:
    """The mark of a row of questions. `texts`: header of an explanation → digest of what the worker wrote there."""

    item_id: str
    outcome: str
    value: str
    texts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, item_id: str, outcome: str, value: str, texts: Mapping[str, str]) -> Self:
        """`value` and `texts` (by header) are what the cells hold as written."""
        return cls(item_id, outcome, _digest(value), {header: _digest(text) for header, text in texts.items()})

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """The mark in a cell; None for anything else."""
        match = _ROW.fullmatch((text or "").strip())
        if match is None:
            return None
        pairs = (part.split("=") for part in match[4].split(",") if part)
        return cls(match[1], match[2], match[3], {_header(letter): digest for letter, digest in pairs})

    def write(self) -> str:
        """The cell's text."""
        texts = ",".join(f"{_letter(header)}={digest}" for header, digest in self.texts.items())
        return f"medq2:{self.item_id}:{self.outcome}:{self.value}:{texts}"

    @property
    def has_value_of_analysis(self) -> bool:
        """Whether the key or answer that was written is the analysis' own."""
        return self.outcome in FIXES

    def has_value(self, text: str) -> bool:
        """Whether the cell of the key still is as it was written."""
        return self.value == _digest(text)

    def wrote(self, header: str, text: str) -> bool:
        """Whether the worker wrote this explanation, under this header."""
        return self.texts.get(header) == _digest(text)


@dataclass(frozen=True, slots=True)
class ReviewMark:
    """The mark of a row of `À revoir`: what a decision typed there is about, and what the person saw."""

    item_id: str
    version: str

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """The mark in a cell; None for anything else."""
        match = _REVIEW.fullmatch((text or "").strip())
        return None if match is None else cls(match[1], match[2])

    def write(self) -> str:
        """The cell's text."""
        return f"medq1:{self.item_id}:{self.version}"


def _digest(text: str) -> str:
    return f"{zlib.crc32(loosen(text).encode(errors='replace')):08x}"


def _letter(header: str) -> str:
    return "x" if header == "explication" else header[-1]


def _header(letter: str) -> str:
    return "explication" if letter == "x" else f"explication {letter}"
