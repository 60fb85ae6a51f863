"""The columns of a corrected workbook: their headers, widths, and which of them are ours."""

from __future__ import annotations

from worker.messages import headers, workbook_words
from worker.questions.question import fold_name
from worker.questions.row_marks import MARK_HEADER
from worker.report.content import ReportColumn

CASE_ONLY = frozenset({headers.CASE_NUMBER, headers.CASE_TEXT})
QCM_ONLY = frozenset({*headers.OPTION_HEADERS, *headers.EXPLANATION_HEADERS})

STATUS_HEADERS = (
    workbook_words.STATUS,
    workbook_words.REASON,
    workbook_words.ORIGINAL_ANSWER,
    workbook_words.PROPOSED_ANSWER,
    workbook_words.CONFIDENCE,
)
PLACE_HEADERS = (workbook_words.SHEET, workbook_words.ROW)

# On one screen of 1,366 pixels: a character of width is 7 of them in Calibri 11, and 5 go to each column's edges.
REVIEW_WIDTHS = {
    workbook_words.SHEET: 9,
    workbook_words.ROW: 6,
    workbook_words.STATUS: 10,
    workbook_words.QUESTION: 31,
    workbook_words.OPTIONS: 27,
    workbook_words.OFFICIAL_ANSWER: 10,
    workbook_words.FIRST_LOOK: 10,
    workbook_words.SECOND_LOOK: 10,
    workbook_words.REASON: 20,
    workbook_words.DECISION: 10,
    workbook_words.ANSWER_TO_KEEP: 10,
    workbook_words.EXPLANATION_TO_KEEP: 14,
    workbook_words.COMMENT: 12,
}
DECISION_HEADERS = (
    workbook_words.DECISION,
    workbook_words.ANSWER_TO_KEEP,
    workbook_words.EXPLANATION_TO_KEEP,
    workbook_words.COMMENT,
)

WIDTHS = {
    headers.SPECIALTY: 18,
    headers.COURSE: 26,
    headers.QUESTION_NUMBER: 10,
    headers.CASE_NUMBER: 8,
    headers.SOURCE: 22,
    headers.CASE_TEXT: 70,
    headers.QUESTION_TEXT: 50,
    headers.ANSWER: 24,
    headers.EXPLANATION: 50,
    headers.REMINDER: 40,
    headers.IMAGE: 24,
    headers.LEVEL: 10,
    headers.SEMESTER: 14,
    workbook_words.STATUS: 13,
    workbook_words.REASON: 45,
    workbook_words.ORIGINAL_ANSWER: 24,
    workbook_words.PROPOSED_ANSWER: 24,
    workbook_words.CONFIDENCE: 11,
    workbook_words.SHEET: 14,
    workbook_words.ROW: 8,
    **dict.fromkeys(headers.OPTION_HEADERS, 30),
    **dict.fromkeys(headers.EXPLANATION_HEADERS, 36),
}
UNKNOWN_WIDTH = 20

_OWN_COLUMNS = frozenset(fold_name(header) for header in (*STATUS_HEADERS, MARK_HEADER))


def is_own_column(header: str) -> bool:
    """A status column of an earlier report that came back in an upload: written anew, never twice."""
    return fold_name(header) in _OWN_COLUMNS


def column(header: str) -> ReportColumn:
    """A column of a sheet that repeats the upload's rows."""
    added = header in STATUS_HEADERS or header in PLACE_HEADERS or header == MARK_HEADER
    return ReportColumn(header, WIDTHS.get(header, UNKNOWN_WIDTH), added, is_hidden=header == MARK_HEADER)
