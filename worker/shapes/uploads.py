"""What a file holds once read: sheets and cells as text, with no meaning given to them yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RawSheet:
    """One sheet as read.

    `rows` holds (row number as a spreadsheet shows it, from 1; cells as text, "" when empty) for every row that
    has at least one non-empty cell, in order; the header is simply the first of them. Text is clean: no NUL,
    no control character but line break and tab, `1.0` is `1`, dates are `YYYY-MM-DD`.
    `unresolved` maps (row number, column index from 0) to a formula whose value the file does not hold.
    """

    name: str
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    unresolved: Mapping[tuple[int, int], str] = field(default_factory=dict)


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


@dataclass(frozen=True, slots=True)
class ReadSheet:
    """A sheet that was read: what the corrected workbook needs to rebuild it, and what an admin wants to know of it."""

    name: str
    columns: tuple[str, ...]  # keys of the rows' `cells`, in the order of the upload
    row_count: int  # non-empty rows
    header_row: int | None = None  # the row taken as header, as a spreadsheet numbers it
    details: tuple[ReadColumn, ...] = ()  # every column that has a name or holds anything
    notes: tuple[str, ...] = ()  # French sentences about the sheet as a whole

    @property
    def unread(self) -> tuple[ReadColumn, ...]:
        """The columns that hold something and that nobody read."""
        return tuple(column for column in self.details if column.became is None and column.filled)
