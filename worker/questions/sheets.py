"""What a file holds once read: sheets and cells as text, with no meaning given to them yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Note:
    """Something about a file that no row can say: what of it was not used, or was used otherwise than written.

    `message` is one French sentence; `label` the same as a few words, for a list in the job's sentence; `count` how
    many cells or rows it is about.
    """

    code: str  # snake_case, stable: "unread_column", "hidden_rows", "repeated_header", …
    message: str
    label: str
    count: int
    sheet: str | None = None


@dataclass(frozen=True, slots=True)
class RawSheet:
    """One sheet as read.

    `rows` holds (row number as a spreadsheet shows it, from 1; cells as text, "" when empty) for every row that
    has at least one non-empty cell, in order; the header is simply the first of them. Text is clean: no NUL,
    no control character but line break and tab, `1.0` is `1`; a value is written as its number format shows it, and
    a cell in error holds the error's own text (`#N/A`). `unresolved` maps (row number, column index from 0) to a
    formula whose value the file does not hold. `dates` and `unformatted` map a column index to the numbers of the rows
    whose cell there is a date, or a number whose format is not known, in ascending order. `notes` say what reading
    changed.
    """

    name: str
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    unresolved: Mapping[tuple[int, int], str] = field(default_factory=dict)
    is_hidden: bool = False
    hidden_rows: frozenset[int] = frozenset()
    dates: Mapping[int, Sequence[int]] = field(default_factory=dict)
    unformatted: Mapping[int, Sequence[int]] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOutSheet:
    """A sheet that was not read, and the French reason the admin is shown."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """What one column of a sheet became."""

    header: str  # as written; `Colonne F` where it has no name
    became: str | None  # the canonical header it is read as, `type`, or None: it stays unread
    filled: int | None = None  # of an unread column: how many cells below the header hold something
    reason: str | None = None  # French: why it stays unread, where there is more to say than that nobody knows it
    is_wanted: bool = True  # False where the job's config leaves it unread on purpose


@dataclass(frozen=True, slots=True)
class ReadSheet:
    """A sheet that was read: what the corrected workbook needs to rebuild it, and what an admin wants to know of it."""

    name: str
    columns: tuple[str, ...]  # keys of the rows' `cells`, in the order of the upload
    row_count: int  # non-empty rows
    header_row: int | None = None  # the row taken as header, as a spreadsheet numbers it
    details: tuple[ReadColumn, ...] = ()  # every column that has a name or holds anything

    @property
    def unread(self) -> tuple[ReadColumn, ...]:
        """The columns that hold something and that nobody read, but for those that are unread on purpose."""
        return tuple(c for c in self.details if c.became is None and c.filled and c.is_wanted)
