"""What the worker wrote comes back in every way that a teacher sends it, and never counts as a person's."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.support.office import save_by_libreoffice
from tests.support.scripted_llm import ScriptedLlm
from tests.support.sending import HEADER, OPTIONS, outcomes, sending, write_file
from tests.support.surroundings import ADMIN, Platform
from worker.db.engine import Database
from worker.questions.decision import Order
from worker.review.decide import decide
from worker.review.decision_store import list_items


def stored(platform: Platform, stem: str) -> dict[str, Any]:
    (row,) = platform.rows('SELECT * FROM "Question" WHERE "questionText" = :stem', stem=stem)
    return row


def workbook_of(platform: Platform, job_id: str) -> Path:
    return Path(platform.job(job_id)["outputUrl"].removeprefix("file://"))


# -- ways back ---------------------------------------------------------------------------------------------------------


def as_it_is(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def saved_by_a_library(source: Path, target: Path) -> None:
    openpyxl.load_workbook(source).save(target)


def sorted_by_a_library(source: Path, target: Path) -> None:
    book = openpyxl.load_workbook(source)
    sheet = book["qcm"]
    lines = sorted((list(line) for line in sheet.iter_rows(min_row=2, values_only=True)), key=str, reverse=True)
    for number, line in enumerate(lines, start=2):
        for place, text in enumerate(line, start=1):
            sheet.cell(number, place).value = text
    book.save(target)


def explained_anew(source: Path, target: Path) -> None:
    book = openpyxl.load_workbook(source)
    sheet = book["qcm"]
    column = next(cell.column for cell in sheet[1] if cell.value == "explication")
    for number in range(2, sheet.max_row + 1):
        sheet.cell(number, column).value = "Une tout autre explication, écrite plus tard."
    book.save(target)


def sorted_and_without_what_was_added(source: Path, target: Path) -> None:
    book = openpyxl.load_workbook(source)
    sheet = book["qcm"]
    lines = [list(line) for line in sheet.iter_rows(values_only=True)]
    kept = [n for n, name in enumerate(lines[0]) if name in HEADER]
    copy = openpyxl.Workbook()
    page = copy.active
    assert page is not None
    page.title = "qcm"
    page.append([lines[0][n] for n in kept])
    for line in sorted(lines[1:], key=str, reverse=True):
        page.append([line[n] for n in kept])
    copy.save(target)


def pasted_into_another_file(source: Path, target: Path) -> None:
    lines = list(openpyxl.load_workbook(source)["qcm"].iter_rows(values_only=True))
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "QCM DCEM 2"
    for line in lines:
        sheet.append([f" {cell}\r\n" if isinstance(cell, str) and len(cell) > 60 else cell for cell in line])
    book.save(target)


@pytest.mark.parametrize(
    "back",
    [
        as_it_is,
        saved_by_a_library,
        sorted_and_without_what_was_added,
        pasted_into_another_file,
        save_by_libreoffice,
    ],
)
def test_a_workbook_that_comes_back_untouched_has_the_same_outcomes_and_costs_nothing(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path, back: Callable[[Path, Path], None]
) -> None:
    # Given rows that the analysis completed, corrected, contested, confirmed, and one that repeats a corrected one
    rows = [
        ("Sans clé ?", "", ""),
        ("Fausse clé ?", "AC", ""),
        ("Fausse clé ?", "AC", ""),
        ("Bonne clé ?", "BD", ""),
        ("Bonne clé expliquée ?", "BD", "Écrit par une personne, à garder."),
    ]
    llm.configure(truth={stem: [OPTIONS["B"], OPTIONS["D"]] for stem, *_ in rows})
    with sending(platform) as send:
        first = send(write_file(tmp_path / "a.xlsx", rows), applyCorrections=True)
        before = outcomes(platform, first)
        assert before == {
            "Sans clé ?": "completed",
            "Fausse clé ?": "duplicate",  # the last of the two
            "Bonne clé ?": "confirmed",
            "Bonne clé expliquée ?": "confirmed",
        }
        questions = platform.rows('SELECT * FROM "Question" ORDER BY "id"')
        calls = llm.stats()["received"]

        # When the workbook comes back
        returned = tmp_path / "a-corrige.xlsx"
        back(workbook_of(platform, first), returned)
        second = send(returned, applyCorrections=True)

    # Then nothing was asked, nothing is validated that was not, and no text or key has moved
    assert llm.stats()["received"] == calls
    after = platform.rows(
        'SELECT "question" ->> \'text\' AS stem, "status" FROM "AiValidationItem" WHERE "jobId" = :id', id=second
    )
    assert sorted((row["stem"], row["status"]) for row in after) == sorted(
        [
            ("Sans clé ?", "completed"),
            ("Fausse clé ?", "corrected"),
            ("Fausse clé ?", "duplicate"),
            ("Bonne clé ?", "confirmed"),
            ("Bonne clé expliquée ?", "confirmed"),
        ]
    )
    assert platform.rows('SELECT * FROM "Question" ORDER BY "id"') == questions
    assert [q["isValidated"] for q in questions if q["questionText"] in ("Sans clé ?", "Fausse clé ?")] == [False] * 2
    job = platform.job(second)
    assert (job["fixedCount"], job["successfulAnalyses"]) == (2, 5)
    again = openpyxl.load_workbook(workbook_of(platform, second))["qcm"]
    lines = list(again.iter_rows(values_only=True))
    place = {name: n for n, name in enumerate(lines[0])}
    origin = {line[place["texte de la question"]]: line[place["réponse d'origine"]] for line in lines[1:]}
    assert (origin["Sans clé ?"], origin["Fausse clé ?"]) == (None, "AC")


@pytest.mark.parametrize("back", [as_it_is, saved_by_a_library, sorted_by_a_library, save_by_libreoffice])
def test_a_key_of_the_analysis_beside_a_persons_own_explanations_is_known_by_the_hidden_column(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path, back: Callable[[Path, Path], None]
) -> None:
    # Given rows without key that a person has explained: nothing but the key of the workbook is ours
    rows = [(f"Sans clé {n} ?", "", "Écrit par une personne, à garder.") for n in (1, 2)]
    llm.configure(truth={stem: [OPTIONS["B"], OPTIONS["D"]] for stem, *_ in rows})
    with sending(platform) as send:
        first = send(write_file(tmp_path / "a.xlsx", rows))
        assert set(outcomes(platform, first).values()) == {"completed"}
        calls = llm.stats()["received"]
        returned = tmp_path / "a-corrige.xlsx"
        back(workbook_of(platform, first), returned)
        second = send(returned)
        # And a third time, its explanation changed by a person
        explained_anew(workbook_of(platform, second), returned)
        third = send(returned)
    for job_id in (second, third):
        assert set(outcomes(platform, job_id).values()) == {"completed"}
    assert llm.stats()["received"] == calls
    for stem, *_ in rows:
        assert not stored(platform, stem)["isValidated"]
        assert stored(platform, stem)["correctAnswer"] == "BD"


def test_a_key_that_a_person_changed_beside_its_mark_is_hers(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(truth={"Sans clé ?": [OPTIONS["B"], OPTIONS["D"]]})
    with sending(platform) as send:
        first = send(write_file(tmp_path / "a.xlsx", [("Sans clé ?", "", "Écrit par une personne, à garder.")]))
        book = openpyxl.load_workbook(workbook_of(platform, first))
        columns = {cell.value: cell.column for cell in book["qcm"][1]}
        book["qcm"].cell(2, columns["reponse"]).value = "BE"
        book.save(tmp_path / "b.xlsx")
        second = send(tmp_path / "b.xlsx")
    (row,) = platform.rows('SELECT "question" FROM "AiValidationItem" WHERE "jobId" = :id', id=second)
    assert row["question"]["official_key"] == "BE"
    assert outcomes(platform, second) == {"Sans clé ?": "contested"}


def test_a_mark_whose_job_was_deleted_still_says_what_the_analysis_wrote(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(truth={stem: [OPTIONS["B"], OPTIONS["D"]] for stem in ("Sans clé ?", "Expliquée ?")})
    rows = [("Sans clé ?", "", ""), ("Expliquée ?", "", "Écrit par une personne, à garder.")]
    with sending(platform) as send:
        first = send(write_file(tmp_path / "a.xlsx", rows))
        shutil.copyfile(workbook_of(platform, first), tmp_path / "b.xlsx")
        platform.execute('DELETE FROM "AiValidationJob" WHERE "id" = :id', id=first)
        second = send(tmp_path / "b.xlsx")
    for row in platform.rows('SELECT * FROM "AiValidationItem" WHERE "jobId" = :id', id=second):
        assert row["question"]["official_key"] is None
        assert row["status"] != "confirmed"
        assert row["original"]["reponse"] == ""
        is_explained = row["question"]["text"] == "Expliquée ?"
        assert row["question"]["explanation"] == ("Écrit par une personne, à garder." if is_explained else None)
        assert row["question"]["option_explanations"] == {}
    assert not any(stored(platform, stem)["isValidated"] for stem, *_ in rows)


def test_an_independent_file_stays_a_persons(platform: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    llm.configure(truth={"Sans clé ?": [OPTIONS["B"], OPTIONS["D"]]})
    with sending(platform) as send:
        send(write_file(tmp_path / "a.xlsx", [("Sans clé ?", "", "")]))
        calls = llm.stats()["received"]
        # When a file that bears no trace of ours gives the same key
        job_id = send(write_file(tmp_path / "b.xlsx", [("Sans clé ?", "DB", "Expliqué par une personne.")]))
    assert outcomes(platform, job_id) == {"Sans clé ?": "confirmed"}
    question = stored(platform, "Sans clé ?")
    assert (question["isValidated"], question["correctAnswer"]) == (True, "BD")
    assert "Expliqué par une personne." in question["explanation"]
    assert llm.stats()["received"] == calls


def test_questions_that_differ_by_their_image_alone_are_never_taken_for_each_other(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(truth={"Que montre l'image ?": [OPTIONS["A"]]})
    head, rows = "matiere,niveau,texte de la question,option a,option b,reponse,image", []
    for image in ("", "thorax1.png", "thorax2.png"):
        rows.append(f"Pneumologie,DCEM2,Que montre l'image ?,{OPTIONS['A']},{OPTIONS['B']},A,{image}")
    paths = [tmp_path / f"{number}.csv" for number in range(len(rows))]
    for path, row in zip(paths, rows, strict=True):
        path.write_text(f"{head}\n{row}\n")
    with sending(platform) as send:
        # When each comes in a file of its own, then all again, the one without an image last
        jobs = [send(path) for path in paths]
        everything = tmp_path / "all.csv"
        everything.write_text("\n".join([head, *rows[::-1]]) + "\n")
        again = send(everything)

    assert [outcomes(platform, job_id) for job_id in jobs] == [{"Que montre l'image ?": "confirmed"}] * 3
    found = platform.rows('SELECT "id", "explanation" FROM "Question"')
    links = sorted(
        link for q in found for link in ("thorax1.png", "thorax2.png") if f"Image : {link}" in q["explanation"]
    )
    assert (len(found), links) == (3, ["thorax1.png", "thorax2.png"])
    items = platform.rows('SELECT "status", "questionId" FROM "AiValidationItem" WHERE "jobId" = :id', id=again)
    assert {item["questionId"] for item in items} == {q["id"] for q in found}
    assert {item["status"] for item in items} == {"confirmed"}


def test_a_key_that_a_teacher_types_into_the_workbook_is_hers_and_its_explanation_argues_for_it(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a contested row: the workbook's explanation says that the official key is AC
    llm.configure(truth={"Fausse clé ?": [OPTIONS["B"], OPTIONS["D"]]})
    with sending(platform) as send:
        first = send(write_file(tmp_path / "a.xlsx", [("Fausse clé ?", "AC", "")]))
        assert "la clé officielle est AC" in stored(platform, "Fausse clé ?")["explanation"]
        # When the teacher types the analysis' key over it, and sends the workbook back
        book = openpyxl.load_workbook(workbook_of(platform, first))
        sheet = book["qcm"]
        columns = {cell.value: cell.column for cell in sheet[1]}
        sheet.cell(2, columns["reponse"]).value = "BD"
        book.save(tmp_path / "b.xlsx")
        second = send(tmp_path / "b.xlsx")
    # Then two official keys stand against each other, which a person has to say which is right: nothing is overwritten
    assert outcomes(platform, second) == {"Fausse clé ?": "contested"}
    question = stored(platform, "Fausse clé ?")
    assert (question["correctAnswer"], question["isValidated"]) == ("AC", False)
    # And once she has, no sentence of ours contradicts her
    with platform.engine.connect() as connection:
        (item,) = list_items(connection, second)
    assert item.is_open
    decide(Database(platform.engine), Order(item.id, "keep", ADMIN, "command", version=item.version))
    question = stored(platform, "Fausse clé ?")
    assert (question["correctAnswer"], question["isValidated"]) == ("BD", True)
    assert "officielle" not in question["explanation"]


# -- across files and time ---------------------------------------------------------------------------------------------


def test_another_files_key_never_replaces_one_that_stands(platform: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    # Given a question confirmed and validated with AC, and one contested with AC
    llm.configure(truth={"Confirmée ?": [OPTIONS["A"], OPTIONS["C"]], "Contestée ?": [OPTIONS["B"]]})
    with sending(platform) as send:
        first = send(write_file(tmp_path / "a.xlsx", [("Confirmée ?", "AC", ""), ("Contestée ?", "AC", "")]))
        before = platform.rows('SELECT * FROM "Question" ORDER BY "id"')
        # When another file says AB, and the model now says so too
        llm.configure(truth={stem: [OPTIONS["A"], OPTIONS["B"]] for stem in ("Confirmée ?", "Contestée ?")})
        second = send(write_file(tmp_path / "b.xlsx", [("Confirmée ?", "AB", ""), ("Contestée ?", "AB", "")]))
    # Then both are conflicts that name both keys, both files and the other job, and nothing has moved
    assert set(outcomes(platform, second).values()) == {"contested"}
    for row in platform.rows('SELECT "reason", "id" FROM "AiValidationItem" WHERE "jobId" = :id', id=second):
        assert all(part in row["reason"] for part in ("« AB »", "« AC »", "« a.xlsx »", first)), row["reason"]
    assert platform.rows('SELECT * FROM "Question" ORDER BY "id"') == before
    assert platform.job(second)["message"].endswith(" 2 à revoir.")


def test_what_is_validated_is_never_unvalidated_nor_its_text_replaced_by_a_later_job(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    rows = [("Validée ?", "AC", "Écrit par une personne.")]
    llm.configure(truth={"Validée ?": [OPTIONS["A"], OPTIONS["C"]]})
    with sending(platform) as send:
        send(write_file(tmp_path / "a.xlsx", rows))
        before = stored(platform, "Validée ?")
        assert before["isValidated"]
        send(write_file(tmp_path / "b.xlsx", rows), autoValidate=False)
        send(write_file(tmp_path / "c.xlsx", [("Validée ?", "AC", "")]))
        llm.configure(truth={"Validée ?": [OPTIONS["E"]]})
        for config in ({"aiModel": "weaker"}, {"aiModel": "bolder", "applyCorrections": True, "qualityThreshold": 0.1}):
            job_id = send(write_file(tmp_path / "d.xlsx", rows), **config)
            assert outcomes(platform, job_id) == {"Validée ?": "contested"}
    assert stored(platform, "Validée ?") == before


def test_an_explanation_that_a_person_wrote_is_not_lost_to_a_file_that_brings_none(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(truth={"Contestée ?": [OPTIONS["B"]]})
    with sending(platform) as send:
        send(write_file(tmp_path / "a.xlsx", [("Contestée ?", "AC", "Écrit par une personne.")]))
        before = stored(platform, "Contestée ?")
        send(write_file(tmp_path / "b.xlsx", [("Contestée ?", "AC", "")]))
    assert stored(platform, "Contestée ?") == before


def test_a_question_that_a_person_mended_is_found_by_what_it_asks_now(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a question whose text somebody mends on the platform, and validates
    llm.configure(truth={stem: [OPTIONS["B"]] for stem in ("Fautive ?", "Corrigée ?")})
    with sending(platform) as send:
        send(write_file(tmp_path / "a.xlsx", [("Fautive ?", "AC", "")]))
        platform.execute(
            'UPDATE "Question" SET "questionText" = \'Corrigée ?\', "isValidated" = true, "validatedBy" = '
            '(SELECT "id" FROM "User" LIMIT 1)'
        )
        before = platform.rows('SELECT * FROM "Question"')
        # When the mended file is sent, and then the old one
        mended = send(write_file(tmp_path / "b.xlsx", [("Corrigée ?", "AC", "")]))
        old = send(write_file(tmp_path / "c.xlsx", [("Fautive ?", "AC", "")]))
    # Then both find it, and nothing was written
    assert (outcomes(platform, mended), outcomes(platform, old)) == (
        {"Corrigée ?": "duplicate"},
        {"Fautive ?": "duplicate"},
    )
    assert platform.rows('SELECT * FROM "Question"') == before


def test_of_two_options_with_one_text_either_letter_is_the_official_one(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    path = write_file(tmp_path / "a.xlsx", [("Jumelles ?", "B", "")])
    book = openpyxl.load_workbook(path)
    sheet = book["qcm"]
    columns = {cell.value: cell.column for cell in sheet[1]}
    for letter in "bd":
        sheet.cell(2, columns[f"option {letter}"]).value = "La même proposition"
    book.save(path)
    llm.configure(truth={"Jumelles ?": ["La même proposition"]})
    with sending(platform) as send:
        job_id = send(path, applyCorrections=True)
    assert outcomes(platform, job_id) == {"Jumelles ?": "confirmed"}
    assert stored(platform, "Jumelles ?")["correctAnswer"] == "B"
