"""Files of chosen questions, sent to a worker one after another, and what became of each question."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openpyxl

from tests.support.surroundings import Platform

OPTIONS = {letter: f"Proposition {letter}" for letter in "ABCDE"}
FIRST = ("matiere", "cours", "niveau", "semestre", "texte de la question")
HEADER = (*FIRST, *(f"option {c}" for c in "abcde"), "reponse", "explication")
Row = tuple[str, str, str]  # stem, key, explanation
Send = Callable[..., str]


def write_file(path: Path, rows: list[Row]) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "qcm"
    sheet.append(HEADER)
    for stem, key, explanation in rows:
        sheet.append(["Pédiatrie", "Urgences", "DCEM2", "S1", stem, *OPTIONS.values(), key, explanation])
    book.save(path)
    return path


@contextmanager
def sending(platform: Platform, **environment: str) -> Iterator[Send]:
    """A worker at work, and what sends it a file and waits; the job's id."""
    with platform.workers(1, **environment):

        def send(path: Path, **config: Any) -> str:
            job_id = platform.enqueue(path, config=config or None)
            job = platform.wait_for_job(job_id)
            assert job["status"] == "completed", job["errorMessage"]
            return job_id

        yield send


def outcomes(platform: Platform, job_id: str) -> dict[str, str]:
    rows = platform.rows(
        'SELECT "question" ->> \'text\' AS stem, "status" FROM "AiValidationItem" WHERE "jobId" = :id '
        'ORDER BY "position"',
        id=job_id,
    )
    return {row["stem"]: row["status"] for row in rows}
