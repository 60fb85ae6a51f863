"""A question as parsed from one row, and the row around it."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Literal, Self

from worker.questions.sheets import LeftOutSheet, Note, ReadSheet

QuestionType = Literal["qcm", "qroc", "cas_qcm", "cas_qroc"]
QUESTION_TYPES: tuple[QuestionType, ...] = ("qcm", "qroc", "cas_qcm", "cas_qroc")
LETTERS = "ABCDE"


def fold_text(text: str) -> str:
    """Two texts are the same content when their folded forms are equal: NFC, no case, single spaces.

    Signs and accents stay: `< 5` and `> 5` are different options.
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


@lru_cache(maxsize=4096)
def fold_name(text: str) -> str:
    """The key under which `Pédiatrie 2`, `pediatrie 2*` and `pediatrie 2 ` are one specialty."""
    stripped = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in stripped.casefold()).split())


@dataclass(frozen=True, slots=True)
class Finding:
    """Something odd about a row that did not stop it. `message` is French and shown to admins."""

    code: str  # snake_case, stable: "unreadable_key", "semester_not_recognised", …
    message: str
    column: str | None = None  # canonical header


@dataclass(frozen=True, slots=True)
class Question:
    """One exam question, cleaned. Options keep their letters: a gap stays a gap."""

    type: QuestionType
    specialty: str
    course: str
    level: str  # "DCEM2"
    semester: str  # "S1", "S2", the job's default or "Non précisé"
    text: str
    options: Mapping[str, str] = field(default_factory=dict)  # letter → text, present ones only; {} for a QROC
    official_key: str | None = None  # QCM: sorted unique letters ("ABE"); None = no official answer
    official_answer: str | None = None  # QROC: as uploaded, without a leading label
    unread_official: str | None = None  # what the file gives as key or answer, where that could not be read
    case_number: str | None = None
    case_text: str | None = None
    explanation: str | None = None  # uploaded by a person, placeholders removed
    option_explanations: Mapping[str, str] = field(default_factory=dict)  # same, per letter
    reminder: str | None = None  # `rappel`, byte for byte
    difficulty: int | None = None  # 1–5, from `[Niveau 3]` in the source
    image: str | None = None  # link or name of the picture that the question asks about, as uploaded

    @property
    def is_qcm(self) -> bool:
        """Has options and a key of letters."""
        return self.type in ("qcm", "cas_qcm")

    @property
    def official(self) -> str | None:
        """The official key or answer, whichever this type has."""
        return self.official_key if self.is_qcm else self.official_answer

    def content_hash(self) -> str:
        """64 hex digits over type, case, stem, ordered options, course and image: what makes two rows one question."""
        content = [
            self.type,
            fold_text(self.case_text or ""),
            fold_text(self.text),
            [[letter, fold_text(option)] for letter, option in sorted(self.options.items())],
            fold_name(self.specialty),
            fold_name(self.course),
        ]
        if self.image is not None:  # without one the hash is what it was before images counted
            content.append(self.image)
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """A plain dict for jsonb."""
        # Not `asdict`, which copies every value in depth: a file has 50,000 of these.
        data = {name: getattr(self, name) for name in _FIELDS}
        for name in ("unread_official", "image"):
            if data[name] is None:
                del data[name]  # a worker of the version before does not know it
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**data)


_FIELDS = tuple(field.name for field in fields(Question))


@dataclass(frozen=True, slots=True)
class ParsedRow:
    """One non-empty row of a sheet: its cells as uploaded, and the question read from them.

    `cells` maps the canonical header (known columns) or the uploaded header (unknown ones) to the text as
    uploaded. A row that breaks a rule no analysis can mend has a `rejection` (and no `question`).
    """

    sheet: str
    row_number: int
    type: QuestionType
    cells: Mapping[str, str]
    question: Question | None
    findings: tuple[Finding, ...] = ()
    rejection: str | None = None  # French sentence
    mark: str | None = None  # what the hidden column of a workbook of ours says of it (`questions.row_marks`)


@dataclass(frozen=True, slots=True)
class ParsedUpload:
    """A whole file, read: its rows in the file's order, the sheets they came from, and those left out and why.

    `notes` name every cell that is neither in a row's question nor spoken of in one of its findings.
    """

    rows: tuple[ParsedRow, ...]
    read: tuple[ReadSheet, ...]
    left_out: tuple[LeftOutSheet, ...]
    notes: tuple[Note, ...] = ()
