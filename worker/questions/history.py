"""What earlier files and people have left of a content: the items that came before, and the question that stands."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.messages import row_reasons
from worker.questions.question import Question

# What a spreadsheet, an export or a hand that pastes may change in a text without changing what it says.
_QUOTES = ("'", "’", "‘", '"', "“", "”", "«", "»")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)\s+(?=\d)")
_MINUTES = re.compile(r"(?<=\d)\s?(?:['’‘′](?!['’‘′\w])|['’‘′](?=\d))")
_SECONDS = re.compile(r"(?<=\d)\s?(?:[\"“”″]|['’‘′]{2})")


def loosen(text: str) -> str:
    """The text without spaces, quotation marks and case: two that are equal so were written by the same hand."""
    loose = "".join(text.casefold().split())
    for sign in _QUOTES:  # four times as fast as one expression: it runs over every explanation of a workbook
        loose = loose.replace(sign, "")
    return loose


def official_form(official: str | None) -> str:
    """What two official keys or answers have in common when they say the same; "" for none.

    As `loosen`, but two things count that belong to figures: a space between digits (`12 5` is not `125`), and the sign
    of minutes or seconds (`5'` is neither `5"` nor `5`). Of a text in quotation marks they are its own.
    """
    text = (official or "").strip()
    if len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES:
        text = text[1:-1]
    return loosen(_SECONDS.sub(" s", _MINUTES.sub(" min", _BETWEEN_DIGITS.sub("_", text))))


def text_hash(text: str) -> str:
    """32 hex digits of the loosened text: an explanation that the worker wrote is recognised by it in any file."""
    return hashlib.md5(loosen(text).encode(errors="replace"), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class EarlierItem:
    """A row that some job read before: what its file said (`cells`, `question`) and what it came to."""

    id: str
    job_id: str
    file_name: str
    status: str
    content_hash: str
    cells: Mapping[str, str]
    question: Question
    reason: str | None
    result: Mapping[str, Any]
    question_id: str | None

    @property
    def value(self) -> str | None:
        """The key or answer that the analysis put in the place of none, or of the official one."""
        if self.status not in ("completed", "corrected"):
            return None
        return self.result.get("key") or self.result.get("answer")


@dataclass(frozen=True, slots=True)
class Trace:
    """What is still known of a row that was removed with its job: the key or answer that its file gave (`official`),
    and, where the analysis wrote them, its own (`value`) and its general explanation, by hash.
    """

    content_hash: str
    official: str | None
    value: str | None
    text_hash: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """The question that is stored with a content.

    `official` is what stands there now. `given` is the official key or answer of the file that it comes from, with
    that file and its job (None where no item tells any more); None where no file gave one and the analysis did.
    """

    question_id: str
    official: str | None
    is_validated: bool = False
    by_person: bool = False  # validated by somebody, or written on the platform
    is_rewritten: bool = False  # under this content's id, but it asks something else now
    given: str | None = None
    file_name: str | None = None
    job_id: str | None = None
    has_human_text: bool = False  # its explanation rests on one that a file brought


def key_conflict(stored: Standing, official: str | None) -> str | None:
    """The French reason when a file gives another official key or answer than the one that stands; None otherwise.

    It stands until a person decides. A key that only the analysis gave is no official one, and gives way.
    """
    if stored.given is None or official is None or official_form(stored.given) == official_form(official):
        return None
    return row_reasons.other_official(
        official, stored.given, stored.official or "", file_name=stored.file_name, job_id=stored.job_id
    )
