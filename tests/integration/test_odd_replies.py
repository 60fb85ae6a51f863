"""Replies that a model should not write: numbers that are none, results that contradict themselves. Real parts."""

from __future__ import annotations

from pathlib import Path

import openpyxl

from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from tests.support.workbooks import make_workbook


def make_short_answers(path: Path, count: int) -> Path:
    """A workbook of `count` short-answer questions with their official answer."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "qroc"
    sheet.append(["matiere", "cours", "niveau", "semestre", "source", "texte de la question", "reponse"])
    for n in range(1, count + 1):
        sheet.append(["Pédiatrie", "Urgences", "DCEM2", "S1", "x", f"Conduite devant le tableau {n} ?", "Surveillance"])
    book.save(path)
    return path


def test_an_answer_upheld_beside_another_one_confirms_nothing_and_is_asked_again(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a model that says every official answer to be right, and gives another
    llm.configure(contradict=1.0)
    with platform.workers(1, MEDQ_THREADS="2"):
        job_id = platform.enqueue(make_short_answers(tmp_path / "a.xlsx", 5), config={"applyCorrections": True})
        job = platform.wait_for_job(job_id)
    # Then each was asked twice, and a person has the word
    assert job["status"] == "completed"
    assert platform.outcomes(job_id) == {"contested": 5}
    assert llm.stats()["byPurpose"] == {"analyse": 1, "second_look": 5}
    (reason,) = platform.rows('SELECT DISTINCT "reason" FROM "AiValidationItem"')
    assert reason["reason"].startswith("L'analyse se contredit (elle dit la réponse officielle juste, et donne « Posth")
    kept = platform.rows('SELECT DISTINCT "correctAnswer", "isValidated" FROM "Question"')
    assert [row["isValidated"] for row in kept] == [False]


def test_a_confidence_that_is_none_costs_its_own_question_another_call_and_nothing_else(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given confidences of which the second can only mean one thing, and three that nobody can read
    llm.configure(confidences=[0.9, "0.9", 95, "high", None])
    with platform.workers(1, MEDQ_THREADS="1"):
        job_id = platform.enqueue(make_workbook(tmp_path / "a.xlsx", 5), config={"applyCorrections": False})
        job = platform.wait_for_job(job_id)
    # Then two are taken as they are, three are asked once more, alone
    assert (job["status"], job["successfulAnalyses"]) == ("completed", 5)
    sizes = platform.rows(
        'SELECT "questionCount" AS n FROM "LlmCall" WHERE "purpose" = \'analyse\' ORDER BY "createdAt"'
    )
    assert [row["n"] for row in sizes] == [5, 1, 1, 1]
