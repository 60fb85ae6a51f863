"""Cells that several sheets of the workbook share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from worker.messages.status_words import NOT_PROCESSED, OUTCOME_WORDS
from worker.questions.question import Finding
from worker.report.content import CellStyle, ReportCell, StyledCell


def status_cell(status: str) -> ReportCell:
    """A row's status in French, in its colour: `confirmée`."""
    if status == "pending":
        return StyledCell(NOT_PROCESSED, "pending")
    return StyledCell(OUTCOME_WORDS[status][0], cast(CellStyle, status)) if status in OUTCOME_WORDS else status


def reason_cell(reason: str | None, findings: Sequence[Finding]) -> str:
    """The reason and each finding on a line of its own, none twice."""
    return "\n".join(dict.fromkeys(filter(None, [reason, *(finding.message for finding in findings)])))


def text_of(cell: ReportCell) -> str:
    """What a cell says, as text."""
    return cell if isinstance(cell, str) else str(cell.value)
